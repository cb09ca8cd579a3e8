//! How a boosted sum of trees is grown.

use linfa::ParamGuard;
use linfa::dataset::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ArrayView2, Axis};
use rand::SeedableRng;
use rand::seq::index::sample;
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::BoostedTrees;
use super::tree::{Grower, Tree};
use crate::PredictError;
use crate::bins::Bins;
use crate::examples::check_examples;
use crate::folds::{Fold, folds};

/// Checked settings of boosting.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostingValidParams {
    pub(super) rounds: usize,
    pub(super) learning_rate: f64,
    pub(super) leaves: usize,
    pub(super) max_depth: usize,
    pub(super) min_leaf: usize,
    pub(super) l2: f64,
    pub(super) rows: f64,
    pub(super) columns: f64,
    pub(super) held_out: usize,
    pub(super) patience: usize,
    pub(super) seed: u64,
}

/// Settings of boosting, to be checked: [`linfa::ParamGuard`] says what is wrong with them.
#[derive(Clone, Debug, PartialEq)]
pub struct BoostingParams(BoostingValidParams);

impl Default for BoostingParams {
    fn default() -> Self {
        BoostingParams(BoostingValidParams {
            rounds: 500,
            learning_rate: 0.05,
            leaves: 15,
            max_depth: 12,
            min_leaf: 5,
            l2: 1.0,
            rows: 0.8,
            columns: 0.5,
            held_out: 1,
            patience: 30,
            seed: 0,
        })
    }
}

impl BoostingParams {
    /// The most trees; 500 unless set.
    #[must_use]
    pub fn rounds(mut self, rounds: usize) -> Self {
        self.0.rounds = rounds;
        self
    }

    /// What each tree's answer is multiplied by, in `(0, 1]`; 0.05 unless set.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Self {
        self.0.learning_rate = learning_rate;
        self
    }

    /// The most leaves of a tree; 15 unless set.
    #[must_use]
    pub fn leaves(mut self, leaves: usize) -> Self {
        self.0.leaves = leaves;
        self
    }

    /// The most splits between root and leaf; 12 unless set.
    #[must_use]
    pub fn max_depth(mut self, max_depth: usize) -> Self {
        self.0.max_depth = max_depth;
        self
    }

    /// The fewest examples in a leaf; 5 unless set.
    #[must_use]
    pub fn min_leaf(mut self, min_leaf: usize) -> Self {
        self.0.min_leaf = min_leaf;
        self
    }

    /// What is added to a leaf's count, so that small leaves say less; 1 unless set.
    #[must_use]
    pub fn l2(mut self, l2: f64) -> Self {
        self.0.l2 = l2;
        self
    }

    /// The share of examples that each tree sees, in `(0, 1]`; 0.8 unless set.
    #[must_use]
    pub fn rows(mut self, rows: f64) -> Self {
        self.0.rows = rows;
        self
    }

    /// The share of features that each tree may ask, in `(0, 1]`; 0.5 unless set.
    #[must_use]
    pub fn columns(mut self, columns: f64) -> Self {
        self.0.columns = columns;
        self
    }

    /// How many of the five fifths of the examples are held out in turn, to find the best number of trees and the
    /// residual; from 0 (all `rounds` are grown, the residual is that of the fit) to 5 (cross-validation, for small
    /// sets). 1 unless set. The final trees see all examples.
    #[must_use]
    pub fn held_out(mut self, held_out: usize) -> Self {
        self.0.held_out = held_out;
        self
    }

    /// Rounds without a gain on the held-out part after which no more are tried; 30 unless set.
    #[must_use]
    pub fn patience(mut self, patience: usize) -> Self {
        self.0.patience = patience;
        self
    }

    /// The random seed; the same seed gives the same trees on any number of cores.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.0.seed = seed;
        self
    }
}

impl ParamGuard for BoostingParams {
    type Checked = BoostingValidParams;
    type Error = PredictError;

    fn check_ref(&self) -> Result<&BoostingValidParams, PredictError> {
        let p = &self.0;
        let bad =
            |parameter, value: String, allowed| Err(PredictError::BadParameter { parameter, value, allowed });
        let counts = [
            ("rounds", p.rounds),
            ("max_depth", p.max_depth),
            ("min_leaf", p.min_leaf),
            ("patience", p.patience),
        ];
        if let Some((parameter, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return bad(parameter, "0".into(), "at least 1");
        }
        if p.leaves < 2 {
            return bad("leaves", p.leaves.to_string(), "at least 2");
        }
        if p.held_out > FOLDS {
            return bad("held_out", p.held_out.to_string(), "at most 5");
        }
        let shares = [("learning_rate", p.learning_rate), ("rows", p.rows), ("columns", p.columns)];
        if let Some((parameter, share)) =
            shares.into_iter().find(|(_, share)| !(*share > 0.0 && *share <= 1.0))
        {
            return bad(parameter, share.to_string(), "in (0, 1]");
        }
        if !(p.l2 >= 0.0 && p.l2.is_finite()) {
            return bad("l2", p.l2.to_string(), "finite and not negative");
        }
        Ok(p)
    }

    fn check(self) -> Result<BoostingValidParams, PredictError> {
        self.check_ref()?;
        Ok(self.0)
    }
}

/// Parts that the examples are cut into for holding out.
const FOLDS: usize = 5;

impl Fit<Array2<f64>, Array1<f64>, PredictError> for BoostingValidParams {
    type Object = BoostedTrees;

    /// # Shapes
    /// Records `(n, d)`, targets `(n,)`.
    ///
    /// # Errors
    /// [`PredictError::NoData`], [`PredictError::Lengths`] or [`PredictError::NotFinite`].
    fn fit(&self, dataset: &DatasetBase<Array2<f64>, Array1<f64>>) -> Result<BoostedTrees, PredictError> {
        let (x, y) = (&dataset.records, &dataset.targets);
        check_examples("boosting", x.view(), y.view())?;
        let trials = if y.len() < 2 * FOLDS { Vec::new() } else { self.hold_out(x, y) };
        let shortest = trials.iter().map(|(_, curve)| curve.len()).min().unwrap_or(0);
        let held: usize = trials.iter().map(|(rows, _)| rows).sum();
        let errors = (0..shortest).map(|round| {
            let sum: f64 = trials.iter().map(|(_, curve)| curve[round]).sum();
            (round, sum / held as f64)
        });
        let best = errors.min_by(|a, b| a.1.total_cmp(&b.1));
        let rounds = best.map_or(self.rounds, |(round, _)| round);
        let mut boosting = Boosting::new(self, x.view(), y.view().to_vec());
        let trees: Vec<Tree> = (0..rounds).map(|_| boosting.step()).collect();
        let residual_variance = best.map_or_else(|| mean_square(&boosting.residuals), |(_, error)| error);
        Ok(BoostedTrees { width: x.ncols(), base: boosting.base, trees, residual_variance })
    }
}

impl BoostingValidParams {
    /// For each part held out: its number of rows, and its summed squared error after 0, 1, 2… rounds.
    fn hold_out(&self, x: &Array2<f64>, y: &Array1<f64>) -> Vec<(usize, Vec<f64>)> {
        let parts = folds(y.len(), FOLDS, self.seed);
        parts[..self.held_out].par_iter().map(|fold| (fold.test.len(), self.curve(x, y, fold))).collect()
    }

    fn curve(&self, x: &Array2<f64>, y: &Array1<f64>, fold: &Fold) -> Vec<f64> {
        let train = x.select(Axis(0), &fold.train);
        let mut boosting = Boosting::new(self, train.view(), fold.train.iter().map(|row| y[*row]).collect());
        let mut open: Vec<f64> = fold.test.iter().map(|row| y[*row] - boosting.base).collect();
        let mut curve = vec![open.iter().map(|error| error * error).sum()];
        let mut best = 0;
        for round in 1..=self.rounds {
            let tree = boosting.step();
            for (open, row) in open.iter_mut().zip(&fold.test) {
                *open -= tree.value(x.row(*row));
            }
            curve.push(open.iter().map(|error| error * error).sum());
            if curve[round] < curve[best] {
                best = round;
            } else if round - best >= self.patience {
                break;
            }
        }
        curve
    }
}

/// A boosted sum in the making.
struct Boosting<'a> {
    params: &'a BoostingValidParams,
    x: ArrayView2<'a, f64>,
    bins: Bins,
    base: f64,
    /// What is left to explain, `(n,)`.
    residuals: Vec<f64>,
    rng: Xoshiro256PlusPlus,
}

impl<'a> Boosting<'a> {
    fn new(params: &'a BoostingValidParams, x: ArrayView2<'a, f64>, y: Vec<f64>) -> Self {
        let base = y.iter().sum::<f64>() / y.len() as f64;
        let residuals = y.into_iter().map(|y| y - base).collect();
        let rng = Xoshiro256PlusPlus::seed_from_u64(params.seed);
        Boosting { params, x, bins: Bins::new(x), base, residuals, rng }
    }

    /// Grows one tree on the residuals and takes its answers from them.
    fn step(&mut self) -> Tree {
        let mut rows = self.draw(self.residuals.len(), self.params.rows);
        let features = self.draw(self.bins.places.len(), self.params.columns);
        let mut columns = vec![false; self.bins.columns.len()];
        for feature in &features {
            columns[self.bins.places[*feature as usize].column()] = true;
        }
        let grower = Grower {
            params: self.params,
            bins: &self.bins,
            residuals: &self.residuals,
            features: &features,
            columns: &columns,
        };
        let tree = grower.grow(&mut rows);
        let rows = self.residuals.par_iter_mut().with_min_len(2_048).zip(self.x.axis_iter(Axis(0)));
        rows.for_each(|(residual, row)| *residual -= tree.value(row));
        tree
    }

    /// A share of the numbers below `n`, ascending, at least one of them.
    fn draw(&mut self, n: usize, share: f64) -> Vec<u32> {
        let keep = ((n as f64 * share).ceil() as usize).min(n);
        if keep == n {
            return (0..n as u32).collect();
        }
        let mut drawn: Vec<u32> = sample(&mut self.rng, n, keep).into_iter().map(|at| at as u32).collect();
        drawn.sort_unstable();
        drawn
    }
}

fn mean_square(residuals: &[f64]) -> f64 {
    residuals.iter().map(|residual| residual * residual).sum::<f64>() / residuals.len() as f64
}
