//! Files and folders that the configuration names, and ports that rarely mean what they say.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Findings, Level};
use crate::alarm::{AlarmWay, WebhookAddress};
use crate::config::{CalendarKind, MailboxKind, TransportKind};
use crate::dial::{TlsMode, TlsSettings};
use crate::oauth::OauthSettings;
use crate::secret::SecretRef;

/// Permission bits with which others than the owner read a secret.
const OTHERS_READ: u32 = 0o044;
/// Submission with TLS from the first byte (RFC 8314).
const SUBMISSIONS: u16 = 465;
/// Submission with STARTTLS (RFC 6409).
const SUBMISSION: u16 = 587;
/// Between servers, not for clients (RFC 5321).
const RELAY: u16 = 25;
/// IMAP with STARTTLS (RFC 9051).
const IMAP: u16 = 143;
/// IMAP with TLS from the first byte (RFC 8314).
const IMAPS: u16 = 993;

pub(super) fn look(findings: &mut Findings<'_>) {
    let config = findings.config;
    state_dir(findings, &config.state_dir);
    if let Some(folder) = &config.template_dir {
        findings.folder("template_dir", folder, "make it, or remove the key");
    }
    for way in &config.alarm.ways {
        alarm(findings, way);
    }
    for credential in config.credentials.iter() {
        oauth(findings, credential.settings());
    }
    for transport in &config.transports {
        let key = format!("transport.{}", transport.name);
        if let TransportKind::Smtp(smtp) = &transport.kind {
            if let Some(password) = &smtp.password {
                findings.secret(&key, "password", password);
            }
            findings.tls(&key, &smtp.tls);
            findings.smtp_port(&key, smtp.port, smtp.tls.mode);
        }
    }
    for mailbox in &config.mailboxes {
        let key = format!("mailbox.{}", mailbox.name);
        match &mailbox.kind {
            MailboxKind::Imap(imap) => {
                if let Some(password) = &imap.password {
                    findings.secret(&key, "password", password);
                }
                findings.tls(&key, &imap.tls);
                findings.imap_port(&key, imap.port, imap.tls.mode);
            }
            MailboxKind::Maildir(maildir) => {
                let remedy = "is the disk mounted, and does `path` name the folder that holds \
                              new, cur and tmp?";
                let parts = ["new", "cur"].map(|part| maildir.path.join(part));
                let bad = parts.iter().find(|part| fs::read_dir(part).is_err());
                if let Some(part) = bad {
                    findings.folder(&format!("{key}.path"), part, remedy);
                }
            }
        }
    }
    for calendar in &config.calendars {
        let key = format!("calendar.{}", calendar.name);
        match &calendar.kind {
            CalendarKind::Caldav(caldav) => {
                findings.secret(&key, "password", &caldav.password);
                findings.ca_file(&key, caldav.tls.ca_file.as_deref());
            }
            CalendarKind::Feed(feed) => {
                if let Some(secret) = &feed.url_secret {
                    findings.secret(&key, "url_secret", secret);
                }
                findings.ca_file(&key, feed.tls.ca_file.as_deref());
            }
            CalendarKind::Vdir(vdir) => {
                let remedy = "is the disk mounted? A new calendar is an empty folder";
                findings.folder(&format!("{key}.path"), &vdir.path, remedy);
            }
        }
    }
}

fn alarm(findings: &mut Findings<'_>, way: &AlarmWay) {
    match way {
        AlarmWay::Command(words) => {
            let program = words.first().map_or("", String::as_str);
            if program.contains('/') && !Path::new(program).is_file() {
                let what = format!("there is no program {program}");
                findings.add(Level::Attention, "alarm.command", what, "correct the path");
            }
        }
        AlarmWay::Webhook(webhook) => {
            if let WebhookAddress::Secret(address) = &webhook.address {
                findings.secret("alarm", "webhook_address", address);
            }
            if let Some(token) = &webhook.token {
                findings.secret("alarm", "webhook_token", token);
            }
            findings.ca_file("alarm", webhook.ca_file.as_deref());
        }
    }
}

fn oauth(findings: &mut Findings<'_>, settings: &OauthSettings) {
    let key = format!("oauth.{}", settings.name);
    let secrets = [
        ("client_secret", &settings.client_secret),
        ("token_key", &settings.token_key),
    ];
    for (name, secret) in secrets {
        if let Some(secret) = secret {
            findings.secret(&key, name, secret);
        }
    }
    findings.ca_file(&key, settings.ca_file.as_deref());
}

fn state_dir(findings: &mut Findings<'_>, folder: &Path) {
    match fs::metadata(folder) {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => {
            let what = format!("{} is no folder", folder.display());
            findings.add(Level::Attention, "state_dir", what, "name another");
        }
        Err(_) => {
            let what = format!("{} is not there yet", folder.display());
            let remedy = "it is made at the first start, if the daemon's user may";
            findings.add(Level::Note, "state_dir", what, remedy);
        }
    }
}

impl Findings<'_> {
    fn folder(&mut self, key: &str, folder: &Path, remedy: &str) {
        let what = match fs::read_dir(folder) {
            Ok(_) => return,
            Err(error) => format!("{} cannot be read ({error})", folder.display()),
        };
        self.add(Level::Attention, key, what, remedy);
    }

    fn tls(&mut self, key: &str, tls: &TlsSettings) {
        self.ca_file(key, tls.ca_file.as_deref());
    }

    fn ca_file(&mut self, key: &str, file: Option<&Path>) {
        let Some(file) = file else { return };
        if let Err(error) = crate::tls::connector(Some(file)) {
            let what = crate::dial::in_words(&error);
            let remedy = "put the PEM file of the certificate authority there";
            self.add(Level::Attention, format!("{key}.tls.ca_file"), what, remedy);
        }
    }

    /// Looks whether the secret is there; it is read only when somebody logs in.
    fn secret(&mut self, section: &str, key: &str, secret: &SecretRef) {
        let key = format!("{section}.{key}");
        match secret {
            SecretRef::File(file) => match fs::File::open(file).and_then(|file| file.metadata()) {
                Err(error) => {
                    let what = format!("{} cannot be read ({error})", file.display());
                    let remedy = "write the secret into its first line, readable by the daemon's \
                                  user alone";
                    self.add(Level::Attention, key, what, remedy);
                }
                Ok(meta) if meta.mode() & OTHERS_READ != 0 => {
                    let what = format!(
                        "{} can be read by others (mode {:o})",
                        file.display(),
                        meta.mode() & 0o777
                    );
                    let remedy = format!("run: chmod 600 {}", file.display());
                    self.add(Level::Attention, key, what, remedy);
                }
                Ok(_) => {}
            },
            SecretRef::Command(words) => {
                let program = words.first().map_or("", String::as_str);
                if program.contains('/') && !Path::new(program).is_file() {
                    let what = format!("there is no program {program}");
                    self.add(Level::Attention, key, what, "correct the path");
                }
            }
            SecretRef::Env(name) if std::env::var_os(name).is_none() => {
                let what = format!("the variable {name} is not set here");
                let remedy = "make sure that the service has it (Environment= or EnvironmentFile=)";
                self.add(Level::Note, key, what, remedy);
            }
            // Credentials exist only inside the service.
            SecretRef::Env(_) | SecretRef::Credential(_) => {}
        }
    }

    fn smtp_port(&mut self, key: &str, port: u16, mode: TlsMode) {
        let hint = match (port, mode) {
            (SUBMISSION, TlsMode::Implicit) => "tls.mode = \"starttls\"",
            (SUBMISSIONS, TlsMode::Starttls) => "tls.mode = \"implicit\"",
            (RELAY, _) => "port = 465, where users hand in their mail",
            _ => return,
        };
        self.port(key, port, hint);
    }

    fn imap_port(&mut self, key: &str, port: u16, mode: TlsMode) {
        let hint = match (port, mode) {
            (IMAP, TlsMode::Implicit) => "tls.mode = \"starttls\"",
            (IMAPS, TlsMode::Starttls) => "tls.mode = \"implicit\"",
            _ => return,
        };
        self.port(key, port, hint);
    }

    fn port(&mut self, key: &str, port: u16, hint: &str) {
        let what = format!("port {port} is rarely served like this");
        let remedy = format!("probably {hint}");
        self.add(Level::Note, format!("{key}.port"), what, remedy);
    }
}
