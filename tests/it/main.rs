//! Whole routes: the command line as a process, the server as a service, real histories and real training.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on stops there, one that skips says so"
)]

mod command_line;
mod early_stopping;
mod histories;
#[cfg(feature = "torch")]
mod inheriting;
mod kill;
#[cfg(feature = "torch")]
mod networks;
mod new_task;
mod objectives;
mod odd_cases;
mod own_data;
#[cfg(feature = "torch")]
mod predicting;
#[cfg(feature = "torch")]
mod prepared_data;
mod program;
mod rest;
mod rest_answers;
mod rest_query;
#[cfg(feature = "torch")]
mod side_by_side;
mod starter;
mod studies;
#[cfg(feature = "torch")]
mod training;
#[cfg(feature = "torch")]
mod under_way;
mod wheel;
