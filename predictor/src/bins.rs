//! Features cut into at most 64 bins, so that a split is a sum over bins and not a sort.

use ndarray::{ArrayView1, ArrayView2};

/// Most bins a column has.
pub(crate) const MAX_BINS: usize = 64;

/// A matrix whose entries are bin numbers, column by column. Features of two values of which no row has two, such as the
/// options of a choice, share a column: one pass over it then serves all of them.
///
/// *Source*: exclusive feature bundling, Ke et al., "LightGBM", NeurIPS 2017, section 4.
#[derive(Debug)]
pub(crate) struct Bins {
    /// Upper edges of all bins but the last, ascending, for each feature.
    pub(crate) edges: Vec<Vec<f64>>,
    /// Where each feature's bins are.
    pub(crate) places: Vec<Place>,
    /// Bin numbers, `(n,)` each.
    pub(crate) columns: Vec<Column>,
}

/// Bin numbers of one or several features.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) bins: Vec<u8>,
    /// How many different ones there are.
    pub(crate) count: usize,
}

/// Where a feature's bins are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a column of its own.
    Own(usize),
    /// In a shared column: the upper of its two bins is this code, the lower all other codes.
    Shared(usize, u8),
}

impl Place {
    pub(crate) fn column(self) -> usize {
        match self {
            Place::Own(column) | Place::Shared(column, _) => column,
        }
    }

    /// Moves the rows that go left to the front and says how many there are: those up to the bin, or without the
    /// code.
    pub(crate) fn partition(self, bins: &[u8], bin: u8, rows: &mut [u32]) -> usize {
        let goes_left = |row: u32| match self {
            Place::Own(_) => bins[row as usize] <= bin,
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

impl Column {
    /// How many rows each bin has.
    fn counts(&self) -> [usize; MAX_BINS] {
        let mut counts = [0; MAX_BINS];
        self.bins.iter().for_each(|bin| counts[usize::from(*bin)] += 1);
        counts
    }
}

impl Bins {
    pub(crate) fn new(x: ArrayView2<'_, f64>) -> Self {
        let mut bins = Bins { edges: Vec::new(), places: Vec::new(), columns: Vec::new() };
        let mut shared = Vec::new();
        for values in x.columns() {
            let edges = edges_of(values);
            let place = if edges.len() == 1 {
                bins.share(&mut shared, &bin(values, &edges))
            } else {
                bins.columns.push(Column { bins: bin(values, &edges), count: edges.len() + 1 });
                Place::Own(bins.columns.len() - 1)
            };
            bins.edges.push(edges);
            bins.places.push(place);
        }
        bins
    }

    /// The features that some cut of leaves at least so many rows on either side: no leaf can tell the others.
    pub(crate) fn splittable(&self, least: usize) -> Vec<u32> {
        let counts: Vec<[usize; MAX_BINS]> = self.columns.iter().map(Column::counts).collect();
        let splits = |place: &Place| {
            let (counts, n) = (&counts[place.column()], self.columns[place.column()].bins.len());
            let is_cut = |side: usize| side >= least && n - side >= least;
            match *place {
                Place::Shared(_, code) => is_cut(counts[usize::from(code)]),
                Place::Own(_) => {
                    let mut left = 0;
                    counts.iter().any(|count| {
                        left += count;
                        is_cut(left)
                    })
                }
            }
        };
        (0..self.places.len() as u32).filter(|feature| splits(&self.places[*feature as usize])).collect()
    }

    /// Puts a feature of two bins into the first shared column whose rows it leaves alone.
    fn share(&mut self, shared: &mut Vec<usize>, upper: &[u8]) -> Place {
        let fits = |column: &&usize| {
            let column = &self.columns[**column];
            column.count < MAX_BINS
                && column.bins.iter().zip(upper).all(|(code, upper)| *code == 0 || *upper == 0)
        };
        let at = shared.iter().find(fits).copied().unwrap_or_else(|| {
            self.columns.push(Column { bins: vec![0; upper.len()], count: 1 });
            shared.push(self.columns.len() - 1);
            self.columns.len() - 1
        });
        let column = &mut self.columns[at];
        let code = column.count as u8;
        column.count += 1;
        for (bin, _) in column.bins.iter_mut().zip(upper).filter(|(_, upper)| **upper == 1) {
            *bin = code;
        }
        Place::Shared(at, code)
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
        assert_eq!(bins.columns[0].bins, [0, 1, 0, 2]);
    }

    #[test]
    fn many_values_share_bins_evenly() {
        let x = ndarray::Array2::from_shape_fn((6_400, 1), |(i, _)| (i as f64).powi(2));
        let bins = Bins::new(x.view());
        for bin in 0..64 {
            let count = bins.columns[0].bins.iter().filter(|b| **b == bin).count();
            assert!((99..=101).contains(&count), "bin {bin} has {count}");
        }
    }

    #[test]
    fn what_too_few_rows_have_is_left_out() {
        let x = array![
            [1.0, 0.0, 0.1, 1.0, 7.0],
            [0.0, 1.0, 0.2, 1.0, 7.0],
            [0.0, 1.0, 0.3, 1.0, 7.0],
            [0.0, 0.0, 0.4, 0.0, 7.0]
        ];
        let bins = Bins::new(x.view());
        assert_eq!(bins.splittable(1), [0, 1, 2, 3], "a constant never splits");
        assert_eq!(bins.splittable(2), [1, 2]);
        assert!(bins.splittable(3).is_empty());
    }

    #[test]
    fn options_of_a_choice_share_a_column() {
        // Two choices of two and three options, and a number.
        let x = array![
            [1.0, 0.0, 0.3, 0.0, 1.0, 0.0],
            [0.0, 1.0, 0.2, 1.0, 0.0, 0.0],
            [1.0, 0.0, 0.1, 0.0, 0.0, 1.0]
        ];
        let bins = Bins::new(x.view());
        use Place::{Own, Shared};
        assert_eq!(
            bins.places,
            [Shared(0, 1), Shared(0, 2), Own(1), Shared(2, 1), Shared(2, 2), Shared(2, 3)]
        );
        assert_eq!(bins.columns[0].bins, [1, 2, 1]);
        assert_eq!(bins.columns[2].bins, [2, 1, 3]);
    }
}
