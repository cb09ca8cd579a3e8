//! `POST /v1/recommendations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use heirloom_kb::{Architecture, Name};
use heirloom_search::{Constraints, HistoryChoice, Objectives, Recommendation, RecommendationRequest};
use serde::Deserialize;

use super::ApiError;
use super::api_error::ErrorBody;
use super::state::{AppState, blocking};

/// Most architectures given in one answer.
const MAX_K: usize = 1_000;

/// What is asked.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecommendationBody {
    /// The task to recommend for.
    #[schema(value_type = String, example = "photo")]
    task: Name,
    /// The search space to recommend from.
    #[schema(value_type = String, example = "nas-bench-graph/1")]
    space: Name,
    /// How many architectures are wanted, 1 to 1,000.
    #[serde(default = "ten")]
    #[schema(default = 10)]
    k: usize,
    /// The architectures that alone may be recommended.
    #[schema(value_type = Option<Vec<Object>>)]
    candidates: Option<Vec<Architecture>>,
    /// Architectures that are not to be recommended.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    exclude: Vec<Architecture>,
    /// What of the past counts: `{"exclude_tasks": [...]}`.
    #[serde(default)]
    #[schema(value_type = Object)]
    history: HistoryChoice,
    /// Orders architectures of which the same is expected.
    #[serde(default)]
    seed: u64,
    /// Bounds on costs: `{"latency_s":{"max":0.01},"params":{"max":2e6}}`.
    #[serde(default)]
    #[schema(value_type = Object)]
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

/// Recommend architectures for a task.
#[utoipa::path(post, path = "/v1/recommendations", request_body = RecommendationBody,
    responses((status = 200, description = "Architectures, best first, and what they rest on.", body = Object),
        (status = 400, description = "The request does not hold together.", body = ErrorBody),
        (status = 404, description = "The base has no such task or space.", body = ErrorBody),
        (status = 409, description = "No candidate is left, or none can keep to the constraints.", body = ErrorBody)))]
pub(super) async fn recommend(
    State(state): State<Arc<AppState>>,
    body: Result<Json<RecommendationBody>, JsonRejection>,
) -> Result<Json<Recommendation>, ApiError> {
    let Json(body) = body?;
    if !(1..=MAX_K).contains(&body.k) {
        let message = format!("k is {}, it must be from 1 to {MAX_K}", body.k);
        return Err(ApiError::bad_request("bad_k", message));
    }
    let request = RecommendationRequest {
        task: body.task,
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
