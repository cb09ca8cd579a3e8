//! Trained networks on new data: tables with words and missing values, images with and without classes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use heirloom_datasets::loaders::{TableOptions, csv_table, open};
use heirloom_datasets::{Dataset, Splits};
use serde_json::{Value, json};

use crate::program::{Program, arg, wheels};

const MLP: &str = r#"{"layers":1,"activation":"relu","norm":"batch","shortcut":"none","width1":32,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#;
const CNN: &str = r#"{"blocks":1,"activation":"relu","kind1":"conv","width1":16,"kernel1":3,"pool1":"max","head":0,"dropout":0,"lr":0.01,"weight_decay":0.0001}"#;

/// The rows of a table, by column.
type Rows = Vec<BTreeMap<String, String>>;

/// Wines, whose first column is a word, and of whose second every ninth cell is missing.
fn wines(dir: &Path) -> Rows {
    let data = open("wine", dir, false).unwrap();
    let row = |row: usize| {
        let cell = |at: usize| match (at, data.x()[[row, at]]) {
            (0, alcohol) => if alcohol > 13.0 { "strong" } else { "light" }.to_owned(),
            (1, _) if row % 9 == 4 => "NA".to_owned(),
            (_, value) => value.to_string(),
        };
        let cells = (0..13).map(|at| (format!("f{at}"), cell(at)));
        cells.chain([("kind".to_owned(), data.classes()[data.y()[row]].clone())]).collect()
    };
    (0..data.n()).map(row).collect()
}

/// A CSV file of these columns.
fn csv(program: &Program, name: &str, rows: &Rows, columns: &[&str]) -> PathBuf {
    let cell = |row: &BTreeMap<String, String>, column: &str| row.get(column).cloned().unwrap_or_default();
    let line = |row: &BTreeMap<String, String>| {
        columns.iter().map(|column| cell(row, column)).collect::<Vec<_>>().join(",") + "\n"
    };
    let text = columns.join(",") + "\n" + &rows.iter().map(line).collect::<String>();
    program.file(name, &text)
}

fn train(program: &Program, space: &str, architecture: &str, from: &Path) -> Value {
    let words =
        ["train", "--task", "mine", "--space", space, "--architecture", architecture, "--epochs", "4"];
    program.json(&[&words[..], &["--device", "cpu", "--from", arg(from)]].concat())
}

fn predict<'a>(data: &'a Path, words: &[&'a str]) -> Vec<&'a str> {
    [&["predict", "--task", "mine", "--device", "cpu", "--data", arg(data)][..], words].concat()
}

fn predictions(answer: &Value) -> Vec<(String, Value)> {
    let rows = answer["predictions"].as_array().unwrap();
    rows.iter()
        .map(|row| (row["predicted"].as_str().unwrap().to_owned(), row["probabilities"].clone()))
        .collect()
}

/// The sum of the cells of the confusion matrix.
fn confused(answer: &Value) -> u64 {
    let rows = answer["evaluation"]["confusion"]["counts"].as_array().unwrap();
    rows.iter().flat_map(|row| row.as_array().unwrap()).map(|n| n.as_u64().unwrap()).sum()
}

/// What lies in a folder.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn rows_of_a_new_table_are_predicted_as_the_trial_predicted_them() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let rows = wines(&dir);
    let columns: Vec<String> = (0..13).map(|at| format!("f{at}")).chain(["kind".into()]).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let table = csv(&program, "wines.csv", &rows, &columns);
    let trial = train(&program, "mlp/1", MLP, &table);

    // The part that the trial was scored on, as a file of its own.
    let dataset = csv_table(&table, "wines", &TableOptions::default()).unwrap();
    let kept_back = Splits::new(&dataset, 0).validation;
    let kept_back: Rows = kept_back.iter().map(|row| rows[*row].clone()).collect();
    let new = csv(&program, "new.csv", &kept_back, &columns);
    let answer = program.json(&predict(&new, &[]));
    let accuracy = answer["evaluation"]["accuracy"].as_f64().unwrap();
    assert!((accuracy - trial["score"].as_f64().unwrap()).abs() < 1e-6, "{accuracy} {}", trial["score"]);
    assert_eq!(
        (answer["trial"].clone(), answer["classes"].clone()),
        (trial["id"].clone(), json!(dataset.classes()))
    );
    assert_eq!(
        (confused(&answer), &answer["evaluation"]["labelled"]),
        (kept_back.len() as u64, &json!(kept_back.len()))
    );
    assert!(answer.get("notes").is_none(), "{}", answer["notes"]);
    let first = &answer["predictions"][0];
    assert_eq!((&first["row"], &first["label"]), (&json!(1), &json!(kept_back[0]["kind"])));
    let sum: f64 = first["probabilities"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9 && first["probability"].as_f64() > Some(1.0 / 3.0));

    // Columns in another order, others beside them, and no classes.
    let mut other: Vec<&str> = columns[..13].iter().rev().copied().collect();
    other.insert(5, "id");
    let unlabelled = program.json(&predict(&csv(&program, "other.csv", &kept_back, &other), &[]));
    assert_eq!(predictions(&unlabelled), predictions(&answer));
    assert!(unlabelled.get("evaluation").is_none() && unlabelled["predictions"][0].get("label").is_none());
    assert_eq!(unlabelled["notes"][1], "columns that the network does not take are passed over: id");

    // By its id, with a label of another name, some of which are missing or no classes.
    let mut relabelled = kept_back.clone();
    for (at, row) in relabelled.iter_mut().enumerate() {
        let kind = row["kind"].clone();
        row.insert("truth".into(), if at % 5 == 1 { String::new() } else { kind });
    }
    relabelled[0].insert("truth".into(), "vinegar".into());
    let file = csv(&program, "truth.csv", &relabelled, &[&columns[..13], &["truth"]].concat());
    let id = trial["id"].as_str().unwrap();
    let data = ["predict", "--trial", id, "--device", "cpu", "--data", arg(&file), "--label", "truth"];
    let answer = program.json(&data);
    let labelled = relabelled.iter().filter(|row| !row["truth"].is_empty()).count();
    assert_eq!(
        (confused(&answer), answer["predictions"].as_array().unwrap().len()),
        (labelled as u64, kept_back.len())
    );
    assert_eq!(answer["evaluation"]["confusion"]["labels"][3], "vinegar");
    let shown = String::from_utf8(program.run(&data).stdout).unwrap();
    assert!(
        shown.contains(
            "note: 1 label is no class of the network, and counts as predicted wrongly: \"vinegar\""
        ),
        "{shown}"
    );
    assert!(shown.contains("label \\ predicted") && shown.contains("--to FILE.csv writes all"), "{shown}");
}

#[test]
fn predictions_are_written_whole_or_not_at_all() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let rows = wines(&dir);
    let columns = ["f1", "f0", "f6", "f10", "kind"];
    let table = csv(&program, "wines.csv", &rows, &columns);
    train(&program, "mlp/1", MLP, &table);
    let out = program.path("out");
    fs::create_dir(&out).unwrap();
    let to = out.join("said.csv");
    let answer = program.json(&predict(&table, &["--to", arg(&to)]));
    assert!(answer.get("predictions").is_none() && confused(&answer) == 178, "{answer}");
    // Most of these rows the network was fitted on.
    assert!(answer["notes"][0].as_str().unwrap().contains("that the network was fitted on"), "{answer}");
    let text = fs::read_to_string(&to).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        (lines.len(), lines[0]),
        (179, "row,predicted,probability,label,p_class_0,p_class_1,p_class_2")
    );
    let all = predictions(&program.json(&predict(&table, &[])));
    for (at, (line, (class, probabilities))) in lines[1..].iter().zip(&all).enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        assert_eq!(
            (cells[0], cells[1], cells[3]),
            (&*(at + 1).to_string(), class.as_str(), &*rows[at]["kind"])
        );
        let written: Vec<f64> = cells[4..].iter().map(|cell| cell.parse().unwrap()).collect();
        assert_eq!(json!(written), *probabilities);
    }

    // Whatever is refused leaves what was there, and nothing beside it.
    let mut broken = rows.clone();
    broken.last_mut().unwrap().insert("f10".into(), "red".into());
    let bad_cell = csv(&program, "bad.csv", &broken, &columns);
    let mut large = rows.clone();
    large.last_mut().unwrap().insert("f10".into(), "3e38".into());
    let too_large = csv(&program, "large.csv", &large, &columns);
    let gone = csv(&program, "gone.csv", &rows, &["f0", "f1", "kind"]);
    let picture = program.file("1.png", "");
    let nowhere = program.path("nowhere/said.csv");
    for (data, to, said) in [
        (&bad_cell, &to, "bad.csv: row 178, column \"f10\": \"red\" stands where the training had numbers"),
        (&too_large, &to, "178: the network's scores are not finite numbers"),
        (
            &gone,
            &to,
            "columns that the network was trained on are not there: \"f6\", \"f10\"; there are f0, f1, kind",
        ),
        (&picture, &to, "1.png is an image; the network takes rows of a table"),
        (&table, &nowhere, "there is no folder"),
        (&table, &table, "wines.csv is the data themselves"),
        (&table, &program.path("said.json"), "said.json does not end in .csv"),
        (&program.path("no.csv"), &to, "cannot open"),
    ] {
        let refusal = program.refusal(&predict(data, &["--to", arg(to)]));
        assert!(refusal.contains(said), "{said}: {refusal}");
    }
    assert_eq!((names(&out), fs::read_to_string(&to).unwrap()), (vec!["said.csv".to_owned()], text));
    assert!(!program.path("nowhere").exists() && fs::read_to_string(&table).unwrap().starts_with("f1,"));
    let refusal = program.refusal(&predict(&table, &["--label", "colour"]));
    assert!(refusal.contains("there is no column \"colour\""), "{refusal}");
}

/// Some digits as PNG files, by class: each pixel's number times `times`.
fn save_digits(data: &Dataset, rows: &[usize], times: f32, path: impl Fn(usize) -> PathBuf) {
    for row in rows {
        let path = path(*row);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixels = data.x().row(*row).iter().map(|value| (value * times) as u8).collect();
        image::GrayImage::from_raw(8, 8, pixels).unwrap().save(path).unwrap();
    }
}

#[test]
fn images_are_predicted_with_and_without_class_folders() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let digits = open("digits", &dir, false).unwrap();
    let class = |row: usize| digits.classes()[digits.y()[row]].clone();
    let (fitted, new): (Vec<usize>, Vec<usize>) = ((0..600).collect(), (600..660).collect());
    save_digits(&digits, &fitted, 240.0, |row| program.path(&format!("digits/{}/{row}.png", class(row))));
    train(&program, "chain-cnn/1", CNN, &program.path("digits"));
    save_digits(&digits, &new, 240.0, |row| program.path(&format!("sorted/{}/{row}.png", class(row))));
    save_digits(&digits, &new, 240.0, |row| program.path(&format!("flat/{row}.png")));
    let sorted = program.json(&predict(&program.path("sorted"), &[]));
    assert_eq!((confused(&sorted), &sorted["evaluation"]["labelled"]), (60, &json!(60)));
    let flat = program.path("flat");
    let answer = program.json(&predict(&flat, &[]));
    assert!(answer.get("evaluation").is_none());
    let of = |answer: &Value| -> Vec<(String, Value)> {
        let rows = answer["predictions"].as_array().unwrap();
        rows.iter()
            .map(|row| (row["file"].as_str().unwrap().to_owned(), row["probabilities"].clone()))
            .collect()
    };
    let by_name = of(&answer);
    assert!(by_name.iter().map(|(name, _)| name.clone()).eq(new.iter().map(|row| format!("{row}.png"))));
    let close = |a: &Value, b: &Value| {
        let numbers = |row: &Value| -> Vec<f64> {
            row.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect()
        };
        numbers(a).iter().zip(numbers(b)).all(|(a, b)| (a - b).abs() < 1e-5)
    };
    for (name, probabilities) in of(&sorted) {
        let (_, other) = by_name.iter().find(|(flat, _)| name.ends_with(&format!("/{flat}"))).unwrap();
        assert!(close(&probabilities, other), "{name}");
    }
    assert_eq!(program.json(&predict(&flat, &[])), answer);
    let single = program.json(&predict(&flat.join("600.png"), &[]));
    assert!(close(&of(&single)[0].1, &by_name[0].1) && of(&single)[0].0 == "600.png");

    let to = program.path("said.csv");
    fs::write(flat.join("601.png"), "no picture").unwrap();
    let refusal = program.refusal(&predict(&flat, &["--to", arg(&to)]));
    assert!(refusal.contains("601.png: it is no readable PNG or JPEG image"), "{refusal}");
    let refusal = program.refusal(&predict(&flat, &["--label", "class"]));
    assert!(refusal.contains("option \"label\""), "{refusal}");
    assert!(!to.exists());
}

#[test]
fn networks_of_data_sets_by_name() {
    let Some(dir) = wheels() else { return };
    let program = Program::new();
    let train = |task: &str, space: &str, architecture: &str| -> Value {
        let words = ["train", "--task", task, "--space", space, "--architecture", architecture];
        let output =
            program.command(&[&["--json"], &words[..], &["--device", "cpu", "--epochs", "2"]].concat());
        let output = { output }.env("HEIRLOOM_DATA", &dir).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    };
    // Pixels of digits are from 0 to 16.
    let trial = train("digits", "chain-cnn/1", CNN);
    let digits = open("digits", &dir, false).unwrap();
    let kept_back = Splits::new(&digits, 0).validation;
    let class = |row: usize| digits.classes()[digits.y()[row]].clone();
    save_digits(&digits, &kept_back, 16.0, |row| program.path(&format!("new/{}/{row}.png", class(row))));
    let new = program.path("new");
    let predict = |task: &'static str| ["predict", "--task", task, "--device", "cpu", "--data", arg(&new)];
    let answer = program.json(&predict("digits"));
    let (found, wanted) =
        (answer["evaluation"]["accuracy"].as_f64().unwrap(), trial["score"].as_f64().unwrap());
    assert!((found - wanted).abs() < 1e-6, "{found} is not {wanted}");
    save_digits(&digits, &[0], 255.0, |_| new.join("0/bright.png"));
    let refusal = program.refusal(&predict("digits"));
    assert!(refusal.contains("bright.png: a pixel is ") && refusal.contains("from 0 to 16"), "{refusal}");

    train("iris", "mlp/1", MLP);
    let refusal = program.refusal(&predict("iris"));
    assert!(
        refusal.contains("does not say how raw data become its examples") && refusal.contains("--from"),
        "{refusal}"
    );
    let refusal = program.refusal(&predict("wine"));
    assert!(refusal.contains("task \"wine\" is not in the base"), "{refusal}");
    program.json(&["init"]);
    let refusal = program.refusal(&predict("wine"));
    assert!(refusal.contains("of no validation trial of \"wine\" weights are kept"), "{refusal}");
}
