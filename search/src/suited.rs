//! Whether a task's data and a space go together.

use heirloom_kb::{Domain, Task};

use crate::SearchError;
use crate::space_history::SpaceHistory;
use crate::spaces::{SpaceFamily, families, family};

/// Refuses a task whose data the networks of a built-in space cannot take, such as a table for one of images, unless trials in
/// that space show that they can.
///
/// # Errors
/// [`SearchError::WrongDomain`].
pub(crate) fn check_domain(history: &SpaceHistory, task: &Task) -> Result<(), SearchError> {
    let Some(family) = family(history.space().id()) else { return Ok(()) };
    if takes(family, task.domain) || has_tried(history, task.domain) {
        return Ok(());
    }
    let fitting = families().iter().filter(|other| other.extends.is_none() && takes(other, task.domain));
    Err(SearchError::WrongDomain {
        domain: task.domain,
        space: history.space().id().clone(),
        fitting: fitting.map(|other| other.id).collect(),
    })
}

/// Whether the networks of a space take data of a domain. Sounds become pictures, and most data can be made a row of numbers.
fn takes(family: &SpaceFamily, domain: Domain) -> bool {
    let is_for = |domain: Domain| family.domains.contains(&domain);
    match domain {
        Domain::Audio => is_for(domain) || is_for(Domain::Image) || is_for(Domain::Tabular),
        Domain::Image | Domain::Timeseries | Domain::Text => is_for(domain) || is_for(Domain::Tabular),
        Domain::Tabular | Domain::Graph => is_for(domain),
    }
}

/// Whether a task of the domain has scores in the space.
fn has_tried(history: &SpaceHistory, domain: Domain) -> bool {
    let scores = history.table().tasks().iter();
    scores.filter_map(|scores| history.task(&scores.task).ok()).any(|task| task.domain == domain)
}

#[cfg(test)]
mod tests {
    use heirloom_kb::{Goal, Split, Trial};

    use super::*;
    use crate::spaces;

    fn task(domain: Domain) -> Task {
        Task::new("t", domain, "accuracy", Goal::Maximize)
    }

    #[test]
    fn a_table_is_not_for_a_space_of_images_unless_trials_say_so() {
        let space = (family("chain-cnn/1").unwrap().space)();
        let empty = SpaceHistory::from_trials(space.clone(), vec![], &[]).unwrap();
        for fine in [Domain::Image, Domain::Audio] {
            assert!(check_domain(&empty, &task(fine)).is_ok(), "{fine}");
        }
        let words = check_domain(&empty, &task(Domain::Tabular)).unwrap_err().to_string();
        assert_eq!(
            words,
            r#"the task's data are tabular, which networks of chain-cnn/1 cannot take; those of "mlp/1" can"#
        );
        let words = check_domain(&empty, &task(Domain::Graph)).unwrap_err().to_string();
        assert!(words.ends_with(r#"cannot take; those of "nas-bench-graph/1" can"#), "{words}");
        let tried = spaces::pool(&space, 1, 0).remove(0);
        let trial = Trial::new("t", space.id().clone(), tried, Split::Validation, "accuracy", 0.5);
        let table = task(Domain::Tabular);
        let known = SpaceHistory::from_trials(space, vec![table.clone()], &[trial]).unwrap();
        assert!(check_domain(&known, &table).is_ok());
    }

    #[test]
    fn spaces_of_a_file_and_rows_of_pixels_are_not_judged() {
        let own = r#"{"id":"own/1","params":[{"name":"a","range":{"kind":"int","lo":0,"hi":1}}]}"#;
        let own = SpaceHistory::from_trials(serde_json::from_str(own).unwrap(), vec![], &[]).unwrap();
        assert!(check_domain(&own, &task(Domain::Graph)).is_ok());
        assert!(
            takes(family("mlp/1").unwrap(), Domain::Image) && !takes(family("mlp/1").unwrap(), Domain::Graph)
        );
    }
}
