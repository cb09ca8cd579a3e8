//! `WorkerPool`: processes that train side by side.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use heirloom_kb::{Architecture, Json, SearchSpace, Trial};

use super::{Assignment, Order, WorkerReport};
use crate::fidelity::Decision;
use crate::train::{Budget, EpochReport, TrainError};

/// Says whether a trial goes on: its place among those that are trained together, the epoch and the validation score.
type Watch<'a> = &'a mut dyn FnMut(usize, u32, f64) -> Decision;

/// Processes that train side by side, each one trial at a time.
///
/// A process that ends, because it was killed or memory ran out, makes a failed trial whose reason says how it ended, and
/// another one takes its place. The processes end with the pool, and when the process that has the pool ends.
pub struct WorkerPool {
    command: Command,
    setup: Json,
    workers: Vec<Worker>,
    launched: u64,
    sender: Sender<Event>,
    events: Receiver<Event>,
    on_epoch: Box<dyn FnMut(usize, EpochReport) + Send>,
}

/// A process at work.
struct Worker {
    number: u64,
    child: Child,
    orders: ChildStdin,
    is_ready: bool,
}

/// What a worker said, or that it says nothing more.
struct Event {
    worker: u64,
    said: Said,
}

enum Said {
    Report(WorkerReport),
    Nonsense(String),
    Gone,
}

/// A trial under way.
struct Job {
    what: Assignment,
    /// The epoch and score that it waits with.
    asks: Option<(u32, f64)>,
    /// Whether its process has ended and another one is asked what trial that makes.
    is_broken: bool,
    trial: Option<Trial>,
}

impl WorkerPool {
    /// Starts so many processes by a command that comes down to [`serve`](super::serve), gives each the set-up and waits until
    /// they are ready. `on_epoch` hears how each epoch of a process, counted from 0, went.
    ///
    /// # Errors
    /// [`TrainError::NoWorker`], and what the workers report of the set-up as [`TrainError::Worker`] or [`TrainError::Torch`].
    pub fn start(
        workers: usize,
        mut command: Command,
        setup: Json,
        on_epoch: Box<dyn FnMut(usize, EpochReport) + Send>,
    ) -> Result<Self, TrainError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let (sender, events) = channel();
        let mut pool =
            WorkerPool { command, setup, workers: Vec::new(), launched: 0, sender, events, on_epoch };
        for _ in 0..workers.max(1) {
            let worker = pool.launch()?;
            pool.workers.push(worker);
        }
        while pool.workers.iter().any(|worker| !worker.is_ready) {
            let event = pool.hear();
            let Some(at) = pool.position(&event) else { continue };
            match event.said {
                Said::Gone => return Err(pool.never_ready(at)),
                said => pool.take_in(at, said)?,
            }
        }
        Ok(pool)
    }

    /// How many processes there are.
    #[must_use]
    pub fn size(&self) -> usize {
        self.workers.len()
    }

    /// Trains architectures side by side, as many at a time as there are processes, and gives their trials in the order given.
    ///
    /// With `watch` the trials keep step: only when all that are under way have come through an epoch is it asked for each, in
    /// the order given, so that its answers do not depend on which process is quicker.
    ///
    /// # Errors
    /// [`TrainError`] for what concerns all of them; a trial that breaks is a failed trial.
    pub fn train(
        &mut self,
        space: &SearchSpace,
        architectures: &[Architecture],
        budget: &Budget,
        mut watch: Option<Watch<'_>>,
    ) -> Result<Vec<Trial>, TrainError> {
        let mut trials = Vec::with_capacity(architectures.len());
        for together in architectures.chunks(self.workers.len()) {
            self.replace_idle()?;
            let assignment = |architecture: &Architecture| Assignment {
                space: space.clone(),
                architecture: architecture.clone(),
                budget: *budget,
            };
            let new = |what| Job { what, asks: None, is_broken: false, trial: None };
            let mut jobs: Vec<Job> = together.iter().map(assignment).map(new).collect();
            for (at, job) in jobs.iter().enumerate() {
                self.tell(at, &Order::Train { what: job.what.clone(), watched: watch.is_some() });
            }
            while jobs.iter().any(|job| job.trial.is_none()) {
                let event = self.hear();
                if let Some(at) = self.position(&event) {
                    self.advance(at, event.said, jobs.get_mut(at))?;
                }
                if let Some(watch) = &mut watch {
                    self.judge(&mut jobs, &mut |at, epoch, score| watch(trials.len() + at, epoch, score));
                }
            }
            trials.extend(jobs.into_iter().filter_map(|job| job.trial));
        }
        Ok(trials)
    }

    /// What a worker said, as far as it concerns its job.
    fn advance(&mut self, at: usize, said: Said, job: Option<&mut Job>) -> Result<(), TrainError> {
        match (said, job) {
            (Said::Report(WorkerReport::Ended(trial)), Some(job)) => job.trial = Some(*trial),
            (Said::Report(WorkerReport::Ask { epoch, score }), Some(job)) => job.asks = Some((epoch, score)),
            (Said::Gone, Some(job)) if job.trial.is_none() => {
                if !self.workers[at].is_ready || job.is_broken {
                    return Err(self.never_ready(at));
                }
                let reason = self.replace(at)?;
                (job.asks, job.is_broken) = (None, true);
                self.tell(at, &Order::Broken { what: job.what.clone(), reason });
            }
            (Said::Gone, _) => drop(self.replace(at)?),
            (said, _) => return self.take_in(at, said),
        }
        Ok(())
    }

    /// Takes in what concerns no job.
    fn take_in(&mut self, at: usize, said: Said) -> Result<(), TrainError> {
        match said {
            Said::Report(WorkerReport::Ready) => self.workers[at].is_ready = true,
            Said::Report(WorkerReport::Epoch(report)) => (self.on_epoch)(at, report),
            Said::Report(WorkerReport::Refused { reason, torch: true }) => {
                return Err(TrainError::Torch { reason });
            }
            Said::Report(WorkerReport::Refused { reason, torch: false }) | Said::Nonsense(reason) => {
                return Err(TrainError::Worker { reason });
            }
            Said::Report(WorkerReport::Ask { .. } | WorkerReport::Ended(_)) | Said::Gone => {}
        }
        Ok(())
    }

    /// Once all trials under way wait, says which of them go on.
    fn judge(&mut self, jobs: &mut [Job], watch: Watch<'_>) {
        let under_way = |job: &&Job| job.trial.is_none() && !job.is_broken;
        if jobs.iter().filter(under_way).any(|job| job.asks.is_none()) {
            return;
        }
        for (at, job) in jobs.iter_mut().enumerate() {
            if let Some((epoch, score)) = job.asks.take() {
                let decision = watch(at, epoch, score);
                self.tell(at, &Order::Verdict(decision));
            }
        }
    }

    /// Starts a process; what it says comes with its number.
    fn launch(&mut self) -> Result<Worker, TrainError> {
        let mut child = self.command.spawn().map_err(|error| no_worker(&error))?;
        let (orders, reports) = child.stdin.take().zip(child.stdout.take()).expect("both are piped");
        self.launched += 1;
        let number = self.launched;
        let sender = self.sender.clone();
        std::thread::spawn(move || listen(number, reports, &sender));
        let mut worker = Worker { number, child, orders, is_ready: false };
        worker.tell(&Order::Start(self.setup.clone()));
        Ok(worker)
    }

    /// Puts a new process in the place of one that is gone, and says how that one ended.
    fn replace(&mut self, at: usize) -> Result<String, TrainError> {
        let new = self.launch()?;
        let mut old = std::mem::replace(&mut self.workers[at], new);
        let reason = format!("its process ended: {}", old.end());
        tracing::warn!(worker = at, reason, "a worker is replaced");
        Ok(reason)
    }

    /// Replaces processes that ended while they had nothing to do.
    fn replace_idle(&mut self) -> Result<(), TrainError> {
        while let Ok(event) = self.events.try_recv() {
            if let Some(at) = self.position(&event) {
                self.advance(at, event.said, None)?;
            }
        }
        Ok(())
    }

    /// A process that ended before it could be told anything: another one would do the same.
    fn never_ready(&mut self, at: usize) -> TrainError {
        TrainError::NoWorker { reason: self.workers[at].end() }
    }

    fn tell(&mut self, at: usize, order: &Order) {
        self.workers[at].tell(order);
    }

    fn hear(&mut self) -> Event {
        self.events.recv().expect("the pool itself holds a sender")
    }

    /// Where the worker is that an event is of; nothing if it was replaced.
    fn position(&self, event: &Event) -> Option<usize> {
        self.workers.iter().position(|worker| worker.number == event.worker)
    }
}

impl Drop for WorkerPool {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            worker.end();
        }
    }
}

impl Worker {
    fn tell(&mut self, order: &Order) {
        let mut line = serde_json::to_vec(order).expect("an order holds names, numbers and text");
        line.push(b'\n');
        if let Err(error) = self.orders.write_all(&line).and_then(|()| self.orders.flush()) {
            // That it is gone is also heard from the thread that listens to it, and dealt with there.
            tracing::debug!(worker = self.number, %error, "a worker takes no orders");
        }
    }

    /// Ends the process, if it has not ended by itself, and says how it ended.
    fn end(&mut self) -> String {
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

fn no_worker(error: &std::io::Error) -> TrainError {
    TrainError::NoWorker { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
