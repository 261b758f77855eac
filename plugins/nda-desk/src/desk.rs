//! What is done about a request.

use liaison_sdk::text::{self, Language};
use liaison_sdk::{
    Content, CreateCase, CreateTask, Cx, Email, Entity, Message, Result, TimerFired, Value,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Settings;
use crate::detect::{Found, Wish};

/// Longest subject in a title, in bytes.
const SUBJECT_BYTES_MAX: usize = 80;
/// Most messages and documents noted on one case; the thread has the others.
const NOTED_MAX: usize = 50;
/// States in which a case has ended without an agreement: a new request is a new case.
const ENDED: [&str; 2] = ["expired", "declined"];
/// States in which a document of theirs waits to be checked.
const UNCHECKED: [&str; 3] = ["theirs-received", "first-read", "legal"];

/// A request outside any known thread.
pub fn request(cx: &mut Cx<'_, Settings>, message: &Message, found: &Found) -> Result {
    let known = same_party(cx, message)?;
    if let Some(signed) = known.iter().find(|case| case.state == "signed") {
        let words = format!(
            "{} asks for a confidentiality agreement (\"{}\"), but one with {} is in force. Say \
             so, and offer a copy; nothing was sent.",
            message.sender.display(),
            found.quote,
            signed.text("party")
        );
        tag(cx, message, found);
        cx.notify(&words, "an agreement with this party is in force")
            .rule("R31");
        return Ok(());
    }
    if let Some(open) = known
        .iter()
        .find(|case| !ENDED.contains(&case.state.as_str()))
    {
        let files = match &found.wish {
            Wish::TheirDocument(files) => files.clone(),
            Wish::Agreement | Wish::SigningSite(_) => Vec::new(),
        };
        more_of(cx, message, open, &files);
        return Ok(());
    }
    match &found.wish {
        Wish::TheirDocument(files) => {
            let case = new_case(cx, message)
                .state("theirs-received")
                .field("documents", files.clone())
                .field("checks", cx.settings().checks.clone());
            create(cx, message, found, case);
            check(cx, message, found, files);
            watch(cx, message);
        }
        Wish::Agreement => offer_ours(cx, message, found),
        // Handled before, whatever the thread.
        Wish::SigningSite(_) => {}
    }
    Ok(())
}

/// A further message about an agreement on file, with what was attached to it. No second case
/// is opened, and nothing is sent.
pub fn more_of(cx: &mut Cx<'_, Settings>, message: &Message, case: &Entity, files: &[String]) {
    let who = message.sender.display();
    let mut set = vec![(
        "messages",
        appended(case, "messages", std::slice::from_ref(&message.id)),
    )];
    if files.is_empty() {
        let reason = format!("{who} writes about the agreement on file");
        cx.update_case(case, None, set, &reason).rule("R31");
        cx.tag(message, "nda", &reason).rule("R31");
        let words = format!(
            "{who} writes about the confidentiality agreement (state `{}`): \"{}\"",
            case.state,
            text::excerpt(&message.text, 200)
        );
        cx.notify(&words, &reason).rule("R31");
        return;
    }
    let reason = format!("{who} sends {} for the agreement on file", files.join(", "));
    set.push(("documents", appended(case, "documents", files)));
    let opens_check = matches!(
        case.state.as_str(),
        "requested" | "ours-offered" | "ours-sent"
    );
    cx.update_case(case, opens_check.then_some("theirs-received"), set, &reason)
        .rule("R31");
    cx.tag(message, "nda", &reason).rule("R31");
    let compare = if opens_check {
        format!(
            "Ours was `{}`: compare, and look for what was changed or replaced.",
            case.text("form")
        )
    } else {
        format!(
            "Compare with what came before: {}.",
            case.texts("documents").join(", ")
        )
    };
    let body = format!(
        "{who} sent {}. {compare} A signature of one side only is no agreement: set the state to \
         `signed` when both have signed.",
        files.join(", ")
    );
    let title = format!(
        "A new document for the agreement with {}",
        case.text("party")
    );
    cx.task(for_checker(cx, CreateTask::new(&title, &body)), &reason)
        .rule("R31");
    if opens_check {
        watch(cx, message);
    }
}

/// A link to a signing service: never opened, a person decides.
pub fn signing_site(
    cx: &mut Cx<'_, Settings>,
    message: &Message,
    found: &Found,
    of_thread: Option<&Entity>,
) -> Result {
    let Wish::SigningSite(site) = found.wish else {
        return Ok(());
    };
    let reason = format!("asks for a signature at {site}: \"{}\"", found.quote);
    match of_thread {
        Some(case) => {
            let messages = appended(case, "messages", std::slice::from_ref(&message.id));
            let set = vec![("messages", messages), ("esign", true.into())];
            cx.update_case(case, None, set, &reason).rule("R31");
            cx.tag(message, "nda", &reason).rule("R31");
        }
        None => {
            let case = new_case(cx, message)
                .state("theirs-received")
                .field("checks", cx.settings().checks.clone())
                .field("esign", true);
            create(cx, message, found, case);
        }
    }
    let body = format!(
        "{} asks for a signature at {site}. The link was not opened. Make sure that it is \
         genuine, get the text, and check it before anybody signs.",
        message.sender.display()
    );
    let task = CreateTask::new("A confidentiality agreement at a signing service", &body)
        .checklist(points(cx.settings()));
    cx.task(for_checker(cx, task), &reason).rule("R31");
    Ok(())
}

fn offer_ours(cx: &mut Cx<'_, Settings>, message: &Message, found: &Found) {
    let settings = cx.settings();
    let may_reply = |language: &Language| {
        settings
            .reply_languages
            .iter()
            .any(|code| code.eq_ignore_ascii_case(language.code()))
    };
    let doubt = if cx.matched().authenticity == liaison_sdk::Authenticity::Fail {
        Some("the sender failed the check of authenticity")
    } else {
        None
    };
    let language = text::language(&message.text).filter(may_reply);
    let (Some(language), None) = (language, doubt) else {
        create(cx, message, found, new_case(cx, message).state("requested"));
        let why = doubt.unwrap_or("there is no template for its language");
        let words = format!(
            "{} asks for a confidentiality agreement: \"{}\". Nothing was drafted, since {why}. \
             Offer our form `{}`.",
            message.sender.display(),
            found.quote,
            settings.own_template
        );
        cx.notify(&words, why).rule("R31");
        return;
    };
    let case = new_case(cx, message)
        .state("ours-offered")
        .field("form", settings.own_template.as_str());
    create(cx, message, found, case);
    let first_name = text::first_name(&message.sender);
    let variables = json!({
        "first_name": first_name.clone().unwrap_or_default(),
        "name": first_name.map_or("", |_| message.sender.display()),
    });
    let template = match language {
        Language::En => "offer-ours".to_owned(),
        other => format!("offer-ours-{}", other.code()),
    };
    let email = Email::reply_to(message, Content::template(&template, &variables))
        .attach(&settings.own_template)
        .cancel_on_reply();
    let reason = format!(
        "best is that they sign ours; they asked: \"{}\"",
        found.quote
    );
    cx.email(email, &reason)
        .rule("R31")
        .once(&format!("offer-ours:{}", message.thread));
    let words = format!(
        "{} asks for a confidentiality agreement: \"{}\". An answer offers our form `{}`.",
        message.sender.display(),
        found.quote,
        settings.own_template
    );
    cx.notify(&words, &reason).rule("R31");
}

fn new_case(cx: &Cx<'_, Settings>, message: &Message) -> CreateCase {
    let sender = &message.sender;
    let party = party(cx, message);
    let title = format!(
        "{party}: {}",
        text::excerpt(&message.subject, SUBJECT_BYTES_MAX)
    );
    CreateCase::new("nda", &title)
        .field("party", party)
        .field("domain", sender.domain().to_lowercase())
        .field("address", sender.email.to_lowercase())
        .field("name", sender.display())
        .field("thread", message.thread.as_str())
        .field("messages", vec![message.id.clone()])
        .field("jurisdiction", cx.settings().home_jurisdiction.as_str())
        .field("handed_to", cx.settings().legal_contact.as_str())
        .field("requested", Value::At(cx.now()))
}

fn create(cx: &mut Cx<'_, Settings>, message: &Message, found: &Found, case: CreateCase) {
    let reason = format!("asks for `{}`: \"{}\"", found.name, found.quote);
    cx.create_case(case, &reason)
        .rule("R31")
        .once(&format!("nda:{}", message.thread));
    tag(cx, message, found);
}

fn tag(cx: &mut Cx<'_, Settings>, message: &Message, found: &Found) {
    let reason = format!("speaks of `{}`: \"{}\"", found.name, found.quote);
    cx.tag(message, "nda", &reason).rule("R31");
}

/// The party: the account, else the domain, else (free mail) the person.
fn party(cx: &Cx<'_, Settings>, message: &Message) -> String {
    match &cx.matched().account {
        Some(account) if !account.text("name").is_empty() => account.text("name").to_owned(),
        _ if is_free_mail(cx, message) => message.sender.display().to_owned(),
        _ => message.sender.domain().to_lowercase(),
    }
}

fn is_free_mail(cx: &Cx<'_, Settings>, message: &Message) -> bool {
    cx.has_evidence("free-mail") || text::is_free_mail(message.sender.domain())
}

fn same_party(cx: &Cx<'_, Settings>, message: &Message) -> Result<Vec<Entity>> {
    if is_free_mail(cx, message) {
        cx.cases("nda", &[("address", &message.sender.email.to_lowercase())])
    } else {
        cx.cases(
            "nda",
            &[("domain", &message.sender.domain().to_lowercase())],
        )
    }
}

fn appended(case: &Entity, field: &str, more: &[String]) -> Value {
    let known = case.texts(field);
    let new = more.iter().filter(|item| !known.contains(item));
    let all: Vec<String> = known.iter().chain(new).take(NOTED_MAX).cloned().collect();
    all.into()
}

// ---- the check of their document ----------------------------------------------------------

fn for_checker(cx: &Cx<'_, Settings>, task: CreateTask) -> CreateTask {
    let settings = cx.settings();
    let task = task.due(cx.after(cx.now(), settings.legal_turnaround));
    match settings.legal_contact.as_str() {
        "" => task,
        legal => task.owner(legal),
    }
}

fn check(cx: &mut Cx<'_, Settings>, message: &Message, found: &Found, files: &[String]) {
    let settings = cx.settings();
    let reviewer = if settings.legal_contact.is_empty() {
        "Have the manager read it too."
    } else {
        "The owner was told that you have it."
    };
    let body = format!(
        "{} <{}> sent {}: \"{}\". Read it in the message; it goes to nobody else. Note the place \
         of each hit, and `not found` for each miss. {reviewer} Nobody has signed or promised \
         anything; better still, offer our form `{}`.",
        message.sender.display(),
        message.sender.email,
        files.join(", "),
        found.quote,
        settings.own_template
    );
    let reason = format!("their document came: {}", files.join(", "));
    let title = format!(
        "Check the confidentiality agreement of {}",
        party(cx, message)
    );
    let task = CreateTask::new(&title, &body).checklist(points(settings));
    cx.task(for_checker(cx, task), &reason).rule("R31");
    let words = format!(
        "{} sent a confidentiality agreement ({}). {} checks it; nothing was sent or signed.",
        message.sender.display(),
        files.join(", "),
        if settings.legal_contact.is_empty() {
            "You"
        } else {
            settings.legal_contact.as_str()
        }
    );
    cx.notify(&words, &reason).rule("R31");
}

fn points(settings: &Settings) -> Vec<String> {
    settings
        .checks
        .iter()
        .map(|check| point(check, &settings.home_jurisdiction))
        .collect()
}

fn point(check: &str, home: &str) -> String {
    let home = if home.is_empty() {
        "our own country"
    } else {
        home
    };
    match check {
        "mutual" => "mutual: does it bind both sides alike?".to_owned(),
        "indemnity" => "indemnity: is there one? Always ask to delete it".to_owned(),
        "time-limit" => {
            "time-limit: does it end? Ask to add a limit when it is perpetual".to_owned()
        }
        "jurisdiction" => format!("jurisdiction: at least {home}"),
        "specific-damages" => {
            "specific-damages: is a sum named for each breach? Not acceptable".to_owned()
        }
        "individual-liability" => {
            "individual-liability: are people liable themselves? They must not be".to_owned()
        }
        "definition" => "definition: what counts as confidential, and is it bounded?".to_owned(),
        "legal-review" => "legal-review: read by the legal contact, if there is one".to_owned(),
        other => other.to_owned(),
    }
}

/// What the timer carries.
#[derive(Debug, Serialize, Deserialize)]
struct Watch {
    thread: String,
    who: String,
    /// Reminders given so far.
    reminded: u32,
}

fn timer(thread: &str) -> String {
    format!("check:{thread}")
}

fn watch(cx: &mut Cx<'_, Settings>, message: &Message) {
    let watch = Watch {
        thread: message.thread.clone(),
        who: message.sender.display().to_owned(),
        reminded: 0,
    };
    set_watch(cx, &watch);
}

fn set_watch(cx: &mut Cx<'_, Settings>, watch: &Watch) {
    let due = cx.after(cx.now(), cx.settings().legal_turnaround);
    let reason = format!("the check may take {}", cx.settings().legal_turnaround);
    cx.set_timer(&timer(&watch.thread), due, &json!(watch), &reason)
        .rule("R31");
}

/// Reminds whoever checks, once; then tells the owner, once.
pub fn check_is_late(cx: &mut Cx<'_, Settings>, fired: &TimerFired) -> Result {
    let mut watch: Watch = serde_json::from_str(&fired.payload)?;
    let cases = cx.cases("nda", &[("thread", &watch.thread)])?;
    let waits = cases
        .first()
        .is_some_and(|case| UNCHECKED.contains(&case.state.as_str()));
    if !waits {
        return Ok(());
    }
    let settings = cx.settings();
    let legal = Some(settings.legal_contact.as_str()).filter(|legal| !legal.is_empty());
    if watch.reminded == 0 {
        let words = format!(
            "The confidentiality agreement of {} has waited {} to be checked.",
            watch.who, settings.legal_turnaround
        );
        cx.notify_person(legal, false, &words, "the check is late")
            .rule("R31");
        watch.reminded = 1;
        if legal.is_some() {
            set_watch(cx, &watch);
        }
    } else {
        let words = format!(
            "The confidentiality agreement of {} still waits to be checked; {} was reminded {} ago.",
            watch.who, settings.legal_contact, settings.legal_turnaround
        );
        cx.notify_person(
            None,
            true,
            &words,
            "the check is late in spite of a reminder",
        )
        .rule("R31");
    }
    Ok(())
}
