//! Every plugin loaded for real, and what it is granted held against what it asks.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use liaison_core::effect::{MailMode, RecordMode};
use liaison_core::manifest::Manifest;

use super::{Findings, Level};
use crate::config::PluginConfig;
use crate::dial::in_words;
use crate::plugin::{Engine, LoadError, Plugin};

/// Which proposals a key of `mode` rules.
const RULED: [(&str, &[&str]); 5] = [
    ("mail", &["email"]),
    ("records", &["create-case", "update-case", "tag-message"]),
    ("tasks", &["create-task", "notify"]),
    ("holds", &["hold", "release-holds"]),
    ("mailbox", &["change-mailbox"]),
];
/// Names tried for a folder of our own.
const FOLDER_ATTEMPTS: u32 = 100;

pub(super) fn look(findings: &mut Findings<'_>) {
    let config = findings.config;
    for plugin in config.plugins.iter().filter(|plugin| !plugin.enabled) {
        let key = key(plugin);
        findings.ok(key, "not enabled, not looked at");
    }
    if !config.plugins.iter().any(|plugin| plugin.enabled) {
        let remedy = "add a [[plugin]]; without one mail is recorded and nothing else happens";
        findings.add(Level::Note, "plugin", "no plugin is enabled", remedy);
        return;
    }
    // The daemon's own cache where it may be used, so that nothing is compiled twice. It is never
    // made here: made by another user it would lock the daemon out.
    let kept = config.plugin_code_dir();
    let started = match kept.is_dir().then(|| Engine::start(&kept)) {
        Some(Ok(engine)) => Ok((engine, None)),
        Some(Err(_)) | None => Folder::new().and_then(|folder| {
            Engine::start(folder.path())
                .map(|engine| (engine, Some(folder)))
                .map_err(io::Error::other)
        }),
    };
    match started {
        Ok((engine, _folder)) => {
            for plugin in config.plugins.iter().filter(|plugin| plugin.enabled) {
                one(findings, &engine, plugin);
            }
        }
        Err(error) => {
            let what = format!("no plugin can be loaded: {}", in_words(&error));
            let remedy = "see that $TMPDIR can be written, and run again";
            findings.add(Level::Attention, "plugin", what, remedy);
        }
    }
}

fn key(plugin: &PluginConfig) -> String {
    format!("plugin.{}", plugin.name)
}

fn one(findings: &mut Findings<'_>, engine: &Engine, configured: &PluginConfig) {
    let key = key(configured);
    let folder = findings.config.plugin_folder(configured);
    let plugin = match Plugin::open(engine, &folder) {
        Ok(plugin) => plugin,
        Err(error) => {
            let (key, what) = (format!("{key}.path"), in_words(&error));
            findings.add(Level::Attention, key, what, remedy(&error));
            return;
        }
    };
    let before = findings.list.len();
    if plugin.name() != configured.name {
        let what = format!("the plugin in {} is {}", folder.display(), plugin.name());
        let remedy = "name it so here, or correct `path`";
        findings.add(Level::Attention, format!("{key}.name"), what, remedy);
    }
    digest(findings, configured, &plugin);
    if let Err(problems) = plugin.settings(&configured.settings) {
        for problem in problems {
            let (key, remedy) = (format!("{key}.{}", problem.at), "correct the setting");
            findings.add(Level::Attention, key, problem.said, remedy);
        }
    }
    grants(findings, configured, plugin.manifest());
    let wrong = findings.list.iter().skip(before);
    if wrong.filter(|found| found.level > Level::Note).count() == 0 {
        let identity = &plugin.manifest().plugin;
        let what = format!("{} loads ({})", identity.version, plugin.digest());
        findings.ok_with(key, what, plugin.manifest().capabilities());
    }
}

fn remedy(error: &LoadError) -> &'static str {
    match error {
        LoadError::Read { .. } | LoadError::NoComponent { .. } => {
            "put the plugin's folder there, or name it with `path`, `plugin_dir` or --plugins"
        }
        LoadError::TooLarge { .. } => "is it the right file?",
        LoadError::Syntax { .. } | LoadError::Invalid { .. } => {
            "correct the manifest, or install the plugin anew"
        }
        LoadError::Component { .. } => "build the plugin anew, or install another version",
    }
}

fn digest(findings: &mut Findings<'_>, configured: &PluginConfig, plugin: &Plugin) {
    let key = format!("{}.digest", key(configured));
    match &configured.digest {
        Some(pinned) if pinned != plugin.digest() => {
            let what = format!(
                "the component is another than pinned: {}; it only rehearses",
                plugin.digest()
            );
            let remedy = format!(
                "put the old one back, or look at this one (`liaison plugin inspect {}`) and \
                 accept it: digest = \"{}\"",
                configured.name,
                plugin.digest()
            );
            findings.add(Level::Attention, key, what, remedy);
        }
        None if configured.modes.mail > MailMode::Draft => {
            let mode = configured.modes.mail.as_str();
            let what = format!("mode.mail = \"{mode}\" is for the component of the first start");
            let remedy = format!("pin this one: digest = \"{}\"", plugin.digest());
            findings.add(Level::Note, key, what, remedy);
        }
        Some(_) | None => {}
    }
}

/// Grants that do nothing, and grants that need more than there is.
pub(super) fn grants(findings: &mut Findings<'_>, configured: &PluginConfig, manifest: &Manifest) {
    let (config, key) = (findings.config, key(configured));
    let asks = |kinds: &[&str]| kinds.iter().any(|kind| manifest.grant(kind).is_some());
    for (name, kinds) in RULED {
        if configured.modes_written.contains(name) && !asks(kinds) {
            let what = format!("the plugin proposes no {}", kinds.join(", no "));
            let remedy = "remove this mode: it does nothing";
            findings.add(Level::Note, format!("{key}.mode.{name}"), what, remedy);
        }
    }
    mailbox(findings, configured, asks(&["change-mailbox"]));
    let mode = configured.modes.mail;
    let mail_key = format!("{key}.mode.mail");
    let nobody_looks = config.firm.authserv_ids.is_empty() && !config.authenticity.dkim;
    if asks(&["email"]) && mode == MailMode::Send && nobody_looks {
        let what = "falls back to `draft` for every mail: no sender's authenticity is believed";
        let remedy = "set firm.authserv_ids to the name of our own mail server, or \
                      authenticity.dkim = true";
        findings.add(Level::Note, &mail_key, what, remedy);
    }
    if asks(&["email"]) && mode >= MailMode::Approve {
        let without = config.mailboxes.iter().filter(|m| m.transport.is_none());
        for mailbox in without {
            let what = format!("mails because of mailbox {} cannot be sent", mailbox.name);
            let remedy = "give that mailbox a `transport`";
            findings.add(Level::Note, &mail_key, what, remedy);
        }
    }
    let holds = configured.modes.holds == RecordMode::Apply && asks(&["hold"]);
    if holds && !config.calendars.iter().any(|calendar| calendar.holds) {
        let what = "there is no calendar into which holds could go";
        let remedy = "add a [[calendar]] with holds = true, or set this mode to \"off\"";
        findings.add(Level::Note, format!("{key}.mode.holds"), what, remedy);
    }
}

/// What may be changed in mailboxes is named by the operator, and by nobody else.
fn mailbox(findings: &mut Findings<'_>, configured: &PluginConfig, asks: bool) {
    let key = format!("{}.mailbox", key(configured));
    let granted = !configured.mailbox.is_empty();
    let applies = configured.modes.mailbox != RecordMode::Off;
    let (what, remedy) = match (asks, granted) {
        (true, false) if applies => (
            "no change in a mailbox is granted: each is refused",
            "name them, such as mailbox = [\"flag\", \"keyword:customer-*\", \"move:Archive\"], or \
             set mode.mailbox = \"off\"",
        ),
        (false, true) => (
            "the plugin proposes no change-mailbox",
            "remove `mailbox`: it does nothing",
        ),
        _ => return,
    };
    findings.add(Level::Note, key, what, remedy);
}

/// A folder of our own for compiled code, gone when dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> io::Result<Folder> {
        let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..FOLDER_ATTEMPTS {
            let name = format!("liaison-check-{}-{attempt}", std::process::id());
            let path = std::env::temp_dir().join(name);
            // Not recursive: a folder that somebody else put there is never used.
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Folder(path)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(self.path()) {
            let folder = self.path().display();
            tracing::warn!(%folder, %error, "a temporary folder stays behind");
        }
    }
}
