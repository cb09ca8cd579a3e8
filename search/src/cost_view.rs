//! `CostView`: what a pool of candidates costs one task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heirloom_kb::{Architecture, Name};
use heirloom_predictor::{CostModel, CostPlace, CostPrediction, CostTarget, CostViews};
use ndarray::ArcArray2;

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::counted_costs::{CountedCosts, known};

/// What candidates cost one task, as far as past trials and its own say.
pub struct CostView {
    costs: BTreeMap<Name, OneCost>,
    /// How costs of other architectures are counted, and those of the candidates, for costs that are not foretold.
    counted: Option<(CountedCosts, BTreeMap<Name, Vec<f64>>)>,
}

/// One cost of the candidates.
struct OneCost {
    model: Arc<CostModel>,
    place: CostPlace,
    /// All candidates as the past places see them.
    pool: CostViews,
}

impl CostView {
    /// These costs of canonical architectures, which `x` has encoded.
    ///
    /// # Errors
    /// [`SearchError::UnknownCost`].
    pub fn new<'a>(
        book: &CostBook,
        costs: impl IntoIterator<Item = &'a Name>,
        target: &CostTarget<'_>,
        architectures: &[Architecture],
        x: &ArcArray2<f64>,
    ) -> Result<Self, SearchError> {
        let rows: Vec<Option<usize>> =
            architectures.iter().map(|architecture| book.table().row(architecture)).collect();
        let one = |cost: &Name| {
            let model = book.model(cost)?;
            let place = model.at(target)?;
            let pool = model.views(rows.clone(), x.clone())?;
            Ok((cost.clone(), OneCost { model, place, pool }))
        };
        let costs = costs.into_iter().map(one).collect::<Result<_, SearchError>>()?;
        Ok(CostView { costs, counted: None })
    }

    /// The same, but that costs are counted which can be.
    pub(crate) fn counting<'a>(
        counted: Option<&CountedCosts>,
        book: &CostBook,
        costs: impl IntoIterator<Item = &'a Name>,
        target: &CostTarget<'_>,
        architectures: &[Architecture],
        x: &ArcArray2<f64>,
    ) -> Result<Self, SearchError> {
        let Some(counted) = counted else { return CostView::new(book, costs, target, architectures, x) };
        let wanted: BTreeSet<&Name> = costs.into_iter().collect();
        let mut found = counted.count(architectures);
        found.retain(|name, _| wanted.contains(name));
        let foretold = wanted.into_iter().filter(|name| !found.contains_key(*name));
        let view = CostView::new(book, foretold, target, architectures, x)?;
        Ok(CostView { counted: Some((counted.clone(), found)), ..view })
    }

    /// Learns what a canonical architecture cost this task, where that is among the costs of this view.
    ///
    /// # Errors
    /// Of the encoder, for an architecture of another space.
    pub fn learn(
        &mut self,
        book: &CostBook,
        architecture: &Architecture,
        measured: &BTreeMap<Name, f64>,
    ) -> Result<(), SearchError> {
        let x = book.table().encoder().encode(std::slice::from_ref(architecture))?.into_shared();
        let row = book.table().row(architecture);
        for (name, cost) in &mut self.costs {
            if let Some(measured) = measured.get(name) {
                let views = cost.model.views(vec![row], x.clone())?;
                cost.place.learn(&views, &[*measured])?;
            }
        }
        Ok(())
    }

    /// What the candidates at these positions are expected to cost, by the cost's name. A cost of which nothing is known,
    /// neither here nor on a past task, is left out.
    ///
    /// # Errors
    /// Of the cost model.
    pub fn predict(&self, at: &[usize]) -> Result<BTreeMap<Name, CostPrediction>, SearchError> {
        let mut predicted = BTreeMap::new();
        for (name, cost) in &self.costs {
            if let Some(prediction) = cost.place.predict(&cost.pool.select(at))? {
                predicted.insert(name.clone(), prediction);
            }
        }
        if let Some((_, found)) = &self.counted {
            let select = |costs: &Vec<f64>| known(at.iter().map(|at| costs[*at]).collect());
            predicted.extend(found.iter().map(|(name, costs)| (name.clone(), select(costs))));
        }
        Ok(predicted)
    }

    /// As [`CostView::predict`], of other canonical architectures than the candidates.
    ///
    /// # Errors
    /// Of the encoder, for an architecture of another space.
    pub fn predict_others(
        &self,
        book: &CostBook,
        architectures: &[Architecture],
    ) -> Result<BTreeMap<Name, CostPrediction>, SearchError> {
        let x = book.table().encoder().encode(architectures)?.into_shared();
        let rows: Vec<Option<usize>> =
            architectures.iter().map(|architecture| book.table().row(architecture)).collect();
        let mut predicted = BTreeMap::new();
        for (name, cost) in &self.costs {
            let views = cost.model.views(rows.clone(), x.clone())?;
            if let Some(prediction) = cost.place.predict(&views)? {
                predicted.insert(name.clone(), prediction);
            }
        }
        if let Some((counted, found)) = &self.counted {
            let costs = counted.count(architectures).into_iter().filter(|(name, _)| found.contains_key(name));
            predicted.extend(costs.map(|(name, costs)| (name, known(costs))));
        }
        Ok(predicted)
    }

    /// Words for what a reader should know of these costs: of what was taken for granted, of a device that no trial names.
    #[must_use]
    pub fn notes(&self, target: &CostTarget<'_>) -> Vec<String> {
        let mut notes: Vec<String> = self
            .counted
            .iter()
            .filter(|(_, found)| !found.is_empty())
            .filter_map(|(counted, _)| counted.note())
            .collect();
        let Some(device) = target.device else { return notes };
        let unmet = self
            .costs
            .iter()
            .filter(|(_, cost)| !cost.model.devices().iter().any(|known| **known == *device));
        let note = |(name, cost): (&Name, &OneCost)| {
            let known = cost.model.devices();
            if known.is_empty() {
                return format!("no trial names a device for {name}: it is taken to be the same on all");
            }
            let known: Vec<&str> = known.iter().take(8).map(|known| &**known).collect();
            format!(
                "no trial measured {name} on {device:?}: it is expected from other devices ({}) until some are",
                known.join(", ")
            )
        };
        notes.extend(unmet.map(note));
        notes
    }
}
