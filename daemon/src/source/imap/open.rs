//! From nothing to a logged-in connection.

use std::time::Duration;

use tokio::time::timeout;

use super::answer::{Condition, Tagged, Untagged};
use super::connection::{COMMAND_LIMIT, Connection, ConnectionError};
use super::settings::ImapSettings;
use super::wire::Command;
use crate::dial::connections;
use crate::dial::{self, ClearText, DialError, TlsMode, Wire};
use crate::login::{Bearer, LoginError, Proof};
use crate::oauth::OauthError;
use crate::oauth::sasl::{Mechanism, ShownTo};
use crate::secret::Secret;
use crate::supervisor::Stop;

/// How long the whole of it may take, beyond the limits of its steps.
const OPEN_LIMIT: Duration = Duration::from_secs(180);
/// Untagged lines before the answer to STARTTLS; more is no server of good will.
const STARTTLS_LINES_MAX: usize = 16;
/// Wait after "too many connections" and the like, when the server names no time.
const THROTTLED_WAIT: Duration = Duration::from_secs(5 * 60);
/// Longest wait that a server may ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// No session with the server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the server turned us away: {0}")]
    TurnedAway(String),
    #[error("STARTTLS was not possible: {0}")]
    StartTls(String),
    #[error("the login was refused ({text}): check `user` and `password`, or unlock the account")]
    LoginRefused { text: String },
    #[error(
        "the server refused a fresh access token of `{name}` ({text}): check `user`, the scopes \
         of [[oauth]] `{name}`, and that IMAP is allowed for the mailbox"
    )]
    TokenRefused { name: String, text: String },
    #[error("the login is not possible now ({text})")]
    Throttled { text: String, wait: Duration },
    #[error("no session within {} s", OPEN_LIMIT.as_secs())]
    Slow,
}

impl OpenError {
    /// Whether waiting will not mend it.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            OpenError::Dial(error) => error.needs_person(),
            OpenError::Login(error) => error.needs_person(),
            OpenError::StartTls(_)
            | OpenError::LoginRefused { .. }
            | OpenError::TokenRefused { .. } => true,
            OpenError::Connection(_)
            | OpenError::TurnedAway(_)
            | OpenError::Throttled { .. }
            | OpenError::Slow => false,
        }
    }

    /// The wait that the server asked for.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            OpenError::Throttled { wait, .. } => Some(*wait),
            OpenError::Login(error) => error.wait(),
            _ => None,
        }
    }

    /// Whether another try soon would only lock the account: [`mended`] tells when it is time.
    pub(crate) fn parks(&self) -> bool {
        match self {
            OpenError::LoginRefused { .. } | OpenError::TokenRefused { .. } => true,
            OpenError::Login(LoginError::Oauth(error)) => error.needs_person(),
            _ => false,
        }
    }
}

impl From<OauthError> for OpenError {
    fn from(error: OauthError) -> OpenError {
        OpenError::Login(error.into())
    }
}

/// Completes when somebody mended what parked a mailbox ([`OpenError::parks`]).
pub(crate) async fn mended(settings: &ImapSettings, error: &OpenError, stop: &Stop) {
    let error = match error {
        OpenError::Login(LoginError::Oauth(error)) => Some(error),
        _ => None,
    };
    settings.login().mended(error, stop).await;
}

/// Dials, secures and logs in.
pub(crate) async fn open(settings: &ImapSettings) -> Result<Connection, OpenError> {
    let _slot = dial::slot(&settings.host).await;
    let steps = async {
        let proof = settings.login().fetch().await?;
        let route = settings.route.reach();
        let tcp = route.connect(&settings.host, settings.port).await?;
        match settings.tls.mode {
            TlsMode::Implicit => {
                let stream = secure(settings, tcp).await?;
                greet_and_log_in(stream, settings, &proof).await
            }
            TlsMode::Starttls => {
                let tcp = start_tls(tcp).await?;
                let connection = Connection::new(secure(settings, tcp).await?);
                log_in(connection, settings, &proof).await
            }
        }
    };
    let opened = timeout(OPEN_LIMIT, Box::pin(steps))
        .await
        .unwrap_or(Err(OpenError::Slow));
    if let Err(OpenError::Throttled { .. }) = &opened {
        connections::lower(&settings.host, &settings.user);
    }
    opened
}

async fn secure(
    settings: &ImapSettings,
    stream: Box<dyn Wire>,
) -> Result<Box<dyn Wire>, OpenError> {
    let ImapSettings {
        route, tls, host, ..
    } = settings;
    let secured = route.reach().secure(stream, tls, host, settings.port);
    Ok(secured.await?)
}

/// Greeting and STARTTLS in clear (RFC 9051 section 6.2.1); gives the stream for the handshake.
pub(crate) async fn start_tls<S: Wire>(stream: S) -> Result<S, OpenError> {
    let broke = |error| OpenError::Connection(ConnectionError::Io(error));
    let mut clear = ClearText::new(stream);
    let greeting = clear.read_line().await.map_err(broke)?;
    let upper = greeting.to_ascii_uppercase();
    if upper.starts_with("* PREAUTH") {
        // Taken at its word it would skip the handshake and leave the session in clear.
        return Err(OpenError::StartTls(
            "the server claims that we are logged in already; it, or somebody on the way, must \
             not do so on this port"
                .to_owned(),
        ));
    }
    if !upper.starts_with("* OK") {
        return Err(OpenError::TurnedAway(greeting));
    }
    clear.write_line("L0000 STARTTLS").await.map_err(broke)?;
    for _ in 0..STARTTLS_LINES_MAX {
        let line = clear.read_line().await.map_err(broke)?;
        if let Some(verdict) = line.strip_prefix("L0000 ") {
            if !verdict.to_ascii_uppercase().starts_with("OK") {
                return Err(OpenError::StartTls(verdict.to_owned()));
            }
            return clear.into_inner().ok_or_else(|| {
                OpenError::StartTls(
                    "clear text followed the server's agreement; somebody on the way put it there"
                        .to_owned(),
                )
            });
        }
    }
    Err(OpenError::StartTls("no answer".to_owned()))
}

/// Reads the greeting of a secured stream and logs in.
pub(crate) async fn greet_and_log_in(
    stream: Box<dyn Wire>,
    settings: &ImapSettings,
    proof: &Proof,
) -> Result<Connection, OpenError> {
    let mut connection = Connection::new(stream);
    match connection.greeting().await? {
        (Condition::Ok, _) => log_in(connection, settings, proof).await,
        // The certificate has proven the server, which may know us by other means.
        (Condition::PreAuth, _) => {
            learn_capabilities(&mut connection).await?;
            Ok(connection)
        }
        (_, text) if is_throttle(None, &text) => Err(throttled(text)),
        (_, text) => Err(OpenError::TurnedAway(text)),
    }
}

async fn log_in(
    mut connection: Connection,
    settings: &ImapSettings,
    proof: &Proof,
) -> Result<Connection, OpenError> {
    learn_capabilities(&mut connection).await?;
    match proof {
        Proof::Password(password) => by_password(&mut connection, settings, password).await?,
        Proof::Token(bearer) => by_token(&mut connection, settings, bearer).await?,
    }
    // Servers offer more after the login, and proxies offer wrong things before it.
    learn_capabilities(&mut connection).await?;
    if connection.can("ID") {
        // Some servers serve nobody who has not said a name (RFC 2971); the answer is of no use.
        let id = Command::new(r#"ID ("name" "liaison")"#);
        connection.plain(id).await?;
    }
    Ok(connection)
}

async fn by_password(
    connection: &mut Connection,
    settings: &ImapSettings,
    password: &Secret,
) -> Result<(), OpenError> {
    if connection.can("LOGINDISABLED") {
        return Err(OpenError::LoginRefused {
            text: "the server allows no login by password".to_owned(),
        });
    }
    let login = Command::new("LOGIN")
        .string(&settings.user)
        .string(password.expose());
    let answer = connection.plain(login).await?;
    match answer.is_ok() {
        true => Ok(()),
        false => Err(refused(&answer)),
    }
}

/// By this token, and once by another: the server may call one expired that should be good.
async fn by_token(
    connection: &mut Connection,
    settings: &ImapSettings,
    bearer: &Bearer,
) -> Result<(), OpenError> {
    let offers = connection.capabilities.iter();
    let offers = offers.filter_map(|word| word.strip_prefix("AUTH="));
    let mechanism = Mechanism::choose(&offers.map(str::to_owned).collect());
    let mechanism = mechanism.ok_or_else(|| OpenError::LoginRefused {
        text: "the server offers neither AUTH=XOAUTH2 nor AUTH=OAUTHBEARER".to_owned(),
    })?;
    let to = ShownTo {
        user: &settings.user,
        host: &settings.host,
        port: settings.port,
    };
    let answer = connection
        .authenticate(mechanism, &mechanism.message(to, &bearer.token))
        .await?;
    let answer = match answer {
        answer if answer.is_ok() => return Ok(()),
        answer if is_throttled(&answer) => return Err(refused(&answer)),
        answer => match bearer.another().await? {
            None => answer,
            Some(other) => {
                connection
                    .authenticate(mechanism, &mechanism.message(to, &other.token))
                    .await?
            }
        },
    };
    match answer {
        answer if answer.is_ok() => Ok(()),
        answer if is_throttled(&answer) => Err(refused(&answer)),
        answer => Err(OpenError::TokenRefused {
            name: bearer.name().to_owned(),
            text: answer.words(),
        }),
    }
}

async fn learn_capabilities(connection: &mut Connection) -> Result<(), ConnectionError> {
    let mut words = Vec::new();
    let answer = connection
        .exec(Command::new("CAPABILITY"), COMMAND_LIMIT, |answer| {
            if let Untagged::Capability(list) = answer {
                words = list;
            }
        })
        .await?;
    if answer.is_ok() {
        connection.capabilities = words.into_iter().collect();
    }
    Ok(())
}

fn refused(answer: &Tagged) -> OpenError {
    let text = answer.words();
    match is_throttled(answer) {
        true => throttled(text),
        false => OpenError::LoginRefused { text },
    }
}

fn is_throttled(answer: &Tagged) -> bool {
    let word = answer.code.as_ref().map(|code| code.word.as_str());
    is_throttle(word, &answer.words())
}

/// Refusals that pass (RFC 5530, and what servers without codes write).
pub(crate) fn is_throttle(word: Option<&str>, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(
        word,
        Some("UNAVAILABLE" | "INUSE" | "LIMIT" | "OVERQUOTA" | "SERVERBUG" | "THROTTLED")
    ) || [
        "too many",
        "number of connections",
        "simultaneous connections",
        "throttled",
        "try again later",
        "not connected",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn throttled(text: String) -> OpenError {
    let wait = asked_wait(&text).unwrap_or(THROTTLED_WAIT);
    OpenError::Throttled { text, wait }
}

/// The N of "Suggested Backoff Time: N milliseconds" (Microsoft).
fn asked_wait(text: &str) -> Option<Duration> {
    let (_, after) = text.split_once("Backoff Time: ")?;
    let millis = after.split(' ').next()?.parse().ok()?;
    Some(Duration::from_millis(millis).min(ASKED_WAIT_MAX))
}
