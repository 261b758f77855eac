//! How an alarm leaves: a program of the operator's, or a POST to an address of theirs.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{Notice, Webhook, WebhookError};

/// How long one way may take.
pub(super) const WAY_LIMIT: Duration = Duration::from_secs(60);

/// A way on which an alarm leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlarmWay {
    /// A program; the words are its standard input, so that `mail -s Liaison ops@example.com` is
    /// one. Its environment has `LIAISON_ALARM` (`raised`, `repeated` or `cleared`) and
    /// `LIAISON_ALARM_SOURCE`.
    Command(Vec<String>),
    /// An address to which the alarm is posted.
    Webhook(Webhook),
}

/// An alarm was not told.
#[derive(Debug, thiserror::Error)]
pub enum WayError {
    /// The program did not do it.
    #[error("the alarm command `{command}` failed ({why}); run it by hand to see")]
    Command {
        /// Its first word.
        command: String,
        /// What happened.
        why: String,
    },
    /// The address did not take it.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

impl AlarmWay {
    /// Tells it.
    ///
    /// # Errors
    /// When the program cannot be run, does not end in time, or ends with an error; when the
    /// address cannot be reached or answers with anything but success.
    pub async fn tell(&self, notice: &Notice) -> Result<(), WayError> {
        match self {
            AlarmWay::Command(words) => run(words, notice).await,
            AlarmWay::Webhook(webhook) => Ok(webhook.tell(notice).await?),
        }
    }
}

async fn run(words: &[String], notice: &Notice) -> Result<(), WayError> {
    let command = words.first().cloned().unwrap_or_default();
    let failed = |why: String| WayError::Command {
        command: command.clone(),
        why,
    };
    let kind = serde_json::to_value(notice.kind).unwrap_or_default();
    let mut child = tokio::process::Command::new(&command)
        .args(words.get(1..).unwrap_or_default())
        .env("LIAISON_ALARM", kind.as_str().unwrap_or_default())
        .env("LIAISON_ALARM_SOURCE", &notice.source)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let input = child.stdin.take();
    let work = async {
        if let Some(mut input) = input {
            // Who does not read it may do without.
            let _ = input
                .write_all(format!("{}\n", notice.text()).as_bytes())
                .await;
        }
        child.wait().await
    };
    let ended = timeout(WAY_LIMIT, work).await;
    let ended = ended.map_err(|_| failed(format!("no end within {} s", WAY_LIMIT.as_secs())))?;
    match ended {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string())),
        Err(error) => Err(failed(error.to_string())),
    }
}
