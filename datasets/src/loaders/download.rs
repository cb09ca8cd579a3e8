//! Downloads with a checksum.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::files;
use crate::DatasetError;

/// What the publisher says a file hashes to, in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// MD5, where the publisher gives nothing better: it guards against accidents.
    Md5(&'static str),
    /// SHA-256.
    Sha256(&'static str),
}

/// A file to be had from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteFile {
    /// From where.
    pub url: String,
    /// What it hashes to.
    pub digest: Digest,
}

/// Downloads a file to `path`, whose folder is made. It appears there when it is whole and has the right checksum.
///
/// # Errors
/// [`DatasetError::Download`], [`DatasetError::Checksum`] or [`DatasetError::Io`]; then nothing was left behind.
pub fn fetch(remote: &RemoteFile, path: &Path) -> Result<PathBuf, DatasetError> {
    tracing::info!(url = %remote.url, path = %path.display(), "downloading");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| files::io("create", folder, source))?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    let done = download(remote, &unfinished)
        .and_then(|()| fs::rename(&unfinished, path).map_err(|source| files::io("rename", path, source)));
    if done.is_err() {
        // It has failed already; that the remains cannot be removed adds nothing.
        let _ = fs::remove_file(&unfinished);
    }
    done.map(|()| path.to_owned())
}

fn download(remote: &RemoteFile, path: &Path) -> Result<(), DatasetError> {
    let failed = |reason: String| DatasetError::Download { url: remote.url.clone(), reason };
    let response = ureq::get(&remote.url).call().map_err(|error| failed(error.to_string()))?;
    let file = File::create(path).map_err(|source| files::io("write", path, source))?;
    let mut hashed = Hashed { file, hash: Hash::new(remote.digest) };
    io::copy(&mut response.into_body().into_reader(), &mut hashed)
        .map_err(|error| failed(error.to_string()))?;
    hashed.file.sync_all().map_err(|source| files::io("sync", path, source))?;
    let (Digest::Md5(expected) | Digest::Sha256(expected)) = remote.digest;
    let found = hashed.hash.hex();
    if found == expected {
        return Ok(());
    }
    Err(DatasetError::Checksum { url: remote.url.clone(), expected: expected.to_owned(), found })
}

enum Hash {
    Md5(Md5),
    Sha256(Sha256),
}

impl Hash {
    fn new(digest: Digest) -> Self {
        match digest {
            Digest::Md5(_) => Hash::Md5(Md5::new()),
            Digest::Sha256(_) => Hash::Sha256(Sha256::new()),
        }
    }

    fn hex(self) -> String {
        let bytes = match self {
            Hash::Md5(hash) => hash.finalize().to_vec(),
            Hash::Sha256(hash) => hash.finalize().to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// A file that is hashed as it is written.
struct Hashed {
    file: File,
    hash: Hash,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        match &mut self.hash {
            Hash::Md5(hash) => hash.update(&bytes[..n]),
            Hash::Sha256(hash) => hash.update(&bytes[..n]),
        }
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::net::TcpListener;

    use super::*;

    /// Answers one request with `hello`, on this machine.
    fn serve(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]).unwrap();
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
                .unwrap();
        });
        url
    }

    const MD5: &str = "5d41402abc4b2a76b9719d911017c592";
    const SHA256: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

    #[test]
    fn a_file_with_the_right_checksum_arrives() {
        for digest in [Digest::Md5(MD5), Digest::Sha256(SHA256)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("new/folder/file");
            fetch(&RemoteFile { url: serve("200 OK"), digest }, &path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"hello");
            assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_wrong_checksum_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let remote = RemoteFile { url: serve("200 OK"), digest: Digest::Md5("00") };
        let error = fetch(&remote, &dir.path().join("file")).unwrap_err().to_string();
        assert!(
            error.ends_with(&format!("/file has the checksum {MD5}, not 00; nothing was kept")),
            "{error}"
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_refusal_names_the_address() {
        let dir = tempfile::tempdir().unwrap();
        let remote = RemoteFile { url: serve("404 Not Found"), digest: Digest::Md5(MD5) };
        let error = fetch(&remote, &dir.path().join("file")).unwrap_err().to_string();
        assert!(error.starts_with("cannot download http://127.0.0.1") && error.contains("404"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
