use std::process::Command;
use std::sync::Arc;

use heirloom_kb::{
    Batch, Domain, Goal, Json, KnowledgeStore, MemoryStore, SearchSpace, Split, Task, TrialQuery,
};

use super::*;
use crate::train::WorkerReport;
use crate::{Recommender, StrategyKind, StudySetup};

const WORKERS: usize = 2;

fn space() -> SearchSpace {
    let digit = |name| format!(r#"{{"name":"{name}","range":{{"kind":"int","lo":0,"hi":9}}}}"#);
    serde_json::from_str(&format!(r#"{{"id":"s/1","params":[{},{}]}}"#, digit("a"), digit("b"))).unwrap()
}

fn trial(a: u32, b: u32) -> Trial {
    let architecture = serde_json::from_str(&format!(r#"{{"a":{a},"b":{b}}}"#)).unwrap();
    let score = f64::from(a * 10 + b) / 128.0;
    Trial::new("t", "s/1", architecture, Split::Validation, "accuracy", score)
}

/// Workers that score as [`trial`], and take their time over what the first pattern of the shell finds; what the
/// second finds ends the study.
fn pool(slow: &str, refused: &str) -> WorkerPool {
    let reports = (0..100).map(|at| {
        let ended = WorkerReport::Ended(Box::new(trial(at / 10, at % 10)));
        (format!("t{at:02}"), serde_json::to_string(&ended).unwrap())
    });
    let script = r#"read start; echo '"ready"'
        while read -r order; do
            a=${order#*\"a\":}; a=${a%%[!0-9]*}; b=${order#*\"b\":}; b=${b%%[!0-9]*}
            case "$a$b" in $slow) sleep .05;; esac
            case "$a$b" in $refused) sleep .5; echo '{"refused":{"reason":"no room","torch":false}}';; esac
            eval "echo \"\$t$a$b\""
        done"#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).envs(reports).env("slow", slow).env("refused", refused);
    WorkerPool::start(WORKERS, command, Json::Null, Box::new(|_, _| ())).unwrap()
}

fn study(strategy: StrategyKind, candidates: Option<Vec<Architecture>>) -> (Arc<dyn KnowledgeStore>, Study) {
    seeded(strategy, candidates, 7)
}

fn seeded(
    strategy: StrategyKind,
    candidates: Option<Vec<Architecture>>,
    seed: u64,
) -> (Arc<dyn KnowledgeStore>, Study) {
    let store = MemoryStore::default();
    let tasks = vec![Task::new("t", Domain::Tabular, "accuracy", Goal::Maximize)];
    store.commit(&Batch { spaces: vec![space()], tasks, ..Batch::default() }).unwrap();
    let store: Arc<dyn KnowledgeStore> = Arc::new(store);
    let setup = StudySetup {
        task: "t".into(),
        space: "s/1".into(),
        candidates,
        prior: None,
        strategy,
        acquisition: None,
        seed,
        history: Default::default(),
        scheduler: None,
        constraints: Default::default(),
        pareto: Vec::new(),
        per: None,
        device: None,
    };
    let study = Study::create(&Recommender::new(Arc::clone(&store)), setup).unwrap();
    (store, study)
}

fn budget() -> Budget {
    Budget::new(4, 0, Split::Validation)
}

fn architectures(trials: &[Trial]) -> Vec<Architecture> {
    trials.iter().map(|trial| trial.architecture.clone()).collect()
}

/// Asked for by hand: each when those before the window are told, and no others.
fn by_hand(strategy: StrategyKind, n: usize) -> Vec<Architecture> {
    let (_, mut study) = study(strategy, None);
    let mut asked: Vec<Architecture> = Vec::new();
    for at in 0..n {
        if let Some(first) = at.checked_sub(ASKED_AHEAD * WORKERS) {
            let [a, b] = ["a", "b"].map(|name| asked[first].number(name).unwrap() as u32);
            study.tell(vec![trial(a, b)]).unwrap();
        }
        asked.push(study.ask(1).unwrap().remove(0).architecture);
    }
    asked
}

#[test]
fn each_trial_is_asked_for_when_those_before_the_window_are_told_however_quick_the_workers_are() {
    for strategy in [StrategyKind::Surrogate, StrategyKind::Evolution, StrategyKind::LocalSearch] {
        let want = by_hand(strategy, 20);
        for slow in ["?[02468]", "[01234]?", ""] {
            let (store, mut study) = study(strategy, None);
            let proposals = study.try_side_by_side(&mut pool(slow, ""), 20, &budget()).unwrap();
            assert_eq!(architectures(study.trials()), want, "{strategy:?}, slow: {slow}");
            assert!(proposals.iter().map(|proposal| &proposal.architecture).eq(&want));
            assert_eq!(store.trials(&TrialQuery::task("t")).unwrap().trials.len(), 20);
        }
    }
}

#[test]
fn what_is_under_way_is_told_when_there_is_no_more_to_ask_for() {
    let candidates = [(1, 2), (3, 4), (5, 6)].map(|(a, b)| trial(a, b).architecture).to_vec();
    let (_, mut study) = study(StrategyKind::Random, Some(candidates));
    let error = study.try_side_by_side(&mut pool("34", ""), 4, &budget()).unwrap_err();
    assert!(matches!(error, SearchError::NothingToPropose { .. }), "{error}");
    assert_eq!(study.trials().len(), 3);
}

/// 99 is asked for first and ends the study when the others have long been trained.
#[test]
fn what_has_ended_is_in_the_base_before_its_turn_to_be_told() {
    let candidates = [(9, 9), (1, 2), (3, 4)].map(|(a, b)| trial(a, b).architecture).to_vec();
    let start = |seed| seeded(StrategyKind::Random, Some(candidates.clone()), seed);
    let is_first = |seed: &u64| start(*seed).1.ask(1).unwrap()[0].architecture == candidates[0];
    let (store, mut study) = start((0..50).find(is_first).unwrap());
    let error = study.try_side_by_side(&mut pool("", "99"), 3, &budget()).unwrap_err();
    assert!(error.to_string().contains("no room"), "{error}");
    assert!(study.trials().is_empty(), "none had its turn");
    assert_eq!(store.trials(&TrialQuery::task("t")).unwrap().trials.len(), 2);
    let again = Study::resume(&Recommender::new(store), study.id()).unwrap();
    assert_eq!(again.trials().len(), 2);
}

#[test]
fn what_others_try_out_is_not_proposed_again_and_whoever_resumes_begins_with_it() {
    for strategy in [StrategyKind::Surrogate, StrategyKind::Evolution, StrategyKind::Random] {
        let (store, mut study) = study(strategy, None);
        let of = |proposals: Vec<Proposal>| -> Vec<Architecture> {
            proposals.into_iter().map(|proposal| proposal.architecture).collect()
        };
        let mut given = of(study.propose(3).unwrap());
        let told = given.remove(1);
        let number = |name| told.number(name).unwrap() as u32;
        study.tell(vec![trial(number("a"), number("b"))]).unwrap();
        assert!(study.knows(&told) && study.knows(&given[0]), "{strategy:?}");
        let recommender = Recommender::new(store);
        let mut theirs = Study::take_up(&recommender, study.id()).unwrap();
        assert_eq!(theirs.under_way(), given, "{strategy:?}");
        let next = of(theirs.ask(20).unwrap());
        assert!(next.iter().all(|one| !given.contains(one) && !theirs.knows(one)), "{strategy:?}");
        let mut ours = Study::resume(&recommender, study.id()).unwrap();
        assert_eq!(of(ours.ask(2).unwrap()), given, "{strategy:?}");
    }
}

#[test]
fn a_study_that_was_broken_off_goes_on_with_what_was_under_way() {
    for strategy in [StrategyKind::Surrogate, StrategyKind::Evolution, StrategyKind::Random] {
        let (store, mut study) = study(strategy, None);
        study.try_side_by_side(&mut pool("", ""), 4, &budget()).unwrap();
        assert!(study.under_way().is_empty(), "all have ended");
        study.try_side_by_side(&mut pool("", "??"), 8, &budget()).unwrap_err();
        let left = study.under_way().to_vec();
        assert_eq!(left.len(), ASKED_AHEAD * WORKERS, "{strategy:?}");
        let mut again = Study::resume(&Recommender::new(Arc::clone(&store)), study.id()).unwrap();
        let tried = again.trials().len();
        let asked = again.try_side_by_side(&mut pool("", ""), left.len() + 2, &budget()).unwrap();
        assert!(asked.iter().map(|proposal| &proposal.architecture).take(left.len()).eq(&left));
        assert!(asked[0].why.contains("broken off"), "{}", asked[0].why);
        assert_eq!(again.trials().len(), tried + left.len() + 2, "nothing is tried twice");
        assert!(again.under_way().is_empty());
    }
}
