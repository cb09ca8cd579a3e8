//! How long a forest, extremely randomised trees and boosting take to fit; `benches/scikit_learn.py` times
//! scikit-learn on the same numbers with the same settings.
// A bench says what it measures.
#![allow(clippy::print_stdout, missing_docs)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use heirloom_predictor::{BoostingParams, ForestParams, Surrogate};
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};

/// 20 real columns, 20 of ten levels, and four choices of five options.
const COLUMNS: usize = 60;

/// Uniform in `[0, 1)`: the `index`-th output of splitmix64 seeded with 0, which Python makes as easily.
fn uniform(index: u64) -> f64 {
    let mut z = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Row `row` has the draws `64 row .. 64 row + 63`: 20 reals, 20 levels, 4 options, the rest is noise.
fn example(row: usize) -> (Vec<f64>, f64) {
    let draw = |at: usize| uniform((64 * row + at) as u64);
    let mut x: Vec<f64> = (0..20).map(draw).collect();
    x.extend((20..40).map(|at| (draw(at) * 10.0).floor() / 9.0));
    let options: Vec<usize> = (40..44).map(|at| (draw(at) * 5.0) as usize).collect();
    for option in &options {
        x.extend((0..5).map(|at| f64::from(u8::from(at == *option))));
    }
    let smooth = 10.0 * (std::f64::consts::PI * x[0] * x[1]).sin() + 20.0 * (x[2] - 0.5).powi(2) + 5.0 * x[3];
    let levels = 4.0 * x[20] * x[21] + 3.0 * f64::from(u8::from(x[22] > 0.5));
    let choices = 2.0 * options[0] as f64 + if options[1] == options[2] { 4.0 } else { 0.0 };
    let noise: f64 = (44..56).map(draw).sum::<f64>() - 6.0;
    (x, smooth + levels + choices + noise)
}

type Data = DatasetBase<Array2<f64>, Array1<f64>>;

fn examples(rows: std::ops::Range<usize>) -> Data {
    let (x, y): (Vec<Vec<f64>>, Vec<f64>) = rows.clone().map(example).unzip();
    let x = Array2::from_shape_fn((rows.len(), COLUMNS), |(i, j)| x[i][j]);
    DatasetBase::new(x, Array1::from(y))
}

fn r2(got: &Array1<f64>, want: &Array1<f64>) -> f64 {
    let mean = want.mean().unwrap_or(0.0);
    let error: f64 = got.iter().zip(want).map(|(got, want)| (got - want).powi(2)).sum();
    1.0 - error / want.iter().map(|want| (want - mean).powi(2)).sum::<f64>()
}

fn forest(n: usize) -> ForestParams {
    ForestParams::default().trees(100).max_depth(20).min_leaf(2).features(0.5).max_rows(n)
}

fn boosting() -> BoostingParams {
    let all = BoostingParams::default().rows(1.0).columns(1.0).held_out(0).l2(0.0);
    all.rounds(200).learning_rate(0.1).leaves(31).max_depth(64).min_leaf(20)
}

fn fit(name: &str, data: &Data) -> Box<dyn Surrogate> {
    let n = data.targets.len();
    match name {
        "forest" => Box::new(forest(n).fit(data).expect("a sound forest")),
        "extra trees" => {
            Box::new(forest(n).bootstrap(false).random_cuts(true).fit(data).expect("a sound forest"))
        }
        _ => Box::new(boosting().fit(data).expect("sound boosting")),
    }
}

fn fits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(5));
    for n in [2_000, 20_000] {
        let (train, test) = (examples(0..n), examples(n..n + 2_000));
        for name in ["forest", "extra trees", "boosting"] {
            let got = fit(name, &train).predict(test.records.view()).expect("columns as fitted");
            println!("{name} {n}: R2 {:.4}", r2(&got.mean, &test.targets));
            group.bench_function(format!("{name} {n}"), |b| b.iter(|| black_box(fit(name, &train))));
        }
    }
    group.finish();
}

criterion_group!(benches, fits);
criterion_main!(benches);
