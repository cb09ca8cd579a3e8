//! The history that ships with the program.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::program::{Program, arg};

/// A table of two classes that its first column tells apart.
fn table(program: &Program) -> String {
    let rows =
        (0..90).map(|row| format!("{},{},{}\n", row % 2 * 5 + row % 3, row * 7 % 11, ["no", "yes"][row % 2]));
    let path = program.file("mine.csv", &format!("a,b,class\n{}", rows.collect::<String>()));
    arg(&path).to_owned()
}

#[test]
fn a_new_base_gets_it_once() {
    let program = Program::new();
    let first = program.json(&["init"]);
    let trials = first["added"]["trials"].as_u64().unwrap();
    assert!(trials >= 1_000 && program.trials() == trials, "{first}");
    let again = program.json(&["init"]);
    assert_eq!((&again["added"]["trials"], &again["known"]), (&json!(0), &json!(trials)));
}

/// At least twenty tasks with at least fifty architectures each; of every trial what it was made of and by.
#[test]
fn it_says_where_it_is_from() {
    let program = Program::new();
    program.json(&["init"]);
    let file = program.path("all.jsonl");
    program.json(&["export", arg(&file)]);
    let lines = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut architectures: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for trial in lines.iter().filter(|line| line["type"] == "trial") {
        let task = trial["task"].as_str().unwrap();
        architectures.entry(task).or_default().insert(trial["architecture"].to_string());
        for field in ["commit", "device", "data", "source"] {
            assert!(trial[field].as_str().is_some_and(|text| !text.is_empty()), "{field} of {trial}");
        }
        assert!(trial["seed"].is_u64() && trial["split"] == "validation", "{trial}");
        assert!(trial["proxies"]["synflow"].is_f64() && trial["proxies"]["params"].is_number(), "{trial}");
        assert!(
            trial["status"] == "failed" || trial["curve"].as_array().is_some_and(|curve| curve.len() >= 5)
        );
    }
    assert!(architectures.len() >= 20, "{}", architectures.len());
    assert!(architectures.values().all(|tried| tried.len() >= 50), "{architectures:?}");
    let described = lines.iter().filter(|line| line["type"] == "task");
    assert!(described.clone().all(|task| task["meta_features"]["n_classes"].as_f64() >= Some(2.0)));
    assert_eq!(described.count(), architectures.len());
}

/// A table of one's own is told what did well on tables, without a trial of its own.
#[test]
fn a_first_recommendation_rests_on_it() {
    let program = Program::new();
    let table = table(&program);
    let ask = ["recommend", "--from", &table, "--label", "class", "--space", "mlp/1", "-k", "3"];
    let empty = program.json(&[&["--base", "memory:"], &ask[..]].concat());
    assert_eq!(empty["history"], json!([]));
    program.json(&["init"]);
    let told = program.json(&ask);
    let shares: Vec<f64> =
        told["history"].as_array().unwrap().iter().map(|task| task["share"].as_f64().unwrap()).collect();
    assert!(shares.len() >= 10, "{told}");
    assert_eq!(told["ranked"].as_array().unwrap().len(), 3);
    assert!(told["ranked"][0]["mean"].as_f64().unwrap() > 0.3, "better than the median is expected: {told}");
}
