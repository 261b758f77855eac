//! Which component of a plugin the operator's grants are meant for.
//!
//! A grant belongs to the bytes that were looked at. Where the configuration pins a digest, that
//! is the one; else it is the one that was there at the first start, until somebody accepts
//! another. Any other component is asked like before, and nothing that it proposes is carried out.

use liaison_core::effect::{MailMode, RecordMode};
use liaison_core::ids::PluginName;
use liaison_core::policy::Modes;

use super::PluginTrouble;
use crate::books::rows::AuditRow;
use crate::books::{Books, BooksError, keys, replace};
use crate::clock::Clock;
use crate::config::Config;
use crate::outbox::stage_audit;
use crate::pipeline::ActivePlugin;
use crate::store::Key;

/// Where the digest of the accepted component is kept.
#[must_use]
pub fn accepted_key(plugin: &PluginName) -> Key {
    keys::setting(&format!("accepted {plugin}"))
}

/// Name under which the history of a plugin's acceptance stands in the audit.
#[must_use]
pub fn audit_subject(plugin: &PluginName) -> String {
    format!("plugin {plugin}")
}

/// Takes the grants from every component that they are not meant for; says which and what to do.
///
/// # Errors
/// As the books.
pub async fn hold_to_accepted(
    config: &Config,
    books: &Books,
    clock: &dyn Clock,
    plugins: &mut [ActivePlugin],
) -> Result<Vec<PluginTrouble>, BooksError> {
    let mut troubles = Vec::new();
    for plugin in plugins {
        let name = plugin.name();
        let pinned = config.plugin(&name).and_then(|one| one.digest.clone());
        let digest = plugin.plugin.digest().to_owned();
        let (meant, remedy) = match pinned {
            Some(pinned) => {
                let remedy = format!(
                    "set digest = \"{digest}\" in its [[plugin]] of {} and run `liaison reload`",
                    config.file.display()
                );
                (pinned, remedy)
            }
            None => {
                let meant = first_seen(books, clock, &name, &digest).await?;
                (meant, format!("run `liaison plugin accept {name}`"))
            }
        };
        if meant == digest {
            continue;
        }
        plugin.modes = rehearsing(plugin.modes);
        let why = format!(
            "its component is {}, accepted is {}: it only rehearses. Look at it with `liaison \
             plugin inspect {name}`; to accept it, {remedy}",
            short(&digest),
            short(&meant)
        );
        tracing::warn!(plugin = %name, %why, "new component");
        troubles.push(PluginTrouble {
            plugin: name,
            why,
            runs: true,
        });
    }
    Ok(troubles)
}

/// The accepted digest; the present one, recorded, when there was none.
async fn first_seen(
    books: &Books,
    clock: &dyn Clock,
    plugin: &PluginName,
    digest: &str,
) -> Result<String, BooksError> {
    if let Some(row) = books.get::<AuditRow>(accepted_key(plugin)).await? {
        return Ok(row.record.what);
    }
    let row = AuditRow {
        at: clock.now(),
        who: "liaison".to_owned(),
        what: digest.to_owned(),
        why: "the component of the first start".to_owned(),
    };
    let mut batch = books.batch();
    replace(&mut batch, accepted_key(plugin), None, &row)?;
    stage_audit(&mut batch, &audit_subject(plugin), row.at, row.clone())?;
    books.commit(batch).await?;
    Ok(row.what)
}

/// What is left of grants for a component that they were not given to: it is asked and recorded.
#[must_use]
pub fn rehearsing(modes: Modes) -> Modes {
    let lowered = |mode| match mode {
        RecordMode::Apply => RecordMode::Rehearse,
        other => other,
    };
    Modes {
        mail: modes.mail.min(MailMode::Rehearse),
        records: lowered(modes.records),
        tasks: lowered(modes.tasks),
        holds: lowered(modes.holds),
        mailbox: lowered(modes.mailbox),
    }
}

/// The beginning of a digest, long enough to tell two apart.
fn short(digest: &str) -> &str {
    digest.get(..19).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_mode_is_raised_and_nothing_is_carried_out() {
        for mail in [
            MailMode::Off,
            MailMode::Notify,
            MailMode::Draft,
            MailMode::Send,
        ] {
            for other in [RecordMode::Off, RecordMode::Rehearse, RecordMode::Apply] {
                let granted = Modes {
                    mail,
                    records: other,
                    tasks: other,
                    holds: other,
                    mailbox: other,
                };
                let left = rehearsing(granted);
                assert!(left.mail <= mail && left.mail <= MailMode::Rehearse);
                for mode in [left.records, left.tasks, left.holds, left.mailbox] {
                    assert_ne!(mode, RecordMode::Apply);
                    assert_eq!(mode == RecordMode::Off, other == RecordMode::Off);
                }
            }
        }
    }
}
