//! Why data could not be loaded or imported.

/// Why a data set could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A data set that does not hold together.
    #[error("data set {name:?}: {reason}")]
    Bad {
        /// Its name.
        name: String,
        /// What is wrong, with the place.
        reason: String,
    },
    /// Data of one class, of which there is nothing to learn.
    #[error("{place}: all examples are of the class {class:?}; two classes are needed")]
    OneClass {
        /// The file or folder, and of a table the label.
        place: String,
        /// The class.
        class: String,
    },
    /// A name that stands for no data set.
    #[error(
        "there is no data set {name:?}; there are {known}; your own data are given by their path (--from)"
    )]
    Unknown {
        /// The name as given.
        name: String,
        /// The names that are.
        known: String,
    },
    /// Files that are not where they were looked for.
    #[error("{name}: there is no {wanted} in {dir}; {hint}")]
    Missing {
        /// The data set.
        name: String,
        /// The file looked for.
        wanted: String,
        /// The folder looked in.
        dir: String,
        /// What to do.
        hint: String,
    },
    /// A file of another format than expected.
    #[error("{file}: {reason}")]
    Format {
        /// The file, and the member for one inside an archive.
        file: String,
        /// What is wrong, with the place and what was expected.
        reason: String,
    },
    /// Data of another kind than a network was trained on.
    #[error("{place} is {found}; the network takes {wanted}")]
    OtherKind {
        /// The file or folder.
        place: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A table without columns that a network was trained on.
    #[error(
        "{file}: columns that the network was trained on are not there: {missing}; there are {found}{hint}"
    )]
    NoColumn {
        /// The file.
        file: String,
        /// Their names.
        missing: String,
        /// The names of those that are there.
        found: String,
        /// What may be the reason, if something can be said of it.
        hint: &'static str,
    },
    /// An option that these data cannot follow.
    #[error("option {option:?} with {file}: {reason}")]
    BadOption {
        /// The option.
        option: &'static str,
        /// The file or folder.
        file: String,
        /// Why, and what would do.
        reason: String,
    },
    /// What the file system reports.
    #[error("cannot {act} {file}")]
    Io {
        /// `open`, `read`, `write`.
        act: &'static str,
        /// The file.
        file: String,
        /// What it reported.
        source: std::io::Error,
    },
    /// A download that broke off.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// From where.
        url: String,
        /// What the connection reported.
        reason: String,
    },
    /// A download that is not the file it should be; nothing of it was kept.
    #[error("{url} has the checksum {found}, not {expected}; nothing was kept")]
    Checksum {
        /// From where.
        url: String,
        /// What the file should have.
        expected: String,
        /// What it has.
        found: String,
    },
}

/// Why a history could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file that is not the one expected.
    #[error("{file}: {reason}")]
    WrongFile {
        /// The file.
        file: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A member of the file that is damaged.
    #[error("{file}: {member}: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// The member.
        member: String,
        /// What is wrong, with the place.
        reason: String,
    },
    /// What the file system reports.
    #[error("cannot open {file}")]
    Io {
        /// The file.
        file: String,
        /// What it reported.
        source: std::io::Error,
    },
}
