//! Why a search could not go on.

use heirloom_kb::{Domain, Name, SchemaError, StoreError};
use heirloom_predictor::PredictError;

use crate::objectives::Bound;
use crate::train::TrainError;

/// Why a recommendation or a study could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// A task that the base does not know.
    #[error("task {task:?} is not in the base{}", suggest(known))]
    UnknownTask {
        /// The task's id.
        task: Name,
        /// The tasks that are.
        known: Vec<Name>,
    },
    /// A space that neither the base nor the program knows.
    #[error("space {space:?} is neither in the base nor built in{}", suggest(known))]
    UnknownSpace {
        /// The space's id.
        space: Name,
        /// The spaces that are.
        known: Vec<Name>,
    },
    /// A study that the base does not know.
    #[error("there is no study {study:?}")]
    UnknownStudy {
        /// The study's id.
        study: String,
    },
    /// A candidate that does not fit its space.
    #[error("candidate {index}: {source}")]
    BadCandidate {
        /// Its position in the list.
        index: usize,
        /// Why.
        source: SchemaError,
    },
    /// A trial told to a study that it does not fit.
    #[error("trial {index}: {reason}")]
    BadTrial {
        /// Its position in the list.
        index: usize,
        /// Why.
        reason: String,
    },
    /// A description of a new task that does not hold together.
    #[error("the new task: {reason}")]
    BadTask {
        /// Why.
        reason: String,
    },
    /// Data that the networks of a space cannot take.
    #[error("the task's data are {domain}, which networks of {space} cannot take; {}", can(fitting))]
    WrongDomain {
        /// What the task's data are.
        domain: Domain,
        /// The space asked for.
        space: Name,
        /// Built-in spaces for such data.
        fitting: Vec<&'static str>,
    },
    /// A set-up of early stopping that does not hold together.
    #[error("scheduler: {reason}")]
    BadScheduler {
        /// Why.
        reason: String,
    },
    /// An architecture to be taken back that is not under way.
    #[error(
        "architecture {index} is not under way in {study}: it was not proposed, has its trial or was taken back before"
    )]
    NotUnderWay {
        /// Its place in the request.
        index: usize,
        /// The study.
        study: Name,
    },
    /// A score reported on the way that does not fit.
    #[error("report at step {step}: {reason}")]
    BadReport {
        /// The step as given.
        step: u32,
        /// Why.
        reason: String,
    },
    /// No candidate is left.
    #[error("there is nothing to propose: {reason}")]
    NothingToPropose {
        /// Why.
        reason: String,
    },
    /// A cost that no trial of the space has.
    #[error("no trial has the cost {cost:?}{}", suggest(known))]
    UnknownCost {
        /// The cost's name.
        cost: Name,
        /// The costs that trials have.
        known: Vec<Name>,
    },
    /// Objectives that do not hold together.
    #[error("objectives: {reason}")]
    BadObjective {
        /// Why.
        reason: String,
    },
    /// An acquisition that cannot be had.
    #[error("acquisition: {reason}")]
    BadAcquisition {
        /// Why.
        reason: String,
    },
    /// Prior scores that do not fit the study.
    #[error("prior scores by {by:?}: {reason}")]
    BadPrior {
        /// Where they come from.
        by: Name,
        /// Why.
        reason: String,
    },
    /// Constraints that no candidate is expected to keep to.
    #[error(
        "no candidate can keep to the constraints: {cost} must be {bound}, and the {extreme} expected of any candidate is \
         {}{}", rounded(*expected), note(*alone)
    )]
    Infeasible {
        /// The constraint that is hardest to keep to.
        cost: Name,
        /// What it asks for.
        bound: Bound,
        /// `lowest`, `highest` or `closest`: which of the costs expected comes nearest.
        extreme: &'static str,
        /// That cost, in its own unit.
        expected: f64,
        /// Whether it is this constraint alone, and not several together.
        alone: bool,
    },
    /// Stored bytes that are no study.
    #[error("study {study:?} cannot be read")]
    DamagedStudy {
        /// The study's id.
        study: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Of the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Of the surrogate.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Of the trainer.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// `those of "mlp/1" can`
fn can(fitting: &[&str]) -> String {
    let names: Vec<String> = fitting.iter().map(|id| format!("{id:?}")).collect();
    format!("those of {} can", names.join(", "))
}

/// Four digits, which is more than an expectation has.
fn rounded(number: f64) -> f64 {
    format!("{number:.3e}").parse().unwrap_or(number)
}

fn note(alone: bool) -> &'static str {
    if alone { "" } else { ", but not together with the other constraints" }
}

/// `; known are "a", "b"`, for an error that should say what to write instead.
fn suggest(known: &[Name]) -> String {
    if known.is_empty() {
        return "; import a history first".into();
    }
    let mut names: Vec<String> = known.iter().take(12).map(|name| format!("{name:?}")).collect();
    if known.len() > names.len() {
        names.push(format!("and {} more", known.len() - names.len()));
    }
    format!("; known are {}", names.join(", "))
}
