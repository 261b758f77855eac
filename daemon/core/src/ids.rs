//! Typed ids and the keys that make repeats harmless.
//!
//! Derived ids are `BLAKE3(domain tag, length-prefixed parts)` cut to 128 bits and written as 32
//! lower-case hex digits: the same cause gives the same id, on every run and every machine.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                $name(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                $name(text)
            }
        }
    )*};
}

ids! {
    /// A customer organisation.
    AccountId,
    /// A person at an account.
    ContactId,
    /// A watched login: the name of its `[[mailbox]]` section.
    MailboxId,
    /// The name of a `[[transport]]` section.
    TransportId,
    /// The name of a `[[calendar]]` section.
    CalendarId,
    /// The name of a plugin, as in its manifest.
    PluginName,
    /// One message, the same in every mailbox that holds a copy (the event key).
    MessageKey,
    /// One copy of a message in one mailbox (the delivery key).
    DeliveryKey,
    /// One conversation.
    ThreadId,
    /// One thing that was decided: a mail, a hold, a case, a task.
    EffectId,
    /// Holds that are alternatives of one another.
    HoldGroupId,
    /// A record that a plugin's manifest declares (a lead, an NDA case).
    CaseId,
    /// Work laid before a person.
    TaskId,
    /// A timer of a plugin.
    TimerId,
}

/// Hashes `parts` under `domain`; part boundaries matter, so `["ab", "c"]` is not `["a", "bc"]`.
#[must_use]
pub fn derive(domain: &str, parts: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in std::iter::once(domain.as_bytes()).chain(parts.iter().copied()) {
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher
        .finalize()
        .to_hex()
        .as_str()
        .chars()
        .take(32)
        .collect()
}

/// What stands for a message wherever a copy of it lies.
///
/// `body_hash` is taken over the CRLF-normalised bytes after the first blank line: headers change
/// between servers, bodies rarely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity<'a> {
    /// Message-ID without brackets and white space; empty when there is none.
    pub message_id: &'a str,
    /// The Date field as written; empty when there is none.
    pub date: &'a str,
    /// Address of the From field, lower case; empty when there is none.
    pub from: &'a str,
    /// BLAKE3 of the body.
    pub body_hash: [u8; 32],
}

/// The event key: equal for all copies of one message.
#[must_use]
pub fn message_key(identity: &Identity<'_>) -> MessageKey {
    MessageKey(derive(
        "liaison message 1",
        &[
            identity.message_id.as_bytes(),
            identity.date.as_bytes(),
            identity.from.as_bytes(),
            &identity.body_hash,
        ],
    ))
}

/// The delivery key: one copy of a message in one mailbox, never a UID.
#[must_use]
pub fn delivery_key(mailbox: &MailboxId, message: &MessageKey) -> DeliveryKey {
    DeliveryKey(derive(
        "liaison delivery 1",
        &[mailbox.0.as_bytes(), message.0.as_bytes()],
    ))
}

/// The effect key: plugin name (never its digest), cause, label, recipient.
///
/// `cause` is the event key, or the plugin's own `once` text, so that a cadence fires once per
/// period whatever event reminded it. An upgrade of the plugin keeps its keys.
#[must_use]
pub fn effect_id(plugin: &PluginName, cause: &str, label: &str, recipient: &str) -> EffectId {
    EffectId(derive(
        "liaison effect 1",
        &[
            plugin.0.as_bytes(),
            cause.as_bytes(),
            label.as_bytes(),
            recipient.as_bytes(),
        ],
    ))
}

/// The key of the mail that takes the place of `effect` once a person changed its words.
///
/// A mail is replaced once, so the number of edits lies in how often this was applied: the same
/// edit twice makes no second mail.
#[must_use]
pub fn edited_effect_id(effect: &EffectId) -> EffectId {
    EffectId(derive("liaison edited 1", &[effect.0.as_bytes()]))
}

/// The Message-ID (without brackets) of the mail that carries out `effect`.
#[must_use]
pub fn outgoing_message_id(effect: &EffectId, sending_domain: &str) -> String {
    format!("liaison.{effect}@{sending_domain}")
}

/// The iCalendar UID of the hold that carries out `effect`; also the stem of its file name.
#[must_use]
pub fn hold_uid(effect: &EffectId, sending_domain: &str) -> String {
    format!("hold.{effect}@{sending_domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_boundaries_matter() {
        assert_ne!(derive("t", &[b"ab", b"c"]), derive("t", &[b"a", b"bc"]));
        assert_ne!(derive("t", &[b"a"]), derive("u", &[b"a"]));
        assert_eq!(derive("t", &[b"a"]).len(), 32);
    }

    #[test]
    fn an_effect_key_knows_its_recipient_and_not_the_plugin_version() {
        let plugin = PluginName::from("follow-up");
        let one = effect_id(&plugin, "cause", "reminder", "bob@example.net");
        assert_eq!(
            one,
            effect_id(&plugin, "cause", "reminder", "bob@example.net")
        );
        assert_ne!(
            one,
            effect_id(&plugin, "cause", "reminder", "carol@example.net")
        );
    }
}
