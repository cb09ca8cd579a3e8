//! The picture of a Pareto front, as SVG.

use anyhow::anyhow;
use heirloom_kb::Name;
use heirloom_search::Recommendation;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

const SIZE: (u32, u32) = (800, 500);
const FRONT: RGBColor = RGBColor(0, 114, 178);
const RANKED: RGBColor = RGBColor(213, 94, 0);

/// Expected score over one cost: the front as a line, the recommended architectures as numbered points with the intervals that
/// hold score and cost with 68 %.
pub(super) fn front_chart(recommendation: &Recommendation, cost: &Name) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw(recommendation, cost, &mut svg).map_err(|error| anyhow!("cannot draw the front: {error}"))?;
    Ok(svg)
}

/// A point of the picture: cost and score, and how far they may be off.
struct Point {
    cost: f64,
    cost_std: f64,
    score: f64,
    score_std: f64,
}

fn draw(
    recommendation: &Recommendation,
    cost: &Name,
    svg: &mut String,
) -> Result<(), Box<dyn std::error::Error>> {
    let ranked: Vec<Point> = recommendation
        .ranked
        .iter()
        .filter_map(|ranked| {
            let (score, score_std) = (ranked.mean, ranked.std);
            let (costs, stds) = (&ranked.expected_costs, &ranked.cost_std);
            Some(Point { cost: *costs.get(cost)?, cost_std: *stds.get(cost)?, score, score_std })
        })
        .collect();
    let mut front: Vec<(f64, f64)> = recommendation
        .front
        .iter()
        .flatten()
        .filter_map(|point| Some((*point.expected_costs.get(cost)?, point.mean)))
        .collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let costs = || front.iter().map(|point| point.0).chain(ranked.iter().map(|point| point.cost));
    let scores = || {
        let of_ranked = ranked.iter().flat_map(|p| [p.score - p.score_std, p.score + p.score_std]);
        front.iter().map(|point| point.1).chain(of_ranked)
    };
    let (left, right) = range(costs());
    let (low, high) = range(scores());
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    builder
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .caption(format!("{} from {}", recommendation.task, recommendation.space), ("sans-serif", 20));
    // A cost that is always positive spans magnitudes.
    if left > 0.0 {
        let chart = builder.build_cartesian_2d((left / 1.1..right * 1.1).log_scale(), low..high)?;
        fill(chart, cost, &front, &ranked)?;
    } else {
        let margin = 0.05 * (right - left);
        let chart = builder.build_cartesian_2d(left - margin..right + margin, low..high)?;
        fill(chart, cost, &front, &ranked)?;
    }
    root.present()?;
    Ok(())
}

/// The least and the most, apart from each other.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (lo, hi) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), v| (lo.min(v), hi.max(v)));
    match (lo.is_finite(), hi > lo) {
        (false, _) => (0.0, 1.0),
        (true, false) => (lo - 0.5 * lo.abs().max(1e-12), lo + 0.5 * lo.abs().max(1e-12)),
        (true, true) => (lo, hi),
    }
}

fn fill<'a, 's: 'a, X>(
    mut chart: ChartContext<'a, SVGBackend<'s>, Cartesian2d<X, plotters::coord::types::RangedCoordf64>>,
    cost: &Name,
    front: &[(f64, f64)],
    ranked: &[Point],
) -> Result<(), Box<dyn std::error::Error>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .x_desc(&**cost)
        .y_desc("expected normalised score")
        .x_label_formatter(&|cost| short(*cost))
        .y_label_formatter(&|score| format!("{score:.2}"))
        .light_line_style(WHITE)
        .draw()?;
    chart
        .draw_series(LineSeries::new(front.iter().copied(), FRONT.stroke_width(2)).point_size(3))?
        .label("expected Pareto front")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], FRONT.stroke_width(2)));
    chart.draw_series(ranked.iter().map(|p| {
        let (lo, hi) = (p.score - p.score_std, p.score + p.score_std);
        ErrorBar::new_vertical(p.cost, lo, p.score, hi, RANKED.filled(), 6)
    }))?;
    chart.draw_series(ranked.iter().filter(|p| p.cost_std > 0.0 && p.cost > p.cost_std).map(|p| {
        PathElement::new([(p.cost - p.cost_std, p.score), (p.cost + p.cost_std, p.score)], RANKED)
    }))?;
    chart
        .draw_series(ranked.iter().enumerate().map(|(at, p)| {
            EmptyElement::at((p.cost, p.score))
                + Circle::new((0, 0), 4, RANKED.filled())
                + Text::new((at + 1).to_string(), (6, -14), ("sans-serif", 13))
        }))?
        .label("recommended")
        .legend(|(x, y)| Circle::new((x + 10, y), 4, RANKED.filled()));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Few digits, whatever the magnitude.
pub(super) fn short(cost: f64) -> String {
    if (0.01..1e4).contains(&cost.abs()) { format!("{cost:.3}") } else { format!("{cost:.2e}") }
}

#[cfg(test)]
mod tests {
    use heirloom_search::{FrontPoint, RankedArchitecture};

    use super::*;

    fn recommendation(costs: &[f64]) -> Recommendation {
        let costs_of = |cost: f64| [(Name::from("latency_s"), cost)].into_iter().collect();
        let ranked = costs.iter().enumerate().map(|(at, cost)| RankedArchitecture {
            architecture: Default::default(),
            mean: at as f64,
            std: 0.5,
            beats_frac: 0.5,
            expected_costs: costs_of(*cost),
            cost_std: costs_of(cost.abs() / 4.0),
            feasible_frac: None,
            evidence: Vec::new(),
            why: String::new(),
        });
        let front = costs.iter().enumerate().map(|(at, cost)| FrontPoint {
            architecture: Default::default(),
            mean: at as f64,
            std: 0.5,
            beats_frac: 0.5,
            expected_costs: costs_of(*cost),
            cost_std: costs_of(0.0),
        });
        Recommendation {
            task: "photo".into(),
            space: "s/1".into(),
            ranked: ranked.collect(),
            history: Vec::new(),
            candidates: costs.len(),
            own_trials: 0,
            trust: None,
            past_correlation: None,
            fidelity: None,
            front: Some(front.collect()),
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_front_is_a_line_and_the_recommended_are_numbered() {
        let svg = front_chart(&recommendation(&[0.001, 0.01, 0.1]), &"latency_s".into()).unwrap();
        for word in ["<svg", "latency_s", "photo from s/1", "expected Pareto front", "recommended"] {
            assert!(svg.contains(word), "{word}");
        }
        // Three points on the front; three recommended, beside the dots of their intervals, and one in the legend.
        let circles =
            |colour: &str| svg.lines().filter(|l| l.starts_with("<circle") && l.contains(colour)).count();
        assert_eq!((circles("#0072B2"), circles("#D55E00")), (3, 3 + 3 + 1), "{svg}");
        assert!(["1", "2", "3"].iter().all(|number| svg.lines().any(|line| line == *number)), "{svg}");
    }

    #[test]
    fn one_point_and_costs_below_zero_are_drawn_too() {
        for costs in [&[0.01][..], &[-1.0, 2.0], &[0.0], &[]] {
            let svg = front_chart(&recommendation(costs), &"latency_s".into()).unwrap();
            assert!(svg.ends_with("</svg>\n"), "{svg}");
            assert!(!svg.contains("NaN"), "{costs:?}");
        }
    }
}
