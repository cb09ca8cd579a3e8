//! `Sample`: some examples of the training and of the validation part, made small.

use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::pool::pool;
use crate::{Dataset, Splits, Standardiser};

/// The seed of the split and of the sample: part of what the numbers mean.
const SEED: u64 = 0;
/// Examples of each part.
const ROWS: usize = 500;
/// Pixels a side, values of a series, columns of a table.
const SIDE: usize = 32;
const LENGTH: usize = 1_024;
const COLUMNS: usize = 2_048;

/// Some examples, shrunk where they are large.
pub(super) struct Sample {
    /// The shape of an example, of one to three sides.
    pub(super) shape: Vec<usize>,
    /// Training examples as they are, `(n, product of shape)`.
    pub(super) raw: Array2<f32>,
    /// The same, standardised.
    pub(super) train: Array2<f64>,
    pub(super) train_y: Vec<usize>,
    /// Validation examples on the scale of the training examples.
    pub(super) validation: Array2<f64>,
    pub(super) validation_y: Vec<usize>,
    pub(super) n_classes: usize,
}

impl Sample {
    pub(super) fn new(dataset: &Dataset) -> Self {
        let splits = Splits::new(dataset, SEED);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let mut draw = |mut rows: Vec<usize>| {
            rows.shuffle(&mut rng);
            rows.truncate(ROWS);
            rows
        };
        let (train, validation) = (draw(splits.train), draw(splits.validation));
        let (raw, shape) = small(dataset, &train);
        let (validation_raw, _) = small(dataset, &validation);
        let standardiser = Standardiser::fit(raw.view(), &shape);
        let scaled = |x: &Array2<f32>| standardiser.apply(x.view()).mapv(f64::from);
        let labels = |rows: &[usize]| rows.iter().map(|row| dataset.y()[*row]).collect();
        Sample {
            train: scaled(&raw),
            validation: scaled(&validation_raw),
            raw,
            train_y: labels(&train),
            validation_y: labels(&validation),
            n_classes: dataset.n_classes(),
            shape,
        }
    }
}

/// Rows of a data set, and their shape.
fn small(dataset: &Dataset, rows: &[usize]) -> (Array2<f32>, Vec<usize>) {
    let x = dataset.x().select(Axis(0), rows);
    let (from, to, shape) = match *dataset.shape() {
        [channels, height, width] if height.max(width) > SIDE => {
            let to = [height.min(SIDE), width.min(SIDE)];
            ([channels, height, width], to, vec![channels, to[0], to[1]])
        }
        [channels, length] if length > LENGTH => ([channels, 1, length], [1, LENGTH], vec![channels, LENGTH]),
        [columns] if columns > COLUMNS => {
            let kept: Vec<usize> = (0..COLUMNS).map(|at| at * columns / COLUMNS).collect();
            return (x.select(Axis(1), &kept), vec![COLUMNS]);
        }
        ref shape => return (x, shape.to_vec()),
    };
    let width = shape.iter().product();
    let values = x.rows().into_iter().flat_map(|row| pool(&row.to_vec(), from, to)).collect();
    let pooled = Array2::from_shape_vec((rows.len(), width), values).expect("every row has the grid's cells");
    (pooled, shape)
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Domain;

    use super::*;

    #[test]
    fn large_examples_are_shrunk() {
        for (shape, expected) in [
            (vec![3, 64, 16], vec![3, 32, 16]),
            (vec![1, 3_000], vec![1, 1_024]),
            (vec![5_000], vec![2_048]),
            (vec![7], vec![7]),
        ] {
            let x = Array2::ones((9, shape.iter().product()));
            let y = (0..9).map(|row| row % 2).collect();
            let classes = vec!["a".into(), "b".into()];
            let data = Dataset::new("d", Domain::Image, &shape, x, y, classes, "").unwrap();
            let sample = Sample::new(&data);
            assert_eq!(sample.shape, expected);
            assert_eq!(sample.raw.ncols(), expected.iter().product::<usize>());
            assert_eq!((sample.train_y.len(), sample.validation_y.len()), (5, 2));
        }
    }
}
