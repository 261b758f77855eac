//! `backfill`: old messages shown to the plugins, which only rehearse.

use jiff::civil::Date;
use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiContext, ApiError, Caller, Nothing, Shown, TRIES_MAX, Wake, no_such};
use crate::books::rows::{AuditRow, BackfillRow, BackfillState};
use crate::books::{keys, replace};
use crate::ingest::backfill;
use crate::outbox::stage_audit;

/// All of them, the newest first.
pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let mut shown = Shown::new("backfills");
    for row in backfill::all(&context.books).await?.into_values() {
        shown.offer(std::cmp::Reverse(row.asked), || backfill_json(&row));
    }
    Ok(shown.answer())
}

fn backfill_json(row: &BackfillRow) -> Value {
    let sum = |of: fn(&crate::source::backfill::BackfillFolder) -> u64| {
        row.folders.iter().map(of).fold(0, u64::saturating_add)
    };
    let (done, total) = (sum(|folder| folder.done), sum(|folder| folder.total));
    json!({
        "mailbox": row.mailbox,
        "since": row.since,
        "state": row.state,
        "done": done,
        "total": total,
        "progress": format!("{done}/{total}"),
        "rehearsed": row.rehearsed,
        "asked": row.asked,
        "who": row.who,
        "ended": row.ended,
        "folders": row.folders,
    })
}

/// What `backfill-start` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    mailbox: String,
    /// A day in the firm's zone, or an instant.
    since: String,
}

/// Asks for it; the daemon goes on with it across restarts.
pub(super) async fn start(
    context: &ApiContext,
    caller: &Caller,
    arguments: Start,
) -> Result<Value, ApiError> {
    let mailbox = known(context, &arguments.mailbox)?;
    let since = instant(context, &arguments.since)?;
    let now = context.now();
    if since >= now {
        let text = format!("backfill: {} is not in the past", arguments.since);
        return Err(ApiError::Arguments(text));
    }
    let what = format!("backfill since {since} asked for");
    let row = BackfillRow {
        mailbox: mailbox.clone(),
        since,
        asked: now,
        who: caller.who.clone(),
        state: BackfillState::Running,
        folders: Vec::new(),
        rehearsed: 0,
        ended: None,
    };
    write(context, caller, &mailbox, what, |before| match before {
        Some(before) if before.runs() => Err(ApiError::NotNow(format!(
            "a backfill of {} since {} goes on already, asked for by {}: see `liaison backfill`, \
             or end it with `liaison backfill {} --cancel`",
            mailbox, before.since, before.who, mailbox
        ))),
        _ => Ok(row.clone()),
    })
    .await?;
    context.wake(Wake::Backfill);
    Ok(json!({
        "mailbox": mailbox,
        "since": since,
        "changed": format!(
            "messages of {mailbox} received since {since} are shown to the plugins, which only \
             rehearse; `liaison backfill` shows how far that is"
        ),
        "undo": format!("liaison backfill {mailbox} --cancel"),
    }))
}

/// What `backfill-cancel` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cancel {
    mailbox: String,
}

/// Ends it; what was rehearsed stays recorded.
pub(super) async fn cancel(
    context: &ApiContext,
    caller: &Caller,
    arguments: Cancel,
) -> Result<Value, ApiError> {
    let mailbox = MailboxId::from(arguments.mailbox.as_str());
    let now = context.now();
    let what = "backfill cancelled".to_owned();
    let row = write(context, caller, &mailbox, what, |before| match before {
        Some(before) if before.runs() => Ok(BackfillRow {
            state: BackfillState::Cancelled,
            ended: Some(now),
            ..before
        }),
        _ => Err(ApiError::NotFound {
            id: arguments.mailbox.clone(),
            hint: "no backfill of it goes on; see `liaison backfill`".to_owned(),
        }),
    })
    .await?;
    Ok(json!({
        "mailbox": mailbox,
        "rehearsed": row.rehearsed,
        "changed": format!(
            "the backfill of {mailbox} is ended; the {} messages that were rehearsed stay recorded",
            row.rehearsed
        ),
        "undo": format!("liaison backfill {mailbox} --since {}", row.since),
    }))
}

async fn write(
    context: &ApiContext,
    caller: &Caller,
    mailbox: &MailboxId,
    what: String,
    change: impl Fn(Option<BackfillRow>) -> Result<BackfillRow, ApiError>,
) -> Result<BackfillRow, ApiError> {
    let (books, key) = (&context.books, keys::backfill(mailbox));
    let mut tries: u32 = 0;
    loop {
        let seen = books.get::<BackfillRow>(key.clone()).await?;
        let version = seen.as_ref().map(|row| row.version);
        let row = change(seen.map(|row| row.record))?;
        let mut batch = books.batch();
        replace(&mut batch, key.clone(), version, &row)?;
        let audit = AuditRow {
            at: context.now(),
            who: caller.who.clone(),
            what: what.clone(),
            why: String::new(),
        };
        stage_audit(&mut batch, &format!("backfill {mailbox}"), audit.at, audit)?;
        match books.commit(batch).await {
            Err(error) if error.is_conflict() && tries < TRIES_MAX => {
                tries = tries.saturating_add(1);
            }
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(row),
        }
    }
}

fn known(context: &ApiContext, name: &str) -> Result<MailboxId, ApiError> {
    let mailboxes = &context.office.mailboxes;
    let mailbox = MailboxId::from(name);
    if mailboxes.contains_key(&mailbox) {
        return Ok(mailbox);
    }
    let names: Vec<&str> = mailboxes.keys().map(MailboxId::as_str).collect();
    Err(ApiError::NotFound {
        id: name.to_owned(),
        hint: no_such("mailbox", name, &names),
    })
}

fn instant(context: &ApiContext, text: &str) -> Result<Timestamp, ApiError> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_jiff(at));
    }
    let zone = context.office.firm.business.zone().clone();
    let day = text.parse::<Date>().and_then(|day| day.to_zoned(zone));
    let day = day.map_err(|_| {
        ApiError::Arguments(format!(
            "backfill: `{text}` is no date: write 2026-01-31, or 2026-01-31T08:00:00Z"
        ))
    })?;
    Ok(Timestamp::from_jiff(day.timestamp()))
}
