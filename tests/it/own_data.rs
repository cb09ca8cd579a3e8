//! The user's own data on the command line.

use std::fs;

use serde_json::json;

use crate::program::{Program, arg};

/// Past tasks of which those with many features like convolutions; the base knows their sizes alone.
fn history() -> String {
    use crate::histories::{SPACE, architectures, trial};
    let mut lines = vec![SPACE.to_owned()];
    for (index, features) in [2, 3, 2, 900, 1_100, 1_000].into_iter().enumerate() {
        let meta = json!({"n_features": features, "n_classes": 2});
        let task = json!({"type": "task", "id": format!("task{index}"), "domain": "tabular",
                          "metric": "accuracy", "goal": "maximize", "meta_features": meta});
        lines.push(task.to_string());
        let favourite = if features > 100 { "conv" } else { "pool" };
        for (op, depth, width) in architectures() {
            let noise = f64::from((depth * 7 + width * 3 + index as u32 * 5) % 11) / 500.0;
            let score = if op == favourite { 0.5 } else { 0.2 } + 0.03 * f64::from(depth) + noise;
            lines.push(trial(&format!("task{index}"), op, depth, width, score));
        }
    }
    lines.join("\n")
}

/// A table of 60 rows whose class is whether the sum of two columns is large.
fn table() -> String {
    let row = |row: u32| {
        let (a, b) = (row * 7 % 13, row * 5 % 11);
        format!("{a}.5,{b},{}\n", if a + b > 11 { "much" } else { "little" })
    };
    "a,b,class\n".to_owned() + &(0..60).map(row).collect::<String>()
}

#[test]
fn a_table_of_ones_own_describes_a_new_task() {
    let program = Program::new();
    let past = program.file("history.jsonl", &history());
    program.json(&["import", arg(&past)]);
    let file = program.file("mine.csv", &table());
    let ask = ["recommend", "--space", "toy/1", "-k", "2", "--from", arg(&file)];
    let answer = program.json(&ask);
    assert_eq!((&answer["task"], &answer["own_trials"]), (&json!("(new)"), &json!(0)));
    assert_eq!(answer["ranked"][0]["architecture"]["op"], "pool", "{answer}");
    assert_eq!(program.json(&ask), answer);
    // Nothing of it is kept.
    assert_eq!(program.json(&["status"])["tasks"], 6);
}

#[test]
fn refusals_name_file_option_and_what_would_do() {
    let program = Program::new();
    let past = program.file("history.jsonl", &history());
    program.json(&["import", arg(&past)]);
    let file = program.file("mine.csv", &table());
    fs::create_dir_all(program.path("pets/cat")).unwrap();
    fs::write(program.path("pets/cat/1.png"), "no picture").unwrap();
    let pets = program.path("pets");
    let recommend = ["recommend", "--space", "toy/1"];
    let study = ["study", "--task", "mine", "--space", "mlp/1"];
    let refusals: [(&[&str], &[&str], &str); 10] = [
        (
            &recommend,
            &["--from", arg(&file), "--label", "kind"],
            "there is no column \"kind\"; there are a, b, class",
        ),
        (&recommend, &["--from", arg(&file), "--side", "8"], "it is for a folder of images"),
        (&recommend, &["--from", arg(&pets)], "cat/1.png: it is no readable PNG or JPEG image"),
        (&recommend, &["--from", arg(&file), "--domain", "image"], "cannot be used with"),
        (&recommend, &["--from", "/nowhere"], "cannot open /nowhere"),
        (&recommend, &["--from", arg(&file), "--meta", "n=1"], "cannot be used with"),
        (&recommend, &["--task", "task0", "--label", "a"], "cannot be used with"),
        (&study, &["--table", "--from", arg(&file)], "cannot be used with"),
        (&study, &["--train", "--from", arg(&file), "--rate", "8000"], "it is for a folder of sounds"),
        (&study, &["--train", "--from", arg(&pets), "--download"], "cannot be used with"),
    ];
    for (verb, words, said) in refusals {
        let refusal = program.refusal(&[verb, words].concat());
        assert!(refusal.contains(said), "{words:?}: {refusal}");
    }
    // No task came of it.
    assert_eq!(program.json(&["status"])["tasks"], 6);
}
