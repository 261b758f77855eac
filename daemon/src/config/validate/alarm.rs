//! `[alarm]`, and how old a proof may be.

use std::time::Duration;

use super::super::read::Section;
use super::super::schema::RawAlarm;
use super::Validation;
use crate::alarm::{AlarmSettings, AlarmWay, Webhook, WebhookAddress, WebhookError};

/// Shortest time after which a source counts as overdue: less than a look at a slow server takes
/// would be alarms without end.
const STALE_AFTER_SECS_MIN: u64 = 5;

impl Validation<'_, '_> {
    pub(super) fn alarm(&mut self, section: &Section<'_>) -> Option<AlarmSettings> {
        let raw: RawAlarm = section.read(&[], self.problems)?;
        let usual = AlarmSettings::default();
        let stale_after = self.stale_after(section, raw.stale_after_secs);
        let repeat_after = raw.repeat_hours.map_or(usual.repeat_after, |hours| {
            if hours == 0 {
                let remedy = "write 1 or more";
                self.say(section, "repeat_hours", "0 hours", remedy);
            }
            Duration::from_secs(hours.saturating_mul(3_600))
        });
        let mut ways = Vec::new();
        if let Some(words) = raw.command.clone() {
            if words.first().is_none_or(String::is_empty) {
                let remedy = r#"name a program and its words: ["/usr/bin/mail", "-s", "Liaison"]"#;
                self.say(section, "command", "no program", remedy);
            }
            ways.push(AlarmWay::Command(words));
        }
        ways.extend(self.webhook(section, raw).map(AlarmWay::Webhook));
        Some(AlarmSettings {
            stale_after: stale_after.unwrap_or(usual.stale_after),
            repeat_after,
            ways,
        })
    }

    fn webhook(&mut self, section: &Section<'_>, raw: RawAlarm) -> Option<Webhook> {
        let (mut secret, mut token) = (raw.webhook_address, raw.webhook_token);
        for (key, secret) in [
            ("webhook_address", &mut secret),
            ("webhook_token", &mut token),
        ] {
            if let Some(secret) = secret {
                self.secret(section, key, secret);
            }
        }
        if let Some(problem) = raw.webhook.as_deref().and_then(WebhookError::of_address) {
            let remedy = "write https://host/path; what in it is secret belongs into \
                          `webhook_address`";
            self.problems
                .add(section, "webhook", problem.to_string(), remedy);
        }
        let ca_file = raw.tls.ca_file;
        let ca_file = ca_file.map(|file| self.path(section, "tls.ca_file", file));
        let address = match (raw.webhook, secret) {
            (Some(_), Some(_)) => {
                let what = "`webhook` and `webhook_address` are both set";
                self.problems
                    .add(section, "webhook", what, "remove one of them");
                return None;
            }
            (Some(address), None) => WebhookAddress::Open(address),
            (None, Some(secret)) => WebhookAddress::Secret(secret),
            (None, None) => {
                let lonely = [
                    ("webhook_token", token.is_some()),
                    ("tls", ca_file.is_some()),
                ];
                for (key, _) in lonely.iter().filter(|(_, given)| *given) {
                    let what = "it goes with `webhook`, which is missing";
                    let remedy = "add webhook = \"https://...\", or remove it";
                    self.problems.add(section, key, what, remedy);
                }
                return None;
            }
        };
        Some(Webhook {
            address,
            token,
            ca_file,
        })
    }

    pub(in super::super) fn stale_after(
        &mut self,
        section: &Section<'_>,
        secs: Option<u64>,
    ) -> Option<Duration> {
        let secs = secs?;
        if secs < STALE_AFTER_SECS_MIN {
            let remedy = format!("write {STALE_AFTER_SECS_MIN} or more; 900 is usual");
            self.say(section, "stale_after_secs", &secs.to_string(), &remedy);
        }
        Some(Duration::from_secs(secs))
    }
}
