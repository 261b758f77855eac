//! `status` and `panic`.

mod tally;

use liaison_core::time::{HOUR_MS, Timestamp};
use liaison_core::zones;
use serde::Deserialize;
use serde_json::{Value, json};

use super::addresses::Reaches;
use super::review::Reviews;
use super::service::compacted;
use super::{ApiContext, ApiError, Caller, Nothing, TRIES_MAX, Wake, plugins};
use crate::accounts::audit;
use crate::books::registry::Registry;
use crate::books::rows::AuditRow;
use crate::books::{keys, replace, sweep};
use crate::oauth::{Standing, State};
use crate::room::Reading;
use crate::store::StoreState;
use crate::store::sled::SledStore;
use crate::tzdb;
pub use tally::Tallies;
use tally::{Attention, Events, parked, renumbered, unread};

/// Messages that could not be read for so long need a person; before that it may be a restart.
const UNREAD_TOLD_MS: i64 = HOUR_MS;

pub(super) async fn status(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let books = &context.books;
    let tally = context.tallies.read(context).await?;
    let events = Events::read(context).await?;
    let panic = books.panic().await?;
    let states = plugins::states(context).await?;
    let health = books.store.health();
    let mut attention = Attention::default();
    attention.extend("mails", tally.mail_attention);
    attention.extend("changes of messages", tally.change_attention);
    attention.extend("plugins", plugin_attention(&states));
    parked(context, &mut attention).await?;
    if let Some(row) = &panic {
        attention.extend("panic", [item("panic", "", panic_words(row))]);
    }
    let unread = unread(context).await?;
    attention.extend("unread messages", unread_attention(&unread, context.now()));
    let reviews = Reviews::read(context).await?;
    if reviews.open > 0 {
        let text = format!(
            "{} sender(s) may belong to several accounts: `liaison review list`",
            reviews.open
        );
        attention.extend("reviews", [item("review", "", text)]);
    }
    let reaches = Reaches::read(context).await?;
    attention.extend("domains", reaches.attention);
    let oauth: Vec<Standing> = context
        .credentials
        .iter()
        .map(|one| one.standing())
        .collect();
    attention.extend("logins", oauth_attention(&oauth));
    let live = context.live.as_ref().map(|live| live.status());
    attention.extend("sources", live.iter().flat_map(live_attention));
    let recovered: Vec<String> = books
        .local
        .as_ref()
        .map_or_else(Vec::new, |local| local.recovery().words());
    if books
        .local
        .as_ref()
        .is_some_and(|local| local.recovery().needs_person())
    {
        let text = recovered.join("; ");
        attention.extend(
            "store",
            [item("store", "", format!("at the last start: {text}"))],
        );
    }
    let live_rows = books.local.as_ref().map(|local| local.live());
    let records = sweep::newer(books, Registry::own()).await?;
    if records.newer > 0 {
        let count = records.newer;
        let text = format!(
            "{count} records were written by a newer liaison; they are kept as they are, and what \
             they belong to waits: start that release or a later one"
        );
        attention.extend("records", [item("newer_records", "", text)]);
    }
    for erasure in crate::privacy::open_erasures(books).await? {
        let text = format!(
            "the erasure {} of {} is not finished: see the log for why, and start again",
            erasure.id, erasure.asked
        );
        attention.extend("erasures", [item("erasure", &erasure.id, text)]);
    }
    let looked = books.looked().await?;
    if let Some(row) = looked.as_ref().filter(|row| !row.clean) {
        let text = format!(
            "the look at everything at {} found: {}; see `liaison verify`",
            row.at,
            row.faults.join("; ")
        );
        attention.extend("verify", [item("verify", "", text)]);
    }
    Ok(json!({
        "now": context.now(),
        "running": live.is_some(),
        "tzdb": tzdb_json(context.now()),
        "panic": panic,
        "events": {
            "known": events.known,
            "open": events.open,
            "waiting": events.waiting,
        },
        "unread": unread,
        "renumbered": renumbered(context).await?,
        "mails": tally.mails,
        "holds": tally.holds,
        "changes": tally.changes,
        "tasks": { "open": tally.tasks_open, "urgent": tally.tasks_urgent },
        "timers": { "waiting": tally.timers, "next": tally.next_timer },
        "addresses": { "undeliverable": reaches.addresses, "domains": reaches.domains },
        "reviews": { "open": reviews.open, "stale": reviews.stale },
        "plugins": states,
        "records": { "newer": records.newer, "newer_in": records.newer_in },
        "store": {
            "state": match &health.state {
                StoreState::Open => "open".to_owned(),
                StoreState::Failed(why) => format!("failed: {why}"),
                StoreState::Closed => "closed".to_owned(),
            },
            "commits": health.commits,
            "queued": health.queued,
            "disk_bytes": health.disk_bytes,
            "rows": live_rows.map(|(_, rows)| rows),
            "row_bytes": live_rows.map(|(bytes, _)| bytes),
            "compacted": books.local.as_ref().and_then(|local| local.compacted()).map(compacted),
            "journal": books.local.as_deref().map(journal),
            "recovered": recovered,
        },
        "oauth": oauth,
        "looked_over": looked,
        "needs_person": attention.0,
        "daemon": live,
    }))
}

/// Folders with messages that could not be read for [`UNREAD_TOLD_MS`].
fn unread_attention(unread: &[Value], now: Timestamp) -> Vec<Value> {
    let since = |row: &Value| {
        row.get("since")
            .and_then(|at| serde_json::from_value(at.clone()).ok())
    };
    let old = unread
        .iter()
        .filter(|row| since(row).is_none_or(|at| now.since(at) > UNREAD_TOLD_MS));
    old.map(|row| {
        let (mailbox, folder) = (text(row, "/mailbox"), text(row, "/folder"));
        let count = row.get("count").and_then(Value::as_u64).unwrap_or_default();
        let why = text(row, "/reason");
        let text = format!(
            "{count} message(s) of {mailbox} {folder} cannot be read ({why}); they are asked for \
             again, mend the mailbox"
        );
        item("unread", mailbox, text)
    })
    .collect()
}

fn journal(local: &SledStore) -> Value {
    let journal = local.journal();
    json!({
        "frame": journal.position.frame,
        "segment": journal.position.segment,
        "offset": journal.position.offset,
        "applied_on_disk": journal.flushed,
        "bytes_since_export": journal.since_export,
    })
}

pub(super) fn item(kind: &str, id: &str, text: String) -> Value {
    json!({ "kind": kind, "id": id, "text": text })
}

/// The time zone database in use.
fn tzdb_json(now: Timestamp) -> Value {
    json!({
        "version": zones::version().map(ToString::to_string),
        "from": tzdb::origin(),
        "old": tzdb::is_old(now),
    })
}

fn plugin_attention(plugins: &[Value]) -> Vec<Value> {
    let suspended = plugins
        .iter()
        .filter(|plugin| plugin.pointer("/suspended/why").is_some());
    suspended
        .map(|plugin| {
            let (name, why) = (text(plugin, "/plugin"), text(plugin, "/suspended/why"));
            let text = format!(
                "plugin {name} is suspended: {why}; when that is mended, `liaison plugin resume \
                 {name}`"
            );
            item("suspended", name, text)
        })
        .collect()
}

fn oauth_attention(all: &[Standing]) -> Vec<Value> {
    let troubled = all.iter().filter(|one| one.needs_person);
    troubled
        .map(|one| {
            let (name, why) = (&one.name, one.why.as_deref().unwrap_or_default());
            match one.state {
                State::NeedsConsent => {
                    let command = one.command.as_deref().unwrap_or_default();
                    let text =
                        format!("login {name} needs a person's consent ({why}): `{command}`");
                    item("needs-consent", name, text)
                }
                _ => item(
                    "oauth",
                    name,
                    format!("login {name}: no access tokens ({why})"),
                ),
            }
        })
        .collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// What needs a person, from what the daemon tells of itself: sources, plugins, a reload.
fn live_attention(live: &Value) -> Vec<Value> {
    let rows = |key: &str| {
        live.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let troubled = rows("sources").filter(|row| row.get("needs_person") == Some(&json!(true)));
    let sources = troubled.map(|source| {
        let (name, trouble) = (text(source, "/source"), text(source, "/trouble"));
        item("source", name, format!("{name}: {trouble}"))
    });
    let stale = rows("stale").map(|fault| {
        let (name, what) = (text(fault, "/source"), text(fault, "/what"));
        item("stale", name, format!("{name}: {what}"))
    });
    let alarm = live.get("alarm_trouble").and_then(Value::as_str);
    let alarm = alarm.map(|why| {
        let text = format!("an alarm reached nobody: {why}");
        item("alarm", "", text)
    });
    let plugins = rows("plugin_troubles").map(|trouble| {
        let (name, why) = (text(trouble, "/plugin"), text(trouble, "/why"));
        match trouble.get("runs") == Some(&json!(true)) {
            true => item("new_component", name, format!("plugin {name}: {why}")),
            false => item("plugin", name, format!("plugin {name} cannot run: {why}")),
        }
    });
    let reload = live.get("reload_trouble").and_then(Value::as_str);
    let reload = reload.map(|why| {
        let text = format!("the last reload changed nothing: {why}; mend it, `liaison reload`");
        item("reload", "", text)
    });
    let disk = live.get("disk").and_then(disk_words);
    let disk = disk.map(|text| item("disk", "", text));
    sources
        .chain(stale)
        .chain(alarm)
        .chain(plugins)
        .chain(reload)
        .chain(disk)
        .collect()
}

/// What the guard of the free space says, in words; `None` while there is room.
fn disk_words(disk: &Value) -> Option<String> {
    let reading: Reading = serde_json::from_value(disk.clone()).ok()?;
    reading.words()
}

fn panic_words(row: &AuditRow) -> String {
    format!(
        "everything outgoing is stopped: {} said so at {} ({}); `liaison panic off` ends it",
        row.who, row.at, row.why
    )
}

/// What `panic` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Panic {
    on: bool,
    #[serde(default)]
    why: Option<String>,
}

pub(super) async fn panic(
    context: &ApiContext,
    caller: &Caller,
    arguments: Panic,
) -> Result<Value, ApiError> {
    for _ in 0..TRIES_MAX {
        match panic_once(context, caller, &arguments).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error),
            Ok(answer) => {
                context.wake(Wake::Panic);
                return Ok(answer);
            }
        }
    }
    Err(ApiError::NotNow(
        "others moved the switch meanwhile: look at `liaison status`".to_owned(),
    ))
}

async fn panic_once(
    context: &ApiContext,
    caller: &Caller,
    arguments: &Panic,
) -> Result<Value, ApiError> {
    let key = keys::setting("panic");
    let seen = context.books.get::<AuditRow>(key.clone()).await?;
    let row = AuditRow {
        at: context.now(),
        who: caller.who.clone(),
        what: format!("panic {}", if arguments.on { "on" } else { "off" }),
        why: arguments.why.clone().unwrap_or_default(),
    };
    let (changed, undo) = match (&seen, arguments.on) {
        (Some(stored), true) => (
            format!("nothing: it is on since {}", stored.record.at),
            "liaison panic off",
        ),
        (None, false) => ("nothing: it is off".to_owned(), "liaison panic on"),
        (None, true) => (
            "nothing more goes out: no mail, no draft, no hold".to_owned(),
            "liaison panic off",
        ),
        (Some(_), false) => (
            "mails and holds that wait go out again".to_owned(),
            "liaison panic on",
        ),
    };
    if seen.is_some() != arguments.on {
        let mut batch = context.books.batch();
        match &seen {
            Some(stored) => {
                batch.expect(key.clone(), crate::store::Expect::Version(stored.version));
                batch.del(key);
            }
            None => replace(&mut batch, key, None, &row)?,
        }
        audit(&context.books, &mut batch, "panic", &row).await?;
        context.books.commit(batch).await?;
    }
    Ok(json!({ "panic": arguments.on, "changed": changed, "undo": undo }))
}
