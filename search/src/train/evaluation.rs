//! `Evaluation`: how predictions compare with what examples are said to be.

use std::collections::BTreeSet;

use ndarray::ArrayView2;
use serde::Serialize;

/// Probabilities below this count as this, as in scikit-learn: none is so sure that it is infinitely wrong.
const LEAST: f64 = f64::EPSILON;

/// How predictions compare with labels. A label that is no class of the network is always predicted wrongly; in means over classes it
/// has no part of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Examples with a label, over which all else is taken.
    pub labelled: usize,
    /// The share that is predicted rightly.
    pub accuracy: f64,
    /// The mean over classes that are among the labels of the share of theirs that is predicted rightly.
    pub balanced_accuracy: f64,
    /// The mean over classes that are among labels or predictions of the harmonic mean of precision and recall.
    pub macro_f1: f64,
    /// The mean of minus the natural logarithm of the probability of the label, in nats, over labels that are classes; absent without any.
    pub log_loss: Option<f64>,
    /// How often which label was predicted as which class.
    pub confusion: Confusion,
}

/// A confusion matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// The labels, a row each: the network's classes, then labels that are none.
    pub labels: Vec<String>,
    /// The predicted classes, a column each.
    pub predicted: Vec<String>,
    /// Examples, by label and then by predicted class.
    pub counts: Vec<Vec<usize>>,
}

impl Evaluation {
    /// Of probabilities of these classes, and labels that may be missing; `None` where all are.
    ///
    /// # Shapes
    /// `probabilities` is `(n, classes)`, `labels` is `(n,)`.
    ///
    /// *Source*: the definitions are those of scikit-learn (`balanced_accuracy_score`, `f1_score` with `average="macro"`, `log_loss`).
    #[must_use]
    pub fn new(
        classes: &[String],
        probabilities: ArrayView2<'_, f64>,
        labels: &[Option<String>],
    ) -> Option<Self> {
        let foreign: BTreeSet<&String> =
            labels.iter().flatten().filter(|label| !classes.contains(label)).collect();
        let names: Vec<String> = classes.iter().chain(foreign).cloned().collect();
        let mut counts = vec![vec![0; classes.len()]; names.len()];
        let mut losses = Vec::new();
        for (row, label) in probabilities.rows().into_iter().zip(labels) {
            let Some(label) = label.as_ref().and_then(|label| names.iter().position(|name| name == label))
            else {
                continue;
            };
            counts[label][likeliest(row.iter().copied())] += 1;
            losses.extend(row.get(label).map(|probability| -probability.max(LEAST).ln()));
        }
        let confusion = Confusion { labels: names, predicted: classes.to_vec(), counts };
        let log_loss = (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64);
        confusion.scores().map(|[accuracy, balanced_accuracy, macro_f1]| Evaluation {
            labelled: confusion.total(),
            accuracy,
            balanced_accuracy,
            macro_f1,
            log_loss,
            confusion,
        })
    }
}

impl Confusion {
    /// All examples.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// The accuracy, the balanced accuracy and the macro F1; nothing without examples.
    fn scores(&self) -> Option<[f64; 3]> {
        let of_label: Vec<usize> = self.counts.iter().map(|row| row.iter().sum()).collect();
        let of_class = |class: usize| self.counts.iter().filter_map(|row| row.get(class)).sum::<usize>();
        let right = |class: usize| self.counts[class][class];
        let all: Vec<usize> = (0..self.predicted.len()).collect();
        let total = self.total();
        let recalls =
            all.iter().filter(|at| of_label[**at] > 0).map(|at| right(*at) as f64 / of_label[*at] as f64);
        let met =
            all.iter().map(|at| (right(*at), of_label[*at] + of_class(*at))).filter(|(_, both)| *both > 0);
        let f1 = met.map(|(right, both)| 2.0 * right as f64 / both as f64);
        let right: usize = all.iter().map(|at| right(*at)).sum();
        (total > 0).then(|| [right as f64 / total as f64, mean(recalls), mean(f1)])
    }
}

/// The position of the largest number, of equal ones the first.
#[must_use]
pub fn likeliest(probabilities: impl Iterator<Item = f64>) -> usize {
    let first_of_largest = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    probabilities.enumerate().reduce(first_of_largest).map_or(0, |(at, _)| at)
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0_usize), |(sum, n), value| (sum + value, n + 1));
    sum / n as f64
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};

    use super::*;

    fn names(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn labels(text: &str) -> Vec<Option<String>> {
        text.split(' ').map(|label| (label != "-").then(|| label.to_owned())).collect()
    }

    fn probabilities() -> Array2<f64> {
        array![
            [0.7, 0.2, 0.1],
            [0.2, 0.5, 0.3],
            [0.1, 0.3, 0.6],
            [0.6, 0.3, 0.1],
            [0.3, 0.4, 0.3],
            [0.25, 0.5, 0.25],
            [0.0, 0.0, 1.0]
        ]
    }

    /// `sklearn.metrics` 1.7.2 with y_true = a b c b b c a, y_pred = a b c a b b c; then with a b x b b a and a b c a b c, where means are
    /// `recall_score` over a and b and `f1_score` over a, b and c.
    #[test]
    fn the_figures_are_those_of_scikit_learn() {
        let found =
            Evaluation::new(&names("a b c"), probabilities().view(), &labels("a b c b b c a")).unwrap();
        assert_eq!(found.confusion.counts, [[1, 0, 1], [1, 2, 0], [0, 1, 1]]);
        assert_eq!((found.labelled, found.confusion.total()), (7, 7));
        let close =
            |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found} is not {wanted}");
        close(found.accuracy, 4.0 / 7.0);
        close(found.balanced_accuracy, 0.555_555_555_555_555_5);
        close(found.macro_f1, 0.555_555_555_555_555_5);
        close(found.log_loss.unwrap(), 5.872_979_862_100_258);

        let found =
            Evaluation::new(&names("a b c"), probabilities().view(), &labels("a b x b b - a")).unwrap();
        assert_eq!(
            (found.confusion.labels.clone(), found.confusion.predicted.clone()),
            (names("a b c x"), names("a b c"))
        );
        assert_eq!(found.confusion.counts, [[1, 0, 1], [1, 2, 0], [0, 0, 0], [0, 0, 1]]);
        close(found.accuracy, 0.5);
        close(found.balanced_accuracy, 0.583_333_333_333_333_3);
        close(found.macro_f1, 0.433_333_333_333_333_3);
    }

    #[test]
    fn without_labels_there_is_none() {
        assert_eq!(Evaluation::new(&names("a b c"), probabilities().view(), &vec![None; 7]), None);
        let all_foreign =
            Evaluation::new(&names("a b c"), probabilities().view(), &labels("x x x x x x x")).unwrap();
        assert_eq!((all_foreign.accuracy, all_foreign.log_loss), (0.0, None));
        assert_eq!(likeliest([0.2, 0.4, 0.4].into_iter()), 1);
    }
}
