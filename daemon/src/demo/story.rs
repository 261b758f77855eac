//! The story, scene by scene.
#![expect(
    clippy::indexing_slicing,
    reason = "a JSON value answers null for a key that it does not have"
)]

use base64::Engine as _;
use liaison_core::effect::MailEffect;
use liaison_core::ids::PluginName;
use liaison_core::outbox::MailState;
use liaison_core::time::{DAY_MS, MINUTE_MS, Timestamp};
use serde_json::json;

use super::DemoError;
use super::samples::{
    ACCOUNTS, ACCOUNTS_FILE, ASK_CAROL, ASK_ERIK, ASK_FAY, ASK_GUS, BOUNCE, HISTORY_ANSWER,
    HISTORY_ENQUIRY, HISTORY_ORDER, LEAD, MAILBOX, NDA, NEWSLETTER, OUT_OF_OFFICE, REPLY, SENT,
    SPOOF,
};
use super::stage::Stage;
use super::tell::Tell;
use crate::store::Ns;

/// Plays it; returns the Message-ID of the enquiry, which has the richest chain of reasons.
pub(super) async fn play(stage: &Stage, tell: &mut Tell<'_>) -> Result<String, DemoError> {
    before_the_first_start(stage, tell).await?;
    let asked = questions(stage, tell).await?;
    machines(stage, tell).await?;
    a_reply(stage, tell).await?;
    silence(stage, tell, asked).await?;
    confidential(stage, tell).await?;
    a_liar(stage, tell).await?;
    let enquiry = an_enquiry(stage, tell).await?;
    stage.move_to(stage.days.now).await?;
    Ok(enquiry)
}

/// The account list is imported; a mailbox with mail in it is looked at for the first time.
async fn before_the_first_start(stage: &Stage, tell: &mut Tell<'_>) -> Result<(), DemoError> {
    let accounts = base64::engine::general_purpose::STANDARD.encode(ACCOUNTS);
    let import = json!({ "csv": accounts, "file": ACCOUNTS_FILE });
    let report = stage.ask("accounts-import", import).await?;
    let (created, contacts) = (&report["created"], &report["contacts"]["created"]);
    let words = format!("{created} with {contacts} contacts, imported from {ACCOUNTS_FILE}");
    tell.note("accounts", &words)?;
    let days_ago = |days: i64| stage.now().minus_millis(days.saturating_mul(DAY_MS));
    stage.was_there(MAILBOX, HISTORY_ORDER, days_ago(20))?;
    stage.was_there(SENT, HISTORY_ANSWER, days_ago(19))?;
    stage.was_there(MAILBOX, HISTORY_ENQUIRY, days_ago(12))?;
    stage.first_look().await?;
    let words = "3 old messages in the mailbox: recorded, never acted on";
    Ok(tell.note("history", words)?)
}

/// Four questions of Alice's, written with her own mail program.
async fn questions(stage: &Stage, tell: &mut Tell<'_>) -> Result<Timestamp, DemoError> {
    let at = stage.days.at(stage.days.first, 9, 30);
    stage.move_to(at).await?;
    tell.scene(
        at,
        "Alice asks four people something, by hand: seen in her Sent folder",
    )?;
    for sample in [ASK_GUS, ASK_CAROL, ASK_ERIK, ASK_FAY] {
        let id = stage.sent_by_hand(sample).await?;
        let why = stage.ask("why", json!({ "id": id })).await?;
        tell.decided_briefly(&why)?;
    }
    Ok(at)
}

/// What machines send: none of it is ever answered.
async fn machines(stage: &Stage, tell: &mut Tell<'_>) -> Result<(), DemoError> {
    let first = stage.days.first;
    for (sample, hour, minute) in [(BOUNCE, 9, 31), (OUT_OF_OFFICE, 9, 32), (NEWSLETTER, 11, 5)] {
        stage.move_to(stage.days.at(first, hour, minute)).await?;
        let id = stage.arrives(sample).await?;
        tell.arrival(stage, &id).await?;
    }
    Ok(())
}

/// One of the four answers.
async fn a_reply(stage: &Stage, tell: &mut Tell<'_>) -> Result<(), DemoError> {
    stage
        .move_to(stage.days.at(stage.days.first, 14, 20))
        .await?;
    let id = stage.arrives(REPLY).await?;
    tell.arrival(stage, &id).await
}

/// One of them does not, and three working days are over.
async fn silence(stage: &Stage, tell: &mut Tell<'_>, asked: Timestamp) -> Result<(), DemoError> {
    let due = stage.days.three_days_after(asked).plus_millis(MINUTE_MS);
    tell.jump("three business days later")?;
    stage.move_to(due).await?;
    let plugin = PluginName::from("follow-up");
    let sent = mail_of(stage, &plugin, |state| *state == MailState::Sent).await?;
    tell.scene(
        stage.now(),
        "Gus has not answered: one follow-up, in the same thread",
    )?;
    let why = stage.ask("why", json!({ "id": sent.id })).await?;
    tell.decided(&why)?;
    tell.results(stage, &why)
}

/// A request for a confidentiality agreement.
async fn confidential(stage: &Stage, tell: &mut Tell<'_>) -> Result<(), DemoError> {
    tell.jump("some days later")?;
    stage.move_to(stage.days.at(stage.days.last, 9, 40)).await?;
    let id = stage.arrives(NDA).await?;
    tell.arrival(stage, &id).await
}

/// Somebody pretends to be Carol.
async fn a_liar(stage: &Stage, tell: &mut Tell<'_>) -> Result<(), DemoError> {
    stage
        .move_to(stage.days.at(stage.days.last, 10, 15))
        .await?;
    let id = stage.arrives(SPOOF).await?;
    tell.arrival(stage, &id).await
}

/// An enquiry of somebody unknown, and Alice's yes to the answer.
async fn an_enquiry(stage: &Stage, tell: &mut Tell<'_>) -> Result<String, DemoError> {
    stage.move_to(stage.days.at(stage.days.last, 14, 0)).await?;
    let id = stage.arrives(LEAD).await?;
    tell.arrival(stage, &id).await?;
    let plugin = PluginName::from("lead-triage");
    let held = mail_of(stage, &plugin, |state| *state == MailState::Held).await?;
    stage
        .move_to(stage.days.at(stage.days.last, 14, 25))
        .await?;
    tell.scene(
        stage.now(),
        "Alice reads the answer and approves it (liaison outbox approve)",
    )?;
    let approve = json!({ "id": held.id, "why": "good times, friendly words" });
    stage.ask("outbox-approve", approve).await?;
    stage.settle().await?;
    let why = stage.ask("why", json!({ "id": id })).await?;
    tell.results(stage, &why)?;
    Ok(id)
}

/// The one mail of a plugin in this state: the story cannot go on without it.
async fn mail_of(
    stage: &Stage,
    plugin: &PluginName,
    wanted: impl Fn(&MailState) -> bool,
) -> Result<MailEffect, DemoError> {
    let mails: Vec<MailEffect> = stage.api.books.all(Ns::Effect).await?;
    let states: Vec<String> = mails
        .iter()
        .map(|mail| format!("{}: {}", mail.cause.plugin, mail.state))
        .collect();
    let found = mails
        .into_iter()
        .find(|mail| mail.cause.plugin == *plugin && wanted(&mail.state));
    let missing = || {
        format!(
            "no mail of {plugin} is where it should be ({})",
            states.join(", ")
        )
    };
    found.ok_or_else(|| DemoError::Story(missing()))
}
