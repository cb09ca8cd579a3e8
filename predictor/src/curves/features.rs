//! What a partial curve looks like beside its task's other curves.

use super::Curve;

/// Numbers a partial curve is described by.
pub(super) const FEATURES: usize = 7;

/// Own curves after which a task's own spread counts half, the other half being the past tasks'.
const HALF_OWN_SPREAD: f64 = 3.0;

/// A task in quite another unit than the past ones must not be drawn to theirs for long: the logarithm of the most that two
/// values can be drawn, that of `n + 1` values being an `n`-th of it.
const MOST_DRAWN: f64 = std::f64::consts::LN_10;

/// A spread is at least this share of the past tasks', so that a task whose curves agree is still measured in something.
const LEAST_SPREAD: f64 = 0.02;

/// A partial curve in units of its task's spread.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Position among the task's curves at this step, gap to the best seen up to this step, rise over the second half, fall
    /// from the own best, roughness, rise from the start, gap to the best final score.
    pub(super) features: [f64; FEATURES],
    /// The score now, on the task's scale.
    pub(super) now: f64,
    /// The unit, on the task's scale.
    pub(super) scale: f64,
}

impl Look {
    /// The look of a curve up to `step`, beside the `own` curves of its task; absent where the curve does not go as far.
    /// `typical` is the spread of past tasks at this step, `full` where a curve counts as finished.
    pub(super) fn of(curve: &Curve, own: &[&Curve], step: f64, full: f64, typical: f64) -> Option<Look> {
        let now = curve.at(step)?;
        let mut values: Vec<f64> = own.iter().filter_map(|other| other.at(step)).collect();
        values.push(now);
        let best = curve.best(step)?;
        let top = own.iter().filter_map(|other| other.best(step)).fold(best, f64::max);
        let last = own.iter().filter_map(|other| other.at(full)).reduce(f64::max).unwrap_or(now);
        let seen = curve.until(step);
        let first = seen.first()?.1;
        let half = curve.at(step / 2.0).unwrap_or(first);
        let steps: f64 = seen.windows(2).map(|pair| (pair[1].1 - pair[0].1).abs()).sum();
        let rough = steps / (seen.len() - 1).max(1) as f64;
        let scale = shared_spread(&mut values, typical);
        let features =
            [now - quantile(&values, 0.5), top - now, now - half, best - now, rough, now - first, last - now];
        Some(Look { features: features.map(|feature| feature / scale), now, scale })
    }
}

/// Half of what lies between the first and the last tenth in a normal distribution of deviation 1, doubled.
const TENTHS: f64 = 2.563_103;

/// The spread of ordered values as a standard deviation, from their first and last tenth; 0 for fewer than two.
pub(super) fn spread(values: &[f64]) -> f64 {
    if values.len() < 2 { 0.0 } else { (quantile(values, 0.9) - quantile(values, 0.1)) / TENTHS }
}

/// A task's spread, drawn towards what is typical while there are few values; puts them in order.
fn shared_spread(values: &mut [f64], typical: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64 - 1.0;
    let own = spread(values).max(LEAST_SPREAD * typical);
    if n < 1.0 {
        return typical;
    }
    let drawn = (typical / own).ln() * HALF_OWN_SPREAD / (n + HALF_OWN_SPREAD);
    own * drawn.clamp(-MOST_DRAWN / n, MOST_DRAWN / n).exp()
}

/// A quantile of ordered values, linear between them.
pub(super) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * (at - at.floor())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy.quantile([1, 2, 4, 8], [.1, .5, .9]) is [1.3, 3, 6.8].
    #[test]
    fn quantiles_agree_with_numpy() {
        let values = [1.0, 2.0, 4.0, 8.0];
        for (share, want) in [(0.1, 1.3), (0.5, 3.0), (0.9, 6.8)] {
            assert!((quantile(&values, share) - want).abs() < 1e-12);
        }
        assert_eq!(spread(&[3.0]), 0.0);
    }

    #[test]
    fn a_look_does_not_depend_on_the_tasks_unit() {
        let curve = |scale: f64, rise: f64| {
            Curve::new((1..=8).map(|step| (f64::from(step), scale * rise * f64::from(step))).collect())
        };
        let look = |scale: f64| {
            let own = [curve(scale, 0.5), curve(scale, 2.0), curve(scale, 3.0)];
            let own: Vec<&Curve> = own.iter().collect();
            Look::of(&curve(scale, 1.0), &own, 4.0, 8.0, scale).unwrap()
        };
        let (one, hundred) = (look(1.0), look(100.0));
        assert!((hundred.scale / one.scale - 100.0).abs() < 1e-9);
        for (a, b) in one.features.iter().zip(&hundred.features) {
            assert!((a - b).abs() < 1e-9);
        }
        // The others stand at 2, 8 and 12, the curve at 4: the middle is 6.
        assert!((one.features[0] * one.scale + 2.0).abs() < 1e-9);
        assert!((one.features[6] * one.scale - 20.0).abs() < 1e-9);
        assert!(Look::of(&curve(1.0, 1.0), &[], 9.0, 9.0, 1.0).is_none());
    }
}
