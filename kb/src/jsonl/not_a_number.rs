//! What Python writes for numbers that JSON lacks, and where it stands.

/// A word for a number that JSON lacks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotANumber {
    pub(super) word: &'static str,
    /// The path of the field it stands in, such as `costs.train_s` or `curve[1][0]`.
    pub(super) field: String,
}

impl NotANumber {
    /// The word that stands at the column where reading failed, if one does.
    pub(super) fn at(bytes: &[u8], column: usize) -> Option<Self> {
        // serde stops at the first or the second byte of the word, depending on the word.
        (column.saturating_sub(3)..=column).find_map(|start| {
            let rest = bytes.get(start..)?;
            let word = ["NaN", "-Infinity", "Infinity"]
                .into_iter()
                .find(|word| rest.starts_with(word.as_bytes()))?;
            Some(NotANumber { word, field: path(&bytes[..start]) })
        })
    }

    /// What is to be done about it.
    pub(super) fn advice(&self) -> String {
        let NotANumber { word, field } = self;
        match field.as_str() {
            "score" => {
                format!("{word} is not a JSON number; leave the score out and write \"status\":\"failed\"")
            }
            "" => format!("{word} is not a JSON number"),
            _ => format!("{word} at {field} is not a JSON number; leave it out"),
        }
    }
}

/// An object or an array that has not ended.
enum Open {
    /// With the key read last.
    Object(String),
    /// With the number of elements before.
    Array(usize),
}

/// The path of the value that comes after this beginning of a JSON text.
fn path(bytes: &[u8]) -> String {
    let mut open: Vec<Open> = Vec::new();
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                let end = string_end(bytes, at + 1);
                text = String::from_utf8_lossy(&bytes[at + 1..end]).into_owned();
                at = end;
            }
            b':' => {
                if let Some(Open::Object(key)) = open.last_mut() {
                    *key = std::mem::take(&mut text);
                }
            }
            b',' => {
                if let Some(Open::Array(before)) = open.last_mut() {
                    *before += 1;
                }
            }
            b'{' => open.push(Open::Object(String::new())),
            b'[' => open.push(Open::Array(0)),
            b'}' | b']' => drop(open.pop()),
            _ => {}
        }
        at += 1;
    }
    open.iter().fold(String::new(), |path, step| match step {
        Open::Object(key) if path.is_empty() => key.clone(),
        Open::Object(key) => format!("{path}.{key}"),
        Open::Array(before) => format!("{path}[{before}]"),
    })
}

/// Where a string that has begun ends: at its quote, or with the text.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_that_of_the_value_to_come() {
        for (beginning, want) in [
            (r#"{"score":"#, "score"),
            (r#"{"costs":{"params":3},"curve":[[1,0.5],[2, "#, "curve[1][1]"),
            (r#"{"a \" , {":1,"costs":{"train_s": "#, "costs.train_s"),
            ("", ""),
        ] {
            assert_eq!(path(beginning.as_bytes()), want, "{beginning}");
        }
    }

    #[test]
    fn a_string_that_says_so_is_none() {
        assert_eq!(NotANumber::at(br#"{"a":1 x"#, 8), None);
        let line = br#"{"curve":[[1,-Infinity]]}"#;
        let found = NotANumber::at(line, 15).unwrap();
        assert_eq!((found.word, found.field.as_str()), ("-Infinity", "curve[0][1]"));
        assert_eq!(found.advice(), "-Infinity at curve[0][1] is not a JSON number; leave it out");
    }
}
