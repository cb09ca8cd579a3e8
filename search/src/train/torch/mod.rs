//! Training with libtorch. No type of tch shows outside: an architecture goes in, a trial comes out.

mod adapt;
mod attempt;
mod augment;
mod block_layers;
mod checkpoint;
mod cuda;
mod darts;
mod data;
mod device;
mod distillation;
mod epoch_scores;
mod failure;
mod fit;
mod fitted_rows;
mod inherit;
mod inherited;
mod kept_network;
mod measure;
mod module;
mod multi_task;
mod objective;
mod optimizer;
mod options;
mod outside_weights;
mod path_optimizer;
mod prediction;
mod proxies;
mod python_file;
mod record;
mod supernet;
mod weights;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heirloom_datasets::{Dataset, Splits};
use heirloom_kb::{Architecture, SearchSpace, Split, Task, Trial};
use tch::Device;

pub use super::EpochReport;
use super::{Budget, INIT_FIELD, Recipe, TrainError, Trainer, mark_failed, mark_pruned};
use crate::fidelity::Decision;
use crate::net::{NetGraph, Op};
use data::Parts;
pub use device::DeviceChoice;
use distillation::LoadedTeacher;
use failure::{first_line, guarded};
use fitted_rows::leave_out_knowing;
use kept_network::net_for;
pub use kept_network::{NetCard, NetFormat, check_networks, export_network};
pub use multi_task::JointTrainer;
pub use options::TorchOptions;
use outside_weights::OutsideWeights;
pub use prediction::KeptPredictor;
use record::{blank, costs, keep_weights};
pub use supernet::Supernet;

/// The field of a trial that says whom it learned from.
const TEACHER_FIELD: &str = "teacher";
/// The field of a trial that says which epoch's weights it has, where the recipe is patient.
const BEST_EPOCH_FIELD: &str = "best_epoch";

/// Trains networks with libtorch by a [`Recipe`]; an architecture's own `lr` and `weight_decay` count. The score is the
/// accuracy after the last epoch, not the best one on the way, unless the recipe has patience.
///
/// On the CPU the same seed gives the same trial, its times apart, as long as libtorch has as many threads; also when it was
/// broken off and goes on from what was kept of it. Trials of one process wait for each other.
pub struct TorchTrainer {
    task: Task,
    dataset: Arc<Dataset>,
    splits: Splits,
    fingerprint: String,
    options: TorchOptions,
    /// Sources that are left out, and why.
    left_out: BTreeMap<String, String>,
    device: Device,
    outside: Option<OutsideWeights>,
    teacher: Option<LoadedTeacher>,
    /// The parts on the device; remade only when another split or share is asked for.
    parts: Option<((Split, u64), Parts)>,
    on_epoch: Box<dyn FnMut(EpochReport) + Send>,
}

impl TorchTrainer {
    /// A trainer over a data set; `on_epoch` hears how each epoch went.
    ///
    /// # Errors
    /// [`TrainError::NoDevice`], [`TrainError::BadRecipe`]; [`TrainError::File`], [`TrainError::BadWeights`] and
    /// [`TrainError::BadTeacher`] for files to start or to learn from.
    pub fn new(
        dataset: Arc<Dataset>,
        mut options: TorchOptions,
        on_epoch: Box<dyn FnMut(EpochReport) + Send>,
    ) -> Result<Self, TrainError> {
        options.recipe.check(&dataset)?;
        let device = device::choose(options.device)?;
        let (splits, fingerprint) = (Splits::new(&dataset, options.split_seed), dataset.fingerprint());
        let teacher = options.teacher.as_ref();
        let teacher = teacher
            .map(|teacher| LoadedTeacher::new(teacher, &dataset, &splits, options.known_weights(), device))
            .transpose()?;
        let store = options.weights.as_ref();
        let outside = options.init_from.as_deref().map(OutsideWeights::read).transpose()?;
        Ok(TorchTrainer {
            outside: outside.map(|outside| outside.recognised(options.known_weights(), &dataset, &splits)),
            task: dataset.task(),
            left_out: leave_out_knowing(&mut options.sources, store, &dataset, &fingerprint, &splits),
            splits,
            fingerprint,
            device,
            teacher,
            dataset,
            options,
            parts: None,
            on_epoch,
        })
    }

    /// Where it trains: `cpu` or `cuda`.
    #[must_use]
    pub fn device(&self) -> &'static str {
        device::name(self.device)
    }

    /// The network of an architecture for these data; its shapes are still to be checked.
    fn net(&self, space: &SearchSpace, architecture: &Architecture) -> Result<NetGraph, TrainError> {
        net_for(space, architecture, &self.dataset)
    }

    /// The examples on the device, as the budget asks for them.
    fn prepare(&mut self, budget: &Budget) -> Result<(), TrainError> {
        let key = (budget.split, budget.data_fraction.to_bits());
        if self.parts.as_ref().is_some_and(|(prepared, _)| *prepared == key) {
            return Ok(());
        }
        let parts = Parts::of_budget(&self.dataset, &self.splits, budget, 1, self.device)?;
        self.parts = Some((key, parts));
        Ok(())
    }

    /// Writes into a trial what its network takes from a file.
    fn note_outside(&self, net: &NetGraph, trial: &mut Trial) {
        let Some(outside) = &self.outside else { return };
        let taken = outside.fit(net).unwrap_or_else(|error| {
            tracing::warn!(%error, "this network starts afresh");
            outside.nothing()
        });
        let taken = serde_json::to_value(taken).expect("it holds names and numbers");
        trial.extra.insert(INIT_FIELD.into(), taken);
    }

    /// What a recipe asks for that cannot be done with a network or on a part of the data.
    fn check_recipe(&self, net: &NetGraph, split: Split) -> Result<(), TrainError> {
        let Recipe { patience, batch_size, .. } = self.options.recipe;
        let bad = |field, reason: &str| Err(TrainError::BadRecipe { field, reason: reason.into() });
        if patience.is_some() && split == Split::Test {
            return bad(
                "patience",
                "what is scored on the test part is fitted on the validation part too, so that there is nothing to wait for; leave it out and give as many epochs as `best_epoch` of the validation trial says",
            );
        }
        if batch_size == 1 && net.nodes().iter().any(|node| node.op == Op::BatchNorm) {
            return bad("batch_size", "batch normalisation needs two examples a step at least");
        }
        Ok(())
    }

    /// A trial that is still to be run.
    fn blank(&self, space: &SearchSpace, architecture: &Architecture, budget: &Budget) -> Trial {
        let what = (&self.task, space, architecture);
        let mut trial = blank(what, &self.fingerprint, budget, self.device, &self.options.recipe);
        if let Some(teacher) = &self.teacher {
            trial.extra.insert(TEACHER_FIELD.into(), teacher.record());
        }
        trial
    }
}

impl Trainer for TorchTrainer {
    fn task(&self) -> &Task {
        &self.task
    }

    fn check_start(&self, space: &SearchSpace, architecture: &Architecture) -> Result<(), TrainError> {
        let Some(outside) = &self.outside else { return Ok(()) };
        let _turn = turn();
        outside.fit(&self.net(space, architecture)?).map(drop)
    }

    fn train_watched(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Trial, TrainError> {
        let net = self.net(space, architecture)?;
        self.check_recipe(&net, budget.split)?;
        self.prepare(budget)?;
        let mut trial = self.blank(space, architecture, budget);
        // A network that does not hold together is this architecture's failure, not the study's.
        let cost = match net.cost() {
            Ok(cost) => cost,
            Err(error) => {
                mark_failed(&mut trial, &error.to_string());
                return Ok(trial);
            }
        };
        let turn = turn();
        self.note_outside(&net, &mut trial);
        let outcome = self.run(&net, &mut trial, budget, watch);
        if outcome.is_ok() && budget.split == Split::Validation {
            self.note_proxies(&net, &mut trial, budget.seed);
        }
        drop(turn);
        trial.costs = costs(&cost);
        match outcome {
            Ok(outcome) => {
                trial.score = Some(outcome.accuracy);
                trial.curve = outcome.curve;
                trial.costs.insert("latency_s".into(), outcome.latency_s);
                trial.costs.insert("train_s".into(), outcome.train_s);
                if let Some(epoch) = outcome.best_epoch {
                    trial.extra.insert(BEST_EPOCH_FIELD.into(), epoch.into());
                }
                if let Some((epoch, why)) = outcome.stopped {
                    mark_pruned(&mut trial, epoch, &why);
                }
            }
            Err(reason) => mark_failed(&mut trial, &reason),
        }
        Ok(trial)
    }

    fn broken(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
        reason: &str,
    ) -> Result<Trial, TrainError> {
        let net = self.net(space, architecture)?;
        let mut trial = self.blank(space, architecture, budget);
        let _turn = turn();
        self.note_outside(&net, &mut trial);
        if let Some(checkpoint) = self.checkpoint(&trial, &self.options.recipe.of(architecture)) {
            checkpoint.remove();
        }
        if let Ok(cost) = net.cost() {
            trial.costs = costs(&cost);
        }
        mark_failed(&mut trial, reason);
        Ok(trial)
    }
}

/// Waits until no other trial of the process runs. libtorch draws the random numbers of all threads from one generator and
/// has one number of threads for all, so trials side by side would not repeat; and each would keep the other's cores busy.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // Every trial seeds anew, so one that panicked leaves nothing behind.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod distillation_tests;
#[cfg(test)]
mod inherit_tests;
#[cfg(test)]
mod preparation_tests;
#[cfg(test)]
mod python_tests;
#[cfg(test)]
mod recipe_tests;
#[cfg(test)]
mod tests;
