//! First picks: what to try while trials are too few to say where to look.

use heirloom_predictor::{Acquisition, Posterior, Views};

use super::{Pick, SurrogateStrategy};
use crate::SearchError;
use crate::new_task::some_of;

/// Trials that tell something. One alone does not: a task's median and unit are not known before, so its score has no place on
/// the normalised scale, and an improvement over it would be one over what was expected of it. The second pick is therefore the
/// portfolio's too.
const TELLING: usize = 2;

/// First picks that are spread over the pool where there is no past, or none that holds: before that, the largest expected
/// improvement is that of the largest variance, at the edges of the space.
const SPREAD: usize = 4;

/// Where the past most likely says nothing, picks are spread for longer: the first two went where it thinks best, and tell little of the
/// rest.
const DISTRUSTED: usize = 8;

/// Fewer past tasks than this may all be wrong in the same way: turned round by one mistake, or of another kind than the new one.
const SEVERAL: usize = 6;
/// Unless this sure of so few past tasks, and of more, the third pick is spread too. The first two lie where the past thinks best, and
/// scores from there alone cannot tell a past that misleads from a task that is hard.
const SURE_OF_FEW: f64 = 0.9;
const SURE: f64 = 0.8;
/// What is expected to be no better than this, on the normalised scale, does not lie where the past thinks best.
const POOR: f64 = 0.2;

/// An expected improvement of less than this share of what usually lies between a task's median and its best is next to nothing.
const NEXT_TO_NOTHING: f64 = 0.0015;

impl SurrogateStrategy {
    /// Whether trials are too few to say where to look: fewer than [`TELLING`] after a past, up to [`SPREAD`] without one.
    pub(super) fn is_starting(&self) -> bool {
        self.own.len() < TELLING || self.knows_nothing() && self.own.len() + self.pending.len() < SPREAD
    }

    /// Whether there is neither a past nor an opinion to go by.
    pub(super) fn knows_nothing(&self) -> bool {
        self.past.is_empty() && self.opinion.is_none()
    }

    /// The next of the portfolio; past its end, what is expected to score best.
    pub(super) fn first_pick(&mut self) -> Result<Pick, SearchError> {
        if self.portfolio.is_none() {
            let (beside, open) = (self.covering()?, self.candidates.open());
            self.portfolio = Some(self.model.portfolio(&self.seen, &beside, open, self.seed));
        }
        let (prior, open) = (self.model.prior(&self.seen), self.candidates.open());
        if let Some(position) = self.first.iter().copied().find(|first| open.contains(first)) {
            let expected = prior.select(&[position]);
            return Ok(self.pick(position, &expected, "its like does well in other spaces".to_owned()));
        }
        let chosen: Vec<usize> = self.pending.iter().filter_map(|(_, position)| *position).collect();
        let pick = self.portfolio.as_ref().and_then(|portfolio| portfolio.picks(&chosen, 1).first().copied());
        let why = match (pick, self.own.len() + self.pending.len()) {
            (Some(_), 0) if self.knows_nothing() => {
                "the most central candidate; there is no past to go by".to_owned()
            }
            (Some(_), n) if self.knows_nothing() => {
                format!("least is told of its like by the {n} picked before")
            }
            (Some(_), 0) => format!("the likeliest good start by {}", self.sources()),
            (Some(pick), n) => {
                let hedged = self.hedged(pick, &chosen);
                format!("adds most to the {n} proposed before, by {}{hedged}", self.sources())
            }
            (None, _) => "highest expected score of the candidates left".to_owned(),
        };
        let best = || open.iter().copied().reduce(|a, b| if prior.mean[b] > prior.mean[a] { b } else { a });
        let position = pick.or_else(best).expect("the caller saw that candidates are open");
        Ok(self.pick(position, &prior.select(&[position]), why))
    }

    /// The past tasks that a pick is a hedge for, in words.
    fn hedged(&self, pick: usize, chosen: &[usize]) -> String {
        let hedged =
            self.portfolio.as_ref().map_or_else(Vec::new, |portfolio| portfolio.hedged(pick, chosen));
        let task = |(at, _): &(usize, f64)| Some(&*self.history.table().tasks()[*self.past.get(*at)?].task);
        let tasks: Vec<&str> = hedged.iter().filter_map(task).collect();
        if tasks.is_empty() { String::new() } else { format!(": it is for a task like {}", some_of(&tasks)) }
    }

    /// What a portfolio is to be chosen beside: what is under way, and what was tried. By a past, what failed covers nothing.
    fn covering(&self) -> Result<Views, SearchError> {
        let scores = self.own.scores_of(&self.telling);
        let covers = |at: &usize| self.knows_nothing() || scores[*at].is_some();
        let tried: Vec<usize> = (0..scores.len()).filter(covers).collect();
        Ok(self.own_views.select(&tried).joined(&self.pending_views()?))
    }

    /// What there is to go by before trials.
    pub(super) fn sources(&self) -> String {
        match &self.opinion {
            Some(opinion) if self.past.is_empty() => format!("the scores by {}", opinion.by()),
            Some(opinion) => format!("the past and the scores by {}", opinion.by()),
            None => "the past".to_owned(),
        }
    }

    /// Whether the past, taken together, thinks little of something that was tried. A past that contradicts itself has its second
    /// pick there, which tells which way round it holds.
    fn has_both_ways(&self, tried: &Views) -> bool {
        self.model.prior(&self.seen.also(tried)).mean.iter().any(|mean| *mean < POOR)
    }

    /// Where to look for improvement while the trials are few and the past most likely says nothing, neither as it stands nor
    /// the wrong way round; or where that cannot be told yet.
    pub(super) fn spread_pick(&self, posterior: &Posterior) -> Result<Option<usize>, SearchError> {
        let count = self.own.len() + self.pending.len();
        if count >= DISTRUSTED || self.acquisition != Acquisition::ExpectedImprovement {
            return Ok(None);
        }
        let tried = self.own_views.joined(&self.pending_views()?);
        let is_third = count == TELLING && self.opinion.is_none() && !self.has_both_ways(&tried);
        let sure = if self.past.len() < SEVERAL { SURE_OF_FEW } else { SURE };
        let bar = if is_third { sure } else { 0.5 };
        if posterior.trust().max(posterior.reversed()) >= bar {
            return Ok(None);
        }
        Ok(self.farthest(&tried, self.candidates.open()))
    }

    /// Where to look elsewhere, if what was tried lies where the past thinks best and nothing near it promises more: it may be the best of
    /// all, or scores so alike because all of it is bad. A trial elsewhere tells, and by what is expected costs nothing.
    pub(super) fn second_opinion(&self, gain: f64) -> Result<Option<usize>, SearchError> {
        let next_to_nothing = self.model.usual_unit().is_some_and(|unit| gain < NEXT_TO_NOTHING * unit);
        if !next_to_nothing || self.opinion.is_some() || self.acquisition != Acquisition::ExpectedImprovement
        {
            return Ok(None);
        }
        let tried = self.own_views.joined(&self.pending_views()?);
        if self.has_both_ways(&tried) {
            return Ok(None);
        }
        let prior = self.model.prior(&self.seen).mean;
        let elsewhere: Vec<usize> =
            self.candidates.open().iter().copied().filter(|at| prior[*at] < POOR).collect();
        Ok(self.farthest(&tried, &elsewhere))
    }

    /// Of these candidates the one of whose like least is told by what was tried.
    fn farthest(&self, tried: &Views, among: &[usize]) -> Option<usize> {
        let spread = self.model.spread(&self.seen, tried, among, self.seed);
        spread.picks(&[], 1).first().copied()
    }
}
