//! `Pooled`: one model of all past tasks, where each alone has too few trials to be modelled.

use std::sync::Arc;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use statrs::distribution::{ContinuousCDF, Normal};

use super::PastTasks;
use super::agreement::{Foretelling, probed};
use crate::folds::{Fold, folds};
use crate::{PredictError, TaskModel, TaskScores};

/// Tasks of fewer trials than this, as at least half of the past ones must be, say more together than one by one (BENCHMARKS.md, "Many
/// past tasks of few trials").
const FEW: usize = 30;
/// Fewer tasks than this do not: of ten, models of five or ten trials each are no worse.
const TASKS: usize = 16;
/// Parts that the tasks are held out in.
const FOLDS: usize = 5;

/// One model of all past tasks' Gaussian ranks together, beside the mean of the models of each. That mean is nearly flat where tasks have
/// four trials each: every model is drawn towards its own middle, and what a hundred of them agree on is drawn there with them. Fitted
/// together they say it in full; with more trials models of single tasks see what is lost where tasks differ. How much of either counts
/// is told by tasks held out, in one regression of their ranks on both.
///
/// The ranks `z` of `n` trials among each other follow their ranks in the whole space only so far: with the expected order statistics `e`
/// of a normal sample by `c = sum z e / n`, so covariances with them are divided by that.
///
/// *Source*: order statistics by Blom, "Statistical Estimates and Transformed Beta-Variables", 1958; stacking as in [`TaskModel`].
#[derive(Clone, Debug)]
pub(super) struct Pooled {
    model: Arc<TaskModel>,
    /// Coefficients of the mean of the tasks' models and of the model of all.
    shares: (f64, f64),
}

impl Pooled {
    /// The model of some past tasks, of which `mean_of_others(t)` expect that of `past.columns[t]` at its trials that are compared, and how
    /// they foretell a new one by it; `None` where each says enough alone or all say nothing.
    ///
    /// # Errors
    /// Of the model.
    pub(super) fn of(
        past: PastTasks<'_>,
        mean_of_others: impl Fn(usize) -> Option<Array1<f64>>,
    ) -> Result<Option<(Self, Foretelling)>, PredictError> {
        let tasks: Vec<&TaskScores> = past.columns.iter().map(|at| &past.table.tasks()[*at]).collect();
        let few = tasks.iter().filter(|task| task.rows.len() < FEW).count();
        if tasks.len() < TASKS || 2 * few < tasks.len() {
            return Ok(None);
        }
        let (x, encoder) = (past.table.x(), past.table.encoder());
        let all = Examples::of(&tasks, x.view());
        let model = TaskModel::fit_examples("past tasks together".into(), &all.x, &all.z, encoder)?;
        let mut sums = Sums::default();
        for Fold { train, test } in folds(tasks.len(), FOLDS, 0) {
            let train = Examples::of(&train.iter().map(|at| tasks[*at]).collect::<Vec<_>>(), x.view());
            let without = model.again(&train.x, &train.z, encoder)?;
            for at in test {
                let compared = probed(tasks[at]);
                let rows: Vec<usize> = compared.iter().map(|place| tasks[at].rows[*place]).collect();
                let z: Vec<f64> = compared.iter().map(|place| tasks[at].z[*place]).collect();
                if let Some(mean) = mean_of_others(at) {
                    sums.take(&z, [&mean, &without.mean(x.select(Axis(0), &rows).view())?]);
                }
            }
        }
        let reliability = past.columns.iter().map(|at| past.models.models()[*at].reliability()).sum();
        let told = sums.told(reliability);
        Ok(told.map(|(shares, foretelling)| (Pooled { model: Arc::new(model), shares }, foretelling)))
    }

    /// What is expected where the mean of the tasks' models is `mean` `(n,)`, `(n,)`.
    pub(super) fn expected(&self, mean: &Array1<f64>, x: ArrayView2<'_, f64>) -> Array1<f64> {
        let together = self.model.mean(x).expect("views have the encoder's columns");
        mean * self.shares.0 + together * self.shares.1
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

/// Sums over held-out tasks of products of what two models expect and of products of these with ranks, each within its task.
#[derive(Default)]
struct Sums {
    /// Of the first with itself, of both, of the second with itself.
    squares: [f64; 3],
    products: [f64; 2],
    /// What the products of a perfect model would be.
    most: f64,
    trials: f64,
}

impl Sums {
    fn take(&mut self, z: &[f64], expected: [&Array1<f64>; 2]) {
        let n = z.len() as f64;
        let [a, b] = expected.map(|expected| expected - expected.sum() / n);
        let unbiased = n / (n - 1.0).max(1.0);
        for (sum, square) in self.squares.iter_mut().zip([a.dot(&a), a.dot(&b), b.dot(&b)]) {
            *sum += square * unbiased;
        }
        let ranks = ArrayView1::from(z);
        for (sum, product) in self.products.iter_mut().zip([a.dot(&ranks), b.dot(&ranks)]) {
            *sum += product;
        }
        let mut sorted = z.to_vec();
        sorted.sort_by(f64::total_cmp);
        let order_statistic = |at: usize| Normal::standard().inverse_cdf((at as f64 + 0.625) / (n + 0.25));
        self.most += sorted.iter().enumerate().map(|(at, z)| z * order_statistic(at)).sum::<f64>();
        self.trials += n;
    }

    /// The coefficients of both, none negative, and what this says of a new task whose scores have a variance of one; `None` where it
    /// says nothing.
    fn told(&self, shown_by: f64) -> Option<((f64, f64), Foretelling)> {
        let [aa, ab, bb] = self.squares.map(|sum| sum / self.trials);
        let [a, b] = self.products.map(|sum| sum / self.most.max(1e-9));
        let alone = |product: f64, square: f64| if square > 1e-9 { (product / square).max(0.0) } else { 0.0 };
        let determinant = aa * bb - ab * ab;
        let both = ((a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant);
        let shares = if determinant > 1e-6 * aa * bb && both.0 >= 0.0 && both.1 >= 0.0 {
            both
        } else if a * a * bb > b * b * aa {
            (alone(a, aa), 0.0)
        } else {
            (0.0, alone(b, bb))
        };
        let square = shares.0 * shares.0 * aa + 2.0 * shares.0 * shares.1 * ab + shares.1 * shares.1 * bb;
        let product = shares.0 * a + shares.1 * b;
        let tells = square > 1e-9 && product > 0.0;
        tells.then(|| (shares, Foretelling::shown(product / square, product / square.sqrt(), shown_by)))
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
