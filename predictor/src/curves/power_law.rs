//! A power law through one curve.

/// Points from which on a law of three unknowns is worth fitting.
const LEAST_POINTS: usize = 4;

/// Exponents that are tried: slow to fast, evenly on a logarithmic scale.
const EXPONENTS: [f64; 9] = [0.1, 0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0];

/// The score at `step` of the law `c - a t^-b` that fits the points best: for each `b` of a grid the least squares in `c`
/// and `a`. Absent with fewer than four points, or when no rising law (`a > 0`) fits.
///
/// *Source*: Domhan, Springenberg, Hutter, "Speeding up automatic hyperparameter optimization of deep neural networks by
/// extrapolation of learning curves", IJCAI 2015 (the curve pow3).
pub(super) fn extrapolate(points: &[(f64, f64)], step: f64) -> Option<f64> {
    if points.len() < LEAST_POINTS || points.iter().any(|point| point.0 <= 0.0) {
        return None;
    }
    let mut best: Option<(f64, f64)> = None;
    for exponent in EXPONENTS {
        let (error, level, fall) = fit(points, exponent);
        if fall > 0.0 && best.is_none_or(|(least, _)| error < least) {
            best = Some((error, level - fall * step.powf(-exponent)));
        }
    }
    best.map(|(_, end)| end)
}

/// Squared error, level `c` and fall `a` of the best law with this exponent.
fn fit(points: &[(f64, f64)], exponent: f64) -> (f64, f64, f64) {
    let n = points.len() as f64;
    let x = |point: &(f64, f64)| point.0.powf(-exponent);
    let mean_x = points.iter().map(x).sum::<f64>() / n;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / n;
    let variance: f64 = points.iter().map(|point| (x(point) - mean_x).powi(2)).sum();
    let covariance: f64 = points.iter().map(|point| (x(point) - mean_x) * (point.1 - mean_y)).sum();
    let slope = if variance > 0.0 { covariance / variance } else { 0.0 };
    let level = mean_y - slope * mean_x;
    let error = points.iter().map(|point| (point.1 - level - slope * x(point)).powi(2)).sum();
    (error, level, -slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_again() {
        let law = |step: f64| 0.9 - 0.6 * step.powf(-0.5);
        let points: Vec<(f64, f64)> = (1..=8).map(|step| (f64::from(step), law(f64::from(step)))).collect();
        assert!((extrapolate(&points, 100.0).unwrap() - law(100.0)).abs() < 1e-9);
        assert!(extrapolate(&points[..3], 100.0).is_none());
        let falling: Vec<(f64, f64)> = points.iter().map(|(step, score)| (*step, -score)).collect();
        assert!(extrapolate(&falling, 100.0).is_none());
    }
}
