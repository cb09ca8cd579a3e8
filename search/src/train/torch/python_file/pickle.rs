//! Reads the pickles in files of PyTorch, as far as they say which tensors there are. Nothing is executed: a call that is not one
//! of those that make tensors and dictionaries gives [`Value::Other`].
//!
//! *Source*: Python's `pickletools`, protocols 2 to 4; `torch/_utils.py` of PyTorch 2.

use std::collections::HashMap;
use std::rc::Rc;

/// A value of a pickle. What can be large is shared, for a pickle may name it many times.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Int(i64),
    Text(Rc<str>),
    /// A name that a pickle may call: `torch.FloatStorage`.
    Global(Rc<str>),
    Tuple(Rc<Vec<Value>>),
    /// A dictionary, or an object by its attributes.
    Dict(Rc<Vec<(Value, Value)>>),
    Storage(Rc<Storage>),
    Tensor(Rc<View>),
    /// What says nothing of tensors.
    Other,
}

/// Numbers in a file of the archive.
#[derive(Debug)]
pub(super) struct Storage {
    /// `FloatStorage` and the like.
    pub(super) kind: Rc<str>,
    /// The name of the file in the folder `data`.
    pub(super) key: Rc<str>,
}

/// A tensor: how it looks at a storage, in elements.
#[derive(Debug)]
pub(super) struct View {
    pub(super) storage: Rc<Storage>,
    pub(super) offset: i64,
    pub(super) size: Vec<i64>,
    pub(super) stride: Vec<i64>,
}

/// What stands on the stack: a value or a mark.
enum Slot {
    Value(Value),
    Mark,
}

/// Reads one pickle. The error says what and where.
pub(super) fn read(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader { bytes, at: 0, stack: Vec::new(), memo: HashMap::new() };
    loop {
        let at = reader.at;
        let done = reader.step().map_err(|reason| format!("byte {at}: {reason}"))?;
        if let Some(value) = done {
            return Ok(value);
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Slot>,
    memo: HashMap<u64, Value>,
}

impl Reader<'_> {
    /// Carries out one operation; the finished value at the last.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let code = self.byte()?;
        match code {
            b'.' => return self.pop().map(Some),
            0x80 => self.protocol()?,
            0x95 => self.take(8).map(|_length_of_a_frame| ())?,
            b'(' => self.stack.push(Slot::Mark),
            b'0' => self.pop().map(|_| ())?,
            b'q' => self.memorise_under(1)?,
            b'r' => self.memorise_under(4)?,
            0x94 => self.memorise(self.memo.len() as u64)?,
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?;
            }
            // Lists hold no tensors by name.
            b'a' => self.pop().map(|_| ())?,
            b'e' => self.pop_to_mark().map(|_| ())?,
            b'b' => self.build()?,
            _ => {
                let value = self.value(code)?;
                self.stack.push(Slot::Value(value));
            }
        }
        Ok(None)
    }

    /// The value that an operation puts on the stack.
    fn value(&mut self, code: u8) -> Result<Value, String> {
        Ok(match code {
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'}' => Value::Dict(Rc::default()),
            b')' => Value::Tuple(Rc::default()),
            b'K' => self.int(1)?,
            b'M' => self.int(2)?,
            b'J' => Value::Int(i64::from(self.unsigned(4)? as i32)),
            0x8a => self.long()?,
            b'G' => self.take(8).map(|_| Value::Other)?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'C' => self.skip(1)?,
            b'B' => self.skip(4)?,
            b'c' => Value::Global(format!("{}.{}", self.line()?, self.line()?).into()),
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else {
                    return Err("a name is no text".into());
                };
                Value::Global(format!("{module}.{name}").into())
            }
            b'N' | 0x88 | 0x89 | b']' => Value::Other,
            b't' => Value::Tuple(Rc::new(self.pop_to_mark()?)),
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            // An object is its attributes, which follow.
            0x81 => {
                let (_arguments, _class) = (self.pop()?, self.pop()?);
                Value::Dict(Rc::default())
            }
            b'R' => {
                let (arguments, called) = (self.pop()?, self.pop()?);
                call(&called, &arguments)
            }
            b'Q' => persistent(&self.pop()?),
            other => return Err(format!("operation 0x{other:02x} is not known")),
        })
    }

    fn protocol(&mut self) -> Result<(), String> {
        match self.byte()? {
            ..=5 => Ok(()),
            beyond => Err(format!("protocol {beyond} is beyond 5")),
        }
    }

    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end =
            end.ok_or_else(|| format!("{n} bytes are wanted, {} are left", self.bytes.len() - self.at))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    /// A number of `n` bytes, little endian.
    fn unsigned(&mut self, n: usize) -> Result<u64, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn int(&mut self, n: usize) -> Result<Value, String> {
        Ok(Value::Int(self.unsigned(n)? as i64))
    }

    /// A number of as many bytes as it says; longer ones are no sizes.
    fn long(&mut self) -> Result<Value, String> {
        let n = usize::from(self.byte()?);
        if n == 0 || n > 8 {
            return self.take(n).map(|_| if n == 0 { Value::Int(0) } else { Value::Other });
        }
        let unused = 64 - 8 * n as u32;
        Ok(Value::Int((self.unsigned(n)? << unused) as i64 >> unused))
    }

    /// Text behind a length of `width` bytes.
    fn text(&mut self, width: usize) -> Result<Value, String> {
        let length = self.unsigned(width)? as usize;
        Ok(Value::Text(utf8(self.take(length)?)?.into()))
    }

    fn skip(&mut self, width: usize) -> Result<Value, String> {
        let length = self.unsigned(width)? as usize;
        self.take(length).map(|_| Value::Other)
    }

    fn line(&mut self) -> Result<String, String> {
        let end =
            self.bytes[self.at..].iter().position(|byte| *byte == b'\n').ok_or("a line does not end")?;
        let line = utf8(self.take(end)?)?;
        self.at += 1;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value, String> {
        match self.stack.pop() {
            Some(Slot::Value(value)) => Ok(value),
            Some(Slot::Mark) | None => Err("a value is missing".into()),
        }
    }

    fn tuple(&mut self, n: usize) -> Result<Value, String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(Value::Tuple(Rc::new(items)))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, String> {
        let mut items = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Slot::Value(value)) => items.push(value),
                Some(Slot::Mark) => break,
                None => return Err("a mark is missing".into()),
            }
        }
        items.reverse();
        Ok(items)
    }

    fn memorise_under(&mut self, width: usize) -> Result<(), String> {
        let key = self.unsigned(width)?;
        self.memorise(key)
    }

    /// Remembers what is on top. A dictionary that is remembered while still empty is recalled as empty: tensors that are shared
    /// are whole when they are remembered.
    fn memorise(&mut self, key: u64) -> Result<(), String> {
        let Some(Slot::Value(value)) = self.stack.last() else {
            return Err("there is nothing to remember".into());
        };
        self.memo.insert(key, value.clone());
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<Value, String> {
        let key = self.unsigned(width)?;
        self.memo.get(&key).cloned().ok_or_else(|| format!("nothing is remembered under {key}"))
    }

    /// Sets keys and values, in turn, in the dictionary on top; of anything else they say nothing of tensors.
    fn set_items(&mut self, items: Vec<Value>) -> Result<(), String> {
        if items.len() % 2 == 1 {
            return Err("a key has no value".into());
        }
        match self.stack.last_mut() {
            Some(Slot::Value(Value::Dict(entries))) => {
                let mut items = items.into_iter();
                let pairs = std::iter::from_fn(|| items.next().zip(items.next()));
                Rc::make_mut(entries).extend(pairs);
                Ok(())
            }
            Some(Slot::Value(_)) => Ok(()),
            Some(Slot::Mark) | None => Err("entries are set in nothing".into()),
        }
    }

    /// Gives an object its attributes. A dictionary with entries has some beside them, which are left out.
    fn build(&mut self) -> Result<(), String> {
        let state = self.pop()?;
        match (self.stack.last_mut(), state) {
            (Some(Slot::Value(Value::Dict(entries))), Value::Dict(state)) if entries.is_empty() => {
                *entries = state;
                Ok(())
            }
            (Some(Slot::Value(_)), _) => Ok(()),
            (Some(Slot::Mark) | None, _) => Err("a state is given to nothing".into()),
        }
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "text is not UTF-8".into())
}

/// The calls that are understood.
fn call(called: &Value, arguments: &Value) -> Value {
    let (Value::Global(name), Value::Tuple(arguments)) = (called, arguments) else { return Value::Other };
    match (&**name, arguments.as_slice()) {
        ("collections.OrderedDict", []) => Value::Dict(Rc::default()),
        ("torch._utils._rebuild_parameter" | "torch._utils._rebuild_parameter_with_state", [data, ..]) => {
            data.clone()
        }
        (
            "torch._utils._rebuild_tensor_v2",
            [Value::Storage(storage), Value::Int(offset), Value::Tuple(size), Value::Tuple(stride), ..],
        ) => {
            let (Some(size), Some(stride)) = (ints(size), ints(stride)) else { return Value::Other };
            Value::Tensor(Rc::new(View { storage: Rc::clone(storage), offset: *offset, size, stride }))
        }
        _ => Value::Other,
    }
}

fn ints(values: &[Value]) -> Option<Vec<i64>> {
    values.iter().map(|value| if let Value::Int(value) = value { Some(*value) } else { None }).collect()
}

/// What stands outside the pickle: `("storage", kind, key, place, length)`.
fn persistent(id: &Value) -> Value {
    let Value::Tuple(parts) = id else { return Value::Other };
    match parts.as_slice() {
        [Value::Text(what), Value::Global(kind), Value::Text(key), ..] if &**what == "storage" => {
            Value::Storage(Rc::new(Storage { kind: Rc::clone(kind), key: Rc::clone(key) }))
        }
        _ => Value::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_other_call_is_carried_out() {
        let value = read(b"\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.").unwrap();
        assert!(matches!(value, Value::Other), "{value:?}");
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
            assert!(matches!(read(bytes).unwrap(), Value::Int(got) if got == want), "{bytes:?}");
        }
    }

    #[test]
    fn a_cut_or_unknown_pickle_says_where() {
        assert_eq!(read(b"\x80\x02}q\x00(MW").unwrap_err(), "byte 6: 2 bytes are wanted, 1 are left");
        assert_eq!(read(b"\x80\x02I1\n.").unwrap_err(), "byte 2: operation 0x49 is not known");
        for bytes in [&b""[..], b"u.", b"(u.", b"(b.", b"h\x01.", b"t.", b"X\xff\xff\xff\xff."] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
