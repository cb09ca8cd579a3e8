//! `Writes`: what a commit changes, and how many bytes that is.

/// What a commit changes, all or nothing, and how many bytes that is.
#[derive(Debug, Default)]
pub(super) struct Writes {
    batch: ::sled::Batch,
    bytes: u64,
}

impl Writes {
    pub(super) fn insert(&mut self, key: impl AsRef<[u8]>, value: Vec<u8>) {
        let key = key.as_ref();
        self.bytes += (key.len() + value.len()) as u64;
        self.batch.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: impl AsRef<[u8]>) {
        let key = key.as_ref();
        self.bytes += key.len() as u64;
        self.batch.remove(key);
    }

    /// The bytes of all keys and values.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn into_batch(self) -> ::sled::Batch {
        self.batch
    }
}
