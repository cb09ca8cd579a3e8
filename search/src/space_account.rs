//! `SpaceAccount`: what a base has of one space, and what of it is new since.

use std::collections::BTreeMap;

use heirloom_kb::{GroupStats, KnowledgeStore, Name, SearchSpace, Split, Stats, StoreError, Task};

use crate::spaces;

/// What a base had of one space when something was made of it: all its tasks, and how many trials of each tell of the space. Trials
/// are only ever added to a base and never change, so that their number says whether a task has new ones.
#[derive(Clone, Debug)]
pub(crate) struct SpaceAccount {
    pub(crate) space: SearchSpace,
    /// All tasks of the base.
    pub(crate) tasks: Vec<Task>,
    /// The store's revision that this is true for.
    pub(crate) revision: u64,
    /// Validation trials by task, of the space and its [`spaces::relatives`].
    counts: BTreeMap<Name, u64>,
}

impl SpaceAccount {
    /// As the base has it now.
    ///
    /// # Errors
    /// Of the store.
    pub(crate) fn of(store: &dyn KnowledgeStore, space: SearchSpace) -> Result<Self, StoreError> {
        // The number first: trials that come in between are then read twice, and not missed.
        let stats = store.stats()?;
        let counts = counts(&stats, &space);
        Ok(SpaceAccount { space, tasks: store.tasks()?, revision: stats.revision, counts })
    }

    /// Of a space with these tasks, which no base keeps.
    pub(crate) fn outside(space: SearchSpace, tasks: Vec<Task>) -> Self {
        SpaceAccount { space, tasks, revision: 0, counts: BTreeMap::new() }
    }

    /// The tasks that tell of the space.
    pub(crate) fn telling(&self) -> Vec<&Task> {
        self.tasks.iter().filter(|task| self.counts.contains_key(&task.id)).collect()
    }

    /// The tasks with trials that an earlier account does not have; nothing where something else has happened than that tasks and
    /// trials were added, so that all is to be made anew.
    pub(crate) fn since(&self, earlier: &SpaceAccount) -> Option<Vec<&Task>> {
        let kept = |task: &Task| {
            let now = self.tasks.iter().find(|now| now.id == task.id);
            now.is_some_and(|now| now.metric == task.metric && now.goal == task.goal)
        };
        let grew = |(task, n): (&Name, &u64)| self.counts.get(task).is_some_and(|now| now >= n);
        let only_added =
            self.space == earlier.space && earlier.tasks.iter().all(kept) && earlier.counts.iter().all(grew);
        only_added.then(|| {
            let is_new = |task: &&Task| earlier.counts.get(&task.id) != self.counts.get(&task.id);
            self.telling().into_iter().filter(is_new).collect()
        })
    }
}

fn counts(stats: &Stats, space: &SearchSpace) -> BTreeMap<Name, u64> {
    let relatives = spaces::relatives(space);
    let tells = |group: &&GroupStats| {
        let of_space = group.space == *space.id() || relatives.contains(&group.space);
        of_space && group.split == Split::Validation
    };
    let mut found = BTreeMap::new();
    for group in stats.groups.iter().filter(tells) {
        *found.entry(group.task.clone()).or_insert(0) += group.trials;
    }
    found
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Domain, Goal};

    use super::*;

    fn account(counts: &[(&str, u64)]) -> SpaceAccount {
        let space = serde_json::from_str(
            r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":9}}]}"#,
        );
        let tasks = ["t", "u"].map(|id| Task::new(id, Domain::Tabular, "loss", Goal::Minimize));
        let counts = counts.iter().map(|(task, n)| (Name::from(*task), *n)).collect();
        SpaceAccount { counts, ..SpaceAccount::outside(space.unwrap(), tasks.to_vec()) }
    }

    fn names(tasks: Option<Vec<&Task>>) -> Option<Vec<&str>> {
        tasks.map(|tasks| tasks.into_iter().map(|task| &*task.id).collect())
    }

    #[test]
    fn tasks_with_more_trials_are_new_and_others_are_not() {
        let now = account(&[("t", 3), ("u", 2)]);
        assert_eq!(names(now.since(&account(&[("t", 3), ("u", 1)]))), Some(vec!["u"]));
        assert_eq!(names(now.since(&account(&[("t", 3)]))), Some(vec!["u"]));
        assert_eq!(names(now.since(&now)), Some(vec![]));
    }

    #[test]
    fn all_is_made_anew_after_anything_but_an_addition() {
        let now = account(&[("t", 3)]);
        assert_eq!(names(now.since(&account(&[("t", 4)]))), None, "trials have gone");
        assert_eq!(names(now.since(&account(&[("t", 3), ("u", 1)]))), None, "a task's have");
        let mut other = account(&[("t", 3)]);
        other.tasks[0].goal = Goal::Maximize;
        assert_eq!(names(now.since(&other)), None, "scores are read another way");
        other.tasks = Vec::new();
        assert_eq!(names(now.since(&other)), Some(vec![]), "a task more");
        other.space = serde_json::from_str(
            r#"{"id":"s/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":8}}]}"#,
        )
        .unwrap();
        assert_eq!(names(now.since(&other)), None, "the space is another");
    }
}
