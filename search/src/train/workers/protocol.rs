//! `Order` and `WorkerReport`: what a study and its workers say to each other.

use heirloom_kb::{Architecture, Json, SearchSpace, Trial};
use serde::{Deserialize, Serialize};

use crate::fidelity::Decision;
use crate::train::{Budget, EpochReport};

/// What a worker is told, over its standard input. When that ends, so does the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The first order: all that its trainer is made of. It answers `ready` or `refused`.
    Start(Json),
    /// Train an architecture. It answers an `epoch` for each, and at last `ended` or `refused`.
    Train {
        /// What to train.
        what: Assignment,
        /// Whether to ask after each epoch but the last if it goes on.
        watched: bool,
    },
    /// Whether the trial goes on that was asked about.
    Verdict(Decision),
    /// Say what trial an architecture makes whose training ended with its process. It answers `ended` or `refused`.
    Broken {
        /// What was trained.
        what: Assignment,
        /// How the process ended.
        reason: String,
    },
}

/// An architecture to train.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// The space.
    pub space: SearchSpace,
    /// The architecture.
    pub architecture: Architecture,
    /// What the trial may cost, and what it is scored on.
    pub budget: Budget,
}

/// What a worker says, over its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorkerReport {
    /// It has its data and its trainer.
    Ready,
    /// How an epoch went.
    Epoch(EpochReport),
    /// It waits to hear whether the trial goes on.
    Ask {
        /// Epochs trained.
        epoch: u32,
        /// The validation score.
        score: f64,
    },
    /// The trial has ended, one way or the other.
    Ended(Box<Trial>),
    /// An error that concerns the whole study.
    Refused {
        /// In words.
        reason: String,
        /// Whether libtorch is to blame, and not what it was asked for.
        torch: bool,
    },
}
