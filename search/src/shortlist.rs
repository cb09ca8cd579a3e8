//! `Shortlist`: what of a pool may be recommended, and what is expected of it.

use std::collections::HashMap;
use std::sync::Arc;

use heirloom_kb::Architecture;
use heirloom_predictor::{Prediction, percentile};
use ndarray::{Array1, concatenate};

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::evidence::evidence;
use crate::goals::GoalTarget;
use crate::pool::Pool;
use crate::prices::Prices;
use crate::ranking::Ranking;
use crate::recommendation::RankedArchitecture;
use crate::space_history::SpaceHistory;
use crate::strategies::Pick;

/// What of a pool may be recommended, and what is expected of it.
pub(crate) struct Shortlist {
    /// With what was found beyond a sampled pool.
    pub(crate) pool: Arc<Pool>,
    /// Positions in the pool.
    pub(crate) open: Vec<usize>,
    /// Of the open candidates, in their order.
    pub(crate) prediction: Prediction,
    /// Positions in the pool of what is to be tried first, in that order.
    pub(crate) first: Vec<usize>,
    /// Why these, by position.
    reasons: HashMap<usize, String>,
}

impl Shortlist {
    /// The open candidates of a pool, and what was picked of them or beyond them to be tried one after another.
    pub(crate) fn new(
        history: &SpaceHistory,
        pool: Arc<Pool>,
        open: Vec<usize>,
        prediction: Prediction,
        picks: Vec<Pick>,
    ) -> Result<Self, SearchError> {
        let (mut first, mut reasons) = (Vec::new(), HashMap::new());
        let (mut beyond, mut mean, mut std) = (Vec::new(), Vec::new(), Vec::new());
        for pick in picks {
            let position = pick.position.unwrap_or(pool.architectures.len() + beyond.len());
            if pick.position.is_none() {
                beyond.push(pick.canonical);
                mean.push(pick.mean);
                std.push(pick.std);
            }
            first.push(position);
            reasons.insert(position, pick.why);
        }
        if beyond.is_empty() {
            return Ok(Shortlist { pool, open, prediction, first, reasons });
        }
        let more = pool.architectures.len()..pool.architectures.len() + beyond.len();
        let both = |a: &Array1<f64>, b: Vec<f64>| {
            concatenate(ndarray::Axis(0), &[a.view(), Array1::from(b).view()]).expect("both are flat")
        };
        Ok(Shortlist {
            pool: Arc::new(pool.and(&beyond, history)?),
            open: open.into_iter().chain(more).collect(),
            prediction: Prediction { mean: both(&prediction.mean, mean), std: both(&prediction.std, std) },
            first,
            reasons,
        })
    }

    /// The open candidates in the order of a ranking, each with its evidence in the `past` tasks, which are columns of the
    /// history, and in the task's `own` column, and with what it is expected to cost.
    pub(crate) fn ranked(
        &self,
        history: &SpaceHistory,
        past: &[usize],
        own: Option<usize>,
        ranking: &Ranking,
        (book, target): (&CostBook, &GoalTarget),
    ) -> Result<Vec<RankedArchitecture>, SearchError> {
        let architecture = |at: &usize| self.pool.architectures[self.open[*at]].clone();
        let architectures: Vec<Architecture> = ranking.order.iter().map(architecture).collect();
        let prices = Prices::of(book, target, &architectures)?;
        let ranked =
            ranking.order.iter().zip(architectures).zip(prices).map(|((&at, architecture), prices)| {
                let position = self.open[at];
                let x = self.pool.views.x.row(position);
                let evidence = evidence(history, past, own, &architecture, x);
                let why = match self.reasons.get(&position) {
                    Some(reason) => format!("{reason}; {}", evidence.why),
                    None => evidence.why,
                };
                RankedArchitecture {
                    architecture: self.pool.shown[position].clone(),
                    mean: self.prediction.mean[at],
                    std: self.prediction.std[at],
                    beats_frac: percentile(self.prediction.mean[at]),
                    expected_costs: prices.expected,
                    cost_std: prices.std,
                    feasible_frac: ranking.feasible.as_ref().map(|feasible| feasible[at]),
                    evidence: evidence.trials,
                    why,
                }
            });
        Ok(ranked.collect())
    }
}
