//! The keys of the one tree, see `FORMAT.md`.

use super::super::group::Group;
use super::super::{DocumentKind, StoreError};
use crate::schema::{Name, Split};

/// The format's version.
pub(super) const FORMAT: &[u8] = b"mformat";
/// The number of commits that changed something.
pub(super) const REVISION: &[u8] = b"mrevision";
/// The number of writes, those of documents too.
pub(super) const WRITES: &[u8] = b"mwrites";
/// Before the id of a space.
pub(super) const SPACES: &[u8] = b"s";
/// Before the id of a task.
pub(super) const TASKS: &[u8] = b"t";
/// Before the group whose trials are counted.
pub(super) const COUNTS: &[u8] = b"c";
/// Before the group of a block.
const BLOCKS: u8 = b'b';
pub(super) const ALL_BLOCKS: &[u8] = &[BLOCKS];
/// Before the kind of a document.
const DOCUMENTS: u8 = b'd';

pub(super) fn space(id: &str) -> Vec<u8> {
    [SPACES, id.as_bytes()].concat()
}

pub(super) fn task(id: &str) -> Vec<u8> {
    [TASKS, id.as_bytes()].concat()
}

pub(super) fn count(group: &Group) -> Vec<u8> {
    with_group(COUNTS[0], group)
}

/// Before all blocks of a group.
pub(super) fn group_prefix(group: &Group) -> Vec<u8> {
    with_group(BLOCKS, group)
}

/// After all blocks of a group.
pub(super) fn group_end(group: &Group) -> Vec<u8> {
    let mut key = block(group, u64::MAX);
    key.push(0);
    key
}

/// The block of a group that begins with this sequence number.
pub(super) fn block(group: &Group, first: u64) -> Vec<u8> {
    let mut key = group_prefix(group);
    key.extend(first.to_be_bytes());
    key
}

pub(super) fn document(kind: DocumentKind, name: &str, piece: u32) -> Vec<u8> {
    let mut key = document_prefix(kind, name);
    key.extend(piece.to_be_bytes());
    key
}

/// Before all pieces of a document.
pub(super) fn document_prefix(kind: DocumentKind, name: &str) -> Vec<u8> {
    let mut key = kind_prefix(kind);
    key.extend(name.as_bytes());
    key.push(0);
    key
}

/// Before all documents of a kind.
pub(super) fn kind_prefix(kind: DocumentKind) -> Vec<u8> {
    let kind = match kind {
        DocumentKind::Model => b'm',
        DocumentKind::Study => b's',
    };
    vec![DOCUMENTS, kind]
}

/// The name in the key of a document's piece.
pub(super) fn document_name(key: &[u8]) -> Result<String, StoreError> {
    let name = key.get(2..key.len().saturating_sub(5)).unwrap_or_default();
    String::from_utf8(name.to_vec()).map_err(|_| malformed(key))
}

fn with_group(prefix: u8, group: &Group) -> Vec<u8> {
    let mut key = vec![prefix];
    key.extend(group.task.as_bytes());
    key.push(0);
    key.extend(group.space.as_bytes());
    key.push(0);
    key.push(match group.split {
        Split::Train => 0,
        Split::Validation => 1,
        Split::Test => 2,
    });
    key
}

/// The group in the key of a count, or of a block without its number.
pub(super) fn read_group(key: &[u8]) -> Result<Group, StoreError> {
    let mut parts = key.get(1..).unwrap_or_default().splitn(3, |byte| *byte == 0);
    let mut part = || parts.next().ok_or_else(|| malformed(key));
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(Name::from).map_err(|_| malformed(key));
    let (task, space) = (text(part()?)?, text(part()?)?);
    let split = match part()? {
        [0] => Split::Train,
        [1] => Split::Validation,
        [2] => Split::Test,
        _ => return Err(malformed(key)),
    };
    Ok(Group { task, space, split })
}

/// The group in the key of a block.
pub(super) fn group_of_block(key: &[u8]) -> Result<Group, StoreError> {
    read_group(key.len().checked_sub(8).and_then(|end| key.get(..end)).ok_or_else(|| malformed(key))?)
}

/// The sequence number in the key of a block.
pub(super) fn first_sequence(key: &[u8]) -> Result<u64, StoreError> {
    let bytes = key.last_chunk::<8>().ok_or_else(|| malformed(key))?;
    Ok(u64::from_be_bytes(*bytes))
}

fn malformed(key: &[u8]) -> StoreError {
    StoreError::Corrupt { key: show(key), reason: "the key is malformed".into() }
}

/// A key for people: text as text, other bytes in hexadecimal.
pub(super) fn show(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
