//! Shapes: what flows out of every node, or why nothing can.

use super::net_graph::{NetError, NetGraph, NetNode, Op, Shape};

impl NetGraph {
    /// The shape that flows out of every node.
    ///
    /// # Shapes
    /// One entry a node, without the batch dimension.
    ///
    /// # Errors
    /// [`NetError::BadNode`] for the first operation that cannot take what flows into it.
    pub fn shapes(&self) -> Result<Vec<Shape>, NetError> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.nodes().len());
        for (index, node) in self.nodes().iter().enumerate() {
            let shape = self.shape_of(index, node, &shapes).map_err(|reason| NetError::BadNode {
                node: index,
                op: format!("{:?}", node.op),
                reason,
            })?;
            shapes.push(shape);
        }
        Ok(shapes)
    }

    /// The shape of the network's output.
    ///
    /// # Errors
    /// As [`NetGraph::shapes`].
    pub fn output_shape(&self) -> Result<Shape, NetError> {
        Ok(self.shapes()?.pop().expect("a network has its input node"))
    }

    fn shape_of(&self, index: usize, node: &NetNode, earlier: &[Shape]) -> Result<Shape, String> {
        if let Some(later) = node.inputs.iter().find(|input| **input >= index) {
            return Err(format!("its input {later} does not come before it"));
        }
        if (index == 0) != (node.op == Op::Input) {
            return Err("the first node, and no other, is the input".into());
        }
        let inputs: Vec<&Shape> = node.inputs.iter().map(|input| &earlier[*input]).collect();
        match (&node.op, inputs.as_slice()) {
            (Op::Input, []) if self.input().iter().all(|side| *side > 0) => Ok(self.input().clone()),
            (Op::Input, []) => Err(format!("the example's shape {:?} is empty", self.input())),
            (Op::Add | Op::Concat, []) => Err("it needs at least one input".into()),
            (Op::Add, [first, rest @ ..]) => add(first, rest),
            (Op::Concat, [first, rest @ ..]) => concat(first, rest),
            (op, [input]) => unary(op, input),
            (_, inputs) => Err(format!("it takes one input, not {}", inputs.len())),
        }
    }
}

fn add(first: &Shape, rest: &[&Shape]) -> Result<Shape, String> {
    match rest.iter().find(|shape| **shape != first) {
        Some(other) => Err(format!("shapes {first:?} and {other:?} cannot be added")),
        None => Ok(first.clone()),
    }
}

fn concat(first: &Shape, rest: &[&Shape]) -> Result<Shape, String> {
    let mut joined = first.clone();
    for shape in rest {
        if shape.len() != first.len() || shape[1..] != first[1..] {
            return Err(format!("shapes {first:?} and {shape:?} cannot be joined along the first dimension"));
        }
        joined[0] += shape[0];
    }
    Ok(joined)
}

fn unary(op: &Op, input: &Shape) -> Result<Shape, String> {
    match *op {
        Op::Conv2d { out, kernel, stride, groups, .. } => {
            rank(input, 3, "[channels, height, width]")?;
            channels(input[0], out, groups)?;
            Ok(vec![out, window(input[1], kernel, stride)?, window(input[2], kernel, stride)?])
        }
        Op::Conv1d { out, kernel, stride, groups, .. } => {
            rank(input, 2, "[channels, length]")?;
            channels(input[0], out, groups)?;
            Ok(vec![out, window(input[1], kernel, stride)?])
        }
        Op::Pool { kernel, stride, .. } => {
            spatial(input)?;
            let sides = input[1..].iter().map(|side| window(*side, kernel, stride));
            std::iter::once(Ok(input[0])).chain(sides).collect()
        }
        Op::GlobalAvgPool => spatial(input).map(|()| vec![input[0]]),
        Op::Flatten => Ok(vec![input.iter().product()]),
        Op::Linear { out } | Op::Graph { out, .. } => {
            rank(input, 1, "[features]")?;
            if out == 0 { Err("it has no output features".into()) } else { Ok(vec![out]) }
        }
        Op::Dropout { p } if !(0.0..1.0).contains(&p) => Err(format!("probability {p} is not in [0, 1)")),
        Op::BatchNorm | Op::Relu | Op::Gelu | Op::Tanh | Op::Dropout { .. } | Op::Identity | Op::Zero => {
            Ok(input.clone())
        }
        Op::Input | Op::Add | Op::Concat => Err("it does not take one input".into()),
    }
}

fn rank(input: &Shape, wanted: usize, form: &str) -> Result<(), String> {
    if input.len() == wanted { Ok(()) } else { Err(format!("it takes {form}, not {input:?}")) }
}

fn spatial(input: &Shape) -> Result<(), String> {
    if matches!(input.len(), 2 | 3) {
        return Ok(());
    }
    Err(format!("it takes [channels, height, width] or [channels, length], not {input:?}"))
}

fn channels(input: usize, out: usize, groups: usize) -> Result<(), String> {
    let fits = groups > 0 && out > 0 && input.is_multiple_of(groups) && out.is_multiple_of(groups);
    if fits {
        Ok(())
    } else {
        Err(format!("{groups} groups do not divide {input} input and {out} output channels"))
    }
}

/// A side after a window of `kernel` moved by `stride` over it, padded by half the kernel.
fn window(side: usize, kernel: usize, stride: usize) -> Result<usize, String> {
    if kernel.is_multiple_of(2) {
        return Err(format!("kernel {kernel} is not odd"));
    }
    if stride == 0 { Err("stride 0 does not move".into()) } else { Ok(side.div_ceil(stride)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::PoolKind;

    fn conv(out: usize, kernel: usize, stride: usize) -> Op {
        Op::Conv2d { out, kernel, stride, groups: 1, bias: true }
    }

    fn reason(net: &NetGraph) -> String {
        net.shapes().unwrap_err().to_string()
    }

    #[test]
    fn odd_sides_are_halved_upwards() {
        let mut net = NetGraph::new(vec![3, 7, 8]);
        let a = net.add(conv(4, 3, 2), &[0]);
        let b = net.add(Op::Pool { kind: PoolKind::Max, kernel: 3, stride: 2 }, &[a]);
        let c = net.add(Op::GlobalAvgPool, &[b]);
        net.add(Op::Linear { out: 10 }, &[c]);
        let shapes = net.shapes().unwrap();
        assert_eq!(shapes[1], [4, 4, 4]);
        assert_eq!(shapes[2], [4, 2, 2]);
        assert_eq!(net.output_shape().unwrap(), [10]);
    }

    #[test]
    fn concat_adds_channels() {
        let mut net = NetGraph::new(vec![2, 5]);
        let a = net.add(Op::Conv1d { out: 3, kernel: 5, stride: 1, groups: 1, bias: false }, &[0]);
        net.add(Op::Concat, &[0, a, a]);
        assert_eq!(net.output_shape().unwrap(), [8, 5]);
    }

    #[test]
    fn refusals_name_node_and_shapes() {
        let mut net = NetGraph::new(vec![3, 8, 8]);
        let a = net.add(conv(4, 3, 2), &[0]);
        net.add(Op::Add, &[0, a]);
        assert_eq!(reason(&net), "node 2 (Add): shapes [3, 8, 8] and [4, 4, 4] cannot be added");

        let mut net = NetGraph::new(vec![3, 8, 8]);
        net.add(conv(4, 2, 1), &[0]);
        assert!(reason(&net).ends_with("kernel 2 is not odd"));

        let mut net = NetGraph::new(vec![3, 8, 8]);
        net.add(Op::Linear { out: 2 }, &[0]);
        assert!(reason(&net).ends_with("it takes [features], not [3, 8, 8]"));

        let mut net = NetGraph::new(vec![3, 8, 8]);
        net.add(Op::Conv2d { out: 4, kernel: 3, stride: 1, groups: 2, bias: false }, &[0]);
        assert!(reason(&net).ends_with("2 groups do not divide 3 input and 4 output channels"));

        let mut net = NetGraph::new(vec![3]);
        net.add(Op::Relu, &[5]);
        assert!(reason(&net).ends_with("its input 5 does not come before it"));

        let mut net = NetGraph::new(vec![3]);
        net.add(Op::Input, &[]);
        assert!(reason(&net).ends_with("the first node, and no other, is the input"));
        assert!(reason(&NetGraph::new(vec![0, 3])).contains("is empty"));
    }
}
