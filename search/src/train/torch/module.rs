//! A network of tensors, made from a `NetGraph`.

use tch::nn::{Path, init};
use tch::{Kind, TchError, Tensor};

use crate::net::{NetGraph, NetNode, Op, PoolKind, Shape};
use crate::train::{Precision, Recipe};

/// The share of a batch in a norm's running mean and variance.
pub(super) const NORM_MOMENTUM: f64 = 0.1;

/// The weights of a network, node by node, and how to apply them.
pub(super) struct Module {
    nodes: Vec<NetNode>,
    weights: Vec<Weights>,
    kind: Kind,
    channels_last: bool,
}

/// What a node has to learn.
enum Weights {
    None,
    Dense { weight: Tensor, bias: Option<Tensor> },
    Norm { weight: Tensor, bias: Tensor, running_mean: Tensor, running_var: Tensor },
}

impl Module {
    /// Weights under `path`, named by node and then as PyTorch names them: `block1.0.weight`, `block1.1.running_mean`. What is
    /// there under its name is shared, what is not is drawn. The network has passed shape inference: `shapes` are its
    /// result.
    ///
    /// # Errors
    /// Weights of another shape under the same name, and what libtorch reports.
    pub(super) fn new(path: &Path<'_>, net: &NetGraph, shapes: &[Shape]) -> Result<Self, TchError> {
        let weights = net.nodes().iter().map(|node| {
            let input = node.inputs.first().map_or(&[][..], |input| &shapes[*input]);
            let own = node.name.split('.').fold(path.clone(), |path, part| path.sub(part));
            make(&own, &node.op, input)
        });
        Ok(Module {
            nodes: net.nodes().to_vec(),
            weights: weights.collect::<Result<_, _>>()?,
            kind: Kind::Float,
            channels_last: false,
        })
    }

    /// The same network, computing in the numbers and the layout of a recipe.
    pub(super) fn computing(mut self, recipe: &Recipe) -> Self {
        self.kind = if recipe.precision == Precision::Bfloat16 { Kind::BFloat16 } else { Kind::Float };
        // Without convolutions images would only be turned there and back.
        let has_images = self.nodes.iter().any(|node| matches!(node.op, Op::Conv2d { .. }));
        self.channels_last = recipe.channels_last && has_images;
        self
    }

    /// The same network, computing in double precision; its weights are the caller's to turn.
    pub(super) fn in_double(mut self) -> Self {
        self.kind = Kind::Double;
        self
    }

    /// Examples as the network computes with them.
    fn prepared(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let x = in_kind(x, self.kind)?;
        if self.channels_last && x.dim() == 4 {
            return x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2]);
        }
        Ok(x)
    }

    /// Examples `[batch, shape...]` to class scores `[batch, n_classes]`.
    pub(super) fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, TchError> {
        Ok(self.values(x, |_| train)?.pop().expect("a network has its input node"))
    }

    /// What flows out of every node. `train` says of each node whether norms learn from the batch and dropout drops.
    pub(super) fn values(
        &self,
        x: &Tensor,
        train: impl Fn(&NetNode) -> bool,
    ) -> Result<Vec<Tensor>, TchError> {
        self.values_through(x, train, |_, value| Ok(value))
    }

    /// What flows out of every node when `through` has a say in it: it is given the node's index and what the node made.
    pub(super) fn values_through(
        &self,
        x: &Tensor,
        train: impl Fn(&NetNode) -> bool,
        mut through: impl FnMut(usize, Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Vec<Tensor>, TchError> {
        let mut values: Vec<Tensor> = Vec::with_capacity(self.nodes.len());
        for (node, weights) in self.nodes.iter().zip(&self.weights) {
            let inputs: Vec<&Tensor> = node.inputs.iter().map(|input| &values[*input]).collect();
            let value = if node.op == Op::Input {
                self.prepared(x)?
            } else {
                apply(&node.op, weights, &inputs, train(node))?
            };
            values.push(through(values.len(), value)?);
        }
        Ok(values)
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
        Op::BatchNorm => {
            let dims = [channels];
            Ok(Weights::Norm {
                weight: get_or(path, "weight", &dims, |path, dims| path.f_ones("weight", dims))?,
                bias: get_or(path, "bias", &dims, |path, dims| path.f_zeros("bias", dims))?,
                running_mean: get_or(path, "running_mean", &dims, |path, dims| {
                    path.f_zeros_no_train("running_mean", dims)
                })?,
                running_var: get_or(path, "running_var", &dims, |path, dims| {
                    path.f_ones_no_train("running_var", dims)
                })?,
            })
        }
        _ => Ok(Weights::None),
    }
}

/// As PyTorch initialises convolutions and linear layers: uniform within one over the root of the fan-in.
fn dense(path: &Path<'_>, dims: &[i64], bias: bool) -> Result<Weights, TchError> {
    let fan_in: i64 = dims[1..].iter().product();
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    let uniform = init::Init::Uniform { lo: -bound, up: bound };
    let drawn =
        |name: &str, dims: &[i64]| get_or(path, name, dims, |path, dims| path.f_var(name, dims, uniform));
    let weight = drawn("weight", dims)?;
    let bias = if bias { Some(drawn("bias", &dims[..1])?) } else { None };
    Ok(Weights::Dense { weight, bias })
}

/// The weights that are there under a name, or new ones.
fn get_or(
    path: &Path<'_>,
    name: &str,
    dims: &[i64],
    make: impl Fn(&Path<'_>, &[i64]) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    match path.get(name) {
        Some(known) if known.size() == dims => Ok(known),
        Some(known) => {
            Err(TchError::Shape(format!("weights {name} are {:?}, {dims:?} are needed", known.size())))
        }
        None => make(path, dims),
    }
}

fn apply(op: &Op, weights: &Weights, inputs: &[&Tensor], train: bool) -> Result<Tensor, TchError> {
    let x = inputs[0];
    match (op, weights) {
        (Op::Conv2d { kernel, stride, groups, .. }, Weights::Dense { weight, bias }) => {
            let (weight, bias) = suited(weight, bias.as_ref(), x)?;
            let (padding, stride) = (*kernel as i64 / 2, *stride as i64);
            x.f_conv2d(&weight, bias.as_ref(), [stride; 2], [padding; 2], [1_i64; 2], *groups as i64)
        }
        (Op::Conv1d { kernel, stride, groups, .. }, Weights::Dense { weight, bias }) => {
            let (weight, bias) = suited(weight, bias.as_ref(), x)?;
            let padding = *kernel as i64 / 2;
            x.f_conv1d(&weight, bias.as_ref(), *stride as i64, padding, 1, *groups as i64)
        }
        (Op::Linear { .. }, Weights::Dense { weight, bias }) => {
            let (weight, bias) = suited(weight, bias.as_ref(), x)?;
            x.f_linear(&weight, bias.as_ref())
        }
        (Op::BatchNorm, Weights::Norm { weight, bias, running_mean, running_var }) => x.f_batch_norm(
            Some(weight),
            Some(bias),
            Some(running_mean),
            Some(running_var),
            train,
            NORM_MOMENTUM,
            1e-5,
            true,
        ),
        (Op::Relu, _) => x.f_relu(),
        (Op::Gelu, _) => x.f_gelu("none"),
        (Op::Tanh, _) => x.f_tanh(),
        (Op::Pool { kind, kernel, stride }, _) => pool(x, *kind, *kernel as i64, *stride as i64),
        (Op::GlobalAvgPool, _) => x.f_flatten(2, -1)?.f_mean_dim([-1_i64].as_slice(), false, x.kind()),
        (Op::Flatten, _) => x.f_flatten(1, -1),
        (Op::Dropout { p }, _) => x.f_dropout(*p, train),
        // Zeros made anew would name their device, see `in_kind`.
        (Op::Zero, _) => x.f_detach()?.f_clamp(0.0, 0.0),
        (Op::Add, _) => inputs[1..].iter().try_fold(x.shallow_clone(), |sum, other| sum.f_add(other)),
        (Op::Concat, _) => Tensor::f_cat(inputs, 1),
        // The trainer has refused graph layers, and weights were made for the operations that have some.
        _ => Ok(x.shallow_clone()),
    }
}

/// Weights in the numbers of what they are applied to.
fn suited(weight: &Tensor, bias: Option<&Tensor>, x: &Tensor) -> Result<(Tensor, Option<Tensor>), TchError> {
    let kind = x.f_kind()?;
    Ok((in_kind(weight, kind)?, bias.map(|bias| in_kind(bias, kind)).transpose()?))
}

/// In these numbers. What has them already is left alone: turning it is nothing to compute, but in an exported network it names
/// the device of the export, and no other could run it.
fn in_kind(tensor: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    if tensor.f_kind()? == kind { Ok(tensor.shallow_clone()) } else { tensor.f_to_kind(kind) }
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

#[cfg(test)]
mod tests {
    use tch::nn::VarStore;
    use tch::{Device, Kind};

    use super::super::turn;
    use super::*;

    /// What torch makes of an operation has the shape that the inference says.
    #[test]
    fn shapes_are_as_inferred() {
        let conv = |kernel, stride, groups| Op::Conv2d { out: 4, kernel, stride, groups, bias: stride == 1 };
        let conv1 = |kernel, stride| Op::Conv1d { out: 6, kernel, stride, groups: 2, bias: true };
        let pool = |kind, kernel, stride| Op::Pool { kind, kernel, stride };
        let mut ops = vec![
            Op::BatchNorm,
            Op::Relu,
            Op::Gelu,
            Op::Tanh,
            Op::Identity,
            Op::Zero,
            Op::Flatten,
            Op::GlobalAvgPool,
            Op::Dropout { p: 0.5 },
            Op::Linear { out: 5 },
        ];
        for kernel in [1, 3, 5, 7] {
            for stride in [1, 2, 3, 4] {
                ops.extend([conv(kernel, stride, 1), conv(kernel, stride, 2), conv1(kernel, stride)]);
                ops.extend([pool(PoolKind::Max, kernel, stride), pool(PoolKind::Avg, kernel, stride)]);
            }
        }
        let _turn = turn(); // the weights are drawn from the generator that a trial beside this one draws from
        let inputs = [vec![2, 7, 8], vec![2, 1, 5], vec![4, 9], vec![2, 1], vec![3]];
        let mut compared = 0;
        for (op, input) in ops.iter().flat_map(|op| inputs.iter().map(move |input| (op, input))) {
            let mut net = NetGraph::new(input.clone());
            let at = net.add(op.clone(), &[0]);
            net.add(Op::Concat, &[at, at]);
            let Ok(shapes) = net.shapes() else { continue };
            let store = VarStore::new(Device::Cpu);
            let module = Module::new(&store.root(), &net, &shapes).unwrap();
            let size: Vec<i64> = std::iter::once(3).chain(input.iter().map(|side| *side as i64)).collect();
            let got = module.forward(&Tensor::randn(size, (Kind::Float, Device::Cpu)), true).unwrap().size();
            let want: Vec<i64> =
                std::iter::once(3).chain(shapes[2].iter().map(|side| *side as i64)).collect();
            assert_eq!(got, want, "{op:?} on {input:?}");
            let trained: i64 = store.trainable_variables().iter().map(|t| t.numel() as i64).sum();
            assert_eq!(trained as u64, net.cost().unwrap().params, "{op:?} on {input:?}");
            compared += 1;
        }
        assert!(compared > 150, "{compared}");
    }

    /// What a network of one operation over the example makes of `x`.
    fn applied(op: Op, inputs: &[usize], shape: &[usize], x: &Tensor) -> Tensor {
        let mut net = NetGraph::new(shape.to_vec());
        net.add(op, inputs);
        let store = VarStore::new(Device::Cpu);
        let module = Module::new(&store.root(), &net, &net.shapes().unwrap()).unwrap();
        module.forward(x, false).unwrap()
    }

    #[test]
    fn padding_does_not_count_in_the_mean_and_is_never_the_largest() {
        let x = Tensor::ones([1, 2, 5, 5], (Kind::Float, Device::Cpu)) * -3.0;
        for kind in [PoolKind::Avg, PoolKind::Max] {
            let got = applied(Op::Pool { kind, kernel: 3, stride: 2 }, &[0], &[2, 5, 5], &x);
            assert_eq!(got.size(), [1, 2, 3, 3]);
            assert_eq!((got.min().double_value(&[]), got.max().double_value(&[])), (-3.0, -3.0), "{kind:?}");
        }
    }

    #[test]
    fn inputs_are_added_joined_and_zeroed() {
        let x = Tensor::from_slice(&[1_f32, 2.0]).reshape([1, 2]);
        let values =
            |op, inputs: &[usize]| Vec::<f32>::try_from(applied(op, inputs, &[2], &x).reshape([-1])).unwrap();
        assert_eq!(values(Op::Add, &[0, 0, 0]), [3.0, 6.0]);
        assert_eq!(values(Op::Concat, &[0, 0]), [1.0, 2.0, 1.0, 2.0]);
        assert_eq!(values(Op::Zero, &[0]), [0.0, 0.0]);
        assert_eq!(values(Op::Identity, &[0]), [1.0, 2.0]);
    }
}
