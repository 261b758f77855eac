//! What the answer of a token endpoint means (RFC 6749 section 5, RFC 8628 section 3.5).
//!
//! The difference that matters: what passes by itself is waited for and is never called bad
//! credentials, and what a person must mend is not asked for again and again.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use crate::secret::Secret;

/// Longest token, in bytes: Microsoft's have about 2,500, and SASL lines end at 12,288.
const TOKEN_BYTES_MAX: usize = 9 * 1024;
/// Life of an access token whose end is not told, in seconds.
const LIFE_SECS_DEFAULT: u64 = 3_600;
/// Longest life that is believed, in seconds: a day, so that a grant is tried once a day.
const LIFE_SECS_MAX: u64 = 24 * 3_600;
/// Longest wait that an endpoint may ask for.
pub(super) const ASKED_WAIT_MAX: Duration = Duration::from_secs(60 * 60);
/// Most characters of an endpoint's own words that are repeated.
const WORDS_CHARS_MAX: usize = 200;
/// Shorter values are no secrets, and taking them out would take letters out of words.
const SECRET_BYTES_MIN: usize = 8;
/// Words longer than this are left out of them: they may be tokens.
const WORD_CHARS_MAX: usize = 36;

/// An answer before it is understood.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// Retry-After.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Tokens as they were given.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    pub(super) access: Secret,
    pub(super) life: Duration,
    pub(super) refresh: Option<Secret>,
}

/// What an answer means.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Tokens(Tokens),
    /// The person has not agreed yet (device code).
    Pending {
        /// We ask too often.
        slow_down: bool,
    },
    /// A person must agree again.
    Consent(String),
    /// Somebody must correct the configuration, here or at the provider.
    Refused(String),
    /// It passes.
    Later {
        why: String,
        wait: Option<Duration>,
    },
}

#[derive(Deserialize)]
struct RawTokens {
    access_token: String,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<Value>,
    #[serde(default)]
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct RawError {
    error: String,
    #[serde(default)]
    error_description: Option<String>,
}

/// Understands a reply of the token endpoint. `asked`: what was sent, so that no value of it is
/// repeated.
pub(super) fn read(reply: &Reply, asked: &[&str]) -> Answer {
    let later = |why: String| Answer::Later {
        why,
        wait: reply.retry_after.map(|wait| wait.min(ASKED_WAIT_MAX)),
    };
    match reply.status {
        200 => match tokens(&reply.body) {
            Ok(tokens) => Answer::Tokens(tokens),
            Err(why) => later(format!("its answer holds no usable token ({why})")),
        },
        // Whatever the body says: these are about the endpoint, not about us.
        408 | 425 | 429 | 500.. => later(format!("it answers {}", status_words(reply, asked))),
        400 | 401 | 403 => match serde_json::from_slice::<RawError>(&reply.body) {
            Ok(error) => of_error(&error, asked, later),
            Err(_) => Answer::Refused(format!("it answers {} without a reason", reply.status)),
        },
        status => Answer::Refused(format!(
            "it answers {status}: is its address right? Redirects are not followed"
        )),
    }
}

fn status_words(reply: &Reply, asked: &[&str]) -> String {
    let code = serde_json::from_slice::<RawError>(&reply.body);
    match code {
        Ok(error) => format!("{} ({})", reply.status, clean(&error.error, asked)),
        Err(_) => reply.status.to_string(),
    }
}

fn of_error(error: &RawError, asked: &[&str], later: impl Fn(String) -> Answer) -> Answer {
    let code = clean(&error.error, asked);
    let said = error.error_description.as_deref();
    let words = match said.map(|said| clean(said, asked)) {
        Some(said) if !said.is_empty() => format!("{code}: {said}"),
        _ => code,
    };
    match error.error.as_str() {
        "authorization_pending" => Answer::Pending { slow_down: false },
        "slow_down" => Answer::Pending { slow_down: true },
        "invalid_grant"
        | "interaction_required"
        | "login_required"
        | "consent_required"
        | "account_selection_required"
        | "access_denied"
        | "expired_token"
        | "bad_verification_code"
        | "authorization_declined" => Answer::Consent(words),
        "temporarily_unavailable" | "server_error" => later(words),
        // No standard has a word for it, and taken for bad credentials it stops all mail.
        other
            if ["rate", "throttl", "quota"]
                .iter()
                .any(|part| other.contains(part)) =>
        {
            later(words)
        }
        _ => Answer::Refused(words),
    }
}

fn tokens(body: &[u8]) -> Result<Tokens, &'static str> {
    // serde's own words could repeat what it read.
    let raw: RawTokens = serde_json::from_slice(body).map_err(|_| "no JSON with access_token")?;
    if let Some(kind) = &raw.token_type
        && !kind.eq_ignore_ascii_case("bearer")
    {
        return Err("token_type is not Bearer");
    }
    let life = match &raw.expires_in {
        None | Some(Value::Null) => LIFE_SECS_DEFAULT,
        Some(Value::Number(number)) => seconds(number.as_f64())?,
        Some(Value::String(text)) => seconds(text.parse().ok())?,
        Some(_) => return Err("expires_in is no number"),
    };
    Ok(Tokens {
        access: token(raw.access_token)?,
        life: Duration::from_secs(life),
        refresh: match raw.refresh_token {
            Some(text) if !text.is_empty() => Some(token(text)?),
            _ => None,
        },
    })
}

fn seconds(given: Option<f64>) -> Result<u64, &'static str> {
    let seconds = given.filter(|seconds| seconds.is_finite() && *seconds >= 1.0);
    let seconds = seconds.ok_or("expires_in is no number of seconds")?;
    let most = Duration::from_secs(LIFE_SECS_MAX);
    Ok(Duration::try_from_secs_f64(seconds)
        .map_or(most, |life| life.min(most))
        .as_secs())
}

/// RFC 6749 appendix A.12 and A.17: printable ASCII, so that no token can end a SASL message.
fn token(text: String) -> Result<Secret, &'static str> {
    if text.is_empty() || text.len() > TOKEN_BYTES_MAX {
        return Err("a token of no usable length");
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err("a token with characters that none may have");
    }
    Ok(Secret::new(text))
}

/// An endpoint's words in one short line, without what it was asked with, and without anything
/// else that may be a token.
pub(super) fn clean(text: &str, asked: &[&str]) -> String {
    let line = text.lines().next().unwrap_or_default();
    let secrets = asked.iter().filter(|value| value.len() >= SECRET_BYTES_MIN);
    let line = secrets.fold(line.to_owned(), |line, secret| line.replace(*secret, "…"));
    let words: Vec<&str> = line
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .map(|word| match word.chars().count() > WORD_CHARS_MAX {
            true => "…",
            false => word,
        })
        .collect();
    words.join(" ").chars().take(WORDS_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
