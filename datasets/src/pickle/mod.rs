//! Reads Python's pickles, of protocols 2 to 5, as far as numbers, text, tuples, dictionaries and attributes go.
//!
//! Nothing is ever executed. A pickle can name any function of Python and have it called; here whoever reads says what the few
//! calls stand for that it understands ([`Calls`]), and any other is refused, by its name. (The crate `serde-pickle` 1.2
//! refuses numpy's scalars, or reads them as nothing.)
//!
//! *Source*: Python's `pickletools`.

mod reader;

use std::rc::Rc;

use reader::Reader;

/// A value of a pickle; `O` is what calls and persistent ids make. What can be large is shared, for a pickle may name it many
/// times.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<O> {
    /// A whole number of up to 64 bits.
    Int(i64),
    /// A number of double precision.
    Float(f64),
    /// Text.
    Text(Rc<str>),
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// A name that a pickle may call: `torch.FloatStorage`.
    Global(Rc<str>),
    /// A tuple.
    Tuple(Rc<Vec<Value<O>>>),
    /// A dictionary, or an object by its attributes, in the order of the pickle. One that a pickle names again while it is
    /// filled is empty there.
    Dict(Rc<Vec<(Value<O>, Value<O>)>>),
    /// What a call or a persistent id made.
    Object(O),
    /// What is not looked into: `None`, `True`, `False`, lists and longer whole numbers.
    Other,
}

/// What a call makes; `None` where it is not understood, which refuses the pickle.
pub type Made<O> = Result<Option<Value<O>>, String>;

/// What the calls of a pickle stand for. An error is a reason; the place is added to it.
pub trait Calls {
    /// What they make that is no value of Python itself.
    type Object: Clone;

    /// What the function or class `name` makes of arguments.
    ///
    /// # Errors
    /// A reason when the arguments are none of it.
    fn call(&self, name: &str, arguments: &[Value<Self::Object>]) -> Made<Self::Object>;

    /// A new object of a class that is not initialised; its attributes may follow. Unless told, it is refused.
    ///
    /// # Errors
    /// As [`Calls::call`].
    fn object(&self, class: &Value<Self::Object>) -> Made<Self::Object> {
        let _ = class;
        Ok(None)
    }

    /// What stands outside the pickle under an id. Unless told, it is refused.
    ///
    /// # Errors
    /// As [`Calls::call`].
    fn persistent(&self, id: &Value<Self::Object>) -> Made<Self::Object> {
        let _ = id;
        Ok(None)
    }
}

/// Reads the first pickle in `bytes`; what is behind it is not looked at.
///
/// # Errors
/// What is wrong and where, `byte 22: a call of os.system is not allowed`; the caller knows the file.
///
/// # Example
/// ```
/// use heirloom_datasets::pickle::{self, Calls, Made, Value};
///
/// /// Understands Python's fractions.
/// struct Fractions;
///
/// impl Calls for Fractions {
///     type Object = (i64, i64);
///
///     fn call(&self, name: &str, arguments: &[Value<Self::Object>]) -> Made<Self::Object> {
///         Ok(match (name, arguments) {
///             ("fractions.Fraction", [Value::Int(over), Value::Int(under)]) => Some(Value::Object((*over, *under))),
///             _ => None,
///         })
///     }
/// }
///
/// let half = pickle::read(b"\x80\x02cfractions\nFraction\nK\x01K\x02\x86R.", &Fractions);
/// assert_eq!(half, Ok(Value::Object((1, 2))));
/// let other = pickle::read(b"\x80\x02cos\nabort\n)R.", &Fractions);
/// assert_eq!(other, Err("byte 13: a call of os.abort is not allowed".into()));
/// ```
pub fn read<C: Calls>(bytes: &[u8], calls: &C) -> Result<Value<C::Object>, String> {
    let mut reader = Reader::new(bytes, calls);
    loop {
        let at = reader.at();
        let done = reader.step().map_err(|reason| format!("byte {at}: {reason}"))?;
        if let Some(value) = done {
            return Ok(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Understands one function, which doubles, objects of one class, and ids that are text.
    struct Doubles;

    impl Calls for Doubles {
        type Object = i64;

        fn call(&self, name: &str, arguments: &[Value<i64>]) -> Made<i64> {
            match (name, arguments) {
                ("m.double", [Value::Int(number)]) => Ok(Some(Value::Object(2 * number))),
                ("m.double", _) => Err("one number is doubled".into()),
                _ => Ok(None),
            }
        }

        fn object(&self, class: &Value<i64>) -> Made<i64> {
            let known = matches!(class, Value::Global(name) if &**name == "m.Pair");
            Ok(known.then(|| Value::Dict(Rc::default())))
        }

        fn persistent(&self, id: &Value<i64>) -> Made<i64> {
            Ok(matches!(id, Value::Text(_)).then_some(Value::Object(7)))
        }
    }

    /// Understands nothing.
    struct Nothing;

    impl Calls for Nothing {
        type Object = ();

        fn call(&self, _: &str, _: &[Value<()>]) -> Made<()> {
            Ok(None)
        }
    }

    fn text<O>(text: &str) -> Value<O> {
        Value::Text(text.into())
    }

    #[test]
    fn a_dictionary_of_a_dictionary() {
        // {1111: {"perf": 0.5}}, as Python pickles it where there is more than one entry.
        let bytes =
            b"\x80\x03}q\x00(MW\x04}q\x01(X\x04\x00\x00\x00perfq\x02G?\xe0\x00\x00\x00\x00\x00\x00uu.";
        let inner = Value::Dict(Rc::new(vec![(text("perf"), Value::Float(0.5))]));
        assert_eq!(read(bytes, &Nothing), Ok(Value::Dict(Rc::new(vec![(Value::Int(1111), inner)]))));
    }

    #[test]
    fn protocol_4_with_frames_short_text_and_names_on_the_stack() {
        // pickle.dumps({"a": (True, b"xy")}, protocol=4)
        let bytes =
            b"\x80\x04\x95\x12\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94\x88C\x02xy\x94\x86\x94s.";
        let pair = Value::Tuple(Rc::new(vec![Value::Other, Value::Bytes(b"xy"[..].into())]));
        assert_eq!(read(bytes, &Nothing), Ok(Value::Dict(Rc::new(vec![(text("a"), pair)]))));
        assert_eq!(read(b"\x8c\x01m\x8c\x06double\x93K\x04\x85R.", &Doubles), Ok(Value::Object(8)));
    }

    #[test]
    fn calls_objects_and_ids_are_what_the_reader_is_told() {
        assert_eq!(read(b"cm\ndouble\nK\x03\x85R.", &Doubles), Ok(Value::Object(6)));
        assert_eq!(read(b"X\x01\x00\x00\x000Q.", &Doubles), Ok(Value::Object(7)));
        let attributes = Value::Dict(Rc::new(vec![(text("left"), Value::Int(1))]));
        assert_eq!(read(b"cm\nPair\n)\x81}X\x04\x00\x00\x00leftK\x01sb.", &Doubles), Ok(attributes));
    }

    #[test]
    fn whatever_is_not_understood_is_refused_by_name_and_place() {
        let call = b"\x80\x03cos\nsystem\nX\x02\x00\x00\x00lsN\x86R.";
        assert_eq!(read(call, &Doubles).unwrap_err(), "byte 22: a call of os.system is not allowed");
        let why = |bytes: &[u8]| read(bytes, &Doubles).unwrap_err();
        assert_eq!(why(b"cm\ndouble\n)R."), "byte 11: one number is doubled");
        assert_eq!(why(b"cos\nPipe\n)\x81."), "byte 10: an object of os.Pipe is not allowed");
        assert_eq!(why(b"K\x01Q."), "byte 2: what stands outside the pickle is not known");
        assert_eq!(why(b"K\x01)R."), "byte 3: what is called is no name");
        assert_eq!(why(b"cm\ndouble\nK\x01R."), "byte 12: arguments are no tuple");
        let objects = read(b"cm\nPair\n)\x81.", &Nothing).unwrap_err();
        assert_eq!(objects, "byte 9: an object of m.Pair is not allowed");
    }

    #[test]
    fn whole_numbers_of_every_width() {
        for (bytes, want) in [
            (&b"K\xff."[..], 255),
            (b"M\x00\x01.", 256),
            (b"J\xfe\xff\xff\xff.", -2),
            (b"\x8a\x00.", 0),
            (b"\x8a\x01\xfe.", -2),
            (b"\x8a\x05\x00\x00\x00\x00\x01.", 1 << 32),
        ] {
            assert_eq!(read(bytes, &Nothing), Ok(Value::Int(want)), "{bytes:?}");
        }
        assert_eq!(read(b"\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x01.", &Nothing), Ok(Value::Other));
    }

    #[test]
    fn a_cut_or_unknown_pickle_says_where() {
        let why = |bytes: &[u8]| read(bytes, &Nothing).unwrap_err();
        assert_eq!(why(b"\x80\x02}q\x00(MW"), "byte 6: 2 bytes are wanted, 1 are left");
        assert_eq!(why(b"\x80\x02I1\n."), "byte 2: operation 0x49 is not known");
        assert_eq!(why(b"\x80\x06."), "byte 0: protocol 6 is beyond 5");
        assert_eq!(why(b"K\x01K\x02K\x03s."), "byte 6: entries are set in what is no dictionary");
        for bytes in [&b""[..], b"u.", b"(u.", b"(b.", b"h\x01.", b"t.", b"X\xff\xff\xff\xff.", b"}(K\x01u."]
        {
            assert!(read(bytes, &Nothing).is_err(), "{bytes:?}");
        }
    }
}
