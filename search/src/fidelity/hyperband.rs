//! `Hyperband`: successive halving in brackets.

use std::collections::BTreeMap;

use super::Decision;
use super::rungs::{Rungs, crossed};

/// A bracket of Hyperband.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bracket {
    /// Trials and epochs of each rung, the last of which is a whole training.
    pub rungs: Vec<(u32, u32)>,
}

/// The brackets of Hyperband for trials of `min` to `max` epochs, the one that stops earliest first. Epochs are rounded to
/// whole ones.
///
/// *Source*: Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", 2016
/// (arXiv:1603.06560). The numbers of trials are those of its example with `R = 81`, `floor((s_max + 1) / (s + 1)) eta^s`;
/// other programs round up after multiplying, and start more.
#[must_use]
pub fn brackets(min: u32, max: u32, eta: u32) -> Vec<Bracket> {
    let (min, eta) = (u64::from(min.max(1)), u64::from(eta.max(2)));
    let (max, whole) = (u64::from(max), |n: u64| u32::try_from(n).unwrap_or(u32::MAX));
    let mut most = 0;
    while min * eta.pow(most + 1) <= max {
        most += 1;
    }
    let bracket = |s: u32| {
        let n = u64::from((most + 1) / (s + 1)) * eta.pow(s);
        let rung = |i: u32| {
            let divisor = eta.pow(s - i);
            (whole(n / eta.pow(i)), whole((max + divisor / 2) / divisor))
        };
        Bracket { rungs: (0..=s).map(rung).collect() }
    };
    (0..=most).rev().map(bracket).collect()
}

/// Hyperband as a rule that decides at once: trials are dealt to the brackets in turn, as many to each as it has places,
/// and within a bracket one goes on if it is among the best `1 / eta` that have come to its rung so far.
#[derive(Clone, Debug)]
pub struct Hyperband {
    eta: u32,
    /// Places of each bracket, and what trials scored at its rungs, over all rounds.
    brackets: Vec<(u32, Rungs)>,
    dealt: BTreeMap<u64, usize>,
}

impl Hyperband {
    /// The brackets for trials of `min` to `max` epochs.
    #[must_use]
    pub fn new(min: u32, max: u32, eta: u32) -> Self {
        let rule = |bracket: Bracket| {
            let places = bracket.rungs[0].0;
            let levels = bracket.rungs.iter().map(|(_, epochs)| *epochs).filter(|epochs| *epochs < max);
            (places, Rungs::new(levels.collect()))
        };
        let brackets = brackets(min, max, eta).into_iter().map(rule).collect();
        Hyperband { eta, brackets, dealt: BTreeMap::new() }
    }

    /// A trial's score at `step` epochs, higher is better, its report before having been at `before` (0 for none).
    pub fn report(&mut self, trial: u64, before: u32, step: u32, score: f64) -> Decision {
        let bracket = self.deal(trial);
        let (_, rungs) = &mut self.brackets[bracket];
        let Some(rung) = crossed(&rungs.levels, before, step) else {
            return Decision::go_on(format!("between two rungs of bracket {}", bracket + 1));
        };
        let standing = rungs.enter(rung, trial, score);
        let place = format!("at {} epochs of bracket {}", rungs.levels[rung], bracket + 1);
        let why = standing.why(self.eta, &place);
        Decision::when(!standing.survives(self.eta), why)
    }

    /// The bracket of a trial: that of the next free place for a new one.
    fn deal(&mut self, trial: u64) -> usize {
        let places: u32 = self.brackets.iter().map(|(places, _)| places).sum();
        let mut place = self.dealt.len() as u32 % places;
        let free = self.brackets.iter().position(|(places, _)| {
            let here = place < *places;
            place = place.saturating_sub(*places);
            here
        });
        *self.dealt.entry(trial).or_insert(free.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The paper's example, R = 81 and eta = 3.
    #[test]
    fn the_brackets_are_those_of_the_papers_table() {
        let table: [&[(u32, u32)]; 5] = [
            &[(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
            &[(27, 3), (9, 9), (3, 27), (1, 81)],
            &[(9, 9), (3, 27), (1, 81)],
            &[(6, 27), (2, 81)],
            &[(5, 81)],
        ];
        let got = brackets(1, 81, 3);
        assert_eq!(got.iter().map(|bracket| bracket.rungs.as_slice()).collect::<Vec<_>>(), table);
    }

    #[test]
    fn trials_are_dealt_to_brackets_in_turn() {
        let mut hyperband = Hyperband::new(1, 9, 3);
        // Brackets of 9, 3 and 3 trials; the last never stops anything.
        let stopped: Vec<bool> =
            (0..15).map(|trial| hyperband.report(trial, 0, 1, -(trial as f64)).is_stop()).collect();
        assert_eq!(stopped.iter().filter(|stop| **stop).count(), 7);
        assert!(!stopped[9] && !stopped[12]);
        let later: Vec<bool> =
            (9..15).map(|trial| hyperband.report(trial, 1, 3, -(trial as f64)).is_stop()).collect();
        assert_eq!(later, [false, false, true, false, false, false]);
        // The sixteenth opens the next round.
        assert!(hyperband.report(15, 0, 1, -99.0).is_stop());
    }
}
