//! Enquiries of people we do not know.

use liaison_sdk::text::{self, Language};
use liaison_sdk::{
    Address, CreateCase, CreateTask, Cx, Email, Entity, Hold, Message, MessageReceived, Result,
    SlotRequest, Value, Window,
};
use serde_json::json;

use crate::enquiry::{self, Enquiry, Verdict};
use crate::facts::{self, Facts};
use crate::settings::{Ballpark, Settings};
use crate::{dates, response, sender};

/// Holds of one first meeting are alternatives of one another.
const GROUP: &str = "first-meeting";
/// Longest subject in a title, in bytes.
const SUBJECT_BYTES_MAX: usize = 80;
/// States in which a lead has ended; a new enquiry opens it again.
const ENDED: [&str; 2] = ["Disqualified", "Lost"];

/// A person who enquires, with what is known of them.
struct Lead<'m> {
    message: &'m Message,
    person: &'m Address,
    enquiry: &'m Enquiry,
    facts: Facts,
    /// Company, else the person's name.
    name: String,
    language: Option<Language>,
    risks: Vec<String>,
    via_form: bool,
}

impl<'m> Lead<'m> {
    fn of(
        cx: &Cx<'_, Settings>,
        message: &'m Message,
        person: &'m Address,
        enquiry: &'m Enquiry,
    ) -> Lead<'m> {
        let facts = Facts::of(message, Some(enquiry), cx.settings());
        let free_mail = text::is_free_mail(person.domain()) || sender::is_free_mail(cx, person);
        let company = facts::company_of(&facts, person, free_mail);
        Lead {
            message,
            person,
            enquiry,
            facts,
            name: if company.is_empty() {
                person.display().to_owned()
            } else {
                company
            },
            language: text::language(&message.text),
            risks: Vec::new(),
            via_form: false,
        }
    }

    fn missing(&self, settings: &Settings) -> Vec<String> {
        let unknown = |item: &&String| self.facts.item(item).is_none();
        settings
            .qualification
            .iter()
            .filter(unknown)
            .cloned()
            .collect()
    }

    fn reason(&self) -> String {
        format!(
            "{} is unknown and enquires: {}",
            self.person.email,
            self.enquiry.cues.join(", ")
        )
    }
}

/// An enquiry of an unknown sender: one lead per company, and a first answer where that is safe.
pub fn from_stranger(cx: &mut Cx<'_, Settings>, message: &Message, enquiry: &Enquiry) -> Result {
    let mut lead = Lead::of(cx, message, &message.sender, enquiry);
    lead.risks = sender::risks(cx, message)?;
    if let Some(known) = same_company(cx, lead.person)? {
        return again(cx, &known, &lead);
    }
    create(cx, &lead);
    if !lead.risks.is_empty() {
        let words = format!(
            "{} enquires: \"{}\". Check the sender before answering: {}. Nothing was drafted.",
            lead.person.display(),
            subject(message),
            lead.risks.join("; ")
        );
        cx.notify_person(
            None,
            true,
            &words,
            "a doubtful sender is never answered by itself",
        )
        .rule("R03");
        return Ok(());
    }
    let drafted = first_answer(cx, &lead)?;
    let words = format!(
        "New lead {}: {} <{}> writes \"{}\". {drafted}",
        lead.name,
        lead.person.display(),
        lead.person.email,
        subject(message)
    );
    cx.notify(&words, &lead.reason()).rule("R03");
    response::watch(cx, message, lead.person);
    Ok(())
}

/// A notice of a web form. The address was typed into a form by anybody, so a person answers.
pub fn from_form(cx: &mut Cx<'_, Settings>, message: &Message, person: &Address) -> Result {
    let Verdict::Enquiry(enquiry) = enquiry::judge(&message.subject, &message.text) else {
        return Ok(());
    };
    if let Some(account) = cx.world().by_address(&person.email)?.first() {
        let words = format!(
            "{} ({}) filled in the web form: \"{}\".",
            person.display(),
            account.text("name"),
            enquiry.need.as_deref().unwrap_or(&message.subject)
        );
        cx.notify(&words, "a web form, from somebody on file")
            .rule("R03");
        return Ok(());
    }
    let mut lead = Lead::of(cx, message, person, &enquiry);
    lead.via_form = true;
    if let Some(known) = same_company(cx, person)? {
        return again(cx, &known, &lead);
    }
    create(cx, &lead);
    let body = format!(
        "{} <{}> wrote through the web form.\nPhone: {}\nNeed: {}\nCall, and agree two concrete \
         times for a first meeting.",
        person.display(),
        person.email,
        lead.facts.phone.as_deref().unwrap_or("not given"),
        enquiry.need.as_deref().unwrap_or("see the message"),
    );
    let due = cx.after(cx.now(), cx.settings().remind_owner_after);
    let missing = lead.missing(cx.settings());
    let task = CreateTask::new(&format!("Call {}", lead.name), &body)
        .checklist(missing.iter().map(|item| question(item).to_owned()))
        .due(due);
    cx.task(task, "an address from a form is never written to by itself")
        .rule("R03");
    response::watch(cx, message, person);
    Ok(())
}

/// A further message in the thread of a lead: what it adds is noted, and the owner told.
pub fn more_of(cx: &mut Cx<'_, Settings>, lead: &Entity, received: &MessageReceived) -> Result {
    let message = &received.message;
    let facts = Facts::of(message, None, cx.settings());
    let reason = format!(
        "{} writes again in the thread of the lead",
        message.sender.display()
    );
    let mut set = vec![("messages", appended(lead, &message.id))];
    for (field, item) in [
        ("timeline", "timeline"),
        ("budget_band", "budget_band"),
        ("decision_maker", "decision_maker"),
        ("source", "source"),
        ("phone", "contact_details"),
    ] {
        if let Some(value) = facts.item(item).filter(|_| lead.text(field).is_empty()) {
            set.push((field, value.into()));
        }
    }
    let now_known = |item: &String| facts.item(item).is_some();
    let (found, missing): (Vec<_>, Vec<_>) =
        lead.texts("missing").iter().cloned().partition(now_known);
    if !found.is_empty() {
        set.push((
            "answered",
            lead.texts("answered")
                .iter()
                .chain(&found)
                .cloned()
                .collect::<Vec<_>>()
                .into(),
        ));
        set.push(("missing", missing.into()));
    }
    cx.update_case(lead, None, set, &reason).rule("R03");
    let words = if received.answers_us {
        format!(
            "{} answered us: \"{}\". Confirm a time, or offer two others.",
            message.sender.display(),
            text::excerpt(&message.text, 200)
        )
    } else {
        format!(
            "{} added to the enquiry: \"{}\".",
            message.sender.display(),
            subject(message)
        )
    };
    cx.notify(&words, &reason).rule("R03");
    Ok(())
}

fn same_company(cx: &Cx<'_, Settings>, person: &Address) -> Result<Option<Entity>> {
    let key = sender::key_of(cx, person);
    Ok(cx
        .cases("lead", &[(key.field, &key.value)])?
        .into_iter()
        .next())
}

/// Notes a further enquiry of a company that already is a lead.
fn again(cx: &mut Cx<'_, Settings>, known: &Entity, lead: &Lead<'_>) -> Result {
    let ended = ENDED.contains(&known.state.as_str());
    let what = if ended { "is back" } else { "wrote again" };
    let reason = format!("{} {what}; one company is one lead", lead.name);
    let mut set = vec![("messages", appended(known, &lead.message.id))];
    if !lead.risks.is_empty() {
        set.push(("risk", lead.risks.clone().into()));
    }
    let state = ended.then_some("Initial Phone Call");
    cx.update_case(known, state, set, &reason).rule("R03");
    cx.tag(lead.message, "lead", &reason).rule("R03");
    let words = format!(
        "{} of {} {what}: \"{}\". The lead was kept{} and nothing was drafted{}.",
        lead.person.display(),
        lead.name,
        subject(lead.message),
        if ended { " and opened again" } else { "" },
        if lead.risks.is_empty() {
            String::new()
        } else {
            format!("; check the sender: {}", lead.risks.join("; "))
        }
    );
    cx.notify_person(None, !lead.risks.is_empty(), &words, &reason)
        .rule("R03");
    Ok(())
}

fn create(cx: &mut Cx<'_, Settings>, lead: &Lead<'_>) {
    let (message, person, facts) = (lead.message, lead.person, &lead.facts);
    let missing = lead.missing(cx.settings());
    let answered: Vec<String> = cx
        .settings()
        .qualification
        .iter()
        .filter(|item| !missing.contains(item))
        .cloned()
        .collect();
    let or_empty = |fact: &Option<String>| Value::from(fact.clone().unwrap_or_default());
    let case = CreateCase::new("lead", &format!("{}: {}", lead.name, subject(message)))
        .state("Initial Phone Call")
        .field("company", lead.name.as_str())
        .field("domain", person.domain().to_lowercase())
        .field("address", person.email.to_lowercase())
        .field("name", person.display())
        .field("phone", or_empty(&facts.phone))
        .field("source", or_empty(&facts.source))
        .field("need", or_empty(&facts.need))
        .field("timeline", or_empty(&facts.timeline))
        .field("budget_band", or_empty(&facts.budget_band))
        .field("decision_maker", or_empty(&facts.decision_maker))
        .field("temperature", facts.temperature())
        .field("answered", answered)
        .field("missing", missing)
        .field("asked_price", lead.enquiry.asks_price)
        .field("language", lead.language.map_or("", Language::code))
        .field("risk", lead.risks.clone())
        .field("via_form", lead.via_form)
        .field("thread", message.thread.as_str())
        .field("messages", vec![message.id.clone()])
        .field("received", Value::At(cx.now()));
    let key = sender::key_of(cx, person);
    let once = format!("lead:{}:{}", key.value, message.thread);
    cx.create_case(case, &lead.reason()).rule("R03").once(&once);
    cx.tag(message, "lead", &lead.reason()).rule("R03");
}

/// Holds the times and proposes the answer that offers them; returns what the owner is told.
fn first_answer(cx: &mut Cx<'_, Settings>, lead: &Lead<'_>) -> Result<String> {
    let settings = cx.settings();
    let may_reply = |language: &Language| {
        settings
            .reply_languages
            .iter()
            .any(|code| code.eq_ignore_ascii_case(language.code()))
    };
    let Some(language) = lead.language.filter(may_reply) else {
        return Ok("Nothing was drafted: there is no template for its language.".to_owned());
    };
    let slots = cx.free_slots(&SlotRequest {
        owner: None,
        minutes: settings.meeting_minutes,
        days_ahead_min: settings.days_ahead_min,
        days_ahead_max: settings.days_ahead_max,
        count: settings.slots,
    })?;
    if slots.len() < settings.slots as usize {
        return Ok(format!(
            "Nothing was drafted: only {} of {} times are free {} to {} working days ahead, and an \
             answer without times would leave the date open. Make room, or offer a later week.",
            slots.len(),
            settings.slots,
            settings.days_ahead_min,
            settings.days_ahead_max
        ));
    }
    let held = hold(cx, lead, &slots);
    let variables = variables(cx, lead, &slots, language)?;
    let template = match language {
        Language::En => "first-answer".to_owned(),
        other => format!("first-answer-{}", other.code()),
    };
    let content = liaison_sdk::Content::template(&template, &variables);
    let email = Email::reply_to(lead.message, content)
        .requires(held)
        .cancel_on_reply();
    let missing = variables
        .get("missing")
        .and_then(|list| list.as_array())
        .map_or(0, Vec::len);
    let reason = format!(
        "a first answer to {}: {} times to choose from, {missing} open questions",
        lead.person.email,
        slots.len()
    );
    cx.email(email, &reason)
        .rule("R26")
        .once(&format!("first-answer:{}", lead.message.thread));
    Ok(format!(
        "{} times are held and a first answer offers them.",
        slots.len()
    ))
}

fn hold(cx: &mut Cx<'_, Settings>, lead: &Lead<'_>, slots: &[Window]) -> Vec<String> {
    let title = format!("First meeting: {}", lead.name);
    let note = format!(
        "Offered to {} <{}> in answer to \"{}\".",
        lead.person.display(),
        lead.person.email,
        subject(lead.message)
    );
    let count = slots.len();
    let mut labels = Vec::new();
    for (n, slot) in slots.iter().enumerate() {
        let hold = Hold::new(&title, *slot, GROUP).note(&note);
        let reason = format!("time {} of {count} offered to {}", n + 1, lead.person.email);
        let proposed = cx
            .hold(hold, &reason)
            .rule("R26")
            .labelled(&format!("first-meeting-{}", n + 1));
        labels.push(proposed.label());
    }
    labels
}

fn variables(
    cx: &Cx<'_, Settings>,
    lead: &Lead<'_>,
    slots: &[Window],
    language: Language,
) -> Result<serde_json::Value> {
    let settings = cx.settings();
    let zone = &cx.event().context.zone;
    let mut slots_text = Vec::new();
    for slot in slots {
        slots_text.push(dates::slot(cx, slot, zone, language)?);
    }
    // Whether they suit us is for us to judge, not to ask.
    let missing: Vec<String> = lead
        .missing(settings)
        .into_iter()
        .filter(|item| item != "fit")
        .collect();
    let times: Vec<_> = slots
        .iter()
        .map(|slot| json!({ "start": slot.start, "end": slot.end }))
        .collect();
    let first_name = text::first_name(lead.person);
    Ok(json!({
        "first_name": first_name.clone().unwrap_or_default(),
        "name": first_name.map_or("", |_| lead.person.display()),
        "company": lead.name,
        "slots": times,
        "slots_text": slots_text,
        "missing": missing,
        "decline_price": lead.enquiry.asks_price
            && settings.ballpark_on_first_contact == Ballpark::Decline,
    }))
}

/// What a person asks on the telephone.
fn question(item: &str) -> &str {
    match item {
        "need" => "What should it do, and what is there today?",
        "fit" => "Are we a match? (our own judgement)",
        "timeline" => "When is it needed?",
        "budget_band" => "Which budget is planned?",
        "decision_maker" => "Who decides, and who should attend?",
        "source" => "How did they hear of us?",
        "contact_details" => "Full name, company, position, phone, address",
        other => other,
    }
}

fn appended(lead: &Entity, message: &str) -> Value {
    /// Most messages noted on one lead; the thread has the others.
    const MESSAGES_MAX: usize = 50;
    let mut messages = lead.texts("messages").to_vec();
    if messages.len() < MESSAGES_MAX {
        messages.push(message.to_owned());
    }
    messages.into()
}

fn subject(message: &Message) -> String {
    text::excerpt(&message.subject, SUBJECT_BYTES_MAX)
}
