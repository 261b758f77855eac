//! One credential: its access token, its grant, and what is wrong with it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use liaison_core::time::{MINUTE_MS, Timestamp};
use tokio::sync::{Mutex as AsyncMutex, Notify, OwnedMutexGuard, watch};

use super::answer::{self, Answer, Tokens};
use super::endpoint::{Endpoint, NoAnswer};
use super::settings::{Flow, OauthSettings};
use super::vault::{Grant, Mark, Vault, VaultError};
use super::{AccessToken, OauthError, detached, form};
use crate::clock::Clock;
use crate::dial::in_words;
use crate::secret::Secret;
use crate::supervisor::{Stop, Waited};

mod standing;

pub use standing::{Standing, State};

/// Part of an access token's life, in percent, after which another one is asked for.
const REFRESH_AT_PERCENT: i64 = 80;
/// Most percent taken off that, by name, so that credentials are not refreshed all at once.
const SPREAD_PERCENT: i64 = 5;
/// A token that ends within this is not given out: a login takes a moment, and clocks differ.
const LAST_MS: i64 = 5_000;
/// Wait after the first failure that passes.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
/// Longest wait after failures that pass, unless the endpoint asks for more.
const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);
/// How often an endpoint that refuses us is asked again: somebody may have mended it there.
const REFUSED_WAIT: Duration = Duration::from_secs(60 * 60);
/// How often somebody's consent, given to another process, is looked for.
const CONSENT_LOOK_EVERY: Duration = Duration::from_secs(10);
/// A token that a mail server refused is replaced at most this often: if the next one is refused
/// as well, its age was not the reason.
const FORCED_EVERY_MS: i64 = MINUTE_MS;

/// What is wrong.
#[derive(Debug, Clone)]
enum Trouble {
    /// A person must agree; the writing of the file that was of no use.
    Consent { why: String, mark: Option<Mark> },
    /// Somebody must correct something; asked again then.
    Refused { why: String, until: Timestamp },
    /// It passes; asked again then.
    Later {
        why: String,
        until: Timestamp,
        failures: u32,
    },
}

/// What is known; all of it can be lost but `unsaved`.
#[derive(Debug, Default)]
struct Known {
    access: Option<AccessToken>,
    /// A mail server refused the access token.
    refused: bool,
    /// When a refused token was replaced last.
    forced: Option<Timestamp>,
    trouble: Option<Trouble>,
    /// Since when there is trouble.
    since: Option<Timestamp>,
    /// A grant that could not be written: it must be before it is used.
    unsaved: Option<Grant>,
    /// When the person agreed.
    consented: Option<Timestamp>,
    refreshes: u64,
    failures: u64,
}

/// One `[[oauth]]`, shared by all who log in with it.
#[derive(Debug)]
pub struct Credential {
    settings: OauthSettings,
    endpoint: Arc<dyn Endpoint>,
    clock: Arc<dyn Clock>,
    vault: Vault,
    /// Held while the endpoint is asked or the grant replaced.
    busy: Arc<AsyncMutex<()>>,
    // A short lock without await.
    known: Mutex<Known>,
    /// Counts how often what needed a person was mended.
    mended: watch::Sender<u64>,
    /// The worker has to look when to refresh next.
    wake: Notify,
}

impl Credential {
    pub(super) fn new(
        settings: OauthSettings,
        endpoint: Arc<dyn Endpoint>,
        clock: Arc<dyn Clock>,
    ) -> Arc<Credential> {
        let vault = Vault {
            folder: settings.folder.clone(),
            name: settings.name.clone(),
            key: settings.token_key.clone(),
            bound_to: format!("{} {}", settings.token_url, settings.client_id),
        };
        Arc::new(Credential {
            settings,
            endpoint,
            clock,
            vault,
            busy: Arc::default(),
            known: Mutex::default(),
            mended: watch::Sender::new(0),
            wake: Notify::new(),
        })
    }

    /// As configured.
    #[must_use]
    pub fn settings(&self) -> &OauthSettings {
        &self.settings
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An access token for a login now; asks the endpoint when it must. Cancel-safe: what was
    /// begun goes on.
    ///
    /// # Errors
    /// [`OauthError`]; while that lasts, nobody is asked.
    pub async fn access(self: &Arc<Self>) -> Result<AccessToken, OauthError> {
        if let Some(answer) = self.at_hand() {
            return answer;
        }
        let busy = self.busy.clone().lock_owned().await;
        // Somebody else may have done it meanwhile.
        if let Some(answer) = self.at_hand() {
            return answer;
        }
        let this = self.clone();
        let renewed = detached(async move { this.renew(busy).await }).await;
        renewed.unwrap_or_else(|| {
            Err(OauthError::Later {
                name: self.name().to_owned(),
                why: "the daemon is ending".to_owned(),
                wait: BACKOFF_FIRST,
            })
        })
    }

    /// What can be answered without asking: a good token, or that it is not the time.
    fn at_hand(&self) -> Option<Result<AccessToken, OauthError>> {
        let now = self.now();
        let known = self.known();
        let usable = known
            .access
            .clone()
            .filter(|token| !known.refused && token.ends.since(now) > LAST_MS);
        if let Some(token) = &usable
            && now < self.refresh_at(token)
        {
            return Some(Ok(token.clone()));
        }
        let name = || self.name().to_owned();
        let error = match known.trouble.clone()? {
            Trouble::Consent { why, mark } => {
                if self.vault.mark() != mark {
                    return None;
                }
                OauthError::NeedsConsent { name: name(), why }
            }
            Trouble::Refused { until, .. } | Trouble::Later { until, .. } if until <= now => {
                return None;
            }
            Trouble::Refused { why, .. } => OauthError::Refused { name: name(), why },
            Trouble::Later { why, until, .. } => OauthError::Later {
                name: name(),
                why,
                wait: millis(until.since(now)),
            },
        };
        // What there is is used to its end.
        Some(usable.ok_or(error))
    }

    fn refresh_at(&self, token: &AccessToken) -> Timestamp {
        let first = blake3::hash(self.name().as_bytes()).as_bytes()[0];
        let percent = REFRESH_AT_PERCENT - i64::from(first) % (SPREAD_PERCENT + 1);
        let life = token.ends.since(token.given);
        token.given.plus_millis(life.saturating_mul(percent) / 100)
    }

    /// A mail server refused this token. Tells whether another one may help.
    #[must_use]
    pub fn refused(&self, token: &AccessToken) -> bool {
        let now = self.now();
        let mut known = self.known();
        if !known.access.as_ref().is_some_and(|held| held.is(token)) {
            return true;
        }
        if known
            .forced
            .is_some_and(|at| now.since(at) < FORCED_EVERY_MS)
        {
            return false;
        }
        known.forced = Some(now);
        known.refused = true;
        true
    }

    /// Completes when a person mended something. `error`: why there was no token, if that was it;
    /// then it also completes when that is over already.
    pub async fn mended(&self, error: Option<&OauthError>) {
        let mut mended = self.mended.subscribe();
        mended.borrow_and_update();
        let over = {
            let known = self.known();
            !matches!(
                known.trouble,
                Some(Trouble::Consent { .. } | Trouble::Refused { .. })
            )
        };
        if error.is_none() || !over {
            // The sender lives as long as `self`, so that this is no error.
            let _ = mended.changed().await;
        }
    }

    /// Keeps an access token at hand until `stop`, so that a grant that ended is known before mail
    /// is missed; notices a consent that was given to another process.
    pub async fn run(self: Arc<Self>, stop: Stop) {
        loop {
            // The error is in `standing`, and was logged when it was new.
            let _ = self.access().await;
            let next = stop.sleep(self.next_look());
            let waited = tokio::select! {
                waited = next => waited,
                () = self.wake.notified() => Waited::Elapsed,
            };
            if waited == Waited::Stopped || stop.is_set() {
                break;
            }
        }
        // What was begun ends before the runtime does.
        drop(self.busy.lock().await);
    }

    fn next_look(&self) -> Duration {
        let now = self.now();
        let known = self.known();
        let at = match &known.trouble {
            Some(Trouble::Consent { .. }) => return CONSENT_LOOK_EVERY,
            Some(Trouble::Refused { until, .. } | Trouble::Later { until, .. }) => Some(*until),
            None => known.access.as_ref().map(|token| self.refresh_at(token)),
        };
        let wait = at.map_or(BACKOFF_MAX, |at| millis(at.since(now)));
        wait.clamp(Duration::from_secs(1), REFUSED_WAIT)
    }

    /// Gets a token and remembers what came of it.
    async fn renew(
        self: &Arc<Self>,
        _busy: OwnedMutexGuard<()>,
    ) -> Result<AccessToken, OauthError> {
        let mark = self.vault.mark();
        let asked = match self.settings.flow {
            Flow::ClientCredentials => self.by_ourselves().await,
            Flow::Device | Flow::Browser => self.by_grant().await,
        };
        match asked {
            Ok(tokens) => Ok(self.remember(&tokens)),
            Err(failed) => {
                self.note(failed, mark);
                self.at_hand().unwrap_or_else(|| {
                    Err(OauthError::Later {
                        name: self.name().to_owned(),
                        why: "it changed meanwhile".to_owned(),
                        wait: BACKOFF_FIRST,
                    })
                })
            }
        }
    }

    async fn by_ourselves(&self) -> Result<Tokens, Answer> {
        let scopes = self.settings.scopes.join(" ");
        let fields = [("grant_type", "client_credentials"), ("scope", &scopes)];
        match self.ask(&self.settings.token_url, &fields).await? {
            Answer::Tokens(tokens) => Ok(tokens),
            // Nobody's consent is asked for here.
            Answer::Consent(why) => Err(Answer::Refused(why)),
            other => Err(other),
        }
    }

    async fn by_grant(&self) -> Result<Tokens, Answer> {
        let _lock = self.vault.lock().await.map_err(|error| kept(&error))?;
        self.save_unsaved().await?;
        let grant = self.vault.load().await.map_err(|error| kept(&error))?;
        let grant = grant.ok_or_else(|| Answer::Consent("nobody has logged in".to_owned()))?;
        self.known().consented = Some(grant.consented);
        let refresh = grant.refresh.expose();
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        match self.ask(&self.settings.token_url, &fields).await? {
            Answer::Tokens(tokens) => {
                self.keep(&tokens, &grant).await?;
                Ok(tokens)
            }
            other => Err(other),
        }
    }

    /// A replaced refresh token is durable before anything else happens with the answer.
    async fn keep(&self, tokens: &Tokens, used: &Grant) -> Result<(), Answer> {
        let Some(refresh) = &tokens.refresh else {
            return Ok(());
        };
        if refresh.expose() == used.refresh.expose() {
            return Ok(());
        }
        self.known().unsaved = Some(Grant {
            refresh: refresh.clone(),
            consented: used.consented,
            stored: self.now(),
        });
        self.save_unsaved().await
    }

    async fn save_unsaved(&self) -> Result<(), Answer> {
        let Some(grant) = self.known().unsaved.clone() else {
            return Ok(());
        };
        let saved = self.vault.save(&grant).await;
        saved.map_err(|error| Answer::Later {
            why: format!(
                "the new refresh token cannot be stored: {}",
                in_words(&error)
            ),
            wait: None,
        })?;
        self.known().unsaved = None;
        Ok(())
    }

    /// Asks the token endpoint, saying who we are.
    pub(super) async fn ask(&self, url: &str, fields: &[(&str, &str)]) -> Result<Answer, Answer> {
        let secret = self.client_secret().await?;
        let secret = secret.as_ref().map(Secret::expose);
        let reply = self.post(url, fields, secret).await?;
        let open = |name: &str| ["grant_type", "scope", "redirect_uri"].contains(&name);
        let hidden = fields.iter().filter(|(name, _)| !open(name));
        let hidden: Vec<&str> = hidden.map(|(_, value)| *value).chain(secret).collect();
        Ok(answer::read(&reply, &hidden))
    }

    pub(super) async fn client_secret(&self) -> Result<Option<Secret>, Answer> {
        let Some(place) = &self.settings.client_secret else {
            return Ok(None);
        };
        let secret = place.fetch().await;
        secret
            .map(Some)
            .map_err(|error| Answer::Refused(format!("`client_secret`: {}", in_words(&error))))
    }

    pub(super) async fn post(
        &self,
        url: &str,
        fields: &[(&str, &str)],
        secret: Option<&str>,
    ) -> Result<answer::Reply, Answer> {
        let client = [("client_id", self.settings.client_id.as_str())];
        let secret = secret.map(|secret| ("client_secret", secret));
        let all = fields.iter().copied().chain(client).chain(secret);
        let reply = self.endpoint.post(url, form::encode(all)).await;
        reply.map_err(|NoAnswer { why, permanent }| match permanent {
            true => Answer::Refused(why),
            false => Answer::Later { why, wait: None },
        })
    }

    /// A person agreed: the grant is durable when this returns.
    pub(super) async fn consented(self: &Arc<Self>, tokens: Tokens) -> Result<(), VaultError> {
        let _busy = self.busy.lock().await;
        let _lock = self.vault.lock().await?;
        if let Some(refresh) = tokens.refresh.clone() {
            let now = self.now();
            let grant = Grant {
                refresh,
                consented: now,
                stored: now,
            };
            self.vault.save(&grant).await?;
            let mut known = self.known();
            known.unsaved = None;
            known.consented = Some(now);
        }
        self.remember(&tokens);
        // Also where nothing was wrong: a mail server may have refused what we had.
        self.mended
            .send_modify(|count| *count = count.saturating_add(1));
        self.wake.notify_one();
        Ok(())
    }

    /// A person wants another try now.
    pub(super) fn try_again(&self) {
        let mut known = self.known();
        known.trouble = None;
        known.access = None;
    }

    /// Forgets the grant and the access token; tells whether there was a grant.
    ///
    /// # Errors
    /// When the file cannot be removed; nothing is forgotten then.
    pub async fn forget(self: &Arc<Self>) -> Result<bool, VaultError> {
        let _busy = self.busy.lock().await;
        let _lock = self.vault.lock().await?;
        let had = self.vault.forget()?;
        let mark = self.vault.mark();
        let now = self.now();
        let mut known = self.known();
        known.access = None;
        known.unsaved = None;
        known.consented = None;
        if self.settings.needs_consent() {
            let why = "the login was forgotten by command".to_owned();
            known.trouble = Some(Trouble::Consent { why, mark });
            known.since = Some(now);
        }
        Ok(had)
    }

    fn remember(&self, tokens: &Tokens) -> AccessToken {
        let now = self.now();
        let life = i64::try_from(tokens.life.as_millis()).unwrap_or(i64::MAX);
        let token = AccessToken::new(tokens.access.clone(), now, now.plus_millis(life));
        let (before, name) = {
            let mut known = self.known();
            known.access = Some(token.clone());
            known.refused = false;
            known.since = None;
            known.refreshes = known.refreshes.saturating_add(1);
            (known.trouble.take(), self.name())
        };
        tracing::debug!(%name, ends = %token.ends, "access token");
        if let Some(trouble) = before {
            tracing::info!(%name, "there are access tokens again");
            if !matches!(trouble, Trouble::Later { .. }) {
                self.mended
                    .send_modify(|count| *count = count.saturating_add(1));
            }
        }
        token
    }

    /// Notes a failure; `mark`: the writing of the file with which it was tried.
    fn note(&self, failed: Answer, mark: Option<Mark>) {
        let now = self.now();
        let name = self.name();
        let mut known = self.known();
        known.failures = known.failures.saturating_add(1);
        known.since.get_or_insert(now);
        let before = match &known.trouble {
            Some(Trouble::Later { failures, .. }) => *failures,
            _ => 0,
        };
        let news = known.trouble.is_none();
        let trouble = match failed {
            Answer::Consent(why) => {
                let command = self.settings.command();
                tracing::error!(%name, %why, %command, "a person must agree again");
                // A refused grant ends nothing that runs; what is left of the token is used.
                Trouble::Consent { why, mark }
            }
            Answer::Refused(why) => {
                tracing::error!(%name, %why, "the token endpoint refuses us");
                let until = after(now, REFUSED_WAIT);
                Trouble::Refused { why, until }
            }
            Answer::Later { why, wait } => {
                let wait = wait.unwrap_or_default().max(backoff(name, before));
                let retry_in_s = wait.as_secs();
                match news {
                    true => tracing::warn!(%name, %why, retry_in_s, "no access token"),
                    false => tracing::info!(%name, %why, retry_in_s, "no access token yet"),
                }
                Trouble::Later {
                    why,
                    until: after(now, wait),
                    failures: before.saturating_add(1),
                }
            }
            Answer::Pending { .. } | Answer::Tokens(_) => Trouble::Later {
                why: "the endpoint gives an answer that makes no sense".to_owned(),
                until: after(now, BACKOFF_MAX),
                failures: before.saturating_add(1),
            },
        };
        known.trouble = Some(trouble);
    }

    #[cfg(test)]
    pub(super) fn unsaved(&self) -> bool {
        self.known().unsaved.is_some()
    }
}

/// A grant that cannot be read: for the person who must mend it.
fn kept(error: &VaultError) -> Answer {
    match error {
        VaultError::Sealed(_) => Answer::Consent(in_words(error)),
        VaultError::Locked(_) | VaultError::Io { .. } => Answer::Later {
            why: in_words(error),
            wait: None,
        },
        VaultError::Open(_) | VaultError::Other(..) | VaultError::Key(_) | VaultError::Random => {
            Answer::Refused(in_words(error))
        }
    }
}

/// Doubles from [`BACKOFF_FIRST`] to [`BACKOFF_MAX`], the upper half spread by name.
fn backoff(name: &str, failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.min(16));
    let full = BACKOFF_FIRST.saturating_mul(factor).min(BACKOFF_MAX);
    let first = blake3::hash(name.as_bytes()).as_bytes()[0];
    full.mul_f64(0.5 + f64::from(first) / 512.0)
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.plus_millis(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX))
}

fn millis(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
