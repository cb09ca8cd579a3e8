//! Several tasks on one body, on real and on made-up data.

use heirloom_datasets::loaders;
use heirloom_kb::{Split, Status};

use super::joint_fit::batch;
use super::*;
use crate::net::HEAD;
use crate::train::torch::tests::{BUDGET, halves, small_cnn};
use crate::train::torch::tests::{repeats, test_device};
use crate::train::torch::weights;
use crate::train::{WEIGHTS_FIELD, WeightStore};

fn trainer(
    (first, other): &(Arc<Dataset>, Arc<Dataset>),
    recipe: Recipe,
    store: Option<WeightStore>,
    on_epoch: Box<dyn FnMut(EpochReport) + Send>,
) -> JointTrainer {
    let options = TorchOptions { device: test_device(), recipe, weights: store, ..TorchOptions::default() };
    JointTrainer::new(first, &[Arc::clone(other)], options, on_epoch).unwrap()
}

/// Two halves of the digits, so many examples of them; none if the wheels are not there.
fn digits(n: usize) -> Option<(Arc<Dataset>, Arc<Dataset>)> {
    let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS").map(std::path::PathBuf::from) else {
        println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
        return None;
    };
    let digits = loaders::open("digits", &dir, false).unwrap();
    let some = |name: &str, classes: &[usize]| Arc::new(digits.subset(name, classes, n, 0).unwrap());
    Some((some("low", &[0, 1, 2, 3, 4, 5]), some("high", &[6, 7, 8, 9])))
}

fn scores(trials: &[Trial]) -> Vec<f64> {
    trials.iter().map(|trial| trial.score.unwrap()).collect()
}

#[test]
fn two_tasks_share_a_body_and_both_are_learned() {
    let Some(tasks) = digits(usize::MAX) else { return };
    let folder = tempfile::tempdir().unwrap();
    let store = WeightStore::new(folder.path());
    let (space, architecture) = small_cnn();
    let budget = Budget { epochs: 8, ..BUDGET };
    let (sender, receiver) = std::sync::mpsc::channel();
    let train = || {
        let sender = sender.clone();
        let tell = Box::new(move |report| sender.send(report).unwrap());
        let mut trainer = trainer(&tasks, Recipe::default(), Some(store.clone()), tell);
        trainer.train(&space, &architecture, &budget).unwrap()
    };
    let trials = train();
    let heard: Vec<EpochReport> = receiver.try_iter().collect();
    assert_eq!(heard.iter().map(|report| report.epoch).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(heard[7].loss < heard[0].loss);
    let scores = scores(&trials);
    assert_eq!(heard[7].validation_accuracy, Some((scores[0] + scores[1]) / 2.0));
    assert!(scores.iter().all(|score| *score > 0.9), "{scores:?}");
    let want = ((scores[0] - 1.0 / 6.0) / (5.0 / 6.0) + (scores[1] - 0.25) / 0.75) / 2.0;
    for (trial, task) in trials.iter().zip(["low", "high"]) {
        assert_eq!(&*trial.task, task);
        assert_eq!(trial.extra["joint"]["tasks"], serde_json::json!(["low", "high"]));
        assert!((trial.extra["joint"]["score"].as_f64().unwrap() - want).abs() < 1e-12);
        assert_eq!(trial.curve.len(), 8);
        assert!(trial.normalise(&space).is_ok());
    }
    let weights = |trial: &Trial| {
        let hash = store.of_trial(trial).unwrap();
        weights::parse(&store.get(hash).unwrap(), folder.path()).unwrap()
    };
    let (first, second) = (weights(&trials[0]), weights(&trials[1]));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (name, tensor) in &first {
        assert_eq!(*tensor == second[name], !name.starts_with(HEAD), "{name}");
    }
    assert_eq!(second["head.1.weight"].size(), [4, 32]);
    if !repeats() {
        return;
    }
    // The same seed gives the same trials.
    let again = train();
    assert_eq!(again.iter().map(|trial| trial.score.unwrap()).collect::<Vec<_>>(), scores);
    assert_eq!(again[0].extra[WEIGHTS_FIELD], trials[0].extra[WEIGHTS_FIELD]);
}

#[test]
fn a_small_task_has_small_batches_and_none_of_one() {
    let order: Vec<i64> = (0..5).collect();
    let dataset = halves();
    let parts = Parts::new(&dataset, &[0, 1, 2, 3, 4], &[5], Device::Cpu).unwrap();
    let sizes: Vec<i64> =
        (0..4).map(|step| batch(&parts.fit, &order, (step, 4)).unwrap().y.size()[0]).collect();
    assert_eq!(sizes, [2, 2, 2, 2]);
    let sizes: Vec<i64> =
        (0..2).map(|step| batch(&parts.fit, &order, (step, 2)).unwrap().y.size()[0]).collect();
    assert_eq!(sizes, [2, 3]);
}

#[test]
fn data_that_do_not_go_together_are_refused_and_a_wild_trial_fails_on_all() {
    let halves = halves();
    let other = |name: &str, shape: &[usize]| {
        let x = halves.x().clone();
        let (y, classes) = (halves.y().to_vec(), halves.classes().to_vec());
        Arc::new(Dataset::new(name, halves.domain(), shape, x, y, classes, "").unwrap())
    };
    let refused = |with: Arc<Dataset>| {
        let options = TorchOptions { device: test_device(), ..TorchOptions::default() };
        let made = JointTrainer::new(&halves, &[with], options, Box::new(|_| {}));
        made.err().unwrap().to_string()
    };
    let words = refused(other("wide", &[1, 4, 16]));
    assert_eq!(
        words,
        r#""wide" cannot be learned together with "halves": its examples are of shape [1, 4, 16], not [1, 8, 8]"#
    );
    assert!(refused(Arc::clone(&halves)).ends_with("it is given twice"));
    let (space, mut wild) = small_cnn();
    wild.set(&"lr".into(), heirloom_kb::Value::Real(1e9));
    let tasks = (Arc::clone(&halves), other("same", &[1, 8, 8]));
    let mut trainer = trainer(&tasks, Recipe::default(), None, Box::new(|_| {}));
    let trials = trainer.train(&space, &wild, &BUDGET).unwrap();
    for trial in &trials {
        assert_eq!((trial.status, trial.score), (Status::Failed, None));
        assert!(trial.extra["reason"].as_str().unwrap().starts_with("the "));
    }
}

#[test]
fn patience_with_the_joint_score_ends_training_at_its_best_epoch() {
    let Some(tasks) = digits(120) else { return };
    let (space, architecture) = small_cnn();
    let recipe = Recipe { patience: Some(2), ..Recipe::default() };
    let budget = Budget { epochs: 40, ..BUDGET };
    let mut trainer = trainer(&tasks, recipe, None, Box::new(|_| {}));
    let trials = trainer.train(&space, &architecture, &budget).unwrap();
    let joint = |at: usize| {
        let above = |trial: &Trial, chance: f64| (trial.curve[at].1 - chance) / (1.0 - chance);
        (above(&trials[0], 1.0 / 6.0) + above(&trials[1], 0.25)) / 2.0
    };
    let epochs = trials[0].curve.len();
    assert!(epochs < 40, "{:?}", trials[0].curve);
    let best = trials[0].extra["best_epoch"].as_u64().unwrap() as usize;
    assert_eq!(epochs, best + 2);
    assert!((0..epochs).all(|at| joint(at) <= joint(best - 1)));
    for trial in &trials {
        assert_eq!(trial.score, Some(trial.curve[best - 1].1));
        assert_eq!(trial.extra["best_epoch"], best as u64);
        assert_eq!(trial.curve.len(), epochs);
        assert!((trial.extra["joint"]["score"].as_f64().unwrap() - joint(best - 1)).abs() < 1e-12);
    }
    // The test part is not looked at on the way, so nothing ends early.
    let tested =
        trainer.train(&space, &architecture, &Budget { epochs: 3, split: Split::Test, ..BUDGET }).unwrap();
    assert!(tested.iter().all(|trial| trial.curve.is_empty() && !trial.extra.contains_key("best_epoch")));
    assert!(tested.iter().all(|trial| trial.score.is_some()));
}

fn without_times(trials: &[Trial]) -> Vec<serde_json::Value> {
    trials.iter().map(|trial| serde_json::json!([trial.score, trial.curve, trial.extra])).collect()
}

/// What is in the folder when an epoch is told is what a killed process would have left.
#[test]
fn a_training_that_was_broken_off_goes_on_to_the_same_end() {
    let Some(tasks) = digits(120) else { return };
    let (space, mut architecture) = small_cnn();
    architecture.set(&"dropout".into(), heirloom_kb::Value::Real(0.25));
    let [whole, left] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let store = |folder: &tempfile::TempDir| WeightStore::new(folder.path());
    let (from, to) = (store(&whole).under_way(), store(&left).under_way());
    let budget = Budget { epochs: 5, ..BUDGET };
    let recipe = || Recipe { patience: Some(4), ..Recipe::default() };
    let files = |folder: &std::path::Path| std::fs::read_dir(folder).unwrap().flatten();
    let copy_to = to.clone();
    let tell = Box::new(move |report: EpochReport| {
        // The fourth epoch is told before it is kept, so what is there is what was kept after the third.
        if report.epoch == 4 {
            std::fs::create_dir_all(&copy_to).unwrap();
            for file in files(&from) {
                std::fs::copy(file.path(), copy_to.join(file.file_name())).unwrap();
            }
        }
    });
    let want = trainer(&tasks, recipe(), Some(store(&whole)), tell).train(&space, &architecture, &budget);
    let want = want.unwrap();
    assert!(want.iter().all(|trial| trial.extra.contains_key(WEIGHTS_FIELD)));
    assert_eq!(files(&to).count(), 1);

    // Another training does not take it up.
    let other = Budget { seed: 2, ..budget };
    let mut again = trainer(&tasks, recipe(), Some(store(&left)), Box::new(|_| {}));
    assert_ne!(without_times(&again.train(&space, &architecture, &other).unwrap()), without_times(&want));
    assert_eq!(files(&to).count(), 1);

    let kept = files(&to).next().unwrap().path();
    let bytes = std::fs::read(&kept).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let tell = Box::new(move |report: EpochReport| {
        // An epoch that is trained is kept, over what was there.
        sender.send((report.epoch, std::fs::read(&kept).unwrap() == bytes)).unwrap();
    });
    let got = trainer(&tasks, recipe(), Some(store(&left)), tell).train(&space, &architecture, &budget);
    assert!(!repeats() || without_times(&got.unwrap()) == without_times(&want));
    let heard: Vec<(u32, bool)> = receiver.iter().collect();
    assert_eq!(heard, [(1, true), (2, true), (3, true), (4, true), (5, false)]);
    assert_eq!(files(&to).count(), 0, "what has ended is not kept");
}

#[test]
fn without_room_for_a_checkpoint_training_goes_on() {
    let halves = halves();
    let x = halves.x().clone();
    let (y, classes) = (halves.y().to_vec(), halves.classes().to_vec());
    let same = Dataset::new("same", halves.domain(), halves.shape(), x, y, classes, "").unwrap();
    let (space, architecture) = small_cnn();
    let dir = tempfile::tempdir().unwrap();
    // A file where the folder should be: nothing can be made in it.
    let blocked = dir.path().join("blocked");
    std::fs::write(&blocked, b"").unwrap();
    let store = Some(WeightStore::new(&blocked));
    let mut trainer = trainer(&(halves, Arc::new(same)), Recipe::default(), store, Box::new(|_| {}));
    let trials = trainer.train(&space, &architecture, &BUDGET).unwrap();
    assert!(trials.iter().all(|trial| trial.status == Status::Complete));
    assert!(trials.iter().all(|trial| !trial.extra.contains_key(WEIGHTS_FIELD)));
}
