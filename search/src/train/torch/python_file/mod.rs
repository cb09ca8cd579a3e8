//! Named tensors in files of Python's torch: TorchScript (`torch.jit.save`) and state dictionaries (`torch.save`).
//!
//! Read by hand and not by libtorch, which names a module's parameters but not its buffers: the means and variances of norms
//! would be missing. Both kinds are ZIP archives: a pickle `data.pkl` says what tensors there are, files `data/KEY` hold the
//! numbers (`torch/csrc/jit/serialization`, `torch/serialization.py`).

mod tensor_calls;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read, Write};
use std::path::Path;
use std::rc::Rc;

use heirloom_datasets::pickle::{self, Value};
use tch::{Device, Kind, TchError, Tensor};
use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::first_line;
use super::kept_network::NetCard;
use super::weights::Tensors;
use crate::train::TrainError;
use crate::train::weight_store::file_error;
use tensor_calls::{Held, Pickled, TensorCalls, View};

/// What every ZIP archive starts with.
const ZIP: &[u8] = b"PK\x03\x04";
/// What files of PyTorch before release 1.6 start with: a pickled number (`torch/serialization.py`, `MAGIC_NUMBER`).
const BEFORE_ZIP: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.";

/// The extra file of a module with the places of tensors among its constants.
const NAMES: &str = "heirloom-weights";

/// The extra file of a module with its card.
const CARD: &str = "heirloom";
/// The extra file with the hash under which its weights are kept.
const HASH: &str = "heirloom-hash";

/// The card of a module that Heirloom has written.
pub(super) fn card(bytes: &[u8]) -> Option<NetCard> {
    serde_json::from_slice(&extra(bytes, CARD)?).ok()
}

/// The hash under which the weights of such a module are kept.
pub(super) fn kept_hash(bytes: &[u8]) -> Option<String> {
    String::from_utf8(extra(bytes, HASH)?).ok()
}

fn extra(bytes: &[u8], name: &str) -> Option<Vec<u8>> {
    if is_one(bytes) { Archive::open(bytes).ok()?.file(&format!("extra/{name}")).ok() } else { None }
}

/// Writes into a traced TorchScript module of a kept network what it is.
///
/// # Errors
/// As of [`add_extra`].
pub(super) fn sign(path: &Path, card: &str, hash: &str) -> Result<(), TrainError> {
    add_extra(path, CARD, card)?;
    add_extra(path, HASH, hash)
}

/// Whether bytes look like a file of Python's torch, of release 1.6 or later.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(ZIP)
}

/// The tensors in the bytes of such a file, by their names in the module; `path` is for the error.
///
/// # Errors
/// [`TrainError::BadWeights`] when it is none, is cut or holds other numbers.
pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Tensors, TrainError> {
    let bad = |reason: String| TrainError::BadWeights { file: path.display().to_string(), reason };
    let mut archive = Archive::open(bytes).map_err(bad)?;
    let pickled = archive.file("data.pkl").map_err(bad)?;
    let root = pickle::read(&pickled, &TensorCalls).map_err(|reason| bad(format!("data.pkl: {reason}")))?;
    let mut views = Vec::new();
    collect(&root, "", &mut views);
    let tensors = views.into_iter().map(|(name, view)| {
        let tensor = archive.tensor("data", &view);
        Ok((name.clone(), tensor.map_err(|reason| bad(format!("tensor {name}: {reason}")))?))
    });
    let mut tensors: Tensors = tensors.collect::<Result<_, TrainError>>()?;
    tensors.extend(archive.named_constants().map_err(bad)?);
    Ok(tensors)
}

/// Writes into a traced TorchScript module which of its constants are these tensors, so that [`parse`] gives them by their names. Python's
/// torch hands the names out as the extra file [`NAMES`].
///
/// # Errors
/// As of [`add_extra`].
pub(super) fn name_constants(path: &Path, tensors: &Tensors) -> Result<(), TrainError> {
    let bytes = std::fs::read(path).map_err(|source| file_error("read", path, source))?;
    let bad = |reason: String| TrainError::BadWeights { file: path.display().to_string(), reason };
    let mut archive = Archive::open(&bytes).map_err(bad)?;
    let constants = archive.constants().map_err(bad)?;
    let place = |tensor: &Tensor| constants.iter().position(|constant| constant == tensor);
    let names: BTreeMap<&String, usize> =
        tensors.iter().filter_map(|(name, tensor)| Some((name, place(tensor)?))).collect();
    add_extra(path, NAMES, &serde_json::to_string(&names).expect("names and places can be written"))
}

/// Adds an extra file to a TorchScript module, which `torch.jit.load` hands out by its name.
///
/// # Errors
/// [`TrainError::File`] when it cannot be written, [`TrainError::BadWeights`] when it is no archive.
fn add_extra(path: &Path, name: &str, text: &str) -> Result<(), TrainError> {
    let failed = |source: std::io::Error| file_error("write", path, source);
    let bad = |error: ZipError| match error {
        ZipError::Io(source) => failed(source),
        error => TrainError::BadWeights { file: path.display().to_string(), reason: error.to_string() },
    };
    let bytes = std::fs::read(path).map_err(failed)?;
    let folder = Archive::open(&bytes).map(|archive| archive.folder);
    let folder =
        folder.map_err(|reason| TrainError::BadWeights { file: path.display().to_string(), reason })?;
    let file = File::options().read(true).write(true).open(path).map_err(failed)?;
    let mut writer = ZipWriter::new_append(file).map_err(bad)?;
    // libtorch reads what is not packed alone.
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    writer.start_file(format!("{folder}extra/{name}"), stored).map_err(bad)?;
    writer.write_all(text.as_bytes()).map_err(failed)?;
    writer.finish().map_err(bad)?;
    Ok(())
}

/// All tensors below a value. A name is what leads there: the attributes of modules, the keys of dictionaries.
fn collect(value: &Pickled, name: &str, views: &mut Vec<(String, Rc<View>)>) {
    match value {
        Value::Object(Held::Tensor(view)) => views.push((name.to_owned(), Rc::clone(view))),
        Value::Dict(entries) => {
            for (key, value) in entries.iter() {
                if let Value::Text(key) = key {
                    let name = if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
                    collect(value, &name, views);
                }
            }
        }
        _ => {}
    }
}

/// The files of an archive, all in one folder called as it pleases.
struct Archive<'a> {
    files: ZipArchive<Cursor<&'a [u8]>>,
    folder: String,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        if bytes.starts_with(BEFORE_ZIP) {
            let again = "torch.save(torch.load(FILE), FILE) with a newer one writes it anew";
            return Err(format!(
                "PyTorch before release 1.6 wrote it, or was told to write as it did; {again}"
            ));
        }
        let files = ZipArchive::new(Cursor::new(bytes));
        let files = files.map_err(|error| format!("no file of torch.jit.save or torch.save: {error}"))?;
        let folder = files.file_names().find_map(|name| name.strip_suffix("data.pkl")).map(str::to_owned);
        let folder =
            folder.ok_or("no file of torch.jit.save or torch.save: the archive has no file data.pkl")?;
        let mut archive = Archive { files, folder };
        // Older releases do not say; they wrote on little-endian machines.
        match archive.file("byteorder") {
            Ok(order) if order != b"little" => Err("its numbers are not little endian".into()),
            _ => Ok(archive),
        }
    }

    fn file(&mut self, name: &str) -> Result<Vec<u8>, String> {
        let bad = |error: String| format!("{name} in the archive cannot be read: {error}");
        let mut file =
            self.files.by_name(&format!("{}{name}", self.folder)).map_err(|error| bad(error.to_string()))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| bad(error.to_string()))?;
        Ok(bytes)
    }

    /// The constants of a module's code, in their order.
    fn constants(&mut self) -> Result<Vec<Tensor>, String> {
        let pickled = self.file("constants.pkl")?;
        let root =
            pickle::read(&pickled, &TensorCalls).map_err(|reason| format!("constants.pkl: {reason}"))?;
        let Value::Tuple(values) = root else { return Ok(Vec::new()) };
        let tensors = values.iter().enumerate().map(|(at, value)| match value {
            Value::Object(Held::Tensor(view)) => {
                self.tensor("constants", view).map_err(|reason| format!("constant {at}: {reason}"))
            }
            _ => Err(format!("constant {at} is no tensor")),
        });
        tensors.collect()
    }

    /// The constants that [`name_constants`] has given names.
    fn named_constants(&mut self) -> Result<Tensors, String> {
        let Ok(names) = self.file(&format!("extra/{NAMES}")) else { return Ok(Tensors::new()) };
        let names: BTreeMap<String, usize> =
            serde_json::from_slice(&names).map_err(|error| format!("extra/{NAMES}: {error}"))?;
        let constants = self.constants()?;
        let named = names.into_iter().map(|(name, at)| {
            let tensor =
                constants.get(at).ok_or_else(|| format!("extra/{NAMES}: there is no constant {at}"))?;
            Ok((name, tensor.shallow_clone()))
        });
        named.collect()
    }

    /// What a view of a file in a folder of the archive shows.
    fn tensor(&mut self, folder: &str, view: &View) -> Result<Tensor, String> {
        let kind = kind(&view.storage.kind)
            .ok_or_else(|| format!("{} holds no numbers of a network", view.storage.kind))?;
        let bytes = self.file(&format!("{folder}/{}", view.storage.key))?;
        let length = (bytes.len() / kind.elt_size_in_bytes()) as i64;
        let make = || {
            let flat = Tensor::f_from_data_size(&bytes, &[length], kind)?;
            // libtorch refuses a view that reaches beyond the numbers.
            let viewed = flat.f_as_strided(view.size.as_slice(), view.stride.as_slice(), view.offset)?;
            let mut whole = Tensor::f_zeros(view.size.as_slice(), (kind, Device::Cpu))?;
            whole.f_copy_(&viewed)?;
            Ok(whole)
        };
        make().map_err(|error: TchError| first_line(&error))
    }
}

/// The numbers of a storage: `torch.FloatStorage`.
fn kind(storage: &str) -> Option<Kind> {
    Some(match storage.rsplit('.').next()? {
        "FloatStorage" => Kind::Float,
        "DoubleStorage" => Kind::Double,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        "ShortStorage" => Kind::Int16,
        "CharStorage" => Kind::Int8,
        "ByteStorage" => Kind::Uint8,
        "BoolStorage" => Kind::Bool,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::weights;
    use super::*;

    /// A file of `search/testdata`, made by `tests/python/outside_weights.py`.
    fn held(name: &str) -> Vec<u8> {
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).unwrap()
    }

    /// An archive of these files, in a folder.
    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            writer.start_file(format!("net/{name}"), SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn files_of_python_hold_what_the_safetensors_file_of_the_same_module_holds() {
        let want = weights::parse(&held("outside.safetensors"), Path::new("outside.safetensors")).unwrap();
        assert_eq!(want.len(), 20);
        for name in ["outside.pt", "outside.pth"] {
            let bytes = held(name);
            assert!(is_one(&bytes));
            // Among them the means and variances of norms, a tensor of other strides and a window into a larger storage.
            let tensors = parse(&bytes, Path::new(name)).unwrap();
            assert_eq!(tensors, want, "{name}");
            assert!(tensors.values().all(Tensor::is_contiguous), "{name}");
        }
    }

    #[test]
    fn archives_that_are_cut_or_of_something_else_are_refused_by_name() {
        let refused = |bytes: &[u8]| parse(bytes, Path::new("x.pt")).unwrap_err().to_string();
        let whole = held("outside.pth");
        let words = refused(&whole[..whole.len() / 2]);
        assert!(words.starts_with("x.pt: no file of torch.jit.save or torch.save:"), "{words}");
        let words = refused(&[BEFORE_ZIP, &whole].concat());
        assert!(words.contains("PyTorch before release 1.6 wrote it"), "{words}");
        let words = refused(&archive(&[("readme.txt", b"hello")]));
        assert!(words.contains("the archive has no file data.pkl"), "{words}");
        let words = refused(&archive(&[("data.pkl", b"\x80\x02I1\n.")]));
        assert!(words.contains("data.pkl: byte 2: operation 0x49 is not known"), "{words}");
        let words = refused(&archive(&[("data.pkl", b"}."), ("byteorder", b"big")]));
        assert!(words.contains("not little endian"), "{words}");
    }

    /// A tensor `w` of two numbers of a storage that the archive may lack, or that may be shorter.
    fn two_numbers(storage: &str) -> Vec<u8> {
        let mut pickle = b"\x80\x02}(X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
        pickle.extend(b"(X\x07\x00\x00\x00storagectorch\n");
        pickle.extend(storage.as_bytes());
        pickle.extend(
            b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQK\x00K\x02\x85K\x01\x85\x89ccollections\n",
        );
        pickle.extend(b"OrderedDict\n)RtRu.");
        pickle
    }

    #[test]
    fn a_tensor_whose_numbers_are_missing_is_refused_by_its_name() {
        let file = |storage: &str, numbers: &[f32]| {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            archive(&[("data.pkl", &two_numbers(storage)), ("data/0", &bytes)])
        };
        let read = parse(&file("FloatStorage", &[1.0, 2.0]), Path::new("x.pt")).unwrap();
        assert_eq!(read["w"], Tensor::from_slice(&[1_f32, 2.0]));
        for (bytes, why) in [
            (file("FloatStorage", &[1.0]), "out of bounds"),
            (file("QInt8Storage", &[1.0, 2.0]), "torch.QInt8Storage holds no numbers of a network"),
            (archive(&[("data.pkl", &two_numbers("FloatStorage"))]), "data/0 in the archive cannot be read"),
        ] {
            let words = parse(&bytes, Path::new("x.pt")).unwrap_err().to_string();
            assert!(words.starts_with("x.pt: tensor w: ") && words.contains(why), "{words}");
        }
    }
}
