//! Does what the first word of a subject says, so that tests reach every path of the pipeline.

use liaison_sdk::{
    Content, CreateCase, CreateTask, Cx, Email, Extension, Failure, Hold, MailFlag, Message,
    MessageReceived, Plugin, Result, TimerFired, Window, plugin,
};

/// No settings.
#[derive(Debug, serde::Deserialize)]
pub struct Settings {}

/// The plugin.
#[derive(Debug)]
pub struct Guest;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;

impl Plugin for Guest {
    type Settings = Settings;

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        let message = &received.message;
        // Whatever it is an answer to: what makes loops.
        let always = message.subject.trim_start_matches("Re: ");
        let subject = match always.starts_with("always ") {
            true => always,
            false => &message.subject,
        };
        let mut words = subject.split(' ');
        let command = words.next().unwrap_or_default();
        let number: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        match command {
            "again" if cx.event().attempt < number => {
                return Err(Failure::AgainLater((60_000, "not yet".to_owned())));
            }
            "big" => big(cx),
            "spin" => spin(cx),
            "log" => log(cx, message)?,
            "hold" => hold(cx, number),
            "offer" => offer(cx, &message.subject),
            "change" => change(cx, &message.subject),
            "answer" | "always" => {
                let email = Email::reply_to(message, Content::Text("Thank you.".to_owned()));
                cx.email(email.cancel_on_reply(), "it was asked for");
            }
            // Of its own, in no thread that it names.
            "write" => {
                let email = Email::reply_to(message, Content::Text("Good morning.".to_owned()));
                let email = Email {
                    in_reply_to: None,
                    to: vec![message.sender.clone()],
                    subject: Some("Good morning".to_owned()),
                    ..email
                };
                cx.email(email.cancel_on_reply(), "it was asked for");
            }
            _ => {}
        }
        cx.tag(message, "obeyed", "it was asked");
        Ok(())
    }

    fn on_extension(cx: &mut Cx<'_, Settings>, extension: &Extension) -> Result {
        if extension.kind == "liaison/meeting@1" {
            let told = CreateTask::new("Told of a meeting", &extension.body);
            cx.task(told, "to show that it was told");
        }
        Ok(())
    }

    fn on_timer(cx: &mut Cx<'_, Settings>, _fired: &TimerFired) -> Result {
        spin(cx);
        Ok(())
    }
}

fn big(cx: &mut Cx<'_, Settings>) {
    let points = (0..20).map(|_| "\u{1f600}".repeat(120));
    let task = CreateTask::new("Much to read", &"\u{1f600}".repeat(2_000)).checklist(points);
    cx.task(task, "to return more than a record can hold");
    let case = CreateCase::new("log", "A long one").field("note", "n".repeat(4_000));
    cx.create_case(case, "to return more than a record can hold");
}

fn spin(cx: &mut Cx<'_, Settings>) {
    let now = cx.now();
    cx.set_timer("spin", now, &serde_json::json!({}), "to fire at once");
}

fn log(cx: &mut Cx<'_, Settings>, message: &Message) -> Result {
    let reason = "r".repeat(250);
    match cx.cases("log", &[])?.first() {
        Some(case) => {
            cx.update_case(case, None, vec![], &reason);
        }
        None => {
            let case = CreateCase::new("log", &message.subject);
            cx.create_case(case, &reason);
        }
    }
    Ok(())
}

fn hold(cx: &mut Cx<'_, Settings>, days: u32) {
    let start = cx.now().saturating_add(DAY.saturating_mul(i64::from(days)));
    let when = Window {
        start,
        end: start.saturating_add(3_600_000),
    };
    cx.release_holds("slot", "another time is offered");
    cx.hold(Hold::new("Meeting", when, "slot"), "to offer a time");
}

/// `offer 3 90 500`: three alternatives an hour apart, the first in 500 minutes, all of them given up
/// in 90 seconds if nobody chose.
fn offer(cx: &mut Cx<'_, Settings>, subject: &str) {
    let mut numbers = subject
        .split(' ')
        .skip(1)
        .map(|word| word.parse().unwrap_or(0));
    let mut next = || -> i64 { numbers.next().unwrap_or(0) };
    let (count, seconds, minutes) = (next(), next(), next());
    let now = cx.now();
    for number in 0..count {
        let minutes = minutes.saturating_add(number.saturating_mul(60));
        let start = now.saturating_add(minutes.saturating_mul(60_000));
        let when = Window {
            start,
            end: start.saturating_add(1_800_000),
        };
        let mut hold = Hold::new("Meeting", when, "offer");
        hold.expires = Some(now.saturating_add(seconds.saturating_mul(1_000)));
        cx.hold(hold, "to offer a time");
    }
}

/// `change seen keyword:vip move:Archive`: each word after the first is a change.
fn change(cx: &mut Cx<'_, Settings>, subject: &str) {
    for word in subject.split(' ').skip(1) {
        let reason = "the subject asks for it";
        match word.split_once(':') {
            Some(("keyword", keyword)) => {
                cx.keyword(keyword, true, reason);
            }
            Some(("without", keyword)) => {
                cx.keyword(keyword, false, reason);
            }
            Some(("move", folder)) => {
                cx.move_to(folder, reason);
            }
            Some(("label", label)) => {
                cx.label_message(label, reason);
            }
            _ => flag(cx, word, reason),
        }
    }
}

/// `seen`, `flagged`, `answered`, or one of them after `un`.
fn flag(cx: &mut Cx<'_, Settings>, word: &str, reason: &str) {
    let (name, on) = match word.strip_prefix("un") {
        Some(name) => (name, false),
        None => (word, true),
    };
    let flags = [
        ("seen", MailFlag::Seen),
        ("flagged", MailFlag::Flagged),
        ("answered", MailFlag::Answered),
    ];
    if let Some((_, flag)) = flags.into_iter().find(|(known, _)| *known == name) {
        cx.flag(flag, on, reason);
    }
}

plugin!(Guest);
