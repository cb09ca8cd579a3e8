//! `TensorCalls`: what the pickles in files of PyTorch call, as far as it says which tensors there are. What any other call makes
//! is [`Value::Other`].
//!
//! *Source*: `torch/_utils.py` of PyTorch 2.

use std::rc::Rc;

use heirloom_datasets::pickle::{Calls, Made, Value};

/// A value of such a pickle.
pub(super) type Pickled = Value<Held>;

/// What the calls make.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Held {
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
}

/// Numbers in a file of the archive.
#[derive(Debug, PartialEq)]
pub(super) struct Storage {
    /// `FloatStorage` and the like.
    pub(super) kind: Rc<str>,
    /// The name of the file in the folder `data`.
    pub(super) key: Rc<str>,
}

/// A tensor: how it looks at a storage, in elements.
#[derive(Debug, PartialEq)]
pub(super) struct View {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// Makes tensors and dictionaries. Files of PyTorch hold much else, so nothing is refused: what is not understood is passed over.
pub(super) struct TensorCalls;

impl Calls for TensorCalls {
    type Object = Held;

    fn call(&self, name: &str, arguments: &[Pickled]) -> Made<Held> {
        Ok(Some(match (name, arguments) {
            ("collections.OrderedDict", []) => Value::Dict(Rc::default()),
            (
                "torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state",
                [data, ..],
            ) => data.clone(),
            (
                "torch._utils._rebuild_tensor_v2",
                [
                    Value::Object(Held::Storage(storage)),
                    Value::Int(offset),
                    Value::Tuple(size),
                    Value::Tuple(stride),
                    ..,
                ],
            ) => tensor(storage, *offset, size, stride).unwrap_or(Value::Other),
            _ => Value::Other,
        }))
    }

    /// An object is its attributes, which follow.
    fn object(&self, _class: &Pickled) -> Made<Held> {
        Ok(Some(Value::Dict(Rc::default())))
    }

    /// `("storage", kind, key, place, length)`.
    fn persistent(&self, id: &Pickled) -> Made<Held> {
        let Value::Tuple(parts) = id else { return Ok(Some(Value::Other)) };
        Ok(Some(match parts.as_slice() {
            [Value::Text(what), Value::Global(kind), Value::Text(key), ..] if &**what == "storage" => {
                let storage = Storage { kind: Rc::clone(kind), key: Rc::clone(key) };
                Value::Object(Held::Storage(Rc::new(storage)))
            }
            _ => Value::Other,
        }))
    }
}

/// A tensor of a size and stride in whole numbers.
fn tensor(storage: &Rc<Storage>, offset: i64, size: &[Pickled], stride: &[Pickled]) -> Option<Pickled> {
    let view = View { storage: Rc::clone(storage), offset, size: ints(size)?, stride: ints(stride)? };
    Some(Value::Object(Held::Tensor(Rc::new(view))))
}

fn ints(values: &[Pickled]) -> Option<Vec<i64>> {
    values.iter().map(|value| if let Value::Int(value) = value { Some(*value) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use heirloom_datasets::pickle::read;

    use super::*;

    #[test]
    fn no_other_call_is_carried_out() {
        let value = read(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.", &TensorCalls);
        assert_eq!(value, Ok(Value::Other));
    }

    #[test]
    fn objects_are_their_attributes_and_ids_other_than_storages_say_nothing() {
        let value = read(b"c__torch__\nNet\n)\x81}X\x01\x00\x00\x00aK\x01sb.", &TensorCalls);
        assert_eq!(value, Ok(Value::Dict(Rc::new(vec![(Value::Text("a".into()), Value::Int(1))]))));
        assert_eq!(read(b"K\x01Q.", &TensorCalls), Ok(Value::Other));
    }

    #[test]
    fn a_tensor_whose_size_is_no_whole_number_is_passed_over() {
        let tensor = |size: &[u8]| {
            let mut pickle =
                b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage".to_vec();
            pickle.extend(b"ctorch\nFloatStorage\nX\x01\x00\x00\x000tQK\x00");
            pickle.extend(size);
            pickle.extend(b"\x85K\x01\x85tR.");
            read(&pickle, &TensorCalls).unwrap()
        };
        let Value::Object(Held::Tensor(view)) = tensor(b"K\x02") else { panic!("it is no tensor") };
        assert_eq!((view.size.as_slice(), view.stride.as_slice(), view.offset), (&[2][..], &[1][..], 0));
        assert_eq!((&*view.storage.kind, &*view.storage.key), ("torch.FloatStorage", "0"));
        assert_eq!(tensor(b"G\x00\x00\x00\x00\x00\x00\x00\x00"), Value::Other);
    }
}
