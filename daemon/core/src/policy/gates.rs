//! The gates of automatic mail: loop guard, frequency cap, business hours, consent, and whether mail
//! arrives at all.
//!
//! Asked twice: when a mail is decided, and again under the lease just before it goes out
//! ([`recheck`]), because the world moves in between.

use super::{CAP_WINDOW_MS, Facts, Firm, Limits, RecipientFacts};
use crate::business_time::{BusinessCalendar, Slot, next_slot};
use crate::effect::{Audience, MailEffect, MailMode};
use crate::mail::address::Address;
use crate::message::{MessageRecord, ThreadRecord};
use crate::time::{DAY_MS, MINUTE_MS, Timestamp};
use crate::whereabouts::{Place, Whereabouts};

/// Refuses what must never be answered by a machine (H-LOOP, RFC 3834 section 2): because of the
/// message of the event, the one that a timer or a settled effect stems from, or the one answered.
pub(super) fn loop_guard(
    facts: &Facts<'_>,
    answered: Option<&MessageRecord>,
    recipient: &str,
    firm: &Firm,
) -> Result<(), String> {
    let messages = [
        ("the message", facts.trigger),
        ("the message that this stems from", facts.origin),
        ("the message", answered),
    ];
    for (name, message) in messages {
        match message {
            Some(message) if !message.outbound => answerable(name, message)?,
            _ => {}
        }
    }
    if firm.owns(recipient) {
        return Err(format!("{recipient} is one of our own addresses"));
    }
    match Address::parse(recipient) {
        Err(error) => Err(error.to_string()),
        Ok(address) if address.is_no_reply_like() => {
            Err(format!("nobody reads mail to {recipient}"))
        }
        Ok(_) => Ok(()),
    }
}

fn answerable(name: &str, message: &MessageRecord) -> Result<(), String> {
    if !message.is_human() {
        return Err(format!(
            "never answers automatic mail: {name} is of class {} ({})",
            message.class,
            message.class_evidence.first().map_or("", String::as_str)
        ));
    }
    if message.no_automatic_answer {
        return Err(format!("{name} says that no machine may answer it"));
    }
    if message.historical {
        return Err(format!("{name} is from before the first start"));
    }
    if message.from_count > 1 {
        return Err(format!(
            "{name} has several From addresses: nobody can say whose it is"
        ));
    }
    Ok(())
}

/// The worse of two verdicts on a sender: `fail`, then `unknown` (nobody looked), then `none` (no
/// signature to look at), then `pass`. A word from elsewhere counts as `unknown`.
#[must_use]
pub(super) fn worse<'a>(one: &'a str, other: &'a str) -> &'a str {
    let rank = |verdict: &str| match verdict {
        "pass" => 0,
        "none" => 1,
        "fail" => 3,
        _ => 2,
    };
    if rank(other) > rank(one) { other } else { one }
}

/// Refuses what a person already took up.
pub(super) fn taken_up(
    answered: Option<&MessageRecord>,
    thread: Option<&ThreadRecord>,
) -> Result<(), String> {
    let (Some(answered), Some(thread)) = (answered, thread) else {
        return Ok(());
    };
    let later = |when: Option<Timestamp>| when.is_some_and(|when| when > answered.received);
    if answered.outbound && later(thread.last_human_inbound) {
        return Err("the counterpart has answered since".to_owned());
    }
    if !answered.outbound && later(thread.last_human_outbound) {
        return Err("one of us has answered since".to_owned());
    }
    Ok(())
}

/// Refuses what would go into a conversation that a person closed.
pub(super) fn still_open(thread: Option<&ThreadRecord>) -> Result<(), String> {
    match thread.and_then(|thread| thread.closed.as_ref()) {
        Some(closed) => Err(format!("the conversation was {closed}")),
        None => Ok(()),
    }
}

/// Consent: asked when decided and again when sent.
pub(super) fn consent(recipient: &str, known: Option<&RecipientFacts>) -> Result<(), String> {
    match known {
        Some(RecipientFacts {
            opted_out: Some(why),
            ..
        }) => Err(why.clone()),
        Some(known) if known.do_not_contact => Err(format!("{recipient} is marked do-not-contact")),
        Some(known) if known.left => Err(format!("{recipient} has left the company")),
        _ => Ok(()),
    }
}

/// Whether mail arrives there, as far as delivery reports tell: asked when decided and again when
/// sent.
pub(super) fn deliverable(known: Option<&RecipientFacts>) -> Result<(), String> {
    let why = known.and_then(|known| known.undeliverable.clone());
    why.map_or(Ok(()), Err)
}

/// From when on the frequency cap lets another mail through, with the reason; `None`: now.
#[must_use]
pub(super) fn frequency_cap(
    limits: &Limits,
    contact: &[Timestamp],
    account: &[Timestamp],
    now: Timestamp,
) -> Option<(Timestamp, String)> {
    let of_contact =
        free_at(contact, limits.contact_mails_per_week, CAP_WINDOW_MS, now).map(|at| {
            let max = limits.contact_mails_per_week;
            (
                at,
                format!("frequency cap: at most {max} mail(s) to a contact in 7 days"),
            )
        });
    let of_account =
        free_at(account, limits.account_mails_per_week, CAP_WINDOW_MS, now).map(|at| {
            let max = limits.account_mails_per_week;
            (
                at,
                format!("frequency cap: at most {max} mails to an account in 7 days"),
            )
        });
    [of_contact, of_account]
        .into_iter()
        .flatten()
        .max_by_key(|(at, _)| *at)
}

/// From when on fewer than `max` of `times` lie within `window_ms`; `None`: now. What is planned for
/// later counts where it would fall into the same window.
fn free_at(times: &[Timestamp], max: u32, window_ms: i64, now: Timestamp) -> Option<Timestamp> {
    let mut recent: Vec<Timestamp> = times
        .iter()
        .copied()
        .filter(|at| now.since(*at) < window_ms && at.since(now) < window_ms)
        .collect();
    recent.sort();
    let max = usize::try_from(max).unwrap_or(usize::MAX);
    if recent.len() < max {
        return None;
    }
    // With max = 1 the newest one must leave the window, with max = 2 the second newest, ...
    let index = recent.len().saturating_sub(max.max(1));
    let until = recent.get(index).copied().unwrap_or(now);
    Some(until.plus_millis(window_ms))
}

impl Firm {
    /// When a mail that leaves by itself may leave: while we work, and not in the night of its
    /// recipient.
    #[must_use]
    pub fn automatic_slot(&self, to: Option<&Whereabouts>, t: Timestamp) -> Slot {
        next_slot(Some(&self.business), &self.awake(to), t)
    }

    /// When a mail that a person approved may leave: at once, unless `[quiet_hours]` says that it
    /// waits for the recipient's day, too.
    #[must_use]
    pub fn approved_slot(&self, to: Option<&Whereabouts>, t: Timestamp) -> Slot {
        let awake = match self.quiet.approved {
            true => self.awake(to),
            false => Vec::new(),
        };
        next_slot(None, &awake, t)
    }

    /// When a recipient may be written to, by each place where they may be; our zone stands in for
    /// one that nobody looked for.
    fn awake(&self, to: Option<&Whereabouts>) -> Vec<BusinessCalendar> {
        let ours = || vec![Place::Zone(self.business.zone_name().to_owned())];
        let places = to.map_or_else(ours, |to| to.places.clone());
        let calendars = places.iter().filter_map(|place| self.quiet.calendar(place));
        calendars.collect()
    }
}

/// What people wrote into the conversation of a mail since it was decided.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Since {
    /// Nothing that matters.
    #[default]
    Nothing,
    /// Somebody whose answer it is: the mail is overtaken.
    Answer(String),
    /// Somebody of whom that is not known: a person looks.
    Aside(String),
}

/// What is looked at again under the lease.
#[derive(Debug, Clone)]
pub struct RecheckFacts<'a> {
    /// The time.
    pub now: Timestamp,
    /// Ourselves.
    pub firm: &'a Firm,
    /// Ceilings.
    pub limits: &'a Limits,
    /// The recipient; its mails without this one.
    pub recipient: RecipientFacts,
    /// The thread as it is now.
    pub thread: Option<ThreadRecord>,
    /// The message being answered.
    pub answered: Option<MessageRecord>,
    /// What was written since, for mail that stops for an answer. Whoever works on messages calls off
    /// what waits; this is for what could not be called off just then.
    pub since: Since,
    /// Automatic mails to anybody within the last hour.
    pub sent_last_hour: u32,
    /// When mails left through its transport within 24 hours, oldest first; may be left out while
    /// they are fewer than its ceilings.
    pub through_login: Vec<Timestamp>,
    /// When mails left for the organisation of its recipient within 24 hours, oldest first; as above,
    /// and none for an address at a provider of many people.
    pub to_domain: Vec<Timestamp>,
}

/// How the reason begins for which the circuit breaker holds a mail.
pub const BREAKER: &str = "circuit breaker";

/// What the second look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recheck {
    /// Carry it out.
    Go,
    /// Not before this.
    Wait(Timestamp, String),
    /// A person must look: it becomes `held`.
    Hold(String),
    /// Overtaken.
    Cancel(String),
}

/// Whether a mail that is due may be carried out now.
///
/// Drafts and mails that a person approved are checked for consent, for whether mail arrives there,
/// for being overtaken and against the frequency cap; hour (unless `[quiet_hours]` says otherwise) and loop are the person's to
/// judge. The panic switch is the caller's: it
/// stops everything, before anything is looked at here. What leaves through a transport waits for room
/// under its ceilings, whoever decided it.
#[must_use]
pub fn recheck(mail: &MailEffect, facts: &RecheckFacts<'_>) -> Recheck {
    match gates(mail, facts) {
        Recheck::Go => full(mail, facts).map_or(Recheck::Go, |(at, why)| Recheck::Wait(at, why)),
        stopped => stopped,
    }
}

/// From when on there is room under the ceilings of login and recipient domain; `None`: now.
fn full(mail: &MailEffect, facts: &RecheckFacts<'_>) -> Option<(Timestamp, String)> {
    let to_staff = mail.audience == Audience::Staff;
    if mail.mode == MailMode::Draft && !to_staff {
        return None;
    }
    let (limits, now) = (facts.limits, facts.now);
    let room = |times: &[Timestamp], max: u32, window: i64, what: String| {
        let at = (max > 0)
            .then(|| free_at(times, max, window, now))
            .flatten()?;
        Some((at, what))
    };
    let transport = &mail.transport;
    let (minute, day) = (limits.login_mails_per_minute, limits.login_mails_per_day);
    let waits = [
        room(
            &facts.through_login,
            minute,
            MINUTE_MS,
            format!(
                "at most {minute} mails a minute leave through `{transport}` (login_mails_per_minute)"
            ),
        ),
        room(
            &facts.through_login,
            day,
            DAY_MS,
            format!(
                "at most {day} mails in 24 h leave through `{transport}` (login_mails_per_day)"
            ),
        ),
        room(
            &facts.to_domain,
            limits.domain_mails_per_day,
            DAY_MS,
            format!(
                "at most {} mails in 24 h go to the organisation of {} (domain_mails_per_day)",
                limits.domain_mails_per_day, mail.recipient
            ),
        )
        .filter(|_| !to_staff),
    ];
    waits.into_iter().flatten().max_by_key(|(at, _)| *at)
}

fn gates(mail: &MailEffect, facts: &RecheckFacts<'_>) -> Recheck {
    if mail.audience == Audience::Staff {
        return Recheck::Go;
    }
    if let Err(why) = consent(&mail.recipient, Some(&facts.recipient)) {
        return Recheck::Cancel(why);
    }
    // What a person approves after it was closed is theirs to judge.
    if mail.mode != MailMode::Approve
        && let Err(why) = still_open(facts.thread.as_ref())
    {
        return Recheck::Cancel(why);
    }
    if let Err(why) = deliverable(Some(&facts.recipient)) {
        return Recheck::Cancel(why);
    }
    if mail.cancel_on_reply
        && let Err(why) = taken_up(facts.answered.as_ref(), facts.thread.as_ref())
    {
        return Recheck::Cancel(why);
    }
    match &facts.since {
        Since::Answer(why) if mail.cancel_on_reply => return Recheck::Cancel(why.clone()),
        Since::Aside(why) if mail.cancel_on_reply && mail.mode == MailMode::Send => {
            return Recheck::Hold(why.clone());
        }
        _ => {}
    }
    if !mail.exempt_from_cap
        && let Some((at, why)) = frequency_cap(
            facts.limits,
            &facts.recipient.mails,
            &facts.recipient.account_mails,
            facts.now,
        )
    {
        return Recheck::Wait(at, why);
    }
    let whereabouts = facts.recipient.whereabouts.as_ref();
    if mail.mode == MailMode::Approve {
        return when(facts.firm.approved_slot(whereabouts, facts.now), facts.now);
    }
    if mail.mode != MailMode::Send {
        return Recheck::Go;
    }
    if let Some(why) = &facts.recipient.domain_stopped {
        return Recheck::Hold(why.clone());
    }
    let per_day = facts.limits.contact_automatic_per_day;
    if let Some(at) = free_at(&facts.recipient.automatic, per_day, DAY_MS, facts.now) {
        let why = format!("loop guard: at most {per_day} automatic mail(s) to a contact in 24 h");
        return Recheck::Wait(at, why);
    }
    let in_thread = facts
        .thread
        .as_ref()
        .map_or(0, |thread| thread.automatic_since_human);
    if in_thread >= facts.limits.thread_automatic {
        return Recheck::Hold(format!(
            "loop guard: {in_thread} automatic mails in this thread without a person in between"
        ));
    }
    if facts.sent_last_hour >= facts.limits.automatic_per_hour {
        return Recheck::Hold(format!(
            "{BREAKER}: {} automatic mails within an hour; see `liaison status`",
            facts.sent_last_hour
        ));
    }
    when(facts.firm.automatic_slot(whereabouts, facts.now), facts.now)
}

fn when(slot: Slot, now: Timestamp) -> Recheck {
    if slot.at > now {
        Recheck::Wait(slot.at, slot.brief)
    } else {
        Recheck::Go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_opens_when_enough_mails_have_left_the_window() {
        let day = |n: i64| Timestamp(n.saturating_mul(DAY_MS));
        assert_eq!(free_at(&[], 1, CAP_WINDOW_MS, day(10)), None);
        assert_eq!(free_at(&[day(2)], 1, CAP_WINDOW_MS, day(10)), None);
        assert_eq!(free_at(&[day(5)], 1, CAP_WINDOW_MS, day(10)), Some(day(12)));
        assert_eq!(
            free_at(&[day(5), day(8)], 1, CAP_WINDOW_MS, day(10)),
            Some(day(15))
        );
        assert_eq!(
            free_at(&[day(5), day(8)], 2, CAP_WINDOW_MS, day(10)),
            Some(day(12))
        );
        assert_eq!(free_at(&[day(5)], 2, CAP_WINDOW_MS, day(10)), None);
        // What is planned for the same week counts, what is planned for later does not.
        assert_eq!(
            free_at(&[day(13)], 1, CAP_WINDOW_MS, day(10)),
            Some(day(20))
        );
        assert_eq!(free_at(&[day(17)], 1, CAP_WINDOW_MS, day(10)), None);
        assert_eq!(
            free_at(&[day(5), day(60), day(70)], 2, CAP_WINDOW_MS, day(10)),
            None
        );
        // None at all: looked at again in a week, and then refused for another.
        assert_eq!(free_at(&[], 0, CAP_WINDOW_MS, day(10)), Some(day(17)));
    }
}
