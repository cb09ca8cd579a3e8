//! The model on power laws, whose ends are known.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::*;

const FULL: u32 = 40;

/// A task of noisy power laws `c - a t^-b` on its own scale: the better ends and the faster rises go together loosely.
fn task(name: &str, n: usize, scale: f64, seed: u64) -> TaskCurves {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut curve = || {
        let end: f64 = rng.gen_range(0.4..0.95);
        let (fall, speed) = (end * rng.gen_range(0.3..0.9), rng.gen_range(0.5..1.2));
        let mut at = |step: u32| {
            let noise = rng.gen_range(-0.01..0.01);
            (f64::from(step), scale * (end - fall * f64::from(step).powf(-speed) + noise))
        };
        Curve::new((1..=FULL).map(&mut at).collect())
    };
    TaskCurves { task: name.into(), curves: (0..n).map(|_| curve()).collect() }
}

fn past() -> Vec<TaskCurves> {
    (0..6).map(|at| task(&format!("past{at}"), 40, 1.0, at)).collect()
}

fn cut(curve: &Curve, step: f64) -> Curve {
    Curve::new(curve.until(step).to_vec())
}

/// Forecasts at a step for every curve of a new task beside `own` others, with the true ends.
fn forecasts(past: &[TaskCurves], new: &TaskCurves, step: f64, own: usize) -> Vec<(Forecast, f64)> {
    let mut model = CurveModel::new(past, f64::from(FULL));
    let own: Vec<&Curve> = new.curves[..own].iter().collect();
    let rest = new.curves[own.len()..].iter();
    rest.map(|curve| {
        let end = curve.at(f64::from(FULL)).unwrap();
        (model.forecast(&cut(curve, step), &own).unwrap(), end)
    })
    .collect()
}

#[test]
fn power_laws_are_continued_better_than_by_their_last_value() {
    let new = task("new", 60, 1.0, 99);
    for (step, own) in [(3.0, 0), (3.0, 8), (10.0, 8)] {
        let got = forecasts(&past(), &new, step, own);
        let error: f64 = got.iter().map(|(forecast, end)| (forecast.mean - end).abs()).sum();
        let last = new.curves[own..].iter();
        let last: f64 = last.map(|curve| curve.at(40.0).unwrap() - curve.at(step).unwrap()).sum();
        assert!(error < 0.6 * last, "step {step}, {own} own: {error} against {last}");
        assert_eq!(got[0].0.basis, ForecastBasis::PastCurves { curves: 240, tasks: 6 });
    }
}

/// 90 % intervals hold between 80 and 98 % of the ends, whatever the task's unit.
#[test]
fn intervals_are_calibrated() {
    for scale in [1.0, 250.0] {
        for (step, own) in [(2.0, 4), (5.0, 10), (20.0, 20)] {
            // In another unit the past says nothing about the spread: the own curves must.
            let own = if scale > 1.0 { own + 16 } else { own };
            let new = task("new", 200, scale, 7);
            let got = forecasts(&past(), &new, step, own);
            let inside =
                |(forecast, end): &&(Forecast, f64)| (end - forecast.mean).abs() <= 1.645 * forecast.std;
            let share = got.iter().filter(inside).count() as f64 / got.len() as f64;
            assert!((0.8..=0.98).contains(&share), "scale {scale}, step {step}, {own} own: {share}");
        }
    }
}

#[test]
fn own_residuals_correct_a_task_that_goes_on_otherwise() {
    // Curves of the new task fall back to half of what they had reached.
    let mut new = task("new", 60, 1.0, 5);
    let fall = |curve: &Curve| {
        let down = |(step, score): &(f64, f64)| (*step, if *step > 10.0 { 0.5 * score } else { *score });
        Curve::new(curve.points().iter().map(down).collect())
    };
    new.curves = new.curves.iter().map(fall).collect();
    let bias = |own| {
        let got = forecasts(&past(), &new, 8.0, own);
        got.iter().map(|(forecast, end)| (forecast.mean - end) / forecast.std).sum::<f64>() / got.len() as f64
    };
    let (none, many) = (bias(0), bias(30));
    assert!(many < 0.3 * none, "{none} {many}");
}

#[test]
fn an_empty_base_gives_a_wide_interval_around_what_is_seen() {
    let new = task("new", 20, 1.0, 3);
    for own in [0, 5] {
        for (forecast, end) in forecasts(&[], &new, 6.0, own) {
            assert_eq!(forecast.basis, ForecastBasis::OwnCurves);
            assert!((forecast.mean - end).abs() < 2.0 * forecast.std, "{forecast:?} {end}");
        }
    }
    let mut model = CurveModel::new(&[], 40.0);
    // Of a single score nobody knows how far it may go.
    assert_eq!(model.forecast(&Curve::new(vec![(1.0, 0.3)]), &[]).unwrap().std, 1.0);
    assert_eq!(model.forecast(&Curve::default(), &[]), None);
}

#[test]
fn a_finished_curve_is_taken_at_its_word_and_short_ones_are_stretched() {
    let new = task("new", 1, 1.0, 3);
    let mut model = CurveModel::new(&past(), 20.0);
    let end = new.curves[0].at(20.0);
    assert_eq!(model.forecast(&new.curves[0], &[]).map(|forecast| forecast.mean), end);
    // All past curves end at 40, the trials at 80.
    let mut longer = CurveModel::new(&past(), 80.0);
    let forecast = longer.forecast(&cut(&new.curves[0], 10.0), &[]).unwrap();
    assert_eq!(forecast.basis, ForecastBasis::PastCurves { curves: 240, tasks: 6 });
}

#[test]
fn the_same_question_has_the_same_answer() {
    let new = task("new", 20, 1.0, 3);
    assert_eq!(forecasts(&past(), &new, 5.0, 6), forecasts(&past(), &new, 5.0, 6));
}
