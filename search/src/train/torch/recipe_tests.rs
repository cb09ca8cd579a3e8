//! What a recipe, a share of the data and a folder for weights change.

use std::path::Path;

use heirloom_kb::{Status, Trial};
use tch::Tensor;

use super::fit::Network;
use super::tests::{BUDGET, halves, repeats, rows, small_cnn, small_mlp, test_device};
use super::*;
use crate::train::{Augmentation, OptimizerKind, Precision, Recipe, Schedule, WEIGHTS_FIELD, WeightStore};

fn trainer(recipe: Recipe, folder: Option<&Path>) -> TorchTrainer {
    let weights = folder.map(WeightStore::new);
    let options = TorchOptions { device: test_device(), recipe, weights, ..TorchOptions::default() };
    TorchTrainer::new(halves(), options, Box::new(|_| {})).unwrap()
}

fn train(recipe: Recipe) -> Trial {
    let (space, architecture) = small_cnn();
    trainer(recipe, None).train(&space, &architecture, &BUDGET).unwrap()
}

#[test]
fn every_recipe_learns_and_none_is_another_s() {
    let base = Recipe::default;
    let recipes = [
        base(),
        Recipe { optimizer: OptimizerKind::Sgd, ..base() },
        Recipe { schedule: Schedule::OneCycle, ..base() },
        Recipe { schedule: Schedule::Constant, ..base() },
        Recipe { label_smoothing: 0.2, ..base() },
        Recipe { max_gradient: 0.05, ..base() },
        Recipe { batch_size: 16, ..base() },
        Recipe { precision: Precision::Bfloat16, ..base() },
        Recipe { augmentations: vec![Augmentation::Mixup], ..base() },
        Recipe { augmentations: vec![Augmentation::Crop, Augmentation::Cutout], ..base() },
    ];
    let losses = |recipe: &Recipe| {
        let (sender, receiver) = std::sync::mpsc::channel();
        let options =
            TorchOptions { device: test_device(), recipe: recipe.clone(), ..TorchOptions::default() };
        let tell = Box::new(move |report: EpochReport| sender.send(report.loss).unwrap());
        let mut trainer = TorchTrainer::new(halves(), options, tell).unwrap();
        let (space, architecture) = small_cnn();
        let trial = trainer.train(&space, &architecture, &Budget { epochs: 12, ..BUDGET }).unwrap();
        drop(trainer);
        assert!(trial.score.unwrap() > 0.8, "{recipe:?}: {:?}", trial.curve);
        assert_eq!(trial.extra.contains_key("recipe"), *recipe != Recipe::default());
        receiver.iter().collect::<Vec<f64>>()
    };
    let heard: Vec<Vec<f64>> = recipes.iter().map(losses).collect();
    for (at, one) in heard.iter().enumerate() {
        assert!(heard[..at].iter().all(|other| other != one), "{:?} changes nothing", recipes[at]);
    }
}

#[test]
fn a_trial_says_what_learning_rate_was_its_own() {
    let recipe = Recipe { batch_size: 16, ..Recipe::default() };
    let trial = train(recipe.clone());
    let said: Recipe = serde_json::from_value(trial.extra["recipe"].clone()).unwrap();
    assert_eq!((said.learning_rate, said.batch_size), (0.01, 16));
    assert_eq!(said, recipe.of(&trial.architecture));
}

#[test]
fn what_a_recipe_asks_for_in_vain_is_refused() {
    let refused = |recipe: Recipe, split| {
        let options = TorchOptions { device: test_device(), recipe, ..TorchOptions::default() };
        let mut trainer = TorchTrainer::new(rows(60), options, Box::new(|_| {})).unwrap();
        let (space, architecture) = small_mlp();
        trainer.train(&space, &architecture, &Budget { split, ..BUDGET }).err().map(|error| error.to_string())
    };
    let patient = Recipe { patience: Some(2), ..Recipe::default() };
    let why = refused(patient.clone(), Split::Test).unwrap();
    assert!(why.starts_with("recipe: patience: ") && why.contains("best_epoch"), "{why}");
    assert_eq!(refused(patient, Split::Validation), None);
    let why = refused(Recipe { batch_size: 1, ..Recipe::default() }, Split::Validation).unwrap();
    assert!(why.starts_with("recipe: batch_size: batch normalisation needs two examples"), "{why}");
}

/// The layout changes how sums are ordered, not what is computed.
#[test]
fn channels_last_computes_the_same() {
    let _turn = turn();
    let (space, architecture) = small_cnn();
    let net = net_for(&space, &architecture, &halves()).unwrap();
    let x = Tensor::arange(3 * 64, (tch::Kind::Float, Device::Cpu)).sin().reshape([3, 1, 8, 8]);
    let scores = |channels_last| {
        let recipe = Recipe { channels_last, ..Recipe::default() };
        let network = Network::new(&net, Device::Cpu, &recipe, 3, None).unwrap();
        Vec::<f32>::try_from(network.module.forward(&x, true).unwrap().flatten(0, -1)).unwrap()
    };
    let (first, last) = (scores(false), scores(true));
    assert!(first.iter().zip(&last).all(|(first, last)| (first - last).abs() < 1e-4), "{first:?} {last:?}");
}

/// On the CPU channels lie last whether the recipe says so or not; a trial says what it was asked for.
#[test]
fn on_the_cpu_channels_always_lie_last() {
    let (plain, last) =
        (train(Recipe::default()), train(Recipe { channels_last: true, ..Recipe::default() }));
    assert_eq!(plain.curve, last.curve);
    assert!(!plain.extra.contains_key("recipe") && last.extra.contains_key("recipe"));
}

#[test]
fn patience_ends_training_and_takes_the_best_epoch() {
    let (space, architecture) = small_cnn();
    let recipe = Recipe { patience: Some(2), ..Recipe::default() };
    let dir = tempfile::tempdir().unwrap();
    let trial = trainer(recipe, Some(dir.path()))
        .train(&space, &architecture, &Budget { epochs: 40, ..BUDGET })
        .unwrap();
    assert_eq!(trial.status, Status::Complete);
    assert!(trial.curve.len() < 40, "{:?}", trial.curve);
    let best = trial.curve.iter().map(|(_, score)| *score).fold(0.0, f64::max);
    assert_eq!(trial.score, Some(best));
    let epoch = trial.extra["best_epoch"].as_u64().unwrap() as usize;
    assert_eq!(trial.curve[epoch - 1].1, best);
    assert_eq!(trial.curve.len(), epoch + 2);
}

#[test]
fn a_share_of_the_data_is_what_is_fitted_on() {
    let (space, architecture) = small_cnn();
    let mut trainer = trainer(Recipe::default(), None);
    let mut at =
        |share| trainer.train(&space, &architecture, &Budget { data_fraction: share, epochs: 2, ..BUDGET });
    let (all, some) = (at(1.0).unwrap(), at(0.1).unwrap());
    assert_eq!((all.fidelity.get("data_fraction"), some.fidelity["data_fraction"]), (None, 0.1));
    // Two steps cannot have learned what four have.
    assert!(all.score.unwrap() > some.score.unwrap(), "{:?} {:?}", all.score, some.score);
    for share in [0.0, -1.0, 1.5, f64::NAN] {
        let words = at(share).unwrap_err().to_string();
        assert!(words.contains("share of the data above 0"), "{words}");
    }
}

#[test]
fn weights_are_kept_by_hash_and_named_by_their_trial() {
    let (space, architecture) = small_cnn();
    let dir = tempfile::tempdir().unwrap();
    let trial = trainer(Recipe::default(), Some(dir.path())).train(&space, &architecture, &BUDGET).unwrap();
    let store = WeightStore::new(dir.path());
    let hash = store.of_trial(&trial).unwrap();
    let tensors = weights::parse(&store.get(hash).unwrap(), dir.path()).unwrap();
    assert_eq!(tensors["block1.0.weight"].size(), [16, 1, 3, 3]);
    assert!(tensors.contains_key("block2.1.running_var"));
    let learned: usize =
        tensors.iter().filter(|(name, _)| !name.contains("running")).map(|(_, t)| t.numel()).sum();
    assert_eq!(learned as f64, trial.costs["params"]);
    assert_eq!(std::fs::read_dir(store.under_way()).unwrap().count(), 0);
}

fn without_times(trial: &Trial) -> (Option<f64>, Vec<(f64, f64)>, Option<serde_json::Value>) {
    (trial.score, trial.curve.clone(), trial.extra.get(WEIGHTS_FIELD).cloned())
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap().flatten() {
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// What is in the folder after each epoch is what a killed process would have left.
#[test]
fn a_trial_that_was_broken_off_goes_on_to_the_same_end() {
    let (space, mut architecture) = small_cnn();
    architecture.set(&"dropout".into(), heirloom_kb::Value::Real(0.25));
    let budget = Budget { epochs: 5, ..BUDGET };
    let recipe = Recipe { augmentations: vec![Augmentation::Crop], patience: Some(5), ..Recipe::default() };
    let [whole, left, damaged] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let under_way = |dir: &Path| WeightStore::new(dir).under_way();
    let (from, to) = (under_way(whole.path()), under_way(left.path()));
    // The fourth epoch is told before it is kept, so what is there is what was kept after the third.
    let mut watch = |epoch, _| {
        if epoch == 4 {
            copy_folder(&from, &to);
            copy_folder(&from, &under_way(damaged.path()));
        }
        Decision::go_on("nothing to stop")
    };
    let mut first = trainer(recipe.clone(), Some(whole.path()));
    let want = first.train_watched(&space, &architecture, &budget, &mut watch).unwrap();
    let mut second = trainer(recipe.clone(), Some(left.path()));
    let mut heard = Vec::new();
    let mut watch = |epoch, score| {
        heard.push((f64::from(epoch), score));
        Decision::go_on("nothing to stop")
    };
    let got = second.train_watched(&space, &architecture, &budget, &mut watch).unwrap();
    assert_eq!(heard[..3], want.curve[..3]);
    if repeats() {
        assert_eq!(without_times(&got), without_times(&want));
        assert_eq!(heard, want.curve[..4]);
    }
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 0, "what has ended is not kept");

    // A damaged file is left aside.
    for file in std::fs::read_dir(under_way(damaged.path())).unwrap().flatten() {
        std::fs::write(file.path(), b"rubbish").unwrap();
    }
    let again = trainer(recipe, Some(damaged.path())).train(&space, &architecture, &budget).unwrap();
    assert_eq!(without_times(&again), without_times(&want));
}

#[test]
fn without_room_for_weights_the_trial_counts_all_the_same() {
    let (space, architecture) = small_cnn();
    let dir = tempfile::tempdir().unwrap();
    // A file where the folder should be: nothing can be made in it.
    let blocked = dir.path().join("blocked");
    std::fs::write(&blocked, b"").unwrap();
    let trial = trainer(Recipe::default(), Some(&blocked)).train(&space, &architecture, &BUDGET).unwrap();
    assert_eq!(trial.status, Status::Complete);
    assert!(!trial.extra.contains_key(WEIGHTS_FIELD));
}
