//! `CostBook`: what past trials of a space cost, ready to be asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::{Architecture, Name, SearchSpace, Trial};
use heirloom_predictor::{CostModel, CostTable};

use crate::{SearchError, spaces};

/// What the validation trials of one space cost, by task and device, and a model for each cost that was asked for.
pub struct CostBook {
    table: Arc<CostTable>,
    models: Mutex<BTreeMap<Name, Arc<CostModel>>>,
    /// Models of an earlier table, whose forests may still hold.
    earlier: BTreeMap<Name, Arc<CostModel>>,
    revision: u64,
}

impl CostBook {
    /// The costs of a space's validation trials, as the store has them at a revision. Of `earlier` what still holds is taken
    /// over.
    ///
    /// # Errors
    /// Of the encoder.
    pub fn new(
        space: &SearchSpace,
        trials: &[Trial],
        revision: u64,
        earlier: Option<&CostBook>,
    ) -> Result<Self, SearchError> {
        let canonical = |architecture: &Architecture| spaces::canonical(space.id(), architecture);
        let table = CostTable::new(space, trials, canonical)?;
        tracing::debug!(space = %space.id(), architectures = table.len(), "costs read");
        let earlier = earlier.map(|earlier| earlier.models().clone()).unwrap_or_default();
        Ok(CostBook { table: Arc::new(table), models: Mutex::default(), earlier, revision })
    }

    /// The costs measured.
    #[must_use]
    pub fn table(&self) -> &Arc<CostTable> {
        &self.table
    }

    /// The store's revision that this is true for.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The model of a cost.
    ///
    /// # Errors
    /// [`SearchError::UnknownCost`].
    pub fn model(&self, cost: &Name) -> Result<Arc<CostModel>, SearchError> {
        let mut models = self.models();
        if let Some(model) = models.get(cost) {
            return Ok(Arc::clone(model));
        }
        let known = self.table.costs();
        if !known.contains(cost) {
            return Err(SearchError::UnknownCost { cost: cost.clone(), known });
        }
        let earlier = self.earlier.get(cost).map(|model| &**model);
        let model = Arc::new(CostModel::new(&self.table, cost, earlier)?);
        models.insert(cost.clone(), Arc::clone(&model));
        Ok(model)
    }

    fn models(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Arc<CostModel>>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
