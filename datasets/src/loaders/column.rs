//! `Column`: a column of a table, and the numbers it becomes.

use std::collections::BTreeMap;

use super::cell::is_other_date;
use crate::{FeatureValue, Written};

/// So many levels of a categorical column have a column of their own; the rest share one.
pub(super) const LEVELS: usize = 32;
/// Single precision tells numbers apart that differ by a ten-millionth; of what lies this much closer together than it is large,
/// it keeps a thousand steps.
const FAR: f64 = 1e4;
/// From this many rows on a column may be told to be an identifier.
const FEW_ROWS: usize = 10;

/// The cells of a column; `None` is a missing one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    Numbers(Vec<Option<f64>>),
    /// Numbers in a way that is not the plain one.
    Written(Written, Vec<Option<f64>>),
    Words(Vec<Option<String>>),
}

/// What becomes of a column.
#[derive(Debug, PartialEq)]
pub(super) enum Encoded {
    /// Columns of numbers, each with what it says of a cell.
    Numbers(Vec<(FeatureValue, Vec<f32>)>),
    /// Nothing, for it tells nothing of the class; why.
    LeftOut(&'static str),
}

impl Column {
    /// How many cells it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Column::Numbers(cells) | Column::Written(_, cells) => cells.len(),
            Column::Words(cells) => cells.len(),
        }
    }

    /// How many of them are missing.
    pub(super) fn n_missing(&self) -> usize {
        match self {
            Column::Numbers(cells) | Column::Written(_, cells) => {
                cells.iter().filter(|cell| cell.is_none()).count()
            }
            Column::Words(cells) => cells.iter().filter(|cell| cell.is_none()).count(),
        }
    }

    /// Numbers keep their values, with the median of all rows for a missing one. Words become a column of 0 and 1 a level,
    /// the 32 most frequent ones and one for the rest; of two levels one column says which. A column with missing cells gets
    /// another that says where.
    ///
    /// Left out are columns with one value, row numbers, and identifiers: words of which nearly every row has its own, and
    /// whole numbers without repetition in a column called `id`.
    pub(super) fn encode(&self, name: &str) -> Encoded {
        let (missing, mut columns): (Vec<bool>, Vec<(FeatureValue, Vec<f32>)>) = match self {
            Column::Numbers(cells) | Column::Written(_, cells) => {
                if let Some(why) = numbers_tell_nothing(cells, name) {
                    return Encoded::LeftOut(why);
                }
                let missing = cells.iter().map(Option::is_none).collect();
                let known = sorted(cells);
                let median = median(&known);
                let less = taken_off(&known, median);
                let values = cells.iter().map(|cell| (cell.unwrap_or(median) - less) as f32).collect();
                let number = FeatureValue::Number { if_missing: median, less, written: self.written() };
                (missing, vec![(number, values)])
            }
            Column::Words(cells) => {
                let levels = levels(cells);
                let known = cells.iter().flatten().count();
                let nearly_all = known >= FEW_ROWS && 10 * levels.len() > 9 * known;
                if nearly_all || levels.len() > LEVELS.max(cells.len() / 2) {
                    return Encoded::LeftOut("nearly every row has a word of its own in it");
                }
                (cells.iter().map(Option::is_none).collect(), one_hot(cells, &levels))
            }
        };
        let marks = missing.into_iter().map(|missing| f32::from(u8::from(missing))).collect();
        columns.push((FeatureValue::IsMissing, marks));
        columns.retain(|(_, column)| column.windows(2).any(|pair| pair[0] != pair[1]));
        if columns.is_empty() {
            Encoded::LeftOut("all its values are the same")
        } else {
            Encoded::Numbers(columns)
        }
    }

    /// Whether its words are dates that cannot be read as numbers, for days and months may stand either way.
    pub(super) fn looks_like_dates(&self) -> bool {
        let Column::Words(cells) = self else { return false };
        let mut known = cells.iter().flatten().peekable();
        known.peek().is_some() && known.all(|cell| is_other_date(cell))
    }

    fn written(&self) -> Option<Written> {
        if let Column::Written(written, _) = self { Some(*written) } else { None }
    }

    /// How many different words have no value of their own; nothing where each has one.
    pub(super) fn shared_words(&self) -> Option<usize> {
        match self {
            Column::Numbers(_) | Column::Written(..) => None,
            Column::Words(cells) => levels(cells).len().checked_sub(LEVELS).filter(|n| *n > 0),
        }
    }
}

/// Why a column of numbers is no feature.
fn numbers_tell_nothing(cells: &[Option<f64>], name: &str) -> Option<&'static str> {
    if cells.len() < FEW_ROWS {
        return None;
    }
    let is_next = |pair: &[Option<f64>]| matches!(pair, [Some(a), Some(b)] if *b == a + 1.0);
    if cells.windows(2).all(is_next) {
        return Some("it numbers the rows");
    }
    let name = name.to_lowercase();
    let mut whole: Vec<i64> =
        cells.iter().flatten().filter(|cell| cell.fract() == 0.0).map(|cell| *cell as i64).collect();
    whole.sort_unstable();
    whole.dedup();
    let is_id = name == "id" || name.ends_with("_id") || name.ends_with(" id");
    (is_id && whole.len() == cells.len()).then_some("it is an identifier")
}

/// What is taken off the numbers of a column, given in order, before they are kept in single precision: the median, where it is so large beside
/// the middle half of the numbers that little of what sets them apart would be left, as of times in milliseconds; else nothing.
fn taken_off(known: &[f64], median: f64) -> f64 {
    let last = known.len().saturating_sub(1);
    let spread = |share: f64| {
        let at = (share * last as f64) as usize;
        known.get(last - at).zip(known.get(at)).map_or(0.0, |(high, low)| high - low)
    };
    let apart = [0.25, 0.0].map(spread).into_iter().find(|apart| *apart > 0.0);
    if apart.is_some_and(|apart| median.abs() > FAR * apart) { median } else { 0.0 }
}

/// The cells that are there, in order.
fn sorted(cells: &[Option<f64>]) -> Vec<f64> {
    let mut known: Vec<f64> = cells.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    known
}

/// The median of numbers in order; 0 without any.
fn median(known: &[f64]) -> f64 {
    match known.len() {
        0 => 0.0,
        n if n % 2 == 1 => known[n / 2],
        n => f64::midpoint(known[n / 2 - 1], known[n / 2]),
    }
}

/// The different words, the most frequent first, equally frequent ones by name.
fn levels(cells: &[Option<String>]) -> Vec<&str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in cells.iter().flatten() {
        *counts.entry(word).or_default() += 1;
    }
    let mut levels: Vec<(&str, usize)> = counts.into_iter().collect();
    levels.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    levels.into_iter().map(|(level, _)| level).collect()
}

/// A column a level; where there are two, one for the second.
fn one_hot(cells: &[Option<String>], levels: &[&str]) -> Vec<(FeatureValue, Vec<f32>)> {
    let own = levels.len().min(LEVELS);
    let place: BTreeMap<&str, usize> =
        levels.iter().enumerate().map(|(at, level)| (*level, at.min(own))).collect();
    let n = own + usize::from(levels.len() > LEVELS);
    let mut columns = vec![vec![0.0; cells.len()]; n];
    for (row, cell) in cells.iter().enumerate() {
        if let Some(word) = cell {
            columns[place[word.as_str()]][row] = 1.0;
        }
    }
    let other = (n == 2).then(|| levels[0].to_owned());
    let is = |word: &&str| FeatureValue::Is { word: (*word).to_owned(), other: other.clone() };
    let rest =
        || FeatureValue::IsOther { than: levels[..own].iter().map(|word| (*word).to_owned()).collect() };
    let what = levels[..own].iter().map(is).chain((n > own).then(rest));
    let mut columns: Vec<_> = what.zip(columns).collect();
    if n == 2 { columns.split_off(1) } else { columns }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is(word: &str) -> FeatureValue {
        FeatureValue::Is { word: word.into(), other: None }
    }

    fn numbers(cells: &[f64]) -> Column {
        Column::Numbers(cells.iter().map(|cell| (!cell.is_nan()).then_some(*cell)).collect())
    }

    fn words(cells: &[&str]) -> Column {
        Column::Words(cells.iter().map(|cell| (!cell.is_empty()).then(|| (*cell).to_owned())).collect())
    }

    #[test]
    fn missing_numbers_are_the_median_and_marked() {
        let encoded = numbers(&[1.0, f64::NAN, 10.0, 4.0, 3.0]).encode("a");
        let expected = vec![
            (
                FeatureValue::Number { if_missing: 3.5, less: 0.0, written: None },
                vec![1.0, 3.5, 10.0, 4.0, 3.0],
            ),
            (FeatureValue::IsMissing, vec![0.0, 1.0, 0.0, 0.0, 0.0]),
        ];
        assert_eq!(encoded, Encoded::Numbers(expected));
    }

    #[test]
    fn numbers_that_are_large_beside_what_sets_them_apart_are_told_from_their_median() {
        let times = [0.0, 1.0, 2.0, 40.0].map(|seconds| 1.7e12 + seconds);
        let expected = vec![(
            FeatureValue::Number { if_missing: 1.7e12 + 1.5, less: 1.7e12 + 1.5, written: None },
            vec![-1.5, -0.5, 0.5, 38.5],
        )];
        assert_eq!(numbers(&times).encode("at"), Encoded::Numbers(expected));
        // One that is far off, here a 0, does not hide it.
        let Encoded::Numbers(columns) = numbers(&[&times[..], &[0.0]].concat()).encode("at") else {
            panic!("it is a feature");
        };
        assert_eq!(columns[0].1[..4], [-1.0, 0.0, 1.0, 39.0]);
        for plain in [[1e4, 2e4, 3e4], [-5.0, 0.0, 1e9]] {
            let Encoded::Numbers(columns) = numbers(&plain).encode("a") else { panic!("it is a feature") };
            assert_eq!(columns[0].1, plain.map(|value| value as f32));
        }
    }

    #[test]
    fn words_are_marked_by_frequency() {
        let encoded = words(&["b", "a", "b", "c", ""]).encode("a");
        let expected = vec![
            (is("b"), vec![1.0, 0.0, 1.0, 0.0, 0.0]),
            (is("a"), vec![0.0, 1.0, 0.0, 0.0, 0.0]),
            (is("c"), vec![0.0, 0.0, 0.0, 1.0, 0.0]),
            (FeatureValue::IsMissing, vec![0.0, 0.0, 0.0, 0.0, 1.0]),
        ];
        assert_eq!(encoded, Encoded::Numbers(expected));
        let yes = FeatureValue::Is { word: "yes".into(), other: Some("no".into()) };
        let expected = vec![(yes, vec![0.0, 1.0, 0.0])];
        assert_eq!(words(&["no", "yes", "no"]).encode("a"), Encoded::Numbers(expected));
    }

    #[test]
    fn rare_levels_share_a_column() {
        let cells: Vec<String> = (0..40).flat_map(|level| vec![format!("w{level:02}"); 50 - level]).collect();
        let column = Column::Words(cells.into_iter().map(Some).collect());
        let Encoded::Numbers(columns) = column.encode("a") else { panic!("it is a feature") };
        assert_eq!(columns.len(), 33);
        let sum = |column: &(FeatureValue, Vec<f32>)| column.1.iter().sum::<f32>();
        assert_eq!((sum(&columns[0]), sum(&columns[31])), (50.0, 19.0));
        assert_eq!(sum(&columns[32]), (11..=18).sum::<i32>() as f32);
        assert_eq!(columns[31].0, is("w31"));
        assert_eq!((column.shared_words(), words(&["a", "b"]).shared_words()), (Some(8), None));
        let FeatureValue::IsOther { than } = &columns[32].0 else { panic!("the rest share a column") };
        assert_eq!((than.len(), than[0].as_str(), than[31].as_str()), (32, "w00", "w31"));
    }

    #[test]
    fn what_tells_nothing_is_left_out() {
        let out = |column: Column, name: &str| match column.encode(name) {
            Encoded::LeftOut(why) => why,
            Encoded::Numbers(_) => "kept",
        };
        let count: Vec<f64> = (5..25).map(f64::from).collect();
        assert_eq!(out(numbers(&count), "n"), "it numbers the rows");
        let squares: Vec<f64> = count.iter().map(|n| n * n).collect();
        assert_eq!(out(numbers(&squares), "customer_id"), "it is an identifier");
        assert_eq!(out(numbers(&squares), "humid"), "kept");
        assert_eq!(out(numbers(&[2.0; 3]), "n"), "all its values are the same");
        assert_eq!(out(numbers(&[f64::NAN; 3]), "n"), "all its values are the same");
        assert_eq!(out(numbers(&[f64::NAN, 1.0, 1.0]), "n"), "kept");
        let names: Vec<String> = (0..20).map(|n| format!("Mr {n}")).collect();
        assert!(
            out(Column::Words(names.into_iter().map(Some).collect()), "n").starts_with("nearly every row")
        );
    }

    proptest! {
        #[test]
        fn what_is_made_is_finite_and_as_long(cells in proptest::collection::vec(proptest::option::of(-1e6_f64..1e6), 2..50)) {
            if let Encoded::Numbers(columns) = Column::Numbers(cells.clone()).encode("a") {
                prop_assert!(columns.len() <= 2);
                for (_, column) in &columns {
                    prop_assert_eq!(column.len(), cells.len());
                    prop_assert!(column.iter().all(|value| value.is_finite()));
                }
            }
        }

        #[test]
        fn one_hot_rows_have_one_mark(cells in proptest::collection::vec(0_usize..50, 100..200)) {
            let words: Vec<Option<String>> = cells.iter().map(|cell| Some(cell.to_string())).collect();
            let levels = levels(&words);
            let columns = one_hot(&words, &levels);
            for row in 0..cells.len() {
                let marks: f32 = columns.iter().map(|(_, column)| column[row]).sum();
                prop_assert!(marks == 1.0 || levels.len() <= 2);
            }
        }
    }
}
