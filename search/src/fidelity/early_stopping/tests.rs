//! What is reported and what is decided.

use heirloom_kb::{Architecture, Split};
use heirloom_predictor::TaskCurves;

use super::*;

const MAX: u32 = 27;

/// Three past tasks of 20 curves that rise to their ends as `1 - 1/t`, the ends from 0.1 to 1.
fn past() -> Vec<TaskCurves> {
    let curve = |end: f64| (1..=MAX).map(|step| rising(end, step)).collect();
    let task = |at: u32| TaskCurves {
        task: format!("past{at}").into(),
        curves: (1..=20).map(|rank| Curve::new(curve(0.05 * f64::from(rank)))).collect(),
    };
    (0..3).map(task).collect()
}

fn rising(end: f64, step: u32) -> (f64, f64) {
    (f64::from(step), end * (1.0 - 0.8 / f64::from(step)))
}

fn stopping(kind: SchedulerKind, goal: Goal, past: &[TaskCurves]) -> EarlyStopping {
    let setup = SchedulerSetup { kind, max_epochs: MAX, min_epochs: 1, eta: None };
    EarlyStopping::new(setup, goal, CurveModel::new(past, f64::from(MAX))).unwrap()
}

/// Reports a rising curve until it is stopped or ends, and tells it; the epochs spent.
fn run(stopping: &mut EarlyStopping, number: u64, end: f64, sign: f64) -> u32 {
    let mut trial =
        Trial::new("t", "s/1", Architecture::default(), Split::Validation, "m", sign * rising(end, MAX).1);
    for step in 1..=MAX {
        let score = sign * rising(end, step).1;
        trial.curve.push((f64::from(step), score));
        if stopping.report(number, step, score).unwrap().is_stop() {
            trial.status = Status::Pruned;
            stopping.end(number, &trial);
            return step;
        }
    }
    stopping.end(number, &trial);
    MAX
}

#[test]
fn every_rule_stops_the_poor_and_never_the_best() {
    for kind in SchedulerKind::ALL {
        for (goal, sign) in [(Goal::Maximize, 1.0), (Goal::Minimize, -1.0)] {
            let mut stopping = stopping(kind, goal, &past());
            let ends = [0.5, 0.7, 0.6, 0.65, 0.1, 0.2, 0.15, 0.12, 0.9, 0.11];
            let spent: Vec<u32> =
                (0..).zip(ends).map(|(at, end)| run(&mut stopping, at, end, sign)).collect();
            assert_eq!(spent[8], MAX, "{kind:?} {spent:?}");
            assert!(spent[4..8].iter().all(|epochs| *epochs < MAX), "{kind:?} {spent:?}");
        }
    }
}

#[test]
fn reports_are_idempotent_and_out_of_order_ones_are_refused() {
    let mut stopping = stopping(SchedulerKind::Asha, Goal::Maximize, &[]);
    let words = |error: SearchError| error.to_string();
    for (trial, score) in [(0, 0.5), (1, 0.6)] {
        stopping.report(trial, 1, score).unwrap();
    }
    let stopped = stopping.report(2, 1, 0.1).unwrap();
    assert!(stopped.is_stop() && stopped.why().starts_with("2 of 3 trials were better at 1 epochs"));
    // Again, and beyond: it stays stopped. The rung has not counted it twice.
    assert_eq!(stopping.report(2, 1, 0.1).unwrap(), stopped);
    assert_eq!(stopping.report(2, 2, 0.9).unwrap(), stopped);
    stopping.report(0, 2, 0.55).unwrap();
    assert!(stopping.report(3, 1, 0.7).unwrap().why().starts_with("0 of 4"));
    assert!(!stopping.report(0, 1, 0.5).unwrap().is_stop());
    let cases = [
        (0, 1, 0.4, "report at step 1: it was reported before as 0.5, now as 0.4"),
        (0, 0, 0.4, "report at step 0: steps go from 1 to 27"),
        (0, 28, 0.4, "report at step 28: steps go from 1 to 27"),
        (0, 3, f64::NAN, "report at step 3: the score is NaN, it must be a finite number"),
    ];
    for (trial, step, score, message) in cases {
        assert_eq!(words(stopping.report(trial, step, score).unwrap_err()), message);
    }
    stopping.report(0, 9, 0.6).unwrap();
    let late = stopping.report(0, 4, 0.5).unwrap_err();
    assert_eq!(words(late), "report at step 4: step 9 was reported before; steps must come in order");
    let trial = Trial::new("t", "s/1", Architecture::default(), Split::Validation, "m", 0.6);
    stopping.end(0, &trial);
    assert_eq!(
        words(stopping.report(0, 10, 0.6).unwrap_err()),
        "report at step 10: the trial has been told already"
    );
}

/// Whatever rises faster or slower than what was finished, without a base nothing near the best is stopped.
#[test]
fn an_empty_base_stops_nothing_wrongly() {
    let mut stopping = stopping(SchedulerKind::Extrapolation, Goal::Maximize, &[]);
    for (number, end) in (0..).zip([0.6, 0.5, 0.7, 0.65, 0.9, 0.6, 0.8]) {
        let better = end > 0.55;
        let spent = run(&mut stopping, number, end, 1.0);
        assert!(spent == MAX || !better, "{end} was stopped after {spent}");
    }
}

#[test]
fn a_diverging_curve_is_stopped_and_a_constant_best_is_not() {
    let mut stopping = stopping(SchedulerKind::Extrapolation, Goal::Maximize, &past());
    run(&mut stopping, 0, 0.8, 1.0);
    let falling: Vec<bool> = (1..=9)
        .map(|step| stopping.report(1, step, 0.4 - 0.05 * f64::from(step)).unwrap().is_stop())
        .collect();
    assert!(falling.iter().any(|stop| *stop), "{falling:?}");
    assert!((1..=MAX).all(|step| !stopping.report(2, step, 0.95).unwrap().is_stop()));
    // What the stopped one would have reached is not better than what it had.
    assert!(stopping.forecast(1).unwrap().mean < 0.4);
}

/// The curves of ended trials count without having been reported.
#[test]
fn told_curves_count_like_reported_ones() {
    let mut told = stopping(SchedulerKind::Asha, Goal::Maximize, &[]);
    let mut reported = stopping(SchedulerKind::Asha, Goal::Maximize, &[]);
    for (number, end) in (0..).zip([0.5, 0.6, 0.7]) {
        let mut trial = Trial::new("t", "s/1", Architecture::default(), Split::Validation, "m", end);
        trial.curve = (1..=MAX).map(|step| rising(end, step)).collect();
        told.end(number, &trial);
        run(&mut reported, number, end, 1.0);
    }
    assert_eq!(told.report(9, 1, 0.05).unwrap(), reported.report(9, 1, 0.05).unwrap());
    assert!(told.report(9, 1, 0.05).unwrap().is_stop());
}

#[test]
fn a_setup_that_does_not_hold_together_is_refused() {
    let setup = |kind, max_epochs, min_epochs, eta| SchedulerSetup { kind, max_epochs, min_epochs, eta };
    let asha = SchedulerKind::Asha;
    let cases = [
        (setup(asha, 10, 0, None), "scheduler: min_epochs is 0, it must be at least 1"),
        (setup(asha, 5, 5, None), "scheduler: min_epochs is 5, it must be less than max_epochs, 5"),
        (setup(asha, 5, 1, Some(1)), "scheduler: eta is 1, it must be at least 2"),
        (
            setup(SchedulerKind::OneEpoch, 5, 1, Some(3)),
            "scheduler: eta is 3, but the one-epoch rule looks only once and has no eta",
        ),
    ];
    for (setup, message) in cases {
        let refused = EarlyStopping::new(setup, Goal::Maximize, CurveModel::new(&[], 5.0));
        assert_eq!(refused.err().map(|error| error.to_string()).as_deref(), Some(message));
    }
}
