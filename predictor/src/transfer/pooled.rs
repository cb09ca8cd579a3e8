//! `Pooled`: one model of all past tasks, where each alone has too few trials to be modelled.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView2, Axis};
use statrs::distribution::{ContinuousCDF, Normal};

use super::PastTasks;
use super::agreement::Foretelling;
use crate::folds::{Fold, folds};
use crate::{PredictError, TaskModel, TaskScores};

/// Tasks of fewer trials than this, as at least half of the past ones must be, say more together than one by one (BENCHMARKS.md, "Many
/// past tasks of few trials").
const FEW: usize = 30;
/// Fewer tasks than this do not: of ten, models of five or ten trials each are no worse.
const TASKS: usize = 16;
/// Parts that the tasks are held out in.
const FOLDS: usize = 5;

/// One model of all past tasks' Gaussian ranks together. The mean of models of four trials each is nearly flat: each is drawn towards
/// its own middle, and what a hundred of them agree on is drawn there with them. Fitted together they say it in full. What is left of a
/// task's own model is how it deviates from their mean.
///
/// How far the model holds for another task is told by tasks held out. The ranks of `n` trials among each other follow their ranks in the
/// whole space only so far: with `z` the former and `e` the expected order statistics of a normal sample, by `c = sum z e / n`, so
/// covariances are divided by that.
///
/// *Source*: order statistics by Blom, "Statistical Estimates and Transformed Beta-Variables", 1958.
#[derive(Clone, Debug)]
pub(super) struct Pooled {
    model: Arc<TaskModel>,
}

impl Pooled {
    /// The model of some past tasks, and how they foretell a new one by it; `None` where each says enough alone or all say too little.
    pub(super) fn of(past: PastTasks<'_>) -> Result<Option<(Self, Foretelling)>, PredictError> {
        let tasks: Vec<&TaskScores> = past.columns.iter().map(|at| &past.table.tasks()[*at]).collect();
        let few = tasks.iter().filter(|task| task.rows.len() < FEW).count();
        if tasks.len() < TASKS || 2 * few < tasks.len() {
            return Ok(None);
        }
        let x = past.table.x();
        let (encoder, all) = (past.table.encoder(), Examples::of(&tasks, x.view()));
        let name = "past tasks together";
        let model = TaskModel::fit_examples(name.into(), &all.x, &all.z, encoder)?;
        let mut sums = Sums::default();
        for Fold { train, test } in folds(tasks.len(), FOLDS, 0) {
            let train = Examples::of(&train.iter().map(|at| tasks[*at]).collect::<Vec<_>>(), x.view());
            let without = model.again(&train.x, &train.z, encoder)?;
            for task in test.iter().map(|at| tasks[*at]) {
                sums.take(&task.z, &without.mean(x.select(Axis(0), &task.rows).view())?);
            }
        }
        let reliability = past.columns.iter().map(|at| past.models.models()[*at].reliability()).sum();
        Ok(sums.foretelling(reliability).map(|foretelling| (Pooled { model: Arc::new(model) }, foretelling)))
    }

    /// What the past tasks together expect, `(n,)`.
    pub(super) fn mean(&self, x: ArrayView2<'_, f64>) -> Array1<f64> {
        self.model.mean(x).expect("views have the encoder's columns")
    }
}

/// All trials of some tasks.
struct Examples {
    x: Array2<f64>,
    z: Array1<f64>,
}

impl Examples {
    fn of(tasks: &[&TaskScores], x: ArrayView2<'_, f64>) -> Self {
        let rows: Vec<usize> = tasks.iter().flat_map(|task| task.rows.iter().copied()).collect();
        let z = tasks.iter().flat_map(|task| task.z.iter().copied()).collect();
        Examples { x: x.select(Axis(0), &rows), z }
    }
}

/// Sums over held-out tasks of squares of what the model expects and of products of that with scores, each within its task.
#[derive(Default)]
struct Sums {
    squares: f64,
    products: f64,
    /// What a perfect model's products would be.
    most: f64,
    trials: f64,
}

impl Sums {
    fn take(&mut self, z: &[f64], expected: &Array1<f64>) {
        let n = z.len() as f64;
        let middle = expected.sum() / n;
        self.squares +=
            expected.iter().map(|one| (one - middle).powi(2)).sum::<f64>() * n / (n - 1.0).max(1.0);
        self.products += z.iter().zip(expected).map(|(z, one)| z * (one - middle)).sum::<f64>();
        let mut sorted = z.to_vec();
        sorted.sort_by(f64::total_cmp);
        let order_statistic = |at: usize| Normal::standard().inverse_cdf((at as f64 + 0.625) / (n + 0.25));
        self.most += sorted.iter().enumerate().map(|(at, z)| z * order_statistic(at)).sum::<f64>();
        self.trials += n;
    }

    /// What this says of a new task whose scores have a variance of one; `None` where it says nothing.
    fn foretelling(&self, shown_by: f64) -> Option<Foretelling> {
        let (square, product) = (self.squares / self.trials, self.products / self.most.max(1e-9));
        if square < 1e-9 || product <= 0.0 {
            return None;
        }
        Some(Foretelling::shown(product / square, product / square.sqrt(), shown_by))
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Task, Trial};

    use super::*;
    use crate::{Agreement, TaskModels, TrainingTable, TransferModel, Views, gaussian_ranks};

    const NUMBERS: i64 = 60;

    /// What is common to tasks: best at a third of the way.
    fn common(a: i64) -> f64 {
        -((a - 20) as f64 / 20.0).powi(2)
    }

    /// The slope from what many tasks of four trials let expect to what all numbers' ranks are, the correlation of both, and the
    /// deviation of what they let expect.
    fn told(tasks: usize, noise: f64) -> (f64, f64, f64) {
        let space = format!(
            r#"{{"id":"s/1","params":[{{"name":"a","range":{{"kind":"int","lo":0,"hi":{}}}}}]}}"#,
            NUMBERS - 1
        );
        let space: SearchSpace = serde_json::from_str(&space).unwrap();
        let architecture = |a: i64| -> Architecture { [("a", a)].into_iter().collect() };
        let mut trials = Vec::new();
        let named: Vec<Task> = (0..tasks)
            .map(|at| Task::new(format!("t{at:03}"), Domain::Tabular, "accuracy", Goal::Maximize))
            .collect();
        for (at, task) in named.iter().enumerate() {
            for step in 0..4 {
                let a = (at as i64 * 7 + step * 17) % NUMBERS;
                // No rule foretells it.
                let chance = ((at as f64 * 12.9898 + step as f64 * 78.233).sin() * 43_758.545).fract();
                let score = common(a) + noise * chance;
                trials.push(Trial::new(
                    task.id.clone(),
                    "s/1",
                    architecture(a),
                    Split::Validation,
                    "accuracy",
                    score,
                ));
            }
        }
        let table = TrainingTable::new(&space, &named, &trials, Clone::clone, None).unwrap();
        let models = TaskModels::fit(&table, &[]).unwrap();
        let agreement = Agreement::new(&table, &models).unwrap();
        let columns: Vec<usize> = (0..tasks).collect();
        let past = PastTasks {
            table: &table,
            models: &models,
            agreement: &agreement,
            tasks: &named,
            columns: &columns,
        };
        let all: Vec<Architecture> = (0..NUMBERS).map(architecture).collect();
        let x = table.encoder().encode(&all).unwrap();
        let by_task = models.evaluate(x.view()).unwrap();
        let rows: Vec<Option<usize>> = all.iter().map(|a| table.row(a)).collect();
        let views = Views::new(&table, &rows, x, by_task);
        let model = TransferModel::new(past, &Task::new("new", Domain::Tabular, "accuracy", Goal::Maximize));
        let expected = model.prior(&model.see(&views)).mean;
        let truth = Array1::from(gaussian_ranks(&(0..NUMBERS).map(|a| Some(common(a))).collect::<Vec<_>>()));
        let (mm, tm) = (expected.dot(&expected), expected.dot(&truth));
        (tm / mm, tm / (mm * truth.dot(&truth)).sqrt(), expected.std(0.0))
    }

    /// Means of models of four trials each stay near the middle: there the slope is above ten.
    #[test]
    fn what_many_tasks_of_few_trials_agree_on_is_said_in_full() {
        let (slope, correlation, spread) = told(60, 0.2);
        assert!(
            correlation > 0.9 && (0.7..1.5).contains(&slope) && spread > 0.6,
            "{slope} {correlation} {spread}"
        );
        let (_, _, of_chance) = told(60, 100.0);
        assert!(of_chance < 0.3, "{of_chance}");
    }
}
