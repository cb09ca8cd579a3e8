//! The knowledge base of Heirloom: the vocabulary every other crate speaks, and the store that keeps it.
//!
//! The data are [`Task`], [`SearchSpace`], [`Architecture`] and [`Trial`]; the store is a [`KnowledgeStore`],
//! chosen by URL with [`open`]. [`jsonl`] brings histories in and out as JSON Lines.
//!
//! ```
//! use heirloom_kb::{Batch, KnowledgeStore, TrialQuery, open};
//!
//! let base = open("memory:")?;
//! let mut batch = Batch::default();
//! batch.spaces.push(serde_json::from_str(
//!     r#"{"id":"toy/1","params":[{"name":"depth","range":{"kind":"int","lo":1,"hi":8}}]}"#)?);
//! batch.tasks.push(serde_json::from_str(
//!     r#"{"id":"cora","domain":"graph","metric":"accuracy","goal":"maximize"}"#)?);
//! batch.trials.push(serde_json::from_str(
//!     r#"{"task":"cora","space":"toy/1","architecture":{"depth":3},
//!         "split":"validation","metric":"accuracy","score":0.81}"#)?);
//! assert_eq!(base.commit(&batch)?.trials_added, 1);
//! assert_eq!(base.commit(&batch)?.trials_known, 1);
//! assert_eq!(base.trials(&TrialQuery::task("cora"))?.trials.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod jsonl;
mod nearest;
pub mod schema;
pub mod store;

pub use nearest::nearest;
pub use schema::{
    Architecture, Condition, Domain, Extension, Goal, IdentifiedTrial, Json, Name, Param, Range, SchemaError,
    SearchSpace, Split, Status, Task, Trial, TrialId, Value,
};
pub use store::{
    Batch, Committed, CopiedAs, Cursor, Document, DocumentKind, GroupStats, KnowledgeStore, MemoryStore,
    SledStore, Stats, StoreError, TrialPage, TrialQuery, open, open_existing, open_to_read,
};
