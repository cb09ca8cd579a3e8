//! `Extrapolation`: stop what is unlikely to beat the best trial.

use heirloom_predictor::{Curve, CurveModel, Forecast, ForecastBasis};
use statrs::distribution::{ContinuousCDF, Normal};

use super::Decision;
use super::rungs::{crossed, levels};

/// A trial is stopped when the probability that it ends above the best finished one is less than this.
const LEAST_CHANCE: f64 = 0.05;

/// Stops a trial when, as past learning curves went on, it is unlikely to end above the best finished trial. Looks at
/// `min`, `min eta`, `min eta^2`, … epochs.
///
/// *Source*: Domhan, Springenberg, Hutter, IJCAI 2015: stop when `P(final > best) < 0.05`.
pub struct Extrapolation {
    levels: Vec<u32>,
    model: CurveModel,
}

impl Extrapolation {
    /// The rule with a model of past curves.
    #[must_use]
    pub fn new(min: u32, max: u32, eta: u32, model: CurveModel) -> Self {
        Extrapolation { levels: levels(min, max, eta), model }
    }

    /// Decides on a curve, higher is better, whose report before was at `before` epochs (0 for none), beside the task's
    /// other curves and its best finished score.
    pub fn report(&mut self, before: u32, curve: &Curve, own: &[&Curve], best: Option<f64>) -> Decision {
        let step = curve.last().map_or(0, |(step, _)| step as u32);
        if crossed(&self.levels, before, step).is_none() {
            return Decision::go_on("between two looks");
        }
        let Some(best) = best else { return Decision::go_on("no trial is finished yet") };
        let Some(forecast) = self.forecast(curve, own) else { return Decision::go_on("no curve yet") };
        let chance = chance_above(&forecast, best);
        let why = format!(
            "the chance to end above the best trial is {:.1} % {}",
            100.0 * chance,
            match forecast.basis {
                ForecastBasis::PastCurves { curves, tasks } =>
                    format!("by {curves} past curves of {tasks} tasks"),
                ForecastBasis::OwnCurves => "by its own curve, the base having too few".into(),
            }
        );
        Decision::when(chance < LEAST_CHANCE, why)
    }

    /// Where a curve is going to end.
    pub fn forecast(&mut self, curve: &Curve, own: &[&Curve]) -> Option<Forecast> {
        self.model.forecast(curve, own)
    }
}

/// The probability of a final score above `best`.
fn chance_above(forecast: &Forecast, best: f64) -> f64 {
    if forecast.std > 0.0 {
        Normal::standard().sf((best - forecast.mean) / forecast.std)
    } else {
        f64::from(u8::from(forecast.mean > best))
    }
}
