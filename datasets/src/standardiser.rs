//! `Standardiser`: values on one scale, learned from the training part alone.

use ndarray::{Array2, ArrayView2, Axis};

/// Subtracts the mean and divides by the standard deviation: of each feature of a table, of each channel of an image or
/// a series.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardiser {
    mean: Vec<f32>,
    scale: Vec<f32>,
    /// Consecutive values that share a mean and a scale.
    group: usize,
}

impl Standardiser {
    /// Learns from examples of a shape.
    ///
    /// # Shapes
    /// `x` is `(n, product of shape)`, `n` at least 1.
    #[must_use]
    pub fn fit(x: ArrayView2<'_, f32>, shape: &[usize]) -> Self {
        let group: usize = shape.iter().skip(1).product();
        let (mut mean, mut scale) = (Vec::new(), Vec::new());
        for columns in x.axis_chunks_iter(Axis(1), group) {
            let n = columns.len().max(1) as f64;
            let average = columns.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
            let variance = columns.iter().map(|value| (f64::from(*value) - average).powi(2)).sum::<f64>() / n;
            mean.push(average as f32);
            // A constant tells nothing; it becomes 0 and not a division by 0.
            scale.push(if variance > 1e-12 { variance.sqrt() as f32 } else { 1.0 });
        }
        Standardiser { mean, scale, group }
    }

    /// The means: of each feature of a table, of each channel of an image or a series.
    #[must_use]
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// What is divided by, as [`Standardiser::mean`].
    #[must_use]
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }

    /// The examples on the learned scale.
    ///
    /// # Shapes
    /// `(n, product of shape)` to the same.
    #[must_use]
    pub fn apply(&self, x: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut scaled = x.to_owned();
        for ((_, column), value) in scaled.indexed_iter_mut() {
            let group = column / self.group;
            *value = (*value - self.mean[group]) / self.scale[group];
        }
        scaled
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn features_of_a_table_each_have_their_scale() {
        let x = array![[1.0, 10.0, 5.0], [3.0, 30.0, 5.0]];
        let scaled = Standardiser::fit(x.view(), &[3]).apply(x.view());
        assert_eq!(scaled, array![[-1.0, -1.0, 0.0], [1.0, 1.0, 0.0]]);
    }

    #[test]
    fn pixels_share_their_channel_s_scale() {
        let x = array![[0.0, 2.0, 10.0, 30.0]];
        let scaled = Standardiser::fit(x.view(), &[2, 1, 2]).apply(x.view());
        assert_eq!(scaled, array![[-1.0, 1.0, -1.0, 1.0]]);
    }
}
