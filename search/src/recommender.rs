//! `Recommender`: which architectures a task should try.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::{Architecture, KnowledgeStore, Name, TrialId};
use heirloom_predictor::{Prediction, Views, percentile, task_shares};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::Serialize;

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::evidence::evidence;
use crate::goals::{GoalTarget, Goals};
use crate::objectives::Objectives;
use crate::own_trials::OwnTrials;
use crate::prices::Prices;
use crate::ranking::Ranking;
use crate::space_history::{Pool, SpaceHistory};

/// What is asked of a recommender.
#[derive(Clone, Debug)]
pub struct RecommendationRequest {
    /// The task to recommend for; the base knows it.
    pub task: Name,
    /// The space to recommend from.
    pub space: Name,
    /// How many architectures are wanted.
    pub k: usize,
    /// The architectures that alone may be recommended; absent, the space's own pool.
    pub candidates: Option<Vec<Architecture>>,
    /// Architectures that are not to be recommended.
    pub exclude: Vec<Architecture>,
    /// Past tasks to leave out of the history. The task itself among them leaves out its own trials.
    pub exclude_tasks: Vec<Name>,
    /// Orders architectures of which the same is expected.
    pub seed: u64,
    /// What counts beside the score.
    pub objectives: Objectives,
}

/// An answer: architectures, best first, and what the answer rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recommendation {
    /// The task.
    pub task: Name,
    /// The space.
    pub space: Name,
    /// The architectures, best first.
    pub ranked: Vec<RankedArchitecture>,
    /// The past tasks and their share in the answer, largest first.
    pub history: Vec<TaskShare>,
    /// How many candidates were ranked.
    pub candidates: usize,
    /// How many of the task's own trials were used.
    pub own_trials: usize,
    /// Where Pareto objectives are asked for: the candidates that no other beats in all that is expected, best score first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front: Option<Vec<FrontPoint>>,
    /// What the reader should know, in plain words.
    pub notes: Vec<String>,
}

/// A candidate on the expected Pareto front.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FrontPoint {
    /// The architecture.
    pub architecture: Architecture,
    /// Expected normalised score.
    pub mean: f64,
    /// Its standard deviation.
    pub std: f64,
    /// The share of the space that it is expected to beat.
    pub beats_frac: f64,
    /// Expected costs, by name, as in [`RankedArchitecture::expected_costs`].
    pub expected_costs: BTreeMap<Name, f64>,
    /// How far they may be off, as in [`RankedArchitecture::cost_std`].
    pub cost_std: BTreeMap<Name, f64>,
}

/// One recommended architecture.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RankedArchitecture {
    /// What to try.
    pub architecture: Architecture,
    /// Expected normalised score: standard normal quantile of the rank within the space.
    pub mean: f64,
    /// Its standard deviation.
    pub std: f64,
    /// The share of the space that it is expected to beat, from 0 to 1: the mean as a rank.
    pub beats_frac: f64,
    /// What it is expected to cost on this task, by name: what was measured, or the median of what the past expects.
    pub expected_costs: BTreeMap<Name, f64>,
    /// Half the width of the interval that holds a cost with 68 %, by name; 0 for one that is known.
    pub cost_std: BTreeMap<Name, f64>,
    /// The probability that it keeps to the constraints, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub feasible_frac: Option<f64>,
    /// Past trials that this rests on: of the same architecture, or else of the most similar ones.
    pub evidence: Vec<TrialId>,
    /// Where the evidence comes from, in plain words.
    pub why: String,
}

/// A past task and its share in an answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TaskShare {
    /// The past task.
    pub task: Name,
    /// Its architectures with a score in this space.
    pub architectures: usize,
    /// Its share, the shares of an answer sum to 1.
    pub share: f64,
}

/// Recommends from what a base holds, and keeps what it has fitted as long as it stays true.
pub struct Recommender {
    store: Arc<dyn KnowledgeStore>,
    histories: Mutex<HashMap<Name, Arc<SpaceHistory>>>,
    costs: Mutex<HashMap<Name, Arc<CostBook>>>,
}

impl Recommender {
    /// A recommender over a base.
    #[must_use]
    pub fn new(store: Arc<dyn KnowledgeStore>) -> Self {
        Recommender { store, histories: Mutex::default(), costs: Mutex::default() }
    }

    /// The base.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn KnowledgeStore> {
        &self.store
    }

    /// The history of a space as the base has it now.
    ///
    /// # Errors
    /// As [`SpaceHistory::load`].
    pub fn history(&self, space: &Name) -> Result<Arc<SpaceHistory>, SearchError> {
        // Held while loading: a second request for the same history waits instead of doing the work again.
        let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = histories.get(space);
        if let Some(known) = earlier
            && known.revision() == self.store.stats()?.revision
        {
            return Ok(Arc::clone(known));
        }
        let fresh = SpaceHistory::load(&*self.store, space, earlier.map(|known| &**known))?;
        let fresh = Arc::new(fresh);
        histories.insert(space.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }

    /// What past trials of a space cost, as the base has it now.
    ///
    /// # Errors
    /// As [`CostBook::load`].
    pub fn costs(&self, space: &Name) -> Result<Arc<CostBook>, SearchError> {
        let mut books = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = books.get(space);
        if let Some(known) = earlier
            && known.revision() == self.store.stats()?.revision
        {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(CostBook::load(&*self.store, space, earlier.map(|known| &**known))?);
        books.insert(space.clone(), Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Recommends architectures for a task.
    ///
    /// Architectures that the task has tried already are not recommended again, and their scores count. When it has
    /// tried *every* candidate there is nothing left to recommend; then the answer is the one a new task would get,
    /// from the other tasks alone, and a note says so.
    ///
    /// # Errors
    /// [`SearchError::UnknownTask`], [`SearchError::UnknownSpace`], [`SearchError::BadCandidate`],
    /// [`SearchError::NothingToPropose`], [`SearchError::UnknownCost`], [`SearchError::BadObjective`],
    /// [`SearchError::Infeasible`].
    pub fn recommend(&self, request: &RecommendationRequest) -> Result<Recommendation, SearchError> {
        let history = self.history(&request.space)?;
        let task = history.task(&request.task)?.clone();
        let pool = history.pool_of(request.candidates.as_deref())?;
        let past = history.past(&request.task, &request.exclude_tasks);
        let mut notes = Vec::new();
        let own = OwnTrials::of_task(&history, &request.task, &request.exclude_tasks, &pool, &mut notes);
        let excluded = history.canonical(&request.exclude)?;
        let open =
            open_candidates(&history, &pool, own.architectures().iter().chain(&excluded), request.seed);
        if open.is_empty() {
            return Err(SearchError::NothingToPropose { reason: "no candidate is left".into() });
        }
        if past.is_empty() && own.is_empty() {
            notes.push(
                "there is no history in this space: the order is arbitrary, nothing is known yet".into(),
            );
        }
        let views = pool.views.tasks(&past);
        let model = history.transfer(&task, &past);
        let seen = model.see(&views);
        let (expected, scored) = if own.is_empty() {
            (model.prior(&seen), Vec::new())
        } else {
            let (telling, scores) = own.telling();
            let tried = history.views(own.architectures())?.tasks(&past).select(&telling);
            let posterior = model.condition(&seen, &tried, &scores, &views.select(&[]))?;
            notes.extend(doubt(posterior.trust(), past.len()));
            (posterior.expect(&seen), own.scored(&telling, &posterior.scores()))
        };
        let prediction = expected.select(&open);
        let own_column = history.column(&request.task).filter(|_| !own.is_empty());
        let book = self.costs(&request.space)?;
        let target = GoalTarget::of(request);
        let ranking = if request.objectives.is_score_alone() {
            let portfolio =
                || model.portfolio(&seen, &open, request.seed).picks(&[], request.k.min(PORTFOLIO));
            let first = if own.is_empty() { portfolio() } else { Vec::new() };
            Ranking::by_score(&first, &open, &prediction, request.k)
        } else {
            let goals = Goals::new(Arc::clone(&book), &request.objectives, target.clone(), &pool)?;
            notes.extend(goals.notes());
            goals.rank(&open, &prediction, &scored, request.k)?
        };
        notes.extend(ranking.notes());
        let ranked = rank(&history, &past, own_column, &pool, &open, &prediction, &ranking);
        Ok(Recommendation {
            task: request.task.clone(),
            space: request.space.clone(),
            ranked: priced(ranked, &ranking, &book, &target, &pool, &open)?,
            front: ranking.front(&book, &target, &pool, &open, &prediction)?,
            history: shares(&history, &past, &expected, &views),
            candidates: open.len(),
            own_trials: own.len(),
            notes,
        })
    }
}

/// Positions in the pool that are not spent, in an order that the seed fixes.
fn open_candidates<'a>(
    history: &SpaceHistory,
    pool: &Pool,
    spent: impl Iterator<Item = &'a Architecture>,
    seed: u64,
) -> Vec<usize> {
    let encoder = history.table().encoder();
    let spent: HashSet<Vec<u64>> = spent.map(|architecture| encoder.key(architecture)).collect();
    let is_open = |at: &usize| spent.is_empty() || !spent.contains(&encoder.key(&pool.architectures[*at]));
    let mut open: Vec<usize> = (0..pool.architectures.len()).filter(is_open).collect();
    open.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
    open
}

/// First picks that are chosen together; beyond them, candidates follow by what is expected of each.
const PORTFOLIO: usize = 16;

/// A note when the task's own trials speak against the history.
fn doubt(trust: f64, past: usize) -> Option<String> {
    (past > 0 && trust < 0.3).then(|| {
        format!(
            "the task's own trials do not go with the past ones ({:.0} % trust in the history): the answer rests on its \
             own trials mostly",
            100.0 * trust
        )
    })
}

/// The open candidates in the order of the ranking, each with its evidence.
fn rank(
    history: &SpaceHistory,
    past: &[usize],
    own: Option<usize>,
    pool: &Pool,
    open: &[usize],
    prediction: &Prediction,
    ranking: &Ranking,
) -> Vec<RankedArchitecture> {
    let ranked = ranking.order.iter().map(|&at| {
        let architecture = &pool.architectures[open[at]];
        let evidence = evidence(history, past, own, architecture, pool.views.x.row(open[at]));
        RankedArchitecture {
            architecture: pool.shown[open[at]].clone(),
            mean: prediction.mean[at],
            std: prediction.std[at],
            beats_frac: percentile(prediction.mean[at]),
            expected_costs: BTreeMap::new(),
            cost_std: BTreeMap::new(),
            feasible_frac: ranking.feasible.as_ref().map(|feasible| feasible[at]),
            evidence: evidence.trials,
            why: evidence.why,
        }
    });
    ranked.collect()
}

/// With what they are expected to cost.
fn priced(
    mut ranked: Vec<RankedArchitecture>,
    ranking: &Ranking,
    book: &CostBook,
    target: &GoalTarget,
    pool: &Pool,
    open: &[usize],
) -> Result<Vec<RankedArchitecture>, SearchError> {
    let architectures: Vec<Architecture> =
        ranking.order.iter().map(|at| pool.architectures[open[*at]].clone()).collect();
    for (ranked, prices) in ranked.iter_mut().zip(Prices::of(book, target, &architectures)?) {
        (ranked.expected_costs, ranked.cost_std) = (prices.expected, prices.std);
    }
    Ok(ranked)
}

fn shares(history: &SpaceHistory, past: &[usize], prediction: &Prediction, views: &Views) -> Vec<TaskShare> {
    let shares = task_shares(prediction.mean.view(), views.by_task.view());
    let mut history: Vec<TaskShare> = past
        .iter()
        .zip(shares)
        .map(|(at, share)| {
            let scores = &history.table().tasks()[*at];
            TaskShare { task: scores.task.clone(), architectures: scores.rows.len(), share }
        })
        .collect();
    history.sort_by(|a, b| b.share.total_cmp(&a.share));
    history
}
