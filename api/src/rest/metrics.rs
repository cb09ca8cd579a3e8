//! `Metrics`: what the server has done, in the text format of Prometheus.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use super::ApiError;
use super::state::{AppState, blocking};

/// Of the text that [`encode`] writes.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// What stands for the route where there is none, so that no client can make as many series as it likes.
const NO_ROUTE: &str = "none";
/// And for a method that is none of the usual ones.
const OTHER_METHOD: &str = "other";

type Labels<const N: usize> = [(&'static str, String); N];

/// Requests by route, method and status, how long they took, and how large the base is.
pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Labels<3>, Counter>,
    seconds: Family<Labels<1>, Histogram>,
    tasks: Gauge,
    spaces: Gauge,
    trials: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("heirloom"),
            requests: Family::default(),
            // From a millisecond to four minutes.
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 4.0, 10))),
            tasks: Gauge::default(),
            spaces: Gauge::default(),
            trials: Gauge::default(),
        };
        let Metrics { registry, requests, seconds, tasks, spaces, trials } = &mut metrics;
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register("http_request_seconds", "Time from a request to its answer", seconds.clone());
        registry.register("tasks", "Tasks in the base", tasks.clone());
        registry.register("spaces", "Search spaces in the base", spaces.clone());
        registry.register("trials", "Trials in the base, of all splits", trials.clone());
        metrics
    }
}

/// Counts a request and its time.
pub(super) async fn count(State(state): State<Arc<AppState>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str).to_owned();
    let method = known(request.method()).to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let metrics = state.metrics();
    let labels =
        [("route", route.clone()), ("method", method), ("status", response.status().as_str().to_owned())];
    metrics.requests.get_or_create(&labels).inc();
    metrics.seconds.get_or_create(&[("route", route)]).observe(begun.elapsed().as_secs_f64());
    response
}

/// The name of a method, one for all that no route has.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::HEAD
        | Method::OPTIONS => method.as_str(),
        _ => OTHER_METHOD,
    }
}

/// What the server has done since it was started, and how large the base is, for Prometheus.
#[utoipa::path(get, path = "/metrics",
    responses((status = 200, description = "Counters, histograms and gauges, all begin with `heirloom_`.", body = String,
        content_type = "application/openmetrics-text")))]
pub(super) async fn metrics(State(state): State<Arc<AppState>>) -> Result<Response, ApiError> {
    let text = blocking(&state, |state| {
        let (store, metrics) = (state.store(), state.metrics());
        metrics.tasks.set(count_of(store.tasks()?.len()));
        metrics.spaces.set(count_of(store.spaces()?.len()));
        metrics.trials.set(i64::try_from(store.stats()?.trials()).unwrap_or(i64::MAX));
        let mut text = String::new();
        encode(&mut text, &metrics.registry).map_err(|error| ApiError::internal(&error))?;
        Ok::<_, ApiError>(text)
    });
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text.await?).into_response())
}

fn count_of(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
