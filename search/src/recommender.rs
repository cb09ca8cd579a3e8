//! `Recommender`: which architectures a task should try.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::{Architecture, KnowledgeStore, Name, SearchSpace, Task};
use heirloom_predictor::{Prediction, Seen, TransferModel, Views, percentile, task_shares};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::evidence::evidence;
use crate::fidelity::{FidelityAdvice, SpaceCurves};
use crate::goals::{GoalTarget, Goals};
use crate::looks::{Looks, centre};
use crate::odd_cases::{doubt, few_candidates, poor_history, poor_trials, telling};
use crate::own_trials::OwnTrials;
use crate::pool::Pool;
use crate::prices::Prices;
use crate::ranking::Ranking;
use crate::recommendation::{RankedArchitecture, Recommendation, RecommendationRequest, TaskShare};
use crate::space_history::{SpaceHistory, find_space};
use crate::space_trials::space_trials;
use crate::spaces::any_network::is_any_network;

/// Recommends from what a base holds, and keeps what it has fitted as long as it stays true.
pub struct Recommender {
    store: Arc<dyn KnowledgeStore>,
    histories: Mutex<HashMap<Name, Arc<SpaceHistory>>>,
    books: Mutex<HashMap<Name, Books>>,
}

/// What past trials of a space have beside scores.
#[derive(Clone)]
struct Books {
    costs: Arc<CostBook>,
    curves: Arc<SpaceCurves>,
}

impl Recommender {
    /// A recommender over a base.
    #[must_use]
    pub fn new(store: Arc<dyn KnowledgeStore>) -> Self {
        Recommender { store, histories: Mutex::default(), books: Mutex::default() }
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
    /// [`SearchError::UnknownSpace`], or of the store.
    pub fn costs(&self, space: &Name) -> Result<Arc<CostBook>, SearchError> {
        Ok(self.books(&find_space(&*self.store, space)?)?.costs)
    }

    fn books(&self, space: &SearchSpace) -> Result<Books, SearchError> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = books.get(space.id());
        let revision = self.store.stats()?.revision;
        if let Some(known) = earlier
            && known.costs.revision() == revision
        {
            return Ok(known.clone());
        }
        // Read once for both: this is the slow part. What networks of one space cost, and how long they are to be trained, says
        // nothing of another's: for all of them together there are no books.
        let trials = if is_any_network(space) { Vec::new() } else { space_trials(&*self.store, space)? };
        let costs = CostBook::new(space, &trials, revision, earlier.map(|known| &*known.costs))?;
        let curves = SpaceCurves::new(&trials, &self.store.tasks()?);
        let fresh = Books { costs: Arc::new(costs), curves: Arc::new(curves) };
        books.insert(space.id().clone(), fresh.clone());
        Ok(fresh)
    }

    /// Recommends architectures for a task.
    ///
    /// Architectures that the task has tried already are not recommended again, and their scores count. When it has
    /// tried *every* candidate there is nothing left to recommend; then the answer is the one a new task would get,
    /// from the other tasks alone, and a note says so.
    ///
    /// # Errors
    /// [`SearchError::UnknownTask`], [`SearchError::BadTask`], [`SearchError::UnknownSpace`],
    /// [`SearchError::BadCandidate`], [`SearchError::NothingToPropose`], [`SearchError::UnknownCost`],
    /// [`SearchError::BadObjective`], [`SearchError::Infeasible`].
    pub fn recommend(&self, request: &RecommendationRequest) -> Result<Recommendation, SearchError> {
        let history = self.history(&request.space)?;
        let mut notes = Vec::new();
        let task = request.task.task(&history, &mut notes)?;
        if let Some(answer) = self.by_looks(&history, &task, request, &notes)? {
            return Ok(answer);
        }
        let past = history.past(&task.id, &request.exclude_tasks);
        self.rank_over(&history, past, &task, request, notes)
    }

    /// The answer that other spaces give for one without past tasks, see [`Looks`].
    pub(crate) fn by_looks(
        &self,
        home: &SpaceHistory,
        task: &Task,
        request: &RecommendationRequest,
        notes: &[String],
    ) -> Result<Option<Recommendation>, SearchError> {
        let Some(Looks { history, past, request: among, note }) = Looks::of(self, home, task, request)?
        else {
            return Ok(None);
        };
        let notes = notes.iter().cloned().chain([note]).collect();
        let answer = self.rank_over(&history, past, task, &among, notes)?;
        Ok(Some(Looks::answer(request, answer)))
    }

    /// The answer that the past tasks, columns of a history, give.
    fn rank_over(
        &self,
        history: &SpaceHistory,
        past: Vec<usize>,
        task: &Task,
        request: &RecommendationRequest,
        mut notes: Vec<String>,
    ) -> Result<Recommendation, SearchError> {
        let pool = history.pool_of(request.candidates.as_deref())?;
        let past = telling(history, past, &mut notes);
        let own = OwnTrials::of_task(history, &task.id, &request.exclude_tasks, &pool, &mut notes);
        let excluded = history.canonical(&request.exclude)?;
        let open = open_candidates(history, &pool, own.architectures().iter().chain(&excluded), request.seed);
        if open.is_empty() {
            return Err(SearchError::NothingToPropose { reason: "no candidate is left".into() });
        }
        notes.extend(poor_history(history, &past, &own, open.len()));
        notes.extend(few_candidates(open.len(), request.k));
        let views = pool.views.tasks(&past);
        let belief = believe(history, task, &past, &own, &views, &mut notes)?;
        let mut prediction = belief.expected.select(&open);
        if is_any_network(history.space()) {
            centre(&mut prediction);
        }
        let own_column = history.column(&task.id).filter(|_| !own.is_empty());
        let books = self.books(history.space())?;
        let (book, target) = (&books.costs, GoalTarget::of(request, &task.id));
        let ranking = if request.objectives.is_score_alone() {
            let first = belief.first_picks(&open, request);
            Ranking::by_score(&first, &open, &prediction, request.k)
        } else {
            let goals = Goals::new(Arc::clone(book), &request.objectives, target.clone(), &pool)?;
            notes.extend(goals.notes());
            goals.rank(&open, &prediction, &belief.scored, request.k)?
        };
        notes.extend(ranking.notes());
        let ranked = rank(history, &past, own_column, &pool, &open, &prediction, &ranking);
        Ok(Recommendation {
            space: request.space.clone(),
            ranked: priced(ranked, &ranking, book, &target, &pool, &open)?,
            front: ranking.front(book, &target, &pool, &open, &prediction)?,
            history: shares(history, &past, &belief.expected, &views),
            candidates: open.len(),
            own_trials: own.len(),
            trust: belief.trust,
            fidelity: books.advice(task, &request.exclude_tasks),
            notes,
            task: task.id.clone(),
        })
    }
}

impl Books {
    /// From the curves of other tasks.
    fn advice(&self, task: &Task, exclude: &[Name]) -> Option<FidelityAdvice> {
        let exclude: Vec<Name> = exclude.iter().chain([&task.id]).cloned().collect();
        self.curves.advice(&task.metric, &exclude)
    }
}

/// What is expected of the pool.
struct Belief {
    model: TransferModel,
    seen: Seen,
    expected: Prediction,
    /// The task's own trials that count, with their normalised scores.
    scored: Vec<(Architecture, f64)>,
    has_trials: bool,
    /// In the history, where there are both own trials and past tasks.
    trust: Option<f64>,
}

/// What the past tasks and the task's own trials let expect; `views` are the pool's, by the past tasks.
fn believe(
    history: &SpaceHistory,
    task: &Task,
    past: &[usize],
    own: &OwnTrials,
    views: &Views,
    notes: &mut Vec<String>,
) -> Result<Belief, SearchError> {
    let model = history.transfer(task, past);
    let seen = model.see(views);
    if own.is_empty() {
        let expected = model.prior(&seen);
        return Ok(Belief { model, seen, expected, scored: Vec::new(), has_trials: false, trust: None });
    }
    let (telling, scores) = own.telling();
    let tried = history.views(own.architectures())?.tasks(past).select(&telling);
    let posterior = model.condition(&seen, &tried, &scores, &views.select(&[]))?;
    let trust = (!past.is_empty()).then(|| posterior.trust());
    notes.extend(poor_trials(&scores));
    notes.extend(trust.and_then(|trust| doubt(trust, posterior.reversed())));
    let (expected, scored) = (posterior.expect(&seen), own.scored(&telling, &posterior.scores()));
    Ok(Belief { model, seen, expected, scored, has_trials: true, trust })
}

impl Belief {
    /// Positions in the pool of the first picks, chosen together; none once the task has trials.
    fn first_picks(&self, open: &[usize], request: &RecommendationRequest) -> Vec<usize> {
        if self.has_trials {
            return Vec::new();
        }
        self.model.portfolio(&self.seen, open, request.seed).picks(&[], request.k.min(PORTFOLIO))
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
