//! Trainers: from an architecture to a trial.

mod error;
mod table;
#[cfg(feature = "torch")]
pub mod torch;

use heirloom_kb::{Architecture, Split, Task, Trial};

pub use error::TrainError;
pub use table::TableTrainer;

/// What a trial may cost, and what it is scored on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Passes over the training data.
    pub epochs: u32,
    /// The seed of all chance in the trial.
    pub seed: u64,
    /// `Validation`: fitted on the training part, scored on the validation part. `Test`: fitted on both, scored
    /// once on the test part, which nothing else ever looks at.
    pub split: Split,
}

/// Turns an architecture into a trial on one task.
///
/// An error concerns the whole study: there are no data, or no network for such data. A trial that breaks, because
/// memory runs out or the loss is no longer a number, is a trial too: its status is `failed` and its field `reason` says
/// why.
pub trait Trainer: Send {
    /// The task whose data it has.
    fn task(&self) -> &Task;

    /// Measures an architecture, normalised to its space.
    ///
    /// # Errors
    /// [`TrainError`], see above.
    fn train(
        &mut self,
        space: &heirloom_kb::SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
    ) -> Result<Trial, TrainError>;
}
