//! Words for histories and requests that leave little to go by.

use std::collections::{BTreeMap, BTreeSet};

use heirloom_kb::{Goal, Name, Range, SearchSpace, Task, nearest};
use heirloom_predictor::Outlying;

use crate::cost_book::CostBook;
use crate::new_task::some_of;
use crate::objectives::Objectives;
use crate::own_trials::OwnTrials;
use crate::past_columns::PastColumns;
use crate::pool::Pool;
use crate::recommendation::RankedArchitecture;
use crate::space_history::SpaceHistory;
use crate::spaces;

/// What becomes of a task of which nothing is known.
const SPREAD: &str =
    "nothing is known yet of what is good, and the first proposals are spread over the space";

/// Candidates whose expected scores are compared with and without a description of the task.
const COMPARED: usize = 64;

/// The columns of `past` whose scores tell architectures apart, by whether they are more than noise; the others, and what is noise
/// also by the task's own trials, make a note.
pub(crate) fn telling(
    history: &SpaceHistory,
    past: Vec<usize>,
    own: &OwnTrials,
    notes: &mut Vec<String>,
) -> PastColumns {
    let (mut telling, mut failed, mut constant) = (Vec::new(), Vec::new(), Vec::new());
    for at in past {
        let scores = &history.table().tasks()[at];
        match spread(&scores.scores) {
            Spread::None => failed.push(&*scores.task),
            Spread::One if scores.scores.len() > 1 => constant.push(&*scores.task),
            _ => telling.push(at),
        }
    }
    let past = history.telling(telling);
    let counting = past.counting(history, own);
    let noise: Vec<&str> = past
        .doubted
        .iter()
        .filter(|at| !counting.contains(at))
        .map(|at| &*history.table().tasks()[*at].task)
        .collect();
    let reasons = [
        (failed, "all trials failed"),
        (constant, "all scores are equal"),
        (noise, "nothing foretells their scores"),
    ];
    for (tasks, why) in reasons {
        if !tasks.is_empty() {
            notes.push(format!("left out of the history, for {why}: {}", tasks.join(", ")));
        }
    }
    notes.extend(contradiction(history, &counting));
    past
}

/// A note about past tasks that contradict the others.
fn contradiction(history: &SpaceHistory, past: &[usize]) -> Option<String> {
    let reversed = history.reversed(past);
    let names: Vec<&str> = reversed.iter().map(|task| &***task).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the past contradicts itself: what does well on {} does badly on the other past tasks; the first proposals try both, and \
             trials of the task tell which holds",
            some_of(&names)
        )
    })
}

/// A note about what the answer lacks, if it lacks something.
pub(crate) fn poor_history(
    history: &SpaceHistory,
    task: &Name,
    past: &[usize],
    own_trials: usize,
    candidates: usize,
) -> Option<String> {
    let left_out = || !history.past(task, &[]).is_empty();
    match (past, own_trials == 0) {
        ([], true) if left_out() => Some(format!("all past tasks of this space are left out: {SPREAD}")),
        ([], false) if left_out() => Some(
            "all past tasks of this space are left out: the answer rests on the task's own trials".into(),
        ),
        ([], true) if has_descriptors(history.space()) => Some(format!(
            "there is no history in this space, only descriptors of its architectures, and these do not say what is good: {SPREAD}"
        )),
        ([], true) => Some(format!("there is no history in this space: {SPREAD}")),
        ([], false) => {
            Some("there are no past tasks in this space: the answer rests on the task's own trials".into())
        }
        ([only], _) if candidates > 1 => Some(format!(
            "{} is the only past task: whether tasks of this space foretell each other is not known yet",
            history.table().tasks()[*only].task
        )),
        _ => None,
    }
}

/// The tasks of these columns.
fn tasks_of<'a>(history: &'a SpaceHistory, past: &'a [usize]) -> impl Iterator<Item = &'a Task> {
    past.iter().filter_map(|at| history.task(&history.table().tasks()[*at].task).ok())
}

/// A note that no past task that counts measures what the task does, or all have it the other way round.
pub(crate) fn other_measure(history: &SpaceHistory, task: &Task, past: &[usize]) -> Option<String> {
    let past: Vec<&Task> = tasks_of(history, past).collect();
    let metric = &task.metric;
    let alike: Vec<&&Task> = past.iter().filter(|past| past.metric == *metric).collect();
    if alike.is_empty() && !past.is_empty() {
        let metrics: BTreeSet<&Name> = past.iter().map(|past| &past.metric).collect();
        let metrics: Vec<String> = metrics.into_iter().map(|metric| format!("{metric:?}")).collect();
        return Some(format!(
            "no past task measures {metric:?}; they measure {}: what ranks well there is taken to rank well here, until trials of the \
             task say otherwise",
            some_of(&metrics)
        ));
    }
    let (way, other) = match task.goal {
        Goal::Maximize => ("maximized", "minimized"),
        Goal::Minimize => ("minimized", "maximized"),
    };
    (!alike.is_empty() && alike.iter().all(|past| past.goal != task.goal)).then(|| {
        format!(
            "{metric:?} is to be {way}, and all past tasks in this space have it {other}: past scores are ranked their way, those of \
             the new task the other"
        )
    })
}

/// A note that the numbers which describe a task's data change nothing: any other data of the domain would get the same answer.
pub(crate) fn idle_description(
    history: &SpaceHistory,
    task: &Task,
    past: &[usize],
    pool: &Pool,
) -> Option<String> {
    if task.meta_features.is_empty() || past.is_empty() {
        return None;
    }
    let step = (pool.architectures.len() / COMPARED).max(1);
    let rows: Vec<usize> = (0..pool.architectures.len()).step_by(step).collect();
    let views = pool.views.select(&rows).tasks(past);
    let expects = |task: &Task| {
        let model = history.transfer(task, past);
        model.prior(&model.see(&views)).mean
    };
    let undescribed = Task { meta_features: BTreeMap::new(), ..task.clone() };
    (expects(task) == expects(&undescribed)).then(|| {
        let shared = |past: &Task| task.meta_features.keys().any(|name| past.meta_features.contains_key(name));
        let why = if !tasks_of(history, past).any(shared) {
            "no past task has any of these numbers"
        } else if past.len() == 1 {
            "there is only one past task"
        } else {
            "past tasks do not foretell each other better when those with similar data count more, so all count alike"
        };
        format!("the numbers that describe the data had no influence, other data would get the same answer: {why}")
    })
}

/// Past tasks that a range is told from.
const RANGED: usize = 3;

/// A note about numbers that describe the data and lie farther from those of all past tasks than these lie from each other.
pub(crate) fn data_unlike_all(history: &SpaceHistory, task: &Task, past: &[usize]) -> Option<String> {
    let far = |(name, value): (&Name, &f64)| {
        let known = tasks_of(history, past).filter_map(|past| past.meta_features.get(name).copied());
        let known: Vec<f64> = known.collect();
        let (low, high) = range_of(&known)?;
        is_far(*value, low, high)
            .then(|| format!("{name} is {} (past tasks {} to {})", short(*value), short(low), short(high)))
    };
    let named: Vec<String> = task.meta_features.iter().filter_map(far).collect();
    (!named.is_empty()).then(|| {
        format!(
            "the data are unlike those of all past tasks: {}; whether what did well on them does well on such data is not known",
            some_of(&named)
        )
    })
}

/// The least and the largest of enough numbers, unless they are equal.
fn range_of(known: &[f64]) -> Option<(f64, f64)> {
    let (low, high) = known.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
    (known.len() >= RANGED && low < high).then_some((low, high))
}

/// Whether a number is farther from a range than that is wide; sizes, which differ by factors, on a logarithmic scale, where a factor of ten
/// is not far.
fn is_far(value: f64, low: f64, high: f64) -> bool {
    let is_size = low > 0.0 && high > 10.0 * low;
    let scale = |x: f64| if is_size { x.max(low * 1e-9).log10() } else { x };
    let (value, low, high) = (scale(value), scale(low), scale(high));
    (low - value).max(value - high) > (high - low)
}

/// A note about own trials that are left out because they were measured at far less than the others.
pub(crate) fn partial_trials(history: &SpaceHistory, task: &Task) -> Option<String> {
    let partial = history
        .scores(&task.id)
        .map_or(0, |scores| scores.partial.iter().filter(|partial| **partial).count());
    (partial > 0).then(|| {
        format!(
            "{partial} architectures that the task has tried at less than half the fidelity of others do not count and may be \
             recommended anew: their scores have no common scale"
        )
    })
}

/// A note about own trials whose scores lie so far above all others that they may be errors.
pub(crate) fn outlying_trial(scores: &[Option<f64>], goal: Goal) -> Option<String> {
    let (_, [best, worst, next]) = outlying(scores, goal)?;
    Some(format!(
        "one of the task's own trials scores {best}, far beyond the others ({worst} to {next}): should it be an error or in another unit, \
         export the base, correct it and import it into a new one"
    ))
}

/// A note about past tasks with such scores.
pub(crate) fn outlying_past(history: &SpaceHistory, past: &[usize]) -> Option<String> {
    let of = |at: &usize| {
        let scores = &history.table().tasks()[*at];
        let (place, [best, worst, next]) = outlying(&scores.scores, history.task(&scores.task).ok()?.goal)?;
        let (trial, task) = (scores.trials[place], &scores.task);
        Some(format!("{best} of trial {trial} of {task} (the others {worst} to {next})"))
    };
    let named: Vec<String> = past.iter().filter_map(of).collect();
    (!named.is_empty()).then(|| {
        format!(
            "scores far beyond all others of their task count as its best but not for how far they lie beyond: {}; should they be errors \
             or in another unit, export the base, correct them and import it into a new one",
            some_of(&named)
        )
    })
}

/// Where the best of such scores stands, and in words it, the worst and the best of the others.
fn outlying(scores: &[Option<f64>], goal: Goal) -> Option<(usize, [String; 3])> {
    let Outlying { places, worst, next } = Outlying::of(scores)?;
    let place = *places.first()?;
    Some((place, [scores[place]?, worst, next].map(|score| short(goal.higher_is_better(score)))))
}

/// A number as people write it: 1e30 and not its 31 digits, nor more than six that tell.
fn short(number: f64) -> String {
    let number = format!("{number:.5e}").parse().unwrap_or(number);
    if (1e-4..1e9).contains(&number.abs()) || number == 0.0 {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// A note about own trials that tell nothing apart.
pub(crate) fn poor_trials(scores: &[Option<f64>]) -> Option<String> {
    let n = scores.len();
    match spread(scores) {
        Spread::None if n > 0 => Some(format!(
            "none of the task's own trials has a score ({n} failed): they only say what to stay away from"
        )),
        Spread::One if n > 1 => {
            Some("the task's own trials all have the same score: they hardly say what is better".into())
        }
        _ => None,
    }
}

/// Notes about the tasks of a base: trials that count nowhere, and tasks to be left out that there are none of.
pub(crate) fn notes_on_tasks(history: &SpaceHistory, exclude: &[Name]) -> Vec<String> {
    other_metrics(history, exclude).into_iter().chain(unknown_excluded(history, exclude)).collect()
}

/// A note about tasks to be left out that the base does not know: one that is misspelt counts.
fn unknown_excluded(history: &SpaceHistory, exclude: &[Name]) -> Option<String> {
    let known = || history.tasks().iter().map(|task| &*task.id);
    let named = |task: &Name| match nearest(task, known(), 1).first() {
        Some(near) => format!("{task:?} (did you mean {near:?}?)"),
        None => format!("{task:?}"),
    };
    let unknown: Vec<String> =
        exclude.iter().filter(|task| !known().any(|known| known == &***task)).map(named).collect();
    (!unknown.is_empty()).then(|| format!("to be left out, and not in the base: {}", some_of(&unknown)))
}

/// A note about validation trials of tasks that count which are in another metric than the task's, and so do not.
fn other_metrics(history: &SpaceHistory, exclude: &[Name]) -> Option<String> {
    let tasks = history.other_metric().iter().filter(|(task, _)| !exclude.contains(task));
    let named: Vec<String> = tasks
        .map(|(id, n)| {
            let metric = history.task(id).map_or("", |task| &task.metric);
            format!("{n} of {id} (its metric is {metric:?})")
        })
        .collect();
    (!named.is_empty())
        .then(|| format!("trials in another metric than their task's count nowhere: {}", some_of(&named)))
}

/// A note about a device that no trial of the space names, where no cost has been asked for that would say so itself.
pub(crate) fn unmet_device(objectives: &Objectives, book: &CostBook) -> Option<String> {
    let device = objectives.device.as_ref().filter(|_| objectives.is_score_alone())?;
    let sources = book.table().sources();
    let known: BTreeSet<&str> = sources.iter().filter_map(|source| source.device.as_deref()).collect();
    if known.contains(&**device) {
        return None;
    }
    let known: Vec<String> = known.into_iter().map(str::to_owned).collect();
    Some(match known.is_empty() {
        true => format!("no trial of this space names a device: {device:?} says nothing"),
        false => format!("no trial of this space was measured on {device:?}; known are {}", some_of(&known)),
    })
}

/// A note about architectures of which a cost is expected to lie beyond its bound: among uncertain costs they may keep to it all the same.
pub(crate) fn beyond_bounds(ranked: &[RankedArchitecture], objectives: &Objectives) -> Option<String> {
    let beyond = |ranked: &&RankedArchitecture| !objectives.admit(&ranked.expected_costs);
    let n = ranked.iter().filter(beyond).count();
    (n > 0).then(|| {
        let first = ranked.first().filter(beyond).map_or("", |_| ", the first among them");
        format!(
            "of {n} of {} architectures a cost is expected to lie beyond its bound{first}: costs are uncertain, and how likely each keeps to the \
             bounds stands beside it",
            ranked.len()
        )
    })
}

/// A note about a list that is shorter than what was asked for.
pub(crate) fn few_candidates(candidates: usize, k: usize) -> Option<String> {
    match candidates {
        1 => Some("there is one candidate only: there is nothing to choose".into()),
        n if n < k => {
            Some(format!("{k} architectures are asked for and there are {n} candidates: all are listed"))
        }
        _ => None,
    }
}

/// Rank correlation of own scores with what the past expects from which on the two agree.
const AGREES: f64 = 0.3;

/// A note when the task's own trials speak against the history, or are foretold better by each other than by it.
pub(crate) fn doubt(trust: f64, reversed: f64, past_correlation: Option<f64>) -> Option<String> {
    if reversed > 0.5 {
        return Some(format!(
            "the task's own trials run against the past ones ({:.0} %): what did badly there is taken to do well here",
            100.0 * reversed
        ));
    }
    let agrees = past_correlation.filter(|correlation| *correlation > AGREES);
    (trust < 0.3).then(|| match agrees {
        Some(correlation) => format!(
            "the task's own trials tell enough without the past ones, with which they agree (rank correlation {correlation:.2}): the \
             answer rests on its own trials mostly"
        ),
        None => format!(
            "the task's own trials are explained better without the past ones ({:.0} % trust in the history): the answer \
             rests on its own trials mostly",
            100.0 * trust
        ),
    })
}

/// How many different scores there are.
enum Spread {
    None,
    One,
    Several,
}

fn spread(scores: &[Option<f64>]) -> Spread {
    let mut measured = scores.iter().flatten();
    match measured.next() {
        None => Spread::None,
        // A failed trial beside a score is told apart from it.
        Some(first) if measured.all(|other| other == first) && scores.iter().all(Option::is_some) => {
            Spread::One
        }
        Some(_) => Spread::Several,
    }
}

fn has_descriptors(space: &SearchSpace) -> bool {
    let described =
        |range: &Range| matches!(range, Range::Choice { descriptors, .. } if !descriptors.is_empty());
    spaces::descriptors(space.id()).is_some() || space.params().iter().any(|param| described(&param.range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_in_another_unit_is_pointed_out() {
        let note = |scores: &[f64], goal: Goal| {
            outlying_trial(&scores.iter().map(|score| Some(*score)).collect::<Vec<_>>(), goal)
        };
        let far = note(&[0.81, 0.79, 81.0, 0.7, 0.75], Goal::Maximize).unwrap();
        assert!(far.contains("scores 81, far beyond the others (0.7 to 0.81)"), "{far}");
        let low = note(&[-0.81, -0.79, 40.0, -0.7, -0.75], Goal::Minimize).unwrap();
        assert!(low.contains("scores -40, far beyond the others (0.81 to 0.7)"), "{low}");
        let huge = note(&[0.81, 0.79, 1e308, 0.7, 0.75], Goal::Maximize).unwrap();
        assert!(huge.contains("scores 1e308, far beyond"), "{huge}");
    }
}
