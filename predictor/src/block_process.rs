//! `BlockProcess`: a Gaussian process over columns as a whole.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, Slice};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::examples::{check_examples, check_width, location_and_scale};
use crate::{GaussianProcess, PredictError, Prediction, Surrogate};

/// Length scales that are tried, in units of the root mean square distance of the examples.
const LENGTHS: [f64; 4] = [0.5, 0.75, 1.0, 1.5];
/// Shares of the variance that are tried as noise.
const NOISES: [f64; 4] = [0.05, 0.1, 0.2, 0.4];
/// Examples on which both are chosen.
const TUNING_ROWS: usize = 256;
/// Rows that are predicted at a time.
const CHUNK: usize = 1_024;

/// Checked settings of a [`BlockProcess`].
#[derive(Clone, Debug, PartialEq)]
pub struct BlockValidParams {
    max_rows: usize,
    shape: Option<(f64, f64)>,
    seed: u64,
}

/// Settings of a [`BlockProcess`], to be checked.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockParams(BlockValidParams);

impl Default for BlockParams {
    fn default() -> Self {
        BlockParams(BlockValidParams { max_rows: 600, shape: None, seed: 0 })
    }
}

impl BlockParams {
    /// The most examples to condition on, drawn at random beyond; 600 unless set.
    #[must_use]
    pub fn max_rows(mut self, max_rows: usize) -> Self {
        self.0.max_rows = max_rows;
        self
    }

    /// Length scale (in units of the columns) and share of noise to use as they are; chosen by marginal likelihood unless
    /// set.
    #[must_use]
    pub fn shape(mut self, length: f64, noise: f64) -> Self {
        self.0.shape = Some((length, noise));
        self
    }

    /// The random seed; it matters where examples are drawn.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for BlockParams {
    type Checked = BlockValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&BlockValidParams, PredictError> {
        let bad =
            |parameter, value: String, allowed| Err(PredictError::BadParameter { parameter, value, allowed });
        if self.0.max_rows == 0 {
            return bad("max_rows", "0".into(), "at least 1");
        }
        match self.0.shape {
            Some((length, _)) if !(length > 0.0 && length.is_finite()) => {
                bad("length", length.to_string(), "positive and finite")
            }
            Some((_, noise)) if !(noise > 0.0 && noise < 1.0) => bad("noise", noise.to_string(), "in (0, 1)"),
            _ => Ok(&self.0),
        }
    }

    fn check(self) -> Result<BlockValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// A fitted Gaussian process with a squared-exponential kernel of one length scale over all columns: for columns that mean
/// something together only, such as the many buckets of a network's fingerprint.
///
/// *Source*: Rasmussen & Williams 2006, section 4.2.1; length and noise maximise equation 2.30 over a small grid, the
/// variance in closed form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BlockProcess {
    width: usize,
    length: f64,
    noise: f64,
    points: Array2<f64>,
    norms: Array1<f64>,
    /// `K^-1 y` of the scaled targets.
    weights: Array1<f64>,
    /// Kept for deviations, which are asked of few rows.
    targets: Array1<f64>,
    scaling: (f64, f64),
}

impl Fit<Array2<f64>, Array1<f64>, PredictError> for BlockValidParams {
    type Object = BlockProcess;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`], [`PredictError::NotFinite`].
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<BlockProcess, PredictError> {
        let (x, y) = (&dataset.records, &dataset.targets);
        check_examples("a process", x.view(), y.view())?;
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let rows = if y.len() <= self.max_rows {
            (0..y.len()).collect()
        } else {
            sample(&mut rng, y.len(), self.max_rows).into_vec()
        };
        let (points, y) = (x.select(Axis(0), &rows), y.select(Axis(0), &rows));
        let (location, scale) = location_and_scale(y.view());
        let targets = y.mapv(|y| (y - location) / scale);
        let norms = norms(points.view());
        let squares = squares(points.view(), norms.view(), points.view(), norms.view());
        let (length, noise) = match self.shape {
            Some(shape) => shape,
            None => choose(squares.view(), targets.view())?,
        };
        let process = GaussianProcess::new(covariance(squares.view(), length, noise).view(), targets.view())?;
        let weights = process.weights().clone();
        Ok(BlockProcess {
            width: x.ncols(),
            length,
            noise,
            points,
            norms,
            weights,
            targets,
            scaling: (location, scale),
        })
    }
}

/// Length and noise of the highest marginal likelihood.
fn choose(squares: ArrayView2<'_, f64>, y: ArrayView1<'_, f64>) -> Result<(f64, f64), PredictError> {
    let n = y.len().min(TUNING_ROWS);
    let first = Slice::from(..n);
    let rows = squares.slice_axis(Axis(0), first);
    let squares = rows.slice_axis(Axis(1), first);
    let y = y.slice_axis(Axis(0), first);
    let unit = (squares.sum() / (n * n).max(1) as f64).sqrt().max(1e-6);
    let grid: Vec<(f64, f64)> =
        LENGTHS.iter().flat_map(|length| NOISES.iter().map(move |noise| (length * unit, *noise))).collect();
    let score = |(length, noise): &(f64, f64)| -> Result<f64, PredictError> {
        let process = GaussianProcess::new(covariance(squares, *length, *noise).view(), y)?;
        // The variance that maximises the likelihood is y' K^-1 y / n; what remains of it is this.
        let fit = y.dot(process.weights()) / n as f64;
        let determinant = process.log_marginal() + 0.5 * y.dot(process.weights());
        Ok(determinant - 0.5 * n as f64 * fit.max(1e-12).ln())
    };
    let scores: Vec<f64> = grid.par_iter().map(score).collect::<Result<_, _>>()?;
    let best = (0..grid.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).expect("the grid has points");
    Ok(grid[best])
}

fn covariance(squares: ArrayView2<'_, f64>, length: f64, noise: f64) -> Array2<f64> {
    let scale = -0.5 / (length * length);
    let mut k = squares.mapv(|square| (1.0 - noise) * (scale * square).exp());
    k.diag_mut().mapv_inplace(|k| k + noise);
    k
}

fn norms(x: ArrayView2<'_, f64>) -> Array1<f64> {
    x.rows().into_iter().map(|row| row.dot(&row)).collect()
}

/// Squared distances, `(n, m)`.
fn squares(
    a: ArrayView2<'_, f64>,
    a_norms: ArrayView1<'_, f64>,
    b: ArrayView2<'_, f64>,
    b_norms: ArrayView1<'_, f64>,
) -> Array2<f64> {
    let mut squares = a.dot(&b.t());
    for (mut row, norm) in squares.rows_mut().into_iter().zip(a_norms) {
        row.iter_mut().zip(b_norms).for_each(|(dot, other)| *dot = (norm + other - 2.0 * *dot).max(0.0));
    }
    squares
}

impl BlockProcess {
    /// The length scale and the share of noise.
    #[must_use]
    pub fn shape(&self) -> (f64, f64) {
        (self.length, self.noise)
    }

    /// The mean prediction alone, in parallel over rows.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for another `d`.
    pub fn mean(&self, x: ArrayView2<'_, f64>) -> Result<Array1<f64>, PredictError> {
        check_width(x, self.width)?;
        let (location, scale) = self.scaling;
        let mut mean = Array1::zeros(x.nrows());
        let chunks = mean.axis_chunks_iter_mut(Axis(0), CHUNK).into_par_iter();
        chunks.zip(x.axis_chunks_iter(Axis(0), CHUNK)).for_each(|(mut mean, x)| {
            let cross = self.cross(x);
            mean.assign(&cross.dot(&self.weights).mapv(|mean| location + scale * mean));
        });
        Ok(mean)
    }

    fn cross(&self, x: ArrayView2<'_, f64>) -> Array2<f64> {
        let scale = -0.5 / (self.length * self.length);
        let squares = squares(x, norms(x).view(), self.points.view(), self.norms.view());
        squares.mapv_into(|square| (1.0 - self.noise) * (scale * square).exp())
    }
}

impl Surrogate for BlockProcess {
    fn predict(&self, x: ArrayView2<'_, f64>) -> Result<Prediction, PredictError> {
        check_width(x, self.width)?;
        let own = squares(self.points.view(), self.norms.view(), self.points.view(), self.norms.view());
        let k = covariance(own.view(), self.length, self.noise);
        let process = GaussianProcess::new(k.view(), self.targets.view())?;
        let prior = Array1::from_elem(x.nrows(), 1.0 - self.noise);
        let (mean, variance) = process.predict(self.cross(x).view(), prior.view());
        let (location, scale) = self.scaling;
        Ok(Prediction {
            mean: mean.mapv(|mean| location + scale * mean),
            std: variance.mapv(|variance| scale * (variance + self.noise).sqrt()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(n: usize) -> DatasetBase<Array2<f64>, Array1<f64>> {
        let x = Array2::from_shape_fn((n, 2), |(i, j)| ((i * (7 + 4 * j)) % 31) as f64 / 31.0);
        let y = x.rows().into_iter().map(|row| (3.0 * row[0]).sin() + row[1]).collect();
        DatasetBase::new(x, y)
    }

    #[test]
    fn learns_a_smooth_function() {
        let data = sine(120);
        let process = BlockParams::default().fit(&data).unwrap();
        let x = ndarray::array![[0.2, 0.7], [0.9, 0.1]];
        let mean = process.mean(x.view()).unwrap();
        for (row, mean) in x.rows().into_iter().zip(&mean) {
            let want = (3.0 * row[0]).sin() + row[1];
            assert!((mean - want).abs() < 0.1, "{mean} {want}");
        }
        let prediction = process.predict(x.view()).unwrap();
        assert!((&prediction.mean - &mean).iter().all(|gap| gap.abs() < 1e-9));
        assert!(prediction.std.iter().all(|std| *std > 0.0 && *std < 0.5), "{prediction:?}");
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let data = sine(9);
        let message = |params: BlockParams| params.fit(&data).unwrap_err().to_string();
        assert_eq!(message(BlockParams::default().max_rows(0)), "max_rows is 0, it must be at least 1");
        assert_eq!(message(BlockParams::default().shape(1.0, 1.5)), "noise is 1.5, it must be in (0, 1)");
        let process = BlockParams::default().fit(&data).unwrap();
        assert!(process.mean(ndarray::array![[1.0]].view()).is_err());
    }

    #[test]
    fn one_example_and_equal_ones_are_fine() {
        let same = DatasetBase::new(Array2::ones((4, 3)), Array1::from_elem(4, 0.5));
        let process = BlockParams::default().fit(&same).unwrap();
        assert!((process.mean(Array2::ones((1, 3)).view()).unwrap()[0] - 0.5).abs() < 1e-9);
    }
}
