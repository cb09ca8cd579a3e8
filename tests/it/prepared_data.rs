//! Tables of one's own that are trained on: what is left out of them, what comes of a column, and options that do not fit.

use serde_json::json;

use crate::program::{Program, arg};

const MLP: &str = r#"{"layers":1,"activation":"relu","norm":"batch","shortcut":"none","width1":32,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#;
const LEFT_OUT: &str = "column \"row\" is left out: it numbers the rows";

/// A table with a column of row numbers, a number and a word that may be missing, and the class.
fn people(step: u32) -> String {
    let row = |row: u32| {
        let (age, town) = (row * step % 50, ["Ulm", "Bonn", ""][(row % 7 % 3) as usize]);
        let cell = if row % 6 == 1 { String::new() } else { age.to_string() };
        format!("{row},{cell},{town},{}\n", if age > 24 { "old" } else { "young" })
    };
    "row,age,town,class\n".to_owned() + &(0..90).map(row).collect::<String>()
}

fn train<'a>(file: &'a str, words: &[&'a str]) -> Vec<&'a str> {
    let args = [
        "train",
        "--task",
        "people",
        "--space",
        "mlp/1",
        "--device",
        "cpu",
        "--epochs",
        "2",
        "--from",
        file,
        "--architecture",
        MLP,
    ];
    [&args[..], words].concat()
}

#[test]
fn every_verb_that_reads_a_table_names_the_columns_that_it_leaves_out() {
    let program = Program::new();
    let file = program.file("people.csv", &people(7));
    program.file("others.csv", &people(11));
    let trial = program.json(&train(arg(&file), &[]));
    assert_eq!(trial["notes"], json!([LEFT_OUT]));
    let summary = &trial["data_summary"];
    let parts = ["fitted_on", "chosen_on", "kept_for_the_end"].map(|part| summary[part].as_u64().unwrap());
    assert_eq!(parts.iter().sum::<u64>(), summary["examples"].as_u64().unwrap());
    assert!(summary["classes"]["old"].as_u64().unwrap() > 0 && trial["data"].is_string());
    let proxies = [
        "proxies",
        "--task",
        "people",
        "--space",
        "mlp/1",
        "--candidates",
        "3",
        "--device",
        "cpu",
        "--from",
        arg(&file),
    ];
    assert_eq!(program.json(&proxies)["notes"], json!([LEFT_OUT]));
    let shown = program.run(&proxies);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains(&format!("\nnote: {LEFT_OUT}\n")), "{shown}");
    // The tables of a folder, by their names in it.
    let folder = program.path("");
    let joint = [
        "joint",
        "--task",
        "people.csv",
        "--task",
        "others.csv",
        "--space",
        "mlp/1",
        "--top",
        "1",
        "--epochs",
        "1",
        "--candidates",
        "5",
        "--device",
        "cpu",
        "--from",
        arg(&folder),
    ];
    let notes = ["people.csv", "others.csv"].map(|task| format!("{task}: {LEFT_OUT}"));
    assert_eq!(program.json(&joint)[0]["notes"], json!(notes));
    let shown = program.run(&joint);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(notes.iter().all(|note| shown.contains(&format!("note: {note}\n"))), "{shown}");
}

#[test]
fn what_is_wrong_with_an_option_names_the_option() {
    let program = Program::new();
    let file = program.file("people.csv", &people(7));
    for (words, said) in [
        (["--batch-size", "0"], "--batch-size: it is 0"),
        (["--label-smoothing", "1"], "--label-smoothing: 1 is not from 0 to below 1"),
        (["--clip=-1", "--no-weights"], "--clip: -1 is not a norm"),
        (["--augment", "mixup,mixup"], "--augment: mixup stands twice"),
        (["--patience", "0"], "--patience: after 0 epochs there is nothing to compare"),
        (["--augment", "flip"], "--augment: flip is for images; the data are tabular of shape ["),
    ] {
        let refusal = program.refusal(&train(arg(&file), &words));
        assert!(refusal.contains(said) && !refusal.contains("recipe"), "{words:?}: {refusal}");
    }
    assert_eq!(program.trials(), 0);
}

#[test]
fn an_exported_network_says_how_rows_become_examples() {
    let program = Program::new();
    let file = program.file("people.csv", &people(7));
    program.json(&train(arg(&file), &[]));
    let net = program.path("net.safetensors");
    let card = program.json(&["export-net", "--task", "people", "--to", arg(&net)])["network"].clone();
    let preparation = json!({"of": "table", "label": "class", "features": [
        {"column": "age", "value": "number", "if_missing": 24.0},
        {"column": "age", "value": "is-missing"},
        {"column": "town", "value": "is", "word": "Bonn", "other": "Ulm"},
        {"column": "town", "value": "is-missing"},
    ], "missing": ["", "?", "na", "n/a", "n.a.", "nan", "null", "#n/a", "#na", "<na>"],
        "missing_among_numbers": ["-", "--", ".", "none"]});
    assert_eq!((&card["preparation"], &card["classes"]), (&preparation, &json!(["old", "young"])));
    assert_eq!((card["mean"].as_array().unwrap().len(), &card["shape"]), (4, &json!([4])));
    // The file itself says it too: its head is JSON behind eight bytes of length.
    let bytes = std::fs::read(&net).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let head: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let kept: serde_json::Value =
        serde_json::from_str(head["__metadata__"]["heirloom"].as_str().unwrap()).unwrap();
    assert_eq!((&kept["preparation"], &kept["classes"]), (&preparation, &card["classes"]));
}
