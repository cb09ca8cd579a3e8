//! `POST /v1/recommendations`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use heirloom_kb::{Architecture, Name};
use heirloom_search::{HistoryChoice, Recommendation, RecommendationRequest};
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
}

fn ten() -> usize {
    10
}

/// Recommend architectures for a task.
#[utoipa::path(post, path = "/v1/recommendations", request_body = RecommendationBody,
    responses((status = 200, description = "Architectures, best first, and what they rest on.", body = Object),
        (status = 400, description = "The request does not hold together.", body = ErrorBody),
        (status = 404, description = "The base has no such task or space.", body = ErrorBody)))]
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
    };
    blocking(&state, move |state| state.recommender().recommend(&request)).await.map(Json)
}
