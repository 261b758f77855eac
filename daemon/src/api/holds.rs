//! `holds`: looking, and the steps that only a person takes.

use std::collections::{BTreeMap, BTreeSet};

use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::hold::{Choice, GroupState, HoldGroup, HoldInput};
use liaison_core::ids::EffectId;
use liaison_core::message::cut_text;
use liaison_core::time::{HOUR_MS, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cases::gone;
use super::outbox::{Decide, List, changed_meanwhile, instant};
use super::{ApiContext, ApiError, Caller, Id, Shown, TRIES_MAX, Wake, why};
use crate::books::keys::{self, DueKind};
use crate::books::rows::AuditRow;
use crate::outbox::{HoldStep, StepError, stage_audit, stage_hold, stage_hold_record};
use crate::store::{Ns, Range, Stored};

const HOLDS_LIST: &str = "liaison holds list";
/// Longest reason kept in a hold's state, in characters.
const WHY_CHARS_MAX: usize = 300;

/// The words of a hold's states, for `holds list --state`.
const HOLD_STATES: [&str; 9] = [
    "planned",
    "placed",
    "confirming",
    "releasing",
    "confirmed",
    "released",
    "expired",
    "adopted",
    "lost",
];

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    arguments: List,
) -> Result<Value, ApiError> {
    arguments.check(&HOLD_STATES)?;
    let mut groups = BTreeMap::new();
    let each = |group: HoldGroup| {
        groups.insert(group.id.clone(), group);
    };
    context.books.each(Range::all(Ns::HoldGroup), each).await?;
    let mut shown = Shown::new("holds");
    let each = |hold: HoldEffect| {
        if arguments.wants(hold.state.as_str()) {
            // Open ones by when they are; of the others the newest first.
            let (start, is_final) = (hold.when.start.0, hold.state.is_final());
            let order = (
                is_final,
                if is_final {
                    start.saturating_neg()
                } else {
                    start
                },
            );
            shown.offer(order, || hold_json(&hold, groups.get(&hold.group)));
        }
    };
    context.books.each(Range::all(Ns::Hold), each).await?;
    Ok(shown.answer())
}

/// A hold with what its group says; of an earlier release it may have none yet, and is open.
pub(super) fn hold_json(hold: &HoldEffect, group: Option<&HoldGroup>) -> Value {
    let state = group.map_or(&GroupState::Open, |group| &group.state);
    json!({
        "id": hold.id,
        "state": hold.state.as_str(),
        "why": hold.state.why(),
        "since": hold.since,
        "uid": hold.uid,
        "title": hold.title,
        "note": hold.note,
        "start": hold.when.start,
        "end": hold.when.end,
        "zone": hold.zone,
        "expires": hold.expires,
        "calendar": hold.calendar,
        "group": hold.group,
        "group_name": hold.group_name,
        "group_state": state.as_str(),
        "chosen": state.choice(),
        "generation": hold.generation,
        "href": hold.href,
        "plugin": hold.cause.plugin,
        "plugin_version": hold.cause.plugin_version,
        "label": hold.cause.label,
        "reason": hold.cause.reason,
        "rule": hold.cause.rule,
        "account": hold.cause.subject.account,
        "thread": hold.cause.subject.thread,
        "attempts": hold.attempts,
        "not_before": hold.not_before,
        "last_trouble": hold.last_trouble,
        "created": hold.created,
    })
}

async fn hold_by(context: &ApiContext, id: &str) -> Result<Stored<HoldEffect>, ApiError> {
    let id = why::resolve(context, Ns::Hold, id, HOLDS_LIST).await?;
    let key = keys::hold(&EffectId::from(id.as_str()));
    let hold = context.books.get(key).await?;
    hold.ok_or_else(|| gone(&id, HOLDS_LIST))
}

pub(super) async fn show(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let hold = hold_by(context, &arguments.id).await?.record;
    let group = context.books.hold_group(&hold.group).await?;
    let audit = context.books.audit_of(hold.id.as_str()).await?;
    let mails = context.books.mails_requiring(&hold.id).await?;
    let mut alternatives: Vec<Value> = Vec::new();
    for other in context.books.holds_of_group(&hold.group).await? {
        if other.record.id != hold.id {
            alternatives.push(hold_json(&other.record, group.as_ref()));
        }
    }
    Ok(json!({
        "hold": hold_json(&hold, group.as_ref()),
        "alternatives": alternatives,
        "offered_in": mails,
        "audit": audit,
    }))
}

/// Why a hold cannot be moved by a person any more.
fn no_way(hold: &HoldEffect) -> ApiError {
    let reason = hold.state.why().map(|why| format!(" ({why})"));
    ApiError::NotNow(format!(
        "this hold is `{}`{} since {}",
        hold.state.as_str(),
        reason.unwrap_or_default(),
        hold.since
    ))
}

/// Takes a step of a hold; one that met another is judged again.
async fn turn(
    context: &ApiContext,
    caller: &Caller,
    id: &str,
    input: impl Fn(&HoldEffect) -> Result<HoldInput, ApiError>,
) -> Result<HoldEffect, ApiError> {
    for _ in 0..TRIES_MAX {
        let hold = hold_by(context, id).await?;
        let step = HoldStep::new(input(&hold.record)?, &caller.who);
        let mut batch = context.books.batch();
        let staged = stage_hold(&context.books, &mut batch, &hold, step, context.now()).await;
        let after = match staged {
            Err(StepError::Group(_) | StepError::IllegalHold(_)) => {
                return Err(no_choice(context, &hold.record).await?);
            }
            staged => staged?,
        };
        match context.books.commit(batch).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                context.wake(Wake::Holds);
                return Ok(after);
            }
        }
    }
    Err(changed_meanwhile("hold"))
}

/// What `holds-release` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    id: String,
    /// The open alternatives too.
    #[serde(default)]
    alternatives: bool,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Takes one hold out of its calendar, or all that are open in its group. Each is a step of its own:
/// after a crash in between the same command goes on with the rest.
pub(super) async fn release(
    context: &ApiContext,
    caller: &Caller,
    arguments: Release,
) -> Result<Value, ApiError> {
    let named = hold_by(context, &arguments.id).await?.record;
    let why = arguments.why;
    let why = why.unwrap_or_else(|| format!("released by {}", caller.who));
    let mut open = Vec::new();
    if named.state.is_open() {
        open.push(named.id.clone());
    }
    if arguments.alternatives {
        for other in context.books.holds_of_group(&named.group).await? {
            if other.record.id != named.id && other.record.state.is_open() {
                open.push(other.record.id);
            }
        }
    }
    let mut released = Vec::with_capacity(open.len());
    for id in &open {
        let after = turn(context, caller, id.as_str(), |hold| {
            match hold.state.is_open() {
                true => Ok(HoldInput::GiveUp(cut_text(&why, WHY_CHARS_MAX))),
                false => Err(no_way(hold)),
            }
        });
        match after.await {
            Ok(after) => released.push(after),
            // Of several, one that went meanwhile is what was asked for.
            Err(ApiError::NotNow(_)) if open.len() > 1 => {}
            Err(error) => return Err(error),
        }
    }
    if released.is_empty() {
        return Err(no_way(&hold_by(context, named.id.as_str()).await?.record));
    }
    let group = context.books.hold_group(&named.group).await?;
    let (mut mails, mut shown) = (BTreeSet::new(), Vec::with_capacity(released.len()));
    for hold in &released {
        mails.extend(context.books.mails_requiring(&hold.id).await?);
        shown.push(hold_json(hold, group.as_ref()));
    }
    let title = &named.title;
    let changed = match released.len() {
        1 => format!("the hold `{title}` leaves the calendar"),
        more => format!("{more} holds of the group of `{title}` leave the calendars"),
    };
    Ok(json!({
        "hold": shown.first(),
        "holds": shown,
        "offered_in": mails,
        "changed": changed,
        "undo": "cannot be undone: enter the time by hand if you want to keep it",
    }))
}

/// Chooses a hold: from here on no other of its group can be chosen. The calendar follows.
pub(super) async fn confirm(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let now = context.now();
    let after = turn(context, caller, arguments.id(), |hold| match hold.state {
        HoldState::Placed if hold.when.start <= now => Err(ApiError::NotNow(format!(
            "the time of this hold began at {}: enter the meeting by hand",
            hold.when.start
        ))),
        HoldState::Planned => {
            let trouble = hold.last_trouble.as_ref();
            let trouble = trouble.map(|trouble| format!(" ({trouble})"));
            Err(ApiError::NotNow(format!(
                "this hold is not in the calendar yet{}: confirm it when `liaison holds show {}` \
                 says `placed`",
                trouble.unwrap_or_default(),
                hold.id
            )))
        }
        _ => Ok(HoldInput::Choose(caller.who.clone())),
    });
    let after = after.await?;
    let (mut others, all) = (0_usize, context.books.holds_of_group(&after.group).await?);
    for other in &all {
        let counts = other.record.id != after.id && other.record.state.is_open();
        others = others.saturating_add(usize::from(counts));
    }
    let rest = match others {
        0 => "it has no alternatives".to_owned(),
        1 => "its alternative leaves the calendar then".to_owned(),
        more => format!("its {more} alternatives leave the calendars then"),
    };
    let group = context.books.hold_group(&after.group).await?;
    let (title, start, id) = (&after.title, after.when.start, &after.id);
    Ok(json!({
        "hold": hold_json(&after, group.as_ref()),
        "alternatives": others,
        "changed": format!(
            "`{title}` at {start} becomes a meeting, unless the time was taken meanwhile; {rest}. \
             Nobody is invited by this. `liaison holds show {id}` tells when it is done"
        ),
        "undo": "cannot be undone: cancel the meeting in the calendar",
    }))
}

/// Why a hold was not chosen; who chose before is named.
async fn no_choice(context: &ApiContext, hold: &HoldEffect) -> Result<ApiError, ApiError> {
    let group = context.books.hold_group(&hold.group).await?;
    let decided = group.filter(|group| group.generation == hold.generation);
    let Some(first) = decided.as_ref().and_then(|group| group.state.choice()) else {
        return Ok(no_way(hold));
    };
    let Choice { hold: id, who, at } = first;
    if *id == hold.id {
        return Ok(ApiError::NotNow(format!(
            "{who} chose this time at {at} already: `liaison holds show {id}` tells how far it is"
        )));
    }
    let start = context.books.hold(id).await?.map(|other| other.when.start);
    let start = start.map_or_else(|| "another time".to_owned(), |start| start.to_string());
    Ok(ApiError::NotNow(format!(
        "{who} chose {start} (hold {id}) at {at}, before you: of one group one time is confirmed. \
         Offer other times, or cancel that meeting in the calendar and enter this one by hand"
    )))
}

/// What `holds-extend` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Extend {
    id: String,
    /// The new end.
    #[serde(default)]
    until: Option<String>,
    /// How much later than now planned.
    #[serde(default)]
    hours: Option<u32>,
    /// The open alternatives too.
    #[serde(default)]
    alternatives: bool,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

impl Extend {
    /// When the hold shall end.
    fn end(&self, context: &ApiContext, hold: &HoldEffect) -> Result<Timestamp, ApiError> {
        let until = match (self.until.as_deref(), self.hours) {
            (Some(text), None) => {
                let business = &context.office.firm.business;
                instant(text, business).ok_or_else(|| {
                    ApiError::Arguments(format!(
                        "`{text}` is no time: write 2026-03-02T09:00 ({}) or 2026-03-02T09:00:00Z",
                        business.zone_name()
                    ))
                })?
            }
            (None, Some(hours)) => {
                let millis = i64::from(hours).saturating_mul(HOUR_MS);
                hold.expires.plus_millis(millis)
            }
            _ => {
                let text = "say how long: --until TIME or --hours HOURS";
                return Err(ApiError::Arguments(text.to_owned()));
            }
        };
        if until <= hold.expires || until <= context.now() {
            return Err(ApiError::Arguments(format!(
                "hold {} stands until {} already; what nobody needs is given up with `liaison \
                 holds release {}`",
                hold.id, hold.expires, hold.id
            )));
        }
        // A time that has begun is held for nobody.
        if until > hold.when.start {
            return Err(ApiError::Arguments(format!(
                "hold {} begins at {}: it can stand until then, not until {until}",
                hold.id, hold.when.start
            )));
        }
        Ok(until)
    }
}

pub(super) async fn extend(
    context: &ApiContext,
    caller: &Caller,
    arguments: Extend,
) -> Result<Value, ApiError> {
    for _ in 0..TRIES_MAX {
        let hold = hold_by(context, &arguments.id).await?;
        let mut holds = vec![hold];
        if arguments.alternatives {
            let named = holds.first().map(|hold| hold.record.clone());
            let all = match &named {
                Some(hold) => context.books.holds_of_group(&hold.group).await?,
                None => Vec::new(),
            };
            let more = all.into_iter().filter(|other| {
                let is_named = named
                    .as_ref()
                    .is_some_and(|hold| hold.id == other.record.id);
                !is_named && other.record.state.is_open()
            });
            holds.extend(more);
        }
        let mut batch = context.books.batch();
        let mut after = Vec::with_capacity(holds.len());
        for hold in &holds {
            if !hold.record.state.is_open() {
                return Err(no_way(&hold.record));
            }
            let expires = arguments.end(context, &hold.record)?;
            let now = HoldEffect {
                expires,
                ..hold.record.clone()
            };
            stage_hold_record(&mut batch, hold, &now)?;
            // What lies in the calendar says the old end: the daemon looks at it right away.
            if now.state == HoldState::Placed {
                let entry = keys::effect_due(context.now(), DueKind::Hold, &now.id);
                batch.put(entry, Vec::new());
            }
            let row = AuditRow {
                at: context.now(),
                who: caller.who.clone(),
                what: format!("extended: until {expires}, not {}", hold.record.expires),
                why: arguments.why.clone().unwrap_or_default(),
            };
            stage_audit(&mut batch, now.id.as_str(), context.now(), row)?;
            after.push(now);
        }
        match context.books.commit(batch).await {
            Err(error) if error.is_conflict() => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                context.wake(Wake::Holds);
                return extended(context, &after).await;
            }
        }
    }
    Err(changed_meanwhile("hold"))
}

async fn extended(context: &ApiContext, holds: &[HoldEffect]) -> Result<Value, ApiError> {
    let mut shown = Vec::with_capacity(holds.len());
    let mut words = Vec::with_capacity(holds.len());
    for hold in holds {
        let group = context.books.hold_group(&hold.group).await?;
        shown.push(hold_json(hold, group.as_ref()));
        words.push(format!("hold {} stands until {}", hold.id, hold.expires));
    }
    Ok(json!({
        "holds": shown,
        "changed": words.join(", "),
        "undo": "`liaison holds release ID` gives one up before its end",
    }))
}
