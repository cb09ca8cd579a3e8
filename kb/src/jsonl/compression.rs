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
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("gz") => Compression::Gzip,
            Some("zst" | "zstd") => Compression::Zstd,
            _ => Compression::Plain,
        }
    }

    pub(super) fn reader<'a>(self, reader: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Compression::Plain => Box::new(reader),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(reader)),
            Compression::Zstd => Box::new(zstd::Decoder::new(reader)?),
        })
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
