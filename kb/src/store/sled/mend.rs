//! Mending what a commit has left that was broken off by a full disk: sled may keep some of its entries and lose others.
//!
//! Nothing of such a commit was acknowledged, but the counters may run ahead of the blocks or lag behind them, and then later commits
//! would be written over earlier ones. What is there stays; numbers are made to follow each other again.

use std::collections::BTreeMap;

use super::super::StoreError;
use super::super::group::Group;
use super::files::Files;
use super::writes::Writes;
use super::{Inner, block, keys, record};

/// The blocks of a group: key and number of trials, in order.
type Blocks = Vec<(Vec<u8>, u64)>;

/// Whether the last block of each group ends where its counter says.
pub(super) fn tails_agree(files: &Files, inner: &Inner) -> bool {
    inner.counts.iter().all(|(group, count)| {
        let last = files.scan(&keys::group_prefix(group)).next_back();
        let end = match last {
            None => Some(0),
            Some(entry) => entry.ok().and_then(|(key, value)| {
                Some(keys::first_sequence(&key).ok()? + block::ids(&key, &value).ok()?.len() as u64)
            }),
        };
        // What cannot be read is damage, which is told when it is asked for.
        end.is_none_or(|end| end == *count)
    })
}

/// Makes blocks and counters agree; whether there was something to mend.
///
/// # Errors
/// [`StoreError::Database`], [`StoreError::Io`], [`StoreError::NoRoom`].
pub(super) fn mend(files: &Files, inner: &Inner) -> Result<bool, StoreError> {
    let mut writes = Writes::default();
    let mut changed = false;
    let groups = blocks_by_group(files)?;
    let known = |group: &Group| {
        inner.definitions.spaces.contains_key(&group.space)
            && inner.definitions.tasks.contains_key(&group.task)
    };
    for (group, blocks) in &groups {
        let Some(blocks) = blocks else { continue };
        if !known(group) {
            tracing::warn!(task = %group.task, space = %group.space, "trials of a write that was broken off have no task or no space; they are dropped");
            blocks.iter().for_each(|(key, _)| writes.remove(key));
            writes.remove(keys::count(group));
            changed = true;
            continue;
        }
        let held: u64 = blocks.iter().map(|(_, trials)| trials).sum();
        let counted = inner.counts.get(group).copied().unwrap_or(0);
        if renumber(files, group, blocks, &mut writes)? || held != counted {
            tracing::warn!(task = %group.task, space = %group.space, counted, held, "a write was broken off; what of it is there stays, import the rest again");
            writes.insert(keys::count(group), record::number(held));
            changed = true;
        }
    }
    for group in inner.counts.keys().filter(|group| !groups.contains_key(group)) {
        if inner.counts[group] > 0 {
            tracing::warn!(task = %group.task, space = %group.space, "a write was broken off and none of its trials are there; import them again");
            writes.insert(keys::count(group), record::number(0));
            changed = true;
        }
    }
    if changed {
        writes.insert(keys::REVISION, record::number(inner.revision + 1));
        files.apply(writes)?;
    }
    Ok(changed)
}

/// The blocks of each group; nothing for a group with one that cannot be read, which is left as it is.
fn blocks_by_group(files: &Files) -> Result<BTreeMap<Group, Option<Blocks>>, StoreError> {
    let mut groups: BTreeMap<Group, Option<Blocks>> = BTreeMap::new();
    for entry in files.scan(keys::ALL_BLOCKS) {
        let (key, value) = entry?;
        let blocks = groups.entry(keys::group_of_block(&key)?).or_insert_with(|| Some(Blocks::new()));
        match (block::ids(&key, &value), blocks.as_mut()) {
            (Ok(ids), Some(blocks)) => blocks.push((key.to_vec(), ids.len() as u64)),
            _ => *blocks = None,
        }
    }
    Ok(groups)
}

/// Moves blocks so that each begins where the one before it ends; whether one had to be moved.
fn renumber(files: &Files, group: &Group, blocks: &Blocks, writes: &mut Writes) -> Result<bool, StoreError> {
    let mut next = 0;
    let mut moved = Vec::new();
    for (key, trials) in blocks {
        if keys::first_sequence(key)? != next {
            moved.push((key, next));
        }
        next += trials;
    }
    // First all that go, for a block may move to where another was.
    moved.iter().for_each(|(key, _)| writes.remove(key));
    for (key, first) in &moved {
        if let Some(value) = files.get(key)? {
            writes.insert(keys::block(group, *first), value.to_vec());
        }
    }
    Ok(!moved.is_empty())
}
