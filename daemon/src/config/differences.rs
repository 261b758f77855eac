//! What a configuration that is read again would change.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::Config;
use crate::oauth::OauthSettings;

impl Config {
    /// What differs in `new`, in words: `mailbox sales: changed`, `plugin nda-desk: new`.
    #[must_use]
    pub fn differences(&self, new: &Config) -> Vec<String> {
        let mut found = Vec::new();
        let single = [
            ("state_dir", words(&self.state_dir), words(&new.state_dir)),
            ("socket", words(&self.socket), words(&new.socket)),
            (
                "plugin_dir",
                words(&self.plugin_dir),
                words(&new.plugin_dir),
            ),
            (
                "template_dir",
                words(&self.template_dir),
                words(&new.template_dir),
            ),
            ("log", words(&self.log), words(&new.log)),
            ("firm", words(&self.firm), words(&new.firm)),
            ("quiet_hours", words(&self.quiet), words(&new.quiet)),
            ("meetings", words(&self.meetings), words(&new.meetings)),
            ("limits", words(&self.limits), words(&new.limits)),
            ("retention", words(&self.retention), words(&new.retention)),
            (
                "staff_mail",
                words(&self.staff_mail),
                words(&new.staff_mail),
            ),
            ("control", words(&self.control), words(&new.control)),
            ("store", words(&self.store), words(&new.store)),
            ("disk", words(&self.disk), words(&new.disk)),
            ("alarm", words(&self.alarm), words(&new.alarm)),
            ("approval", words(&self.approval), words(&new.approval)),
            (
                "authenticity",
                words(&self.authenticity),
                words(&new.authenticity),
            ),
        ];
        for (key, before, after) in single {
            if before != after {
                found.push(format!("{key}: changed"));
            }
        }
        let name = |one: &super::User| one.address.clone();
        named("user", &self.users, &new.users, name, &mut found);
        let (before, after) = (self.credentials.settings(), new.credentials.settings());
        let name = |one: &OauthSettings| one.name.clone();
        named("oauth", &before, &after, name, &mut found);
        let name = |one: &super::Transport| one.name.to_string();
        named(
            "transport",
            &self.transports,
            &new.transports,
            name,
            &mut found,
        );
        let name = |one: &super::Mailbox| one.name.to_string();
        named("mailbox", &self.mailboxes, &new.mailboxes, name, &mut found);
        let name = |one: &super::Calendar| one.name.to_string();
        named(
            "calendar",
            &self.calendars,
            &new.calendars,
            name,
            &mut found,
        );
        let name = |one: &super::PluginConfig| one.name.to_string();
        named("plugin", &self.plugins, &new.plugins, name, &mut found);
        found
    }

    /// Keys that `new` changes and that only a new start takes: the store and the socket are held
    /// for as long as the process lives.
    #[must_use]
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let mut keys = Vec::new();
        if self.state_dir != new.state_dir {
            keys.push("state_dir");
        }
        if self.socket != new.socket {
            keys.push("socket");
        }
        if words(&self.store) != words(&new.store) {
            keys.push("store");
        }
        keys
    }
}

/// A value for comparing. Secrets are references here, and nothing of this is shown.
fn words(value: &dyn Debug) -> String {
    format!("{value:?}")
}

fn named<T: Debug>(
    kind: &str,
    before: &[T],
    after: &[T],
    name: impl Fn(&T) -> String,
    found: &mut Vec<String>,
) {
    let by_name = |list: &[T]| -> BTreeMap<String, String> {
        let each = list.iter();
        each.map(|one| (name(one), words(one))).collect()
    };
    let (before, after) = (by_name(before), by_name(after));
    for (name, new) in &after {
        match before.get(name) {
            None => found.push(format!("{kind} {name}: new")),
            Some(old) if old != new => found.push(format!("{kind} {name}: changed")),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    found.extend(gone.map(|name| format!("{kind} {name}: gone")));
}
