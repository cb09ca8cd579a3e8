//! Constraints, fronts and costs from the command line and over REST.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use heirloom_api::rest::app;
use heirloom_kb::MemoryStore;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::histories;
use crate::program::{Program, arg};

/// Parameters of an architecture of the made-up histories.
fn params(architecture: &Value) -> f64 {
    10.0 * architecture["depth"].as_f64().unwrap() * architecture["width"].as_f64().unwrap()
}

#[test]
fn limits_a_front_and_its_picture_from_the_command_line() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a", "b"], "new"));
    program.json(&["import", arg(&file)]);
    let ask = ["recommend", "--task", "new", "--space", "toy/1", "-k", "5"];
    let answer = program.json(&[&ask[..], &["--max", "params=2000", "--min", "params=100"]].concat());
    for ranked in answer["ranked"].as_array().unwrap() {
        assert!((100.0..=2000.0).contains(&params(&ranked["architecture"])), "{ranked}");
        assert_eq!(ranked["expected_costs"]["params"], params(&ranked["architecture"]));
        assert_eq!((&ranked["cost_std"]["params"], &ranked["feasible_frac"]), (&json!(0.0), &json!(1.0)));
    }
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "conv");
    let picture = program.path("front.svg");
    let words = [&ask[..], &["--pareto", "params", "--svg", arg(&picture)]].concat();
    let answer = program.json(&words);
    assert!(answer["front"].as_array().unwrap().len() > 3, "{answer}");
    assert!(std::fs::read_to_string(&picture).unwrap().contains("expected Pareto front"));
    let shown = program.run(&words);
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(text.contains("params") && text.contains("expected Pareto front: "), "{text}");
}

#[test]
fn objectives_that_make_no_sense_are_refused_with_what_to_do() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history(&["a", "b", "c"], "new"));
    program.json(&["import", arg(&file)]);
    let refusals: [(&[&str], &str); 6] = [
        (&["--max", "latency_s=1"], r#"no trial has the cost "latency_s"; known are "params""#),
        (&["--per", "hours"], r#"no trial has the cost "hours"; known are "params""#),
        (&["--max", "params"], "COST=LIMIT"),
        (&["--max", "params=1", "--min", "params=2"], "has a min of 2 above its max of 1"),
        (&["--max", "params=1"], "params must be at most 1, and the lowest expected of any candidate is 160"),
        (&["--svg", "front.svg"], "--pareto"),
    ];
    for (words, said) in refusals {
        let args = [&["recommend", "--task", "new", "--space", "toy/1"], words].concat();
        let refusal = program.refusal(&args);
        assert!(refusal.contains(said), "{words:?}: {refusal}");
    }
    let study = ["study", "--task", "a", "--space", "toy/1", "--table", "--top", "4"];
    let answer = program.json(&[&study[..], &["--max", "params=2000"]].concat());
    for proposal in answer["proposals"].as_array().unwrap() {
        assert!(params(&proposal["architecture"]) <= 2000.0, "{proposal}");
    }
}

async fn post(app: &Router, uri: &str, body: Value) -> (StatusCode, Value) {
    let request = Request::builder().method("POST").uri(uri).header("content-type", "application/json");
    let response = app.clone().oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 1 << 26).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap())
}

async fn server() -> Router {
    let app = app(Arc::new(MemoryStore::default()));
    let history = histories::history(&["a", "b", "c"], "new");
    let request = Request::builder().method("POST").uri("/v1/import");
    let response = app.clone().oneshot(request.body(Body::from(history)).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    app
}

#[tokio::test]
async fn recommendations_over_rest_keep_to_limits_and_give_a_front() {
    let app = server().await;
    let ask = |more: Value| {
        let mut body = json!({"task": "new", "space": "toy/1", "k": 4});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let body = ask(json!({"constraints": {"params": {"max": 2000}}}));
    let (status, answer) = post(&app, "/v1/recommendations", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for ranked in answer["ranked"].as_array().unwrap() {
        assert!(params(&ranked["architecture"]) <= 2000.0, "{ranked}");
    }
    assert!(answer.get("front").is_none());
    let body = ask(json!({"pareto": ["params"], "per": "params"}));
    let (_, answer) = post(&app, "/v1/recommendations", body).await;
    assert!(!answer["front"].as_array().unwrap().is_empty(), "{answer}");
    let refusals = [
        (json!({"constraints": {"watts": {"max": 1}}}), StatusCode::BAD_REQUEST, "unknown_cost"),
        (json!({"constraints": {"params": {}}}), StatusCode::BAD_REQUEST, "bad_objective"),
        (json!({"constraints": {"params": {"max": 1}}}), StatusCode::CONFLICT, "infeasible"),
        (json!({"constraints": {"params": {"most": 1}}}), StatusCode::UNPROCESSABLE_ENTITY, "bad_json"),
    ];
    for (more, status, code) in refusals {
        let (got, answer) = post(&app, "/v1/recommendations", ask(more.clone())).await;
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{more}: {answer}");
    }
}

#[tokio::test]
async fn a_study_over_rest_takes_scores_known_before_training() {
    let app = server().await;
    let widths = [16, 32, 64, 128];
    let candidates: Vec<Value> =
        widths.iter().map(|width| json!({"op": "conv", "depth": 3, "width": width})).collect();
    let ask = |scores: Value, strategy: &str| {
        json!({"task": "new", "space": "toy/1", "strategy": strategy, "candidates": candidates,
               "prior": {"by": "my-proxy", "scores": scores}})
    };
    let (status, created) = post(&app, "/v1/studies", ask(json!([2.0, 7.5, null, -1.0]), "ranked")).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let path = format!("/v1/studies/{}/ask", created["id"].as_str().unwrap());
    let (_, asked) = post(&app, &path, json!({"n": 4})).await;
    let order: Vec<i64> =
        asked.as_array().unwrap().iter().map(|one| one["architecture"]["width"].as_i64().unwrap()).collect();
    assert_eq!(order, [32, 16, 128, 64], "{asked}");
    let (status, created) = post(&app, "/v1/studies", ask(json!([2.0, 7.5, 1.0, -1.0]), "surrogate")).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    assert!(created["notes"].to_string().contains("my-proxy"), "{created}");
    for (scores, strategy) in [(json!([1.0]), "ranked"), (json!([1.0, 2.0, 3.0, 4.0]), "evolution")] {
        let (status, refused) = post(&app, "/v1/studies", ask(scores, strategy)).await;
        assert_eq!((status, &refused["code"]), (StatusCode::BAD_REQUEST, &json!("bad_prior")), "{refused}");
    }
}

#[tokio::test]
async fn a_study_over_rest_keeps_to_limits() {
    let app = server().await;
    let setup = json!({"task": "new", "space": "toy/1", "constraints": {"params": {"max": 2000}}});
    let (status, created) = post(&app, "/v1/studies", setup).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let path = format!("/v1/studies/{}", created["id"].as_str().unwrap());
    for _ in 0..3 {
        let (status, asked) = post(&app, &format!("{path}/ask"), json!({"n": 2})).await;
        assert_eq!(status, StatusCode::OK, "{asked}");
        let told = asked.as_array().unwrap().iter().map(|proposal| {
            assert!(params(&proposal["architecture"]) <= 2000.0, "{proposal}");
            json!({"architecture": proposal["architecture"], "split": "validation", "metric": "accuracy",
                   "score": 0.5, "costs": {"params": params(&proposal["architecture"])}})
        });
        let told: Vec<Value> = told.collect();
        let (status, done) = post(&app, &format!("{path}/tell"), json!({"trials": told})).await;
        assert_eq!((status, &done["added"]), (StatusCode::OK, &json!(2)), "{done}");
    }
    let setup = json!({"task": "new", "space": "toy/1", "strategy": "random", "pareto": ["params"]});
    let (status, refused) = post(&app, "/v1/studies", setup).await;
    assert_eq!((status, &refused["code"]), (StatusCode::BAD_REQUEST, &json!("bad_objective")));
    let setup = json!({"task": "new", "space": "toy/1", "acquisition": {"kind": "ucb", "beta": -1}});
    let (status, refused) = post(&app, "/v1/studies", setup).await;
    assert_eq!((status, &refused["code"]), (StatusCode::BAD_REQUEST, &json!("bad_acquisition")));
    let setup = json!({"task": "new", "space": "toy/1", "acquisition": {"kind": "thompson"}});
    let (status, created) = post(&app, "/v1/studies", setup).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
}
