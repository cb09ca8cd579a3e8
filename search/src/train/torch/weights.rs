//! Named tensors, of networks and in safetensors files.
//!
//! *Format*: <https://github.com/huggingface/safetensors>; Python's `safetensors.torch.load_file` opens them.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor, no_grad};

use crate::train::TrainError;
use crate::train::weight_store::file_error;

/// Tensors by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// The key under which a file says what network its tensors are of.
const NOTE: &str = "heirloom";

/// The weights of a store and what norms remember, by name.
pub(super) fn of(store: &VarStore) -> Tensors {
    store.variables().into_iter().collect()
}

/// Gives a store the values of tensors of the same names and shapes.
pub(super) fn load(store: &VarStore, values: &Tensors) -> Result<(), TchError> {
    no_grad(|| {
        for (name, mut tensor) in of(store) {
            let value = values.get(&name).filter(|value| value.size() == tensor.size());
            let value =
                value.ok_or_else(|| TchError::FileFormat(format!("no weights {name} of its shape")))?;
            tensor.f_copy_(value)?;
        }
        Ok(())
    })
}

/// The same tensors under other handles.
pub(super) fn shallow(tensors: &Tensors) -> Tensors {
    tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}

/// The bytes of a safetensors file. Whole numbers are kept as 64-bit integers, the rest in single or double precision.
pub(super) fn to_bytes(tensors: &Tensors) -> Result<Vec<u8>, TchError> {
    write(tensors, None)
}

/// As [`to_bytes`], with a note among the file's metadata. Of one note alone: several would stand in no fixed order.
pub(super) fn to_bytes_with(tensors: &Tensors, note: String) -> Result<Vec<u8>, TchError> {
    write(tensors, Some([(NOTE.to_owned(), note)].into()))
}

/// The note in the bytes of a safetensors file, if there is one.
pub(super) fn note(bytes: &[u8]) -> Option<String> {
    let (_, head) = SafeTensors::read_metadata(bytes).ok()?;
    head.metadata().as_ref()?.get(NOTE).cloned()
}

fn write(tensors: &Tensors, notes: Option<HashMap<String, String>>) -> Result<Vec<u8>, TchError> {
    let raw = tensors.iter().map(|(name, tensor)| Ok((name.clone(), raw(tensor)?)));
    let raw: Vec<(String, Raw)> = raw.collect::<Result<_, TchError>>()?;
    let views = raw.iter().map(|(name, raw)| {
        let view = TensorView::new(raw.kind, raw.shape.clone(), &raw.bytes);
        view.map(|view| (name.as_str(), view)).map_err(|error| TchError::FileFormat(error.to_string()))
    });
    let views: Vec<(&str, TensorView<'_>)> = views.collect::<Result<_, _>>()?;
    safetensors::serialize(views, notes).map_err(|error| TchError::FileFormat(error.to_string()))
}

struct Raw {
    kind: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn raw(tensor: &Tensor) -> Result<Raw, TchError> {
    let (kind, to) = match tensor.f_kind()? {
        Kind::Int64 | Kind::Int | Kind::Bool | Kind::Uint8 => (Dtype::I64, Kind::Int64),
        Kind::Double => (Dtype::F64, Kind::Double),
        _ => (Dtype::F32, Kind::Float),
    };
    let values = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(to)?.f_contiguous()?;
    let mut bytes = vec![0; values.numel() * to.elt_size_in_bytes()];
    values.f_copy_data_u8(&mut bytes, values.numel())?;
    Ok(Raw { kind, shape: tensor.size().iter().map(|side| *side as usize).collect(), bytes })
}

/// The tensors of a safetensors file.
///
/// # Errors
/// [`TrainError::File`] when it cannot be read, [`TrainError::BadWeights`] when it is none or holds other numbers.
pub(super) fn read(path: &Path) -> Result<Tensors, TrainError> {
    let bytes = fs::read(path).map_err(|source| file_error("read", path, source))?;
    parse(&bytes, path)
}

/// The tensors in the bytes of a safetensors file; `path` is for the error.
///
/// # Errors
/// [`TrainError::BadWeights`] as for [`read`].
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Tensors, TrainError> {
    let bad = |reason: String| TrainError::BadWeights { file: path.display().to_string(), reason };
    let held = SafeTensors::deserialize(bytes).map_err(|error| bad(format!("no safetensors: {error}")))?;
    let tensors = held.tensors().into_iter().map(|(name, view)| {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::F64 => Kind::Double,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::I64 => Kind::Int64,
            other => return Err(bad(format!("tensor {name} holds {other:?}, not numbers of a network"))),
        };
        let size: Vec<i64> = view.shape().iter().map(|side| *side as i64).collect();
        let tensor = Tensor::f_from_data_size(view.data(), &size, kind);
        tensor.map(|tensor| (name, tensor)).map_err(|error| bad(error.to_string()))
    });
    tensors.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::weight_store::write_whole;

    fn some() -> Tensors {
        let flat = Tensor::arange(6, (Kind::Float, Device::Cpu));
        [
            ("block1.0.weight".to_owned(), flat.reshape([2, 3])),
            ("turned".to_owned(), flat.reshape([2, 3]).transpose(0, 1)),
            ("steps".to_owned(), Tensor::from_slice(&[7_i64])),
            ("curve".to_owned(), Tensor::from_slice(&[0.1_f64, 0.2])),
        ]
        .into()
    }

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/weights.safetensors");
        write_whole(&path, &to_bytes(&some()).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), some());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_weights_file_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.safetensors");
        assert!(read(&path).unwrap_err().to_string().starts_with("cannot read"));
        let whole = to_bytes(&some()).unwrap();
        for bytes in [&b"not that"[..], &whole[..whole.len() - 3]] {
            fs::write(&path, bytes).unwrap();
            let words = read(&path).unwrap_err().to_string();
            assert!(words.contains("x.safetensors") && words.contains("no safetensors"), "{words}");
        }
    }
}
