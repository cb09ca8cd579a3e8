//! `Recommendation`: what is asked of a recommender, and what it answers.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name, TrialId};
use serde::Serialize;

use crate::fidelity::FidelityAdvice;
use crate::new_task::TaskChoice;
use crate::objectives::Objectives;

/// What is asked of a recommender.
#[derive(Clone, Debug)]
pub struct RecommendationRequest {
    /// The task to recommend for.
    pub task: TaskChoice,
    /// The space to recommend from.
    pub space: Name,
    /// How many architectures are wanted.
    pub k: usize,
    /// The architectures that alone may be recommended; absent, the space's own pool.
    pub candidates: Option<Vec<Architecture>>,
    /// Architectures that are not to be recommended.
    pub exclude: Vec<Architecture>,
    /// Past tasks to leave out of the history. The task itself among them leaves out its own trials.
    pub exclude_tasks: Vec<Name>,
    /// Orders architectures of which the same is expected.
    pub seed: u64,
    /// What counts beside the score.
    pub objectives: Objectives,
}

/// An answer: architectures in the order to try them in, and what the answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// The task; `(new)` for one that the base does not know.
    pub task: Name,
    /// The space.
    pub space: Name,
    /// The architectures in the order to try them in. Where the score alone counts, the first 16 are those that a study of the same
    /// seed would try next, one after another, each believing of those before it what is expected of them; further ones follow
    /// by expected score.
    pub ranked: Vec<RankedArchitecture>,
    /// The past tasks and their share in the answer, largest first.
    pub history: Vec<TaskShare>,
    /// How many candidates were ranked.
    pub candidates: usize,
    /// How many of the task's own trials were used.
    pub own_trials: usize,
    /// The probability, told from the task's own trials, that the past tasks say something about it that these do not say themselves;
    /// absent where there are no own trials or no past tasks. Many own trials may need no past, though it agrees with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust: Option<f64>,
    /// Spearman's correlation between the scores of the task's own trials and what the past alone expects of them; absent with fewer than
    /// eight own trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past_correlation: Option<f64>,
    /// How long a trial need be trained before it is judged, told from the curves of past trials where they have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fidelity: Option<FidelityAdvice>,
    /// Where Pareto objectives are asked for: the candidates that no other beats in all that is expected, best score first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front: Option<Vec<FrontPoint>>,
    /// What the reader should know, in plain words.
    pub notes: Vec<String>,
}

/// A candidate on the expected Pareto front.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrontPoint {
    /// The architecture.
    pub architecture: Architecture,
    /// Expected normalised score.
    pub mean: f64,
    /// Its standard deviation.
    pub std: f64,
    /// The share of the space that it is expected to beat.
    pub beats_frac: f64,
    /// Expected costs, by name, as in [`RankedArchitecture::expected_costs`].
    pub expected_costs: BTreeMap<Name, f64>,
    /// How far they may be off, as in [`RankedArchitecture::cost_std`].
    pub cost_std: BTreeMap<Name, f64>,
}

/// One recommended architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedArchitecture {
    /// What to try.
    pub architecture: Architecture,
    /// Expected normalised score: standard normal quantile of the rank within the space.
    pub mean: f64,
    /// Its standard deviation.
    pub std: f64,
    /// The share of the space that it is expected to beat, from 0 to 1: the mean as a rank.
    pub beats_frac: f64,
    /// What it is expected to cost on this task, by name: what was measured, or the median of what the past expects.
    pub expected_costs: BTreeMap<Name, f64>,
    /// Half the width of the interval that holds a cost with 68 %, by name; 0 for one that is known.
    pub cost_std: BTreeMap<Name, f64>,
    /// The probability that it keeps to the constraints, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feasible_frac: Option<f64>,
    /// Past trials that this rests on: of the same architecture, or else of the most similar ones.
    pub evidence: Vec<TrialId>,
    /// Why it is to be tried, where it was chosen as a study would, and where the evidence comes from; in plain words.
    pub why: String,
}

/// A past task and its share in an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskShare {
    /// The past task.
    pub task: Name,
    /// Its architectures with a score in this space.
    pub architectures: usize,
    /// Its share, the shares of an answer sum to 1.
    pub share: f64,
}
