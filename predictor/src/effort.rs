//! What a measurement took, and which can be compared.

use heirloom_kb::{Goal, Status, Trial};

use crate::fidelity_levels::Course;

/// The share of measurements that set what a full one is, and the share of that which still counts as one.
const FULLEST: usize = 3;
pub(crate) const NEARLY: f64 = 0.5;

/// What a trial took: the product of its fidelities, which have the same names within a history, so that it orders them.
pub(crate) fn effort(trial: &Trial) -> f64 {
    trial.fidelity.values().product()
}

/// The least effort whose scores can be compared with those of the fullest third: half of what that had. Scores after one epoch
/// and after fifty have no common scale. Nothing where no measurement says what it took.
pub(crate) fn least_comparable(mut efforts: Vec<f64>) -> Option<f64> {
    efforts.sort_by(|a, b| b.total_cmp(a));
    efforts.get(efforts.len().saturating_sub(1) / FULLEST).map(|fullest| NEARLY * fullest)
}

/// What trials took, where some of them say so in their fidelity and others only in the steps of their curves.
pub(crate) struct Efforts {
    /// What a trial took that ended by itself and says nothing of it.
    unsaid: f64,
}

impl Efforts {
    /// Of a task's trials. Where no complete trial says what it took they all count as full, and what was stopped took its steps.
    pub(crate) fn of(trials: &[&Trial]) -> Self {
        let said =
            trials.iter().filter(|trial| trial.status == Status::Complete && !trial.fidelity.is_empty());
        Efforts { unsaid: said.map(|trial| effort(trial)).reduce(f64::max).unwrap_or(f64::INFINITY) }
    }

    /// The scores of a trial by what they took, higher is better; of a failed one none. Steps are in the unit of the fidelity, unless they
    /// count something else: the last of a trial that ended by itself is its end.
    pub(crate) fn course(&self, trial: &Trial, goal: Goal) -> Course {
        let last = trial.curve.last().map(|(step, _)| *step);
        let said = (!trial.fidelity.is_empty()).then(|| effort(trial));
        let end = match (trial.status, said, last) {
            (Status::Failed, ..) => return Course::new(),
            (Status::Complete, said, _) => said.unwrap_or(self.unsaid),
            (Status::Pruned, Some(said), last) => last.map_or(said, |last| last.min(said)),
            (Status::Pruned, None, Some(last)) => last,
            (Status::Pruned, None, None) => return Course::new(),
        };
        let stretch = last.filter(|last| *last > 0.0 && end.is_finite()).map_or(1.0, |last| end / last);
        let score = trial.score.or(trial.curve.last().map(|(_, score)| *score));
        let Some(score) = score.map(|score| goal.higher_is_better(score)) else { return Course::new() };
        let higher = trial.curve.iter().map(|(step, score)| (step * stretch, goal.higher_is_better(*score)));
        let mut course: Course = higher.filter(|(effort, _)| *effort < end).collect();
        // What is kept of a trial may be its best epoch.
        if trial.curve.iter().all(|(_, other)| goal.higher_is_better(*other) <= score) {
            let mut best = f64::NEG_INFINITY;
            course.iter_mut().for_each(|(_, score)| {
                best = best.max(*score);
                *score = best;
            });
        }
        course.push((end, score));
        course
    }
}

/// Which trials of a task measured enough to be compared with the fullest third of those that have a score: at least half of what
/// those took. What says nothing of its fidelity, and what has no score, is given the benefit of the doubt.
///
/// # Shapes
/// One answer a trial, in order.
#[must_use]
pub fn are_comparable(trials: &[&Trial]) -> Vec<bool> {
    let told = |trial: &&Trial| {
        let measured = trial.status == Status::Complete && trial.score.is_some();
        (measured && !trial.fidelity.is_empty()).then(|| effort(trial))
    };
    let efforts: Vec<Option<f64>> = trials.iter().map(told).collect();
    let least = least_comparable(efforts.iter().flatten().copied().collect());
    efforts
        .into_iter()
        .map(|effort| effort.zip(least).is_none_or(|(effort, least)| effort >= least))
        .collect()
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Architecture, Split};

    use super::*;

    fn trial(epochs: Option<f64>, score: Option<f64>) -> Trial {
        let architecture: Architecture = [("a", 1)].into_iter().collect();
        let mut trial =
            Trial::new("t", "s/1", architecture, Split::Validation, "accuracy", score.unwrap_or(0.0));
        trial.score = score;
        trial.fidelity.extend(epochs.map(|epochs| ("epochs".into(), epochs)));
        trial
    }

    #[test]
    fn a_short_trial_is_not_compared_with_full_ones() {
        let trials = [
            trial(Some(1.0), Some(0.9)),
            trial(Some(50.0), Some(0.5)),
            trial(Some(50.0), Some(0.6)),
            trial(Some(25.0), Some(0.4)),
            trial(None, Some(0.3)),
            trial(Some(1.0), None),
        ];
        let all: Vec<&Trial> = trials.iter().collect();
        assert_eq!(are_comparable(&all), [false, true, true, true, true, true]);
        assert_eq!(are_comparable(&all[..1]), [true], "among short ones it is as good as any");
        assert!(are_comparable(&[]).is_empty());
    }
}
