use heirloom_kb::{Architecture, Domain, Goal, SearchSpace, Split, Trial};
use ndarray::array;

use super::*;
use crate::{TaskModels, TrainingTable};

/// A base of tasks, and the views of all architectures.
pub(super) struct History {
    table: TrainingTable,
    models: TaskModels,
    agreement: Agreement,
    tasks: Vec<Task>,
    pub(super) views: Views,
}

/// Tasks whose score rises (`true`) or falls with `a`, of which there are ten.
pub(super) fn history(rising: &[bool]) -> History {
    let score = |up: &bool| {
        let up = *up;
        move |a: i64| if up { a } else { 9 - a } as f64
    };
    history_of(10, &rising.iter().map(score).collect::<Vec<_>>())
}

/// Tasks with these scores of all architectures, which are the numbers `a` below `n`.
pub(super) fn history_of<F: Fn(i64) -> f64>(n: i64, scores: &[F]) -> History {
    let hi = n - 1;
    let text =
        format!(r#"{{"id":"s/1","params":[{{"name":"a","range":{{"kind":"int","lo":0,"hi":{hi}}}}}]}}"#);
    let space: SearchSpace = serde_json::from_str(&text).unwrap();
    let name = |index: usize| format!("task{index}");
    let tasks: Vec<Task> = (0..scores.len())
        .map(|index| Task::new(name(index), Domain::Tabular, "accuracy", Goal::Maximize))
        .collect();
    let mut trials = Vec::new();
    for (index, score) in scores.iter().enumerate() {
        for a in 0..n {
            let architecture: Architecture = [("a", a)].into_iter().collect();
            let task = name(index);
            trials.push(Trial::new(task, "s/1", architecture, Split::Validation, "accuracy", score(a)));
        }
    }
    let table = TrainingTable::new(&space, &tasks, &trials, Clone::clone, None).unwrap();
    let models = TaskModels::fit(&table, &[]).unwrap();
    let agreement = Agreement::new(&table, &models).unwrap();
    let views = Views::of_table(&table, &models).unwrap();
    History { table, models, agreement, tasks, views }
}

impl History {
    pub(super) fn model(&self) -> TransferModel {
        self.model_of(&(0..self.tasks.len()).collect::<Vec<_>>())
    }

    pub(super) fn model_of(&self, columns: &[usize]) -> TransferModel {
        let History { table, models, agreement, tasks, .. } = self;
        let new = Task::new("new", Domain::Tabular, "accuracy", Goal::Maximize);
        TransferModel::new(PastTasks { table, models, agreement, tasks, columns }, &new)
    }

    pub(super) fn learn(&self, rows: &[usize], scores: &[Option<f64>]) -> (Seen, Posterior) {
        let model = self.model();
        let seen = model.see(&self.views);
        let posterior = model.condition(&seen, &self.views.select(rows), scores, &self.views.select(&[]));
        (seen, posterior.unwrap())
    }
}

fn best(prediction: &Prediction) -> usize {
    (0..prediction.mean.len()).max_by(|a, b| prediction.mean[*a].total_cmp(&prediction.mean[*b])).unwrap()
}

#[test]
fn without_trials_the_past_decides() {
    let history = history(&[true, true, true]);
    let model = history.model();
    let seen = model.see(&history.views);
    let prior = model.prior(&seen);
    assert!(best(&prior) >= 8, "{prior:?}");
    assert!(prior.mean[0] < -0.7 && prior.std[0] > 0.0, "{prior:?}");
    let open: Vec<usize> = (0..10).collect();
    assert!(model.portfolio(&seen, &history.views.select(&[]), &open, 0).picks(&[], 1)[0] >= 8);
}

/// Each of the two that fall is foretold the wrong way round by the others, and those that rise hardly at all.
#[test]
fn a_past_that_contradicts_itself_is_not_turned_upside_down() {
    let history = history(&[true, true, true, false, false]);
    let model = history.model();
    let seen = model.see(&history.views);
    let prior = model.prior(&seen);
    assert!(prior.mean[9] > prior.mean[0], "{prior:?}");
    let open: Vec<usize> = (0..10).collect();
    let picks = model.portfolio(&seen, &history.views.select(&[]), &open, 0).picks(&[], 2);
    assert!(picks[0] >= 7 && picks[1] <= 2, "{picks:?}");
}

#[test]
fn without_history_nothing_is_expected_and_trials_decide() {
    let history = history(&[true]);
    let model = history.model_of(&[]);
    let views = history.views.tasks(&[]);
    let seen = model.see(&views);
    let prior = model.prior(&seen);
    assert!(prior.mean.iter().all(|mean| *mean == 0.0) && prior.std.iter().all(|std| *std > 0.5));
    let scores = [Some(0.1), Some(0.5), Some(0.9)];
    let posterior = model.condition(&seen, &views.select(&[0, 4, 8]), &scores, &views.select(&[])).unwrap();
    let expected = posterior.expect(&seen);
    assert!(expected.mean[8] > expected.mean[4] && expected.mean[4] > expected.mean[0], "{expected:?}");
    assert_eq!(posterior.trust(), 1.0);
}

#[test]
fn trials_tell_which_past_task_is_alike() {
    let history = history(&[true, false, true, false]);
    let (seen, posterior) = history.learn(&[1, 5, 8], &[Some(8.0), Some(4.0), Some(1.0)]);
    let expected = posterior.expect(&seen);
    assert!(best(&expected) <= 1, "{expected:?}");
    let shares = task_shares(expected.mean.view(), history.views.by_task.view());
    assert!(shares[1] + shares[3] > 0.95, "{shares:?}");
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn the_first_picks_cover_what_the_task_may_be_like() {
    let history = history(&[true, false, true, false]);
    let model = history.model();
    let seen = model.see(&history.views);
    let open: Vec<usize> = (0..10).collect();
    let portfolio = model.portfolio(&seen, &history.views.select(&[]), &open, 0);
    let picks = portfolio.picks(&[], 2);
    assert!(picks.iter().any(|pick| *pick >= 7) && picks.iter().any(|pick| *pick <= 2), "{picks:?}");
    assert_eq!(portfolio.picks(&picks[..1], 1), picks[1..], "one after another gives the same");
    assert_eq!(portfolio.picks(&[], 99).len(), 10);
    let left: Vec<usize> = open.into_iter().filter(|at| *at != picks[0]).collect();
    let beside = model.portfolio(&seen, &history.views.select(&picks[..1]), &left, 0);
    assert_eq!(beside.picks(&[], 1), picks[1..], "so does asking anew once the first has been tried");
}

#[test]
fn the_first_pick_goes_by_the_majority_and_the_second_is_a_hedge() {
    // Scores fall off ever faster: whoever picks the best place of the wrong task scores very badly.
    let falling_off = |best: i64| move |a: i64| -((a - best).pow(2) as f64);
    let history = history_of(10, &[9, 9, 0, 9].map(falling_off));
    let model = history.model();
    let seen = model.see(&history.views);
    let open: Vec<usize> = (0..10).collect();
    let portfolio = model.portfolio(&seen, &history.views.select(&[]), &open, 0);
    let picks = portfolio.picks(&[], 2);
    assert!(picks[0] >= 8 && picks[1] <= 3, "{picks:?}");
    let hedged = portfolio.hedged(picks[1], &picks[..1]);
    assert!(matches!(hedged[..], [(2, gain)] if gain > 1.0), "{hedged:?}");
    assert_eq!(portfolio.hedged(picks[0], &[]), [], "what is good for most is no hedge");
    assert_eq!(portfolio.hedged(picks[0], &picks[..1]), []);
}

#[test]
fn a_misleading_history_is_overruled_and_loses_trust() {
    let history = history(&[true, true, true]);
    let rows = [9, 7, 5, 3, 1];
    let scores: Vec<Option<f64>> = rows.iter().map(|a| Some(9.0 - *a as f64)).collect();
    let (seen, posterior) = history.learn(&rows, &scores);
    let expected = posterior.expect(&seen);
    assert!(best(&expected) <= 3, "{expected:?}");
    assert!(posterior.trust() < 0.5, "{}", posterior.trust());
    assert!(posterior.reversed() > posterior.trust(), "{}", posterior.reversed());
    let open = [0, 2, 4, 6, 8];
    assert!(posterior.improvements(&seen, &open)[0].0 <= 2);
}

#[test]
fn spread_picks_lie_apart_from_what_was_tried() {
    let history = history(&[true, true, true]);
    let model = history.model();
    let seen = model.see(&history.views);
    let picks = |tried: &[usize]| {
        let open: Vec<usize> = (0..10).filter(|at| !tried.contains(at)).collect();
        model.spread(&seen, &history.views.select(tried), &open, 0).picks(&[], 2)
    };
    let (central, low, high) = (picks(&[])[0], picks(&[8, 9])[0], picks(&[0, 1])[0]);
    assert!((3..=6).contains(&central) && low <= 4 && high >= 5, "{central} {low} {high}");
    let both = picks(&[4, 5]);
    assert!(both.iter().any(|at| *at <= 2) && both.iter().any(|at| *at >= 7), "{both:?}");
}

#[test]
fn while_the_past_holds_its_opposite_has_no_say() {
    let history = history(&[true, true, true]);
    let rows = [9, 7, 4, 2];
    let (_, right) = history.learn(&rows, &[Some(9.0), Some(7.0), Some(4.0), Some(2.0)]);
    assert_eq!(right.reversed(), 0.0);
    let (seen, wrong) = history.learn(&rows, &[Some(0.0), Some(2.0), Some(5.0), Some(7.0)]);
    assert!(wrong.reversed() > 10.0 * wrong.trust(), "{} {}", wrong.reversed(), wrong.trust());
    assert!(best(&wrong.expect(&seen)) <= 1);
}

#[test]
fn the_readings_share_all_belief() {
    let history = history(&[true, true, true]);
    for scores in [[9.0, 6.0, 3.0], [3.0, 6.0, 9.0], [5.0, 1.0, 5.0]] {
        let (_, posterior) = history.learn(&[9, 6, 3], &scores.map(Some));
        let sides = posterior.trust() + posterior.reversed();
        assert!(posterior.trust() > 0.0 && sides < 1.0, "{sides}");
        assert!((posterior.readings.iter().map(|(belief, _)| belief).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}

/// Many trials from elsewhere, of a task that is like the past ones as far as a rank correlation of .8 goes: whichever reading explains
/// them, none takes the past the wrong way round.
#[test]
fn a_past_that_agrees_is_never_said_to_be_reversed() {
    let bumps = |task: i64| move |a: i64| a as f64 / 40.0 + 0.25 * (0.3 * a as f64 + 2.0 * task as f64).sin();
    let history = history_of(100, &(0..5).map(bumps).collect::<Vec<_>>());
    let new = bumps(7);
    for n in [8, 20, 40, 60, 80, 100] {
        let rows: Vec<usize> = (0..n).map(|at| (at * 37 + 11) % 100).collect();
        let scores: Vec<Option<f64>> = rows.iter().map(|row| Some(new(*row as i64))).collect();
        let (_, posterior) = history.learn(&rows, &scores);
        assert!(posterior.reversed() < 0.05, "{n}: {}", posterior.reversed());
    }
}

#[test]
fn a_history_that_foretells_gains_trust() {
    let history = history(&[true, true, true]);
    let (_, posterior) = history.learn(&[9, 6, 3, 0], &[Some(9.0), Some(6.0), Some(3.0), Some(0.0)]);
    assert!(posterior.trust() > 0.8, "{}", posterior.trust());
}

#[test]
fn a_trial_and_one_under_way_lower_the_doubt() {
    let history = history(&[true, true]);
    let model = history.model();
    let seen = model.see(&history.views);
    let at = |rows: &[usize]| history.views.select(rows);
    let after = model.condition(&seen, &at(&[9]), &[Some(9.0)], &at(&[])).unwrap().expect(&seen);
    let elsewhere = model.condition(&seen, &at(&[4]), &[Some(4.0)], &at(&[])).unwrap().expect(&seen);
    assert!(after.std[9] < elsewhere.std[9]);
    let pending = model.condition(&seen, &at(&[9]), &[Some(9.0)], &at(&[2])).unwrap().expect(&seen);
    assert!(pending.std[2] < after.std[2]);
    assert!((pending.mean[2] - after.mean[2]).abs() < 0.05, "what is under way is believed, not known");
    let error = model.condition(&seen, &at(&[9]), &[], &at(&[])).unwrap_err().to_string();
    assert_eq!(error, "architectures tried and scores: 1 against 0");
    assert!(model.condition(&seen, &at(&[]), &[], &at(&[])).is_err());
}

#[test]
fn failed_and_constant_trials_are_no_obstacle() {
    let history = history(&[true, true]);
    for scores in [[None, None, None], [Some(0.5), Some(0.5), Some(0.5)], [None, Some(3.0), None]] {
        let (seen, posterior) = history.learn(&[2, 5, 8], &scores);
        let expected = posterior.expect(&seen);
        assert!(expected.mean.iter().chain(&expected.std).all(|value| value.is_finite()), "{expected:?}");
        let gains = posterior.improvements(&seen, &[0, 1, 9]);
        assert!(gains.iter().all(|(_, gain)| gain.is_finite()), "{gains:?}");
    }
}

#[test]
fn an_upper_bound_of_large_beta_is_where_least_is_known() {
    let history = history(&[true, true, false]);
    let (seen, posterior) = history.learn(&[9, 6, 8], &[Some(9.0), Some(6.0), Some(8.5)]);
    let open = [0, 1, 2, 3, 4, 5, 7];
    let expected = posterior.expect(&seen);
    let at = |beta| posterior.ranked(&seen, &open, Acquisition::UpperConfidenceBound { beta }, 0)[0].0;
    let most = |of: &dyn Fn(usize) -> f64| {
        open.iter().copied().reduce(|a, b| if of(b) > of(a) { b } else { a }).unwrap()
    };
    assert_eq!(at(1e6), most(&|at| expected.std[at]));
    assert_eq!(at(0.0), most(&|at| expected.mean[at]));
}

#[test]
fn a_drawn_function_is_one_function() {
    let history = history(&[true, false, true]);
    let (seen, posterior) = history.learn(&[9, 2], &[Some(0.9), Some(0.4)]);
    let by = Acquisition::Thompson;
    let all = posterior.worth(&seen, by, 7);
    assert_eq!(all, posterior.worth(&seen, by, 7), "the same seed, the same function");
    let some = posterior.worth(&seen.select(&[4, 1]), by, 7);
    assert!((some[0] - all[4]).abs() < 1e-9 && (some[1] - all[1]).abs() < 1e-9, "whatever it is asked of");
    assert_ne!(all, posterior.worth(&seen, by, 8));
    let ranked = posterior.ranked(&seen, &[0, 3, 5], by, 7);
    assert!(ranked.windows(2).all(|pair| pair[0].1 >= pair[1].1) && ranked.len() == 3);
}

/// The quick way to the mean, which many candidates are sorted by, gives what the whole way gives.
#[test]
fn the_mean_alone_is_that_of_what_is_expected() {
    let history = history(&[true, false, true]);
    let (seen, posterior) = history.learn(&[9, 2, 5], &[Some(0.9), Some(0.4), None]);
    assert!(posterior.readings.len() > 1);
    let (quick, whole) = (posterior.mean(&seen.features), posterior.predict(&seen.features, false).mean);
    assert!(quick.iter().zip(&whole).all(|(quick, whole)| (quick - whole).abs() < 1e-9), "{quick} {whole}");
}

/// Over many seeds, drawn functions have the mean and the deviation of the posterior: six deviations of the estimates, and
/// something for the waves.
#[test]
fn drawn_functions_scatter_as_is_believed() {
    let history = history(&[true, false, true]);
    let (seen, posterior) = history.learn(&[9, 2, 5], &[Some(0.9), Some(0.4), Some(0.5)]);
    // Functions are drawn without the noise of a trial, which what is expected of a trial has on top.
    let expected = posterior.predict(&seen.features, false);
    assert!(posterior.expect(&seen).std.iter().zip(&expected.std).all(|(trial, function)| trial > function));
    let n = 3_000;
    let draws: Vec<Vec<f64>> =
        (0..n).map(|seed| posterior.worth(&seen, Acquisition::Thompson, seed)).collect();
    for at in 0..10 {
        let mean = draws.iter().map(|draw| draw[at]).sum::<f64>() / n as f64;
        let variance = draws.iter().map(|draw| (draw[at] - mean).powi(2)).sum::<f64>() / n as f64;
        let (std, wanted) = (variance.sqrt(), expected.std[at]);
        assert!((mean - expected.mean[at]).abs() < 6.0 * wanted / (n as f64).sqrt(), "{at}: {mean}");
        assert!((std / wanted - 1.0).abs() < 0.1, "{at}: {std} against {wanted}");
    }
}

#[test]
fn shares_of_a_constant_opinion_are_even() {
    let shares = task_shares(array![0.0, 0.0].view(), array![[1.0, 2.0], [2.0, 1.0]].view());
    assert_eq!(shares, [0.5, 0.5]);
}

/// What an opinion makes one expect of the ten architectures: Gaussian ranks, times how far it foretells.
fn opinion(scores: [f64; 10], foretells: f64) -> ndarray::Array1<f64> {
    let ranks = crate::gaussian_ranks(&scores.map(Some));
    ranks.into_iter().map(|rank| foretells * rank).collect()
}

#[test]
fn an_opinion_alone_stands_for_the_past() {
    let history = history(&[true]);
    let falling = opinion([9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0], 0.6);
    let views = history.views.tasks(&[]).and_opinion(falling.view());
    let model = history.model_of(&[]).with_opinion(&views, 0.6);
    let seen = model.see(&views);
    let prior = model.prior(&seen);
    assert!(prior.mean.windows(2).into_iter().all(|pair| pair[0] > pair[1]), "{prior:?}");
    let open: Vec<usize> = (0..10).collect();
    // The next best, and not the worst in case it is all the wrong way round.
    assert_eq!(model.portfolio(&seen, &views.select(&[]), &open, 0).picks(&[], 3), [0, 1, 2]);
    // Trials that say the opposite are believed.
    let rows = [0, 1, 4, 5, 8, 9];
    let scores: Vec<Option<f64>> = rows.iter().map(|row| Some(*row as f64)).collect();
    let posterior = model.condition(&seen, &views.select(&rows), &scores, &views.select(&[])).unwrap();
    let expected = posterior.expect(&seen);
    assert!(expected.mean[7] > expected.mean[2], "{expected:?}");
    assert!(posterior.trust() < 0.5, "{}", posterior.trust());
}

#[test]
fn an_opinion_shares_the_mean_by_what_it_adds() {
    let history = history(&[true, true, true]);
    let model = history.model();
    let share = |scores: [f64; 10], foretells: f64| {
        let views = history.views.and_opinion(opinion(scores, foretells).view());
        let with = model.clone().with_opinion(&views, foretells);
        assert!((with.weights.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{:?}", with.weights);
        (with.weights[3], with.foretelling)
    };
    let other = [5.0, 2.0, 9.0, 0.0, 7.0, 3.0, 8.0, 1.0, 6.0, 4.0];
    let (little, _) = share(other, 0.2);
    let (much, both) = share(other, 0.8);
    // The column is scaled by how far it foretells already; what is shared out is the past's own part.
    for share in [little, much] {
        assert!((0.3..0.7).contains(&share), "{share}");
    }
    // Together they leave less open than the past alone.
    assert!(both.rest < model.foretelling.rest, "{both:?}");
    assert!(both.correlation > model.foretelling.correlation, "{both:?}");
    // What the past knows better already adds nothing.
    let (nothing, same) = share([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], 0.3);
    assert_eq!(nothing, 0.0);
    assert_eq!(same, model.foretelling);
    let (worthless, _) = share(other, 0.0);
    assert_eq!(worthless, 0.0);
}

#[test]
fn on_a_plateau_its_like_promises_less_though_the_past_thinks_well_of_it() {
    let history = history(&[true, true, true]);
    let gains = |scores: [f64; 3]| {
        let (seen, posterior) = history.learn(&[9, 8, 7], &scores.map(Some));
        posterior.gains(&seen)
    };
    let (equal, nearly) = (gains([0.78, 0.78, 0.78]), gains([0.78, 0.78 + 1e-9, 0.78 - 1e-9]));
    assert!(equal[6] < 0.6 * nearly[6] && nearly[6] > 0.0, "{equal:?} {nearly:?}");
    assert!(equal[0] > 0.9 * nearly[0], "{equal:?} {nearly:?}");
}

#[test]
fn scores_of_any_size_leave_an_answer() {
    let history = history(&[true, true, false]);
    for scores in
        [[0.5, 1e200, 0.4], [f64::MAX, f64::MIN, 0.0], [-1e300, 0.1, 0.2], [5e-324, 0.0, 1e-310], [0.0; 3]]
    {
        let (seen, posterior) = history.learn(&[0, 5, 9], &scores.map(Some));
        let expected = posterior.expect(&seen);
        assert!(
            expected.mean.iter().chain(&expected.std).all(|value| value.is_finite()),
            "{scores:?}: {expected:?}"
        );
        assert!(posterior.gains(&seen).iter().all(|gain| gain.is_finite()), "{scores:?}");
        assert!((0.0..=1.0).contains(&posterior.trust()), "{scores:?}");
    }
}

/// Among trials that go as the past foretells, one that failed by chance is no sign that the past is noise, nor that its neighbours fail.
#[test]
fn a_failure_that_may_be_chance_does_not_pull_its_like_down() {
    let history = history_of(41, &[0.0, 1.0, 2.0].map(|shift| move |a: i64| a as f64 - shift));
    let rows = [40, 20, 30, 25, 35, 38];
    let whole: Vec<Option<f64>> = rows.iter().map(|row| Some(*row as f64)).collect();
    for at in 0..rows.len() {
        let mut failed = whole.clone();
        failed[at] = None;
        let (seen, without) = history.learn(&rows, &whole);
        let (_, with) = history.learn(&rows, &failed);
        let (without, expected) = (without.expect(&seen).mean[39], with.expect(&seen).mean[39]);
        assert!(
            expected > without - 0.3 && with.trust() > 0.95,
            "{at}: {expected} {without} {}",
            with.trust()
        );
    }
}

/// Where the best of the trials leaves nothing to gain, what is expected to be best goes first.
#[test]
fn without_hope_of_improvement_candidates_are_in_the_order_of_their_means() {
    let history = history_of(41, &[0.0, 1.0, 2.0].map(|shift| move |a: i64| a as f64 - shift));
    let rows: Vec<usize> = (31..41).collect();
    let scores: Vec<Option<f64>> =
        rows.iter().map(|row| Some(if *row == 40 { 900.0 } else { *row as f64 })).collect();
    let (seen, posterior) = history.learn(&rows, &scores);
    let open: Vec<usize> = (0..31).rev().step_by(3).chain((0..31).filter(|at| at % 3 != 0)).collect();
    let order: Vec<usize> = posterior.improvements(&seen, &open).into_iter().map(|(at, _)| at).collect();
    // What lies below all that shapes know is alike.
    let means = posterior.expect(&seen).mean.mapv(|mean| mean.max(-3.5));
    let sorted = order.windows(2).filter(|pair| means[pair[0]] >= means[pair[1]] - 1e-9).count();
    assert!(sorted + 1 == order.len(), "{order:?} {means}");
}

/// Tasks of one metric, as errors in dollars and in degrees are: scores say nothing of which unit a new one has, and the scale that is
/// worked out from its own trials must not be one under which a past that holds looks turned round.
#[test]
fn units_orders_of_magnitude_apart_do_not_turn_the_past_round() {
    let unit = |at: i32| 10_f64.powi(3 * at - 6);
    let rising = |unit: f64| move |a: i64| unit * (5.0 + 0.1 * a as f64);
    let history = history_of(10, &(0..5).map(|at| rising(unit(at))).collect::<Vec<_>>());
    for power in -12..=14 {
        let new = 10_f64.powf(0.5 * f64::from(power));
        for order in [[9, 8, 6], [9, 6, 8], [8, 7, 5], [9, 8, 4], [7, 8, 3]] {
            let scores = order.map(|a| Some(new * (5.0 + 0.1 * a as f64)));
            let (_, posterior) = history.learn(&order, &scores);
            let (trust, reversed) = (posterior.trust(), posterior.reversed());
            assert!(trust > 0.6 && reversed < 0.1, "{new} {order:?}: {trust} {reversed}");
        }
    }
}

/// One past score of 1e30, or in per cent among shares.
#[test]
fn an_absurd_score_of_one_past_task_leaves_what_is_expected_of_others() {
    let rising = |odd: Option<f64>| {
        move |a: i64| odd.filter(|_| a == 4).unwrap_or(0.5 + 0.01 * a as f64 + 0.001 * (a * 7 % 5) as f64)
    };
    let stated = |odd: Option<f64>| {
        let history = history_of(20, &[rising(None), rising(odd), rising(None)]);
        let (seen, posterior) = history.learn(&[3, 10, 15], &[Some(0.52), Some(0.59), Some(0.64)]);
        let (gains, expected) = (posterior.worth(&seen, Acquisition::default(), 0), posterior.expect(&seen));
        (expected.mean[best(&expected)], best(&expected), gains.iter().copied().fold(0.0, f64::max))
    };
    let (mean, place, gain) = stated(None);
    for odd in [85.0, 1e30, f64::MAX] {
        let (odd_mean, odd_place, odd_gain) = stated(Some(odd));
        assert!((odd_mean - mean).abs() < 0.3 && odd_place.abs_diff(place) <= 2, "{odd}: {odd_mean} {mean}");
        assert!(odd_gain > gain / 3.0 && odd_gain < 3.0 * gain, "{odd}: {odd_gain} {gain}");
    }
}
