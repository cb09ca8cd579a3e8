//! What the kernel of a [`super::TransferModel`] weighs with what.

use ndarray::{Array1, Array2, ArrayView1, Axis, Zip};

use super::features::Features;

/// Variances and the length of a kernel over architectures; see [`super::TransferModel`] for the sum they belong to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Kernel {
    /// Variance of the coefficient of the past tasks' mean.
    pub(super) mean: f64,
    /// Weight of the covariance between tasks.
    pub(super) tasks: f64,
    /// Variance of a linear function of the encoding.
    pub(super) linear: f64,
    /// Variance of a smooth function of the encoding.
    pub(super) own: f64,
    /// Its length scale.
    pub(super) length: f64,
    /// Variance of the noise: of what a measurement has beyond all that, most of which is particular to an architecture.
    pub(super) noise: f64,
    /// Variance that what has fallen to the bottom has beside that: a failure or a divergence may be chance.
    pub(super) slip: f64,
    /// How far away architectures still share what is particular; 0 where no two are so near that they would.
    pub(super) grain: f64,
}

/// The share of noise that not even the same architecture has again, where what is particular to it has a grain.
const CHANCE: f64 = 0.25;

/// A way to one of the numbers.
pub(super) type Field = fn(&mut Kernel) -> &mut f64;

/// The numbers that are tuned, the weightiest first.
pub(super) const FIELDS: [Field; 7] = [
    |kernel| &mut kernel.own,
    |kernel| &mut kernel.noise,
    |kernel| &mut kernel.slip,
    |kernel| &mut kernel.length,
    |kernel| &mut kernel.tasks,
    |kernel| &mut kernel.linear,
    |kernel| &mut kernel.mean,
];

impl Kernel {
    /// Log density under log-normal beliefs around `default`, of which a factor of 3 is one deviation, up to a constant.
    pub(super) fn log_prior(mut self, mut default: Kernel) -> f64 {
        let one = |field: &Field| {
            let (value, usual) = (*field(&mut self), *field(&mut default));
            if usual > 0.0 { -0.5 * ((value / usual).ln() / 3.0_f64.ln()).powi(2) } else { 0.0 }
        };
        FIELDS.iter().map(one).sum()
    }

    /// The same with a smooth function of a length of so much.
    pub(super) fn shortened(self, share: f64) -> Self {
        Kernel { length: share * self.length, ..self }
    }

    /// The variance of what each measurement has for itself.
    pub(super) fn chance(&self) -> f64 {
        if self.grain > 0.0 { CHANCE * self.noise } else { self.noise }
    }

    /// The variance of what near neighbours share beyond the smooth function.
    pub(super) fn shared(&self) -> f64 {
        self.noise - self.chance()
    }

    /// Variance and length of what falls off with the distance of encodings.
    pub(super) fn smooth_parts(&self) -> Vec<(f64, f64)> {
        let mut parts = vec![(self.own, self.length)];
        if self.grain > 0.0 {
            parts.push((self.shared(), self.grain));
        }
        parts
    }

    /// Prior variances, chance not counted, `(n,)`.
    pub(super) fn variances(&self, features: &Features) -> Array1<f64> {
        let all = features.mean.iter().zip(&features.spreads).zip(&features.norms);
        let variance = |((mean, spread), norm): ((&f64, &f64), &f64)| {
            self.mean * mean * mean + self.tasks * spread + self.linear * norm + self.own + self.shared()
        };
        all.map(variance).collect()
    }

    /// Covariances, `(n, m)`.
    pub(super) fn between(&self, a: &Features, b: &Features) -> Array2<f64> {
        Parts::between(a, b).covariance(self)
    }
}

/// What covariances are sums of, before they are weighed.
pub(super) struct Parts {
    mean: Array2<f64>,
    tasks: Array2<f64>,
    linear: Array2<f64>,
    /// Squared distances of the encodings.
    squares: Array2<f64>,
}

impl Parts {
    pub(super) fn between(a: &Features, b: &Features) -> Parts {
        let linear = a.x.dot(&b.x.t());
        let mut squares = linear.clone();
        for (mut row, norm) in squares.rows_mut().into_iter().zip(&a.norms) {
            row.iter_mut().zip(&b.norms).for_each(|(dot, other)| *dot = (norm + other - 2.0 * *dot).max(0.0));
        }
        let column = a.mean.view().insert_axis(Axis(1));
        let row = b.mean.view().insert_axis(Axis(0));
        Parts { mean: column.dot(&row), tasks: a.deviations.dot(&b.deviations.t()), linear, squares }
    }

    /// How alike encodings are, from 0 to 1, `(n, m)`.
    pub(super) fn likeness(&self, length: f64) -> Array2<f64> {
        let scale = -0.5 / (length * length);
        self.squares.mapv(|square| (scale * square).exp())
    }

    /// How far each architecture is from being the same as one of the others, from 0 to 1, `(n,)`.
    pub(super) fn apart(&self, length: f64) -> Array1<f64> {
        let scale = -0.5 / (length * length);
        let nearest = |squares: ArrayView1<'_, f64>| squares.iter().copied().fold(f64::INFINITY, f64::min);
        self.squares.rows().into_iter().map(|row| -(scale * nearest(row)).exp_m1()).collect()
    }

    pub(super) fn covariance(&self, kernel: &Kernel) -> Array2<f64> {
        let mut k = self.likeness(kernel.length);
        Zip::from(&mut k).and(&self.mean).and(&self.tasks).and(&self.linear).for_each(
            |k, mean, tasks, linear| {
                *k = kernel.own * *k + (kernel.mean * mean + kernel.tasks * tasks + kernel.linear * linear);
            },
        );
        if kernel.grain > 0.0 {
            k.scaled_add(kernel.shared(), &self.likeness(kernel.grain));
        }
        k
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// Three architectures that differ in one column alone.
    fn at(places: [f64; 3]) -> Features {
        let x = Array2::from_shape_fn((3, 1), |(row, _)| places[row]);
        let norms = x.column(0).mapv(|value| value * value);
        Features {
            mean: Array1::zeros(3),
            deviations: Array2::zeros((3, 0)),
            spreads: Array1::zeros(3),
            x,
            norms,
        }
    }

    #[test]
    fn what_is_particular_is_shared_within_the_grain_and_sums_to_the_noise() {
        let kernel = Kernel {
            mean: 0.0,
            tasks: 0.0,
            linear: 0.0,
            own: 0.5,
            length: 0.5,
            noise: 0.4,
            slip: 0.0,
            grain: 0.05,
        };
        let plain = Kernel { grain: 0.0, ..kernel };
        let all = at([0.0, 0.005, 0.3]);
        let more = kernel.between(&all, &all) - plain.between(&all, &all);
        assert!((more[[0, 0]] + kernel.chance() - 0.4).abs() < 1e-12);
        assert!(more[[0, 1]] > 0.99 * kernel.shared() && more[[0, 2]] < 1e-6, "{more}");
        let total = |kernel: Kernel| kernel.variances(&all) + kernel.chance();
        assert!((total(kernel) - total(plain)).iter().all(|gap| gap.abs() < 1e-12));
        let apart = Parts::between(&all, &at([0.0, 1.0, 1.0])).apart(0.01);
        assert!(apart[0] == 0.0 && (0.1..0.2).contains(&apart[1]) && apart[2] > 0.999, "{apart}");
        assert_eq!(plain.smooth_parts(), [(0.5, 0.5)]);
        assert_eq!(array![kernel.smooth_parts()[1].0, kernel.smooth_parts()[1].1], array![0.4 - 0.1, 0.05]);
    }
}
