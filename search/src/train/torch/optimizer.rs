//! `Optimizer`: gradients to steps, over all weights as one vector.

use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::train::{OptimizerKind, Recipe};

/// Of Adam.
const BETAS: (f64, f64) = (0.9, 0.999);
const EPSILON: f64 = 1e-8;
/// Of gradient descent.
const MOMENTUM: f64 = 0.9;
/// Each weight begins at a multiple of so many values, which is 64 bytes: a GPU's quick kernels take only weights that begin
/// at 16, and a bias of ten classes would put all that come after it elsewhere.
const ALIGNMENT: i64 = 16;

/// AdamW or SGD over weights that lie one after the other in one vector, so that a step is a dozen operations however many
/// layers there are. The weights become views of that vector. What it remembers can be kept and taken up again. A step takes no
/// memory of its own: new memory costs more than what is done with it.
pub(super) struct Optimizer {
    kind: OptimizerKind,
    weights: Vec<Tensor>,
    layout: Layout,
    flat: Tensor,
    /// The gradients of a step, `(weights)`.
    gradient: Tensor,
    /// What a step works out on the way, `(weights)`.
    scratch: Tensor,
    pub(super) memory: Memory,
}

/// What an optimizer remembers from step to step.
pub(super) struct Memory {
    /// The running mean of the gradients, `(weights)`.
    pub(super) first: Tensor,
    /// The running mean of their squares, `(weights)`; unused by gradient descent.
    pub(super) second: Tensor,
    pub(super) steps: i64,
}

impl Optimizer {
    /// Over these weights, all of which need gradients; there may be none.
    pub(super) fn new(weights: Vec<Tensor>, recipe: &Recipe) -> Result<Self, TchError> {
        let channels_last = recipe.channels_last;
        let device = weights.first().map_or(Device::Cpu, Tensor::device);
        let layout = Layout { channels_last, gap: Tensor::f_zeros([ALIGNMENT], (Kind::Float, device))? };
        // A copy even of one weight, for the weights become views of it.
        let flat = match &weights[..] {
            [] => Tensor::f_zeros([0], (Kind::Float, device))?,
            _ => no_grad(|| Tensor::f_cat(&layout.pieces(weights.iter())?, 0))?,
        };
        let mut start = 0;
        for weight in &weights {
            let size = weight.size();
            let length = weight.numel() as i64;
            let view = flat.f_narrow(0, start, length)?;
            let view = if channels_last && size.len() == 4 {
                view.f_view([size[0], size[2], size[3], size[1]])?.f_permute([0, 3, 1, 2])?
            } else {
                view.f_view(size.as_slice())?
            };
            weight.shallow_clone().f_set_data(&view)?;
            start += length + gap_after(length);
        }
        let memory = Memory { first: flat.f_zeros_like()?, second: flat.f_zeros_like()?, steps: 0 };
        let (gradient, scratch) = (flat.f_zeros_like()?, flat.f_zeros_like()?);
        Ok(Optimizer { kind: recipe.optimizer, weights, layout, flat, gradient, scratch, memory })
    }

    /// One step down the gradients of a loss.
    pub(super) fn step(
        &mut self,
        loss: &Tensor,
        recipe: &Recipe,
        learning_rate: f64,
    ) -> Result<(), TchError> {
        if self.weights.is_empty() {
            return Ok(());
        }
        let gradients = Tensor::f_run_backward(&[loss], &self.weights, false, false)?;
        no_grad(|| {
            let gradients = gradients.into_iter().zip(&self.weights);
            // A weight that did not take part has no gradient.
            let gradients: Vec<Tensor> = gradients
                .map(
                    |(gradient, weight)| {
                        if gradient.defined() { Ok(gradient) } else { weight.f_zeros_like() }
                    },
                )
                .collect::<Result<_, _>>()?;
            let _ = Tensor::f_cat_out(&self.gradient, &self.layout.pieces(gradients.iter())?, 0)?;
            clip(&mut self.gradient, recipe.max_gradient)?;
            self.memory.steps += 1;
            match self.kind {
                OptimizerKind::AdamW => self.adam(learning_rate, recipe.weight_decay),
                OptimizerKind::Sgd => self.descend(learning_rate, recipe.weight_decay),
            }
        })
    }

    fn adam(&mut self, learning_rate: f64, weight_decay: f64) -> Result<(), TchError> {
        let Optimizer { flat, gradient, scratch, memory: Memory { first, second, steps }, .. } = self;
        let steps = *steps as f64;
        let (bias1, bias2) = (1.0 - BETAS.0.powf(steps), 1.0 - BETAS.1.powf(steps));
        let _ = first.f_lerp_(gradient, 1.0 - BETAS.0)?;
        let _ = second.f_lerp_(&gradient.f_square_out(scratch)?, 1.0 - BETAS.1)?;
        // The root of the unbiased mean is that of the biased one over the root of the bias: it goes to the other factors.
        let _ = second.f_sqrt_out(scratch)?.f_add_scalar_(EPSILON * bias2.sqrt())?;
        let _ = first.f_div_out(scratch, scratch)?.f_mul_scalar_(learning_rate * bias2.sqrt() / bias1)?;
        let _ = flat.f_mul_scalar_(1.0 - learning_rate * weight_decay)?;
        flat.f_sub_(scratch).map(|_| ())
    }

    fn descend(&mut self, learning_rate: f64, weight_decay: f64) -> Result<(), TchError> {
        let Optimizer { flat, gradient, scratch, memory: Memory { first, .. }, .. } = self;
        let _ = gradient.f_add_(&flat.f_mul_scalar_out(scratch, weight_decay)?)?;
        let _ = first.f_mul_scalar_(MOMENTUM)?.f_add_(gradient)?;
        let _ = gradient.f_add_(&first.f_mul_scalar_out(scratch, MOMENTUM)?)?.f_mul_scalar_(learning_rate)?;
        flat.f_sub_(gradient).map(|_| ())
    }
}

/// How weights lie in one vector.
struct Layout {
    /// Whether the filters' channels lie last.
    channels_last: bool,
    /// Zeros, of which some stand behind a weight.
    gap: Tensor,
}

impl Layout {
    /// Tensors as vectors, filters as they lie in memory, with what stands between them.
    fn pieces<'a>(&self, tensors: impl Iterator<Item = &'a Tensor>) -> Result<Vec<Tensor>, TchError> {
        let mut pieces = Vec::new();
        for tensor in tensors {
            pieces.push(if self.channels_last && tensor.dim() == 4 {
                tensor.f_permute([0, 2, 3, 1])?.f_flatten(0, -1)?
            } else {
                tensor.f_flatten(0, -1)?
            });
            match gap_after(tensor.numel() as i64) {
                0 => {}
                gap => pieces.push(self.gap.f_narrow(0, 0, gap)?),
            }
        }
        Ok(pieces)
    }
}

/// The places after a weight of so many values that stay empty.
fn gap_after(length: i64) -> i64 {
    (ALIGNMENT - length % ALIGNMENT) % ALIGNMENT
}

/// Shortens a gradient to a norm, without waiting for the device.
fn clip(gradient: &mut Tensor, max: f64) -> Result<(), TchError> {
    if max > 0.0 {
        let factor =
            gradient.f_norm()?.f_add_scalar(1e-6)?.f_reciprocal()?.f_mul_scalar(max)?.f_clamp_max(1.0)?;
        let _ = gradient.f_mul_(&factor)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three steps on `sum((w - t)^2)` with two weights; figures of torch 2.11:
    /// `torch.optim.AdamW(ws, lr=.1, weight_decay=.01)` and `torch.optim.SGD(ws, lr=.05, momentum=.9, nesterov=True,
    /// weight_decay=.01)`.
    #[test]
    fn steps_are_those_of_torch() {
        for (kind, lr, want) in [(OptimizerKind::AdamW, 0.1, ADAMW), (OptimizerKind::Sgd, 0.05, SGD)] {
            let start = [vec![1.0_f32, -2.0], vec![0.5]];
            let weights: Vec<Tensor> =
                start.iter().map(|w| Tensor::from_slice(w).set_requires_grad(true)).collect();
            let recipe =
                Recipe { optimizer: kind, weight_decay: 0.01, max_gradient: 0.0, ..Recipe::default() };
            let handles = weights.iter().map(Tensor::shallow_clone).collect();
            let mut optimizer = Optimizer::new(handles, &recipe).unwrap();
            for _ in 0..3 {
                let loss = (&weights[0] - 3.0).square().sum(Kind::Float)
                    + (&weights[1] * 2.0 + 1.0).square().sum(Kind::Float);
                optimizer.step(&loss, &recipe, lr).unwrap();
            }
            let got = Vec::<f32>::try_from(Tensor::cat(&weights, 0)).unwrap();
            for (got, want) in got.iter().zip(want) {
                assert!((got - want).abs() < 2e-6, "{kind:?}: {got} is not {want}");
            }
        }
    }

    const ADAMW: [f32; 3] = [1.296_088, -1.694_523_8, 0.200_398_06];
    const SGD: [f32; 3] = [2.340_744_3, 1.366_982_3, -0.932_507_2];

    #[test]
    fn every_weight_begins_where_quick_kernels_take_it() {
        let weights: Vec<Tensor> = [10, 3, 32, 1]
            .map(|n| Tensor::ones([n], (Kind::Float, Device::Cpu)).set_requires_grad(true))
            .into();
        let handles = weights.iter().map(Tensor::shallow_clone).collect();
        let optimizer = Optimizer::new(handles, &Recipe::default()).unwrap();
        assert_eq!(optimizer.flat.size(), [16 + 16 + 32 + 16]);
        for weight in &weights {
            assert_eq!(weight.data_ptr() as usize % 64, optimizer.flat.data_ptr() as usize % 64);
            assert_eq!(weight.sum(Kind::Double).double_value(&[]), weight.numel() as f64);
        }
        // What is between them moves nothing.
        assert_eq!(optimizer.flat.sum(Kind::Double).double_value(&[]), 46.0);
    }

    #[test]
    fn long_gradients_are_shortened_and_short_ones_are_not() {
        for (given, want) in [([3.0_f32, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])] {
            let mut gradient = Tensor::from_slice(&given);
            clip(&mut gradient, 1.0).unwrap();
            let got = Vec::<f32>::try_from(gradient).unwrap();
            assert!(got.iter().zip(want).all(|(got, want): (&f32, f32)| (got - want).abs() < 1e-5));
        }
    }

    #[test]
    fn filters_with_channels_last_take_the_same_steps() {
        let run = |channels_last| {
            let weight = Tensor::arange(24, (Kind::Float, Device::Cpu)).reshape([2, 3, 2, 2]) / 24.0;
            let weight = weight.set_requires_grad(true);
            let recipe = Recipe { channels_last, ..Recipe::default() };
            let mut optimizer = Optimizer::new(vec![weight.shallow_clone()], &recipe).unwrap();
            for _ in 0..2 {
                let loss = (&weight * &weight * &weight).sum(Kind::Float);
                optimizer.step(&loss, &recipe, 0.1).unwrap();
            }
            Vec::<f32>::try_from(weight.contiguous().reshape([-1])).unwrap()
        };
        assert_eq!(run(false), run(true));
    }
}
