//! Progress bars, which show on a terminal alone.

use std::time::Duration;

use heirloom_search::train::EpochReport;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar over `length` steps; a spinner where the length is not known. Nothing shows when standard error is no terminal.
pub(super) fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.set_style(ProgressStyle::with_template(template).expect("the templates are checked by a test"));
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// For files: bytes of the whole, and what has come of them.
pub(super) const BYTES: &str = "{spinner} {msg} {wide_bar} {bytes}/{total_bytes} {eta}";
/// For things that are counted.
pub(super) const COUNT: &str = "{spinner} {msg} {wide_bar} {pos}/{len}";
/// For work of unknown length.
pub(super) const SPIN: &str = "{spinner} {msg} {elapsed}";

/// Says something above a bar; where there is no terminal the bar shows nothing, and a log needs it all the more.
pub(super) fn announce(bar: &ProgressBar, words: &str) {
    if bar.is_hidden() { anstream::eprintln!("{words}") } else { bar.println(words) }
}

/// How an epoch went, for a bar.
pub(super) fn epoch_words(report: &EpochReport) -> String {
    let accuracy = report.validation_accuracy.map(|accuracy| format!(", validation {accuracy:.3}"));
    format!("loss {:.3}{}", report.loss, accuracy.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_sound() {
        for template in [BYTES, COUNT, SPIN] {
            bar(Some(3), template).finish_and_clear();
        }
    }
}
