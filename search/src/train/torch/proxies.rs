//! Zero-cost proxies: what an untrained network and one batch of examples say. What each is: [`Proxy`].

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name, SearchSpace, Split, Trial};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use tch::nn::VarStore;
use tch::{Device, Kind, Reduction, TchError, Tensor, no_grad};

use super::data::Part;
use super::module::Module;
use super::{TorchTrainer, first_line, guarded, turn};
use crate::PROXIES_FIELD;
use crate::net::{NetGraph, Op};
use crate::train::{Budget, Proxy, TrainError};

/// The examples that proxies are read on, however many a step of training has: NASWOT and jacov grow with their number.
const EXAMPLES: usize = 64;
/// What is added to the diagonal of NASWOT's kernel.
const KERNEL_JITTER: f64 = 1e-3;
/// The constant in jacov.
const JACOV_K: f64 = 1e-5;

impl TorchTrainer {
    /// The zero-cost proxies of an architecture on these data: by name, all of [`Proxy`], except those that are undefined for
    /// its network or no finite numbers. They are read on one batch of training examples, which the seed chooses, as it
    /// draws the weights: the same seed gives the same numbers.
    ///
    /// # Errors
    /// As for training; [`TrainError::Net`] for a network that does not hold together; [`TrainError::Torch`].
    pub fn proxies(
        &mut self,
        space: &SearchSpace,
        architecture: &Architecture,
        seed: u64,
    ) -> Result<BTreeMap<Name, f64>, TrainError> {
        let net = self.net(space, architecture)?;
        let cost = net.cost()?;
        self.prepare(&Budget::new(1, seed, Split::Validation))?;
        let _turn = turn();
        let mut found = self.untrained(&net, seed)?;
        found.insert(Proxy::Params, cost.params as f64);
        found.insert(Proxy::Flops, cost.flops as f64);
        Ok(found.into_iter().map(|(proxy, value)| (proxy.as_str().into(), value)).collect())
    }

    /// The proxies of a network that need weights, on the prepared parts. The caller holds the turn.
    fn untrained(&self, net: &NetGraph, seed: u64) -> Result<BTreeMap<Proxy, f64>, TrainError> {
        let (_, parts) = self.parts.as_ref().expect("the parts were prepared");
        let failed = |reason| TrainError::Torch { reason };
        let batch = batch(&parts.fit, seed);
        let (x, y) = batch.map_err(|error| failed(first_line(&error)))?;
        let mut found = guarded(|| measure(net, &x, &y, seed, self.device), failed)?;
        found.retain(|_, value| value.is_finite());
        Ok(found)
    }

    /// Writes into a trial what its network's proxies were before it was trained, to six digits: the past that later rankings
    /// by proxies are judged by. Costs about as much as ten steps; a trial counts without them too.
    pub(super) fn note_proxies(&self, net: &NetGraph, trial: &mut Trial, seed: u64) {
        match self.untrained(net, seed) {
            Ok(found) => {
                let short = |value: f64| format!("{value:.5e}").parse::<f64>().unwrap_or(value);
                let found = found.into_iter().map(|(proxy, value)| (proxy.as_str(), short(value)));
                let found: BTreeMap<&str, f64> = found.collect();
                trial.extra.insert(PROXIES_FIELD.into(), serde_json::json!(found));
            }
            Err(error) => tracing::debug!(%error, "no proxies are kept"),
        }
    }
}

/// A batch that the seed chooses.
fn batch(part: &Part, seed: u64) -> Result<(Tensor, Tensor), TchError> {
    let mut rows: Vec<i64> = (0..part.len()).collect();
    rows.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    rows.truncate(EXAMPLES);
    let batch = part.rows(&Tensor::f_from_slice(&rows)?)?;
    Ok((batch.x, batch.y))
}

/// All proxies that need weights.
fn measure(
    net: &NetGraph,
    x: &Tensor,
    y: &Tensor,
    seed: u64,
    device: Device,
) -> Result<BTreeMap<Proxy, f64>, TrainError> {
    let plain = linear(net);
    let shapes = (net.shapes()?, plain.shapes()?);
    let run = || -> Result<BTreeMap<Proxy, f64>, TchError> {
        // Sums of many threads would depend on how many there are.
        tch::set_num_threads(1);
        let mut found = BTreeMap::new();
        let draw = |net: &NetGraph, shapes| {
            tch::manual_seed(seed.cast_signed());
            let store = VarStore::new(device);
            let module = Module::new(&store.root(), net, shapes)?;
            Ok::<_, TchError>((store, module.in_double()))
        };
        let (mut store, module) = draw(&plain, &shapes.1)?;
        found.insert(Proxy::Synflow, synflow(&mut store, &module, net.input())?);
        let (mut store, module) = draw(net, &shapes.0)?;
        // Norms make the gradients of a batch depend on each other, so jacov's matrix has eigenvalues of nothing, whose
        // reciprocal would be the rounding errors of single precision.
        store.double();
        let x = x.f_detach()?.f_to_kind(Kind::Double)?.f_set_requires_grad(true)?;
        let values = module.values(&x, |node| node.op == Op::BatchNorm)?;
        let scores = values.last().expect("a network has its input node");
        found.extend(naswot(net, &values)?.map(|value| (Proxy::Naswot, value)));
        let jacobian = gradients(&scores.f_sum(Kind::Double)?, std::slice::from_ref(&x), true)?;
        let flat = |gradient: &Tensor| gradient.f_flatten(1, -1);
        let jacobian = match &jacobian[0] {
            Some(gradient) => flat(gradient)?,
            None => flat(&x)?.f_zeros_like()?,
        };
        found.insert(Proxy::Jacov, jacov(&jacobian)?);
        let loss = scores.f_cross_entropy_loss::<Tensor>(y, None, Reduction::Mean, -100, 0.0)?;
        let weights = weights(&store);
        let (mut norms, mut saliency) = (0.0, 0.0);
        for (weight, gradient) in weights.iter().zip(gradients(&loss, &weights, false)?) {
            let Some(gradient) = gradient else { continue };
            norms += gradient.f_norm()?.f_double_value(&[])?;
            saliency += gradient.f_mul(weight)?.f_abs()?.f_sum(Kind::Double)?.f_double_value(&[])?;
        }
        found.insert(Proxy::GradNorm, norms);
        found.insert(Proxy::Snip, saliency);
        Ok(found)
    };
    run().map_err(|error| TrainError::Torch { reason: first_line(&error) })
}

/// The same network with norms that pass on what they get, and so does tanh: what flows is positive, so that a rectifier passes
/// it on too, and a bounded activation would hide all that comes before it. Names do not matter here.
fn linear(net: &NetGraph) -> NetGraph {
    let mut plain = NetGraph::new(net.input().clone());
    for node in &net.nodes()[1..] {
        let passes_on = matches!(node.op, Op::BatchNorm | Op::Tanh);
        let op = if passes_on { Op::Identity } else { node.op.clone() };
        plain.enter(node.name.as_str());
        plain.add(op, &node.inputs);
    }
    plain
}

/// The weights of convolutions and fully connected layers, by name: no biases, no norms.
fn weights(store: &VarStore) -> Vec<Tensor> {
    let named: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    named.into_values().filter(|weight| weight.dim() >= 2 && weight.requires_grad()).collect()
}

/// The gradients of a number; `None` by what it does not depend on.
fn gradients(of: &Tensor, by: &[Tensor], again: bool) -> Result<Vec<Option<Tensor>>, TchError> {
    if !of.requires_grad() || by.is_empty() {
        return Ok(by.iter().map(|_| None).collect());
    }
    let found = Tensor::f_run_backward(std::slice::from_ref(of), by, again, false)?;
    Ok(found.into_iter().map(|gradient| gradient.defined().then_some(gradient)).collect())
}

/// `ln(1 + sum of w dR/dw)`; takes the weights of the module by their absolute values.
fn synflow(store: &mut VarStore, module: &Module, input: &[usize]) -> Result<f64, TchError> {
    store.double();
    no_grad(|| store.trainable_variables().iter_mut().try_for_each(|weight| weight.f_abs_().map(|_| ())))?;
    let size: Vec<i64> = std::iter::once(1).chain(input.iter().map(|side| *side as i64)).collect();
    let ones = Tensor::f_ones(&size, (Kind::Double, store.device()))?;
    let flow = module.forward(&ones, false)?.f_sum(Kind::Double)?;
    let weights = weights(store);
    let mut sum = 0.0;
    for (weight, gradient) in weights.iter().zip(gradients(&flow, &weights, false)?) {
        let Some(gradient) = gradient else { continue };
        sum += gradient.f_mul(weight)?.f_sum(Kind::Double)?.f_double_value(&[])?;
    }
    Ok(sum.ln_1p())
}

/// The logarithm of the determinant of the kernel of activation patterns.
fn naswot(net: &NetGraph, values: &[Tensor]) -> Result<Option<f64>, TchError> {
    let is_activation = |op: &Op| matches!(op, Op::Relu | Op::Gelu | Op::Tanh);
    let mut kernel: Option<Tensor> = None;
    for (node, value) in net.nodes().iter().zip(values) {
        if is_activation(&node.op) {
            let pattern = value.f_detach()?.f_flatten(1, -1)?.f_gt(0.0)?.f_to_kind(Kind::Double)?;
            let agreeing = agreements(&pattern)?;
            kernel = Some(kernel.map_or(Ok(agreeing.shallow_clone()), |sum| sum.f_add(&agreeing))?);
        }
    }
    kernel.map(|kernel| log_det(&kernel)).transpose()
}

/// In how many places each two rows of zeros and ones `[batch, places]` agree, `[batch, batch]`.
fn agreements(pattern: &Tensor) -> Result<Tensor, TchError> {
    let other = pattern.f_neg()?.f_add_scalar(1.0)?;
    pattern.f_matmul(&pattern.f_tr()?)?.f_add(&other.f_matmul(&other.f_tr()?)?)
}

fn log_det(kernel: &Tensor) -> Result<f64, TchError> {
    let jitter =
        Tensor::f_eye(kernel.size()[0], (Kind::Double, kernel.device()))?.f_mul_scalar(KERNEL_JITTER)?;
    let (_, log_det) = kernel.f_add(&jitter)?.f_slogdet()?;
    log_det.f_double_value(&[])
}

/// From the gradients by the input, `[batch, values]`.
fn jacov(jacobian: &Tensor) -> Result<f64, TchError> {
    let centred = jacobian.f_to_kind(Kind::Double)?;
    let centred = centred.f_sub(&centred.f_mean_dim([1_i64].as_slice(), true, Kind::Double)?)?;
    let norms = centred.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
    let rows = centred.f_div(&norms.f_clamp_min(1e-30)?)?;
    let eigenvalues = rows.f_matmul(&rows.f_tr()?)?.f_linalg_eigvalsh("L")?.f_clamp_min(0.0)?;
    let shifted = eigenvalues.f_add_scalar(JACOV_K)?;
    let sum = shifted.f_log()?.f_add(&shifted.f_reciprocal()?)?.f_sum(Kind::Double)?;
    Ok(-sum.f_double_value(&[])?)
}

#[cfg(test)]
mod tests;
