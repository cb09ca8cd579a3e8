//! `StudiesAtHand`: the studies that are kept in memory.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heirloom_search::Study;
use tokio::sync::Mutex;

/// Most studies in memory; each has the history that it started from, some tens of megabytes and more.
const MOST: usize = 32;
/// Studies that stay however long nobody asks for them.
const STAYING: usize = 8;
/// How long the others stay. To take one up again costs seconds.
const IDLE: Duration = Duration::from_secs(600);

/// A study, once somebody has taken it up. Requests wait for their turn without a thread of their own.
pub(super) type Slot = Arc<Mutex<Option<Study>>>;

/// Studies that were asked for lately. One that is put away is not lost: it is in the base, and taken up from there when it is asked for.
#[derive(Default)]
pub(super) struct StudiesAtHand {
    by_id: HashMap<String, Kept>,
}

struct Kept {
    slot: Slot,
    /// When it was asked for last.
    last: Instant,
}

impl StudiesAtHand {
    /// The slot of a study, empty unless the study is at hand.
    pub(super) fn slot(&mut self, id: &str) -> Slot {
        let now = Instant::now();
        let kept =
            self.by_id.entry(id.to_owned()).or_insert_with(|| Kept { slot: Slot::default(), last: now });
        kept.last = now;
        let slot = Arc::clone(&kept.slot);
        while self.put_away(now) {}
        slot
    }

    /// Forgets the slot of a study that is not there, unless somebody waits for it.
    pub(super) fn forget(&mut self, id: &str) {
        if self.by_id.get(id).is_some_and(|kept| Arc::strong_count(&kept.slot) <= 2) {
            self.by_id.remove(id);
        }
    }

    /// Puts away the study that was not asked for the longest, if there are too many, and says whether there was one. It is none that a
    /// request is at: there must not be two of one study.
    fn put_away(&mut self, now: Instant) -> bool {
        let n = self.by_id.len();
        let idle = self.by_id.iter().filter(|(_, kept)| Arc::strong_count(&kept.slot) == 1);
        let Some((id, kept)) = idle.min_by_key(|(_, kept)| kept.last) else { return false };
        let is_due = n > MOST || n > STAYING && now.duration_since(kept.last) > IDLE;
        let id = id.clone();
        is_due && self.by_id.remove(&id).is_some()
    }
}
