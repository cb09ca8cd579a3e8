//! What holds for every strategy.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heirloom_kb::Architecture;
use heirloom_predictor::Acquisition;

use super::testing::{drawn, history, separable_history, trial};
use super::{Strategy, StrategyKind};
use crate::SearchError;
use crate::own_trials::OwnTrials;
use crate::pool::Pool;
use crate::space_history::SpaceHistory;

fn separable() -> Arc<SpaceHistory> {
    Arc::new(separable_history(&[[1.0, 0.5, 2.0, 0.7, 1.5], [1.0, 2.0, 0.1, 0.1, 0.3]]))
}

/// A space with a real number in it: its own pool is a sample.
fn mixed() -> Arc<SpaceHistory> {
    let scored = (0..40).map(|n| (["a", "b", "c", "d"][n % 4], n as i64 / 4, n as f64));
    Arc::new(history(&scored.map(|(op, n, score)| trial("t", op, n, score)).collect::<Vec<_>>()))
}

fn start(
    kind: StrategyKind,
    history: &Arc<SpaceHistory>,
    pool: &Arc<Pool>,
    own: OwnTrials,
) -> Box<dyn Strategy> {
    let past = (0..history.table().tasks().len()).collect();
    kind.start(history, &crate::strategies::testing::new_task(), past, Arc::clone(pool), own, 11).unwrap()
}

fn text(architecture: &Architecture) -> String {
    serde_json::to_string(architecture).unwrap()
}

/// A score that is the same in every run and has nothing to do with the past.
fn score(architecture: &Architecture) -> Option<f64> {
    let sum =
        text(architecture).bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (sum % 10 > 0).then_some((sum % 1_000) as f64)
}

/// Proposals until there are none, in batches of `n`, with their scores told in turn.
fn all(
    strategy: &mut dyn Strategy,
    n: usize,
    most: usize,
    told: impl Fn(&Architecture) -> Option<f64>,
) -> Vec<String> {
    let mut proposed = Vec::new();
    while proposed.len() < most {
        match strategy.ask(n) {
            Ok(batch) => {
                assert!(!batch.is_empty() && batch.len() <= n);
                for proposal in &batch {
                    strategy.tell(&proposal.architecture, told(&proposal.architecture)).unwrap();
                    assert!(!proposal.why.is_empty());
                }
                proposed.extend(batch.iter().map(|proposal| text(&proposal.architecture)));
            }
            Err(SearchError::NothingToPropose { .. }) => break,
            Err(other) => panic!("{other}"),
        }
    }
    proposed
}

fn over_all(check: impl Fn(StrategyKind)) {
    StrategyKind::ALL.into_iter().for_each(check);
}

#[test]
fn names_are_those_of_json() {
    over_all(|kind| assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str()));
    let distinct: BTreeSet<&str> = StrategyKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(distinct.len(), StrategyKind::ALL.len());
}

#[test]
fn a_callers_candidates_are_proposed_once_each_and_nothing_else() {
    for history in [separable(), mixed()] {
        let given: Vec<Architecture> = history.pool().architectures.iter().step_by(91).cloned().collect();
        let pool = history.pool_of(Some(&given)).unwrap();
        let wanted: BTreeSet<String> = given.iter().map(text).collect();
        over_all(|kind| {
            for n in [1, 7] {
                let proposed = all(&mut *start(kind, &history, &pool, OwnTrials::default()), n, 1_000, score);
                assert_eq!(proposed.len(), wanted.len(), "{kind:?}");
                assert_eq!(proposed.into_iter().collect::<BTreeSet<_>>(), wanted, "{kind:?}");
            }
        });
    }
}

#[test]
fn nothing_is_proposed_twice_and_everything_is_of_the_space() {
    for history in [separable(), mixed()] {
        over_all(|kind| {
            let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
            let proposed = all(&mut *strategy, 3, 60, score);
            assert_eq!(proposed.iter().collect::<BTreeSet<_>>().len(), proposed.len(), "{kind:?}");
            for proposal in proposed {
                let proposal: Architecture = serde_json::from_str(&proposal).unwrap();
                assert_eq!(history.space().normalise(&proposal).unwrap(), proposal, "{kind:?}");
            }
        });
    }
}

#[test]
fn what_is_pending_is_not_proposed_again() {
    for history in [separable(), mixed()] {
        over_all(|kind| {
            let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
            let mut proposed = strategy.ask(20).unwrap();
            (0..10).for_each(|_| proposed.extend(strategy.ask(2).unwrap()));
            let distinct: BTreeSet<String> = proposed.iter().map(|one| text(&one.architecture)).collect();
            assert_eq!((proposed.len(), distinct.len()), (40, 40), "{kind:?}");
            // Told in another order than proposed.
            for one in proposed.iter().rev() {
                strategy.tell(&one.architecture, score(&one.architecture)).unwrap();
            }
            let next = text(&strategy.ask(1).unwrap()[0].architecture);
            assert!(!distinct.contains(&next), "{kind:?}");
        });
    }
}

#[test]
fn the_same_seed_proposes_the_same() {
    for history in [separable(), mixed()] {
        over_all(|kind| {
            let run = |seed: u64| {
                let (past, pool) = (vec![0], Arc::clone(history.pool()));
                let mut strategy = kind
                    .start(
                        &history,
                        &crate::strategies::testing::new_task(),
                        past,
                        pool,
                        OwnTrials::default(),
                        seed,
                    )
                    .unwrap();
                all(&mut *strategy, 2, 40, score)
            };
            assert_eq!(run(5), run(5), "{kind:?}");
            if kind != StrategyKind::Surrogate {
                assert_ne!(run(5), run(6), "{kind:?}");
            }
        });
    }
}

#[test]
fn only_failures_are_no_end() {
    for history in [separable(), mixed()] {
        over_all(|kind| {
            let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
            assert!(all(&mut *strategy, 4, 40, |_| None).len() >= 40, "{kind:?}");
        });
    }
}

#[test]
fn equal_scores_and_no_numbers_are_no_end() {
    let history = separable();
    over_all(|kind| {
        for told in [Some(1.0), Some(0.0)] {
            let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
            assert!(all(&mut *strategy, 1, 40, |_| told).len() >= 40, "{kind:?}");
        }
    });
}

#[test]
fn an_empty_past_is_enough() {
    for history in [Arc::new(separable_history(&[])), Arc::new(history(&[]))] {
        over_all(|kind| {
            let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
            assert!(all(&mut *strategy, 5, 40, score).len() >= 40, "{kind:?}");
        });
    }
}

#[test]
fn what_others_tried_is_learned_and_not_proposed() {
    let history = separable();
    let given: Vec<Architecture> = drawn(60, 3);
    let pool = history.pool_of(Some(&given)).unwrap();
    over_all(|kind| {
        let mut strategy = start(kind, &history, &pool, OwnTrials::default());
        // Half of the candidates, and as many that are no candidates.
        let told = given.iter().take(30).cloned().chain(drawn(30, 4));
        told.for_each(|one| strategy.tell(&one, score(&one)).unwrap());
        let proposed: BTreeSet<String> = all(&mut *strategy, 4, 1_000, score).into_iter().collect();
        let told: BTreeSet<String> = given[..30].iter().map(text).collect();
        let left: BTreeSet<String> = given.iter().map(text).filter(|one| !told.contains(one)).collect();
        assert_eq!(proposed, left, "{kind:?}");
    });
}

#[test]
fn a_search_goes_on_from_own_trials() {
    for history in [separable(), mixed()] {
        let tried: Vec<Architecture> = history.pool().architectures.iter().step_by(61).cloned().collect();
        let mut own = OwnTrials::default();
        tried.iter().for_each(|one| own.push(one.clone(), score(one)));
        over_all(|kind| {
            let mut strategy = start(kind, &history, history.pool(), own.clone());
            let proposed: BTreeSet<String> = all(&mut *strategy, 2, 60, score).into_iter().collect();
            assert!(tried.iter().all(|one| !proposed.contains(&text(one))), "{kind:?}");
        });
    }
}

#[test]
fn an_architecture_of_another_space_is_refused() {
    let (history, other) = (separable(), BTreeMap::from([("depth", 3_i64)]));
    let other: Architecture = other.into_iter().collect();
    over_all(|kind| {
        let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
        assert!(strategy.tell(&other, Some(1.0)).is_err(), "{kind:?}");
        assert!(strategy.ask(1).is_ok(), "{kind:?}");
    });
}

#[test]
fn where_the_pool_is_a_sample_the_space_is_the_bound() {
    let history = mixed();
    let pool: BTreeSet<String> = history.pool().architectures.iter().map(text).collect();
    for kind in [
        StrategyKind::Evolution,
        StrategyKind::EvolutionPolicy,
        StrategyKind::LocalSearch,
        StrategyKind::Reinforce,
    ] {
        let mut strategy = start(kind, &history, history.pool(), OwnTrials::default());
        let proposed = all(&mut *strategy, 1, 100, score);
        assert!(proposed.iter().any(|one| !pool.contains(one)), "{kind:?} stays in the sample");
    }
}

/// A batch of the surrogate's after three trials, under an acquisition.
fn batch(history: &Arc<SpaceHistory>, acquisition: Acquisition, seed: u64) -> Vec<String> {
    let past = (0..history.table().tasks().len()).collect();
    let (pool, own) = (Arc::clone(history.pool()), OwnTrials::default());
    let new = crate::strategies::testing::new_task();
    let mut strategy = StrategyKind::Surrogate.start(history, &new, past, pool, own, seed).unwrap();
    strategy.acquire(acquisition).unwrap();
    // The same trials for all seeds, so that what differs is the acquisition's doing.
    for (at, architecture) in history.pool().architectures.iter().step_by(7).take(3).enumerate() {
        strategy.tell(architecture, Some(at as f64)).unwrap();
    }
    strategy.ask(4).unwrap().iter().map(|proposal| text(&proposal.architecture)).collect()
}

#[test]
fn an_acquisition_decides_what_comes_next() {
    // One space is listed, of the other local search looks beyond the pool.
    for history in [separable(), mixed()] {
        let bound = |beta| Acquisition::UpperConfidenceBound { beta };
        let kinds = [Acquisition::ExpectedImprovement, bound(0.0), bound(50.0), Acquisition::Thompson];
        let batches: Vec<Vec<String>> = kinds.iter().map(|kind| batch(&history, *kind, 5)).collect();
        for (kind, proposed) in kinds.iter().zip(&batches) {
            assert_eq!(proposed, &batch(&history, *kind, 5), "{kind:?}: the same seed, the same answer");
            let distinct: BTreeSet<&String> = proposed.iter().collect();
            assert_eq!(distinct.len(), 4, "{kind:?}: {proposed:?}");
        }
        assert_ne!(batches[1], batches[2], "beta counts");
        let other: Vec<Vec<String>> =
            (6..9).map(|seed| batch(&history, Acquisition::Thompson, seed)).collect();
        assert!(other.iter().any(|other| *other != batches[3]), "Thompson's draws differ by seed: {other:?}");
    }
}

#[test]
fn what_is_taken_up_again_is_not_proposed() {
    let history = separable();
    let pool = Arc::new(history.candidates(&history.pool().architectures[..20]).unwrap());
    over_all(|kind| {
        let again = &pool.architectures[3];
        let mut strategy = start(kind, &history, &pool, OwnTrials::default());
        strategy.take_up(again).unwrap();
        let proposed = all(&mut *strategy, 2, pool.architectures.len(), score);
        assert_eq!(proposed.len(), pool.architectures.len() - 1, "{kind:?}");
        assert!(!proposed.contains(&text(again)), "{kind:?}");
    });
}
