//! `serve`: a worker's side.

use std::io::{self, BufRead, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use heirloom_kb::{Json, Trial};

use super::{Assignment, Order, WorkerReport};
use crate::fidelity::Decision;
use crate::train::{EpochReport, TrainError, Trainer};

/// What a worker says goes out here, a line a report.
#[derive(Clone)]
pub struct Voice {
    out: Arc<Mutex<dyn Write + Send>>,
}

impl Voice {
    /// A voice that speaks into a pipe.
    #[must_use]
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Voice { out: Arc::new(Mutex::new(out)) }
    }

    /// Says how an epoch went. If nobody listens the end of the orders tells.
    pub fn epoch(&self, report: EpochReport) {
        if let Err(error) = self.say(&WorkerReport::Epoch(report)) {
            tracing::debug!(%error, "nobody listens");
        }
    }

    fn say(&self, report: &WorkerReport) -> io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.write_all(&line)?;
        out.flush()
    }
}

/// The orders of a worker, read in a thread of their own, so that their end is noticed while it trains.
pub struct Orders {
    received: Receiver<Order>,
}

impl Orders {
    /// Reads orders, a line each, until the input ends or is not understood; then `at_end` is called, in the reading thread.
    #[must_use]
    pub fn read(input: impl BufRead + Send + 'static, at_end: impl FnOnce() + Send + 'static) -> Self {
        let (sender, received) = channel();
        std::thread::spawn(move || {
            for line in input.lines().map_while(Result::ok) {
                match serde_json::from_str(&line) {
                    Ok(order) => {
                        if sender.send(order).is_err() {
                            break;
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "an order that is none");
                        break;
                    }
                }
            }
            drop(sender);
            at_end();
        });
        Orders { received }
    }

    fn next(&self) -> Option<Order> {
        self.received.recv().ok()
    }
}

/// Follows orders until they end. The first one carries what `make` makes the trainer of; the trainer's epochs are to be told to
/// [`Voice::epoch`].
///
/// # Errors
/// What the output reports when nobody reads it.
pub fn serve(
    orders: &Orders,
    voice: &Voice,
    make: impl FnOnce(Json) -> Result<Box<dyn Trainer>, WorkerReport>,
) -> io::Result<()> {
    let Some(Order::Start(setup)) = orders.next() else { return Ok(()) };
    let mut trainer = match make(setup) {
        Ok(trainer) => trainer,
        Err(refused) => return voice.say(&refused),
    };
    voice.say(&WorkerReport::Ready)?;
    while let Some(order) = orders.next() {
        let trial = match order {
            Order::Train { what, watched } => train(&mut *trainer, &what, watched.then_some((orders, voice))),
            Order::Broken { what, reason } => {
                trainer.broken(&what.space, &what.architecture, &what.budget, &reason)
            }
            // A verdict on a trial that has ended meanwhile.
            Order::Verdict(_) | Order::Start(_) => continue,
        };
        voice.say(&trial.map_or_else(
            |error| WorkerReport::refused(&error),
            |trial| WorkerReport::Ended(Box::new(trial)),
        ))?;
    }
    Ok(())
}

/// Trains, asking after each epoch if somebody is there to be asked.
fn train(
    trainer: &mut dyn Trainer,
    what: &Assignment,
    asked: Option<(&Orders, &Voice)>,
) -> Result<Trial, TrainError> {
    let Assignment { space, architecture, budget } = what;
    let Some((orders, voice)) = asked else { return trainer.train(space, architecture, budget) };
    let mut watch = |epoch, score| {
        let asked = voice.say(&WorkerReport::Ask { epoch, score });
        match asked.ok().and_then(|()| orders.next()) {
            Some(Order::Verdict(decision)) => decision,
            _ => Decision::Stop { why: "nobody answers".into() },
        }
    };
    trainer.train_watched(space, architecture, budget, &mut watch)
}

impl WorkerReport {
    /// An error of a trainer as a worker reports it.
    #[must_use]
    pub fn refused(error: &TrainError) -> Self {
        match error {
            TrainError::Torch { reason } => WorkerReport::Refused { reason: reason.clone(), torch: true },
            _ => WorkerReport::Refused { reason: in_words(error), torch: false },
        }
    }
}

/// An error with its causes.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
