//! REST under `/v1`, described by OpenAPI at `/openapi.json`.

mod answers;
mod api_error;
mod at_hand;
mod history;
mod json_body;
mod metrics;
mod query_names;
mod recommendations;
mod reports;
mod state;
mod studies;
mod study_body;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::{Json, Router, middleware, routing};
use heirloom_kb::KnowledgeStore;
use tower_http::trace::TraceLayer;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use api_error::ApiError;
use query_names::{QueryNames, refuse_unknown};
use state::AppState;

/// Largest body taken, in bytes. A history is sent whole; larger ones are imported from the command line.
const MAX_BODY_BYTES: usize = 1 << 30;

#[derive(OpenApi)]
#[openapi(info(
    title = "Heirloom",
    description = "Recommends neural architectures for a new task from what worked on past ones. \
        Beside what is listed, every route may answer 400 (the query has a parameter that it does not take, or the path is no text), 405 (it \
        does not take the method), 413 (the body is larger than 1 GiB), 507 (the disk of the base is full; nothing was written) and \
        500 (the log has more under the id that the message names), all with an ErrorBody."
))]
struct ApiDoc;

/// The server's routes over a base. Needs no socket: tests call it as a service.
pub fn app(store: Arc<dyn KnowledgeStore>) -> Router {
    let (router, api) = OpenApiRouter::with_openapi(ApiDoc::openapi())
        .routes(routes!(healthz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(history::import))
        .routes(routes!(history::export))
        .routes(routes!(history::tasks))
        .routes(routes!(history::spaces))
        .routes(routes!(history::trials))
        .routes(routes!(recommendations::recommend))
        .routes(routes!(studies::create, studies::list))
        .routes(routes!(studies::ask))
        .routes(routes!(studies::tell))
        .routes(routes!(studies::withdraw))
        .routes(routes!(studies::report))
        .routes(routes!(reports::report_score))
        .split_for_parts();
    let state = Arc::new(AppState::new(store));
    let query_names = Arc::new(QueryNames::of(&api));
    router
        .route("/openapi.json", routing::get(move || std::future::ready(Json(api))))
        .route_layer(middleware::from_fn_with_state(query_names, refuse_unknown))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), metrics::count))
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

/// Whether the server answers.
#[utoipa::path(get, path = "/healthz", responses((status = 200, description = "It does.", body = String)))]
async fn healthz() -> &'static str {
    "ok"
}

async fn no_route(uri: axum::http::Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at {}; /openapi.json lists the routes", uri.path()))
}

async fn no_method(method: axum::http::Method, uri: axum::http::Uri) -> ApiError {
    ApiError::method_not_allowed(format!("{} does not take {method}; see /openapi.json", uri.path()))
}
