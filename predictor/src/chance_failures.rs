//! Failures and divergences that say nothing of what failed: a machine that went down, a seed without luck.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, ArrayView2, Axis};

use crate::folds::{Fold, folds};
use crate::transfer::median_and_unit;
use crate::{Encoder, ForestParams, Part, PredictError, Surrogate, TaskScores};

/// Fewer failures than this change little and do not show what foretells them; fewer scores leave nothing to learn from.
const FEWEST_FAILURES: usize = 15;
const FEWEST_SCORES: usize = 8;
/// A score so many times as far below the median as the best is above it is that of a training that diverged.
const DIVERGED: f64 = 20.0;
/// Failures are no chance where a forest explains a larger share of the variance of held-out ones. Of chance it explains less than
/// nothing: of 30 failures among 100 trials -.25 to -.04 (nine of ten), of those three times as frequent in a fifth of a space -.16 to .09.
const EXPLAINED: f64 = -0.05;
/// Parts that trials are held out in, and the most trials that are looked at.
const FOLDS: usize = 5;
const LOOKED_AT: usize = 2_000;

/// The positions of a task's trials that a model learns from: all of them, but failures only where parameters foretell them. Chance
/// failures, which rank last, would make a model think little of what is like them.
///
/// Of a space that is one list of names nothing foretells which fail, for each stands there once; there all count.
///
/// # Shapes
/// `x` are the task's architectures, `(n, d)`.
///
/// # Errors
/// Of the forest.
pub(crate) fn counting(
    scores: &TaskScores,
    x: ArrayView2<'_, f64>,
    encoder: &Encoder,
) -> Result<Vec<usize>, PredictError> {
    let n = scores.scores.len();
    let failed = fallen(&scores.scores);
    let failures = failed.iter().filter(|failed| **failed).count();
    let is_list = Part::of(&encoder.features()[..encoder.own_width()]).len() < 2;
    let judged = !is_list && failures >= FEWEST_FAILURES && n - failures >= FEWEST_SCORES;
    if !judged || explained(x, &failed)? > EXPLAINED {
        return Ok((0..n).collect());
    }
    Ok((0..n).filter(|at| !failed[*at]).collect())
}

/// Which have failed, or scored so far below all others that their training must have diverged.
fn fallen(scores: &[Option<f64>]) -> Vec<bool> {
    let bottom = median_and_unit(scores).map_or(f64::NEG_INFINITY, |(median, unit)| median - DIVERGED * unit);
    scores.iter().map(|score| score.is_none_or(|score| score < bottom)).collect()
}

/// The share of the variance of held-out failures that a forest explains.
fn explained(x: ArrayView2<'_, f64>, failed: &[bool]) -> Result<f64, PredictError> {
    let n = failed.len().min(LOOKED_AT);
    let y: Array1<f64> = failed[..n].iter().map(|failed| f64::from(u8::from(*failed))).collect();
    let forest = ForestParams::default().trees(32).check()?;
    let mut error = 0.0;
    for Fold { train, test } in folds(n, FOLDS, 0) {
        let examples = DatasetBase::new(x.select(Axis(0), &train), y.select(Axis(0), &train));
        let expected = forest.fit(&examples)?.predict(x.select(Axis(0), &test).view())?.mean;
        error += test.iter().zip(&expected).map(|(at, expected)| (y[*at] - expected).powi(2)).sum::<f64>();
    }
    Ok(1.0 - error / n as f64 / y.var(0.0).max(1e-9))
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Status, Task, Trial};

    use super::*;
    use crate::TrainingTable;

    /// How many of 120 trials count of a task in which those fail that `fails` says.
    fn counted(space: &str, fails: impl Fn(f64, u64) -> bool) -> usize {
        let failed = counted_where(space, &fails, None);
        assert_eq!(failed, counted_where(space, &fails, Some(-1e4)), "a divergence is as a failure");
        failed
    }

    fn counted_where(space: &str, fails: &dyn Fn(f64, u64) -> bool, score: Option<f64>) -> usize {
        let space: SearchSpace = serde_json::from_str(space).unwrap();
        let task = Task::new("t", Domain::Tabular, "accuracy", Goal::Maximize);
        let trial = |at: u64| {
            let u = (at as f64 * 0.618).fract();
            let mut architecture = Architecture::default();
            for param in space.params() {
                let value = match &*param.name {
                    "model" => heirloom_kb::Value::from(format!("m{at}").as_str()),
                    "depth" => heirloom_kb::Value::Int((at * 7 % 9) as i64),
                    _ => heirloom_kb::Value::Real(u),
                };
                architecture.0.insert(param.name.clone(), value);
            }
            let mut trial =
                Trial::new("t", space.id().clone(), architecture, Split::Validation, "accuracy", u);
            if fails(u, at) {
                trial.score = score;
                trial.status = if score.is_none() { Status::Failed } else { Status::Complete };
            }
            trial
        };
        let trials: Vec<Trial> = (0..120).map(trial).collect();
        let table = TrainingTable::new(&space, &[task], &trials, Clone::clone, None).unwrap();
        let scores = &table.tasks()[0];
        let x = table.x().select(Axis(0), &scores.rows);
        counting(scores, x.view(), table.encoder()).unwrap().len()
    }

    /// Where most score the same, at a ceiling, nothing is known of how far below it is far.
    #[test]
    fn what_is_below_a_ceiling_has_not_diverged() {
        assert_eq!(
            fallen(&[Some(1.0), Some(1.0), Some(1.0), Some(0.2), None]),
            [false, false, false, false, true]
        );
        assert_eq!(fallen(&[Some(0.0), Some(1.0), Some(0.5), Some(-1e3)]), [false, false, false, true]);
    }

    #[test]
    fn failures_count_where_something_foretells_them() {
        let mixed = r#"{"id":"s/1","params":[{"name":"lr","range":{"kind":"real","lo":0,"hi":1}},
            {"name":"depth","range":{"kind":"int","lo":0,"hi":8}}]}"#;
        let scrambled = |at: u64| (at + 3).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) % 10;
        assert_eq!(counted(mixed, |u, _| u > 0.8), 120, "a learning rate that is too large");
        assert_eq!(counted(mixed, |_, at| at * 7 % 9 == 8), 120, "too deep");
        let chance = counted(mixed, |_, at| scrambled(at) < 3);
        assert!((70..100).contains(&chance), "chance: {chance}");
        assert_eq!(counted(mixed, |_, at| at % 12 == 5), 120, "too few to tell");
        assert_eq!(counted_where(mixed, &|_, at| at != 5 && at != 7, None), 120, "nothing else");
        let options: Vec<String> = (0..120).map(|at| format!("\"m{at}\"")).collect();
        let list = format!(
            r#"{{"id":"s/1","params":[{{"name":"model","range":{{"kind":"choice","options":[{}]}}}}]}}"#,
            options.join(",")
        );
        assert_eq!(counted(&list, |_, at| scrambled(at) < 3), 120, "a list of names");
    }
}
