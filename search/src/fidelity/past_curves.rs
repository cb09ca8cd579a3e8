//! The learning curves that a base holds.

use std::collections::BTreeMap;

use heirloom_kb::{KnowledgeStore, Name, Split, Status, Task, Trial, TrialQuery};
use heirloom_predictor::{Curve, TaskCurves};

use crate::SearchError;

/// Curves of one space and metric from which on no others are looked for.
const ENOUGH: usize = 100;

/// The curves of complete validation trials whose steps are counted in `fidelity`, in the metric of their task and turned so
/// that higher is better, by task. Those of `space` and of tasks with `metric` are preferred; where they are few, other
/// metrics are taken in, and then other spaces. Tasks in `exclude` are left out.
///
/// # Errors
/// Of the store.
pub fn past_curves(
    store: &dyn KnowledgeStore,
    space: &Name,
    metric: &Name,
    fidelity: &str,
    exclude: &[Name],
) -> Result<Vec<TaskCurves>, SearchError> {
    let tasks = store.tasks()?;
    let tasks: BTreeMap<&Name, &Task> =
        tasks.iter().filter(|task| !exclude.contains(&task.id)).map(|task| (&task.id, task)).collect();
    let mut found = Found::default();
    let of_space = |space: &Name| store.trials(&TrialQuery::space(space.clone(), Split::Validation));
    found.take(&of_space(space)?.trials, &tasks, fidelity);
    if found.count(metric) < ENOUGH {
        for other in store.spaces()?.iter().filter(|other| other.id() != space) {
            found.take(&of_space(other.id())?.trials, &tasks, fidelity);
        }
    }
    Ok(found.preferred(metric))
}

/// Curves by metric and task.
#[derive(Clone, Debug, Default)]
pub(super) struct Found(BTreeMap<Name, BTreeMap<Name, Vec<Curve>>>);

impl Found {
    pub(super) fn take(&mut self, trials: &[Trial], tasks: &BTreeMap<&Name, &Task>, fidelity: &str) {
        for trial in trials.iter().filter(|trial| counts(trial, fidelity)) {
            let Some(task) = tasks.get(&trial.task).filter(|task| task.metric == trial.metric) else {
                continue;
            };
            let higher = |(step, score): &(f64, f64)| (*step, task.goal.higher_is_better(*score));
            let curve = Curve::new(trial.curve.iter().map(higher).collect());
            let by_task = self.0.entry(task.metric.clone()).or_default();
            by_task.entry(task.id.clone()).or_default().push(curve);
        }
    }

    fn count(&self, metric: &Name) -> usize {
        self.0.get(metric).map_or(0, |by_task| by_task.values().map(Vec::len).sum())
    }

    /// With at most so many curves a task and metric, spread evenly over those it has.
    pub(super) fn thinned(mut self, most: usize) -> Self {
        for curves in self.0.values_mut().flat_map(BTreeMap::values_mut).filter(|curves| curves.len() > most)
        {
            *curves = (0..most).map(|at| curves[at * curves.len() / most].clone()).collect();
        }
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(BTreeMap::is_empty)
    }

    /// Without the curves of some tasks.
    pub(super) fn without(&self, exclude: &[Name]) -> Self {
        let mut rest = self.clone();
        rest.0.values_mut().for_each(|by_task| by_task.retain(|task, _| !exclude.contains(task)));
        rest
    }

    /// Adds those of other tasks.
    pub(super) fn join(&mut self, other: Found) {
        for (metric, by_task) in other.0 {
            self.0.entry(metric).or_default().extend(by_task);
        }
    }

    /// Of the metric alone if these are enough, else of all.
    pub(super) fn preferred(self, metric: &Name) -> Vec<TaskCurves> {
        let enough = self.count(metric) >= ENOUGH;
        let metrics = self.0.into_iter().filter(|(of, _)| !enough || of == metric);
        let tasks = metrics.flat_map(|(_, by_task)| by_task);
        tasks.map(|(task, curves)| TaskCurves { task, curves }).collect()
    }
}

fn counts(trial: &Trial, fidelity: &str) -> bool {
    trial.status == Status::Complete
        && trial.curve.len() > 1
        && (trial.fidelity.is_empty() || trial.fidelity.contains_key(fidelity))
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Batch, Domain, Goal, MemoryStore, SearchSpace};

    use super::*;

    fn trial(task: &str, space: &str, a: i64) -> Trial {
        let mut trial =
            Trial::new(task, space, [("a", a)].into_iter().collect(), Split::Validation, "loss", 0.5);
        trial.curve = vec![(1.0, 0.9), (2.0, 0.5)];
        trial.fidelity.insert("epochs".into(), 2.0);
        trial
    }

    #[test]
    fn curves_are_of_complete_validation_trials_and_turned() {
        let space = |id: &str| -> SearchSpace {
            let range = r#"{"kind":"int","lo":0,"hi":9}"#;
            serde_json::from_str(&format!(r#"{{"id":"{id}","params":[{{"name":"a","range":{range}}}]}}"#))
                .unwrap()
        };
        let task = |id: &str| Task::new(id, Domain::Tabular, "loss", Goal::Minimize);
        let mut trials: Vec<Trial> = (0..4).map(|a| trial("t", "s/1", a)).collect();
        trials[1].split = Split::Test;
        trials[2].status = Status::Pruned;
        trials[3].fidelity = [("data_fraction".into(), 0.5)].into_iter().collect();
        trials.extend([trial("u", "other/1", 1), trial("new", "s/1", 1)]);
        let store = MemoryStore::default();
        let tasks = vec![task("t"), task("u"), task("new")];
        store.commit(&Batch { spaces: vec![space("s/1"), space("other/1")], tasks, trials }).unwrap();
        let (s, loss) = ("s/1".into(), "loss".into());
        let found = past_curves(&store, &s, &loss, "epochs", &["new".into()]).unwrap();
        assert_eq!(
            found.iter().map(|task| (&*task.task, task.curves.len())).collect::<Vec<_>>(),
            [("t", 1), ("u", 1)]
        );
        assert_eq!(found[0].curves[0].points(), [(1.0, -0.9), (2.0, -0.5)]);
    }
}
