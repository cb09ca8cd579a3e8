//! `Reader`: carries out the operations of a pickle, on a stack.

use std::collections::HashMap;
use std::rc::Rc;

use super::{Calls, Value};

/// What stands on the stack: a value or a mark.
enum Slot<O> {
    Value(Value<O>),
    Mark,
}

pub(super) struct Reader<'a, C: Calls> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Slot<C::Object>>,
    memo: HashMap<u64, Value<C::Object>>,
    calls: &'a C,
}

impl<'a, C: Calls> Reader<'a, C> {
    pub(super) fn new(bytes: &'a [u8], calls: &'a C) -> Self {
        Reader { bytes, at: 0, stack: Vec::new(), memo: HashMap::new(), calls }
    }

    /// The position of the next operation.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Carries out one operation; the finished value at the last.
    pub(super) fn step(&mut self) -> Result<Option<Value<C::Object>>, String> {
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
            // What is appended to a list is not looked into.
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
    fn value(&mut self, code: u8) -> Result<Value<C::Object>, String> {
        Ok(match code {
            b'h' => self.recall(1)?,
            b'j' => self.recall(4)?,
            b'}' => Value::Dict(Rc::default()),
            b')' => Value::Tuple(Rc::default()),
            b'K' => Value::Int(self.unsigned(1)? as i64),
            b'M' => Value::Int(self.unsigned(2)? as i64),
            b'J' => Value::Int(i64::from(self.unsigned(4)? as i32)),
            0x8a => self.long()?,
            b'G' => Value::Float(f64::from_be_bytes(self.take(8)?.try_into().expect("8 bytes were taken"))),
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            b'C' => Value::Bytes(self.counted(1)?.into()),
            b'B' => Value::Bytes(self.counted(4)?.into()),
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
            0x81 => self.object()?,
            b'R' => self.call()?,
            b'Q' => {
                let made = self.calls.persistent(&self.pop()?)?;
                made.ok_or("what stands outside the pickle is not known")?
            }
            other => return Err(format!("operation 0x{other:02x} is not known")),
        })
    }

    fn call(&mut self) -> Result<Value<C::Object>, String> {
        let (arguments, called) = (self.pop()?, self.pop()?);
        let Value::Global(name) = called else { return Err("what is called is no name".into()) };
        let Value::Tuple(arguments) = arguments else { return Err("arguments are no tuple".into()) };
        let made = self.calls.call(&name, &arguments)?;
        made.ok_or_else(|| format!("a call of {name} is not allowed"))
    }

    fn object(&mut self) -> Result<Value<C::Object>, String> {
        let (_arguments, class) = (self.pop()?, self.pop()?);
        self.calls.object(&class)?.ok_or_else(|| match class {
            Value::Global(name) => format!("an object of {name} is not allowed"),
            _ => "an object of what is no class is not allowed".into(),
        })
    }

    fn protocol(&mut self) -> Result<(), String> {
        match self.byte()? {
            ..=5 => Ok(()),
            beyond => Err(format!("protocol {beyond} is beyond 5")),
        }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], String> {
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

    /// A number of as many bytes as it says.
    fn long(&mut self) -> Result<Value<C::Object>, String> {
        let n = self.unsigned(1)? as usize;
        if n == 0 || n > 8 {
            return self.take(n).map(|_| if n == 0 { Value::Int(0) } else { Value::Other });
        }
        let unused = 64 - 8 * n as u32;
        Ok(Value::Int((self.unsigned(n)? << unused) as i64 >> unused))
    }

    /// Bytes behind their number, which is `width` bytes long.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], String> {
        let length = self.unsigned(width)? as usize;
        self.take(length)
    }

    fn text(&mut self, width: usize) -> Result<Value<C::Object>, String> {
        Ok(Value::Text(utf8(self.counted(width)?)?.into()))
    }

    fn line(&mut self) -> Result<&'a str, String> {
        let end =
            self.bytes[self.at..].iter().position(|byte| *byte == b'\n').ok_or("a line does not end")?;
        let line = utf8(self.take(end)?)?;
        self.at += 1;
        Ok(line)
    }

    fn pop(&mut self) -> Result<Value<C::Object>, String> {
        match self.stack.pop() {
            Some(Slot::Value(value)) => Ok(value),
            Some(Slot::Mark) | None => Err("a value is missing".into()),
        }
    }

    fn tuple(&mut self, n: usize) -> Result<Value<C::Object>, String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(Value::Tuple(Rc::new(items)))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value<C::Object>>, String> {
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

    /// Remembers what is on top: a dictionary, which is remembered before it is filled, as it is then.
    fn memorise(&mut self, key: u64) -> Result<(), String> {
        let Some(Slot::Value(value)) = self.stack.last() else {
            return Err("there is nothing to remember".into());
        };
        self.memo.insert(key, value.clone());
        Ok(())
    }

    fn recall(&mut self, width: usize) -> Result<Value<C::Object>, String> {
        let key = self.unsigned(width)?;
        self.memo.get(&key).cloned().ok_or_else(|| format!("nothing is remembered under {key}"))
    }

    /// Sets keys and values, in turn, in the dictionary on top; those of an object say nothing here.
    fn set_items(&mut self, items: Vec<Value<C::Object>>) -> Result<(), String> {
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
            Some(Slot::Value(Value::Object(_) | Value::Other)) => Ok(()),
            Some(Slot::Value(_)) => Err("entries are set in what is no dictionary".into()),
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

fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| "text is not UTF-8".into())
}
