//! What is said of scores: how sure, and where they lie.

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::kernel::Parts;
use super::reading::Reading;
use super::tests::{history, history_of};
use super::*;

#[test]
fn deviations_are_those_that_past_tasks_leave_of_each_other() {
    // What they have in common, and noise.
    let noise =
        |task: i64, a: i64| Xoshiro256PlusPlus::seed_from_u64((1000 * task + a) as u64).r#gen::<f64>();
    let score = |task: i64| move |a: i64| a as f64 / 100.0 + 0.6 * noise(task, a);
    let history = history_of(100, &(0..6).map(score).collect::<Vec<_>>());
    let new = score(9);
    let raw: Vec<Option<f64>> = (0..100).map(|a| Some(new(a))).collect();
    let z = crate::gaussian_ranks(&raw);
    let seen = history.model().see(&history.views);
    let within = |expected: &Prediction, deviations: f64| {
        let inside = |at: &usize| (z[*at] - expected.mean[*at]).abs() <= deviations * expected.std[*at];
        (0..100).filter(inside).count()
    };
    let before = history.model().prior(&seen);
    let (_, posterior) =
        history.learn(&[95, 60, 20, 80, 45, 5, 33, 71], &[95, 60, 20, 80, 45, 5, 33, 71].map(|at| raw[at]));
    for expected in [before, posterior.expect(&seen)] {
        assert!((58..=78).contains(&within(&expected, 1.0)), "{}", within(&expected, 1.0));
        assert!((90..=100).contains(&within(&expected, 1.96)), "{}", within(&expected, 1.96));
    }
}

#[test]
fn without_a_past_what_is_said_lies_about_the_middle_of_the_space() {
    // A hill, so that scores have a long tail below; some trials of it, and one that diverged.
    let score = |a: i64| 0.9 - 1e-4 * (a - 70).pow(2) as f64;
    let history = history_of(100, &[score]);
    let model = history.model_of(&[]);
    let views = history.views.tasks(&[]);
    let seen = model.see(&views);
    let z = crate::gaussian_ranks(&(0..100).map(|a| Some(score(a))).collect::<Vec<_>>());
    let rows: Vec<usize> = (0..20).map(|n| (n * 37 + 5) % 100).collect();
    for diverged in [None, Some(-50.0)] {
        let mut scores: Vec<Option<f64>> = rows.iter().map(|row| Some(score(*row as i64))).collect();
        scores[4] = diverged.or(scores[4]);
        let posterior = model.condition(&seen, &views.select(&rows), &scores, &views.select(&[])).unwrap();
        let expected = posterior.expect(&seen);
        assert!(expected.mean.mean().unwrap().abs() < 1e-9, "{}", expected.mean);
        let inside = (0..100).filter(|at| (z[*at] - expected.mean[*at]).abs() <= expected.std[*at]).count();
        assert!((40..=99).contains(&inside), "{inside} with {diverged:?}");
    }
    // Of few candidates nobody knows what part of the space they are.
    let few = model.see(&views.select(&[69, 70, 71]));
    let scores: Vec<Option<f64>> = rows.iter().map(|row| Some(score(*row as i64))).collect();
    let posterior = model.condition(&few, &views.select(&rows), &scores, &views.select(&[])).unwrap();
    assert!(posterior.expect(&few).mean.iter().all(|mean| mean.is_finite()));
}

/// The mean variance of what is uncertain about where the trials lie.
fn uncertain_place(posterior: &Posterior, seen: &Seen) -> f64 {
    let of = |reading: &Reading| {
        let parts = Parts::between(&seen.features, reading.features());
        reading.predict_placed(&seen.features, &parts).2.mean().unwrap()
    };
    posterior.readings.iter().map(|(share, reading)| share * of(reading)).sum()
}

#[test]
fn where_few_trials_lie_is_uncertain_and_failed_ones_lie_nowhere() {
    let history = history(&[true, true, true]);
    for rows in [&[9][..], &[9, 4], &[9, 0, 5, 7]] {
        // Raw scores on a scale of their own, whose middle no past task tells.
        let scores: Vec<Option<f64>> = rows.iter().map(|row| Some(40.0 + 3.0 * *row as f64)).collect();
        let (seen, posterior) = history.learn(rows, &scores);
        let more = uncertain_place(&posterior, &seen);
        assert!((0.01..1.0).contains(&more), "{more} after {} trials", rows.len());
        for (_, reading) in &posterior.readings {
            let total: f64 = reading.alternatives.iter().map(|other| other.share).sum();
            assert!((total - 1.0).abs() < 1e-9, "{total}");
        }
    }
    let (seen, posterior) = history.learn(&[9, 3], &[None, None]);
    assert!(uncertain_place(&posterior, &seen).abs() < 1e-9);
}
