//! `CostBook`: what past trials of a space cost, ready to be asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::Name;
use heirloom_predictor::{CostModel, CostTable};

use crate::SearchError;

/// What the validation trials of one space cost, by task and device, and a model for each cost that was asked for.
pub struct CostBook {
    table: Arc<CostTable>,
    models: Mutex<BTreeMap<Name, Arc<CostModel>>>,
}

impl CostBook {
    /// The costs of a table, and the models that were asked of an `earlier` book, which take over what still holds.
    ///
    /// # Errors
    /// Of the cost model.
    pub(crate) fn new(table: CostTable, earlier: Option<&CostBook>) -> Result<Self, SearchError> {
        let table = Arc::new(table);
        let known = table.costs();
        let asked = earlier.map(|earlier| earlier.models().clone()).unwrap_or_default();
        let again = asked.into_iter().filter(|(cost, _)| known.contains(cost)).map(|(cost, model)| {
            let model = CostModel::new(&table, &cost, Some(&model))?;
            Ok((cost, Arc::new(model)))
        });
        let models = again.collect::<Result<_, SearchError>>()?;
        Ok(CostBook { table, models: Mutex::new(models) })
    }

    /// The costs measured.
    #[must_use]
    pub fn table(&self) -> &Arc<CostTable> {
        &self.table
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
        let model = Arc::new(CostModel::new(&self.table, cost, None)?);
        models.insert(cost.clone(), Arc::clone(&model));
        Ok(model)
    }

    fn models(&self) -> std::sync::MutexGuard<'_, BTreeMap<Name, Arc<CostModel>>> {
        self.models.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
