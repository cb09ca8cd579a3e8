//! `SpaceCurves`: the learning curves of one space, kept for advice.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use heirloom_kb::{Name, Task, Trial};

use super::past_curves::Found;
use super::{FidelityAdvice, advise_fidelity};

/// The fidelity that is advised on.
const EPOCHS: &str = "epochs";
/// Curves of a task that are kept: enough for a rank correlation to two digits.
const KEPT: usize = 256;
/// The rank correlation that is asked of a fidelity.
const AGREEMENT: f64 = 0.8;

/// A metric and the tasks left out.
type Asked = (Name, Vec<Name>);

/// The learning curves of one space, some of each task, and the advice that has been asked for.
#[derive(Debug, Default)]
pub(crate) struct SpaceCurves {
    found: Found,
    advice: Mutex<BTreeMap<Asked, Option<FidelityAdvice>>>,
}

impl SpaceCurves {
    /// The same curves, to be added to.
    pub(crate) fn grow(&self) -> Self {
        SpaceCurves { found: self.found.clone(), advice: Mutex::default() }
    }

    /// Takes in the curves among all trials that a task has by now, in place of those of before.
    pub(crate) fn take(&mut self, task: &Task, trials: &[Trial]) {
        self.found = std::mem::take(&mut self.found).without(std::slice::from_ref(&task.id));
        let mut fresh = Found::default();
        fresh.take(trials, &BTreeMap::from([(&task.id, task)]), EPOCHS);
        self.found.join(fresh.thinned(KEPT));
    }

    /// How many epochs tell architectures apart, for a task of this metric; some tasks left out.
    pub(crate) fn advice(&self, metric: &Name, exclude: &[Name]) -> Option<FidelityAdvice> {
        if self.found.is_empty() {
            return None;
        }
        let mut advice = self.advice.lock().unwrap_or_else(PoisonError::into_inner);
        let mut exclude = exclude.to_vec();
        exclude.sort();
        exclude.dedup();
        let asked: Asked = (metric.clone(), exclude);
        if let Some(known) = advice.get(&asked) {
            return known.clone();
        }
        let curves = self.found.without(&asked.1).preferred(metric);
        let fresh = advise_fidelity(&curves, EPOCHS, AGREEMENT);
        advice.insert(asked, fresh.clone());
        fresh
    }
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Domain, Goal, Split};

    use super::*;

    /// Curves that keep their order from epoch 3 of 9 on and run in reverse before.
    fn trial(task: &str, rank: i64) -> Trial {
        let architecture = [("a", rank)].into_iter().collect();
        let mut trial = Trial::new(task, "s/1", architecture, Split::Validation, "accuracy", rank as f64);
        let score = |epoch: i64| if epoch < 3 { -rank as f64 } else { rank as f64 };
        trial.curve = (1..=9).map(|epoch| (epoch as f64, score(epoch))).collect();
        trial
    }

    fn of(trials: &[Trial], tasks: &[Task]) -> SpaceCurves {
        let mut curves = SpaceCurves::default();
        tasks.iter().for_each(|task| curves.take(task, trials));
        curves
    }

    #[test]
    fn advice_is_kept_and_leaves_tasks_out() {
        let tasks = ["t", "u"].map(|id| Task::new(id, Domain::Tabular, "accuracy", Goal::Maximize));
        let trials: Vec<Trial> = (0..600).map(|rank| trial("t", rank)).collect();
        let curves = of(&trials, &tasks);
        let metric = Name::from("accuracy");
        let advice = curves.advice(&metric, &["u".into()]).unwrap();
        assert_eq!((advice.value, advice.full, advice.rank_correlation), (3.0, 9.0, 1.0));
        assert_eq!(curves.advice(&metric, &["u".into()]), Some(advice));
        assert_eq!(curves.advice(&metric, &["t".into()]), None);
        assert_eq!(SpaceCurves::default().advice(&metric, &[]), None);
    }

    #[test]
    fn thinned_curves_are_spread_over_all() {
        let tasks = [Task::new("t", Domain::Tabular, "accuracy", Goal::Maximize)];
        let trials: Vec<Trial> = (0..1000).map(|rank| trial("t", rank)).collect();
        let kept = of(&trials, &tasks).found.preferred(&"accuracy".into());
        assert_eq!(kept[0].curves.len(), KEPT);
        assert!(kept[0].curves[KEPT - 1].last().unwrap().1 > 990.0);
    }
}
