//! Which base is meant.

use std::sync::Arc;

use anyhow::Context;
use heirloom_kb::{CopiedAs, KnowledgeStore, open, open_existing, open_to_read};
use heirloom_search::train::WeightStore;

/// Which base is meant.
#[derive(Debug, clap::Args)]
pub(super) struct BaseArgs {
    /// The base: a folder (path/to/folder or sled:///path/to/folder), or memory: for one that is gone at the end. Unless
    /// given, a folder among the user's data.
    #[arg(long, global = true, env = "HEIRLOOM_BASE", value_name = "BASE", help_heading = super::EVERY_VERB)]
    base: Option<String>,
}

impl BaseArgs {
    /// Opens a base that must be there for one who only reads: as it is now where it is in use or nothing can be written.
    pub(super) fn open_to_read(&self) -> anyhow::Result<Arc<dyn KnowledgeStore>> {
        let url = self.url()?;
        let (store, copied) = open_to_read(&url).with_context(|| format!("cannot open the base {url}"))?;
        if let Some(copied) = copied {
            let why = match copied {
                CopiedAs::InUse => "is in use by another process",
                CopiedAs::ReadOnly => "must not be written to",
                CopiedAs::NoRoom => "lies on a disk that is full",
            };
            anstream::eprintln!("the base {why}: read from a copy of it as it is now");
        }
        Ok(store)
    }

    /// Opens a base that must be there, to go on with something in it: none is made at a path that may be mistyped.
    pub(super) fn open_existing(&self) -> anyhow::Result<Arc<dyn KnowledgeStore>> {
        let url = self.url()?;
        open_existing(&url).with_context(|| format!("cannot open the base {url}"))
    }

    /// Opens the base, which is made if it is not there.
    pub(super) fn open(&self) -> anyhow::Result<Arc<dyn KnowledgeStore>> {
        let url = self.url()?;
        open(&url).with_context(|| format!("cannot open the base {url}"))
    }

    /// Where trained weights are kept: the folder beside the base that has its name and `.weights`. A base in memory has none.
    pub(super) fn weights(&self) -> anyhow::Result<Option<WeightStore>> {
        let url = self.url()?;
        let folder = url.strip_prefix("sled://").map(|folder| folder.trim_end_matches('/'));
        Ok(folder.map(|folder| WeightStore::new(format!("{folder}.weights"))))
    }

    /// The base's URL.
    pub(super) fn url(&self) -> anyhow::Result<String> {
        match &self.base {
            // What names no scheme is a folder.
            Some(path) if !path.is_empty() && !path.contains(':') => Ok(format!("sled://{path}")),
            Some(url) => Ok(url.clone()),
            None => {
                let dirs = directories::ProjectDirs::from("", "", "heirloom");
                let dirs = dirs.context("there is no home folder to keep a base in; name one with --base")?;
                Ok(format!("sled://{}", dirs.data_dir().join("base").display()))
            }
        }
    }
}
