//! `Neighbours`: the past curves that looked alike at one step, and how they went on.

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::features::{FEATURES, Look, quantile};
use super::{Curve, TaskCurves};

/// Past curves that an expectation rests on.
const NEAREST: usize = 25;

/// Past curves that are compared with, all tasks together.
const MOST_CURVES: usize = 1_000;

/// Features further out than so many deviations are drawn in: beyond, alike is alike.
const CLIP: f64 = 4.0;

/// The 95 % quantile of the standard normal distribution: nine of ten residuals lie within.
const NINE_TENTHS: f64 = 1.644_854;

/// How much wider an interval is made when there is but one past task, so that nothing says how much tasks differ.
const ONE_TASK: f64 = 1.5;

/// A past curve at the step.
struct Example {
    task: usize,
    features: [f64; FEATURES],
    /// Final score minus score at the step, in units of the task's spread.
    gain: f64,
}

/// How past curves that looked alike at one step went on, learnt as if each past task had been new and had so far only
/// as many curves as the task that asks.
pub(super) struct Neighbours {
    examples: Vec<Example>,
    mean: [f64; FEATURES],
    deviation: [f64; FEATURES],
    /// Least standard deviation of a gain.
    floor: f64,
    /// What standard deviations are multiplied by, so that nine of ten residuals on left-out tasks lie within 1.645.
    widening: f64,
}

impl Neighbours {
    /// Of the past tasks, whose curves all reach `full`, at `step`; each curve sees `own` others of its task. Absent
    /// when there are fewer than `least` examples.
    pub(super) fn fit(
        past: &[TaskCurves],
        step: f64,
        full: f64,
        own: usize,
        typical: f64,
        least: usize,
    ) -> Option<Self> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(step.to_bits() ^ own as u64);
        let quota = MOST_CURVES.div_ceil(past.len().max(1)).max(1);
        let mut examples = Vec::new();
        for (task, TaskCurves { curves, .. }) in past.iter().enumerate() {
            let stride = curves.len().div_ceil(quota).max(1);
            for at in (0..curves.len()).step_by(stride) {
                let others = others(curves, at, own, &mut rng);
                let Some(look) = Look::of(&curves[at], &others, step, full, typical) else { continue };
                let Some(end) = curves[at].at(full) else { continue };
                examples.push(Example { task, features: look.features, gain: (end - look.now) / look.scale });
            }
        }
        if examples.len() < least {
            return None;
        }
        let (mean, deviation) = moments(&examples);
        for example in &mut examples {
            example.features = standard(&example.features, &mean, &deviation);
        }
        let n = examples.len() as f64;
        let centre = examples.iter().map(|example| example.gain).sum::<f64>() / n;
        let variance = examples.iter().map(|example| (example.gain - centre).powi(2)).sum::<f64>() / n;
        let floor = (0.05 * variance.sqrt()).max(1e-3);
        let mut fitted = Neighbours { examples, mean, deviation, floor, widening: 1.0 };
        fitted.widening = fitted.calibrate();
        Some(fitted)
    }

    /// Expected gain and its standard deviation, in units of the task's spread.
    pub(super) fn gain(&self, look: &Look) -> (f64, f64) {
        let (mean, std) = self.nearest(&standard(&look.features, &self.mean, &self.deviation), |_, _| true);
        (mean, std * self.widening)
    }

    /// Past curves that are compared with.
    pub(super) fn len(&self) -> usize {
        self.examples.len()
    }

    /// Mean and deviation of the gains of the nearest examples that count.
    fn nearest(&self, at: &[f64; FEATURES], counts: impl Fn(usize, &Example) -> bool) -> (f64, f64) {
        let distance =
            |other: &[f64; FEATURES]| -> f64 { at.iter().zip(other).map(|(a, b)| (a - b).powi(2)).sum() };
        let examples = self.examples.iter().enumerate().filter(|(at, example)| counts(*at, example));
        let mut near: Vec<(f64, f64)> =
            examples.map(|(_, example)| (distance(&example.features), example.gain)).collect();
        let k = NEAREST.min((near.len() / 4).max(3)).min(near.len());
        if k == 0 {
            return (0.0, self.floor);
        }
        near.select_nth_unstable_by(k - 1, |a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let gains = &near[..k];
        let mean = gains.iter().map(|(_, gain)| gain).sum::<f64>() / k as f64;
        let squares = gains.iter().map(|(_, gain)| (gain - mean).powi(2)).sum::<f64>();
        (mean, (squares / (k - 1).max(1) as f64 + self.floor.powi(2)).sqrt())
    }

    /// How much wider intervals must be to hold on tasks that were left out (of a single task, on curves left out).
    fn calibrate(&self) -> f64 {
        let one = self.examples.iter().all(|example| example.task == self.examples[0].task);
        let residual = |at: usize| {
            let left_out = &self.examples[at];
            let counts = |other: usize, example: &Example| {
                if one { other != at } else { example.task != left_out.task }
            };
            let (mean, std) = self.nearest(&left_out.features, counts);
            (left_out.gain - mean).abs() / std
        };
        let mut residuals: Vec<f64> = (0..self.examples.len()).map(residual).collect();
        residuals.sort_by(f64::total_cmp);
        (quantile(&residuals, 0.9) / NINE_TENTHS).max(0.5) * if one { ONE_TASK } else { 1.0 }
    }
}

/// Up to `n` curves of a task, drawn at random, without the one at `without`.
fn others<'a>(curves: &'a [Curve], without: usize, n: usize, rng: &mut Xoshiro256PlusPlus) -> Vec<&'a Curve> {
    let drawn = sample(rng, curves.len() - 1, n.min(curves.len() - 1));
    drawn.into_iter().map(|at| &curves[at + usize::from(at >= without)]).collect()
}

/// Mean and standard deviation of each feature; a feature that does not vary has deviation 1.
fn moments(examples: &[Example]) -> ([f64; FEATURES], [f64; FEATURES]) {
    let n = examples.len() as f64;
    let (mut mean, mut deviation) = ([0.0; FEATURES], [0.0; FEATURES]);
    for feature in 0..FEATURES {
        let values = || examples.iter().map(|example| example.features[feature]);
        mean[feature] = values().sum::<f64>() / n;
        let variance = values().map(|value| (value - mean[feature]).powi(2)).sum::<f64>() / n;
        deviation[feature] = if variance > 1e-18 { variance.sqrt() } else { 1.0 };
    }
    (mean, deviation)
}

fn standard(
    features: &[f64; FEATURES],
    mean: &[f64; FEATURES],
    deviation: &[f64; FEATURES],
) -> [f64; FEATURES] {
    std::array::from_fn(|at| ((features[at] - mean[at]) / deviation[at]).clamp(-CLIP, CLIP))
}
