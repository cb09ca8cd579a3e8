//! One regression tree.

use ndarray::ArrayView1;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::{Bins, ForestValidParams};

/// What a leaf says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Leaf {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

/// A split, or a pointer to a leaf; 16 bytes, for the walk down is bound by memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    /// Rows at or below go to `child`, others to `child + 1`.
    threshold: f64,
    /// The feature asked, or [`LEAF`].
    feature: u32,
    /// The first child, or the leaf's index.
    child: u32,
}

const LEAF: u32 = u32::MAX;

/// One regression tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
}

impl Tree {
    pub(super) fn leaf(&self, row: ArrayView1<'_, f64>) -> Leaf {
        let mut at = 0;
        loop {
            let node = self.nodes[at];
            if node.feature == LEAF {
                return self.leaves[node.child as usize];
            }
            let right = row[node.feature as usize] > node.threshold;
            at = node.child as usize + usize::from(right);
        }
    }
}

/// Grows a tree: at each node the split that lowers the squared error most, among a random subset of features.
pub(super) struct Grower<'a> {
    params: &'a ForestValidParams,
    bins: &'a Bins,
    y: &'a [f64],
    /// Features to try at a split.
    tries: usize,
    /// All features, reshuffled as they are drawn.
    features: Vec<u32>,
    tree: Tree,
}

/// The best split of a node.
struct Split {
    feature: u32,
    /// Bins up to this one go left.
    bin: u8,
    gain: f64,
}

/// A node still to be split: its place, its rows and its depth.
struct Open {
    node: usize,
    rows: std::ops::Range<usize>,
    depth: usize,
}

impl<'a> Grower<'a> {
    pub(super) fn new(params: &'a ForestValidParams, bins: &'a Bins, y: &'a [f64]) -> Self {
        let d = bins.columns.len();
        let tries = ((d as f64 * params.features).ceil() as usize).max(1);
        let features = (0..d as u32).collect();
        Grower { params, bins, y, tries, features, tree: Tree { nodes: Vec::new(), leaves: Vec::new() } }
    }

    pub(super) fn grow(mut self, mut rows: Vec<u32>, rng: &mut impl Rng) -> Tree {
        self.push_node();
        let mut open = vec![Open { node: 0, rows: 0..rows.len(), depth: 0 }];
        while let Some(Open { node, rows: range, depth }) = open.pop() {
            let members = &mut rows[range.clone()];
            let may_split = depth < self.params.max_depth && members.len() >= 2 * self.params.min_leaf;
            let split = if may_split { self.best_split(members, rng) } else { None };
            let Some(split) = split else {
                self.close(node, members);
                continue;
            };
            let middle =
                range.start + partition(members, &self.bins.columns[split.feature as usize], split.bin);
            let child = self.push_node();
            self.push_node();
            self.tree.nodes[node] = Node {
                threshold: self.bins.edges[split.feature as usize][split.bin as usize],
                feature: split.feature,
                child: child as u32,
            };
            open.push(Open { node: child, rows: range.start..middle, depth: depth + 1 });
            open.push(Open { node: child + 1, rows: middle..range.end, depth: depth + 1 });
        }
        self.tree
    }

    fn push_node(&mut self) -> usize {
        self.tree.nodes.push(Node { threshold: 0.0, feature: LEAF, child: 0 });
        self.tree.nodes.len() - 1
    }

    fn close(&mut self, node: usize, rows: &[u32]) {
        let n = rows.len() as f64;
        let mean = rows.iter().map(|row| self.y[*row as usize]).sum::<f64>() / n;
        let variance = rows.iter().map(|row| (self.y[*row as usize] - mean).powi(2)).sum::<f64>() / n;
        self.tree.nodes[node].child = self.tree.leaves.len() as u32;
        self.tree.leaves.push(Leaf { mean, variance });
    }

    /// Features that are constant in this node do not count as tried.
    fn best_split(&mut self, rows: &[u32], rng: &mut impl Rng) -> Option<Split> {
        let total: f64 = rows.iter().map(|row| self.y[*row as usize]).sum();
        let mut best: Option<Split> = None;
        let mut tried = 0;
        for drawn in 0..self.features.len() {
            if tried == self.tries {
                break;
            }
            let rest = &mut self.features[drawn..];
            let pick = rng.gen_range(0..rest.len());
            rest.swap(0, pick);
            let feature = rest[0];
            let Some(split) = self.split_on(feature, rows, total) else { continue };
            tried += 1;
            if best.as_ref().is_none_or(|best| split.gain > best.gain) {
                best = Some(split);
            }
        }
        best.filter(|split| split.gain > 1e-12)
    }

    /// The best split on one feature; `None` where its rows all share a bin or a side would be too small.
    fn split_on(&self, feature: u32, rows: &[u32], total: f64) -> Option<Split> {
        let column = &self.bins.columns[feature as usize];
        let n_bins = self.bins.edges[feature as usize].len() + 1;
        let mut sums = [0.0; 64];
        let mut counts = [0_u32; 64];
        for row in rows {
            let bin = usize::from(column[*row as usize] & 63);
            sums[bin] += self.y[*row as usize];
            counts[bin] += 1;
        }
        let n = rows.len() as f64;
        let (mut left_sum, mut left_count) = (0.0, 0_u32);
        let mut best: Option<Split> = None;
        for bin in 0..n_bins - 1 {
            left_sum += sums[bin];
            left_count += counts[bin];
            let right_count = rows.len() as u32 - left_count;
            let smallest = self.params.min_leaf as u32;
            if counts[bin] == 0 || left_count < smallest || right_count < smallest {
                continue;
            }
            let right_sum = total - left_sum;
            let gain = left_sum * left_sum / f64::from(left_count)
                + right_sum * right_sum / f64::from(right_count)
                - total * total / n;
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split { feature, bin: bin as u8, gain });
            }
        }
        best
    }
}

/// Moves rows of bins up to `bin` to the front and says how many there are.
fn partition(rows: &mut [u32], column: &[u8], bin: u8) -> usize {
    let mut front = 0;
    for at in 0..rows.len() {
        if column[rows[at] as usize] <= bin {
            rows.swap(front, at);
            front += 1;
        }
    }
    front
}
