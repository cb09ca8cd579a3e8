//! `Worker`: a process at work, and what is heard of it.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command};
use std::sync::mpsc::Sender;

use heirloom_kb::Json;

use super::{Order, WorkerReport};
use crate::train::TrainError;

/// A process at work.
pub(super) struct Worker {
    pub(super) number: u64,
    child: Child,
    orders: ChildStdin,
    pub(super) is_ready: bool,
}

/// What a worker said, or that it says nothing more.
pub(super) struct Event {
    pub(super) worker: u64,
    pub(super) said: Said,
}

pub(super) enum Said {
    Report(WorkerReport),
    Nonsense(String),
    Gone,
}

impl Worker {
    /// Starts a process by the pool's command and gives it the set-up; what it says comes with its number.
    pub(super) fn launch(
        command: &mut Command,
        number: u64,
        setup: &Json,
        sender: Sender<Event>,
    ) -> Result<Self, TrainError> {
        let mut child =
            command.spawn().map_err(|error| TrainError::NoWorker { reason: error.to_string() })?;
        let (orders, reports) = child.stdin.take().zip(child.stdout.take()).expect("both are piped");
        std::thread::spawn(move || listen(number, reports, &sender));
        let mut worker = Worker { number, child, orders, is_ready: false };
        worker.tell(&Order::Start(setup.clone()));
        Ok(worker)
    }

    pub(super) fn tell(&mut self, order: &Order) {
        let mut line = serde_json::to_vec(order).expect("an order holds names, numbers and text");
        line.push(b'\n');
        if let Err(error) = self.orders.write_all(&line).and_then(|()| self.orders.flush()) {
            // That it is gone is also heard from the thread that listens to it, and dealt with there.
            tracing::debug!(worker = self.number, %error, "a worker takes no orders");
        }
    }

    /// Ends the process, if it has not ended by itself, and says how it ended.
    pub(super) fn end(&mut self) -> String {
        // What has ended cannot be killed, and its status stays.
        let _ = self.child.kill();
        self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string())
    }
}

/// Hands on what a worker says, and that it says nothing more.
fn listen(worker: u64, reports: ChildStdout, sender: &Sender<Event>) {
    for line in BufReader::new(reports).lines().map_while(Result::ok) {
        let said = match serde_json::from_str(&line) {
            Ok(report) => Said::Report(report),
            Err(error) => Said::Nonsense(format!("it said {line:?}: {error}")),
        };
        if sender.send(Event { worker, said }).is_err() {
            return;
        }
    }
    // A pool that is gone need not be told.
    let _ = sender.send(Event { worker, said: Said::Gone });
}
