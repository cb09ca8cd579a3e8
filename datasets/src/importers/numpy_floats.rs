//! `NumpyFloats`: what the pickles of NAS-Bench-Graph call.

use crate::pickle::{Calls, Made, Value};

/// A value of such a pickle.
pub(super) type Pickled = Value<Float64>;

/// numpy's type of 8-byte floats, little endian.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Float64;

/// Of all that a pickle can call, numpy's 8-byte float alone.
pub(super) struct NumpyFloats;

impl Calls for NumpyFloats {
    type Object = Float64;

    fn call(&self, name: &str, arguments: &[Pickled]) -> Made<Float64> {
        match (name, arguments) {
            ("numpy.dtype", [Pickled::Text(kind), ..]) if &**kind == "f8" => {
                Ok(Some(Pickled::Object(Float64)))
            }
            ("numpy.core.multiarray.scalar", [Pickled::Object(Float64), Pickled::Bytes(bytes)]) => {
                let float = (&**bytes).try_into().map_err(|_| format!("a float of {} bytes", bytes.len()))?;
                Ok(Some(Pickled::Float(f64::from_le_bytes(float))))
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pickle;

    #[test]
    fn numpy_scalars_are_floats_of_8_bytes() {
        let scalar = |bytes: &[u8]| {
            let mut pickle =
                b"\x80\x03cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\nX\x02\0\0\0f8K\0K\x01\x87R".to_vec();
            // The state of the type, which says that it is little endian.
            pickle.extend(b"(K\x03X\x01\0\0\0<NNNtbC");
            pickle.push(bytes.len() as u8);
            pickle.extend(bytes);
            pickle.extend(b"\x86R.");
            pickle::read(&pickle, &NumpyFloats)
        };
        assert_eq!(scalar(&0.5_f64.to_le_bytes()), Ok(Pickled::Float(0.5)));
        assert!(scalar(&[0; 4]).unwrap_err().ends_with("a float of 4 bytes"));
    }
}
