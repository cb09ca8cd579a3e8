//! `Lines`: numbered lines of a stream, none of them without bound.

use std::io::{self, BufRead, BufReader, Read};

/// Longest line taken, in bytes; a longer one is refused without being held in memory.
const MAX_LINE: usize = 16 << 20;

/// What some editors put before a text, the byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A line of a stream.
pub(super) struct RawLine {
    /// From 1.
    pub(super) number: u64,
    /// Without its end; `None` if it is longer than [`MAX_LINE`].
    pub(super) bytes: Option<Vec<u8>>,
}

pub(super) struct Lines<R> {
    reader: BufReader<R>,
    number: u64,
    bytes_read: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Lines { reader: BufReader::with_capacity(1 << 20, reader), number: 0, bytes_read: 0 }
    }

    /// Lines read so far.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Bytes read so far, decompressed.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes_read
    }

    /// Up to `n` lines that are not blank; empty at the end.
    pub(super) fn chunk(&mut self, n: usize) -> io::Result<Vec<RawLine>> {
        let mut chunk = Vec::new();
        while chunk.len() < n {
            match self.line()? {
                None => break,
                Some(line) if line.bytes.as_ref().is_some_and(|bytes| bytes.trim_ascii().is_empty()) => {}
                Some(line) => chunk.push(line),
            }
        }
        Ok(chunk)
    }

    fn line(&mut self) -> io::Result<Option<RawLine>> {
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut bytes)?;
        if read == 0 {
            return Ok(None);
        }
        self.bytes_read += read as u64;
        self.number += 1;
        if self.number == 1 && bytes.starts_with(MARK) {
            bytes.drain(..MARK.len());
        }
        if read > MAX_LINE && bytes.last() != Some(&b'\n') {
            self.bytes_read += self.skip_line()?;
            return Ok(Some(RawLine { number: self.number, bytes: None }));
        }
        Ok(Some(RawLine { number: self.number, bytes: Some(bytes) }))
    }

    /// Reads to the end of the line, keeping nothing.
    fn skip_line(&mut self) -> io::Result<u64> {
        let mut skipped = 0;
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            let done = end.is_some() || buffer.is_empty();
            self.reader.consume(used);
            skipped += used as u64;
            if done {
                return Ok(skipped);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_count_but_are_skipped_and_the_last_needs_no_end() {
        let mut lines = Lines::new("a\n\n  \r\nb".as_bytes());
        let chunk = lines.chunk(10).unwrap();
        let numbers: Vec<u64> = chunk.iter().map(|line| line.number).collect();
        assert_eq!(numbers, [1, 4]);
        assert_eq!(lines.bytes_read(), 8);
    }

    #[test]
    fn a_byte_order_mark_before_the_first_line_is_skipped() {
        let chunk = Lines::new("\u{feff}a\n\u{feff}b\n".as_bytes()).chunk(10).unwrap();
        let lines: Vec<&[u8]> = chunk.iter().filter_map(|line| line.bytes.as_deref()).collect();
        assert_eq!(lines, [&b"a\n"[..], "\u{feff}b\n".as_bytes()]);
    }

    #[test]
    fn a_huge_line_is_passed_over() {
        let huge = vec![b'x'; MAX_LINE + 5];
        let text = [&huge[..], b"\nnext\n"].concat();
        let chunk = Lines::new(&text[..]).chunk(10).unwrap();
        assert!(chunk[0].bytes.is_none());
        assert_eq!(chunk[1].bytes.as_deref(), Some(&b"next\n"[..]));
        assert_eq!(chunk[1].number, 2);
    }
}
