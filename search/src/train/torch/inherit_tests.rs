//! What is inherited, what is left alone, and what it is worth.

use std::path::Path;

use heirloom_datasets::loaders;
use heirloom_kb::{Status, Trial, Value};

use super::fit::Network;
use super::inherit::Heir;
use super::tests::{BUDGET, halves, repeats, rows, small_cnn, small_mlp, test_device};
use super::*;
use crate::train::WEIGHTS_FIELD;
use crate::train::{INHERITED_FIELD, Inherited, Recipe, Taken, WeightStore};

fn trainer(dataset: Arc<Dataset>, folder: &Path, sources: Vec<Trial>) -> TorchTrainer {
    let weights = Some(WeightStore::new(folder));
    let options = TorchOptions { device: test_device(), weights, sources, ..TorchOptions::default() };
    TorchTrainer::new(dataset, options, Box::new(|_| {})).unwrap()
}

fn inherited(trial: &Trial) -> Inherited {
    serde_json::from_value(trial.extra[INHERITED_FIELD].clone()).unwrap()
}

fn tensors(trial: &Trial, folder: &Path) -> weights::Tensors {
    let store = WeightStore::new(folder);
    weights::parse(&store.get(store.of_trial(trial).unwrap()).unwrap(), folder).unwrap()
}

fn with(architecture: &Architecture, values: &[(&str, Value)]) -> Architecture {
    let mut changed = architecture.clone();
    for (name, value) in values {
        changed.set(&(*name).into(), value.clone());
    }
    changed
}

/// What a network inherits from one trial on the same data, how well it scores before a step is made, and that trial's score.
fn grown(source: &Architecture, values: &[(&str, Value)]) -> (Inherited, f64, f64) {
    let dir = tempfile::tempdir().unwrap();
    let space = small_cnn().0;
    let grown = with(source, values);
    let source = trainer(halves(), dir.path(), vec![]).train(&space, source, &BUDGET).unwrap();
    let mut heir = trainer(halves(), dir.path(), vec![source.clone()]);
    let net = heir.net(&space, &grown).unwrap();
    heir.prepare(&BUDGET).unwrap();
    let (_, parts) = heir.parts.as_ref().unwrap();
    let _turn = turn();
    let network = Network::new(&net, heir.device, &Recipe::default(), 7, None).unwrap();
    let (task, n_classes) = (&source.task, 2);
    let heir = Heir { network: &network, net: &net, architecture: &grown, task, n_classes, part: &parts.fit };
    let heritage = heir.inherit(std::slice::from_ref(&source), &WeightStore::new(dir.path())).unwrap();
    let score = measure::accuracy(&network.module, &parts.score).unwrap();
    (heritage.record, score, source.score.unwrap())
}

/// Wider layers, larger windows and a third block: before a step is made, the network scores as its source does.
#[test]
fn a_grown_network_computes_what_its_source_does() {
    if !repeats() {
        return; // with other numbers fresh weights may suit as well
    }
    for kind in ["conv", "residual"] {
        let (record, score, source) = grown(
            &small_cnn().1,
            &[
                ("width1", Value::Int(32)),
                ("width2", Value::Int(64)),
                ("kernel1", Value::Int(5)),
                ("blocks", Value::Int(3)),
                ("kind3", Value::Text(kind.into())),
                ("width3", Value::Int(64)),
                ("kernel3", Value::Int(3)),
                ("pool3", Value::Text("none".into())),
            ],
        );
        assert_eq!(record.blocks["block1"], "tune, widened");
        assert_eq!((&*record.blocks["block3"], &*record.blocks["head"]), ("tune, inserted", "tune, widened"));
        assert_eq!(score, source, "{kind}");
    }
}

/// A dropout moves the layers behind it to other places, and a residual block that is given more channels than it makes needs a
/// shortcut with weights; neither changes what is computed.
#[test]
fn a_dropout_and_a_shortcut_that_come_new_leave_the_heritage_as_it_is() {
    if !repeats() {
        return; // with other numbers fresh weights may suit as well
    }
    let residual =
        with(&small_cnn().1, &[("kind2", Value::Text("residual".into())), ("width1", Value::Int(32))]);
    let (record, score, source) =
        grown(&residual, &[("dropout", Value::Real(0.25)), ("width1", Value::Int(64))]);
    assert_eq!(record.blocks["block2"], "tune, widened");
    assert_eq!(record.blocks["head"], "tune");
    assert_eq!(score, source);
    // The other way there is no place for the shortcut's weights; the rest stays.
    let (record, _, _) =
        grown(&with(&residual, &[("width1", Value::Int(16))]), &[("width1", Value::Int(32))]);
    assert_eq!(record.blocks["block2"], "tune, reshaped");
}

#[test]
fn weights_that_do_not_help_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let mut useless = trainer(halves(), dir.path(), vec![]).train(&space, &architecture, &BUDGET).unwrap();
    // All filters alike: the features cannot tell anything apart.
    let zeros = tensors(&useless, dir.path()).into_iter().map(|(name, tensor)| (name, tensor.zeros_like()));
    let hash = WeightStore::new(dir.path()).put(&weights::to_bytes(&zeros.collect()).unwrap()).unwrap();
    useless.extra.insert(WEIGHTS_FIELD.into(), hash.into());
    let alone = trainer(halves(), dir.path(), vec![]).train(&space, &architecture, &BUDGET).unwrap();
    let guarded = trainer(halves(), dir.path(), vec![useless]).train(&space, &architecture, &BUDGET).unwrap();
    let record = inherited(&guarded);
    assert_eq!((record.from, record.log_me.len()), (None, 1));
    assert!(record.log_me.values().all(|suits| *suits <= record.fresh_log_me));
    assert_eq!((guarded.score, guarded.curve), (alone.score, alone.curve));
}

#[test]
fn weights_of_another_kind_of_network_are_passed_over_and_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let store = WeightStore::new(dir.path());
    let perceptron = {
        let options =
            TorchOptions { device: test_device(), weights: Some(store.clone()), ..TorchOptions::default() };
        let (space, architecture) = small_mlp();
        TorchTrainer::new(rows(60), options, Box::new(|_| {}))
            .unwrap()
            .train(&space, &architecture, &BUDGET)
            .unwrap()
    };
    let source = trainer(halves(), dir.path(), vec![]).train(&space, &architecture, &BUDGET).unwrap();
    let both = vec![perceptron.clone(), source.clone()];
    let record =
        inherited(&trainer(halves(), dir.path(), both).train(&space, &architecture, &BUDGET).unwrap());
    assert_eq!(
        (record.from, record.unfit),
        (Some(source.id().to_string()), vec![perceptron.id().to_string()])
    );
    let alone = trainer(halves(), dir.path(), vec![perceptron.clone()])
        .train(&space, &architecture, &BUDGET)
        .unwrap();
    let words = inherited(&alone).words();
    assert_eq!(words, "inherited nothing: the layers of one trial with weights are of another kind");

    // Nor do they fit from a file: one network is refused, a network of a search starts afresh.
    let file = dir.path().join("perceptron.safetensors");
    export_network(&store, store.of_trial(&perceptron).unwrap(), &file, NetFormat::Safetensors).unwrap();
    let options = TorchOptions { device: test_device(), init_from: Some(file), ..TorchOptions::default() };
    let mut trainer = TorchTrainer::new(halves(), options, Box::new(|_| {})).unwrap();
    let why = trainer.check_start(&space, &architecture).unwrap_err().to_string();
    assert!(why.contains("perceptron.safetensors: none of its"), "{why}");
    let trial = trainer.train(&space, &architecture, &BUDGET).unwrap();
    assert_eq!((trial.score, Taken::of_trial(&trial).unwrap().taken), (alone.score, 0));
}

#[test]
fn frozen_blocks_stay_and_others_move() {
    let dir = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let source = trainer(halves(), dir.path(), vec![]).train(&space, &architecture, &BUDGET).unwrap();
    let mut heir = trainer(halves(), dir.path(), vec![source.clone()]);
    // The parameters are those of a space with fates; the trainer asks the architecture alone.
    let fated = with(&architecture, &[("inherit1", Value::Text("freeze".into()))]);
    let trial = heir.train(&space, &fated, &BUDGET).unwrap();
    let record = inherited(&trial);
    assert_eq!(record.from, Some(source.id().to_string()));
    assert_eq!((&*record.blocks["block1"], &*record.blocks["block2"]), ("freeze", "tune"));
    let (before, after) = (tensors(&source, dir.path()), tensors(&trial, dir.path()));
    for (name, tensor) in &before {
        assert_eq!(after[name] == *tensor, name.starts_with("block1."), "{name}");
    }
    assert!(trial.score.unwrap() > 0.8);
}

#[test]
fn damaged_weights_are_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let source = trainer(halves(), dir.path(), vec![]).train(&space, &architecture, &BUDGET).unwrap();
    let store = WeightStore::new(dir.path());
    std::fs::write(store.file(store.of_trial(&source).unwrap()), b"rubbish").unwrap();
    let trial = trainer(halves(), dir.path(), vec![source]).train(&space, &architecture, &BUDGET).unwrap();
    assert_eq!(trial.status, Status::Complete);
    assert!(inherited(&trial).log_me.is_empty());
}

/// Real digits: 0 to 4, which a past network learned, and 5 to 9.
fn digits() -> Option<(Arc<Dataset>, Arc<Dataset>)> {
    let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS") else {
        println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
        return None;
    };
    let digits = loaders::open("digits", Path::new(&dir), false).unwrap();
    let part = |name: &str, classes: &[usize]| Arc::new(digits.subset(name, classes, usize::MAX, 0).unwrap());
    Some((part("low", &[0, 1, 2, 3, 4]), part("high", &[5, 6, 7, 8, 9])))
}

/// A wider network with larger windows that starts from a trained one of the same task needs no second training: after one
/// epoch it is far ahead of one from nothing, on all of five seeds. What other tasks' weights are worth depends on the tasks and
/// is measured by scripts/transfer.py.
#[test]
fn a_wider_network_on_real_digits_goes_on_where_the_narrow_one_was() {
    let Some((low, _)) = digits() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let narrow = trainer(Arc::clone(&low), folder.path(), vec![])
        .train(&space, &architecture, &Budget { epochs: 10, ..BUDGET })
        .unwrap();
    let wide = with(
        &architecture,
        &[
            ("width1", Value::Int(32)),
            ("width2", Value::Int(64)),
            ("kernel1", Value::Int(5)),
            ("lr", Value::Real(0.001)),
        ],
    );
    for seed in 0..5 {
        let budget = Budget { epochs: 1, seed, ..BUDGET };
        let [fresh, heir] = [vec![], vec![narrow.clone()]].map(|sources| {
            trainer(Arc::clone(&low), folder.path(), sources).train(&space, &wide, &budget).unwrap()
        });
        assert_eq!(inherited(&heir).from, Some(narrow.id().to_string()));
        let gain = heir.score.unwrap() - fresh.score.unwrap();
        assert!(gain > 0.1, "{:?} after {:?}", heir.score, fresh.score);
    }
}

/// Digits 5 to 9 from a network that has learned 0 to 4: it is taken where it suits better than fresh weights, and only there.
#[test]
fn real_digits_inherit_from_others_where_that_suits() {
    let Some((past, new)) = digits() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (space, architecture) = small_cnn();
    let source = trainer(past, folder.path(), vec![])
        .train(&space, &architecture, &Budget { epochs: 10, ..BUDGET })
        .unwrap();
    for seed in 0..3 {
        let budget = Budget { epochs: 2, data_fraction: 0.5, seed, ..BUDGET };
        let mut heir = trainer(Arc::clone(&new), folder.path(), vec![source.clone()]);
        let trial = heir.train(&space, &architecture, &budget).unwrap();
        let record = inherited(&trial);
        let suits = record.log_me[&source.id().to_string()];
        assert_eq!(record.from.is_some(), suits > record.fresh_log_me, "{record:?}");
        if record.from.is_some() {
            assert_eq!(
                record.blocks.values().map(String::as_str).collect::<Vec<_>>(),
                ["tune", "tune", "fresh"]
            );
        }
        assert_eq!(trial.status, Status::Complete);
    }
}
