//! Going on with a study as it was started, on the command line.

use std::collections::HashSet;

use anyhow::Context;
use clap::ArgMatches;
use clap::parser::ValueSource;
use heirloom_kb::{Document, DocumentKind, KnowledgeStore};
use heirloom_search::StudySetup;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::joint::JointArgs;
use super::output::InputFault;
use super::study::StudyArgs;

/// Options that may be others than those that a study was started with: how many trials it is to have, and where and on how many
/// cores they are trained. Whoever asks for the study to be resumed says so and need not say that it trains.
const MAY_DIFFER: [&str; 8] = ["top", "jobs", "data", "download", "from", "device", "resume", "train"];

/// What the ids of joint searches start with.
const JOINT: &str = "joint-";
const INCOMPARABLE: &str = "these options cannot be compared with those that were kept";

/// The options, by their names in the help without the dashes, that were given and are not left to their defaults.
pub(super) fn given(matches: &ArgMatches) -> HashSet<String> {
    let Some((_, matches)) = matches.subcommand() else { return HashSet::new() };
    let given = |id: &&str| {
        let source = matches.value_source(id);
        matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    };
    matches.ids().map(clap::Id::as_str).filter(given).map(str::to_owned).collect()
}

/// Keeps in the base how a study or a joint search was started.
pub(super) fn keep(store: &dyn KnowledgeStore, study: &str, args: &impl Serialize) -> anyhow::Result<()> {
    // A path that is no Unicode cannot be written down.
    let bytes = serde_json::to_vec(args).context("the options of the study cannot be kept in the base")?;
    Ok(store.put_document(&Document { kind: DocumentKind::Study, name: document(study), bytes })?)
}

fn document(study: &str) -> String {
    format!("{study} options")
}

/// The options of a study that goes on: those that it was started with, but for those given that may differ. Of a study that
/// was not started on the command line the base knows its task and its space alone.
///
/// # Errors
/// For an option that is given with another value than before.
pub(super) fn resumed(
    store: &dyn KnowledgeStore,
    study: &str,
    args: StudyArgs,
    given: &HashSet<String>,
) -> anyhow::Result<StudyArgs> {
    let new = serde_json::to_value(args).context(INCOMPARABLE)?;
    let kept = if let Some(kept) = kept(store, study)? {
        kept
    } else {
        let StudySetup { task, space, .. } = StudySetup::kept(store, study)?;
        let mut kept = new.clone();
        (kept["task"], kept["space"]) = (Value::from(&*task), Value::from(&*space));
        kept
    };
    merged(kept, &new, given, study)
}

/// The same of a joint search.
///
/// # Errors
/// For one that the base has not, and an option that is given with another value than before.
pub(super) fn resumed_joint(
    store: &dyn KnowledgeStore,
    search: &str,
    args: JointArgs,
    given: &HashSet<String>,
) -> anyhow::Result<JointArgs> {
    let Some(kept) = kept(store, search)?.filter(|_| search.starts_with(JOINT)) else {
        let known = joint_ids(store)?;
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        return Err(InputFault(format!("the base has no joint search {search:?}; it has {known}")).into());
    };
    let new = serde_json::to_value(args).context(INCOMPARABLE)?;
    merged(kept, &new, given, search)
}

/// The joint searches of a base, in their order.
pub(super) fn joint_ids(store: &dyn KnowledgeStore) -> anyhow::Result<Vec<String>> {
    Ok(joint_numbers(store)?.into_iter().map(|number| format!("{JOINT}{number}")).collect())
}

/// An id for a new joint search.
pub(super) fn next_joint_id(store: &dyn KnowledgeStore) -> anyhow::Result<String> {
    let last = joint_numbers(store)?.pop().unwrap_or(0);
    Ok(format!("{JOINT}{}", last + 1))
}

/// What the joint searches of a base are numbered by, ascending.
fn joint_numbers(store: &dyn KnowledgeStore) -> anyhow::Result<Vec<u64>> {
    let names = store.document_names(DocumentKind::Study)?.into_iter();
    let number = |name: String| name.strip_prefix(JOINT)?.strip_suffix(&document(""))?.parse().ok();
    let mut numbers: Vec<u64> = names.filter_map(number).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The options that the base keeps of a study or joint search.
fn kept(store: &dyn KnowledgeStore, study: &str) -> anyhow::Result<Option<Value>> {
    let Some(document) = store.document(DocumentKind::Study, &document(study))? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&document.bytes).with_context(|| damaged(study))?))
}

fn merged<T: DeserializeOwned>(
    mut kept: Value,
    new: &Value,
    given: &HashSet<String>,
    study: &str,
) -> anyhow::Result<T> {
    take_over(&mut kept, new, given, study)?;
    serde_json::from_value(kept).with_context(|| damaged(study))
}

fn damaged(study: &str) -> String {
    format!("the options of {study} in the base are damaged; start another one")
}

/// Puts those of the new options that are given, and may differ, in the place of the old ones.
fn take_over(kept: &mut Value, new: &Value, given: &HashSet<String>, study: &str) -> anyhow::Result<()> {
    let (Value::Object(kept), Value::Object(new)) = (kept, new) else { return Ok(()) };
    for (name, value) in new {
        // An option that did not exist when the study was started.
        let old = kept.entry(name).or_insert_with(|| value.clone());
        if value.is_object() {
            take_over(old, value, given, study)?;
        } else if MAY_DIFFER.contains(&name.as_str()) {
            if given.contains(name) {
                *old = value.clone();
            }
        } else if given.contains(name) && old != value {
            let option = name.replace('_', "-");
            let (old, value) = (words(old), words(value));
            let message = format!(
                "{study} was started with --{option} {old} and goes on with that, not with {value}: leave --{option} away, \
                 or start another one"
            );
            return Err(InputFault(message).into());
        }
    }
    Ok(())
}

/// A value as one would write it behind its option.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "nothing".into(),
        Value::Array(all) => all.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_not_given_stays_and_what_may_differ_is_taken() {
        let mut kept = json!({"top": 3, "trainer": {"epochs": 6, "recipe": {"batch_size": 16}}, "seed": 4});
        let new =
            json!({"top": 9, "trainer": {"epochs": 10, "recipe": {"batch_size": 64}}, "seed": 4, "later": 1});
        take_over(&mut kept, &new, &given(&["top", "seed"]), "study-1").unwrap();
        let want =
            json!({"top": 9, "trainer": {"epochs": 6, "recipe": {"batch_size": 16}}, "seed": 4, "later": 1});
        assert_eq!(kept, want);
    }

    #[test]
    fn another_value_is_refused_by_name() {
        let mut kept = json!({"trainer": {"recipe": {"batch_size": 16, "augment": ["flip"]}}, "per": null});
        for (name, new, words) in [
            (
                "batch_size",
                json!({"trainer": {"recipe": {"batch_size": 64}}}),
                "--batch-size 16 and goes on with that, not with 64",
            ),
            (
                "augment",
                json!({"trainer": {"recipe": {"augment": ["flip", "crop"]}}}),
                "--augment flip and goes on with that, not with flip,crop",
            ),
            ("per", json!({"per": "train_s"}), "--per nothing and goes on with that, not with train_s"),
        ] {
            let error = take_over(&mut kept, &new, &given(&[name]), "study-7").unwrap_err().to_string();
            assert!(error.contains("study-7 was started with") && error.contains(words), "{error}");
        }
    }
}
