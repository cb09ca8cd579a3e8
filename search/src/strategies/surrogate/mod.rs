//! Expected improvement under the transfer model.

mod belief;
mod first_picks;
mod improvement;
mod met;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use heirloom_kb::{Architecture, Name, Task};
use heirloom_predictor::{Acquisition, Portfolio, Posterior, Prediction, Seen, TransferModel, Views};

use super::candidates::Candidates;
use super::{Proposal, Strategy, exhausted};
use crate::SearchError;
use crate::goals::Goals;
use crate::own_trials::OwnTrials;
use crate::past_columns::PastColumns;
use crate::pool::Pool;
use crate::prior_scores::Opinion;
use crate::space_history::SpaceHistory;
use crate::spaces;
pub(crate) use belief::Belief;
use met::Met;

/// So many of what is under way count as having scored what was expected of them.
const UNDER_WAY: usize = 64;

/// Proposes what promises the largest expected improvement under the transfer model, or what another [`Acquisition`] is for.
/// While next to nothing has been told, the proposals are a portfolio: chosen together to have the best of them do well whichever past
/// task the new one is like. What is proposed and not yet told counts as having scored what was expected of it (the "kriging believer"), so that a
/// batch spreads.
///
/// *Source*: Ginsbourger, Le Riche, Carraro, "Kriging is well-suited to parallelize optimization", 2010, section 3.2.
pub struct SurrogateStrategy {
    history: Arc<SpaceHistory>,
    task: Task,
    columns: PastColumns,
    /// The past tasks that count at present.
    past: Vec<usize>,
    model: TransferModel,
    candidates: Candidates,
    /// The pool as the model sees it.
    seen: Seen,
    own: OwnTrials,
    /// The own trials that a posterior is conditioned on: positions, and as the past tasks see them.
    telling: Vec<usize>,
    own_views: Views,
    /// Own trials that parameters are weighed by.
    attuned: usize,
    /// Proposed and not yet told: canonical form, and position where it is in the pool.
    pending: Vec<(Architecture, Option<usize>)>,
    /// Chosen together, and still to be proposed.
    ready: VecDeque<Pick>,
    /// What is known before any trial: the last of the past tasks for the model.
    opinion: Option<Opinion>,
    /// Positions to try first, see [`Strategy::start_with`].
    first: Vec<usize>,
    /// Made when first picks are asked for, beside what was tried and under way by then.
    portfolio: Option<Portfolio>,
    /// What local search has met since the last trial was told.
    met: Met,
    /// What counts beside the score.
    goals: Option<Goals>,
    acquisition: Acquisition,
    seed: u64,
}

impl SurrogateStrategy {
    /// A strategy over a pool, for a task with these past tasks, and which has tried `own`.
    pub(crate) fn new(
        history: Arc<SpaceHistory>,
        task: &Task,
        columns: PastColumns,
        pool: Arc<Pool>,
        own: OwnTrials,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let past = columns.counting(&history, &own);
        let candidates = Candidates::of(&history, pool, &own, seed);
        let views_of = |some: &[Architecture]| Ok::<_, SearchError>(history.views(some)?.tasks(&past));
        let attuned = TransferModel::attuning(own.len());
        let model = attuned_to(&history.transfer(task, &past), &own, attuned, views_of)?;
        let views = candidates.pool().views.tasks(&past);
        let telling = own.telling();
        Ok(SurrogateStrategy {
            seen: model.see(&views),
            own_views: views_of(&own.select(&telling))?,
            telling,
            attuned,
            model,
            candidates,
            own,
            pending: Vec::new(),
            ready: VecDeque::new(),
            opinion: None,
            first: Vec::new(),
            portfolio: None,
            met: Met::default(),
            goals: None,
            acquisition: Acquisition::default(),
            history,
            task: task.clone(),
            columns,
            past,
            seed,
        })
    }

    /// Takes canonical architectures out that are not to be proposed.
    pub(crate) fn leave_out(&mut self, excluded: &[Architecture]) {
        self.ready.clear();
        self.candidates.leave_out(excluded);
    }

    /// Positions in the pool of what may be proposed, in an order that the seed fixes.
    pub(crate) fn open(&self) -> &[usize] {
        self.candidates.open()
    }

    /// Up to `n` picks, one after another, which become pending; fewer when the pool runs out.
    pub(crate) fn picks(&mut self, n: usize) -> Result<Vec<Pick>, SearchError> {
        (0..n.min(self.open().len())).map(|_| self.next_pick()).collect()
    }

    /// The same where more than the score counts; fewer when no further one can keep to the constraints.
    pub(crate) fn picks_for(&mut self, goals: Option<&Goals>, n: usize) -> Result<Vec<Pick>, SearchError> {
        let Some(goals) = goals else { return self.picks(n) };
        let mut picks = Vec::new();
        while picks.len() < n && !self.open().is_empty() {
            match self.aimed(goals) {
                Err(SearchError::Infeasible { .. }) if !picks.is_empty() => break,
                pick => picks.push(self.taken(pick?)),
            }
        }
        Ok(picks)
    }

    fn next_pick(&mut self) -> Result<Pick, SearchError> {
        let pick = match &self.goals {
            Some(goals) => self.aimed(goals)?,
            None if self.is_starting() => self.first_pick()?,
            None => self.improving_pick()?,
        };
        Ok(self.taken(pick))
    }

    /// A pick, which is pending from now on.
    fn taken(&mut self, pick: Pick) -> Pick {
        self.candidates.take(&pick.canonical);
        self.pending.push((pick.canonical.clone(), pick.position));
        pick
    }

    /// A pick in the form that it is proposed in.
    fn proposal(&self, pick: Pick) -> Proposal {
        let shown = pick.position.map(|position| self.candidates.pool().shown[position].clone());
        let architecture = shown.unwrap_or(pick.canonical);
        Proposal { architecture, mean: Some(pick.mean), std: Some(pick.std), why: pick.why }
    }

    /// A position, and what is expected of it alone.
    fn pick(&self, position: usize, expected: &Prediction, why: String) -> Pick {
        let canonical = self.candidates.pool().architectures[position].clone();
        Pick { canonical, position: Some(position), mean: expected.mean[0], std: expected.std[0], why }
    }

    fn views_of(&self, architectures: &[Architecture]) -> Result<Views, SearchError> {
        Ok(self.with_opinion(architectures, self.history.views(architectures)?.tasks(&self.past)))
    }

    /// Past tasks' views of architectures, and the opinion of them if there is one.
    fn with_opinion(&self, architectures: &[Architecture], views: Views) -> Views {
        match &self.opinion {
            Some(opinion) => {
                views.and_opinion(opinion.expects(architectures, self.candidates.encoder()).view())
            }
            None => views,
        }
    }

    /// Looks at the own trials that are told by now.
    fn see_own(&mut self) -> Result<(), SearchError> {
        let telling = self.own.telling();
        let more = telling.strip_prefix(&self.telling[..]).map(|more| self.own.select(more));
        self.own_views = match more {
            Some(more) => self.own_views.joined(&self.views_of(&more)?),
            None => self.views_of(&self.own.select(&telling))?,
        };
        self.telling = telling;
        Ok(())
    }

    fn posterior(&self) -> Result<Posterior, SearchError> {
        let scores = self.own.scores_of(&self.telling);
        Ok(self.model.condition(&self.seen, &self.own_views, &scores, &self.pending_views()?)?)
    }

    /// The past tasks that count at present.
    pub(crate) fn past(&self) -> &[usize] {
        &self.past
    }

    /// Learns anew from these past tasks, and the opinion if there is one.
    fn turn_to(&mut self, past: Vec<usize>) -> Result<(), SearchError> {
        self.ready.clear();
        self.met = Met::default();
        self.past = past;
        self.model = self.history.transfer(&self.task, &self.past);
        self.own_views = self.views_of(&self.own.select(&self.telling))?;
        let views = self.pool_views();
        if let Some(opinion) = &self.opinion {
            self.model = self.model.clone().with_opinion(&views, opinion.foretells());
        }
        self.portfolio = None;
        self.attune_to(TransferModel::attuning(self.own.len()))?;
        self.seen = self.model.see(&views);
        Ok(())
    }

    /// Weighs parameters by the own trials, if there are enough more of them than the last time.
    fn attune(&mut self) -> Result<(), SearchError> {
        let n = TransferModel::attuning(self.own.len());
        if n != self.attuned {
            self.attune_to(n)?;
            self.seen = self.model.see(&self.pool_views());
        }
        Ok(())
    }

    /// Weighs parameters by the first own trials. The pool is to be seen anew.
    fn attune_to(&mut self, trials: usize) -> Result<(), SearchError> {
        self.model = attuned_to(&self.model, &self.own, trials, |some| self.views_of(some))?;
        self.attuned = trials;
        Ok(())
    }

    /// The pool as the past tasks see it.
    fn pool_views(&self) -> Views {
        let pool = self.candidates.pool();
        self.with_opinion(&pool.architectures, pool.views.tasks(&self.past))
    }

    /// What is under way and counts, as the past tasks see it.
    fn pending_views(&self) -> Result<Views, SearchError> {
        let counting: Vec<Architecture> =
            self.pending_counting().map(|(pending, _)| pending.clone()).collect();
        self.views_of(&counting)
    }

    /// The last of what is under way: each costs as much as a trial, and of hundreds a few more change nothing.
    fn pending_counting(&self) -> impl Iterator<Item = &(Architecture, Option<usize>)> {
        self.pending.iter().skip(self.pending.len().saturating_sub(UNDER_WAY))
    }
}

/// What is to be tried next.
pub(crate) struct Pick {
    pub(crate) canonical: Architecture,
    /// Where it is in the pool; nothing for one that was found beyond a sampled pool.
    pub(crate) position: Option<usize>,
    /// Expected normalised score.
    pub(crate) mean: f64,
    pub(crate) std: f64,
    /// In plain words.
    pub(crate) why: String,
}

/// A model whose parameters are weighed by so many of the own trials, the first.
fn attuned_to(
    model: &TransferModel,
    own: &OwnTrials,
    trials: usize,
    views_of: impl FnOnce(&[Architecture]) -> Result<Views, SearchError>,
) -> Result<TransferModel, SearchError> {
    let first: Vec<usize> = (0..trials).collect();
    Ok(model.attuned(&views_of(&own.select(&first))?, &own.scores_of(&first))?)
}

/// Refuses an acquisition of no meaning.
fn fits(acquisition: Acquisition, has_goals: bool) -> Result<(), SearchError> {
    let reason = match acquisition {
        Acquisition::UpperConfidenceBound { beta } if !(beta.is_finite() && beta >= 0.0) => {
            format!("beta is {beta}, it must be a finite number of 0 or more")
        }
        Acquisition::UpperConfidenceBound { .. } | Acquisition::Thompson if has_goals => {
            let name = acquisition.as_str();
            format!("{name:?} knows the score alone; with constraints or costs leave it out, or take \"ei\"")
        }
        _ => return Ok(()),
    };
    Err(SearchError::BadAcquisition { reason })
}

impl Strategy for SurrogateStrategy {
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError> {
        let picks = self.picks(n)?;
        if picks.is_empty() {
            let pool = self.candidates.pool().architectures.len();
            return Err(exhausted(self.history.space().id(), pool));
        }
        Ok(picks.into_iter().map(|pick| self.proposal(pick)).collect())
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        self.ready.clear();
        let canonical = self.candidates.spend_checked(architecture)?;
        let position = self.candidates.position(&canonical);
        self.pending.push((canonical, position));
        Ok(())
    }

    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError> {
        self.ready.clear();
        let canonical = self.candidates.spend_architecture(architecture);
        let under_way = self.pending.iter().filter_map(|(_, at)| *at);
        let found = self.candidates.twins_among(&canonical, under_way);
        let is_told = |(pending, at): &(Architecture, Option<usize>)| {
            *pending == canonical || at.is_some_and(|at| found.contains(&at))
        };
        self.pending.retain(|pending| !is_told(pending));
        self.own.push(canonical, score);
        self.met = Met::default();
        self.see_own()?;
        self.portfolio = None;
        let past = self.columns.counting(&self.history, &self.own);
        if past == self.past { self.attune() } else { self.turn_to(past) }
    }

    fn aim(&mut self, goals: Goals) -> Result<(), SearchError> {
        fits(self.acquisition, true)?;
        self.goals = Some(goals);
        Ok(())
    }

    fn heed(&mut self, opinion: Opinion) -> Result<(), SearchError> {
        self.opinion = Some(opinion);
        self.turn_to(self.past.clone())
    }

    fn start_with(&mut self, first: &[Architecture]) {
        self.first = first.iter().filter_map(|one| self.candidates.position(one)).collect();
    }

    fn acquire(&mut self, acquisition: Acquisition) -> Result<(), SearchError> {
        fits(acquisition, self.goals.is_some())?;
        self.ready.clear();
        self.acquisition = acquisition;
        Ok(())
    }

    fn tell_costs(
        &mut self,
        architecture: &Architecture,
        costs: &BTreeMap<Name, f64>,
    ) -> Result<(), SearchError> {
        let Some(goals) = &mut self.goals else { return Ok(()) };
        goals.learn(&spaces::canonical(self.history.space().id(), architecture), costs)
    }
}

#[cfg(test)]
mod tests;
