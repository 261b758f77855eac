//! Runs the `cases/*.toml` of a plugin natively.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value as Json;

use super::{Mail, Reaction, TestWorld};
use crate::{Authenticity, MessageClass, Outcome, Plugin};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    now: Option<String>,
    zone: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    settings: serde_json::Map<String, Json>,
    #[serde(default)]
    account: Vec<Account>,
    #[serde(default)]
    busy: Vec<Busy>,
    #[serde(default)]
    step: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    name: String,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    contacts: Vec<String>,
    lifecycle: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Busy {
    start: String,
    end: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Step {
    mail: Option<CaseMail>,
    sent: Option<CaseMail>,
    advance: Option<String>,
    settle: Option<Settle>,
    #[serde(default)]
    expect: Vec<Json>,
    /// Nothing may be proposed besides what is expected; `false` lets it.
    #[serde(default = "yes")]
    exact: bool,
    /// Says aloud that nothing is expected.
    #[serde(default)]
    expect_none: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CaseMail {
    #[serde(default)]
    from: String,
    to: Option<String>,
    cc: Option<String>,
    reply_to: Option<String>,
    #[serde(default)]
    subject: String,
    #[serde(default)]
    text: String,
    signature: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    in_reply_to_step: Option<usize>,
    class: Option<String>,
    authenticity: Option<String>,
    plugin: Option<String>,
    returns: Option<String>,
    #[serde(default)]
    left: bool,
    #[serde(default)]
    attachments: Vec<CaseAttachment>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct CaseAttachment {
    filename: String,
    media_type: String,
    size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settle {
    label: String,
    outcome: String,
}

/// Runs every `.toml` in `folder` for `P` with this manifest and returns how many there were.
///
/// Proposals are compared one by one and in order with `expect`: what a line of it does not
/// name is not compared, but there must be as many lines as proposals (unless `exact = false`).
pub fn run_cases<P: Plugin>(manifest: &str, folder: impl AsRef<Path>) -> usize {
    let folder = folder.as_ref();
    let entries = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a readable case");
        let case: Case = toml::from_str(&text)
            .unwrap_or_else(|error| panic!("{} does not parse: {error}", file.display()));
        run::<P>(manifest, case, &file.display().to_string());
    }
    files.len()
}

fn run<P: Plugin>(manifest: &str, case: Case, name: &str) {
    let mut world = TestWorld::new().manifest(manifest);
    if let Some(now) = &case.now {
        world = world.now(now);
    }
    if let Some(zone) = &case.zone {
        world = world.zone(zone);
    }
    if let Some(owner) = &case.owner {
        world = world.owner(owner);
    }
    for (name, value) in case.settings {
        world = world.setting(&name, value);
    }
    for account in &case.account {
        let domains: Vec<&str> = account.domains.iter().map(String::as_str).collect();
        let contacts: Vec<&str> = account.contacts.iter().map(String::as_str).collect();
        world = world.account(&account.name, &domains, &contacts);
        if let Some(lifecycle) = &account.lifecycle {
            world = world.lifecycle(lifecycle);
        }
    }
    for busy in &case.busy {
        world = world.busy(&busy.start, &busy.end);
    }
    let mut threads = Vec::new();
    for (number, step) in case.step.into_iter().enumerate() {
        let at = format!("{name}, step {}", number + 1);
        let (expect, exact, none) = (step.expect.clone(), step.exact, step.expect_none);
        assert!(
            !none || expect.is_empty(),
            "{at}: `expect-none` and `expect` exclude one another"
        );
        let reaction = take::<P>(&mut world, step, &threads, &at);
        threads.push(world.newest_thread());
        compare(&reaction, &expect, exact || none, &at);
    }
}

fn take<P: Plugin>(world: &mut TestWorld, step: Step, threads: &[String], at: &str) -> Reaction {
    let result = match (step.mail, step.sent, step.advance, step.settle) {
        (Some(mail), None, None, None) => world.receive::<P>(mail.into_mail(threads)),
        (None, Some(sent), None, None) => world.send::<P>(sent.into_mail(threads)),
        (None, None, Some(span), None) => world.advance::<P>(&span),
        (None, None, None, Some(settle)) => {
            let why = || "in a test case".to_owned();
            let outcome = match settle.outcome.as_str() {
                "done" => Outcome::Done,
                "drafted" => Outcome::Drafted,
                "rejected" => Outcome::Rejected(why()),
                "cancelled" => Outcome::Cancelled(why()),
                "adopted" => Outcome::Adopted(why()),
                "failed" => Outcome::Failed(why()),
                other => panic!("{at}: no outcome `{other}`"),
            };
            world.settle::<P>(&settle.label, outcome)
        }
        _ => panic!("{at}: a step has exactly one of `mail`, `sent`, `advance`, `settle`"),
    };
    result.unwrap_or_else(|failure| panic!("{at}: the plugin failed: {failure:?}"))
}

fn compare(reaction: &Reaction, expect: &[Json], exact: bool, at: &str) {
    let got = reaction.to_json();
    let fits = if exact {
        got.len() == expect.len() && got.iter().zip(expect).all(|(got, want)| has(got, want))
    } else {
        let mut free: Vec<&Json> = got.iter().collect();
        expect.iter().all(|want| {
            let found = free.iter().position(|got| has(got, want));
            found.is_some_and(|found| has(free.remove(found), want))
        })
    };
    if !fits {
        let want: Vec<String> = expect.iter().map(ToString::to_string).collect();
        panic!("{at}: expected\n{}\ngot\n{reaction}", want.join("\n"));
    }
}

/// Whether `got` has all that `want` names; `text-contains` asks for a part of `text`.
fn has(got: &Json, want: &Json) -> bool {
    match (got, want) {
        (Json::Object(got), Json::Object(want)) => {
            want.iter()
                .all(|(name, want)| match name.strip_suffix("-contains") {
                    Some(name) => got.get(name).is_some_and(|got| contains(got, want)),
                    None => has(got.get(name).unwrap_or(&Json::Null), want),
                })
        }
        _ => got == want,
    }
}

fn contains(got: &Json, want: &Json) -> bool {
    match (got, want) {
        (Json::String(got), Json::String(want)) => got.contains(want.as_str()),
        (Json::Array(got), want) => got.contains(want),
        _ => false,
    }
}

impl CaseMail {
    fn into_mail(self, threads: &[String]) -> Mail {
        let mut mail = Mail::from(&self.from)
            .subject(&self.subject)
            .text(&self.text);
        if let Some(step) = self.in_reply_to_step {
            let thread = step.checked_sub(1).and_then(|step| threads.get(step));
            mail = mail.in_thread(thread.unwrap_or_else(|| panic!("no earlier step {step}")));
        }
        for (name, value) in &self.headers {
            mail = mail.header(name, value);
        }
        if let Some(to) = &self.to {
            mail = mail.to(to);
        }
        if let Some(cc) = &self.cc {
            mail = mail.cc(cc);
        }
        if let Some(reply_to) = &self.reply_to {
            mail = mail.reply_to(reply_to);
        }
        if let Some(signature) = &self.signature {
            mail = mail.signature(signature);
        }
        if let Some(plugin) = &self.plugin {
            mail = mail.by_plugin(plugin);
        }
        for attachment in &self.attachments {
            mail = mail.attachment(
                &attachment.filename,
                &attachment.media_type,
                attachment.size,
            );
        }
        let authenticity = match self.authenticity.as_deref() {
            None | Some("pass") => Authenticity::Pass,
            Some("fail") => Authenticity::Fail,
            Some("none") => Authenticity::None,
            Some("unknown") => Authenticity::Unknown,
            Some(other) => panic!("no authenticity `{other}`"),
        };
        let mail = mail.authenticity(authenticity);
        match self.class.as_deref() {
            None | Some("human") => mail,
            Some("ooo") => {
                mail.out_of_office(self.returns.as_deref().map(super::instant), self.left)
            }
            Some("auto-reply") => mail.class(MessageClass::AutoReply),
            Some("bounce") => mail.class(MessageClass::Bounce),
            Some("list") => mail.class(MessageClass::List),
            Some("bulk") => mail.class(MessageClass::Bulk),
            Some("auto-generated") => mail.class(MessageClass::AutoGenerated),
            Some("calendar") => mail.class(MessageClass::Calendar),
            Some(other) => panic!("no class `{other}`"),
        }
    }
}
