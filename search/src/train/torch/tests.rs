//! The trainer on real and on made-up data.

use heirloom_datasets::loaders;
use heirloom_kb::{Domain, Status, Value};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::data::batches;
use super::*;
use crate::spaces;

/// Two classes of 8x8 images that differ in which half is bright.
pub(super) fn halves() -> Arc<Dataset> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let y: Vec<usize> = (0..200).map(|row| row % 2).collect();
    let x = Array2::from_shape_fn((200, 64), |(row, pixel)| {
        let bright = (pixel % 8 < 4) == (y[row] == 0);
        rng.r#gen::<f32>() + if bright { 1.0 } else { 0.0 }
    });
    let classes = vec!["left".into(), "right".into()];
    Arc::new(Dataset::new("halves", Domain::Image, &[1, 8, 8], x, y, classes, "made up").unwrap())
}

/// Where the trainer's tests train: on the CPU, unless `HEIRLOOM_TEST_DEVICE` is `cuda`.
pub(in crate::train::torch) fn test_device() -> DeviceChoice {
    match std::env::var("HEIRLOOM_TEST_DEVICE").as_deref() {
        Ok("cuda") => DeviceChoice::Cuda,
        Ok(other) if other != "cpu" => panic!("HEIRLOOM_TEST_DEVICE is {other}, not cpu or cuda"),
        _ => DeviceChoice::Cpu,
    }
}

/// Whether a seed says all of a trial, as it does on the CPU; on CUDA sums are added up in any order.
pub(in crate::train::torch) fn repeats() -> bool {
    test_device() == DeviceChoice::Cpu
}

fn trainer(dataset: Arc<Dataset>) -> TorchTrainer {
    let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
    TorchTrainer::new(dataset, options, Box::new(|_| {})).unwrap()
}

pub(super) fn small_cnn() -> (SearchSpace, Architecture) {
    let space = (spaces::family("chain-cnn/1").unwrap().space)();
    let values = r#"{"blocks":2,"activation":"relu","kind1":"conv","width1":16,"kernel1":3,"pool1":"max",
        "kind2":"conv","width2":32,"kernel2":3,"pool2":"max","head":0,"dropout":0.0,"lr":0.01,"weight_decay":0.0001}"#;
    (space, serde_json::from_str(values).unwrap())
}

/// A perceptron with batch normalisation.
pub(super) fn small_mlp() -> (SearchSpace, Architecture) {
    let space = (spaces::family("mlp/1").unwrap().space)();
    let values = r#"{"layers":1,"activation":"relu","norm":"batch","shortcut":"none","width1":32,"dropout":0.0,
        "lr":0.01,"weight_decay":0.0001}"#;
    (space, serde_json::from_str(values).unwrap())
}

/// `n` rows of four features, of which the first tells the two classes.
pub(super) fn rows(n: usize) -> Arc<Dataset> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(6);
    let y: Vec<usize> = (0..n).map(|row| row % 2).collect();
    let x = Array2::from_shape_fn((n, 4), |(row, column)| {
        rng.r#gen::<f32>() + if column == 0 { 2.0 * y[row] as f32 } else { 0.0 }
    });
    let classes = vec!["low".into(), "high".into()];
    Arc::new(Dataset::new("rows", Domain::Tabular, &[4], x, y, classes, "made up").unwrap())
}

pub(super) const BUDGET: Budget = Budget { epochs: 3, data_fraction: 1.0, seed: 1, split: Split::Validation };

#[test]
fn a_small_network_learns_which_half_is_bright() {
    let (space, architecture) = small_cnn();
    let mut heard = Vec::new();
    let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
    let (sender, receiver) = std::sync::mpsc::channel();
    let tell = Box::new(move |report| sender.send(report).unwrap());
    let mut trainer = TorchTrainer::new(halves(), options, tell).unwrap();
    let trial = trainer.train(&space, &architecture, &BUDGET).unwrap();
    drop(trainer);
    heard.extend(receiver);
    assert_eq!(trial.status, Status::Complete);
    assert!(trial.score.unwrap() > 0.9, "{trial:?}");
    assert_eq!(trial.curve.len(), 3);
    assert_eq!(trial.curve[2].1, trial.score.unwrap());
    assert_eq!(heard.len(), 3);
    assert!(heard[2].loss < heard[0].loss);
    assert_eq!(trial.fidelity["epochs"], 3.0);
    assert_eq!(trial.costs["params"], (9 * 16 + 32 + 9 * 16 * 32 + 64 + 66) as f64);
    assert!(trial.costs["latency_s"] > 0.0 && trial.costs["train_s"] > 0.0);
    assert!(trial.normalise(&space).is_ok());
}

#[test]
fn the_same_seed_gives_the_same_trial() {
    let (space, architecture) = small_cnn();
    let run = |seed| {
        let mut trainer = trainer(halves());
        let trial = trainer.train(&space, &architecture, &Budget { epochs: 1, seed, ..BUDGET }).unwrap();
        let mut net = trial.curve;
        net.push((0.0, trial.score.unwrap()));
        net
    };
    if !repeats() {
        return;
    }
    assert_eq!(run(3), run(3));
    let losses = |seed| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
        let tell = Box::new(move |report: EpochReport| sender.send(report.loss).unwrap());
        let mut trainer = TorchTrainer::new(halves(), options, tell).unwrap();
        trainer.train(&space, &architecture, &Budget { epochs: 2, seed, ..BUDGET }).unwrap();
        drop(trainer);
        receiver.iter().collect::<Vec<f64>>()
    };
    assert_eq!(losses(3), losses(3));
    assert_ne!(losses(3), losses(4));
}

#[test]
fn a_broken_trial_is_a_failed_one_and_the_trainer_goes_on() {
    let (space, good) = small_cnn();
    let mut trainer = trainer(halves());
    // In the first case the weights break in the last step, after which no loss is looked at.
    let cases = [
        (1e9, 1, "the scores are not finite"),
        (1e9, 3, "the "),
        (f64::INFINITY, 3, "the loss is NaN in epoch 1"),
    ];
    for (lr, epochs, reason) in cases {
        let mut wild = good.clone();
        wild.set(&"lr".into(), Value::Real(lr));
        let trial = trainer.train(&space, &wild, &Budget { epochs, ..BUDGET }).unwrap();
        assert_eq!((trial.status, trial.score), (Status::Failed, None), "lr {lr}");
        assert!(trial.extra["reason"].as_str().unwrap().starts_with(reason), "{:?}", trial.extra);
    }
    let mut shapeless = small_mlp().1;
    shapeless.set(&"width1".into(), Value::Int(0));
    let trial = trainer.train(&small_mlp().0, &shapeless, &BUDGET).unwrap();
    assert_eq!((trial.status, trial.score), (Status::Failed, None));
    let reason = trial.extra["reason"].as_str().unwrap();
    assert_eq!(reason, "node 2 (Linear { out: 0 }): it has no output features");
    let trial = trainer.train(&space, &good, &BUDGET).unwrap();
    assert_eq!(trial.status, Status::Complete);
}

#[test]
fn the_test_part_is_looked_at_only_when_asked() {
    let (space, architecture) = small_cnn();
    let data = halves();
    let test = Splits::new(&data, 0).test;
    // Other values in the test part change nothing of a validation trial.
    let mut x = data.x().clone();
    for row in &test {
        x.row_mut(*row).fill(9.0);
    }
    let spoiled =
        Dataset::new("halves", Domain::Image, &[1, 8, 8], x, data.y().to_vec(), data.classes().to_vec(), "")
            .unwrap();
    let score = |data: Arc<Dataset>, split| {
        trainer(data).train(&space, &architecture, &Budget { split, ..BUDGET }).unwrap()
    };
    let (clean, other) =
        (score(data.clone(), Split::Validation), score(Arc::new(spoiled), Split::Validation));
    assert_eq!((clean.score, clean.curve), (other.score, other.curve));
    let tested = score(data.clone(), Split::Test);
    assert_eq!(tested.split, Split::Test);
    assert!(tested.score.unwrap() > 0.9 && tested.curve.is_empty());
    assert!(trainer(data).train(&space, &architecture, &Budget { split: Split::Train, ..BUDGET }).is_err());
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let table = Array2::from_shape_fn((30, 4), |(row, column)| (row * column) as f32);
    let y = (0..30).map(|row| row % 2).collect();
    let classes = vec!["a".into(), "b".into()];
    let table = Dataset::new("t", Domain::Tabular, &[4], table, y, classes, "").unwrap();
    let mut trainer = trainer(Arc::new(table));
    let space = (spaces::family("nas-bench-graph/1").unwrap().space)();
    let gnn = spaces::pool(&space, 100_000, 0).remove(0);
    let error = trainer.train(&space, &gnn, &BUDGET).unwrap_err().to_string();
    assert!(error.starts_with("the trainer has no Graph"), "{error}");
    let (cnn_space, cnn) = small_cnn();
    let error = trainer.train(&cnn_space, &cnn, &BUDGET).unwrap_err().to_string();
    assert!(error.contains("makes no network for examples of shape [4]"), "{error}");
    let own: SearchSpace = serde_json::from_str(
        r#"{"id":"own/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":1}}]}"#,
    )
    .unwrap();
    let error = trainer.train(&own, &Architecture::default(), &BUDGET).unwrap_err().to_string();
    assert!(error.contains("is not built in"), "{error}");
}

#[test]
fn real_digits_are_learned() {
    let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS") else {
        println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
        return;
    };
    let digits = loaders::open("digits", std::path::Path::new(&dir), false).unwrap();
    let (space, architecture) = small_cnn();
    let trial =
        trainer(Arc::new(digits)).train(&space, &architecture, &Budget { epochs: 8, ..BUDGET }).unwrap();
    assert!(trial.score.unwrap() > 0.93, "{:?}", trial.curve);
}

/// Dropout draws in every step, from a generator that all threads share.
#[test]
fn a_trial_beside_another_is_the_same_trial() {
    if !repeats() {
        return;
    }
    let (space, mut architecture) = small_cnn();
    architecture.set(&"dropout".into(), Value::Real(0.5));
    let losses = |seed| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
        let tell = Box::new(move |report: EpochReport| sender.send(report.loss).unwrap());
        let mut trainer = TorchTrainer::new(halves(), options, tell).unwrap();
        trainer.train(&space, &architecture, &Budget { epochs: 3, seed, ..BUDGET }).unwrap();
        drop(trainer);
        receiver.iter().collect::<Vec<f64>>()
    };
    let alone = losses(3);
    let beside = std::thread::scope(|scope| {
        scope.spawn(|| (4..8).map(losses).collect::<Vec<_>>());
        [losses(3), losses(3)]
    });
    assert_eq!(beside, [alone.clone(), alone]);
}

#[test]
fn no_batch_is_of_one_example() {
    let all = |n, size| batches(n, size).collect::<Vec<_>>();
    assert_eq!(all(65, 64), [(0, 65)]);
    assert_eq!(all(130, 64), [(0, 64), (64, 64), (128, 2)]);
    assert_eq!(all(129, 64), [(0, 64), (64, 65)]);
    assert_eq!(all(64, 64), [(0, 64)]);
    assert_eq!(all(3, 64), [(0, 3)]);
    assert_eq!(all(2, 1), [(0, 1), (1, 1)]);
    // 65 rows to fit on.
    let data = rows(109);
    assert_eq!(Splits::new(&data, 0).train.len() % 64, 1);
    let (space, architecture) = small_mlp();
    let trial = trainer(data).train(&space, &architecture, &Budget { epochs: 10, ..BUDGET }).unwrap();
    assert!(trial.score.unwrap() > 0.8, "{trial:?}");
}

#[test]
fn a_part_without_examples_is_refused() {
    let (space, architecture) = small_mlp();
    let error = trainer(rows(4)).train(&space, &architecture, &BUDGET).unwrap_err().to_string();
    let wanted = "data set \"rows\" has too few examples of each class to train on and to score on the validation part";
    assert_eq!(error, wanted);
}

#[test]
fn cuda_is_taken_or_refused_but_never_replaced() {
    let options = TorchOptions { device: DeviceChoice::Cuda, ..TorchOptions::default() };
    match TorchTrainer::new(rows(10), options, Box::new(|_| {})) {
        Ok(trainer) => assert_eq!(trainer.device(), "cuda"),
        Err(error) => assert!(error.to_string().starts_with("there is no device \"cuda\"")),
    }
}

#[test]
fn a_trial_that_is_stopped_has_trained_no_longer() {
    let (space, architecture) = small_mlp();
    let (sender, receiver) = std::sync::mpsc::channel();
    let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
    let tell = Box::new(move |report: EpochReport| sender.send(report.epoch).unwrap());
    let mut trainer = TorchTrainer::new(rows(200), options, tell).unwrap();
    let mut watch = |epoch, _| Decision::when(epoch >= 2, "enough".into());
    let budget = Budget { epochs: 5, ..BUDGET };
    let trial = trainer.train_watched(&space, &architecture, &budget, &mut watch).unwrap();
    assert_eq!((trial.status, trial.fidelity["epochs"]), (Status::Pruned, 2.0));
    assert_eq!((trial.curve.len(), trial.score), (2, trial.curve.last().map(|last| last.1)));
    assert_eq!(trial.extra["reason"], "enough");
    assert!(trial.normalise(&space).is_ok());
    // In the last epoch there is nothing left to stop, and a test part is not watched.
    let two = Budget { epochs: 2, ..BUDGET };
    for budget in [two, Budget { split: Split::Test, ..two }] {
        let trial = trainer.train_watched(&space, &architecture, &budget, &mut watch).unwrap();
        assert_eq!(trial.status, Status::Complete);
    }
    drop(trainer);
    assert_eq!(receiver.iter().collect::<Vec<u32>>(), [1, 2, 1, 2, 1, 2]);
}
