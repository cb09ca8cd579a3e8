//! One regression tree.

use ndarray::ArrayView1;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::ForestValidParams;
use crate::bins::{Bins, MAX_BINS, Place};

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
    /// How often each row was drawn: a row drawn twice is looked at once.
    times: &'a [u32],
    /// Features to try at a split.
    tries: usize,
    /// The features that can split, reshuffled as they are drawn.
    features: Vec<u32>,
    /// Of the node at hand, for each column.
    histograms: Vec<Histogram>,
    tree: Tree,
}

/// Sums and counts of the targets in each bin of a column.
struct Histogram {
    cells: [Total; MAX_BINS],
    /// Bit `b` is set when bin `b` has rows. A small node thus pays for its rows and not for all bins.
    occupied: u64,
}

/// The best split of a node.
struct Split {
    feature: u32,
    /// Bins up to this one go left.
    bin: u8,
    gain: f64,
}

/// What some rows add up to.
#[derive(Clone, Copy, Default)]
struct Total {
    sum: f64,
    count: f64,
}

/// A node still to be split: its place, its rows and its depth.
struct Open {
    node: usize,
    rows: std::ops::Range<usize>,
    depth: usize,
}

impl<'a> Grower<'a> {
    /// `features` are those to split by.
    pub(super) fn new(
        params: &'a ForestValidParams,
        (bins, features): (&'a Bins, &[u32]),
        y: &'a [f64],
        times: &'a [u32],
    ) -> Self {
        let empty = || Histogram { cells: [Total::default(); MAX_BINS], occupied: 0 };
        Grower {
            params,
            bins,
            y,
            times,
            tries: ((features.len() as f64 * params.features).ceil() as usize).max(1),
            features: features.to_vec(),
            histograms: std::iter::repeat_with(empty).take(bins.columns.len()).collect(),
            tree: Tree { nodes: Vec::new(), leaves: Vec::new() },
        }
    }

    pub(super) fn grow(mut self, rng: &mut impl Rng) -> Tree {
        let mut rows: Vec<u32> =
            (0..self.times.len() as u32).filter(|row| self.times[*row as usize] > 0).collect();
        self.push_node();
        let mut open = vec![Open { node: 0, rows: 0..rows.len(), depth: 0 }];
        while let Some(Open { node, rows: range, depth }) = open.pop() {
            let members = &mut rows[range.clone()];
            let split = if depth < self.params.max_depth { self.best_split(members, rng) } else { None };
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
        let total = rows.iter().fold(Total::default(), |total, row| total.plus(self.share(*row)));
        let mean = total.sum / total.count;
        let squares = rows.iter().map(|row| {
            let row = *row as usize;
            f64::from(self.times[row]) * (self.y[row] - mean).powi(2)
        });
        let variance = squares.sum::<f64>() / total.count;
        self.tree.nodes[node].child = self.tree.leaves.len() as u32;
        self.tree.leaves.push(Leaf { mean, variance });
    }

    /// What a row adds to a sum.
    fn share(&self, row: u32) -> Total {
        let count = f64::from(self.times[row as usize]);
        Total { sum: count * self.y[row as usize], count }
    }

    /// Features that are constant in this node count as tried, but one that is not will be found: one-hot columns are
    /// constant in most nodes, and not counting them would leave little to chance.
    fn best_split(&mut self, rows: &[u32], rng: &mut impl Rng) -> Option<Split> {
        let shares: Vec<Total> = rows.iter().map(|row| self.share(*row)).collect();
        let total = shares.iter().fold(Total::default(), |total, share| total.plus(*share));
        if total.count < 2.0 * self.params.min_leaf as f64 {
            return None;
        }
        let mut best: Option<Split> = None;
        let mut varies = false;
        for drawn in 0..self.features.len() {
            if drawn >= self.tries && varies {
                break;
            }
            let pick = rng.gen_range(drawn..self.features.len());
            self.features.swap(drawn, pick);
            let feature = self.features[drawn];
            let column = self.bins.places[feature as usize].column();
            if self.histograms[column].occupied == 0 {
                self.histograms[column].fill(&self.bins.columns[column].bins, rows, &shares);
            }
            if self.is_constant(feature, total) {
                continue;
            }
            varies = true;
            let Some(split) = self.split_on(feature, total, rng) else { continue };
            if best.as_ref().is_none_or(|best| split.gain > best.gain) {
                best = Some(split);
            }
        }
        self.histograms.iter_mut().for_each(Histogram::clear);
        best.filter(|split| split.gain > 1e-12)
    }

    /// Whether the node's rows all share a bin of this feature.
    fn is_constant(&self, feature: u32, total: Total) -> bool {
        let place = self.bins.places[feature as usize];
        let histogram = &self.histograms[place.column()];
        match place {
            Place::Own(_) => histogram.occupied.is_power_of_two(),
            Place::Shared(_, code) => {
                let count = histogram.cells[usize::from(code)].count;
                count == 0.0 || count == total.count
            }
        }
    }

    /// The best split on one feature, or a random one; `None` where a side would be too small.
    fn split_on(&self, feature: u32, total: Total, rng: &mut impl Rng) -> Option<Split> {
        let place = self.bins.places[feature as usize];
        let histogram = &self.histograms[place.column()];
        if let Place::Shared(_, code) = place {
            let right = histogram.cells[usize::from(code)];
            return self.gain(right, total).map(|gain| Split { feature, bin: 0, gain });
        }
        let random = if self.params.random_cuts { Some(histogram.random_cut(rng)?) } else { None };
        let mut left = Total::default();
        let mut best: Option<Split> = None;
        for bin in histogram.bins() {
            if random.is_some_and(|cut| bin > cut) {
                break;
            }
            left = left.plus(histogram.cells[usize::from(bin)]);
            if random.is_some() {
                continue;
            }
            let Some(gain) = self.gain(left, total) else { continue };
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split { feature, bin, gain });
            }
        }
        match random {
            Some(bin) => self.gain(left, total).map(|gain| Split { feature, bin, gain }),
            None => best,
        }
    }

    /// How much the squared error falls when `side` is split off; `None` when a side would be too small.
    fn gain(&self, side: Total, total: Total) -> Option<f64> {
        let other = Total { sum: total.sum - side.sum, count: total.count - side.count };
        if side.count.min(other.count) < self.params.min_leaf as f64 {
            return None;
        }
        let square = |part: Total| part.sum * part.sum / part.count;
        Some(square(side) + square(other) - square(total))
    }

    /// Moves the rows that go left to the front and says how many there are.
    fn partition(&self, rows: &mut [u32], split: &Split) -> usize {
        let place = self.bins.places[split.feature as usize];
        let bins = &self.bins.columns[place.column()].bins;
        place.partition(bins, split.bin, rows)
    }
}

impl Total {
    fn plus(self, other: Total) -> Total {
        Total { sum: self.sum + other.sum, count: self.count + other.count }
    }
}

impl Histogram {
    fn fill(&mut self, bins: &[u8], rows: &[u32], shares: &[Total]) {
        for (row, share) in rows.iter().zip(shares) {
            // The mask spares a bounds check: there are 64 bins at most.
            let bin = usize::from(bins[*row as usize]) & (MAX_BINS - 1);
            let cell = &mut self.cells[bin];
            *cell = cell.plus(*share);
            self.occupied |= 1 << bin;
        }
    }

    /// The bins that have rows, ascending.
    fn bins(&self) -> impl Iterator<Item = u8> {
        let mut left = self.occupied;
        std::iter::from_fn(move || {
            let bin = left.trailing_zeros() as u8;
            left &= left.wrapping_sub(1);
            (usize::from(bin) < MAX_BINS).then_some(bin)
        })
    }

    /// A cut between the lowest and the highest bin that has rows; `None` when they are one.
    fn random_cut(&self, rng: &mut impl Rng) -> Option<u8> {
        let lowest = self.occupied.trailing_zeros() as u8;
        let highest = 63 - self.occupied.leading_zeros() as u8;
        (lowest < highest).then(|| rng.gen_range(lowest..highest))
    }

    fn clear(&mut self) {
        let mut left = self.occupied;
        while left != 0 {
            self.cells[left.trailing_zeros() as usize] = Total::default();
            left &= left - 1;
        }
        self.occupied = 0;
    }
}
