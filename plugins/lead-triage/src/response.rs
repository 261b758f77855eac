//! Nobody may wait: reminders until somebody of ours answers a lead.

use liaison_sdk::{Address, Cx, Direction, Message, MessageSent, Result, TimerFired, Value, text};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::settings::Settings;

const REMIND: &str = "remind:";
const TARGET: &str = "target:";
/// Newest messages of a thread looked through for an answer of ours.
const THREAD_MAX: u32 = 50;

/// What a timer carries.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    thread: String,
    who: String,
    subject: String,
}

/// Sets both timers of a new lead.
pub fn watch(cx: &mut Cx<'_, Settings>, message: &Message, person: &Address) {
    let settings = cx.settings();
    let waiting = json!(Waiting {
        thread: message.thread.clone(),
        who: person.display().to_owned(),
        subject: text::excerpt(&message.subject, 120),
    });
    let remind = cx.after(cx.now(), settings.remind_owner_after);
    let reason = format!(
        "remind the owner after {} without our answer",
        settings.remind_owner_after
    );
    cx.set_timer(
        &format!("{REMIND}{}", message.thread),
        remind,
        &waiting,
        &reason,
    )
    .rule("R03");
    let target = cx.after(cx.now(), settings.first_response_target);
    let reason = format!(
        "the first answer is due within {}",
        settings.first_response_target
    );
    cx.set_timer(
        &format!("{TARGET}{}", message.thread),
        target,
        &waiting,
        &reason,
    )
    .rule("R03");
}

/// Notes the first answer of ours to a lead and stops reminding.
pub fn answered(cx: &mut Cx<'_, Settings>, sent: &MessageSent) -> Result {
    let message = &sent.message;
    if !goes_outside(cx, message) {
        return Ok(());
    }
    let leads = cx.cases("lead", &[("thread", &message.thread)])?;
    let Some(lead) = leads
        .first()
        .filter(|lead| lead.get("first_answer").is_none())
    else {
        return Ok(());
    };
    let reason = match &sent.plugin {
        Some(plugin) => format!("the mail proposed by {plugin} was sent"),
        None => format!("{} answered", message.sender.display()),
    };
    let set = vec![("first_answer", Value::At(cx.now()))];
    cx.update_case(lead, None, set, &reason).rule("R03");
    cx.cancel_timer(&format!("{REMIND}{}", message.thread), &reason)
        .rule("R03");
    cx.cancel_timer(&format!("{TARGET}{}", message.thread), &reason)
        .rule("R03");
    Ok(())
}

fn goes_outside(cx: &Cx<'_, Settings>, message: &Message) -> bool {
    message
        .to
        .iter()
        .chain(&message.cc)
        .any(|to| !cx.is_ours(to))
}

/// Reminds the owner, then tells the manager, each once and only while nobody has answered.
pub fn overdue(cx: &mut Cx<'_, Settings>, fired: &TimerFired) -> Result {
    let waiting: Waiting = serde_json::from_str(&fired.payload)?;
    let leads = cx.cases("lead", &[("thread", &waiting.thread)])?;
    let Some(lead) = leads
        .first()
        .filter(|lead| lead.get("first_answer").is_none())
    else {
        return Ok(());
    };
    let thread = cx.thread(&waiting.thread, THREAD_MAX)?;
    if thread
        .iter()
        .any(|m| m.direction == Direction::Outbound && goes_outside(cx, m))
    {
        return Ok(());
    }
    let settings = cx.settings();
    let Waiting {
        thread,
        who,
        subject,
    } = waiting;
    if fired.name.starts_with(REMIND) {
        let words = format!(
            "{who} still waits for a first answer to \"{subject}\": {} have passed.",
            settings.remind_owner_after
        );
        cx.notify(&words, "a lead without our answer")
            .rule("R03")
            .once(&format!("{REMIND}{thread}"));
    } else if fired.name.starts_with(TARGET) {
        let reason = format!(
            "no answer of ours within {}",
            settings.first_response_target
        );
        cx.update_case(lead, None, vec![("overdue", true.into())], &reason)
            .rule("R03");
        if !settings.manager.is_empty() {
            let words = format!(
                "The lead of {who}, \"{subject}\", has had no answer for {}; its owner was \
                 reminded.",
                settings.first_response_target
            );
            cx.notify_person(Some(&settings.manager), true, &words, &reason)
                .rule("R03")
                .once(&format!("{TARGET}{thread}"));
        }
    }
    Ok(())
}
