//! What `heirloom study` answers.

use heirloom_datasets::DataSummary;
use heirloom_kb::{Name, Status, Trial};
use heirloom_search::train::{Inherited, Taken};
use heirloom_search::{Proposal, StudyReport};
use serde::Serialize;

use super::output::{bold, counted, table};

/// A study and what was expected of its trials.
#[derive(Serialize)]
pub(super) struct Answer {
    pub(super) report: StudyReport,
    pub(super) proposals: Vec<Proposal>,
    /// Past tasks that it started from.
    pub(super) started_from: Vec<Name>,
    /// Trials that the task had in the space already, from elsewhere.
    pub(super) own_trials: usize,
    pub(super) candidates: usize,
    /// The data that were trained on; absent where scores were looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_summary: Option<DataSummary>,
}

/// What early stopping saved.
fn spent(trials: &[Trial], max_epochs: u32) -> String {
    let epochs = |trial: &Trial| trial.fidelity.get("epochs").copied().unwrap_or(f64::from(max_epochs));
    let stopped = trials.iter().filter(|trial| trial.status == Status::Pruned).count();
    let (spent, full) = (trials.iter().map(epochs).sum::<f64>(), trials.len() * max_epochs as usize);
    format!(
        "{stopped} of {} were stopped early; {spent} of {full} epochs were spent",
        counted(trials.len(), "trial")
    )
}

/// What networks took over from a file or from other trials: once, where it was the same for several.
fn starts(trials: &[Trial]) -> Vec<String> {
    let mut starts: Vec<(String, Vec<String>)> = Vec::new();
    for (at, trial) in trials.iter().enumerate() {
        let taken = Taken::of_trial(trial).map(|taken| taken.words());
        let words = taken.or_else(|| Inherited::of_trial(trial).map(|inherited| inherited.words()));
        let (Some(words), number) = (words, (at + 1).to_string()) else { continue };
        match starts.iter_mut().find(|(known, _)| *known == words) {
            Some((_, numbers)) => numbers.push(number),
            None => starts.push((words, vec![number])),
        }
    }
    starts
        .into_iter()
        .map(|(words, numbers)| {
            format!("{} {} {words}", if numbers.len() > 1 { "trials" } else { "trial" }, numbers.join(", "))
        })
        .collect()
}

/// What the last column says of a trial.
fn outcome(trial: &Trial) -> String {
    let score = trial.score.map_or("-".into(), |score| format!("{score:.4}"));
    match trial.status {
        Status::Complete => score,
        Status::Failed => "failed".into(),
        Status::Pruned => {
            format!("{score} at {}, stopped", trial.fidelity.get("epochs").copied().unwrap_or_default())
        }
    }
}

pub(super) fn describe(answer: &Answer) -> String {
    let report = &answer.report;
    let mut from: Vec<String> = answer.started_from.iter().map(ToString::to_string).collect();
    from.extend(
        (answer.own_trials > 0).then(|| format!("{} of its own", counted(answer.own_trials, "trial"))),
    );
    from.extend(report.setup.prior.as_ref().map(|prior| format!("scores by {}", prior.by)));
    let from =
        if from.is_empty() { "no past task: the first picks are chance".to_owned() } else { from.join(", ") };
    let head = bold(&format!("{} on {}", report.id, report.setup.task));
    let mut lines = vec![format!(
        "{head}: {} candidates ranked, {} tried; started from {from}",
        answer.candidates,
        report.curve.len()
    )];
    lines.extend(answer.data_summary.as_ref().map(DataSummary::words));
    lines.extend(report.notes.iter().map(|note| format!("note: {note}")));
    let has_regret = report.curve.iter().any(|point| point.regret.is_some());
    let mut names = vec!["trial", "architecture", "expected", &report.metric, "best"];
    names.extend(has_regret.then_some("regret"));
    let mut rows = table(&names);
    // Of what a resumed study had tried before, the expectations are gone.
    let before = report.trials.len() - answer.proposals.len();
    for (at, (point, trial)) in report.curve.iter().zip(&report.trials).enumerate() {
        let proposal = at.checked_sub(before).and_then(|at| answer.proposals.get(at));
        let number = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.4}"));
        let expected = match proposal.and_then(|proposal| proposal.mean.zip(proposal.std)) {
            Some((mean, std)) => format!("{mean:.2} +- {std:.2}"),
            _ => "-".into(),
        };
        let mut row = vec![
            (at + 1).to_string(),
            trial.architecture.to_string(),
            expected,
            outcome(trial),
            number(point.best),
        ];
        row.extend(has_regret.then(|| number(point.regret)));
        rows.add_row(row);
    }
    lines.push(rows.to_string());
    lines.extend(report.best.as_ref().map(|best| format!("the best is trial {}", best.id())));
    lines.extend(starts(&report.trials));
    lines.extend(report.setup.scheduler.as_ref().map(|setup| spent(&report.trials, setup.max_epochs)));
    lines.join("\n")
}
