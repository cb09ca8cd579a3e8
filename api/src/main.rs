//! The `heirloom` command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    heirloom_api::cli::main()
}
