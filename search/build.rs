//! Tells the linker where the test binary finds libtorch when it runs.

use std::env;
use std::path::{Path, absolute};

/// tch leaves this to the package that is linked. The place is the one that torch-sys links with: `LIBTORCH_LIB`, else
/// `LIBTORCH`, which `.cargo/config.toml` sets unless the user has. A link is kept as it is, so that the program follows
/// `.libtorch` to another libtorch; libtorch finds CUDA's run time beside itself by a path of its own.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    if let Some(root) = env::var_os("LIBTORCH_LIB").or_else(|| env::var_os("LIBTORCH")) {
        let lib = Path::new(&root).join("lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", absolute(&lib).unwrap_or(lib).display());
    }
}
