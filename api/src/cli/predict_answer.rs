//! What `heirloom predict` answers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use heirloom_datasets::loaders::{NewData, Place};
use heirloom_kb::{Name, Trial, TrialId};
use heirloom_search::train::{Confusion, Evaluation, likeliest};
use ndarray::ArrayView2;
use serde::Serialize;

use super::output::{bold, dim, table};

/// Predictions that are shown as text.
const SHOWN: usize = 10;
/// A matrix of more classes does not fit into a terminal; then the most frequent mistakes are shown.
const MATRIX: usize = 12;
const MISTAKES: usize = 5;

/// What `heirloom predict` answers.
#[derive(Serialize)]
pub(super) struct Answer {
    trial: TrialId,
    task: Name,
    space: Name,
    data: PathBuf,
    /// The file with the predictions, which are not repeated then.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    /// In the order of the probabilities.
    classes: Vec<String>,
    /// How often each was predicted.
    counts: BTreeMap<String, usize>,
    #[serde(skip_serializing_if = "is_written")]
    predictions: Predictions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evaluation: Option<Evaluation>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// One line a row or file.
#[derive(Serialize)]
#[serde(transparent)]
struct Predictions {
    all: Vec<Prediction>,
    #[serde(skip)]
    are_written: bool,
}

fn is_written(predictions: &Predictions) -> bool {
    predictions.are_written
}

/// What is said of a row or file.
#[derive(Serialize)]
struct Prediction {
    #[serde(flatten)]
    place: Place,
    predicted: String,
    probability: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Of all classes, in their order.
    probabilities: Vec<f64>,
}

impl Answer {
    /// Of a trial's network on new data, without an evaluation; `probabilities` is `(n, classes)`.
    pub(super) fn new(
        trial: &Trial,
        path: PathBuf,
        classes: &[String],
        (data, probabilities): (&NewData, ArrayView2<'_, f64>),
    ) -> Self {
        let mut counts: BTreeMap<String, usize> = classes.iter().map(|class| (class.clone(), 0)).collect();
        let rows = data.places().iter().zip(data.labels()).zip(probabilities.rows());
        let all = rows.map(|((place, label), row)| {
            let probabilities = row.to_vec();
            let at = likeliest(row.iter().copied());
            let predicted = classes[at].clone();
            counts.entry(predicted.clone()).and_modify(|n| *n += 1);
            let probability = probabilities[at];
            Prediction { place: place.clone(), predicted, probability, label: label.clone(), probabilities }
        });
        let predictions = Predictions { all: all.collect(), are_written: false };
        let (task, space) = (trial.task.clone(), trial.space.clone());
        Answer {
            trial: trial.id(),
            task,
            space,
            data: path,
            file: None,
            classes: classes.to_vec(),
            counts,
            predictions,
            evaluation: None,
            notes: Vec::new(),
        }
    }

    /// Notes that the predictions stand in a file.
    pub(super) fn written(&mut self, file: PathBuf) {
        (self.file, self.predictions.are_written) = (Some(file), true);
    }

    /// What an example stands in: `row` or `file`.
    fn place_head(&self) -> &'static str {
        match self.predictions.all.first().map(|prediction| &prediction.place) {
            Some(Place::File(_)) => "file",
            _ => "row",
        }
    }

    fn is_labelled(&self) -> bool {
        self.evaluation.is_some()
    }
}

/// The predictions as the bytes of a CSV file.
pub(super) fn csv_of(answer: &Answer) -> anyhow::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let label = answer.is_labelled().then(|| "label".to_owned());
    let head = [answer.place_head(), "predicted", "probability"].map(str::to_owned);
    let of_classes = answer.classes.iter().map(|class| format!("p_{class}"));
    writer.write_record(head.into_iter().chain(label).chain(of_classes))?;
    for prediction in &answer.predictions.all {
        let Prediction { place, predicted, probability, label, probabilities } = prediction;
        let label = answer.is_labelled().then(|| label.clone().unwrap_or_default());
        let cells = [place.to_string(), predicted.clone(), probability.to_string()];
        let of_classes = probabilities.iter().map(ToString::to_string);
        writer.write_record(cells.into_iter().chain(label).chain(of_classes))?;
    }
    Ok(writer.into_inner()?)
}

/// The first predictions, how often which class was predicted, and the evaluation.
pub(super) fn describe(answer: &Answer) -> String {
    let Answer { trial, task, space, data, predictions, file, .. } = answer;
    let n = predictions.all.len();
    let mut lines = vec![format!("{}: trial {trial} of {task}, {space}", bold(&data.display().to_string()))];
    lines.push(first_rows(answer).to_string());
    match file {
        Some(file) => lines.push(dim(&format!("all {n} in {}", file.display()))),
        None if n > SHOWN => lines.push(dim(&format!("and {} more; --to FILE.csv writes all", n - SHOWN))),
        None => {}
    }
    let mut counts: Vec<(&String, &usize)> = answer.counts.iter().filter(|(_, n)| **n > 0).collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    let more = if counts.len() > MATRIX { ", …" } else { "" };
    let counts: Vec<String> =
        counts.into_iter().take(MATRIX).map(|(class, n)| format!("{n} {}", quoted(class))).collect();
    lines.push(format!("\n{n} predicted: {}{more}", counts.join(", ")));
    lines.extend(answer.evaluation.iter().flat_map(evaluated));
    lines.extend(answer.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n").trim_end().to_owned()
}

/// A class beside a count: one that is a number, or of several words, in quotes.
fn quoted(class: &str) -> String {
    let is_plain = class.chars().next().is_some_and(char::is_alphabetic) && !class.contains([' ', ',']);
    if is_plain { class.to_owned() } else { format!("{class:?}") }
}

fn first_rows(answer: &Answer) -> comfy_table::Table {
    let label = answer.is_labelled().then_some("label");
    let head: Vec<&str> =
        [answer.place_head(), "predicted", "probability"].into_iter().chain(label).collect();
    let mut rows = table(&head);
    for prediction in answer.predictions.all.iter().take(SHOWN) {
        let Prediction { place, predicted, probability, label, .. } = prediction;
        let label = answer.is_labelled().then(|| label.clone().unwrap_or_default());
        let cells = [place.to_string(), predicted.clone(), format!("{probability:.4}")];
        rows.add_row(cells.into_iter().chain(label));
    }
    rows
}

/// The evaluation in lines.
fn evaluated(evaluation: &Evaluation) -> Vec<String> {
    let Evaluation { labelled, accuracy, balanced_accuracy, macro_f1, log_loss, confusion } = evaluation;
    let log_loss = log_loss.map_or_else(String::new, |loss| format!(", log loss {loss:.4}"));
    let scores = format!(
        "of {labelled} with labels: accuracy {accuracy:.4}, balanced accuracy {balanced_accuracy:.4}, macro F1 {macro_f1:.4}{log_loss}"
    );
    let shown = if confusion.labels.len() <= MATRIX {
        format!("\n{}\n", matrix(confusion))
    } else {
        mistakes(confusion)
    };
    vec![scores, shown]
}

/// Labels down, predicted classes across.
fn matrix(confusion: &Confusion) -> comfy_table::Table {
    let head: Vec<&str> =
        std::iter::once("label \\ predicted").chain(confusion.predicted.iter().map(String::as_str)).collect();
    let mut rows = table(&head);
    for (label, counts) in confusion.labels.iter().zip(&confusion.counts) {
        rows.add_row(std::iter::once(label.clone()).chain(counts.iter().map(ToString::to_string)));
    }
    rows
}

/// The most frequent mistakes, in a line.
fn mistakes(confusion: &Confusion) -> String {
    let rows = confusion.labels.iter().zip(&confusion.counts);
    let cells = rows.flat_map(|(label, counts)| {
        confusion.predicted.iter().zip(counts).map(move |(predicted, n)| (*n, label, predicted))
    });
    let mut wrong: Vec<(usize, &String, &String)> =
        cells.filter(|(n, label, predicted)| *n > 0 && label != predicted).collect();
    wrong.sort_by_key(|(n, ..)| std::cmp::Reverse(*n));
    let said = wrong
        .iter()
        .take(MISTAKES)
        .map(|(n, label, predicted)| format!("{n} {} as {}", quoted(label), quoted(predicted)));
    match wrong.is_empty() {
        true => "no mistakes".into(),
        false => {
            let said = said.collect::<Vec<_>>().join(", ");
            format!("most frequent mistakes: {said}; --json has the confusion matrix")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(n: usize) -> Confusion {
        let names: Vec<String> = (0..n).map(|at| format!("c{at}")).collect();
        let counts = (0..n)
            .map(|label| (0..n).map(|class| usize::from(label == class) * 9 + label % 2 * class).collect());
        Confusion { labels: names.clone(), predicted: names, counts: counts.collect() }
    }

    #[test]
    fn a_matrix_is_shown_where_it_fits_and_else_the_mistakes() {
        let shown = matrix(&confusion(3)).to_string();
        assert!(shown.starts_with(" label \\ predicted  c0  c1  c2"), "{shown}");
        assert_eq!(
            mistakes(&confusion(4)),
            "most frequent mistakes: 3 c1 as c3, 2 c1 as c2, 2 c3 as c2, 1 c3 as c1; --json has the confusion matrix"
        );
        let mut right = confusion(2);
        right.counts = vec![vec![3, 0], vec![0, 2]];
        assert_eq!(mistakes(&right), "no mistakes");
    }
}
