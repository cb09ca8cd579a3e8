//! `Supernet`: the weights that all cells share, trained together, and what they say of each.

use std::collections::BTreeMap;

use heirloom_datasets::{Dataset, Splits};
use heirloom_kb::{Architecture, SearchSpace, Split};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::nn::VarStore;
use tch::{Device, Reduction, TchError, Tensor};

use super::darts::Relaxation;
use super::data::Parts;
use super::data::batches;
use super::device::{self, DeviceChoice};
use super::fit::use_threads;
use super::module::Module;
use super::path_optimizer::{Gradients, PathOptimizer, add_gradients};
use super::{EpochReport, first_line, guarded, turn};
use crate::net::NetGraph;
use crate::spaces::{self, CELL_OPS, Cell, NetInput};
use crate::train::{Budget, SharedScore, SharingMethod, SharingOptions, Strengths, TrainError};

/// The weights that all cells of NAS-Bench-201 share: each operation of each edge has its own, whatever the other edges
/// hold. They are trained on the training part, as [`SharingMethod`] says, and rank candidates on the validation part; the
/// test part is never looked at.
///
/// Scale and shift of norms stay as they begin, as in the supernets of NAS-Bench-201: what is shared is rescaled by many
/// networks. On the CPU the same seed gives the same weights, as long as libtorch has as many threads.
pub struct Supernet {
    space: SearchSpace,
    input: NetInput,
    options: SharingOptions,
    pub(super) parts: Parts,
    pub(super) store: VarStore,
    /// What is trained, by name.
    weights: BTreeMap<String, Tensor>,
    /// The network of all operations, in whose order weights are drawn.
    everything: NetGraph,
    /// What a differentiable search has learned.
    relaxation: Option<Relaxation>,
}

impl Supernet {
    /// Fresh weights for a data set of images.
    ///
    /// # Errors
    /// [`TrainError::NothingShared`] for another space than `nas-bench-201/1`; [`TrainError::NoDevice`],
    /// [`TrainError::NoExamples`], [`TrainError::Net`], [`TrainError::Torch`].
    pub fn new(
        dataset: &Dataset,
        space: &SearchSpace,
        options: SharingOptions,
        device: DeviceChoice,
    ) -> Result<Self, TrainError> {
        if spaces::family(space.id()).is_none_or(|family| family.id != "nas-bench-201/1") {
            return Err(TrainError::NothingShared { space: space.id().clone() });
        }
        let input = NetInput { shape: dataset.shape().to_vec(), n_classes: dataset.n_classes() };
        let everything = options.skeleton.mixed(&input)?.net;
        let shapes = everything.shapes()?;
        let device = device::choose(device)?;
        let splits = Splits::new(dataset, options.split_seed);
        let budget = Budget::new(options.epochs, options.seed, Split::Validation);
        let parts = Parts::of_budget(dataset, &splits, &budget, 2, device)?;
        let _turn = turn();
        tch::manual_seed(options.seed.cast_signed());
        let store = VarStore::new(device);
        Module::new(&store.root(), &everything, &shapes).map_err(|error| torch(&error))?;
        let weights = trained(&store);
        let space = space.clone();
        Ok(Supernet { space, input, options, parts, store, weights, everything, relaxation: None })
    }

    /// Trains the shared weights for all epochs; `on_epoch` hears the mean loss of each.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] and [`TrainError::Torch`].
    pub fn train(&mut self, on_epoch: &mut dyn FnMut(EpochReport)) -> Result<(), TrainError> {
        let _turn = turn();
        use_threads(&self.everything, self.options.batch_size, None);
        tch::manual_seed(self.options.seed.cast_signed());
        if self.options.method == SharingMethod::Darts {
            let relaxation = guarded(|| Relaxation::train(self, on_epoch), failed)?;
            self.relaxation = Some(relaxation);
            return Ok(());
        }
        guarded(|| self.train_paths(on_epoch), failed)
    }

    /// Trains the weights of cells drawn anew each step.
    fn train_paths(&self, on_epoch: &mut dyn FnMut(EpochReport)) -> Result<(), TrainError> {
        let mut optimizer = PathOptimizer::default();
        let fair = self.options.method == SharingMethod::Fair;
        let rows: Vec<i64> = (0..self.parts.fit.len()).collect();
        self.descend(&rows, on_epoch, &mut |step, rng| {
            let cells = if fair { fair_paths(rng) } else { vec![uniform_path(rng)] };
            let (mut gradients, mut total) = (Gradients::new(), 0.0);
            for cell in &cells {
                let (net, module) = self.module(&spaces::cell_architecture(*cell))?;
                let loss = self.loss(&module.forward(&step.x, true).map_err(|e| torch(&e))?, &step.y)?;
                total += loss.f_double_value(&[]).map_err(|e| torch(&e))?;
                add_gradients(&mut gradients, &loss, &self.used_by(&net)).map_err(|e| torch(&e))?;
            }
            optimizer.step(&self.weights, &gradients, step.rate).map_err(|e| torch(&e))?;
            Ok(total / cells.len() as f64)
        })
    }

    /// What the shared weights say of candidates, the best first. `on_each` is called after each.
    ///
    /// After a differentiable search the score is the logarithm of the probability of a cell, without any measurement, and
    /// cells with more than two shortcuts come last; else
    /// each candidate inherits the weights, has the statistics of its norms computed anew on training examples and is scored
    /// on the validation part.
    ///
    /// # Errors
    /// [`TrainError::Net`] for what is no architecture of the space; [`TrainError::Torch`].
    pub fn rank(
        &mut self,
        candidates: &[Architecture],
        on_each: &mut dyn FnMut(),
    ) -> Result<Vec<SharedScore>, TrainError> {
        let _turn = turn();
        use_threads(&self.everything, self.options.batch_size, None);
        let mut ranked = Vec::with_capacity(candidates.len());
        for architecture in candidates {
            ranked.push(match &self.relaxation {
                Some(relaxation) => SharedScore {
                    architecture: architecture.clone(),
                    score: relaxation.score(architecture),
                    accuracy: None,
                    loss: None,
                },
                None => guarded(|| self.inherit(architecture), failed)?,
            });
            on_each();
        }
        let loss = |score: &SharedScore| score.loss.unwrap_or(f64::INFINITY);
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score).then(loss(a).total_cmp(&loss(b))));
        Ok(ranked)
    }

    /// Of every edge the probability of each operation, after a differentiable search.
    #[must_use]
    pub fn strengths(&self) -> Option<Strengths> {
        let probabilities = self.relaxation.as_ref()?.probabilities();
        let named = self.space.params().iter().zip(probabilities).map(|(param, row)| {
            let row = CELL_OPS.iter().zip(row).map(|(op, probability)| ((*op).into(), probability));
            (param.name.clone(), row.collect())
        });
        Some(named.collect())
    }

    /// An architecture's network over the shared weights.
    pub(super) fn module(&self, architecture: &Architecture) -> Result<(NetGraph, Module), TrainError> {
        let net = self.options.skeleton.net(architecture, &self.input)?;
        let module = self.module_of(&net)?;
        Ok((net, module))
    }

    /// A network over the shared weights.
    pub(super) fn module_of(&self, net: &NetGraph) -> Result<Module, TrainError> {
        Module::new(&self.store.root(), net, &net.shapes()?).map_err(|error| torch(&error))
    }

    /// The trained weights of a network.
    pub(super) fn used_by(&self, net: &NetGraph) -> Vec<(String, Tensor)> {
        let names =
            net.nodes().iter().flat_map(|node| ["weight", "bias"].map(|of| format!("{}.{of}", node.name)));
        let known = |name: String| self.weights.get(&name).map(|weight| (name, weight.shallow_clone()));
        names.filter_map(known).collect()
    }

    pub(super) fn weights(&self) -> &BTreeMap<String, Tensor> {
        &self.weights
    }

    pub(super) fn input(&self) -> &NetInput {
        &self.input
    }

    pub(super) fn options(&self) -> &SharingOptions {
        &self.options
    }

    /// The number of examples to fit on.
    pub(super) fn n(&self) -> i64 {
        self.parts.fit.len()
    }

    /// Mean cross-entropy of class scores, in nats.
    pub(super) fn loss(&self, scores: &Tensor, y: &Tensor) -> Result<Tensor, TrainError> {
        let loss = scores.f_cross_entropy_loss::<Tensor>(y, None, Reduction::Mean, -100, 0.0);
        loss.map_err(|error| torch(&error))
    }

    /// Training examples and their classes.
    pub(super) fn examples(&self, rows: &[i64]) -> Result<(Tensor, Tensor), TrainError> {
        let batch = Tensor::f_from_slice(rows).and_then(|rows| self.parts.fit.rows(&rows));
        let batch = batch.map_err(|error| torch(&error))?;
        Ok((batch.x, batch.y))
    }

    pub(super) fn device(&self) -> Device {
        self.store.device()
    }

    /// Passes over these training examples in batches, each time in another order.
    pub(super) fn descend(
        &self,
        rows: &[i64],
        on_epoch: &mut dyn FnMut(EpochReport),
        act: &mut dyn FnMut(&Step, &mut Xoshiro256PlusPlus) -> Result<f64, TrainError>,
    ) -> Result<(), TrainError> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.options.seed);
        let mut order = rows.to_vec();
        let size = self.options.batch_size.max(2) as i64;
        let steps = batches(order.len() as i64, size).count();
        let epochs = self.options.epochs;
        for epoch in 1..=epochs {
            order.shuffle(&mut rng);
            let mut total = 0.0;
            for (number, (start, length)) in batches(order.len() as i64, size).enumerate() {
                let (x, y) = self.examples(&order[start as usize..(start + length) as usize])?;
                let progress = (f64::from(epoch - 1) + number as f64 / steps as f64) / f64::from(epochs);
                let rate = self.options.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                let loss = act(&Step { x, y, rate, progress }, &mut rng)?;
                if !loss.is_finite() {
                    return Err(TrainError::Diverged { epoch, loss });
                }
                total += loss * length as f64;
            }
            on_epoch(EpochReport { epoch, loss: total / order.len() as f64, validation_accuracy: None });
        }
        Ok(())
    }
}

/// What a step is given.
pub(super) struct Step {
    /// Examples and their classes.
    pub(super) x: Tensor,
    pub(super) y: Tensor,
    /// The learning rate.
    pub(super) rate: f64,
    /// The share of all steps that is done, from 0 to 1.
    pub(super) progress: f64,
}

/// The weights of convolutions and fully connected layers and their biases; no norms.
fn trained(store: &VarStore) -> BTreeMap<String, Tensor> {
    let all = store.variables();
    let is_dense = |name: &str| {
        let weight = name.rsplit_once('.').map(|(node, _)| format!("{node}.weight"));
        weight.and_then(|weight| all.get(&weight)).is_some_and(|weight| weight.dim() >= 2)
    };
    let chosen = all.iter().filter(|(name, weight)| weight.requires_grad() && is_dense(name));
    chosen.map(|(name, weight)| (name.clone(), weight.shallow_clone())).collect()
}

fn uniform_path(rng: &mut Xoshiro256PlusPlus) -> Cell {
    std::array::from_fn(|_| rng.gen_range(0..CELL_OPS.len() as u8))
}

/// As many cells as there are operations, of which each edge has each operation once.
fn fair_paths(rng: &mut Xoshiro256PlusPlus) -> Vec<Cell> {
    let n = CELL_OPS.len();
    let orders: [Vec<u8>; 6] = std::array::from_fn(|_| {
        let mut order: Vec<u8> = (0..n as u8).collect();
        order.shuffle(rng);
        order
    });
    (0..n).map(|at| std::array::from_fn(|edge| orders[edge][at])).collect()
}

pub(super) fn torch(error: &TchError) -> TrainError {
    failed(first_line(error))
}

fn failed(reason: String) -> TrainError {
    TrainError::Torch { reason }
}

#[cfg(test)]
mod tests;
