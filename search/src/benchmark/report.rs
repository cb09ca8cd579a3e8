//! What a benchmark found.

use std::collections::BTreeMap;

use heirloom_kb::Name;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::replay::Checkpoint;
use super::{BenchmarkSetup, CHECKPOINTS};
use crate::StrategyKind;

/// What a benchmark found: a curve a method, over all seeds and tasks and for each task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchmarkReport {
    /// What was measured.
    pub setup: BenchmarkSetup,
    /// In the order of the setup.
    pub methods: Vec<MethodReport>,
    /// The replays that the curves sum up.
    #[serde(skip)]
    replays: Vec<BTreeMap<Name, Vec<Vec<Checkpoint>>>>,
}

/// One method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MethodReport {
    /// Its name.
    pub method: StrategyKind,
    /// Over all seeds and tasks, one point a checkpoint.
    pub curve: Vec<Point>,
    /// The mean of the curve's regrets.
    pub mean_regret: f64,
    /// The same for each task.
    pub tasks: Vec<TaskReport>,
}

/// One method on one task, over the seeds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskReport {
    /// The task.
    pub task: Name,
    /// One point a checkpoint.
    pub curve: Vec<Point>,
}

/// A method after so many trials: means over replays.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// The number of trials.
    pub trials: usize,
    /// `(best - best found) / (best - median)` of the validation scores of all architectures.
    pub regret: f64,
    /// Half the width of its 95 % interval over seeds and tasks, by Student's t; 0 for a single replay.
    pub regret_half_width: f64,
    /// The share of architectures that the best found is at least as good as.
    pub percentile: f64,
    /// The share of proposals so far that scored within their 95 % interval; absent for who expects nothing. Who proposes what
    /// is expected to be best is likely to have expected too much, so this is less than for candidates at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered: Option<f64>,
    /// The same of their 68 % interval, which is one deviation to either side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub covered_68: Option<f64>,
    /// Test score of the best found, in the tasks' own metrics; absent where a task has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_score: Option<f64>,
    /// Seconds that the proposal of this trial took.
    pub ask_s: f64,
}

impl BenchmarkReport {
    pub(super) fn new(setup: &BenchmarkSetup) -> Self {
        BenchmarkReport {
            setup: setup.clone(),
            methods: Vec::new(),
            replays: vec![BTreeMap::new(); setup.methods.len()],
        }
    }

    pub(super) fn add(&mut self, method: usize, task: &Name, curve: Vec<Checkpoint>) {
        self.replays[method].entry(task.clone()).or_default().push(curve);
    }

    pub(super) fn summarise(&mut self) {
        let methods = self.setup.methods.iter().zip(&self.replays).map(|(method, by_task)| {
            let all: Vec<&Vec<Checkpoint>> = by_task.values().flatten().collect();
            let curve = curve(&all);
            let total: f64 = curve.iter().map(|point| point.regret).sum();
            let tasks = by_task.iter().map(|(task, replays)| TaskReport {
                task: task.clone(),
                curve: self::curve(&replays.iter().collect::<Vec<_>>()),
            });
            MethodReport {
                method: *method,
                mean_regret: total / curve.len().max(1) as f64,
                tasks: tasks.collect(),
                curve,
            }
        });
        self.methods = methods.collect();
    }
}

/// Means over the replays that reach a checkpoint.
fn curve(replays: &[&Vec<Checkpoint>]) -> Vec<Point> {
    let point = |(at, trials): (usize, usize)| {
        let reached: Vec<&Checkpoint> = replays.iter().filter_map(|replay| replay.get(at)).collect();
        (!reached.is_empty()).then(|| summary(trials, &reached))
    };
    CHECKPOINTS.into_iter().enumerate().map_while(point).collect()
}

fn summary(trials: usize, reached: &[&Checkpoint]) -> Point {
    let regrets: Vec<f64> = reached.iter().map(|checkpoint| checkpoint.regret).collect();
    let tests: Option<Vec<f64>> = reached.iter().map(|checkpoint| checkpoint.test_score).collect();
    let covered = |at: usize| -> Option<Vec<f64>> {
        reached.iter().map(|checkpoint| checkpoint.covered.map(|covered| covered[at])).collect()
    };
    let mean_of =
        |field: fn(&Checkpoint) -> f64| mean(&reached.iter().map(|point| field(point)).collect::<Vec<_>>());
    Point {
        trials,
        regret: mean(&regrets),
        regret_half_width: half_width(&regrets),
        percentile: mean_of(|point| point.percentile),
        covered: covered(1).map(|covered| mean(&covered)),
        covered_68: covered(0).map(|covered| mean(&covered)),
        test_score: tests.map(|tests| mean(&tests)),
        ask_s: mean_of(|point| point.ask_s),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Half the width of the 95 % interval of a mean.
pub(crate) fn half_width(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if values.len() < 2 {
        return 0.0;
    }
    let centre = mean(values);
    let variance = values.iter().map(|value| (value - centre).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).map_or(1.96, |t| t.inverse_cdf(0.975));
    t * (variance / n).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.t.interval(0.95, 3, loc=2.5, scale=scipy.stats.sem([1, 2, 3, 4])) is (0.4457, 4.5543).
    #[test]
    fn the_interval_agrees_with_scipy() {
        assert!((half_width(&[1.0, 2.0, 3.0, 4.0]) - 2.054_260_9).abs() < 1e-5);
        assert_eq!(half_width(&[7.0]), 0.0);
    }

    #[test]
    fn replays_that_end_early_do_not_count_later() {
        let at =
            |regret| Checkpoint { regret, percentile: 0.5, covered: None, test_score: Some(0.9), ask_s: 0.1 };
        let (long, short) = (vec![at(1.0), at(0.5)], vec![at(0.0)]);
        let curve = curve(&[&long, &short]);
        assert_eq!(curve.len(), 2);
        assert_eq!((curve[0].regret, curve[1].regret), (0.5, 0.5));
        assert_eq!(curve[1].trials, 2);
    }
}
