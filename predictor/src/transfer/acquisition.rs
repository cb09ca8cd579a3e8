//! `Acquisition`: what makes a candidate worth the next trial.

use ndarray::Array1;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};

use super::draw::Draw;
use super::features::Features;
use super::{Posterior, Seen};

/// Rows of which acquisitions are worked out at a time.
const ROWS: usize = 4_096;

/// What makes a candidate worth the next trial: `{"kind":"ei"}`, `{"kind":"ucb","beta":2}`, `{"kind":"thompson"}` in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", deny_unknown_fields)]
pub enum Acquisition {
    /// The largest expected improvement in raw score over the best so far.
    #[default]
    #[serde(rename = "ei")]
    ExpectedImprovement,
    /// The largest mean plus `beta` standard deviations of the normalised score.
    ///
    /// *Source*: Srinivas, Krause, Kakade, Seeger, "Gaussian process optimization in the bandit setting" (arXiv:0912.3995),
    /// equation 6, where the deviation's factor is the root of their beta.
    #[serde(rename = "ucb")]
    UpperConfidenceBound {
        /// Standard deviations that doubt is worth, 0 or more.
        #[serde(default = "usual_beta")]
        beta: f64,
    },
    /// The best of one function drawn from what is believed, another for each trial.
    ///
    /// *Source*: Thompson, "On the likelihood that one unknown probability exceeds another", 1933.
    #[serde(rename = "thompson")]
    Thompson,
}

/// What is taken where no `beta` is given.
pub const USUAL_BETA: f64 = 2.0;

fn usual_beta() -> f64 {
    USUAL_BETA
}

impl Acquisition {
    /// The names in JSON and on the command line.
    pub const NAMES: [&'static str; 3] = ["ei", "ucb", "thompson"];

    /// The acquisition of a name, `beta` of [`USUAL_BETA`] unless given.
    #[must_use]
    pub fn named(name: &str, beta: Option<f64>) -> Option<Self> {
        match name {
            "ei" => Some(Acquisition::ExpectedImprovement),
            "ucb" => Some(Acquisition::UpperConfidenceBound { beta: beta.unwrap_or(USUAL_BETA) }),
            "thompson" => Some(Acquisition::Thompson),
            _ => None,
        }
    }

    /// The name in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Acquisition::ExpectedImprovement => "ei",
            Acquisition::UpperConfidenceBound { .. } => "ucb",
            Acquisition::Thompson => "thompson",
        }
    }
}

impl Posterior {
    /// What each architecture is worth to an acquisition; higher is better. The same seed draws the same function, whatever
    /// architectures it is asked of.
    ///
    /// # Shapes
    /// `(n,)` for `n` architectures.
    #[must_use]
    pub fn worth(&self, seen: &Seen, acquisition: Acquisition, seed: u64) -> Vec<f64> {
        let all: Vec<usize> = (0..seen.features.len()).collect();
        self.worth_of(seen, &all, acquisition, seed)
    }

    /// The candidates among `open` that an acquisition is for, best first: position in the pool and worth. Expected
    /// improvements are worked out for the most promising only, see [`Posterior::improvements`]; the others for all.
    #[must_use]
    pub fn ranked(
        &self,
        seen: &Seen,
        open: &[usize],
        acquisition: Acquisition,
        seed: u64,
    ) -> Vec<(usize, f64)> {
        if acquisition == Acquisition::ExpectedImprovement {
            return self.improvements(seen, open);
        }
        let worth = self.worth_of(seen, open, acquisition, seed);
        let mut ranked: Vec<(usize, f64)> = open.iter().copied().zip(worth).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    }

    fn worth_of(&self, seen: &Seen, rows: &[usize], acquisition: Acquisition, seed: u64) -> Vec<f64> {
        let in_parts = |worth: &dyn Fn(&Features) -> Array1<f64>| -> Vec<f64> {
            rows.chunks(ROWS).flat_map(|rows| worth(&seen.features.select(rows))).collect()
        };
        match acquisition {
            Acquisition::ExpectedImprovement => self.improvement(&seen.features.select(rows)),
            Acquisition::UpperConfidenceBound { beta } => in_parts(&|features| {
                let expected = self.predict(features, false);
                expected.mean + expected.std * beta
            }),
            Acquisition::Thompson => {
                let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
                let mut left = rng.gen_range(0.0..1.0);
                let believed = self.readings.iter().find(|(belief, _)| {
                    left -= belief;
                    left < 0.0
                });
                let Some((_, reading)) = believed.or(self.readings.last()) else {
                    return vec![0.0; rows.len()];
                };
                let draw = Draw::new(reading, &mut rng);
                in_parts(&|features| draw.at(features))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_json_go_both_ways() {
        for name in Acquisition::NAMES {
            let acquisition = Acquisition::named(name, None).unwrap();
            let json = serde_json::to_string(&acquisition).unwrap();
            assert!(json.starts_with(&format!(r#"{{"kind":"{name}""#)), "{json}");
            assert_eq!(serde_json::from_str::<Acquisition>(&json).unwrap(), acquisition);
            assert_eq!(acquisition.as_str(), name);
        }
        let usual: Acquisition = serde_json::from_str(r#"{"kind":"ucb"}"#).unwrap();
        assert_eq!(usual, Acquisition::UpperConfidenceBound { beta: USUAL_BETA });
        assert_eq!(Acquisition::named("pi", None), None);
    }
}
