//! Why a prediction could not be made.

use heirloom_kb::{Name, SchemaError};

/// Why a prediction could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// A setting outside its range.
    #[error("{parameter} is {value}, it must be {allowed}")]
    BadParameter {
        /// The setting.
        parameter: &'static str,
        /// The value as given.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// Two inputs that must be of one length.
    #[error("{what}: {left} against {right}")]
    Lengths {
        /// Which inputs.
        what: &'static str,
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// A fit without a single example.
    #[error("there is nothing to fit {model} on")]
    NoData {
        /// The model.
        model: &'static str,
    },
    /// A number that is none.
    #[error("{what} {index} is not finite")]
    NotFinite {
        /// What it belongs to: `row` or `target`.
        what: &'static str,
        /// Its position.
        index: usize,
    },
    /// An architecture that does not fit its space.
    #[error("architecture {index}: {source}")]
    Architecture {
        /// Its position among those given.
        index: usize,
        /// Why.
        source: SchemaError,
    },
    /// A trial of another space than the table's.
    #[error("a trial of space {found:?} stands among those of {expected:?}")]
    OtherSpace {
        /// The table's space.
        expected: Name,
        /// The trial's space.
        found: Name,
    },
    /// A kernel matrix that is not positive definite whatever jitter is added.
    #[error("the kernel matrix of {n} trials is not positive definite")]
    NotPositiveDefinite {
        /// Its side.
        n: usize,
    },
    /// Features that do not fit their labels, or say nothing.
    #[error("{reason}")]
    BadFeatures {
        /// What is wrong, with the place.
        reason: String,
    },
    /// A model that could not be fitted.
    #[error("{model} could not be fitted: {source}")]
    Fit {
        /// The model.
        model: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What linfa reports.
    #[error(transparent)]
    Linfa(#[from] linfa::Error),
}
