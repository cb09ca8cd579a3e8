//! `POST /v1/studies/{id}/report`: early stopping for trials that the client trains.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use heirloom_kb::Architecture;
use heirloom_search::SearchError;
use heirloom_search::fidelity::Decision;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::api_error::ErrorBody;
use super::json_body::JsonBody;
use super::state::{AppState, with_study};

/// The score of a trial under way.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct ReportBody {
    /// The architecture that is being trained.
    #[schema(value_type = Object)]
    architecture: Architecture,
    /// Epochs trained so far, from 1 to the scheduler's `max_epochs`.
    #[schema(minimum = 1)]
    step: u32,
    /// Its validation score in the task's metric.
    score: f64,
}

/// What becomes of the trial.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Verdict {
    /// `continue` or `stop`.
    decision: &'static str,
    /// Why, in plain words.
    why: String,
    /// What the reader should know of the report, in plain words.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

/// Report the score of a trial under way and hear whether it is worth training on. A stopped trial is to be told with status
/// `pruned`, its curve and the epochs spent. A report that is repeated is answered as before.
#[utoipa::path(post, path = "/v1/studies/{id}/report", params(("id" = String, Path)), request_body = ReportBody,
    responses((status = 200, description = "What becomes of the trial.", body = Verdict),
        (status = 400, description = "The report does not fit: no scheduler, a step out of order, another score than before.", body = ErrorBody),
        (status = 404, description = "There is no such study.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 422, description = "The body is JSON, but a field is missing, unknown or of another type.", body = ErrorBody)))]
pub(super) async fn report_score(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<ReportBody>,
) -> Result<Json<Verdict>, ApiError> {
    let (Path(id), ReportBody { architecture, step, score }) = (id?, body);
    let reported = with_study(&state, id, move |_, study| {
        Ok::<_, SearchError>((study.report(&architecture, step, score)?, study.knows(&architecture)))
    });
    let (decision, known): (Decision, bool) = reported.await?;
    let word = if decision.is_stop() { "stop" } else { "continue" };
    let note = (!known).then_some("the study has not proposed this architecture; it counts all the same");
    Ok(Json(Verdict { decision: word, why: decision.why().to_owned(), note }))
}
