//! The server as a service, without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use heirloom_api::rest::app;
use heirloom_kb::{KnowledgeStore, MemoryStore};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::histories;

pub(crate) async fn call(
    app: &Router,
    method: &str,
    uri: &str,
    body: impl Into<Body>,
) -> (StatusCode, Value) {
    let request = Request::builder().method(method).uri(uri).header("content-type", "application/json");
    let response = app.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 26).await.unwrap();
    let value = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
    (status, value)
}

pub(crate) async fn get(app: &Router, uri: &str) -> (StatusCode, Value) {
    call(app, "GET", uri, Body::empty()).await
}

pub(crate) async fn post(app: &Router, uri: &str, body: Value) -> (StatusCode, Value) {
    call(app, "POST", uri, body.to_string()).await
}

/// A server over a history of three tasks, and its base.
pub(crate) async fn server() -> (Router, Arc<dyn KnowledgeStore>) {
    let store: Arc<dyn KnowledgeStore> = Arc::new(MemoryStore::default());
    let app = app(Arc::clone(&store));
    let history = histories::history(&["a", "b", "c"], "new");
    let (status, report) = call(&app, "POST", "/v1/import", history).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(report["added"], json!({"spaces": 1, "tasks": 4, "trials": 324}));
    (app, store)
}

#[tokio::test]
async fn what_is_imported_is_listed_page_by_page() {
    let (app, _) = server().await;
    assert_eq!(get(&app, "/healthz").await, (StatusCode::OK, "ok".into()));
    assert_eq!(get(&app, "/v1/tasks").await.1.as_array().unwrap().len(), 4);
    assert_eq!(get(&app, "/v1/spaces").await.1[0]["id"], "toy/1");
    let mut uri = "/v1/trials?task=a&split=validation&limit=50".to_owned();
    let mut seen = 0;
    loop {
        let (status, page) = get(&app, &uri).await;
        assert_eq!(status, StatusCode::OK, "{page}");
        for trial in page["trials"].as_array().unwrap() {
            assert_eq!(trial["id"].as_str().unwrap().len(), 32);
            assert_eq!(trial["task"], "a");
            seen += 1;
        }
        let Some(next) = page["next"].as_str() else { break };
        uri = format!("/v1/trials?task=a&split=validation&limit=50&cursor={next}");
    }
    assert_eq!(seen, 108);
    let exported = get(&app, "/v1/export").await.1;
    assert_eq!(exported.as_str().unwrap().lines().count(), 1 + 4 + 324);
    let exported = get(&app, "/v1/export?task=b&space=toy/1").await.1;
    assert_eq!(exported.as_str().unwrap().lines().count(), 1 + 1 + 108);
}

#[tokio::test]
async fn metrics_count_requests_and_the_base() {
    let (app, _) = server().await;
    get(&app, "/v1/trials?task=a").await;
    get(&app, "/v1/trials?limit=0").await;
    get(&app, "/nowhere").await;
    let (status, text) = get(&app, "/metrics").await;
    let text = text.as_str().unwrap();
    assert_eq!(status, StatusCode::OK);
    for line in [
        "heirloom_trials 324",
        "heirloom_tasks 4",
        "heirloom_spaces 1",
        r#"heirloom_http_requests_total{route="/v1/trials",method="GET",status="200"} 1"#,
        r#"heirloom_http_requests_total{route="/v1/trials",method="GET",status="400"} 1"#,
        r#"heirloom_http_requests_total{route="none",method="GET",status="404"} 1"#,
        r#"heirloom_http_request_seconds_count{route="/v1/trials"} 2"#,
    ] {
        assert!(text.lines().any(|one| one == line), "no line {line:?} in\n{text}");
    }
}

/// A space that has gained a parameter starts from what was tried without it.
#[tokio::test]
async fn trials_of_a_space_that_is_extended_tell_of_the_wider_one() {
    let (app, _) = server().await;
    let mut wider: Value = serde_json::from_str(histories::SPACE).unwrap();
    wider["id"] = "toy/2".into();
    let dropout = json!({"name": "dropout", "range": {"kind": "real", "lo": 0.0, "hi": 0.9}});
    wider["params"].as_array_mut().unwrap().push(dropout);
    wider["extends"] = json!([{"space": "toy/1", "with": {"dropout": 0.1}}, {"space": "toy/0"}]);
    let (status, report) = call(&app, "POST", "/v1/import", wider.to_string()).await;
    let notes = json!(["space \"toy/2\" extends \"toy/0\", which the base does not have"]);
    assert_eq!((status, &report["notes"]), (StatusCode::OK, &notes), "{report}");
    let (status, answer) = post(&app, "/v1/recommendations", json!({"task": "new", "space": "toy/2"})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(answer["history"][0]["architectures"], 108, "{answer}");
    let first = &answer["ranked"][0];
    assert_eq!(
        (&first["architecture"]["op"], &first["architecture"]["width"]),
        (&json!("conv"), &json!(128))
    );
    // What is cited are trials that the base has.
    let cited = first["evidence"][0].clone();
    let trials = get(&app, "/v1/trials?space=toy/1&limit=1000").await.1;
    assert!(trials["trials"].as_array().unwrap().iter().any(|trial| trial["id"] == cited), "{first}");
    // Told in the wider space, a result counts beside those of the other.
    let mut trial: Value = serde_json::from_str(&histories::trial("a", "pool", 1, 16, 0.99)).unwrap();
    trial["space"] = "toy/2".into();
    trial["architecture"]["dropout"] = 0.7.into();
    call(&app, "POST", "/v1/import", trial.to_string()).await;
    let (_, answer) = post(&app, "/v1/recommendations", json!({"task": "new", "space": "toy/2"})).await;
    let tried: Vec<&Value> =
        answer["history"].as_array().unwrap().iter().map(|task| &task["architectures"]).collect();
    assert!(tried.contains(&&json!(109)), "{tried:?}");
}

/// What is recommended, trained elsewhere and imported: whoever does so need not say what the space is.
#[tokio::test]
async fn the_result_of_a_recommendation_in_a_built_in_space_can_be_imported() {
    let (app, _) = server().await;
    let task =
        json!({"type": "task", "id": "mine", "domain": "tabular", "metric": "accuracy", "goal": "maximize"});
    call(&app, "POST", "/v1/import", task.to_string()).await;
    let ask = json!({"task": "mine", "space": "mlp/1", "k": 1});
    let first = post(&app, "/v1/recommendations", ask.clone()).await.1["ranked"][0]["architecture"].clone();
    let trial = json!({"type": "trial", "task": "mine", "space": "mlp/1", "architecture": first,
        "split": "validation", "metric": "accuracy", "score": 0.8});
    let (_, report) = call(&app, "POST", "/v1/import", trial.to_string()).await;
    assert_eq!((&report["added"]["trials"], &report["added"]["spaces"]), (&json!(1), &json!(1)), "{report}");
    let (status, answer) = post(&app, "/v1/recommendations", ask).await;
    assert_eq!((status, &answer["own_trials"]), (StatusCode::OK, &json!(1)), "{answer}");
    assert_ne!(answer["ranked"][0]["architecture"], first);
}

#[tokio::test]
async fn a_recommendation_cites_trials_that_can_be_looked_up() {
    let (app, store) = server().await;
    let (status, answer) =
        post(&app, "/v1/recommendations", json!({"task": "new", "space": "toy/1", "k": 3})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["ranked"].as_array().unwrap().len(), 3);
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "conv");
    for id in answer["ranked"][0]["evidence"].as_array().unwrap() {
        let trial = store.trial(id.as_str().unwrap().parse().unwrap()).unwrap().unwrap();
        assert_eq!(serde_json::to_value(&trial.architecture).unwrap(), answer["ranked"][0]["architecture"]);
    }
    let candidates =
        json!([{"op": "skip", "depth": 1, "width": 16}, {"op": "pool", "depth": 7, "width": 128}]);
    let body = json!({"task": "new", "space": "toy/1", "candidates": candidates});
    let (_, answer) = post(&app, "/v1/recommendations", body).await;
    let order: Vec<&Value> =
        answer["ranked"].as_array().unwrap().iter().map(|r| &r["architecture"]["op"]).collect();
    assert_eq!(order, ["pool", "skip"]);
    let exclude =
        json!({"task": "new", "space": "toy/1", "candidates": candidates, "exclude": [candidates[1]]});
    let (_, answer) = post(&app, "/v1/recommendations", exclude).await;
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "skip");
}

#[tokio::test]
async fn a_recommendation_begins_with_what_a_study_would_try_next() {
    let (app, _) = server().await;
    for told in 0..4 {
        let ask = json!({"task": "new", "space": "toy/1", "k": 3, "seed": 5});
        let (_, answer) = post(&app, "/v1/recommendations", ask).await;
        assert_eq!(answer["own_trials"], told);
        let (_, created) =
            post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1", "seed": 5})).await;
        let path = format!("/v1/studies/{}/ask", created["id"].as_str().unwrap());
        let (_, asked) = post(&app, &path, json!({"n": 3})).await;
        for (ranked, asked) in answer["ranked"].as_array().unwrap().iter().zip(asked.as_array().unwrap()) {
            assert_eq!(ranked["architecture"], asked["architecture"], "after {told}");
            let (why, reason) = (ranked["why"].as_str().unwrap(), asked["why"].as_str().unwrap());
            assert!(why.starts_with(reason), "{why}: {reason}");
        }
        let first = &answer["ranked"][0]["architecture"];
        let number = |name: &str| u32::try_from(first[name].as_u64().unwrap()).unwrap();
        let (op, depth, width) = (first["op"].as_str().unwrap(), number("depth"), number("width"));
        let trial = histories::trial("new", op, depth, width, histories::quality(op, depth, width));
        assert_eq!(call(&app, "POST", "/v1/import", trial).await.0, StatusCode::OK);
    }
}

/// In a space that cannot be listed, what is best is looked for beyond the pool too, but never among what is excluded.
#[tokio::test]
async fn what_is_excluded_is_not_found_again_beyond_a_sampled_pool() {
    let app = app(Arc::new(MemoryStore::default()));
    let number = |name: &str| json!({"name": name, "range": {"kind": "int", "lo": 0, "hi": 999}});
    let mut lines = vec![json!({"type": "space", "id": "wide/1", "params": [number("a"), number("b")]})];
    for task in ["past", "new"] {
        lines.push(json!({"type": "task", "id": task, "domain": "tabular", "metric": "accuracy", "goal": "maximize"}));
        for at in 0..if task == "past" { 40 } else { 6 } {
            let (a, b) = (at * 37 % 41 * 24, at * 29 % 43 * 23);
            let score = 1.0 - (f64::from(a - 700) / 1e3).powi(2) - (f64::from(b - 300) / 1e3).powi(2);
            lines.push(
                json!({"type": "trial", "task": task, "space": "wide/1", "architecture": {"a": a, "b": b},
                "split": "validation", "metric": "accuracy", "score": score}),
            );
        }
    }
    let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
    let (status, report) = call(&app, "POST", "/v1/import", lines.join("\n")).await;
    assert_eq!((status, &report["added"]["trials"]), (StatusCode::OK, &json!(46)), "{report}");
    let ask = |exclude: Vec<Value>| json!({"task": "new", "space": "wide/1", "k": 4, "exclude": exclude});
    let picks = |answer: &Value| -> Vec<Value> {
        answer["ranked"].as_array().unwrap().iter().map(|one| one["architecture"].clone()).collect()
    };
    let (status, first) = post(&app, "/v1/recommendations", ask(Vec::new())).await;
    assert_eq!(status, StatusCode::OK, "{first}");
    let first = picks(&first);
    let (_, others) = post(&app, "/v1/recommendations", ask(first.clone())).await;
    let others = picks(&others);
    assert!(others.len() == 4 && others.iter().all(|one| !first.contains(one)), "{first:?} {others:?}");
}

#[tokio::test]
async fn candidates_are_proposed_in_the_form_they_were_given() {
    let store: Arc<dyn KnowledgeStore> = Arc::new(MemoryStore::default());
    let app = app(store);
    let space = r#"{"type":"task","id":"t","domain":"graph","metric":"accuracy","goal":"maximize"}"#;
    call(&app, "POST", "/v1/import", space).await;
    // The second is the first with its nodes in another order.
    let given = json!([
        {"link": "0012", "op1": "sage", "op2": "gat", "op3": "gcn", "op4": "gin"},
        {"link": "0012", "op1": "gat", "op2": "sage", "op3": "gin", "op4": "gcn"}
    ]);
    let setup = json!({"task": "t", "space": "nas-bench-graph/1", "candidates": given});
    let (status, created) = post(&app, "/v1/studies", setup).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let path = format!("/v1/studies/{}/ask", created["id"].as_str().unwrap());
    let (_, asked) = post(&app, &path, json!({"n": 5})).await;
    assert_eq!(asked.as_array().unwrap().len(), 1, "isomorphs are one");
    assert_eq!(asked[0]["architecture"], given[0]);
}

#[tokio::test]
async fn errors_are_answers_that_name_what_to_mend() {
    let (app, store) = server().await;
    let before = store.stats().unwrap();
    let recommend = "/v1/recommendations";
    let cases = [
        (
            post(&app, recommend, json!({"task": "z", "space": "toy/1"})).await,
            404,
            "unknown_task",
            "known are",
        ),
        (post(&app, recommend, json!({"task": "new", "space": "z/1"})).await, 404, "unknown_space", "toy/1"),
        (
            post(
                &app,
                "/v1/studies",
                json!({"task": "new", "space": "toy/1", "acquisition": {"kind": "ei", "beta": 2}}),
            )
            .await,
            422,
            "bad_json",
            "acquisition: beta is 2, but ei has none; it is for ucb",
        ),
        (post(&app, recommend, json!({"task": "new"})).await, 422, "bad_json", "missing field `space`"),
        (
            post(&app, recommend, json!({"task": "new", "space": "toy/1", "kk": 1})).await,
            422,
            "bad_json",
            "unknown field `kk`",
        ),
        (
            post(&app, recommend, json!({"task": "new", "space": "toy/1", "k": 0})).await,
            400,
            "bad_k",
            "k is 0",
        ),
        (
            post(&app, recommend, json!({"task": "new", "space": "toy/1", "candidates": [{"op": "zip"}]}))
                .await,
            400,
            "bad_candidate",
            "\"zip\" is not an option",
        ),
        (call(&app, "POST", recommend, "\u{feff}{").await, 400, "bad_json", "EOF"),
        (get(&app, "/v1/trials?limit=0").await, 400, "bad_limit", "limit is 0"),
        (get(&app, "/v1/trials?cursor=zzz").await, 400, "bad_cursor", "is not a cursor"),
        (get(&app, "/v1/trials?split=exam").await, 400, "bad_query", "exam"),
        (get(&app, "/v1/trials?task=nope").await, 404, "unknown_task", r#"the base has no task "nope""#),
        (get(&app, "/v1/export?task=nope").await, 404, "unknown_task", r#"the base has no task "nope""#),
        (
            get(&app, "/v1/export?split=test").await,
            400,
            "bad_query",
            "unknown query parameter \"split\"; /v1/export takes task, space",
        ),
        (get(&app, "/v1/studies/none").await, 404, "unknown_study", "no study"),
        (get(&app, "/v2/none").await, 404, "not_found", "/openapi.json"),
        (get(&app, recommend).await, 405, "method_not_allowed", "does not take GET"),
        (call(&app, "POST", "/v1/import?strict=true", "{}").await, 400, "refused", "\"type\" is missing"),
    ];
    for ((status, body), code, word, message) in cases {
        assert_eq!((status.as_u16(), body["code"].as_str().unwrap()), (code, word), "{body}");
        assert!(body["message"].as_str().unwrap().contains(message), "{body}");
    }
    assert_eq!(store.stats().unwrap(), before);
}

#[tokio::test]
async fn the_routes_are_described() {
    let (app, _) = server().await;
    let (_, api) = get(&app, "/openapi.json").await;
    assert!(api["openapi"].as_str().unwrap().starts_with('3'));
    for (path, method) in [
        ("/healthz", "get"),
        ("/metrics", "get"),
        ("/v1/import", "post"),
        ("/v1/export", "get"),
        ("/v1/tasks", "get"),
        ("/v1/spaces", "get"),
        ("/v1/trials", "get"),
        ("/v1/recommendations", "post"),
        ("/v1/studies", "post"),
        ("/v1/studies/{id}", "get"),
        ("/v1/studies/{id}/ask", "post"),
        ("/v1/studies/{id}/tell", "post"),
    ] {
        assert!(api["paths"][path][method].is_object(), "{method} {path}");
        // What is not in the path is in the query.
        for param in api["paths"][path][method]["parameters"].as_array().into_iter().flatten() {
            let name = param["name"].as_str().unwrap();
            let place = if path.contains(&format!("{{{name}}}")) { "path" } else { "query" };
            assert_eq!(param["in"], place, "{name} of {path}");
        }
        if method == "post" && path != "/v1/import" {
            for code in ["415", "422"] {
                assert!(api["paths"][path][method]["responses"][code].is_object(), "{code} of {path}");
            }
        }
    }
    assert!(api["paths"]["/v1/studies"]["post"]["responses"]["409"].is_object());
    // The described body of a study has the fields that are read, and no others.
    let (status, refusal) = post(&app, "/v1/studies", json!({"unheard_of": 1})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let words = refusal["message"].as_str().unwrap();
    let read: Vec<&str> = words.split("one of").nth(1).unwrap().split('`').skip(1).step_by(2).collect();
    let body = &api["components"]["schemas"]["StudyBody"];
    assert_eq!(read.len(), body["properties"].as_object().unwrap().len(), "{words}");
    assert!(read.iter().all(|field| body["properties"][field].is_object()), "{words}");
    assert_eq!(body["required"], json!(["task", "space"]));
}

#[tokio::test]
async fn a_body_is_json_and_a_mark_before_it_does_no_harm() {
    let (app, _) = server().await;
    let ask = r#"{"task":"new","space":"toy/1","k":1}"#;
    assert_eq!(call(&app, "POST", "/v1/recommendations", format!("\u{feff}{ask}")).await.0, StatusCode::OK);
    let lines = format!("\u{feff}{}", histories::task("marked"));
    assert_eq!(call(&app, "POST", "/v1/import", lines).await.1["added"]["tasks"], 1);
    let request =
        Request::builder().method("POST").uri("/v1/recommendations").header("content-type", "text/plain");
    let response = app.clone().oneshot(request.body(Body::from(ask)).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
