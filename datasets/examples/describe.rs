//! Loads data of one's own and shows what is known of them, with the seconds it took:
//! `cargo run --release -p heirloom-datasets --example describe -- PATH…`
// An example says what it finds.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::time::Instant;

use heirloom_datasets::loaders::{PathOptions, open_path};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        let start = Instant::now();
        let data = open_path(Path::new(&path), &PathOptions::default())?;
        let load_s = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let features = data.meta_features();
        let describe_s = start.elapsed().as_secs_f64();
        let test = data.official_test().map_or(0, <[usize]>::len);
        println!(
            "{}: {} of {:?}, {} classes, {test} in the official test part; loaded in {load_s:.2} s, described in {describe_s:.2} s",
            data.name(),
            data.n(),
            data.shape(),
            data.n_classes()
        );
        features.iter().for_each(|(name, value)| println!("  {name} {value}"));
    }
    Ok(())
}
