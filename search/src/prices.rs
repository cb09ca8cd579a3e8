//! `Prices`: what recommended architectures are expected to cost, in their own units.

use std::collections::BTreeMap;

use heirloom_kb::{Architecture, Name};

use crate::SearchError;
use crate::cost_book::CostBook;
use crate::cost_view::CostView;
use crate::goals::GoalTarget;

/// What one architecture is expected to cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Prices {
    /// By cost: what was measured or counted, or the median of what is expected.
    pub(crate) expected: BTreeMap<Name, f64>,
    /// By cost: half the width of the interval that holds it with 68 %; 0 where it was measured.
    pub(crate) std: BTreeMap<Name, f64>,
}

impl Prices {
    /// All costs that trials of the space have or that are counted, of canonical architectures.
    pub(crate) fn of(
        book: &CostBook,
        target: &GoalTarget,
        architectures: &[Architecture],
    ) -> Result<Vec<Prices>, SearchError> {
        let x = book.table().encoder().encode(architectures)?.into_shared();
        let (costs, counted) = (target.costs(book), target.counted.as_ref());
        let view = CostView::counting(counted, book, &costs, &target.as_cost_target(), architectures, &x)?;
        let all: Vec<usize> = (0..architectures.len()).collect();
        let predicted = view.predict(&all)?;
        let one = |at: usize| Prices {
            expected: predicted.iter().map(|(name, cost)| (name.clone(), cost.median[at])).collect(),
            std: predicted.iter().map(|(name, cost)| (name.clone(), cost.spread(at))).collect(),
        };
        Ok(all.into_iter().map(one).collect())
    }
}
