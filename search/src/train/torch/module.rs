//! A network of tensors, made from a `NetGraph`.

use tch::nn::{Path, init};
use tch::{TchError, Tensor};

use crate::net::{NetGraph, NetNode, Op, PoolKind, Shape};

/// The weights of a network, node by node, and how to apply them.
pub(super) struct Module {
    nodes: Vec<NetNode>,
    weights: Vec<Weights>,
}

/// What a node has to learn.
enum Weights {
    None,
    Dense { weight: Tensor, bias: Option<Tensor> },
    Norm { scale: Tensor, shift: Tensor, mean: Tensor, variance: Tensor },
}

impl Module {
    /// Fresh weights under `path`, named by node. The network has passed shape inference: `shapes` are its result.
    pub(super) fn new(path: &Path<'_>, net: &NetGraph, shapes: &[Shape]) -> Result<Self, TchError> {
        let weights = net.nodes().iter().enumerate().map(|(index, node)| {
            let input = node.inputs.first().map_or(&[][..], |input| &shapes[*input]);
            make(&(path / format!("node{index}")), &node.op, input)
        });
        Ok(Module { nodes: net.nodes().to_vec(), weights: weights.collect::<Result<_, _>>()? })
    }

    /// Examples `[batch, shape...]` to class scores `[batch, n_classes]`.
    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        for (node, weights) in self.nodes.iter().zip(&self.weights) {
            let inputs: Vec<&Tensor> = node.inputs.iter().map(|input| &values[*input]).collect();
            let value = if node.op == Op::Input {
                x.shallow_clone()
            } else {
                apply(&node.op, weights, &inputs, train)?
            };
            values.push(value);
        }
        Ok(values.pop().expect("a network has its input node"))
    }
}

fn make(path: &Path<'_>, op: &Op, input: &[usize]) -> Result<Weights, TchError> {
    let channels = input.first().copied().unwrap_or(0) as i64;
    match *op {
        Op::Conv2d { out, kernel, groups, bias, .. } => {
            let kernel = kernel as i64;
            dense(path, &[out as i64, channels / groups as i64, kernel, kernel], bias)
        }
        Op::Conv1d { out, kernel, groups, bias, .. } => {
            dense(path, &[out as i64, channels / groups as i64, kernel as i64], bias)
        }
        Op::Linear { out } => dense(path, &[out as i64, channels], true),
        Op::BatchNorm => Ok(Weights::Norm {
            scale: path.f_ones("scale", &[channels])?,
            shift: path.f_zeros("shift", &[channels])?,
            mean: path.f_zeros_no_train("mean", &[channels])?,
            variance: path.f_ones_no_train("variance", &[channels])?,
        }),
        _ => Ok(Weights::None),
    }
}

/// As PyTorch initialises convolutions and linear layers: uniform within one over the root of the fan-in.
fn dense(path: &Path<'_>, dims: &[i64], bias: bool) -> Result<Weights, TchError> {
    let fan_in: i64 = dims[1..].iter().product();
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    let uniform = init::Init::Uniform { lo: -bound, up: bound };
    let weight = path.f_var("weight", dims, uniform)?;
    let bias = if bias { Some(path.f_var("bias", &dims[..1], uniform)?) } else { None };
    Ok(Weights::Dense { weight, bias })
}

fn apply(op: &Op, weights: &Weights, inputs: &[&Tensor], train: bool) -> Result<Tensor, TchError> {
    let x = inputs[0];
    match (op, weights) {
        (Op::Conv2d { kernel, stride, groups, .. }, Weights::Dense { weight, bias }) => {
            let (padding, stride) = (*kernel as i64 / 2, *stride as i64);
            x.f_conv2d(weight, bias.as_ref(), [stride; 2], [padding; 2], [1_i64; 2], *groups as i64)
        }
        (Op::Conv1d { kernel, stride, groups, .. }, Weights::Dense { weight, bias }) => {
            let padding = *kernel as i64 / 2;
            x.f_conv1d(weight, bias.as_ref(), *stride as i64, padding, 1, *groups as i64)
        }
        (Op::Linear { .. }, Weights::Dense { weight, bias }) => x.f_linear(weight, bias.as_ref()),
        (Op::BatchNorm, Weights::Norm { scale, shift, mean, variance }) => {
            x.f_batch_norm(Some(scale), Some(shift), Some(mean), Some(variance), train, 0.1, 1e-5, true)
        }
        (Op::Relu, _) => x.f_relu(),
        (Op::Gelu, _) => x.f_gelu("none"),
        (Op::Tanh, _) => x.f_tanh(),
        (Op::Pool { kind, kernel, stride }, _) => pool(x, *kind, *kernel as i64, *stride as i64),
        (Op::GlobalAvgPool, _) => x.f_flatten(2, -1)?.f_mean_dim([-1_i64].as_slice(), false, x.kind()),
        (Op::Flatten, _) => x.f_flatten(1, -1),
        (Op::Dropout { p }, _) => x.f_dropout(*p, train),
        (Op::Zero, _) => x.f_zeros_like(),
        (Op::Add, _) => inputs[1..].iter().try_fold(x.shallow_clone(), |sum, other| sum.f_add(other)),
        (Op::Concat, _) => Tensor::f_cat(inputs, 1),
        // The trainer has refused graph layers, and weights were made for the operations that have some.
        _ => Ok(x.shallow_clone()),
    }
}

fn pool(x: &Tensor, kind: PoolKind, kernel: i64, stride: i64) -> Result<Tensor, TchError> {
    let padding = kernel / 2;
    match (kind, x.dim()) {
        (PoolKind::Max, 3) => x.f_max_pool1d(kernel, stride, padding, 1, false),
        (PoolKind::Max, _) => x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1_i64; 2], false),
        (PoolKind::Avg, 3) => x.f_avg_pool1d(kernel, stride, padding, false, false),
        (PoolKind::Avg, _) => x.f_avg_pool2d([kernel; 2], [stride; 2], [padding; 2], false, false, None),
    }
}
