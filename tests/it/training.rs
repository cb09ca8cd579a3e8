//! Real training on real data.

use serde_json::json;

use crate::program::{Program, wheels};
use crate::rest::post;
use crate::under_way::wait_for_checkpoints;

#[test]
fn a_second_study_starts_from_what_the_first_has_trained() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let study = |task: &str| {
        let args = [
            "--json", "study", "--task", task, "--space", "mlp/1", "--train", "--top", "3", "--epochs", "8",
            "--device", "cpu",
        ];
        let output = program.command(&args).env("HEIRLOOM_DATA", &dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let first = study("wine");
    assert_eq!(first["candidates"], 500);
    assert!(first["started_from"].as_array().unwrap().is_empty());
    let trials = first["report"]["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 3);
    for trial in trials {
        assert_eq!(trial["split"], "validation");
        assert_eq!(trial["curve"].as_array().unwrap().len(), 8);
        assert!(trial["source"].as_str().unwrap().contains("libtorch 2.11.0, cpu"));
    }
    assert!(first["report"]["best"]["score"].as_f64().unwrap() > 0.8);
    assert_eq!(program.trials(), 3);

    let second = study("breast_cancer");
    assert_eq!(second["started_from"], serde_json::json!(["wine"]));
    assert_eq!(program.trials(), 6);
    let recommendation = program.json(&["recommend", "--task", "wine", "--space", "mlp/1", "-k", "3"]);
    assert_eq!(recommendation["own_trials"], 3);
    assert!(!recommendation["ranked"][0]["evidence"].as_array().unwrap().is_empty());
}

#[test]
fn one_architecture_is_trained_and_tested_once() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let architecture = r#"{"layers":1,"activation":"relu","norm":"batch","shortcut":"none","width1":32,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#;
    let args = ["--json", "train", "--task", "iris", "--space", "mlp/1", "--split", "test", "--epochs", "20"];
    let args = [&args[..], &["--architecture", architecture]].concat();
    let output = program.command(&args).env("HEIRLOOM_DATA", &dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let trial: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(trial["split"], "test");
    assert!(trial["score"].as_f64().unwrap() > 0.8, "{trial}");
    let words = program.refusal(&[
        "train",
        "--task",
        "iris",
        "--space",
        "mlp/1",
        "--architecture",
        r#"{"layers":9}"#,
    ]);
    assert!(words.contains("9 is not an integer in 1..=4"), "{words}");
    let words =
        program.refusal(&["train", "--task", "moon", "--space", "mlp/1", "--architecture", architecture]);
    assert!(words.contains("there is no data set \"moon\"; there are breast_cancer"), "{words}");
}

/// Whatever the moment at which it is killed, the study ends with the trials it would have had.
#[test]
fn a_killed_study_goes_on_where_it_was() {
    let Some(dir) = wheels() else { return };
    let args = [
        "--json",
        "study",
        "--task",
        "digits",
        "--space",
        "chain-cnn/1",
        "--train",
        "--top",
        "2",
        "--epochs",
        "6",
        "--candidates",
        "60",
        "--device",
        "cpu",
    ];
    let study = |program: &Program, more: &[&str]| {
        let mut command = program.command(&[&args[..], more].concat());
        command.env("HEIRLOOM_DATA", &dir);
        command
    };
    let outcome = |output: std::process::Output| {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let trials = answer["report"]["trials"].as_array().unwrap().clone();
        let of = |trial: &serde_json::Value| (trial["architecture"].clone(), trial["curve"].clone());
        trials.iter().map(of).collect::<Vec<_>>()
    };
    let whole = Program::new();
    let want = outcome(study(&whole, &[]).output().unwrap());
    assert_eq!(want.len(), 2);

    let broken = Program::new();
    let mut child = study(&broken, &[]).stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_for_checkpoints(&broken, &mut child, 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(broken.trials() < 2, "it was killed too late to show anything");
    assert_eq!(outcome(study(&broken, &["--resume", "study-1"]).output().unwrap()), want);
    assert_eq!(std::fs::read_dir(broken.path("base.weights/under-way")).unwrap().count(), 0);
    let refused = |output: std::process::Output, why: &str| {
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && words.contains(why), "{words}");
    };
    // What it was started with need not be said again, and cannot be otherwise: other trials could not be compared.
    let again = |more: &[&str]| {
        let args = [&["--json", "study", "--resume", "study-1"], more].concat();
        broken.command(&args).env("HEIRLOOM_DATA", &dir).output().unwrap()
    };
    refused(
        again(&["--space", "mlp/1"]),
        "study-1 was started with --space chain-cnn/1 and goes on with that, not with mlp/1",
    );
    refused(again(&["--top", "3", "--epochs", "2"]), "study-1 was started with --epochs 6");
    refused(again(&["--optimizer", "sgd"]), "study-1 was started with --optimizer adamw");
    assert_eq!(broken.trials(), 2);
    let more = outcome(again(&["--top", "3"]));
    assert_eq!((&more[..2], more.len()), (&want[..], 3));
    assert_eq!(more[2].1.as_array().unwrap().len(), 6);
}

/// Of a study that was set up over REST the base knows task and space; its trials say for how many epochs they were trained.
#[tokio::test]
async fn a_study_set_up_over_rest_goes_on_with_the_epochs_of_its_trials() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let run = |args: &[&str]| program.command(args).env("HEIRLOOM_DATA", &dir).output().unwrap();
    let first = [
        "study", "--task", "wine", "--space", "mlp/1", "--train", "--top", "1", "--epochs", "2", "--device",
        "cpu",
    ];
    assert!(run(&first).status.success());
    {
        let app = heirloom_api::rest::app(heirloom_kb::open(&program.base()).unwrap());
        let setup = json!({"task": "wine", "space": "mlp/1", "history": {"exclude_tasks": ["wine"]}});
        let (_, created) = post(&app, "/v1/studies", setup).await;
        assert_eq!(created["id"], "study-2");
        let (_, asked) = post(&app, "/v1/studies/study-2/ask", json!({})).await;
        let architecture = asked[0]["architecture"].clone();
        let trial = json!({"task": "wine", "space": "mlp/1", "architecture": architecture, "split": "validation",
            "metric": "accuracy", "score": 0.9, "fidelity": {"epochs": 4}});
        let (status, told) = post(&app, "/v1/studies/study-2/tell", json!({"trials": [trial]})).await;
        assert!(status.is_success(), "{told}");
    }
    let go_on = ["--json", "study", "--resume", "study-2", "--top", "2", "--device", "cpu", "--epochs"];
    let other = run(&[&go_on[..], &["3"]].concat());
    let words = String::from_utf8_lossy(&other.stderr);
    assert!(words.contains("the trials of study-2 have --epochs 4, not 3"), "{words}");
    let elsewhere = run(&[&go_on[..], &["4", "--space", "chain-cnn/1"]].concat());
    let words = String::from_utf8_lossy(&elsewhere.stderr);
    assert!(words.contains("study-2 was started with --space mlp/1"), "{words}");
    let same = run(&[&go_on[..], &["4"]].concat());
    let answer: serde_json::Value = serde_json::from_slice(&same.stdout).unwrap();
    assert_eq!(answer["report"]["trials"][1]["curve"].as_array().unwrap().len(), 4);
}

/// Shared weights rank cells, some of which are then trained on their own and kept; untrained networks rank them too.
#[test]
fn cells_are_ranked_by_shared_weights_and_by_proxies() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let answer = |args: &[&str]| {
        let place = ["--json", "--task", "digits", "--space", "nas-bench-201/1", "--device", "cpu"];
        let args = [&args[..1], &place[..], &args[1..]].concat();
        let output = program.command(&args).env("HEIRLOOM_DATA", &dir).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let small = ["--stages", "1", "--width", "4", "--epochs", "2", "--candidates", "12", "--top", "2"];
    let own = ["--stand-alone", "3", "--trial-epochs", "1"];
    let shared = answer(&[&["supernet"][..], &small, &own].concat());
    assert_eq!(shared["losses"].as_array().unwrap().len(), 2);
    let ranked = shared["ranked"].as_array().unwrap();
    assert!(ranked.len() == 2 && ranked[0]["score"].as_f64() >= ranked[1]["score"].as_f64(), "{shared}");
    assert_eq!(shared["stand_alone"].as_array().unwrap().len(), 3);
    assert_eq!(program.trials(), 3);
    // What is in the base is not trained again.
    assert_eq!(answer(&[&["supernet"][..], &small, &own].concat()), shared);
    assert_eq!(program.trials(), 3);

    let relaxed = answer(&[&["supernet", "--method", "darts"][..], &small].concat());
    assert_eq!(relaxed["candidates"], 6_466);
    assert_eq!(relaxed["strengths"].as_object().unwrap().len(), 6);

    let proxies = answer(&["proxies", "--candidates", "5", "-k", "2", "--by", "naswot"]);
    let naswot = |at: usize| proxies["ranked"][at]["proxies"]["naswot"].as_f64().unwrap();
    assert!(naswot(0) >= naswot(1));
    assert_eq!(proxies["measured"], 3);
    assert_eq!(proxies["agreement"]["synflow"]["n"], 3);

    // Studies that start from such scores, and what their trials keep.
    let study = |more: &[&str]| {
        let trained =
            ["study", "--train", "--candidates", "8", "--top", "1", "--epochs", "1", "--no-weights"];
        answer(&[&trained[..], more].concat())
    };
    let ranked = study(&["--strategy", "ranked", "--rank-by", "single-path", "--sharing-epochs", "1"]);
    let prior = &ranked["report"]["setup"]["prior"];
    let scores: Vec<f64> = serde_json::from_value(prior["scores"].clone()).unwrap();
    let trial = &ranked["report"]["trials"][0];
    assert_eq!((scores.len(), &prior["by"]), (8, &"single-path".into()));
    let best = scores.iter().copied().fold(0.0, f64::max);
    assert_eq!(trial["proxies"]["single-path"].as_f64(), Some(best), "{trial}");
    assert!(trial["proxies"]["naswot"].as_f64().is_some(), "{trial}");
    let guided = study(&["--rank-by", "naswot"]);
    assert!(
        guided["proposals"][0]["why"].as_str().unwrap().contains("scores by naswot"),
        "{}",
        guided["proposals"]
    );
    assert_eq!(guided["report"]["setup"]["prior"]["scores"].as_array().unwrap().len(), 8);

    let words = program.refusal(&[
        "study",
        "--task",
        "digits",
        "--space",
        "nas-bench-201/1",
        "--train",
        "--strategy",
        "ranked",
    ]);
    assert!(words.contains("needs --rank-by"), "{words}");
    let words = program.refusal(&[
        "supernet",
        "--task",
        "digits",
        "--space",
        "mlp/1",
        "--data",
        dir.to_str().unwrap(),
    ]);
    assert!(words.contains("share no weights by operation"), "{words}");
}
