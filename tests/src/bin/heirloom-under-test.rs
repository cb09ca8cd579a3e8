//! The `heirloom` command line as the tests run it: cargo tells a test where the programs of its own package are.

use std::process::ExitCode;

fn main() -> ExitCode {
    heirloom_api::cli::main()
}
