//! `Rows`: the architectures of one space, numbered.

use std::collections::HashMap;

use heirloom_kb::{Architecture, Trial};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use crate::table::check_space;
use crate::{Encoder, PredictError};

/// The architectures of one space that were tried, isomorphic ones once, each with a row number and its encoding. They are kept as
/// keys: a map of values takes ten times the memory.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    encoder: Encoder,
    /// Keys as written in trials and as canonical, to rows.
    index: HashMap<Box<[u64]>, usize>,
    /// The canonical keys, one row after another.
    keys: Vec<u64>,
    x: Array2<f64>,
}

impl Rows {
    /// None yet.
    pub(crate) fn empty(encoder: Encoder) -> Self {
        let x = Array2::zeros((0, encoder.width()));
        Rows { encoder, index: HashMap::new(), keys: Vec::new(), x }
    }

    pub(crate) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    pub(crate) fn len(&self) -> usize {
        self.x.nrows()
    }

    /// The encodings, `(n, d)`.
    pub(crate) fn x(&self) -> &Array2<f64> {
        &self.x
    }

    /// The canonical key in a row.
    pub(crate) fn key(&self, row: usize) -> &[u64] {
        nth(&self.keys, self.encoder.space().params().len(), row)
    }

    /// The row of an architecture, as it was written in a trial or as canonical.
    pub(crate) fn row(&self, architecture: &Architecture) -> Option<usize> {
        self.index.get(&self.encoder.key(architecture)[..]).copied()
    }

    /// These, to be added to.
    pub(crate) fn grow(&self) -> Growth<'_> {
        let x = Array2::zeros((0, self.encoder.width()));
        Growth { earlier: self, index: self.index.clone(), keys: Vec::new(), x }
    }
}

/// A slice of those of `width` that follow each other.
fn nth(all: &[u64], width: usize, at: usize) -> &[u64] {
    &all[at * width..(at + 1) * width]
}

/// Rows in the making: those of before, and new ones after them.
pub(crate) struct Growth<'a> {
    earlier: &'a Rows,
    index: HashMap<Box<[u64]>, usize>,
    /// Of the new rows alone.
    keys: Vec<u64>,
    x: Array2<f64>,
}

impl Growth<'_> {
    /// Those of a task's trials that count, and their rows for the time being, as in [`Growth::take`].
    ///
    /// # Errors
    /// [`PredictError::OtherSpace`] or [`PredictError::Architecture`] for a trial of another space.
    pub(crate) fn take_trials<'t>(
        &mut self,
        trials: impl IntoIterator<Item = &'t Trial>,
        counts: impl Fn(&Trial) -> bool,
        canonical: impl Fn(&Architecture) -> Architecture,
    ) -> Result<(Vec<&'t Trial>, Vec<usize>), PredictError> {
        let mut counting = Vec::new();
        for trial in trials {
            check_space(self.earlier.encoder.space(), std::slice::from_ref(trial))?;
            if counts(trial) {
                counting.push(trial);
            }
        }
        let architectures: Vec<&Architecture> = counting.iter().map(|trial| &trial.architecture).collect();
        let rows = self.take(&architectures, canonical)?;
        Ok((counting, rows))
    }

    /// The rows of architectures, for the time being. `canonical` maps isomorphic ones to one; it is only asked of what was not met
    /// before.
    ///
    /// # Errors
    /// [`PredictError::Architecture`] for one of another space; then nothing more can be made of these rows.
    pub(crate) fn take(
        &mut self,
        architectures: &[&Architecture],
        canonical: impl Fn(&Architecture) -> Architecture,
    ) -> Result<Vec<usize>, PredictError> {
        let encoder = &self.earlier.encoder;
        let keys: Vec<Box<[u64]>> = architectures.par_iter().map(|one| encoder.key(one).into()).collect();
        let known = self.earlier.len() + self.x.nrows();
        let mut new = Vec::new();
        let mut rows = Vec::with_capacity(keys.len());
        for (key, written) in keys.into_iter().zip(architectures) {
            if let Some(row) = self.index.get(&key) {
                rows.push(*row);
                continue;
            }
            let architecture = canonical(written);
            let canonical_key: Box<[u64]> = encoder.key(&architecture).into();
            let next = known + new.len();
            let row = *self.index.entry(canonical_key.clone()).or_insert(next);
            if row == next {
                self.keys.extend(canonical_key);
                new.push(architecture);
            }
            self.index.insert(key, row);
            rows.push(row);
        }
        let x = encoder.encode(&new)?;
        self.x.append(Axis(0), x.view()).expect("one encoder has one width");
        Ok(rows)
    }

    /// The rows in the order that these numbers name them in, each of which is named once. Those that are not named are left out.
    /// The numbers that they get are put in place of the given ones.
    pub(crate) fn finish(mut self, order: &[usize]) -> Renumbered {
        let Rows { encoder, keys, x, .. } = self.earlier;
        let (old, width) = (x.nrows(), encoder.space().params().len());
        let mut to = vec![None; old + self.x.nrows()];
        let mut all_keys = Vec::with_capacity(order.len() * width);
        let mut all_x = Array2::zeros((order.len(), encoder.width()));
        for (number, (from, mut cells)) in order.iter().zip(all_x.rows_mut()).enumerate() {
            to[*from] = Some(number);
            if *from < old {
                all_keys.extend(nth(keys, width, *from));
                cells.assign(&x.row(*from));
            } else {
                all_keys.extend(nth(&self.keys, width, from - old));
                cells.assign(&self.x.row(from - old));
            }
        }
        self.index.retain(|_, row| {
            let number = to[*row];
            *row = number.unwrap_or_default();
            number.is_some()
        });
        let rows = Rows { encoder: encoder.clone(), index: self.index, keys: all_keys, x: all_x };
        Renumbered { rows, to }
    }
}

/// Rows, and the numbers that those have which had others while they were made.
pub(crate) struct Renumbered {
    pub(crate) rows: Rows,
    to: Vec<Option<usize>>,
}

impl Renumbered {
    /// Puts the numbers that hold in place of those of before.
    pub(crate) fn renumber(&self, rows: &mut [usize]) {
        rows.iter_mut().for_each(|row| *row = self.to[*row].expect("what is listed has been named"));
    }
}

/// Gathers each number once, in the order they are first met.
#[derive(Default)]
pub(crate) struct FirstMet {
    seen: Vec<bool>,
    pub(crate) order: Vec<usize>,
}

impl FirstMet {
    pub(crate) fn meet(&mut self, rows: &[usize]) {
        for row in rows {
            if self.seen.len() <= *row {
                self.seen.resize(row + 1, false);
            }
            if !std::mem::replace(&mut self.seen[*row], true) {
                self.order.push(*row);
            }
        }
    }
}

/// Where in a list of rows, which are in any order, each one is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ByRow(Vec<u32>);

impl ByRow {
    /// Of a list in which no row is twice.
    pub(crate) fn of(rows: &[usize]) -> Self {
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_unstable_by_key(|at| rows[*at as usize]);
        ByRow(order)
    }

    /// The position of a row in the same list.
    pub(crate) fn at(&self, rows: &[usize], row: usize) -> Option<usize> {
        let found = self.0.binary_search_by_key(&row, |at| rows[*at as usize]).ok()?;
        Some(self.0[found] as usize)
    }
}

/// The architectures of a table, `n` of them, by row.
#[derive(Clone, Copy, Debug)]
pub struct Architectures<'a>(&'a Rows);

impl<'a> Architectures<'a> {
    pub(crate) fn of(rows: &'a Rows) -> Self {
        Architectures(rows)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The canonical architecture in a row.
    ///
    /// # Panics
    /// Beyond the last row.
    #[must_use]
    pub fn at(&self, row: usize) -> Architecture {
        self.0.encoder.architecture(self.0.key(row))
    }

    /// All of them in the order of their rows.
    pub fn iter(&self) -> impl Iterator<Item = Architecture> + 'a {
        let all = *self;
        (0..all.len()).map(move |row| all.at(row))
    }
}
