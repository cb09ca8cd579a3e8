//! Reads the pickles of NAS-Bench-Graph: dictionaries from numbers to dictionaries from text to floats, which may be
//! numpy scalars. Nothing is executed: of all that a pickle can call, only numpy's 8-byte float is understood. (The crate
//! `serde-pickle` 1.2 refuses such scalars, or reads them as nothing: all parameters and the scores of `proteins`.)
//!
//! *Source*: Python's `pickletools`, protocol 3.

use std::collections::HashMap;

/// A value of a pickle.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Dict(Vec<(Value, Value)>),
    Tuple(Vec<Value>),
    /// A name that a pickle may call.
    Global(String),
    /// `None`, `True`, `False`: only in what numpy says of its types, which is not looked into.
    Constant,
    /// numpy's type of 8-byte floats, little endian.
    Float64,
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
    memo: HashMap<u32, Value>,
}

impl Reader<'_> {
    /// Carries out one operation; the finished value at the last.
    fn step(&mut self) -> Result<Option<Value>, String> {
        let value = match self.byte()? {
            0x80 => {
                let protocol = self.byte()?;
                return if protocol <= 3 {
                    Ok(None)
                } else {
                    Err(format!("protocol {protocol} is beyond 3"))
                };
            }
            b'.' => return self.pop().map(Some),
            b'(' => {
                self.stack.push(Slot::Mark);
                return Ok(None);
            }
            b'q' => return self.memorise(1).map(|()| None),
            b'r' => return self.memorise(4).map(|()| None),
            b'u' => return self.set_items().map(|()| None),
            b'b' => return self.pop().map(|_state_of_a_dtype| None),
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'}' => Value::Dict(Vec::new()),
            b'K' => Value::Int(self.unsigned(1)?.into()),
            b'M' => Value::Int(self.unsigned(2)?.into()),
            b'J' => Value::Int(i64::from(self.unsigned(4)? as i32)),
            b'G' => Value::Float(f64::from_be_bytes(self.take(8)?.try_into().expect("8 bytes were taken"))),
            b'X' => {
                let length = self.unsigned(4)? as usize;
                Value::Text(text(self.take(length)?)?)
            }
            b'C' => {
                let length = self.unsigned(1)? as usize;
                Value::Bytes(self.take(length)?.to_vec())
            }
            b'c' => Value::Global(format!("{}.{}", self.line()?, self.line()?)),
            b'N' | 0x88 | 0x89 => Value::Constant,
            b't' => Value::Tuple(self.pop_to_mark()?),
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b'R' => {
                let arguments = self.pop()?;
                call(&self.pop()?, &arguments)?
            }
            other => return Err(format!("operation 0x{other:02x} is not known")),
        };
        self.stack.push(Slot::Value(value));
        Ok(None)
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
    fn unsigned(&mut self, n: usize) -> Result<u32, String> {
        Ok(self.take(n)?.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn line(&mut self) -> Result<String, String> {
        let end =
            self.bytes[self.at..].iter().position(|byte| *byte == b'\n').ok_or("a line does not end")?;
        let line = text(self.take(end)?)?;
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
        Ok(Value::Tuple(items))
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

    fn memorise(&mut self, width: usize) -> Result<(), String> {
        let key = self.unsigned(width)?;
        // What is remembered and used again are names and types; a dictionary is remembered while still empty.
        match self.stack.last() {
            Some(Slot::Value(Value::Dict(_))) => {}
            Some(Slot::Value(value)) => {
                self.memo.insert(key, value.clone());
            }
            Some(Slot::Mark) | None => return Err("there is nothing to remember".into()),
        }
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<Value, String> {
        let key = self.unsigned(width)?;
        self.memo.get(&key).cloned().ok_or_else(|| format!("nothing is remembered under {key}"))
    }

    fn set_items(&mut self) -> Result<(), String> {
        let mut items = self.pop_to_mark()?.into_iter();
        let Some(Slot::Value(Value::Dict(entries))) = self.stack.last_mut() else {
            return Err("entries are set in what is no dictionary".into());
        };
        while let Some(key) = items.next() {
            entries.push((key, items.next().ok_or("a key has no value")?));
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "text is not UTF-8".into())
}

/// The two calls that are understood.
fn call(what: &Value, arguments: &Value) -> Result<Value, String> {
    let Value::Global(name) = what else { return Err("what is called is no name".into()) };
    let Value::Tuple(arguments) = arguments else { return Err("arguments are no tuple".into()) };
    match (name.as_str(), arguments.as_slice()) {
        ("numpy.dtype", [Value::Text(kind), ..]) if kind == "f8" => Ok(Value::Float64),
        ("numpy.core.multiarray.scalar", [Value::Float64, Value::Bytes(bytes)]) => {
            let bytes =
                bytes.as_slice().try_into().map_err(|_| format!("a float of {} bytes", bytes.len()))?;
            Ok(Value::Float(f64::from_le_bytes(bytes)))
        }
        _ => Err(format!("a call of {name} is not allowed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_of_a_dictionary() {
        // {1111: {"perf": 0.5}}, as Python pickles it where there is more than one entry.
        let bytes =
            b"\x80\x03}q\x00(MW\x04}q\x01(X\x04\x00\x00\x00perfq\x02G?\xe0\x00\x00\x00\x00\x00\x00uu.";
        let inner = Value::Dict(vec![(Value::Text("perf".into()), Value::Float(0.5))]);
        assert_eq!(read(bytes).unwrap(), Value::Dict(vec![(Value::Int(1111), inner)]));
    }

    #[test]
    fn no_other_call_is_carried_out() {
        let error = read(b"\x80\x03cos\nsystem\nX\x02\x00\x00\x00lsN\x86R.").unwrap_err();
        assert_eq!(error, "byte 22: a call of os.system is not allowed");
    }

    #[test]
    fn a_cut_pickle_says_where() {
        assert_eq!(read(b"\x80\x03}q\x00(MW").unwrap_err(), "byte 6: 2 bytes are wanted, 1 are left");
        assert!(read(b"").is_err());
    }
}
