//! Numbers that describe a data set.

mod embedding;
mod landmarkers;
mod pool;
mod sample;
mod small_tree;
mod statistics;

use std::collections::BTreeMap;

use heirloom_kb::{Domain, Name};

use crate::Dataset;
use sample::Sample;

/// Numbers that describe a data set, all finite.
///
/// Of all examples:
/// - `n_samples`, `n_features`, `n_classes`; `channels`, `height`, `width` or `length` where they apply;
/// - `class_entropy` in nats relative to even classes (1 is balanced), `majority_frac`, `imbalance_ratio` (examples of the
///   largest class to those of the smallest), `samples_per_class`;
/// - `value_mean` and `value_std` of all values.
///
/// Of at most 500 examples of the training part, fixed by a seed (images are shrunk to 32 pixels a side, series to 1,024
/// values, tables to 2,048 columns):
/// - `zero_frac`, `constant_frac` (columns with one value), `skewness_mean` and `kurtosis_mean` (absolute skewness and excess
///   kurtosis, means over columns), `correlation_mean` (absolute, over pairs of columns), `pca_95` (components for 95 % of the
///   variance) and `pca_first_frac` (the share of the first);
/// - `landmark_1nn`, `landmark_linear`, `landmark_stump`, `landmark_tree`: accuracy of the nearest neighbour, of a ridge
///   regression on the classes, and of trees of depth 1 and 4, on at most 500 examples of the validation part;
/// - `embed_00` to `embed_15`: means and standard deviations of eight fixed random features, comparable between images (and
///   spectrograms), between series and between tables.
///
/// What cannot be worked out, such as a landmarker without a validation part, is absent. The test part that
/// [`crate::Splits`] makes with seed 0 is used for sizes, classes and `value_*` alone. Those of a sample are rounded to six
/// digits, for they are compared when a base is told a task again.
///
/// *Sources*: Pfahringer, Bensusan, Giraud-Carrier, "Meta-learning by landmarking various learning algorithms", ICML 2000;
/// Rivolli et al., "Meta-features for meta-learning", Knowledge-Based Systems 240, 2022.
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
    let met = || counts.iter().copied().filter(|count| *count > 0.0);
    let mut features = vec![
        ("n_samples", n),
        ("n_features", dataset.x().ncols() as f64),
        ("n_classes", classes as f64),
        ("class_entropy", if classes > 1 { entropy / (classes as f64).ln() } else { 0.0 }),
        ("majority_frac", shares.fold(0.0, f64::max)),
        ("imbalance_ratio", met().fold(0.0, f64::max) / met().fold(n, f64::min)),
        ("samples_per_class", n / classes as f64),
        ("value_mean", mean),
        ("value_std", std),
    ];
    let names: &[&str] = match (dataset.domain(), dataset.shape().len()) {
        (_, 3) => &["channels", "height", "width"],
        (Domain::Audio | Domain::Timeseries, 2) => &["channels", "length"],
        _ => &[],
    };
    features.extend(names.iter().copied().zip(dataset.shape().iter().map(|side| *side as f64)));
    let mut features: BTreeMap<Name, f64> =
        features.into_iter().map(|(name, value)| (name.into(), value)).collect();
    let sample = Sample::new(dataset);
    let sampled = statistics::statistics(&sample)
        .into_iter()
        .chain(landmarkers::landmarkers(&sample))
        .map(|(name, value)| (name.to_owned(), value))
        .chain((0..).zip(embedding::embedding(&sample)).map(|(at, value)| (format!("embed_{at:02}"), value)));
    features.extend(
        sampled
            .filter(|(_, value)| value.is_finite())
            .map(|(name, value)| (name.as_str().into(), rounded(value))),
    );
    features
}

fn moments(dataset: &Dataset) -> (f64, f64) {
    let values = || dataset.x().iter().map(|value| f64::from(*value));
    let n = dataset.x().len() as f64;
    let mean = values().sum::<f64>() / n;
    (mean, (values().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}

/// Six digits: the last ones may differ between machines.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;
    use crate::loaders;

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
        assert_eq!((features["imbalance_ratio"], features["samples_per_class"]), (3.0, 2.0));
        assert!(!features.contains_key("height"));
    }

    #[test]
    fn the_test_part_changes_nothing_that_is_sampled() {
        let x = Array2::from_shape_fn((60, 4), |(row, column)| ((row * 7 + column * 3) % 11) as f32);
        let other = {
            let mut x = x.clone();
            for row in 40..60 {
                x.row_mut(row).mapv_inplace(|value| 100.0 - value * value);
            }
            x
        };
        let sampled = |x: Array2<f32>| {
            let y = (0..60).map(|row| row % 2).collect();
            let data =
                Dataset::new("d", Domain::Tabular, &[4], x, y, vec!["a".into(), "b".into()], "").unwrap();
            let mut features = data.with_official_test(40..60).meta_features().clone();
            features.retain(|name, _| !name.starts_with("value_"));
            features
        };
        assert_eq!(sampled(x), sampled(other));
    }

    /// What easy and hard data sets look like.
    #[test]
    fn landmarkers_of_real_data() {
        let Some(dir) = std::env::var_os("HEIRLOOM_WHEELS").map(PathBuf::from) else {
            println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
            return;
        };
        let of = |name: &str| loaders::open(name, &dir, false).unwrap().meta_features().clone();
        let (digits, iris) = (of("digits"), of("iris"));
        assert!(digits["landmark_1nn"] > 0.93 && digits["landmark_linear"] > 0.85, "{digits:?}");
        assert!(digits["landmark_stump"] < 0.25 && digits["landmark_tree"] > 0.45, "{digits:?}");
        assert!(iris["landmark_1nn"] > 0.85 && iris["landmark_tree"] > 0.85, "{iris:?}");
        assert!((20.0..40.0).contains(&digits["pca_95"]) && iris["pca_95"] == 2.0, "{digits:?} {iris:?}");
    }

    proptest! {
        #[test]
        fn all_are_finite_and_repeat(
            rows in 1_usize..30, sides in (1_usize..5, 1_usize..9, 1_usize..9), rank in 1_usize..4,
            seed in any::<u32>(), spread in 0_u32..5,
        ) {
            let sides = [sides.0, sides.1, sides.2];
            let shape = &sides[..rank];
            let width: usize = shape.iter().product();
            // With a spread of 0 all values are the same.
            let value = |(row, column): (usize, usize)| {
                let mixed = (row as u32 * 31 + column as u32 * 17).wrapping_mul(seed | 1) >> 7;
                (mixed % (spread + 1)) as f32 * 1e3
            };
            let x = Array2::from_shape_fn((rows, width), value);
            let y = (0..rows).map(|row| (row * row + seed as usize) % 3).collect();
            let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
            let data = Dataset::new("d", Domain::Tabular, shape, x, y, classes, "").unwrap();
            let features = meta_features(&data);
            prop_assert!(features.values().all(|value| value.is_finite()), "{features:?}");
            prop_assert_eq!(meta_features(&data), features);
        }
    }
}
