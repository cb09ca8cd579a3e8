//! Tells the linker where the test binary finds libtorch when it runs.

/// tch leaves this to the package that is linked. The place is the one that tch was built with: `LIBTORCH`, which
/// `.cargo/config.toml` sets unless the user has.
fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    if let Some(libtorch) = std::env::var_os("LIBTORCH") {
        let lib = std::path::Path::new(&libtorch).join("lib");
        let lib = lib.canonicalize().unwrap_or(lib);
        println!("cargo:rustc-link-arg=-Wl,-rpath={}", lib.display());
    }
}
