//! How a forest is grown.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2};
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::RegressionForest;
use super::tree::{Grower, Tree};
use crate::PredictError;
use crate::bins::Bins;
use crate::examples::check_examples;

/// Rows on which the out-of-bag error is estimated.
const OUT_OF_BAG_ROWS: usize = 2_000;

/// Checked settings of a forest.
#[derive(Clone, Debug, PartialEq)]
pub struct ForestValidParams {
    pub(super) trees: usize,
    pub(super) max_depth: usize,
    pub(super) min_leaf: usize,
    pub(super) features: f64,
    pub(super) max_rows: usize,
    pub(super) bootstrap: bool,
    pub(super) random_cuts: bool,
    pub(super) seed: u64,
}

/// Settings of a forest, to be checked: [`linfa::ParamGuard`] says what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct ForestParams(ForestValidParams);

impl Default for ForestParams {
    fn default() -> Self {
        ForestParams(ForestValidParams {
            trees: 16,
            max_depth: 20,
            min_leaf: 2,
            features: 0.5,
            max_rows: 4_096,
            bootstrap: true,
            random_cuts: false,
            seed: 0,
        })
    }
}

impl ForestParams {
    /// The number of trees; 16 unless set.
    #[must_use]
    pub fn trees(mut self, trees: usize) -> Self {
        self.0.trees = trees;
        self
    }

    /// The most splits between root and leaf; 20 unless set.
    #[must_use]
    pub fn max_depth(mut self, max_depth: usize) -> Self {
        self.0.max_depth = max_depth;
        self
    }

    /// The fewest examples in a leaf; 2 unless set.
    #[must_use]
    pub fn min_leaf(mut self, min_leaf: usize) -> Self {
        self.0.min_leaf = min_leaf;
        self
    }

    /// The share of features tried at each split, in `(0, 1]`; 0.5 unless set.
    #[must_use]
    pub fn features(mut self, features: f64) -> Self {
        self.0.features = features;
        self
    }

    /// The most examples drawn for one tree; 4,096 unless set. Keeps the fit linear in trees, not in history.
    #[must_use]
    pub fn max_rows(mut self, max_rows: usize) -> Self {
        self.0.max_rows = max_rows;
        self
    }

    /// Draws the examples of a tree with replacement, as a forest does unless told otherwise; without, a tree sees
    /// each example once, up to `max_rows` of them.
    #[must_use]
    pub fn bootstrap(mut self, bootstrap: bool) -> Self {
        self.0.bootstrap = bootstrap;
        self
    }

    /// Takes one cut at random for each feature tried instead of the best: smoother, and less noise is learned.
    ///
    /// *Source*: Geurts, Ernst, Wehenkel, "Extremely randomized trees", 2006; here the cut is uniform over bins.
    #[must_use]
    pub fn random_cuts(mut self, random_cuts: bool) -> Self {
        self.0.random_cuts = random_cuts;
        self
    }

    /// The random seed; the same seed gives the same forest on any number of cores.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for ForestParams {
    type Checked = ForestValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&ForestValidParams, PredictError> {
        let p = &self.0;
        let counts = [
            ("trees", p.trees),
            ("max_depth", p.max_depth),
            ("min_leaf", p.min_leaf),
            ("max_rows", p.max_rows),
        ];
        if let Some((parameter, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return Err(PredictError::BadParameter { parameter, value: "0".into(), allowed: "at least 1" });
        }
        if !(p.features > 0.0 && p.features <= 1.0) {
            let value = p.features.to_string();
            return Err(PredictError::BadParameter { parameter: "features", value, allowed: "in (0, 1]" });
        }
        Ok(p)
    }

    fn check(self) -> Result<ForestValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

impl Fit<Array2<f64>, Array1<f64>, PredictError> for ForestValidParams {
    type Object = RegressionForest;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`] or [`PredictError::NotFinite`].
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<RegressionForest, PredictError> {
        let (x, y) = (&dataset.records, &dataset.targets);
        check_examples("a forest", x.view(), y.view())?;
        let bins = Bins::new(x.view());
        // Of a choice of hundreds of options most are too rare to be told by a leaf; they would be most of what is tried.
        let features = bins.splittable(self.min_leaf);
        let y: Vec<f64> = y.to_vec();
        let grow = |index| self.grow((&bins, &features), &y, index);
        let grown: Vec<(Tree, Vec<bool>)> = (0..self.trees as u64).into_par_iter().map(grow).collect();
        let out_of_bag_variance = self.out_of_bag(x, &y, &grown);
        let trees = grown.into_iter().map(|(tree, _)| tree).collect();
        Ok(RegressionForest { width: x.ncols(), trees, out_of_bag_variance })
    }
}

impl ForestValidParams {
    /// One tree on a sample, and which rows it saw.
    fn grow(&self, bins: (&Bins, &[u32]), y: &[f64], index: u64) -> (Tree, Vec<bool>) {
        let mut rng =
            Xoshiro256PlusPlus::seed_from_u64(self.seed ^ (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut times = vec![0; y.len()];
        let rows = y.len().min(self.max_rows);
        if self.bootstrap {
            (0..rows).for_each(|_| times[rng.gen_range(0..y.len())] += 1);
        } else {
            sample(&mut rng, y.len(), rows).into_iter().for_each(|row| times[row] = 1);
        }
        let tree = Grower::new(self, bins, y, &times).grow(&mut rng);
        (tree, times.into_iter().map(|times| times > 0).collect())
    }

    fn out_of_bag(&self, x: &Array2<f64>, y: &[f64], grown: &[(Tree, Vec<bool>)]) -> f64 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed);
        let rows = sample(&mut rng, y.len(), y.len().min(OUT_OF_BAG_ROWS)).into_vec();
        let errors: Vec<f64> = rows
            .into_par_iter()
            .filter_map(|row| {
                let unseen = grown.iter().filter(|(_, seen)| !seen[row]);
                let means: Vec<f64> = unseen.map(|(tree, _)| tree.leaf(x.row(row)).mean).collect();
                let mean = means.iter().sum::<f64>() / means.len() as f64;
                (!means.is_empty()).then(|| (y[row] - mean).powi(2))
            })
            .collect();
        if errors.is_empty() { variance(y) } else { errors.iter().sum::<f64>() / errors.len() as f64 }
    }
}

fn variance(y: &[f64]) -> f64 {
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    y.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / y.len() as f64
}

#[cfg(test)]
mod tests {
    use linfa::traits::Predict;
    use ndarray::array;

    use super::*;
    use crate::Surrogate;

    /// y = 2 [x0 > 0.5] + x1, a little noise from a fixed sequence.
    fn steps(n: usize) -> DatasetBase<Array2<f64>, Array1<f64>> {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
        let x = Array2::from_shape_fn((n, 3), |_| rng.r#gen::<f64>());
        let y = x.rows().into_iter().map(|r| 2.0 * f64::from(u8::from(r[0] > 0.5)) + r[1]).collect();
        DatasetBase::new(x, y)
    }

    #[test]
    fn learns_steps_and_slopes() {
        let forest = ForestParams::default().fit(&steps(800)).unwrap();
        let got = Predict::predict(&forest, &array![[0.9, 0.5, 0.1], [0.1, 0.5, 0.9], [0.1, 0.05, 0.9]]);
        assert!((got[0] - 2.5).abs() < 0.15, "{got:?}");
        assert!((got[1] - 0.5).abs() < 0.15, "{got:?}");
        assert!(got[2] < 0.25, "{got:?}");
        assert!(forest.out_of_bag_variance() < 0.05, "{}", forest.out_of_bag_variance());
    }

    #[test]
    fn the_same_seed_gives_the_same_forest() {
        let data = steps(200);
        let a = ForestParams::default().seed(3).fit(&data).unwrap();
        let b = ForestParams::default().seed(3).fit(&data).unwrap();
        let c = ForestParams::default().seed(4).fit(&data).unwrap();
        assert_eq!(a, b);
        assert_ne!(a, c);
    }

    #[test]
    fn one_example_is_its_own_forest() {
        let data = DatasetBase::new(array![[1.0, 2.0]], array![0.25]);
        let forest = ForestParams::default().fit(&data).unwrap();
        let got = Surrogate::predict(&forest, array![[5.0, 5.0]].view()).unwrap();
        assert_eq!((got.mean[0], got.std[0]), (0.25, 0.0));
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        let data = steps(10);
        let message = |p: ForestParams| p.fit(&data).unwrap_err().to_string();
        assert_eq!(message(ForestParams::default().trees(0)), "trees is 0, it must be at least 1");
        assert_eq!(message(ForestParams::default().features(1.5)), "features is 1.5, it must be in (0, 1]");
        let empty = DatasetBase::new(Array2::zeros((0, 2)), Array1::zeros(0));
        assert!(ForestParams::default().fit(&empty).is_err());
        let forest = ForestParams::default().fit(&data).unwrap();
        let error = forest.mean(array![[1.0]].view()).unwrap_err().to_string();
        assert_eq!(error, "columns given and columns fitted: 1 against 3");
    }
}
