//! `Recommender`: which architectures a task should try.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::{KnowledgeStore, Name, SearchSpace, Task};
use heirloom_predictor::{Prediction, task_shares};
use ndarray::Axis;

use crate::SearchError;
use crate::books::Books;
use crate::cost_book::CostBook;
use crate::goals::{GoalTarget, Goals};
use crate::looks::{Looks, centre};
use crate::odd_cases::{
    beyond_bounds, data_unlike_all, doubt, few_candidates, idle_description, notes_on_tasks, other_measure,
    outlying_past, outlying_trial, partial_trials, poor_history, poor_trials, telling, unmet_device,
};
use crate::own_trials::OwnTrials;
use crate::pool::Pool;
use crate::ranking::Ranking;
use crate::recommendation::{Recommendation, RecommendationRequest, TaskShare};
use crate::shortlist::Shortlist;
use crate::space_history::{SpaceHistory, find_space};
use crate::spaces::any_network::is_any_network;
use crate::strategies::{Belief, SurrogateStrategy};
use crate::suited::check_domain;

/// Recommends from what a base holds, and keeps what it has fitted as long as it stays true.
pub struct Recommender {
    store: Arc<dyn KnowledgeStore>,
    histories: Mutex<HashMap<Name, Arc<SpaceHistory>>>,
    books: Mutex<HashMap<Name, Books>>,
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
        if let Some(known) = earlier
            && known.revision() == self.store.stats()?.revision
        {
            return Ok(known.clone());
        }
        let fresh = Books::load(&*self.store, space, earlier)?;
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
    /// [`SearchError::UnknownTask`], [`SearchError::BadTask`], [`SearchError::WrongDomain`], [`SearchError::UnknownSpace`],
    /// [`SearchError::BadCandidate`], [`SearchError::NothingToPropose`], [`SearchError::UnknownCost`],
    /// [`SearchError::BadObjective`], [`SearchError::Infeasible`].
    pub fn recommend(&self, request: &RecommendationRequest) -> Result<Recommendation, SearchError> {
        let history = self.history(&request.space)?;
        let mut notes = Vec::new();
        let task = request.task.task(&history, &mut notes)?;
        check_domain(&history, &task)?;
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
        history: &Arc<SpaceHistory>,
        past: Vec<usize>,
        task: &Task,
        request: &RecommendationRequest,
        mut notes: Vec<String>,
    ) -> Result<Recommendation, SearchError> {
        let pool = history.pool_of(request.candidates.as_deref())?;
        notes.extend(notes_on_tasks(history, &request.exclude_tasks));
        let own = OwnTrials::of_task(history, &task.id, &request.exclude_tasks, &pool, &mut notes);
        let past = telling(history, past, &own, &mut notes);
        let (own_trials, own_scores) = (own.len(), own.scores_of(&own.telling()));
        let own_column = history.column(&task.id).filter(|_| own_trials > 0);
        let (space, seed) = (Arc::clone(history), request.seed);
        let mut strategy = SurrogateStrategy::new(space, task, past, Arc::clone(&pool), own, seed)?;
        let past = strategy.past().to_vec();
        strategy.leave_out(&history.canonical(&request.exclude)?);
        let open = strategy.open().to_vec();
        if open.is_empty() {
            return Err(SearchError::NothingToPropose { reason: "no candidate is left".into() });
        }
        notes.extend(poor_history(history, &task.id, &past, own_trials, open.len()));
        notes.extend(other_measure(history, task, &past));
        notes.extend(few_candidates(open.len(), request.k));
        notes.extend(poor_trials(&own_scores));
        notes.extend(outlying_trial(&own_scores, task.goal));
        notes.extend(outlying_past(history, &past));
        notes.extend(data_unlike_all(history, task, &past));
        notes.extend(match own_trials {
            0 => idle_description(history, task, &past, &pool),
            _ => partial_trials(history, task),
        });
        let Belief { expected, scored, trust, reversed, .. } = strategy.belief()?;
        let past_correlation = strategy.past_correlation();
        notes.extend(trust.and_then(|trust| doubt(trust, reversed, past_correlation)));
        let books = self.books(history.space())?;
        let (book, objectives) = (&books.costs, &request.objectives);
        let target = GoalTarget::of(history, book, task, objectives, &request.exclude_tasks);
        notes.extend(unmet_device(objectives, book));
        let goals = || Goals::new(Arc::clone(book), objectives, target.clone(), &pool);
        let goals = (!objectives.is_score_alone()).then(goals).transpose()?;
        notes.extend(goals.iter().flat_map(Goals::notes));
        let picks = match picks_together(history, own_trials) {
            true => strategy.picks_for(goals.as_ref(), request.k.min(TOGETHER))?,
            false => Vec::new(),
        };
        let mut prediction = expected.select(&open);
        if is_any_network(history.space()) {
            centre(&mut prediction);
        }
        let candidates = open.len();
        let shares = shares(history, &past, &expected, &pool);
        let list = Shortlist::new(history, pool, open, prediction, picks)?;
        let ranking = match &goals {
            None => Ranking::by_score(&list, request.k),
            Some(goals) => {
                // None has to follow where enough were picked, and to choose them beside each other takes long.
                let ranked = if list.first.len() < request.k { request.k } else { 0 };
                goals.rank(&list.open, &list.prediction, &scored, ranked)?.after_first(&list, request.k)
            }
        };
        let ranked = list.ranked(history, &past, own_column, &ranking, (book, &target))?;
        notes.extend(ranking.notes().or_else(|| beyond_bounds(&ranked, &request.objectives)));
        Ok(Recommendation {
            space: request.space.clone(),
            ranked,
            front: ranking.front(book, &target, &list)?,
            history: shares,
            candidates,
            own_trials,
            trust,
            past_correlation,
            fidelity: books.advice(task, &request.exclude_tasks),
            notes,
            task: task.id.clone(),
        })
    }
}

/// Architectures that are chosen to be tried one after another, as a study does; beyond them, candidates follow by what is expected
/// of each.
const TOGETHER: usize = 16;

/// Whether the first architectures are chosen as a study chooses them. A task's trials in other spaces have no place on the scale of this
/// one, so that nothing is known of an improvement over them; beside one alone there are first picks still.
fn picks_together(history: &SpaceHistory, own_trials: usize) -> bool {
    !(is_any_network(history.space()) && own_trials > 1)
}

fn shares(history: &SpaceHistory, past: &[usize], prediction: &Prediction, pool: &Pool) -> Vec<TaskShare> {
    let shares = task_shares(prediction.mean.view(), pool.views.by_task.select(Axis(1), past).view());
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
