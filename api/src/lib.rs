//! The faces of Heirloom: [`rest::app`] is the server, [`cli::main`] the command line.
#![forbid(unsafe_code)]

pub mod cli;
pub mod rest;
