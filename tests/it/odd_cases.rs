//! Histories and requests that leave little to go by: a sensible answer and plain words, never a failure.

use std::sync::Arc;

use axum::http::StatusCode;
use heirloom_api::rest::app;
use heirloom_kb::MemoryStore;
use serde_json::{Value, json};

use crate::histories::{SPACE, architectures, history, history_with_curves, quality, task, trial};
use crate::program::{Program, arg};
use crate::rest::{call, post};

/// The answer of a server over this history; with five architectures unless more is asked.
async fn ask(history: &str, more: Value) -> Value {
    let app = app(Arc::new(MemoryStore::default()));
    let (status, report) = call(&app, "POST", "/v1/import", history.to_owned()).await;
    assert_eq!((status, &report["refused"]), (StatusCode::OK, &json!([])), "{report}");
    let mut body = json!({"space": "toy/1", "k": 5});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, answer) = post(&app, "/v1/recommendations", body).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    for ranked in answer["ranked"].as_array().unwrap() {
        assert!(ranked["mean"].is_f64() && ranked["std"].as_f64().unwrap() > 0.0, "{ranked}");
    }
    answer
}

fn assert_note(answer: &Value, words: &str) {
    let notes = answer["notes"].as_array().unwrap();
    assert!(notes.iter().any(|note| note.as_str().unwrap().contains(words)), "{words}: {notes:?}");
}

fn failed(task: &str, op: &str, depth: u32, width: u32) -> String {
    let mut trial: Value = serde_json::from_str(&trial(task, op, depth, width, 0.0)).unwrap();
    trial["status"] = "failed".into();
    trial.as_object_mut().unwrap().remove("score");
    trial.to_string()
}

/// A history and what the new task has tried.
fn with_own(past: &[&str], own: impl Iterator<Item = String>) -> String {
    history(past, "new") + &own.collect::<Vec<_>>().join("\n")
}

fn some() -> impl Iterator<Item = (&'static str, u32, u32)> {
    architectures().step_by(9)
}

#[tokio::test]
async fn a_metric_that_no_past_task_has_is_pointed_out() {
    let mut new: Value = serde_json::from_str(&task("other")).unwrap();
    new["metric"] = "energy".into();
    let lines = format!("{}\n{new}\n", history(&["past-1", "past-2"], "new"));
    let answer = ask(&lines, json!({"task": "other"})).await;
    assert_note(&answer, "no past task measures \"energy\"; they measure");
    let notes = ask(&lines, json!({"task": "new"})).await["notes"].to_string();
    assert!(!notes.contains("no past task measures"), "{notes}");
}

#[tokio::test]
async fn an_empty_base_gives_an_order_and_says_that_it_follows_nothing() {
    let lines = format!("{SPACE}\n{}", task("new"));
    let answer = ask(&lines, json!({"task": "new"})).await;
    assert_eq!(answer["ranked"].as_array().unwrap().len(), 5);
    assert_note(&answer, "there is no history in this space: nothing is known yet");
    // Not even a task, in a space that is built in and has descriptors.
    let new = json!({"meta_features": {"n_samples": 100}, "space": "nas-bench-graph/1"});
    let answer = ask("", new).await;
    assert_eq!(answer["ranked"].as_array().unwrap().len(), 5);
    assert_note(&answer, "only descriptors of its architectures, and these do not say what is good");
    assert_note(&answer, "no domain is given: it is taken to be graph");
}

#[tokio::test]
async fn one_past_task_is_followed_with_a_word_about_it() {
    let answer = ask(&history(&["a"], "new"), json!({"task": "new"})).await;
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "conv");
    assert_note(&answer, "a is the only past task");
}

#[tokio::test]
async fn past_tasks_that_tell_nothing_are_left_out_and_named() {
    let mut lines = history(&["a", "b"], "new");
    lines.push_str(&format!("{}\n{}\n", task("broken"), task("flat")));
    for (op, depth, width) in some() {
        lines.push_str(&format!(
            "{}\n{}\n",
            failed("broken", op, depth, width),
            trial("flat", op, depth, width, 0.5)
        ));
    }
    let answer = ask(&lines, json!({"task": "new"})).await;
    assert_note(&answer, "left out of the history, for all trials failed: broken");
    assert_note(&answer, "left out of the history, for all scores are equal: flat");
    assert_eq!(answer["history"].as_array().unwrap().len(), 2);
    assert_eq!(answer["ranked"], ask(&history(&["a", "b"], "new"), json!({"task": "new"})).await["ranked"]);
    // Nothing else in the base: as if it were empty.
    let lines: Vec<String> = some().map(|(op, depth, width)| failed("broken", op, depth, width)).collect();
    let lines = format!("{SPACE}\n{}\n{}\n{}", task("new"), task("broken"), lines.join("\n"));
    let answer = ask(&lines, json!({"task": "new"})).await;
    assert_note(&answer, "all trials failed: broken");
    assert_note(&answer, "nothing is known yet of what is good");
}

#[tokio::test]
async fn own_trials_that_failed_or_are_equal_make_a_note() {
    for past in [&["a", "b"][..], &[]] {
        let own = some().map(|(op, depth, width)| failed("new", op, depth, width));
        let answer = ask(&with_own(past, own), json!({"task": "new"})).await;
        assert_note(&answer, "none of the task's own trials has a score (12 failed)");
        let own = some().map(|(op, depth, width)| trial("new", op, depth, width, 0.5));
        let answer = ask(&with_own(past, own), json!({"task": "new"})).await;
        assert_note(&answer, "own trials all have the same score");
        assert_eq!(answer["own_trials"], 12);
        assert_eq!(answer["trust"].is_f64(), !past.is_empty(), "{}", answer["trust"]);
    }
}

#[tokio::test]
async fn an_absurd_score_of_a_past_task_is_named_and_spoils_nothing() {
    let plain = history(&["a", "b"], "new");
    let at = plain.lines().position(|line| {
        line.contains(r#""task":"b""#) && line.contains(r#""op":"skip","depth":3,"width":16"#)
    });
    let lines: Vec<String> = plain
        .lines()
        .enumerate()
        .map(|(line, text)| if Some(line) == at { trial("b", "skip", 3, 16, 1e30) } else { text.to_owned() })
        .collect();
    let answer = ask(&lines.join("\n"), json!({"task": "new"})).await;
    assert_note(&answer, "1e30 of trial ");
    assert_note(&answer, " of b (the others ");
    let expected = ask(&plain, json!({"task": "new"})).await;
    let mean = |answer: &Value| answer["ranked"][0]["mean"].as_f64().unwrap();
    assert!((mean(&answer) - mean(&expected)).abs() < 0.3, "{} {}", mean(&answer), mean(&expected));
    assert!(!expected["notes"].to_string().contains("far beyond"), "{expected}");
    let app = app(Arc::new(MemoryStore::default()));
    call(&app, "POST", "/v1/import", lines.join("\n")).await;
    assert_note(
        &post(&app, "/v1/studies", json!({"task": "new", "space": "toy/1"})).await.1,
        "1e30 of trial ",
    );
}

#[tokio::test]
async fn a_history_that_is_all_left_out_is_not_called_none() {
    let answer =
        ask(&history(&["a", "b"], "new"), json!({"task": "new", "history": {"exclude_tasks": ["a", "b"]}}))
            .await;
    assert_note(&answer, "all past tasks of this space are left out: nothing is known yet");
}

#[tokio::test]
async fn few_candidates_are_all_listed() {
    let candidates =
        json!([{"op": "skip", "depth": 1, "width": 16}, {"op": "conv", "depth": 7, "width": 128}]);
    let past = history(&["a", "b"], "new");
    let answer = ask(&past, json!({"task": "new", "candidates": candidates})).await;
    assert_eq!(answer["ranked"].as_array().unwrap().len(), 2);
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "conv");
    assert_note(&answer, "5 architectures are asked for and there are 2 candidates: all are listed");
    for past in [&["a", "b"][..], &["a"], &[]] {
        let body = json!({"task": "new", "candidates": [candidates[0]]});
        let answer = ask(&history(past, "new"), body).await;
        assert_eq!(answer["ranked"].as_array().unwrap().len(), 1);
        assert_note(&answer, "there is one candidate only");
    }
}

#[tokio::test]
async fn trust_falls_with_own_trials_that_speak_against_the_history() {
    // Six trials: many more that lie on so smooth a surface explain each other better than any past task does.
    let scored = |sign: f64| {
        let score = move |(op, depth, width): (&str, u32, u32)| {
            let noise = f64::from((depth * 7 + width * 3 + 4) % 11) / 500.0;
            trial("new", op, depth, width, sign * (quality(op, depth, width) + noise))
        };
        with_own(&["a", "b", "c"], architectures().step_by(19).map(score))
    };
    let (with, against) =
        (ask(&scored(1.0), json!({"task": "new"})).await, ask(&scored(-1.0), json!({"task": "new"})).await);
    let trust = |answer: &Value| answer["trust"].as_f64().unwrap();
    assert!(trust(&with) > 0.6 && trust(&against) < 0.3, "{} {}", trust(&with), trust(&against));
    assert_note(&against, "the task's own trials run against the past ones");
    assert_eq!(with["notes"], json!([]));
    let own_left_out = json!({"task": "new", "history": {"exclude_tasks": ["new"]}});
    assert!(ask(&scored(1.0), own_left_out).await.get("trust").is_none());
}

#[tokio::test]
async fn a_past_that_contradicts_itself_is_said_and_its_parts_are_named() {
    let turned = |(op, depth, width): (&str, u32, u32)| {
        trial("odd", op, depth, width, 1.0 - quality(op, depth, width)) + "\n"
    };
    let odd = task("odd") + "\n" + &architectures().map(turned).collect::<String>();
    let agreed = history(&["a", "b", "c"], "new");
    let answer = ask(&(agreed.clone() + &odd), json!({"task": "new"})).await;
    assert_note(
        &answer,
        "the past contradicts itself: what does well on odd does badly on the other past tasks",
    );
    let why = |at: usize| answer["ranked"][at]["why"].as_str().unwrap();
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "conv", "by the majority");
    assert!(why(0).starts_with("the likeliest good start by the past"), "{}", why(0));
    assert!(why(1).contains("it is for a task like odd"), "{}", why(1));
    assert!(!ask(&agreed, json!({"task": "new"})).await["notes"].to_string().contains("contradicts"));
}

#[tokio::test]
async fn what_past_tasks_stopped_early_counts() {
    let history = history_with_curves(&["a", "b"], "new");
    let stopped = |(at, line): (usize, &str)| {
        let mut trial: Value = serde_json::from_str(line).unwrap();
        if trial["type"] == "trial" && at % 9 != 0 {
            trial["curve"].as_array_mut().unwrap().truncate(3);
            trial["fidelity"]["epochs"] = 3.into();
            trial["status"] = "pruned".into();
            trial.as_object_mut().unwrap().remove("score");
        }
        trial.to_string() + "\n"
    };
    let lines: String = history.lines().enumerate().map(stopped).collect();
    let answer = ask(&lines, json!({"task": "new"})).await;
    let (of_full, of_stopped) =
        (architectures().count(), |task: usize| answer["history"][task]["architectures"].as_u64());
    assert_eq!((of_stopped(0), of_stopped(1)), (Some(of_full as u64), Some(of_full as u64)), "{answer}");
    let first = &answer["ranked"][0]["architecture"];
    assert_eq!((&first["op"], &first["width"]), (&json!("conv"), &json!(128)), "{first}");
    let whys: Vec<&str> =
        answer["ranked"].as_array().unwrap().iter().filter_map(|ranked| ranked["why"].as_str()).collect();
    assert!(whys.iter().any(|why| why.contains("% on a by a short trial")), "{whys:?}");
    // Without curves of full ones nothing tells how they would have gone on.
    let bare = |line: &str| {
        let mut trial: Value = serde_json::from_str(line).unwrap();
        if trial["status"] != "pruned" && trial["type"] == "trial" {
            trial.as_object_mut().unwrap().remove("curve");
        }
        trial.to_string() + "\n"
    };
    let answer = ask(&lines.lines().map(bare).collect::<String>(), json!({"task": "new"})).await;
    assert_eq!(answer["history"][0]["architectures"], 12);
}

#[tokio::test]
async fn curves_of_past_trials_give_a_fidelity() {
    let answer = ask(&history_with_curves(&["a", "b"], "new"), json!({"task": "new"})).await;
    assert_eq!((&answer["fidelity"]["name"], &answer["fidelity"]["full"]), (&json!("epochs"), &json!(9.0)));
    assert_eq!(answer["fidelity"]["value"], 1.0, "the curves of these never cross");
    // Of the task's own curves and of excluded ones nothing is learned; without curves there is no advice.
    let none = json!({"task": "a", "history": {"exclude_tasks": ["b"]}});
    assert!(ask(&history_with_curves(&["a", "b"], "new"), none).await.get("fidelity").is_none());
    assert!(ask(&history(&["a", "b"], "new"), json!({"task": "new"})).await.get("fidelity").is_none());
}

#[tokio::test]
async fn what_counts_nowhere_and_what_matches_nothing_is_said() {
    let other = |op, depth| trial("a", op, depth, 16, 0.5).replace("accuracy", "f1");
    let lines = history(&["a", "b"], "new") + &other("conv", 1) + "\n" + &other("pool", 2);
    let answer = ask(&lines, json!({"task": "new", "device": "toaster"})).await;
    assert_note(
        &answer,
        r#"another metric than their task's count nowhere: 2 of a (its metric is "accuracy")"#,
    );
    assert_note(&answer, r#"no trial of this space names a device: "toaster" says nothing"#);
    // What is left out of the history need not be said of.
    let without = ask(&lines, json!({"task": "new", "history": {"exclude_tasks": ["a"]}})).await;
    assert!(!without["notes"].to_string().contains("another metric"), "{without}");
    let misspelt = ask(&lines, json!({"task": "new", "history": {"exclude_tasks": ["bb", "zzzzzz"]}})).await;
    assert_note(&misspelt, r#"to be left out, and not in the base: "bb" (did you mean "b"?), "zzzzzz""#);
    let on_device = lines.replace(r#""split":"#, r#""device":"phone","split":"#);
    let answer = ask(&on_device, json!({"task": "new", "device": "toaster"})).await;
    assert_note(&answer, r#"no trial of this space was measured on "toaster"; known are phone"#);
    let met = ask(&on_device, json!({"task": "new", "device": "phone"})).await;
    assert!(!met["notes"].to_string().contains("measured on"), "{met}");
}

#[test]
fn the_text_says_trust_and_fidelity_in_words() {
    let program = Program::new();
    let mut lines = history_with_curves(&["a", "b", "c"], "new");
    let own =
        some().take(1).map(|(op, depth, width)| trial("new", op, depth, width, quality(op, depth, width)));
    lines.push_str(&own.collect::<Vec<_>>().join("\n"));
    let file = program.file("history.jsonl", &lines);
    program.json(&["import", arg(&file)]);
    let output = program.run(&["recommend", "--task", "new", "--space", "toy/1", "-k", "2"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains(" % trust in them; and 1 trial of its own"), "{text}");
    assert!(text.contains("train for 1 of 9 epochs first: after 1 of 9 epochs the ranking"), "{text}");
}
