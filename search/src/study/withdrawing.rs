//! Taking back proposals that nobody will try out.

use heirloom_kb::Architecture;

use super::Study;
use crate::{Recommender, SearchError};

impl Study {
    /// Takes back proposals that will get no trial, because whoever tried them out is gone or does not want them: they are no longer under
    /// way, say nothing of how good they are, and may be proposed again. All are taken back, or none.
    ///
    /// The study is taken up anew from the base without them, see [`Study::take_up`]; what was reported of trials under way is forgotten, as
    /// after a restart. Strategies that draw may go on with other draws.
    ///
    /// # Errors
    /// [`SearchError::NotUnderWay`], of the store, and as [`Study::take_up`].
    pub fn withdraw(
        &mut self,
        recommender: &Recommender,
        architectures: &[Architecture],
    ) -> Result<(), SearchError> {
        if architectures.is_empty() {
            return Ok(());
        }
        let proposed = |architecture: &Architecture| {
            let key = self.key(architecture)?;
            self.under_way().iter().find(|other| self.key(other).as_ref() == Some(&key)).cloned()
        };
        let missing = |index| SearchError::NotUnderWay { index, study: self.id.as_str().into() };
        let found = |(index, architecture)| proposed(architecture).ok_or_else(|| missing(index));
        let taken: Vec<Architecture> =
            architectures.iter().enumerate().map(found).collect::<Result<_, _>>()?;
        self.under_way.end(|other| taken.contains(other))?;
        *self = Study::take_up(recommender, &self.id)?;
        Ok(())
    }
}
