//! Handles every request for a confidentiality agreement in the same careful way (rule R31).
//!
//! Best is that they sign ours: a request without document is answered with our own form. A
//! document of theirs goes to nobody but the person who checks it, with a checklist. Nothing is
//! ever signed, promised or opened.
#![forbid(unsafe_code)]

use liaison_sdk::{
    Cx, MatchOutcome, MessageClass, MessageReceived, Plugin, Result, Span, TimerFired, plugin, text,
};
use serde::Deserialize;

mod desk;
mod detect;

use detect::Wish;

/// Checks that the plugin knows how to word.
const CHECKS: [&str; 8] = [
    "mutual",
    "indemnity",
    "time-limit",
    "jurisdiction",
    "specific-damages",
    "individual-liability",
    "definition",
    "legal-review",
];

/// Settings as declared in `plugin.toml`, which says what each means.
#[derive(Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented for the operator in plugin.toml"
)]
pub struct Settings {
    pub own_template: String,
    pub names: Vec<String>,
    pub checks: Vec<String>,
    pub home_jurisdiction: String,
    pub legal_contact: String,
    pub legal_turnaround: Span,
    pub reply_languages: Vec<String>,
}

/// The plugin.
#[derive(Debug)]
pub struct NdaDesk;

impl Plugin for NdaDesk {
    type Settings = Settings;

    fn check(settings: &Settings) -> Vec<String> {
        let mut problems = Vec::new();
        if settings.own_template.is_empty() {
            problems.push("own_template: name the form that is offered".to_owned());
        }
        if settings.names.iter().any(|name| name.trim().is_empty()) || settings.names.is_empty() {
            problems.push("names: list at least one name, none of them empty".to_owned());
        }
        for check in settings
            .checks
            .iter()
            .filter(|check| !CHECKS.contains(&check.as_str()))
        {
            problems.push(format!(
                "checks: `{check}` is unknown; use {}",
                CHECKS.join(", ")
            ));
        }
        if !settings.legal_contact.is_empty() && !settings.legal_contact.contains('@') {
            problems.push(format!(
                "legal_contact = `{}` is no address",
                settings.legal_contact
            ));
        }
        problems
    }

    fn on_message(cx: &mut Cx<'_, Settings>, received: &MessageReceived) -> Result {
        let message = &received.message;
        if cx.matched().outcome == MatchOutcome::Own || cx.is_ours(&message.sender) {
            return Ok(());
        }
        let from_machine = message.class != MessageClass::Human || text::is_robot(&message.sender);
        let found = detect::find(message, &cx.settings().names);
        let of_thread = cx
            .cases("nda", &[("thread", &message.thread)])?
            .into_iter()
            .next();
        match (found, of_thread) {
            (Some(found), case) if matches!(found.wish, Wish::SigningSite(_)) => {
                desk::signing_site(cx, message, &found, case.as_ref())
            }
            _ if from_machine => Ok(()),
            (_, Some(case)) => {
                desk::more_of(cx, message, &case, &detect::documents(message));
                Ok(())
            }
            (Some(found), None) => desk::request(cx, message, &found),
            (None, None) => Ok(()),
        }
    }

    fn on_timer(cx: &mut Cx<'_, Settings>, fired: &TimerFired) -> Result {
        desk::check_is_late(cx, fired)
    }
}

plugin!(NdaDesk);

#[cfg(test)]
mod tests;
