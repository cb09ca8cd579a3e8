//! Recommendations for a task that the base does not know.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use heirloom_api::rest::app;
use heirloom_kb::MemoryStore;
use serde_json::{Value, json};

use crate::histories::{SPACE, architectures, history, trial};
use crate::program::{Program, arg};
use crate::rest::{call, post};

const ASK: &str = "/v1/recommendations";

/// Six past tasks: the large ones like convolutions, the small ones pooling.
fn two_kinds() -> String {
    let mut lines = vec![SPACE.to_owned()];
    for (index, samples) in [100, 150, 120, 90_000, 110_000, 100_000].into_iter().enumerate() {
        let id = format!("task{index}");
        lines.push(format!(
            r#"{{"type":"task","id":"{id}","domain":"image","metric":"accuracy","goal":"maximize","meta_features":{{"n_samples":{samples}}}}}"#
        ));
        let favourite = if samples > 1_000 { "conv" } else { "pool" };
        for (op, depth, width) in architectures() {
            let noise = f64::from((depth * 7 + width * 3 + index as u32 * 5) % 11) / 500.0;
            let score = if op == favourite { 0.5 } else { 0.2 } + 0.03 * f64::from(depth) + noise;
            lines.push(trial(&id, op, depth, width, score));
        }
    }
    lines.join("\n")
}

async fn server(history: String) -> Router {
    let app = app(Arc::new(MemoryStore::default()));
    let (status, report) = call(&app, "POST", "/v1/import", history).await;
    assert_eq!((status, &report["refused"]), (StatusCode::OK, &json!([])), "{report}");
    app
}

fn has_note(answer: &Value, words: &str) -> bool {
    answer["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains(words))
}

#[tokio::test]
async fn meta_features_say_which_past_tasks_a_new_one_is_like() {
    let app = server(two_kinds()).await;
    for (samples, op) in [(105_000, "conv"), (130, "pool")] {
        let body = json!({"meta_features": {"n_samples": samples}, "domain": "image", "metric": "accuracy",
                          "goal": "maximize", "space": "toy/1", "k": 3});
        let (status, answer) = post(&app, ASK, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(answer["task"], "(new)");
        assert_eq!(answer["ranked"][0]["architecture"]["op"], op, "{answer}");
        assert_eq!((&answer["own_trials"], answer.get("trust")), (&json!(0), None));
        assert_eq!(answer["notes"], json!([]));
    }
}

#[tokio::test]
async fn data_unlike_those_of_all_past_tasks_are_said_to_be() {
    let app = server(two_kinds()).await;
    let unlike = "unlike those of all past tasks: n_samples is";
    for (samples, words) in
        [(1e300, Some("1e300 (past tasks 100 to 110000)")), (1e6, None), (10.0, None), (0.0, Some("0 (past"))]
    {
        let body = json!({"meta_features": {"n_samples": samples}, "domain": "image", "metric": "accuracy",
                          "goal": "maximize", "space": "toy/1", "k": 1});
        let (status, answer) = post(&app, ASK, body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        assert_eq!(has_note(&answer, unlike), words.is_some(), "{samples} {answer}");
        assert!(words.is_none_or(|words| has_note(&answer, words)), "{answer}");
    }
}

#[tokio::test]
async fn a_description_that_changes_nothing_is_said_to() {
    // All past tasks like the same: those with similar data are no better to go by.
    let with_sizes = |one: bool| {
        let mut samples = 100;
        let described = |line: &str| {
            samples += 100;
            line.replace(
                r#""goal":"maximize""#,
                &format!(r#""goal":"maximize","meta_features":{{"n_samples":{samples}}}"#),
            )
        };
        let past: &[&str] = if one { &["a"] } else { &["a", "b", "c", "d"] };
        history(past, "new").lines().map(described).collect::<Vec<_>>().join("\n")
    };
    let body = |samples: u32, name: &str| {
        json!({"meta_features": {name: samples}, "domain": "image", "metric": "accuracy", "goal": "maximize",
               "space": "toy/1", "k": 3})
    };
    let app = server(with_sizes(false)).await;
    let (small, large) =
        (post(&app, ASK, body(10, "n_samples")).await.1, post(&app, ASK, body(900_000, "n_samples")).await.1);
    assert_eq!(small, large);
    assert!(has_note(&small, "had no influence"), "{}", small["notes"]);
    assert!(has_note(&small, "past tasks do not foretell each other better"), "{}", small["notes"]);
    let (_, strange) = post(&app, ASK, body(10, "colour")).await;
    assert!(has_note(&strange, "no past task has any of these numbers"), "{}", strange["notes"]);
    let app = server(with_sizes(true)).await;
    let (_, answer) = post(&app, ASK, body(10, "n_samples")).await;
    assert!(has_note(&answer, "had no influence") && has_note(&answer, ": there is only one past task"));
}

#[tokio::test]
async fn data_that_networks_of_the_space_cannot_take_are_refused() {
    let app = server(String::new()).await;
    let body = |domain: Option<&str>| json!({"meta_features": {"n_samples": 130}, "domain": domain, "space": "chain-cnn/1", "k": 1});
    let (status, answer) = post(&app, ASK, body(Some("tabular"))).await;
    assert_eq!((status, &answer["code"]), (StatusCode::BAD_REQUEST, &json!("bad_task")));
    let words = answer["message"].as_str().unwrap();
    assert!(words.contains("are tabular, which networks of chain-cnn/1 cannot take"), "{words}");
    let (_, answer) = post(&app, ASK, body(None)).await;
    assert!(has_note(&answer, "no domain is given: it is taken to be image"), "{answer}");
}

#[tokio::test]
async fn what_is_left_out_is_taken_from_the_past_and_said() {
    let app = server(two_kinds()).await;
    let body = json!({"meta_features": {"n_samples": 130, "colour": 3}, "space": "toy/1"});
    let (status, answer) = post(&app, ASK, body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for words in [
        "no domain is given: it is taken to be image",
        r#"no metric is given: it is taken to be "accuracy""#,
        r#"no past task has the meta-features "colour""#,
    ] {
        assert!(has_note(&answer, words), "{words}: {}", answer["notes"]);
    }
    assert!(!has_note(&answer, "no goal"), "past tasks have one");
    let body = json!({"meta_features": {"n_samples": 130}, "metric": "f1", "space": "toy/1"});
    let (_, answer) = post(&app, ASK, body).await;
    assert!(has_note(&answer, r#""f1" is taken to be better when higher"#), "{}", answer["notes"]);
}

#[tokio::test]
async fn a_domain_and_a_goal_that_no_past_task_has_are_said() {
    let app = server(two_kinds()).await;
    let body = |domain: &str, goal: &str| {
        json!({"meta_features": {"n_samples": 130}, "domain": domain, "metric": "accuracy", "goal": goal,
               "space": "toy/1"})
    };
    let (_, answer) = post(&app, ASK, body("text", "minimize")).await;
    assert!(
        has_note(&answer, "no past task in this space is of the domain text; they are image"),
        "{answer}"
    );
    assert!(has_note(&answer, r#""accuracy" is to be minimized, and all past tasks in this space have it"#));
    let (_, answer) = post(&app, ASK, body("image", "maximize")).await;
    assert_eq!(answer["notes"], json!([]));
}

#[tokio::test]
async fn requests_that_name_no_one_task_are_refused() {
    let app = server(history(&["a", "b"], "new")).await;
    let refusals = [
        (json!({}), 400, "bad_task", "neither task nor meta_features"),
        (json!({"task": "new", "meta_features": {"n": 1}}), 400, "bad_task", "only one of them"),
        (json!({"task": "new", "metric": "loss"}), 400, "bad_task", "describe a new task"),
        (json!({"meta_features": {}}), 400, "bad_task", "it has no meta-features"),
        (json!({"meta_features": {"n": 1}, "metric": " "}), 400, "bad_task", "metric"),
        (json!({"meta_features": {"n": "many"}}), 422, "bad_json", "n"),
        (json!({"meta_features": {"n": 1}, "domain": "smell"}), 422, "bad_json", "smell"),
        (json!({"meta_features": {"n": 1}, "space": "z/1"}), 404, "unknown_space", "toy/1"),
    ];
    for (more, code, word, message) in refusals {
        let mut body = json!({"space": "toy/1"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = post(&app, ASK, body).await;
        assert_eq!((status.as_u16(), answer["code"].as_str().unwrap()), (code, word), "{more}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{more}: {answer}");
    }
}

#[test]
fn the_command_line_takes_meta_features() {
    let program = Program::new();
    let file = program.file("history.jsonl", &two_kinds());
    program.json(&["import", arg(&file)]);
    let ask = ["recommend", "--space", "toy/1", "-k", "2"];
    let new =
        ["--meta", "n_samples=105000", "--domain", "image", "--metric", "accuracy", "--goal", "maximize"];
    let answer = program.json(&[&ask[..], &new].concat());
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "conv");
    let text = program.run(&[&ask[..], &new].concat());
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("for a new task from 108 candidates of toy/1"), "{text}");
    let refusals: [(&[&str], &str); 7] = [
        (&[], "--task"),
        (&["--task", "task0", "--meta", "n=1"], "cannot be used with"),
        (&["--task", "task0", "--metric", "loss"], "cannot be used with"),
        (&["--meta", "n"], "NAME=NUMBER"),
        (&["--meta", "n=inf"], r#""inf" is not a finite number"#),
        (&["--meta", "n=1", "--goal", "up"], "unknown variant `up`"),
        (&["--meta", "n=1", "--true-rank"], "cannot be used with"),
    ];
    for (words, said) in refusals {
        let refusal = program.refusal(&[&ask[..], words].concat());
        assert!(refusal.contains(said), "{words:?}: {refusal}");
    }
}
