//! Trainers: from an architecture to a trial.

mod error;
mod evaluation;
mod inheritance;
mod proxy;
mod recipe;
mod sharing;
mod table;
mod taken;
mod teacher;
#[cfg(feature = "torch")]
pub mod torch;
mod weight_store;
mod workers;

use heirloom_kb::{Architecture, Split, Status, Task, Trial};
use serde::{Deserialize, Serialize};

pub use error::TrainError;
pub use evaluation::{Confusion, Evaluation, likeliest};
pub use inheritance::{Fate, INHERITED_FIELD, Inherited, sources};
pub use proxy::Proxy;
pub use recipe::{Augmentation, OptimizerKind, Precision, Recipe, Schedule};
pub use sharing::{SharedScore, SharingMethod, SharingOptions, Strengths};
pub use table::TableTrainer;
pub use taken::{INIT_FIELD, Taken};
pub use teacher::{Teacher, TeacherSource};
pub use weight_store::{WEIGHTS_FIELD, WeightStore, write_whole};
pub use workers::{Assignment, Order, Orders, Voice, WorkerPool, WorkerReport, serve};

use crate::fidelity::Decision;

/// What a trial may cost, and what it is scored on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Passes over the training data.
    pub epochs: u32,
    /// The share of the training part that is fitted on, above 0 and at most 1: the same rows for all trials of a task.
    pub data_fraction: f64,
    /// The seed of all chance in the trial.
    pub seed: u64,
    /// `Validation`: fitted on the training part, scored on the validation part. `Test`: fitted on both, scored
    /// once on the test part, which nothing else ever looks at.
    pub split: Split,
}

impl Budget {
    /// A budget of so many epochs over all of the training data.
    #[must_use]
    pub fn new(epochs: u32, seed: u64, split: Split) -> Self {
        Budget { epochs, data_fraction: 1.0, seed, split }
    }
}

/// What is told after each epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Mean training loss, cross-entropy in nats.
    pub loss: f64,
    /// Accuracy on the validation part, from 0 to 1; absent when the budget asks for the test part.
    pub validation_accuracy: Option<f64>,
}

/// Turns an architecture into a trial on one task.
///
/// An error concerns the whole study: there are no data, or no network for such data. A trial that breaks, because
/// memory runs out or the loss is no longer a number, is a trial too: its status is `failed` and its field `reason` says
/// why.
pub trait Trainer: Send {
    /// The task whose data it has.
    fn task(&self) -> &Task;

    /// Whether an architecture can start from the file that all are to start from, if there is one. Where nothing of the file fits, a trial
    /// starts afresh and says so: in a search single networks may be of another kind.
    ///
    /// # Errors
    /// [`TrainError::BadWeights`] with the names of both sides.
    fn check_start(
        &self,
        _space: &heirloom_kb::SearchSpace,
        _architecture: &Architecture,
    ) -> Result<(), TrainError> {
        Ok(())
    }

    /// Measures an architecture, normalised to its space. `watch` hears the validation score after each epoch and may stop
    /// the trial before its last one: then its status is `pruned`, its fidelity and curve are what was really trained, its
    /// score is the last one, and its field `reason` says why. On the test split there is nothing to watch.
    ///
    /// # Errors
    /// [`TrainError`], see above.
    fn train_watched(
        &mut self,
        space: &heirloom_kb::SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Trial, TrainError>;

    /// Measures an architecture to the end.
    ///
    /// # Errors
    /// As [`Trainer::train_watched`].
    fn train(
        &mut self,
        space: &heirloom_kb::SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
    ) -> Result<Trial, TrainError> {
        self.train_watched(space, architecture, budget, &mut |_, _| Decision::go_on("nobody watches"))
    }

    /// The failed trial of an architecture whose training ended with its process. What was kept of it under way goes, for it
    /// is not trained again.
    ///
    /// # Errors
    /// As [`Trainer::train_watched`].
    fn broken(
        &mut self,
        space: &heirloom_kb::SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
        reason: &str,
    ) -> Result<Trial, TrainError> {
        let Task { id, metric, .. } = self.task().clone();
        let mut trial = Trial::new(id, space.id().clone(), architecture.clone(), budget.split, metric, 0.0);
        trial.fidelity.insert("epochs".into(), budget.epochs.into());
        trial.seed = Some(budget.seed);
        mark_failed(&mut trial, reason);
        Ok(trial)
    }
}

/// Makes a trial one that broke.
fn mark_failed(trial: &mut Trial, reason: &str) {
    tracing::warn!(task = %trial.task, architecture = %trial.architecture, reason, "trial failed");
    trial.status = Status::Failed;
    trial.score = None;
    trial.extra.insert("reason".into(), reason.into());
}

/// Marks a trial as stopped after so many epochs.
fn mark_pruned(trial: &mut Trial, epochs: u32, why: &str) {
    trial.status = Status::Pruned;
    trial.fidelity.insert("epochs".into(), epochs.into());
    trial.extra.insert("reason".into(), why.into());
}
