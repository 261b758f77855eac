//! The wait is over: look once more, then ask once more.

use liaison_sdk::text;
use liaison_sdk::{
    Address, Content, CreateTask, Cx, Direction, Email, Message, MessageClass, Result, TimerFired,
};
use serde::Deserialize;
use serde_json::json;

use crate::wait::Wait;
use crate::{Settings, is_person};

/// Newest messages of a thread looked through for an answer.
const THREAD_MAX: u32 = 50;

#[derive(Debug, Deserialize)]
struct Payload {
    thread: String,
    asked: String,
}

/// Proposes the one follow-up, unless somebody answered after all.
pub fn due(cx: &mut Cx<'_, Settings>, fired: &TimerFired) -> Result {
    let payload: Payload = serde_json::from_str(&fired.payload)?;
    let Some(wait) = Wait::of(cx, &payload.thread)?.filter(|wait| wait.asked == payload.asked)
    else {
        cx.log("nothing is waited for any more");
        return Ok(());
    };
    Wait::forget(cx, &wait.thread)?;
    let thread = cx.thread(&wait.thread, THREAD_MAX)?;
    let Some(place) = thread.iter().position(|message| message.id == wait.asked) else {
        cx.log("the message that asked is no longer among the newest of its thread");
        return Ok(());
    };
    let since = thread.get(place..).unwrap_or_default();
    let (asked, later) = match since.split_first() {
        Some(found) => found,
        None => return Ok(()),
    };
    if let Some(answer) = later.iter().find(|message| is_answer(cx, message)) {
        cx.log(&format!("{} answered meanwhile", answer.sender.display()));
        return Ok(());
    }
    let people: Vec<Address> = asked
        .to
        .iter()
        .filter(|to| is_person(cx, to))
        .cloned()
        .collect();
    if people.is_empty() {
        cx.log("nobody is left who could answer");
        return Ok(());
    }
    if cx.after(fired.due, cx.settings().too_late) < cx.now() {
        hand_over(cx, &wait);
        return Ok(());
    }
    ask_once_more(cx, fired, &wait, asked, &people);
    Ok(())
}

fn is_answer(cx: &Cx<'_, Settings>, message: &Message) -> bool {
    message.direction == Direction::Inbound
        && message.class == MessageClass::Human
        && !cx.is_ours(&message.sender)
        && !text::is_robot(&message.sender)
}

fn once(wait: &Wait) -> String {
    format!("follow-up:{}:{}", wait.thread, wait.asked)
}

fn ask_once_more(
    cx: &mut Cx<'_, Settings>,
    fired: &TimerFired,
    wait: &Wait,
    asked: &Message,
    people: &[Address],
) {
    let late = match fired.late_by / 3_600_000 {
        0 => String::new(),
        hours => format!("; {hours} h late, since the daemon was not running"),
    };
    let reason = format!(
        "nobody answered \"{}\" within {}{late}",
        wait.question,
        cx.settings().wait
    );
    let may_write = |code: &&str| {
        cx.settings()
            .languages
            .iter()
            .any(|language| language.eq_ignore_ascii_case(code))
    };
    let language = text::language(&asked.text)
        .map(text::Language::code)
        .filter(may_write);
    let Some(language) = language else {
        let words = format!(
            "{} did not answer \"{}\" (in \"{}\"). There is no template for its language: ask \
             again yourself.",
            wait.people.join(", "),
            wait.question,
            wait.subject
        );
        cx.notify(&words, &reason).rule("R26").once(&once(wait));
        return;
    };
    let (first_name, name) = match people {
        [person] => match text::first_name(person) {
            Some(first) => (first, person.display().to_owned()),
            None => Default::default(),
        },
        _ => Default::default(),
    };
    let variables = json!({
        "first_name": first_name,
        "name": name,
        "question": wait.question,
        "subject": wait.subject,
    });
    let template = if language == "en" {
        "follow-up".to_owned()
    } else {
        format!("follow-up-{language}")
    };
    let email = Email::reply_to(asked, Content::template(&template, &variables)).cancel_on_reply();
    cx.email(email, &reason).rule("R26").once(&once(wait));
}

fn hand_over(cx: &mut Cx<'_, Settings>, wait: &Wait) {
    let body = format!(
        "{} never answered \"{}\" (in \"{}\"). The follow-up is so late that a person should \
         decide: ask anew, call, or let it rest.",
        wait.people.join(", "),
        wait.question,
        wait.subject
    );
    let reason = format!("the follow-up is more than {} late", cx.settings().too_late);
    cx.task(
        CreateTask::new(&format!("Unanswered: {}", wait.subject), &body),
        &reason,
    )
    .rule("R26")
    .once(&once(wait));
}
