//! `Pool`: candidates, and how the past tasks' models see them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use heirloom_kb::{Architecture, SearchSpace};
use heirloom_predictor::{TaskModels, TaskScores, TrainingTable, Views};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::model_shelf::{ModelShelf, Rated};
use crate::space_history::SpaceHistory;
use crate::spaces::any_network;
use crate::{SearchError, spaces};

/// Spaces of up to so many assignments are ranked whole.
const ENUMERATED: u64 = 100_000;

/// Candidates drawn from a larger space, beside those that past trials name, and how many of these count at most.
const SAMPLED: u64 = 4_096;
const TRIED: usize = 8_192;

/// Candidates and how the past tasks' models see them.
pub struct Pool {
    /// Canonical architectures, none twice.
    pub architectures: Vec<Architecture>,
    /// The same in the form that they are proposed in: a caller's candidates as the caller wrote them.
    pub shown: Vec<Architecture>,
    /// Views of them by all tasks of the history.
    pub views: Views,
}

impl Pool {
    /// Canonical architectures, none twice, as the models see them; what an earlier pool or the shelf has is taken from there.
    pub(crate) fn new(
        architectures: Vec<Architecture>,
        table: &TrainingTable,
        models: &TaskModels,
        earlier: Option<(&Pool, &TaskModels)>,
        shelf: Option<(&ModelShelf<'_>, Rated)>,
    ) -> Result<Self, SearchError> {
        let views = match earlier {
            Some((pool, before)) => pool.views_again(before, &architectures, table, models)?,
            None => views_or_kept(&architectures, table, models, shelf)?,
        };
        Ok(Pool { shown: architectures.clone(), architectures, views })
    }

    /// The same with more canonical architectures at its end.
    pub(crate) fn and(&self, more: &[Architecture], history: &SpaceHistory) -> Result<Self, SearchError> {
        let views = self.views.joined(&history.views(more)?);
        let both = |a: &[Architecture]| a.iter().chain(more).cloned().collect();
        Ok(Pool { architectures: both(&self.architectures), shown: both(&self.shown), views })
    }

    /// Views of other candidates, taken from this pool's, which are by the models `before`, where architecture and model are
    /// the same.
    fn views_again(
        &self,
        before: &TaskModels,
        architectures: &[Architecture],
        table: &TrainingTable,
        models: &TaskModels,
    ) -> Result<Views, SearchError> {
        let encoder = table.encoder();
        let keys = self.architectures.iter().enumerate();
        let places: HashMap<Vec<u64>, usize> = keys.map(|(at, known)| (encoder.key(known), at)).collect();
        let known: Vec<Option<usize>> = architectures
            .iter()
            .map(|architecture| places.get(&encoder.key(architecture)).copied())
            .collect();
        let new: Vec<usize> = (0..known.len()).filter(|row| known[*row].is_none()).collect();
        let new_architectures: Vec<Architecture> =
            new.iter().map(|row| architectures[*row].clone()).collect();
        let mut x = Array2::zeros((architectures.len(), encoder.width()));
        let rows = rows_of(architectures, table);
        let new_rows: Vec<Option<usize>> = new.iter().map(|place| rows[*place]).collect();
        for (row, encoded) in new.iter().zip(encoded(&new_architectures, &new_rows, table)?.rows()) {
            x.row_mut(*row).assign(&encoded);
        }
        for (mut to, at) in x.rows_mut().into_iter().zip(&known) {
            if let Some(at) = at {
                to.assign(&self.views.x.row(*at));
            }
        }
        let x_new = x.select(Axis(0), &new);
        let mut by_task = Array2::zeros((architectures.len(), models.models().len()));
        for (model, mut column) in models.models().iter().zip(by_task.columns_mut()) {
            let known_at = before.models().iter().position(|old| Arc::ptr_eq(old, model));
            let Some(known_at) = known_at else {
                column.assign(&model.mean(x.view())?);
                continue;
            };
            let fresh = model.mean(x_new.view())?;
            new.iter().zip(&fresh).for_each(|(row, value)| column[*row] = *value);
            for (value, at) in column.iter_mut().zip(&known) {
                if let Some(at) = at {
                    *value = self.views.by_task[[*at, known_at]];
                }
            }
        }
        Ok(Views::new(table, &rows, x, by_task))
    }
}

/// How the past tasks' models see architectures.
pub(crate) fn views(
    architectures: &[Architecture],
    table: &TrainingTable,
    models: &TaskModels,
) -> Result<Views, SearchError> {
    let rows = rows_of(architectures, table);
    let x = encoded(architectures, &rows, table)?;
    let by_task = models.evaluate(x.view())?;
    Ok(Views::new(table, &rows, x, by_task))
}

/// The same, the models' opinions from the shelf if it has them, else kept there.
fn views_or_kept(
    architectures: &[Architecture],
    table: &TrainingTable,
    models: &TaskModels,
    shelf: Option<(&ModelShelf<'_>, Rated)>,
) -> Result<Views, SearchError> {
    let Some((shelf, of)) = shelf else { return views(architectures, table, models) };
    if let Some(by_task) = shelf.opinions(of, table, architectures)? {
        let rows = rows_of(architectures, table);
        let x = encoded(architectures, &rows, table)?;
        return Ok(Views::new(table, &rows, x, by_task));
    }
    let views = views(architectures, table, models)?;
    shelf.keep_opinions(of, table, architectures, &views.by_task);
    Ok(views)
}

/// Where architectures stand in the table.
fn rows_of(architectures: &[Architecture], table: &TrainingTable) -> Vec<Option<usize>> {
    architectures.par_iter().map(|architecture| table.row(architecture)).collect()
}

/// Encoded architectures, `(n, d)`; those of the table, in these `rows`, are taken from there.
fn encoded(
    architectures: &[Architecture],
    rows: &[Option<usize>],
    table: &TrainingTable,
) -> Result<Array2<f64>, SearchError> {
    let new = architectures.iter().zip(rows).filter(|(_, row)| row.is_none());
    let new =
        table.encoder().encode(&new.map(|(architecture, _)| architecture.clone()).collect::<Vec<_>>())?;
    let mut x = Array2::zeros((architectures.len(), table.encoder().width()));
    let mut new = new.rows().into_iter();
    for (mut to, row) in x.rows_mut().into_iter().zip(rows) {
        match row {
            Some(row) => to.assign(&table.x().row(*row)),
            None => to.assign(&new.next().expect("as many were encoded as the table has not")),
        }
    }
    Ok(x)
}

/// Whether a pool is all that a space has, and not a sample.
pub(crate) fn lists(space: &SearchSpace) -> bool {
    space.cardinality().is_some_and(|n| n <= ENUMERATED)
}

/// A space's own candidates: all of a small space; of another what past tasks found best, and a sample.
pub(crate) fn own_pool(
    space: &SearchSpace,
    table: &TrainingTable,
    earlier: Option<&Pool>,
) -> Vec<Architecture> {
    if any_network::is_any_network(space) {
        // Nothing is proposed in it.
        return Vec::new();
    }
    if lists(space) {
        if let Some(earlier) = earlier {
            return earlier.architectures.clone();
        }
        return spaces::pool(space, ENUMERATED, 0);
    }
    let mut pool: Vec<Architecture> =
        best_tried(table).into_iter().map(|row| table.architectures().at(row)).collect();
    let new =
        spaces::pool(space, SAMPLED, 0).into_iter().filter(|architecture| table.row(architecture).is_none());
    pool.extend(new);
    pool
}

/// Rows of the table, up to [`TRIED`] of them: each task's best, then each task's second best, and so on.
fn best_tried(table: &TrainingTable) -> Vec<usize> {
    let by_score = |scores: &TaskScores| {
        let mut order: Vec<usize> = (0..scores.rows.len()).collect();
        order.sort_by(|a, b| scores.z[*b].total_cmp(&scores.z[*a]).then(a.cmp(b)));
        order.into_iter().map(|at| scores.rows[at]).collect::<Vec<_>>()
    };
    let orders: Vec<Vec<usize>> = table.tasks().iter().map(by_score).collect();
    let longest = orders.iter().map(Vec::len).max().unwrap_or(0);
    let mut taken = HashSet::new();
    let in_turn =
        (0..longest).flat_map(|place| orders.iter().filter_map(move |order| order.get(place).copied()));
    in_turn.filter(|row| taken.insert(*row)).take(TRIED).collect()
}
