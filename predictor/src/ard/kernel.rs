//! The kernel of [`super::ArdProcess`].

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Part;
use super::course::Course;

/// How fast the additive half of the kernel falls off with the distance of numbers, for columns in `[0, 1]`: the root of 5 over a
/// length scale of a half.
pub(super) const ADDITIVE_RATE: f64 = 2.0 * 2.236_067_977_499_79;

/// What a process's kernel is made of. Variances are those of targets scaled to variance 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArdKernel {
    /// A length scale for each part, `(G,)`, in units of its columns; for a choice, options correlate by
    /// `exp(-1 / length^2)`.
    pub lengths: Vec<f64>,
    /// Variance of what parts do together.
    pub joint: f64,
    /// Variance of what parts do each by itself.
    pub additive: f64,
    /// Variance of the noise.
    pub noise: f64,
}

impl ArdKernel {
    /// From the logarithms of lengths, joint and additive variance, and noise.
    pub(super) fn from_logs(logs: &[f64]) -> Self {
        let (lengths, variances) = logs.split_at(logs.len() - 3);
        ArdKernel {
            lengths: lengths.iter().map(|log| log.exp()).collect(),
            joint: variances[0].exp(),
            additive: variances[1].exp(),
            noise: variances[2].exp(),
        }
    }

    /// Covariances without noise.
    ///
    /// # Shapes
    /// `a` is `(n, G)` and `b` `(m, G)`, by part; the answer `(n, m)`.
    pub(super) fn between(
        &self,
        parts: &[Part],
        a: ArrayView2<'_, f64>,
        b: ArrayView2<'_, f64>,
    ) -> Array2<f64> {
        let weights = self.weights();
        let mut k = Array2::zeros((a.nrows(), b.nrows()));
        k.axis_iter_mut(Axis(0)).into_par_iter().zip(a.axis_iter(Axis(0))).for_each(|(mut row, a)| {
            for (k, b) in row.iter_mut().zip(b.rows()) {
                let joint = joint(parts, &weights, a, b);
                *k = self.joint * joint + self.additive * additive(parts, a, b);
            }
        });
        k
    }

    /// `K(a, b) alpha`, without the matrix: the additive half is a sum of functions of one part each.
    ///
    /// # Shapes
    /// `a` is `(n, G)` and `b` `(m, G)`, by part, `alpha` `(m,)`; the answer `(n,)`.
    pub(super) fn weighted_sums(
        &self,
        parts: &[Part],
        a: ArrayView2<'_, f64>,
        b: ArrayView2<'_, f64>,
        alpha: ArrayView1<'_, f64>,
    ) -> Array1<f64> {
        let weights = self.weights();
        let examples = Examples::new(parts, &weights, b);
        let courses: Vec<Course> =
            parts.iter().enumerate().map(|(g, part)| Course::new(part, b.column(g), alpha)).collect();
        let share = self.additive / parts.len().max(1) as f64;
        let mut sums = Array1::zeros(a.nrows());
        sums.axis_chunks_iter_mut(Axis(0), 256)
            .into_par_iter()
            .zip(a.axis_chunks_iter(Axis(0), 256))
            .for_each(|(mut sums, a)| {
                let mut pairs = Compared::new(b.nrows());
                for (sum, row) in sums.iter_mut().zip(a.rows()) {
                    examples.compare(&Asked::new(parts, &weights, row), &mut pairs);
                    let joint: f64 = pairs.materns().zip(alpha).map(|(joint, alpha)| alpha * joint).sum();
                    let additive: f64 =
                        courses.iter().zip(row).map(|(course, value)| course.at(*value)).sum();
                    *sum = self.joint * joint + share * additive;
                }
            });
        sums
    }

    /// Inverse squared lengths.
    pub(super) fn weights(&self) -> Vec<f64> {
        self.lengths.iter().map(|length| length.powi(-2)).collect()
    }
}

/// Examples, prepared to be compared with many rows: by part and not by example, so that a processor's wide registers are used.
struct Examples {
    /// By part, of each example: a number times its weight, the option of a choice.
    values: Vec<Vec<f64>>,
    /// Of each example the weighted squared norm of the numbers.
    norms: Vec<f64>,
    /// Of each example what the choices weigh that have an option.
    chosen: Vec<f64>,
}

impl Examples {
    fn new(parts: &[Part], weights: &[f64], rows: ArrayView2<'_, f64>) -> Self {
        let asked = rows.rows().into_iter().map(|row| Asked::new(parts, weights, row));
        let (norms, chosen) = asked.map(|asked| (asked.norm, asked.chosen)).unzip();
        let values = |((part, weight), column): ((&Part, &f64), ArrayView1<'_, f64>)| match part {
            Part::Number(_) => column.iter().map(|value| weight * value).collect(),
            Part::Choice(_) => column.to_vec(),
        };
        Examples {
            values: parts.iter().zip(weights).zip(rows.columns()).map(values).collect(),
            norms,
            chosen,
        }
    }

    /// As of [`joint`], from norms and products, and from what agrees.
    fn compare(&self, asked: &Asked, pairs: &mut Compared) {
        let Compared { squares, apart } = pairs;
        squares.fill(0.0);
        apart.fill(0.0);
        for (g, value) in &asked.numbers {
            for (product, other) in squares.iter_mut().zip(&self.values[*g]) {
                *product += value * other;
            }
        }
        for (g, option, weight) in &asked.options {
            // A choice that both have counts twice in the sum: wholly too much if they agree, once if they do not.
            for (shared, other) in apart.iter_mut().zip(&self.values[*g]) {
                let agreed = f64::from(u8::from(other == option)) + f64::from(u8::from(*other != 0.0));
                *shared += agreed * weight;
            }
        }
        for (square, norm) in squares.iter_mut().zip(&self.norms) {
            *square = (asked.norm + norm - 2.0 * *square).max(0.0);
        }
        for (apart, chosen) in apart.iter_mut().zip(&self.chosen) {
            *apart = (asked.chosen + chosen - *apart).max(0.0);
        }
    }
}

/// A row beside each example.
struct Compared {
    /// Squared distances of the numbers.
    squares: Vec<f64>,
    /// What the choices weigh that differ.
    apart: Vec<f64>,
}

impl Compared {
    fn new(examples: usize) -> Self {
        Compared { squares: vec![0.0; examples], apart: vec![0.0; examples] }
    }

    /// The joint half of the kernel with each example.
    fn materns(&self) -> impl Iterator<Item = f64> + '_ {
        self.squares.iter().zip(&self.apart).map(|(square, apart)| matern(*square, *apart).0)
    }
}

/// A row that is asked for: its parts that are not 0, which are few where most parameters are inactive.
struct Asked {
    numbers: Vec<(usize, f64)>,
    /// Position, option and weight.
    options: Vec<(usize, f64, f64)>,
    norm: f64,
    chosen: f64,
}

impl Asked {
    fn new(parts: &[Part], weights: &[f64], row: ArrayView1<'_, f64>) -> Self {
        let mut asked = Asked { numbers: Vec::new(), options: Vec::new(), norm: 0.0, chosen: 0.0 };
        for (g, ((part, weight), value)) in parts.iter().zip(weights).zip(row).enumerate() {
            match part {
                _ if *value == 0.0 => {}
                Part::Number(_) => {
                    asked.numbers.push((g, *value));
                    asked.norm += weight * value * value;
                }
                Part::Choice(_) => {
                    asked.options.push((g, *value, *weight));
                    asked.chosen += weight;
                }
            }
        }
        asked
    }
}

/// The Matern-5/2 kernel of the additive half.
pub(super) fn additive_number(a: f64, b: f64) -> f64 {
    let root = ADDITIVE_RATE * (a - b).abs();
    (1.0 + root + root * root / 3.0) * (-root).exp()
}

/// The joint half of two examples.
fn joint(parts: &[Part], weights: &[f64], a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let (mut square, mut apart) = (0.0, 0.0);
    for (g, part) in parts.iter().enumerate() {
        let distance = weights[g] * distance(part, a[g], b[g]);
        if matches!(part, Part::Number(_)) { square += distance } else { apart += distance }
    }
    matern(square, apart).0
}

/// The Matern-5/2 kernel of the numbers' squared distance times `exp(-apart)` for the choices that differ, and its derivative
/// by the squared distance.
pub(super) fn matern(square: f64, apart: f64) -> (f64, f64) {
    let root = (5.0 * square).sqrt();
    let decay = (-root - apart).exp();
    ((1.0 + root + 5.0 / 3.0 * square) * decay, -5.0 / 6.0 * (1.0 + root) * decay)
}

/// The mean over parts of a kernel on each alone.
pub(super) fn additive(parts: &[Part], a: ArrayView1<'_, f64>, b: ArrayView1<'_, f64>) -> f64 {
    let one = |(g, part): (usize, &Part)| match part {
        Part::Number(_) => additive_number(a[g], b[g]),
        Part::Choice(_) => f64::from(u8::from(a[g] == b[g])),
    };
    parts.iter().enumerate().map(one).sum::<f64>() / parts.len().max(1) as f64
}

/// Squared distance of numbers; 1 for choices that differ.
pub(super) fn distance(part: &Part, a: f64, b: f64) -> f64 {
    match part {
        Part::Number(_) => (a - b) * (a - b),
        Part::Choice(_) => f64::from(u8::from(a != b)),
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn sums_without_the_matrix_are_those_with_it() {
        let parts = [Part::Number(0), Part::Choice(1..4), Part::Number(4)];
        let kernel = ArdKernel { lengths: vec![0.4, 0.8, 1.3], joint: 0.7, additive: 0.4, noise: 0.1 };
        let a = array![[0.15, 1.0, 0.3], [0.5, 3.0, 0.9], [1.7, 9.0, -0.2]];
        let b = array![[0.1, 1.0, 0.3], [0.5, 2.0, 0.9], [0.9, 1.0, 0.2], [0.4, 3.0, 0.2]];
        let alpha = array![0.5, -1.0, 2.0, 0.3];
        let want = kernel.between(&parts, a.view(), b.view()).dot(&alpha);
        let got = kernel.weighted_sums(&parts, a.view(), b.view(), alpha.view());
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-12, "{got} {want}");
        }
        // The same to the last bit however many are asked of at once: a pool that has grown is the one that is made anew.
        let many = Array2::from_shape_fn((9_000, 3), |(row, part)| a[[row % 3, part]]);
        let of_many = kernel.weighted_sums(&parts, many.view(), b.view(), alpha.view());
        assert!(of_many.iter().enumerate().all(|(row, sum)| *sum == got[row % 3]));
    }
}
