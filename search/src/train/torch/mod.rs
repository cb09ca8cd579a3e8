//! Training with libtorch. No type of tch shows outside: an architecture goes in, a trial comes out.

mod cuda;
mod data;
mod device;
mod fit;
mod module;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use heirloom_datasets::{Dataset, Splits};
use heirloom_kb::{Architecture, SearchSpace, Split, Status, Task, Trial};
use tch::Device;

use super::{Budget, TrainError, Trainer, mark_pruned};
use crate::fidelity::Decision;
use crate::net::{NetCost, NetGraph, Op};
use crate::spaces::{self, NetInput};
use data::{Part, Parts};
pub use device::DeviceChoice;
use fit::{Fit, Settings};

/// The release of libtorch that this is built for.
const VERSIONS: &str = "tch 0.24.0, libtorch 2.11.0";

/// How to train, whatever the architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TorchOptions {
    /// Where to train.
    pub device: DeviceChoice,
    /// Examples a step.
    pub batch_size: usize,
    /// The seed of the split into training, validation and test part; part of the task, not of a trial.
    pub split_seed: u64,
}

impl Default for TorchOptions {
    fn default() -> Self {
        TorchOptions { device: DeviceChoice::Auto, batch_size: 64, split_seed: 0 }
    }
}

/// What is told after each epoch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochReport {
    /// From 1.
    pub epoch: u32,
    /// Mean training loss, cross-entropy in nats.
    pub loss: f64,
    /// Accuracy on the validation part, from 0 to 1; absent when the budget asks for the test part.
    pub validation_accuracy: Option<f64>,
}

/// Trains networks with libtorch: AdamW with a cosine schedule after a short warm-up, gradients clipped to norm 1. Learning
/// rate and weight decay are the architecture's parameters `lr` and `weight_decay`, or 1e-3 and 1e-4. The score is the
/// accuracy after the last epoch, not the best one on the way.
///
/// On the CPU the same seed gives the same trial, its times apart, as long as libtorch has as many threads. Trials of one
/// process wait for each other.
pub struct TorchTrainer {
    task: Task,
    dataset: Arc<Dataset>,
    splits: Splits,
    fingerprint: String,
    options: TorchOptions,
    device: Device,
    /// The parts on the device; remade only when another split is asked for.
    parts: Option<(Split, Parts)>,
    on_epoch: Box<dyn FnMut(EpochReport) + Send>,
}

impl TorchTrainer {
    /// A trainer over a data set; `on_epoch` hears how each epoch went.
    ///
    /// # Errors
    /// [`TrainError::NoDevice`].
    pub fn new(
        dataset: Arc<Dataset>,
        options: TorchOptions,
        on_epoch: Box<dyn FnMut(EpochReport) + Send>,
    ) -> Result<Self, TrainError> {
        Ok(TorchTrainer {
            task: dataset.task(),
            splits: Splits::new(&dataset, options.split_seed),
            fingerprint: dataset.fingerprint(),
            device: device::choose(options.device)?,
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
        let family = spaces::family(space.id());
        let family = family.ok_or_else(|| TrainError::NoFamily { space: space.id().clone() })?;
        let input = NetInput { shape: self.dataset.shape().to_vec(), n_classes: self.dataset.n_classes() };
        let net = (family.net)(architecture, &input)?;
        if let Some(node) = net.nodes().iter().find(|node| matches!(node.op, Op::Graph { .. })) {
            return Err(TrainError::NoSuchLayer { op: format!("{:?}", node.op) });
        }
        Ok(net)
    }

    /// The examples on the device, as the split asks for them.
    fn prepare(&mut self, split: Split) -> Result<(), TrainError> {
        if self.parts.as_ref().is_some_and(|(prepared, _)| *prepared == split) {
            return Ok(());
        }
        let Splits { train, validation, test } = &self.splits;
        let (fit, score) = match split {
            Split::Validation => (train.clone(), validation),
            Split::Test => ([&train[..], validation].concat(), test),
            Split::Train => return Err(TrainError::BadSplit { split }),
        };
        if fit.is_empty() || score.is_empty() {
            return Err(TrainError::NoExamples { task: self.task.id.clone(), split });
        }
        let parts = Parts::new(&self.dataset, &fit, score, self.device);
        let parts = parts.map_err(|error| TrainError::Torch { reason: first_line(&error) })?;
        self.parts = Some((split, parts));
        Ok(())
    }

    /// Trains and scores; whatever breaks becomes a reason.
    fn run(
        &mut self,
        net: &NetGraph,
        architecture: &Architecture,
        budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Outcome, String> {
        let (_, parts) = self.parts.as_ref().expect("the parts were prepared");
        let settings = Settings {
            epochs: budget.epochs,
            batch_size: self.options.batch_size,
            learning_rate: architecture.number("lr").unwrap_or(1e-3),
            weight_decay: architecture.number("weight_decay").unwrap_or(1e-4),
            seed: budget.seed,
        };
        let scored = budget.split == Split::Validation;
        let on_epoch = &mut self.on_epoch;
        let device = self.device;
        let attempt = catch_unwind(AssertUnwindSafe(|| {
            let fit = Fit::new(net, device, &settings).map_err(|error| first_line(&error))?;
            fit.run(parts, scored, on_epoch, watch)
        }));
        match attempt {
            Ok(done) => done,
            Err(panic) => Err(format!("panic: {}", panic_text(&*panic))),
        }
    }

    /// A trial that is still to be run.
    fn blank(&self, space: &SearchSpace, architecture: &Architecture, budget: &Budget) -> Trial {
        let (task, metric) = (self.task.id.clone(), self.task.metric.clone());
        let mut trial = Trial::new(task, space.id().clone(), architecture.clone(), budget.split, metric, 0.0);
        trial.fidelity.insert("epochs".into(), budget.epochs.into());
        trial.seed = Some(budget.seed);
        trial.source =
            Some(format!("heirloom {}, {VERSIONS}, {}", env!("CARGO_PKG_VERSION"), self.device()).into());
        trial.extra.insert("data".into(), self.fingerprint.as_str().into());
        trial
    }

    fn failed(&self, trial: &mut Trial, reason: &str) {
        tracing::warn!(task = %self.task.id, architecture = %trial.architecture, reason, "trial failed");
        trial.status = Status::Failed;
        trial.score = None;
        trial.extra.insert("reason".into(), reason.into());
    }
}

/// What a trial that did not break gives.
struct Outcome {
    accuracy: f64,
    /// Validation accuracy after each epoch.
    curve: Vec<(f64, f64)>,
    latency_s: f64,
    /// The epoch after which it was stopped, and why.
    stopped: Option<(u32, String)>,
}

impl Trainer for TorchTrainer {
    fn task(&self) -> &Task {
        &self.task
    }

    fn train_watched(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        budget: &Budget,
        watch: &mut dyn FnMut(u32, f64) -> Decision,
    ) -> Result<Trial, TrainError> {
        let net = self.net(space, architecture)?;
        self.prepare(budget.split)?;
        let mut trial = self.blank(space, architecture, budget);
        // A network that does not hold together is this architecture's failure, not the study's.
        let cost = match net.cost() {
            Ok(cost) => cost,
            Err(error) => {
                self.failed(&mut trial, &error.to_string());
                return Ok(trial);
            }
        };
        let turn = turn();
        let start = Instant::now();
        let outcome = self.run(&net, architecture, budget, watch);
        trial.costs = costs(&cost, start.elapsed().as_secs_f64());
        drop(turn);
        match outcome {
            Ok(outcome) => {
                trial.score = Some(outcome.accuracy);
                trial.curve = outcome.curve;
                trial.costs.insert("latency_s".into(), outcome.latency_s);
                if let Some((epoch, why)) = outcome.stopped {
                    mark_pruned(&mut trial, epoch, &why);
                }
            }
            Err(reason) => self.failed(&mut trial, &reason),
        }
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

fn costs(cost: &NetCost, train_s: f64) -> BTreeMap<heirloom_kb::Name, f64> {
    let costs = [("params", cost.params as f64), ("flops", cost.flops as f64), ("train_s", train_s)];
    costs.into_iter().map(|(name, cost)| (name.into(), cost)).collect()
}

/// libtorch reports with a C++ backtrace; the first line says what happened.
fn first_line(error: &tch::TchError) -> String {
    error.to_string().lines().next().unwrap_or("unknown").to_owned()
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("unknown").lines().next().unwrap_or("unknown").to_owned()
}

/// The batches of a part, as (start, length).
fn chunks(part: &Part, batch_size: usize) -> impl Iterator<Item = (i64, i64)> {
    batches(part.len(), batch_size.max(1) as i64)
}

/// Batches of `size` examples. One left over alone joins the batch before it: batch normalisation has no variance over one
/// example, and would keep the NaN in its running variance.
fn batches(n: i64, size: i64) -> impl Iterator<Item = (i64, i64)> {
    let alone = n > size && n % size == 1;
    let end = n - i64::from(alone);
    let length = move |start: i64| {
        if alone && start + size == end { size + 1 } else { size.min(n - start) }
    };
    (0..end).step_by(size as usize).map(move |start| (start, length(start)))
}

#[cfg(test)]
mod tests;
