//! `Course`: what one part adds to a prediction, as a function of its value.

use ndarray::ArrayView1;

use super::Part;
use super::kernel::{ADDITIVE_RATE, additive_number};

/// Values beyond this would leave the range of exponentials.
const FAR: f64 = 50.0;

/// `sum_j alpha_j k(x, x_j)` for the additive kernel `k` of one part.
pub(super) enum Course {
    /// The sum, and what it is at 0, where parameters are that are not active.
    Number { zero: f64, sum: MaternSum },
    /// By option: its number and the sum.
    Choice(Vec<(f64, f64)>),
}

impl Course {
    /// # Shapes
    /// `values` are the examples' of the part, `(m,)`, as `alpha`.
    pub(super) fn new(part: &Part, values: ArrayView1<'_, f64>, alpha: ArrayView1<'_, f64>) -> Self {
        let examples = merged(values, alpha);
        match part {
            Part::Number(_) => {
                let sum = MaternSum::new(examples);
                Course::Number { zero: sum.at(0.0), sum }
            }
            Part::Choice(_) => Course::Choice(examples),
        }
    }

    pub(super) fn at(&self, value: f64) -> f64 {
        match self {
            Course::Choice(sums) => {
                sums.iter().find(|(option, _)| *option == value).map_or(0.0, |(_, sum)| *sum)
            }
            Course::Number { zero, .. } if value == 0.0 => *zero,
            Course::Number { sum, .. } => sum.at(value),
        }
    }
}

/// Different values in ascending order, each with the sum of its `alpha`. Of a parameter that is inactive in most
/// architectures there are few.
fn merged(values: ArrayView1<'_, f64>, alpha: ArrayView1<'_, f64>) -> Vec<(f64, f64)> {
    let mut examples: Vec<(f64, f64)> = values.iter().copied().zip(alpha.iter().copied()).collect();
    examples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut merged: Vec<(f64, f64)> = Vec::new();
    for (value, alpha) in examples {
        match merged.last_mut() {
            Some((last, sum)) if *last == value => *sum += alpha,
            _ => merged.push((value, alpha)),
        }
    }
    merged
}

/// A sum of Matern-5/2 kernels of one number, at the cost of a binary search: with `r = c |x - x_j|` the kernel is
/// `(1 + r + r^2 / 3) exp(-r)`, so that the examples on either side of `x` make a polynomial in `x` times `exp(-c x)` or
/// `exp(c x)`, whose coefficients are running sums.
pub(super) struct MaternSum {
    /// Ascending and different.
    examples: Vec<(f64, f64)>,
    /// Coefficients of `x^0`, `x^1` and `x^2` of the examples up to each, none first.
    below: Vec<[f64; 3]>,
    /// And of those from each on, none last.
    above: Vec<[f64; 3]>,
}

impl MaternSum {
    fn new(examples: Vec<(f64, f64)>) -> Self {
        let (mut below, mut above) = (vec![[0.0; 3]], vec![[0.0; 3]]);
        if examples.iter().all(|(value, _)| value.abs() <= FAR) {
            for (value, alpha) in &examples {
                below.push(added(below[below.len() - 1], *value, *alpha, ADDITIVE_RATE));
            }
            for (value, alpha) in examples.iter().rev() {
                above.push(added(above[above.len() - 1], *value, *alpha, -ADDITIVE_RATE));
            }
            above.reverse();
        }
        MaternSum { examples, below, above }
    }

    fn at(&self, x: f64) -> f64 {
        if self.below.len() <= self.examples.len() || x.abs() > FAR {
            return self.examples.iter().map(|(value, alpha)| alpha * additive_number(x, *value)).sum();
        }
        let place = self.examples.partition_point(|(value, _)| *value <= x);
        let falling = (-ADDITIVE_RATE * x).exp();
        let polynomial = |[a, b, c]: [f64; 3]| a + x * (b + x * c);
        falling * polynomial(self.below[place]) + polynomial(self.above[place]) / falling
    }
}

/// The coefficients with one more example: `alpha exp(c v) (1 + c (x - v) + c^2 (x - v)^2 / 3)`, `c` negative for those above `x`.
fn added(sums: [f64; 3], value: f64, alpha: f64, rate: f64) -> [f64; 3] {
    let weight = alpha * (rate * value).exp();
    let (first, second) = (rate, rate * rate / 3.0);
    [
        sums[0] + weight * (1.0 - first * value + second * value * value),
        sums[1] + weight * (first - 2.0 * second * value),
        sums[2] + weight * second,
    ]
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn running_sums_are_those_one_by_one(
            examples in prop::collection::vec((0..40u8, -3.0..3.0f64), 1..30),
            asked in prop::collection::vec(-1.5..2.5f64, 20),
            stretch in prop::sample::select(vec![1.0, 100.0]),
        ) {
            // Values that repeat, and some that are asked of; stretched, some lie too far for exponentials.
            let values: Array1<f64> =
                examples.iter().map(|(value, _)| stretch * f64::from(*value) / 39.0).collect();
            let alpha: Array1<f64> = examples.iter().map(|(_, alpha)| *alpha).collect();
            let course = Course::new(&Part::Number(0), values.view(), alpha.view());
            for x in asked.iter().map(|x| x * stretch).chain(values.iter().copied()) {
                let want: f64 = values.iter().zip(&alpha).map(|(v, a)| a * additive_number(x, *v)).sum();
                prop_assert!((course.at(x) - want).abs() < 1e-9, "{} {}", course.at(x), want);
            }
        }
    }
}
