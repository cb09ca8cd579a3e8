//! `Fit`: one network, trained from start to end.

use std::collections::BTreeSet;
use std::time::Instant;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

use super::attempt::Outcome;
use super::augment::augment;
use super::checkpoint::{Checkpoint, Progress};
use super::data::{Part, Parts, chunks};
use super::epoch_scores::EpochScores;
use super::measure;
use super::module::Module;
use super::objective::Objective;
use super::optimizer::Optimizer;
use super::weights::{self, Tensors};
use super::{EpochReport, first_line};
use crate::fidelity::Decision;
use crate::net::NetGraph;
use crate::train::Recipe;

/// Multiply-adds of a step from which on several threads are worth their barriers. Below, one thread is as fast, and does
/// not depend on all threads having a core to themselves.
const PARALLEL_FLOPS: u64 = 20_000_000;

/// A network with its weights, before or after training.
pub(super) struct Network {
    pub(super) module: Module,
    pub(super) store: VarStore,
}

impl Network {
    /// Fresh weights, drawn with the seed; a large network uses so many cores, all of them unless given.
    pub(super) fn new(
        net: &NetGraph,
        device: Device,
        recipe: &Recipe,
        seed: u64,
        cores: Option<usize>,
    ) -> Result<Self, TchError> {
        let shapes = net.shapes().map_err(|error| TchError::Torch(error.to_string()))?;
        use_threads(net, recipe.batch_size, cores);
        keep_memory()?;
        // Seeds of libtorch are signed; all 64 bits are used.
        tch::manual_seed(seed.cast_signed());
        let store = VarStore::new(device);
        let module = Module::new(&store.root(), net, &shapes)?.computing(recipe);
        Ok(Network { module, store })
    }

    /// The weights and what norms remember, by name.
    pub(super) fn tensors(&self) -> Tensors {
        weights::of(&self.store)
    }

    /// Takes over the values of tensors of the same names and shapes.
    pub(super) fn load(&self, values: &Tensors) -> Result<(), TchError> {
        weights::load(&self.store, values)
    }
}

/// One thread for a small network, all cores or as many as are given for a large one.
pub(super) fn use_threads(net: &NetGraph, batch_size: usize, cores: Option<usize>) {
    // The network was checked; one whose cost is unknown would be the trial's own failure.
    let flops = net.cost().map_or(0, |cost| cost.flops) * batch_size as u64;
    let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = cores.map_or(all, |cores| cores.clamp(1, all));
    tch::set_num_threads(if flops < PARALLEL_FLOPS { 1 } else { cores as i32 });
}

/// Has the C library keep what is freed, for the next step needs as much again: up to twice the largest block that was ever
/// given back, if that had at most 32 MiB, is not returned to the system (`M_TRIM_THRESHOLD` in glibc's `mallopt(3)`). Pages
/// fetched anew in each step took a third of the time of a network of a million weights.
fn keep_memory() -> Result<(), TchError> {
    const BYTES: i64 = 31 << 20;
    Tensor::f_empty([BYTES], (Kind::Uint8, Device::Cpu)).map(drop)
}

/// What is trained of a store, by name: in an order of its own, which is that of an optimizer's memory.
pub(super) fn trained(store: &VarStore) -> Tensors {
    store.variables().into_iter().filter(|(_, tensor)| tensor.requires_grad()).collect()
}

/// Seeds libtorch for an epoch, and gives the generator for the rest of its chance. It depends on nothing that went before.
pub(super) fn seed_epoch(seed: u64, epoch: u32) -> Xoshiro256PlusPlus {
    let chance = seed.wrapping_add(u64::from(epoch).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    tch::manual_seed(chance.cast_signed());
    Xoshiro256PlusPlus::seed_from_u64(chance)
}

/// How long and by which chance a network is trained.
pub(super) struct Course<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) epochs: u32,
    pub(super) seed: u64,
    /// Blocks whose weights stay as they are.
    pub(super) frozen: &'a BTreeSet<String>,
    /// Where it is kept while under way.
    pub(super) checkpoint: Option<&'a Checkpoint>,
}

/// Who is told, and who may stop it.
pub(super) struct Watchers<'a> {
    pub(super) on_epoch: &'a mut dyn FnMut(EpochReport),
    pub(super) watch: &'a mut dyn FnMut(u32, f64) -> Decision,
}

/// A network under training.
pub(super) struct Fit<'a> {
    network: &'a Network,
    objective: &'a dyn Objective,
    optimizer: Optimizer,
    course: Course<'a>,
    losses: Vec<f64>,
    scores: EpochScores,
    started: Instant,
    seconds_before: f64,
}

impl<'a> Fit<'a> {
    pub(super) fn new(
        network: &'a Network,
        objective: &'a dyn Objective,
        course: Course<'a>,
    ) -> Result<Self, TchError> {
        let is_frozen = |name: &str| course.frozen.contains(name.split('.').next().unwrap_or(name));
        let (frozen, trained): (Vec<_>, Vec<_>) =
            trained(&network.store).into_iter().partition(|(name, _)| is_frozen(name));
        for (_, tensor) in frozen {
            let _ = tensor.f_set_requires_grad(false)?;
        }
        let trained = trained.into_iter().map(|(_, tensor)| tensor).collect();
        Ok(Fit {
            optimizer: Optimizer::new(trained, course.recipe)?,
            scores: EpochScores::new(course.recipe.patience),
            network,
            objective,
            course,
            losses: Vec::new(),
            started: Instant::now(),
            seconds_before: 0.0,
        })
    }

    /// Trains for all epochs that are left and scores. With `scored` it scores after each epoch too, and may be stopped there.
    pub(super) fn run(
        mut self,
        parts: &Parts,
        scored: bool,
        watchers: Watchers<'_>,
    ) -> Result<Outcome, String> {
        let Watchers { on_epoch, watch } = watchers;
        self.resume().map_err(|error| first_line(&error))?;
        let mut stopped = None;
        for epoch in 1..=self.course.epochs {
            let at = epoch as usize - 1;
            let is_new = at >= self.losses.len();
            if is_new {
                let loss = self.epoch(&parts.fit, epoch)?;
                self.losses.push(loss);
                if scored {
                    let accuracy = measure::accuracy(&self.network.module, &parts.score)?;
                    self.scores.push(accuracy, &self.network.store);
                }
            }
            let accuracy = self.scores.all().get(at).copied();
            on_epoch(EpochReport { epoch, loss: self.losses[at], validation_accuracy: accuracy });
            if epoch == self.course.epochs {
                break;
            }
            let decision = accuracy.map(|accuracy| watch(epoch, accuracy)).filter(Decision::is_stop);
            if let Some(stop) = decision {
                stopped = Some((epoch, stop.why().to_owned()));
                break;
            }
            if self.scores.is_exhausted(at) {
                break;
            }
            if is_new {
                self.keep().map_err(|error| first_line(&error))?;
            }
        }
        self.finish(parts, stopped)
    }

    fn finish(self, parts: &Parts, stopped: Option<(u32, String)>) -> Result<Outcome, String> {
        let best = match stopped {
            Some(_) => None,
            None => self.scores.take_best(&self.network.store).map_err(|error| first_line(&error))?,
        };
        let scores = self.scores.all();
        let accuracy = match best.map(|best| scores[best]).or(scores.last().copied()) {
            Some(accuracy) => accuracy,
            None => measure::accuracy(&self.network.module, &parts.score)?,
        };
        let train_s = self.seconds();
        let latency_s = measure::latency(&self.network.module, &parts.score)?;
        let curve = scores.iter().enumerate().map(|(at, score)| ((at + 1) as f64, *score)).collect();
        Ok(Outcome { accuracy, curve, latency_s, train_s, stopped, best_epoch: best.map(|at| at as u32 + 1) })
    }

    fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// Goes on where the trial was, if it was kept.
    fn resume(&mut self) -> Result<(), TchError> {
        let Some(checkpoint) = self.course.checkpoint else { return Ok(()) };
        if let Some(progress) = checkpoint.resume(&self.network.store, &mut self.optimizer)? {
            self.losses = progress.losses;
            self.scores.go_on(progress.scores, progress.best);
            self.seconds_before = progress.seconds;
        }
        Ok(())
    }

    /// Keeps where the trial is.
    fn keep(&self) -> Result<(), TchError> {
        let Some(checkpoint) = self.course.checkpoint else { return Ok(()) };
        let progress = Progress {
            losses: self.losses.clone(),
            scores: self.scores.all().to_vec(),
            seconds: self.seconds(),
            best: weights::shallow(self.scores.best_weights()),
        };
        checkpoint.save(&progress, &self.network.store, &self.optimizer)
    }

    /// One pass over the shuffled examples; the mean loss. All chance is that of the seed and the epoch, so that a trial that
    /// was broken off goes on as if it had not been.
    fn epoch(&mut self, part: &Part, epoch: u32) -> Result<f64, String> {
        let mut rng = seed_epoch(self.course.seed, epoch);
        let mut order: Vec<i64> = (0..part.len()).collect();
        order.shuffle(&mut rng);
        let torch = |error: TchError| first_line(&error);
        let device = self.network.store.device();
        let order =
            Tensor::f_from_slice(&order).and_then(|order| order.f_to_device(device)).map_err(torch)?;
        let steps = chunks(part, self.course.recipe.batch_size).count();
        let mut losses = Vec::with_capacity(steps);
        for (step, (start, length)) in chunks(part, self.course.recipe.batch_size).enumerate() {
            let progress =
                (f64::from(epoch - 1) + step as f64 / steps as f64) / f64::from(self.course.epochs);
            let rows = order.f_narrow(0, start, length).map_err(torch)?;
            let loss = self.step(part, &rows, progress, &mut rng).map_err(torch)?;
            losses.push(loss.f_mul_scalar(length as f64).map_err(torch)?);
        }
        Ok(finite(&losses, epoch)?.iter().sum::<f64>() / part.len() as f64)
    }

    fn step(
        &mut self,
        part: &Part,
        rows: &Tensor,
        progress: f64,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Tensor, TchError> {
        let Course { recipe, frozen, .. } = &self.course;
        let batch = augment(part.rows(rows)?, &recipe.augmentations, rng)?;
        // A frozen block's norms stay as they were learned.
        let values = self.network.module.values(&batch.x, |node| !frozen.contains(node.block()))?;
        let loss = self.objective.loss(&values, &batch)?;
        self.optimizer.step(&loss, recipe, recipe.learning_rate_at(progress))?;
        loss.f_detach()
    }
}

/// The losses of an epoch's steps. One look at the device an epoch, not one a step.
///
/// # Errors
/// The first that is not finite.
pub(super) fn finite(losses: &[Tensor], epoch: u32) -> Result<Vec<f64>, String> {
    let losses = Tensor::f_stack(losses, 0).and_then(|losses| losses.f_to_kind(Kind::Double));
    let losses = losses.and_then(Vec::<f64>::try_from).map_err(|error| first_line(&error))?;
    match losses.iter().position(|loss| !loss.is_finite()) {
        Some(step) => Err(format!("the loss is {} in epoch {epoch}, step {}", losses[step], step + 1)),
        None => Ok(losses),
    }
}
