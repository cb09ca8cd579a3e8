//! The command line as a process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder with a base in it, and the program over it.
pub(crate) struct Program {
    dir: TempDir,
}

impl Program {
    pub(crate) fn new() -> Self {
        Program { dir: TempDir::new().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn base(&self) -> String {
        format!("sled://{}", self.path("base").display())
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_heirloom-under-test"));
        command.args(args).env("HEIRLOOM_BASE", self.base()).env_remove("RUST_LOG");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs with `--json`, expects success and reads the answer.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[&["--json"], args].concat());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {error}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs, expects a refusal of the input (code 2) and gives its words.
    pub(crate) fn refusal(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        error
    }

    pub(crate) fn trials(&self) -> u64 {
        self.json(&["status"])["trials"].as_u64().unwrap()
    }
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The folder with the wheels that hold real data; `None`, with a word about it, where it is not named.
pub(crate) fn wheels() -> Option<PathBuf> {
    let dir = std::env::var_os("HEIRLOOM_WHEELS").map(PathBuf::from);
    if dir.is_none() {
        println!("skipped: HEIRLOOM_WHEELS names no folder of wheels");
    }
    dir
}
