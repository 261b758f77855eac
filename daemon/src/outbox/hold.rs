//! Moving holds and their groups from state to state: records, due index, audit and the event that
//! tells the plugin, in one commit.
//!
//! A group follows from its holds: each step of a hold that a group hears of writes the group's
//! row too, so that of two steps at the same time one meets the other and is judged again.

use std::collections::BTreeMap;

use liaison_core::effect::{HoldEffect, HoldState};
use liaison_core::hold::{Choice, GroupInput, GroupRefusal, GroupState, HoldGroup, HoldInput};
use liaison_core::ids::HoldGroupId;
use liaison_core::message::cut_text;
use liaison_core::time::Timestamp;

use super::{StepError, WHY_CHARS_MAX, stage_audit, stage_due, stage_event};
use crate::books::indexes::{hold_due, hold_keys};
use crate::books::keys::{self, DueKind};
use crate::books::rows::{AuditRow, EventBody};
use crate::books::{Books, BooksError, replace};
use crate::store::{Batch, Stored};

/// A step of a hold with its author.
#[derive(Debug, Clone)]
pub struct HoldStep<'a> {
    /// What happens.
    pub input: HoldInput,
    /// A person, a plugin, or a part of the daemon.
    pub who: &'a str,
    /// Where it lies now: href and version.
    pub place: Option<(String, String)>,
    /// The UID that the server gave it.
    pub uid: Option<String>,
    /// What stood in the way, where the step is a way back.
    pub trouble: Option<String>,
}

impl<'a> HoldStep<'a> {
    /// A step that says nothing about the place.
    #[must_use]
    pub fn new(input: HoldInput, who: &'a str) -> HoldStep<'a> {
        HoldStep {
            input,
            who,
            place: None,
            uid: None,
            trouble: None,
        }
    }

    /// With where it lies now: href and version.
    #[must_use]
    pub fn at(mut self, href: &str, etag: &str) -> HoldStep<'a> {
        self.place = Some((href.to_owned(), etag.to_owned()));
        self
    }

    /// With the UID that the server gave it, where that is not ours.
    #[must_use]
    pub fn called(mut self, uid: Option<String>) -> HoldStep<'a> {
        self.uid = uid;
        self
    }
}

/// Stages the first holds of an answer with their index entries and their groups. `instead` names
/// groups of which the same answer gives up the other times.
///
/// # Errors
/// When a record cannot be encoded, or the books cannot be read.
pub async fn stage_new_holds(
    books: &Books,
    writes: &mut Batch,
    holds: Vec<HoldEffect>,
    instead: impl Fn(&HoldGroupId) -> bool,
    now: Timestamp,
) -> Result<(), BooksError> {
    let mut groups = BTreeMap::new();
    for mut hold in holds {
        hold.generation = match groups.get(&hold.group) {
            Some(generation) => *generation,
            None => {
                let instead = instead(&hold.group);
                let stored = books
                    .get::<HoldGroup>(keys::hold_group(&hold.group))
                    .await?;
                let (seen, group) = match stored {
                    Some(stored) => {
                        let offered = stored.record.step(GroupInput::Offer { instead }, now);
                        // The table has an offer for each state.
                        (Some(stored.version), offered.unwrap_or(stored.record))
                    }
                    None => {
                        let (id, plugin) = (hold.group.clone(), hold.cause.plugin.clone());
                        (None, HoldGroup::new(id, plugin, now))
                    }
                };
                // Written also when it stays as it was: a choice at the same time is told.
                replace(writes, keys::hold_group(&group.id), seen, &group)?;
                groups.insert(group.id, group.generation);
                group.generation
            }
        };
        stage_new_hold(writes, &hold)?;
    }
    Ok(())
}

/// Stages a new hold with its index entries.
///
/// # Errors
/// When the record cannot be encoded.
pub fn stage_new_hold(writes: &mut Batch, hold: &HoldEffect) -> Result<(), BooksError> {
    writes.put(
        keys::effect_due(hold.not_before, DueKind::Hold, &hold.id),
        Vec::new(),
    );
    for key in hold_keys(hold) {
        writes.put(key, Vec::new());
    }
    replace(writes, keys::hold(&hold.id), None, hold)
}

/// Replaces a hold and keeps its due entry right; no step, no audit.
///
/// # Errors
/// When the record cannot be encoded.
pub fn stage_hold_record(
    writes: &mut Batch,
    before: &Stored<HoldEffect>,
    after: &HoldEffect,
) -> Result<(), BooksError> {
    let due =
        |hold: &HoldEffect| hold_due(hold).map(|at| keys::effect_due(at, DueKind::Hold, &hold.id));
    stage_due(writes, due(&before.record), due(after));
    replace(writes, keys::hold(&after.id), Some(before.version), after)
}

/// Stages a step of a hold, with what its group makes of it; returns the hold after it.
///
/// A hold that a person makes definite after another one was chosen is adopted: it is theirs.
///
/// # Errors
/// When the state has no such step, or when another hold of its group was chosen; then nothing was
/// staged.
pub async fn stage_hold(
    books: &Books,
    writes: &mut Batch,
    before: &Stored<HoldEffect>,
    step: HoldStep<'_>,
    now: Timestamp,
) -> Result<HoldEffect, StepError> {
    let hold = &before.record;
    let mut input = step.input.clone();
    let mut state = hold.state.step(&input)?;
    let group = books
        .get::<HoldGroup>(keys::hold_group(&hold.group))
        .await?;
    let (seen, group) = match group {
        Some(stored) => (Some(stored.version), stored.record),
        None => {
            let (id, plugin) = (hold.group.clone(), hold.cause.plugin.clone());
            (None, HoldGroup::new(id, plugin, hold.created))
        }
    };
    let turns = group_turns(books, (hold, &state), step.who, now).await?;
    let mut next = group.clone();
    for turn in turns.iter().flatten() {
        match (next.step(turn.clone(), now), &input) {
            (Ok(turned), _) => next = turned,
            // Who chooses in vain is told who came first.
            (Err(refusal), HoldInput::Choose(_)) => return Err(refusal.into()),
            (Err(GroupRefusal::Decided(first)), HoldInput::MadeDefinite) => {
                let what = format!("made definite although {} chose {}", first.who, first.hold);
                input = HoldInput::Edited(what);
                state = hold.state.step(&input)?;
            }
            // What happened in the calendar has happened.
            (Err(_), _) => {}
        }
    }
    if turns.is_some() {
        replace(writes, keys::hold_group(&group.id), seen, &next)?;
    }
    let mut after = hold.clone();
    after.since = if state == hold.state { hold.since } else { now };
    after.state = state;
    after.last_trouble = step.trouble;
    if let Some((href, etag)) = step.place {
        (after.href, after.etag) = (Some(href), Some(etag));
    }
    if let Some(uid) = step.uid {
        after.uid = uid;
    }
    // What begins anew is tried at once, and as often as it takes.
    if matches!(
        after.state,
        HoldState::Releasing(_) | HoldState::Confirming(_)
    ) {
        after.not_before = now;
    }
    stage_hold_record(writes, before, &after)?;
    if after.state != hold.state {
        stage_told(books, writes, (hold, &after), (&input, step.who), now).await?;
    }
    Ok(after)
}

/// Stages that a hold is given up; `false` when nobody could give it up any more.
///
/// # Errors
/// When the record cannot be encoded, or the books cannot be read.
pub async fn stage_give_up(
    books: &Books,
    writes: &mut Batch,
    before: &Stored<HoldEffect>,
    (who, why): (&str, &str),
    now: Timestamp,
) -> Result<bool, BooksError> {
    let input = HoldInput::GiveUp(cut_text(why, WHY_CHARS_MAX));
    match stage_hold(books, writes, before, HoldStep::new(input, who), now).await {
        Ok(_) => Ok(true),
        Err(StepError::Books(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// What a group hears of a step of one of its holds; `None`: nothing.
async fn group_turns(
    books: &Books,
    (hold, state): (&HoldEffect, &HoldState),
    who: &str,
    now: Timestamp,
) -> Result<Option<Vec<GroupInput>>, BooksError> {
    let choice = |who: &str| Choice {
        hold: hold.id.clone(),
        who: who.to_owned(),
        at: now,
    };
    let mut turns = Vec::new();
    match (&hold.state, state) {
        (_, HoldState::Confirming(who)) => turns.push(GroupInput::Choose(choice(who))),
        (_, HoldState::Confirmed) => turns.push(GroupInput::Confirm(choice(who))),
        (HoldState::Confirming(_), _) => turns.push(GroupInput::Undo(hold.id.clone())),
        (_, state) if state.is_final() => {}
        _ => return Ok(None),
    }
    if state.is_final() && *state != HoldState::Confirmed {
        let all = books.holds_of_group(&hold.group).await?;
        let mut others = all.iter().filter(|other| other.record.id != hold.id);
        if !others.any(|other| !other.record.state.is_final()) {
            turns.push(GroupInput::Abandon);
        }
    }
    Ok(Some(turns))
}

async fn stage_told(
    books: &Books,
    writes: &mut Batch,
    (before, after): (&HoldEffect, &HoldEffect),
    (input, who): (&HoldInput, &str),
    now: Timestamp,
) -> Result<(), BooksError> {
    let why = after.state.why().or(after.last_trouble.as_deref());
    let row = AuditRow {
        at: now,
        who: who.to_owned(),
        what: format!("{} -> {}", before.state.as_str(), after.state.as_str()),
        why: cut_text(why.unwrap_or_default(), WHY_CHARS_MAX),
    };
    stage_audit(writes, after.id.as_str(), now, row)?;
    let Some(outcome) = after.state.settled(input) else {
        return Ok(());
    };
    let body = EventBody::Settled {
        effect: after.id.clone(),
        plugin: after.cause.plugin.clone(),
        label: after.cause.label.clone(),
        outcome,
        subject: after.cause.subject.clone(),
    };
    let key = format!("settled {} {}", after.id, after.state.as_str());
    stage_event(books, writes, key, body, now).await
}

/// Why a hold that waits to be placed is not wanted any more; `None`: it is.
#[must_use]
pub fn overtaken(hold: &HoldEffect, group: &HoldGroup) -> Option<String> {
    if hold.generation < group.generation {
        return Some("other times are offered instead".to_owned());
    }
    match &group.state {
        GroupState::Choosing(choice) | GroupState::Confirmed(choice) => {
            let (who, chosen) = (&choice.who, &choice.hold);
            Some(format!("another time was chosen by {who}: {chosen}"))
        }
        GroupState::Open | GroupState::Abandoned => None,
    }
}
