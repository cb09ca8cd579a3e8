//! Cells of new tables, read as those of the training were.

use crate::loaders::cell::{
    MISSING, MISSING_AMONG_NUMBERS, date, in_threes, is_infinite, number, percent, time,
};
use crate::loaders::column::Column;
use crate::loaders::csv_table::INFINITE;
use crate::{FeatureValue, Written};

/// A column of a new table.
pub(super) enum Cells {
    /// As a CSV file has them, and what stands between them there.
    Texts(Vec<String>, u8),
    /// Of a file that tells numbers from words.
    Typed(Column),
}

impl Cells {
    /// The cells as texts, a missing one being empty.
    pub(super) fn texts(&self) -> Vec<String> {
        let number = |cell: &Option<f64>| cell.map(|cell| cell.to_string()).unwrap_or_default();
        match self {
            Cells::Texts(cells, _) => cells.clone(),
            Cells::Typed(Column::Words(cells)) => {
                cells.iter().map(|cell| cell.clone().unwrap_or_default()).collect()
            }
            Cells::Typed(Column::Numbers(cells) | Column::Written(_, cells)) => {
                cells.iter().map(number).collect()
            }
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Cells::Texts(cells, _) => cells.len(),
            Cells::Typed(column) => column.len(),
        }
    }

    fn delimiter(&self) -> u8 {
        if let Cells::Texts(_, delimiter) = self { *delimiter } else { b',' }
    }
}

/// Which texts stand for a missing cell.
pub(super) struct MissingTexts<'a> {
    always: Vec<&'a str>,
    among_numbers: Vec<&'a str>,
}

impl<'a> MissingTexts<'a> {
    /// Those of the training; the usual ones where it had none because its file did without.
    pub(super) fn of(always: &'a [String], among_numbers: &'a [String]) -> Self {
        if always.is_empty() {
            return MissingTexts { always: MISSING.to_vec(), among_numbers: MISSING_AMONG_NUMBERS.to_vec() };
        }
        let all = |texts: &'a [String]| texts.iter().map(String::as_str).collect();
        MissingTexts { always: all(always), among_numbers: all(among_numbers) }
    }

    fn is_missing(&self, cell: &str, among_numbers: bool) -> bool {
        let is = |texts: &[&str]| texts.iter().any(|text| text.eq_ignore_ascii_case(cell));
        is(&self.always) || among_numbers && is(&self.among_numbers)
    }
}

/// What a network takes in of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wanted {
    Numbers(Option<Written>),
    Words {
        /// Whether all words of the training are known, or there were others, which have no mark of their own.
        all_known: bool,
    },
    /// Whether they are missing alone, which tells of numbers that are all the same.
    Marks,
}

impl Wanted {
    pub(super) fn of(values: &[&FeatureValue]) -> Self {
        let all_known = !values.iter().any(|value| matches!(value, FeatureValue::IsOther { .. }));
        let kind = |value: &&FeatureValue| match value {
            FeatureValue::Number { written, .. } => Some(Wanted::Numbers(*written)),
            FeatureValue::Is { .. } | FeatureValue::IsOther { .. } => Some(Wanted::Words { all_known }),
            FeatureValue::IsMissing => None,
        };
        values.iter().find_map(kind).unwrap_or(Wanted::Marks)
    }

    /// The cells as they were read in training, or the row, from 1, that cannot be, and why.
    pub(super) fn read(
        self,
        cells: &Cells,
        missing: &MissingTexts,
        words: &[&str],
    ) -> Result<Column, (usize, String)> {
        match self {
            Wanted::Numbers(written) => numbers(cells, written, missing).map(Column::Numbers),
            Wanted::Words { .. } | Wanted::Marks => {
                // One of the words that are not known may have been written so.
                let is_told = self != Wanted::Words { all_known: false };
                let among_numbers = self == Wanted::Marks;
                // A word of the training is that word, though elsewhere it may stand for nothing.
                let word = |cell: String| match words.contains(&cell.as_str()) {
                    true => Some(cell),
                    false if missing.is_missing(&cell, among_numbers) => None,
                    false if is_told => Some(meant(&cell, words).map_or(cell, str::to_owned)),
                    false => Some(cell),
                };
                Ok(Column::Words(cells.texts().into_iter().map(word).collect()))
            }
        }
    }
}

/// The only one of these words that a text can mean: itself, or what differs from it in nothing but case, or in how a number is written.
/// Files of one table have `True`, `true` and `TRUE`, and `1` becomes `1.0` as soon as a cell of its column is missing.
pub(super) fn meant<'a>(text: &str, words: &[&'a str]) -> Option<&'a str> {
    let (lower, as_number) = (text.to_lowercase(), text.parse::<f64>().ok());
    let is_meant =
        |word: &&&str| word.to_lowercase() == lower || as_number.is_some() && word.parse().ok() == as_number;
    match words.iter().find(|word| **word == text) {
        Some(same) => Some(same),
        None => {
            let mut all = words.iter().filter(is_meant);
            all.next().copied().filter(|_| all.next().is_none())
        }
    }
}

fn numbers(
    cells: &Cells,
    written: Option<Written>,
    missing: &MissingTexts,
) -> Result<Vec<Option<f64>>, (usize, String)> {
    let wanted = described(written);
    if let Cells::Typed(Column::Numbers(numbers)) = cells {
        return typed(None, numbers, written);
    }
    if let Cells::Typed(Column::Written(way, numbers)) = cells {
        return typed(Some(*way), numbers, written);
    }
    let delimiter = cells.delimiter();
    let read = |(at, cell): (usize, String)| {
        if missing.is_missing(&cell, true) {
            return Ok(None);
        }
        read_as(written, &cell, delimiter).map(Some).ok_or_else(|| {
            let why = match is_infinite(&cell) {
                true => format!("{cell:?} {INFINITE}"),
                false => format!("{cell:?} stands where the training had {wanted}"),
            };
            (at + 1, why)
        })
    };
    cells.texts().into_iter().enumerate().map(read).collect()
}

/// Numbers that a file tells from words, as those of the training: days of times that are all midnights, and times of days.
fn typed(
    found: Option<Written>,
    numbers: &[Option<f64>],
    wanted: Option<Written>,
) -> Result<Vec<Option<f64>>, (usize, String)> {
    const DAY_S: f64 = 86_400.0;
    let times = |factor: f64| Ok(numbers.iter().map(|number| number.map(|number| number * factor)).collect());
    let are_days = || numbers.iter().flatten().all(|number| number % DAY_S == 0.0);
    match (found, wanted) {
        (Some(found), Some(wanted)) if found == wanted => times(1.0),
        (Some(Written::Date), Some(Written::Time)) => times(DAY_S),
        (Some(Written::Time), Some(Written::Date)) if are_days() => times(1.0 / DAY_S),
        (None, wanted) if !is_of_its_own(wanted) => times(1.0),
        _ => {
            let (found, wanted) = (described(found), described(wanted));
            Err((1, format!("it is of {found}, and the training had {wanted}")))
        }
    }
}

/// Whether numbers of this way mean something else than the same numbers without it.
fn is_of_its_own(written: Option<Written>) -> bool {
    matches!(written, Some(Written::Percent | Written::Date | Written::Time))
}

fn described(written: Option<Written>) -> &'static str {
    match written {
        None => "numbers",
        Some(Written::Percent) => "percentages such as 2.5 %",
        Some(Written::ThousandsByComma) => "numbers such as 1,234.5",
        Some(Written::ThousandsByPoint) => "numbers such as 1.234,5",
        Some(Written::DecimalComma) => "numbers such as 2,5",
        Some(Written::Date) => "dates such as 2024-05-31",
        Some(Written::Time) => "times such as 2024-05-31 12:30",
    }
}

/// A number in the way of the training. Where thousands are set apart they need not be: `1234` can be read in one way only.
fn read_as(written: Option<Written>, cell: &str, delimiter: u8) -> Option<f64> {
    let whole = |separator: char, delimiter| {
        Some(cell).filter(|cell| !cell.contains(separator)).and_then(|cell| number(cell, delimiter))
    };
    match written {
        None => number(cell, delimiter),
        Some(Written::DecimalComma) => number(cell, b';'),
        Some(Written::Percent) => percent(cell, b';'),
        Some(Written::ThousandsByComma) => in_threes(cell, ',', '.').or_else(|| whole(',', b',')),
        Some(Written::ThousandsByPoint) => in_threes(cell, '.', ',').or_else(|| whole('.', b';')),
        Some(Written::Date) => date(cell),
        Some(Written::Time) => time(cell),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(wanted: Wanted, cells: &[&str]) -> Result<Column, (usize, String)> {
        let cells = Cells::Texts(cells.iter().map(|cell| (*cell).to_owned()).collect(), b',');
        let missing = ["".to_owned(), "na".into()];
        wanted.read(&cells, &MissingTexts::of(&missing, &["-".into()]), &["na", "b"])
    }

    #[test]
    fn numbers_are_read_in_the_way_of_the_training() {
        let one = |written, cell| read(Wanted::Numbers(written), &[cell]);
        for (written, cell, want) in [
            (None, "2.5", 2.5),
            (Some(Written::DecimalComma), "2,5", 2.5),
            (Some(Written::DecimalComma), "2.5", 2.5),
            (Some(Written::Percent), "2,5 %", 2.5),
            (Some(Written::ThousandsByComma), "1,234.5", 1_234.5),
            (Some(Written::ThousandsByComma), "1234.5", 1_234.5),
            (Some(Written::ThousandsByPoint), "1.234,5", 1_234.5),
            (Some(Written::ThousandsByPoint), "1234,5", 1_234.5),
            (Some(Written::Date), "1970-01-03", 2.0),
            (Some(Written::Time), "1970-01-01 00:01", 60.0),
        ] {
            assert_eq!(one(written, cell), Ok(Column::Numbers(vec![Some(want)])), "{written:?} {cell}");
        }
        for (written, cell, why) in [
            (None, "oops", "\"oops\" stands where the training had numbers"),
            (None, "1,234", "\"1,234\" stands where the training had numbers"),
            (None, "1e999", "\"1e999\" is not finite; leave the cell empty if the number is missing"),
            (Some(Written::Percent), "5", "\"5\" stands where the training had percentages such as 2.5 %"),
            (
                Some(Written::Date),
                "3.4.2024",
                "\"3.4.2024\" stands where the training had dates such as 2024-05-31",
            ),
        ] {
            assert_eq!(one(written, cell), Err((1, why.into())));
        }
    }

    #[test]
    fn a_word_is_meant_however_it_is_written_unless_two_could_be() {
        let words = ["True", "Yes", "yes", "1", "3A", "07"];
        for (text, word) in [
            ("true", Some("True")),
            ("TRUE", Some("True")),
            ("Yes", Some("Yes")),
            ("YES", None),
            ("1.0", Some("1")),
            ("3a", Some("3A")),
            ("7", Some("07")),
            ("0", None),
            ("False", None),
        ] {
            assert_eq!(meant(text, &words), word, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_what_was_in_training() {
        let numbers = read(Wanted::Numbers(None), &["1", "NA", "-", ""]).unwrap();
        assert_eq!(numbers, Column::Numbers(vec![Some(1.0), None, None, None]));
        let all_known = Wanted::Words { all_known: true };
        let words = read(all_known, &["b", "na", "NA", "-", ""]).unwrap();
        let word = |text: &str| Some(text.to_owned());
        assert_eq!(words, Column::Words(vec![word("b"), word("na"), None, word("-"), None]));
        // Where other words had no mark, `B` may have been one of them.
        for (all_known, read_as) in [(true, "b"), (false, "B")] {
            let words = read(Wanted::Words { all_known }, &["B"]).unwrap();
            assert_eq!(words, Column::Words(vec![word(read_as)]));
        }
        assert_eq!(read(Wanted::Marks, &["b", "-"]).unwrap(), Column::Words(vec![word("b"), None]));
        // A file without texts for it leaves the usual ones.
        let cells = Cells::Texts(vec!["?".into()], b',');
        let read = Wanted::Numbers(None).read(&cells, &MissingTexts::of(&[], &[]), &[]);
        assert_eq!(read, Ok(Column::Numbers(vec![None])));
    }

    #[test]
    fn typed_numbers_are_taken_where_they_mean_the_same() {
        let typed = |column: Column, written| {
            Wanted::Numbers(written).read(&Cells::Typed(column), &MissingTexts::of(&[], &[]), &[])
        };
        let numbers = || Column::Numbers(vec![Some(2.0), None]);
        for written in [None, Some(Written::DecimalComma), Some(Written::ThousandsByComma)] {
            assert_eq!(typed(numbers(), written), Ok(numbers()));
        }
        let days = Column::Written(Written::Date, vec![Some(2.0), None]);
        assert_eq!(typed(days.clone(), Some(Written::Date)), Ok(numbers()));
        let midnights = Column::Written(Written::Time, vec![Some(172_800.0), None]);
        assert_eq!(typed(midnights.clone(), Some(Written::Date)), Ok(numbers()));
        assert_eq!(
            typed(days.clone(), Some(Written::Time)),
            Ok(Column::Numbers(vec![Some(172_800.0), None]))
        );
        let noon = Column::Written(Written::Time, vec![Some(43_200.0)]);
        assert!(typed(noon, Some(Written::Date)).unwrap_err().1.starts_with("it is of times such as"));
        assert!(typed(numbers(), Some(Written::Percent)).unwrap_err().1.starts_with("it is of numbers, and"));
        assert!(typed(days, None).unwrap_err().1.starts_with("it is of dates such as"));
        let words = Column::Words(vec![Some("2".into()), None]);
        assert_eq!(typed(words, None), Ok(numbers()));
    }
}
