//! `Relaxation`: a differentiable search over the operations of a cell.

use heirloom_kb::Architecture;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::{Kind, TchError, Tensor};

use super::EpochReport;
use super::path_optimizer::{Gradients, PathOptimizer, add_gradients};
use super::supernet::{Step, Supernet, torch};
use crate::spaces::{self, CELL_OPS};
use crate::train::TrainError;

/// Edges and operations of a cell.
const EDGES: usize = 6;
const OPS: usize = CELL_OPS.len();
/// Adam for the strengths, as in DARTS but for the rate, which fits fewer steps than its 19,500.
const RATE: f64 = 3e-3;
const BETAS: (f64, f64) = (0.5, 0.999);
const DECAY: f64 = 1e-3;
/// Shortcuts that a cell may have, and what each beyond them costs: more than any difference in log-probability.
const MOST_SHORTCUTS: usize = 2;
const SHORTCUT_COST: f64 = 100.0;

/// What a differentiable search has learned: of each edge, how strong each operation is. Probabilities are the softmax over an
/// edge's operations. Method and sources: [`SharingMethod::Darts`](crate::train::SharingMethod::Darts).
pub(super) struct Relaxation {
    strengths: Vec<f64>,
    first_moment: Vec<f64>,
    second_moment: Vec<f64>,
    steps: i32,
}

impl Relaxation {
    /// Trains weights and strengths in turn: the former on one half of the training part, the latter on the other.
    pub(super) fn train(
        supernet: &Supernet,
        on_epoch: &mut dyn FnMut(EpochReport),
    ) -> Result<Self, TrainError> {
        let n = EDGES * OPS;
        let mut relaxation = Relaxation {
            strengths: vec![0.0; n],
            first_moment: vec![0.0; n],
            second_moment: vec![0.0; n],
            steps: 0,
        };
        let mut rows: Vec<i64> = (0..supernet.n()).collect();
        rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(supernet.options().seed));
        let (for_weights, for_strengths) = rows.split_at(rows.len() / 2);
        let mixed = supernet.options().skeleton.mixed(supernet.input())?;
        let module = supernet.module_of(&mixed.net)?;
        let used = supernet.used_by(&mixed.net);
        let mut optimizer = PathOptimizer::default();
        supernet.descend(for_weights, on_epoch, &mut |step: &Step, rng| {
            // The auxiliary shortcut beside every edge.
            let shortcut = 1.0 - step.progress;
            let loss = |strengths: &Tensor, x: &Tensor, y: &Tensor| {
                let weights = mixing_weights(strengths, shortcut).map_err(|error| torch(&error))?;
                let through = |node: usize, value: Tensor| match mixed.ends.get(&node) {
                    Some((edge, op)) => value.f_mul(&weights[edge * OPS + op]),
                    None => Ok(value),
                };
                let values = module.values_through(x, |_| true, through).map_err(|error| torch(&error))?;
                supernet.loss(values.last().expect("a network has its input node"), y)
            };
            let others: Vec<i64> =
                (0..step.y.size()[0]).map(|_| for_strengths[rng.gen_range(0..for_strengths.len())]).collect();
            let (x, y) = supernet.examples(&others)?;
            let strengths = relaxation.tensor(supernet).map_err(|error| torch(&error))?;
            let gradient = gradient(&loss(&strengths, &x, &y)?, &strengths).map_err(|error| torch(&error))?;
            relaxation.step(&gradient);
            let strengths = relaxation.tensor(supernet).map_err(|error| torch(&error))?.detach();
            let loss = loss(&strengths, &step.x, &step.y)?;
            let mut gradients = Gradients::new();
            add_gradients(&mut gradients, &loss, &used).map_err(|error| torch(&error))?;
            optimizer.step(supernet.weights(), &gradients, step.rate).map_err(|error| torch(&error))?;
            loss.f_double_value(&[]).map_err(|error| torch(&error))
        })?;
        Ok(relaxation)
    }

    /// The strengths `(edges, operations)` as what gradients are taken by.
    fn tensor(&self, supernet: &Supernet) -> Result<Tensor, TchError> {
        let strengths: Vec<f32> = self.strengths.iter().map(|strength| *strength as f32).collect();
        let shaped = Tensor::f_from_slice(&strengths)?.f_reshape([EDGES as i64, OPS as i64])?;
        shaped.f_to_device(supernet.device())?.f_set_requires_grad(true)
    }

    /// One step of Adam.
    fn step(&mut self, gradient: &[f64]) {
        self.steps += 1;
        let corrections = (1.0 - BETAS.0.powi(self.steps), 1.0 - BETAS.1.powi(self.steps));
        for (at, strength) in self.strengths.iter_mut().enumerate() {
            let slope = gradient[at] + DECAY * *strength;
            let (first, second) = (&mut self.first_moment[at], &mut self.second_moment[at]);
            *first = BETAS.0 * *first + (1.0 - BETAS.0) * slope;
            *second = BETAS.1 * *second + (1.0 - BETAS.1) * slope * slope;
            *strength -= RATE * (*first / corrections.0) / ((*second / corrections.1).sqrt() + 1e-8);
        }
    }

    /// Of each edge the probability of each operation.
    pub(super) fn probabilities(&self) -> Vec<Vec<f64>> {
        let softmax = |row: &[f64]| {
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let raised: Vec<f64> = row.iter().map(|strength| (strength - top).exp()).collect();
            let total: f64 = raised.iter().sum();
            raised.iter().map(|value| value / total).collect()
        };
        self.strengths.chunks(OPS).map(softmax).collect()
    }

    /// The logarithm of the probability that each edge draws what the architecture has there, less a large constant for each
    /// shortcut beyond the second.
    pub(super) fn score(&self, architecture: &Architecture) -> f64 {
        let Some(cell) = spaces::cell(architecture) else { return f64::NEG_INFINITY };
        let log_probability: f64 =
            self.probabilities().iter().zip(cell).map(|(row, op)| row[op as usize].ln()).sum();
        let shortcuts = cell.iter().filter(|op| CELL_OPS[**op as usize] == "skip_connect").count();
        log_probability - SHORTCUT_COST * shortcuts.saturating_sub(MOST_SHORTCUTS) as f64
    }
}

/// What each operation of each edge is multiplied by, edge by edge: its probability, and for `skip_connect` the auxiliary
/// shortcut's weight on top, since both pass on the same.
fn mixing_weights(strengths: &Tensor, shortcut: f64) -> Result<Vec<Tensor>, TchError> {
    let flat = strengths.f_softmax(-1, Kind::Float)?.f_flatten(0, -1)?;
    let weight = |at: usize| {
        let weight = flat.f_select(0, at as i64)?;
        if CELL_OPS[at % OPS] == "skip_connect" { weight.f_add_scalar(shortcut) } else { Ok(weight) }
    };
    (0..EDGES * OPS).map(weight).collect()
}

fn gradient(loss: &Tensor, by: &Tensor) -> Result<Vec<f64>, TchError> {
    let found = Tensor::f_run_backward(&[loss], &[by], false, false)?;
    Vec::<f64>::try_from(found[0].f_to_kind(Kind::Double)?.f_flatten(0, -1)?)
}
