//! Surrogates compared on tables: `cargo run --release -p heirloom-predictor --example compare -- 30,100,500 3 FILE.csv …`
//!
//! The numbers are examples to fit on and seeds. A table has a header, features as an encoder names them (`op=gcn`), and
//! the normalised score in the last column. Printed are, for each family of tables (`nbg` of `nbg-cora.csv`), means over
//! tables and seeds on at most 1,000 other rows: Spearman's correlation, R2, seconds to fit, and the share of rows within
//! the 90 % interval, as the surrogate says it and after conformal calibration on further rows.
// An example says what it finds.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::time::Instant;

use heirloom_predictor::{Conformal, Feature, Part, Surrogate, SurrogateKind, gaussian_ranks};
use ndarray::{Array1, Array2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Half the 90 % interval of a normal, in standard deviations.
const HALF_90: f64 = 1.644_854;
const TEST_ROWS: usize = 1_000;

type Failure = Box<dyn std::error::Error>;

struct Table {
    family: String,
    parts: Vec<Part>,
    x: Array2<f64>,
    y: Array1<f64>,
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [counts, seeds, files @ ..] = &args[..] else {
        return Err("give counts (30,100), seeds (3) and tables".into());
    };
    let counts = counts.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let seeds: u64 = seeds.parse()?;
    let mut found: BTreeMap<(String, usize, &str), Vec<[f64; 5]>> = BTreeMap::new();
    for file in files {
        let table = read(file)?;
        for n in &counts {
            for seed in 0..seeds {
                for (name, measures) in compare(&table, *n, seed)? {
                    found.entry((table.family.clone(), *n, name)).or_default().push(measures);
                }
            }
        }
    }
    println!("family n surrogate spearman r2 fit_s inside_90 calibrated_90 runs");
    for ((family, n, name), runs) in found {
        let mean = |at: usize| runs.iter().map(|run| run[at]).sum::<f64>() / runs.len() as f64;
        let [rho, r2, fit_s, raw, calibrated] = [0, 1, 2, 3, 4].map(mean);
        let runs = runs.len();
        println!("{family} {n} {name} {rho:.3} {r2:.3} {fit_s:.4} {raw:.3} {calibrated:.3} {runs}");
    }
    Ok(())
}

fn read(file: &str) -> Result<Table, Failure> {
    let text = std::fs::read_to_string(file)?;
    let mut lines = text.lines();
    let mut names: Vec<&str> = lines.next().ok_or("an empty table")?.split(',').collect();
    names.pop();
    let features: Vec<Feature> = names.iter().map(|name| Feature { name: (*name).to_string() }).collect();
    let mut numbers = Vec::new();
    for line in lines {
        for cell in line.split(',') {
            numbers.push(cell.parse::<f64>()?);
        }
    }
    let width = names.len() + 1;
    let all = Array2::from_shape_vec((numbers.len() / width, width), numbers)?;
    let (x, y) = all.view().split_at(Axis(1), width - 1);
    let stem = std::path::Path::new(file).file_stem().unwrap_or_default().to_string_lossy();
    let family = stem.split('-').next().unwrap_or_default().to_string();
    Ok(Table { family, parts: Part::of(&features), x: x.to_owned(), y: y.column(0).to_owned() })
}

/// Each surrogate's measures on one draw; none where the table is too small.
fn compare(table: &Table, n: usize, seed: u64) -> Result<Vec<(&'static str, [f64; 5])>, Failure> {
    let calibration = (n / 4).max(20);
    let mut rows: Vec<usize> = (0..table.y.len()).collect();
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    if rows.len() < n + calibration + 50 {
        return Ok(Vec::new());
    }
    let part = |rows: &[usize]| (table.x.select(Axis(0), rows), table.y.select(Axis(0), rows));
    let (x, y) = part(&rows[..n]);
    let (calibration_x, calibration_y) = part(&rows[n..n + calibration]);
    let (test_x, test_y) = part(&rows[n + calibration..rows.len().min(n + calibration + TEST_ROWS)]);
    let mut measured = Vec::new();
    let mut means: BTreeMap<&str, Array1<f64>> = BTreeMap::new();
    for kind in SurrogateKind::ALL {
        let start = Instant::now();
        let model = kind.fit(x.view(), y.view(), Some(&table.parts), seed)?;
        let fit_s = start.elapsed().as_secs_f64();
        let got = model.predict(test_x.view())?;
        let errors = (&test_y - &got.mean).mapv(f64::abs);
        let inside = errors.iter().zip(&got.std).filter(|(error, std)| **error <= HALF_90 * **std).count();
        let conformal = Conformal::new(Boxed(model), calibration_x.view(), calibration_y.view())?;
        let (lower, upper) = conformal.intervals(test_x.view(), 0.1)?;
        let held = (0..test_y.len()).filter(|row| lower[*row] <= test_y[*row] && test_y[*row] <= upper[*row]);
        let share = |count: usize| count as f64 / test_y.len() as f64;
        let (rho, r2) = quality(&got.mean, &test_y);
        measured.push((kind.name(), [rho, r2, fit_s, share(inside), share(held.count())]));
        means.insert(kind.name(), got.mean);
    }
    let both = (&means["process"] + &means["boosting"]) / 2.0;
    let (rho, r2) = quality(&both, &test_y);
    measured.push(("process+boosting", [rho, r2, f64::NAN, f64::NAN, f64::NAN]));
    Ok(measured)
}

struct Boxed(Box<dyn Surrogate>);

impl Surrogate for Boxed {
    fn predict(
        &self,
        x: ndarray::ArrayView2<'_, f64>,
    ) -> Result<heirloom_predictor::Prediction, heirloom_predictor::PredictError> {
        self.0.predict(x)
    }
}

/// Spearman's correlation and R2; R2 below -1 counts as -1.
fn quality(got: &Array1<f64>, want: &Array1<f64>) -> (f64, f64) {
    let error = (got - want).mapv(|error| error * error).sum();
    let mean = want.mean().unwrap_or(0.0);
    let r2 = 1.0 - error / want.mapv(|want| (want - mean).powi(2)).sum();
    (correlation(&ranks(got), &ranks(want)), r2.max(-1.0))
}

fn ranks(values: &Array1<f64>) -> Array1<f64> {
    // Gaussian ranks mapped back: places in (0, 1), ties shared.
    let z = gaussian_ranks(&values.iter().map(|value| Some(*value)).collect::<Vec<_>>());
    z.into_iter().map(heirloom_predictor::percentile).collect()
}

fn correlation(a: &Array1<f64>, b: &Array1<f64>) -> f64 {
    let centred = |values: &Array1<f64>| values - values.mean().unwrap_or(0.0);
    let (a, b) = (centred(a), centred(b));
    let norm = (a.dot(&a) * b.dot(&b)).sqrt();
    if norm > 0.0 { a.dot(&b) / norm } else { 0.0 }
}
