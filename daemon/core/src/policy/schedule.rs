//! Why a mail leaves when it does (`liaison explain-schedule`).
//!
//! The time is found by asking the very gates that are asked before sending, at the time that they
//! name, until they say yes: the explanation cannot know better than what happens.

use serde::Serialize;

use super::{CAP_WINDOW_MS, Recheck, RecheckFacts, recheck};
use crate::effect::{Audience, MailEffect, MailMode};
use crate::outbox::MailState;
use crate::time::{DAY_MS, HOUR_MS, Timestamp};

/// Most waits of one mail that are looked through; each leads to a later time.
const WAITS_MAX: usize = 32;

/// The gates' view of a mail: what a person approved is not automatic.
#[must_use]
pub fn as_judged(mail: &MailEffect) -> MailEffect {
    let mut judged = mail.clone();
    if mail.state == MailState::Approved && mail.mode == MailMode::Send {
        judged.mode = MailMode::Approve;
    }
    judged
}

/// A time in a calendar that a mail offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedHold {
    /// The hold in words: title and start.
    pub what: String,
    /// Its state.
    pub state: String,
    /// It stands in the calendar.
    pub stands: bool,
    /// It may still come to stand there.
    pub comes: bool,
}

/// What is known of a mail that waits.
#[derive(Debug, Clone)]
pub struct ScheduleFacts<'a> {
    /// What is looked at before sending; the recipient's whereabouts with it.
    pub recheck: RecheckFacts<'a>,
    /// When automatic mails went out to anybody, for the ceiling of an hour.
    pub automatic_times: Vec<Timestamp>,
    /// The times that it offers.
    pub holds: Vec<OfferedHold>,
    /// Who switched everything off, when and why.
    pub panic: Option<String>,
    /// Why an answer for which it would stop may lie unread.
    pub unseen_answer: Option<String>,
}

/// What is to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "at")]
pub enum Leaves {
    /// At this time, as things stand.
    At(Timestamp),
    /// At this time at the earliest: something else has to happen first.
    NotBefore(Timestamp),
    /// When a person decides.
    Person,
    /// It is out of our hands, or may be, since then.
    Gone(Timestamp),
    /// Never.
    Never,
}

/// One wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// Its end.
    pub until: Timestamp,
    /// Why.
    pub why: String,
    /// More of it, with local times.
    pub reasons: Vec<String>,
}

/// The explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule {
    /// What is to come.
    pub leaves: Leaves,
    /// The same as a sentence.
    pub text: String,
    /// The waits from now on, in order.
    pub waits: Vec<Wait>,
    /// What it depends on: (name, sentence). Empty when it is over.
    pub depends: Vec<(String, String)>,
}

/// Why `mail` leaves when it does.
#[must_use]
pub fn explain_schedule(mail: &MailEffect, facts: &ScheduleFacts<'_>) -> Schedule {
    let mut schedule = Schedule {
        leaves: Leaves::Never,
        text: String::new(),
        waits: Vec::new(),
        depends: match mail.state.is_final() && mail.state != MailState::Failed {
            true => Vec::new(),
            false => depends(mail, facts),
        },
    };
    let id = &mail.id;
    let (leaves, text) = match &mail.state {
        MailState::Sent | MailState::Resolved { sent: true } => (
            Leaves::Gone(mail.since),
            format!("it went out on {}", mail.since),
        ),
        MailState::Leased(_) => (
            Leaves::Gone(mail.since),
            format!("it is being handed over since {}", mail.since),
        ),
        MailState::Drafted => (
            Leaves::Person,
            "it lies in Drafts: its owner sends it, or does not".to_owned(),
        ),
        MailState::Uncertain => (
            Leaves::Gone(mail.since),
            format!("nobody can say whether it went out; `liaison outbox show {id}` tells more"),
        ),
        MailState::Failed => (
            Leaves::Person,
            format!("it failed: `liaison outbox retry {id}` tries again"),
        ),
        state if state.is_final() => (Leaves::Never, format!("it does not leave: it is {state}")),
        MailState::Held => {
            schedule.forecast(&approved(mail), facts);
            let then = match &schedule.leaves {
                Leaves::At(at) | Leaves::NotBefore(at) if *at > facts.recheck.now => {
                    format!(", and it leaves on {at}")
                }
                _ => String::new(),
            };
            (
                Leaves::Person,
                format!("it waits for a person: `liaison outbox approve {id}`{then}"),
            )
        }
        MailState::Proposed => {
            schedule.forecast(mail, facts);
            schedule.after_holds(mail, facts)
        }
        _ => {
            schedule.forecast(&as_judged(mail), facts);
            (schedule.leaves.clone(), schedule.text.clone())
        }
    };
    (schedule.leaves, schedule.text) = match (leaves, &facts.panic, &facts.unseen_answer) {
        (Leaves::At(at) | Leaves::NotBefore(at), Some(_), _) => (
            Leaves::NotBefore(at),
            format!("nothing leaves before `liaison panic off`; then {text}"),
        ),
        (Leaves::At(at) | Leaves::NotBefore(at), None, Some(why)) => (
            Leaves::NotBefore(at),
            format!("it does not leave as long as {why}; then {text}"),
        ),
        (leaves, ..) => (leaves, text),
    };
    schedule
}

fn approved(mail: &MailEffect) -> MailEffect {
    let mut mail = mail.clone();
    mail.state = MailState::Approved;
    as_judged(&mail)
}

impl Schedule {
    /// Asks the gates now and at each time that they name.
    fn forecast(&mut self, mail: &MailEffect, facts: &ScheduleFacts<'_>) {
        let mut look = facts.recheck.clone();
        let now = look.now;
        if mail.not_before > now {
            look.now = mail.not_before;
            let why = match &mail.last_reply {
                Some(reply) => format!("not before: {reply}"),
                None => "not before: so it was decided".to_owned(),
            };
            self.waits.push(Wait {
                until: mail.not_before,
                why,
                reasons: Vec::new(),
            });
        }
        for _ in 0..WAITS_MAX {
            let at = look.now;
            look.sent_last_hour = sent_within_hour(&facts.automatic_times, at);
            let day = |time: &Timestamp| at.since(*time) < DAY_MS;
            look.recipient.automatic.retain(day);
            match recheck(mail, &look) {
                Recheck::Go if at > now => {
                    (self.leaves, self.text) = (Leaves::At(at), format!("it leaves on {at}"));
                    return;
                }
                Recheck::Go => {
                    let text = "nothing holds it back: it leaves now, while `liaison run` runs";
                    (self.leaves, self.text) = (Leaves::At(now), text.to_owned());
                    return;
                }
                Recheck::Wait(until, why) => {
                    let until = until.max(at.plus_millis(1));
                    let reasons = slot_reasons(mail, &look, until);
                    self.waits.push(Wait {
                        until,
                        why,
                        reasons,
                    });
                    look.now = until;
                }
                Recheck::Hold(why) => {
                    let text = format!("it will be laid before a person: {why}");
                    (self.leaves, self.text) = (Leaves::Person, text);
                    return;
                }
                Recheck::Cancel(why) => {
                    let text = format!("it will be called off: {why}");
                    (self.leaves, self.text) = (Leaves::Never, text);
                    return;
                }
            }
        }
        let text = format!("not before {}: there is always another wait", look.now);
        (self.leaves, self.text) = (Leaves::NotBefore(look.now), text);
    }

    /// A mail that waits for the times that it offers.
    fn after_holds(&self, mail: &MailEffect, facts: &ScheduleFacts<'_>) -> (Leaves, String) {
        if let Some(lost) = facts.holds.iter().find(|hold| !hold.stands && !hold.comes) {
            let text = format!("it will be called off: {} is {}", lost.what, lost.state);
            return (Leaves::Never, text);
        }
        if mail.mode == MailMode::Approve {
            let text = "it waits for its times in the calendar, then for a person's yes";
            return (Leaves::Person, text.to_owned());
        }
        match &self.leaves {
            Leaves::At(at) | Leaves::NotBefore(at) => {
                let text = format!("it waits for its times in the calendar; then {}", self.text);
                (Leaves::NotBefore(*at), text)
            }
            other => (other.clone(), self.text.clone()),
        }
    }
}

fn sent_within_hour(times: &[Timestamp], at: Timestamp) -> u32 {
    let recent = times.iter().filter(|time| at.since(**time) < HOUR_MS);
    u32::try_from(recent.count()).unwrap_or(u32::MAX)
}

/// The reasons of a wait for hours; none where it is another wait.
fn slot_reasons(mail: &MailEffect, look: &RecheckFacts<'_>, until: Timestamp) -> Vec<String> {
    let whereabouts = look.recipient.whereabouts.as_ref();
    let slot = match mail.mode {
        MailMode::Send => look.firm.automatic_slot(whereabouts, look.now),
        _ => look.firm.approved_slot(whereabouts, look.now),
    };
    match slot.at == until {
        true => slot.reasons,
        false => Vec::new(),
    }
}

/// Everything that has a say, whether it makes it wait or not.
fn depends(mail: &MailEffect, facts: &ScheduleFacts<'_>) -> Vec<(String, String)> {
    let (look, firm) = (&facts.recheck, facts.recheck.firm);
    let mut out: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, text: String| out.push((name.to_owned(), text));
    let business = &firm.business;
    say("not before", business.shown(mail.not_before));
    say(
        "undo delay",
        match firm.send_delay_ms / 1_000 {
            0 => format!(
                "none: `liaison outbox cancel {}` stops it until it is handed over",
                mail.id
            ),
            secs => format!(
                "{secs} s after the decision, within the time above: `liaison outbox cancel {}` \
                 stops it until it is handed over",
                mail.id
            ),
        },
    );
    if mail.audience == Audience::Staff {
        say(
            "hours",
            "mail to our own people leaves at any hour".to_owned(),
        );
    } else {
        match mail.mode {
            MailMode::Send if mail.state != MailState::Approved => {
                say(
                    "our hours",
                    business.explain_next_slot(look.now).1.join("; "),
                );
            }
            MailMode::Draft => say("our hours", "a draft may be laid at any hour".to_owned()),
            _ => say("our hours", "a person decides about the hour".to_owned()),
        }
        recipient(&mut say, mail, look);
        caps(&mut say, mail, facts);
    }
    for hold in &facts.holds {
        say("hold", format!("{} is {}", hold.what, hold.state));
    }
    if let Some(why) = &facts.unseen_answer {
        say("answers", why.clone());
    }
    let panic = facts.panic.clone();
    say("panic", panic.unwrap_or_else(|| "off".to_owned()));
    out
}

fn recipient(say: &mut impl FnMut(&str, String), mail: &MailEffect, look: &RecheckFacts<'_>) {
    let Some(found) = &look.recipient.whereabouts else {
        return;
    };
    let clocks: Vec<String> = found.places.iter().map(|one| one.shown(look.now)).collect();
    say(
        "recipient",
        format!(
            "now {}; {}: {}",
            clocks.join(" or "),
            found.confidence.as_str(),
            found.how
        ),
    );
    let quiet = &look.firm.quiet;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(quiet.night.map(|night| format!("{night} there")));
    parts.extend(quiet.weekends.then(|| "weekends there".to_owned()));
    let places = found.places.iter().map(ToString::to_string);
    if places
        .into_iter()
        .any(|one| quiet.holidays.contains_key(&one))
    {
        parts.push("holidays there".to_owned());
    }
    let by_person = mail.mode != MailMode::Send || mail.state == MailState::Approved;
    let text = match (parts.is_empty(), by_person && !quiet.approved) {
        (true, _) => "none".to_owned(),
        (false, true) => format!(
            "{}; not for what a person sends or approves",
            parts.join(", ")
        ),
        (false, false) => parts.join(", "),
    };
    say("quiet hours", text);
}

fn caps(say: &mut impl FnMut(&str, String), mail: &MailEffect, facts: &ScheduleFacts<'_>) {
    let (look, limits) = (&facts.recheck, facts.recheck.limits);
    let recent = |times: &[Timestamp], span: i64| {
        let recent = times.iter().filter(|time| look.now.since(**time) < span);
        recent.count()
    };
    if mail.exempt_from_cap {
        say(
            "frequency cap",
            "does not count: a notice that is owed".to_owned(),
        );
    } else {
        say(
            "frequency cap",
            format!(
                "{} of {} mail(s) to the contact and {} of {} to the account in 7 days",
                recent(&look.recipient.mails, CAP_WINDOW_MS),
                limits.contact_mails_per_week,
                recent(&look.recipient.account_mails, CAP_WINDOW_MS),
                limits.account_mails_per_week,
            ),
        );
    }
    if mail.mode != MailMode::Draft {
        say(
            "ceilings",
            format!(
                "{} of {} mails in 24 h through `{}`, {} of {} to the recipient's organisation; 0: none",
                recent(&look.through_login, DAY_MS),
                limits.login_mails_per_day,
                mail.transport,
                recent(&look.to_domain, DAY_MS),
                limits.domain_mails_per_day,
            ),
        );
    }
    if mail.mode == MailMode::Send && mail.state != MailState::Approved {
        say(
            "automatic",
            format!(
                "{} of {} to the contact in 24 h, {} of {} to anybody in an hour",
                recent(&look.recipient.automatic, DAY_MS),
                limits.contact_automatic_per_day,
                sent_within_hour(&facts.automatic_times, look.now),
                limits.automatic_per_hour,
            ),
        );
    }
}
