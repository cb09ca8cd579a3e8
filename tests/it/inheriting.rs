//! Weights that are handed down on the command line: from whom, from whom not, and what a base says of them.

use serde_json::{Value, json};

use crate::program::{Program, arg};

const MLP: &str = r#"{"layers":1,"activation":"relu","norm":"none","shortcut":"none","width1":64,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#;

/// A number that follows no rule, from 0 to 1.
fn noise(at: u64) -> f64 {
    let spread = (at + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let spread = (spread ^ (spread >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (spread >> 40) as f64 / (1_u64 << 24) as f64
}

/// Rows of noise with classes that are chance, of which nothing can be learned but by heart.
fn table(rows: impl Iterator<Item = u64>) -> String {
    let row = |row: u64| {
        let cells: String = (0..12).map(|at| format!("{:.6},", noise(100 * row + at))).collect();
        format!("{cells}{}\n", if noise(100 * row + 50) < 0.5 { "a" } else { "b" })
    };
    let head: String = (0..12).map(|at| format!("x{at},")).collect();
    format!("{head}class\n{}", rows.map(row).collect::<String>())
}

fn train(program: &Program, task: &str, file: &str, more: &[&str]) -> Value {
    let args = [
        "train",
        "--task",
        task,
        "--space",
        "mlp/1",
        "--device",
        "cpu",
        "--from",
        file,
        "--architecture",
        MLP,
    ];
    program.json(&[&args[..], more].concat())
}

fn study<'a>(file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let words = "study --task first --space mlp/1 --train --candidates 20 --device cpu --from";
    words.split(' ').chain([file]).chain(more.iter().copied()).collect()
}

/// A table that has grown and is given another name keeps back rows that the weights of the first were fitted on.
#[test]
fn weights_that_remember_what_a_task_keeps_back_are_not_inherited() {
    let program = Program::new();
    let first = program.file("first.csv", &table(0..240));
    let grown = program.file("grown.csv", &table((0..260).rev()));
    let other = program.file("other.csv", &table(1_000..1_240));
    let source = train(&program, "first", arg(&first), &["--epochs", "40"]);
    let inherited = |task: &str, file: &str| {
        let trial = train(&program, task, file, &["--epochs", "2", "--split", "test", "--inherit"]);
        (trial["score"].as_f64().unwrap(), trial["inherited"].clone())
    };
    let (score, left) = inherited("grown", arg(&grown));
    let why = left["left_out"][source["id"].as_str().unwrap()].as_str().unwrap_or_default();
    assert!(why.contains("grown keeps back for validation and test"), "{left}");
    assert_eq!((&left["from"], &left["log_me"]), (&Value::Null, &json!({})));
    assert!(score < 0.7, "of chance nothing can be known: {score}");
    // Other rows may be inherited from, and so may the very same data, of which the same part was fitted on.
    assert_eq!(inherited("other", arg(&other)).1.get("left_out"), None);
    assert_eq!(inherited("first", arg(&first)).1.get("left_out"), None);
    let shown = program.run(&[
        "train",
        "--task",
        "grown",
        "--space",
        "mlp/1",
        "--device",
        "cpu",
        "--from",
        arg(&grown),
        "--architecture",
        MLP,
        "--epochs",
        "2",
        "--inherit",
    ]);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(
        shown.contains("left out, for they were fitted on examples that this task keeps back"),
        "{shown}"
    );
}

/// What a study has found itself is nothing that it was started from, also when it goes on later.
#[test]
fn a_study_that_goes_on_inherits_from_what_was_there_when_it_was_started() {
    let inherited = |halves: bool| {
        let program = Program::new();
        let file = program.file("first.csv", &table(0..120));
        let start = study(arg(&file), &["--inherit", "--epochs", "2", "--top"]);
        let answer = if halves {
            program.json(&[&start[..], &["2"]].concat());
            program.json(&["study", "--resume", "study-1", "--top", "4"])
        } else {
            program.json(&[&start[..], &["4"]].concat())
        };
        let trials = answer["report"]["trials"].as_array().unwrap().clone();
        trials.iter().map(|trial| (trial["score"].clone(), trial["inherited"].clone())).collect::<Vec<_>>()
    };
    let whole = inherited(false);
    assert_eq!(whole, inherited(true));
    assert!(whole.iter().all(|(_, inherited)| inherited["from"].is_null()), "{whole:?}");
}

/// Data that are not what a task is known by are refused before anything is trained on them.
#[test]
fn data_that_have_changed_are_named() {
    let program = Program::new();
    let file = program.file("first.csv", &table(0..120));
    let study = study(arg(&file), &["--epochs", "1", "--top", "1"]);
    program.json(&study);
    program.file("first.csv", &table(7..190));
    for words in [&study[..], &["study", "--resume", "study-1", "--top", "2"]] {
        let refusal = program.refusal(words);
        assert!(
            refusal.contains(r#"the data of "first" are not those that the base knows it by"#),
            "{refusal}"
        );
    }
    assert_eq!(program.trials(), 1);
    let studies = program.json(&["status"])["studies"].clone();
    assert_eq!(studies, json!([{"id": "study-1", "task": "first", "space": "mlp/1", "trials": 1}]));
}

/// The best network is that of the best trial with weights; what is passed over for want of them is said.
#[test]
fn the_network_that_is_written_is_named_and_so_is_a_better_one_without_weights() {
    let program = Program::new();
    let people = |row: u64| format!("{},{}\n", row * 7 % 50, if row * 7 % 50 > 24 { "old" } else { "young" });
    let file = program.file("people.csv", &format!("age,class\n{}", (0..90).map(people).collect::<String>()));
    let net = program.path("net.pt");
    let export = ["export-net", "--task", "people", "--to", arg(&net)];
    let tested = train(&program, "people", arg(&file), &["--epochs", "1", "--split", "test"]);
    let refusal = program.refusal(&export);
    let id = tested["id"].as_str().unwrap();
    assert!(refusal.contains("of no validation trial") && refusal.contains(id), "{refusal}");
    program.json(&["export-net", "--trial", id, "--to", arg(&net)]);
    let poor = train(&program, "people", arg(&file), &["--epochs", "1"]);
    let good = train(&program, "people", arg(&file), &["--epochs", "30", "--no-weights"]);
    assert!(good["score"].as_f64() > poor["score"].as_f64());
    let answer = program.json(&export);
    assert_eq!(answer["trial"], poor["id"]);
    let note = answer["note"].as_str().unwrap();
    assert!(note.contains(good["id"].as_str().unwrap()) && note.contains("kept no weights"), "{note}");
}
