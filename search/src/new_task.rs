//! `NewTask`: a task that the base does not know, described by what is known of it.

use std::collections::{BTreeMap, BTreeSet};

use heirloom_kb::{Domain, Goal, Name, Task};

use crate::space_history::SpaceHistory;
use crate::{SearchError, spaces};

/// Names that a note gives before it only counts.
const NAMED: usize = 4;

/// For which task a recommendation is asked.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskChoice {
    /// One that the base knows, by its id.
    Known(Name),
    /// One that it does not.
    New(NewTask),
}

impl From<Name> for TaskChoice {
    fn from(id: Name) -> Self {
        TaskChoice::Known(id)
    }
}

impl From<&str> for TaskChoice {
    fn from(id: &str) -> Self {
        TaskChoice::Known(id.into())
    }
}

/// A task that the base does not know. What is left out is taken from the past tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewTask {
    /// Numbers that describe the data set, such as `n_samples`; at least one, all finite.
    pub meta_features: BTreeMap<Name, f64>,
    /// What the data are; absent, what the data of most past tasks are.
    pub domain: Option<Domain>,
    /// The metric; absent, that of most past tasks.
    pub metric: Option<Name>,
    /// Which way the metric is better; absent, the way it is in past tasks.
    pub goal: Option<Goal>,
}

impl TaskChoice {
    /// The task that is meant. What had to be taken for granted makes notes.
    pub(crate) fn task(&self, history: &SpaceHistory, notes: &mut Vec<String>) -> Result<Task, SearchError> {
        match self {
            TaskChoice::Known(id) => history.task(id).cloned(),
            TaskChoice::New(new) => new.task(history, notes),
        }
    }
}

impl NewTask {
    fn task(&self, history: &SpaceHistory, notes: &mut Vec<String>) -> Result<Task, SearchError> {
        if self.meta_features.is_empty() {
            return Err(SearchError::BadTask { reason: "it has no meta-features".into() });
        }
        let scores = history.table().tasks();
        let past: Vec<&Task> = scores.iter().filter_map(|scores| history.task(&scores.task).ok()).collect();
        notes.extend(self.unmatched(&past));
        let domain = self.domain.unwrap_or_else(|| {
            let of_space = spaces::family(history.space().id()).and_then(|family| family.domains.first());
            let usual = most_common(past.iter().map(|task| task.domain)).or(of_space.copied());
            let usual = usual.unwrap_or(Domain::Tabular);
            notes.push(format!("no domain is given: it is taken to be {}", word(&usual)));
            usual
        });
        let metric = self.metric.clone().unwrap_or_else(|| {
            let usual = most_common(past.iter().map(|task| &task.metric)).cloned();
            let usual = usual.unwrap_or_else(|| "score".into());
            notes.push(format!("no metric is given: it is taken to be {usual:?}"));
            usual
        });
        let goal = self.goal.unwrap_or_else(|| {
            let alike = past.iter().filter(|task| task.metric == metric);
            let usual = most_common(alike.map(|task| task.goal == Goal::Minimize));
            let goal = if usual == Some(true) { Goal::Minimize } else { Goal::Maximize };
            if usual.is_none() {
                notes.push(format!("no goal is given: {metric:?} is taken to be better when higher"));
            }
            goal
        });
        let unheard = |name: &&Name| !past.iter().any(|task| task.meta_features.contains_key(*name));
        let unheard: Vec<String> =
            self.meta_features.keys().filter(unheard).map(|name| format!("{name:?}")).collect();
        if !unheard.is_empty() && !past.is_empty() {
            notes.push(format!("no past task has the meta-features {}: they say nothing", some_of(&unheard)));
        }
        let mut task = Task::new(free_id(history), domain, metric, goal);
        task.meta_features = self.meta_features.clone();
        task.normalise().map_err(|error| SearchError::BadTask { reason: error.to_string() })
    }
}

impl NewTask {
    /// Notes about a domain that no past task has.
    fn unmatched(&self, past: &[&Task]) -> Vec<String> {
        let mut notes = Vec::new();
        if past.is_empty() {
            return notes;
        }
        if let Some(domain) = self.domain.filter(|domain| past.iter().all(|task| task.domain != *domain)) {
            let known: BTreeSet<Domain> = past.iter().map(|task| task.domain).collect();
            let known: Vec<String> = known.iter().map(Domain::to_string).collect();
            notes.push(format!(
                "no past task in this space is of the domain {domain}; they are {}",
                some_of(&known)
            ));
        }
        notes
    }
}

/// The first few of many names, and how many more there are.
pub(crate) fn some_of(names: &[impl AsRef<str>]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.len().checked_sub(NAMED) {
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..NAMED].join(", ")),
    }
}

/// An id that no task of the base has.
fn free_id(history: &SpaceHistory) -> Name {
    let mut id = String::from("(new)");
    while history.task(&id).is_ok() {
        id = format!("({id})");
    }
    id.into()
}

/// The value met most often, the least among equals.
fn most_common<T: Ord>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0_usize) += 1;
    }
    counts.into_iter().reduce(|most, next| if next.1 > most.1 { next } else { most }).map(|(value, _)| value)
}

/// The word that a domain has in JSON.
fn word(domain: &Domain) -> String {
    format!("{domain:?}").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::some_of;

    #[test]
    fn many_names_are_counted() {
        let names: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(String::from).into();
        assert_eq!(some_of(&names[..4]), "a, b, c, d");
        assert_eq!(some_of(&names), "a, b, c, d and 2 more");
    }
}
