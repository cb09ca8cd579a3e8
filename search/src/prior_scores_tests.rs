use std::sync::Arc;

use heirloom_kb::{Architecture, Batch, Domain, Goal, KnowledgeStore, MemoryStore, Split, Task, Trial};
use proptest::prelude::*;

use super::*;
use crate::strategies::testing::{drawn, separable, worth};
use crate::{Recommender, StrategyKind, Study, StudySetup};

const OWN: [f64; 5] = [1.0, 2.0, 0.5, 0.1, 0.3];

/// A base of past tasks, each with 40 trials, that weigh the parameters so, and the new task.
fn base(tasks: &[[f64; 5]], proxies: Option<&dyn Fn(&Architecture) -> f64>) -> Arc<dyn KnowledgeStore> {
    let task = |id: String| Task::new(id, Domain::Tabular, "accuracy", Goal::Maximize);
    let mut trials = Vec::new();
    for (at, weights) in tasks.iter().enumerate() {
        for architecture in drawn(40, at as u64) {
            let score = worth(&architecture, weights);
            let known = proxies.map(|proxy| serde_json::json!({ "guess": proxy(&architecture) }));
            let mut trial = Trial::new(
                format!("t{at}"),
                "separable/1",
                architecture,
                Split::Validation,
                "accuracy",
                score,
            );
            trial.extra.extend(known.map(|known| (PROXIES_FIELD.to_owned(), known)));
            trials.push(trial);
        }
    }
    let mut names: Vec<Task> = (0..tasks.len()).map(|at| task(format!("t{at}"))).collect();
    names.push(task("new".into()));
    let store = MemoryStore::default();
    store.commit(&Batch { spaces: vec![separable()], tasks: names, trials }).unwrap();
    Arc::new(store)
}

fn setup(strategy: StrategyKind, candidates: Vec<Architecture>, scores: Vec<Option<f64>>) -> StudySetup {
    let mut setup: StudySetup = serde_json::from_str(r#"{"task":"new","space":"separable/1"}"#).unwrap();
    setup.strategy = strategy;
    setup.candidates = Some(candidates);
    setup.prior = Some(PriorScores { by: "guess".into(), scores });
    setup
}

/// Distinct candidates.
fn candidates(n: usize) -> Vec<Architecture> {
    let mut all = drawn(n, 77);
    all.sort_by_key(ToString::to_string);
    all.dedup();
    all
}

fn guesses(candidates: &[Architecture], guess: impl Fn(&Architecture) -> f64) -> Vec<Option<f64>> {
    candidates.iter().map(|candidate| Some(guess(candidate))).collect()
}

/// The best of so many trials.
fn best_of(study: &mut Study, trials: usize) -> f64 {
    let mut best = f64::NEG_INFINITY;
    for _ in 0..trials {
        let next = study.ask(1).unwrap().remove(0).architecture;
        let score = worth(&next, &OWN);
        best = best.max(score);
        study
            .tell(vec![Trial::new("new", "separable/1", next, Split::Validation, "accuracy", score)])
            .unwrap();
    }
    best
}

#[test]
fn ranked_follows_the_scores_and_leaves_those_without_to_the_end() {
    let recommender = Recommender::new(base(&[], None));
    let all = candidates(30);
    let mut scores = guesses(&all, |one| worth(one, &OWN));
    (scores[3], scores[8]) = (None, None);
    let mut study =
        Study::create(&recommender, setup(StrategyKind::Ranked, all.clone(), scores.clone())).unwrap();
    let proposed = study.ask(all.len()).unwrap();
    let of = |at: usize| scores[all.iter().position(|one| *one == proposed[at].architecture).unwrap()];
    let order: Vec<Option<f64>> = (0..all.len()).map(of).collect();
    let scored = all.len() - 2;
    assert!(order[..scored].windows(2).all(|pair| pair[0].unwrap() >= pair[1].unwrap()), "{order:?}");
    assert_eq!(order[scored..], [None, None]);
    assert!(proposed[0].why.contains("guess"), "{}", proposed[0].why);
    assert!(proposed[scored].why.contains("no prior score"), "{}", proposed[scored].why);
}

#[test]
fn without_a_past_the_surrogate_starts_where_the_scores_are_highest() {
    let recommender = Recommender::new(base(&[], None));
    let all = candidates(200);
    let scores = guesses(&all, |one| worth(one, &OWN));
    let most = scores.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut study = Study::create(&recommender, setup(StrategyKind::Surrogate, all, scores)).unwrap();
    let first = study.ask(1).unwrap().remove(0);
    assert_eq!(worth(&first.architecture, &OWN), most);
    assert!(first.why.contains("guess"), "{}", first.why);
}

#[test]
fn scores_that_tell_something_help_beside_a_past_and_false_ones_cost_little() {
    // The past knows half of the parameters, the scores the other half.
    let past = [[1.0, 2.0, 0.0, 0.0, 0.0], [1.2, 1.8, 0.0, 0.0, 0.1]];
    let all = candidates(300);
    let run = |guess: Option<&dyn Fn(&Architecture) -> f64>| {
        let recommender = Recommender::new(base(&past, None));
        let mut setup = setup(StrategyKind::Surrogate, all.clone(), vec![]);
        setup.prior = guess.map(|guess| PriorScores { by: "guess".into(), scores: guesses(&all, guess) });
        best_of(&mut Study::create(&recommender, setup).unwrap(), 3)
    };
    let without = run(None);
    let with = run(Some(&|one| worth(one, &[0.0, 0.0, 0.5, 0.1, 0.3])));
    let most = all.iter().map(|one| worth(one, &OWN)).fold(f64::NEG_INFINITY, f64::max);
    assert!(with > without, "{with} with, {without} without");
    assert!(with > 0.97 * most, "{with} of {most}");
    // The wrong way round altogether.
    let recommender = Recommender::new(base(&[], None));
    let wrong = setup(StrategyKind::Surrogate, all.clone(), guesses(&all, |one| -worth(one, &OWN)));
    let found = best_of(&mut Study::create(&recommender, wrong).unwrap(), 20);
    assert!(found > 0.9 * most, "{found} of {most}");
}

#[test]
fn trials_keep_the_number_and_later_studies_learn_from_it() {
    let store = base(&[], None);
    let recommender = Recommender::new(Arc::clone(&store));
    let all = candidates(40);
    let guess = |one: &Architecture| worth(one, &OWN);
    let mut study =
        Study::create(&recommender, setup(StrategyKind::Surrogate, all.clone(), guesses(&all, guess)))
            .unwrap();
    best_of(&mut study, 2);
    for trial in store.trials(&TrialQuery::task("new")).unwrap().trials {
        assert_eq!(proxy(&trial, "guess"), Some(guess(&trial.architecture)), "{:?}", trial.extra);
    }
    let again = Study::resume(&recommender, study.id()).unwrap();
    assert_eq!(again.trials().len(), 2);

    let foretells = |proxies: &dyn Fn(&Architecture) -> f64| {
        let store = base(&[OWN, OWN, OWN], Some(proxies));
        let recommender = Recommender::new(Arc::clone(&store));
        let history = recommender.history(&"separable/1".into()).unwrap();
        let prior = PriorScores { by: "guess".into(), scores: guesses(&all, guess) };
        let opinion = prior.of_candidates(&all, history.table().encoder()).unwrap();
        assert_eq!(opinion.foretells(), USUAL_CORRELATION);
        opinion.judged(&*store, &"separable/1".into(), &[]).unwrap().foretells()
    };
    assert!(foretells(&guess) > 0.7);
    assert!(foretells(&|one| worth(one, &[0.0, 0.0, 0.0, 1.0, 0.0])) < 0.5);
    assert_eq!(foretells(&|one| -guess(one)), 0.0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let recommender = Recommender::new(base(&[], None));
    let all = candidates(5);
    let some = guesses(&all, |one| worth(one, &OWN));
    let refused = |setup: StudySetup| match Study::create(&recommender, setup) {
        Err(error @ SearchError::BadPrior { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    };
    let short = setup(StrategyKind::Surrogate, all.clone(), some[1..].to_vec());
    assert!(refused(short).contains("4 scores for 5 candidates"));
    let mut none_given = setup(StrategyKind::Surrogate, all.clone(), some.clone());
    none_given.candidates = None;
    assert!(refused(none_given).contains("for 0 candidates"));
    let alike = setup(StrategyKind::Surrogate, all.clone(), vec![Some(1.0); 5]);
    assert!(refused(alike).contains("all alike"));
    let empty = setup(StrategyKind::Ranked, all.clone(), vec![None; 5]);
    assert!(refused(empty).contains("there are none"));
    let mut endless = some.clone();
    endless[2] = Some(f64::INFINITY);
    assert!(
        refused(setup(StrategyKind::Surrogate, all.clone(), endless)).contains("candidate 2 is not finite")
    );
    assert!(refused(setup(StrategyKind::Evolution, all.clone(), some.clone())).contains("heeds none"));
    let mut orderless = setup(StrategyKind::Ranked, all, some);
    orderless.prior = None;
    assert!(refused(orderless).contains("\"ranked\" needs some"));
    assert!(recommender.store().document_names(heirloom_kb::DocumentKind::Study).unwrap().is_empty());
}

proptest! {
    #[test]
    fn what_is_expected_lies_in_the_order_of_the_scores(scores in prop::collection::vec(-1e3_f64..1e3, 2..60)) {
        let all = candidates(scores.len());
        let scores = &scores[..all.len()];
        prop_assume!(scores.iter().any(|score| *score != scores[0]));
        let history = Recommender::new(base(&[], None)).history(&"separable/1".into()).unwrap();
        let encoder = history.table().encoder();
        let prior = PriorScores { by: "guess".into(), scores: scores.iter().copied().map(Some).collect() };
        let expected = prior.of_candidates(&all, encoder).unwrap().expects(&all, encoder);
        for (a, x) in scores.iter().zip(&expected) {
            for (b, y) in scores.iter().zip(&expected) {
                prop_assert!(a.total_cmp(b) == x.total_cmp(y));
            }
        }
    }
}
