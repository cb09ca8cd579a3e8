//! `ScoreShape`: how scores of past tasks lie between their median and their best.

use ndarray::Array1;
use statrs::distribution::{ContinuousCDF, Normal};

use crate::outlying::tamed;
use crate::table::TaskScores;

/// Normalised scores that the shape is tabled at.
const LOWEST: f64 = -3.5;
const HIGHEST: f64 = 5.0;
const STEP: f64 = 0.05;
/// The least rise a unit of normalised score, so that the table can be read both ways.
const LEAST_RISE: f64 = 0.02;
/// Beyond the best score seen, the rise of the last half unit goes on at this share.
const BEYOND: f64 = 0.5;
/// Below this heights count by their logarithm: otherwise one past task in which a training diverged would decide the mean.
const BAD: f64 = -5.0;
/// Normalised scores go on a little below this, however low a score is: what is bad needs no place of its own.
pub(super) const FLOOR: f64 = -3.0;
/// How far below.
const CELLAR: f64 = 0.5;
/// Nor do they go on for ever above this: one score in other units than the rest, or without sense, would outweigh all of them.
const CEILING: f64 = 4.0;
/// How far above.
const ATTIC: f64 = 1.0;
/// Without a history the best architecture is taken to lie so many deviations above the median.
const BEST_DEVIATIONS: f64 = 3.0;
/// Fewer scores than this say nothing about the shape.
const FEW: usize = 10;
/// The square of how far off its place a score usually is.
const USUAL_MISPLACEMENT: f64 = 0.2;

/// The usual course of scores over normalised scores, in units of a task's best minus its median: 0 at the median, 1 at
/// the best. Minus one plus it is minus the regret, which makes it the utility that trials are chosen by; read backwards it
/// places raw scores of a new task, whose median and unit are unknown, on the normalised scale.
#[derive(Clone, Debug)]
pub(crate) struct ScoreShape {
    /// Heights at `LOWEST`, `LOWEST + STEP`, …, strictly rising.
    heights: Vec<f64>,
    /// At the same places: the mean square of how far off them scores of that height are in a task.
    misplacements: Vec<f64>,
}

impl ScoreShape {
    /// The weighted mean shape of tasks; a straight line where none has enough different scores.
    pub(crate) fn of<'a>(tasks: impl Iterator<Item = (f64, &'a TaskScores)>) -> Self {
        let courses = tasks.filter_map(|(weight, task)| Some((weight, Course::of(&task.scores)?)));
        Self::of_courses(&courses.collect::<Vec<_>>())
    }

    fn of_courses(courses: &[(f64, Course)]) -> Self {
        let points = ((HIGHEST - LOWEST) / STEP).round() as usize + 1;
        let mut heights = vec![0.0; points];
        for (weight, course) in courses {
            for (at, height) in heights.iter_mut().enumerate() {
                *height += weight * course.height(z_of(at));
            }
        }
        let total: f64 = courses.iter().map(|(weight, _)| weight).sum();
        for (at, height) in heights.iter_mut().enumerate() {
            *height = if total > 0.0 { *height / total } else { z_of(at) / BEST_DEVIATIONS };
        }
        for at in 1..points {
            heights[at] = heights[at].max(heights[at - 1] + LEAST_RISE * STEP);
        }
        let misplacements = misplacements(&heights, courses);
        ScoreShape { heights, misplacements }
    }

    /// The mean square of how far off its place a score is taken to lie, for tasks have different shapes.
    pub(crate) fn misplacement(&self, z: f64) -> f64 {
        let last = self.misplacements.len() - 1;
        self.misplacements[(((z - LOWEST) / STEP).clamp(0.0, last as f64)).round() as usize]
    }

    /// The height of a normalised score.
    pub(crate) fn height(&self, z: f64) -> f64 {
        let last = self.heights.len() - 1;
        let place = ((z - LOWEST) / STEP).clamp(0.0, last as f64);
        let at = (place as usize).min(last - 1);
        let share = place - at as f64;
        let above = (z - HIGHEST).max(0.0) * self.rise(last - 1);
        self.heights[at] + share * (self.heights[at + 1] - self.heights[at]) + above
    }

    /// The normalised score of a height, and the height's rise there.
    pub(crate) fn place(&self, height: f64) -> (f64, f64) {
        let last = self.heights.len() - 1;
        let above = self.heights.partition_point(|other| *other < height).clamp(1, last);
        let (lo, hi) = (self.heights[above - 1], self.heights[above]);
        let z = z_of(above - 1) + STEP * (height - lo) / (hi - lo);
        let rise = self.rise(above - 1);
        if z < FLOOR {
            self.beyond(height, FLOOR, -CELLAR)
        } else if z > CEILING {
            self.beyond(height, CEILING, ATTIC)
        } else {
            (z, rise)
        }
    }

    /// The place of a height beyond that of an end, up to so far beyond it, and the rise there: one to one, so that densities stay
    /// densities. Were all places beyond an end the same, scores would be likeliest all together there.
    fn beyond(&self, height: f64, end: f64, room: f64) -> (f64, f64) {
        let at = ((end - LOWEST) / STEP).round() as usize;
        let rise = self.rise(at);
        let depth = ((height - self.heights[at]) / (room * rise)).max(0.0);
        (end + room * depth / (1.0 + depth), rise * (1.0 + depth).powi(2))
    }

    fn rise(&self, at: usize) -> f64 {
        (self.heights[at + 1] - self.heights[at]) / STEP
    }

    /// `E[max(height(f) - floor, 0)]` for `f ~ N(mean, std^2)`; `E[height(f)]` without a floor.
    pub(crate) fn expected_gain(&self, mean: f64, std: f64, floor: Option<f64>) -> f64 {
        let gain = |node: f64| {
            let height = self.height(mean + std * node);
            floor.map_or(height, |floor| (height - floor).max(0.0))
        };
        NODES.iter().map(|(node, weight)| weight * gain(*node)).sum()
    }
}

/// Standard normal nodes and their probabilities, dense towards the top, where improvement lies.
static NODES: std::sync::LazyLock<Vec<(f64, f64)>> = std::sync::LazyLock::new(|| {
    let normal = Normal::standard();
    let cuts: Vec<f64> = (0..=18).map(|at| -3.5 + f64::from(at) * 0.4).collect();
    let cells = cuts.windows(2).map(|pair| {
        let probability = normal.cdf(pair[1]) - normal.cdf(pair[0]);
        (f64::midpoint(pair[0], pair[1]), probability)
    });
    cells.collect()
});

fn z_of(at: usize) -> f64 {
    LOWEST + STEP * at as f64
}

/// At each point of a shape the mean square, over tasks, of the distance to where a task has a score of that height. Tasks that
/// went into the shape are nearer to it than a new one; what a shape of one or two tasks misses is not seen at all, so a
/// usual distance counts as one task more.
fn misplacements(heights: &[f64], courses: &[(f64, Course)]) -> Vec<f64> {
    let total: f64 = courses.iter().map(|(weight, _)| weight).sum();
    let squares: f64 = courses.iter().map(|(weight, _)| weight * weight).sum();
    // As many tasks of equal weight as say as much.
    let n = if squares > 0.0 { total * total / squares } else { 0.0 };
    let left_out = if n > 1.0 { (n / (n - 1.0)).powi(2) } else { 1.0 };
    let at = |(at, height): (usize, &f64)| {
        let off = |course: &Course| (course.z_of_height(*height, z_of(at)) - z_of(at)).powi(2);
        let seen: f64 = courses.iter().map(|(weight, course)| weight * off(course)).sum();
        let seen = if total > 0.0 { n * left_out * seen / total } else { 0.0 };
        (seen + USUAL_MISPLACEMENT) / (n + 1.0)
    };
    heights.iter().enumerate().map(at).collect()
}

/// The course of one task's scores.
struct Course {
    /// Scores that were measured, ascending, what may be an error tamed.
    sorted: Vec<f64>,
    median: f64,
    unit: f64,
    /// The normalised score of the best.
    top: f64,
}

impl Course {
    fn of(scores: &[Option<f64>]) -> Option<Course> {
        let sorted = tamed(scores);
        let (median, unit) = median_and_unit_of(&sorted)?;
        let n = sorted.len() as f64;
        let top = Normal::standard().inverse_cdf((n - 0.5) / n);
        (sorted.len() >= FEW).then_some(Course { sorted, median, unit, top })
    }

    fn height(&self, z: f64) -> f64 {
        let top = self.top;
        let height = if z > top {
            let before = self.quantile(top - 0.5);
            1.0 + BEYOND * (z - top) * (1.0 - before) / 0.5
        } else if z < -top {
            let (bottom, after) = (self.quantile(-top), self.quantile(0.5 - top));
            bottom + BEYOND * (z + top) * (after - bottom) / 0.5
        } else {
            self.quantile(z)
        };
        if height < BAD { BAD * (1.0 + (height / BAD).ln()) } else { height }
    }

    /// Where the task has a score of a height; `z` itself where both lie beyond all that it has.
    fn z_of_height(&self, height: f64, z: f64) -> f64 {
        let score = self.median + self.unit * height;
        let below = self.sorted.partition_point(|other| *other < score);
        let to = self.sorted.partition_point(|other| *other <= score);
        if to == 0 {
            z.min(-self.top)
        } else if below == self.sorted.len() {
            z.max(self.top)
        } else if below == to {
            self.place(below as f64)
        } else {
            // Among equals the nearest to what is asked for counts.
            z.clamp(self.place(below as f64 + 0.5), self.place(to as f64 - 0.5))
        }
    }

    /// The normalised score of who has so many scores below.
    fn place(&self, rank: f64) -> f64 {
        let n = self.sorted.len() as f64;
        Normal::standard().inverse_cdf((rank / n).clamp(0.5 / n, 1.0 - 0.5 / n))
    }

    fn quantile(&self, z: f64) -> f64 {
        let last = self.sorted.len() - 1;
        let place = (Normal::standard().cdf(z) * self.sorted.len() as f64 - 0.5).clamp(0.0, last as f64);
        let at = (place as usize).min(last.saturating_sub(1));
        let next = (at + 1).min(last);
        let score = self.sorted[at] + (place - at as f64) * (self.sorted[next] - self.sorted[at]);
        (score - self.median) / self.unit
    }
}

/// The median of the measured scores and the best minus it, what may be an error tamed; `None` where that is nothing.
pub(crate) fn median_and_unit(scores: &[Option<f64>]) -> Option<(f64, f64)> {
    median_and_unit_of(&tamed(scores))
}

fn median_and_unit_of(sorted: &[f64]) -> Option<(f64, f64)> {
    let (best, median) = (*sorted.last()?, sorted[sorted.len() / 2]);
    (best > median).then_some((median, best - median))
}

/// Where raw scores of a new task lie: its median and the unit above it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Scale {
    pub(crate) median: f64,
    pub(crate) unit: f64,
}

/// Raw scores on the normalised scale, and how likely they are there.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) z: Array1<f64>,
    /// Log density of the raw scores.
    pub(crate) log_density: f64,
    pub(crate) scale: Scale,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of tasks of equal weight with 100 scores each, of which the `power`-th root rises evenly.
    fn of_powers(powers: [i32; 4]) -> ScoreShape {
        let course = |power: i32| {
            let scores: Vec<_> = (0..100).map(|at| Some((f64::from(at) / 99.0).powi(power))).collect();
            (0.25, Course::of(&scores).unwrap())
        };
        ScoreShape::of_courses(&powers.map(course))
    }

    #[test]
    fn tasks_of_one_shape_leave_the_usual_doubt_and_tasks_of_different_shapes_more() {
        let shape = of_powers([1; 4]);
        for z in [-1.5, 0.0, 1.0, 2.0] {
            let doubt = shape.misplacement(z);
            assert!(doubt < 1.3 * USUAL_MISPLACEMENT / 5.0, "{z}: {doubt}");
        }
        assert!((straight().misplacement(1.0) - USUAL_MISPLACEMENT).abs() < 1e-12);
        let shape = of_powers([1, 1, 9, 9]);
        // Half way up, one kind of task has 3 in 4 scores below, the other nearly all.
        let (z, _) = shape.place(0.5);
        assert!(shape.misplacement(z) > 5.0 * USUAL_MISPLACEMENT / 5.0, "{z}: {}", shape.misplacement(z));
    }

    fn straight() -> ScoreShape {
        ScoreShape::of(std::iter::empty())
    }

    #[test]
    fn reads_both_ways() {
        let shape = straight();
        for z in [-3.0, -0.77, 0.0, 1.234, 3.9] {
            assert!((shape.place(shape.height(z)).0 - z).abs() < 1e-9, "{z}");
        }
        assert!((shape.height(3.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_bad_has_places_of_its_own_just_below_the_floor() {
        let shape = straight();
        let heights = [-1.0, -1.1, -1.5, -3.0, -100.0, -1e9];
        let places = heights.map(|height| shape.place(height));
        assert!(places.windows(2).all(|pair| pair[1].0 < pair[0].0 && pair[1].1 > pair[0].1), "{places:?}");
        assert!((places[5].0 - FLOOR + CELLAR).abs() < 1e-6, "{places:?}");
        // The rise is that of the height over the place, or densities would be none.
        let step = (shape.place(-1.5 + 1e-6).0 - shape.place(-1.5 - 1e-6).0) / 2e-6;
        assert!((step * shape.place(-1.5).1 - 1.0).abs() < 1e-3, "{step}");
    }

    #[test]
    fn what_is_beyond_all_experience_has_places_of_its_own_above_the_ceiling() {
        let shape = straight();
        let heights = [1.2, 1.34, 1.5, 3.0, 100.0, 1e9];
        let places = heights.map(|height| shape.place(height));
        assert!(
            places[1..].windows(2).all(|pair| pair[1].0 > pair[0].0 && pair[1].1 > pair[0].1),
            "{places:?}"
        );
        assert!(
            (places[0].0 - 3.6).abs() < 1e-9 && (places[5].0 - CEILING - ATTIC).abs() < 1e-6,
            "{places:?}"
        );
        let step = (shape.place(3.0 + 1e-6).0 - shape.place(3.0 - 1e-6).0) / 2e-6;
        assert!((step * shape.place(3.0).1 - 1.0).abs() < 1e-3, "{step}");
    }

    #[test]
    fn gains_are_those_of_the_normal_distribution() {
        let shape = straight();
        assert!((shape.expected_gain(0.6, 0.5, None) - 0.2).abs() < 2e-3);
        // Expected improvement of N(0, 1) over 1 is 0.0833; heights are a third of that.
        assert!((shape.expected_gain(0.0, 1.0, Some(1.0 / 3.0)) - 0.0833 / 3.0).abs() < 2e-3);
    }

    #[test]
    fn median_and_unit_need_two_different_scores() {
        assert_eq!(
            median_and_unit(&[Some(0.2), None, Some(0.4), Some(0.3)]),
            Some((0.3, 0.1_f64.mul_add(1.0, 0.4 - 0.3 - 0.1)))
        );
        assert_eq!(median_and_unit(&[Some(0.5); 4]), None);
        assert_eq!(median_and_unit(&[None]), None);
    }
}
