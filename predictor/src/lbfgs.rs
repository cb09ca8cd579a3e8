//! A small quasi-Newton minimiser, for a few dozen settings with gradients.

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 8;
/// The longest move of one coordinate in one step; coordinates are logarithms.
const LONGEST: f64 = 2.0;

/// Minimises by limited-memory BFGS with backtracking (Armijo). `objective` gives the value and the gradient; an infinite
/// value marks a point that cannot be, and is backed away from. The answer is never worse than the start.
///
/// *Source*: Nocedal & Wright, "Numerical Optimization", 2006, algorithms 7.4 and 3.1.
pub(crate) fn minimise(
    start: Vec<f64>,
    iterations: usize,
    mut objective: impl FnMut(&[f64]) -> (f64, Vec<f64>),
) -> Vec<f64> {
    let mut at = start;
    let (mut value, mut gradient) = objective(&at);
    let mut memory: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    for _ in 0..iterations {
        let mut direction = descent(&gradient, &memory);
        let slope = dot(&direction, &gradient);
        if !(value.is_finite() && slope < -1e-9) {
            break;
        }
        let longest = direction.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        let shrink = (LONGEST / longest).min(1.0);
        direction.iter_mut().for_each(|d| *d *= shrink);
        let Some((next, next_value, next_gradient)) =
            back_track(&at, value, slope * shrink, &direction, &mut objective)
        else {
            break;
        };
        let change = difference(&next_gradient, &gradient);
        let step = difference(&next, &at);
        if dot(&step, &change) > 1e-12 {
            if memory.len() == MEMORY {
                memory.remove(0);
            }
            memory.push((step, change));
        }
        let won = value - next_value;
        (at, value, gradient) = (next, next_value, next_gradient);
        if won < 1e-5 * (1.0 + value.abs()) {
            break;
        }
    }
    at
}

/// The first point along the direction that is low enough, halving the step each time.
fn back_track(
    at: &[f64],
    value: f64,
    slope: f64,
    direction: &[f64],
    objective: &mut impl FnMut(&[f64]) -> (f64, Vec<f64>),
) -> Option<(Vec<f64>, f64, Vec<f64>)> {
    (0..20).find_map(|halvings| {
        let length = 0.5_f64.powi(halvings);
        let next: Vec<f64> = at.iter().zip(direction).map(|(at, d)| at + length * d).collect();
        let (next_value, gradient) = objective(&next);
        (next_value <= value + 1e-4 * length * slope).then_some((next, next_value, gradient))
    })
}

/// The two-loop recursion: minus the gradient, scaled by what is known of the curvature.
fn descent(gradient: &[f64], memory: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (step, change) in memory.iter().rev() {
        let share = dot(step, &direction) / dot(step, change);
        add(&mut direction, -share, change);
        shares.push(share);
    }
    let scale = match memory.last() {
        Some((step, change)) => dot(step, change) / dot(change, change),
        None => 1.0 / dot(gradient, gradient).sqrt().max(1.0),
    };
    direction.iter_mut().for_each(|d| *d *= scale);
    for ((step, change), share) in memory.iter().zip(shares.into_iter().rev()) {
        let other = dot(change, &direction) / dot(step, change);
        add(&mut direction, share - other, step);
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn add(to: &mut [f64], times: f64, what: &[f64]) {
    to.iter_mut().zip(what).for_each(|(to, what)| *to += times * what);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_valley_of_rosenbrock() {
        let banana = |p: &[f64]| {
            let (x, y) = (p[0], p[1]);
            let value = (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2);
            (value, vec![-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)])
        };
        let found = minimise(vec![-1.2, 1.0], 200, banana);
        assert!((found[0] - 1.0).abs() < 0.02 && (found[1] - 1.0).abs() < 0.04, "{found:?}");
    }

    #[test]
    fn backs_away_from_what_cannot_be() {
        let wall = |p: &[f64]| if p[0] < 1.0 { (f64::INFINITY, vec![0.0]) } else { (p[0], vec![1.0]) };
        let found = minimise(vec![3.0], 50, wall);
        assert!((1.0..1.5).contains(&found[0]), "{found:?}");
        assert_eq!(minimise(vec![0.0], 50, wall), [0.0]);
    }
}
