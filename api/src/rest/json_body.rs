//! `JsonBody`: the body of a request, as JSON.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;

use super::ApiError;

/// The body of a request, as JSON. What editors of Windows put before the text does no harm.
pub(super) struct JsonBody<T>(pub(super) T);

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let message = "the content type of the request is not application/json";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_json", message.into()));
        }
        let bytes = Bytes::from_request(request, state).await?;
        let text = bytes.strip_prefix(MARK).unwrap_or(&bytes);
        // serde takes a list for an object, its fields in their order.
        if text.trim_ascii_start().starts_with(b"[") {
            let message = "the body is a list; an object is expected";
            return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_json", message.into()));
        }
        let Json(body) = Json::from_bytes(text)?;
        Ok(JsonBody(body))
    }
}

/// `application/json`, `application/problem+json`, with whatever parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}
