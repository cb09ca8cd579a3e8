//! `Part`: which columns of an encoding speak of one thing.

use std::ops::Range;

use ndarray::{Array2, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::Feature;

/// Columns that speak of one thing and share a length scale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// A number; rows are as far apart as their values.
    Number(usize),
    /// A choice, one-hot over these columns; rows are alike or not (Hamming).
    Choice(Range<usize>),
}

impl Part {
    /// The parts of an encoder's columns: `op1=gcn` and its like are one choice, all others are numbers.
    #[must_use]
    pub fn of(features: &[Feature]) -> Vec<Part> {
        let choice = |feature: &Feature| feature.name.split_once('=').map(|(name, _)| name.to_string());
        let mut parts = Vec::new();
        let mut last: Option<String> = None;
        for (column, feature) in features.iter().enumerate() {
            let name = choice(feature);
            match (&name, &last, parts.last_mut()) {
                (Some(name), Some(last), Some(Part::Choice(columns))) if name == last => {
                    columns.end = column + 1
                }
                (Some(_), _, _) => parts.push(Part::Choice(column..column + 1)),
                (None, _, _) => parts.push(Part::Number(column)),
            }
            last = name;
        }
        parts
    }

    /// The parts that a matrix seems to have: neighbouring columns of which each row has one at most are a choice. An
    /// option that no row has counts with the choice before it.
    #[must_use]
    pub fn infer(x: ArrayView2<'_, f64>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        // Which rows have an option of the choice at hand, and what its options are marked with.
        let mut taken = vec![false; x.nrows()];
        let mut mark = 0.0;
        for (column, values) in x.columns().into_iter().enumerate() {
            let Some(own_mark) = mark_of(values) else {
                parts.push(Part::Number(column));
                continue;
            };
            let same_mark = own_mark == 0.0 || mark == 0.0 || own_mark == mark;
            let apart = values.iter().zip(&taken).all(|(value, taken)| *value == 0.0 || !taken);
            match parts.last_mut() {
                Some(Part::Choice(columns)) if same_mark && apart => columns.end = column + 1,
                _ => {
                    parts.push(Part::Choice(column..column + 1));
                    taken.fill(false);
                    mark = 0.0;
                }
            }
            mark = if own_mark == 0.0 { mark } else { own_mark };
            taken.iter_mut().zip(values).for_each(|(taken, value)| *taken |= *value != 0.0);
        }
        parts
    }

    /// Rows by part instead of by column: a number as it is, a choice as the position of its option (1, 2, …; 0 for
    /// none).
    ///
    /// # Shapes
    /// `x` is `(n, d)`, the answer `(n, G)` for `G` parts.
    pub(super) fn gather(parts: &[Part], x: ArrayView2<'_, f64>) -> Array2<f64> {
        Array2::from_shape_fn((x.nrows(), parts.len()), |(row, part)| match &parts[part] {
            Part::Number(column) => x[[row, *column]],
            Part::Choice(columns) => {
                let mut best = (0, 0.0);
                for (at, column) in columns.clone().enumerate() {
                    if x[[row, column]] > best.1 {
                        best = (at + 1, x[[row, column]]);
                    }
                }
                best.0 as f64
            }
        })
    }
}

/// What a column of an option is marked with; 0 where no row has the option, `None` where it is no option.
fn mark_of(values: ArrayView1<'_, f64>) -> Option<f64> {
    let mark = values.iter().copied().find(|value| *value != 0.0).unwrap_or(0.0);
    values.iter().all(|value| *value == 0.0 || *value == mark).then_some(mark).filter(|mark| *mark >= 0.0)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    fn features(names: &[&str]) -> Vec<Feature> {
        names.iter().map(|name| Feature { name: (*name).into() }).collect()
    }

    #[test]
    fn names_tell_choices_from_numbers() {
        let parts = Part::of(&features(&["op=a", "op=b", "link=0", "depth", "op2=a", "op2.gflops", "op2?"]));
        use Part::{Choice, Number};
        assert_eq!(parts, [Choice(0..2), Choice(2..3), Number(3), Choice(4..5), Number(5), Number(6)]);
    }

    #[test]
    fn values_tell_them_too() {
        let x = array![
            [1.0, 0.0, 0.3, 0.0, 1.0, 0.0],
            [0.0, 1.0, 0.2, 1.0, 0.0, 0.0],
            [1.0, 0.0, 0.1, 0.0, 1.0, 0.0]
        ];
        use Part::{Choice, Number};
        let parts = Part::infer(x.view());
        assert_eq!(parts, [Choice(0..2), Number(2), Choice(3..6)]);
        assert_eq!(Part::gather(&parts, x.view()), array![[1.0, 0.3, 2.0], [2.0, 0.2, 1.0], [1.0, 0.1, 2.0]]);
    }
}
