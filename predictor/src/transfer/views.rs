//! `Views`: architectures as the past tasks see them.

use ndarray::{ArcArray2, Array1, Array2, ArrayView1, Axis, concatenate};

use crate::{PredictError, TaskModels, TrainingTable};

/// Architectures as the surrogate sees them.
#[derive(Clone, Debug)]
pub struct Views {
    /// Encoded architectures, `(n, d)`; shared, for every choice of tasks has the same.
    pub x: ArcArray2<f64>,
    /// What each past task's model expects of them, `(n, T)`.
    pub by_task: Array2<f64>,
    /// What each past task has found of them beyond that, `(n, T)`; NaN where it has not tried them.
    pub found: Array2<f64>,
}

impl Views {
    /// Views of architectures that stand in these rows of a table, or in none.
    ///
    /// # Shapes
    /// `x` is `(n, d)`, `by_task` `(n, T)` with the tasks of the table, `rows` `(n,)`.
    #[must_use]
    pub fn new(table: &TrainingTable, rows: &[Option<usize>], x: Array2<f64>, by_task: Array2<f64>) -> Self {
        let found = found(table, rows.iter().copied(), &by_task);
        Views { x: x.into_shared(), by_task, found }
    }

    /// Views of all architectures of a table.
    ///
    /// # Errors
    /// [`PredictError::Lengths`] for models of another encoding.
    pub fn of_table(table: &TrainingTable, models: &TaskModels) -> Result<Self, PredictError> {
        let rows: Vec<Option<usize>> = (0..table.architectures().len()).map(Some).collect();
        Ok(Views::new(table, &rows, table.x().clone(), models.evaluate(table.x().view())?))
    }

    /// The rows at these positions.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Views {
        Views {
            x: self.x.select(Axis(0), rows).into_shared(),
            by_task: self.by_task.select(Axis(0), rows),
            found: self.found.select(Axis(0), rows),
        }
    }

    /// Only these tasks' opinions.
    #[must_use]
    pub fn tasks(&self, columns: &[usize]) -> Views {
        let of = |all: &Array2<f64>| all.select(Axis(1), columns);
        Views { x: self.x.clone(), by_task: of(&self.by_task), found: of(&self.found) }
    }

    /// The rows of both, in order.
    ///
    /// # Panics
    /// If they are not of the same encoding and tasks.
    #[must_use]
    pub fn joined(&self, other: &Views) -> Views {
        let both = |a: &Array2<f64>, b: &Array2<f64>| {
            concatenate(Axis(0), &[a.view(), b.view()]).expect("both have a column a past task")
        };
        let x = concatenate(Axis(0), &[self.x.view(), other.x.view()]);
        Views {
            x: x.expect("both have the encoder's columns").into_shared(),
            by_task: both(&self.by_task, &other.by_task),
            found: both(&self.found, &other.found),
        }
    }

    /// The same with one more opinion as the last column.
    ///
    /// # Shapes
    /// `opinion` is `(n,)` for `n` architectures.
    ///
    /// # Panics
    /// If it is of another length.
    #[must_use]
    pub fn and_opinion(&self, opinion: ArrayView1<'_, f64>) -> Views {
        let nothing = Array1::from_elem(opinion.len(), f64::NAN);
        Views {
            x: self.x.clone(),
            by_task: with_column(&self.by_task, opinion),
            found: with_column(&self.found, nothing.view()),
        }
    }
}

fn with_column(all: &Array2<f64>, column: ArrayView1<'_, f64>) -> Array2<f64> {
    let column = column.to_owned().insert_axis(Axis(1));
    concatenate(Axis(1), &[all.view(), column.view()]).expect("one opinion a row")
}

/// What each task of a table has found of architectures beyond what its model expects; see [`Views::found`].
fn found(
    table: &TrainingTable,
    rows: impl Iterator<Item = Option<usize>>,
    by_task: &Array2<f64>,
) -> Array2<f64> {
    let mut found = Array2::from_elem(by_task.dim(), f64::NAN);
    // From the architectures' side: most often there are few of them, beside hundreds of thousands of trials.
    for (place, row) in rows.enumerate() {
        let Some(row) = row else { continue };
        for (column, scores) in table.tasks().iter().enumerate() {
            if let Some(z) = scores.z_of(row) {
                found[[place, column]] = z - by_task[[place, column]];
            }
        }
    }
    found
}
