//! What stands around every value: a format byte and a checksum.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::StoreError;
use super::keys;

/// The only format of a value so far.
const VALUE_FORMAT: u8 = 1;
/// Format byte and checksum.
const HEAD: usize = 5;

/// `[format][CRC-32 of the body, little endian][body]`.
pub(super) fn seal(body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEAD + body.len());
    value.push(VALUE_FORMAT);
    value.extend(crc32fast::hash(body).to_le_bytes());
    value.extend(body);
    value
}

/// The body of a value, if it is the one that was written.
pub(super) fn open<'a>(key: &[u8], value: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let corrupt = |reason: String| StoreError::Corrupt { key: keys::show(key), reason };
    let Some((head, body)) = value.split_first_chunk::<HEAD>() else {
        return Err(corrupt(format!("{} bytes are too few for a record", value.len())));
    };
    let [format, sum @ ..] = *head;
    if format != VALUE_FORMAT {
        return Err(corrupt(format!("its format byte is {format}, known is {VALUE_FORMAT}")));
    }
    if u32::from_le_bytes(sum) != crc32fast::hash(body) {
        return Err(corrupt("its checksum does not match".into()));
    }
    Ok(body)
}

pub(super) fn number(number: u64) -> Vec<u8> {
    seal(&number.to_le_bytes())
}

pub(super) fn read_number(key: &[u8], value: &[u8]) -> Result<u64, StoreError> {
    let body = open(key, value)?;
    let bytes = body.try_into().map_err(|_| StoreError::Corrupt {
        key: keys::show(key),
        reason: format!("{} bytes are no number", body.len()),
    })?;
    Ok(u64::from_le_bytes(bytes))
}

pub(super) fn json(record: &impl Serialize) -> Vec<u8> {
    seal(&serde_json::to_vec(record).expect("records hold only strings, numbers and string-keyed maps"))
}

pub(super) fn read_json<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(open(key, value)?)
        .map_err(|error| StoreError::Corrupt { key: keys::show(key), reason: error.to_string() })
}
