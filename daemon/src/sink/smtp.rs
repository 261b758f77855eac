//! Sends mail through a submission server (RFC 5321, RFC 6409, RFC 4954).
//!
//! One transaction per mail, over a connection that is kept for the next one when the server took
//! the last. lettre speaks the commands over a stream of ours; its pool and its STARTTLS are not
//! used, because the first reuses a connection after a cancelled command and the second takes
//! bytes that came before the handshake for replies.

use futures_util::future::BoxFuture;
use lettre::transport::smtp::extension::ClientId;

use super::rest::Rest;
use super::{MailTransport, OutgoingMail, PhaseLog, SendOutcome};
use crate::dial::{self, TlsMode, in_words};
use crate::login::{LoginError, Proof};
use crate::oauth::sasl::ShownTo;

mod kept;
mod reply;
#[cfg(test)]
pub(crate) mod scripted;
mod session;
mod settings;
mod start_tls;
mod stream;
#[cfg(test)]
mod tests;

pub use settings::SmtpSettings;

use kept::Kept;
use session::{Session, canonical};
use stream::Recorded;

/// One submission server and login.
#[derive(Debug)]
pub struct SmtpTransport {
    settings: SmtpSettings,
    kept: Kept,
    rest: Rest,
}

/// Nothing was handed over.
#[derive(Debug, PartialEq, Eq)]
struct NotSent {
    why: String,
    needs_person: bool,
    /// The login was refused for good: another token may help, and many tries lock the account.
    login_failed: bool,
}

impl NotSent {
    fn passing(why: impl Into<String>) -> NotSent {
        NotSent {
            why: why.into(),
            needs_person: false,
            login_failed: false,
        }
    }

    fn lasting(why: impl Into<String>) -> NotSent {
        NotSent {
            needs_person: true,
            ..NotSent::passing(why)
        }
    }
}

impl From<dial::DialError> for NotSent {
    fn from(error: dial::DialError) -> NotSent {
        NotSent {
            needs_person: error.needs_person(),
            ..NotSent::passing(in_words(&error))
        }
    }
}

impl From<LoginError> for NotSent {
    fn from(error: LoginError) -> NotSent {
        NotSent {
            needs_person: error.needs_person(),
            ..NotSent::passing(in_words(&error))
        }
    }
}

/// Who logs in where, and what is shown for it.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    to: ShownTo<'a>,
    proof: &'a Proof,
}

impl SmtpTransport {
    /// A transport; connects only when something is sent.
    #[must_use]
    pub fn new(settings: SmtpSettings) -> SmtpTransport {
        SmtpTransport {
            settings,
            kept: Kept::default(),
            rest: Rest::default(),
        }
    }

    /// A session, unless the last login was refused a short while ago.
    async fn connect_rested(&self) -> Result<Session, NotSent> {
        if let Some(why) = self.rest.reason(self.settings.login()).await {
            return Err(NotSent::lasting(why));
        }
        let connected = self.connect().await;
        match &connected {
            Ok(_) => self.rest.taken(),
            Err(refused) if refused.login_failed => {
                self.rest.refused(self.settings.login(), &refused.why).await;
            }
            Err(_) => {}
        }
        connected
    }

    async fn connect(&self) -> Result<Session, NotSent> {
        let settings = &self.settings;
        let hello = session::hello_name(settings)?;
        let proof = settings.login().fetch().await?;
        let refused = match self.connect_with(&hello, &proof).await {
            Err(refused) if refused.login_failed => refused,
            other => return other,
        };
        let Proof::Token(bearer) = &proof else {
            return Err(refused);
        };
        // The server may call a token expired that should be good: once with another one.
        let another = bearer.another().await.map_err(LoginError::from)?;
        let Some(other) = another.map(Proof::Token) else {
            return Err(refused);
        };
        self.connect_with(&hello, &other).await
    }

    async fn connect_with(&self, hello: &ClientId, proof: &Proof) -> Result<Session, NotSent> {
        let settings = &self.settings;
        let (host, port) = (settings.host.as_str(), settings.port);
        let reach = settings.route.reach();
        let stream = reach.connect(host, port).await?;
        let stream = match settings.tls.mode {
            TlsMode::Implicit => {
                Recorded::new(reach.secure(stream, &settings.tls, host, port).await?)
            }
            TlsMode::Starttls => {
                let stream = start_tls::start_tls(stream, &hello.to_string()).await?;
                let secured = reach.secure(stream, &settings.tls, host, port).await?;
                Recorded::with_greeting(secured)
            }
        };
        let to = ShownTo {
            user: &settings.user,
            host: &settings.host,
            port: settings.port,
        };
        Session::begin(stream, hello, Entry { to, proof }).await
    }

    async fn try_send(&self, mail: &OutgoingMail, phase: &mut dyn PhaseLog) -> SendOutcome {
        let body = canonical(&mail.bytes);
        if let Some(mut session) = self.kept.take() {
            // Whatever an old connection says to MAIL, that it is closed or had enough included,
            // the word of a new one counts. Nothing was handed over by then.
            match session.mail_again(mail, &body).await {
                Ok(None) => return self.finish(session, mail, (&body, phase)).await,
                Ok(Some(_)) => session.quit().await,
                Err(_) => drop(session),
            }
        }
        let mut session = match self.connect_rested().await {
            Ok(session) => session,
            Err(not_sent) => return self.not_sent(not_sent),
        };
        match session.mail(mail, &body).await {
            Ok(None) => self.finish(session, mail, (&body, phase)).await,
            Ok(Some(refused)) => {
                session.quit().await;
                refused
            }
            Err(not_sent) => self.not_sent(not_sent),
        }
    }

    /// The rest of a transaction whose MAIL was taken. Only a connection that is known to be where
    /// a new mail may begin is kept.
    async fn finish(
        &self,
        mut session: Session,
        mail: &OutgoingMail,
        (body, phase): (&[u8], &mut dyn PhaseLog),
    ) -> SendOutcome {
        let outcome = session.hand_over(mail, body, phase).await;
        match outcome {
            Ok(SendOutcome::Accepted { .. }) if session.is_clean() => self.kept.put(session).await,
            Ok(SendOutcome::Accepted { .. } | SendOutcome::Refused { .. }) => session.quit().await,
            _ => {}
        }
        outcome.unwrap_or_else(|not_sent| self.not_sent(not_sent))
    }

    fn not_sent(&self, not_sent: NotSent) -> SendOutcome {
        SendOutcome::NotSent {
            why: self.words(&not_sent),
            needs_person: not_sent.needs_person,
        }
    }

    fn words(&self, not_sent: &NotSent) -> String {
        format!("cannot send as {}: {}", self.settings.place(), not_sent.why)
    }
}

impl MailTransport for SmtpTransport {
    fn send<'a>(
        &'a self,
        mail: &'a OutgoingMail,
        phase: &'a mut dyn PhaseLog,
    ) -> BoxFuture<'a, SendOutcome> {
        Box::pin(self.try_send(mail, phase))
    }

    fn mails_at_once(&self) -> usize {
        self.settings.connections_max
    }

    fn close_unused(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.kept.close_unused())
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.kept.close())
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let session = self.connect().await;
            let session = session.map_err(|not_sent| self.words(&not_sent))?;
            self.rest.taken();
            session.quit().await;
            Ok(())
        })
    }
}
