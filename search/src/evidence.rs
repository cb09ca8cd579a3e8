//! Which past trials a recommendation rests on.

use heirloom_kb::{Architecture, TrialId};
use ndarray::ArrayView1;

use crate::space_history::SpaceHistory;

/// Most trials cited for one architecture.
const CITED: usize = 8;

/// Past trials of an architecture, or of its like.
pub(crate) struct Evidence {
    /// Their ids, best normalised score first.
    pub(crate) trials: Vec<TrialId>,
    /// Where they come from, in plain words.
    pub(crate) why: String,
}

/// A past trial's place: its task's column in the table and its position among that task's scores.
struct Cited {
    task: usize,
    at: usize,
}

/// The trials of past tasks on this architecture; where there are none, on the one most similar to it that past
/// tasks have tried; and, of the new task's own trials, if they count, the one on the most similar architecture.
/// `x` is the architecture's encoding, `(d,)`; `own` the new task's column in the table.
pub(crate) fn evidence(
    history: &SpaceHistory,
    past: &[usize],
    own: Option<usize>,
    architecture: &Architecture,
    x: ArrayView1<'_, f64>,
) -> Evidence {
    let mut found = of_past(history, past, architecture, x);
    if let Some(own) = own
        && let Some(row) = nearest_row(history, &[own], x)
    {
        let cited = of_row(history, &[own], row);
        found.trials.splice(0..0, ids(history, &cited));
        found.why =
            format!("{}; {}", describe(history, &cited, "the most similar one tried here"), found.why);
    }
    found
}

fn of_past(
    history: &SpaceHistory,
    past: &[usize],
    architecture: &Architecture,
    x: ArrayView1<'_, f64>,
) -> Evidence {
    let table = history.table();
    let same = table.row(architecture).map(|row| of_row(history, past, row)).unwrap_or_default();
    let (cited, of) = if same.is_empty() {
        let nearest = nearest_row(history, past, x);
        (nearest.map(|row| of_row(history, past, row)).unwrap_or_default(), "the most similar one")
    } else {
        (same, "this architecture")
    };
    Evidence { why: describe(history, &cited, of), trials: ids(history, &cited) }
}

/// Trials of past tasks on one row of the table, best normalised score first.
fn of_row(history: &SpaceHistory, past: &[usize], row: usize) -> Vec<Cited> {
    let tasks = history.table().tasks();
    let found = past.iter().filter_map(|task| tasks[*task].position(row).map(|at| Cited { task: *task, at }));
    let mut cited: Vec<Cited> = found.collect();
    let z = |cited: &Cited| tasks[cited.task].z[cited.at];
    cited.sort_by(|a, b| z(b).total_cmp(&z(a)));
    cited.truncate(CITED);
    cited
}

/// The row of the table closest to an encoding, among those that past tasks have tried.
fn nearest_row(history: &SpaceHistory, past: &[usize], x: ArrayView1<'_, f64>) -> Option<usize> {
    let table = history.table();
    let mut tried = vec![false; table.architectures().len()];
    for row in past.iter().flat_map(|task| &table.tasks()[*task].rows) {
        tried[*row] = true;
    }
    let distance = |row: &usize| {
        let other = table.x().row(*row);
        other.iter().zip(x).map(|(a, b)| (a - b).powi(2)).sum::<f64>()
    };
    let rows = (0..tried.len()).filter(|row| tried[*row]);
    rows.map(|row| (distance(&row), row)).min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, row)| row)
}

fn ids(history: &SpaceHistory, cited: &[Cited]) -> Vec<TrialId> {
    cited.iter().map(|cited| history.origin(history.table().tasks()[cited.task].trials[cited.at])).collect()
}

/// `this architecture: better than 99 % on cora, 97 % on cs, 3 more`.
fn describe(history: &SpaceHistory, cited: &[Cited], of: &str) -> String {
    if cited.is_empty() {
        return "no past task has tried its like".into();
    }
    let tasks = history.table().tasks();
    let shown = cited.iter().take(3).map(|cited| {
        let scores = &tasks[cited.task];
        let beats = heirloom_predictor::percentile(scores.z[cited.at]);
        let short = if scores.carried[cited.at] { " by a short trial" } else { "" };
        format!("{:.0} % on {}{short}", 100.0 * beats, scores.task)
    });
    let mut words = shown.collect::<Vec<_>>().join(", ");
    if cited.len() > 3 {
        words.push_str(&format!(", {} more", cited.len() - 3));
    }
    format!("{of}: better than {words}")
}
