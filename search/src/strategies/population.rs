//! `Population`: the trials that evolution breeds from.

use std::collections::VecDeque;

use heirloom_kb::Architecture;
use rand::Rng;
use rand::seq::IteratorRandom;

/// A canonical architecture and its score, `None` where it failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) architecture: Architecture,
    pub(super) score: Option<f64>,
}

/// The youngest trials, at most `size`: who comes in last pushes out who came in first, however good that is.
pub(super) struct Population {
    size: usize,
    members: VecDeque<Member>,
}

impl Population {
    pub(super) fn new(size: usize) -> Self {
        Population { size, members: VecDeque::with_capacity(size + 1) }
    }

    pub(super) fn push(&mut self, member: Member) {
        self.members.push_back(member);
        if self.members.len() > self.size {
            self.members.pop_front();
        }
    }

    /// The best of `n` members drawn at random; failed ones are the worst.
    pub(super) fn tournament(&self, n: usize, rng: &mut impl Rng) -> Option<&Member> {
        let drawn = self.members.iter().choose_multiple(rng, n);
        let worth = |member: &Member| member.score.unwrap_or(f64::NEG_INFINITY);
        drawn.into_iter().max_by(|a, b| worth(a).total_cmp(&worth(b)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_xoshiro::Xoshiro256PlusPlus;

    fn member(n: i64, score: Option<f64>) -> Member {
        Member { architecture: [("n", n)].into_iter().collect(), score }
    }

    #[test]
    fn the_oldest_goes_even_if_it_is_the_best() {
        let mut population = Population::new(3);
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(0);
        assert_eq!(population.tournament(2, &mut rng), None);
        for (n, score) in [Some(9.0), None, Some(1.0), Some(2.0)].into_iter().enumerate() {
            population.push(member(n as i64, score));
        }
        assert_eq!(population.members.len(), 3);
        assert_eq!(population.tournament(3, &mut rng), Some(&member(3, Some(2.0))));
    }

    /// Of 3 members, a tournament of 2 is lost by the worst always.
    #[test]
    fn larger_tournaments_press_harder() {
        let mut population = Population::new(3);
        (0..3).for_each(|n| population.push(member(n, (n > 0).then_some(n as f64))));
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        let wins = (0..3_000).filter_map(|_| population.tournament(2, &mut rng).and_then(|m| m.score));
        let wins: Vec<f64> = wins.collect();
        assert_eq!(wins.len(), 3_000);
        let best = wins.iter().filter(|score| **score == 2.0).count() as f64 / 3_000.0;
        assert!((best - 2.0 / 3.0).abs() < 0.04, "{best}");
    }
}
