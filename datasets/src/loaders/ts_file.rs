//! The `.ts` format: a head of `@` lines, then a series a line, its channels and its class divided by colons.
//!
//! *Source*: the format's description by the time series classification web site and aeon's `load_from_ts_file`.

use super::cell::is_missing;
use super::table::Class;
use super::time_series::{Series, value};

/// What the head promises.
#[derive(Default)]
struct Head {
    univariate: bool,
    channels: Option<usize>,
    equal_length: bool,
    length: Option<usize>,
    /// Whether it says that no value is missing.
    complete: bool,
    classes: Option<Vec<Class>>,
}

/// Reads the series, and holds the head to its word. With `unlabelled` they may lack classes: all of them where the head says so
/// (`@classLabel false`), or single ones, which have `?` or nothing there.
pub(super) fn parse(text: &str, unlabelled: bool) -> Result<Vec<Series>, String> {
    let mut head = Head::default();
    let mut lines = (1..).zip(text.trim_start_matches('\u{feff}').lines().map(str::trim));
    loop {
        let Some((line, row)) = lines.next() else { return Err("its head does not end with @data".into()) };
        if row.eq_ignore_ascii_case("@data") {
            break;
        }
        if let Some(tag) = row.strip_prefix('@') {
            head.take(tag).map_err(|why| format!("line {line}: {why}"))?;
        } else if !row.is_empty() && !row.starts_with('#') {
            return Err(format!(
                "line {line}: a line of the head begins with @ or #, not with {:?}",
                short(row)
            ));
        }
    }
    if head.classes.is_none() && !unlabelled {
        return Err("its head names no classes (@classLabel true …)".into());
    }
    let mut all: Vec<Series> = Vec::new();
    for (line, row) in lines.filter(|(_, row)| !row.is_empty() && !row.starts_with('#')) {
        let series = series(row, line, head.classes.is_some(), unlabelled)
            .map_err(|why| format!("line {line}: {why}"))?;
        head.check(&series, all.first()).map_err(|why| format!("line {line}: {why}"))?;
        all.push(series);
    }
    Ok(all)
}

impl Head {
    /// Takes in one line.
    fn take(&mut self, tag: &str) -> Result<(), String> {
        let mut words = tag.split_whitespace();
        let name = words.next().unwrap_or_default().to_lowercase();
        let first = words.next();
        let truth = || match first.map(str::to_lowercase).as_deref() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => Err(format!("@{name} is neither true nor false")),
        };
        let count = || first.and_then(|word| word.parse().ok()).ok_or(format!("@{name} has no number"));
        match name.as_str() {
            "univariate" => self.univariate = truth()?,
            "dimension" | "dimensions" => self.channels = Some(count()?),
            "equallength" => self.equal_length = truth()?,
            "serieslength" => self.length = Some(count()?),
            "missing" => self.complete = !truth()?,
            "timestamps" if truth()? => {
                return Err("@timestamps true: series with a time beside each value are not read".into());
            }
            "targetlabel" if truth()? => {
                return Err("@targetLabel true: classes are needed, not numbers".into());
            }
            "classlabel" if truth()? => self.classes = Some(words.map(Class::read).collect()),
            // Such as the problem's name.
            _ => {}
        }
        Ok(())
    }

    /// Whether a series is as the head says.
    fn check(&self, series: &Series, first: Option<&Series>) -> Result<(), String> {
        let channels = series.channels.len();
        let promised = if self.univariate { Some(1) } else { self.channels };
        if let Some(promised) = promised.filter(|promised| *promised != channels) {
            return Err(format!("{channels} channels, the head says {promised}"));
        }
        if let Some(first) = first.filter(|first| first.channels.len() != channels) {
            return Err(format!("{channels} channels, the series before have {}", first.channels.len()));
        }
        let equal = first.unwrap_or(series).channels[0].len();
        let length = self.length.filter(|_| self.equal_length).or(self.equal_length.then_some(equal));
        for (at, values) in (1..).zip(&series.channels) {
            if let Some(length) = length.filter(|length| *length != values.len()) {
                let n = values.len();
                return Err(format!("channel {at} has {n} values, the head says that all have {length}"));
            }
            if let Some(place) = values.iter().position(Option::is_none).filter(|_| self.complete) {
                let place = place + 1;
                return Err(format!("channel {at}: value {place} is missing, the head says that none is"));
            }
        }
        match &self.classes {
            Some(classes) if !classes.is_empty() => match &series.class {
                Some(class) if !classes.contains(class) => {
                    Err(format!("the head does not name the class {class}"))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn series(row: &str, line: usize, has_class: bool, unlabelled: bool) -> Result<Series, String> {
    let (channels, class) = match has_class {
        true => row.rsplit_once(':').ok_or_else(|| format!("no colon before a class in {:?}", short(row)))?,
        false => (row, ""),
    };
    let channel = |(at, text): (usize, &str)| {
        let values = text.split(',').map(|text| value(text.trim())).collect::<Result<Vec<_>, _>>();
        values.map_err(|why| format!("channel {at}: {why}"))
    };
    let channels = (1..).zip(channels.split(':')).map(channel).collect::<Result<Vec<_>, _>>()?;
    let class = match class.trim() {
        "" if !unlabelled => return Err("it has no class".into()),
        text if unlabelled && is_missing(text) => None,
        text => Some(Class::read(text)),
    };
    Ok(Series { channels, class, line })
}

/// The beginning of a line, for a message.
fn short(text: &str) -> String {
    text.chars().take(30).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(head: &str, rows: &str) -> String {
        parse(&format!("{head}\n@classLabel true a b\n@data\n{rows}"), false).unwrap_err()
    }

    #[test]
    fn a_head_that_keeps_its_word() {
        let head = "@problemName P\n@timeStamps false\n@missing true\n@dimensions 2\n@equalLength true\n@seriesLength 3";
        let text = format!("{head}\n@classLabel true a b\n@data\n1,2,?:4,5,6:a\n");
        let series = parse(&text, false).unwrap();
        assert_eq!(series[0].channels, [[Some(1.0), Some(2.0), None], [Some(4.0), Some(5.0), Some(6.0)]]);
        assert_eq!((series[0].class.as_ref().unwrap().to_string(), series[0].line), ("a".to_owned(), 9));
    }

    #[test]
    fn a_head_that_lies_is_held_to_its_word() {
        assert_eq!(why("@univariate true", "1:2:a"), "line 4: 2 channels, the head says 1");
        assert_eq!(why("@dimensions 3", "1:2:a"), "line 4: 2 channels, the head says 3");
        assert_eq!(
            why("@equalLength true\n@seriesLength 3", "1,2:a"),
            "line 5: channel 1 has 2 values, the head says that all have 3"
        );
        assert!(why("@equalLength true", "1,2:a\n1:b").starts_with("line 5: channel 1 has 1 values"));
        assert_eq!(
            why("@missing false", "1,?:a"),
            "line 4: channel 1: value 2 is missing, the head says that none is"
        );
        assert_eq!(why("", "1:c"), "line 4: the head does not name the class c");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        assert!(why("@timestamps true", "").starts_with("line 1: @timestamps true"));
        assert!(why("@targetLabel true", "").starts_with("line 1: @targetLabel true"));
        assert_eq!(why("@missing perhaps", ""), "line 1: @missing is neither true nor false");
        assert_eq!(why("@dimensions", ""), "line 1: @dimensions has no number");
        assert!(why("1,2:a", "").contains("begins with @ or #, not with \"1,2:a\""));
        assert_eq!(why("", "1,2"), "line 4: no colon before a class in \"1,2\"");
        assert_eq!(why("", "1,x:a"), "line 4: channel 1: \"x\" is no finite number");
        assert_eq!(why("", "1:2:a\n1:b"), "line 5: 1 channels, the series before have 2");
        assert_eq!(parse("@univariate true\n", false).unwrap_err(), "its head does not end with @data");
        assert!(parse("@classLabel false\n@data\n1,2\n", false).unwrap_err().contains("names no classes"));
    }

    #[test]
    fn classes_may_be_missing_where_that_is_allowed() {
        let classes = |text: &str| -> Vec<Option<String>> {
            let series = parse(text, true).unwrap();
            series.iter().map(|series| series.class.as_ref().map(ToString::to_string)).collect()
        };
        assert_eq!(classes("@classLabel true a b\n@data\n1:?\n2:b\n3:\n"), [None, Some("b".into()), None]);
        assert_eq!(classes("@classLabel false\n@data\n1,2:3,4\n"), [None]);
        assert_eq!(parse("@classLabel false\n@data\n1,2:3,4\n", true).unwrap()[0].channels.len(), 2);
        assert!(parse("@classLabel true a\n@data\n1:c\n", true).unwrap_err().contains("the class c"));
    }
}
