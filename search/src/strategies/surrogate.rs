//! Expected improvement under the transfer model.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use heirloom_kb::{Architecture, Name, Task};
use heirloom_predictor::{Acquisition, Portfolio, Posterior, Prediction, Seen, TransferModel, Views};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::candidates::Candidates;
use super::{Proposal, Strategy, exhausted};
use crate::SearchError;
use crate::goals::Goals;
use crate::maximiser::{LocalSearch, maximise};
use crate::own_trials::OwnTrials;
use crate::prior_scores::Opinion;
use crate::space_history::SpaceHistory;
use crate::spaces;

/// Trials that tell something. One alone does not: a task's median and unit are not known before, so its score has no place on
/// the normalised scale, and an improvement over it would be one over what was expected of it. The second pick is therefore the
/// portfolio's too.
const TELLING: usize = 2;

/// First picks that are spread over the pool where there is no past, or none that holds: before that, the largest expected
/// improvement is that of the largest variance, at the edges of the space.
const SPREAD: usize = 4;

/// Proposes what promises the largest expected improvement under the transfer model, or what another [`Acquisition`] is for.
/// While next to nothing has been told, the proposals are a portfolio: chosen together to have the best of them do well whichever past
/// task the new one is like. What is proposed and not yet told counts as having scored what was expected of it (the "kriging believer"), so that a
/// batch spreads.
///
/// *Source*: Ginsbourger, Le Riche, Carraro, "Kriging is well-suited to parallelize optimization", 2010, section 3.2.
pub struct SurrogateStrategy {
    history: Arc<SpaceHistory>,
    past: Vec<usize>,
    model: TransferModel,
    candidates: Candidates,
    /// The pool as the model sees it.
    seen: Seen,
    own: OwnTrials,
    /// Own trials as the past tasks see them.
    own_views: Views,
    /// Proposed and not yet told: canonical form, and position where it is in the pool.
    pending: Vec<(Architecture, Option<usize>)>,
    /// What is known before any trial: the last of the past tasks for the model.
    opinion: Option<Opinion>,
    /// Positions to try first, see [`Strategy::start_with`].
    first: Vec<usize>,
    /// Made when first picks are asked for.
    portfolio: Option<Portfolio>,
    /// What counts beside the score.
    goals: Option<Goals>,
    acquisition: Acquisition,
    seed: u64,
}

impl SurrogateStrategy {
    /// A strategy over candidates, for a task whose past tasks are the columns `past`, and which has tried `own`.
    pub(super) fn new(
        history: Arc<SpaceHistory>,
        task: &Task,
        past: Vec<usize>,
        candidates: Candidates,
        own: OwnTrials,
        seed: u64,
    ) -> Result<Self, SearchError> {
        let model = history.transfer(task, &past);
        let views = candidates.pool().views.tasks(&past);
        Ok(SurrogateStrategy {
            seen: model.see(&views),
            own_views: history.views(own.architectures())?.tasks(&past),
            model,
            candidates,
            own,
            pending: Vec::new(),
            opinion: None,
            first: Vec::new(),
            portfolio: None,
            goals: None,
            acquisition: Acquisition::default(),
            history,
            past,
            seed,
        })
    }

    /// The next proposal, which becomes pending.
    fn propose(&mut self) -> Result<Proposal, SearchError> {
        let pick = match &self.goals {
            Some(goals) => self.aimed(goals)?,
            None if self.is_starting() => self.first_pick(),
            None => self.improve()?,
        };
        let architecture = self.candidates.take(&pick.canonical);
        self.pending.push((pick.canonical, pick.position));
        Ok(Proposal { architecture, mean: Some(pick.mean), std: Some(pick.std), why: pick.why })
    }

    /// A position, and what is expected of it alone.
    fn pick(&self, position: usize, expected: &Prediction, why: String) -> Pick {
        let canonical = self.candidates.pool().architectures[position].clone();
        Pick { canonical, position: Some(position), mean: expected.mean[0], std: expected.std[0], why }
    }

    /// Whether trials are too few to say where to look: fewer than [`TELLING`] after a past, up to [`SPREAD`] without one.
    fn is_starting(&self) -> bool {
        self.own.len() < TELLING || self.knows_nothing() && self.own.len() + self.pending.len() < SPREAD
    }

    /// Whether there is neither a past nor an opinion to go by.
    fn knows_nothing(&self) -> bool {
        self.past.is_empty() && self.opinion.is_none()
    }

    /// The next of the portfolio; past its end, what is expected to score best.
    fn first_pick(&mut self) -> Pick {
        let (model, seen, open) = (&self.model, &self.seen, self.candidates.open());
        let portfolio = self.portfolio.get_or_insert_with(|| model.portfolio(seen, open, self.seed));
        let tried = self.own.architectures().iter().filter_map(|own| self.candidates.position(own));
        let chosen: Vec<usize> =
            self.pending.iter().filter_map(|(_, position)| *position).chain(tried).collect();
        let prior = model.prior(seen);
        if let Some(position) = self.first.iter().copied().find(|first| !chosen.contains(first)) {
            let expected = prior.select(&[position]);
            return self.pick(position, &expected, "its like does well in other spaces".to_owned());
        }
        let pick = portfolio.picks(&chosen, 1).first().copied();
        let why = match (pick, chosen.len()) {
            (Some(_), 0) if self.knows_nothing() => {
                "the most central candidate; there is no past to go by".to_owned()
            }
            (Some(_), n) if self.knows_nothing() => {
                format!("least is told of its like by the {n} picked before")
            }
            (Some(_), 0) => format!("the surest good start by {}", self.sources()),
            (Some(_), n) => format!("adds most to the {n} proposed before, by {}", self.sources()),
            (None, _) => "highest expected score of the candidates left".to_owned(),
        };
        let best = || open.iter().copied().reduce(|a, b| if prior.mean[b] > prior.mean[a] { b } else { a });
        let position = pick.or_else(best).expect("the caller saw that candidates are open");
        self.pick(position, &prior.select(&[position]), why)
    }

    /// What there is to go by before trials.
    fn sources(&self) -> String {
        match &self.opinion {
            Some(opinion) if self.past.is_empty() => format!("the scores by {}", opinion.by()),
            Some(opinion) => format!("the past and the scores by {}", opinion.by()),
            None => "the past".to_owned(),
        }
    }

    /// What the acquisition is for most, usually the largest expected improvement: of the pool and, where that is a sample of the space, of what local search finds
    /// beyond it.
    fn improve(&self) -> Result<Pick, SearchError> {
        let posterior = self.posterior()?;
        if let Some(position) = self.spread_pick(&posterior)? {
            let expected = posterior.expect(&self.seen.select(&[position]));
            let (trust, past) = (100.0 * posterior.trust(), self.sources());
            let why = format!("least is told of its like by what was tried; {trust:.0} % trust in {past}");
            return Ok(self.pick(position, &expected, why));
        }
        let draw = self.draw_seed();
        let ranked = posterior.ranked(&self.seen, self.candidates.open(), self.acquisition, draw);
        let (trust, reversed) = (posterior.trust(), posterior.reversed());
        let past = if reversed > trust {
            format!("{:.0} % that what was known before is the wrong way round", 100.0 * reversed)
        } else {
            format!("{:.0} % trust in {}", 100.0 * trust, self.sources())
        };
        let why = |worth: f64| format!("{}; {past}", self.reason(worth));
        let (position, gain) = ranked[0];
        if !self.candidates.is_closed()
            && let Some((canonical, gain)) =
                self.beyond(&posterior, &ranked)?.filter(|(_, found)| *found > gain)
        {
            let seen = self.seen.also(&self.views_of(std::slice::from_ref(&canonical))?);
            let expected = posterior.expect(&seen);
            let (mean, std) = (expected.mean[0], expected.std[0]);
            return Ok(Pick { canonical, position: None, mean, std, why: why(gain) });
        }
        let expected = posterior.expect(&self.seen.select(&[position]));
        Ok(self.pick(position, &expected, why(gain)))
    }

    /// Where to look for improvement while the trials are few and the past most likely says nothing, neither as it stands nor
    /// the wrong way round.
    fn spread_pick(&self, posterior: &Posterior) -> Result<Option<usize>, SearchError> {
        let few = self.own.len() + self.pending.len() < SPREAD;
        let by_gain = self.acquisition == Acquisition::ExpectedImprovement;
        if !few || !by_gain || posterior.trust().max(posterior.reversed()) >= 0.5 {
            return Ok(None);
        }
        let tried = self.own_views.joined(&self.views_of(&self.pending_architectures())?);
        let spread = self.model.spread(&self.seen, &tried, self.candidates.open(), self.seed);
        Ok(spread.picks(&[], 1).first().copied())
    }

    /// The best that local search finds outside the pool, from the best inside it and the best tried.
    fn beyond(
        &self,
        posterior: &Posterior,
        ranked: &[(usize, f64)],
    ) -> Result<Option<(Architecture, f64)>, SearchError> {
        let encoder = self.candidates.encoder();
        let pool = self.candidates.pool();
        let mut starts: Vec<Architecture> =
            ranked.iter().take(STARTS).map(|(at, _)| pool.architectures[*at].clone()).collect();
        let tried = self.own.best_last();
        starts.extend(tried.iter().rev().take(STARTS).map(|(architecture, _)| architecture.clone()));
        let pending = self.pending.iter().map(|(architecture, _)| architecture);
        let taken: HashSet<Vec<u64>> =
            self.own.architectures().iter().chain(pending).map(|taken| encoder.key(taken)).collect();
        let draw = self.draw_seed();
        let mut score = |architectures: &[Architecture]| {
            let seen = self.seen.also(&self.views_of(architectures)?);
            Ok(posterior.worth(&seen, self.acquisition, draw))
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ self.own.len() as u64);
        let effort = LocalSearch { climbs: 2 * STARTS, rounds: 8, neighbours: 32, step: 0.1, wanted: 1 };
        let found = maximise(encoder.space(), &starts, &taken, encoder, &mut score, effort, &mut rng)?;
        Ok(found.into_iter().next())
    }

    /// Another for each trial, told or under way, so that a batch is of different functions.
    fn draw_seed(&self) -> u64 {
        let n = (self.own.len() + self.pending.len()) as u64;
        self.seed ^ n.wrapping_mul(DRAW_STREAM)
    }

    fn reason(&self, worth: f64) -> String {
        match self.acquisition {
            Acquisition::ExpectedImprovement => {
                format!("highest expected improvement: {worth:.4} in the metric")
            }
            Acquisition::UpperConfidenceBound { beta } => {
                format!("highest mean plus {beta} deviations: {worth:.3} normalised")
            }
            Acquisition::Thompson => {
                format!("best of a function drawn from what is believed: {worth:.3} normalised")
            }
        }
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

    /// What promises most where more than the score counts.
    fn aimed(&self, goals: &Goals) -> Result<Pick, SearchError> {
        let open = self.candidates.open();
        let (expected, mut tried, believed) = if self.own.is_empty() {
            let prior = self.model.prior(&self.seen);
            let pending = self.pending.iter().filter_map(|(_, position)| *position);
            let believed = pending.map(|position| prior.mean[position]).collect();
            (prior, Vec::new(), believed)
        } else {
            let posterior = self.posterior()?;
            let (telling, _) = self.own.telling();
            let mut z = posterior.scores();
            let believed: Vec<f64> = z.split_off(telling.len());
            (posterior.expect(&self.seen), self.own.scored(&telling, &z), believed)
        };
        tried.extend(self.pending.iter().map(|(pending, _)| pending.clone()).zip(believed));
        let prediction = expected.select(open);
        let (at, why) = goals.choose(open, &prediction, &tried)?;
        Ok(self.pick(open[at], &expected.select(&[open[at]]), why))
    }

    fn posterior(&self) -> Result<Posterior, SearchError> {
        let (telling, scores) = self.own.telling();
        let pending = self.views_of(&self.pending_architectures())?;
        let own = self.own_views.select(&telling);
        Ok(self.model.condition(&self.seen, &own, &scores, &pending)?)
    }

    fn pending_architectures(&self) -> Vec<Architecture> {
        self.pending.iter().map(|(pending, _)| pending.clone()).collect()
    }
}

/// What is to be proposed.
struct Pick {
    canonical: Architecture,
    /// Where it is in the pool.
    position: Option<usize>,
    mean: f64,
    std: f64,
    why: String,
}

/// Keeps drawn functions apart.
const DRAW_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// Starting points of a local search, of the pool and of the trials each.
const STARTS: usize = 6;

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
        let n = n.min(self.candidates.open().len());
        if n == 0 {
            let pool = self.candidates.pool().architectures.len();
            return Err(exhausted(self.history.space().id(), pool));
        }
        (0..n).map(|_| self.propose()).collect()
    }

    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError> {
        let canonical = self.candidates.spend_checked(architecture)?;
        let position = self.candidates.position(&canonical);
        self.pending.push((canonical, position));
        Ok(())
    }

    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError> {
        let canonical = self.candidates.spend_architecture(architecture);
        self.pending.retain(|(pending, _)| *pending != canonical);
        let view = self.views_of(std::slice::from_ref(&canonical))?;
        self.own_views = self.own_views.joined(&view);
        self.own.push(canonical, score);
        Ok(())
    }

    fn aim(&mut self, goals: Goals) -> Result<(), SearchError> {
        fits(self.acquisition, true)?;
        self.goals = Some(goals);
        Ok(())
    }

    fn heed(&mut self, opinion: Opinion) -> Result<(), SearchError> {
        let foretells = opinion.foretells();
        self.opinion = Some(opinion);
        let pool = self.candidates.pool();
        let views = self.with_opinion(&pool.architectures, pool.views.tasks(&self.past));
        self.own_views = self.with_opinion(self.own.architectures(), self.own_views.clone());
        self.model = self.model.clone().with_opinion(&views, foretells);
        self.seen = self.model.see(&views);
        Ok(())
    }

    fn start_with(&mut self, first: &[Architecture]) {
        self.first = first.iter().filter_map(|one| self.candidates.position(one)).collect();
    }

    fn acquire(&mut self, acquisition: Acquisition) -> Result<(), SearchError> {
        fits(acquisition, self.goals.is_some())?;
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
