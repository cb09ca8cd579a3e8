//! Architectures of a space: drawn, listed, gathered.

use std::collections::HashSet;

use heirloom_kb::{Architecture, Name, Param, Range, SearchSpace, Value};
use heirloom_predictor::Encoder;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::{admits, canonical};

/// Draws in a row that bring nothing new, after which a space counts as exhausted.
const FRUITLESS: usize = 2_000;

/// An architecture drawn at random: uniform over the values of each active parameter, logarithmically where the range
/// says so.
#[must_use]
pub fn sample(space: &SearchSpace, rng: &mut impl Rng) -> Architecture {
    let mut architecture = Architecture::default();
    for param in space.params() {
        if space.is_active(param, &architecture) {
            architecture.set(&param.name, draw(&param.range, rng));
        }
    }
    architecture
}

/// A value of a range, drawn at random.
pub(super) fn draw(range: &Range, rng: &mut impl Rng) -> Value {
    match *range {
        Range::Real { lo, hi, log: false } => Value::Real(lo + (hi - lo) * rng.r#gen::<f64>()),
        Range::Real { lo, hi, log: true } => Value::Real((lo * (hi / lo).powf(rng.r#gen())).clamp(lo, hi)),
        Range::Int { lo, hi, log: true } => {
            // Each whole number has the share of the scale that rounds to it.
            let (from, to) = (lo as f64 - 0.5, hi as f64 + 0.5);
            let drawn = (from * (to / from).powf(rng.r#gen())).round() as i64;
            Value::Int(drawn.clamp(lo, hi))
        }
        Range::Int { lo, hi, log: false } => Value::Int(rng.gen_range(lo..=hi)),
        Range::Choice { .. } | Range::Levels { .. } => {
            let n = range.cardinality().expect("a discrete range has a size");
            range.value_at(rng.gen_range(0..n)).expect("below the size")
        }
    }
}

/// All assignments of a space in order, the last parameter fastest; `None` if a parameter is real or there are more
/// than `limit`.
#[must_use]
pub fn enumerate(space: &SearchSpace, limit: u64) -> Option<Vec<Architecture>> {
    let mut partial = vec![Architecture::default()];
    for param in space.params() {
        let n = param.range.cardinality()?;
        let mut extended = Vec::new();
        for architecture in partial {
            if space.is_active(param, &architecture) {
                extended.extend(with_each_value(&architecture, param, n.min(limit + 1)));
            } else {
                extended.push(architecture);
            }
            if extended.len() as u64 > limit {
                return None;
            }
        }
        partial = extended;
    }
    Some(partial)
}

fn with_each_value(architecture: &Architecture, param: &Param, n: u64) -> impl Iterator<Item = Architecture> {
    (0..n).filter_map(|at| param.range.value_at(at)).map(|value| {
        let mut next = architecture.clone();
        next.set(&param.name, value);
        next
    })
}

/// Canonical architectures of a space, none twice: all of them, if the space has at most `limit` assignments, else
/// `limit` drawn at random (fewer when drawing finds no more).
#[must_use]
pub fn pool(space: &SearchSpace, limit: u64, seed: u64) -> Vec<Architecture> {
    let mut gathered = Gathered::new(space);
    if let Some(all) = enumerate(space, limit) {
        all.iter().for_each(|architecture| {
            gathered.add(architecture);
        });
        return gathered.pool;
    }
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut fruitless = 0;
    while (gathered.pool.len() as u64) < limit && fruitless < FRUITLESS {
        let new = gathered.add(&sample(space, &mut rng));
        fruitless = if new { 0 } else { fruitless + 1 };
    }
    gathered.pool
}

struct Gathered<'a> {
    id: &'a Name,
    encoder: Encoder,
    keys: HashSet<Vec<u64>>,
    pool: Vec<Architecture>,
}

impl<'a> Gathered<'a> {
    fn new(space: &'a SearchSpace) -> Self {
        Gathered { id: space.id(), encoder: Encoder::new(space), keys: HashSet::new(), pool: Vec::new() }
    }

    /// Whether the canonical form is new.
    fn add(&mut self, architecture: &Architecture) -> bool {
        let canonical = canonical(self.id, architecture);
        let new = admits(self.id, &canonical) && self.keys.insert(self.encoder.key(&canonical));
        if new {
            self.pool.push(canonical);
        }
        new
    }
}
