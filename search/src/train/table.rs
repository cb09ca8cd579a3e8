//! `TableTrainer`: trials that have been measured already.

use std::collections::HashMap;

use heirloom_kb::{Architecture, SearchSpace, Split, Task, Trial};
use heirloom_predictor::Encoder;

use super::{Budget, TrainError, Trainer};
use crate::spaces;

/// Answers from the trials of a task instead of training: a benchmark replayed. Of several trials of an architecture
/// and split the last counts; the budget's epochs and seed are those of the table.
pub struct TableTrainer {
    task: Task,
    encoder: Encoder,
    trials: HashMap<(Vec<u64>, Split), Trial>,
}

impl TableTrainer {
    /// The table of these trials, all of one task and space.
    #[must_use]
    pub fn new(task: Task, space: &SearchSpace, trials: Vec<Trial>) -> Self {
        let encoder = Encoder::new(space);
        let key = |trial: &Trial| encoder.key(&spaces::canonical(space.id(), &trial.architecture));
        let trials = trials.into_iter().map(|trial| ((key(&trial), trial.split), trial)).collect();
        TableTrainer { task, encoder, trials }
    }
}

impl Trainer for TableTrainer {
    fn task(&self) -> &Task {
        &self.task
    }

    fn train(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
    ) -> Result<Trial, TrainError> {
        let key = self.encoder.key(&spaces::canonical(space.id(), architecture));
        self.trials.get(&(key, budget.split)).cloned().ok_or_else(|| TrainError::NotInTable {
            task: self.task.id.clone(),
            architecture: architecture.clone(),
        })
    }
}
