//! `[[oauth]]`: which provider gives tokens, and how a person agrees.

use std::path::PathBuf;

use serde::Deserialize;

use crate::secret::SecretRef;

/// How the first tokens come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// The person types a code at another machine (RFC 8628).
    Device,
    /// The person's browser comes back to this machine (RFC 6749 section 4.1, RFC 7636, RFC 8252).
    Browser,
    /// The program itself is trusted; nobody is asked (RFC 6749 section 4.4).
    ClientCredentials,
}

/// A provider whose addresses are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Gmail and Google Workspace.
    Google,
    /// Microsoft 365.
    Microsoft,
}

/// One `[[oauth]]`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthSettings {
    /// Its name: what `oauth = "..."` of mailboxes and transports refers to.
    pub name: String,
    /// How the first tokens come, if the command does not say otherwise.
    pub flow: Flow,
    /// Who we are to the provider.
    pub client_id: String,
    /// How we prove that, where the provider gave something for it.
    pub client_secret: Option<SecretRef>,
    /// What we ask for.
    pub scopes: Vec<String>,
    /// Token endpoint; `https`.
    pub token_url: String,
    /// Device authorization endpoint.
    pub device_url: Option<String>,
    /// Authorization endpoint.
    pub authorize_url: Option<String>,
    /// What else the authorization endpoint must be told.
    pub authorize_extra: &'static [(&'static str, &'static str)],
    /// How this machine is called in the address to which the browser comes back.
    pub loopback_name: &'static str,
    /// Where the key of the stored tokens is; a file of our own otherwise.
    pub token_key: Option<SecretRef>,
    /// Certificates to trust besides the platform's (PEM).
    pub ca_file: Option<PathBuf>,
    /// Folder of the stored tokens.
    pub folder: PathBuf,
}

impl OauthSettings {
    /// Whether a person has to agree before there can be tokens.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.flow != Flow::ClientCredentials
    }

    /// The command that has a person agree.
    #[must_use]
    pub fn command(&self) -> String {
        format!("liaison auth login {}", self.name)
    }
}

/// What a preset knows.
pub(crate) struct Known {
    pub(crate) token_url: String,
    pub(crate) device_url: String,
    pub(crate) authorize_url: String,
    pub(crate) authorize_extra: &'static [(&'static str, &'static str)],
    pub(crate) scopes: Vec<String>,
    pub(crate) loopback_name: &'static str,
}

/// Without a name of their own, people of any Microsoft organisation log in.
const ANY_TENANT: &str = "organizations";
/// RFC 8252 section 7.3: the address, because a name may lead elsewhere.
pub(crate) const LOOPBACK: &str = "127.0.0.1";

impl Preset {
    /// Addresses and scopes for a flow.
    pub(crate) fn known(self, tenant: Option<&str>, flow: Flow) -> Known {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        match self {
            Preset::Google => Known {
                token_url: "https://oauth2.googleapis.com/token".to_owned(),
                device_url: "https://oauth2.googleapis.com/device/code".to_owned(),
                authorize_url: "https://accounts.google.com/o/oauth2/v2/auth".to_owned(),
                // Without both of them there is no refresh token, or only the first time.
                authorize_extra: &[("access_type", "offline"), ("prompt", "consent")],
                scopes: texts(&["https://mail.google.com/"]),
                loopback_name: LOOPBACK,
            },
            Preset::Microsoft => {
                let tenant = tenant.unwrap_or(ANY_TENANT);
                let base = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0");
                Known {
                    token_url: format!("{base}/token"),
                    device_url: format!("{base}/devicecode"),
                    authorize_url: format!("{base}/authorize"),
                    authorize_extra: &[],
                    scopes: match flow {
                        Flow::ClientCredentials => {
                            texts(&["https://outlook.office365.com/.default"])
                        }
                        Flow::Device | Flow::Browser => texts(&[
                            "https://outlook.office.com/IMAP.AccessAsUser.All",
                            "https://outlook.office.com/SMTP.Send",
                            "offline_access",
                        ]),
                    },
                    // Microsoft takes any port of `localhost`, and of the address only what the
                    // manifest of the application names.
                    loopback_name: "localhost",
                }
            }
        }
    }
}
