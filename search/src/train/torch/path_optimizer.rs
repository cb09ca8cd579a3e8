//! `PathOptimizer`: stochastic gradient descent over the weights that a step uses.

use std::collections::BTreeMap;

use tch::{TchError, Tensor, no_grad};

/// As in the supernets of DARTS and NAS-Bench-201.
const MOMENTUM: f64 = 0.9;
const WEIGHT_DECAY: f64 = 3e-4;
const MAX_GRADIENT: f64 = 5.0;

/// Stochastic gradient descent with momentum over the weights that a step uses. The others keep weight and momentum as they
/// are: decay alone would otherwise shrink what is drawn seldom.
#[derive(Default)]
pub(super) struct PathOptimizer {
    momenta: BTreeMap<String, Tensor>,
}

/// Gradients, by the names of their weights.
pub(super) type Gradients = BTreeMap<String, Tensor>;

/// Adds the gradients of a loss by these weights; those that it does not depend on get none.
pub(super) fn add_gradients(
    into: &mut Gradients,
    loss: &Tensor,
    weights: &[(String, Tensor)],
) -> Result<(), TchError> {
    let tensors: Vec<&Tensor> = weights.iter().map(|(_, tensor)| tensor).collect();
    let found = Tensor::f_run_backward(&[loss], &tensors, false, false)?;
    for ((name, _), gradient) in weights.iter().zip(found).filter(|(_, gradient)| gradient.defined()) {
        let sum = match into.get(name) {
            Some(sum) => sum.f_add(&gradient)?,
            None => gradient,
        };
        into.insert(name.clone(), sum);
    }
    Ok(())
}

impl PathOptimizer {
    /// One step on the weights that have a gradient, clipped so that all together have at most a certain norm.
    pub(super) fn step(
        &mut self,
        weights: &BTreeMap<String, Tensor>,
        gradients: &Gradients,
        rate: f64,
    ) -> Result<(), TchError> {
        let norms = gradients.values().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
        let norm =
            if norms.is_empty() { 0.0 } else { Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])? };
        let scale = (MAX_GRADIENT / (norm + 1e-6)).min(1.0);
        no_grad(|| {
            for (name, gradient) in gradients {
                let Some(weight) = weights.get(name) else { continue };
                let mut weight = weight.shallow_clone();
                let decayed = gradient.f_mul_scalar(scale)?.f_add(&weight.f_mul_scalar(WEIGHT_DECAY)?)?;
                let momentum = match self.momenta.get(name) {
                    Some(before) => before.f_mul_scalar(MOMENTUM)?.f_add(&decayed)?,
                    None => decayed,
                };
                let _ = weight.f_sub_(&momentum.f_mul_scalar(rate)?)?;
                self.momenta.insert(name.clone(), momentum);
            }
            Ok(())
        })
    }
}
