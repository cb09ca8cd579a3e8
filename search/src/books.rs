//! `Books`: what past trials of a space have beside scores.

use std::sync::Arc;

use heirloom_kb::{Architecture, KnowledgeStore, Name, SearchSpace, Task};
use heirloom_predictor::CostTable;

use crate::cost_book::CostBook;
use crate::fidelity::{FidelityAdvice, SpaceCurves};
use crate::space_account::SpaceAccount;
use crate::space_trials::space_trials;
use crate::spaces::any_network::is_any_network;
use crate::{SearchError, spaces};

/// What past trials of a space have beside scores. Made when first asked for: a study for the score alone needs none.
#[derive(Clone)]
pub(crate) struct Books {
    account: Arc<SpaceAccount>,
    pub(crate) costs: Arc<CostBook>,
    curves: Arc<SpaceCurves>,
}

impl Books {
    /// As the base has them now. What `earlier` ones hold that is still true is taken over: only tasks with new trials are read.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) fn load(
        store: &dyn KnowledgeStore,
        space: &SearchSpace,
        earlier: Option<&Books>,
    ) -> Result<Self, SearchError> {
        let account = SpaceAccount::of(store, space.clone())?;
        let known = earlier.and_then(|earlier| Some((earlier, account.since(&earlier.account)?)));
        let (earlier, mut news) = known.map_or_else(|| (None, account.telling()), |(a, b)| (Some(a), b));
        if is_any_network(space) {
            // What networks of one space cost, and how long they are to be trained, says nothing of another's: for all of them
            // together there are no books.
            news.clear();
        }
        if let Some(earlier) = earlier.filter(|_| news.is_empty()) {
            return Ok(Books { account: Arc::new(account), ..earlier.clone() });
        }
        let canonical = |architecture: &Architecture| spaces::canonical(space.id(), architecture);
        let empty = CostTable::empty(space);
        let mut costs = earlier.map_or(&empty, |earlier| earlier.costs.table()).grow();
        let mut curves = earlier.map(|earlier| earlier.curves.grow()).unwrap_or_default();
        for task in news {
            let trials = space_trials(store, space, &task.id)?;
            costs.take(&task.id, &trials, canonical)?;
            curves.take(task, &trials);
        }
        let costs = CostBook::new(costs.finish(), earlier.map(|earlier| &*earlier.costs))?;
        tracing::debug!(space = %space.id(), architectures = costs.table().len(), "costs read");
        Ok(Books { account: Arc::new(account), costs: Arc::new(costs), curves: Arc::new(curves) })
    }

    /// The store's revision that they are true for.
    pub(crate) fn revision(&self) -> u64 {
        self.account.revision
    }

    /// How long to train, from the curves of other tasks.
    pub(crate) fn advice(&self, task: &Task, exclude: &[Name]) -> Option<FidelityAdvice> {
        let exclude: Vec<Name> = exclude.iter().chain([&task.id]).cloned().collect();
        self.curves.advice(&task.metric, &exclude)
    }
}
