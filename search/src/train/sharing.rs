//! What is asked of weights that architectures share, and what they say.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name};
use serde::Serialize;

use crate::spaces::CellSkeleton;

/// How the weights that all architectures of a space share are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharingMethod {
    /// Each step trains one architecture, drawn uniformly.
    ///
    /// *Source*: Guo et al., "Single path one-shot neural architecture search with uniform sampling", ECCV 2020
    /// (arXiv:1904.00420), section 3.
    #[default]
    SinglePath,
    /// Each step adds up the gradients of as many architectures as an edge has operations, so that each operation of each edge
    /// is trained exactly once a step. A step costs that many times more.
    ///
    /// *Source*: strict fairness of Chu, Zhang & Xu, "FairNAS", ICCV 2021 (arXiv:1907.01845), section 3.2.
    Fair,
    /// All operations at once, weighed by what is learned in turn with the weights, on examples of its own: differentiable
    /// search, first order. Two things keep `skip_connect` from being chosen only because it lets the weights learn faster:
    /// an auxiliary shortcut beside every edge, whose weight falls from one to nothing, and a limit of two shortcuts a cell,
    /// without which small tasks still end in nothing but shortcuts.
    ///
    /// *Source*: Liu, Simonyan & Yang, "DARTS", ICLR 2019 (arXiv:1806.09055), section 2.3; the auxiliary shortcut: Chu et
    /// al., "DARTS-: robustly stepping out of performance collapse without indicators", ICLR 2021 (arXiv:2009.01027),
    /// section 3; the limit: Chen, Xie, Wu & Tian, "P-DARTS", ICCV 2019 (arXiv:1904.12760), section 3.3.
    Darts,
}

impl SharingMethod {
    /// All of them.
    pub const ALL: [SharingMethod; 3] =
        [SharingMethod::SinglePath, SharingMethod::Fair, SharingMethod::Darts];

    /// Its name in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            SharingMethod::SinglePath => "single-path",
            SharingMethod::Fair => "fair",
            SharingMethod::Darts => "darts",
        }
    }
}

/// How shared weights are trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SharingOptions {
    /// Which architectures a step trains.
    pub method: SharingMethod,
    /// The network around the cell.
    pub skeleton: CellSkeleton,
    /// Passes over the training data.
    pub epochs: u32,
    /// Examples a step.
    pub batch_size: usize,
    /// Learning rate of the first step; it falls to nothing along half a cosine.
    pub learning_rate: f64,
    /// The seed of all chance.
    pub seed: u64,
    /// The seed of the split into training, validation and test part; part of the task.
    pub split_seed: u64,
}

impl Default for SharingOptions {
    fn default() -> Self {
        SharingOptions {
            method: SharingMethod::SinglePath,
            skeleton: CellSkeleton::SMALL,
            epochs: 50,
            batch_size: 64,
            learning_rate: 0.05,
            seed: 0,
            split_seed: 0,
        }
    }
}

/// What shared weights say of an architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SharedScore {
    /// Which.
    pub architecture: Architecture,
    /// What it is ranked by, more is better: the accuracy with inherited weights, or the logarithm of its probability in a
    /// differentiable search, less 100 for each shortcut beyond the second.
    pub score: f64,
    /// Accuracy on the validation part with inherited weights, from 0 to 1; absent where it was not measured.
    pub accuracy: Option<f64>,
    /// Mean cross-entropy there, in nats; it decides between equal scores.
    pub loss: Option<f64>,
}

/// Of every edge, the probability of each operation.
pub type Strengths = BTreeMap<Name, BTreeMap<Name, f64>>;
