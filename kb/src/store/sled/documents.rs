//! Documents in pieces: sled keeps large values in files of their own, which its snapshots do not guard.

use super::super::{Document, DocumentKind, StoreError};
use super::files::Files;
use super::writes::Writes;
use super::{keys, record};

/// Most bytes of a piece.
const PIECE: usize = 16 << 10;

pub(super) fn put(files: &Files, document: &Document) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    for entry in files.scan(&keys::document_prefix(document.kind, &document.name)) {
        writes.remove(entry?.0);
    }
    // An empty document is one empty piece.
    let pieces = document.bytes.len().div_ceil(PIECE).max(1);
    for piece in 0..pieces {
        let end = document.bytes.len().min((piece + 1) * PIECE);
        let key = keys::document(document.kind, &document.name, piece as u32);
        writes.insert(key, record::seal(&document.bytes[piece * PIECE..end]));
    }
    files.apply(writes)
}

pub(super) fn get(files: &Files, kind: DocumentKind, name: &str) -> Result<Option<Document>, StoreError> {
    let mut document = None;
    for entry in files.scan(&keys::document_prefix(kind, name)) {
        let (key, value) = entry?;
        document.get_or_insert_with(Vec::new).extend(record::open(&key, &value)?);
    }
    Ok(document.map(|bytes| Document { kind, name: name.to_owned(), bytes }))
}

pub(super) fn names(files: &Files, kind: DocumentKind) -> Result<Vec<String>, StoreError> {
    let names = files.scan(&keys::kind_prefix(kind)).map(|entry| keys::document_name(&entry?.0));
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    names.dedup();
    Ok(names)
}
