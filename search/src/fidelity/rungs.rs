//! `Rungs`: the epochs at which trials are compared, and what they scored there.

/// The epochs at which a rule looks: `min`, `min eta`, `min eta^2`, … below `max`.
pub(super) fn levels(min: u32, max: u32, eta: u32) -> Vec<u32> {
    let next = |level: &u32| level.checked_mul(eta);
    std::iter::successors(Some(min), next).take_while(|level| *level < max).collect()
}

/// The level that a trial has come to with its report at `step`, if its report before, at `before`, was below it; the
/// highest where it has passed several.
pub(super) fn crossed(levels: &[u32], before: u32, step: u32) -> Option<usize> {
    levels.iter().rposition(|level| before < *level && *level <= step)
}

/// What trials scored at each rung, higher is better.
#[derive(Clone, Debug)]
pub(super) struct Rungs {
    pub(super) levels: Vec<u32>,
    pub(super) scores: Vec<Vec<(u64, f64)>>,
}

impl Rungs {
    pub(super) fn new(levels: Vec<u32>) -> Self {
        Rungs { scores: vec![Vec::new(); levels.len()], levels }
    }

    /// Enters a score into a rung; how many there are and how many of them are better.
    pub(super) fn enter(&mut self, rung: usize, trial: u64, score: f64) -> Standing {
        let scores = &mut self.scores[rung];
        scores.push((trial, score));
        let better = scores.iter().filter(|(_, other)| *other > score).count();
        Standing { better, of: scores.len() }
    }
}

/// A trial among those of its rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Trials that scored better.
    pub(super) better: usize,
    /// Trials in the rung, this one too.
    pub(super) of: usize,
}

impl Standing {
    /// Whether it is among the best `1 / eta` of the rung. While there are fewer than `eta` in it, nothing is known.
    pub(super) fn survives(self, eta: u32) -> bool {
        let eta = eta as usize;
        self.of < eta || self.better < self.of / eta
    }

    /// Why it goes on or not, in plain words; `place` is what was compared, such as "at 3 epochs".
    pub(super) fn why(self, eta: u32, place: &str) -> String {
        let Standing { better, of } = self;
        if of < eta as usize {
            return format!(
                "{of} of the {eta} trials have come that tell the best 1/{eta} {place}; until then all go on"
            );
        }
        format!("{better} of {of} trials were better {place}; the best {} go on", of / eta as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_what_is_decided() {
        let of = |better, of| Standing { better, of }.why(3, "at 1 epochs");
        assert_eq!(
            of(1, 2),
            "2 of the 3 trials have come that tell the best 1/3 at 1 epochs; until then all go on"
        );
        // A third of five is one: whoever is second does not go on.
        assert_eq!(of(1, 5), "1 of 5 trials were better at 1 epochs; the best 1 go on");
        assert!(!Standing { better: 1, of: 5 }.survives(3) && Standing { better: 1, of: 6 }.survives(3));
        assert_eq!(of(1, 6), "1 of 6 trials were better at 1 epochs; the best 2 go on");
    }

    #[test]
    fn levels_grow_and_end_before_the_last_epoch() {
        assert_eq!(levels(1, 81, 3), [1, 3, 9, 27]);
        assert_eq!(levels(2, 40, 4), [2, 8, 32]);
        assert_eq!(levels(1, u32::MAX, 65_536), [1, 65_536]);
        assert_eq!(crossed(&[1, 3, 9], 0, 1), Some(0));
        assert_eq!(crossed(&[1, 3, 9], 1, 2), None);
        // One that reports seldom is judged where it has come to.
        assert_eq!(crossed(&[1, 3, 9], 2, 20), Some(2));
    }
}
