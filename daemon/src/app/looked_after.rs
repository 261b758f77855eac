//! What alarms look after, as configured.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::alarm::Source;
use crate::config::{CalendarKind, Config, MailboxKind};
use crate::freshness::{AUTOMATIC_MAIL, SourceKind, Watched};
use crate::sink::Pace;

/// What is to be up to date, and how old its proof may be: who is looked at seldom, and has no
/// limit of its own, may miss one look.
pub(super) fn watched(config: &Config) -> Vec<Watched> {
    let ms = |own: Option<Duration>, looks_every: u64| {
        let two_looks = Duration::from_secs(looks_every.saturating_mul(2));
        let length = own.unwrap_or(config.alarm.stale_after.max(two_looks));
        i64::try_from(length.as_millis()).unwrap_or(i64::MAX)
    };
    let mailboxes = config.mailboxes.iter().map(|mailbox| Watched {
        kind: SourceKind::Mail,
        source: mailbox.name.to_string(),
        stale_after_ms: match &mailbox.kind {
            MailboxKind::Imap(imap) => ms(mailbox.stale_after, imap.poll_interval_secs),
            MailboxKind::Maildir(maildir) => ms(mailbox.stale_after, maildir.rescan_secs),
        },
    });
    let calendars = config.calendars.iter().map(|calendar| Watched {
        kind: SourceKind::Calendar,
        source: calendar.name.to_string(),
        stale_after_ms: match &calendar.kind {
            CalendarKind::Vdir(vdir) => ms(calendar.stale_after, vdir.rescan_secs),
            CalendarKind::Caldav(caldav) => {
                let longest = caldav.interval(&|| Pace::Night);
                ms(calendar.stale_after, longest.as_secs())
            }
            CalendarKind::Feed(feed) => ms(calendar.stale_after, feed.refresh_at_most().as_secs()),
        },
    });
    mailboxes.chain(calendars).collect()
}

/// What shows only when it is used how it is: transports, the folders that we put mail into, and
/// the circuit breaker, of which nothing is known before the mails of the last hour were counted.
pub(super) fn by_use(config: &Config) -> BTreeSet<Source> {
    let transports = config.transports.iter();
    let transports = transports.map(|one| (SourceKind::Transport, one.name.to_string()));
    let mailboxes = config.mailboxes.iter();
    let filing = mailboxes.map(|one| (SourceKind::Filing, one.name.to_string()));
    let outbox = std::iter::once((SourceKind::Outbox, AUTOMATIC_MAIL.to_owned()));
    transports.chain(filing).chain(outbox).collect()
}
