//! `Pairs`: what the kernels of a tuning share.

use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use super::Part;
use super::kernel::{ArdKernel, additive, distance, matern};

/// All pairs of examples: what does not change with lengths and variances, worked out once for the many kernels that are tried.
/// Only parts that differ are listed, which are few where most parameters are inactive.
pub(super) struct Pairs {
    /// Whether each part is a number, `(G,)`.
    numbers: Vec<bool>,
    /// For each example the pairs with those before it.
    rows: Vec<Row>,
}

struct Row {
    /// The additive half of the kernel with each example before, its variance left out.
    additive: Vec<f64>,
    /// Where the parts of each pair end in `apart`.
    ends: Vec<usize>,
    /// Parts that differ, and their distances.
    apart: Vec<(usize, f64)>,
}

impl Pairs {
    /// # Shapes
    /// `points` is `(n, G)`, by part.
    pub(super) fn new(parts: &[Part], points: ArrayView2<'_, f64>) -> Self {
        let row = |i: usize| {
            let a = points.row(i);
            let mut row = Row { additive: Vec::new(), ends: Vec::new(), apart: Vec::new() };
            for b in points.rows().into_iter().take(i) {
                let distances = parts.iter().enumerate().map(|(g, part)| (g, distance(part, a[g], b[g])));
                row.apart.extend(distances.filter(|(_, distance)| *distance > 0.0));
                row.ends.push(row.apart.len());
                row.additive.push(additive(parts, a, b));
            }
            row
        };
        Pairs {
            numbers: parts.iter().map(|part| matches!(part, Part::Number(_))).collect(),
            rows: (0..points.nrows()).into_par_iter().map(row).collect(),
        }
    }

    /// Covariances, noise included, `(n, n)`.
    pub(super) fn covariance(&self, kernel: &ArdKernel) -> Array2<f64> {
        let weights = kernel.weights();
        let covariances = |row: &Row| -> Vec<f64> {
            let joint = row.pairs().map(|apart| self.joint(apart, &weights).0);
            let pairs = joint.zip(&row.additive);
            pairs.map(|(joint, additive)| kernel.joint * joint + kernel.additive * additive).collect()
        };
        let rows: Vec<Vec<f64>> = self.rows.par_iter().map(covariances).collect();
        let own = kernel.joint + kernel.additive + kernel.noise;
        Array2::from_shape_fn((rows.len(), rows.len()), |(i, j)| match i.cmp(&j) {
            std::cmp::Ordering::Greater => rows[i][j],
            std::cmp::Ordering::Equal => own,
            std::cmp::Ordering::Less => rows[j][i],
        })
    }

    /// The derivative of `sum_ij W_ij K_ij / 2` for a symmetric `W` and [`Pairs::covariance`] as `K`, by the logarithms in the
    /// order of [`ArdKernel::from_logs`].
    ///
    /// # Shapes
    /// `w` is `(n, n)`, the answer `(G + 3,)`.
    pub(super) fn derivative(&self, kernel: &ArdKernel, w: ArrayView2<'_, f64>) -> Vec<f64> {
        let weights = kernel.weights();
        let by_row: Vec<Vec<f64>> = self
            .rows
            .par_iter()
            .enumerate()
            .map(|(i, row)| self.derivative_of_row(kernel, &weights, row, w, i))
            .collect();
        let mut sum = vec![0.0; self.numbers.len() + 3];
        // Summed in order, so that the number of cores does not show.
        for row in by_row {
            sum.iter_mut().zip(row).for_each(|(sum, row)| *sum += row);
        }
        sum
    }

    /// What row `i` and those before it contribute.
    fn derivative_of_row(
        &self,
        kernel: &ArdKernel,
        weights: &[f64],
        row: &Row,
        w: ArrayView2<'_, f64>,
        i: usize,
    ) -> Vec<f64> {
        let groups = self.numbers.len();
        let mut sum = vec![0.0; groups + 3];
        for (j, (apart, additive)) in row.pairs().zip(&row.additive).enumerate() {
            // Both (i, j) and (j, i), halved.
            let w = w[[i, j]];
            let (value, by_square) = self.joint(apart, weights);
            for (g, distance) in apart {
                let by_distance = if self.numbers[*g] { by_square } else { -value };
                sum[*g] -= 2.0 * w * kernel.joint * by_distance * distance * weights[*g];
            }
            sum[groups] += w * kernel.joint * value;
            sum[groups + 1] += w * kernel.additive * additive;
        }
        let own = 0.5 * w[[i, i]];
        sum[groups] += own * kernel.joint;
        sum[groups + 1] += own * kernel.additive;
        sum[groups + 2] += own * kernel.noise;
        sum
    }

    /// The joint half of a pair, and its derivative by the numbers' squared distance.
    fn joint(&self, apart: &[(usize, f64)], weights: &[f64]) -> (f64, f64) {
        let (mut square, mut differ) = (0.0, 0.0);
        for (g, distance) in apart {
            let weighted = weights[*g] * distance;
            if self.numbers[*g] { square += weighted } else { differ += weighted }
        }
        matern(square, differ)
    }
}

impl Row {
    /// What differs in each pair.
    fn pairs(&self) -> impl Iterator<Item = &[(usize, f64)]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.apart[start..*end])
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn example() -> (Vec<Part>, Array2<f64>, ArdKernel) {
        let parts = vec![Part::Number(0), Part::Choice(1..4), Part::Number(4)];
        let x = array![[0.1, 1.0, 0.3], [0.5, 2.0, 0.9], [0.9, 1.0, 0.2], [0.4, 3.0, 0.2]];
        let kernel = ArdKernel { lengths: vec![0.4, 0.8, 1.3], joint: 0.7, additive: 0.4, noise: 0.1 };
        (parts, x, kernel)
    }

    fn to_logs(kernel: &ArdKernel) -> Vec<f64> {
        let lengths = kernel.lengths.iter().map(|length| length.ln());
        lengths.chain([kernel.joint.ln(), kernel.additive.ln(), kernel.noise.ln()]).collect()
    }

    #[test]
    fn covariances_are_those_of_the_kernel() {
        let (parts, x, kernel) = example();
        let mut want = kernel.between(&parts, x.view(), x.view());
        want.diag_mut().mapv_inplace(|k| k + kernel.noise);
        let got = Pairs::new(&parts, x.view()).covariance(&kernel);
        assert!((got - want).iter().all(|off| off.abs() < 1e-12));
    }

    #[test]
    fn derivatives_are_those_of_finite_differences() {
        let (parts, x, kernel) = example();
        let w = Array2::from_shape_fn((4, 4), |(i, j)| 1.0 / (1.0 + (i + j) as f64) - 0.3);
        let pairs = Pairs::new(&parts, x.view());
        let logs = to_logs(&kernel);
        for (at, exact) in pairs.derivative(&kernel, w.view()).iter().enumerate() {
            let moved = |by: f64| {
                let mut logs = logs.clone();
                logs[at] += by;
                (&pairs.covariance(&ArdKernel::from_logs(&logs)) * &w).sum() / 2.0
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((exact - numeric).abs() < 1e-8, "{at}: {exact} {numeric}");
        }
    }
}
