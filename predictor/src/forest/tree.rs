//! One regression tree.

use ndarray::ArrayView1;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::ForestValidParams;
use super::bins::{Bins, MAX_BINS, Place};

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
    /// Of the node at hand, for each column that has been asked for.
    histograms: Vec<Option<Histogram>>,
    tree: Tree,
}

/// Sums and counts of the targets in each bin of a column.
struct Histogram {
    sums: [f64; MAX_BINS],
    counts: [u32; MAX_BINS],
}

/// The best split of a node.
struct Split {
    feature: u32,
    /// Bins up to this one go left.
    bin: u8,
    gain: f64,
}

/// What a node's rows add up to.
#[derive(Clone, Copy)]
struct Total {
    sum: f64,
    count: u32,
}

/// A node still to be split: its place, its rows and its depth.
struct Open {
    node: usize,
    rows: std::ops::Range<usize>,
    depth: usize,
}

impl<'a> Grower<'a> {
    pub(super) fn new(params: &'a ForestValidParams, bins: &'a Bins, y: &'a [f64]) -> Self {
        let d = bins.places.len();
        Grower {
            params,
            bins,
            y,
            tries: ((d as f64 * params.features).ceil() as usize).max(1),
            features: (0..d as u32).collect(),
            histograms: (0..bins.columns.len()).map(|_| None).collect(),
            tree: Tree { nodes: Vec::new(), leaves: Vec::new() },
        }
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
            let middle = range.start + self.partition(members, &split);
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
        let targets: Vec<f64> = rows.iter().map(|row| self.y[*row as usize]).collect();
        let total = Total { sum: targets.iter().sum(), count: rows.len() as u32 };
        self.histograms.iter_mut().for_each(|histogram| *histogram = None);
        let mut best: Option<Split> = None;
        let mut tried = 0;
        for drawn in 0..self.features.len() {
            if tried == self.tries {
                break;
            }
            let pick = rng.gen_range(drawn..self.features.len());
            self.features.swap(drawn, pick);
            let feature = self.features[drawn];
            let column = self.bins.places[feature as usize].column();
            let bins = &self.bins.columns[column].bins;
            self.histograms[column].get_or_insert_with(|| Histogram::new(bins, rows, &targets));
            let Some(split) = self.split_on(feature, total) else { continue };
            tried += 1;
            if best.as_ref().is_none_or(|best| split.gain > best.gain) {
                best = Some(split);
            }
        }
        best.filter(|split| split.gain > 1e-12)
    }

    /// The best split on one feature; `None` where its rows all share a bin or a side would be too small.
    fn split_on(&self, feature: u32, total: Total) -> Option<Split> {
        let place = self.bins.places[feature as usize];
        let histogram = self.histograms[place.column()].as_ref()?;
        if let Place::Shared(_, code) = place {
            let code = usize::from(code);
            let right = Total { sum: histogram.sums[code], count: histogram.counts[code] };
            return self.gain(right, total).map(|gain| Split { feature, bin: 0, gain });
        }
        let mut left = Total { sum: 0.0, count: 0 };
        let mut best: Option<Split> = None;
        for bin in 0..self.bins.edges[feature as usize].len() {
            left.sum += histogram.sums[bin];
            left.count += histogram.counts[bin];
            if histogram.counts[bin] == 0 {
                continue;
            }
            let Some(gain) = self.gain(left, total) else { continue };
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split { feature, bin: bin as u8, gain });
            }
        }
        best
    }

    /// How much the squared error falls when `side` is split off; `None` when a side would be too small.
    fn gain(&self, side: Total, total: Total) -> Option<f64> {
        let other = Total { sum: total.sum - side.sum, count: total.count - side.count };
        if side.count.min(other.count) < self.params.min_leaf as u32 {
            return None;
        }
        let square = |part: Total| part.sum * part.sum / f64::from(part.count);
        Some(square(side) + square(other) - square(total))
    }

    /// Moves the rows that go left to the front and says how many there are.
    fn partition(&self, rows: &mut [u32], split: &Split) -> usize {
        let place = self.bins.places[split.feature as usize];
        let bins = &self.bins.columns[place.column()].bins;
        let goes_left = |row: u32| match place {
            Place::Own(_) => bins[row as usize] <= split.bin,
            Place::Shared(_, code) => bins[row as usize] != code,
        };
        let mut front = 0;
        for at in 0..rows.len() {
            if goes_left(rows[at]) {
                rows.swap(front, at);
                front += 1;
            }
        }
        front
    }
}

impl Histogram {
    fn new(bins: &[u8], rows: &[u32], targets: &[f64]) -> Self {
        let mut histogram = Histogram { sums: [0.0; MAX_BINS], counts: [0; MAX_BINS] };
        for (row, target) in rows.iter().zip(targets) {
            // The mask spares a bounds check: there are 64 bins at most.
            let bin = usize::from(bins[*row as usize]) & (MAX_BINS - 1);
            histogram.sums[bin] += target;
            histogram.counts[bin] += 1;
        }
        histogram
    }
}
