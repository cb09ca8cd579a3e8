//! `WorkerPool`: processes that train side by side.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

use heirloom_kb::{Json, Trial};

use super::process::{Event, Said, Worker};
use super::{Assignment, Order, WorkerReport};
use crate::fidelity::Decision;
use crate::train::{EpochReport, TrainError};

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
    /// Trials taken on and not yet given back, in the order of the former.
    jobs: VecDeque<Job>,
    launched: u64,
    sender: Sender<Event>,
    events: Receiver<Event>,
    on_epoch: Box<dyn FnMut(usize, EpochReport) + Send>,
}

/// A trial that was taken on.
struct Job {
    what: Assignment,
    /// Whether it is asked after each epoch if it goes on.
    is_watched: bool,
    /// The worker that trains it, or did so; none yet while it waits for one.
    worker: Option<usize>,
    /// The epoch and score that it waits with.
    asks: Option<(u32, f64)>,
    /// Whether its process has ended and another one is asked what trial that makes.
    is_broken: bool,
    trial: Option<Trial>,
    /// Whether its end was shown to who waits.
    is_shown: bool,
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
        let mut pool = WorkerPool {
            command,
            setup,
            workers: Vec::new(),
            jobs: VecDeque::new(),
            launched: 0,
            sender,
            events,
            on_epoch,
        };
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

    /// Takes on an architecture to train: at once if a process is free, else when one becomes free and all that were taken on
    /// before have one.
    ///
    /// # Errors
    /// [`TrainError`] for what concerns all trials.
    pub fn take_on(&mut self, what: Assignment) -> Result<(), TrainError> {
        self.queue(what, false)
    }

    /// The trial that was taken on first of those not yet given back, if [`WorkerPool::wait`] has shown it.
    pub fn give_back(&mut self) -> Option<Trial> {
        self.jobs.front().filter(|job| job.is_shown)?;
        self.jobs.pop_front()?.trial
    }

    /// Waits until one more of those taken on has ended, whichever it is, and shows it before it is given back; nothing if all
    /// have been shown. The others go on meanwhile.
    ///
    /// # Errors
    /// [`TrainError`] for what concerns all trials; one that breaks is a failed trial.
    pub fn wait(&mut self) -> Result<Option<&Trial>, TrainError> {
        let is_new = |job: &Job| job.trial.is_some() && !job.is_shown;
        while !self.jobs.iter().any(is_new) && self.jobs.iter().any(|job| job.trial.is_none()) {
            let event = self.hear();
            self.heed(event)?;
        }
        Ok(self.jobs.iter_mut().find(|job| is_new(job)).and_then(|job| {
            job.is_shown = true;
            job.trial.as_ref()
        }))
    }

    /// Trains architectures side by side, as many at a time as there are processes, and gives their trials in the order given.
    /// They keep step: only when all that are under way have come through an epoch is `watch` asked for each, in the order
    /// given, so that its answers do not depend on which process is quicker. All that were taken on before have been given back.
    ///
    /// # Errors
    /// [`TrainError`] for what concerns all of them; a trial that breaks is a failed trial.
    pub fn train_in_step(
        &mut self,
        assignments: Vec<Assignment>,
        watch: Watch<'_>,
    ) -> Result<Vec<Trial>, TrainError> {
        let mut trials = Vec::with_capacity(assignments.len());
        let mut left = assignments.into_iter().peekable();
        while left.peek().is_some() {
            for what in left.by_ref().take(self.workers.len()) {
                self.queue(what, true)?;
            }
            while self.jobs.iter().any(|job| job.trial.is_none()) {
                let event = self.hear();
                self.heed(event)?;
                self.judge(&mut |at, epoch, score| watch(trials.len() + at, epoch, score));
            }
            trials.extend(self.jobs.drain(..).filter_map(|job| job.trial));
        }
        Ok(trials)
    }

    fn queue(&mut self, what: Assignment, is_watched: bool) -> Result<(), TrainError> {
        // A process that ended while it had nothing to do is to be replaced before it is given something.
        while let Ok(event) = self.events.try_recv() {
            self.heed(event)?;
        }
        self.jobs.push_back(Job {
            what,
            is_watched,
            worker: None,
            asks: None,
            is_broken: false,
            trial: None,
            is_shown: false,
        });
        self.hand_out();
        Ok(())
    }

    /// Gives the trials that wait to the workers that are free.
    fn hand_out(&mut self) {
        for at in 0..self.workers.len() {
            if self.jobs.iter().any(|job| job.is_with(at)) {
                continue;
            }
            let Some(job) = self.jobs.iter_mut().find(|job| job.worker.is_none()) else { return };
            job.worker = Some(at);
            let order = Order::Train { what: job.what.clone(), watched: job.is_watched };
            self.workers[at].tell(&order);
        }
    }

    /// Takes in what a worker said.
    fn heed(&mut self, event: Event) -> Result<(), TrainError> {
        // One that was replaced has nothing to say any more.
        let Some(at) = self.position(&event) else { return Ok(()) };
        let job = self.jobs.iter_mut().find(|job| job.is_with(at));
        match (event.said, job) {
            (Said::Report(WorkerReport::Ended(trial)), Some(job)) => {
                job.trial = Some(*trial);
                self.hand_out();
            }
            (Said::Report(WorkerReport::Ask { epoch, score }), Some(job)) => job.asks = Some((epoch, score)),
            (Said::Gone, Some(job)) => {
                if !self.workers[at].is_ready || job.is_broken {
                    return Err(self.never_ready(at));
                }
                (job.asks, job.is_broken) = (None, true);
                let what = job.what.clone();
                let reason = self.replace(at)?;
                self.workers[at].tell(&Order::Broken { what, reason });
            }
            // One that does not even come up is no reason to start it forever.
            (Said::Gone, None) if !self.workers[at].is_ready => return Err(self.never_ready(at)),
            (Said::Gone, None) => drop(self.replace(at)?),
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
    fn judge(&mut self, watch: Watch<'_>) {
        let under_way = |job: &&Job| job.trial.is_none() && !job.is_broken;
        if self.jobs.iter().filter(under_way).any(|job| job.asks.is_none()) {
            return;
        }
        for (at, job) in self.jobs.iter_mut().enumerate() {
            if let Some(((epoch, score), worker)) = job.asks.take().zip(job.worker) {
                let decision = watch(at, epoch, score);
                self.workers[worker].tell(&Order::Verdict(decision));
            }
        }
    }

    /// Starts a process.
    fn launch(&mut self) -> Result<Worker, TrainError> {
        self.launched += 1;
        Worker::launch(&mut self.command, self.launched, &self.setup, self.sender.clone())
    }

    /// Puts a new process in the place of one that is gone, and says how that one ended.
    fn replace(&mut self, at: usize) -> Result<String, TrainError> {
        let new = self.launch()?;
        let mut old = std::mem::replace(&mut self.workers[at], new);
        let reason = format!("its process ended: {}", old.end());
        tracing::warn!(worker = at, reason, "a worker is replaced");
        Ok(reason)
    }

    /// A process that ended before it could be told anything: another one would do the same.
    fn never_ready(&mut self, at: usize) -> TrainError {
        TrainError::NoWorker { reason: self.workers[at].end() }
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

impl Job {
    /// Whether a worker has it and has not ended it.
    fn is_with(&self, worker: usize) -> bool {
        self.worker == Some(worker) && self.trial.is_none()
    }
}

#[cfg(test)]
mod tests;
