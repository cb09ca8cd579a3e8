//! `Standing`: where a score stands among those of a task's own trials.

/// The scores told so far: what they are measured in does not matter, only their order.
#[derive(Default)]
pub(super) struct Standing {
    /// Ascending; failed trials are minus infinity.
    sorted: Vec<f64>,
}

impl Standing {
    pub(super) fn add(&mut self, score: Option<f64>) {
        let score = worth(score);
        let at = self.sorted.partition_point(|other| *other < score);
        self.sorted.insert(at, score);
    }

    /// The share of trials that a score is above, equals counting half: from 0 to 1, 1/2 where nothing is known.
    pub(super) fn of(&self, score: Option<f64>) -> f64 {
        if self.sorted.is_empty() {
            return 0.5;
        }
        let score = worth(score);
        let below = self.sorted.partition_point(|other| *other < score);
        let not_above = self.sorted.partition_point(|other| *other <= score);
        (below + not_above) as f64 / (2 * self.sorted.len()) as f64
    }
}

fn worth(score: Option<f64>) -> f64 {
    score.filter(|score| !score.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standing_is_a_mid_rank() {
        let mut standing = Standing::default();
        assert_eq!(standing.of(Some(3.0)), 0.5);
        [Some(2.0), None, Some(2.0), Some(5.0)].into_iter().for_each(|score| standing.add(score));
        assert_eq!(standing.of(Some(5.0)), 3.5 / 4.0);
        assert_eq!(standing.of(Some(2.0)), 2.0 / 4.0);
        assert_eq!(standing.of(None), 0.5 / 4.0);
        assert_eq!(standing.of(Some(9.0)), 1.0);
        assert_eq!(standing.of(Some(f64::NAN)), standing.of(None));
    }
}
