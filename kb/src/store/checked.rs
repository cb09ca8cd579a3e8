//! Checks a batch against what a base knows, the same way for every back end.

use std::collections::{BTreeMap, HashSet};

use rayon::prelude::*;

use super::group::Group;
use super::{Batch, StoreError};
use crate::schema::{Name, SchemaError, SearchSpace, Task, Trial, TrialId};

/// The definitions that trials are checked against. There are few, so every store holds them in memory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    pub(crate) spaces: BTreeMap<Name, SearchSpace>,
    pub(crate) tasks: BTreeMap<Name, Task>,
}

/// A batch that fits: what is new in it, normalised.
#[derive(Debug, Default)]
pub(super) struct CheckedBatch {
    /// Spaces that the base lacks.
    pub(super) spaces: Vec<SearchSpace>,
    /// Tasks as they are to be kept, where that differs from what the base has.
    pub(super) tasks: Vec<Task>,
    /// Trials that the base lacks, by group and in the order given.
    pub(super) trials: BTreeMap<Group, Vec<(TrialId, Trial)>>,
    /// How many these are.
    pub(super) added: usize,
    /// Trials that the base has, or that stand twice.
    pub(super) known: usize,
}

impl Definitions {
    /// What is new in a batch.
    pub(super) fn check(
        &self,
        batch: &Batch,
        is_known: impl Fn(TrialId) -> bool,
    ) -> Result<CheckedBatch, StoreError> {
        let mut after = self.clone();
        let mut checked = CheckedBatch::default();
        for (index, space) in batch.spaces.iter().enumerate() {
            let new = after.add_space(space).map_err(|source| refused("space", index, source))?;
            checked.spaces.extend(new.then(|| space.clone()));
        }
        for (index, task) in batch.tasks.iter().enumerate() {
            let changed = after.add_task(task).map_err(|source| refused("task", index, source))?;
            checked.tasks.extend(changed);
        }
        let trials: Vec<(TrialId, Trial)> = batch
            .trials
            .par_iter()
            .enumerate()
            .map(|(index, trial)| after.check_trial(trial).map_err(|source| refused("trial", index, source)))
            .collect::<Result<_, _>>()?;
        let mut seen = HashSet::with_capacity(trials.len());
        for (id, trial) in trials {
            if is_known(id) || !seen.insert(id) {
                checked.known += 1;
            } else {
                checked.added += 1;
                checked.trials.entry(Group::of(&trial)).or_default().push((id, trial));
            }
        }
        Ok(checked)
    }

    /// Takes a checked batch's definitions in.
    pub(super) fn take(&mut self, checked: &CheckedBatch) {
        self.spaces.extend(checked.spaces.iter().map(|space| (space.id().clone(), space.clone())));
        self.tasks.extend(checked.tasks.iter().map(|task| (task.id.clone(), task.clone())));
    }

    /// Whether the space is new; refused when it is known with other content.
    pub(crate) fn add_space(&mut self, space: &SearchSpace) -> Result<bool, SchemaError> {
        match self.spaces.get(space.id()) {
            Some(known) if known == space => Ok(false),
            Some(_) => Err(SchemaError::SpaceRedefined { space: space.id().clone() }),
            None => {
                self.spaces.insert(space.id().clone(), space.clone());
                Ok(true)
            }
        }
    }

    /// The task as it is to be kept, if that changes anything.
    pub(crate) fn add_task(&mut self, task: &Task) -> Result<Option<Task>, SchemaError> {
        let mut merged = task.normalise()?;
        if let Some(known) = self.tasks.get(&task.id) {
            merged = known.merged_with(&merged)?;
            if merged == *known {
                return Ok(None);
            }
        }
        self.tasks.insert(merged.id.clone(), merged.clone());
        Ok(Some(merged))
    }

    /// The trial as it is to be kept, and its id.
    pub(crate) fn check_trial(&self, trial: &Trial) -> Result<(TrialId, Trial), SchemaError> {
        let Some(task) = self.tasks.get(&trial.task) else {
            return Err(SchemaError::UnknownTask { task: trial.task.clone() });
        };
        let Some(space) = self.spaces.get(&trial.space) else {
            return Err(SchemaError::UnknownSpace { space: trial.space.clone() });
        };
        let mut trial = trial.normalise(space)?;
        // One allocation for all trials of a task.
        trial.task = task.id.clone();
        trial.space = space.id().clone();
        Ok((trial.id(), trial))
    }
}

fn refused(record: &'static str, index: usize, source: SchemaError) -> StoreError {
    StoreError::Refused { record, index, source }
}
