//! `Candidates`: a pool, and what of it is still to be tried.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use heirloom_kb::Architecture;
use heirloom_predictor::Encoder;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::exhausted;
use crate::own_trials::OwnTrials;
use crate::pool::Pool;
use crate::space_history::SpaceHistory;
use crate::{SearchError, spaces};

/// Real numbers count as the same within this share of their range: whoever tells a trial may have rounded them.
const ROUNDED: f64 = 5e-3;
/// So many of the last trials are compared with all candidates.
const LAST: usize = 256;

/// A pool, and what of it is still to be tried.
pub(super) struct Candidates {
    pool: Arc<Pool>,
    encoder: Encoder,
    positions: HashMap<Vec<u64>, usize>,
    /// Positions not spent, in an order drawn once: who comes first among equals is chance, not the pool's order.
    open: Vec<usize>,
    /// Whether a position is spent.
    spent: Vec<bool>,
    /// Where the pool is a sample of the space and not all that may be proposed: what has been spent of the rest.
    outside: Option<HashSet<Vec<u64>>>,
}

impl Candidates {
    /// A pool without what has been tried, in an order that the seed fixes.
    pub(super) fn new(pool: Arc<Pool>, encoder: &Encoder, own: &OwnTrials, seed: u64) -> Self {
        let architectures = pool.architectures.iter().enumerate();
        let positions: HashMap<Vec<u64>, usize> =
            architectures.map(|(at, architecture)| (encoder.key(architecture), at)).collect();
        let spent = vec![false; pool.architectures.len()];
        let mut candidates =
            Candidates { pool, encoder: encoder.clone(), positions, open: Vec::new(), spent, outside: None };
        for at in candidates.found(own.architectures()) {
            candidates.spent[at] = true;
        }
        // All are shuffled, so that the rest stands in one order whether trials were told of before or since.
        candidates.open = (0..candidates.spent.len()).collect();
        candidates.open.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        candidates.open.retain(|at| !candidates.spent[*at]);
        candidates
    }

    /// What may be proposed of a history's space: a caller's candidates alone; where the pool is the space's own and a sample,
    /// the rest of the space too.
    pub(super) fn of(history: &SpaceHistory, pool: Arc<Pool>, own: &OwnTrials, seed: u64) -> Self {
        let beyond = Arc::ptr_eq(&pool, history.pool()) && !history.lists_the_space();
        let candidates = Candidates::new(pool, history.table().encoder(), own, seed);
        if beyond { candidates.and_beyond(own) } else { candidates }
    }

    /// The same, with what the space has beside the pool.
    pub(super) fn and_beyond(mut self, own: &OwnTrials) -> Self {
        let tried = own.architectures().iter().map(|tried| self.encoder.key(tried));
        self.outside = Some(tried.filter(|key| !self.positions.contains_key(key)).collect());
        self
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    pub(super) fn open(&self) -> &[usize] {
        &self.open
    }

    /// Whether only the pool may be proposed.
    pub(super) fn is_closed(&self) -> bool {
        self.outside.is_none()
    }

    /// The error when none is left.
    pub(super) fn exhausted(&self) -> SearchError {
        exhausted(self.encoder.space().id(), self.pool.architectures.len())
    }

    /// Whether a canonical architecture may be proposed still.
    pub(super) fn allows(&self, canonical: &Architecture) -> bool {
        let key = self.encoder.key(canonical);
        match (self.positions.get(&key), &self.outside) {
            (Some(position), _) => !self.spent[*position],
            (None, Some(outside)) => {
                !outside.contains(&key) && spaces::admits(self.encoder.space().id(), canonical)
            }
            (None, None) => false,
        }
    }

    /// Whether a canonical architecture may be or might have been proposed.
    pub(super) fn knows(&self, canonical: &Architecture) -> bool {
        !self.is_closed() || self.positions.contains_key(&self.encoder.key(canonical))
    }

    /// Where a canonical architecture is in the pool.
    pub(super) fn position(&self, canonical: &Architecture) -> Option<usize> {
        self.positions.get(&self.encoder.key(canonical)).copied()
    }

    /// The candidates that some architectures are, but for rounding. One that is a candidate itself may be the rounded twin of
    /// another: a sampled pool has all that was ever tried in it.
    fn found(&self, canonical: &[Architecture]) -> Vec<usize> {
        let exact = canonical.iter().filter_map(|one| self.position(one));
        let rounded = canonical.iter().rev().take(LAST).flat_map(|one| self.twins(one));
        exact.chain(rounded).collect()
    }

    /// The candidates that an architecture with real numbers is but for rounding.
    fn twins(&self, canonical: &Architecture) -> Vec<usize> {
        self.twins_among(canonical, 0..self.pool.architectures.len())
    }

    /// Those of some positions that it is.
    pub(super) fn twins_among(
        &self,
        canonical: &Architecture,
        positions: impl Iterator<Item = usize>,
    ) -> Vec<usize> {
        if !self.encoder.space().has_reals() {
            return Vec::new();
        }
        let Ok(x) = self.encoder.encode(std::slice::from_ref(canonical)) else { return Vec::new() };
        let own = x.row(0);
        let is_same =
            |at: &usize| self.pool.views.x.row(*at).iter().zip(own).all(|(a, b)| (a - b).abs() <= ROUNDED);
        positions.filter(is_same).collect()
    }

    /// Takes a position out.
    pub(super) fn spend(&mut self, position: usize) {
        if !std::mem::replace(&mut self.spent[position], true) {
            self.open.retain(|open| *open != position);
        }
    }

    /// Takes canonical architectures out that are not to be proposed.
    pub(super) fn leave_out(&mut self, excluded: &[Architecture]) {
        for canonical in excluded {
            match (self.position(canonical), &mut self.outside) {
                (Some(position), _) => self.spent[position] = true,
                (None, Some(outside)) => drop(outside.insert(self.encoder.key(canonical))),
                (None, None) => {}
            }
        }
        // Once for all of them: a caller may exclude thousands.
        self.open.retain(|open| !self.spent[*open]);
    }

    /// The keys of all that has been spent, of the pool and beyond it.
    pub(super) fn spent_keys(&self) -> HashSet<Vec<u64>> {
        let pool = self.positions.iter().filter(|(_, position)| self.spent[**position]).map(|(key, _)| key);
        pool.chain(self.outside.iter().flatten()).cloned().collect()
    }

    /// Takes a canonical architecture out, if it is among the candidates, and gives the form it is proposed in.
    pub(super) fn take(&mut self, canonical: &Architecture) -> Architecture {
        if let Some(position) = self.position(canonical) {
            self.spend(position);
            return self.pool.shown[position].clone();
        }
        if let Some(outside) = &mut self.outside {
            outside.insert(self.encoder.key(canonical));
        }
        canonical.clone()
    }

    /// Takes an architecture out, if it is among the candidates or is one but for rounding, and gives its canonical form.
    pub(super) fn spend_architecture(&mut self, architecture: &Architecture) -> Architecture {
        let canonical = spaces::canonical(self.encoder.space().id(), architecture);
        self.take(&canonical);
        for twin in self.twins(&canonical) {
            self.spend(twin);
        }
        canonical
    }

    /// The same for an architecture that has yet to be checked.
    ///
    /// # Errors
    /// Of the encoder, for an architecture of another space.
    pub(super) fn spend_checked(&mut self, architecture: &Architecture) -> Result<Architecture, SearchError> {
        self.encoder.encode(std::slice::from_ref(architecture))?;
        Ok(self.spend_architecture(architecture))
    }

    /// The open candidates of the pool that are nearest in the encoding, nearest first, at most `n` of them.
    ///
    /// # Errors
    /// Of the encoder.
    pub(super) fn nearest(
        &self,
        architecture: &Architecture,
        n: usize,
    ) -> Result<Vec<&Architecture>, SearchError> {
        let x = self.encoder.encode(std::slice::from_ref(architecture))?;
        let far = |at: &usize| {
            let row = self.pool.views.x.row(*at);
            row.iter().zip(x.row(0)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
        };
        let mut by_distance: Vec<(f64, usize)> = self.open.iter().map(|at| (far(at), *at)).collect();
        by_distance.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(by_distance.iter().take(n).map(|(_, at)| &self.pool.architectures[*at]).collect())
    }

    /// Any open candidate of the pool.
    pub(super) fn any(&self) -> Option<Architecture> {
        self.open.first().map(|at| self.pool.architectures[*at].clone())
    }
}
