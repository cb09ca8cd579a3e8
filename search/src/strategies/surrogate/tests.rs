use heirloom_kb::{Trial, Value};

use super::super::testing::{self, drawn, new_task, separable_history, trial, worth};
use super::*;

/// More trials than a posterior is conditioned on: which of them tell most changes as they come.
#[test]
fn what_has_been_told_is_believed_as_what_was_known_before() {
    let history = Arc::new(separable_history(&[[1.0, 0.5, 2.0, 0.7, 1.5], [1.0, 0.2, 1.0, 0.7, 1.0]]));
    let tried = drawn(300, 7);
    let score =
        |one: &Architecture| Some(worth(one, &[0.5, 1.0, 2.0, -0.7, 1.5])).filter(|score| *score > 2.0);
    let after = |known: usize| {
        let mut own = OwnTrials::default();
        tried[..known].iter().for_each(|one| own.push(one.clone(), score(one)));
        let columns = PastColumns { telling: vec![0, 1], doubted: vec![] };
        let (history, pool) = (Arc::clone(&history), Arc::clone(history.pool()));
        let mut strategy = SurrogateStrategy::new(history, &new_task(), columns, pool, own, 0).unwrap();
        tried[known..].iter().for_each(|one| strategy.tell(one, score(one)).unwrap());
        strategy.belief().unwrap().expected
    };
    let at_once = after(300);
    for known in [0, 255, 299] {
        let gaps = &after(known).mean - &at_once.mean;
        assert!(gaps.iter().all(|gap| gap.abs() < 1e-9), "{known} were known");
    }
}

/// Scores that are noise, as likely everywhere between two bounds: nothing is known to be better or worse than others.
#[test]
fn many_trials_that_are_noise_let_expect_the_middle() {
    let history = Arc::new(separable_history(&[[1.0, 0.5, 2.0, 0.7, 1.5], [1.0, 0.2, 1.0, 0.7, 1.0]]));
    let mut own = OwnTrials::default();
    for (at, one) in drawn(1000, 7).into_iter().enumerate() {
        let noise = blake3::hash(&at.to_le_bytes()).as_bytes()[0];
        own.push(one, Some(f64::from(noise)));
    }
    let columns = PastColumns { telling: vec![], doubted: vec![] };
    let (history, pool) = (Arc::clone(&history), Arc::clone(history.pool()));
    let strategy = SurrogateStrategy::new(history, &new_task(), columns, pool, own, 0).unwrap();
    let mean = strategy.belief().unwrap().expected.mean;
    let most = mean.iter().fold(0.0_f64, |most, mean| most.max(mean.abs()));
    assert!(most < 0.7, "{most}");
}

/// What the past thinks best scores all the same: it may be as good as can be, or as bad. The next trial lies elsewhere, once.
#[test]
fn where_next_to_nothing_is_to_be_gained_the_past_is_put_to_the_test() {
    let past: Vec<Trial> = ["t", "u"]
        .iter()
        .flat_map(|task| ["a", "b", "c", "d", "e"].iter().enumerate().map(move |op| (task, op)))
        .flat_map(|(task, (at, op))| {
            (0..10).map(move |n| trial(task, op, n, n as f64 / 20.0 - 0.2 * at as f64))
        })
        .collect();
    let history = Arc::new(testing::history(&past));
    let after = |scores: [f64; 4]| {
        let mut own = OwnTrials::default();
        for (at, score) in scores.into_iter().enumerate() {
            own.push(trial("new", "a", 9 - at as i64, 0.0).architecture, Some(score));
        }
        let columns = PastColumns { telling: vec![0, 1], doubted: vec![] };
        let pool = Arc::clone(history.pool());
        let mut strategy =
            SurrogateStrategy::new(Arc::clone(&history), &new_task(), columns, pool, own, 0).unwrap();
        strategy.picks(4).unwrap().into_iter().map(|pick| pick.why).collect::<Vec<_>>()
    };
    let test = "this tells whether it holds";
    let alike = after([0.2, 0.2001, 0.1999, 0.2]);
    assert_eq!(alike.iter().filter(|why| why.contains(test)).count(), 1, "{alike:?}");
    let apart = after([0.44, 0.41, 0.34, 0.31]);
    assert!(apart[..2].iter().all(|why| !why.contains(test)), "{apart:?}");
}

/// A client that rounds what was proposed has tried it all the same, and is not told to try it again.
#[test]
fn what_is_told_with_rounded_numbers_has_been_tried() {
    let past: Vec<Trial> = ["t", "u"]
        .iter()
        .flat_map(|task| ["a", "b", "c", "d", "e"].iter().map(move |op| (task, op)))
        .flat_map(|(task, op)| {
            (0..10).map(move |n| trial(task, op, n, f64::from(u8::from(*op == "a")) + n as f64 / 20.0))
        })
        .collect();
    let history = Arc::new(testing::history(&past));
    let start = |own: OwnTrials| {
        let columns = PastColumns { telling: vec![0, 1], doubted: vec![] };
        let (history, pool) = (Arc::clone(&history), Arc::clone(history.pool()));
        SurrogateStrategy::new(history, &new_task(), columns, pool, own, 0).unwrap()
    };
    let rounded = |one: &Architecture| -> Architecture {
        let round = |value: &Value| match value {
            Value::Real(value) => Value::Real(format!("{value:.2e}").parse().unwrap()),
            other => other.clone(),
        };
        Architecture(one.0.iter().map(|(name, value)| (name.clone(), round(value))).collect())
    };
    let mut strategy = start(OwnTrials::default());
    let proposed = strategy.ask(1).unwrap().remove(0).architecture;
    let told = rounded(&proposed);
    assert_ne!(told, proposed);
    strategy.tell(&told, Some(0.5)).unwrap();
    assert!(strategy.pending.is_empty());
    let mut own = OwnTrials::default();
    own.push(told, Some(0.5));
    for mut strategy in [strategy, start(own)] {
        assert!(strategy.ask(3).unwrap().iter().all(|proposal| proposal.architecture != proposed));
    }
}

/// Past tasks of two kinds that want the opposite, so that picks that are not chosen beside what was tried are all of one kind.
#[test]
fn one_recommendation_at_a_time_is_what_a_study_proposes() {
    let weights = [1.0, 0.5, 2.0, 0.7, 1.5];
    let other = weights.map(|weight| -weight);
    let history = Arc::new(separable_history(&[weights, other, weights, other, weights]));
    let start = |own: OwnTrials| {
        let columns = PastColumns { telling: vec![0, 1, 2, 3, 4], doubted: vec![] };
        let (history, pool) = (Arc::clone(&history), Arc::clone(history.pool()));
        SurrogateStrategy::new(history, &new_task(), columns, pool, own, 0).unwrap()
    };
    for fails in [false, true] {
        let (mut study, mut own, mut whys) = (start(OwnTrials::default()), OwnTrials::default(), vec![]);
        // Parameters are weighed by the own trials after the eighth.
        for n in 0..10 {
            let proposed = study.ask(1).unwrap().remove(0);
            let alone = start(own.clone()).ask(1).unwrap().remove(0);
            assert_eq!((&proposed.architecture, &proposed.why), (&alone.architecture, &alone.why), "{n}");
            let score = Some(worth(&proposed.architecture, &other)).filter(|_| n > 0 || !fails);
            study.tell(&proposed.architecture, score).unwrap();
            own.push(proposed.architecture, score);
            whys.push(proposed.why);
        }
        let likes = |one: &Architecture| worth(one, &weights) > 2.0 * weights.iter().sum::<f64>();
        let [first, second] = [0, 1].map(|at| likes(&own.architectures()[at]));
        assert!(fails || first != second, "one of each kind");
        assert!(fails || !whys[2].starts_with("least is told"), "which kind it is has been seen: {whys:?}");
    }
}

/// Of many asked for at once, later ones are chosen several at a time; how many are asked for at a time changes nothing.
#[test]
fn many_at_once_are_all_different_and_those_that_come_one_by_one() {
    let history = Arc::new(separable_history(&[[1.0, 0.5, 2.0, 0.7, 1.5], [1.0, 0.2, 1.0, 0.7, 1.0]]));
    let start = || {
        let columns = PastColumns { telling: vec![0, 1], doubted: vec![] };
        let (history, pool) = (Arc::clone(&history), Arc::clone(history.pool()));
        let mut strategy =
            SurrogateStrategy::new(history, &new_task(), columns, pool, OwnTrials::default(), 0).unwrap();
        for one in drawn(4, 3) {
            strategy.tell(&one, Some(worth(&one, &[1.0; 5]))).unwrap();
        }
        strategy
    };
    let (mut at_once, mut one_by_one) = (start(), start());
    let all: Vec<Architecture> =
        at_once.ask(150).unwrap().into_iter().map(|proposal| proposal.architecture).collect();
    let alone: Vec<Architecture> =
        (0..150).map(|_| one_by_one.ask(1).unwrap().remove(0).architecture).collect();
    assert_eq!(all, alone);
    assert!((1..150).all(|at| !all[..at].contains(&all[at])));
    // A result in between counts.
    at_once.tell(&all[0], Some(50.0)).unwrap();
    assert!(at_once.ready.is_empty());
    assert!(!all.contains(&at_once.ask(1).unwrap()[0].architecture));
}

/// What local search has met is kept from one pick to the next; that must change how long they take and nothing else.
#[test]
fn picks_are_the_same_whether_what_was_met_is_kept_or_not() {
    let score = |op: &str, n: i64| f64::from(u8::from(op == "a")) + n as f64 / 20.0;
    let all = || ["a", "b", "c", "d", "e"].into_iter().flat_map(|op| (0..10).map(move |n| (op, n)));
    let past: Vec<Trial> = ["t", "u"]
        .iter()
        .flat_map(|task| all().map(move |(op, n)| trial(task, op, n, score(op, n))))
        .collect();
    let history = Arc::new(testing::history(&past));
    let picks = |kept: bool| {
        let mut own = OwnTrials::default();
        all()
            .step_by(9)
            .for_each(|(op, n)| own.push(trial("new", op, n, 0.0).architecture, Some(score(op, n))));
        let columns = PastColumns { telling: vec![0, 1], doubted: vec![] };
        let (history, pool) = (Arc::clone(&history), Arc::clone(history.pool()));
        let mut strategy = SurrogateStrategy::new(history, &new_task(), columns, pool, own, 0).unwrap();
        let mut met = Vec::new();
        let picks: Vec<(Architecture, f64)> = (0..4)
            .map(|_| {
                if !kept {
                    strategy.met = Met::default();
                }
                let pick = strategy.picks(1).unwrap().remove(0);
                met.push(strategy.met.len());
                (pick.canonical, pick.mean)
            })
            .collect();
        (picks, met)
    };
    let ((with, met), (without, alone)) = (picks(true), picks(false));
    assert_eq!(with, without);
    // Some of what the later searches meet the first has met.
    assert!(alone[0] > 0 && met[3] < alone.iter().sum::<usize>() * 9 / 10, "{met:?} {alone:?}");
}
