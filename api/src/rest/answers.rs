//! Answers, described; what is sent are the types of `heirloom_search` that they mirror, and a test holds the two together.
#![expect(dead_code, reason = "they describe, and nothing is made of them")]

use std::collections::BTreeMap;

use super::study_body::StudyBody;

/// An architecture to try, and what is expected of it.
#[derive(utoipa::ToSchema)]
pub(super) struct ProposalAnswer {
    /// What to try.
    #[schema(value_type = Object)]
    architecture: (),
    /// Expected normalised score; absent when the strategy expects nothing.
    #[schema(required = false, nullable = false)]
    mean: Option<f64>,
    /// Its standard deviation.
    #[schema(required = false, nullable = false)]
    std: Option<f64>,
    /// Why this one, in plain words.
    why: String,
}

/// A study in the list of all.
#[derive(utoipa::ToSchema)]
pub(super) struct StudyRow {
    /// To be used in the paths below `/v1/studies/`.
    id: String,
    /// What it searches for.
    task: String,
    /// Where it searches.
    space: String,
    /// Trials that it was told.
    trials: usize,
}

/// How a study is getting on.
#[derive(utoipa::ToSchema)]
pub(super) struct StudyAnswer {
    /// The study's id.
    id: String,
    /// How it was set up.
    setup: StudyBody,
    /// The task's metric.
    metric: String,
    /// The best trial so far that keeps to the constraints and was not measured at far less than the others, with its `id`; absent before the
    /// first.
    #[schema(value_type = Object, required = false)]
    best: (),
    /// One entry a validation trial, in the order they were told.
    curve: Vec<CurveAnswer>,
    /// All trials, each with its `id`, in the form of the JSON Lines.
    #[schema(value_type = Vec<Object>)]
    trials: (),
    /// Architectures that have been proposed and have no trial yet, in the order of asking.
    #[schema(value_type = Vec<Object>)]
    under_way: (),
    /// What the reader should know, in plain words.
    notes: Vec<String>,
}

/// A study after so many validation trials.
#[derive(utoipa::ToSchema)]
pub(super) struct CurveAnswer {
    /// The trial's id.
    trial: String,
    /// Its score; null for a failed and for a pruned one.
    score: Option<f64>,
    /// The best score up to here.
    best: Option<f64>,
}

/// Architectures in the order to try them in, and what the answer rests on.
#[derive(utoipa::ToSchema)]
pub(super) struct RecommendationAnswer {
    /// The task; `(new)` for one that the base does not know.
    task: String,
    /// The space.
    space: String,
    /// The architectures in the order to try them in.
    ranked: Vec<RankedAnswer>,
    /// The past tasks and their shares in the answer, largest first.
    history: Vec<ShareAnswer>,
    /// How many candidates were ranked.
    candidates: usize,
    /// How many of the task's own trials were used.
    own_trials: usize,
    /// The probability, told from the task's own trials, that the past says something that these do not say themselves.
    #[schema(required = false, nullable = false)]
    trust: Option<f64>,
    /// Spearman's correlation between the scores of the own trials and what the past alone expects of them.
    #[schema(required = false, nullable = false)]
    past_correlation: Option<f64>,
    /// How long a trial need be trained before it is judged.
    #[schema(required = false, nullable = false)]
    fidelity: Option<FidelityAnswer>,
    /// With Pareto objectives: the candidates that no other beats in all that is expected, best score first.
    #[schema(required = false, nullable = false)]
    front: Option<Vec<FrontAnswer>>,
    /// What the reader should know, in plain words.
    notes: Vec<String>,
}

/// One recommended architecture.
#[derive(utoipa::ToSchema)]
pub(super) struct RankedAnswer {
    /// What to try.
    #[schema(value_type = Object)]
    architecture: (),
    /// Expected normalised score: standard normal quantile of the rank within the space.
    mean: f64,
    /// Its standard deviation.
    std: f64,
    /// The share of the space that it is expected to beat, from 0 to 1.
    beats_frac: f64,
    /// What it is expected to cost on this task, by name: what was measured, or the median of what the past expects.
    expected_costs: BTreeMap<String, f64>,
    /// Half the width of the interval that holds a cost with 68 %, by name; 0 for one that is known.
    cost_std: BTreeMap<String, f64>,
    /// The probability that it keeps to the constraints, where there are some.
    #[schema(required = false, nullable = false)]
    feasible_frac: Option<f64>,
    /// Ids of past trials that this rests on.
    evidence: Vec<String>,
    /// Why it is to be tried and where the evidence comes from, in plain words.
    why: String,
}

/// A past task and its share in an answer; shares sum to 1.
#[derive(utoipa::ToSchema)]
pub(super) struct ShareAnswer {
    /// The past task.
    task: String,
    /// Its architectures with a score in this space.
    architectures: usize,
    /// Its share.
    share: f64,
}

/// How long a trial need be trained before it is judged.
#[derive(utoipa::ToSchema)]
pub(super) struct FidelityAnswer {
    /// The fidelity, such as `epochs`.
    name: String,
    /// How much of it is worth spending on a trial first.
    value: f64,
    /// What a whole training takes.
    full: f64,
    /// Spearman's correlation between the scores at `value` and at the end, the mean over past tasks.
    rank_correlation: f64,
    /// Why, in plain words.
    why: String,
}

/// A candidate on the expected Pareto front.
#[derive(utoipa::ToSchema)]
pub(super) struct FrontAnswer {
    /// The architecture.
    #[schema(value_type = Object)]
    architecture: (),
    /// Expected normalised score.
    mean: f64,
    /// Its standard deviation.
    std: f64,
    /// The share of the space that it is expected to beat.
    beats_frac: f64,
    /// Expected costs, by name.
    expected_costs: BTreeMap<String, f64>,
    /// How far they may be off.
    cost_std: BTreeMap<String, f64>,
}
