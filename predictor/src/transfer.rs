//! `TransferModel`: what past tasks and a new task's own trials say together.

use std::sync::Arc;

use ndarray::{ArcArray2, Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};

use crate::task_models::TaskModel;
use crate::{GaussianProcess, PredictError, Prediction, expected_ranks};

/// Variance between tasks that is assumed before tasks have shown theirs, in units of the normalised score's own.
const BETWEEN_TASKS: f64 = 0.5;

/// Trials on which hyperparameters are chosen; more do not change the choice but cost their cube.
const TUNING_TRIALS: usize = 128;

/// Architectures as the surrogate sees them.
#[derive(Clone, Debug)]
pub struct Views {
    /// Encoded architectures, `(n, d)`; shared, for every choice of tasks has the same.
    pub x: ArcArray2<f64>,
    /// What each past task's model expects of them, `(n, T)`.
    pub by_task: Array2<f64>,
}

impl Views {
    /// The rows at these positions.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Views {
        Views { x: self.x.select(Axis(0), rows).into_shared(), by_task: self.by_task.select(Axis(0), rows) }
    }

    /// Only these tasks' opinions.
    #[must_use]
    pub fn tasks(&self, columns: &[usize]) -> Views {
        Views { x: self.x.clone(), by_task: self.by_task.select(Axis(1), columns) }
    }
}

/// The prior that `T` past tasks give for a new one, and its update by the new task's own trials.
///
/// The new task's normalised score is taken as a draw from the population that the past tasks are a sample of:
///
/// `f(x) = (1 + w0) m(x) + sum_t w_t g_t(x) + r(x)`, with `m` the reliability-weighted mean of the past tasks'
/// models, `g_t` their deviations from it, `w0 ~ N(0, tau^2)`, `w_t ~ N(0, a / (T - 1))`: for `a = 1` the sample
/// covariance between tasks. `r` is a Gaussian process with a squared-exponential kernel over the encoding, for what is particular to
/// the new task. Conditioning on trials therefore learns which past tasks are like the new one, and how far
/// their mean is to be trusted, in closed form.
///
/// *Source*: the weighting is that of multi-task Gaussian processes (Swersky, Snoek, Adams, NeurIPS 2013) with
/// past tasks' models as fixed features, as in Feurer et al., RGPE (arXiv:1802.02219), but Bayesian.
#[derive(Clone, Debug)]
pub struct TransferModel {
    reliability: Vec<f64>,
    /// Mean out-of-bag variance of the past tasks' models.
    residual: f64,
    /// Parameters of the space, the scale of distances.
    params: usize,
}

/// What the kernel weighs with what.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Kernel {
    /// Variance of the mean's coefficient, `tau^2`.
    mean: f64,
    /// Weight of the covariance between tasks, `a`.
    tasks: f64,
    /// Variance of what is particular to the task.
    own: f64,
    /// Length scale of that, in units of the root of the number of parameters.
    length: f64,
    /// Variance of the noise.
    noise: f64,
}

impl TransferModel {
    /// The model that these past tasks give, for a space of so many parameters.
    #[must_use]
    pub fn new(past: &[Arc<TaskModel>], params: usize) -> Self {
        let residuals = past.iter().map(|model| model.forest.out_of_bag_variance());
        TransferModel {
            reliability: past.iter().map(|model| model.reliability()).collect(),
            residual: if past.is_empty() { 0.0 } else { residuals.sum::<f64>() / past.len() as f64 },
            params,
        }
    }

    /// What the past tasks alone expect of a new one.
    ///
    /// # Shapes
    /// For views of `n` architectures, `(n,)`.
    #[must_use]
    pub fn prior(&self, views: &Views) -> Prediction {
        let features = self.features(views);
        let kernel = self.default_kernel();
        Prediction {
            mean: features.mean.clone(),
            std: self.prior_variance(&features, &kernel).mapv(f64::sqrt),
        }
    }

    /// The new task's own scores on the normalised scale, see [`expected_ranks`].
    ///
    /// # Shapes
    /// `own` views the `n` architectures tried, `scores` are theirs: `(n,)`, higher is better, `None` for a failed
    /// trial. The answer is `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`].
    pub fn normalise(&self, own: &Views, scores: &[Option<f64>]) -> Result<Vec<f64>, PredictError> {
        check_lengths(own, scores.len())?;
        if scores.is_empty() {
            return Ok(Vec::new());
        }
        let expected = self.prior(own);
        Ok(expected_ranks(scores, &expected.mean.to_vec(), &expected.std.to_vec()))
    }

    /// What past tasks and the new task's own trials expect.
    ///
    /// # Shapes
    /// `own` views the `n` architectures tried, `z` are their normalised scores, `(n,)`; `views` are the `m`
    /// architectures asked about.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] or [`PredictError::NotPositiveDefinite`].
    pub fn posterior(&self, own: &Views, z: &[f64], views: &Views) -> Result<Prediction, PredictError> {
        check_lengths(own, z.len())?;
        if z.is_empty() {
            return Ok(self.prior(views));
        }
        let seen = self.features(own);
        let surprise = Array1::from(z.to_vec()) - &seen.mean;
        let kernel = self.tune(&seen, &surprise)?;
        let process = self.process(&kernel, &seen, &surprise)?;
        let asked = self.features(views);
        let cross = self.kernel(&kernel, &asked, &seen);
        let (shift, variance) = process.predict(cross.view(), self.prior_variance(&asked, &kernel).view());
        Ok(Prediction { mean: asked.mean + shift, std: variance.mapv(f64::sqrt) })
    }

    fn default_kernel(&self) -> Kernel {
        let tasks = self.reliability.len() as f64;
        // What tasks differ in that their sample does not show, fading as the sample grows; all when there is none.
        let unseen = if tasks == 0.0 { 1.0 } else { BETWEEN_TASKS * 2.0 / (tasks + 1.0) };
        Kernel {
            mean: if tasks == 0.0 { 0.0 } else { 0.1 },
            tasks: if tasks < 2.0 { 0.0 } else { 1.0 },
            own: unseen + self.residual / 2.0,
            length: 0.5,
            noise: 0.02 + self.residual / 2.0,
        }
    }

    /// The kernel that explains the surprises best, by coordinate search on the log marginal likelihood plus a
    /// log-normal prior around the default (a factor of 3 is one deviation): few trials move it little.
    fn tune(&self, seen: &Features, surprise: &Array1<f64>) -> Result<Kernel, PredictError> {
        let keep = surprise.len().min(TUNING_TRIALS);
        let (seen, surprise) =
            (seen.first(keep), surprise.slice_axis(Axis(0), Slice::from(..keep)).to_owned());
        let default = self.default_kernel();
        let mut best = default;
        let mut best_score = self.process(&best, &seen, &surprise)?.log_marginal();
        let fields: [fn(&mut Kernel) -> &mut f64; 5] =
            [|k| &mut k.own, |k| &mut k.noise, |k| &mut k.length, |k| &mut k.tasks, |k| &mut k.mean];
        for field in fields.iter().chain(&fields) {
            let centre = best;
            for factor in [1.0 / 3.0, 3.0] {
                let mut candidate = centre;
                *field(&mut candidate) *= factor;
                let score = self.process(&candidate, &seen, &surprise)?.log_marginal()
                    + candidate.log_prior(&default);
                if score > best_score {
                    (best, best_score) = (candidate, score);
                }
            }
        }
        Ok(best)
    }

    fn process(
        &self,
        kernel: &Kernel,
        seen: &Features,
        surprise: &Array1<f64>,
    ) -> Result<GaussianProcess, PredictError> {
        let mut k = self.kernel(kernel, seen, seen);
        k.diag_mut().mapv_inplace(|variance| variance + kernel.noise);
        GaussianProcess::new(k.view(), surprise.view())
    }

    /// `(n, m)` covariances of what past tasks leave open.
    fn kernel(&self, kernel: &Kernel, a: &Features, b: &Features) -> Array2<f64> {
        let mut k = a.deviations.dot(&b.deviations.t()) * kernel.tasks;
        let length = 2.0 * kernel.length * kernel.length * self.params.max(1) as f64;
        let dots = a.x.dot(&b.x.t());
        for ((i, j), k) in k.indexed_iter_mut() {
            let distance = (a.norms[i] + b.norms[j] - 2.0 * dots[[i, j]]).max(0.0);
            *k += kernel.own * (-distance / length).exp() + kernel.mean * a.mean[i] * b.mean[j];
        }
        k
    }

    fn prior_variance(&self, features: &Features, kernel: &Kernel) -> Array1<f64> {
        let between = (&features.deviations * &features.deviations).sum_axis(Axis(1)) * kernel.tasks;
        between + &(&features.mean * &features.mean) * kernel.mean + kernel.own
    }

    fn features<'a>(&self, views: &'a Views) -> Features<'a> {
        let tasks = views.by_task.ncols();
        let weights = Array1::from(self.reliability.clone());
        let mean = if tasks == 0 {
            Array1::zeros(views.x.nrows())
        } else {
            views.by_task.dot(&weights) / weights.sum()
        };
        let mut deviations = &views.by_task - &mean.view().insert_axis(Axis(1));
        deviations *= &weights.mapv(f64::sqrt);
        deviations /= (tasks as f64 - 1.0).max(1.0).sqrt();
        let norms = views.x.rows().into_iter().map(|row| row.dot(&row)).collect();
        Features { mean, deviations, x: views.x.view(), norms }
    }
}

fn check_lengths(own: &Views, scores: usize) -> Result<(), PredictError> {
    let (left, right) = (own.x.nrows(), scores);
    if left == right {
        return Ok(());
    }
    Err(PredictError::Lengths { what: "architectures tried and scores", left, right })
}

impl Kernel {
    fn log_prior(&self, default: &Kernel) -> f64 {
        let one = |value: f64, default: f64| {
            if default > 0.0 { -0.5 * ((value / default).ln() / 3.0_f64.ln()).powi(2) } else { 0.0 }
        };
        one(self.mean, default.mean)
            + one(self.tasks, default.tasks)
            + one(self.own, default.own)
            + one(self.length, default.length)
            + one(self.noise, default.noise)
    }
}

/// Views in the form the kernel wants them.
struct Features<'a> {
    /// Weighted mean of the tasks' opinions, `(n,)`.
    mean: Array1<f64>,
    /// The tasks' deviations from it, `(n, T)`, scaled so that their products are the covariance between tasks.
    deviations: Array2<f64>,
    x: ArrayView2<'a, f64>,
    /// Squared norms of the rows of `x`.
    norms: Array1<f64>,
}

impl Features<'_> {
    fn first(&self, n: usize) -> Features<'_> {
        let rows = Slice::from(..n);
        Features {
            mean: self.mean.slice_axis(Axis(0), rows).to_owned(),
            deviations: self.deviations.slice_axis(Axis(0), rows).to_owned(),
            x: self.x.slice_axis(Axis(0), rows),
            norms: self.norms.slice_axis(Axis(0), rows).to_owned(),
        }
    }
}

/// The share that each past task has in what is expected of a new one: how closely the posterior mean over some
/// architectures follows each task's opinion, as non-negative correlations that sum to one.
///
/// # Shapes
/// `mean` is `(n,)`, `by_task` `(n, T)`, the answer `(T,)`.
#[must_use]
pub fn task_shares(mean: ArrayView1<'_, f64>, by_task: ArrayView2<'_, f64>) -> Vec<f64> {
    let positive: Vec<f64> =
        by_task.columns().into_iter().map(|column| correlation(mean, column).max(0.0)).collect();
    let total: f64 = positive.iter().sum();
    positive
        .iter()
        .map(|share| if total > 0.0 { share / total } else { 1.0 / positive.len() as f64 })
        .collect()
}

/// Pearson's correlation; 0 where one side is constant.
fn correlation(a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let (mean_a, mean_b) = (a.mean().unwrap_or(0.0), b.mean().unwrap_or(0.0));
    let (mut cross, mut square_a, mut square_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        cross += a * b;
        square_a += a * a;
        square_b += b * b;
    }
    let norm = (square_a * square_b).sqrt();
    if norm > 0.0 { cross / norm } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Task, Trial};
    use ndarray::array;

    use super::*;
    use crate::{TaskModels, TrainingTable};

    /// Tasks whose score rises (`up`) or falls (`down`) with `a`, and the views of all ten architectures.
    fn history(rising: &[bool]) -> (TaskModels, Views) {
        let space: SearchSpace = serde_json::from_str(
            r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":9}}]}"#,
        )
        .unwrap();
        let name = |index: usize| format!("task{index}");
        let tasks: Vec<Task> = (0..rising.len())
            .map(|index| Task::new(name(index), Domain::Tabular, "accuracy", Goal::Maximize))
            .collect();
        let mut trials = Vec::new();
        for (index, up) in rising.iter().enumerate() {
            for a in 0..10_i64 {
                let architecture: Architecture = [("a", a)].into_iter().collect();
                let score = if *up { a } else { -a } as f64;
                trials.push(Trial::new(
                    name(index),
                    "s/1",
                    architecture,
                    Split::Validation,
                    "accuracy",
                    score,
                ));
            }
        }
        let table = TrainingTable::new(&space, &tasks, &trials, Clone::clone).unwrap();
        let models = TaskModels::fit(&table, &[]).unwrap();
        let views = Views { x: table.x().to_shared(), by_task: models.evaluate(table.x().view()).unwrap() };
        (models, views)
    }

    fn model(models: &TaskModels) -> TransferModel {
        TransferModel::new(models.models(), 1)
    }

    fn learn(model: &TransferModel, views: &Views, rows: &[usize], scores: &[Option<f64>]) -> Prediction {
        let own = views.select(rows);
        let z = model.normalise(&own, scores).unwrap();
        model.posterior(&own, &z, views).unwrap()
    }

    fn best(prediction: &Prediction) -> usize {
        (0..prediction.mean.len()).max_by(|a, b| prediction.mean[*a].total_cmp(&prediction.mean[*b])).unwrap()
    }

    #[test]
    fn without_trials_the_past_decides() {
        let (models, views) = history(&[true, true, true]);
        let prior = model(&models).prior(&views);
        assert!(best(&prior) >= 8, "{prior:?}");
        assert!(prior.mean[0] < -0.8 && prior.std[0] > 0.0);
    }

    #[test]
    fn without_history_nothing_is_expected_and_trials_decide() {
        let nothing = TransferModel::new(&[], 1);
        let (_, views) = history(&[true]);
        let views = views.tasks(&[]);
        let prior = nothing.prior(&views);
        assert!(prior.mean.iter().all(|mean| *mean == 0.0));
        assert!(prior.std.iter().all(|std| (std - 1.0).abs() < 1e-9));
        let scores = [Some(0.1), Some(0.5), Some(0.9)];
        let posterior = learn(&nothing, &views, &[0, 4, 8], &scores);
        assert!(posterior.mean[8] > posterior.mean[4] && posterior.mean[4] > posterior.mean[0]);
    }

    #[test]
    fn trials_tell_which_past_task_is_alike() {
        let (models, views) = history(&[true, false, true, false]);
        let model = model(&models);
        assert!(model.prior(&views).mean.iter().all(|mean| mean.abs() < 0.3));
        let scores = [Some(0.9), Some(0.5), Some(0.1)];
        let posterior = learn(&model, &views, &[1, 5, 8], &scores);
        assert!(best(&posterior) <= 1, "{posterior:?}");
        let shares = task_shares(posterior.mean.view(), views.by_task.view());
        assert!(shares[1] + shares[3] > 0.95, "{shares:?}");
        assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_misleading_history_is_overruled() {
        let (models, views) = history(&[true, true, true]);
        let rows = [9, 7, 5, 3, 1];
        let scores: Vec<Option<f64>> = rows.iter().map(|a| Some(-(*a as f64))).collect();
        let posterior = learn(&model(&models), &views, &rows, &scores);
        assert!(best(&posterior) <= 3, "{posterior:?}");
    }

    #[test]
    fn a_trial_lowers_the_doubt_about_its_like() {
        let (models, views) = history(&[true, true]);
        let model = model(&models);
        let before = model.prior(&views);
        let after = learn(&model, &views, &[9], &[Some(1.0)]);
        assert!(after.std[9] < before.std[9]);
        assert!(model.posterior(&views.select(&[9]), &[], &views).is_err());
    }

    #[test]
    fn shares_of_a_constant_opinion_are_even() {
        let shares = task_shares(array![0.0, 0.0].view(), array![[1.0, 2.0], [2.0, 1.0]].view());
        assert_eq!(shares, [0.5, 0.5]);
    }
}
