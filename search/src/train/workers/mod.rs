//! Trials side by side, in processes of their own: libtorch has one random generator and one number of threads a process, and
//! one that runs out of memory takes its process along.
//!
//! A [`WorkerPool`] starts the processes and hands out architectures; in each of them [`serve`] trains what it is told to. They
//! talk in JSON, a line an [`Order`] or a [`WorkerReport`].

mod pool;
mod process;
mod protocol;
mod worker;

pub use pool::WorkerPool;
pub use protocol::{Assignment, Order, WorkerReport};
pub use worker::{Orders, Voice, serve};
