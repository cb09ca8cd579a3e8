//! `Goals`: what a candidate promises when more than the score counts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use heirloom_kb::{Architecture, Name, Task};
use heirloom_predictor::{CostPrediction, CostTarget, NonDominatedBoxes, Prediction, expected_improvement};
use rayon::prelude::*;

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::cost_view::CostView;
use crate::counted_costs::CountedCosts;
use crate::objectives::{Bound, Objectives, bad};
use crate::plane::{Kept, Plane};
use crate::pool::Pool;
use crate::ranking::Ranking;
use crate::space_history::SpaceHistory;

/// A candidate less likely than this to keep to the constraints is not proposed.
const LEAST_FEASIBLE: f64 = 0.01;

/// For whom costs are asked.
#[derive(Clone, Debug)]
pub(crate) struct GoalTarget {
    pub(crate) task: Name,
    pub(crate) device: Option<Name>,
    pub(crate) exclude_tasks: Vec<Name>,
    /// Costs that are counted and not foretold.
    pub(crate) counted: Option<CountedCosts>,
}

impl GoalTarget {
    /// A task, for these objectives.
    pub(crate) fn of(
        history: &SpaceHistory,
        book: &CostBook,
        task: &Task,
        objectives: &Objectives,
        exclude_tasks: &[Name],
    ) -> Self {
        GoalTarget {
            task: task.id.clone(),
            device: objectives.device.clone(),
            exclude_tasks: exclude_tasks.to_vec(),
            counted: CountedCosts::of(history, book, task, objectives),
        }
    }

    /// All costs of which something can be said: those that trials of the space have, and those that are counted.
    pub(crate) fn costs(&self, book: &CostBook) -> Vec<Name> {
        let counted = self.counted.iter().flat_map(CountedCosts::names).cloned();
        let all: BTreeSet<Name> = book.table().costs().into_iter().chain(counted).collect();
        all.into_iter().collect()
    }

    /// What of an architecture's costs is counted.
    pub(crate) fn counted_costs(&self, architecture: &Architecture) -> BTreeMap<Name, f64> {
        let counted = self.counted.as_ref().map(|counted| counted.count(std::slice::from_ref(architecture)));
        counted.into_iter().flatten().map(|(name, costs)| (name, costs[0])).collect()
    }

    pub(crate) fn as_cost_target(&self) -> CostTarget<'_> {
        CostTarget { task: &self.task, device: self.device.as_deref(), exclude_tasks: &self.exclude_tasks }
    }
}

/// What a candidate promises when more than the score counts: constraints, a Pareto front, improvement per unit of a cost.
///
/// * Costs that follow from the network are counted (`CountedCosts`), others foretold.
/// * Constraints multiply a promise by the probability that they are kept (constrained expected improvement, Gardner et al.,
///   2014), and the best so far is the best that keeps to them.
/// * With Pareto objectives a promise is the expected hypervolume improvement over the trials so far; costs count by their
///   logarithm, and the reference point is the worst expected of any candidate in each objective.
/// * `per` divides a promise by the expected cost (Snoek, Larochelle, Adams, arXiv:1206.2944, section 3.2).
pub struct Goals {
    objectives: Objectives,
    book: Arc<CostBook>,
    view: CostView,
    target: GoalTarget,
    /// What trials told to a study cost, by the architecture's key.
    told: HashMap<Vec<u64>, BTreeMap<Name, f64>>,
}

/// What candidates promise.
pub(crate) struct Promises {
    /// By candidate, none negative; 0 for those that cannot keep to the constraints.
    pub(crate) gains: Vec<f64>,
    /// By candidate, the probability that it keeps to the constraints.
    pub(crate) feasible: Vec<f64>,
    /// What is promised, in plain words.
    what: &'static str,
}

impl Promises {
    /// The position of the candidate that promises most; where none promises anything, of the one likeliest to keep to the
    /// constraints, then of the best expected score; the first among equals.
    fn most(&self, prediction: &Prediction) -> usize {
        let key = |at: usize| [self.gains[at], self.feasible[at], prediction.mean[at]];
        let better = |a: usize, b: usize| {
            let pairs = key(a).into_iter().zip(key(b));
            pairs.map(|(a, b)| a.total_cmp(&b)).find(|order| order.is_ne()).is_some_and(|order| order.is_gt())
        };
        (1..self.gains.len()).fold(0, |most, at| if better(at, most) { at } else { most })
    }
}

impl Goals {
    /// Goals over the candidates of a pool.
    pub(crate) fn new(
        book: Arc<CostBook>,
        objectives: &Objectives,
        target: GoalTarget,
        pool: &Pool,
    ) -> Result<Self, SearchError> {
        objectives.check(&target.costs(&book))?;
        let is_counted =
            |cost: &Name| target.counted.as_ref().is_some_and(|counted| counted.names().contains(cost));
        if let Some(per) = &objectives.per
            && !is_counted(per)
            && !book.model(per)?.is_log()
        {
            return Err(bad(format!("improvement per {per:?} means nothing: it is not always positive")));
        }
        let costs = objectives.costs();
        // The pool's own rows have the fingerprints of networks beside the parameters; costs are told from parameters alone.
        let x = book.table().encoder().encode(&pool.architectures)?.into_shared();
        let (counted, asked) = (target.counted.as_ref(), target.as_cost_target());
        let view = CostView::counting(counted, &book, costs, &asked, &pool.architectures, &x)?;
        Ok(Goals { objectives: objectives.clone(), book, view, target, told: HashMap::new() })
    }

    /// What a reader should know, in plain words.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.view.notes(&self.target.as_cost_target())
    }

    /// Learns what a canonical architecture cost.
    pub(crate) fn learn(
        &mut self,
        architecture: &Architecture,
        costs: &BTreeMap<Name, f64>,
    ) -> Result<(), SearchError> {
        self.view.learn(&self.book, architecture, costs)?;
        self.told.insert(self.book.table().encoder().key(architecture), costs.clone());
        Ok(())
    }

    /// The position in `open` of the candidate that promises most, the first among equals, and what it promises. `tried` are
    /// canonical architectures with their normalised scores, measured or expected; `prediction` is of the open candidates.
    pub(crate) fn choose(
        &self,
        open: &[usize],
        prediction: &Prediction,
        tried: &[(Architecture, f64)],
    ) -> Result<(usize, String), SearchError> {
        let promises = self.promises(open, prediction, tried)?;
        let at = promises.most(prediction);
        let gain = promises.gains[at];
        let per = self.objectives.per.as_ref().map_or(String::new(), |per| format!(" per {per}"));
        let kept = match self.objectives.constraints.is_empty() {
            true => String::new(),
            false => format!("; keeps to the constraints with {:.0} %", 100.0 * promises.feasible[at]),
        };
        Ok((at, format!("highest {}{per} of the candidates: {gain:.3}{kept}", promises.what)))
    }

    /// What each open candidate promises.
    ///
    /// # Errors
    /// [`SearchError::Infeasible`] when none can keep to the constraints.
    pub(crate) fn promises(
        &self,
        open: &[usize],
        prediction: &Prediction,
        tried: &[(Architecture, f64)],
    ) -> Result<Promises, SearchError> {
        let costs = self.view.predict(open)?;
        let feasible = self.feasible(&costs, open.len())?;
        let kept = self.kept(tried)?;
        let (mut gains, what) = if self.objectives.pareto.is_empty() {
            self.improvements(prediction, &kept)
        } else {
            let plane = Plane::new(&self.objectives.pareto, prediction, &costs);
            let boxes = NonDominatedBoxes::new(plane.front(&kept).view(), &plane.reference)?;
            let each = (0..open.len()).into_par_iter();
            let gains = each.map(|at| plane.improvement(&boxes, at)).collect();
            (gains, "expected hypervolume improvement")
        };
        for (at, (gain, feasible)) in gains.iter_mut().zip(&feasible).enumerate() {
            *gain = if *feasible < LEAST_FEASIBLE { 0.0 } else { *gain * feasible };
            if let Some(cost) = self.objectives.per.as_ref().and_then(|per| costs.get(per)) {
                *gain /= cost.expected(at);
            }
        }
        Ok(Promises { gains, feasible, what })
    }

    /// Improvement over the best trial that keeps to the constraints; without one the score itself, counted from the lowest
    /// expected of any candidate, or, per cost, improvement over the median architecture.
    fn improvements(&self, prediction: &Prediction, kept: &[Kept]) -> (Vec<f64>, &'static str) {
        let best = kept.iter().map(|kept| kept.z).fold(f64::NEG_INFINITY, f64::max);
        if best.is_finite() {
            return (expected_improvement(prediction, best), "expected improvement");
        }
        if self.objectives.per.is_some() {
            return (expected_improvement(prediction, 0.0), "expected improvement over the median");
        }
        let lowest = prediction.mean.iter().copied().fold(f64::INFINITY, f64::min);
        (prediction.mean.iter().map(|mean| mean - lowest).collect(), "expected score")
    }

    /// The positions in `open` of up to `k` candidates to recommend, most promising first. With Pareto objectives each next one is
    /// what adds most to those before it.
    pub(crate) fn rank(
        &self,
        open: &[usize],
        prediction: &Prediction,
        tried: &[(Architecture, f64)],
        k: usize,
    ) -> Result<Ranking, SearchError> {
        let promises = self.promises(open, prediction, tried)?;
        let costs = self.view.predict(open)?;
        let able: Vec<usize> =
            (0..open.len()).filter(|at| promises.feasible[*at] >= LEAST_FEASIBLE).collect();
        let order = if self.objectives.pareto.is_empty() {
            let mut order = able.clone();
            order.sort_by(|a, b| promises.gains[*b].total_cmp(&promises.gains[*a]).then(a.cmp(b)));
            order.truncate(k);
            order
        } else {
            let plane = Plane::new(&self.objectives.pareto, prediction, &costs);
            let kept = self.kept(tried)?;
            let weight = |at: usize| {
                let per = self.objectives.per.as_ref().and_then(|per| costs.get(per));
                promises.feasible[at] / per.map_or(1.0, |cost| cost.expected(at))
            };
            plane.greedy(&able, plane.front(&kept), &promises.gains, weight, k)?
        };
        let front = (!self.objectives.pareto.is_empty()).then(|| {
            let likely: Vec<usize> = (0..open.len()).filter(|at| promises.feasible[*at] >= 0.5).collect();
            Plane::new(&self.objectives.pareto, prediction, &costs).expected_front(&likely)
        });
        let feasible = (!self.objectives.constraints.is_empty()).then_some(promises.feasible);
        Ok(Ranking { order, feasible, front })
    }

    /// The probability of each candidate that it keeps to all constraints, taken as independent.
    fn feasible(
        &self,
        costs: &BTreeMap<Name, CostPrediction>,
        candidates: usize,
    ) -> Result<Vec<f64>, SearchError> {
        let mut all = vec![1.0; candidates];
        // The constraint whose best candidate is the least likely to keep to it.
        let mut tightest: Option<(f64, &Name, &CostPrediction)> = None;
        for (name, bound) in &self.objectives.constraints {
            let Some(cost) = costs.get(name) else { continue };
            let mut kept = vec![1.0; candidates];
            for limit in [bound.max.map(|max| cost.at_most(max)), bound.min.map(|min| cost.at_least(min))] {
                // Both ends of one distribution: P(min <= cost <= max) = P(cost <= max) + P(cost >= min) - 1.
                for (kept, limit) in kept.iter_mut().zip(limit.into_iter().flatten()) {
                    *kept = (*kept + limit - 1.0).max(0.0);
                }
            }
            let most = kept.iter().copied().fold(0.0, f64::max);
            if tightest.is_none_or(|(least, ..)| most < least) {
                tightest = Some((most, name, cost));
            }
            all.iter_mut().zip(kept).for_each(|(all, kept)| *all *= kept);
        }
        match tightest {
            Some((most, name, cost)) if all.iter().all(|all| *all < LEAST_FEASIBLE) => {
                Err(self.infeasible(name, cost, most < LEAST_FEASIBLE))
            }
            _ => Ok(all),
        }
    }

    fn infeasible(&self, name: &Name, cost: &CostPrediction, alone: bool) -> SearchError {
        let bound = self.objectives.constraints[name];
        let costs = || cost.median.iter().copied();
        let lowest = costs().fold(f64::INFINITY, f64::min);
        let highest = costs().fold(f64::NEG_INFINITY, f64::max);
        let (extreme, expected) = match bound {
            Bound { max: Some(max), .. } if lowest > max => ("lowest", lowest),
            Bound { min: Some(min), .. } if highest < min => ("highest", highest),
            // It lies between two candidates, or is kept to by some that break another.
            Bound { min, max } => {
                let target = max.or(min).unwrap_or(lowest);
                let closer = |a: f64, b: f64| if (b - target).abs() < (a - target).abs() { b } else { a };
                ("closest", costs().fold(f64::INFINITY, closer))
            }
        };
        SearchError::Infeasible { cost: name.clone(), bound, extreme, expected, alone }
    }

    /// The trials that keep to the constraints, with their costs: as told, as measured, or as expected.
    fn kept(&self, tried: &[(Architecture, f64)]) -> Result<Vec<Kept>, SearchError> {
        let encoder = self.book.table().encoder();
        let architectures: Vec<Architecture> = tried.iter().map(|(tried, _)| tried.clone()).collect();
        let expected = self.view.predict_others(&self.book, &architectures)?;
        let mut kept = Vec::new();
        for (at, (architecture, z)) in tried.iter().enumerate() {
            let mut costs: BTreeMap<Name, f64> =
                expected.iter().map(|(name, cost)| (name.clone(), cost.median[at])).collect();
            let told = self.told.get(&encoder.key(architecture));
            costs.extend(told.into_iter().flatten().map(|(name, cost)| (name.clone(), *cost)));
            if self.objectives.admit(&costs) {
                kept.push(Kept { z: *z, costs });
            }
        }
        Ok(kept)
    }
}

#[cfg(test)]
#[path = "goals_tests.rs"]
mod tests;
