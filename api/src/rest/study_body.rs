//! The body of `POST /v1/studies`, described; what reads it is [`StudySetup`](heirloom_search::StudySetup).
#![expect(dead_code, reason = "they describe, and nothing is made of them")]

use std::collections::BTreeMap;

/// How a study is set up.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StudyBody {
    /// The task to search for; the base knows it.
    #[schema(example = "photo")]
    task: String,
    /// The space to search in.
    #[schema(example = "nas-bench-graph/1")]
    space: String,
    /// The architectures that alone may be proposed; absent, the space's own pool.
    #[schema(value_type = Option<Vec<Object>>)]
    candidates: Option<()>,
    /// What is known of each of the candidates before any is trained, for the strategies surrogate and ranked.
    prior: Option<PriorBody>,
    /// Who decides what is tried next; `surrogate` unless given.
    strategy: Option<StrategyName>,
    /// What makes a candidate worth the next trial, for the strategy surrogate.
    acquisition: Option<AcquisitionBody>,
    /// The seed of all chance in the study.
    #[schema(default = 0, format = "uint64", minimum = 0)]
    seed: Option<u64>,
    /// What of the past counts.
    history: Option<HistoryBody>,
    /// Which rule stops trials early; absent, none.
    scheduler: Option<SchedulerBody>,
    /// Bounds on costs, by the cost's name: `{"latency_s":{"max":0.01}}`.
    constraints: Option<BTreeMap<String, BoundBody>>,
    /// Costs to be low while the score is high, up to three.
    pareto: Option<Vec<String>>,
    /// A cost that improvement is counted per unit of, such as `train_s`.
    per: Option<String>,
    /// The device that costs are meant on, as trials name it in their field `device`.
    device: Option<String>,
}

/// A number for each candidate that says something of its score, more is better.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PriorBody {
    /// Where they come from, such as `naswot`.
    by: String,
    /// One for each candidate, in order; null where there is none.
    scores: Vec<Option<f64>>,
}

/// What makes a candidate worth the next trial.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AcquisitionBody {
    /// Which rule.
    kind: AcquisitionName,
    /// Standard deviations that doubt is worth, for `ucb` alone.
    #[schema(default = 2.0)]
    beta: Option<f64>,
}

/// What of the past counts.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryBody {
    /// Past tasks to leave out; the study's own task among them leaves out its own earlier trials.
    exclude_tasks: Option<Vec<String>>,
}

/// Which rule stops trials early.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SchedulerBody {
    /// Which rule.
    kind: SchedulerName,
    /// Epochs of a trial that is never stopped.
    #[schema(minimum = 1)]
    max_epochs: u32,
    /// Epochs that every trial gets.
    #[schema(default = 1, minimum = 1)]
    min_epochs: Option<u32>,
    /// The reduction factor; the one-epoch rule has none.
    #[schema(default = 3, minimum = 2)]
    eta: Option<u32>,
}

/// The least and the most that a cost may be, both included.
#[derive(utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BoundBody {
    /// The least, in the cost's own unit.
    min: Option<f64>,
    /// The most, in the cost's own unit.
    max: Option<f64>,
}

/// Who decides what is tried next.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "kebab-case")]
enum StrategyName {
    Surrogate,
    Evolution,
    EvolutionPolicy,
    LocalSearch,
    Reinforce,
    Ranked,
    Random,
}

/// Expected improvement, an upper confidence bound, or draws.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "kebab-case")]
enum AcquisitionName {
    Ei,
    Ucb,
    Thompson,
}

/// A rule that stops trials early.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "kebab-case")]
enum SchedulerName {
    Asha,
    Hyperband,
    Extrapolation,
    OneEpoch,
}
