//! Why a store could not do what it was asked.

use crate::schema::SchemaError;

/// Why a store could not do what it was asked. Nothing was half-written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A URL that names no store.
    #[error("{url:?} is not the URL of a base; use sled:///path/to/folder or memory:")]
    BadUrl {
        /// The URL as given.
        url: String,
    },
    /// A folder without a base in it, asked for by somebody who means to read one.
    #[error("there is no base at {path}; make one with heirloom init or heirloom import, or name another")]
    NoBase {
        /// The folder.
        path: String,
    },
    /// A folder that holds other things than a base.
    #[error("the folder {path} holds other files and is no base; name a new or an empty folder")]
    OtherFiles {
        /// The folder.
        path: String,
    },
    /// The base is open elsewhere.
    #[error(
        "the base at {path} is in use by another process, a study or a server; wait for it or stop it, or ask the server over REST"
    )]
    InUse {
        /// The base's folder.
        path: String,
    },
    /// A base whose files, or their disk, must not be written to, asked for by somebody who means to write.
    #[error(
        "the base at {path} must not be written to: its folder, or its disk, is for reading only; copy the folder, or export it and import that elsewhere"
    )]
    ReadOnly {
        /// The base's folder.
        path: String,
    },
    /// A record that does not fit; nothing of its batch was kept.
    #[error("{record} {index}: {source}")]
    Refused {
        /// `space`, `task` or `trial`.
        record: &'static str,
        /// Its position in the batch.
        index: usize,
        /// Why.
        source: SchemaError,
    },
    /// Text that is not a cursor.
    #[error("{cursor:?} is not a cursor; use the one that the page before gave")]
    BadCursor {
        /// The text as given.
        cursor: String,
    },
    /// A record whose bytes are damaged.
    #[error("the record at {key} is damaged: {reason}")]
    Corrupt {
        /// The key, in readable form.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A base that holds less than it has acknowledged. Its files are as they were found.
    #[error(
        "the base at {path} is damaged: of {wanted} writes that it has acknowledged {held} can be read; nothing was changed; restore it from its last export, or, to go on with what can be read, copy the folder and delete receipt.json in it"
    )]
    Lost {
        /// The base's folder.
        path: String,
        /// Writes that can be read.
        held: u64,
        /// Writes that were acknowledged.
        wanted: u64,
    },
    /// A disk without enough room; nothing was written.
    #[error("there is no room for the base at {path}: {} MB are free, {} MB are needed; nothing was written", free >> 20, needed.div_ceil(1 << 20))]
    NoRoom {
        /// The base's folder.
        path: String,
        /// Bytes that are free.
        free: u64,
        /// Bytes that a write is to find.
        needed: u64,
    },
    /// A base that an earlier write of this process has failed on.
    #[error(
        "an earlier write to the base at {path} has failed; nothing more is written until it is opened anew"
    )]
    Broken {
        /// The base's folder.
        path: String,
    },
    /// A base written by a newer Heirloom.
    #[error("the base has format {found}, this Heirloom reads up to {known}; use a newer one")]
    NewerFormat {
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// What the embedded database reports.
    #[error("the database at {path} failed")]
    Database {
        /// The base's folder.
        path: String,
        /// What it reported.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the file system reports.
    #[error("cannot {act} {path}")]
    Io {
        /// `open`, `sync`, `write`.
        act: &'static str,
        /// The file.
        path: String,
        /// What it reported.
        source: std::io::Error,
    },
}
