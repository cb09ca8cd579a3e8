//! `SchedulerSetup`: which rule stops trials early, and when it looks.

use serde::{Deserialize, Deserializer, Serialize};

use crate::SearchError;

/// What becomes of a trial after a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is trained further.
    Continue {
        /// Why, in plain words.
        why: String,
    },
    /// It is stopped here.
    Stop {
        /// Why, in plain words.
        why: String,
    },
}

impl Decision {
    pub(crate) fn go_on(why: impl Into<String>) -> Self {
        Decision::Continue { why: why.into() }
    }

    pub(crate) fn when(stop: bool, why: String) -> Self {
        if stop { Decision::Stop { why } } else { Decision::Continue { why } }
    }

    /// Whether the trial ends here.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        matches!(self, Decision::Stop { .. })
    }

    /// Why, in plain words.
    #[must_use]
    pub fn why(&self) -> &str {
        let (Decision::Continue { why } | Decision::Stop { why }) = self;
        why
    }
}

/// The rules by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SchedulerKind {
    /// Asynchronous successive halving.
    Asha,
    /// Successive halving in brackets of different first rungs.
    Hyperband,
    /// Stops what is unlikely to beat the best trial, as past learning curves went on.
    Extrapolation,
    /// Stops after the first rung what is not among the best three there.
    OneEpoch,
}

impl SchedulerKind {
    /// All rules.
    pub const ALL: [SchedulerKind; 4] = [
        SchedulerKind::Asha,
        SchedulerKind::Hyperband,
        SchedulerKind::Extrapolation,
        SchedulerKind::OneEpoch,
    ];

    /// The name in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SchedulerKind::Asha => "asha",
            SchedulerKind::Hyperband => "hyperband",
            SchedulerKind::Extrapolation => "extrapolation",
            SchedulerKind::OneEpoch => "one-epoch",
        }
    }

    /// The rule of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        SchedulerKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// Which rule stops trials early, and when it looks: after `min_epochs`, and then each time the epochs have grown `eta`-fold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct SchedulerSetup {
    /// The rule.
    pub kind: SchedulerKind,
    /// Epochs of a trial that is never stopped.
    pub max_epochs: u32,
    /// Epochs that every trial gets.
    #[serde(default = "one", deserialize_with = "or_one")]
    pub min_epochs: u32,
    /// The reduction factor; absent, 3. The one-epoch rule has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta: Option<u32>,
}

fn one() -> u32 {
    1
}

/// One where `null` stands.
fn or_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(one))
}

/// The reduction factor unless another is asked for.
const ETA: u32 = 3;

impl SchedulerSetup {
    /// The reduction factor.
    #[must_use]
    pub fn eta(&self) -> u32 {
        self.eta.unwrap_or(ETA)
    }

    /// Whether it holds together.
    ///
    /// # Errors
    /// [`SearchError::BadScheduler`].
    pub fn check(&self) -> Result<(), SearchError> {
        let bad = |reason: String| Err(SearchError::BadScheduler { reason });
        let (min, max) = (self.min_epochs, self.max_epochs);
        if min == 0 {
            return bad("min_epochs is 0, it must be at least 1".into());
        }
        if min >= max {
            return bad(format!("min_epochs is {min}, it must be less than max_epochs, {max}"));
        }
        match self.eta {
            Some(eta) if self.kind == SchedulerKind::OneEpoch => {
                bad(format!("eta is {eta}, but the one-epoch rule looks only once and has no eta"))
            }
            Some(eta) if eta < 2 => bad(format!("eta is {eta}, it must be at least 2")),
            _ => Ok(()),
        }
    }
}
