//! Studies over REST: asked, told, and taken up again.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::rest::{get, post, server};

#[tokio::test]
async fn a_study_asks_is_told_and_goes_on_after_a_restart() {
    let (app, store) = server().await;
    let setup = json!({"task": "b", "space": "toy/1", "seed": 3, "history": {"exclude_tasks": ["b"]}});
    let (status, created) = post(&app, "/v1/studies", setup).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let path = format!("/v1/studies/{}", created["id"].as_str().unwrap());
    let (_, asked) = post(&app, &format!("{path}/ask"), json!({"n": 2})).await;
    let asked = asked.as_array().unwrap();
    assert_eq!(asked.len(), 2);
    assert_ne!(asked[0]["architecture"], asked[1]["architecture"]);
    assert!(asked[0]["mean"].is_f64() && asked[0]["std"].is_f64() && asked[0]["why"].is_string());

    let told: Vec<Value> = asked
        .iter()
        .enumerate()
        .map(|(at, proposal)| {
            json!({"architecture": proposal["architecture"], "split": "validation", "metric": "accuracy",
                   "score": 0.5 + 0.1 * at as f64})
        })
        .collect();
    let before = store.stats().unwrap().trials();
    let (status, done) = post(&app, &format!("{path}/tell"), json!({"trials": told})).await;
    assert_eq!((status, &done["added"]), (StatusCode::OK, &2.into()), "{done}");
    assert_eq!(post(&app, &format!("{path}/tell"), json!({"trials": told})).await.1["added"], 0);
    assert_eq!(store.stats().unwrap().trials(), before + 2);
    let (_, report) = get(&app, &path).await;
    assert_eq!(report["best"]["score"], 0.6);
    assert_eq!(report["curve"].as_array().unwrap().len(), 2);
    assert!(report["curve"][1]["best"].as_f64().unwrap() >= report["curve"][0]["best"].as_f64().unwrap());
    assert!(
        report["curve"][1].get("regret").is_none(),
        "nobody knows the best of a task that is being tried"
    );

    // Another server over the same base takes it up, and does not propose what was tried.
    let restarted = heirloom_api::rest::app(store);
    let (_, again) = get(&restarted, &path).await;
    assert_eq!(again["trials"], report["trials"]);
    let (_, next) = post(&restarted, &format!("{path}/ask"), json!({"n": 106})).await;
    let next = next.as_array().unwrap();
    assert_eq!(next.len(), 106, "all but the two that were tried");
    assert!(
        next.iter()
            .all(|proposal| asked.iter().all(|tried| tried["architecture"] != proposal["architecture"]))
    );
    let (status, empty) = post(&restarted, &format!("{path}/ask"), json!({"n": 1})).await;
    assert_eq!((status, &empty["code"]), (StatusCode::CONFLICT, &"nothing_to_propose".into()));
}

/// Whoever was given a proposal before a restart still has it.
#[tokio::test]
async fn what_was_proposed_is_under_way_after_a_restart_too() {
    let (app, store) = server().await;
    let (_, created) = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await;
    let id = created["id"].as_str().unwrap();
    let path = format!("/v1/studies/{id}");
    let (_, asked) = post(&app, &format!("{path}/ask"), json!({"n": 3})).await;
    let asked: Vec<Value> =
        asked.as_array().unwrap().iter().map(|proposal| proposal["architecture"].clone()).collect();
    let told = |architecture: &Value| json!({"trials": [{"architecture": architecture, "split": "validation", "metric": "accuracy", "score": 0.5}]});
    post(&app, &format!("{path}/tell"), told(&asked[0])).await;

    let restarted = heirloom_api::rest::app(Arc::clone(&store));
    let (_, report) = get(&restarted, &path).await;
    assert_eq!(report["under_way"], json!(asked[1..]));
    // It goes on as if it had not been broken off.
    let next = post(&restarted, &format!("{path}/ask"), json!({"n": 1})).await.1[0]["architecture"].clone();
    let without_break =
        post(&app, &format!("{path}/ask"), json!({"n": 1})).await.1[0]["architecture"].clone();
    assert!(next == without_break && !asked.contains(&next), "{next} {without_break}");
    for architecture in asked[1..].iter().chain([&next]) {
        assert_eq!(post(&restarted, &format!("{path}/tell"), told(architecture)).await.0, StatusCode::OK);
    }
    assert_eq!(get(&restarted, &path).await.1["under_way"], json!([]));
}

/// A worker that died must not keep what it was given, and its death says nothing of how good that is.
#[tokio::test]
async fn what_is_taken_back_is_no_longer_under_way_and_may_be_proposed_again() {
    let (app, store, path) = study().await;
    let (ask, withdraw) = (format!("{path}/ask"), format!("{path}/withdraw"));
    let (_, asked) = post(&app, &ask, json!({"n": 3})).await;
    let asked: Vec<Value> = asked.as_array().unwrap().iter().map(|one| one["architecture"].clone()).collect();
    let before = store.stats().unwrap();

    // All or none: the second was never proposed.
    let never = json!({"op": "conv", "depth": 1, "width": 999});
    for (wrong, code) in [(never, "not_under_way"), (json!({"op": "conv"}), "not_under_way")] {
        let (status, refused) = post(&app, &withdraw, json!({"architectures": [asked[0], wrong]})).await;
        assert_eq!((status, &refused["code"]), (StatusCode::CONFLICT, &code.into()), "{refused}");
        assert!(refused["message"].as_str().unwrap().starts_with("architecture 1 is not under way"));
    }
    assert_eq!(get(&app, &path).await.1["under_way"], json!(asked));

    let (status, report) = post(&app, &withdraw, json!({"architectures": [asked[0], asked[2]]})).await;
    assert_eq!((status, &report["under_way"]), (StatusCode::OK, &json!([asked[1]])), "{report}");
    assert_eq!(post(&app, &withdraw, json!({"architectures": [asked[0]]})).await.0, StatusCode::CONFLICT);
    assert_eq!(store.stats().unwrap(), before, "no trial says that it failed");
    // Another server knows too, and both propose it again: it was the best start, and still is.
    let restarted = heirloom_api::rest::app(Arc::clone(&store));
    assert_eq!(get(&restarted, &path).await.1["under_way"], json!([asked[1]]));
    let next = post(&app, &ask, json!({"n": 106})).await.1;
    let next: Vec<&Value> = next.as_array().unwrap().iter().map(|one| &one["architecture"]).collect();
    assert!(next.contains(&&asked[0]) && next.contains(&&asked[2]) && !next.contains(&&asked[1]));
}

#[tokio::test]
async fn a_bad_trial_keeps_all_that_are_told_with_it_out() {
    let (app, store) = server().await;
    let (_, created) = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await;
    let path = format!("/v1/studies/{}/tell", created["id"].as_str().unwrap());
    let good = json!({"architecture": {"op": "conv", "depth": 1, "width": 16}, "split": "validation", "metric": "accuracy", "score": 0.5});
    let with = |field: &str, value: Value| {
        let mut trial = good.clone();
        trial[field] = value;
        trial
    };
    let before = store.stats().unwrap();
    for (bad, message) in [
        (with("metric", "loss".into()), "its metric is \"loss\", the task's is \"accuracy\""),
        (with("task", "a".into()), "its task is \"a\", the study's is \"new\""),
        (with("score", Value::Null), "score is missing"),
        (with("split", "exam".into()), "unknown variant `exam`"),
        (with("architecture", json!({"op": "conv"})), "parameter \"depth\""),
    ] {
        let (status, body) = post(&app, &path, json!({"trials": [good, bad]})).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &"bad_trial".into()), "{body}");
        assert!(body["message"].as_str().unwrap().contains(message), "{body}");
        assert!(body["message"].as_str().unwrap().starts_with("trial 1:"), "{body}");
    }
    assert_eq!(store.stats().unwrap(), before);
}

/// A server keeps only so many studies in memory.
#[tokio::test]
async fn a_study_goes_on_where_it_was_after_many_others() {
    let (app, _, path) = study().await;
    let (_, asked) = post(&app, &format!("{path}/ask"), json!({"n": 2})).await;
    let tried = json!({"architecture": asked[0]["architecture"], "split": "validation", "metric": "accuracy", "score": 0.4});
    post(&app, &format!("{path}/tell"), json!({"trials": [tried]})).await;
    let (_, before) = get(&app, &path).await;
    for seed in 0..70 {
        let setup = json!({"task": "new", "space": "toy/1", "seed": seed});
        assert_eq!(post(&app, "/v1/studies", setup).await.0, StatusCode::CREATED);
    }
    assert_eq!(get(&app, &path).await.1, before);
    let (_, next) = post(&app, &format!("{path}/ask"), json!({"n": 1})).await;
    for known in asked.as_array().unwrap() {
        assert_ne!(next[0]["architecture"], known["architecture"]);
    }
}

/// A study over a space of three tasks, and its path.
async fn study() -> (axum::Router, Arc<dyn heirloom_kb::KnowledgeStore>, String) {
    let (app, store) = server().await;
    let (_, created) = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await;
    (app, store, format!("/v1/studies/{}", created["id"].as_str().unwrap()))
}

fn trial(depth: u32, score: f64, epochs: u32) -> Value {
    json!({"architecture": {"op": "conv", "depth": depth, "width": 16}, "split": "validation", "metric": "accuracy",
        "score": score, "fidelity": {"epochs": epochs}})
}

#[tokio::test]
async fn a_trial_told_twice_counts_once() {
    let (app, store, path) = study().await;
    let before = store.stats().unwrap().trials();
    let one = trial(1, 0.5, 10);
    let (_, told) = post(&app, &format!("{path}/tell"), json!({"trials": [one, one]})).await;
    assert_eq!(told["added"], 1);
    assert_eq!(post(&app, &format!("{path}/tell"), json!({"trials": [one]})).await.1["added"], 0);
    assert_eq!(get(&app, &path).await.1["trials"].as_array().unwrap().len(), 1);
    assert_eq!(store.stats().unwrap().trials(), before + 1);
}

/// Nothing that recommends sees a test score, so one alone must not end a proposal whose validation score is still to come.
#[tokio::test]
async fn a_test_score_leaves_its_proposal_under_way_and_says_so() {
    let (app, store, path) = study().await;
    let before = store.stats().unwrap().trials();
    let (_, asked) = post(&app, &format!("{path}/ask"), json!({})).await;
    let trial = |split: &str| json!({"architecture": asked[0]["architecture"], "split": split, "metric": "accuracy", "score": 0.9});
    let (status, told) = post(&app, &format!("{path}/tell"), json!({"trials": [trial("test")]})).await;
    assert_eq!((status, &told["added"]), (StatusCode::OK, &json!(1)), "{told}");
    assert!(
        told["notes"][0].as_str().unwrap().contains("1 of the 1 trials are not of the validation split"),
        "{told}"
    );
    let report = get(&app, &path).await.1;
    assert_eq!(
        (&report["under_way"], &report["best"]),
        (&json!([asked[0]["architecture"]]), &Value::Null),
        "{report}"
    );
    let (_, told) = post(&app, &format!("{path}/tell"), json!({"trials": [trial("validation")]})).await;
    assert_eq!(told, json!({"added": 1}));
    assert_eq!(get(&app, &path).await.1["under_way"], json!([]));
    assert_eq!(store.stats().unwrap().trials(), before + 2);
}

/// What an architecture scored after one epoch says little beside what others scored after fifty.
#[tokio::test]
async fn a_short_trial_is_not_the_best_of_full_ones() {
    let (app, _, path) = study().await;
    let mut best = Vec::new();
    for one in [trial(1, 0.9, 1), trial(2, 0.5, 50), trial(3, 0.6, 50), trial(4, 0.95, 2)] {
        let (status, told) = post(&app, &format!("{path}/tell"), json!({"trials": [one]})).await;
        assert_eq!((status, &told["added"]), (StatusCode::OK, &json!(1)), "{told}");
        best.push(get(&app, &path).await.1["best"]["score"].clone());
    }
    assert_eq!(best, [0.9, 0.5, 0.6, 0.6]);
}

#[tokio::test]
async fn a_path_that_is_no_text_gets_an_error_as_any_other() {
    let (app, _) = server().await;
    let (status, error) = get(&app, "/v1/studies/%ff").await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!("bad_path")), "{error}");
}
