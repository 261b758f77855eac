//! The chain of `why` as text.

use std::fmt::Write;

use serde_json::Value;

use super::display::{at, facts, items, wrapped};
use super::show::step;

/// The chain, readable at 100 columns, everything from outside escaped.
pub(super) fn text(why: &Value) -> String {
    let mut out = format!("{} {}\n", at(why, "/subject/kind"), at(why, "/subject/id"));
    if let Some(nothing) = why.get("nothing").and_then(Value::as_str) {
        let nothing = super::display::safe(nothing);
        out.push_str(&wrapped(
            &format!("Nothing happened, because: {nothing}"),
            0,
        ));
    }
    message(why, &mut out);
    matched(why, &mut out);
    events(why, &mut out);
    effects(why, &mut out);
    records(why, &mut out);
    timers(why, &mut out);
    thread(why, &mut out);
    out
}

fn message(why: &Value, out: &mut String) {
    let Some(message) = why.get("message").filter(|message| !message.is_null()) else {
        return;
    };
    out.push_str("\nMessage\n");
    let text = facts(
        message,
        &[
            ("From", "/from/email"),
            ("Subject", "/subject"),
            ("Message-ID", "/message_id"),
            ("Received", "/received"),
            ("Class", "/class"),
            ("Because", "/class_evidence"),
            ("Authenticity", "/authenticity"),
            ("Thread by", "/thread_by"),
            ("Perhaps of", "/thread_perhaps"),
            ("Ours", "/outbound"),
            ("History", "/historical"),
            ("Tags", "/tags"),
            ("Problems", "/problems"),
        ],
    );
    indented(&text, out);
    for copy in items(why, "/deliveries") {
        let again = match copy.get("copy") == Some(&Value::Bool(true)) {
            true => ", a copy of a known message",
            false => "",
        };
        let (mailbox, folder) = (at(copy, "/mailbox"), at(copy, "/folder"));
        let seen = at(copy, "/seen");
        let _ = writeln!(out, "  found in {mailbox}/{folder} at {seen}{again}");
    }
    for copy in items(why, "/report/recipients") {
        let about = match at(why, "/report/mail").as_str() {
            "-" => String::new(),
            mail => format!(" of mail {mail}"),
        };
        let (who, what) = (at(copy, "/recipient"), at(copy, "/what"));
        out.push_str(&wrapped(
            &format!("reports the copy for {who}{about}: {what}"),
            2,
        ));
    }
}

fn indented(text: &str, out: &mut String) {
    for line in text.lines() {
        let _ = writeln!(out, "  {line}");
    }
}

fn matched(why: &Value, out: &mut String) {
    let Some(matched) = why.get("match").filter(|matched| !matched.is_null()) else {
        return;
    };
    let whose = match at(matched, "/account/name").as_str() {
        "-" => at(matched, "/outcome"),
        name => format!("{} {name}", at(matched, "/outcome")),
    };
    let confidence = at(matched, "/confidence");
    let _ = writeln!(out, "\nMatch: {whose} (confidence {confidence})");
    for evidence in items(matched, "/evidence") {
        let line = format!("{}: {}", at(evidence, "/kind"), at(evidence, "/text"));
        out.push_str(&wrapped(&line, 2));
    }
    for candidate in items(matched, "/candidates") {
        let _ = writeln!(out, "  it may be {}", at(candidate, "/name"));
    }
}

fn events(why: &Value, out: &mut String) {
    for event in items(why, "/events") {
        let (seq, what) = (at(event, "/seq"), at(event, "/what"));
        let _ = writeln!(out, "\nEvent {seq}: {what}");
        match at(event, "/outcome/summary").as_str() {
            "-" => {}
            summary => out.push_str(&wrapped(&format!("outcome: {summary}"), 2)),
        }
        for result in items(event, "/plugins") {
            plugin(result, out);
        }
    }
}

fn plugin(result: &Value, out: &mut String) {
    let (name, version) = (at(result, "/plugin"), at(result, "/version"));
    let detail = match (at(result, "/why").as_str(), at(result, "/until").as_str()) {
        ("-", _) => String::new(),
        (why, "-") => format!(": {why}"),
        (why, until) => format!(" until {until}: {why}"),
    };
    let end = at(result, "/end");
    out.push_str(&wrapped(&format!("{name} {version} {end}{detail}"), 2));
    let verdicts = items(result, "/verdicts");
    if verdicts.is_empty() && end == "answered" {
        out.push_str("    proposed nothing\n");
    }
    for verdict in verdicts {
        let (label, kind) = (at(verdict, "/label"), at(verdict, "/kind"));
        let id = match at(verdict, "/id").as_str() {
            "-" => String::new(),
            id => format!(" {id}"),
        };
        let until = match at(verdict, "/until").as_str() {
            "-" => String::new(),
            until => format!(" until {until}"),
        };
        let result = at(verdict, "/result");
        out.push_str(&wrapped(
            &format!("{label} ({kind}): {result}{id}{until}"),
            4,
        ));
        for reason in items(verdict, "/reasons") {
            out.push_str(&wrapped(&format!("- {}", at(reason, "")), 6));
        }
    }
    for line in items(result, "/log") {
        out.push_str(&wrapped(&format!("log: {}", at(line, "")), 4));
    }
}

fn effects(why: &Value, out: &mut String) {
    for mail in items(why, "/mails") {
        let _ = writeln!(
            out,
            "\nMail {}: {}",
            at(mail, "/id"),
            at(mail, "/state_text")
        );
        let text = facts(
            mail,
            &[
                ("To", "/recipient"),
                ("Subject", "/subject"),
                ("Plugin", "/plugin"),
                ("Reason", "/reason"),
                ("Rule", "/rule"),
                ("Mode", "/mode"),
                ("Last answer", "/last_reply"),
            ],
        );
        indented(&text, out);
        steps(mail, out);
    }
    for hold in items(why, "/holds") {
        let _ = writeln!(out, "\nHold {}: {}", at(hold, "/id"), at(hold, "/state"));
        let text = facts(
            hold,
            &[
                ("Why", "/why"),
                ("Start", "/start"),
                ("End", "/end"),
                ("Calendar", "/calendar"),
                ("Plugin", "/plugin"),
                ("Reason", "/reason"),
                ("Rule", "/rule"),
                ("Expires", "/expires"),
                ("Trouble", "/last_trouble"),
            ],
        );
        indented(&text, out);
        steps(hold, out);
    }
    for change in items(why, "/changes") {
        let (id, state) = (at(change, "/id"), at(change, "/state"));
        let _ = writeln!(out, "\nChange {id}: {state}");
        let text = facts(
            change,
            &[
                ("Change", "/change"),
                ("Mailbox", "/mailbox"),
                ("Why", "/why"),
                ("Plugin", "/plugin"),
                ("Reason", "/reason"),
                ("Rule", "/rule"),
                ("Trouble", "/last_trouble"),
            ],
        );
        indented(&text, out);
        steps(change, out);
    }
}

fn steps(value: &Value, out: &mut String) {
    for row in items(value, "/audit") {
        out.push_str(&wrapped(&step(row), 4));
    }
}

fn records(why: &Value, out: &mut String) {
    for record in items(why, "/records") {
        let (kind, id) = (at(record, "/record"), at(record, "/id"));
        let state = match kind.as_str() {
            "case" => at(record, "/state"),
            _ => match at(record, "/done/at").as_str() {
                "-" => "open".to_owned(),
                at => format!("done {at}"),
            },
        };
        let _ = writeln!(out, "\n{kind} {id}: {state}");
        out.push_str(&wrapped(&at(record, "/title"), 2));
        steps(record, out);
    }
}

fn timers(why: &Value, out: &mut String) {
    for timer in items(why, "/timers") {
        let (plugin, due) = (at(timer, "/plugin"), at(timer, "/due"));
        let _ = writeln!(
            out,
            "\nTimer {}: {plugin} looks again at {due}",
            at(timer, "/id")
        );
        out.push_str(&wrapped(&at(timer, "/reason"), 2));
    }
}

fn thread(why: &Value, out: &mut String) {
    let messages = items(why, "/thread/messages");
    if messages.is_empty() {
        return;
    }
    let closed = at(why, "/thread/closed");
    let closed = match closed.as_str() {
        "" | "-" => String::new(),
        closed => format!(", {closed}"),
    };
    let _ = writeln!(out, "\nConversation ({} messages{closed})", messages.len());
    for row in items(why, "/thread/audit") {
        let (when, who, what) = (at(row, "/at"), at(row, "/who"), at(row, "/what"));
        let because = at(row, "/why");
        let because = match because.is_empty() {
            true => because,
            false => format!(": {because}"),
        };
        out.push_str(&wrapped(&format!("{when}  {who}: {what}{because}"), 2));
    }
    for message in messages {
        let way = match message.get("outbound") == Some(&Value::Bool(true)) {
            true => "sent by",
            false => "from",
        };
        let (when, from) = (at(message, "/received"), at(message, "/from"));
        let class = at(message, "/class");
        out.push_str(&wrapped(&format!("{when}  {way} {from} ({class})"), 2));
        out.push_str(&wrapped(&at(message, "/summary"), 4));
    }
}
