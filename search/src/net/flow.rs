//! How much flows through an untrained network: synaptic flow, without drawing weights.

use super::net_graph::{NetError, NetGraph, Op, Shape};

/// What flows out of a node, the mean over its values.
#[derive(Clone, Copy, Default)]
struct Flow {
    /// The sum over all paths to here of the products of their weights.
    value: f64,
    /// The same, each path counted as often as it has weights.
    weighed: f64,
}

impl NetGraph {
    /// The synaptic flow that first weights lead one to expect: `ln(1 + sum of w dR/dw)`, as
    /// [`Proxy::Synflow`](crate::train::Proxy::Synflow) reads it off one draw of them, with the expectation over draws inside
    /// the logarithm. It needs no libtorch, no data and no seed, so that it can describe architectures of any task.
    ///
    /// With absolute weights and without norms the network is a sum over paths of products of weights, and as no path meets a
    /// weight twice, the mean of the sum is the sum with every weight at its mean. First weights are uniform within one over the
    /// root of the fan-in `f`, so their mean absolute value is `1 / (2 sqrt(f))`. Three things are approximate: at the borders
    /// of an image the windows are taken to be as full as they are on average; channels that were joined count by their
    /// mean; activations other than ReLU, and layers over a graph, are taken to be linear.
    ///
    /// # Errors
    /// As [`NetGraph::shapes`].
    pub fn synaptic_flow(&self) -> Result<f64, NetError> {
        let shapes = self.shapes()?;
        let mut flows: Vec<Flow> = Vec::with_capacity(shapes.len());
        for node in self.nodes() {
            let inputs: Vec<(Flow, &Shape)> =
                node.inputs.iter().map(|input| (flows[*input], &shapes[*input])).collect();
            flows.push(flow(&node.op, &inputs));
        }
        let outputs = shapes.last().map_or(0, |shape| shape.iter().product::<usize>());
        let last = flows.last().copied().unwrap_or_default();
        Ok((outputs as f64 * last.weighed).ln_1p())
    }
}

fn flow(op: &Op, inputs: &[(Flow, &Shape)]) -> Flow {
    let Some((first, shape)) = inputs.first().copied() else {
        return Flow { value: 1.0, weighed: 0.0 };
    };
    match *op {
        Op::Conv2d { kernel, groups, bias, .. } => {
            layer(first, (kernel * kernel * shape[0] / groups) as f64, full(shape, kernel), bias)
        }
        Op::Conv1d { kernel, groups, bias, .. } => {
            layer(first, (kernel * shape[0] / groups) as f64, full(shape, kernel), bias)
        }
        Op::Linear { .. } | Op::Graph { .. } => layer(first, shape[0] as f64, 1.0, true),
        Op::Zero => Flow::default(),
        Op::Add => inputs.iter().fold(Flow::default(), |sum, (flow, _)| Flow {
            value: sum.value + flow.value,
            weighed: sum.weighed + flow.weighed,
        }),
        Op::Concat => {
            let channels: usize = inputs.iter().map(|(_, shape)| shape[0]).sum();
            let mean = |of: &dyn Fn(&Flow) -> f64| {
                inputs.iter().map(|(flow, shape)| of(flow) * shape[0] as f64).sum::<f64>() / channels as f64
            };
            Flow { value: mean(&|flow| flow.value), weighed: mean(&|flow| flow.weighed) }
        }
        Op::Input
        | Op::BatchNorm
        | Op::Relu
        | Op::Gelu
        | Op::Tanh
        | Op::Pool { .. }
        | Op::GlobalAvgPool
        | Op::Flatten
        | Op::Dropout { .. }
        | Op::Identity => first,
    }
}

/// Through one layer: each output sums up `fan_in` inputs, of which a share is there, by weights of mean `1 / (2 sqrt(fan_in))`;
/// the bias has that mean too.
fn layer(input: Flow, fan_in: f64, share: f64, bias: bool) -> Flow {
    let mean = 0.5 / fan_in.max(1.0).sqrt();
    let gain = fan_in * share * mean;
    Flow {
        value: gain * input.value + if bias { mean } else { 0.0 },
        weighed: gain * (input.weighed + input.value),
    }
}

/// The share of all windows that lies inside the image; on each side `1 + 2 + ... + kernel / 2` of `kernel * side` stick out.
fn full(shape: &Shape, kernel: usize) -> f64 {
    let reach = (kernel / 2) as f64;
    let inside =
        |side: usize| 1.0 - (reach * (reach + 1.0) / (kernel * side) as f64).min(1.0 - 1.0 / kernel as f64);
    shape[1..].iter().map(|side| inside(*side)).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PoolKind;
    use crate::spaces::{self, NetInput, from_cell_string};

    fn conv(out: usize, kernel: usize) -> Op {
        Op::Conv2d { out, kernel, stride: 1, groups: 1, bias: false }
    }

    /// Two channels of one pixel through 1x1 convolutions to three and to one: means .5 / sqrt(2) and .5 / sqrt(3), so R is
    /// (2 * .35355) * (3 * .28868) = .61237, once for each of the two layers.
    #[test]
    fn a_chain_by_hand() {
        let mut net = NetGraph::new(vec![2, 1, 1]);
        let a = net.add(conv(3, 1), &[0]);
        let b = net.add(Op::BatchNorm, &[a]);
        let c = net.add(conv(1, 1), &[b]);
        net.add(Op::GlobalAvgPool, &[c]);
        assert!((net.synaptic_flow().unwrap().exp_m1() - 2.0 * 0.612_372_435_695_794_5).abs() < 1e-12);
    }

    /// On a side of three, a window of three lies to seven ninths inside.
    #[test]
    fn borders_count_on_average() {
        assert!((full(&vec![1, 3, 3], 3) - 49.0 / 81.0).abs() < 1e-12);
        assert!((full(&vec![1, 5], 5) - (1.0 - 6.0 / 25.0)).abs() < 1e-12);
        assert_eq!(full(&vec![1, 4, 4], 1), 1.0);
        assert!(full(&vec![1, 1, 1], 7) > 0.0);
    }

    #[test]
    fn branches_add_up_and_nothing_stops_the_flow() {
        let build = |twice: usize, zero: bool| {
            let mut net = NetGraph::new(vec![2, 3, 3]);
            let mut at = net.add(conv(4, 3), &[0]);
            if zero {
                at = net.add(Op::Zero, &[at]);
            }
            at = net.add(Op::Add, &vec![at; twice]);
            at = net.add(Op::Pool { kind: PoolKind::Max, kernel: 3, stride: 2 }, &[at]);
            net.add(Op::GlobalAvgPool, &[at]);
            net.synaptic_flow().unwrap().exp_m1()
        };
        assert!((build(2, false) - 2.0 * build(1, false)).abs() < 1e-12);
        assert_eq!(build(1, true), 0.0);
    }

    #[test]
    fn convolutions_carry_more_than_shortcuts() {
        let input = NetInput { shape: vec![3, 32, 32], n_classes: 10 };
        let family = spaces::family("nas-bench-201/1").unwrap();
        let flow = |op: &str| {
            let text = format!("|{op}~0|+|{op}~0|{op}~1|+|{op}~0|{op}~1|{op}~2|");
            let cell = from_cell_string(&text).unwrap();
            (family.net)(&cell, &input).unwrap().synaptic_flow().unwrap()
        };
        assert!(flow("none") < flow("skip_connect"));
        assert!(flow("skip_connect") < flow("nor_conv_1x1") && flow("nor_conv_1x1") < flow("nor_conv_3x3"));
    }
}
