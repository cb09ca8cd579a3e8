//! `Compression`: gzip and zstd by file ending.

use std::io::{self, Read, Write};
use std::path::Path;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    Plain,
    /// `.gz`
    Gzip,
    /// `.zst` or `.zstd`
    Zstd,
}

impl Compression {
    /// What a file's ending says.
    #[must_use]
    pub fn of_path(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("gz") => Compression::Gzip,
            Some("zst" | "zstd") => Compression::Zstd,
            _ => Compression::Plain,
        }
    }

    /// Reads what is compressed so. What is said to be plain is told by its first bytes, which no text begins with.
    pub(super) fn reader<'a>(self, mut reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::Plain => {
                let mut start = Vec::new();
                reader.by_ref().take(4).read_to_end(&mut start)?;
                let told = Compression::of_start(&start);
                let whole: Box<dyn Read + 'a> = Box::new(io::Cursor::new(start).chain(reader));
                if told == Compression::Plain { whole } else { told.reader(whole)? }
            }
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Compression::Zstd => Box::new(zstd::Decoder::new(reader)?),
        })
    }

    /// What the first bytes of a stream say (RFC 1952, RFC 8878).
    fn of_start(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd] => Compression::Zstd,
            _ => Compression::Plain,
        }
    }

    /// Writes through `fill` and ends the stream properly.
    pub(super) fn write<W: Write, T, E: From<io::Error>>(
        self,
        writer: W,
        fill: impl FnOnce(&mut dyn Write) -> Result<T, E>,
    ) -> Result<T, E> {
        match self {
            Compression::Plain => {
                let mut writer = writer;
                let done = fill(&mut writer)?;
                writer.flush()?;
                Ok(done)
            }
            Compression::Gzip => {
                let mut writer = flate2::write::GzEncoder::new(writer, flate2::Compression::default());
                let done = fill(&mut writer)?;
                writer.finish()?.flush()?;
                Ok(done)
            }
            Compression::Zstd => {
                let mut writer = zstd::Encoder::new(writer, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                let done = fill(&mut writer)?;
                writer.finish()?.flush()?;
                Ok(done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_is_told_by_its_ending_or_its_first_bytes() {
        for (name, want) in [
            ("a.jsonl", Compression::Plain),
            ("A.JSONL.GZ", Compression::Gzip),
            ("a.zst", Compression::Zstd),
            ("gz", Compression::Plain),
        ] {
            assert_eq!(Compression::of_path(Path::new(name)), want, "{name}");
        }
        for compression in [Compression::Plain, Compression::Gzip, Compression::Zstd] {
            for text in ["", "{}", "{\"type\":\"task\"}\n"] {
                let mut packed = Vec::new();
                compression.write(&mut packed, |writer| writer.write_all(text.as_bytes())).unwrap();
                let mut back = String::new();
                Compression::Plain.reader(packed.as_slice()).unwrap().read_to_string(&mut back).unwrap();
                assert_eq!(back, text, "{compression:?}");
            }
        }
    }
}
