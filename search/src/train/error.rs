//! Why a trainer could not go on.

use heirloom_datasets::DatasetError;
use heirloom_kb::{Architecture, Name};

use crate::net::NetError;

/// Why a trainer could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// An architecture that a table of past trials lacks.
    #[error("the trials of {task:?} have no architecture {architecture}")]
    NotInTable {
        /// The task.
        task: Name,
        /// The architecture.
        architecture: Architecture,
    },
    /// A space that is not built in, so that nobody knows its networks.
    #[error(
        "space {space:?} is not built in, so its architectures are no networks that could be trained here; train what is recommended of it yourself and import the trials, or let a program ask the server (heirloom serve)"
    )]
    NoFamily {
        /// The space.
        space: Name,
    },
    /// A space that makes no network for such data.
    #[error(transparent)]
    Net(#[from] NetError),
    /// An operation that the trainer has not.
    #[error("the trainer has no {op}; it trains convolutions, pools and fully connected layers")]
    NoSuchLayer {
        /// The operation.
        op: String,
    },
    /// A space whose architectures have no operations with weights of their own to share.
    #[error("the networks of {space:?} share no weights by operation; those of \"nas-bench-201/1\" do")]
    NothingShared {
        /// The space.
        space: Name,
    },
    /// Shared weights that grew beyond all numbers.
    #[error("the loss of the shared weights is {loss} in epoch {epoch}; try a smaller learning rate")]
    Diverged {
        /// From 1.
        epoch: u32,
        /// The loss.
        loss: f64,
    },
    /// A device that is not there.
    #[error("there is no device {device:?}; leave it out to take what there is")]
    NoDevice {
        /// The device as given.
        device: String,
    },
    /// A split that no trial is scored on.
    #[error("a trial is scored on the validation or the test part, not on {split}")]
    BadSplit {
        /// The split as given.
        split: heirloom_kb::Split,
    },
    /// A part of the data without an example.
    #[error(
        "data set {task:?} has too few examples of each class to train on and to score on the {split} part"
    )]
    NoExamples {
        /// The task.
        task: Name,
        /// The part that would be scored.
        split: heirloom_kb::Split,
    },
    /// A field of a recipe out of its range, or not for such data.
    #[error("recipe: {field}: {reason}")]
    BadRecipe {
        /// The field.
        field: &'static str,
        /// What is wrong, with the value.
        reason: String,
    },
    /// A share of the data that is none.
    #[error("a trial fits on a share of the data above 0 and at most 1, not on {share}")]
    BadShare {
        /// The share as given.
        share: f64,
    },
    /// A file with weights that are no weights, or not those that fit.
    #[error("{file}: {reason}")]
    BadWeights {
        /// The file.
        file: String,
        /// What is wrong, with the tensor and what was expected.
        reason: String,
    },
    /// Examples of another size than a network takes.
    #[error("the network takes {wanted} values of an example, these have {found}")]
    OtherSize {
        /// What it takes.
        wanted: usize,
        /// What was given.
        found: usize,
    },
    /// A network whose scores say nothing.
    #[error(
        "{example}: the network's scores are not finite numbers, so that none of its classes is predicted; values far beyond those of the training do that"
    )]
    NoScores {
        /// The example's row or file.
        example: String,
    },
    /// A teacher that cannot teach these classes or examples.
    #[error("teacher {teacher}: {reason}")]
    BadTeacher {
        /// The trial or file.
        teacher: String,
        /// What does not fit.
        reason: String,
    },
    /// Data sets that cannot be learned together.
    #[error("{task:?} cannot be learned together with {first:?}: {reason}")]
    NotJoint {
        /// The task that does not fit.
        task: Name,
        /// The first task.
        first: Name,
        /// Why.
        reason: String,
    },
    /// What the file system reports.
    #[error("cannot {act} {file}")]
    File {
        /// `read`, `write`.
        act: &'static str,
        /// The file.
        file: String,
        /// What it reported.
        source: std::io::Error,
    },
    /// Of the data set.
    #[error(transparent)]
    Data(#[from] DatasetError),
    /// What a worker process reports that concerns the whole study.
    #[error("{reason}")]
    Worker {
        /// In its words.
        reason: String,
    },
    /// A worker process that could not be started, or ended before it did anything.
    #[error("a worker process did not start: {reason}")]
    NoWorker {
        /// What the system reports.
        reason: String,
    },
    /// What libtorch reports outside a trial.
    #[error("libtorch failed: {reason}")]
    Torch {
        /// Its words.
        reason: String,
    },
}

/// An error with its causes, for a warning: that a file cannot be written, and that the disk is full.
#[cfg(any(feature = "torch", test))]
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_names_the_cause() {
        let source = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = TrainError::File { act: "write", file: "w.part".into(), source };
        assert_eq!(with_causes(&error), "cannot write w.part: no storage space");
    }
}
