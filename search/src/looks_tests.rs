//! What one space tells of another.

use heirloom_kb::{Batch, Domain, Goal, KnowledgeStore, MemoryStore, Name, Task, Trial, TrialQuery};

use super::*;
use crate::recommendation::Recommendation;
use crate::{HistoryChoice, Objectives, Study};

const PAST: &str = "chain-cnn/1";
const NEW: &str = "conv1d/1";

/// How many times the parameters double: on the past tasks, what is good.
fn size(space: &str, architecture: &Architecture) -> f64 {
    let described = spaces::descriptors(space).unwrap();
    let at = described.names.iter().position(|name| name == "net.params").unwrap();
    (described.describe)(architecture)[at]
}

fn sample(space: &str, n: u64, seed: u64) -> Vec<Architecture> {
    spaces::pool(&(spaces::family(space).unwrap().space)(), n, seed)
}

/// Two past tasks of sounds in one space, on which size is what counts, and two new tasks.
fn store() -> Arc<dyn KnowledgeStore> {
    let space = (spaces::family(PAST).unwrap().space)();
    let task = |id: &str, domain| Task::new(id, domain, "accuracy", Goal::Maximize);
    let tasks =
        [("a", Domain::Audio), ("b", Domain::Audio), ("new", Domain::Audio), ("series", Domain::Timeseries)];
    let trials = sample(PAST, 60, 1).into_iter().flat_map(|architecture| {
        let score = size(PAST, &architecture);
        ["a", "b"].map(|task| {
            let mut trial =
                Trial::new(task, PAST, architecture.clone(), Split::Validation, "accuracy", score);
            trial.costs.insert("params".into(), 1_000.0);
            trial.curve = (1..=8).map(|epoch| (f64::from(epoch), score)).collect();
            trial.fidelity.insert("epochs".into(), 8.0);
            trial
        })
    });
    let trials = trials.collect();
    let store = MemoryStore::default();
    let tasks = tasks.map(|(id, domain)| task(id, domain)).to_vec();
    store.commit(&Batch { spaces: vec![space], tasks, trials }).unwrap();
    Arc::new(store)
}

fn ask(store: &Arc<dyn KnowledgeStore>, task: &str, candidates: Option<Vec<Architecture>>) -> Recommendation {
    recommend(store, task, candidates, Vec::new())
}

fn recommend(
    store: &Arc<dyn KnowledgeStore>,
    task: &str,
    candidates: Option<Vec<Architecture>>,
    exclude_tasks: Vec<Name>,
) -> Recommendation {
    let request = RecommendationRequest {
        task: task.into(),
        space: NEW.into(),
        k: 3,
        candidates,
        exclude: Vec::new(),
        exclude_tasks,
        seed: 0,
        objectives: Objectives::default(),
    };
    Recommender::new(Arc::clone(store)).recommend(&request).unwrap()
}

/// The share of a pool that is smaller.
fn beats(pool: &[Architecture], architecture: &Architecture) -> f64 {
    let own = size(NEW, architecture);
    pool.iter().filter(|other| size(NEW, other) < own).count() as f64 / pool.len() as f64
}

#[test]
fn a_space_without_history_is_told_of_by_another() {
    let store = store();
    let pool = sample(NEW, 200, 2);
    let answer = ask(&store, "new", Some(pool.clone()));
    assert_eq!(&*answer.space, NEW);
    // The next picks are chosen beside the first, in case the past is wrong.
    let first = &answer.ranked[0];
    assert!(first.mean > 0.0 && beats(&pool, &first.architecture) > 0.7);
    for ranked in &answer.ranked {
        assert!(pool.contains(&ranked.architecture), "in the form it was given in");
        assert!(ranked.expected_costs.is_empty(), "costs of another space's networks are not this one's");
    }
    assert_eq!(answer.fidelity, None);
    let tasks: Vec<&Name> = answer.history.iter().map(|share| &share.task).collect();
    assert_eq!(tasks.len(), 2);
    assert!(answer.notes[0].starts_with("no other task has been tried in conv1d/1"), "{:?}", answer.notes);
}

#[test]
fn its_evidence_are_trials_of_the_base() {
    let store = store();
    let known: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|task| store.trials(&TrialQuery::task(Name::from(*task))).unwrap().trials)
        .map(|trial| trial.id())
        .collect();
    for ranked in ask(&store, "new", None).ranked {
        assert!(!ranked.evidence.is_empty() && ranked.evidence.iter().all(|id| known.contains(id)));
    }
}

#[test]
fn tasks_of_another_domain_tell_nothing() {
    let answer = ask(&store(), "series", None);
    assert!(answer.history.is_empty());
    assert!(answer.notes.iter().any(|note| note.contains("nothing is known yet")), "{:?}", answer.notes);
}

/// What the task has tried in another space counts too; once it has tried some of this one, that alone counts.
#[test]
fn own_trials_count_wherever_they_were_made() {
    let store = store();
    let trial = |space: &str, architecture: Architecture, score: f64| {
        Trial::new("new", space, architecture, Split::Validation, "accuracy", score)
    };
    let others = sample(PAST, 6, 9);
    let trials: Vec<Trial> = others
        .into_iter()
        .map(|one| (size(PAST, &one), one))
        .map(|(score, one)| trial(PAST, one, score))
        .collect();
    store.append(&trials).unwrap();
    let answer = ask(&store, "new", None);
    assert_eq!(answer.own_trials, 6);
    assert!(answer.trust > Some(0.5), "{:?}", answer.trust);

    let space = (spaces::family(NEW).unwrap().space)();
    store.commit(&Batch { spaces: vec![space], ..Batch::default() }).unwrap();
    let own = sample(NEW, PICKED as u64, 5).into_iter().map(|one| trial(NEW, one, 0.5)).collect::<Vec<_>>();
    store.append(&own).unwrap();
    let answer = ask(&store, "new", None);
    assert_eq!((answer.own_trials, answer.history.len()), (PICKED, 0));
    // Left out, they are as good as not made.
    let answer = recommend(&store, "new", None, vec!["new".into()]);
    assert_eq!((answer.own_trials, answer.history.len()), (0, 2));
}

fn study(store: &Arc<dyn KnowledgeStore>, pool: &[Architecture]) -> Study {
    let setup = StudySetup {
        task: "new".into(),
        space: NEW.into(),
        candidates: Some(pool.to_vec()),
        prior: None,
        strategy: StrategyKind::Surrogate,
        acquisition: None,
        seed: 0,
        history: HistoryChoice::default(),
        scheduler: None,
        constraints: Default::default(),
        pareto: Vec::new(),
        per: None,
        device: None,
    };
    Study::rehearse(&Recommender::new(Arc::clone(store)), setup).unwrap()
}

#[test]
fn a_study_starts_with_what_looks_good() {
    let pool = sample(NEW, 200, 2);
    let proposals = study(&store(), &pool).ask(3).unwrap();
    assert!(beats(&pool, &proposals[0].architecture) > 0.7);
    for proposal in &proposals[..PICKED] {
        assert_eq!(proposal.why, "its like does well in other spaces");
    }
    assert_ne!(proposals[PICKED].why, proposals[0].why);
}

#[test]
fn one_recommendation_at_a_time_is_what_a_study_proposes() {
    let store = store();
    let space = (spaces::family(NEW).unwrap().space)();
    store.commit(&Batch { spaces: vec![space], ..Batch::default() }).unwrap();
    let pool = sample(NEW, 200, 2);
    let mut study = study(&store, &pool);
    for n in 0..6 {
        let proposed = study.ask(1).unwrap().remove(0).architecture;
        let alone = ask(&store, "new", Some(pool.clone())).ranked.remove(0).architecture;
        assert_eq!(proposed, alone, "{n}");
        let score = size(NEW, &proposed);
        let trial = Trial::new("new", NEW, proposed, Split::Validation, "accuracy", score);
        study.tell(vec![trial.clone()]).unwrap();
        store.append(&[trial]).unwrap();
    }
}
