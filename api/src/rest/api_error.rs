//! `ApiError`: what a client is told when a request fails.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use heirloom_kb::StoreError;
use heirloom_search::SearchError;
use serde::Serialize;

/// An answer to a request that failed: `{code, message}`. A 4xx names what to mend; a 5xx shows an id that
/// the log has too, and nothing of the inside.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
}

/// The body of an error.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ErrorBody {
    /// A word for programs, such as `unknown_task`.
    code: &'static str,
    /// A sentence for people.
    message: String,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        ApiError { status, code, message }
    }

    pub(super) fn bad_request(code: &'static str, message: String) -> Self {
        ApiError::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn not_found(message: String) -> Self {
        ApiError::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn method_not_allowed(message: String) -> Self {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// The chain of causes goes to the log under an id, the id to the client.
    pub(super) fn internal(error: &dyn Error) -> Self {
        let mut chain = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            chain.push_str(": ");
            chain.push_str(&cause.to_string());
            source = cause.source();
        }
        let id = error_id_of(&chain);
        tracing::error!(error_id = %id, %chain, "request failed");
        let message = format!("something went wrong inside; the log has it under {id}");
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }
}

/// Eight hexadecimal digits that the same failure always gets.
fn error_id_of(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:08x}", hasher.finish() as u32)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { code: self.code, message: self.message };
        (self.status, Json(body)).into_response()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Refused { .. } => ApiError::bad_request("refused", error.to_string()),
            StoreError::BadCursor { .. } => ApiError::bad_request("bad_cursor", error.to_string()),
            StoreError::NoRoom { .. } => {
                ApiError::new(StatusCode::INSUFFICIENT_STORAGE, "no_room", error.to_string())
            }
            _ => ApiError::internal(&error),
        }
    }
}

impl From<SearchError> for ApiError {
    fn from(error: SearchError) -> Self {
        let missing = |code| ApiError::new(StatusCode::NOT_FOUND, code, error.to_string());
        let bad = |code| ApiError::bad_request(code, error.to_string());
        match error {
            SearchError::UnknownTask { .. } => missing("unknown_task"),
            SearchError::UnknownSpace { .. } => missing("unknown_space"),
            SearchError::UnknownStudy { .. } => missing("unknown_study"),
            SearchError::BadCandidate { .. } => bad("bad_candidate"),
            SearchError::BadTrial { .. } => bad("bad_trial"),
            SearchError::BadTask { .. } | SearchError::WrongDomain { .. } => bad("bad_task"),
            SearchError::BadScheduler { .. } => bad("bad_scheduler"),
            SearchError::BadReport { .. } => bad("bad_report"),
            SearchError::NotUnderWay { .. } => {
                ApiError::new(StatusCode::CONFLICT, "not_under_way", error.to_string())
            }
            SearchError::UnknownCost { .. } => bad("unknown_cost"),
            SearchError::BadObjective { .. } => bad("bad_objective"),
            SearchError::BadAcquisition { .. } => bad("bad_acquisition"),
            SearchError::BadPrior { .. } => bad("bad_prior"),
            SearchError::Infeasible { .. } => {
                ApiError::new(StatusCode::CONFLICT, "infeasible", error.to_string())
            }
            SearchError::NothingToPropose { .. } => {
                ApiError::new(StatusCode::CONFLICT, "nothing_to_propose", error.to_string())
            }
            SearchError::Store(error) => error.into(),
            other => ApiError::internal(&other),
        }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        ApiError::new(rejection.status(), "bad_json", rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        ApiError::new(rejection.status(), "bad_query", rejection.body_text())
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        ApiError::new(rejection.status(), "bad_path", rejection.body_text())
    }
}

impl From<BytesRejection> for ApiError {
    fn from(rejection: BytesRejection) -> Self {
        ApiError::new(rejection.status(), "bad_body", rejection.body_text())
    }
}
