//! `/v1/studies`: ask and tell.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use heirloom_kb::{Architecture, Json as JsonValue, Split, Trial};
use heirloom_search::{Proposal, SearchError, StudyReport, StudySetup, StudySummary};
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::answers::{ProposalAnswer, StudyAnswer, StudyRow};
use super::api_error::ErrorBody;
use super::json_body::JsonBody;
use super::state::{AppState, blocking, create_study, with_study};
use super::study_body::StudyBody;

/// Most proposals given at once.
const MAX_ASKED: usize = 1_000;

/// A study's name.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct StudyId {
    /// To be used in the paths below `/v1/studies/`.
    id: String,
    /// What the reader should know about the start, in plain words.
    notes: Vec<String>,
}

/// All studies of the base, by their numbers.
#[utoipa::path(get, path = "/v1/studies", responses((status = 200, description = "With the number of their trials.", body = Vec<StudyRow>)))]
pub(super) async fn list(State(state): State<Arc<AppState>>) -> Result<Json<Vec<StudySummary>>, ApiError> {
    blocking(&state, |state| StudySummary::all(state.store())).await.map(Json)
}

/// Set up a study.
#[utoipa::path(post, path = "/v1/studies", request_body = StudyBody,
    responses((status = 201, description = "The study stands.", body = StudyId),
        (status = 400, description = "The request does not hold together.", body = ErrorBody),
        (status = 404, description = "The base has no such task or space.", body = ErrorBody),
        (status = 409, description = "The list of candidates is empty.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 422, description = "The body is JSON, but a field is missing, unknown or of another type.", body = ErrorBody)))]
pub(super) async fn create(
    State(state): State<Arc<AppState>>,
    JsonBody(setup): JsonBody<StudySetup>,
) -> Result<(StatusCode, Json<StudyId>), ApiError> {
    let (id, notes) = create_study(&state, setup).await?;
    Ok((StatusCode::CREATED, Json(StudyId { id, notes })))
}

/// How many proposals are wanted.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct AskBody {
    /// 1 to 1,000.
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1, maximum = 1000)]
    n: usize,
}

fn one() -> usize {
    1
}

/// Ask a study what to try next. What has been proposed counts as under way until its trial is told, also after the server was
/// started again or where the answer did not reach the client, and is not proposed a second time; `GET` on the study lists it, and
/// `/withdraw` takes it back. Proposals take some hundredths of a second each with few trials, and more where hundreds are asked for at once.
#[utoipa::path(post, path = "/v1/studies/{id}/ask", params(("id" = String, Path)), request_body = AskBody,
    responses((status = 200, description = "Proposals, all different.", body = Vec<ProposalAnswer>),
        (status = 400, description = "n is not from 1 to 1,000.", body = ErrorBody),
        (status = 404, description = "There is no such study.", body = ErrorBody),
        (status = 409, description = "Every candidate has been proposed, or none can keep to the constraints.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 422, description = "The body is JSON, but a field is missing, unknown or of another type.", body = ErrorBody)))]
pub(super) async fn ask(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<AskBody>,
) -> Result<Json<Vec<Proposal>>, ApiError> {
    let (Path(id), AskBody { n }) = (id?, body);
    if !(1..=MAX_ASKED).contains(&n) {
        return Err(ApiError::bad_request("bad_n", format!("n is {n}, it must be from 1 to {MAX_ASKED}")));
    }
    with_study(&state, id, move |_, study| study.propose(n)).await.map(Json)
}

/// Finished trials.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct TellBody {
    /// In the form of the JSON Lines; `task` and `space` may be left out.
    #[schema(value_type = Vec<Object>)]
    trials: Vec<serde_json::Map<String, JsonValue>>,
}

/// What came of telling.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Told {
    /// Trials that the study had not been told before.
    added: usize,
    /// What the reader should know about them, in plain words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// Tell a study how its proposals, or other architectures, did. All trials go into the base, or none.
#[utoipa::path(post, path = "/v1/studies/{id}/tell", params(("id" = String, Path)), request_body = TellBody,
    responses((status = 200, description = "They are in the base.", body = Told),
        (status = 400, description = "A trial does not fit; none was taken.", body = ErrorBody),
        (status = 404, description = "There is no such study.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 422, description = "The body is JSON, but a field is missing, unknown or of another type.", body = ErrorBody)))]
pub(super) async fn tell(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<TellBody>,
) -> Result<Json<Told>, ApiError> {
    let (Path(id), TellBody { trials }) = (id?, body);
    let told = with_study(&state, id, move |_, study| {
        let complete = |(index, trial)| complete(index, trial, study.setup());
        let trials: Vec<Trial> = trials.into_iter().enumerate().map(complete).collect::<Result<_, _>>()?;
        let notes = unheard(&trials).into_iter().collect();
        let added = study.tell(trials)?;
        Ok::<_, ApiError>(Told { added, notes })
    });
    told.await.map(Json)
}

/// A note about trials that teach a study nothing.
fn unheard(trials: &[Trial]) -> Option<String> {
    let others = trials.iter().filter(|trial| trial.split != Split::Validation).count();
    (others > 0).then(|| {
        format!(
            "{others} of the {} trials are not of the validation split: they are kept, but a study learns nothing from them, and what it \
             has proposed stays under way until its validation score is told",
            trials.len()
        )
    })
}

/// A trial with the study's task and space where it names none.
fn complete(
    index: usize,
    mut trial: serde_json::Map<String, JsonValue>,
    setup: &StudySetup,
) -> Result<Trial, ApiError> {
    trial.entry("task").or_insert_with(|| JsonValue::from(&*setup.task));
    trial.entry("space").or_insert_with(|| JsonValue::from(&*setup.space));
    serde_json::from_value(JsonValue::Object(trial))
        .map_err(|error| ApiError::bad_request("bad_trial", format!("trial {index}: {error}")))
}

/// Proposals to be taken back.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub(super) struct WithdrawBody {
    /// As they were proposed.
    #[schema(value_type = Vec<Object>)]
    architectures: Vec<Architecture>,
}

/// Take back proposals that nobody will try out, because a worker is gone or does not want them. Unlike a failed trial this says nothing of
/// how good they are, and they may be proposed again. All are taken back, or none. Scores reported of trials under way are forgotten.
#[utoipa::path(post, path = "/v1/studies/{id}/withdraw", params(("id" = String, Path)), request_body = WithdrawBody,
    responses((status = 200, description = "They are no longer under way; the study as it is now.", body = StudyAnswer),
        (status = 400, description = "The body is no JSON.", body = ErrorBody),
        (status = 404, description = "There is no such study.", body = ErrorBody),
        (status = 409, description = "One of them is not under way; none was taken back.", body = ErrorBody),
        (status = 415, description = "The content type is not application/json.", body = ErrorBody),
        (status = 422, description = "The body is JSON, but a field is missing, unknown or of another type.", body = ErrorBody)))]
pub(super) async fn withdraw(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    JsonBody(body): JsonBody<WithdrawBody>,
) -> Result<Json<StudyReport>, ApiError> {
    let (Path(id), WithdrawBody { architectures }) = (id?, body);
    let withdrawn = with_study(&state, id, move |state, study| {
        study.withdraw(state.recommender(), &architectures)?;
        Ok::<_, SearchError>(StudyReport::of(study))
    });
    withdrawn.await.map(Json)
}

/// How a study is getting on: the best trial so far, how it rose, all trials, and what is under way.
#[utoipa::path(get, path = "/v1/studies/{id}", params(("id" = String, Path)),
    responses((status = 200, description = "The study.", body = StudyAnswer),
        (status = 404, description = "There is no such study.", body = ErrorBody)))]
pub(super) async fn report(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<StudyReport>, ApiError> {
    let Path(id) = id?;
    with_study(&state, id, |_, study| Ok::<_, SearchError>(StudyReport::of(study))).await.map(Json)
}
