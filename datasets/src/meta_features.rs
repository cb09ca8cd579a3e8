//! Numbers that describe a data set.

use std::collections::BTreeMap;

use heirloom_kb::{Domain, Name};

use crate::Dataset;

/// Numbers that describe a data set: `n_samples`, `n_features`, `n_classes`; `class_entropy` in nats relative to even
/// classes (1 is balanced) and `majority_frac`; `channels`, `height`, `width` or `length` where they apply; mean and
/// standard deviation of all values.
#[must_use]
pub fn meta_features(dataset: &Dataset) -> BTreeMap<Name, f64> {
    let (n, classes) = (dataset.n() as f64, dataset.n_classes());
    let mut counts = vec![0.0; classes];
    for label in dataset.y() {
        counts[*label] += 1.0;
    }
    let shares = counts.iter().map(|count| count / n);
    let entropy: f64 = shares.clone().filter(|share| *share > 0.0).map(|share| -share * share.ln()).sum();
    let (mean, std) = moments(dataset);
    let mut features = vec![
        ("n_samples", n),
        ("n_features", dataset.x().ncols() as f64),
        ("n_classes", classes as f64),
        ("class_entropy", if classes > 1 { entropy / (classes as f64).ln() } else { 0.0 }),
        ("majority_frac", shares.fold(0.0, f64::max)),
        ("value_mean", mean),
        ("value_std", std),
    ];
    let names: &[&str] = match (dataset.domain(), dataset.shape().len()) {
        (_, 3) => &["channels", "height", "width"],
        (Domain::Audio | Domain::Timeseries, 2) => &["channels", "length"],
        _ => &[],
    };
    features.extend(names.iter().copied().zip(dataset.shape().iter().map(|side| *side as f64)));
    features.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn moments(dataset: &Dataset) -> (f64, f64) {
    let values = || dataset.x().iter().map(|value| f64::from(*value));
    let n = dataset.x().len() as f64;
    let mean = values().sum::<f64>() / n;
    (mean, (values().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_small_table_by_hand() {
        let classes = vec!["a".into(), "b".into()];
        let x = array![[1.0], [1.0], [1.0], [5.0]];
        let data = Dataset::new("d", Domain::Tabular, &[1], x, vec![0, 0, 0, 1], classes, "").unwrap();
        let features = meta_features(&data);
        assert_eq!(features["n_samples"], 4.0);
        assert_eq!(features["majority_frac"], 0.75);
        assert!((features["class_entropy"] - 0.811_278_124_459_132_8).abs() < 1e-12);
        assert_eq!((features["value_mean"], features["value_std"]), (2.0, 3.0_f64.sqrt()));
        assert!(!features.contains_key("height"));
    }
}
