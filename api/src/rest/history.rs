//! `/v1/import`, `/v1/export` and the lists of what a base holds.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use heirloom_kb::jsonl::{self, Compression, ExportFilter, ImportOptions, ImportReport, JsonlError};
use heirloom_kb::{Cursor, IdentifiedTrial, Name, SearchSpace, Split, Task, TrialQuery};
use heirloom_search::spaces;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::api_error::ErrorBody;
use super::state::{AppState, blocking};

/// Trials on a page unless asked otherwise, and at most.
const PAGE: usize = 100;
const MAX_PAGE: usize = 10_000;

/// Whether one bad line refuses all.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ImportQuery {
    /// Refuse the whole body when a line does not fit.
    #[serde(default)]
    strict: bool,
}

/// Import JSON Lines: spaces, tasks and trials; spaces that are built in need no line. The body may be compressed, with `Content-Encoding: gzip` or `zstd`.
#[utoipa::path(post, path = "/v1/import", params(ImportQuery), request_body(content = String, content_type = "application/jsonl"),
    responses((status = 200, description = "Counts, and the lines that do not fit.", body = Object),
        (status = 400, description = "The body breaks off, or a strict import met a bad line.", body = ErrorBody)))]
pub(super) async fn import(
    State(state): State<Arc<AppState>>,
    query: Result<Query<ImportQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<ImportReport>, ApiError> {
    let (Query(query), body) = (query?, body?);
    let options = ImportOptions {
        strict: query.strict,
        compression: compression(&headers)?,
        built_in: Some(spaces::built_in),
    };
    blocking(&state, move |state| jsonl::import(&body[..], state.store(), options, &mut |_| {}))
        .await
        .map(Json)
}

fn compression(headers: &HeaderMap) -> Result<Compression, ApiError> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(Compression::Plain) };
    match &*encoding.to_str().unwrap_or_default().to_ascii_lowercase() {
        "identity" => Ok(Compression::Plain),
        "gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        other => {
            let message = format!("content encoding {other:?} is not identity, gzip or zstd");
            Err(ApiError::bad_request("bad_encoding", message))
        }
    }
}

/// What is to be exported.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// Only this task and its trials.
    #[param(value_type = Option<String>)]
    task: Option<Name>,
    /// Only this space and its trials.
    #[param(value_type = Option<String>)]
    space: Option<Name>,
}

/// The base as JSON Lines: all of it, or what belongs to a task, to a space or to both.
#[utoipa::path(get, path = "/v1/export", params(ExportQuery),
    responses((status = 200, description = "Spaces, tasks, trials.", body = String, content_type = "application/jsonl"),
        (status = 400, description = "A parameter is none of these.", body = ErrorBody),
        (status = 404, description = "The base has no such task or space.", body = ErrorBody)))]
pub(super) async fn export(
    State(state): State<Arc<AppState>>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(ExportQuery { task, space }) = query?;
    let filter = ExportFilter { task, space };
    let bytes = blocking(&state, move |state| {
        let mut bytes = Vec::new();
        jsonl::export(state.store(), &mut bytes, &filter, &mut |_| {})?;
        Ok::<_, JsonlError>(bytes)
    });
    Ok(([(header::CONTENT_TYPE, "application/jsonl")], bytes.await?).into_response())
}

/// All tasks of the base.
#[utoipa::path(get, path = "/v1/tasks", responses((status = 200, description = "By id.", body = Vec<Object>)))]
pub(super) async fn tasks(State(state): State<Arc<AppState>>) -> Result<Json<Vec<Task>>, ApiError> {
    blocking(&state, |state| state.store().tasks()).await.map(Json)
}

/// All search spaces of the base.
#[utoipa::path(get, path = "/v1/spaces", responses((status = 200, description = "By id.", body = Vec<Object>)))]
pub(super) async fn spaces(State(state): State<Arc<AppState>>) -> Result<Json<Vec<SearchSpace>>, ApiError> {
    blocking(&state, |state| state.store().spaces()).await.map(Json)
}

/// Which trials are wanted.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TrialsQuery {
    /// Only those of this task.
    #[param(value_type = Option<String>)]
    task: Option<Name>,
    /// Only those of this space.
    #[param(value_type = Option<String>)]
    space: Option<Name>,
    /// Only those of this split: `train`, `validation` or `test`.
    #[param(value_type = Option<String>)]
    split: Option<Split>,
    /// At most so many, up to 10,000; 100 unless given.
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// From `next` of the page before.
    cursor: Option<String>,
}

/// A page of trials.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct TrialsPage {
    /// The trials, each with its `id`.
    #[schema(value_type = Vec<Object>)]
    trials: Vec<IdentifiedTrial>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Trials by task, space and split, in the order they came.
#[utoipa::path(get, path = "/v1/trials", params(TrialsQuery),
    responses((status = 200, description = "A page of them.", body = TrialsPage),
        (status = 400, description = "A parameter does not fit.", body = ErrorBody),
        (status = 404, description = "The base has no such task or space.", body = ErrorBody)))]
pub(super) async fn trials(
    State(state): State<Arc<AppState>>,
    query: Result<Query<TrialsQuery>, QueryRejection>,
) -> Result<Json<TrialsPage>, ApiError> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        let message = format!("limit is {limit}, it must be from 1 to {MAX_PAGE}");
        return Err(ApiError::bad_request("bad_limit", message));
    }
    let after = query.cursor.map(|cursor| cursor.parse::<Cursor>()).transpose()?;
    let query =
        TrialQuery { task: query.task, space: query.space, split: query.split, after, limit: Some(limit) };
    let named = ExportFilter { task: query.task.clone(), space: query.space.clone() };
    let page = blocking(&state, move |state| {
        named.check(state.store())?;
        Ok::<_, JsonlError>(state.store().trials(&query)?)
    });
    let page = page.await?;
    let trials = page.trials.into_iter().map(IdentifiedTrial::from);
    Ok(Json(TrialsPage { trials: trials.collect(), next: page.next.map(|cursor| cursor.to_string()) }))
}

impl From<JsonlError> for ApiError {
    fn from(error: JsonlError) -> Self {
        match error {
            JsonlError::Read { .. } => ApiError::bad_request("broken_body", error.to_string()),
            JsonlError::Strict { .. } => ApiError::new(StatusCode::BAD_REQUEST, "refused", error.to_string()),
            JsonlError::Unknown { what, .. } => {
                let code = if what == "task" { "unknown_task" } else { "unknown_space" };
                ApiError::new(StatusCode::NOT_FOUND, code, error.to_string())
            }
            JsonlError::Store(error) => error.into(),
            other => ApiError::internal(&other),
        }
    }
}
