//! Studies whose trials are trained side by side.

use heirloom_kb::{Architecture, Trial};

use crate::strategies::Proposal;
use crate::train::{Assignment, Budget, WorkerPool};
use crate::{SearchError, Study};

/// How many trials are asked for and not yet told, for each worker. Networks of a space differ a hundredfold in size: while one
/// worker trains a large one, the others need enough to go on with. The more, the less is known when a trial is chosen.
const ASKED_AHEAD: usize = 2;

impl Study {
    /// Asks for up to `n` architectures, has them trained side by side and tells their trials; gives what was proposed, in the
    /// order of asking, which is that of telling.
    ///
    /// The trial `i` is asked for when those before `i - w` have been told and no others, `w` being twice the number of
    /// workers; so the trials depend on that number, and not on which worker is quicker. Under a scheduler as many are asked
    /// for as there are workers, keep step and are told together. What has ended is in the base at once, before its turn to be
    /// told.
    ///
    /// # Errors
    /// As [`Study::ask`] and [`Study::tell`], after what was asked for before has been told; of the workers, and as
    /// [`Study::report`].
    pub fn try_side_by_side(
        &mut self,
        pool: &mut WorkerPool,
        n: usize,
        budget: &Budget,
    ) -> Result<Vec<Proposal>, SearchError> {
        if self.setup().scheduler.is_some() {
            return self.try_in_step(pool, n, budget);
        }
        let mut proposals = Vec::new();
        let mut untold = 0;
        let mut end = None;
        loop {
            while end.is_none() && untold < ASKED_AHEAD * pool.size() && proposals.len() < n {
                match self.ask(1) {
                    Ok(asked) => {
                        for proposal in asked {
                            self.begin(&proposal)?;
                            pool.take_on(self.assignment(&proposal.architecture, budget))?;
                            proposals.push(proposal);
                            untold += 1;
                        }
                    }
                    // What is under way is not lost for want of more.
                    Err(error) => end = Some(error),
                }
            }
            if let Some(trial) = pool.give_back() {
                self.tell_kept(trial)?;
                untold -= 1;
            } else if let Some(trial) = pool.wait()? {
                self.keep(trial.clone())?;
            } else {
                break;
            }
        }
        end.map_or(Ok(proposals), Err)
    }

    /// As [`Study::try_side_by_side`] under a scheduler.
    fn try_in_step(
        &mut self,
        pool: &mut WorkerPool,
        n: usize,
        budget: &Budget,
    ) -> Result<Vec<Proposal>, SearchError> {
        let mut proposals = Vec::new();
        while proposals.len() < n {
            let asked = self.ask(pool.size().min(n - proposals.len()))?;
            for proposal in &asked {
                self.begin(proposal)?;
            }
            let trials = self.train_in_step(pool, &asked, budget)?;
            self.tell(trials)?;
            proposals.extend(asked);
        }
        Ok(proposals)
    }

    fn train_in_step(
        &mut self,
        pool: &mut WorkerPool,
        proposals: &[Proposal],
        budget: &Budget,
    ) -> Result<Vec<Trial>, SearchError> {
        let assignments =
            proposals.iter().map(|proposal| self.assignment(&proposal.architecture, budget)).collect();
        let mut fault = None;
        let mut watch =
            |at: usize, step, score| self.judge(&proposals[at].architecture, step, score, &mut fault);
        let trials = pool.train_in_step(assignments, &mut watch)?;
        fault.map_or(Ok(trials), Err)
    }

    fn assignment(&self, architecture: &Architecture, budget: &Budget) -> Assignment {
        Assignment {
            space: self.history().space().clone(),
            architecture: architecture.clone(),
            budget: *budget,
        }
    }
}

#[cfg(test)]
mod tests;
