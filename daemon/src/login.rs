//! How we prove to a mail server who we are: by a password, or by an access token.

use std::sync::Arc;
use std::time::Duration;

use crate::oauth::{AccessToken, Credential, OauthError, OauthRef};
use crate::secret::{Secret, SecretError, SecretRef};
use crate::supervisor::Stop;

/// How often it is looked whether a password was changed.
const PASSWORD_LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the settings of a server name: a password or a credential.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Login<'s> {
    Password(&'s SecretRef),
    Oauth(&'s OauthRef),
    /// Neither; refused with the configuration already.
    Nothing,
}

/// What is shown to the server.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Password(Secret),
    Token(Bearer),
}

/// An access token, and where another one comes from.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    pub(crate) token: AccessToken,
    credential: Arc<Credential>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Oauth(#[from] OauthError),
    #[error("there is no `password` and no `oauth` in the settings")]
    Nothing,
}

impl LoginError {
    /// Whether waiting will not mend it.
    pub(crate) fn needs_person(&self) -> bool {
        match self {
            LoginError::Secret(_) | LoginError::Nothing => true,
            LoginError::Oauth(error) => error.needs_person(),
        }
    }

    /// How long to wait, where waiting mends it.
    pub(crate) fn wait(&self) -> Option<Duration> {
        match self {
            LoginError::Oauth(error) => error.wait(),
            LoginError::Secret(_) | LoginError::Nothing => None,
        }
    }
}

impl<'s> Login<'s> {
    /// Of the two keys of a server's settings, the one that is set.
    pub(crate) fn of(password: Option<&'s SecretRef>, oauth: Option<&'s OauthRef>) -> Login<'s> {
        match (password, oauth) {
            (_, Some(oauth)) => Login::Oauth(oauth),
            (Some(password), None) => Login::Password(password),
            (None, None) => Login::Nothing,
        }
    }

    /// What to show now. Cancel-safe.
    pub(crate) async fn fetch(self) -> Result<Proof, LoginError> {
        Ok(match self {
            Login::Password(password) => Proof::Password(password.fetch().await?),
            Login::Oauth(oauth) => {
                let credential = oauth.credential()?.clone();
                let token = credential.access().await?;
                Proof::Token(Bearer { token, credential })
            }
            Login::Nothing => return Err(LoginError::Nothing),
        })
    }

    /// Completes when another try may succeed where only a person could mend it: the password is
    /// another one, or somebody agreed. `error`: why there was no token, if that was it.
    pub(crate) async fn mended(self, error: Option<&OauthError>, stop: &Stop) {
        match self {
            Login::Oauth(oauth) => match oauth.credential() {
                Ok(credential) => credential.mended(error).await,
                Err(_) => stop.stopped().await,
            },
            Login::Password(password) => {
                let refused = password.fetch().await.ok();
                while !stop.is_set() {
                    stop.sleep(PASSWORD_LOOK_EVERY).await;
                    let now = password.fetch().await.ok();
                    let differs =
                        |(now, refused): (&Secret, &Secret)| now.expose() != refused.expose();
                    if now.as_ref().zip(refused.as_ref()).is_some_and(differs) {
                        return;
                    }
                }
            }
            Login::Nothing => stop.stopped().await,
        }
    }
}

impl Bearer {
    /// Name of the credential.
    pub(crate) fn name(&self) -> &str {
        self.credential.name()
    }

    /// Another token after the server refused this one; `None` when none would help.
    pub(crate) async fn another(&self) -> Result<Option<Bearer>, OauthError> {
        if !self.credential.refused(&self.token) {
            return Ok(None);
        }
        let token = self.credential.access().await?;
        Ok((!token.is(&self.token)).then(|| Bearer {
            token,
            credential: self.credential.clone(),
        }))
    }
}
