//! Where a password comes from.

use std::{
    env,
    io::{self, IsTerminal},
    path::PathBuf,
};

use zeroize::Zeroizing;

use crate::files;

/// The environment variable that may hold the password.
pub const PASSWORD_VARIABLE: &str = "GUARDIAN_PASSWORD";
/// Most bytes of a password or a file that holds one.
const MAX_PASSWORD_BYTES: usize = 4_096;

/// A password; never empty. It has no `Debug` and is erased when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why there is no password.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Nothing was given.
    #[error("the password is empty")]
    Empty,
    /// More than [`MAX_PASSWORD_BYTES`], or not UTF-8.
    #[error("the password is not a text of at most {MAX_PASSWORD_BYTES} bytes")]
    NotAText,
    /// The two entries of a new password are not the same.
    #[error("the two passwords differ")]
    Differ,
    /// No variable, no file and no terminal to ask on.
    #[error("no password: set {PASSWORD_VARIABLE}, name a file with --password-file, or run on a terminal")]
    NoSource,
    /// The file or terminal can't be read.
    #[error("the password can't be read: {0}")]
    Io(#[from] io::Error),
}

impl Password {
    /// A password.
    ///
    /// # Errors
    /// [`PasswordError::Empty`], [`PasswordError::NotAText`].
    pub fn new(text: Zeroizing<String>) -> Result<Self, PasswordError> {
        match text.len() {
            0 => Err(PasswordError::Empty),
            1..=MAX_PASSWORD_BYTES => Ok(Self(text)),
            _ => Err(PasswordError::NotAText),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Where to look for the password: a file if one is named, else the environment, else the terminal.
#[derive(Clone, Debug, Default)]
pub struct PasswordSource {
    /// A file whose first line is the password.
    pub file: Option<PathBuf>,
}

impl PasswordSource {
    /// Gets the password of secrets that exist.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn get(&self) -> Result<Password, PasswordError> {
        match self.silent()? {
            Some(password) => Ok(password),
            None => prompt("Password of this guardian's secrets: "),
        }
    }

    /// Gets the password of new secrets: on a terminal it is asked for twice.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub fn choose(&self) -> Result<Password, PasswordError> {
        if let Some(password) = self.silent()? {
            return Ok(password);
        }
        let first = prompt("New password for this guardian's secrets: ")?;
        let second = prompt("Once more: ")?;
        if first.0 == second.0 { Ok(first) } else { Err(PasswordError::Differ) }
    }

    fn silent(&self) -> Result<Option<Password>, PasswordError> {
        if let Some(path) = &self.file {
            let bytes = files::read_if_there(path, MAX_PASSWORD_BYTES as u64)?;
            let bytes = Zeroizing::new(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?);
            let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotAText)?;
            let line = text.lines().next().unwrap_or_default();
            return Password::new(Zeroizing::new(line.to_owned())).map(Some);
        }
        match env::var(PASSWORD_VARIABLE) {
            Ok(text) => Password::new(Zeroizing::new(text)).map(Some),
            Err(env::VarError::NotPresent) => Ok(None),
            Err(env::VarError::NotUnicode(_)) => Err(PasswordError::NotAText),
        }
    }
}

fn prompt(question: &str) -> Result<Password, PasswordError> {
    if !io::stdin().is_terminal() {
        return Err(PasswordError::NoSource);
    }
    Password::new(Zeroizing::new(rpassword::prompt_password(question)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_file_is_the_password() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("password");
        let source = PasswordSource { file: Some(path.clone()) };
        assert!(matches!(source.get(), Err(PasswordError::Io(_))));
        for (content, expected) in [("secret", "secret"), ("two words\n", "two words"), ("a\r\nb", "a")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(source.get().unwrap().as_bytes(), expected.as_bytes());
            assert_eq!(source.choose().unwrap().as_bytes(), expected.as_bytes());
        }
        std::fs::write(&path, "\nsecond").unwrap();
        assert!(matches!(source.get(), Err(PasswordError::Empty)));
        std::fs::write(&path, [0xff]).unwrap();
        assert!(matches!(source.get(), Err(PasswordError::NotAText)));
        std::fs::write(&path, vec![b'a'; MAX_PASSWORD_BYTES + 1]).unwrap();
        assert!(matches!(source.get(), Err(PasswordError::Io(_))));
    }
}
