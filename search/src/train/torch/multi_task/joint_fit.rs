//! `JointFit`: one shared network, trained from start to end.

use std::time::Instant;

use rand::seq::SliceRandom;
use tch::{TchError, Tensor};

use super::shared_network::SharedNetwork;
use crate::train::torch::augment::augment;
use crate::train::torch::checkpoint::{Checkpoint, Progress};
use crate::train::torch::data::{Batch, Part, Parts};
use crate::train::torch::epoch_scores::EpochScores;
use crate::train::torch::fit::{finite, seed_epoch, trained};
use crate::train::torch::objective::CrossEntropy;
use crate::train::torch::optimizer::Optimizer;
use crate::train::torch::weights;
use crate::train::torch::{EpochReport, first_line, measure};
use crate::train::{Budget, Recipe};
use heirloom_kb::Split;

/// What is learned, how and by which chance.
pub(super) struct JointCourse<'a> {
    /// The examples of each task.
    pub(super) parts: &'a [Parts],
    /// How many classes each task has.
    pub(super) n_classes: &'a [usize],
    pub(super) recipe: &'a Recipe,
    pub(super) budget: &'a Budget,
    /// Where it is kept while under way.
    pub(super) checkpoint: Option<&'a Checkpoint>,
}

/// How a joint training went.
pub(super) struct JointOutcome {
    /// The accuracies of all tasks after each epoch that they were looked at.
    pub(super) curve: Vec<Vec<f64>>,
    /// The accuracy of each task with the weights that training ended with.
    pub(super) accuracies: Vec<f64>,
    /// The mean over tasks of the accuracy above chance.
    pub(super) score: f64,
    /// The epoch whose weights these are, when that is not the last one by rule.
    pub(super) best_epoch: Option<u32>,
    /// Seconds an example takes through each task's network.
    pub(super) latencies_s: Vec<f64>,
    pub(super) train_s: f64,
}

/// A shared network under training.
pub(super) struct JointFit<'a> {
    network: &'a SharedNetwork,
    optimizer: Optimizer,
    course: JointCourse<'a>,
    losses: Vec<f64>,
    /// The accuracies of all tasks after each epoch.
    curve: Vec<Vec<f64>>,
    /// The joint score after each epoch.
    scores: EpochScores,
    started: Instant,
    seconds_before: f64,
}

impl<'a> JointFit<'a> {
    pub(super) fn new(network: &'a SharedNetwork, course: JointCourse<'a>) -> Result<Self, TchError> {
        let trained = trained(&network.store).into_values().collect();
        Ok(JointFit {
            network,
            optimizer: Optimizer::new(trained, course.recipe)?,
            scores: EpochScores::new(course.recipe.patience),
            course,
            losses: Vec::new(),
            curve: Vec::new(),
            started: Instant::now(),
            seconds_before: 0.0,
        })
    }

    /// Trains for all epochs that are left, or until patience ends, and scores: on the validation part after each epoch.
    pub(super) fn run(mut self, on_epoch: &mut dyn FnMut(EpochReport)) -> Result<JointOutcome, String> {
        self.resume().map_err(|error| first_line(&error))?;
        let scored = self.course.budget.split == Split::Validation;
        let epochs = self.course.budget.epochs;
        for epoch in 1..=epochs {
            let at = epoch as usize - 1;
            let is_new = at >= self.losses.len();
            if is_new {
                let loss = self.epoch(epoch)?;
                self.losses.push(loss);
                if scored {
                    let accuracies = self.accuracies()?;
                    self.scores.push(joint_score(&accuracies, self.course.n_classes), &self.network.store);
                    self.curve.push(accuracies);
                }
            }
            let mean = self.curve.get(at).map(|all| all.iter().sum::<f64>() / all.len() as f64);
            on_epoch(EpochReport { epoch, loss: self.losses[at], validation_accuracy: mean });
            if epoch == epochs || self.scores.is_exhausted(at) {
                break;
            }
            if is_new {
                self.keep().map_err(|error| first_line(&error))?;
            }
        }
        self.finish()
    }

    fn finish(self) -> Result<JointOutcome, String> {
        let best = self.scores.take_best(&self.network.store).map_err(|error| first_line(&error))?;
        let accuracies = match best.map(|best| &self.curve[best]).or(self.curve.last()) {
            Some(accuracies) => accuracies.clone(),
            None => self.accuracies()?,
        };
        let train_s = self.seconds();
        let networks = self.network.modules.iter().zip(self.course.parts);
        let latencies = networks.map(|(module, parts)| measure::latency(module, &parts.score));
        Ok(JointOutcome {
            latencies_s: latencies.collect::<Result<_, _>>()?,
            score: joint_score(&accuracies, self.course.n_classes),
            accuracies,
            curve: self.curve,
            best_epoch: best.map(|at| at as u32 + 1),
            train_s,
        })
    }

    /// Each task's accuracy as the weights are now.
    fn accuracies(&self) -> Result<Vec<f64>, String> {
        let networks = self.network.modules.iter().zip(self.course.parts);
        networks.map(|(module, parts)| measure::accuracy(module, &parts.score)).collect()
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Goes on where the training was, if it was kept.
    fn resume(&mut self) -> Result<(), TchError> {
        let Some(checkpoint) = self.course.checkpoint else { return Ok(()) };
        if let Some(progress) = checkpoint.resume(&self.network.store, &mut self.optimizer)? {
            let epochs = progress.scores.chunks_exact(self.course.parts.len());
            self.curve = epochs.map(<[f64]>::to_vec).collect();
            let n_classes = self.course.n_classes;
            let scores = self.curve.iter().map(|accuracies| joint_score(accuracies, n_classes));
            self.scores.go_on(scores.collect(), progress.best);
            self.losses = progress.losses;
            self.seconds_before = progress.seconds;
        }
        Ok(())
    }

    /// Keeps where the training is.
    fn keep(&self) -> Result<(), TchError> {
        let Some(checkpoint) = self.course.checkpoint else { return Ok(()) };
        let progress = Progress {
            losses: self.losses.clone(),
            scores: self.curve.concat(),
            seconds: self.seconds(),
            best: weights::shallow(self.scores.best_weights()),
        };
        checkpoint.save(&progress, &self.network.store, &self.optimizer)
    }

    /// One pass over all tasks, each shuffled, in as many steps as the largest needs; the mean loss. All chance is that of the
    /// seed and the epoch, so that a training that was broken off goes on as if it had not been.
    fn epoch(&mut self, epoch: u32) -> Result<f64, String> {
        let JointCourse { parts, recipe, budget, .. } = self.course;
        let mut rng = seed_epoch(budget.seed, epoch);
        let objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
        let orders = parts.iter().map(|parts| {
            let mut order: Vec<i64> = (0..parts.fit.len()).collect();
            order.shuffle(&mut rng);
            order
        });
        let orders: Vec<Vec<i64>> = orders.collect();
        let longest = orders.iter().map(Vec::len).max().unwrap_or(0);
        let steps = longest.div_ceil(recipe.batch_size).max(1);
        let mut losses = Vec::with_capacity(steps);
        for step in 0..steps {
            let progress = (f64::from(epoch - 1) + step as f64 / steps as f64) / f64::from(budget.epochs);
            let mut one = || {
                let batches = parts.iter().zip(&orders).map(|(parts, order)| {
                    batch(&parts.fit, order, (step, steps))
                        .and_then(|batch| augment(batch, &recipe.augmentations, &mut rng))
                });
                let loss = self.network.loss(batches.collect::<Result<_, TchError>>()?, &objective)?;
                self.optimizer.step(&loss, recipe, recipe.learning_rate_at(progress))?;
                loss.f_detach()
            };
            losses.push(one().map_err(|error: TchError| first_line(&error))?);
        }
        Ok(finite(&losses, epoch)?.iter().sum::<f64>() / steps as f64)
    }
}

/// The mean over tasks of the accuracy above chance, `(accuracy - 1/classes) / (1 - 1/classes)`.
fn joint_score(accuracies: &[f64], n_classes: &[usize]) -> f64 {
    let above = accuracies.iter().zip(n_classes).map(|(accuracy, n_classes)| {
        let chance = 1.0 / *n_classes as f64;
        if chance < 1.0 { (accuracy - chance) / (1.0 - chance) } else { *accuracy }
    });
    above.sum::<f64>() / accuracies.len() as f64
}

/// The examples of a step, of equal shares of an order; two at least, for norms have no variance over one.
pub(super) fn batch(part: &Part, order: &[i64], (step, steps): (usize, usize)) -> Result<Batch, TchError> {
    let bound = |step: usize| step * order.len() / steps;
    let (start, end) = (bound(step), bound(step + 1));
    let rows: Vec<i64> = (start..end.max(start + 2)).map(|at| order[at % order.len()]).collect();
    part.rows(&Tensor::f_from_slice(&rows)?)
}
