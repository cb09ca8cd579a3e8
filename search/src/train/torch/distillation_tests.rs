//! What a teacher changes, on real data.

use std::path::PathBuf;

use heirloom_datasets::loaders;
use heirloom_kb::{Domain, Status};

use super::tests::{BUDGET, halves, repeats, small_cnn, test_device};
use super::*;
use crate::train::{Inherited, Recipe, Taken, Teacher, TeacherSource, WeightStore};

fn wheels() -> Option<PathBuf> {
    let dir = std::env::var_os("HEIRLOOM_WHEELS").map(PathBuf::from);
    if dir.is_none() {
        println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
    }
    dir
}

fn trainer(dataset: Arc<Dataset>, store: Option<WeightStore>, teacher: Option<Teacher>) -> TorchTrainer {
    let options = TorchOptions { device: test_device(), weights: store, teacher, ..TorchOptions::default() };
    TorchTrainer::new(dataset, options, Box::new(|_| {})).unwrap()
}

/// A teacher of small_cnn's form, trained on these data with all of the training part.
fn taught(dataset: &Arc<Dataset>, store: &WeightStore, epochs: u32) -> (Trial, Teacher) {
    let (space, architecture) = small_cnn();
    let budget = Budget { epochs, ..BUDGET };
    let mut trainer = trainer(Arc::clone(dataset), Some(store.clone()), None);
    let trial = trainer.train(&space, &architecture, &budget).unwrap();
    let source = TeacherSource::Kept { store: store.clone(), trial: Box::new(trial.clone()) };
    (trial, Teacher::new(source))
}

/// The hash of a trial's weights.
fn hash<'a>(store: &WeightStore, trial: &'a Trial) -> &'a str {
    store.of_trial(trial).unwrap()
}

fn student(width: usize) -> Architecture {
    let text = format!(
        r#"{{"blocks":1,"activation":"relu","kind1":"conv","width1":{width},"kernel1":3,"pool1":"max",
        "head":0,"dropout":0.0,"lr":0.01,"weight_decay":0.0001}}"#
    );
    serde_json::from_str(&text).unwrap()
}

/// A student of two blocks, a quarter as wide as the teacher.
fn narrow() -> Architecture {
    let (_, mut architecture) = small_cnn();
    for (width, value) in [("width1", 8), ("width2", 8)] {
        architecture.set(&width.into(), heirloom_kb::Value::Int(value));
    }
    architecture
}

/// A small student on a tenth of the digits' training part (about 108 examples), with a teacher that has seen all of it and
/// without: how much better it becomes, over seeds.
#[test]
fn a_teacher_helps_a_small_student_with_few_examples() {
    let Some(dir) = wheels() else { return };
    let dataset = Arc::new(loaders::open("digits", &dir, false).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path());
    let (teacher_s, teacher) = taught(&dataset, &store, 15);
    let space = small_cnn().0;
    // More seeds, and the other ways to teach, for BENCHMARKS.md.
    let asked: Option<u64> = std::env::var("HEIRLOOM_SEEDS").ok().and_then(|n| n.parse().ok());
    let seeds = asked.unwrap_or(6);
    let scores = |teacher: Option<Teacher>| -> Vec<f64> {
        let recipe = Recipe { batch_size: 16, ..Recipe::default() };
        let options = TorchOptions { device: test_device(), recipe, teacher, ..TorchOptions::default() };
        let mut trainer = TorchTrainer::new(Arc::clone(&dataset), options, Box::new(|_| {})).unwrap();
        let score = |seed| {
            let budget = Budget { epochs: 40, seed, data_fraction: 0.1, ..BUDGET };
            trainer.train(&space, &narrow(), &budget).unwrap().score.unwrap()
        };
        (0..seeds).map(score).collect()
    };
    let alone = scores(None);
    println!("teacher {:?}; student alone {alone:.3?}", teacher_s.score);
    let gain = |name: &str, teacher: Teacher| {
        let with = scores(Some(teacher));
        let gains: Vec<f64> = with.iter().zip(&alone).map(|(with, alone)| with - alone).collect();
        let mean = gains.iter().sum::<f64>() / seeds as f64;
        let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
        let error = (squares / (seeds.max(2) - 1) as f64 / seeds as f64).sqrt();
        println!("{name}: gain {mean:+.4}, standard error {error:.4}, {gains:+.3?}");
        mean
    };
    assert!(gain("soft targets", teacher.clone()) > 0.0);
    if asked.is_some() {
        gain("soft targets alone", Teacher { alpha: 1.0, ..teacher.clone() });
        gain("soft targets and hints", Teacher { hint: 1.0, ..teacher });
    }
}

#[test]
fn a_teacher_is_named_by_its_trial_and_changes_what_is_learned() {
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path());
    let dataset = halves();
    let (_, teacher) = taught(&dataset, &store, 3);
    let space = small_cnn().0;
    let tensors = |teacher: Option<Teacher>| {
        let mut trainer = trainer(Arc::clone(&dataset), Some(store.clone()), teacher);
        let trial = trainer.train(&space, &student(8), &BUDGET).unwrap();
        assert_eq!(trial.status, Status::Complete, "{:?}", trial.extra);
        let bytes = store.get(store.of_trial(&trial).unwrap()).unwrap();
        (trial, weights::parse(&bytes, folder.path()).unwrap())
    };
    let (plain, own) = tensors(None);
    assert!(!plain.extra.contains_key("teacher"));
    for teacher in [teacher.clone(), Teacher { hint: 1.0, ..teacher.clone() }] {
        let (trial, with) = tensors(Some(teacher.clone()));
        assert_eq!(trial.extra["teacher"]["name"], teacher.name());
        assert_eq!(trial.extra["teacher"]["hint"], teacher.hint);
        // The map of the hints is no part of the student.
        assert_eq!(with.keys().collect::<Vec<_>>(), own.keys().collect::<Vec<_>>());
        assert_ne!(with, own);
    }
    // A teacher without a say changes nothing.
    let without_a_say = tensors(Some(Teacher { alpha: 0.0, ..teacher })).1;
    assert!(!repeats() || without_a_say == own);
}

#[test]
fn a_teacher_that_knows_what_is_kept_back_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path());
    let (dataset, (space, architecture)) = (halves(), small_cnn());
    let knows = |split| {
        let budget = Budget { epochs: 1, split, ..BUDGET };
        let mut alone = trainer(Arc::clone(&dataset), Some(store.clone()), None);
        let trial = alone.train(&space, &architecture, &budget).unwrap();
        let source = TeacherSource::Kept { store: store.clone(), trial: Box::new(trial) };
        let mut taught = trainer(Arc::clone(&dataset), None, Some(Teacher::new(source)));
        let trial = taught.train(&space, &student(8), &Budget { epochs: 1, ..BUDGET }).unwrap();
        trial.extra["teacher"].get("knows").and_then(heirloom_kb::Json::as_f64)
    };
    assert_eq!(knows(Split::Validation), None);
    let share = knows(Split::Test).unwrap();
    assert!((0.1..0.5).contains(&share), "validation rows are a quarter of what it was fitted on: {share}");
}

#[test]
fn weights_that_went_out_and_came_back_know_what_they_knew() {
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path().join("weights"));
    let (dataset, (space, architecture)) = (halves(), small_cnn());
    let trained = |options: TorchOptions, split| {
        let options = TorchOptions { device: test_device(), weights: Some(store.clone()), ..options };
        let mut trainer = TorchTrainer::new(Arc::clone(&dataset), options, Box::new(|_| {})).unwrap();
        trainer.train(&space, &architecture, &Budget { epochs: 1, split, ..BUDGET }).unwrap()
    };
    let knows =
        |trial: &Trial, field: &str| trial.extra[field].get("knows").and_then(heirloom_kb::Json::as_f64);
    for (split, is_told) in [(Split::Validation, false), (Split::Test, true)] {
        let source = trained(TorchOptions::default(), split);
        for (file, format) in
            [("net.safetensors", NetFormat::Safetensors), ("net.pt", NetFormat::TorchScript)]
        {
            let file = folder.path().join(file);
            export_network(&store, hash(&store, &source), &file, format).unwrap();
            let init_from = Some(file.clone());
            let heir = trained(TorchOptions { init_from, ..TorchOptions::default() }, Split::Validation);
            assert_eq!(knows(&heir, "init_from").is_some(), is_told, "{}", file.display());
            let known_weights = Some(store.clone());
            let alone = TorchOptions {
                device: test_device(),
                init_from: Some(file.clone()),
                known_weights,
                ..TorchOptions::default()
            };
            let mut alone = TorchTrainer::new(Arc::clone(&dataset), alone, Box::new(|_| {})).unwrap();
            let alone = alone.train(&space, &architecture, &Budget { epochs: 1, ..BUDGET }).unwrap();
            assert_eq!(knows(&alone, "init_from").is_some(), is_told, "also where nothing is kept");
            let words = Taken::of_trial(&heir).unwrap().words();
            assert_eq!(words.contains("the score may be too high"), is_told, "{words}");
            // Nor are they handed on, neither to the same data nor to others.
            let sources = vec![heir];
            let third = trained(TorchOptions { sources, ..TorchOptions::default() }, Split::Validation);
            let inherited = Inherited::of_trial(&third).unwrap();
            assert_eq!(
                (inherited.left_out.len(), inherited.log_me.len()),
                if is_told { (1, 0) } else { (0, 1) }
            );
            if format == NetFormat::TorchScript {
                let teacher = Some(Teacher::new(TeacherSource::Script(file)));
                let student = trained(TorchOptions { teacher, ..TorchOptions::default() }, Split::Validation);
                assert_eq!(knows(&student, "teacher").is_some(), is_told);
            }
        }
    }
}

#[test]
fn a_teacher_as_torchscript_teaches_as_the_network_it_was_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path());
    let dataset = halves();
    let (trial, teacher) = taught(&dataset, &store, 3);
    let file = folder.path().join("teacher.pt");
    export_network(&store, hash(&store, &trial), &file, NetFormat::TorchScript).unwrap();
    let script = Teacher::new(TeacherSource::Script(file));
    let space = small_cnn().0;
    let score =
        |teacher| trainer(Arc::clone(&dataset), None, Some(teacher)).train(&space, &student(8), &BUDGET);
    let (kept, script_score) = (score(teacher).unwrap(), score(script.clone()).unwrap());
    assert!((kept.score.unwrap() - script_score.score.unwrap()).abs() < 0.03);
    let refused = |teacher: Teacher| {
        let options =
            TorchOptions { teacher: Some(teacher), device: test_device(), ..TorchOptions::default() };
        TorchTrainer::new(Arc::clone(&dataset), options, Box::new(|_| {})).err().unwrap().to_string()
    };
    assert!(
        refused(Teacher { hint: 1.0, ..script }).contains("teacher.pt: a TorchScript file shows no features")
    );
    let bad = folder.path().join("bad.pt");
    std::fs::write(&bad, b"rubbish").unwrap();
    assert!(refused(Teacher::new(TeacherSource::Script(bad))).contains("bad.pt: no TorchScript"));
}

/// A module whose extra files are called otherwise.
fn with_other_names(mut bytes: Vec<u8>) -> Vec<u8> {
    let name = b"extra/heirloom";
    let places: Vec<usize> =
        (0..bytes.len() - name.len()).filter(|at| bytes[*at..].starts_with(name)).collect();
    places.into_iter().for_each(|at| bytes[at + 6] = b'_');
    bytes
}

#[test]
fn a_teacher_of_other_classes_or_examples_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path());
    let halves = halves();
    let (trial, teacher) = taught(&halves, &store, 1);
    let file = folder.path().join("teacher.pt");
    export_network(&store, hash(&store, &trial), &file, NetFormat::TorchScript).unwrap();
    let script = Teacher::new(TeacherSource::Script(file));
    let other = |shape: &[usize], classes: &[&str]| {
        let width = shape.iter().product();
        let x = ndarray::Array2::from_shape_fn((40, width), |(row, column)| (row * 7 + column) as f32);
        let y = (0..40).map(|row| row % classes.len()).collect();
        let classes = classes.iter().map(|class| (*class).to_owned()).collect();
        Arc::new(Dataset::new("other", Domain::Image, shape, x, y, classes, "").unwrap())
    };
    let refused = |teacher: &Teacher, dataset| {
        let options =
            TorchOptions { teacher: Some(teacher.clone()), device: test_device(), ..TorchOptions::default() };
        TorchTrainer::new(dataset, options, Box::new(|_| {})).err().map(|error| error.to_string())
    };
    let three = || other(&[1, 8, 8], &["left", "right", "both"]);
    let said = refused(&teacher, three()).unwrap();
    assert_eq!(said, format!("teacher {}: it knows 2 classes, the data have 3", trial.id()));
    assert!(refused(&script, three()).unwrap().contains("it knows 2 classes, the data have 3"));
    // A module of somebody else's says nothing of itself.
    let silent = folder.path().join("silent.pt");
    let bytes = std::fs::read(folder.path().join("teacher.pt")).unwrap();
    std::fs::write(&silent, with_other_names(bytes)).unwrap();
    let silent = Teacher::new(TeacherSource::Script(silent));
    assert!(refused(&silent, three()).unwrap().contains("it gives [2, 2], not scores [2, 3]"));
    let named = refused(&teacher, other(&[1, 8, 8], &["left", "up"])).unwrap();
    assert!(named.ends_with(r#"it knows other classes: "right" where the data have "up""#), "{named}");
    assert!(refused(&script, other(&[1, 8, 8], &["left", "up"])).unwrap().contains("it knows other classes"));
    let shaped = refused(&teacher, other(&[3, 8, 8], &["left", "right"])).unwrap();
    assert!(shaped.ends_with("it takes examples of shape [1, 8, 8], the data are [3, 8, 8]"), "{shaped}");
    assert!(
        refused(&silent, other(&[3, 8, 8], &["left", "right"])).unwrap().contains("does not take examples")
    );
}
