//! What breaks in libtorch, as a reason that fits on a line.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::TchError;

/// What ends a reason: where it was raised, and advice on settings of an allocator that a trial cannot change.
const ENDS: [&str; 4] = ["\n", "\\n", " Including non-PyTorch memory", " If reserved but unallocated memory"];

/// Does something with libtorch. A panic becomes a reason too, for the bindings do not only report: where an operation with
/// a number fails, as it does without memory, tch 0.24 meets the error when it drops the number, and panics.
pub(super) fn guarded<T, E>(
    act: impl FnOnce() -> Result<T, E>,
    failed: impl FnOnce(String) -> E,
) -> Result<T, E> {
    let done = catch_unwind(AssertUnwindSafe(act));
    done.unwrap_or_else(|panic| Err(failed(panic_reason(&*panic))))
}

/// libtorch reports with a C++ backtrace; the first line says what happened.
pub(super) fn first_line(error: &TchError) -> String {
    shortened(&error.to_string())
}

fn panic_reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("unknown");
    match text.split_once("value: Torch(\"") {
        Some((_, error)) => shortened(error),
        None => format!("panic: {}", shortened(text)),
    }
}

fn shortened(text: &str) -> String {
    let end = ENDS.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let reason = text[..end].trim_end();
    let is_out_of_memory = reason.contains("out of memory") || reason.contains("can't allocate memory");
    let advice = if is_out_of_memory { " A smaller batch takes less." } else { "" };
    format!("{}{advice}", if reason.is_empty() { "unknown" } else { reason })
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    /// A view of one number as so many that what is made of it has no place in any address space: less might be promised.
    fn too_large() -> Tensor {
        Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand([1_i64 << 58], false)
    }

    #[test]
    fn what_does_not_fit_into_memory_is_a_reason_with_and_without_a_number_in_it() {
        let said = |reason| reason;
        let reported = guarded(|| too_large().f_neg().map_err(|error| first_line(&error)), said).unwrap_err();
        // The bindings panic here.
        let panicked =
            guarded(|| too_large().f_add_scalar(1.0).map_err(|error| first_line(&error)), said).unwrap_err();
        for reason in [reported, panicked] {
            assert!(reason.contains("can't allocate memory"), "{reason}");
            assert!(reason.ends_with(" A smaller batch takes less."), "{reason}");
            assert!(!reason.contains('\n') && !reason.contains("frame #"), "{reason}");
        }
        let fits = || Tensor::from_slice(&[2.0_f32]).f_add_scalar(1.0).map_err(|error| first_line(&error));
        assert_eq!(guarded(fits, said).unwrap().double_value(&[0]), 3.0);
    }

    #[test]
    fn cuda_s_report_is_cut_before_its_advice() {
        let said = "CUDA out of memory. Tried to allocate 6.25 GiB. GPU 0 has a total capacity of 79.18 GiB of which \
            2.69 GiB is free. Including non-PyTorch memory, this process has 76.48 GiB memory in use.\nframe #0";
        let want = "CUDA out of memory. Tried to allocate 6.25 GiB. GPU 0 has a total capacity of 79.18 GiB of which \
            2.69 GiB is free. A smaller batch takes less.";
        assert_eq!(shortened(said), want);
    }

    #[test]
    fn another_panic_is_called_one() {
        let reason = guarded::<(), _>(|| panic!("the sky\nfell"), |reason| reason).unwrap_err();
        assert_eq!(reason, "panic: the sky");
    }
}
