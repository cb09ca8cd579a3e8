//! `Candidates`: a pool, and what of it is still to be tried.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use heirloom_kb::Architecture;
use heirloom_predictor::Encoder;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::own_trials::OwnTrials;
use crate::space_history::Pool;
use crate::spaces;

/// A pool, and what of it is still to be tried.
pub(super) struct Candidates {
    pool: Arc<Pool>,
    encoder: Encoder,
    positions: HashMap<Vec<u64>, usize>,
    /// Positions not spent, in an order drawn once: who comes first among equals is chance, not the pool's order.
    open: Vec<usize>,
}

impl Candidates {
    /// A pool without what has been tried, in an order that the seed fixes.
    pub(super) fn new(pool: Arc<Pool>, encoder: &Encoder, own: &OwnTrials, seed: u64) -> Self {
        let architectures = pool.architectures.iter().enumerate();
        let positions: HashMap<Vec<u64>, usize> =
            architectures.map(|(at, architecture)| (encoder.key(architecture), at)).collect();
        let tried =
            own.architectures().iter().filter_map(|tried| positions.get(&encoder.key(tried)).copied());
        let tried: HashSet<usize> = tried.collect();
        let mut open: Vec<usize> = (0..pool.architectures.len()).filter(|at| !tried.contains(at)).collect();
        open.shuffle(&mut Xoshiro256PlusPlus::seed_from_u64(seed));
        Candidates { pool, encoder: encoder.clone(), positions, open }
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

    /// Takes a position out.
    pub(super) fn spend(&mut self, position: usize) {
        self.open.retain(|open| *open != position);
    }

    /// Takes an architecture out, if it is among the candidates, and gives its canonical form.
    pub(super) fn spend_architecture(&mut self, architecture: &Architecture) -> Architecture {
        let canonical = spaces::canonical(self.encoder.space().id(), architecture);
        if let Some(position) = self.positions.get(&self.encoder.key(&canonical)).copied() {
            self.spend(position);
        }
        canonical
    }
}
