//! What people mean by an id.

use liaison_core::effect::{HoldEffect, MailEffect};
use liaison_core::ids::{EffectId, ThreadId};
use liaison_core::mailbox::MailboxEffect;
use liaison_core::message::MessageRecord;
use liaison_core::records::{CaseRecord, TaskRecord, TimerRecord};

use crate::api::{ApiContext, ApiError};
use crate::store::keys::{Parts, Tuple};
use crate::store::{Dir, Ns, Range};

/// Fewest characters of an id that are looked up as its beginning.
const PREFIX_CHARS_MIN: usize = 6;
/// Most things named when an id is not unique.
const CANDIDATES_MAX: usize = 5;

/// Something with a chain of reasons.
pub(in crate::api) enum Found {
    /// A message.
    Message(Box<MessageRecord>),
    /// A mail of the outbox.
    Mail(Box<MailEffect>),
    /// A hold.
    Hold(Box<HoldEffect>),
    /// A change of a message in its mailbox.
    Change(Box<MailboxEffect>),
    /// A case.
    Case(Box<CaseRecord>),
    /// A task.
    Task(Box<TaskRecord>),
    /// A timer.
    Timer(Box<TimerRecord>),
}

impl Found {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Found::Message(_) => "message",
            Found::Mail(_) => "mail",
            Found::Hold(_) => "hold",
            Found::Change(_) => "change",
            Found::Case(_) => "case",
            Found::Task(_) => "task",
            Found::Timer(_) => "timer",
        }
    }

    /// The conversation that it belongs to.
    pub(in crate::api) fn thread(&self) -> Option<&ThreadId> {
        match self {
            Found::Message(message) => Some(&message.thread),
            Found::Mail(mail) => mail.cause.subject.thread.as_ref(),
            Found::Hold(hold) => hold.cause.subject.thread.as_ref(),
            Found::Change(effect) => effect.cause.subject.thread.as_ref(),
            Found::Case(case) => case.subject.thread.as_ref(),
            Found::Task(task) => task.cause.subject.thread.as_ref(),
            Found::Timer(timer) => timer.subject.thread.as_ref(),
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Found::Message(message) => message.key.as_str(),
            Found::Mail(mail) => mail.id.as_str(),
            Found::Hold(hold) => hold.id.as_str(),
            Found::Change(effect) => effect.id.as_str(),
            Found::Case(case) => case.id.as_str(),
            Found::Task(task) => task.id.as_str(),
            Found::Timer(timer) => timer.id.as_str(),
        }
    }
}

const FAMILIES: [Ns; 7] = [
    Ns::Message,
    Ns::Effect,
    Ns::Hold,
    Ns::MailboxEffect,
    Ns::CaseRecord,
    Ns::Task,
    Ns::Timer,
];

/// Finds what has this id: Message-ID, UID of a hold, any id of ours, or the unique beginning of
/// one.
pub(in crate::api) async fn find(context: &ApiContext, given: &str) -> Result<Found, ApiError> {
    let id = bare(given);
    if id.contains('@')
        && let Some(found) = by_message_id(context, id).await?
    {
        return Ok(found);
    }
    for ns in FAMILIES {
        if let Some(found) = load(context, ns, id).await? {
            return Ok(found);
        }
    }
    let mut candidates = Vec::new();
    for ns in FAMILIES {
        for id in beginning_with(context, ns, id).await? {
            candidates.push((ns, id));
        }
    }
    match candidates.as_slice() {
        [(ns, only)] => load(context, *ns, only)
            .await?
            .ok_or_else(|| nothing(given)),
        [] => Err(nothing(given)),
        several => Err(ApiError::NotUnique {
            id: given.to_owned(),
            candidates: several
                .iter()
                .take(CANDIDATES_MAX)
                .map(|(ns, id)| format!("{} {id}", ns.name()))
                .collect(),
        }),
    }
}

/// The whole id of the row of `ns` that people mean: the id itself, a hold's UID or a mail's
/// Message-ID, or a unique beginning.
pub(in crate::api) async fn resolve(
    context: &ApiContext,
    ns: Ns,
    given: &str,
    list: &str,
) -> Result<String, ApiError> {
    let id = bare(given);
    let id = effect_of(id).unwrap_or(id);
    if load(context, ns, id).await?.is_some() {
        return Ok(id.to_owned());
    }
    match beginning_with(context, ns, id).await?.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(ApiError::NotFound {
            id: given.to_owned(),
            hint: format!("see `{list}`"),
        }),
        several => Err(ApiError::NotUnique {
            id: given.to_owned(),
            candidates: several.iter().take(CANDIDATES_MAX).cloned().collect(),
        }),
    }
}

fn bare(given: &str) -> &str {
    let given = given.trim();
    let inner = given.strip_prefix('<').and_then(|id| id.strip_suffix('>'));
    inner.unwrap_or(given)
}

/// The effect in a UID or Message-ID that we derived (`hold.ID@...`, `liaison.ID@...`).
fn effect_of(id: &str) -> Option<&str> {
    let (head, _) = id.split_once('@')?;
    head.strip_prefix("hold.")
        .or_else(|| head.strip_prefix("liaison."))
}

async fn by_message_id(context: &ApiContext, id: &str) -> Result<Option<Found>, ApiError> {
    if let Some(effect) = effect_of(id) {
        for ns in [Ns::Hold, Ns::Effect] {
            if let Some(found) = load(context, ns, effect).await? {
                return Ok(Some(found));
            }
        }
    }
    if let Some(effect) = context.books.mail_by_message_id(id).await?
        && let Some(mail) = context.books.mail(&effect).await?
    {
        return Ok(Some(Found::Mail(Box::new(mail))));
    }
    let message = context.books.message_by_id(id).await?;
    Ok(message.map(|message| Found::Message(Box::new(message))))
}

async fn load(context: &ApiContext, ns: Ns, id: &str) -> Result<Option<Found>, ApiError> {
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return Ok(None);
    }
    let books = &context.books;
    let found = match ns {
        Ns::Message => books
            .message(&id.into())
            .await?
            .map(|message| Found::Message(Box::new(message))),
        Ns::Effect => books
            .mail(&EffectId::from(id))
            .await?
            .map(|mail| Found::Mail(Box::new(mail))),
        Ns::Hold => books
            .hold(&EffectId::from(id))
            .await?
            .map(|hold| Found::Hold(Box::new(hold))),
        Ns::MailboxEffect => books
            .mailbox_effect(&EffectId::from(id))
            .await?
            .map(|effect| Found::Change(Box::new(effect))),
        Ns::CaseRecord => books
            .case(&id.into())
            .await?
            .map(|case| Found::Case(Box::new(case))),
        Ns::Task => books
            .task(&id.into())
            .await?
            .map(|task| Found::Task(Box::new(task))),
        Ns::Timer => books
            .timer(&id.into())
            .await?
            .map(|timer| Found::Timer(Box::new(timer))),
        _ => None,
    };
    Ok(found)
}

/// Longest id that is looked up, in bytes: keys have a bound.
const ID_BYTES_MAX: usize = 400;

async fn beginning_with(
    context: &ApiContext,
    ns: Ns,
    prefix: &str,
) -> Result<Vec<String>, ApiError> {
    let long_enough = prefix.chars().count() >= PREFIX_CHARS_MIN && prefix.len() <= ID_BYTES_MAX;
    if !long_enough || prefix.contains('\0') {
        return Ok(Vec::new());
    }
    let whole = Tuple::new().text(prefix);
    // Without the end mark of the text, the key begins all longer ids, too.
    let open = whole.as_bytes().get(..prefix.len()).unwrap_or_default();
    let rows = context
        .books
        .store
        .scan_range(Range::prefix(ns, open), Dir::Forward, CANDIDATES_MAX)
        .await?;
    Ok(rows
        .iter()
        .filter_map(|(key, _)| Parts::new(key).text().ok())
        .collect())
}

fn nothing(given: &str) -> ApiError {
    ApiError::NotFound {
        id: given.to_owned(),
        hint: "give a Message-ID, or an id of `liaison outbox list`, `holds list`, `tasks list`, \
               `cases all list` or `timers list`; of an id at least its first 6 characters. A message \
               that is not there was not found in a watched mailbox yet: see `liaison status`"
            .to_owned(),
    }
}
