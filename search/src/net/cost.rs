//! `NetCost`: what a network costs, without building it.

use super::net_graph::{GraphOp, NetError, NetGraph, Op, Shape};

/// What a network costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetCost {
    /// Trained numbers: weights, biases, and scale and shift of norms.
    pub params: u64,
    /// Multiply-adds of convolutions and fully connected layers for one example. For layers over a graph, those of
    /// their dense part at one node: the edges are the data's.
    pub flops: u64,
    /// Layers with weights on the longest path from input to output, norms not counted.
    pub depth: u64,
    /// Numbers that flow out of all nodes for one example: what training holds in memory.
    pub activations: u64,
}

impl NetGraph {
    /// What the network costs.
    ///
    /// # Errors
    /// As [`NetGraph::shapes`].
    pub fn cost(&self) -> Result<NetCost, NetError> {
        let shapes = self.shapes()?;
        let mut cost = NetCost::default();
        let mut depths: Vec<u64> = Vec::with_capacity(shapes.len());
        for (node, shape) in self.nodes().iter().zip(&shapes) {
            let input = node.inputs.first().map(|input| &shapes[*input]);
            let layer = input.map_or(Layer::default(), |input| layer(&node.op, input, shape));
            cost.params += layer.params;
            cost.flops += layer.flops;
            cost.activations += size(shape);
            let before = node.inputs.iter().map(|input| depths[*input]).max().unwrap_or(0);
            depths.push(before + u64::from(layer.flops > 0));
        }
        cost.depth = depths.last().copied().unwrap_or(0);
        Ok(cost)
    }
}

#[derive(Default)]
struct Layer {
    params: u64,
    flops: u64,
}

fn size(shape: &Shape) -> u64 {
    shape.iter().product::<usize>() as u64
}

fn layer(op: &Op, input: &Shape, output: &Shape) -> Layer {
    match *op {
        Op::Conv2d { out, kernel, groups, bias, .. } => {
            convolution(kernel * kernel * input[0] / groups, out, bias, &output[1..])
        }
        Op::Conv1d { out, kernel, groups, bias, .. } => {
            convolution(kernel * input[0] / groups, out, bias, &output[1..])
        }
        Op::BatchNorm => Layer { params: 2 * input[0] as u64, flops: 0 },
        Op::Linear { out } => dense(input[0], out),
        Op::Graph { kind, out } => graph(kind, input[0], out),
        Op::Input
        | Op::Relu
        | Op::Gelu
        | Op::Tanh
        | Op::Pool { .. }
        | Op::GlobalAvgPool
        | Op::Flatten
        | Op::Dropout { .. }
        | Op::Identity
        | Op::Zero
        | Op::Add
        | Op::Concat => Layer::default(),
    }
}

/// `fan_in` weights for each of `out` channels, used at every place of the output.
fn convolution(fan_in: usize, out: usize, bias: bool, places: &[usize]) -> Layer {
    let weights = (fan_in * out) as u64;
    let places = places.iter().product::<usize>() as u64;
    Layer { params: weights + if bias { out as u64 } else { 0 }, flops: weights * places }
}

fn dense(input: usize, out: usize) -> Layer {
    let weights = (input * out) as u64;
    Layer { params: weights + out as u64, flops: weights }
}

/// The dense parts of graph layers, as PyTorch Geometric 2 has them by default: GCN one matrix; GAT two heads of half
/// the width with two attention vectors each; GIN a perceptron of two layers; Chebyshev filters of order 2, GraphSAGE,
/// ARMA (one stack, one layer) and k-GNN two matrices.
fn graph(kind: GraphOp, input: usize, out: usize) -> Layer {
    let one = (input * out) as u64;
    let bias = out as u64;
    match kind {
        GraphOp::Gcn => Layer { params: one + bias, flops: one },
        GraphOp::Gat => Layer { params: one + 3 * bias, flops: one + 2 * bias },
        GraphOp::Gin => {
            let second = (out * out) as u64;
            Layer { params: one + second + 2 * bias, flops: one + second }
        }
        GraphOp::Cheb | GraphOp::Sage | GraphOp::Arma | GraphOp::KGnn => {
            Layer { params: 2 * one + bias, flops: 2 * one }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PoolKind;

    /// LeNet-5 with same padding on [1, 28, 28]: 156 + 2,416 + 94,080 + 120 ... by hand.
    #[test]
    fn a_small_net_by_hand() {
        let mut net = NetGraph::new(vec![1, 28, 28]);
        let conv = |out| Op::Conv2d { out, kernel: 5, stride: 1, groups: 1, bias: true };
        let pool = || Op::Pool { kind: PoolKind::Max, kernel: 3, stride: 2 };
        let a = net.add(conv(6), &[0]);
        let a = net.add(Op::Relu, &[a]);
        let a = net.add(pool(), &[a]);
        let a = net.add(conv(16), &[a]);
        let a = net.add(Op::BatchNorm, &[a]);
        let a = net.add(pool(), &[a]);
        let a = net.add(Op::Flatten, &[a]);
        net.add(Op::Linear { out: 10 }, &[a]);
        let cost = net.cost().unwrap();
        // 25*1*6+6, 25*6*16+16, norm 32, 16*7*7*10+10
        assert_eq!(cost.params, 156 + 2_416 + 32 + 7_850);
        assert_eq!(cost.flops, 150 * 784 + 2_400 * 196 + 7_840);
        assert_eq!(cost.depth, 3);
        assert_eq!(cost.activations, 784 * 13 + 196 * 6 + 196 * 16 * 2 + 49 * 16 * 2 + 10);
    }

    #[test]
    fn depthwise_is_cheap_and_the_longest_path_counts() {
        let mut net = NetGraph::new(vec![8, 4, 4]);
        let depthwise = Op::Conv2d { out: 8, kernel: 3, stride: 1, groups: 8, bias: false };
        let a = net.add(depthwise.clone(), &[0]);
        let b = net.add(depthwise, &[a]);
        net.add(Op::Add, &[0, b]);
        let cost = net.cost().unwrap();
        assert_eq!((cost.params, cost.depth), (2 * 72, 2));
    }

    #[test]
    fn graph_layers_by_hand() {
        let params = |kind| {
            let mut net = NetGraph::new(vec![10]);
            net.add(Op::Graph { kind, out: 4 }, &[0]);
            net.cost().unwrap().params
        };
        assert_eq!(params(GraphOp::Gcn), 44);
        assert_eq!(params(GraphOp::Sage), 84);
        assert_eq!(params(GraphOp::Gin), 40 + 16 + 8);
        assert_eq!(params(GraphOp::Gat), 40 + 8 + 4);
    }
}
