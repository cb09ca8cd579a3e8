//! Strategies: who decides what a study tries next.

mod candidates;
mod random;
mod surrogate;

use std::collections::BTreeMap;
use std::sync::Arc;

use heirloom_kb::{Architecture, Name};
use serde::{Deserialize, Serialize};

use crate::SearchError;
use crate::goals::Goals;
use crate::objectives::bad;
use crate::own_trials::OwnTrials;
use crate::space_history::{Pool, SpaceHistory};
use candidates::Candidates;
pub use random::RandomStrategy;
pub use surrogate::SurrogateStrategy;

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

    /// Aims for more than the score from now on.
    ///
    /// # Errors
    /// [`SearchError::BadObjective`] of a strategy that knows the score alone.
    fn aim(&mut self, _goals: Goals) -> Result<(), SearchError> {
        Err(bad("this strategy knows the score alone; take the strategy \"surrogate\"".into()))
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
    /// Candidates in random order: the yardstick.
    Random,
}

impl StrategyKind {
    /// All strategies.
    pub const ALL: [StrategyKind; 2] = [StrategyKind::Surrogate, StrategyKind::Random];

    /// The name in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StrategyKind::Surrogate => "surrogate",
            StrategyKind::Random => "random",
        }
    }

    /// A strategy of this kind over the candidates of a pool, for a task whose past tasks are `past` and which has
    /// tried `own`.
    pub(crate) fn start(
        self,
        history: &Arc<SpaceHistory>,
        past: Vec<usize>,
        pool: Arc<Pool>,
        own: OwnTrials,
        seed: u64,
    ) -> Result<Box<dyn Strategy>, SearchError> {
        let candidates = Candidates::new(pool, history.table().encoder(), &own, seed);
        Ok(match self {
            StrategyKind::Surrogate => {
                Box::new(SurrogateStrategy::new(Arc::clone(history), past, candidates, own)?)
            }
            StrategyKind::Random => Box::new(RandomStrategy::new(candidates)),
        })
    }
}

/// The error for a list that has come to its end.
fn exhausted(space: &Name, candidates: usize) -> SearchError {
    let reason = format!("all {candidates} candidates of {space} have been proposed or tried");
    SearchError::NothingToPropose { reason }
}
