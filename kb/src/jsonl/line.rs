//! `Line`: one line of the format, read or refused with a reason.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::not_a_number::NotANumber;
use crate::schema::{SearchSpace, Task, Trial};

/// One line of the format.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Space(SearchSpace),
    Task(Task),
    Trial(Trial),
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Tag<'a> {
    #[serde(rename = "type", borrow)]
    tag: Option<Cow<'a, str>>,
}

impl Line {
    /// Reads a line, or says why it cannot be.
    pub(super) fn parse(bytes: &[u8]) -> Result<Line, String> {
        // Trials are nearly all of a history, and this program writes their tag first: no second pass for those.
        if bytes.starts_with(br#"{"type":"trial","#) {
            return read(bytes).map(Line::Trial);
        }
        let Tag { tag } = serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error))?;
        match tag.as_deref() {
            Some("space") => read(bytes).map(Line::Space),
            Some("task") => read(bytes).map(Line::Task),
            Some("trial") => read(bytes).map(Line::Trial),
            Some(other) => Err(format!("type {other:?} is not space, task or trial")),
            None => Err("the field \"type\" is missing; it is space, task or trial".into()),
        }
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error))
}

/// The reason in words, without serde's "at line 1", which would be taken for the file's line.
fn explain(bytes: &[u8], error: &serde_json::Error) -> String {
    let column = error.column();
    if std::str::from_utf8(bytes).is_err() {
        return "the line is not UTF-8".into();
    }
    if error.is_syntax()
        && let Some(found) = NotANumber::at(bytes, column)
    {
        return format!("{} (column {column})", found.advice());
    }
    if error.is_eof() {
        return "the line ends in the middle of an object".into();
    }
    let text = error.to_string();
    let reason = text.rfind(" at line ").map_or(text.as_str(), |at| &text[..at]);
    if column > 0 { format!("{reason} (column {column})") } else { reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(line: &str) -> String {
        Line::parse(line.as_bytes()).unwrap_err()
    }

    #[test]
    fn the_tag_may_stand_anywhere() {
        let first = r#"{"type":"trial","task":"t","space":"s","architecture":{"a":1},"split":"test","metric":"m","score":1}"#;
        let last = r#"{"task":"t","space":"s","architecture":{"a":1},"split":"test","metric":"m","score":1,"type":"trial"}"#;
        assert_eq!(Line::parse(first.as_bytes()).map(untag), Line::parse(last.as_bytes()).map(untag));
    }

    fn untag(line: Line) -> Line {
        let Line::Trial(mut trial) = line else { return line };
        trial.extra.remove("type");
        Line::Trial(trial)
    }

    #[test]
    fn reasons_name_the_operand() {
        assert_eq!(why(r#"{"type":"run"}"#), r#"type "run" is not space, task or trial"#);
        assert_eq!(why(r#"{"id":"x"}"#), r#"the field "type" is missing; it is space, task or trial"#);
        assert!(why(r#"{"type":"trial","task":"t""#).contains("ends in the middle"));
        assert!(why("not json").contains("expected ident"));
        assert_eq!(why("5"), "invalid type: integer `5`, expected an object (column 1)");
        let nameless = r#"{"type":"space","id":"s","params":[7]}"#;
        assert!(
            why(nameless).starts_with("invalid type: integer `7`, expected an object"),
            "{}",
            why(nameless)
        );
        let nan = r#"{"type":"trial","task":"t","space":"s","architecture":{},"split":"test","metric":"m","score":NaN}"#;
        assert!(why(nan).starts_with("NaN is not a JSON number"), "{}", why(nan));
        assert!(
            why(&nan.replace("NaN", "-Infinity")).starts_with("-Infinity is not"),
            "{}",
            why(&nan.replace("NaN", "-Infinity"))
        );
        let cost = nan.replace(r#""score":NaN"#, r#""score":1,"costs":{"train_s":NaN}"#);
        assert!(why(&cost).starts_with("NaN at costs.train_s is not a JSON number"), "{}", why(&cost));
        let no_split = r#"{"type":"trial","task":"t","space":"s","architecture":{},"metric":"m","score":1}"#;
        assert!(why(no_split).starts_with("missing field `split`"), "{}", why(no_split));
        let wrong =
            r#"{"type":"trial","task":"t","space":"s","architecture":{"a":[1]},"split":"test","metric":"m"}"#;
        assert!(
            why(wrong).starts_with("invalid type: sequence, expected a string or a number"),
            "{}",
            why(wrong)
        );
        assert_eq!(Line::parse(b"{\"type\":\"\xff\"}").unwrap_err(), "the line is not UTF-8");
    }
}
