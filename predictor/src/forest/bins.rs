//! Features cut into at most 64 bins, so that a split is a sum over bins and not a sort.

use ndarray::{ArrayView1, ArrayView2};

/// Most bins a feature gets.
const MAX_BINS: usize = 64;

/// A matrix whose entries are bin numbers, column by column.
#[derive(Debug)]
pub(super) struct Bins {
    /// Upper edges of all bins but the last, ascending, for each feature.
    pub(super) edges: Vec<Vec<f64>>,
    /// Bin numbers of each feature, `(n,)`.
    pub(super) columns: Vec<Vec<u8>>,
}

impl Bins {
    pub(super) fn new(x: ArrayView2<'_, f64>) -> Self {
        let edges: Vec<Vec<f64>> = x.columns().into_iter().map(edges_of).collect();
        let columns = x.columns().into_iter().zip(&edges).map(|(column, edges)| bin(column, edges)).collect();
        Bins { edges, columns }
    }
}

/// Midpoints between neighbouring values, thinned to even counts when there are too many.
fn edges_of(column: ArrayView1<'_, f64>) -> Vec<f64> {
    let mut values = column.to_vec();
    values.sort_by(f64::total_cmp);
    let mut distinct = values.clone();
    distinct.dedup();
    if distinct.len() <= MAX_BINS {
        return distinct.windows(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
    }
    let mut edges: Vec<f64> = (1..MAX_BINS).map(|bin| values[bin * values.len() / MAX_BINS]).collect();
    edges.dedup();
    edges
}

fn bin(column: ArrayView1<'_, f64>, edges: &[f64]) -> Vec<u8> {
    let bin_of = |value: &f64| edges.partition_point(|edge| edge < value) as u8;
    column.iter().map(bin_of).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn few_values_get_a_bin_each() {
        let bins = Bins::new(array![[0.0], [1.0], [0.0], [5.0]].view());
        assert_eq!(bins.edges, [vec![0.5, 3.0]]);
        assert_eq!(bins.columns, [vec![0, 1, 0, 2]]);
    }

    #[test]
    fn many_values_share_bins_evenly() {
        let x = ndarray::Array2::from_shape_fn((6_400, 1), |(i, _)| (i as f64).powi(2));
        let bins = Bins::new(x.view());
        for bin in 0..64 {
            let count = bins.columns[0].iter().filter(|b| **b == bin).count();
            assert!((99..=101).contains(&count), "bin {bin} has {count}");
        }
    }
}
