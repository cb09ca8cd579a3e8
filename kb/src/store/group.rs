//! `Group`: the trials of one task in one space on one split.

use crate::schema::{Name, Split, Trial};

use super::{Cursor, GroupStats, TrialQuery};

/// What orders trials before their time of arrival.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Group {
    pub(super) task: Name,
    pub(super) space: Name,
    pub(super) split: Split,
}

impl Group {
    pub(super) fn of(trial: &Trial) -> Self {
        Group { task: trial.task.clone(), space: trial.space.clone(), split: trial.split }
    }

    /// Whether a query asks for trials of this group: the fields agree, and the cursor is not past it.
    pub(super) fn is_asked(&self, query: &TrialQuery) -> bool {
        query.task.as_ref().is_none_or(|task| *task == self.task)
            && query.space.as_ref().is_none_or(|space| *space == self.space)
            && query.split.is_none_or(|split| split == self.split)
            && query.after.as_ref().is_none_or(|after| self.key() >= (&after.task, &after.space, after.split))
    }

    /// The first sequence number that a query asks for.
    pub(super) fn first_asked(&self, query: &TrialQuery) -> u64 {
        let here =
            query.after.as_ref().filter(|after| self.key() == (&after.task, &after.space, after.split));
        here.map_or(0, |after| after.sequence + 1)
    }

    fn key(&self) -> (&Name, &Name, Split) {
        (&self.task, &self.space, self.split)
    }

    pub(super) fn cursor(&self, sequence: u64) -> Cursor {
        Cursor { task: self.task.clone(), space: self.space.clone(), split: self.split, sequence }
    }

    pub(super) fn stats(&self, trials: u64) -> GroupStats {
        GroupStats { task: self.task.clone(), space: self.space.clone(), split: self.split, trials }
    }
}
