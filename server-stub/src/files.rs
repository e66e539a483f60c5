//! Writing files so that a crash leaves the old content or the new, never half of it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Whoever the process's mask lets.
    Anyone,
    /// Its owner alone: mode 0600.
    Owner,
}

/// Replaces the content of a file: writes another one beside it, syncs it and renames it.
///
/// # Errors
/// What the operating system says.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".tmp");
    let draft = path.with_file_name(name);
    // What an interrupted write left may have another mode.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mode = match readers {
        Readers::Anyone => 0o666,
        Readers::Owner => 0o600,
    };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    // The rename itself is durable once the folder is.
    match path.parent() {
        Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Creates a folder, and those above it, that its owner alone can enter; one that is there stays as it is.
///
/// # Errors
/// What the operating system says.
pub fn private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The content of a file of at most `limit` bytes; `None` if there is no such file.
///
/// # Errors
/// What the operating system says, or [`io::ErrorKind::FileTooLarge`].
pub fn read_if_there(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(found) if found.len() > limit => Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read(path).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn replaces_whole_files_whatever_a_crash_left() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("a/b");
        private_folder(&folder).unwrap();
        private_folder(&folder).unwrap();
        let path = folder.join("file");
        assert_eq!(read_if_there(&path, 10).unwrap(), None);
        fs::write(folder.join("file.tmp"), b"half").unwrap();
        for content in [b"one", b"two"] {
            replace(&path, content, Readers::Owner).unwrap();
            assert_eq!(read_if_there(&path, 10).unwrap().unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no draft stays behind");
        assert_eq!(read_if_there(&path, 2).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
