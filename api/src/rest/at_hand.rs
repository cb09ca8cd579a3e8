//! `StudiesAtHand`: the studies that are kept in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heirloom_search::Study;

/// Most studies in memory; each has the history that it started from, some tens of megabytes and more.
const MOST: usize = 64;
/// Studies that stay however long nobody asks for them.
const STAYING: usize = 8;
/// How long the others stay. To take one up again costs seconds.
const IDLE: Duration = Duration::from_secs(600);

/// Studies that were asked for lately. One that is put away is not lost: it is in the base, and taken up from there when it is asked for.
#[derive(Default)]
pub(super) struct StudiesAtHand {
    by_id: HashMap<String, Kept>,
}

struct Kept {
    study: Arc<Mutex<Study>>,
    /// When it was asked for last.
    last: Instant,
}

impl StudiesAtHand {
    /// The study of an id, if it is at hand.
    pub(super) fn get(&mut self, id: &str) -> Option<Arc<Mutex<Study>>> {
        let kept = self.by_id.get_mut(id)?;
        kept.last = Instant::now();
        Some(Arc::clone(&kept.study))
    }

    /// Keeps a study unless there is one of this id, and gives the one that is kept.
    pub(super) fn keep(&mut self, id: &str, study: Study) -> Arc<Mutex<Study>> {
        if let Some(known) = self.get(id) {
            return known;
        }
        let (study, now) = (Arc::new(Mutex::new(study)), Instant::now());
        self.by_id.insert(id.to_owned(), Kept { study: Arc::clone(&study), last: now });
        while self.put_away(now) {}
        study
    }

    /// Puts away the study that was not asked for the longest, if there are too many, and says whether there was one. It is none that a
    /// request is at: there must not be two of one study.
    fn put_away(&mut self, now: Instant) -> bool {
        let n = self.by_id.len();
        let idle = self.by_id.iter().filter(|(_, kept)| Arc::strong_count(&kept.study) == 1);
        let Some((id, kept)) = idle.min_by_key(|(_, kept)| kept.last) else { return false };
        let is_due = n > MOST || n > STAYING && now.duration_since(kept.last) > IDLE;
        let id = id.clone();
        is_due && self.by_id.remove(&id).is_some()
    }
}
