//! Shared weights on a task that one operation solves.

use heirloom_kb::Domain;
use ndarray::Array2;
use tch::Kind;

use super::super::tests::{repeats, test_device};
use super::*;
use crate::RankCorrelation;
use crate::spaces::CellSkeleton;

/// One stage, so that no residual block mixes neighbours for the cell.
const TINY: CellSkeleton = CellSkeleton { stages: 1, cells: 1, width: 8 };

/// Single bright pixels on a torus of 9x9, each with a second one three to the right (class 0) or three below (class 1):
/// within 3x3 windows, all that the stem sees, the classes are alike.
fn pairs() -> Dataset {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
    let y: Vec<usize> = (0..400).map(|row| row % 2).collect();
    let mut x = Array2::zeros((400, 81));
    for (row, class) in y.iter().enumerate() {
        for _ in 0..3 {
            let (i, j) = (rng.gen_range(0..9), rng.gen_range(0..9));
            let (k, l) = if *class == 0 { (i, (j + 3) % 9) } else { ((i + 3) % 9, j) };
            x[(row, 9 * i + j)] = 1.0;
            x[(row, 9 * k + l)] = 1.0;
        }
    }
    let classes = vec!["beside".into(), "below".into()];
    Dataset::new("pairs", Domain::Image, &[1, 9, 9], x, y, classes, "made up").unwrap()
}

fn space() -> SearchSpace {
    (spaces::family("nas-bench-201/1").unwrap().space)()
}

fn supernet(method: SharingMethod, epochs: u32, seed: u64) -> Supernet {
    let options = SharingOptions {
        method,
        skeleton: TINY,
        epochs,
        batch_size: 32,
        learning_rate: 0.1,
        seed,
        split_seed: 0,
    };
    Supernet::new(&pairs(), &space(), options, test_device()).unwrap()
}

fn train(supernet: &mut Supernet) -> Vec<f64> {
    let mut losses = Vec::new();
    supernet.train(&mut |report| losses.push(report.loss)).unwrap();
    losses
}

fn cell(text: &str) -> Architecture {
    spaces::from_cell_string(text).unwrap()
}

/// Mean of what `of` says.
fn mean(of: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = of.collect();
    values.iter().sum::<f64>() / values.len() as f64
}

/// Three convolutions of 3x3 that lie one behind the other see far enough; a cell without any does not.
#[test]
fn the_loss_falls_and_the_ranking_finds_the_operation_that_is_needed() {
    for (method, epochs) in [(SharingMethod::SinglePath, 50), (SharingMethod::Fair, 15)] {
        let mut supernet = supernet(method, epochs, 1);
        let losses = train(&mut supernet);
        let late = mean(losses.iter().rev().take(5).copied());
        assert!(losses.len() == epochs as usize && late < 0.9 * losses[0], "{losses:?}");
        let ranked = supernet.rank(&spaces::pool(&space(), 60, 3), &mut || {}).unwrap();
        assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
        let text = |score: &SharedScore| spaces::to_cell_string(&score.architecture).unwrap();
        let counts: Vec<f64> =
            ranked.iter().map(|score| text(score).matches("nor_conv_3x3").count() as f64).collect();
        let scores: Vec<f64> = ranked.iter().map(|score| score.score).collect();
        let correlation = RankCorrelation::of(&counts, &scores).unwrap();
        assert!(correlation.spearman_95.unwrap().0 > 0.1, "{method:?}: {correlation:?}");
        assert!(ranked[..5].iter().all(|score| text(score).contains("nor_conv_3x3")), "{ranked:?}");
        assert!(ranked[0].score > 0.8, "{ranked:?}");
        // A validation part of 80 says little; chance is .5, and what passes nothing on has nothing to go by.
        let nothing = cell("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|");
        let nothing = supernet.rank(&[nothing], &mut || {}).unwrap().remove(0);
        assert!(nothing.score < 0.65, "{nothing:?}");
    }
}

#[test]
fn differentiable_search_finds_the_operation_that_is_needed() {
    let mut supernet = supernet(SharingMethod::Darts, 40, 1);
    let losses = train(&mut supernet);
    assert!(losses.last().unwrap() < &(0.5 * losses[0]), "{losses:?}");
    let strengths = supernet.strengths().unwrap();
    let of = |op: &str| mean(strengths.values().map(|row| row[op]));
    for op in ["none", "skip_connect", "nor_conv_1x1", "avg_pool_3x3"] {
        assert!(of("nor_conv_3x3") > 1.3 * of(op), "{op}: {strengths:?}");
    }
    assert!(strengths.values().all(|row| (row.values().sum::<f64>() - 1.0).abs() < 1e-9));
    let candidates = spaces::enumerate(&space(), 20_000).unwrap();
    let ranked = supernet.rank(&candidates, &mut || {}).unwrap();
    let best = spaces::to_cell_string(&ranked[0].architecture).unwrap();
    assert!(best.matches("nor_conv_3x3").count() >= 4 && !best.contains("skip_connect"), "{best}");
    // Within the limit of shortcuts the score is the logarithm of the product of probabilities, and those beyond it come last.
    let shortcuts = |score: &SharedScore| {
        spaces::to_cell_string(&score.architecture).unwrap().matches("skip_connect").count()
    };
    let (within, beyond) = ranked.split_at(ranked.iter().position(|score| shortcuts(score) > 2).unwrap());
    assert!(beyond.iter().all(|score| shortcuts(score) > 2));
    let total: f64 = within.iter().map(|score| score.score.exp()).sum();
    let row = |score: &SharedScore| -> f64 {
        strengths.iter().map(|(edge, row)| row[score.architecture.text(edge).unwrap()].ln()).sum()
    };
    assert!((row(&within[7]) - within[7].score).abs() < 1e-9);
    assert!((row(&beyond[7]) - 100.0 * (shortcuts(&beyond[7]) - 2) as f64 - beyond[7].score).abs() < 1e-9);
    assert!(total < 1.0 && total > 0.8, "{total}");
}

#[test]
fn the_seed_decides_and_the_order_of_candidates_does_not() {
    let candidates = spaces::pool(&space(), 6, 3);
    let run = |method, seed, candidates: &[Architecture]| {
        let mut supernet = supernet(method, 2, seed);
        train(&mut supernet);
        supernet.rank(candidates, &mut || {}).unwrap()
    };
    let reversed: Vec<Architecture> = candidates.iter().rev().cloned().collect();
    for method in SharingMethod::ALL {
        let once = run(method, 1, &candidates);
        let again = run(method, 1, &reversed);
        let by_name = |ranked: &[SharedScore]| -> BTreeMap<String, (f64, Option<f64>)> {
            ranked.iter().map(|s| (s.architecture.to_string(), (s.score, s.loss))).collect()
        };
        assert!(!repeats() || by_name(&once) == by_name(&again), "{method:?}: {once:?} {again:?}");
        assert_ne!(by_name(&once), by_name(&run(method, 2, &candidates)), "{method:?}");
    }
}

/// A step on the first edge of one cell changes what every other cell gives that has the same operation there, and no cell
/// that has not.
#[test]
fn cells_that_share_an_edge_share_its_weights() {
    let supernet = supernet(SharingMethod::SinglePath, 1, 1);
    let (x, y) = supernet.examples(&(0..32).collect::<Vec<i64>>()).unwrap();
    let teacher = cell("|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|none~0|none~1|nor_conv_3x3~2|");
    let same = cell("|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|skip_connect~1|none~2|");
    let other = cell("|nor_conv_1x1~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|skip_connect~1|none~2|");
    let output = |cell: &Architecture| {
        let (_, module) = supernet.module(cell).unwrap();
        Vec::<f64>::try_from(module.forward(&x, true).unwrap().to_kind(Kind::Double).reshape([-1])).unwrap()
    };
    let before = (output(&same), output(&other));
    let (net, module) = supernet.module(&teacher).unwrap();
    let mut gradients = Gradients::new();
    let loss = supernet.loss(&module.forward(&x, true).unwrap(), &y).unwrap();
    add_gradients(&mut gradients, &loss, &supernet.used_by(&net)).unwrap();
    // Without the stem and the head, which all cells share.
    gradients.retain(|name, _| name.contains("edge_1_0"));
    assert_eq!(gradients.len(), 1, "{gradients:?}");
    PathOptimizer::default().step(&supernet.weights, &gradients, 0.5).unwrap();
    assert_ne!(output(&same), before.0);
    assert_eq!(output(&other), before.1);
}

#[test]
fn fair_paths_use_every_operation_of_every_edge_once() {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(2);
    for _ in 0..20 {
        let paths = fair_paths(&mut rng);
        for edge in 0..6 {
            let mut ops: Vec<u8> = paths.iter().map(|path| path[edge]).collect();
            ops.sort_unstable();
            assert_eq!(ops, [0, 1, 2, 3, 4]);
        }
    }
}

#[test]
fn what_cannot_share_or_learn_is_refused() {
    let chain = (spaces::family("chain-cnn/1").unwrap().space)();
    let refused = |space: &SearchSpace, options, data: &Dataset| {
        Supernet::new(data, space, options, test_device()).err().unwrap().to_string()
    };
    let options = SharingOptions { skeleton: TINY, epochs: 3, ..SharingOptions::default() };
    let error = refused(&chain, options, &pairs());
    assert!(error.starts_with("the networks of \"chain-cnn/1\" share no weights"), "{error}");
    let rows = Array2::from_shape_fn((30, 4), |(row, column)| (row * column) as f32);
    let y = (0..30).map(|row| row % 2).collect();
    let table = Dataset::new("t", Domain::Tabular, &[4], rows, y, vec!["a".into(), "b".into()], "").unwrap();
    let error = refused(&space(), options, &table);
    assert!(error.contains("makes no network for examples of shape [4]"), "{error}");
    let wild = SharingOptions { learning_rate: f64::INFINITY, ..options };
    let mut supernet = Supernet::new(&pairs(), &space(), wild, test_device()).unwrap();
    let error = supernet.train(&mut |_| {}).unwrap_err().to_string();
    assert!(error.starts_with("the loss of the shared weights is NaN in epoch 1"), "{error}");
}
