//! The laws that every surrogate keeps.

use ndarray::{Array1, Array2, ArrayView2, array};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{ArdProcess, BoostedTrees, Prediction, RegressionForest, Surrogate, SurrogateKind};

/// Two numbers and a choice of three, and a target made of them.
fn examples(n: usize, seed: u64, target: fn(&[f64]) -> f64) -> (Array2<f64>, Array1<f64>) {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut x = Array2::zeros((n, 5));
    for mut row in x.rows_mut() {
        row[0] = rng.r#gen();
        row[1] = rng.r#gen();
        row[2 + rng.gen_range(0..3)] = 1.0;
    }
    let y = x.rows().into_iter().map(|row| target(&row.to_vec())).collect();
    (x, y)
}

fn smooth(row: &[f64]) -> f64 {
    2.0 * row[0] - row[1] * row[1] + 0.5 * row[3]
}

fn stepwise(row: &[f64]) -> f64 {
    let step = if row[0] > 0.5 { 1.5 } else { 0.0 };
    step + if row[4] > 0.0 { 1.0 } else { 0.0 }
}

fn fit(kind: SurrogateKind, x: &Array2<f64>, y: &Array1<f64>) -> Box<dyn Surrogate> {
    kind.fit(x.view(), y.view(), None, 5).unwrap_or_else(|error| panic!("{kind:?}: {error}"))
}

fn predict(kind: SurrogateKind, model: &dyn Surrogate, x: ArrayView2<'_, f64>) -> Prediction {
    let got = model.predict(x).unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    assert_eq!((got.mean.len(), got.std.len()), (x.nrows(), x.nrows()), "{kind:?}");
    assert!(got.mean.iter().all(|mean| mean.is_finite()), "{kind:?}: {}", got.mean);
    assert!(got.std.iter().all(|std| std.is_finite() && *std >= 0.0), "{kind:?}: {}", got.std);
    got
}

#[test]
fn each_beats_the_mean_on_slopes_and_steps() {
    for (target, least) in [(smooth as fn(&[f64]) -> f64, 0.5), (stepwise, 0.5)] {
        let (x, y) = examples(120, 1, target);
        let (at, want) = examples(200, 2, target);
        let mean = want.mean().unwrap();
        let variance = want.iter().map(|want| (want - mean).powi(2)).sum::<f64>();
        for kind in SurrogateKind::ALL {
            let got = predict(kind, &*fit(kind, &x, &y), at.view());
            let r2 = 1.0 - (&got.mean - &want).mapv(|error| error * error).sum() / variance;
            assert!(r2 > least, "{kind:?}: R2 {r2}");
        }
    }
}

#[test]
fn the_deviation_is_about_the_error() {
    let noisy = |row: &[f64]| smooth(row) + 0.3 * (row[0] * 7_919.0).sin();
    let (x, y) = examples(200, 1, noisy);
    let (at, want) = examples(300, 2, noisy);
    for kind in SurrogateKind::ALL {
        let got = predict(kind, &*fit(kind, &x, &y), at.view());
        let ratios = (&want - &got.mean) / &got.std;
        let spread = ratios.mapv(|ratio| ratio * ratio).mean().unwrap().sqrt();
        assert!((0.5..2.0).contains(&spread), "{kind:?}: {spread}");
    }
}

#[test]
fn odd_examples_are_fitted_all_the_same() {
    let (x, y) = examples(40, 3, smooth);
    let one = (array![[0.2, 0.4, 1.0, 0.0, 0.0]], array![0.7]);
    let constant = (x.clone(), Array1::from_elem(40, 0.7));
    let twice =
        (ndarray::concatenate![ndarray::Axis(0), x, x], ndarray::concatenate![ndarray::Axis(0), y, &y + 0.1]);
    let alike = (Array2::from_elem((9, 2), 0.5), Array1::linspace(0.0, 1.0, 9));
    let no_column = (Array2::zeros((9, 0)), Array1::linspace(0.0, 1.0, 9));
    let two = (array![[0.0], [1.0]], array![0.0, 1.0]);
    for kind in SurrogateKind::ALL {
        for (x, y) in [&one, &constant] {
            let got = predict(kind, &*fit(kind, x, y), x.view());
            assert!(got.mean.iter().all(|mean| (mean - 0.7).abs() < 1e-6), "{kind:?}: {}", got.mean);
        }
        for (x, y) in [&twice, &alike, &two] {
            predict(kind, &*fit(kind, x, y), x.view());
        }
        // linfa's index wants a column; the others say the mean.
        match kind.fit(no_column.0.view(), no_column.1.view(), None, 5) {
            Ok(model) => {
                let got = predict(kind, &*model, no_column.0.view());
                assert!(got.mean.iter().all(|mean| (mean - 0.5).abs() < 0.2), "{kind:?}: {}", got.mean);
            }
            Err(error) => assert_eq!(kind, SurrogateKind::Neighbours, "{error}"),
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let (x, y) = examples(90, 4, stepwise);
    for kind in SurrogateKind::ALL {
        let answers = [1, 2].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| predict(kind, &*fit(kind, &x, &y), x.view()))
        });
        assert_eq!(answers[0], answers[1], "{kind:?}");
    }
}

#[test]
fn no_rows_are_predicted_as_none() {
    let (x, y) = examples(30, 5, smooth);
    for kind in SurrogateKind::ALL {
        predict(kind, &*fit(kind, &x, &y), Array2::zeros((0, 5)).view());
    }
}

#[test]
fn bad_input_is_refused() {
    let (x, y) = examples(30, 6, smooth);
    let mut broken = x.clone();
    broken[[7, 1]] = f64::NAN;
    let mut infinite = y.clone();
    infinite[3] = f64::INFINITY;
    for kind in SurrogateKind::ALL {
        let refused = |x: &Array2<f64>, y: &Array1<f64>| match kind.fit(x.view(), y.view(), None, 5) {
            Ok(_) => panic!("{kind:?} was fitted"),
            Err(error) => error.to_string(),
        };
        assert_eq!(refused(&broken, &y), "row 7 is not finite", "{kind:?}");
        assert_eq!(refused(&x, &infinite), "target 3 is not finite", "{kind:?}");
        assert_eq!(refused(&x, &array![1.0]), "rows and targets: 30 against 1", "{kind:?}");
        let nothing = refused(&Array2::zeros((0, 5)), &Array1::zeros(0));
        assert!(nothing.starts_with("there is nothing to fit"), "{kind:?}: {nothing}");
        let error = fit(kind, &x, &y).predict(array![[1.0]].view()).unwrap_err().to_string();
        assert_eq!(error, "columns given and columns fitted: 1 against 5", "{kind:?}");
    }
}

#[test]
fn what_is_kept_comes_back_the_same() {
    use linfa::dataset::DatasetBase;
    use linfa::traits::Fit;

    fn check<M: Surrogate + serde::Serialize + serde::de::DeserializeOwned>(model: &M, x: &Array2<f64>) {
        let json = serde_json::to_string(model).unwrap();
        let back: M = serde_json::from_str(&json).unwrap();
        assert_eq!(back.predict(x.view()).unwrap(), model.predict(x.view()).unwrap());
    }
    let (x, y) = examples(60, 7, smooth);
    let data = DatasetBase::new(x.clone(), y);
    let forest: RegressionForest = crate::ForestParams::default().fit(&data).unwrap();
    let boosted: BoostedTrees = crate::BoostingParams::default().fit(&data).unwrap();
    let process: ArdProcess = crate::ArdParams::default().fit(&data).unwrap();
    check(&forest, &x);
    check(&boosted, &x);
    check(&process, &x);
    let broken = serde_json::to_string(&process).unwrap().replacen("\"targets\":[", "\"targets\":[0.0,", 1);
    let error = serde_json::from_str::<ArdProcess>(&broken).unwrap_err().to_string();
    assert!(error.contains("examples and targets: 60 against 61"), "{error}");
}
