//! Cells of CSV files: what is missing, and the ways to write a number.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// What a missing cell is, in whatever column, in lower case.
pub(super) const MISSING: [&str; 10] = ["", "?", "na", "n/a", "n.a.", "nan", "null", "#n/a", "#na", "<na>"];
/// What a missing cell is too where all others are numbers. Among words these may be words: no alley, no garage.
pub(super) const MISSING_AMONG_NUMBERS: [&str; 4] = ["-", "--", ".", "none"];

pub(super) fn is_missing(cell: &str) -> bool {
    MISSING.contains(&cell.to_ascii_lowercase().as_str())
}

pub(super) fn is_missing_among_numbers(cell: &str) -> bool {
    is_missing(cell) || MISSING_AMONG_NUMBERS.contains(&cell.to_ascii_lowercase().as_str())
}

/// A whole number with a zero before it that a number needs not, as codes have: `007`.
pub(super) fn is_code(cell: &str) -> bool {
    cell.len() > 1 && cell.starts_with('0') && cell.bytes().all(|byte| byte.is_ascii_digit())
}

/// `2024-05-31`, or with `/`: days since 1970-01-01.
pub(super) fn date(cell: &str) -> Option<f64> {
    let date = ["%Y-%m-%d", "%Y/%m/%d"].iter().find_map(|form| NaiveDate::parse_from_str(cell, form).ok())?;
    Some((date - NaiveDate::default()).num_days() as f64)
}

/// A date with the time of day, as ISO 8601 has it, with a blank for its `T` if need be, in UTC unless it says where; a date alone is its
/// midnight. Seconds since 1970-01-01.
pub(super) fn time(cell: &str) -> Option<f64> {
    const FORMS: [&str; 2] = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let text = cell.replacen('T', " ", 1).replacen('/', "-", 2);
    let zoned = || DateTime::parse_from_rfc3339(cell).ok().map(|time| time.to_utc());
    let plain = || FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let time = zoned().or_else(|| plain().map(|time| time.and_utc()));
    let seconds = |time: DateTime<chrono::Utc>| time.timestamp_micros() as f64 / 1e6;
    time.map(seconds).or_else(|| date(cell).map(|days| days * 86_400.0))
}

/// Whether a cell is written as a date whose order of day and month nobody can tell: `3.4.2024`, `03/04/24`.
pub(super) fn is_other_date(cell: &str) -> bool {
    let parts: Vec<&str> =
        cell.split_whitespace().next().unwrap_or_default().split(['.', '/', '-']).collect();
    let is_short = |part: &&str| (1..=2).contains(&part.len());
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3 && parts.iter().all(is_number) && parts[..2].iter().all(is_short)
}

/// A number; where cells are not separated by commas, it may have a decimal one.
pub(super) fn number(cell: &str, delimiter: u8) -> Option<f64> {
    let text = match delimiter {
        b',' => cell.parse(),
        _ => cell.replacen(',', ".", 1).parse(),
    };
    text.ok().filter(|number: &f64| number.is_finite())
}

/// Whether a cell is written as a number that is none to compute with: `inf`, `1e400`.
pub(super) fn is_infinite(cell: &str) -> bool {
    cell.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// `5%`, `2.5 %`: the number before the sign.
pub(super) fn percent(cell: &str, delimiter: u8) -> Option<f64> {
    number(cell.strip_suffix('%')?.trim_end(), delimiter)
}

/// `1,234` or `1,234.5`, the digits before the decimal mark in threes; the separator and the mark may be others.
pub(super) fn in_threes(cell: &str, separator: char, mark: char) -> Option<f64> {
    let (whole, fraction) = cell.split_once(mark).map_or((cell, None), |(whole, rest)| (whole, Some(rest)));
    let digits = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = digits.split(separator);
    let first = groups.next().filter(|group| is_digits(group) && group.len() <= 3)?;
    let mut text = if whole.starts_with('-') { format!("-{first}") } else { first.to_owned() };
    for group in groups {
        text.push_str(Some(group).filter(|group| is_digits(group) && group.len() == 3)?);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(Some(fraction).filter(|fraction| is_digits(fraction))?);
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_cells_in_any_column_and_among_numbers() {
        for cell in ["", "?", "NA", "N/A", "n.a.", "NaN", "NULL", "#N/A", "<NA>"] {
            assert!(is_missing(cell) && is_missing_among_numbers(cell), "{cell}");
        }
        for cell in ["-", "--", "None", "none", "."] {
            assert!(!is_missing(cell) && is_missing_among_numbers(cell), "{cell}");
        }
        assert!(!is_missing_among_numbers("0") && !is_missing_among_numbers("nought"));
    }

    #[test]
    fn numbers_in_threes() {
        let comma = |cell| in_threes(cell, ',', '.');
        for (cell, want) in
            [("1,234", 1_234.0), ("-12,345,678.5", -12_345_678.5), ("999", 999.0), ("+1,000", 1e3)]
        {
            assert_eq!(comma(cell), Some(want), "{cell}");
        }
        for cell in ["1,23", "1234,567", ",123", "1,,234", "1,234.", "1.234,5", "a,bcd", "", "-"] {
            assert_eq!(comma(cell), None, "{cell}");
        }
        assert_eq!(in_threes("1.234,5", '.', ','), Some(1_234.5));
    }

    #[test]
    fn percents_and_infinite_numbers() {
        assert_eq!((percent("5%", b','), percent("2,5 %", b';')), (Some(5.0), Some(2.5)));
        assert_eq!((percent("5", b','), percent("%", b',')), (None, None));
        assert!(
            is_infinite("inf") && is_infinite("-Infinity") && is_infinite("1e400") && !is_infinite("1e30")
        );
    }
}
