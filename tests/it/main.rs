//! Whole routes: the command line as a process, the server as a service, real histories and real training.

mod command_line;
mod histories;
mod kill;
mod program;
mod rest;
#[cfg(feature = "torch")]
mod training;
mod wheel;
