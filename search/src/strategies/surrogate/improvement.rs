//! Improvement: what to try once trials say where to look.

use heirloom_kb::Architecture;
use heirloom_predictor::{Acquisition, Posterior};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{Pick, SurrogateStrategy};
use crate::SearchError;
use crate::maximiser::{LocalSearch, maximise};

/// Keeps drawn functions apart.
const DRAW_STREAM: u64 = 0x9e37_79b9_7f4a_7c15;

/// With fewer under way each is chosen beside all before it; of more, one in so many at once.
const FEW: usize = 16;
const SLICES: usize = 8;

/// Starting points of a local search, of the pool and of the trials each.
const STARTS: usize = 6;

impl SurrogateStrategy {
    /// The next of what is chosen together: one at a time while few are under way. Of many at once each alone changes next to nothing,
    /// and to weigh it would take as long as to weigh the first.
    pub(super) fn improving_pick(&mut self) -> Result<Pick, SearchError> {
        if self.ready.is_empty() {
            let n = if self.pending.len() < FEW { 1 } else { self.pending.len() / SLICES };
            self.ready = self.improve(n)?.into();
        }
        Ok(self.ready.pop_front().expect("the caller saw that candidates are open"))
    }

    /// What the acquisition is for most, usually the largest expected improvement: of the pool and, where that is a sample of the space, of what local search finds
    /// beyond it. Up to `n` of the pool, of which all but the first are as good beside it as they are without.
    fn improve(&mut self, n: usize) -> Result<Vec<Pick>, SearchError> {
        let posterior = self.posterior()?;
        if let Some(position) = self.spread_pick(&posterior)? {
            let why =
                format!("least is told of its like by what was tried{}", self.belief_in_past(&posterior));
            return Ok(vec![self.pick_of(&posterior, position, why)]);
        }
        let draw = self.draw_seed();
        let ranked = posterior.ranked(&self.seen, self.candidates.open(), self.acquisition, draw);
        let past = self.belief_in_past(&posterior);
        if let Some(position) = self.second_opinion(ranked[0].1)? {
            let why = format!(
                "next to nothing is to be gained where the past thinks best: this tells whether it holds{past}"
            );
            return Ok(vec![self.pick_of(&posterior, position, why)]);
        }
        let acquisition = self.acquisition;
        let why = |worth: f64| format!("{}{past}", reason(acquisition, worth));
        let found = if self.candidates.is_closed() { None } else { self.beyond(&posterior, &ranked)? };
        if let Some((canonical, gain)) = found.filter(|(_, found)| *found > ranked[0].1) {
            let seen = self.seen.also(&self.views_of(std::slice::from_ref(&canonical))?);
            let expected = posterior.expect(&seen);
            let (mean, std) = (expected.mean[0], expected.std[0]);
            return Ok(vec![Pick { canonical, position: None, mean, std, why: why(gain) }]);
        }
        let first = &ranked[..n.clamp(1, ranked.len())];
        let positions: Vec<usize> = first.iter().map(|(position, _)| *position).collect();
        let expected = posterior.expect(&self.seen.select(&positions));
        let pick = |(at, (position, gain)): (usize, &(usize, f64))| {
            self.pick(*position, &expected.select(&[at]), why(*gain))
        };
        Ok(first.iter().enumerate().map(pick).collect())
    }

    /// A position, and what a posterior expects of it.
    fn pick_of(&self, posterior: &Posterior, position: usize, why: String) -> Pick {
        self.pick(position, &posterior.expect(&self.seen.select(&[position])), why)
    }

    /// How far what was known before is believed, as the end of a sentence; nothing where nothing was.
    fn belief_in_past(&self, posterior: &Posterior) -> String {
        let (trust, reversed) = (100.0 * posterior.trust(), 100.0 * posterior.reversed());
        if self.knows_nothing() {
            String::new()
        } else if reversed > trust {
            format!("; {reversed:.0} % that what was known before is the wrong way round")
        } else {
            format!("; {trust:.0} % trust in {}", self.sources())
        }
    }

    /// The best that local search finds outside the pool, from the best inside it and the best tried.
    fn beyond(
        &mut self,
        posterior: &Posterior,
        ranked: &[(usize, f64)],
    ) -> Result<Option<(Architecture, f64)>, SearchError> {
        let encoder = self.candidates.encoder();
        let pool = self.candidates.pool();
        let mut starts: Vec<Architecture> =
            ranked.iter().take(STARTS).map(|(at, _)| pool.architectures[*at].clone()).collect();
        starts.extend(self.own.best(STARTS));
        let taken = self.candidates.spent_keys();
        let draw = self.draw_seed();
        let mut met = std::mem::take(&mut self.met);
        let mut score = |architectures: &[Architecture]| {
            let views = met.views(architectures, encoder, |new| self.views_of(new))?;
            Ok(posterior.worth(&self.seen.also(&views), self.acquisition, draw))
        };
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(self.seed ^ self.own.len() as u64);
        let effort = LocalSearch { climbs: 2 * STARTS, rounds: 8, neighbours: 32, step: 0.1, wanted: 1 };
        let found = maximise(encoder.space(), &starts, &taken, encoder, &mut score, effort, &mut rng)?;
        self.met = met;
        Ok(found.into_iter().next())
    }

    /// Another for each trial, told or under way, so that a batch is of different functions.
    fn draw_seed(&self) -> u64 {
        let n = (self.own.len() + self.pending.len()) as u64;
        self.seed ^ n.wrapping_mul(DRAW_STREAM)
    }
}

/// What a worth is, in words.
fn reason(acquisition: Acquisition, worth: f64) -> String {
    match acquisition {
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
