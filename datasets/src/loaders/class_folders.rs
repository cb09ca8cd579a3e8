//! `ClassFolders`: files in folders that are named after their classes.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{format, io};
use crate::{Dataset, DatasetError};

/// Folders that are no class: background noise of Speech Commands, what macOS puts into zip files.
const NO_CLASS: [&str; 2] = ["_background_noise_", "__MACOSX"];

/// Which files are looked for.
pub(super) struct FileKind {
    /// What they are called in a message.
    pub(super) what: &'static str,
    /// How their names end.
    pub(super) endings: &'static [&'static str],
    /// How the names of files end that would be left out silently if they were not refused.
    pub(super) unreadable: &'static [&'static str],
}

/// The part of a data set that its makers put a file into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Train,
    Validation,
    Test,
}

/// A file, the position of its class, and its part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClassFile {
    pub(super) path: PathBuf,
    pub(super) class: usize,
    pub(super) part: Part,
}

/// Files and their classes, in the order of part, class and name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ClassFolders {
    pub(super) classes: Vec<String>,
    pub(super) files: Vec<ClassFile>,
    /// What was passed over, in plain words.
    pub(super) notes: Vec<String>,
}

impl ClassFolders {
    /// Reads `<class>/<file>`, or `train/<class>/<file>` and `test/<class>/<file>` (and a validation part likewise).
    pub(super) fn read(dir: &Path, kind: &FileKind) -> Result<Self, DatasetError> {
        let folders = folders(dir)?;
        let parts: Vec<Option<Part>> = folders.iter().map(|(name, _)| part(name)).collect();
        let has_parts = parts.contains(&Some(Part::Train)) && parts.iter().all(Option::is_some);
        let mut read = ClassFolders { classes: Vec::new(), files: Vec::new(), notes: Vec::new() };
        if !has_parts {
            read.classes = folders.iter().map(|(name, _)| name.clone()).collect();
            read.add(dir, &folders, Part::Train, kind)?;
        } else {
            let mut parts: Vec<(Part, &PathBuf)> =
                parts.into_iter().flatten().zip(folders.iter().map(|(_, path)| path)).collect();
            parts.sort();
            for (part, path) in parts {
                let folders = self::folders(path)?;
                if part == Part::Train {
                    read.classes = folders.iter().map(|(name, _)| name.clone()).collect();
                }
                read.add(path, &folders, part, kind)?;
            }
        }
        Ok(read)
    }

    /// Adds the files of the class folders of one part.
    fn add(
        &mut self,
        dir: &Path,
        folders: &[(String, PathBuf)],
        part: Part,
        kind: &FileKind,
    ) -> Result<(), DatasetError> {
        if folders.is_empty() {
            return Err(format(dir, format!("it has no class folders with {} files", kind.what)));
        }
        let beside = files(dir, kind)?.len();
        if beside > 0 {
            self.notes.push(format!("{beside} {} files beside the class folders are not read", kind.what));
        }
        for (name, path) in folders {
            let inner: Vec<String> = self::folders(path)?.into_iter().map(|(inner, _)| inner).collect();
            if !inner.is_empty() {
                self.notes
                    .push(format!("folders in the class folder {name:?} are not read: {}", listed(&inner)));
            }
            let Ok(class) = self.classes.binary_search(name) else {
                let reason =
                    format!("the training part has no class {name:?}, only {}", listed(&self.classes));
                return Err(format(path, reason));
            };
            let paths = files(path, kind)?;
            if paths.is_empty() {
                let hint = "every class folder must have some in it, not in folders of its own";
                return Err(format(path, format!("it has no {} file; {hint}", kind.what)));
            }
            self.files.extend(paths.into_iter().map(|path| ClassFile { path, class, part }));
        }
        Ok(())
    }

    /// The classes of the files.
    pub(super) fn y(&self) -> Vec<usize> {
        self.files.iter().map(|file| file.class).collect()
    }

    /// Tells a data set that has a row for every file which parts its makers set aside.
    pub(super) fn with_parts(&self, data: Dataset) -> Dataset {
        let rows = |part: Part| -> Vec<usize> {
            (0..self.files.len()).filter(|row| self.files[*row].part == part).collect()
        };
        let (validation, test) = (rows(Part::Validation), rows(Part::Test));
        let data = data.with_notes(self.notes.clone());
        let data = if test.is_empty() { data } else { data.with_official_test(test) };
        if validation.is_empty() { data } else { data.with_official_validation(validation) }
    }
}

/// The part that a folder's name stands for.
fn part(name: &str) -> Option<Part> {
    match name.to_lowercase().as_str() {
        "train" | "training" => Some(Part::Train),
        "val" | "valid" | "validation" => Some(Part::Validation),
        "test" | "testing" => Some(Part::Test),
        _ => None,
    }
}

/// The folders in a folder by name; hidden ones and those that are no class are left out.
pub(super) fn folders(dir: &Path) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let is_class = |(name, path): &(String, PathBuf)| path.is_dir() && !NO_CLASS.contains(&name.as_str());
    Ok(entries(dir)?.into_iter().filter(is_class).collect())
}

/// The files of a kind in a folder, by name.
pub(super) fn files(dir: &Path, kind: &FileKind) -> Result<Vec<PathBuf>, DatasetError> {
    let mut paths = Vec::new();
    for (_, path) in entries(dir)? {
        let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if kind.unreadable.contains(&ending.as_str()) {
            return Err(format(&path, format!("a {} file was expected, not .{ending}", kind.what)));
        }
        if kind.endings.contains(&ending.as_str()) && path.is_file() {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// What is in a folder and not hidden, by name.
pub(super) fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, DatasetError> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(dir).map_err(|source| io("open", dir, source))? {
        let entry = entry.map_err(|source| io("read", dir, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

/// Names for a message, cut where there are many.
pub(super) fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let more = if names.len() > MOST { ", …" } else { "" };
    names.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ") + more
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: FileKind = FileKind { what: "text", endings: &["txt"], unreadable: &["doc"] };

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for path in paths {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    /// The classes, and of each file its path, class and part.
    type Read = (Vec<String>, Vec<(String, usize, Part)>);

    fn read(paths: &[&str]) -> Result<Read, String> {
        let dir = tree(paths);
        let read = ClassFolders::read(dir.path(), &TEXT).map_err(|error| error.to_string())?;
        let place = |file: &ClassFile| {
            let path = file.path.strip_prefix(dir.path()).unwrap();
            (path.display().to_string(), file.class, file.part)
        };
        Ok((read.classes.clone(), read.files.iter().map(place).collect()))
    }

    #[test]
    fn what_is_passed_over_is_said() {
        let dir = tree(&["a/1.txt", "a/more/2.txt", "b/1.txt", "3.txt", "4.txt", "notes.md"]);
        let read = ClassFolders::read(dir.path(), &TEXT).unwrap();
        assert_eq!(read.files.len(), 2);
        let beside = "2 text files beside the class folders are not read";
        assert_eq!(read.notes, [beside, r#"folders in the class folder "a" are not read: more"#]);
    }

    #[test]
    fn class_folders_in_the_order_of_their_names() {
        let (classes, files) =
            read(&["b/1.txt", "a/2.TXT", "a/1.txt", "a/.hidden.txt", "README.md", "__MACOSX/x.txt"]).unwrap();
        assert_eq!(classes, ["a", "b"]);
        let expected = [("a/1.txt", 0), ("a/2.TXT", 0), ("b/1.txt", 1)];
        assert_eq!(files, expected.map(|(path, class)| (path.to_owned(), class, Part::Train)));
    }

    #[test]
    fn parts_that_the_makers_set_aside() {
        let (classes, files) =
            read(&["test/b/1.txt", "train/a/1.txt", "train/b/1.txt", "val/a/1.txt"]).unwrap();
        assert_eq!(classes, ["a", "b"]);
        let parts: Vec<_> = files.iter().map(|(_, class, part)| (*class, *part)).collect();
        assert_eq!(parts, [(0, Part::Train), (1, Part::Train), (0, Part::Validation), (1, Part::Test)]);
        // Classes that happen to be called so, without a training part, are classes.
        assert_eq!(read(&["test/1.txt", "val/1.txt"]).unwrap().0, ["test", "val"]);
    }

    #[test]
    fn refusals_name_the_folder() {
        let why = |paths: &[&str]| read(paths).unwrap_err();
        assert!(why(&["a/1.txt", "b/c/1.txt"]).contains("/b: it has no text file"));
        assert!(why(&["1.txt"]).contains("it has no class folders with text files"));
        assert!(why(&["a/1.doc"]).contains("a/1.doc: a text file was expected, not .doc"));
        let unknown = why(&["train/a/1.txt", "test/z/1.txt"]);
        assert!(unknown.contains("test/z: the training part has no class \"z\", only a"), "{unknown}");
        assert!(
            ClassFolders::read(Path::new("/nowhere"), &TEXT).unwrap_err().to_string().contains("/nowhere")
        );
    }
}
