//! What every back end promises, run over each of them.

use std::sync::Arc;

use super::*;
use crate::schema::{Architecture, Domain, Goal, SchemaError};

pub(super) fn space(id: &str) -> SearchSpace {
    let json = r#"{"id":"ID","params":[
        {"name":"op","range":{"kind":"choice","options":["conv","pool"]}},
        {"name":"depth","range":{"kind":"int","lo":1,"hi":9},"active_if":[{"param":"op","any_of":["conv"]}]},
        {"name":"width","range":{"kind":"levels","values":[16,32,64]}},
        {"name":"lr","range":{"kind":"real","lo":0.0001,"hi":0.1,"log":true}}]}"#;
    serde_json::from_str(&json.replace("ID", id)).unwrap()
}

pub(super) fn task(id: &str) -> Task {
    Task::new(id, Domain::Image, "accuracy", Goal::Maximize)
}

/// The `n`-th of many different trials.
pub(super) fn trial(task: &str, space: &str, split: Split, n: usize) -> Trial {
    let architecture: Architecture = serde_json::from_str(&format!(
        r#"{{"op":"conv","depth":{},"width":{},"lr":{}}}"#,
        n % 9 + 1,
        16 << (n % 3),
        0.001 + n as f64 * 1e-6
    ))
    .unwrap();
    let mut trial = Trial::new(task, space, architecture, split, "accuracy", (n as f64).sin().abs());
    trial.costs.insert("params".into(), n as f64);
    if n.is_multiple_of(5) {
        trial.curve = vec![(1.0, 0.1), (2.0, 0.1 + n as f64 / 1e6)];
        trial.extra.insert("note".into(), serde_json::json!({"b": [n, "ü"], "a": null}));
    }
    trial
}

fn batch(trials: Vec<Trial>) -> Batch {
    Batch { spaces: vec![space("s/1"), space("s/2")], tasks: vec![task("a"), task("b")], trials }
}

fn validation(range: std::ops::Range<usize>) -> Vec<Trial> {
    range.map(|n| trial("a", "s/1", Split::Validation, n)).collect()
}

/// Each promise over each back end.
fn over_all(promise: fn(&dyn KnowledgeStore)) {
    promise(&MemoryStore::default());
    let dir = tempfile::tempdir().unwrap();
    promise(&SledStore::open(dir.path()).unwrap());
}

#[test]
fn what_was_committed_is_there_once() {
    over_all(|base| {
        let done = base.commit(&batch(validation(0..1300))).unwrap();
        assert_eq!((done.spaces_added, done.tasks_added, done.trials_added), (2, 2, 1300));
        let again = base.commit(&batch(validation(0..1301))).unwrap();
        assert_eq!((again.spaces_added, again.tasks_added), (0, 0));
        assert_eq!((again.trials_added, again.trials_known), (1, 1300));
        assert_eq!(base.trials(&TrialQuery::default()).unwrap().trials, validation(0..1301));
        assert_eq!(base.spaces().unwrap(), [space("s/1"), space("s/2")]);
        assert_eq!(base.tasks().unwrap(), [task("a"), task("b")]);
    });
}

#[test]
fn a_trial_twice_in_a_batch_is_one() {
    over_all(|base| {
        let one = trial("a", "s/1", Split::Test, 0);
        let done = base.commit(&batch(vec![one.clone(), one])).unwrap();
        assert_eq!((done.trials_added, done.trials_known), (1, 1));
    });
}

#[test]
fn a_bad_trial_keeps_its_whole_batch_out() {
    over_all(|base| {
        let mut trials = validation(0..50);
        trials[30].architecture.set(&"op".into(), "conv_5x5".into());
        let error = base.commit(&batch(trials)).unwrap_err();
        assert_eq!(error.to_string(), r#"trial 30: "conv_5x5" is not an option of "op""#);
        assert_eq!(base.stats().unwrap(), Stats::default());
        assert!(base.spaces().unwrap().is_empty() && base.tasks().unwrap().is_empty());
    });
}

#[test]
fn trials_need_their_task_and_space() {
    over_all(|base| {
        let refused = |trials: Vec<Trial>| match base.append(&trials).unwrap_err() {
            StoreError::Refused { source, .. } => source,
            other => panic!("{other}"),
        };
        assert_eq!(refused(validation(0..1)), SchemaError::UnknownTask { task: "a".into() });
        base.commit(&Batch { tasks: vec![task("a")], ..Batch::default() }).unwrap();
        assert_eq!(refused(validation(0..1)), SchemaError::UnknownSpace { space: "s/1".into() });
    });
}

#[test]
fn a_space_cannot_change_and_a_task_can_only_gain() {
    over_all(|base| {
        base.commit(&batch(vec![])).unwrap();
        let mut other = serde_json::to_value(space("s/1")).unwrap();
        other["params"][2]["range"]["values"] = serde_json::json!([16, 32]);
        let other: SearchSpace = serde_json::from_value(other).unwrap();
        let error = base.commit(&Batch { spaces: vec![other], ..Batch::default() }).unwrap_err();
        assert!(error.to_string().contains("already defined with other content"), "{error}");

        let mut more = task("a");
        more.meta_features.insert("n_samples".into(), 10.0);
        let done = base.commit(&Batch { tasks: vec![more.clone(), task("a")], ..Batch::default() }).unwrap();
        assert_eq!(done.tasks_added, 1);
        assert_eq!(base.tasks().unwrap()[0], more);
        more.meta_features.insert("n_samples".into(), 11.0);
        let error = base.commit(&Batch { tasks: vec![more], ..Batch::default() }).unwrap_err();
        assert!(error.to_string().contains("meta_features.n_samples 10, not 11"), "{error}");
    });
}

#[test]
fn queries_filter_by_task_space_and_split_and_keep_the_order() {
    over_all(|base| {
        let of = |task: &str, space: &str, split| trial(task, space, split, 7);
        let trials = vec![
            of("b", "s/1", Split::Test),
            of("a", "s/2", Split::Validation),
            of("a", "s/1", Split::Test),
            of("a", "s/1", Split::Validation),
        ];
        base.commit(&batch(trials.clone())).unwrap();
        let get = |query: TrialQuery| base.trials(&query).unwrap().trials;
        let sorted: Vec<Trial> = [3, 2, 1, 0].map(|at| trials[at].clone()).to_vec();
        assert_eq!(get(TrialQuery::default()), sorted);
        assert_eq!(get(TrialQuery::task("a")), sorted[..3]);
        assert_eq!(get(TrialQuery::space("s/1", Split::Test)), [sorted[1].clone(), sorted[3].clone()]);
        assert!(get(TrialQuery::task("nobody")).is_empty());
    });
}

#[test]
fn pages_join_up_while_trials_are_added() {
    over_all(|base| {
        base.commit(&batch(validation(0..700))).unwrap();
        base.append(&[trial("b", "s/2", Split::Test, 1)]).unwrap();
        let mut query = TrialQuery { limit: Some(97), ..TrialQuery::default() };
        let mut seen = Vec::new();
        let mut added = 700;
        loop {
            let page = base.trials(&query).unwrap();
            assert!(page.trials.len() <= 97);
            seen.extend(page.trials);
            if added < 703 {
                base.append(&validation(added..added + 1)).unwrap();
                added += 1;
            }
            let Some(next) = page.next else { break };
            query.after = Some(next.to_string().parse().unwrap());
        }
        assert_eq!(seen[..703], validation(0..703));
        assert_eq!(seen.len(), 704);
        let exact = TrialQuery { limit: Some(704), ..TrialQuery::default() };
        assert!(base.trials(&exact).unwrap().next.is_none(), "no page after the last");
        assert!("a~b".parse::<Cursor>().is_err());
    });
}

#[test]
fn trials_that_come_one_by_one_are_all_found_by_id() {
    over_all(|base| {
        base.commit(&batch(vec![])).unwrap();
        let trials = validation(0..60);
        for trial in &trials {
            base.append(std::slice::from_ref(trial)).unwrap();
        }
        assert_eq!(base.trials(&TrialQuery::task("a")).unwrap().trials, trials);
        for trial in &trials {
            assert_eq!(base.trial(trial.id()).unwrap().as_ref(), Some(trial));
        }
        let stranger = trial("a", "s/1", Split::Test, 99).id();
        assert_eq!(base.trial(stranger).unwrap(), None);
    });
}

#[test]
fn stats_count_and_the_revision_rises_with_changes_alone() {
    over_all(|base| {
        base.commit(&batch(validation(0..10))).unwrap();
        let before = base.stats().unwrap();
        assert_eq!(before.trials(), 10);
        assert_eq!(before.groups[0].split, Split::Validation);
        base.commit(&batch(validation(0..10))).unwrap();
        assert_eq!(base.stats().unwrap(), before);
        base.append(&validation(10..11)).unwrap();
        let after = base.stats().unwrap();
        assert_eq!(after.trials(), 11);
        assert!(after.revision > before.revision);
    });
}

#[test]
fn documents_are_replaced_whole() {
    over_all(|base| {
        let model = |bytes: Vec<u8>| Document { kind: DocumentKind::Model, name: "m".into(), bytes };
        assert_eq!(base.document(DocumentKind::Model, "m").unwrap(), None);
        base.put_document(&model(vec![7; 100_000])).unwrap();
        base.put_document(&model(vec![8; 20_000])).unwrap();
        assert_eq!(base.document(DocumentKind::Model, "m").unwrap(), Some(model(vec![8; 20_000])));
        base.put_document(&Document { name: "empty".into(), ..model(vec![]) }).unwrap();
        assert_eq!(base.document_names(DocumentKind::Model).unwrap(), ["empty", "m"]);
        assert!(base.document(DocumentKind::Model, "empty").unwrap().unwrap().bytes.is_empty());
        assert!(base.document_names(DocumentKind::Study).unwrap().is_empty());
    });
}

#[test]
fn urls_choose_the_back_end() {
    assert!(open("memory:").is_ok());
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sled://{}", dir.path().join("base").display());
    let base: Arc<dyn KnowledgeStore> = open(&url).unwrap();
    base.commit(&batch(validation(0..3))).unwrap();
    assert!(matches!(open(&url), Err(StoreError::InUse { .. })));
    drop(base);
    assert_eq!(open(&url).unwrap().stats().unwrap().trials(), 3);
    assert!(matches!(open("postgres://x"), Err(StoreError::BadUrl { .. })));
    assert!(matches!(open("sled:"), Err(StoreError::BadUrl { .. })));
}
