//! `[[plugin]]`: pins, modes, settings.

use std::collections::BTreeSet;

use liaison_core::effect::{MailMode, RecordMode};
use liaison_core::ids::PluginName;
use liaison_core::mailbox::MailboxGrants;
use liaison_core::policy::Modes;
use serde_json::{Map, Value};

use super::Validation;
use crate::config::PluginConfig;
use crate::config::read::{Section, did_you_mean};
use crate::config::schema::{RawMode, RawPlugin};

const MAIL_MODES: [MailMode; 6] = [
    MailMode::Off,
    MailMode::Rehearse,
    MailMode::Notify,
    MailMode::Draft,
    MailMode::Approve,
    MailMode::Send,
];
const RECORD_MODES: [RecordMode; 3] = [RecordMode::Off, RecordMode::Rehearse, RecordMode::Apply];

impl Validation<'_, '_> {
    pub(super) fn plugins(&mut self, sections: &[Section<'_>]) -> Vec<PluginConfig> {
        let mut plugins = Vec::new();
        let mut taken = BTreeSet::new();
        for section in sections {
            let Some(raw) = section.read::<RawPlugin>(&[], self.problems) else {
                continue;
            };
            self.name(section, &raw.name, &mut taken);
            if let Some(digest) = &raw.digest {
                self.digest(section, digest);
            }
            let (modes, modes_written) = self.modes(section, &raw.mode);
            let settings = self.settings(section, &raw.settings);
            plugins.push(PluginConfig {
                name: PluginName(raw.name),
                path: raw.path.map(|path| self.path(section, "path", path)),
                digest: raw.digest,
                enabled: raw.enabled,
                modes,
                mailbox: self.mailbox_grants(section, &raw.mailbox),
                modes_written,
                settings,
            });
        }
        plugins
    }

    fn digest(&mut self, section: &Section<'_>, digest: &str) {
        let hex = digest.strip_prefix("sha256:").unwrap_or_default();
        let lower = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if hex.len() != 64 || !hex.chars().all(lower) {
            let what = "it is no digest";
            let remedy = "write sha256: and 64 hex digits as `liaison check` prints them";
            self.problems.add(section, "digest", what, remedy);
        }
    }

    fn modes(&mut self, section: &Section<'_>, raw: &RawMode) -> (Modes, BTreeSet<&'static str>) {
        let mut modes = Modes::default();
        let mut written = BTreeSet::new();
        if let Some(text) = &raw.mail {
            written.insert("mail");
            match MAIL_MODES.iter().find(|mode| mode.as_str() == text) {
                Some(mode) => modes.mail = *mode,
                None => self.no_mode(section, "mail", text, &MAIL_MODES.map(MailMode::as_str)),
            }
        }
        let others = [
            ("records", &raw.records, &mut modes.records),
            ("tasks", &raw.tasks, &mut modes.tasks),
            ("holds", &raw.holds, &mut modes.holds),
            ("mailbox", &raw.mailbox, &mut modes.mailbox),
        ];
        for (key, text, mode) in others {
            let Some(text) = text else { continue };
            written.insert(key);
            match RECORD_MODES.iter().find(|mode| mode.as_str() == text) {
                Some(found) => *mode = *found,
                None => self.no_mode(section, key, text, &RECORD_MODES.map(RecordMode::as_str)),
            }
        }
        (modes, written)
    }

    fn mailbox_grants(&mut self, section: &Section<'_>, words: &[String]) -> MailboxGrants {
        MailboxGrants::parse(words).unwrap_or_else(|errors| {
            for error in errors {
                let what = format!("`{}` is no grant", error.word);
                self.problems.add(section, "mailbox", what, error.why);
            }
            MailboxGrants::default()
        })
    }

    fn no_mode(&mut self, section: &Section<'_>, key: &str, text: &str, known: &[&str]) {
        let what = format!("`{text}` is no mode of {key}");
        let remedy = if text == "propose" && key != "mail" {
            "it comes with the review of proposals; use rehearse or apply".to_owned()
        } else {
            match did_you_mean(text, known) {
                near if near.starts_with("did you mean") => {
                    format!("use {}; {near}", known.join(", "))
                }
                _ => format!("use {}", known.join(", ")),
            }
        };
        self.problems
            .add(section, &format!("mode.{key}"), what, remedy);
    }

    fn settings(&mut self, section: &Section<'_>, raw: &toml::Table) -> Map<String, Value> {
        let mut settings = Map::new();
        for (key, value) in raw {
            match json(value) {
                Some(value) => {
                    settings.insert(key.clone(), value);
                }
                None => {
                    let what = "it holds a number that is none (nan or inf)";
                    let key = format!("settings.{key}");
                    self.problems.add(section, &key, what, "write a number");
                }
            }
        }
        settings
    }
}

/// A value of the file as JSON, dates as text; `None` for a number that JSON does not have.
fn json(value: &toml::Value) -> Option<Value> {
    Some(match value {
        toml::Value::String(text) => Value::String(text.clone()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::Number(serde_json::Number::from_f64(*number)?),
        toml::Value::Boolean(flag) => Value::Bool(*flag),
        toml::Value::Datetime(date) => Value::String(date.to_string()),
        toml::Value::Array(items) => Value::Array(items.iter().map(json).collect::<Option<_>>()?),
        toml::Value::Table(table) => {
            let each = table.iter();
            Value::Object(
                each.map(|(key, value)| Some((key.clone(), json(value)?)))
                    .collect::<Option<_>>()?,
            )
        }
    })
}
