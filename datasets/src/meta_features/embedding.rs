//! A fixed random embedding: what random features see in a sample.

use ndarray::ArrayView1;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use super::pool::pool;
use super::sample::Sample;

/// The seed of the filters: part of what the numbers mean.
const SEED: u64 = 17;
/// Filters; each gives two numbers.
const FILTERS: usize = 8;
/// Pixels a side that images are brought to, and the side of a filter.
const SIDE: usize = 16;
const FILTER_SIDE: usize = 5;
/// Values that series are brought to, the length of a filter and how far apart its values are laid.
const LENGTH: usize = 128;
const FILTER_LENGTH: usize = 9;
const DILATIONS: [usize; 4] = [1, 2, 4, 8];
/// Quantiles that a column of a table is described by.
const QUANTILES: usize = 8;

/// Means of the eight features over examples (over columns of a table), then their standard deviations; nothing where
/// nothing varies.
///
/// Of an image (or spectrogram): random filters of 5 x 5 over its grey values at 16 x 16, rectified, averaged over all places.
/// Of a series: filters of nine values, laid 1, 2, 4 or 8 apart, over 128 values. The values of all examples are brought to
/// mean 0 and deviation 1 beforehand. Of a column of a table: random projections of eight quantiles of its standardised values
/// and of the share of its variance that lies between classes.
///
/// *Source*: for series, Dempster, Petitjean, Webb, "ROCKET", Data Mining and Knowledge Discovery 34, 2020.
pub(super) fn embedding(sample: &Sample) -> Vec<f64> {
    let features = match *sample.shape {
        [channels, height, width] => {
            let filters = filters(FILTER_SIDE * FILTER_SIDE);
            let examples = examples(sample, [channels, height, width], [SIDE, SIDE]);
            examples.iter().map(|example| image_features(example, &filters)).collect()
        }
        [channels, length] => {
            let filters = filters(FILTER_LENGTH);
            let examples = examples(sample, [channels, 1, length], [1, LENGTH]);
            examples.iter().map(|example| series_features(example, &filters)).collect()
        }
        _ => table_features(sample),
    };
    summary(&features)
}

/// Random filters with mean 0 and length 1, so that they see differences alone.
fn filters(size: usize) -> Vec<Vec<f64>> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(SEED);
    let mut filter = || {
        let weights: Vec<f64> = (0..size).map(|_| rng.gen_range(-1.0..1.0)).collect();
        let mean = weights.iter().sum::<f64>() / size as f64;
        let length = weights.iter().map(|weight| (weight - mean).powi(2)).sum::<f64>().sqrt();
        weights.iter().map(|weight| (weight - mean) / length).collect()
    };
    (0..FILTERS).map(|_| filter()).collect()
}

/// The examples with their channels averaged, on a grid, with mean 0 and deviation 1 over all; none if nothing varies.
fn examples(sample: &Sample, [channels, height, width]: [usize; 3], grid: [usize; 2]) -> Vec<Vec<f64>> {
    let grey = |row: ArrayView1<'_, f32>| {
        let size = height * width;
        let mean =
            |at: usize| (0..channels).map(|channel| row[channel * size + at]).sum::<f32>() / channels as f32;
        let grey: Vec<f32> = (0..size).map(mean).collect();
        pool(&grey, [1, height, width], grid).into_iter().map(f64::from).collect::<Vec<f64>>()
    };
    let mut examples: Vec<Vec<f64>> = sample.raw.rows().into_iter().map(grey).collect();
    let Some((mean, deviation)) = moments(examples.iter().flatten().copied()) else { return Vec::new() };
    examples.iter_mut().flatten().for_each(|value| *value = (*value - mean) / deviation);
    examples
}

/// Mean and standard deviation; `None` where nothing varies.
fn moments(values: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let n = values.clone().count() as f64;
    let mean = values.clone().sum::<f64>() / n;
    let deviation = (values.map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
    (deviation > 1e-7 * mean.abs() && deviation > f64::MIN_POSITIVE).then_some((mean, deviation))
}

fn image_features(image: &[f64], filters: &[Vec<f64>]) -> [f64; FILTERS] {
    let places = SIDE - FILTER_SIDE + 1;
    std::array::from_fn(|at| {
        let mut sum = 0.0;
        for y in 0..places {
            for x in 0..places {
                let lines = filters[at].chunks_exact(FILTER_SIDE).enumerate();
                let seen: f64 = lines
                    .flat_map(|(line, weights)| weights.iter().zip(&image[(y + line) * SIDE + x..]))
                    .map(|(weight, value)| weight * value)
                    .sum();
                sum += seen.max(0.0);
            }
        }
        sum / (places * places) as f64
    })
}

fn series_features(series: &[f64], filters: &[Vec<f64>]) -> [f64; FILTERS] {
    std::array::from_fn(|at| {
        let apart = DILATIONS[at % DILATIONS.len()];
        let places = LENGTH - (FILTER_LENGTH - 1) * apart;
        let seen = |place: usize| -> f64 {
            filters[at]
                .iter()
                .zip(series[place..].iter().step_by(apart))
                .map(|(weight, value)| weight * value)
                .sum()
        };
        (0..places).map(|place| seen(place).max(0.0)).sum::<f64>() / places as f64
    })
}

/// The features of each column that varies.
fn table_features(sample: &Sample) -> Vec<[f64; FILTERS]> {
    let filters = filters(QUANTILES + 1);
    let features = |column: ArrayView1<'_, f32>| {
        let values: Vec<f64> = column.iter().map(|value| f64::from(*value)).collect();
        let (mean, deviation) = moments(values.iter().copied())?;
        let scaled: Vec<f64> = values.iter().map(|value| (value - mean) / deviation).collect();
        let mut sorted = scaled.clone();
        sorted.sort_by(f64::total_cmp);
        let quantile = |at: usize| sorted[(2 * at + 1) * (sorted.len() - 1) / (2 * QUANTILES)];
        let mut described: Vec<f64> = (0..QUANTILES).map(quantile).collect();
        described.push(between_classes(&scaled, &sample.train_y, sample.n_classes));
        let seen = |filter: &Vec<f64>| {
            filter.iter().zip(&described).map(|(weight, value)| weight * value).sum::<f64>()
        };
        Some(std::array::from_fn(|at| seen(&filters[at]).max(0.0)))
    };
    sample.raw.columns().into_iter().filter_map(features).collect()
}

/// The share of a standardised column's variance that lies between the classes.
fn between_classes(values: &[f64], y: &[usize], n_classes: usize) -> f64 {
    let (mut sums, mut counts) = (vec![0.0; n_classes], vec![0.0_f64; n_classes]);
    for (value, class) in values.iter().zip(y) {
        sums[*class] += value;
        counts[*class] += 1.0;
    }
    let squares = sums.iter().zip(&counts).map(|(sum, count): (&f64, &f64)| sum * sum / count.max(1.0));
    squares.sum::<f64>() / values.len() as f64
}

fn summary(features: &[[f64; FILTERS]]) -> Vec<f64> {
    if features.is_empty() {
        return Vec::new();
    }
    let n = features.len() as f64;
    let mean = |at: usize| features.iter().map(|feature| feature[at]).sum::<f64>() / n;
    let means: Vec<f64> = (0..FILTERS).map(mean).collect();
    let deviation = |at: usize| {
        (features.iter().map(|feature| (feature[at] - means[at]).powi(2)).sum::<f64>() / n).sqrt()
    };
    means.iter().copied().chain((0..FILTERS).map(deviation)).collect()
}

#[cfg(test)]
mod tests {
    use heirloom_kb::Domain;
    use ndarray::Array2;

    use super::*;
    use crate::Dataset;

    fn embed(shape: &[usize], value: impl Fn(usize, usize) -> f32) -> Vec<f64> {
        let x = Array2::from_shape_fn((60, shape.iter().product()), |(row, at)| value(row, at));
        let y = (0..60).map(|row| row % 2).collect();
        let classes = ["a", "b"].map(str::to_owned).to_vec();
        embedding(&Sample::new(&Dataset::new("d", Domain::Image, shape, x, y, classes, "").unwrap()))
    }

    fn distance(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn size_brightness_and_colours_do_not_matter_but_patterns_do() {
        let stripes = |side: usize, width: usize| {
            move |row: usize, at: usize| {
                let x = at % side * 16 / side;
                ((x / width + row) % 2) as f32
            }
        };
        let small = embed(&[1, 16, 16], stripes(16, 4));
        let bright = embed(&[1, 16, 16], |row, at| 3.0 + 9.0 * stripes(16, 4)(row, at));
        let large = embed(&[3, 32, 32], stripes(32, 4));
        let fine = embed(&[1, 16, 16], stripes(16, 1));
        assert_eq!(small.len(), 16);
        assert!(distance(&small, &bright) < 1e-5 && distance(&small, &large) < 1e-5);
        assert!(distance(&small, &fine) > 0.3, "{}", distance(&small, &fine));
    }

    #[test]
    fn the_order_of_columns_does_not_matter_but_what_they_tell_does() {
        let value = |row: usize, at: usize| [row % 2 * 9, row * row % 7, row % 11][at] as f32;
        let table = embed(&[3], value);
        assert!(distance(&table, &embed(&[3], |row, at| value(row, 2 - at))) < 1e-9);
        let telling_less =
            embed(&[3], |row, at| if at == 0 { (row / 2 % 2 * 9) as f32 } else { value(row, at) });
        assert!(distance(&table, &telling_less) > 0.01);
    }

    #[test]
    fn series_of_other_speed_differ_and_nothing_comes_of_nothing() {
        let wave = |speed: f32| move |row: usize, at: usize| ((at as f32 + row as f32) * speed).sin();
        let slow = embed(&[1, 200], wave(0.1));
        assert!(distance(&slow, &embed(&[1, 200], wave(0.9))) > 0.3);
        assert!(embed(&[1, 200], |_, _| 4.0).is_empty());
    }
}
