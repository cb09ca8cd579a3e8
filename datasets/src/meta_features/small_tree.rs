//! `SmallTree`: a classification tree of few levels.

use ndarray::{Array2, ArrayView1};

/// Columns that splits are looked for in, spread evenly over all.
const COLUMNS: usize = 256;

/// A tree of binary splits that minimise the Gini impurity; the first column and the lowest threshold among equals.
///
/// *Source*: Breiman, Friedman, Olshen, Stone, "Classification and regression trees", 1984.
pub(super) enum SmallTree {
    Leaf { class: usize },
    Split { column: usize, threshold: f64, below: Box<SmallTree>, above: Box<SmallTree> },
}

impl SmallTree {
    /// # Shapes
    /// `x` is `(n, d)` and `y` `(n,)`, `n` at least 1, classes below `n_classes`.
    pub(super) fn fit(x: &Array2<f64>, y: &[usize], n_classes: usize, depth: usize) -> Self {
        let columns: Vec<usize> = (0..x.ncols()).step_by(x.ncols().div_ceil(COLUMNS).max(1)).collect();
        Self::grow(x, y, n_classes, depth, (0..y.len()).collect(), &columns)
    }

    fn grow(
        x: &Array2<f64>,
        y: &[usize],
        n_classes: usize,
        depth: usize,
        rows: Vec<usize>,
        columns: &[usize],
    ) -> Self {
        let counts = counts(y, &rows, n_classes);
        let best = (0..n_classes).rev().max_by_key(|class| counts[*class]).unwrap_or(0);
        let leaf = SmallTree::Leaf { class: best };
        if depth == 0 || counts[best] == rows.len() {
            return leaf;
        }
        let splits = columns.iter().filter_map(|column| best_split(x, y, &counts, &rows, *column));
        // The later of equals does not replace the earlier.
        let best = splits.reduce(|best, next| if next.purity > best.purity { next } else { best });
        let Some(Cut { column, threshold, .. }) = best else { return leaf };
        let (below, above): (Vec<usize>, Vec<usize>) =
            rows.into_iter().partition(|row| x[[*row, column]] <= threshold);
        let grow = |rows| Box::new(Self::grow(x, y, n_classes, depth - 1, rows, columns));
        SmallTree::Split { column, threshold, below: grow(below), above: grow(above) }
    }

    /// The class of an example.
    pub(super) fn class(&self, row: ArrayView1<'_, f64>) -> usize {
        match self {
            SmallTree::Leaf { class } => *class,
            SmallTree::Split { column, threshold, below, above } => {
                if row[*column] <= *threshold {
                    below.class(row)
                } else {
                    above.class(row)
                }
            }
        }
    }
}

struct Cut {
    column: usize,
    threshold: f64,
    purity: f64,
}

fn counts(y: &[usize], rows: &[usize], n_classes: usize) -> Vec<usize> {
    let mut counts = vec![0; n_classes];
    rows.iter().for_each(|row| counts[y[*row]] += 1);
    counts
}

/// The split of a column with the largest sum of squared class counts over sizes, which is the least impurity.
fn best_split(x: &Array2<f64>, y: &[usize], counts: &[usize], rows: &[usize], column: usize) -> Option<Cut> {
    let mut sorted: Vec<(f64, usize)> = rows.iter().map(|row| (x[[*row, column]], y[*row])).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let (mut below, mut above) = (vec![0_usize; counts.len()], counts.to_vec());
    let (mut below_squares, mut above_squares) = (0, above.iter().map(|count| count * count).sum::<usize>());
    let mut best: Option<Cut> = None;
    for (at, pair) in (1..).zip(sorted.windows(2)) {
        let ((value, class), (next, _)) = (pair[0], pair[1]);
        below_squares += 2 * below[class] + 1;
        above_squares -= 2 * above[class] - 1;
        below[class] += 1;
        above[class] -= 1;
        let purity = below_squares as f64 / at as f64 + above_squares as f64 / (rows.len() - at) as f64;
        if next > value && best.as_ref().is_none_or(|best| purity > best.purity) {
            // Between the two unless they are so near that the middle is the upper one.
            let middle = f64::midpoint(value, next);
            let threshold = if middle < next { middle } else { value };
            best = Some(Cut { column, threshold, purity });
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn classes(tree: &SmallTree, x: &Array2<f64>) -> Vec<usize> {
        x.rows().into_iter().map(|row| tree.class(row)).collect()
    }

    #[test]
    fn a_stump_cuts_where_the_classes_part() {
        let x = array![[5.0, 1.0], [5.0, 2.0], [7.0, 8.0], [5.0, 9.0]];
        let tree = SmallTree::fit(&x, &[1, 1, 0, 0], 2, 1);
        assert!(matches!(tree, SmallTree::Split { column: 1, threshold: 5.0, .. }));
        assert_eq!(classes(&tree, &x), [1, 1, 0, 0]);
        let constant = SmallTree::fit(&array![[1.0], [1.0], [1.0]], &[0, 1, 1], 2, 3);
        assert!(matches!(constant, SmallTree::Leaf { class: 1 }));
    }

    // import numpy as np; from sklearn.tree import DecisionTreeClassifier as T
    // X = np.array([[i * 37 % 101, i * 53 % 97] for i in range(200)], float)
    // y = (X[:, 0] * 2 + X[:, 1] > 150).astype(int)
    // [(T(max_depth=d).fit(X, y).predict(X) == y).sum() for d in (1, 2, 3, 5)]
    #[test]
    fn trees_fit_as_well_as_those_of_scikit_learn() {
        let x = Array2::from_shape_fn((200, 2), |(row, column)| {
            (if column == 0 { row * 37 % 101 } else { row * 53 % 97 }) as f64
        });
        let y: Vec<usize> =
            x.rows().into_iter().map(|row| usize::from(row[0] * 2.0 + row[1] > 150.0)).collect();
        for (depth, expected) in [(1, 176), (2, 187), (3, 190), (5, 200)] {
            let found = classes(&SmallTree::fit(&x, &y, 2, depth), &x);
            assert_eq!(found.iter().zip(&y).filter(|(a, b)| a == b).count(), expected, "depth {depth}");
        }
    }

    proptest! {
        #[test]
        fn a_deep_tree_knows_distinct_rows_by_heart(y in proptest::collection::vec(0_usize..3, 1..40)) {
            let x = Array2::from_shape_fn((y.len(), 1), |(row, _)| (row * 7 % 41) as f64);
            prop_assert_eq!(classes(&SmallTree::fit(&x, &y, 3, 60), &x), y);
        }
    }
}
