//! Landmarkers: how far simple learners come.

use linfa_linalg::cholesky::SolveC;
use ndarray::{Array2, ArrayView1, Axis};

use super::sample::Sample;
use super::small_tree::SmallTree;

/// The ridge's penalty, relative to the mean squared length of an example.
const PENALTY: f64 = 0.1;
/// Depth of the larger tree.
const DEPTH: usize = 4;

/// Accuracies on the validation examples; none where there are none.
///
/// The learners are our own few lines where linfa's would not repeat: its trees break ties by a hash map's order, and its
/// logistic regression iterates over many more columns than there are rows. The ridge is solved in the space of the examples.
pub(super) fn landmarkers(sample: &Sample) -> Vec<(&'static str, f64)> {
    if sample.train_y.is_empty() || sample.validation_y.is_empty() {
        return Vec::new();
    }
    let products = Products::of(sample);
    let mut landmarkers = vec![("landmark_1nn", accuracy(sample, &nearest(sample, &products)))];
    let penalty = PENALTY * (products.inner.diag().sum() / sample.train_y.len() as f64).max(1.0);
    landmarkers.extend(
        ridge(sample, &products, penalty)
            .map(|scores| scores.rows().into_iter().map(largest).collect::<Vec<_>>())
            .map(|classes| ("landmark_linear", accuracy(sample, &classes))),
    );
    for (name, depth) in [("landmark_stump", 1), ("landmark_tree", DEPTH)] {
        let tree = SmallTree::fit(&sample.train, &sample.train_y, sample.n_classes, depth);
        let classes: Vec<usize> = sample.validation.rows().into_iter().map(|row| tree.class(row)).collect();
        landmarkers.push((name, accuracy(sample, &classes)));
    }
    landmarkers
}

fn accuracy(sample: &Sample, classes: &[usize]) -> f64 {
    let right = classes.iter().zip(&sample.validation_y).filter(|(class, truth)| class == truth).count();
    right as f64 / classes.len() as f64
}

/// The scalar products of the rows of two matrices.
///
/// # Shapes
/// `(n, d)` and `(m, d)` to `(n, m)`.
pub(super) fn products(a: &Array2<f64>, b: &Array2<f64>) -> Array2<f64> {
    let rows = |x: &Array2<f64>| -> Vec<Vec<f64>> { x.rows().into_iter().map(|row| row.to_vec()).collect() };
    let (a, b) = (rows(a), rows(b));
    Array2::from_shape_fn((a.len(), b.len()), |(i, j)| product(&a[i], &b[j]))
}

/// Eight sums side by side, so that it is as fast as the processor allows and the same on all of them.
fn product(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (whole, rest) = (a.chunks_exact(8), a.chunks_exact(8).remainder());
    for (a, b) in whole.zip(b.chunks_exact(8)) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let tail = rest.iter().zip(&b[a.len() - rest.len()..]).map(|(a, b)| a * b).sum::<f64>();
    sums.iter().sum::<f64>() + tail
}

/// Scalar products of examples from which the mean of the training examples is taken.
struct Products {
    /// Of training examples, `(n, n)`.
    inner: Array2<f64>,
    /// Of validation examples with training examples, `(m, n)`.
    across: Array2<f64>,
}

impl Products {
    fn of(sample: &Sample) -> Self {
        let mean = sample.train.sum_axis(Axis(0)) / sample.train.nrows() as f64;
        let (train, validation) = (&sample.train - &mean, &sample.validation - &mean);
        Products { inner: products(&train, &train), across: products(&validation, &train) }
    }
}

/// The class of the nearest training example; the first among equally near ones.
fn nearest(sample: &Sample, products: &Products) -> Vec<usize> {
    let squares = products.inner.diag();
    let class = |products: ArrayView1<'_, f64>| {
        let distance = |at: usize| squares[at] - 2.0 * products[at];
        let nearest = (0..squares.len()).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
        sample.train_y[nearest.unwrap_or(0)]
    };
    products.across.rows().into_iter().map(class).collect()
}

/// What a ridge regression on 1 for a class and -1 for others says of the validation examples, `(m, classes)`. The intercept
/// is not penalised, for examples and targets have mean 0.
fn ridge(sample: &Sample, Products { inner, across }: &Products, penalty: f64) -> Option<Array2<f64>> {
    let mut targets = Array2::from_elem((sample.train_y.len(), sample.n_classes), -1.0);
    (0..).zip(&sample.train_y).for_each(|(row, class): (usize, _)| targets[[row, *class]] = 1.0);
    let intercept = targets.sum_axis(Axis(0)) / targets.nrows() as f64;
    targets -= &intercept;
    let mut penalised = inner.clone();
    penalised.diag_mut().mapv_inplace(|value| value + penalty);
    let weights = penalised.solvec(&targets).ok()?;
    Some(products(across, &weights.reversed_axes()) + &intercept)
}

/// The position of the largest score, the first among equal ones.
fn largest(scores: ArrayView1<'_, f64>) -> usize {
    (0..scores.len()).rev().max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Domain;
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;
    use crate::Dataset;

    fn sample(x: Array2<f32>, y: Vec<usize>) -> Sample {
        let (shape, classes) = ([x.ncols()], ["a", "b"].map(str::to_owned).to_vec());
        Sample::new(&Dataset::new("d", Domain::Tabular, &shape, x, y, classes, "").unwrap())
    }

    #[test]
    fn what_each_learner_can_and_cannot() {
        let of = |class: fn(f32, f32) -> bool| {
            let x = Array2::from_shape_fn((400, 2), |(row, column)| {
                (if column == 0 { row % 20 } else { row / 20 }) as f32 - 9.5
            });
            let y = x.rows().into_iter().map(|row| usize::from(class(row[0], row[1]))).collect();
            landmarkers(&sample(x, y)).into_iter().collect::<std::collections::BTreeMap<_, _>>()
        };
        let halves = of(|a, _| a > 0.0);
        assert_eq!((halves["landmark_stump"], halves["landmark_linear"]), (1.0, 1.0));
        let slope = of(|a, b| a + b > 0.5);
        assert!(slope["landmark_linear"] > 0.95 && slope["landmark_stump"] < 0.85, "{slope:?}");
        let chequered = of(|a, b| (a > 0.0) != (b > 0.0));
        assert!(chequered["landmark_1nn"] > 0.9 && chequered["landmark_linear"] < 0.65, "{chequered:?}");
    }

    #[test]
    fn without_a_validation_part_there_are_none() {
        assert!(landmarkers(&sample(Array2::zeros((2, 1)), vec![0, 1])).is_empty());
    }

    // from sklearn.linear_model import RidgeClassifier
    // X = [[0, 1], [1, 0], [2, 3], [3, 1], [4, 4], [5, 3]]; y = [0, 0, 1, 2, 1, 2]
    // RidgeClassifier(alpha=2.0).fit(X, y).decision_function([[1, 1], [4, 1], [3, 4.5]])
    #[test]
    fn the_linear_model_is_that_of_scikit_learn() {
        let train = array![[0.0, 1.0], [1.0, 0.0], [2.0, 3.0], [3.0, 1.0], [4.0, 4.0], [5.0, 3.0]];
        let sample = Sample {
            shape: vec![2],
            raw: Array2::zeros((6, 2)),
            train,
            train_y: vec![0, 0, 1, 2, 1, 2],
            validation: array![[1.0, 1.0], [4.0, 1.0], [3.0, 4.5]],
            validation_y: vec![0, 2, 1],
            n_classes: 3,
        };
        let products = Products::of(&sample);
        let expected = array![
            [0.331_406_551_059_730_4, -0.616_570_327_552_986_5, -0.714_836_223_506_743_6],
            [-0.570_327_552_986_511_2, -1.171_483_622_350_674, 0.741_811_175_337_186_5],
            [-1.018_304_431_599_229_6, 0.975_915_221_579_961_8, -0.957_610_789_980_773_2],
        ];
        let scores = ridge(&sample, &products, 2.0).unwrap();
        assert!((&scores - &expected).iter().all(|gap| gap.abs() < 1e-10), "{scores}");
        assert_eq!(nearest(&sample, &products), [0, 2, 1]);
    }

    proptest! {
        #[test]
        fn a_product_is_the_product(values in proptest::collection::vec((-9.0_f64..9.0, -9.0_f64..9.0), 0..40)) {
            let (a, b): (Vec<f64>, Vec<f64>) = values.iter().copied().unzip();
            let plain: f64 = values.iter().map(|(a, b)| a * b).sum();
            prop_assert!((product(&a, &b) - plain).abs() < 1e-9);
        }
    }
}
