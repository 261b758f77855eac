//! `outbox reschedule`: the same mail at another time.

use jiff::civil::{Date, DateTime};
use liaison_core::business_time::{BusinessCalendar, BusinessDuration};
use liaison_core::effect::MailEffect;
use liaison_core::outbox::{APPROVAL_MS, MailState};
use liaison_core::time::{DAY_MS, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ways_out::no_way;
use super::{changed_meanwhile, mail_by, mail_json};
use crate::api::{ApiContext, ApiError, Caller, TRIES_MAX, Wake};
use crate::books::rows::AuditRow;
use crate::outbox::ledger::stage_moved_ledgers;
use crate::outbox::{RESCHEDULED, stage_audit, stage_mail_record};
use crate::store::Stored;

/// How far ahead a mail can be put: what is to be said in more than a year is written then.
const AHEAD_MAX_MS: i64 = 366 * DAY_MS;

/// What `outbox-reschedule` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Reschedule {
    id: String,
    /// When.
    #[serde(default)]
    at: Option<String>,
    /// How long from now.
    #[serde(default, rename = "in")]
    after: Option<String>,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Moves the time of a mail that waits: the same record, never a second one.
pub(in crate::api) async fn reschedule(
    context: &ApiContext,
    caller: &Caller,
    arguments: Reschedule,
) -> Result<Value, ApiError> {
    let at = wanted(context, &arguments)?;
    for _ in 0..TRIES_MAX {
        let seen = mail_by(context, &arguments.id).await?;
        if !seen.record.state.can_be_moved() {
            return Err(no_way(&seen.record));
        }
        match moved(context, caller, (&seen, at), arguments.why.as_deref()).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
            Ok(mail) => {
                context.wake(Wake::Mail);
                return Ok(answer(context, &mail, seen.record.not_before));
            }
        }
    }
    Err(changed_meanwhile("mail"))
}

fn answer(context: &ApiContext, mail: &MailEffect, before: Timestamp) -> Value {
    let (to, id, at) = (&mail.recipient, &mail.id, mail.not_before);
    let changed = match mail.state {
        MailState::Held => {
            let expires = mail.since.plus_millis(APPROVAL_MS);
            format!(
                "the mail to {to} goes out at {at} at the earliest, once somebody says yes \
                 (`liaison outbox approve {id}`, until {expires})"
            )
        }
        _ => format!(
            "the mail to {to} goes out at {at} at the earliest, within the rules for time and \
             frequency"
        ),
    };
    let undo = match (before > context.now(), &mail.state) {
        (true, _) => {
            // As it can be typed.
            let there = before
                .to_jiff()
                .to_zoned(context.office.firm.business.zone().clone());
            let there = there.strftime("%Y-%m-%dT%H:%M:%S");
            format!("`liaison outbox reschedule {id} --at {there}`")
        }
        (false, MailState::Held) => {
            format!("`liaison outbox retry {id}` after the yes: it was to go out at once")
        }
        (false, _) => format!("`liaison outbox retry {id}`: it was to go out at once"),
    };
    json!({ "mail": mail_json(mail), "changed": changed, "undo": undo })
}

async fn moved(
    context: &ApiContext,
    caller: &Caller,
    (seen, at): (&Stored<MailEffect>, Timestamp),
    why: Option<&str>,
) -> Result<MailEffect, ApiError> {
    let now = context.now();
    let after = MailEffect {
        not_before: at,
        ..seen.record.clone()
    };
    let mut batch = context.books.batch();
    stage_mail_record(&mut batch, seen, &after)?;
    let row = AuditRow {
        at: now,
        who: caller.who.clone(),
        what: format!("{RESCHEDULED}: {}, not before {at}", after.state),
        why: why.unwrap_or_default().to_owned(),
    };
    stage_audit(&mut batch, after.id.as_str(), now, row)?;
    let free_mail = &context.office.free_mail;
    stage_moved_ledgers(&context.books, &mut batch, &after, (at, free_mail)).await?;
    context.books.commit(batch).await?;
    Ok(after)
}

/// The time that is asked for, if a mail can be put there.
fn wanted(context: &ApiContext, arguments: &Reschedule) -> Result<Timestamp, ApiError> {
    let (now, business) = (context.now(), &context.office.firm.business);
    let at = match (arguments.at.as_deref(), arguments.after.as_deref()) {
        (Some(text), None) => instant(text, business).ok_or_else(|| {
            format!(
                "`{text}` is no time: write 2026-03-02T09:00 ({}), 2026-03-02T09:00:00Z or a day \
                 such as 2026-03-02",
                business.zone_name()
            )
        }),
        (None, Some(text)) => text
            .parse::<BusinessDuration>()
            .map(|duration| duration.after(now, business))
            .map_err(|error| error.to_string()),
        _ => Err("say when: --at TIME or --in DURATION".to_owned()),
    };
    let at = at.map_err(ApiError::Arguments)?;
    if at <= now {
        return Err(ApiError::Arguments(format!(
            "{at} is past; what is to go out now: `liaison outbox approve {id}` where it is held, \
             else `liaison outbox retry {id}`",
            id = arguments.id
        )));
    }
    if at.since(now) > AHEAD_MAX_MS {
        let days = AHEAD_MAX_MS / DAY_MS;
        return Err(ApiError::Arguments(format!(
            "{at} is more than {days} days ahead: cancel it, and write when it is time"
        )));
    }
    Ok(at)
}

/// An instant as people write it; one without an offset is meant in the zone of the office, a day
/// by itself means its first working minute, or the next one there is.
pub(in crate::api) fn instant(text: &str, business: &BusinessCalendar) -> Option<Timestamp> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    if !text.contains(':') {
        let date: Date = text.parse().ok()?;
        return Some(business.next_slot(business.start_of(date)));
    }
    let local: DateTime = text.parse().ok()?;
    let there = business.zone().to_ambiguous_timestamp(local).compatible();
    there.ok().map(Timestamp::from_jiff)
}
