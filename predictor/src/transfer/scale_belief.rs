//! `ScaleBelief`: what is believed of a new task's median and unit before its scores are placed.

use heirloom_kb::Task;

use super::features::Features;
use super::score_shape::{Scale, ScoreShape, median_and_unit};
use crate::TaskScores;

/// Units that are tried around the expected one, in its deviations.
const DEVIATIONS: [f64; 9] = [-2.5, -1.75, -1.1, -0.5, 0.0, 0.5, 1.1, 1.75, 2.5];
/// Degrees of freedom of the beliefs: a task may be far harder than all before, or count in per cent what they count in shares.
const FREEDOM: f64 = 3.0;
/// Units that scores tell count beside the expected one if they are so many of its deviations away.
const FAR: f64 = 2.5;
/// Past units whose logarithms deviate by more than this say nothing of a new one: those that are tried around the expected one would lie so
/// far apart that scores fit none of them, and medians have no common measure either. Which reading of the past is believed would
/// then be decided by which misses by least.
const SCATTERED: f64 = 1.5;
/// So many scores that lie far closer together than usual do not all stand on a plateau.
const MANY: usize = 8;
/// Deviation of the logarithm of a unit that is told from the scores at hand.
const TOLD_LOG_STD: f64 = 0.8;

/// What is believed of the scale of a new task's scores: the logarithm of its unit, its best minus its median score; and, where past
/// tasks have the same metric, its median. Past medians are what tells that a first trial was bad.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ScaleBelief {
    log_unit: Belief,
    median: Option<Belief>,
}

/// A Student t distribution of few degrees of freedom: what lies far off is unlikely, but not impossible.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Belief {
    mean: f64,
    std: f64,
}

impl Belief {
    /// That values of past tasks suggest for a new one, with this variance on top.
    fn of(values: &[f64], more: f64) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        Belief { mean, std: (variance + more).sqrt() }
    }

    /// Up to a constant.
    fn log_density(&self, value: f64) -> f64 {
        let deviations = (value - self.mean) / self.std;
        -0.5 * (FREEDOM + 1.0) * (deviations * deviations / FREEDOM).ln_1p()
    }

    fn grid(&self) -> impl Iterator<Item = f64> + '_ {
        DEVIATIONS.into_iter().map(|deviations| self.mean + deviations * self.std)
    }
}

impl ScaleBelief {
    /// What past tasks of the new one's metric say; `None` where there are none, or where their units lie orders of magnitude apart, as errors
    /// in dollars and in degrees do.
    pub(super) fn of_past(scores: &[&TaskScores], tasks: &[&Task], new: &Task) -> Option<Self> {
        let alike =
            scores.iter().zip(tasks).filter(|(_, task)| task.metric == new.metric && task.goal == new.goal);
        let (medians, logs): (Vec<f64>, Vec<f64>) = alike
            .filter_map(|(scores, _)| median_and_unit(&scores.scores))
            .map(|(median, unit)| (median, unit.ln()))
            .unzip();
        if logs.is_empty() {
            return None;
        }
        let n = logs.len() as f64;
        let log_unit = Belief::of(&logs, 0.3 + 0.5 / n);
        if log_unit.std > SCATTERED {
            return None;
        }
        let unit = log_unit.mean.exp();
        let median = Belief::of(&medians, unit * unit * (0.3 + 1.0 / n));
        Some(ScaleBelief { log_unit, median: Some(median) })
    }

    /// The unit that is expected.
    pub(super) fn usual_unit(&self) -> f64 {
        self.log_unit.mean.exp()
    }

    /// Where the past says nothing: the spread of the scores at hand beside the spread that was expected of them.
    pub(super) fn of_scores(
        scores: &[Option<f64>],
        features: &Features,
        slope: f64,
        shape: &ScoreShape,
    ) -> Self {
        let size = told_unit(scores, features, slope, shape).unwrap_or(1.0);
        ScaleBelief { log_unit: Belief { mean: size.ln(), std: TOLD_LOG_STD }, median: None }
    }

    /// Up to a constant.
    pub(super) fn log_density(&self, scale: Scale) -> f64 {
        let median = self.median.map_or(0.0, |median| median.log_density(scale.median));
        self.log_unit.log_density(scale.unit.ln()) + median
    }

    /// Units to try: around the expected one, and around that which the spread of some scores tells where that is far larger, or
    /// smaller although the scores are many: a few that lie close together may stand on a plateau.
    pub(super) fn units(&self, told: Option<f64>, scores: usize) -> Vec<f64> {
        let mut logs: Vec<f64> = self.log_unit.grid().collect();
        if let Some(told) = told.map(f64::ln) {
            let beyond = told - self.log_unit.mean;
            let far = beyond.abs() > FAR * self.log_unit.std && (beyond > 0.0 || scores >= MANY);
            if far {
                logs.extend(Belief { mean: told, std: TOLD_LOG_STD }.grid());
            }
        }
        logs.into_iter().map(f64::exp).collect()
    }
}

/// The unit that brings the spread of scores to that which was expected of them; `None` where there is no spread.
pub(super) fn told_unit(
    scores: &[Option<f64>],
    features: &Features,
    slope: f64,
    shape: &ScoreShape,
) -> Option<f64> {
    let raw: Vec<f64> = scores.iter().flatten().copied().collect();
    let heights: Vec<f64> = features.mean.iter().map(|mean| shape.height(slope * mean)).collect();
    let scatter = if raw.is_empty() { 0.0 } else { deviation(&raw).min(robust_deviation(&raw)) };
    // Heights scatter around what is expected of them by about that of half a deviation.
    let usual = deviation(&heights).hypot(shape.height(0.5) - shape.height(0.0));
    let unit = scatter / usual.max(1e-3);
    (unit > 0.0 && unit.is_finite()).then_some(unit)
}

fn deviation(values: &[f64]) -> f64 {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// 1.4826 times the median distance from the median, which for a normal distribution is its deviation and which a score that is far off
/// does not change; infinite where more than half of the values are alike.
fn robust_deviation(values: &[f64]) -> f64 {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let median = middle(values.to_vec());
    let distance = middle(values.iter().map(|value| (value - median).abs()).collect());
    if distance > 0.0 { 1.4826 * distance } else { f64::INFINITY }
}
