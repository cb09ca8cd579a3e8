//! How much each column of the encoding counts.

use super::PastTasks;
use crate::{Encoder, Part};

/// Scales of the encoding's columns: parameters count by how much they matter to the past tasks' processes, all together as
/// much as one; descriptors, where there are some, as they are, and the parameters half.
pub(super) fn scales(encoder: &Encoder, past: &PastTasks<'_>) -> Vec<f64> {
    let own = encoder.own_width();
    let parts = Part::of(&encoder.features()[..own]);
    let processes: Vec<_> =
        past.columns.iter().filter_map(|at| past.models.models()[*at].process()).collect();
    let mut relevance = vec![0.0; parts.len()];
    for process in &processes {
        let weights: Vec<f64> = process.kernel().lengths.iter().map(|length| length.powi(-2)).collect();
        let total: f64 = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        relevance.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += weight / total);
    }
    // The weight of two tasks that find all parameters equal.
    let n = processes.len() as f64;
    let halved = if encoder.width() > own { 0.5 } else { 1.0 };
    let share = |sum: f64| halved * ((sum + 2.0) / (n + 2.0)).clamp(0.2, 4.0) / parts.len().max(1) as f64;
    let mut scales = vec![1.0; encoder.width()];
    for (part, relevance) in parts.iter().zip(relevance) {
        let columns = match part {
            Part::Number(column) => *column..column + 1,
            Part::Choice(columns) => columns.clone(),
        };
        scales[columns].fill(share(relevance).sqrt());
    }
    scales
}
