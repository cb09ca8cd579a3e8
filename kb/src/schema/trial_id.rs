//! The identity of a trial.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{SchemaError, Trial};

/// 128 bits of the BLAKE3 hash of a trial's canonical JSON; 32 hexadecimal digits in text.
///
/// Trials of equal content are one trial: that is what makes importing a file twice harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrialId([u8; 16]);

impl TrialId {
    /// The identity of a normalised trial.
    pub(super) fn of(trial: &Trial) -> Self {
        let bytes =
            serde_json::to_vec(trial).expect("a trial holds only strings, numbers and string-keyed maps");
        let hash = blake3::hash(&bytes);
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        TrialId(id)
    }

    /// The 16 bytes.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The identity made of these 16 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        TrialId(bytes)
    }
}

/// A trial as answers show it, with its id.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IdentifiedTrial {
    /// What other verbs and routes know it by.
    pub id: TrialId,
    /// The trial.
    #[serde(flatten)]
    pub trial: Trial,
}

impl From<Trial> for IdentifiedTrial {
    fn from(mut trial: Trial) -> Self {
        let id = trial.id();
        // A field of the trial's own that is called so is in exports alone: JSON has a key once.
        trial.extra.remove("id");
        IdentifiedTrial { id, trial }
    }
}

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<TrialId> for String {
    fn from(id: TrialId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for TrialId {
    type Error = SchemaError;

    fn try_from(text: String) -> Result<Self, SchemaError> {
        text.parse()
    }
}

impl FromStr for TrialId {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, SchemaError> {
        let bad = || SchemaError::BadTrialId { id: text.to_owned() };
        if text.len() != 32 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 16];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| bad())?;
        }
        Ok(TrialId(bytes))
    }
}
