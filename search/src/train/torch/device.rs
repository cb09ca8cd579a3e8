//! Where to train.

use tch::{Cuda, Device};

use super::cuda;
use crate::train::TrainError;

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

pub(super) fn name(device: Device) -> &'static str {
    if device.is_cuda() { "cuda" } else { "cpu" }
}
