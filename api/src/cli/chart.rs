//! Pictures, as SVG.

use anyhow::anyhow;
use heirloom_search::benchmark::BenchmarkReport;
use plotters::prelude::*;

const SIZE: (u32, u32) = (800, 500);
/// Told apart also without colour vision (Okabe and Ito, 2008).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Regret over the number of trials, which doubles from mark to mark; one line a method with its 95 % interval.
pub(super) fn regret_curves(report: &BenchmarkReport) -> anyhow::Result<String> {
    let mut svg = String::new();
    draw(report, &mut svg).map_err(|error| anyhow!("cannot draw the curves: {error}"))?;
    Ok(svg)
}

fn draw(report: &BenchmarkReport, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let points = || report.methods.iter().flat_map(|method| &method.curve);
    let last = points().map(|point| point.trials).max().unwrap_or(1).max(2) as f64;
    let high = points().map(|point| point.regret + point.regret_half_width).fold(0.1, f64::max);
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(60)
        .caption(format!("Regret on {}", report.setup.space), ("sans-serif", 20))
        .build_cartesian_2d((1.0..last).log_scale(), 0.0..high * 1.05)?;
    chart
        .configure_mesh()
        .x_desc("trials of the new task")
        .y_desc("normalised regret")
        .y_label_formatter(&|regret| format!("{regret:.2}"))
        .light_line_style(WHITE)
        .draw()?;
    for (method, colour) in report.methods.iter().zip(COLOURS.iter().cycle()) {
        let line = method.curve.iter().map(|point| (point.trials as f64, point.regret));
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)).point_size(3))?
            .label(method.method.as_str())
            .legend(|(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        let bars = method.curve.iter().map(|point| {
            let (lo, hi) = (point.regret - point.regret_half_width, point.regret + point.regret_half_width);
            ErrorBar::new_vertical(point.trials as f64, lo.max(0.0), point.regret, hi, colour.filled(), 6)
        });
        chart.draw_series(bars)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
