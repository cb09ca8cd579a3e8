//! Where to train.

use tch::{Cuda, Device};

use super::cuda;
use crate::train::{Recipe, TrainError};

/// Where to train.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device if there is one, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The first CUDA device, or an error.
    Cuda,
}

pub(super) fn choose(choice: DeviceChoice) -> Result<Device, TrainError> {
    let has_cuda = || cuda::load() && Cuda::is_available();
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Auto if has_cuda() => Ok(Device::Cuda(0)),
        DeviceChoice::Auto => Ok(Device::Cpu),
        DeviceChoice::Cuda if has_cuda() => Ok(Device::Cuda(0)),
        DeviceChoice::Cuda => Err(TrainError::NoDevice { device: "cuda".into() }),
    }
}

/// A recipe with images as they suit a device: on the CPU channels always lie last, which saves a fifth of the time.
pub(super) fn laid_out(recipe: Recipe, device: Device) -> Recipe {
    Recipe { channels_last: recipe.channels_last || device == Device::Cpu, ..recipe }
}

/// What the device is called by its maker, else its kind: costs are compared on one device.
pub(super) fn label(device: Device) -> String {
    let (file, key) = match device {
        Device::Cuda(_) => (gpu_file(), "Model"),
        _ => (Some("/proc/cpuinfo".into()), "model name"),
    };
    let text = file.and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix(':'));
    line.map_or_else(|| name(device).to_owned(), |model| model.trim().to_owned())
}

/// Where the driver describes the first GPU.
fn gpu_file() -> Option<std::path::PathBuf> {
    let mut gpus = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?.flatten().map(|gpu| gpu.path());
    gpus.next().map(|gpu| gpu.join("information"))
}

pub(super) fn name(device: Device) -> &'static str {
    if device.is_cuda() { "cuda" } else { "cpu" }
}
