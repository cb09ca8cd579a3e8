//! Other people's histories, as batches for a base.

mod nas_bench_graph;
mod numpy_floats;

pub use nas_bench_graph::{NasBenchGraph, is_nas_bench_graph};
