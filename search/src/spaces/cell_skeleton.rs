//! `CellSkeleton`: the network around the cell of NAS-Bench-201.

use std::collections::BTreeMap;

use heirloom_kb::Architecture;

use super::nas_bench_201::{Cell, EDGES, ID, OPS, cell};
use super::{NetInput, no_network};
use crate::net::{HEAD, NetError, NetGraph, Op, PoolKind};

/// How often and how wide a cell is repeated: a stem, stages of cells with a residual block before each but the first that
/// doubles the channels and halves the sides, global pooling, a linear layer.
///
/// A smaller skeleton than the published one stands for the same cell at a fraction of the cost; what it says of the whole
/// network is a guess, and trials of the space are always those of [`CellSkeleton::PUBLISHED`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellSkeleton {
    /// Stages, each at half the sides of the one before.
    pub stages: usize,
    /// Cells in a stage.
    pub cells: usize,
    /// Channels of the first stage.
    pub width: usize,
}

/// The network of all cells at once.
#[cfg_attr(not(feature = "torch"), allow(dead_code))] // only the supernet builds it
pub(crate) struct MixedNet {
    pub(crate) net: NetGraph,
    /// The nodes that an operation of an edge ends in: node to (edge, operation), both in the order of the space. `none` has
    /// no node: it adds nothing.
    pub(crate) ends: BTreeMap<usize, (usize, usize)>,
}

impl CellSkeleton {
    /// Three stages of five cells on 16, 32 and 64 channels: section 2.1 of the paper (arXiv:2001.00326).
    pub const PUBLISHED: CellSkeleton = CellSkeleton { stages: 3, cells: 5, width: 16 };
    /// Three stages of one cell on 8, 16 and 32 channels: about a twentieth of the published one's multiply-adds.
    pub const SMALL: CellSkeleton = CellSkeleton { stages: 3, cells: 1, width: 8 };

    /// The network of a cell for images `[channels, height, width]`. Weights go by stage, cell, edge and operation, so that
    /// networks of one skeleton call alike what they share.
    ///
    /// # Errors
    /// [`NetError::NoNetwork`] for what is no cell, or no images.
    pub fn net(&self, architecture: &Architecture, input: &NetInput) -> Result<NetGraph, NetError> {
        let Some(cell) = cell(architecture) else {
            return Err(no_network(ID, input, "the architecture leaves an edge open"));
        };
        self.build(input, |net, at, width, place| add_cell(net, at, cell, width, place))
    }

    /// The network in which every edge has all operations side by side.
    ///
    /// # Errors
    /// As [`CellSkeleton::net`].
    #[cfg_attr(not(feature = "torch"), allow(dead_code))] // as above
    pub(crate) fn mixed(&self, input: &NetInput) -> Result<MixedNet, NetError> {
        let mut ends = BTreeMap::new();
        let net =
            self.build(input, |net, at, width, place| add_mixed_cell(net, at, width, place, &mut ends))?;
        Ok(MixedNet { net, ends })
    }

    fn build(
        &self,
        input: &NetInput,
        mut add: impl FnMut(&mut NetGraph, usize, usize, &str) -> usize,
    ) -> Result<NetGraph, NetError> {
        if input.shape.len() != 3 {
            return Err(no_network(ID, input, "images [channels, height, width] are needed"));
        }
        let mut net = NetGraph::new(input.shape.clone());
        net.enter("stem");
        let mut at = net.add(conv(self.width, 3, 1), &[0]);
        at = net.add(Op::BatchNorm, &[at]);
        for stage in 1..=self.stages {
            let width = self.width << (stage - 1);
            if stage > 1 {
                net.enter(format!("stage{stage}.reduction"));
                at = reduction(&mut net, at, width);
            }
            for number in 1..=self.cells {
                at = add(&mut net, at, width, &format!("stage{stage}.cell{number}"));
            }
        }
        net.enter(HEAD);
        at = net.add(Op::BatchNorm, &[at]);
        at = net.add(Op::Relu, &[at]);
        at = net.add(Op::GlobalAvgPool, &[at]);
        net.add(Op::Linear { out: input.n_classes }, &[at]);
        Ok(net)
    }
}

fn conv(out: usize, kernel: usize, stride: usize) -> Op {
    Op::Conv2d { out, kernel, stride, groups: 1, bias: false }
}

fn add_cell(net: &mut NetGraph, input: usize, cell: Cell, width: usize, place: &str) -> usize {
    let mut nodes = vec![input];
    for target in 1..4 {
        let edges = EDGES.iter().zip(cell).filter(|((_, to, _), _)| *to == target);
        let terms: Vec<usize> = edges
            .map(|((edge, _, from), op)| add_edge(net, nodes[*from], OPS[op as usize], width, place, edge))
            .collect();
        net.enter(place);
        nodes.push(net.add(Op::Add, &terms));
    }
    nodes[3]
}

fn add_mixed_cell(
    net: &mut NetGraph,
    input: usize,
    width: usize,
    place: &str,
    ends: &mut BTreeMap<usize, (usize, usize)>,
) -> usize {
    let mut nodes = vec![input];
    for target in 1..4 {
        let mut terms = Vec::new();
        for (number, (edge, _, from)) in EDGES.iter().enumerate().filter(|(_, (_, to, _))| *to == target) {
            for (op, name) in OPS.iter().enumerate().filter(|(_, name)| **name != "none") {
                let end = add_edge(net, nodes[*from], name, width, place, edge);
                ends.insert(end, (number, op));
                terms.push(end);
            }
        }
        net.enter(place);
        nodes.push(net.add(Op::Add, &terms));
    }
    nodes[3]
}

/// Weights go by edge and operation, so that cells which share an edge share its name.
fn add_edge(net: &mut NetGraph, from: usize, op: &str, width: usize, place: &str, edge: &str) -> usize {
    net.enter(format!("{place}.{}.{op}", edge.replace('.', "_")));
    match op {
        "none" => net.add(Op::Zero, &[from]),
        "avg_pool_3x3" => net.add(Op::Pool { kind: PoolKind::Avg, kernel: 3, stride: 1 }, &[from]),
        "nor_conv_1x1" => relu_conv(net, from, width, 1),
        "nor_conv_3x3" => relu_conv(net, from, width, 3),
        _ => net.add(Op::Identity, &[from]),
    }
}

/// ReLU, convolution, norm: the order of the paper.
fn relu_conv(net: &mut NetGraph, from: usize, width: usize, kernel: usize) -> usize {
    let at = net.add(Op::Relu, &[from]);
    let at = net.add(conv(width, kernel, 1), &[at]);
    net.add(Op::BatchNorm, &[at])
}

fn reduction(net: &mut NetGraph, from: usize, width: usize) -> usize {
    let mut at = from;
    for stride in [2, 1] {
        at = net.add(Op::Relu, &[at]);
        at = net.add(conv(width, 3, stride), &[at]);
        at = net.add(Op::BatchNorm, &[at]);
    }
    let pooled = net.add(Op::Pool { kind: PoolKind::Avg, kernel: 3, stride: 2 }, &[from]);
    let shortcut = net.add(conv(width, 1, 1), &[pooled]);
    net.add(Op::Add, &[at, shortcut])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::spaces::{self, from_cell_string};

    #[test]
    fn the_mixed_network_has_every_cell_s_weights_under_their_names() {
        let input = NetInput { shape: vec![1, 8, 8], n_classes: 10 };
        let mixed = CellSkeleton::SMALL.mixed(&input).unwrap();
        assert_eq!(mixed.net.output_shape().unwrap(), [10]);
        assert_eq!(mixed.ends.len(), 3 * 6 * 4);
        let named = |net: &NetGraph| -> BTreeSet<String> {
            let with = |op: &Op| matches!(op, Op::Conv2d { .. } | Op::BatchNorm | Op::Linear { .. });
            net.nodes().iter().filter(|node| with(&node.op)).map(|node| node.name.clone()).collect()
        };
        let all = named(&mixed.net);
        let space = (spaces::family(ID).unwrap().space)();
        let mut covered = BTreeSet::new();
        for architecture in spaces::pool(&space, 200, 1) {
            let own = named(&CellSkeleton::SMALL.net(&architecture, &input).unwrap());
            assert!(own.is_subset(&all), "{architecture}");
            covered.extend(own);
        }
        assert_eq!(covered, all);
    }

    #[test]
    fn a_small_skeleton_is_a_small_part_of_the_published_one() {
        let text =
            "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";
        let cell = from_cell_string(text).unwrap();
        let input = NetInput { shape: vec![1, 8, 8], n_classes: 10 };
        let flops = |skeleton: CellSkeleton| skeleton.net(&cell, &input).unwrap().cost().unwrap().flops;
        assert!(flops(CellSkeleton::SMALL) * 15 < flops(CellSkeleton::PUBLISHED));
    }
}
