//! Turns enquiries into leads.
//!
//! An enquiry of somebody unknown becomes a `lead` case with a first answer that asks only what
//! is missing and offers concrete times, each held in the owner's calendar (rules R03, R26). An
//! enquiry of an account becomes an `opportunity` and a word to the owner. What only looks like
//! an enquiry is tagged `not-a-lead` and left alone.
//!
//! Whenever a first answer would leave the calendar question open, go to somebody doubtful, or
//! be in a language without template, nothing is drafted and the owner is told why.
#![forbid(unsafe_code)]

use liaison_sdk::{
    Cx, MatchOutcome, MessageClass, MessageReceived, MessageSent, Plugin, Result, TimerFired,
    plugin, text,
};

mod dates;
mod enquiry;
mod facts;
mod lead;
mod opportunity;
mod response;
mod sender;
mod settings;

use enquiry::Verdict;
pub use settings::{Ballpark, Settings};

/// The plugin.
#[derive(Debug)]
pub struct LeadTriage;

impl Plugin for LeadTriage {
    type Settings = Settings;

    fn check(settings: &Settings) -> Vec<String> {
        settings.problems()
    }

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        let message = &received.message;
        if let Some(person) = sender::form_person(cx, message) {
            return lead::from_form(cx, message, &person);
        }
        let is_machine = message.class != MessageClass::Human || text::is_robot(&message.sender);
        if is_machine
            || matches!(
                cx.matched().outcome,
                MatchOutcome::Own | MatchOutcome::Automatic
            )
        {
            return Ok(());
        }
        if let Some(lead) = cx.cases("lead", &[("thread", &message.thread)])?.first() {
            return lead::more_of(cx, lead, received);
        }
        if received.answers_us || !sender::is_to_us(cx, message) {
            return Ok(());
        }
        match enquiry::judge(&message.subject, &message.text) {
            Verdict::Nothing => Ok(()),
            Verdict::NotALead { kind, cues } => {
                if cx.matched().outcome == MatchOutcome::Unknown {
                    let reason = format!("it reads like {kind}: `{}`", cues.join("`, `"));
                    cx.tag(message, "not-a-lead", &reason).rule("R03");
                }
                Ok(())
            }
            Verdict::Enquiry(enquiry) => match cx.matched().outcome {
                MatchOutcome::Account => opportunity::from_account(cx, message, &enquiry),
                MatchOutcome::Ambiguous => {
                    opportunity::undecided(cx, message, &enquiry);
                    Ok(())
                }
                _ => lead::from_stranger(cx, message, &enquiry),
            },
        }
    }

    fn on_sent(cx: &mut Cx<'_, Settings>, sent: &MessageSent) -> Result {
        response::answered(cx, sent)
    }

    fn on_timer(cx: &mut Cx<'_, Settings>, fired: &TimerFired) -> Result {
        response::overdue(cx, fired)
    }
}

plugin!(LeadTriage);

#[cfg(test)]
mod tests;
