//! Secrets by reference: the configuration says where one is, never what it is.

use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::AsyncReadExt;

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;
/// How long a `command` may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(30);

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub enum SecretRef {
    /// First line of a file.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// First line that a program prints; the words of its command line.
    Command(Vec<String>),
    /// A systemd credential (`LoadCredential=`), by name.
    Credential(String),
}

/// A secret in memory; never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// One that came from elsewhere than a [`SecretRef`].
    pub(crate) fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The secret itself, for the protocol that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A file or credential could not be read.
    #[error("cannot read the secret in {path}; check the path and its permissions")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {name} is not set; set it for the service, or use `file`")]
    Unset {
        /// Which.
        name: String,
    },
    /// There is no credentials directory.
    #[error(
        "no credential {name}: $CREDENTIALS_DIRECTORY is not set; add LoadCredential={name}:… to \
         the unit"
    )]
    NoCredentials {
        /// Which.
        name: String,
    },
    /// The command failed.
    #[error("the command `{command}` gave no secret ({why}); run it by hand to see")]
    Command {
        /// Its first word.
        command: String,
        /// What happened.
        why: String,
    },
    /// Nothing was in it.
    #[error("the secret in {place} is empty")]
    Empty {
        /// Where it should be.
        place: String,
    },
}

impl SecretRef {
    /// Fetches the secret: the first line, without its line end. Read anew at each login, so
    /// that a changed password needs no restart.
    ///
    /// # Errors
    /// When the place cannot be read or holds nothing; the text names the place, never the secret.
    pub async fn fetch(&self) -> Result<Secret, SecretError> {
        let (text, place) = match self {
            SecretRef::File(path) => (read_file(path).await?, path.display().to_string()),
            SecretRef::Env(name) => (
                std::env::var(name).map_err(|_| SecretError::Unset { name: name.clone() })?,
                format!("${name}"),
            ),
            SecretRef::Credential(name) => {
                let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
                    .ok_or_else(|| SecretError::NoCredentials { name: name.clone() })?;
                let path = PathBuf::from(folder).join(name);
                (read_file(&path).await?, path.display().to_string())
            }
            SecretRef::Command(words) => (run(words).await?, words.join(" ")),
        };
        let first = text.lines().next().unwrap_or_default();
        if first.is_empty() {
            return Err(SecretError::Empty { place });
        }
        Ok(Secret(first.to_owned()))
    }
}

async fn read_file(path: &PathBuf) -> Result<String, SecretError> {
    let failed = |source| SecretError::Read {
        path: path.clone(),
        source,
    };
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX)
        .read_to_string(&mut text)
        .await
        .map_err(failed)?;
    Ok(text)
}

async fn run(words: &[String]) -> Result<String, SecretError> {
    let command = words.first().cloned().unwrap_or_default();
    let failed = |why: String| SecretError::Command {
        command: command.clone(),
        why,
    };
    let mut child = tokio::process::Command::new(&command)
        .args(words.get(1..).unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let mut text = String::new();
    let output = child.stdout.take();
    let read = async {
        if let Some(output) = output {
            output
                .take(SECRET_BYTES_MAX)
                .read_to_string(&mut text)
                .await?;
        }
        child.wait().await
    };
    match tokio::time::timeout(COMMAND_LIMIT, read).await {
        Err(_) => Err(failed(format!(
            "no answer within {} s",
            COMMAND_LIMIT.as_secs()
        ))),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Ok(Ok(status)) if !status.success() => Err(failed(status.to_string())),
        Ok(Ok(_)) => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_secret_is_the_first_line_and_never_prints() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pw");
        std::fs::write(&path, "s3cret\nsecond\n").unwrap();
        let secret = SecretRef::File(path).fetch().await.unwrap();
        assert_eq!(secret.expose(), "s3cret");
        assert!(!format!("{secret:?}").contains("s3cret"));
        let command = SecretRef::Command(vec!["printf".into(), "abc\\ndef".into()]);
        assert_eq!(command.fetch().await.unwrap().expose(), "abc");
    }

    #[tokio::test]
    async fn a_missing_secret_names_its_place() {
        let missing = SecretRef::File("/nowhere/pw".into())
            .fetch()
            .await
            .unwrap_err();
        assert!(missing.to_string().contains("/nowhere/pw"));
        let failing = SecretRef::Command(vec!["false".into()])
            .fetch()
            .await
            .unwrap_err();
        assert!(failing.to_string().contains("false"));
    }
}
