//! `QueryNames`: which parameters may stand in the query of a route.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Query, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};

use super::ApiError;

/// The names that each route takes, by path and method, as the description at `/openapi.json` has them, so that no route can
/// be forgotten.
pub(super) struct QueryNames(BTreeMap<(String, &'static str), Vec<String>>);

impl QueryNames {
    /// Those of a description. A route that it does not list takes none.
    pub(super) fn of(api: &OpenApi) -> Self {
        let routes = api.paths.paths.iter().flat_map(|(path, item)| {
            operations(item).map(|(method, operation)| ((path.clone(), method), names(operation)))
        });
        QueryNames(routes.collect())
    }

    /// What a route takes; nothing said where it does not take the method.
    fn taken_by(&self, path: &str, method: &Method) -> Option<&[String]> {
        let of = |method: &'static str| self.0.get(&(path.to_owned(), method)).map(Vec::as_slice);
        match (of("GET"), of("POST")) {
            // Only the description is not described, and is fetched.
            (None, None) => Some(&[]),
            (get, _) if [Method::GET, Method::HEAD].contains(method) => get,
            (_, post) if method == Method::POST => post,
            _ => None,
        }
    }
}

/// The operations of a path that the server has.
fn operations(item: &PathItem) -> impl Iterator<Item = (&'static str, &Operation)> {
    let all = [("GET", &item.get), ("POST", &item.post)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn names(operation: &Operation) -> Vec<String> {
    let parameters = operation.parameters.iter().flatten();
    let in_query = parameters.filter(|parameter| parameter.parameter_in == ParameterIn::Query);
    in_query.map(|parameter| parameter.name.clone()).collect()
}

/// Refuses a parameter that the route does not take: one that was misspelt would be passed over in silence. A method that it
/// does not take is refused for that.
pub(super) async fn refuse_unknown(
    State(names): State<Arc<QueryNames>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let Some(known) = names.taken_by(path.as_str(), request.method()) else {
        return Ok(next.run(request).await);
    };
    let Query(given) = Query::<Vec<(String, String)>>::try_from_uri(request.uri())?;
    match given.iter().find(|(name, _)| !known.contains(name)) {
        Some((name, _)) => Err(ApiError::bad_request("bad_query", unknown(name, path.as_str(), known))),
        None => Ok(next.run(request).await),
    }
}

fn unknown(name: &str, path: &str, known: &[String]) -> String {
    let head = format!("unknown query parameter {name:?}; {path} takes");
    if known.is_empty() { format!("{head} none") } else { format!("{head} {}", known.join(", ")) }
}
