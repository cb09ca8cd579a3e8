//! `POST /v1/recommendations`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use heirloom_kb::{Architecture, Domain, Goal, Name};
use heirloom_search::{
    Constraints, HistoryChoice, NewTask, Objectives, Recommendation, RecommendationRequest, TaskChoice,
    or_default,
};
use serde::Deserialize;

use super::ApiError;
use super::answers::RecommendationAnswer;
use super::api_error::ErrorBody;
use super::json_body::JsonBody;
use super::state::{AppState, blocking};
use super::study_body::{BoundBody, HistoryBody};

/// Most architectures given in one answer.
const MAX_K: usize = 1_000;

/// What is asked: for a task of the base by `task`, or for a new one by `meta_features`.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct RecommendationBody {
    /// The task to recommend for, one of the base; this or `meta_features`.
    #[schema(value_type = Option<String>, example = "photo")]
    task: Option<Name>,
    /// Numbers that describe a task that the base does not know, at least one: `{"n_samples":2708,"n_classes":7}`.
    #[schema(value_type = Option<BTreeMap<String, f64>>)]
    meta_features: Option<BTreeMap<Name, f64>>,
    /// What the data of the new task are: `image`, `audio`, `tabular`, `text`, `graph` or `timeseries`; unless given, what
    /// those of most past tasks are.
    #[schema(value_type = Option<String>)]
    domain: Option<Domain>,
    /// The metric of the new task; unless given, that of most past tasks.
    #[schema(value_type = Option<String>)]
    metric: Option<Name>,
    /// Which way that metric is better: `maximize` or `minimize`; unless given, the way it is in past tasks.
    #[schema(value_type = Option<String>)]
    goal: Option<Goal>,
    /// The search space to recommend from.
    #[schema(value_type = String, example = "nas-bench-graph/1")]
    space: Name,
    /// How many architectures are wanted, 1 to 1,000.
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1, maximum = 1000)]
    k: usize,
    /// The architectures that alone may be recommended.
    #[schema(value_type = Option<Vec<Object>>)]
    candidates: Option<Vec<Architecture>>,
    /// Architectures that are not to be recommended.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    exclude: Vec<Architecture>,
    /// What of the past counts: `{"exclude_tasks": [...]}`.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(value_type = Option<HistoryBody>)]
    history: HistoryChoice,
    /// Orders architectures of which the same is expected.
    #[serde(default)]
    seed: u64,
    /// Bounds on costs: `{"latency_s":{"max":0.01},"params":{"max":2e6}}`.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(value_type = Option<BTreeMap<String, BoundBody>>)]
    constraints: Constraints,
    /// Costs to be low while the score is high, up to three: the answer has the expected Pareto front.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pareto: Vec<Name>,
    /// A cost that improvement is counted per unit of, such as `train_s`.
    #[schema(value_type = Option<String>)]
    per: Option<Name>,
    /// The device that costs are meant on, as trials name it in their field `device`.
    #[schema(value_type = Option<String>)]
    device: Option<Name>,
}

fn ten() -> usize {
    10
}

impl RecommendationBody {
    /// The task, or what is said of a new one.
    fn task_choice(&mut self) -> Result<TaskChoice, ApiError> {
        let refusal = |message: &str| Err(ApiError::bad_request("bad_task", message.into()));
        let (domain, metric, goal) = (self.domain.take(), self.metric.take(), self.goal.take());
        match (self.task.take(), self.meta_features.take()) {
            (Some(_), Some(_)) => {
                refusal("task and meta_features are given, only one of them can say for what to recommend")
            }
            (None, None) => refusal(
                "neither task nor meta_features is given: name a task of the base, or describe a new one",
            ),
            (Some(_), None) if domain.is_some() || metric.is_some() || goal.is_some() => refusal(
                "domain, metric and goal describe a new task, next to meta_features; the base has those of task",
            ),
            (Some(task), None) => Ok(TaskChoice::Known(task)),
            (None, Some(meta_features)) => {
                Ok(TaskChoice::New(NewTask { meta_features, domain, metric, goal }))
            }
        }
    }
}

/// Recommend architectures for a task.
#[utoipa::path(post, path = "/v1/recommendations", request_body = RecommendationBody,
    responses((status = 200, description = "Architectures, best first, and what they rest on: shares of past tasks, `trust` in them where the task has trials, `past_correlation` where it has eight, `fidelity` where past trials have curves, `notes`.", body = RecommendationAnswer),
        (status = 400, description = "The request does not hold together, such as both `task` and `meta_features`.", body = ErrorBody),
        (status = 404, description = "The base has no such task or space.", body = ErrorBody),
        (status = 409, description = "No candidate is left, or none can keep to the constraints.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 422, description = "The body is JSON, but a field is missing, unknown or of another type.", body = ErrorBody)))]
pub(super) async fn recommend(
    State(state): State<Arc<AppState>>,
    JsonBody(mut body): JsonBody<RecommendationBody>,
) -> Result<Json<Recommendation>, ApiError> {
    if !(1..=MAX_K).contains(&body.k) {
        let message = format!("k is {}, it must be from 1 to {MAX_K}", body.k);
        return Err(ApiError::bad_request("bad_k", message));
    }
    let request = RecommendationRequest {
        task: body.task_choice()?,
        space: body.space,
        k: body.k,
        candidates: body.candidates,
        exclude: body.exclude,
        exclude_tasks: body.history.exclude_tasks,
        seed: body.seed,
        objectives: Objectives {
            constraints: body.constraints,
            pareto: body.pareto,
            per: body.per,
            device: body.device,
        },
    };
    blocking(&state, move |state| state.recommender().recommend(&request)).await.map(Json)
}
