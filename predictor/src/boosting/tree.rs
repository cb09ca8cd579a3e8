//! One tree of a boosted sum.

use std::ops::Range;

use ndarray::ArrayView1;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::BoostingValidParams;
use crate::bins::{Bins, MAX_BINS, Place};

/// A split or a leaf; 16 bytes, for the walk down is bound by memory.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    /// Rows at or below go to `child`, others to `child + 1`; a leaf's value.
    number: f64,
    /// The feature asked, or [`LEAF`].
    feature: u32,
    child: u32,
}

const LEAF: u32 = u32::MAX;

/// One tree of a boosted sum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    pub(super) fn value(&self, row: ArrayView1<'_, f64>) -> f64 {
        let mut at = 0;
        loop {
            let node = self.nodes[at];
            if node.feature == LEAF {
                return node.number;
            }
            at = node.child as usize + usize::from(row[node.feature as usize] > node.number);
        }
    }
}

/// Bin-updates below which a histogram is filled on one thread.
const PARALLEL_UPDATES: usize = 200_000;

/// Sum of the residuals and number of the rows, for each bin of each column.
type Histogram = Vec<[Total; MAX_BINS]>;

#[derive(Clone, Copy, Default)]
struct Total {
    sum: f64,
    count: f64,
}

impl Total {
    fn plus(self, other: Total) -> Total {
        Total { sum: self.sum + other.sum, count: self.count + other.count }
    }

    fn minus(self, other: Total) -> Total {
        Total { sum: self.sum - other.sum, count: self.count - other.count }
    }
}

struct Split {
    feature: u32,
    bin: u8,
    gain: f64,
}

/// A leaf that may be split further.
struct Open {
    node: usize,
    rows: Range<usize>,
    depth: usize,
    total: Total,
    histogram: Histogram,
    split: Option<Split>,
}

/// Grows a tree on residuals, leaf-wise: the split that lowers the squared error most comes first, wherever it is.
pub(super) struct Grower<'a> {
    pub(super) params: &'a BoostingValidParams,
    pub(super) bins: &'a Bins,
    /// `(n,)`.
    pub(super) residuals: &'a [f64],
    /// Features this tree may ask.
    pub(super) features: &'a [u32],
    /// Columns that these features live in.
    pub(super) columns: &'a [bool],
}

impl Grower<'_> {
    /// A tree over some rows, which it reorders.
    pub(super) fn grow(&self, rows: &mut [u32]) -> Tree {
        let mut tree = Tree { nodes: vec![Node { number: 0.0, feature: LEAF, child: 0 }] };
        let mut open = vec![self.open(0, 0..rows.len(), 0, self.histogram(rows))];
        while open.len() < self.params.leaves {
            let gain = |open: &Open| open.split.as_ref().map_or(0.0, |split| split.gain);
            let best = (0..open.len()).max_by(|a, b| gain(&open[*a]).total_cmp(&gain(&open[*b])));
            let Some(best) = best.filter(|best| open[*best].split.is_some()) else { break };
            let parent = open.swap_remove(best);
            let (left, right) = self.split(parent, rows, &mut tree);
            open.push(left);
            open.push(right);
        }
        for leaf in open {
            // No count: there is no column to ask.
            if leaf.total.count > 0.0 {
                let value = leaf.total.sum / (leaf.total.count + self.params.l2);
                tree.nodes[leaf.node].number = self.params.learning_rate * value;
            }
        }
        tree
    }

    /// The children of a leaf; only the smaller one's histogram is summed up, the other's is what remains.
    fn split(&self, parent: Open, rows: &mut [u32], tree: &mut Tree) -> (Open, Open) {
        let Open { node, rows: range, depth, histogram, split, .. } = parent;
        let split = split.expect("only leaves with a split are chosen");
        let place = self.bins.places[split.feature as usize];
        let bins = &self.bins.columns[place.column()].bins;
        let middle = range.start + place.partition(bins, split.bin, &mut rows[range.clone()]);
        let child = tree.nodes.len();
        tree.nodes[node] = Node {
            number: self.bins.edges[split.feature as usize][split.bin as usize],
            feature: split.feature,
            child: child as u32,
        };
        tree.nodes.extend([Node { number: 0.0, feature: LEAF, child: 0 }; 2]);
        let (left, right) = (range.start..middle, middle..range.end);
        let left_is_small = left.len() <= right.len();
        let small = self.histogram(&rows[if left_is_small { left.clone() } else { right.clone() }]);
        let large = subtract(histogram, &small);
        let (of_left, of_right) = if left_is_small { (small, large) } else { (large, small) };
        (self.open(child, left, depth + 1, of_left), self.open(child + 1, right, depth + 1, of_right))
    }

    fn open(&self, node: usize, rows: Range<usize>, depth: usize, histogram: Histogram) -> Open {
        let asked = self.columns.iter().position(|asked| *asked);
        let cells = asked.map_or(&[][..], |column| &histogram[column][..]);
        let total = cells.iter().fold(Total::default(), |total, cell| total.plus(*cell));
        let may_split = depth < self.params.max_depth && rows.len() >= 2 * self.params.min_leaf;
        let split = if may_split { self.best_split(&histogram, total) } else { None };
        Open { node, rows, depth, total, histogram, split }
    }

    fn histogram(&self, rows: &[u32]) -> Histogram {
        let residuals: Vec<f64> = rows.iter().map(|row| self.residuals[*row as usize]).collect();
        let mut histogram = vec![[Total::default(); MAX_BINS]; self.bins.columns.len()];
        let fill = |(column, cells): (usize, &mut [Total; MAX_BINS])| {
            if !self.columns[column] {
                return;
            }
            let bins = &self.bins.columns[column].bins;
            for (row, residual) in rows.iter().zip(&residuals) {
                let cell = &mut cells[usize::from(bins[*row as usize]) & (MAX_BINS - 1)];
                *cell = cell.plus(Total { sum: *residual, count: 1.0 });
            }
        };
        if rows.len() * histogram.len() < PARALLEL_UPDATES {
            histogram.iter_mut().enumerate().for_each(fill);
        } else {
            histogram.par_iter_mut().enumerate().for_each(fill);
        }
        histogram
    }

    fn best_split(&self, histogram: &Histogram, total: Total) -> Option<Split> {
        let splits = self.features.iter().filter_map(|feature| self.split_on(*feature, histogram, total));
        splits.reduce(|best, split| if split.gain > best.gain { split } else { best })
    }

    fn split_on(&self, feature: u32, histogram: &Histogram, total: Total) -> Option<Split> {
        let place = self.bins.places[feature as usize];
        let cells = &histogram[place.column()];
        if let Place::Shared(_, code) = place {
            let gain = self.gain(cells[usize::from(code)], total)?;
            return Some(Split { feature, bin: 0, gain });
        }
        let mut left = Total::default();
        let mut best: Option<Split> = None;
        for (bin, cell) in cells[..self.bins.edges[feature as usize].len()].iter().enumerate() {
            left = left.plus(*cell);
            let Some(gain) = self.gain(left, total).filter(|_| cell.count > 0.0) else { continue };
            if best.as_ref().is_none_or(|best| gain > best.gain) {
                best = Some(Split { feature, bin: bin as u8, gain });
            }
        }
        best
    }

    /// How much the penalised squared error falls when `side` is split off; `None` when a side would be too small or
    /// nothing is won.
    fn gain(&self, side: Total, total: Total) -> Option<f64> {
        let other = total.minus(side);
        if side.count.min(other.count) < self.params.min_leaf as f64 {
            return None;
        }
        let square = |part: Total| part.sum * part.sum / (part.count + self.params.l2);
        Some(square(side) + square(other) - square(total)).filter(|gain| *gain > 1e-9)
    }
}

fn subtract(mut whole: Histogram, part: &Histogram) -> Histogram {
    for (whole, part) in whole.iter_mut().zip(part) {
        for (whole, part) in whole.iter_mut().zip(part) {
            *whole = whole.minus(*part);
        }
    }
    whole
}
