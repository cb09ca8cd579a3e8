//! Which trials are asked for.

use std::fmt;
use std::str::FromStr;

use super::StoreError;
use crate::schema::{Name, Split, Trial};

/// Which trials are asked for; an absent field asks for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrialQuery {
    /// Only those of this task.
    pub task: Option<Name>,
    /// Only those of this space.
    pub space: Option<Name>,
    /// Only those of this split.
    pub split: Option<Split>,
    /// Only those after this place, from [`TrialPage::next`].
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: Option<usize>,
}

impl TrialQuery {
    /// All trials of a task.
    #[must_use]
    pub fn task(task: impl Into<Name>) -> Self {
        TrialQuery { task: Some(task.into()), ..TrialQuery::default() }
    }

    /// All trials in a space on one split.
    #[must_use]
    pub fn space(space: impl Into<Name>, split: Split) -> Self {
        TrialQuery { space: Some(space.into()), split: Some(split), ..TrialQuery::default() }
    }
}

/// Trials, and where to go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrialPage {
    /// The trials.
    pub trials: Vec<Trial>,
    /// Set when the limit cut the answer short.
    pub next: Option<Cursor>,
}

/// A place in the order of trials. It stays good while trials are added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The group of the last trial seen.
    pub(super) task: Name,
    pub(super) space: Name,
    pub(super) split: Split,
    /// Its number within the group.
    pub(super) sequence: u64,
}

/// Percent-encodes what a cursor's text needs to stay one word of a URL.
fn escape(id: &str) -> String {
    id.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(char::from(byte)),
            other => out.push_str(&format!("*{other:02x}")),
        }
        out
    })
}

fn unescape(text: &str) -> Option<Name> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'*' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok().map(Name::from)
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{}~{}~{}", escape(&self.task), escape(&self.space), self.split, self.sequence)
    }
}

impl FromStr for Cursor {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let bad = || StoreError::BadCursor { cursor: text.to_owned() };
        let mut parts = text.split('~');
        let mut part = || parts.next().ok_or_else(bad);
        let task = unescape(part()?).ok_or_else(bad)?;
        let space = unescape(part()?).ok_or_else(bad)?;
        let split = match part()? {
            "train" => Split::Train,
            "validation" => Split::Validation,
            "test" => Split::Test,
            _ => return Err(bad()),
        };
        let sequence = part()?.parse().map_err(|_| bad())?;
        Ok(Cursor { task, space, split, sequence })
    }
}
