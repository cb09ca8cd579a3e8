//! What may stand in the query of a route.

use axum::http::StatusCode;
use serde_json::json;

use crate::rest::{call, get, post, server};

#[tokio::test]
async fn no_route_passes_over_a_query_parameter_that_it_does_not_know() {
    let (app, store) = server().await;
    let (_, api) = get(&app, "/openapi.json").await;
    let study = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await.1["id"].clone();
    let before = store.stats().unwrap();
    let mut routes = vec![("/openapi.json".to_owned(), "GET", Vec::new())];
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let params = operation["parameters"].as_array().into_iter().flatten();
            let in_query = params.filter(|param| param["in"] == "query");
            let names: Vec<&str> = in_query.map(|param| param["name"].as_str().unwrap()).collect();
            routes.push((path.clone(), if method == "get" { "GET" } else { "POST" }, names));
        }
    }
    assert_eq!(routes.len(), 16);
    for (path, method, names) in &routes {
        let uri = format!("{}?tusk=a", path.replace("{id}", study.as_str().unwrap()));
        let (status, body) = call(&app, method, &uri, "{}").await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &"bad_query".into()), "{method} {path}: {body}");
        let takes = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let want = format!("unknown query parameter \"tusk\"; {path} takes {takes}");
        assert_eq!(body["message"], want, "{method} {path}");
    }
    assert_eq!(store.stats().unwrap(), before);
    // A path that is not there, and a method that is not taken, are what is wrong in the first place.
    assert_eq!(get(&app, "/v1/nothing?tusk=a").await.0, StatusCode::NOT_FOUND);
    assert_eq!(call(&app, "POST", "/v1/tasks?tusk=a", "").await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(get(&app, "/v1/recommendations?tusk=a").await.0, StatusCode::METHOD_NOT_ALLOWED);
    // Known ones are taken as before, also with their letters encoded.
    assert_eq!(get(&app, "/v1/trials?t%61sk=a&limit=1").await.1["trials"].as_array().unwrap().len(), 1);
    assert_eq!(get(&app, "/healthz?").await.0, StatusCode::OK);
}
