//! The best architectures of a space too large to list: local search over an acquisition.

use std::collections::{HashMap, HashSet};

use heirloom_kb::{Architecture, SearchSpace};
use heirloom_predictor::Encoder;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{SearchError, spaces};

/// An acquisition: a number for each architecture, the higher the better.
pub(crate) type Scorer<'a> = dyn FnMut(&[Architecture]) -> Result<Vec<f64>, SearchError> + 'a;

/// How thoroughly to search. A round asks for at most `climbs * neighbours` scores.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalSearch {
    /// Climbs side by side: up to half of them from the best starting architectures, the others from the best of as
    /// many drawn at random.
    pub(crate) climbs: usize,
    /// Rounds at most.
    pub(crate) rounds: usize,
    /// Neighbours looked at in a climb and round at most; more are drawn from.
    pub(crate) neighbours: usize,
    /// Width of the first steps of numbers, as a share of their range; halved where a climb finds nothing better.
    pub(crate) step: f64,
    /// Architectures to return at most.
    pub(crate) wanted: usize,
}

impl Default for LocalSearch {
    fn default() -> Self {
        LocalSearch { climbs: 16, rounds: 16, neighbours: 96, step: 0.2, wanted: 64 }
    }
}

/// Steps narrower than this share of a range are not worth a round.
const NARROWEST: f64 = 1e-3;

/// The best new architectures that local search finds, best first, with their scores: canonical, of the space's family,
/// none twice and none of `taken`.
///
/// Climbs from several starts go on side by side, so that `score` is called once a round, with architectures that it
/// has not been given before. A climb goes to the best of its neighbours (all other options of one choice, steps of
/// one number) while that is better than where it stands; where it is not, steps get narrower, down to the end of the
/// climb. Scores that are not numbers count as the worst.
///
/// # Errors
/// Those of `score`, which returns a number for each architecture.
///
/// # Source
/// Hutter, Hoos, Leyton-Brown, "Sequential model-based optimization for general algorithm configuration", 2011, section
/// 4.3: multi-start local search on the acquisition.
pub(crate) fn maximise(
    space: &SearchSpace,
    starts: &[Architecture],
    taken: &HashSet<Vec<u64>>,
    encoder: &Encoder,
    score: &mut Scorer<'_>,
    params: LocalSearch,
    rng: &mut impl Rng,
) -> Result<Vec<(Architecture, f64)>, SearchError> {
    let mut seen = Seen { space, encoder, at: HashMap::new(), architectures: Vec::new(), scores: Vec::new() };
    let drawn: Vec<Architecture> = (0..params.climbs).map(|_| spaces::sample(space, rng)).collect();
    let stream = rng.r#gen();
    let (given, drawn) = (seen.add(starts.iter()), seen.add(drawn.iter()));
    seen.rate(score)?;
    // What has been tried promises little itself, and yet the best is often beside it: it keeps its share.
    let given = seen.best_of(given).into_iter().take(params.climbs.div_ceil(2));
    let mut climbs: Vec<Climb> = given
        .chain(seen.best_of(drawn))
        .take(params.climbs)
        .map(|at| Climb { at, step: params.step, done: false })
        .collect();
    for _ in 0..params.rounds {
        if climbs.is_empty() {
            break;
        }
        let near: Vec<Vec<usize>> =
            climbs.iter().map(|climb| seen.neighbours(climb, params.neighbours, stream)).collect();
        seen.rate(score)?;
        climbs.iter_mut().zip(near).for_each(|(climb, near)| climb.go(&near, &seen));
        // Climbs that meet go on as one.
        let mut places = HashSet::new();
        climbs.retain(|climb| !climb.done && places.insert(climb.at));
    }
    Ok(seen.best_new(taken, params.wanted))
}

/// Where a climb stands.
struct Climb {
    at: usize,
    step: f64,
    done: bool,
}

impl Climb {
    /// To the best of the neighbours, if it is better, the first among equals.
    fn go(&mut self, near: &[usize], seen: &Seen<'_>) {
        let better = |best: usize, next: &usize| {
            if seen.scores[*next] > seen.scores[best] { *next } else { best }
        };
        let to = near.iter().fold(self.at, better);
        if to == self.at {
            self.step /= 2.0;
            self.done = self.step < NARROWEST || !seen.has_steps();
        }
        self.at = to;
    }
}

/// Architectures met, each once, and their scores as far as they are known.
struct Seen<'a> {
    space: &'a SearchSpace,
    encoder: &'a Encoder,
    at: HashMap<Vec<u64>, usize>,
    architectures: Vec<Architecture>,
    scores: Vec<f64>,
}

impl Seen<'_> {
    /// Numbers architectures of the space's family, in canonical form; known ones keep their number.
    fn add<'b>(&mut self, architectures: impl Iterator<Item = &'b Architecture>) -> Vec<usize> {
        let mut numbers = Vec::new();
        for architecture in architectures {
            let canonical = spaces::canonical(self.space.id(), architecture);
            if !spaces::admits(self.space.id(), &canonical) {
                continue;
            }
            let next = self.architectures.len();
            let number = *self.at.entry(self.encoder.key(&canonical)).or_insert(next);
            if number == next {
                self.architectures.push(canonical);
            }
            numbers.push(number);
        }
        numbers
    }

    /// Scores for those that have none yet.
    fn rate(&mut self, score: &mut Scorer<'_>) -> Result<(), SearchError> {
        let new = &self.architectures[self.scores.len()..];
        if !new.is_empty() {
            let wanted = new.len();
            let mut scores = score(new)?;
            scores.resize(wanted, f64::NEG_INFINITY);
            self.scores.extend(scores.into_iter().map(|s| if s.is_nan() { f64::NEG_INFINITY } else { s }));
        }
        Ok(())
    }

    /// Some neighbours of where a climb stands. Chance goes by the place and not by the order of climbs, so that a search of the same stream over
    /// another acquisition, as for the next of several picks, meets the same ones.
    fn neighbours(&mut self, climb: &Climb, most: usize, stream: u64) -> Vec<usize> {
        let here = &self.architectures[climb.at];
        let mut hasher = blake3::Hasher::new();
        for part in [stream, climb.step.to_bits()].into_iter().chain(self.encoder.key(here)) {
            hasher.update(&part.to_le_bytes());
        }
        let mut rng = Xoshiro256PlusPlus::from_seed(*hasher.finalize().as_bytes());
        let near = spaces::surroundings(self.space, here, climb.step, most, &mut rng);
        self.add(near.iter())
    }

    /// Whether narrower steps can find something new: not where every neighbour has been looked at.
    fn has_steps(&self) -> bool {
        self.space.params().iter().any(|param| spaces::is_stepped(&param.range))
    }

    /// Distinct numbers, best first, in the order they came among equals.
    fn best_of(&self, mut numbers: Vec<usize>) -> Vec<usize> {
        numbers.sort_by(|a, b| self.scores[*b].total_cmp(&self.scores[*a]).then(a.cmp(b)));
        numbers.dedup();
        numbers
    }

    fn best_new(&self, taken: &HashSet<Vec<u64>>, wanted: usize) -> Vec<(Architecture, f64)> {
        let all = self.best_of((0..self.architectures.len()).collect());
        let new = all.into_iter().map(|at| (&self.architectures[at], self.scores[at]));
        new.filter(|(architecture, _)| !taken.contains(&self.encoder.key(architecture)))
            .take(wanted)
            .map(|(architecture, score)| (architecture.clone(), score))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rng(seed: u64) -> Xoshiro256PlusPlus {
        Xoshiro256PlusPlus::seed_from_u64(seed)
    }

    /// 2 * 10^6 assignments of discrete parameters, times a real one.
    fn mixed() -> SearchSpace {
        serde_json::from_str(
            r#"{"id":"mixed/1","params":[
                {"name":"op","range":{"kind":"choice","options":["a","b","c","d"]}},
                {"name":"width","range":{"kind":"levels","values":[8,16,32,64,128]},"active_if":[{"param":"op","any_of":["b","c"]}]},
                {"name":"units","range":{"kind":"int","lo":1,"hi":100000}},
                {"name":"lr","range":{"kind":"real","lo":1e-5,"hi":0.1,"log":true}}]}"#,
        )
        .unwrap()
    }

    /// Best at op=c, width=64, units=70,000, lr=1e-3, where it is 0.
    fn bowl(architecture: &Architecture) -> f64 {
        let far =
            |name: &str, to: f64, range: f64| ((architecture.number(name).unwrap() - to) / range).powi(2);
        let op = f64::from(u8::from(architecture.text("op") != Some("c")));
        let width = if architecture.number("width") == Some(64.0) { 0.0 } else { 0.1 };
        let lr = (architecture.number("lr").unwrap().log10() + 3.0) / 4.0;
        -(op + width + far("units", 70_000.0, 1e5) + lr * lr)
    }

    fn found(space: &SearchSpace, starts: &[Architecture], seed: u64) -> Vec<(Architecture, f64)> {
        let mut score = |some: &[Architecture]| Ok(some.iter().map(bowl).collect());
        let (encoder, none) = (Encoder::new(space), HashSet::new());
        maximise(space, starts, &none, &encoder, &mut score, LocalSearch::default(), &mut rng(seed)).unwrap()
    }

    #[test]
    fn the_top_of_a_mixed_space_is_found_from_anywhere() {
        for seed in 0..10 {
            let best = &found(&mixed(), &[], seed)[0];
            assert!(best.1 > -1e-4 && best.0.text("op") == Some("c"), "{} scores {}", best.0, best.1);
        }
    }

    #[test]
    fn what_is_taken_is_left_out_and_nothing_is_scored_twice() {
        let (space, encoder) = (mixed(), Encoder::new(&mixed()));
        let first = found(&space, &[], 3);
        let taken: HashSet<Vec<u64>> = first[..10].iter().map(|(a, _)| encoder.key(a)).collect();
        let mut scored = HashSet::new();
        let mut score = |some: &[Architecture]| {
            some.iter().for_each(|a| assert!(scored.insert(encoder.key(a)), "{a} scored twice"));
            Ok(some.iter().map(bowl).collect())
        };
        let params = LocalSearch::default();
        let second = maximise(&space, &[], &taken, &encoder, &mut score, params, &mut rng(3)).unwrap();
        assert_eq!(second[0], first[10]);
        assert_eq!(found(&space, &[], 3), first);
    }

    #[test]
    fn a_failing_score_is_passed_on_and_no_number_is_the_worst() {
        let (space, encoder, none) = (mixed(), Encoder::new(&mixed()), HashSet::new());
        let mut broken =
            |_: &[Architecture]| Err(SearchError::NothingToPropose { reason: "no model".into() });
        let params = LocalSearch::default();
        let error = maximise(&space, &[], &none, &encoder, &mut broken, params, &mut rng(0)).unwrap_err();
        assert_eq!(error.to_string(), "there is nothing to propose: no model");
        let mut nan = |some: &[Architecture]| {
            Ok(some.iter().map(|a| if a.text("op") == Some("c") { bowl(a) } else { f64::NAN }).collect())
        };
        let best = maximise(&space, &[], &none, &encoder, &mut nan, params, &mut rng(0)).unwrap();
        assert_eq!(best[0].0.text("op"), Some("c"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Of every built-in space: canonical, admitted, distinct, best first, at least as good as the starts.
        #[test]
        fn results_are_of_the_space_and_in_order(family in 0..spaces::families().len(), seed in any::<u64>()) {
            let family = &spaces::families()[family];
            let (space, encoder) = ((family.space)(), Encoder::new(&(family.space)()));
            let sum = |a: &Architecture| encoder.key(a).iter().map(|v| (v.wrapping_mul(seed | 1) >> 40) as f64).sum::<f64>();
            let start = spaces::sample(&space, &mut rng(seed));
            let canonical = spaces::canonical(space.id(), &start);
            let mut score = |some: &[Architecture]| Ok(some.iter().map(sum).collect());
            let params = LocalSearch { climbs: 4, rounds: 5, neighbours: 20, ..LocalSearch::default() };
            let best = maximise(&space, &[start], &HashSet::new(), &encoder, &mut score, params, &mut rng(seed)).unwrap();
            let keys: HashSet<_> = best.iter().map(|(a, _)| encoder.key(a)).collect();
            prop_assert_eq!(keys.len(), best.len());
            prop_assert!(best.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            if (family.admits)(&canonical) {
                prop_assert!(best[0].1 >= sum(&canonical));
            }
            for (architecture, score) in best {
                prop_assert_eq!(&space.normalise(&architecture).unwrap(), &architecture);
                prop_assert_eq!(&(family.canonical)(&architecture), &architecture);
                prop_assert!((family.admits)(&architecture));
                prop_assert_eq!(score, sum(&architecture));
            }
        }
    }
}
