//! `CurveModel`: where a partial curve is going to end.

use std::collections::BTreeMap;

use super::features::{Look, spread};
use super::neighbours::Neighbours;
use super::{Curve, TaskCurves, power_law};

/// Past curves below which nothing is learnt from them.
const LEAST_CURVES: usize = 12;

/// Own finished curves after which a task's own residuals count half.
const HALF_OWN_RESIDUALS: f64 = 8.0;

/// Own finished curves whose residuals are looked at.
const MOST_RESIDUALS: usize = 32;

/// Without past curves, how many times what was seen to happen a standard deviation is.
const ALONE_WIDENING: f64 = 1.5;

/// What a partial curve is expected to end at, on the task's own scale, higher is better.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// The expected final score.
    pub mean: f64,
    /// Its standard deviation.
    pub std: f64,
    /// What it rests on.
    pub basis: ForecastBasis,
}

/// What a forecast rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForecastBasis {
    /// How past curves that looked alike went on.
    PastCurves {
        /// Curves compared with.
        curves: usize,
        /// Tasks they are of.
        tasks: usize,
    },
    /// The curve alone, and what its task has finished.
    OwnCurves,
}

/// Says where a partial curve is going to end, from how the past curves that looked most alike at that step went on. Looks
/// are compared in units of each task's spread at the step, and learnt as if each past task had as few curves as the task
/// that asks. The spread among the neighbours is the uncertainty, widened so that nine of ten final scores of left-out
/// tasks lie within their 90 % interval; own finished curves correct level and width. With fewer than 12 past curves it
/// falls back on a power law through the curve, or its last score, with a wide interval.
///
/// *Source*: the features and the idea of regressing on past curves are those of Baker, Gupta, Raskar, Naik, "Accelerating
/// Neural Architecture Search using Performance Prediction", 2017 (arXiv:1705.10823); nearest neighbours
/// instead of their support vectors, because they need no tuning and say their own spread.
pub struct CurveModel {
    full: f64,
    past: Vec<TaskCurves>,
    /// By step and number of own curves.
    fitted: BTreeMap<(u64, usize), Option<Neighbours>>,
}

impl CurveModel {
    /// The model of trials that end at step `full`. Past curves that go as far are cut there; when there are too few of
    /// them, the shorter ones are stretched to it.
    #[must_use]
    pub fn new(past: &[TaskCurves], full: f64) -> Self {
        let reaching = |curve: &&Curve| curve.reaches(full);
        let enough = past.iter().flat_map(|task| &task.curves).filter(reaching).count() >= LEAST_CURVES;
        let fit = |curve: &Curve| {
            if curve.reaches(full) {
                return Some(curve.clone());
            }
            let (last, _) = curve.last().filter(|(last, _)| !enough && *last > 0.0)?;
            // Rounding must not leave it short of the end.
            Some(curve.stretched(full / last * (1.0 + 1e-12)))
        };
        let task = |of: &TaskCurves| TaskCurves {
            task: of.task.clone(),
            curves: of.curves.iter().filter_map(fit).collect(),
        };
        let past = past.iter().map(task).filter(|task| !task.curves.is_empty()).collect();
        CurveModel { full, past, fitted: BTreeMap::new() }
    }

    /// The step where trials end.
    #[must_use]
    pub fn full(&self) -> f64 {
        self.full
    }

    /// Where a curve is going to end, beside the other curves `own` of its task; absent for a curve without a point. All
    /// scores are higher is better. A curve that has reached the end is taken at its word.
    pub fn forecast(&mut self, curve: &Curve, own: &[&Curve]) -> Option<Forecast> {
        let (step, now) = curve.last()?;
        if step >= self.full {
            let basis = ForecastBasis::OwnCurves;
            return curve.at(self.full).map(|end| Forecast { mean: end, std: 0.0, basis });
        }
        let reached = own.iter().filter(|other| other.reaches(step)).count();
        // The greatest power of two, so that few models serve all numbers of own curves.
        let like = if reached == 0 { 0 } else { 1 << reached.ilog2() };
        let typical = self.typical(step);
        let (past, full) = (&self.past, self.full);
        let fit = || Neighbours::fit(past, step, full, like, typical, LEAST_CURVES);
        let fitted = self.fitted.entry((step.to_bits(), like)).or_insert_with(fit);
        let Some(fitted) = fitted else { return Some(alone(curve, own, self.full)) };
        let raw = |curve: &Curve, own: &[&Curve]| {
            let look = Look::of(curve, own, step, full, typical)?;
            let (gain, std) = fitted.gain(&look);
            Some((look.now + look.scale * gain, look.scale * std))
        };
        let (mean, std) = raw(curve, own).unwrap_or((now, typical));
        let (shift, width) = own_residuals(own, full, raw);
        let basis = ForecastBasis::PastCurves { curves: fitted.len(), tasks: past.len() };
        Some(Forecast { mean: mean + shift * std, std: std * width, basis })
    }

    /// The past tasks' usual spread of scores at a step: the geometric mean.
    fn typical(&self, step: f64) -> f64 {
        let of_task = |task: &TaskCurves| {
            let mut values: Vec<f64> = task.curves.iter().filter_map(|curve| curve.at(step)).collect();
            values.sort_by(f64::total_cmp);
            Some(spread(&values)).filter(|spread| *spread > 0.0).map(f64::ln)
        };
        let logs: Vec<f64> = self.past.iter().filter_map(of_task).collect();
        if logs.is_empty() { 1.0 } else { (logs.iter().sum::<f64>() / logs.len() as f64).exp() }
    }
}

/// By how many deviations own finished curves ended above what was expected of them at this step, and how much more they
/// spread, both drawn towards (0, 1) while there are few.
fn own_residuals(
    own: &[&Curve],
    full: f64,
    raw: impl Fn(&Curve, &[&Curve]) -> Option<(f64, f64)>,
) -> (f64, f64) {
    let finished = own.iter().enumerate().filter(|(_, curve)| curve.reaches(full));
    let residual = |(at, curve): (usize, &&Curve)| {
        let mut others = own.to_vec();
        others.remove(at);
        let (mean, std) = raw(curve, &others)?;
        Some((curve.at(full)? - mean) / std)
    };
    let residuals: Vec<f64> = finished.rev().take(MOST_RESIDUALS).filter_map(residual).collect();
    let n = residuals.len() as f64 + HALF_OWN_RESIDUALS;
    let shift = residuals.iter().sum::<f64>() / n;
    let squares: f64 = residuals.iter().map(|residual| (residual - shift).powi(2)).sum();
    (shift, ((squares + HALF_OWN_RESIDUALS) / n).sqrt())
}

/// Without past curves: the power law through the curve or its last score, whichever is higher, give or take what own
/// finished curves still gained from this step on, what the curve itself has moved, and what the law adds.
fn alone(curve: &Curve, own: &[&Curve], full: f64) -> Forecast {
    let (step, now) = curve.last().unwrap_or_default();
    let points = curve.points();
    let mean = power_law::extrapolate(points, full).map_or(now, |law| law.max(now));
    let gains = own.iter().filter_map(|other| Some((other.at(full)? - other.at(step)?).abs()));
    let most_gain = gains.fold(0.0, f64::max);
    let low = points.iter().map(|point| point.1).fold(now, f64::min);
    let high = points.iter().map(|point| point.1).fold(now, f64::max);
    let moved = (high - low).max(mean - now).max(most_gain);
    // A curve that has not moved says nothing about how far it may still go.
    let std = if moved > 0.0 { ALONE_WIDENING * moved } else { now.abs().max(1.0) };
    Forecast { mean, std, basis: ForecastBasis::OwnCurves }
}

#[cfg(test)]
mod tests;
