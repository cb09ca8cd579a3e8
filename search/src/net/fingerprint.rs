//! `Fingerprint`: what a network looks like, in numbers that isomorphic networks share and all spaces have alike.

use super::net_graph::{NetError, NetGraph, Op};

/// Buckets for operations, operations at a depth, operations that feed the output, and paths of two and three.
const BLOCKS: [usize; 5] = [16, 64, 16, 64, 128];
/// Numbers about the whole network, before the blocks.
const STATISTICS: [&str; 7] = ["depth", "paths_out", "reach", "least_reach", "params", "flops", "synflow"];
/// Their weights: one unit is a factor of two; depths and reaches differ by little and say much.
const WEIGHTS: [f64; 7] = [0.6, 0.6, 0.6, 0.6, 0.05, 0.05, 0.05];
/// Operations deeper than this count as at this depth.
const DEEPEST: usize = 15;

/// What a network looks like: statistics of the whole (depth, number of branches that reach the output, receptive reach,
/// parameters, multiply-adds, synaptic flow; logarithms), and the shares that operations and paths of two and three operations
/// have in it. Shares enter as square roots (Hellinger), so that squared distances are at most 1 over all blocks together; names are
/// hashed into buckets, so that networks of any space compare. Norms, activations, sums and joins are passed through.
///
/// *Source*: path encodings, White, Neiswanger, Savani, "BANANAS", AAAI 2021 (arXiv:1910.11858); counts of labelled
/// substructures, Ru et al., "Interpretable NAS via Bayesian optimisation with Weisfeiler-Lehman kernels", ICLR 2021
/// (arXiv:2006.07556); hashing, Weinberger et al., ICML 2009 (arXiv:0902.2206).
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprint(pub Vec<f64>);

impl Fingerprint {
    /// The number of entries about the whole network, which come first.
    pub const STATISTICS: usize = STATISTICS.len();

    /// The number of entries.
    pub const WIDTH: usize = STATISTICS.len() + BLOCKS[0] + BLOCKS[1] + BLOCKS[2] + BLOCKS[3] + BLOCKS[4];

    /// What the entries say, [`Fingerprint::WIDTH`] of them.
    #[must_use]
    pub fn names() -> Vec<String> {
        let statistics = STATISTICS.iter().map(|name| format!("net.{name}"));
        let blocks = ["op", "op_at", "out", "path2", "path3"].iter().zip(BLOCKS);
        let buckets = blocks.flat_map(|(name, size)| (0..size).map(move |at| format!("net.{name}#{at}")));
        statistics.chain(buckets).collect()
    }

    /// The fingerprint of a network.
    ///
    /// # Errors
    /// As [`NetGraph::cost`].
    pub fn of(net: &NetGraph) -> Result<Self, NetError> {
        let cost = net.cost()?;
        let skeleton = Skeleton::of(net);
        let log = |value: usize| (1.0 + value as f64).log2();
        let statistics = [
            log(skeleton.depths.iter().copied().max().unwrap_or(0)),
            log(skeleton.outs.len()),
            log(skeleton.reach.1),
            log(skeleton.reach.0),
            (1.0 + cost.params as f64).log2(),
            (1.0 + cost.flops as f64).log2(),
            net.synaptic_flow()? / std::f64::consts::LN_2,
        ];
        let mut entries: Vec<f64> =
            statistics.iter().zip(WEIGHTS).map(|(value, weight)| weight * value).collect();
        let counts = skeleton.counts();
        for block in counts {
            let total: f64 = block.iter().sum();
            let scale = 1.0 / (2.0 * BLOCKS.len() as f64).sqrt();
            entries.extend(block.iter().map(|count| scale * (count / total.max(1.0)).sqrt()));
        }
        Ok(Fingerprint(entries))
    }
}

/// A network without what only passes values on.
struct Skeleton {
    /// A label for each node that counts.
    labels: Vec<u64>,
    /// The nodes that count and feed it.
    parents: Vec<Vec<usize>>,
    /// Nodes that count on the longest path from the input.
    depths: Vec<usize>,
    /// The nodes that count and feed the output's last operation.
    outs: Vec<usize>,
    /// Operations that mix neighbours, on the path to the output that has fewest and the one that has most.
    reach: (usize, usize),
}

impl Skeleton {
    fn of(net: &NetGraph) -> Self {
        let mut skeleton = Skeleton {
            labels: Vec::new(),
            parents: Vec::new(),
            depths: Vec::new(),
            outs: Vec::new(),
            reach: (0, 0),
        };
        // For every node of the network: the nodes that count and whose values it passes on, and the reach so far.
        let mut sources: Vec<Vec<usize>> = Vec::with_capacity(net.nodes().len());
        let mut reaches: Vec<(usize, usize)> = Vec::with_capacity(net.nodes().len());
        for node in net.nodes() {
            let mut from: Vec<usize> =
                node.inputs.iter().flat_map(|input| sources[*input].iter().copied()).collect();
            from.sort_unstable();
            from.dedup();
            let before = node.inputs.iter().map(|input| reaches[*input]);
            let before = before.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0));
            let mixes = usize::from(mixes(&node.op));
            reaches.push((before.0 + mixes, before.1 + mixes));
            match label(&node.op) {
                Some(label) => {
                    skeleton.outs.clone_from(&from);
                    sources.push(vec![skeleton.push(label, from)]);
                }
                None => sources.push(from),
            }
        }
        skeleton.reach = reaches.last().copied().unwrap_or((0, 0));
        skeleton
    }

    fn push(&mut self, label: u64, parents: Vec<usize>) -> usize {
        self.depths.push(parents.iter().map(|parent| self.depths[*parent] + 1).max().unwrap_or(0));
        self.labels.push(label);
        self.parents.push(parents);
        self.labels.len() - 1
    }

    /// How often what falls into each bucket, block by block.
    fn counts(&self) -> [Vec<f64>; 5] {
        let mut counts = BLOCKS.map(|size| vec![0.0; size]);
        let mut count = |block: usize, words: &[u64]| {
            let bucket = hash(words) % BLOCKS[block] as u64;
            counts[block][bucket as usize] += 1.0;
        };
        for (node, label) in self.labels.iter().enumerate() {
            count(0, &[*label]);
            count(1, &[*label, self.depths[node].min(DEEPEST) as u64]);
            for parent in &self.parents[node] {
                count(3, &[*label, self.labels[*parent]]);
                for before in &self.parents[*parent] {
                    count(4, &[*label, self.labels[*parent], self.labels[*before]]);
                }
            }
        }
        for out in &self.outs {
            count(2, &[self.labels[*out]]);
        }
        counts
    }
}

/// A number for the kind of an operation, its width left out; `None` for what only passes on, norms or bends values.
fn label(op: &Op) -> Option<u64> {
    let words: [u64; 4] = match *op {
        Op::Conv2d { kernel, stride, groups, .. } => [1, kernel as u64, stride as u64, u64::from(groups > 1)],
        Op::Conv1d { kernel, stride, groups, .. } => [2, kernel as u64, stride as u64, u64::from(groups > 1)],
        Op::Pool { kind, kernel, stride } => [3, kind as u64, kernel as u64, stride as u64],
        Op::GlobalAvgPool => [4, 0, 0, 0],
        Op::Linear { .. } => [5, 0, 0, 0],
        Op::Graph { kind, .. } => [6, kind as u64, 0, 0],
        Op::Identity => [7, 0, 0, 0],
        Op::Zero => [8, 0, 0, 0],
        Op::Input
        | Op::BatchNorm
        | Op::Relu
        | Op::Gelu
        | Op::Tanh
        | Op::Flatten
        | Op::Dropout { .. }
        | Op::Add
        | Op::Concat => return None,
    };
    Some(hash(&words))
}

/// Whether an operation looks beyond one place: at neighbouring pixels, moments or nodes.
fn mixes(op: &Op) -> bool {
    match op {
        Op::Conv2d { kernel, .. } | Op::Conv1d { kernel, .. } | Op::Pool { kernel, .. } => *kernel > 1,
        Op::Graph { .. } => true,
        _ => false,
    }
}

/// FNV-1a over words: fixed for all time, for fitted models are kept.
fn hash(words: &[u64]) -> u64 {
    let mixed =
        words.iter().flat_map(|word| word.to_le_bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    // The low bits of FNV are weak; the high ones decide the bucket.
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::GraphOp;

    /// Two branches over a linear layer, joined; `order` says which is made first.
    fn branches(order: [GraphOp; 2]) -> NetGraph {
        let mut net = NetGraph::new(vec![8]);
        let stem = net.add(Op::Linear { out: 16 }, &[0]);
        let ends = order.map(|kind| {
            let layer = net.add(Op::Graph { kind, out: 16 }, &[stem]);
            net.add(Op::Relu, &[layer])
        });
        let joined = net.add(Op::Concat, &ends);
        net.add(Op::Linear { out: 3 }, &[joined]);
        net
    }

    #[test]
    fn isomorphic_networks_share_it_and_others_do_not() {
        let of = |order| Fingerprint::of(&branches(order)).unwrap();
        let a = of([GraphOp::Gcn, GraphOp::Gat]);
        assert_eq!(a, of([GraphOp::Gat, GraphOp::Gcn]));
        assert_ne!(a, of([GraphOp::Gat, GraphOp::Gat]));
        assert_eq!(a.0.len(), Fingerprint::WIDTH);
        assert_eq!(Fingerprint::names().len(), Fingerprint::WIDTH);
    }

    #[test]
    fn statistics_are_those_of_the_graph() {
        let skeleton = Skeleton::of(&branches([GraphOp::Gcn, GraphOp::Gat]));
        assert_eq!(skeleton.labels.len(), 4, "norms and activations do not count");
        assert_eq!(skeleton.depths, [0, 1, 1, 2]);
        assert_eq!(skeleton.outs, [1, 2]);
        assert_eq!(skeleton.reach, (1, 1));
    }

    #[test]
    fn shares_do_not_grow_with_the_network() {
        let chain = |n: usize| {
            let mut net = NetGraph::new(vec![3, 16, 16]);
            for _ in 0..n {
                let last = net.nodes().len() - 1;
                net.add(Op::Conv2d { out: 8, kernel: 3, stride: 1, groups: 1, bias: true }, &[last]);
            }
            Fingerprint::of(&net).unwrap().0[STATISTICS.len()..][..BLOCKS[0]].to_vec()
        };
        assert_eq!(chain(3), chain(9));
    }
}
