//! `FidelityAdvice`: how many epochs tell architectures apart.

use heirloom_kb::Name;
use heirloom_predictor::{Curve, TaskCurves};
use serde::Serialize;

use crate::rank_correlation::{correlation, mean_ranks};

/// Curves of a task below which its ranking says nothing.
const LEAST_CURVES: usize = 8;

/// How long to train a trial before it is judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FidelityAdvice {
    /// The fidelity, such as `epochs`.
    pub name: Name,
    /// How much of it is worth spending on a trial first.
    pub value: f64,
    /// What a whole training takes: where most past tasks' curves end.
    pub full: f64,
    /// Spearman's correlation between the scores at `value` and at the end, the mean over past tasks.
    pub rank_correlation: f64,
    /// Why, in plain words.
    pub why: String,
}

/// The least step at which the past tasks' rankings of their trials agree with the final ones: Spearman's correlation,
/// averaged over tasks, is at least `threshold` from there on. Absent when no past task has eight curves of one length, or
/// when they agree only at the end.
///
/// *Source*: rank correlation as the measure of a fidelity is that of Ying et al., "NAS-Bench-101", 2019
/// (arXiv:1902.09635), and Zhou et al., "EcoNAS: Finding Proxies for Economical Neural Architecture Search", 2020
/// (arXiv:2001.01233).
#[must_use]
pub fn advise_fidelity(past: &[TaskCurves], name: &str, threshold: f64) -> Option<FidelityAdvice> {
    let full = usual_end(past)?;
    let whole = |task: &TaskCurves| -> Vec<Curve> {
        task.curves.iter().filter(|curve| curve.reaches(full)).cloned().collect()
    };
    let tasks: Vec<Vec<Curve>> =
        past.iter().map(whole).filter(|curves| curves.len() >= LEAST_CURVES).collect();
    let mut steps: Vec<f64> =
        tasks.iter().flatten().flat_map(|curve| curve.points()).map(|at| at.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    let mut advice = None;
    for step in steps.into_iter().rev().filter(|step| *step < full) {
        let correlations: Vec<f64> =
            tasks.iter().filter_map(|curves| agreement(curves, step, full)).collect();
        // Tasks whose curves begin later do not count at this step; half of them must.
        if correlations.is_empty() || correlations.len() < tasks.len().div_ceil(2) {
            break;
        }
        let mean = correlations.iter().sum::<f64>() / correlations.len() as f64;
        if mean < threshold {
            break;
        }
        let least = correlations.iter().copied().fold(f64::INFINITY, f64::min);
        advice = Some(FidelityAdvice {
            name: name.into(),
            value: step,
            full,
            rank_correlation: mean,
            why: format!(
                "after {step} of {full} {name} the ranking of a task's trials agrees with the final one by a rank \
                 correlation of {mean:.2} (mean of {} past tasks, the least {least:.2}; {threshold} was asked for)",
                correlations.len()
            ),
        });
    }
    advice
}

/// The step where most of the curves end, the larger of equals.
fn usual_end(past: &[TaskCurves]) -> Option<f64> {
    let ends = past.iter().flat_map(|task| &task.curves).filter_map(Curve::last);
    let mut ends: Vec<f64> = ends.map(|(step, _)| step).collect();
    ends.sort_by(f64::total_cmp);
    let runs = ends.chunk_by(|a, b| a == b);
    runs.max_by_key(|run| run.len()).map(|run| run[0])
}

/// Spearman's correlation between the scores at a step and at the end; absent when fewer than eight curves have begun, or
/// when either does not vary.
fn agreement(curves: &[Curve], step: f64, full: f64) -> Option<f64> {
    let pairs: Vec<(f64, f64)> =
        curves.iter().filter_map(|curve| Some((curve.at(step)?, curve.at(full)?))).collect();
    if pairs.len() < LEAST_CURVES {
        return None;
    }
    let (early, late): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
    correlation(&mean_ranks(&early), &mean_ranks(&late))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve curves of ten steps that keep their order from step `settled` on and run in reverse before.
    fn task(name: &str, settled: u32) -> TaskCurves {
        let curve = |rank: u32| {
            let at = |step: u32| {
                let sign = if step < settled { -1.0 } else { 1.0 };
                (f64::from(step), sign * f64::from(rank) + f64::from(step))
            };
            Curve::new((1..=10).map(at).collect())
        };
        TaskCurves { task: name.into(), curves: (0..12).map(curve).collect() }
    }

    #[test]
    fn the_step_from_which_rankings_agree_is_advised() {
        let past = [task("a", 4), task("b", 4)];
        let advice = advise_fidelity(&past, "epochs", 0.9).unwrap();
        assert_eq!((advice.value, advice.full, advice.rank_correlation), (4.0, 10.0, 1.0));
        assert!(advice.why.starts_with("after 4 of 10 epochs"), "{}", advice.why);
        // One task settles late: the mean decides.
        let mixed = [task("a", 1), task("b", 1), task("c", 6)];
        assert_eq!(advise_fidelity(&mixed, "epochs", 0.9).unwrap().value, 6.0);
        assert_eq!(advise_fidelity(&mixed, "epochs", 0.3).unwrap().value, 1.0);
    }

    #[test]
    fn without_agreement_or_curves_there_is_no_advice() {
        assert_eq!(advise_fidelity(&[], "epochs", 0.9), None);
        assert_eq!(advise_fidelity(&[task("a", 10)], "epochs", 0.9), None);
        let mut few = task("a", 1);
        few.curves.truncate(LEAST_CURVES - 1);
        assert_eq!(advise_fidelity(&[few], "epochs", 0.9), None);
    }
}
