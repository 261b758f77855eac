//! Enquiries of people who already belong to an account.

use liaison_sdk::{CreateCase, Cx, Message, Result, Value, text};

use crate::enquiry::Enquiry;
use crate::settings::Settings;

/// Lifecycles of accounts that sell to us or against us: what they write is no opportunity.
const NOT_CUSTOMERS: [&str; 4] = ["supplier", "vendor", "partner", "competitor"];
/// Longest subject in a title, in bytes.
const SUBJECT_BYTES_MAX: usize = 80;

/// Opens an opportunity on the account and tells the owner. Nothing is sent: they know us, and
/// a person answers.
pub fn from_account(cx: &mut Cx<'_, Settings>, message: &Message, enquiry: &Enquiry) -> Result {
    let Some(account) = cx.matched().account.as_ref() else {
        return Ok(());
    };
    let lifecycle = account.text("lifecycle").to_lowercase();
    if !enquiry.is_new_work || NOT_CUSTOMERS.contains(&lifecycle.as_str()) {
        return Ok(());
    }
    if !cx
        .cases("opportunity", &[("thread", &message.thread)])?
        .is_empty()
    {
        return Ok(());
    }
    let name = account.text("name");
    let subject = text::excerpt(&message.subject, SUBJECT_BYTES_MAX);
    let reason = format!(
        "{name} is an account and enquires: {}",
        enquiry.cues.join(", ")
    );
    let case = CreateCase::new("opportunity", &format!("{name}: {subject}"))
        .state("Initial Phone Call")
        .field("account", account.id.as_str())
        .field("account_name", name)
        .field("address", message.sender.email.as_str())
        .field("name", message.sender.display())
        .field("need", enquiry.need.clone().unwrap_or_default())
        .field("asked_price", enquiry.asks_price)
        .field("thread", message.thread.as_str())
        .field("received", Value::At(cx.now()));
    let once = format!("opportunity:{}:{}", account.id, message.thread);
    cx.create_case(case, &reason).rule("R03").once(&once);
    cx.tag(message, "opportunity", &reason).rule("R03");
    let who = message.sender.display();
    let known = if cx.matched().contact.is_some() {
        ""
    } else {
        " (an address not on file)"
    };
    let history = match lifecycle.as_str() {
        "" => String::new(),
        lifecycle => format!(" The account stands at `{lifecycle}`."),
    };
    let words = format!(
        "{who}{known} of {name} enquires: \"{subject}\".{history} An opportunity is open; no lead \
         was made and nothing was sent."
    );
    cx.notify(&words, &reason).rule("R03");
    Ok(())
}

/// Tells the owner of an enquiry that could belong to several accounts.
pub fn undecided(cx: &mut Cx<'_, Settings>, message: &Message, enquiry: &Enquiry) {
    let reason = format!(
        "an enquiry ({}) between {} accounts",
        enquiry.cues.join(", "),
        cx.matched().candidates.len()
    );
    cx.tag(message, "enquiry", &reason).rule("R03");
    let words = format!(
        "{} enquires: \"{}\". The sender could belong to several accounts, so nothing was opened \
         or sent: choose the account and answer.",
        message.sender.display(),
        text::excerpt(&message.subject, SUBJECT_BYTES_MAX)
    );
    cx.notify(&words, &reason).rule("R03");
}
