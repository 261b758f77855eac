//! A person agrees: by a code at another machine (RFC 8628), or in a browser that comes back to
//! this one (RFC 6749 section 4.1 with RFC 7636).
//!
//! What is secret of a login under way stays here: a command gets what the person must see, and a
//! word by which it asks on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use liaison_core::manifest::nearest;
use liaison_core::time::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Tokens, clean};
use super::credential::Credential;
use super::settings::Flow;
use super::vault::VaultError;
use super::{Credentials, LOOPBACK, detached, form};
use crate::secret::Secret;

/// Logins under way at once; the one that ends first goes when there are more.
const OPEN_MAX: usize = 16;
/// How long a browser may take to come back.
const BROWSER_LIMIT: Duration = Duration::from_secs(10 * 60);
/// Longest life of a device code that is believed.
const DEVICE_LIMIT_MAX: Duration = Duration::from_secs(30 * 60);
/// Pause between two questions where the provider names none (RFC 8628 section 3.2).
const INTERVAL_DEFAULT: Duration = Duration::from_secs(5);
/// What is added to it when we ask too often (RFC 8628 section 3.5).
const INTERVAL_MORE: Duration = Duration::from_secs(5);
/// Longest pause.
const INTERVAL_MAX: Duration = Duration::from_secs(60);
/// Random bytes of a verifier (43 characters, RFC 7636 section 4.1), a state and a session.
const RANDOM_BYTES: usize = 32;

/// A login that began, and what the person must be shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "flow", rename_all = "snake_case")]
pub enum Begun {
    /// A code to be typed.
    Device {
        /// By which the command asks on.
        session: String,
        /// The code.
        user_code: String,
        /// Where it is typed.
        verification_uri: String,
        /// Where it need not be typed.
        verification_uri_complete: Option<String>,
        /// How long it is good.
        expires_in_secs: u64,
        /// Until the command asks on.
        wait_secs: u64,
    },
    /// An address to be opened in a browser.
    Browser {
        /// By which the command asks on.
        session: String,
        /// The address.
        url: String,
        /// How long it is good.
        expires_in_secs: u64,
    },
    /// Nobody has to agree, and a token was given.
    Done,
}

/// How far a login is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Progress {
    /// The person has not agreed yet.
    Pending {
        /// Until the command asks on.
        wait_secs: u64,
    },
    /// Done, and stored.
    Done {
        /// Which credential.
        name: String,
    },
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// There is no such credential.
    #[error("there is no [[oauth]] named `{name}`{hint}")]
    Unknown {
        /// As given.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// It cannot be done in this way.
    #[error("{0}")]
    Flow(String),
    /// It was never begun here, took too long, or the daemon read its configuration again.
    #[error("this login is not known any more: begin again")]
    Session,
    /// The person or the provider said no.
    #[error("the login was declined ({0}): begin again, and agree")]
    Declined(String),
    /// The endpoint does not want us.
    #[error("the provider refuses us ({0}): correct [[oauth]], or the application at the provider")]
    Refused(String),
    /// It passes.
    #[error("the provider does not answer as it should now ({0}): try again")]
    Later(String),
    /// The consent cannot be kept.
    #[error("the login cannot be stored")]
    Vault(#[from] VaultError),
}

impl From<Answer> for ConsentError {
    fn from(answer: Answer) -> ConsentError {
        match answer {
            Answer::Consent(why) => ConsentError::Declined(why),
            Answer::Refused(why) => ConsentError::Refused(why),
            Answer::Later { why, .. } => ConsentError::Later(why),
            Answer::Tokens(_) | Answer::Pending { .. } => {
                ConsentError::Later("an answer that makes no sense".to_owned())
            }
        }
    }
}

/// Logins under way.
#[derive(Debug, Default)]
pub(super) struct Desk {
    // A short lock without await.
    open: Mutex<BTreeMap<String, Open>>,
}

#[derive(Debug)]
struct Open {
    credential: Arc<Credential>,
    ends: Timestamp,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Device {
        code: Secret,
        interval: Duration,
        next: Timestamp,
    },
    Browser {
        verifier: Secret,
        state: String,
        redirect: String,
    },
}

/// RFC 8628 section 3.2, and Google's older name.
#[derive(Deserialize)]
struct DeviceCode {
    device_code: String,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default)]
    interval: Option<u64>,
}

impl Desk {
    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, session: String, open: Open) {
        let mut all = self.open();
        let now = open.credential.now();
        all.retain(|_, other| other.ends > now);
        if all.len() >= OPEN_MAX {
            let first = all.iter().min_by_key(|(_, open)| open.ends);
            if let Some(first) = first.map(|(session, _)| session.clone()) {
                all.remove(&first);
            }
        }
        all.insert(session, open);
    }

    fn take(&self, session: &str) -> Result<Open, ConsentError> {
        let open = self.open().remove(session).ok_or(ConsentError::Session)?;
        match open.ends > open.credential.now() {
            true => Ok(open),
            false => Err(ConsentError::Session),
        }
    }
}

impl Credentials {
    /// The credential with this name, or what may have been meant.
    ///
    /// # Errors
    /// [`ConsentError::Unknown`].
    pub fn find(&self, name: &str) -> Result<&Arc<Credential>, ConsentError> {
        self.get(name).ok_or_else(|| ConsentError::Unknown {
            name: name.to_owned(),
            hint: match nearest(name, self.iter().map(|one| one.name())) {
                Some(near) => format!(": did you mean `{near}`?"),
                None if self.by_name.is_empty() => String::new(),
                None => {
                    let all: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                    format!(": there are {}", all.join(", "))
                }
            },
        })
    }

    /// Begins a login. `redirect` is the address of this machine to which a browser is to come
    /// back; `how` is another way than the configured one.
    ///
    /// # Errors
    /// [`ConsentError`].
    pub async fn begin(
        &self,
        name: &str,
        how: Option<Flow>,
        redirect: Option<String>,
    ) -> Result<Begun, ConsentError> {
        let credential = self.find(name)?.clone();
        let flow = how.unwrap_or(credential.settings().flow);
        match flow {
            Flow::ClientCredentials => {
                credential.try_again();
                let got = credential.access().await;
                got.map(|_| Begun::Done)
                    .map_err(|error| ConsentError::Flow(error.to_string()))
            }
            _ if !credential.settings().needs_consent() => Err(ConsentError::Flow(format!(
                "`{name}` has flow = \"client_credentials\": nobody has to agree"
            ))),
            Flow::Device => self.begin_device(credential).await,
            Flow::Browser => self.begin_browser(credential, redirect),
        }
    }

    async fn begin_device(&self, credential: Arc<Credential>) -> Result<Begun, ConsentError> {
        let settings = credential.settings();
        let url = settings.device_url.as_ref().ok_or_else(|| {
            ConsentError::Flow("this provider has no device codes: use --browser".to_owned())
        })?;
        let scopes = settings.scopes.join(" ");
        let secret = credential.client_secret().await?;
        let secret = secret.as_ref().map(Secret::expose);
        let reply = credential.post(url, &[("scope", &scopes)], secret).await?;
        let code: DeviceCode = match reply.status {
            200 => serde_json::from_slice(&reply.body)
                .map_err(|_| ConsentError::Later("its answer holds no device code".to_owned()))?,
            _ => {
                return Err(
                    super::answer::read(&reply, &secret.into_iter().collect::<Vec<_>>()).into(),
                );
            }
        };
        let life = Duration::from_secs(code.expires_in).min(DEVICE_LIMIT_MAX);
        let interval = code.interval.map_or(INTERVAL_DEFAULT, Duration::from_secs);
        let interval = interval.clamp(Duration::from_secs(1), INTERVAL_MAX);
        let session = random()?;
        let now = credential.now();
        self.desk.add(
            session.clone(),
            Open {
                ends: plus(now, life),
                way: Way::Device {
                    code: Secret::new(code.device_code),
                    interval,
                    next: plus(now, interval),
                },
                credential,
            },
        );
        Ok(Begun::Device {
            session,
            user_code: code.user_code,
            verification_uri: code.verification_uri,
            verification_uri_complete: code.verification_uri_complete,
            expires_in_secs: life.as_secs(),
            wait_secs: interval.as_secs(),
        })
    }

    fn begin_browser(
        &self,
        credential: Arc<Credential>,
        redirect: Option<String>,
    ) -> Result<Begun, ConsentError> {
        let settings = credential.settings();
        let url = settings.authorize_url.as_ref().ok_or_else(|| {
            ConsentError::Flow("`authorize_url` is not configured: use --device".to_owned())
        })?;
        let port = redirect.as_deref().and_then(port_of);
        let port = port.ok_or_else(|| {
            ConsentError::Flow("a browser can come back to this machine only".to_owned())
        })?;
        let redirect = format!("http://{}:{port}/", settings.loopback_name);
        let (verifier, state, session) = (random()?, random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let scopes = settings.scopes.join(" ");
        let fields = [
            ("response_type", "code"),
            ("client_id", &settings.client_id),
            ("redirect_uri", &redirect),
            ("scope", &scopes),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let all = fields
            .into_iter()
            .chain(settings.authorize_extra.iter().copied());
        let separator = if url.contains('?') { '&' } else { '?' };
        let url = format!("{url}{separator}{}", form::encode(all));
        let ends = plus(credential.now(), BROWSER_LIMIT);
        self.desk.add(
            session.clone(),
            Open {
                ends,
                way: Way::Browser {
                    verifier: Secret::new(verifier),
                    state,
                    redirect,
                },
                credential,
            },
        );
        Ok(Begun::Browser {
            session,
            url,
            expires_in_secs: BROWSER_LIMIT.as_secs(),
        })
    }

    /// Asks whether the person has typed the code. What was begun ends also when nobody waits.
    ///
    /// # Errors
    /// [`ConsentError`]; the login is over then.
    pub async fn go_on(&self, session: &str) -> Result<Progress, ConsentError> {
        let (desk, session) = (self.desk.clone(), session.to_owned());
        let done = detached(async move { desk.poll(session).await }).await;
        done.unwrap_or(Err(ConsentError::Session))
    }

    /// The browser came back with this query.
    ///
    /// # Errors
    /// [`ConsentError`]; with a wrong `state` the login goes on, everything else ends it.
    pub async fn finish(&self, session: &str, query: &str) -> Result<Progress, ConsentError> {
        let (desk, session) = (self.desk.clone(), session.to_owned());
        let query = query.to_owned();
        let done = detached(async move { desk.exchange(session, &query).await }).await;
        done.unwrap_or(Err(ConsentError::Session))
    }
}

impl Desk {
    async fn poll(&self, session: String) -> Result<Progress, ConsentError> {
        let mut open = self.take(&session)?;
        let now = open.credential.now();
        let Way::Device {
            code,
            interval,
            next,
        } = &mut open.way
        else {
            self.add(session, open);
            return Err(ConsentError::Flow(
                "the browser has to come back".to_owned(),
            ));
        };
        if now < *next {
            let wait_secs = seconds_up(next.since(now));
            self.add(session, open);
            return Ok(Progress::Pending { wait_secs });
        }
        let fields = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", code.expose()),
        ];
        let url = &open.credential.settings().token_url;
        let asked = open.credential.ask(url, &fields).await;
        *interval = match asked.unwrap_or_else(|failed| failed) {
            Answer::Tokens(tokens) => return kept(&open.credential, tokens).await,
            Answer::Pending { slow_down: false } => *interval,
            Answer::Pending { slow_down: true } => interval.saturating_add(INTERVAL_MORE),
            Answer::Later { wait, .. } => interval.saturating_mul(2).max(wait.unwrap_or_default()),
            other => return Err(other.into()),
        }
        .min(INTERVAL_MAX);
        *next = plus(open.credential.now(), *interval);
        let wait_secs = interval.as_secs();
        self.add(session, open);
        Ok(Progress::Pending { wait_secs })
    }

    async fn exchange(&self, session: String, query: &str) -> Result<Progress, ConsentError> {
        let open = self.take(&session)?;
        let Way::Browser {
            verifier,
            state,
            redirect,
        } = &open.way
        else {
            self.add(session, open);
            return Err(ConsentError::Flow("a code has to be typed".to_owned()));
        };
        if form::field(query, "state").as_ref() != Some(state) {
            // Somebody else's page sent the browser here (RFC 6749 section 10.12).
            self.add(session, open);
            return Err(ConsentError::Flow(
                "this is not the answer to our question".to_owned(),
            ));
        }
        if let Some(error) = form::field(query, "error") {
            let said = form::field(query, "error_description").unwrap_or_default();
            let why = format!("{} {}", clean(&error, &[]), clean(&said, &[]));
            return Err(ConsentError::Declined(why.trim_end().to_owned()));
        }
        let code = form::field(query, "code")
            .ok_or_else(|| ConsentError::Declined("no code came back".to_owned()))?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", redirect),
            ("code_verifier", verifier.expose()),
        ];
        let url = &open.credential.settings().token_url;
        match open.credential.ask(url, &fields).await? {
            Answer::Tokens(tokens) => kept(&open.credential, tokens).await,
            other => Err(other.into()),
        }
    }
}

async fn kept(credential: &Arc<Credential>, tokens: Tokens) -> Result<Progress, ConsentError> {
    if tokens.refresh.is_none() {
        return Err(ConsentError::Refused(
            "it gave no refresh token: a scope such as `offline_access` is missing, or the \
             application may not have one"
                .to_owned(),
        ));
    }
    credential.consented(tokens).await?;
    Ok(Progress::Done {
        name: credential.name().to_owned(),
    })
}

/// The port of an address of this machine.
fn port_of(redirect: &str) -> Option<u16> {
    let rest = redirect.strip_prefix("http://")?.strip_prefix(LOOPBACK)?;
    let port = rest.strip_prefix(':')?.trim_end_matches('/');
    port.parse().ok().filter(|port| *port != 0)
}

fn random() -> Result<String, VaultError> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| VaultError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn plus(now: Timestamp, span: Duration) -> Timestamp {
    now.plus_millis(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}

/// Whole seconds, not less than the time itself.
fn seconds_up(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or(0).div_ceil(1_000)
}
