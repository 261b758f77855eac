//! `[[oauth]]`, the references to it, and references to secrets.

use std::collections::BTreeSet;
use std::path::Path;

use hyper::Uri;

use super::edges::Halves;
use super::read::{Section, did_you_mean};
use super::schema::RawOauth;
use super::validate::Validation;
use crate::oauth::{Credentials, Flow, LOOPBACK, OauthRef, OauthSettings, Preset};
use crate::secret::SecretRef;

/// Folder of the stored tokens in the state folder.
const FOLDER: &str = "oauth";

impl Validation<'_, '_> {
    /// Makes the credentials; those of `[[oauth]]` with problems are left out.
    pub(super) fn credentials(&mut self, sections: &[Section<'_>], state_dir: Option<&Path>) {
        let mut taken = BTreeSet::new();
        let mut all = Vec::new();
        for section in sections {
            let before = self.problems.len();
            let Some(raw) = section.read::<RawOauth>(&[], self.problems) else {
                continue;
            };
            self.name(section, &raw.name, &mut taken);
            let settings = self.credential(section, raw);
            if let (Some(settings), Some(state_dir)) = (settings, state_dir)
                && self.problems.len() == before
            {
                let folder = state_dir.join(FOLDER);
                all.push(OauthSettings { folder, ..settings });
            }
        }
        self.credentials = Credentials::new(all);
    }

    fn credential(&mut self, section: &Section<'_>, raw: RawOauth) -> Option<OauthSettings> {
        self.tenant(section, &raw);
        let known = raw
            .preset
            .map(|preset| preset.known(raw.tenant.as_deref(), raw.flow));
        let mut given = (raw.token_url, raw.device_url, raw.authorize_url, raw.scopes);
        let (mut extra, mut loopback_name) = (&[][..], LOOPBACK);
        if let Some(known) = known {
            given.0.get_or_insert(known.token_url);
            given.1.get_or_insert(known.device_url);
            given.2.get_or_insert(known.authorize_url);
            given.3.get_or_insert(known.scopes);
            (extra, loopback_name) = (known.authorize_extra, known.loopback_name);
        }
        let (token_url, device_url, authorize_url, scopes) = given;
        let (mut client_secret, mut token_key) = (raw.client_secret, raw.token_key);
        for (key, secret) in [
            ("client_secret", &mut client_secret),
            ("token_key", &mut token_key),
        ] {
            if let Some(secret) = secret {
                self.secret(section, key, secret);
            }
        }
        if raw.client_id.is_empty() || raw.client_id.chars().any(char::is_control) {
            let remedy = "write the id that the provider gave to the application";
            let what = "it is no client id";
            self.problems.add(section, "client_id", what, remedy);
        }
        let urls = [
            ("token_url", &token_url, true),
            ("device_url", &device_url, raw.flow == Flow::Device),
            ("authorize_url", &authorize_url, raw.flow == Flow::Browser),
        ];
        for (key, url, needed) in urls {
            self.endpoint(section, key, url.as_deref(), needed);
        }
        let scopes = scopes.unwrap_or_default();
        self.scopes(section, &scopes);
        let ca_file = raw.tls.ca_file;
        let ca_file = ca_file.map(|file| self.path(section, "tls.ca_file", file));
        Some(OauthSettings {
            name: raw.name,
            flow: raw.flow,
            client_id: raw.client_id,
            client_secret,
            scopes,
            token_url: token_url?,
            device_url,
            authorize_url,
            authorize_extra: extra,
            loopback_name,
            token_key,
            ca_file,
            folder: Default::default(),
        })
    }

    /// What a preset and a flow need, and what they do not go with.
    fn tenant(&mut self, section: &Section<'_>, raw: &RawOauth) {
        let by_itself = raw.flow == Flow::ClientCredentials;
        match (raw.preset, raw.tenant.as_deref()) {
            (Some(Preset::Google), _) if raw.flow == Flow::Device => {
                let what = "Google gives no mail scope for device codes";
                let remedy = "set flow = \"browser\"";
                self.problems.add(section, "flow", what, remedy);
            }
            (Some(Preset::Google), _) if by_itself => {
                let what = "Google has no client credentials for mailboxes";
                let remedy = "set flow = \"browser\"";
                self.problems.add(section, "flow", what, remedy);
            }
            (Some(Preset::Microsoft), None) if by_itself => {
                let what = "`tenant` is missing: the application belongs to one organisation";
                let remedy = "add tenant = \"example.onmicrosoft.com\", or its id";
                self.problems.add(section, "tenant", what, remedy);
            }
            (Some(Preset::Microsoft), Some(tenant)) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
                if tenant.is_empty() || !tenant.chars().all(plain) {
                    let what = "it is no tenant";
                    let remedy = "write the id or a domain of the organisation";
                    self.problems.add(section, "tenant", what, remedy);
                }
            }
            (None | Some(Preset::Google), Some(_)) => {
                let what = "only preset = \"microsoft\" has tenants";
                self.problems.add(section, "tenant", what, "remove it");
            }
            _ => {}
        }
        if by_itself && raw.client_secret.is_none() {
            let what = "flow = \"client_credentials\" needs a `client_secret`";
            let remedy = "add client_secret = { file = \"/path/to/the/secret\" }";
            self.problems.add(section, "client_secret", what, remedy);
        }
    }

    fn endpoint(&mut self, section: &Section<'_>, key: &str, url: Option<&str>, needed: bool) {
        let Some(url) = url else {
            if needed {
                let what = format!("`{key}` is missing in [[oauth]]");
                let remedy =
                    format!("add {key} = \"https://...\", or preset = \"google\" or \"microsoft\"");
                self.problems.add(section, key, what, remedy);
            }
            return;
        };
        let uri = url.parse::<Uri>().ok();
        let good = uri.is_some_and(|uri| {
            let authority = uri.authority().map_or("@", |authority| authority.as_str());
            uri.scheme_str() == Some("https") && !authority.contains('@')
        });
        if !good || url.contains('#') {
            let what = "it is no https address";
            let remedy = "write it as the provider documents it; secrets are never sent in the \
                          clear";
            self.problems.add(section, key, what, remedy);
        }
    }

    fn scopes(&mut self, section: &Section<'_>, scopes: &[String]) {
        // RFC 6749 section 3.3.
        let is_scope = |scope: &String| {
            !scope.is_empty()
                && scope
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
        };
        let wrong = scopes.iter().position(|scope| !is_scope(scope));
        if let Some(index) = wrong {
            let key = format!("scopes[{index}]");
            let remedy = "write each scope as a text of its own";
            self.problems.add(section, &key, "it is no scope", remedy);
        }
    }

    /// Puts the credential beside its name.
    pub(super) fn bind(&mut self, halves: &Halves<'_>, oauth: &mut OauthRef) {
        if let Some(credential) = self.credentials.get(oauth.name()) {
            oauth.bind(credential.clone());
            return;
        }
        if self.oauth_names.contains(oauth.name()) {
            // What is wrong with that one is told there.
            return;
        }
        let known: Vec<&str> = self.oauth_names.iter().map(String::as_str).collect();
        let what = format!("there is no [[oauth]] named `{}`", oauth.name());
        let remedy = match known.is_empty() {
            true => "add an [[oauth]] with this name".to_owned(),
            false => did_you_mean(oauth.name(), &known),
        };
        self.problems.add(&halves.edge, "oauth", what, remedy);
    }

    pub(super) fn secret(&mut self, section: &Section<'_>, key: &str, secret: &mut SecretRef) {
        match secret {
            SecretRef::File(file) => {
                let path = std::mem::take(file);
                *file = self.path(section, &format!("{key}.file"), path);
            }
            SecretRef::Credential(name) if name.contains('/') => {
                let what = "a credential has a name, not a path";
                let remedy = "write the name given in LoadCredential=, or use { file = ... }";
                let key = format!("{key}.credential");
                self.problems.add(section, &key, what, remedy);
            }
            SecretRef::Env(name) if name.contains(['=', '\0', '$']) => {
                let what = "it is no name of a variable";
                let remedy = "write the bare name, such as IMAP_PASSWORD";
                let key = format!("{key}.env");
                self.problems.add(section, &key, what, remedy);
            }
            SecretRef::Credential(_) | SecretRef::Env(_) | SecretRef::Command(_) => {}
        }
    }
}
