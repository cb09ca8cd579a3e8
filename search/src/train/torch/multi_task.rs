//! `JointTrainer`: one body learned on several tasks at once, with a head for each.

mod joint_fit;
mod shared_network;

use std::sync::Arc;

use heirloom_datasets::{Dataset, Splits};
use heirloom_kb::{Architecture, SearchSpace, Task, Trial};
use tch::{Device, TchError};

use super::checkpoint::Checkpoint;
use super::data::Parts;
use super::fitted_rows::FittedRows;
use super::kept_network::{NetCard, net_for};
use super::weights::Tensors;
use super::{
    BEST_EPOCH_FIELD, EpochReport, TorchOptions, blank, costs, device, first_line, guarded, keep_weights,
    turn,
};
use crate::net::NetGraph;
use crate::train::weight_store::content_hash;
use crate::train::{Budget, Recipe, TrainError, mark_failed};
use joint_fit::{JointCourse, JointFit, JointOutcome};
use shared_network::SharedNetwork;

/// The field of a trial that says with which tasks it was trained, and the joint score.
const JOINT_FIELD: &str = "joint";

/// Trains one network on several data sets of one domain and shape: the body is shared, the head is each task's own.
///
/// A step takes a batch of every task and lowers the mean of their losses; tasks are run through in as many steps, so that a
/// smaller one has smaller batches. Each task's examples are standardised by their own training part. Of the options the
/// device, the recipe, the store for weights and the seed of the splits count. The recipe is patient with the joint score. As
/// with [`super::TorchTrainer`] the same seed gives the same trials, also when training was broken off and goes on from what
/// was kept of it.
pub struct JointTrainer {
    tasks: Vec<JointTask>,
    options: TorchOptions,
    device: Device,
    on_epoch: Box<dyn FnMut(EpochReport) + Send>,
}

struct JointTask {
    task: Task,
    dataset: Arc<Dataset>,
    splits: Splits,
    fingerprint: String,
}

impl JointTrainer {
    /// A trainer over these data sets; `on_epoch` hears how each epoch went: the mean loss, and the mean accuracy over tasks.
    ///
    /// # Errors
    /// [`TrainError::NotJoint`] for a data set of another domain or shape than the first, or one given twice;
    /// [`TrainError::NoDevice`], [`TrainError::BadRecipe`].
    pub fn new(
        first: &Arc<Dataset>,
        others: &[Arc<Dataset>],
        options: TorchOptions,
        on_epoch: Box<dyn FnMut(EpochReport) + Send>,
    ) -> Result<Self, TrainError> {
        let mut tasks: Vec<JointTask> = Vec::new();
        for dataset in std::iter::once(first).chain(others) {
            let reason = if tasks.iter().any(|known| known.dataset.name() == dataset.name()) {
                Some("it is given twice".to_owned())
            } else if dataset.domain() != first.domain() {
                Some(format!("it is {}, not {}", dataset.domain(), first.domain()))
            } else if dataset.shape() != first.shape() {
                Some(format!("its examples are of shape {:?}, not {:?}", dataset.shape(), first.shape()))
            } else {
                None
            };
            if let Some(reason) = reason {
                let (task, first) = (dataset.name().into(), first.name().into());
                return Err(TrainError::NotJoint { task, first, reason });
            }
            options.recipe.check(dataset)?;
            let splits = Splits::new(dataset, options.split_seed);
            let (task, fingerprint) = (dataset.task(), dataset.fingerprint());
            tasks.push(JointTask { task, dataset: Arc::clone(dataset), splits, fingerprint });
        }
        Ok(JointTrainer { tasks, device: device::choose(options.device)?, options, on_epoch })
    }

    /// The tasks, in the order of the trials.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.iter().map(|joint| &joint.task)
    }

    /// Trains an architecture on all tasks: a trial of each, in order. Their field `joint` names the tasks and has the joint
    /// score, the mean over tasks of the accuracy above chance, `(accuracy - 1/classes) / (1 - 1/classes)`; the time of each
    /// is its share of the whole. If training breaks, all of them are failed trials with the reason.
    ///
    /// # Errors
    /// As of [`super::TorchTrainer`]: what concerns the data or the space and not this architecture.
    pub fn train(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
    ) -> Result<Vec<Trial>, TrainError> {
        let nets = self.tasks.iter().map(|joint| net_for(space, architecture, &joint.dataset));
        let nets: Vec<NetGraph> = nets.collect::<Result<_, _>>()?;
        let _turn = turn();
        // Of one example alone norms know no variance.
        let parts = self
            .tasks
            .iter()
            .map(|joint| Parts::of_budget(&joint.dataset, &joint.splits, budget, 2, self.device));
        let parts: Vec<Parts> = parts.collect::<Result<_, _>>()?;
        let blank = |joint: &JointTask| {
            let what = (&joint.task, space, architecture);
            blank(what, &joint.fingerprint, budget, self.device, &self.options.recipe)
        };
        let mut trials: Vec<Trial> = self.tasks.iter().map(blank).collect();
        match self.run((space, architecture), &nets, &parts, budget) {
            Ok((outcome, weights)) => {
                self.fill(&mut trials, &outcome);
                // The body of each has seen the examples of all.
                let all = parts.iter().fold(FittedRows::default(), |all, one| all.and(&one.fitted));
                for (at, trial) in trials.iter_mut().enumerate() {
                    self.keep_weights((at, trial), &weights[at], &parts[at], &all);
                }
            }
            Err(reason) => trials.iter_mut().for_each(|trial| mark_failed(trial, &reason)),
        }
        for (trial, net) in trials.iter_mut().zip(&nets) {
            // One that does not hold together has failed above.
            trial.costs.extend(net.cost().iter().flat_map(costs));
        }
        Ok(trials)
    }

    /// Trains, and gives each task's weights; whatever breaks becomes a reason.
    fn run(
        &mut self,
        of: (&SearchSpace, &Architecture),
        nets: &[NetGraph],
        parts: &[Parts],
        budget: &Budget,
    ) -> Result<(JointOutcome, Vec<Tensors>), String> {
        let recipe = self.options.recipe.of(of.1);
        let checkpoint = self.checkpoint(of, budget, &recipe);
        let recipe = device::laid_out(recipe, self.device);
        let n_classes: Vec<usize> = self.tasks.iter().map(|joint| joint.dataset.n_classes()).collect();
        let (device, on_epoch) = (self.device, &mut self.on_epoch);
        let attempt = || {
            let torch = |error: TchError| first_line(&error);
            let network = SharedNetwork::new(nets, &recipe, budget.seed, device).map_err(torch)?;
            let checkpoint = checkpoint.as_ref();
            let course = JointCourse { parts, n_classes: &n_classes, recipe: &recipe, budget, checkpoint };
            let outcome = JointFit::new(&network, course).map_err(torch)?.run(on_epoch)?;
            Ok((outcome, (0..parts.len()).map(|at| network.of_task(at)).collect()))
        };
        let attempt = guarded(attempt, |reason| reason);
        if let Some(checkpoint) = checkpoint {
            // It has ended, well or not; one that failed would fail again.
            checkpoint.remove();
        }
        attempt
    }

    /// Where a training is kept while under way, by all that it is the same by.
    fn checkpoint(
        &self,
        (space, architecture): (&SearchSpace, &Architecture),
        budget: &Budget,
        recipe: &Recipe,
    ) -> Option<Checkpoint> {
        let store = self.options.weights.as_ref()?;
        let tasks: Vec<_> = self.tasks.iter().map(|joint| (&joint.task, &joint.fingerprint)).collect();
        let how = (budget, recipe, device::name(self.device), self.options.split_seed);
        let what = (JOINT_FIELD, tasks, space.id(), architecture, how);
        let bytes = serde_json::to_vec(&what).expect("names and numbers can be written");
        Some(Checkpoint::new(&store.under_way(), &content_hash(&bytes)))
    }

    fn fill(&self, trials: &mut [Trial], outcome: &JointOutcome) {
        let names: Vec<&str> = self.tasks.iter().map(|joint| &*joint.task.id).collect();
        for (at, trial) in trials.iter_mut().enumerate() {
            trial.score = Some(outcome.accuracies[at]);
            let curve = outcome.curve.iter().enumerate();
            trial.curve = curve.map(|(epoch, all)| ((epoch + 1) as f64, all[at])).collect();
            let joint = serde_json::json!({ "tasks": names, "score": outcome.score });
            trial.extra.insert(JOINT_FIELD.into(), joint);
            if let Some(epoch) = outcome.best_epoch {
                trial.extra.insert(BEST_EPOCH_FIELD.into(), epoch.into());
            }
            trial.costs.insert("latency_s".into(), outcome.latencies_s[at]);
            trial.costs.insert("train_s".into(), outcome.train_s / self.tasks.len() as f64);
        }
    }

    /// Each task's network can be used without the others: the body with its own head.
    fn keep_weights(
        &self,
        (at, trial): (usize, &mut Trial),
        weights: &Tensors,
        parts: &Parts,
        fitted: &FittedRows,
    ) {
        let Some(store) = &self.options.weights else { return };
        let dataset = &self.tasks[at].dataset;
        let card = NetCard::new((&trial.space, &trial.architecture), dataset, &parts.standardiser);
        match card.to_bytes(weights) {
            Ok(bytes) => keep_weights(store, trial, &bytes, fitted),
            Err(error) => tracing::warn!(error = first_line(&error), "the weights are not kept"),
        }
    }
}

#[cfg(test)]
mod tests;
