//! An exported network with raw rows, as one without Heirloom would use it: by what its card says alone.

use std::io::Read;
use std::path::Path;

use heirloom_datasets::loaders::{TableOptions, csv_table};
use serde_json::Value as Json;
use tch::{CModule, Kind, Tensor, no_grad};

use super::kept_network::KeptNetwork;
use super::python_tests::python;
use super::tests::{BUDGET, small_mlp, test_device};
use super::*;
use crate::train::WeightStore;

const HEAD: [&str; 6] = ["age", "town", "smokes", "unit", "seen", "ill"];

/// Raw rows: a number and a word that may be missing, a word of two, one that is always the same, a time in milliseconds, and the class.
fn raw_rows() -> Vec<[String; 6]> {
    let row = |row: usize| {
        let age = 20 + row * 7 % 50;
        let (town, smokes) = (["Ulm", "Bonn", "", "Jena"][row * 5 % 11 % 4], row.is_multiple_of(3));
        let ill = age > 45 || smokes;
        let age = if row % 6 == 1 { "?".to_owned() } else { format!("{age}.5") };
        let seen = (1_700_000_000_000_u64 + row as u64 * 977 % 5_000).to_string();
        let words = [town, if smokes { "yes" } else { "no" }, "cm", &seen, if ill { "ill" } else { "well" }];
        std::iter::once(age).chain(words.map(str::to_owned)).collect::<Vec<_>>().try_into().unwrap()
    };
    (0..160).map(row).collect()
}

/// What the card says of a module: its extra file.
fn card_of(module: &Path) -> Json {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(module).unwrap()).unwrap();
    let name = archive.file_names().find(|name| name.ends_with("/extra/heirloom")).unwrap().to_owned();
    let mut text = String::new();
    archive.by_name(&name).unwrap().read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The values of an example, from the cells of a raw row.
fn example(card: &Json, row: &[String; 6]) -> Vec<f32> {
    let value = |feature: &Json| {
        let cell = &row[HEAD.iter().position(|name| feature["column"] == *name).unwrap()];
        let is_missing = cell.is_empty() || cell == "?";
        let mark = |is: bool| f64::from(u8::from(is));
        let value = match feature["value"].as_str().unwrap() {
            "number" => {
                let number = if is_missing { feature["if_missing"].as_f64() } else { cell.parse().ok() };
                number.unwrap() - feature["less"].as_f64().unwrap_or(0.0)
            }
            "is" => mark(feature["word"] == cell.as_str()),
            "is-missing" => mark(is_missing),
            other => panic!("there are no words to spare: {other}"),
        };
        value as f32
    };
    card["preparation"]["features"].as_array().unwrap().iter().map(value).collect()
}

#[test]
fn raw_rows_prepared_as_the_card_says_get_the_scores_that_heirloom_gives() {
    let dir = tempfile::tempdir().unwrap();
    let rows = raw_rows();
    let lines = rows.iter().map(|row| row.join(",") + "\n");
    let table = dir.path().join("people.csv");
    std::fs::write(&table, HEAD.join(",") + "\n" + &lines.collect::<String>()).unwrap();
    let dataset = Arc::new(csv_table(&table, "people", &TableOptions::default()).unwrap());
    let store = WeightStore::new(dir.path().join("weights"));
    let options =
        TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
    let (space, architecture) = small_mlp();
    let mut trainer = TorchTrainer::new(Arc::clone(&dataset), options, Box::new(|_| {})).unwrap();
    let trial = trainer.train(&space, &architecture, &Budget { epochs: 8, ..BUDGET }).unwrap();
    let hash = store.of_trial(&trial).unwrap();
    let (script, tensors) = (dir.path().join("net.pt"), dir.path().join("net.safetensors"));
    let card = export_network(&store, hash, &script, NetFormat::TorchScript).unwrap();
    export_network(&store, hash, &tensors, NetFormat::Safetensors).unwrap();

    // Without room the module that was there stays, and nothing is left of the new one.
    let part = dir.path().join("net.part");
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let before = std::fs::read(&script).unwrap();
    let error = export_network(&store, hash, &script, NetFormat::TorchScript).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
    assert_eq!(std::fs::read(&script).unwrap(), before);
    assert!(!part.is_symlink() && !script.with_extension("whole").exists());

    // Whichever file it is, the card is in it.
    let of_script = card_of(&script);
    assert_eq!(serde_json::from_value::<NetCard>(of_script.clone()).unwrap(), card);
    let note = weights::note(&std::fs::read(&tensors).unwrap()).unwrap();
    assert_eq!(of_script, serde_json::from_str::<Json>(&note).unwrap());
    assert_eq!(of_script["preparation"]["label"], "ill");
    assert_eq!(of_script["classes"], serde_json::json!(["ill", "well"]));

    let values: Vec<f32> = rows.iter().flat_map(|row| example(&of_script, row)).collect();
    // Age and three towns, each with a mark where it is missing, whether they smoke, and when they were seen.
    let x = Tensor::from_slice(&values).reshape([rows.len() as i64, 8]);
    let module = CModule::load(&script).unwrap();
    let scores = no_grad(|| module.forward_ts(&[&x])).unwrap();
    let validation = Splits::new(&dataset, 0).validation;
    let best = scores.argmax(-1, false);
    let is_right = |row: &&usize| {
        let class = best.int64_value(&[**row as i64]) as usize;
        of_script["classes"][class] == rows[**row][5].as_str()
    };
    let right = validation.iter().filter(is_right).count() as f64 / validation.len() as f64;
    assert!((right - trial.score.unwrap()).abs() < 1e-9, "{right} {:?}", trial.score);
    // Not only the best class: every score is the one that Heirloom computes of its own examples.
    let own: Vec<f32> = dataset.x().iter().copied().collect();
    let kept = {
        let _turn = turn();
        KeptNetwork::parse(&store.get(hash).unwrap(), dir.path(), Device::Cpu).unwrap()
    };
    let own = kept.values(&Tensor::from_slice(&own).reshape([rows.len() as i64, 8])).unwrap().pop().unwrap();
    let off = (&scores - &own).abs().to_kind(Kind::Double).max().double_value(&[]);
    assert!(off < 1e-5, "{off}");

    let files = [&script, &table].map(|file| file.to_str().unwrap());
    let Some(said) = python("raw_rows.py", &files) else { return };
    let said: Vec<Vec<f32>> = serde_json::from_str(&said).unwrap();
    let said = Tensor::from_slice(&said.concat()).reshape(own.size());
    let off = (&said - &own).abs().to_kind(Kind::Double).max().double_value(&[]);
    println!("largest difference in Python: {off:e}");
    assert!(off < 1e-5, "{off}");
}

#[test]
fn a_file_of_an_earlier_build_is_exported_without_a_preparation() {
    let dir = tempfile::tempdir().unwrap();
    let store = WeightStore::new(dir.path().join("weights"));
    let options =
        TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
    let (space, architecture) = super::tests::small_cnn();
    let mut trainer = TorchTrainer::new(super::tests::halves(), options, Box::new(|_| {})).unwrap();
    // Data that were made in memory say as little of how as a card of an earlier build.
    let trial = trainer.train(&space, &architecture, &Budget { epochs: 1, ..BUDGET }).unwrap();
    let script = dir.path().join("net.pt");
    let card =
        export_network(&store, store.of_trial(&trial).unwrap(), &script, NetFormat::TorchScript).unwrap();
    assert_eq!(card.preparation, None);
    assert!(card_of(&script).get("preparation").is_none());
}
