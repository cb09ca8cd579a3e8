//! libtorch's CUDA half, opened by hand.
//!
//! The linker drops `libtorch_cuda.so`, for nothing in the program names a symbol of it; its kernels register themselves
//! when it is loaded. Linking it regardless would keep the program from starting where CUDA's own libraries are missing.
#![allow(unsafe_code)]

use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// Loads libtorch's CUDA half once, if it is there and CUDA's libraries with it. Says whether it is loaded.
pub(super) fn load() -> bool {
    static LOADED: OnceLock<Option<Library>> = OnceLock::new();
    let loaded = LOADED.get_or_init(|| {
        // SAFETY: the library is libtorch's own, of the release that this program is linked with (same folder, same search
        // path); its initialisers register kernels and are made to be run by dlopen. It is never unloaded.
        match unsafe { Library::open(Some("libtorch_cuda.so"), RTLD_NOW | RTLD_GLOBAL) } {
            Ok(library) => Some(library),
            Err(error) => {
                tracing::debug!(%error, "no CUDA half of libtorch; the CPU it is");
                None
            }
        }
    });
    loaded.is_some()
}
