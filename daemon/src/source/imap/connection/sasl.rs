//! AUTHENTICATE with an access token (RFC 9051 section 6.2.2, RFC 4959, RFC 7628).

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::super::answer::{Answer, Tagged};
use super::{COMMAND_LIMIT, Connection, ConnectionError};
use crate::oauth::sasl::Mechanism;

/// Challenges answered in one exchange: one for the message where the server takes none at once,
/// one that tells of a failure.
const CHALLENGES_MAX: usize = 2;

impl Connection {
    /// Shows `message` by `mechanism`. The challenge by which a server tells of a failure is
    /// answered, so that its `NO` arrives: without that it waits, and the login looks like a
    /// silent server.
    pub(crate) async fn authenticate(
        &mut self,
        mechanism: Mechanism,
        message: &str,
    ) -> Result<Tagged, ConnectionError> {
        const STEP: &str = "AUTHENTICATE";
        if !std::mem::replace(&mut self.in_step, false) {
            return Err(ConnectionError::OutOfStep);
        }
        let tag = self.next_tag();
        let message = BASE64.encode(message);
        let mut answers = Vec::with_capacity(CHALLENGES_MAX);
        answers.push(mechanism.after_failure());
        let mut line = format!("{tag} {STEP} {}", mechanism.name());
        match self.can("SASL-IR") {
            true => {
                line.push(' ');
                line.push_str(&message);
            }
            false => answers.push(&message),
        }
        line.push_str("\r\n");
        self.write(line.as_bytes(), STEP).await?;
        loop {
            match self.read(STEP, COMMAND_LIMIT).await? {
                Answer::GoAhead => {
                    let answer = answers.pop().ok_or(ConnectionError::OutOfStep)?;
                    self.write(format!("{answer}\r\n").as_bytes(), STEP).await?;
                }
                other => {
                    if let Some(tagged) = self.sort(other, &tag, STEP, &mut |_| ())? {
                        self.in_step = true;
                        return Ok(tagged);
                    }
                }
            }
        }
    }
}
