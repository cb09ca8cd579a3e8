//! Tables in CSV files.

use std::collections::BTreeSet;
use std::path::Path;

use super::cell::{
    date, in_threes, is_code, is_infinite, is_missing, is_missing_among_numbers, number, percent, time,
};
use super::column::Column;
use super::files::{format, read};
use super::table::{Table, TableOptions};
use crate::{Dataset, DatasetError, Written};

/// Rows that are looked at to tell whether the first line is a head.
const LOOKED_AT: usize = 100;
/// From this many numbers on, a column of which nine tenths are numbers is one of numbers.
const MANY_NUMBERS: usize = 20;
/// What is wrong with a number that is none to compute with.
pub(super) const INFINITE: &str = "is not finite; leave the cell empty if the number is missing";

/// Loads a table out of a CSV file, also packed (`.gz`). Cells are separated by comma, semicolon, tab or `|`, whichever the
/// first line has most of; the first line is the head unless it has numbers where the lines below have them.
///
/// # Errors
/// [`DatasetError::Format`] with line or row and column, [`DatasetError::BadOption`], [`DatasetError::Io`].
pub fn csv_table(file: &Path, name: &str, options: &TableOptions) -> Result<Dataset, DatasetError> {
    let bytes = read(file)?;
    parse(&bytes, file, options.label.as_deref())?.dataset(file, name, options)
}

fn parse(bytes: &[u8], file: &Path, label: Option<&str>) -> Result<Table, DatasetError> {
    let (rows, delimiter) = records(bytes, file)?;
    let first = &rows[0];
    if first.len() < 2 {
        return Err(format(file, "it has one column; a label and features were expected".into()));
    }
    let has_head = label.is_some_and(|label| first.iter().any(|cell| cell == label))
        || has_head(&rows, |cell| number(cell, delimiter));
    let (names, rows) = named(&rows, has_head);
    let is_label = |at: usize| label.map_or(at + 1 == names.len(), |label| label == names[at]);
    let columns = names.iter().enumerate().map(|(at, name)| {
        let cells: Vec<Option<&str>> =
            rows.iter().map(|row| Some(&row[at]).filter(|cell| !is_missing(cell))).collect();
        // A label is a word or a whole number, and may well be called `none`.
        let column = if is_label(at) { label_column(&cells, delimiter) } else { column(&cells, delimiter) };
        column.map_err(|(row, cell)| {
            let reason = if is_infinite(cell) {
                INFINITE
            } else {
                "is no number; a number was expected, as nearly all of the column are"
            };
            format(file, format!("row {}, column {name:?}: {cell:?} {reason}", row + 1))
        })
    });
    let mut columns: Vec<Column> = columns.collect::<Result<_, _>>()?;
    // A file has one decimal mark: where it is a comma, points set thousands apart.
    if columns.iter().any(|column| matches!(column, Column::Written(Written::DecimalComma, _))) {
        for (at, column) in columns.iter_mut().enumerate().filter(|(at, _)| !is_label(*at)) {
            if matches!(column, Column::Numbers(_))
                && let Some(numbers) = thousands(rows.iter().map(|row| &row[at]))
            {
                *column = Column::Written(Written::ThousandsByPoint, numbers);
            }
        }
    }
    Ok(Table { names, columns, has_texts: true })
}

/// The lines of a file, of which there is one at least, all of one length, and what separates their cells.
pub(super) fn records(bytes: &[u8], file: &Path) -> Result<(Vec<csv::StringRecord>, u8), DatasetError> {
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let delimiter = delimiter(bytes);
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).delimiter(delimiter).trim(csv::Trim::All);
    let mut rows: Vec<csv::StringRecord> = Vec::new();
    for record in reader.from_reader(bytes).into_records() {
        let record = record.map_err(|error| match error.kind() {
            csv::ErrorKind::Utf8 { pos, .. } => {
                let line = pos.as_ref().map_or(0, csv::Position::line);
                format(file, format!("line {line} is not UTF-8 text; save the file as UTF-8"))
            }
            _ => format(file, error.to_string()),
        })?;
        let width = rows.first().map_or(record.len(), csv::StringRecord::len);
        if record.len() != width {
            let line = record.position().map_or(0, csv::Position::line);
            let reason = format!("line {line} has {} cells, the first line has {width}", record.len());
            return Err(format(file, reason));
        }
        rows.push(record);
    }
    if rows.is_empty() { Err(format(file, "it is empty".into())) } else { Ok((rows, delimiter)) }
}

/// The names of the columns and the rows below them; without a head, columns are numbered.
pub(super) fn named(rows: &[csv::StringRecord], has_head: bool) -> (Vec<String>, &[csv::StringRecord]) {
    let width = rows.first().map_or(0, csv::StringRecord::len);
    let numbered = || (1..=width).map(|at| format!("column {at}")).collect();
    let head = rows.first().filter(|_| has_head);
    let names = head.map_or_else(numbered, |head| head.iter().map(str::to_owned).collect());
    (names, &rows[usize::from(has_head)..])
}

/// The separator that the first line has most of.
fn delimiter(bytes: &[u8]) -> u8 {
    let (mut counts, mut in_quotes) = ([0_usize; 4], false);
    const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
    for byte in bytes {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\n' if !in_quotes => break,
            _ if in_quotes => {}
            byte => {
                if let Some(at) = DELIMITERS.iter().position(|delimiter| delimiter == byte) {
                    counts[at] += 1;
                }
            }
        }
    }
    let most = (0..4).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    DELIMITERS[most]
}

/// Whether the first line names the columns: where a column has numbers, it has none.
pub(super) fn has_head(rows: &[csv::StringRecord], number: impl Fn(&str) -> Option<f64>) -> bool {
    let below = &rows[1..rows.len().min(LOOKED_AT)];
    let is_numeric = |at: &usize| {
        let cells = below.iter().map(|row| &row[*at]);
        let mut cells = cells.filter(|cell| !is_missing_among_numbers(cell)).peekable();
        cells.peek().is_some() && cells.all(|cell| number(cell).is_some())
    };
    let mut numeric = (0..rows[0].len()).filter(is_numeric).peekable();
    numeric.peek().is_none() || numeric.any(|at| number(&rows[0][at]).is_none() && !is_missing(&rows[0][at]))
}

/// The ways to write numbers other than the plain one, in the order in which they are tried.
const WAYS: [Written; 5] =
    [Written::Percent, Written::ThousandsByComma, Written::ThousandsByPoint, Written::Date, Written::Time];

fn read_as(way: Written, cell: &str, delimiter: u8) -> Option<f64> {
    match way {
        Written::DecimalComma => number(cell, delimiter),
        Written::Percent => percent(cell, delimiter),
        Written::ThousandsByComma => in_threes(cell, ',', '.'),
        Written::ThousandsByPoint => in_threes(cell, '.', ','),
        Written::Date => date(cell),
        Written::Time => time(cell),
    }
}

/// The numbers of cells of which some have points, and none but between thousands: `19.703`, and not `0.125`.
fn thousands<'a>(cells: impl Iterator<Item = &'a str> + Clone) -> Option<Vec<Option<f64>>> {
    let read = |cell: &str| match is_missing_among_numbers(cell) {
        true => Some(None),
        false if cell.trim_start_matches(['-', '+']).starts_with("0.") => None,
        false => in_threes(cell, '.', ',').map(Some),
    };
    cells.clone().any(|cell| cell.contains('.')).then(|| cells.map(read).collect()).flatten()
}

/// What cannot be a cell of its column: its row and the cell.
type Odd<'a> = (usize, &'a str);

/// The classes: whole numbers, unless one of them is a code such as `01`, whose zero tells it from `1`; else words.
fn label_column<'a>(cells: &[Option<&'a str>], delimiter: u8) -> Result<Column, Odd<'a>> {
    let column = plain(cells, delimiter)?;
    Ok(if cells.iter().flatten().any(|cell| is_code(cell)) { words(cells) } else { column })
}

/// A column of numbers if all its cells are, in one way of writing them; else as [`plain`]. Whole numbers of which some are written with
/// a zero before them and without it are codes, which are words: `010` and `10` are two.
fn column<'a>(cells: &[Option<&'a str>], delimiter: u8) -> Result<Column, Odd<'a>> {
    let there: Vec<Option<&str>> =
        cells.iter().map(|cell| cell.filter(|cell| !is_missing_among_numbers(cell))).collect();
    if there.iter().all(Option::is_none) {
        return plain(cells, delimiter);
    }
    let read = |number: &dyn Fn(&str) -> Option<f64>| -> Option<Vec<Option<f64>>> {
        there.iter().map(|cell| cell.map_or(Some(None), |cell| number(cell).map(Some))).collect()
    };
    if let Some(numbers) = read(&|cell| number(cell, delimiter)) {
        let has_comma = there.iter().flatten().any(|cell| cell.contains(','));
        return Ok(match (are_codes(&there), has_comma) {
            (true, _) => words(cells),
            (false, true) => Column::Written(Written::DecimalComma, numbers),
            (false, false) => Column::Numbers(numbers),
        });
    }
    for way in WAYS {
        if let Some(numbers) = read(&|cell| read_as(way, cell, delimiter)) {
            return Ok(Column::Written(way, numbers));
        }
    }
    // Among numbers an infinite one is neither a word nor missing; that is for the user to say.
    let mut known = there.iter().enumerate().filter_map(|(row, cell)| Some((row, (*cell)?)));
    if known.clone().all(|(_, cell)| is_infinite(cell) || number(cell, delimiter).is_some())
        && let Some(odd) = known.find(|(_, cell)| is_infinite(cell))
    {
        return Err(odd);
    }
    match plain(&there, delimiter) {
        Ok(Column::Words(_)) => plain(cells, delimiter),
        other => other,
    }
}

/// A column of numbers if all its cells are plain ones; one with single cells that are none gives the first of them.
fn plain<'a>(cells: &[Option<&'a str>], delimiter: u8) -> Result<Column, Odd<'a>> {
    let known = cells.iter().flatten().count();
    let numbers: Vec<Option<f64>> =
        cells.iter().map(|cell| cell.and_then(|cell| number(cell, delimiter))).collect();
    let n = numbers.iter().flatten().count();
    if n == known {
        return Ok(Column::Numbers(numbers));
    }
    if n >= MANY_NUMBERS && 10 * n >= 9 * known {
        let odd = cells.iter().zip(&numbers).enumerate();
        let odd = odd
            .filter(|(_, (_, number))| number.is_none())
            .find_map(|(row, (cell, _))| Some((row, (*cell)?)));
        if let Some(odd) = odd {
            return Err(odd);
        }
    }
    Ok(words(cells))
}

fn words(cells: &[Option<&str>]) -> Column {
    Column::Words(cells.iter().map(|cell| cell.map(str::to_owned)).collect())
}

/// Whether a whole number is written in two ways, of which one is a code.
fn are_codes(cells: &[Option<&str>]) -> bool {
    // Most columns have no code at all, and need not be sorted.
    if !cells.iter().flatten().any(|cell| is_code(cell)) {
        return false;
    }
    let all: BTreeSet<&str> = cells.iter().flatten().copied().collect();
    let without_zeros = |code: &str| {
        let rest = code.trim_start_matches('0');
        if rest.is_empty() { "0".to_owned() } else { rest.to_owned() }
    };
    let codes: Vec<&str> = all.iter().copied().filter(|cell| is_code(cell)).collect();
    let shorter: BTreeSet<String> = codes.iter().map(|code| without_zeros(code)).collect();
    shorter.len() < codes.len() || shorter.iter().any(|number| all.contains(number.as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{FeatureValue, Preparation};

    fn load(text: &str, label: Option<&str>) -> Result<Dataset, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mine.csv");
        std::fs::write(&file, text).unwrap();
        let options = TableOptions { label: label.map(str::to_owned) };
        csv_table(&file, "mine", &options).map_err(|error| error.to_string())
    }

    #[test]
    fn words_numbers_and_missing_cells() {
        let text = "age,sex,smokes,ill\n30,m,true,yes\n?,f,NA,no\n50,\"m\",false, no \n\n40,f,true,yes\n";
        let data = load(text, None).unwrap();
        assert_eq!((data.n(), data.classes()), (4, &["no".to_owned(), "yes".into()][..]));
        // Age, where it is missing, sex, smokes, where it is missing.
        assert_eq!(data.x().row(0).to_vec(), [30.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(data.x().row(1).to_vec(), [40.0, 1.0, 0.0, 0.0, 1.0]);
        assert_eq!(data.x().row(2).to_vec(), [50.0, 0.0, 1.0, 1.0, 0.0]);
        let by_sex = load(text, Some("sex")).unwrap();
        assert_eq!((by_sex.classes(), by_sex.y()), (&["f".to_owned(), "m".into()][..], &[1, 0, 1, 0][..]));
    }

    #[test]
    fn other_separators_and_no_head() {
        let data = load("a;b\n1,5;x\n2;y\n", None).unwrap();
        assert_eq!(data.x().column(0).to_vec(), [1.5, 2.0]);
        let data = load("\u{feff}5.1\t3.5\tsetosa\n4.9\t3.0\tvirginica\n", None).unwrap();
        assert_eq!((data.n(), data.shape()), (2, &[2][..]));
        assert_eq!(load("5.1,setosa\n4.9,other\n", Some("column 2")).unwrap().n(), 2);
        // Years as names, and a column of words alone.
        assert_eq!(load("id,2019,class\n7,2,a\n9,1,b\n", None).unwrap().n(), 2);
        assert_eq!(load("x,class\np,a\nq,b\n", None).unwrap().n(), 2);
    }

    #[test]
    fn refusals_name_line_row_and_column() {
        let why = |text: &str| load(text, None).unwrap_err();
        assert!(why("a,b\n1,x\n2\n").ends_with("mine.csv: line 3 has 1 cells, the first line has 2"));
        assert!(why("").ends_with("mine.csv: it is empty"));
        assert!(why("a\n1\n").contains("it has one column"));
        assert!(why("a,b\n").contains("it has no rows"));
        let mut text = String::from("a,b\n");
        (0..30).for_each(|row| text += &format!("{row}.5,{}\n", row % 2));
        text += "oops,1\n";
        assert!(why(&text).contains("row 31, column \"a\": \"oops\" is no number"), "{}", why(&text));
        assert!(
            load("a,b\n1,x\n2,y\n", Some("c"))
                .unwrap_err()
                .ends_with("there is no column \"c\"; there are a, b")
        );
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("latin.csv");
        std::fs::write(&file, b"a,b\n\xe4,1\n").unwrap();
        let error = csv_table(&file, "latin", &TableOptions::default()).unwrap_err().to_string();
        assert!(error.ends_with("line 2 is not UTF-8 text; save the file as UTF-8"), "{error}");
    }

    /// A table of a column `a` with these cells and a label.
    fn with_column(cells: &[&str]) -> Result<Dataset, String> {
        let mut text = String::from("a,b,class\n");
        for (at, cell) in cells.iter().enumerate() {
            text += &format!("\"{cell}\",{},{}\n", (at * 7) % 5, ["yes", "none"][at % 2]);
        }
        load(&text, None)
    }

    #[test]
    fn numbers_however_they_are_written_and_whatever_stands_for_missing_ones() {
        let first = |cells: &[&str]| with_column(cells).unwrap().x().column(0).to_vec();
        for gap in ["-", "None", "#N/A", "n.a.", "N/A", "NULL", "?", "", "nan"] {
            assert_eq!(first(&["1", gap, "3", "8"]), [1.0, 3.0, 3.0, 8.0], "{gap:?}");
        }
        assert_eq!(first(&["5%", "2.5 %", "-", "7%"]), [5.0, 2.5, 5.0, 7.0]);
        assert_eq!(first(&["1,234", "999", "12,000.5", "0"]), [1_234.0, 999.0, 12_000.5, 0.0]);
        assert_eq!(first(&["1.234,5", "2,5", "3", "0"]), [1_234.5, 2.5, 3.0, 0.0]);
        // Where only some are percents, or a word stands among them, they are words; `none` is one of them.
        let data = with_column(&["5%", "2", "5%", "2", "none", "none"]).unwrap();
        assert_eq!((data.x().ncols(), data.classes().len()), (4, 2));
        let words = with_column(&["1", "2", "inf", "4"]).unwrap_err();
        assert!(
            words.contains("row 3, column \"a\": \"inf\" is not finite; leave the cell empty"),
            "{words}"
        );
    }

    #[test]
    fn codes_are_words_and_plain_numbers_with_zeros_are_numbers() {
        let classes = |labels: &[&str]| {
            let rows: String =
                labels.iter().enumerate().map(|(at, label)| format!("{},\"{label}\"\n", at % 3)).collect();
            load(&format!("a,class\n{rows}"), None).unwrap().classes().to_vec()
        };
        assert_eq!(classes(&["010", "10", "2", "010", "10", "2"]), ["010", "10", "2"]);
        assert_eq!(classes(&["01", "1", "01", "1"]), ["01", "1"]);
        assert_eq!(classes(&["10", "9", "10", "9"]), ["9", "10"]);
        assert_eq!(with_column(&["010", "10", "2", "010", "10", "2"]).unwrap().x().ncols(), 4);
        assert_eq!(with_column(&["00", "0", "00", "1"]).unwrap().x().ncols(), 4);
        let padded = with_column(&["007", "010", "123", "900"]).unwrap();
        assert_eq!(padded.x().column(0).to_vec(), [7.0, 10.0, 123.0, 900.0]);
    }

    /// How the numbers of the first column are written, and the first of them.
    fn written(cells: &[&str]) -> (Option<Written>, f32) {
        let data = with_column(cells).unwrap();
        let Some(Preparation::Table { features, .. }) = data.preparation() else { panic!("it is a table") };
        let FeatureValue::Number { written, less, .. } = features[0].value else { panic!("it is a number") };
        (written, data.x()[[0, 0]] + less as f32)
    }

    #[test]
    fn what_a_feature_is_made_of_says_how_it_is_written() {
        let days = ["1970-01-11", "2024-05-31", "", "2000/01/01"];
        assert_eq!(written(&days), (Some(Written::Date), 10.0));
        let times = ["1970-01-01T00:01:00Z", "1970-01-01 02:00", "1970-01-01 00:00:07.5", "1970-01-02"];
        assert_eq!(written(&times), (Some(Written::Time), 60.0));
        assert_eq!(
            written(&["1970-01-01T01:00:00+01:00", "1970-01-02T00:00:01", "NA"]),
            (Some(Written::Time), 0.0)
        );
        assert_eq!(written(&["5%", "7 %", "1%"]), (Some(Written::Percent), 5.0));
        assert_eq!(written(&["1,000", "7", "900"]), (Some(Written::ThousandsByComma), 1000.0));
        assert_eq!(written(&["1", "7", "900"]), (None, 1.0));
        let dots: Vec<String> = (1..13).map(|day| format!("{day}.3.2024")).collect();
        let data = with_column(&dots.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        assert!(data.notes().iter().any(|note| note.contains("written as 2024-05-31")), "{:?}", data.notes());
    }

    /// Beside a decimal comma a point is none; without one in the file nobody can tell.
    #[test]
    fn points_are_between_thousands_where_another_column_has_a_decimal_comma() {
        let values = |mark: &str, income: [&str; 3]| {
            let row = |at: usize| format!("{at}{mark}5;{};{}\n", income[at], ["no", "yes"][at % 2]);
            let data = load(&format!("height;income;ill\n{}{}{}", row(0), row(1), row(2)), None).unwrap();
            data.x().column(1).to_vec()
        };
        assert_eq!(values(",", ["19.703", "943", "-1.000.250"]), [19_703.0, 943.0, -1_000_250.0]);
        assert_eq!(values(",", ["19.703", "943", "1.25"]), [19.703, 943.0, 1.25]);
        assert_eq!(values(",", ["0.125", "943", "1.250"]), [0.125, 943.0, 1.25]);
        assert_eq!(values(".", ["19.703", "943", "1.250"]), [19.703, 943.0, 1.25]);
        assert_eq!(values(",", ["1", "2", "943"]), [1.0, 2.0, 943.0]);
    }

    #[test]
    fn columns_that_are_left_out_are_named_with_the_reason() {
        let mut text = String::from("row,name,a,class\n");
        for at in 0..20 {
            text += &format!("{at},Mr {at},{},{}\n", (at * 7) % 5, at % 2);
        }
        let data = load(&text, None).unwrap();
        assert_eq!(
            data.notes(),
            [
                "column \"row\" is left out: it numbers the rows",
                "column \"name\" is left out: nearly every row has a word of its own in it"
            ]
        );
        assert!(load("a,class\n1,x\n2,y\n", None).unwrap().notes().is_empty());
    }

    proptest! {
        #[test]
        fn numbers_come_back(rows in proptest::collection::vec((any::<f32>(), any::<i32>()), 4..30)) {
            prop_assume!(rows.iter().all(|(a, _)| a.is_finite()));
            let mut text = String::from("a,b,class\n");
            for (at, (a, b)) in rows.iter().enumerate() {
                text += &format!("{a:?},{b},{}\n", at % 2);
            }
            let Ok(data) = load(&text, None) else {
                // Columns of one value, or that number the rows, are none.
                return Ok(());
            };
            if data.x().ncols() == 2 {
                for (row, (a, b)) in rows.iter().enumerate() {
                    prop_assert_eq!(data.x()[[row, 0]], *a);
                    prop_assert_eq!(data.x()[[row, 1]], *b as f32);
                }
            }
        }
    }
}
