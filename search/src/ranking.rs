//! `Ranking`: candidates in the order of recommendation.

use std::collections::{HashMap, HashSet};

use heirloom_kb::Architecture;
use heirloom_predictor::percentile;

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::goals::GoalTarget;
use crate::prices::Prices;
use crate::recommendation::FrontPoint;
use crate::shortlist::Shortlist;

/// Candidates in the order of recommendation.
pub(crate) struct Ranking {
    /// Positions in the open candidates.
    pub(crate) order: Vec<usize>,
    /// By open candidate, the probability that it keeps to the constraints, where there are some.
    pub(crate) feasible: Option<Vec<f64>>,
    /// Positions of the expected Pareto front, where there are Pareto objectives: best score first.
    pub(crate) front: Option<Vec<usize>>,
}

impl Ranking {
    /// The order where the score alone counts: what was picked to be tried first, then the open candidates of the highest mean.
    pub(crate) fn by_score(list: &Shortlist, k: usize) -> Self {
        let mean = &list.prediction.mean;
        let mut order: Vec<usize> = (0..list.open.len()).collect();
        order.sort_by(|a, b| mean[*b].total_cmp(&mean[*a]).then(a.cmp(b)));
        Ranking { order, feasible: None, front: None }.after_first(list, k)
    }

    /// The first `k` once what was picked to be tried first stands before all others.
    pub(crate) fn after_first(mut self, list: &Shortlist, k: usize) -> Self {
        let places: HashMap<usize, usize> =
            list.open.iter().enumerate().map(|(at, position)| (*position, at)).collect();
        let mut order: Vec<usize> =
            list.first.iter().filter_map(|position| places.get(position).copied()).collect();
        let taken: HashSet<usize> = order.iter().copied().collect();
        order.extend(self.order.iter().filter(|at| !taken.contains(at)));
        order.truncate(k);
        self.order = order;
        self
    }

    /// Words for constraints that are hardly kept.
    pub(crate) fn notes(&self) -> Option<String> {
        let most = self.feasible.as_ref()?.iter().copied().fold(0.0, f64::max);
        (most < 0.5).then(|| {
            let most = 100.0 * most;
            format!(
                "no candidate is expected to keep to the constraints; the likeliest does with {most:.0} %"
            )
        })
    }

    /// The expected Pareto front in words that go out.
    pub(crate) fn front(
        &self,
        book: &CostBook,
        target: &GoalTarget,
        list: &Shortlist,
    ) -> Result<Option<Vec<FrontPoint>>, SearchError> {
        let Some(front) = &self.front else { return Ok(None) };
        let Shortlist { pool, open, prediction, .. } = list;
        let architectures: Vec<Architecture> =
            front.iter().map(|at| pool.architectures[open[*at]].clone()).collect();
        let prices = Prices::of(book, target, &architectures)?;
        let point = |(at, prices): (&usize, Prices)| FrontPoint {
            architecture: pool.shown[open[*at]].clone(),
            mean: prediction.mean[*at],
            std: prediction.std[*at],
            beats_frac: percentile(prediction.mean[*at]),
            expected_costs: prices.expected,
            cost_std: prices.std,
        };
        Ok(Some(front.iter().zip(prices).map(point).collect()))
    }
}
