//! Trials that are stopped early: what the server says of reports, and what the command line saves.

use std::sync::Arc;

use axum::http::StatusCode;
use heirloom_api::rest::app;
use heirloom_kb::{KnowledgeStore, MemoryStore, Trial, TrialQuery};
use serde_json::{Value, json};

use crate::histories::{self, quality, rising};
use crate::program::{Program, arg};
use crate::rest::{call, get, post};

async fn study(scheduler: Value) -> (axum::Router, Arc<dyn KnowledgeStore>, String) {
    let store: Arc<dyn KnowledgeStore> = Arc::new(MemoryStore::default());
    let app = app(Arc::clone(&store));
    call(&app, "POST", "/v1/import", histories::history_with_curves(&["a", "b", "c"], "new")).await;
    let setup = json!({"task": "new", "space": "toy/1", "scheduler": scheduler});
    let (status, made) = post(&app, "/v1/studies", setup).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    (app, store, format!("/v1/studies/{}", made["id"].as_str().unwrap()))
}

/// Reports a trial epoch by epoch until it is stopped, and tells it; the epochs spent.
async fn train(app: &axum::Router, path: &str, architecture: &Value, end: f64) -> u32 {
    let mut curve = Vec::new();
    for epoch in 1..=9 {
        curve.push(json!([epoch, rising(end, epoch)]));
        let report = json!({"architecture": architecture, "step": epoch, "score": rising(end, epoch)});
        let (status, verdict) = post(app, &format!("{path}/report"), report).await;
        assert_eq!(status, StatusCode::OK, "{verdict}");
        assert!(!verdict["why"].as_str().unwrap().is_empty());
        if verdict["decision"] == "stop" {
            break;
        }
        assert_eq!(verdict["decision"], "continue");
    }
    let spent = curve.len() as u32;
    let mut trial = json!({"architecture": architecture, "split": "validation", "metric": "accuracy",
        "fidelity": {"epochs": spent}, "curve": curve});
    if spent < 9 {
        trial["status"] = "pruned".into();
    } else {
        trial["score"] = rising(end, 9).into();
    }
    let (status, told) = post(app, &format!("{path}/tell"), json!({"trials": [trial]})).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    spent
}

#[tokio::test]
async fn a_client_that_reports_its_epochs_hears_which_trials_are_hopeless() {
    for kind in ["asha", "hyperband", "extrapolation", "one-epoch"] {
        let (app, store, path) = study(json!({"kind": kind, "max_epochs": 9})).await;
        let depth = |depth: u32, op: &str| json!({"op": op, "depth": depth, "width": 128});
        let good = ["7", "6", "5", "4"].map(|depth| depth.parse().unwrap());
        for at in good {
            train(&app, &path, &depth(at, "conv"), quality("conv", at, 128)).await;
        }
        let poor = train(&app, &path, &depth(1, "skip"), 0.1).await;
        assert!(poor < 9, "{kind}");
        let best = train(&app, &path, &depth(8, "conv"), 0.99).await;
        assert_eq!(best, 9, "{kind}");
        let (_, report) = get(&app, &path).await;
        assert_eq!(report["best"]["architecture"], depth(8, "conv"), "{kind}");
        let stored: Vec<Trial> = store.trials(&TrialQuery::task("new")).unwrap().trials;
        let pruned = stored.iter().find(|trial| trial.architecture.text("op") == Some("skip")).unwrap();
        assert_eq!((pruned.fidelity["epochs"], pruned.curve.len()), (f64::from(poor), poor as usize));
        // The study knows what it was told when another server takes it up.
        let other = self::app(Arc::clone(&store));
        assert!(train(&other, &path, &depth(2, "skip"), 0.1).await < 9, "{kind}");
    }
}

/// What a stopped trial promised counts: what is like it is expected to be worse than before.
#[tokio::test]
async fn a_pruned_trial_teaches_the_strategy() {
    let mut expected = Vec::new();
    for pruned in [false, true] {
        let (app, _, path) = study(json!({"kind": "asha", "max_epochs": 9})).await;
        let (_, asked) = post(&app, &format!("{path}/ask"), json!({})).await;
        let architecture = &asked[0]["architecture"];
        assert_eq!(architecture["op"], "conv");
        let base = json!({"split": "validation", "metric": "accuracy"});
        let trial = |more: Value| {
            let mut trial = base.clone();
            trial.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            trial
        };
        let poor = json!({"op": "skip", "depth": 1, "width": 16});
        let other = json!({"op": "skip", "depth": 5, "width": 32});
        // One trial alone does not change what is tried next.
        let mut trials = vec![trial(json!({"architecture": poor, "score": 0.5}))];
        trials.push(trial(json!({"architecture": other, "score": 0.6})));
        if pruned {
            trials.push(trial(json!({"architecture": architecture, "status": "pruned",
                "fidelity": {"epochs": 2}, "curve": [[1, 0.05], [2, 0.06]]})));
        }
        post(&app, &format!("{path}/tell"), json!({"trials": trials})).await;
        let (_, next) = post(&app, &format!("{path}/ask"), json!({})).await;
        assert_ne!(&next[0]["architecture"], architecture);
        expected.push(next[0]["mean"].as_f64().unwrap());
    }
    assert!(expected[1] < expected[0] - 0.1, "{expected:?}");
}

#[tokio::test]
async fn reports_that_do_not_fit_say_why() {
    let (app, _, path) = study(json!({"kind": "asha", "max_epochs": 9, "eta": 2})).await;
    let report = format!("{path}/report");
    let architecture = json!({"op": "conv", "depth": 3, "width": 32});
    let send = |step: i64, score: f64| json!({"architecture": architecture, "step": step, "score": score});
    let first = post(&app, &report, send(4, 0.5)).await;
    assert_eq!(first.0, StatusCode::OK);
    assert!(first.1["note"].as_str().unwrap().contains("has not proposed this architecture"), "{}", first.1);
    let (_, asked) = post(&app, &format!("{path}/ask"), json!({})).await;
    let proposed = json!({"architecture": asked[0]["architecture"], "step": 1, "score": 0.5});
    assert!(post(&app, &report, proposed).await.1.get("note").is_none());
    assert_eq!(post(&app, &report, send(4, 0.5)).await, first);
    for (body, words) in [
        (send(4, 0.6), "it was reported before as 0.5, now as 0.6"),
        (send(2, 0.4), "step 4 was reported before; steps must come in order"),
        (send(10, 0.4), "steps go from 1 to 9"),
        (json!({"architecture": {"op": "nap", "depth": 3, "width": 32}, "step": 1, "score": 0.1}), "nap"),
    ] {
        let (status, error) = post(&app, &report, body).await;
        assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &"bad_report".into()));
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
    let (status, _) = post(&app, "/v1/studies/none/report", send(1, 0.1)).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, made) = post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await;
    let plain = format!("/v1/studies/{}/report", made["id"].as_str().unwrap());
    let (status, error) = post(&app, &plain, send(1, 0.1)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error["message"].as_str().unwrap().ends_with("the study was set up without a scheduler"));
    let setup = json!({"task": "new", "space": "toy/1", "scheduler": {"kind": "asha", "max_epochs": 1}});
    let (status, error) = post(&app, "/v1/studies", setup).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &"bad_scheduler".into()));
    let (_, described) = get(&app, "/openapi.json").await;
    assert!(described["paths"]["/v1/studies/{id}/report"]["post"].is_object());
}

#[test]
fn a_replayed_study_spends_fewer_epochs_and_finds_as_good() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history_with_curves(&["a", "b", "c"], "new"));
    program.json(&["import", arg(&file)]);
    let study = |more: &[&str]| {
        let args = ["study", "--task", "b", "--space", "toy/1", "--table", "--top", "12"];
        let answer = program.json(&[&args[..], &["--strategy", "random"], more].concat());
        let trials = answer["report"]["trials"].as_array().unwrap();
        let spent: f64 = trials.iter().map(|trial| trial["fidelity"]["epochs"].as_f64().unwrap()).sum();
        (spent, answer["report"]["best"]["score"].as_f64().unwrap())
    };
    let (all, best) = study(&[]);
    assert_eq!(all, 12.0 * 9.0);
    let (asha, _) = study(&["--scheduler", "asha"]);
    let (seldom, _) = study(&["--scheduler", "asha", "--eta", "8"]);
    let (late, _) = study(&["--scheduler", "asha", "--min-epochs", "6"]);
    let (extrapolated, found) = study(&["--scheduler", "extrapolation"]);
    assert!(asha < seldom && asha < late && late < all, "{asha} {seldom} {late}");
    assert!(extrapolated < 0.7 * all, "{extrapolated}");
    assert_eq!(found, best);
    let refusal = |more: &[&str]| {
        program.refusal(&[&["study", "--task", "b", "--space", "toy/1", "--table"], more].concat())
    };
    assert!(refusal(&["--eta", "4"]).contains("--eta has no effect without --scheduler"));
    let eta = refusal(&["--scheduler", "one-epoch", "--eta", "4"]);
    assert!(eta.contains("the one-epoch rule looks only once"), "{eta}");
}

#[test]
fn the_bench_says_what_early_stopping_saves() {
    let program = Program::new();
    let file = program.file("history.jsonl", &histories::history_with_curves(&["a", "b", "c"], "new"));
    program.json(&["import", arg(&file)]);
    let rules = ["none", "asha", "hyperband", "extrapolation", "one-epoch"];
    let mut args = vec!["bench", "--space", "toy/1", "--method", "random", "--seeds", "2", "--trials", "8"];
    rules.iter().for_each(|rule| args.extend(["--scheduler", rule]));
    let report = program.json(&args);
    assert_eq!(report, program.json(&args));
    assert_eq!(report["tasks"], json!(["a", "b", "c"]));
    let measured = report["schedulers"].as_array().unwrap();
    assert_eq!(measured[0]["epochs_share"], 1.0);
    let equal = |rule: &Value| rule["equal_regret_share"].as_f64().unwrap();
    assert!(equal(&measured[3]) < equal(&measured[0]) && equal(&measured[0]) <= 1.0, "{report}");
    assert_eq!((&measured[0]["best_lost"], &measured[0]["stopped"]), (&0.0.into(), &0.0.into()));
    for rule in &measured[1..] {
        let share = rule["epochs_share"].as_f64().unwrap();
        assert!(share < 1.0 && share > 1.0 / 9.0, "{rule}");
        // With what it saves, every rule tries more and finds better for the same epochs.
        let end = |rule: &Value| rule["by_budget"][3].as_f64().unwrap();
        assert!(end(rule) <= end(&measured[0]) + 1e-12, "{rule}");
    }
    let words = program.refusal(&[&args[..], &["--method", "surrogate"]].concat());
    assert!(words.contains("give one --method at most"), "{words}");
}
