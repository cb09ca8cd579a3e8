//! Strategies: who decides what a study tries next.

mod ancestors;
mod candidates;
#[cfg(test)]
mod conformance;
mod evolution;
mod local_search;
mod mutation_policy;
mod policy;
mod population;
mod random;
mod ranked;
mod reinforce;
mod standing;
mod surrogate;
#[cfg(test)]
pub(crate) mod testing;

use std::collections::BTreeMap;
use std::sync::Arc;

use heirloom_kb::{Architecture, Name, Task};
use heirloom_predictor::Acquisition;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use crate::SearchError;
use crate::goals::Goals;
use crate::objectives::bad;
use crate::own_trials::OwnTrials;
use crate::pool::Pool;
use crate::prior_scores::Opinion;
use crate::space_history::SpaceHistory;
use ancestors::Ancestors;
use candidates::Candidates;
use evolution::{AnyParameter, EvolutionStrategy};
use local_search::LocalSearchStrategy;
use mutation_policy::MutationPolicy;
use policy::Policy;
pub use random::RandomStrategy;
use ranked::RankedStrategy;
use reinforce::ReinforceStrategy;
pub use surrogate::SurrogateStrategy;
pub(crate) use surrogate::{Belief, Pick};

/// An architecture to try, and what is expected of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proposal {
    /// What to try.
    pub architecture: Architecture,
    /// Expected normalised score; absent when the strategy expects nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Its standard deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std: Option<f64>,
    /// Why this one, in plain words.
    pub why: String,
}

/// Proposes architectures and learns from their trials. What has been proposed or told is not proposed again.
pub trait Strategy: Send {
    /// Proposes up to `n` architectures, all different; fewer when the candidates run out.
    ///
    /// # Errors
    /// [`SearchError::NothingToPropose`] when none is left.
    fn ask(&mut self, n: usize) -> Result<Vec<Proposal>, SearchError>;

    /// Learns the score of an architecture, normalised to its space, proposed or not. Higher is better, `None` is a
    /// failed trial.
    ///
    /// # Errors
    /// Of the encoder, for an architecture of another space.
    fn tell(&mut self, architecture: &Architecture, score: Option<f64>) -> Result<(), SearchError>;

    /// Counts an architecture as proposed: it was before a break, and is under way again.
    ///
    /// # Errors
    /// Of the encoder, for an architecture of another space.
    fn take_up(&mut self, architecture: &Architecture) -> Result<(), SearchError>;

    /// Aims for more than the score from now on.
    ///
    /// # Errors
    /// [`SearchError::BadObjective`] of a strategy that knows the score alone.
    fn aim(&mut self, _goals: Goals) -> Result<(), SearchError> {
        Err(bad("this strategy knows the score alone; take the strategy \"surrogate\"".into()))
    }

    /// Counts on what is known of the candidates before any is trained.
    ///
    /// # Errors
    /// [`SearchError::BadPrior`] of a strategy that does not.
    fn heed(&mut self, opinion: Opinion) -> Result<(), SearchError> {
        let reason = "this strategy heeds none; take the strategy \"surrogate\" or \"ranked\"".into();
        Err(SearchError::BadPrior { by: opinion.by().clone(), reason })
    }

    /// Has these candidates tried first where there is no past to go by. Means nothing to a strategy that starts by itself.
    fn start_with(&mut self, _first: &[Architecture]) {}

    /// Chooses by this acquisition from now on.
    ///
    /// # Errors
    /// [`SearchError::BadAcquisition`] of a strategy that has none, and for one that does not fit.
    fn acquire(&mut self, _acquisition: Acquisition) -> Result<(), SearchError> {
        let reason = "this strategy chooses by none; take the strategy \"surrogate\"";
        Err(SearchError::BadAcquisition { reason: reason.into() })
    }

    /// Learns what an architecture cost, before it is told its score. Means nothing to a strategy that knows the score alone.
    ///
    /// # Errors
    /// Of the encoder, for an architecture of another space.
    fn tell_costs(
        &mut self,
        _architecture: &Architecture,
        _costs: &BTreeMap<Name, f64>,
    ) -> Result<(), SearchError> {
        Ok(())
    }
}

/// The strategies by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StrategyKind {
    /// Expected improvement under the transfer model: history first, own trials as they come.
    #[default]
    Surrogate,
    /// Regularised evolution, its population started with what did best on past tasks.
    Evolution,
    /// The same with a mutation that is learned from past tasks and from what improved.
    EvolutionPolicy,
    /// Hill climbing from what did best on past tasks.
    LocalSearch,
    /// A policy trained on past tasks and reinforced by own trials.
    Reinforce,
    /// Candidates in the order of the study's prior scores, such as a supernet's ranking.
    Ranked,
    /// Candidates in random order: the yardstick.
    Random,
}

impl StrategyKind {
    /// All strategies.
    pub const ALL: [StrategyKind; 7] = [
        StrategyKind::Surrogate,
        StrategyKind::Evolution,
        StrategyKind::EvolutionPolicy,
        StrategyKind::LocalSearch,
        StrategyKind::Reinforce,
        StrategyKind::Ranked,
        StrategyKind::Random,
    ];

    /// Whether it has nothing to go by without [`PriorScores`](crate::PriorScores).
    #[must_use]
    pub fn needs_prior(self) -> bool {
        self == StrategyKind::Ranked
    }

    /// The name in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StrategyKind::Surrogate => "surrogate",
            StrategyKind::Evolution => "evolution",
            StrategyKind::EvolutionPolicy => "evolution-policy",
            StrategyKind::LocalSearch => "local-search",
            StrategyKind::Reinforce => "reinforce",
            StrategyKind::Ranked => "ranked",
            StrategyKind::Random => "random",
        }
    }

    /// A strategy of this kind over the candidates of a pool, for a task whose past tasks are `past` and which has
    /// tried `own`.
    pub(crate) fn start(
        self,
        history: &Arc<SpaceHistory>,
        task: &Task,
        past: Vec<usize>,
        pool: Arc<Pool>,
        own: OwnTrials,
        seed: u64,
    ) -> Result<Box<dyn Strategy>, SearchError> {
        let columns = history.telling(past);
        let past = columns.counting(history, &own);
        let candidates = |pool| Candidates::of(history, pool, &own, seed);
        let listed = |pool| Candidates::new(pool, history.table().encoder(), &own, seed);
        let ancestors = || {
            Ancestors::new(history, &past, &mut Xoshiro256PlusPlus::seed_from_u64(seed ^ ANCESTORS_STREAM))
        };
        Ok(match self {
            StrategyKind::Surrogate => {
                Box::new(SurrogateStrategy::new(Arc::clone(history), task, columns, pool, own, seed)?)
            }
            StrategyKind::Evolution => {
                Box::new(EvolutionStrategy::new(candidates(pool), &ancestors(), &own, AnyParameter, seed))
            }
            StrategyKind::EvolutionPolicy => {
                let mutation = MutationPolicy::new(Policy::trained(history, &past));
                Box::new(EvolutionStrategy::new(candidates(pool), &ancestors(), &own, mutation, seed))
            }
            StrategyKind::LocalSearch => {
                Box::new(LocalSearchStrategy::new(candidates(pool), &ancestors(), &own, seed)?)
            }
            StrategyKind::Reinforce => {
                let policy = Policy::trained(history, &past);
                Box::new(ReinforceStrategy::new(candidates(pool), policy, &own, seed))
            }
            StrategyKind::Ranked => Box::new(RankedStrategy::new(listed(pool))),
            StrategyKind::Random => Box::new(RandomStrategy::new(listed(pool))),
        })
    }
}

/// Keeps the order of equal ancestors apart from other draws of the same seed.
const ANCESTORS_STREAM: u64 = 0x616e_6365_7374_6f72;

/// Up to `n` proposals, one after another; `None` where not one was to be had.
fn propose_each(
    n: usize,
    mut next: impl FnMut() -> Result<Option<Proposal>, SearchError>,
) -> Result<Option<Vec<Proposal>>, SearchError> {
    let mut proposals = Vec::new();
    while proposals.len() < n {
        let Some(proposal) = next()? else { break };
        proposals.push(proposal);
    }
    Ok((n == 0 || !proposals.is_empty()).then_some(proposals))
}

/// The error for a list that has come to its end.
fn exhausted(space: &Name, candidates: usize) -> SearchError {
    let reason = format!("all {candidates} candidates of {space} have been proposed or tried");
    SearchError::NothingToPropose { reason }
}
