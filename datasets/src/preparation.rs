//! `Preparation`: what becomes of raw data before they are examples.

use serde::{Deserialize, Serialize};

/// How a loader made examples of raw data, in as many words as it takes to make one more. Standardising comes after it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "kebab-case")]
pub enum Preparation {
    /// Rows of a table.
    Table {
        /// The column with the class.
        label: String,
        /// The values of an example, in their order.
        features: Vec<Feature>,
        /// The texts that stand for a missing cell, in lower case; none of a file that has a way of its own to say so, and in files
        /// of earlier builds.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing: Vec<String>,
        /// Those that do so too where all other cells are numbers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        missing_among_numbers: Vec<String>,
    },
    /// Images of bytes: grey or RGB, channel by channel and line by line, stretched to this size where they have another (linear
    /// interpolation, over all pixels that one comes from).
    Images {
        /// 1 for grey, 3 for RGB.
        channels: usize,
        /// Pixels from top to bottom.
        height: usize,
        /// Pixels from left to right.
        width: usize,
        /// What a pixel's number is divided by, so that values are from 0 to 1.
        divided_by: f64,
        /// By what images of another size were stretched; absent where the makers gave all one size. `bilinear` is PIL's `BILINEAR`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resampling: Option<String>,
    },
    /// Sounds: the mean of their channels, brought to one rate, cut or filled up with silence.
    Sounds {
        /// Samples a second.
        rate: u32,
        /// Samples a sound has then, each from -1 to 1.
        length: usize,
        /// The picture that is made of them; absent, the samples are the example.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        log_mel: Option<LogMelSettings>,
    },
    /// Time series: a gap is filled by the line between its neighbours, and the last value goes on to the end.
    Series {
        /// Channels.
        channels: usize,
        /// Values of each.
        length: usize,
    },
}

/// One value of an example of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// The column.
    pub column: String,
    /// What is made of its cell.
    #[serde(flatten)]
    pub value: FeatureValue,
}

/// What is made of a cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "value", rename_all = "kebab-case")]
pub enum FeatureValue {
    /// The number, of a percent the one before the sign, less what is so large beside what sets numbers of the column apart that
    /// single precision would keep little of that.
    Number {
        /// What stands for a missing one: the median.
        if_missing: f64,
        /// What is taken off, of a missing one's too; absent for 0.
        #[serde(default, skip_serializing_if = "is_zero")]
        less: f64,
        /// How the number is written; absent for plain ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        written: Option<Written>,
    },
    /// 1 where the cell is this word, else 0, also where it is missing.
    Is {
        /// The word.
        word: String,
        /// Of a column of two words the other one, which has no value of its own; absent of other columns, and in files of earlier
        /// builds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other: Option<String>,
    },
    /// 1 where the cell is a word and none of these, else 0.
    IsOther {
        /// The words that have a value of their own.
        than: Vec<String>,
    },
    /// 1 where the cell is missing, else 0.
    IsMissing,
}

/// A way to write numbers that is not the plain one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Written {
    /// `2.5 %`; the number before the sign counts.
    Percent,
    /// `1,234.5`.
    ThousandsByComma,
    /// `1.234,5`.
    ThousandsByPoint,
    /// `2,5`.
    DecimalComma,
    /// A date; the number is that of days since 1970-01-01.
    Date,
    /// A date with the time of day, in UTC where it says no other zone; the number is that of seconds since 1970-01-01.
    Time,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

/// A picture of a sound: the natural logarithm of power in bands over time, `[1, mels, frames]`. Power is the squared magnitude of the
/// Fourier transform, bands are triangles of area 1 over hertz on Slaney's mel scale from 0 Hz to half the rate; windows are periodic
/// Hann windows with a frame in their middle, and outside the sound it is silent.
///
/// With librosa, that is `log(melspectrogram(y=y, sr=rate, n_fft=window, hop_length=hop, n_mels=mels,
/// pad_mode="constant")[:, :frames] + floor)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogMelSettings {
    /// Bands.
    pub mels: usize,
    /// Frames.
    pub frames: usize,
    /// Samples of a window.
    pub window: usize,
    /// Samples from a frame to the next.
    pub hop: usize,
    /// What is added to a power before the logarithm.
    pub floor: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_flat_and_read_back() {
        let value = |column: &str, value| Feature { column: column.into(), value };
        let table = Preparation::Table {
            label: "ill".into(),
            features: vec![
                value("age", FeatureValue::Number { if_missing: 39.5, less: 0.0, written: None }),
                value("age", FeatureValue::IsMissing),
                value("sex", FeatureValue::Is { word: "f".into(), other: Some("m".into()) }),
                value("town", FeatureValue::IsOther { than: vec!["Ulm".into()] }),
                value(
                    "born",
                    FeatureValue::Number { if_missing: 0.0, less: 0.0, written: Some(Written::Date) },
                ),
            ],
            missing: vec!["na".into()],
            missing_among_numbers: Vec::new(),
        };
        let json = r#"{"of":"table","label":"ill","features":[{"column":"age","value":"number","if_missing":39.5},{"column":"age","value":"is-missing"},{"column":"sex","value":"is","word":"f","other":"m"},{"column":"town","value":"is-other","than":["Ulm"]},{"column":"born","value":"number","if_missing":0.0,"written":"date"}],"missing":["na"]}"#;
        assert_eq!(serde_json::to_string(&table).unwrap(), json);
        assert_eq!(serde_json::from_str::<Preparation>(json).unwrap(), table);
        let raw = Preparation::Sounds { rate: 8_000, length: 99, log_mel: None };
        assert_eq!(serde_json::to_string(&raw).unwrap(), r#"{"of":"sounds","rate":8000,"length":99}"#);
    }
}
