//! One mail: the second look, the lease, the attempt, and what its end means.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use liaison_core::effect::{Audience, MailEffect, MailMode, RESENDS_MAX};
use liaison_core::ids::{EffectId, MailboxId};
use liaison_core::mail::address::Address;
use liaison_core::outbox::{
    APPROVAL_MS, CRASHED_ATTEMPTS_MAX, IfUncertain, Input, MailState, Phase, Refusal, next_attempt,
};
use liaison_core::policy::{BREAKER, Recheck, as_judged, recheck};
use liaison_core::time::{DAY_MS, HOUR_MS, MINUTE_MS, Timestamp};

use super::filing::Work;
use super::{Delivery, Due, Turn, WHO};
use crate::books::rows::AuditRow;
use crate::books::{BooksError, chain, keys};
use crate::compose::dated::with_date;
use crate::office::Office;
use crate::outbox::reach::REPORTED;
use crate::outbox::{RESCHEDULED, StepError, due_of, stage_audit, stage_mail_record};
use crate::sink::{
    MailTransport, OutgoingMail, OwnFolder, OwnFolders, OwnMail, PhaseLog, SendOutcome,
};
use crate::store::Stored;
use crate::supervisor::Awaited;

/// Looks for a mail in doubt: minutes after the doubt began. The last one is longer than any
/// timeout of SMTP after the dot (RFC 5321 section 4.5.3.2.6: 10 minutes), so that a slow server
/// has filed its copy by then.
const LOOK_MINUTES: [i64; 5] = [1, 3, 5, 10, 15];
/// How long a mail waits for its mailbox to be up to date before that is looked at again.
const LOOK_AT_MAILBOX_MS: i64 = MINUTE_MS / 2;
/// How an attempt begins its reason when it ended without a word of the server about the mail.
/// These are counted, because the mail itself may be what breaks it.
const NO_ANSWER: &str = "no answer: ";

/// How much later than planned a mail may leave: with the machine off for longer, or everything
/// stopped, its words are likely to be stale.
const LATE_MS_MAX: i64 = 3 * DAY_MS;

/// Why a mail in doubt is sent again.
const RESENT: &str = "it is not in the Sent mailbox, and `if_uncertain = \"resend\"`: the same bytes \
                      are sent again, once, with the same Message-ID";

/// A mail with all it needs to be carried out.
#[derive(Debug)]
struct Ready {
    way: Way,
    bytes: Bytes,
}

#[derive(Debug)]
enum Way {
    Draft(Arc<dyn OwnFolders>),
    Send(Arc<dyn MailTransport>),
}

impl Delivery {
    /// Looks at a mail whose time has come. `false` when it stays due.
    pub(super) async fn handle_mail(&self, due: &Due) -> Result<bool, StepError> {
        let key = keys::mail(&due.id);
        let Some(stored) = self.parts.books.get::<MailEffect>(key.clone()).await? else {
            return Ok(self.drop_due(due, None).await?);
        };
        let mail = &stored.record;
        if due_of(mail) != Some(due.at) {
            return Ok(self.drop_due(due, Some((key, stored.version))).await?);
        }
        match mail.state {
            // Nobody has it in hand but us.
            MailState::Leased(phase) => self.recover_mail(mail, phase).await.map(|()| true),
            MailState::Uncertain => self.look_for(&stored).await,
            MailState::Drafted => self.look_at_draft(&stored).await,
            MailState::Held => self.expire(mail).await,
            MailState::Deferred if mail.resends_left < RESENDS_MAX => {
                match self.look_before_resend(&stored).await? {
                    true => Ok(true),
                    false => self.carry_out(&stored).await,
                }
            }
            _ => self.carry_out(&stored).await,
        }
    }

    /// The last look before a mail is sent again after a doubt: whatever made it wait since then
    /// gave its copy time to appear. `true` when it is not sent now.
    async fn look_before_resend(&self, stored: &Stored<MailEffect>) -> Result<bool, StepError> {
        let mail = &stored.record;
        let mailbox = self.mailbox_of(mail);
        let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
        let Some(folders) = folders.filter(|_| mail.attempts > 0) else {
            return Ok(false);
        };
        let own = OwnMail::of(mail);
        match folders.find(OwnFolder::Sent, &own).await {
            Ok(None) => Ok(false),
            Ok(Some(sighting)) => self.due_step(mail, Turn::sighted(sighting, &own)).await,
            Err(error) => {
                let at = self.parts.clock.now().plus_millis(MINUTE_MS);
                let why = format!("nobody can say whether it went out before: {error}");
                match error.needs_person || error.no_folder {
                    true => {
                        let why = format!("{why}; look for it, then approve or reject");
                        self.due_step(mail, Turn::new(Input::NeedsPerson, why))
                            .await
                    }
                    false => self.wait(stored, at, &why).await,
                }
            }
        }
    }

    /// A leased mail that no attempt holds any more.
    pub(super) async fn recover_mail(
        &self,
        mail: &MailEffect,
        phase: Phase,
    ) -> Result<(), StepError> {
        let now = self.parts.clock.now();
        let what = "the daemon stopped while it was being carried out";
        let turn = match phase {
            Phase::AfterDot => {
                let why = format!("{what}; the body may have been sent");
                Turn::new(Input::NoVerdict, why)
            }
            Phase::BeforeDot if self.broken_tries(&mail.id).await? >= CRASHED_ATTEMPTS_MAX => {
                let why = format!("{what}, {CRASHED_ATTEMPTS_MAX} times and more: given up");
                Turn::new(Input::GiveUp, why)
            }
            Phase::BeforeDot => {
                let why = format!("{NO_ANSWER}{what}, before its body was sent");
                Turn::new(Input::NotSent, why)
            }
        };
        let leased = |state: &MailState| *state == MailState::Leased(phase);
        self.advance(&mail.id, leased, turn.at(now)).await?;
        Ok(())
    }

    async fn carry_out(&self, stored: &Stored<MailEffect>) -> Result<bool, StepError> {
        let mail = &stored.record;
        let mut breaker = self.gate.lock().await;
        if self.parts.books.panic().await?.is_some() {
            // It stays due: whoever ends the panic wakes us.
            return Ok(false);
        }
        let held_back = |why: String| Turn::new(Input::NeedsPerson, why);
        let mut ready = match self.ready(mail).await? {
            Ok(ready) => ready,
            Err(why) => return self.due_step(mail, held_back(why)).await,
        };
        if let Some(why) = self.mail_not_granted(mail) {
            return self.due_step(mail, held_back(why)).await;
        }
        if let Some(why) = self.lost_hold(mail).await? {
            return self.due_step(mail, cancelled(why)).await;
        }
        let now = self.parts.clock.now();
        if let Some(why) = late(mail, now) {
            return self.due_step(mail, held_back(why)).await;
        }
        if let Some(why) = self.unseen_answer(mail, now) {
            let at = now.plus_millis(LOOK_AT_MAILBOX_MS);
            return self.wait(stored, at, &why).await;
        }
        let facts = self.facts(mail, &mut breaker, now).await?;
        match recheck(&as_judged(mail), &facts) {
            Recheck::Go => {}
            Recheck::Wait(at, why) => return self.wait(stored, at, &why).await,
            Recheck::Hold(why) if why.starts_with(BREAKER) => {
                self.show_breaker(Some(&why));
                return self.due_step(mail, held_back(why)).await;
            }
            Recheck::Hold(why) => return self.due_step(mail, held_back(why)).await,
            Recheck::Cancel(why) => return self.due_step(mail, cancelled(why)).await,
        }
        let content = self.dated(mail, &mut ready, now).await?;
        let lease = Turn::new(Input::Lease, "").with_content(content);
        let leased = self.advance_if(&mail.id, unmoved(mail), lease).await?;
        let Some(leased) = leased else {
            return Ok(true);
        };
        let _counted = breaker.counted(&leased, &self.parts.office);
        drop(breaker);
        match ready.way {
            Way::Draft(folders) => self.place_draft(&leased, &*folders, &ready.bytes).await?,
            Way::Send(transport) => self.send(&leased, &*transport, ready.bytes).await?,
        }
        Ok(true)
    }

    /// Gives a mail that waited the Date of its first try; the name of its new bytes. They belong to
    /// the commit of the lease, so that every later try hands over the same. After a crash before
    /// it nothing names them, and they go with the next sweep, as the old ones do after it.
    async fn dated(
        &self,
        mail: &MailEffect,
        ready: &mut Ready,
        now: Timestamp,
    ) -> Result<Option<String>, BooksError> {
        if mail.attempts > 0 {
            return Ok(None);
        }
        let Some(bytes) = with_date(&ready.bytes, now) else {
            return Ok(None);
        };
        ready.bytes = bytes.clone();
        Ok(Some(self.parts.books.keep(bytes).await?))
    }

    /// Nobody decided about it in time.
    async fn expire(&self, mail: &MailEffect) -> Result<bool, StepError> {
        if self.parts.books.panic().await?.is_some() {
            return Ok(false);
        }
        let days = APPROVAL_MS / DAY_MS;
        let why = format!("nobody approved or rejected it within {days} days");
        self.due_step(mail, Turn::new(Input::Expire, why)).await
    }

    /// What is needed to carry it out, or why a person must see to it first.
    async fn ready(&self, mail: &MailEffect) -> Result<Result<Ready, String>, BooksError> {
        let way = match self.way(mail) {
            Ok(way) => way,
            Err(why) => return Ok(Err(why)),
        };
        let bytes = self.parts.books.bytes(&mail.content).await?;
        let gone = || format!("the rendered message {} is gone", mail.content);
        Ok(bytes.map(|bytes| Ready { way, bytes }).ok_or_else(gone))
    }

    fn way(&self, mail: &MailEffect) -> Result<Way, String> {
        // Mail of others must never leave in their name, whatever a record says.
        let own = Address::parse(&mail.from).is_ok_and(|from| self.parts.office.owns(&from));
        if !own {
            return Err(format!("{} is no address of ours to send from", mail.from));
        }
        if mail.is_draft() {
            let mailbox = self.mailbox_of(mail);
            let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
            let none = || format!("no mailbox with Drafts is configured for {}", mail.from);
            return folders.cloned().map(Way::Draft).ok_or_else(none);
        }
        let nothing = matches!(
            mail.mode,
            MailMode::Off | MailMode::Rehearse | MailMode::Notify
        );
        if nothing && mail.audience == Audience::Counterpart {
            let mode = mail.mode.as_str();
            return Err(format!("its mode is `{mode}`: nothing is carried out"));
        }
        let transport = self.parts.transports.get(&mail.transport);
        let none = || format!("no [[transport]] is called `{}`", mail.transport);
        transport.cloned().map(Way::Send).ok_or_else(none)
    }

    /// Why a mail that was to leave by itself may not do so any more: the operator granted it when it
    /// was decided, and took that back since.
    fn mail_not_granted(&self, mail: &MailEffect) -> Option<String> {
        let plugin = &mail.cause.plugin;
        let by_itself = as_judged(mail).mode == MailMode::Send
            && mail.audience == Audience::Counterpart
            && !plugin.as_str().is_empty();
        if !by_itself {
            return None;
        }
        match self.parts.mail_modes.get(plugin) {
            Some(MailMode::Send) => None,
            Some(mode) => Some(format!(
                "it was decided while `mode.mail` of [[plugin]] `{plugin}` was `send`, which is \
                 `{}` now: approve or reject",
                mode.as_str()
            )),
            None => Some(format!(
                "the plugin `{plugin}` that decided it is not configured any more: approve or reject"
            )),
        }
    }

    /// Why a time that the mail offers is not held (any more).
    pub(super) async fn lost_hold(&self, mail: &MailEffect) -> Result<Option<String>, BooksError> {
        for id in &mail.requires {
            let Some(hold) = self.parts.books.hold(id).await? else {
                return Ok(Some(format!("the hold {id} that it offers is not known")));
            };
            if !hold.state.is_held() {
                return Ok(Some(super::hold::not_held(&hold)));
            }
        }
        Ok(None)
    }

    /// Why nobody can say whether the mail was answered. What leaves by itself must not cross an
    /// answer that lies there unread.
    fn unseen_answer(&self, mail: &MailEffect, now: Timestamp) -> Option<String> {
        let freshness = &self.parts.freshness;
        unseen_answer(&self.parts.office, mail, |mailbox| {
            freshness.may_hide_an_answer(mailbox, now)
        })
    }

    /// A step of a mail that is due and not leased.
    async fn due_step(&self, mail: &MailEffect, turn: Turn) -> Result<bool, StepError> {
        self.advance_if(&mail.id, unmoved(mail), turn).await?;
        Ok(true)
    }

    /// Moves the time of a mail; the audit hears of it when the reason is a new one.
    async fn wait(
        &self,
        stored: &Stored<MailEffect>,
        at: Timestamp,
        why: &str,
    ) -> Result<bool, StepError> {
        let mail = &stored.record;
        let now = self.parts.clock.now();
        let mut after = mail.clone();
        after.not_before = at.max(now.plus_millis(1));
        after.last_reply = Some(why.to_owned());
        let mut writes = self.parts.books.batch();
        stage_mail_record(&mut writes, stored, &after)?;
        if mail.last_reply != after.last_reply {
            let row = AuditRow {
                at: now,
                who: WHO.to_owned(),
                what: format!("waits until {}", after.not_before),
                why: why.to_owned(),
            };
            stage_audit(&mut writes, mail.id.as_str(), now, row)?;
        }
        match self.parts.books.commit(writes).await {
            Err(error) if error.is_conflict() => Ok(true),
            result => Ok(result.map(|()| true)?),
        }
    }

    async fn send(
        &self,
        mail: &MailEffect,
        transport: &dyn MailTransport,
        bytes: Bytes,
    ) -> Result<(), StepError> {
        let outgoing = OutgoingMail {
            message_id: mail.message_id.clone(),
            from: mail.from.clone(),
            recipient: mail.recipient.clone(),
            bytes,
        };
        let mut phase = Entering {
            delivery: self,
            id: &mail.id,
            entered: None,
        };
        let outcome = transport.send(&outgoing, &mut phase).await;
        // Until what it came to is on record.
        let verdict = phase.entered;
        let entered = verdict.is_some();
        self.show_trouble(mail, &outcome);
        let turn = self.turn_of(mail, outcome, entered).await?;
        if let Some(after) = self.advance(&mail.id, is_leased, turn).await?
            && matches!(after.state, MailState::Sent | MailState::Uncertain)
        {
            self.count_sent(&after).await;
        }
        Ok(())
    }

    async fn turn_of(
        &self,
        mail: &MailEffect,
        outcome: SendOutcome,
        entered: bool,
    ) -> Result<Turn, BooksError> {
        let now = self.parts.clock.now();
        Ok(match outcome {
            SendOutcome::Accepted { reply } => Turn::new(Input::Accepted, reply).after_body(),
            SendOutcome::Refused {
                code,
                enhanced,
                text,
                refusal,
            } => {
                // Most servers put the enhanced code into the text.
                let enhanced = enhanced.filter(|enhanced| !text.starts_with(enhanced.as_str()));
                let enhanced = enhanced.map_or_else(String::new, |code| format!("{code} "));
                let words = format!("{code} {enhanced}{text}");
                let input = Input::Refused { transient: true };
                match refusal {
                    Refusal::ForNow => self.retry(mail, input, words, false).await?,
                    Refusal::OfLogin => self.retry(mail, input, words, true).await?,
                    Refusal::ForGood => {
                        let words = format!("refused for {}: {words}", mail.recipient);
                        Turn::new(Input::Refused { transient: false }, words)
                    }
                }
            }
            SendOutcome::NotSent { why, needs_person } => {
                // Lost inside the body: what the mail says may be what the server dislikes.
                let words = if entered {
                    format!("{NO_ANSWER}{why}")
                } else {
                    why
                };
                let input = Input::NotSent;
                if entered && self.broken_tries(&mail.id).await? >= CRASHED_ATTEMPTS_MAX {
                    Turn::new(Input::GiveUp, format!("given up: {words}"))
                } else {
                    self.retry(mail, input, words, needs_person).await?
                }
            }
            SendOutcome::Unknown { why } => Turn::new(Input::NoVerdict, why)
                .at(now.plus_millis(MINUTE_MS))
                .after_body(),
        })
    }

    /// Another try later, or the end of trying.
    pub(super) async fn retry(
        &self,
        mail: &MailEffect,
        input: Input,
        why: String,
        slowly: bool,
    ) -> Result<Turn, BooksError> {
        let now = self.parts.clock.now();
        let began = self.first_try(&mail.id).await?.unwrap_or(now);
        let seed = u64::from_str_radix(mail.id.as_str().get(..8).unwrap_or("0"), 16).unwrap_or(0);
        Ok(match next_attempt(mail.attempts, began, now, seed) {
            Some(at) if slowly => Turn::new(input, why).at(at.max(now.plus_millis(HOUR_MS))),
            Some(at) => Turn::new(input, why).at(at),
            // Nothing was handed over: a long outage is no verdict on the mail, a person decides.
            None if input == Input::NotSent => Turn::new(
                Input::NeedsPerson,
                format!(
                    "not sent, tried since {began}: {why}; `liaison outbox approve` tries again"
                ),
            ),
            None => Turn::new(
                Input::GiveUp,
                format!("given up, tried since {began}: {why}"),
            ),
        })
    }

    /// Steps of the present round of tries: a person's yes, or another time that they gave it,
    /// begins a new one.
    async fn round(&self, id: &EffectId) -> Result<Vec<AuditRow>, BooksError> {
        let rows = self.parts.books.audit_of(id.as_str()).await?;
        let begun = |row: &AuditRow| {
            row.what.ends_with("-> held")
                || row.what.ends_with("approved")
                || row.what.starts_with(RESCHEDULED)
        };
        let skip = rows.iter().rposition(begun).map_or(0, |last| last + 1);
        Ok(rows.into_iter().skip(skip).collect())
    }

    async fn first_try(&self, id: &EffectId) -> Result<Option<Timestamp>, BooksError> {
        let round = self.round(id).await?;
        let lease = MailState::Leased(Phase::BeforeDot).to_string();
        let first = round.iter().find(|row| row.what.ends_with(&lease));
        Ok(first.map(|row| row.at))
    }

    /// Tries that ended without any answer about the mail, the present one included.
    async fn broken_tries(&self, id: &EffectId) -> Result<u32, BooksError> {
        let round = self.round(id).await?;
        let broken = round.iter().filter(|row| row.why.starts_with(NO_ANSWER));
        Ok(u32::try_from(broken.count())
            .unwrap_or(u32::MAX)
            .saturating_add(1))
    }

    /// Looks for a mail in doubt among what was sent.
    async fn look_for(&self, stored: &Stored<MailEffect>) -> Result<bool, StepError> {
        let mail = &stored.record;
        if self.parts.books.returned(mail.id.as_str()).await?.is_some() {
            let turn = Turn::new(Input::FoundInSent, REPORTED);
            return self.uncertain_step(mail, turn).await;
        }
        let mailbox = self.mailbox_of(mail);
        let folders = mailbox.as_ref().and_then(|id| self.parts.folders.get(id));
        let Some(folders) = folders else {
            let turn = not_found(mail, "no Sent folder is configured to look into");
            return self.uncertain_step(mail, turn).await;
        };
        let own = OwnMail::of(mail);
        let found = folders.find(OwnFolder::Sent, &own).await;
        if let (Ok(_), Some(mailbox)) = (&found, &mailbox) {
            self.works_in(mailbox, Work::Search);
        }
        match found {
            Ok(Some(sighting)) => {
                self.uncertain_step(mail, Turn::sighted(sighting, &own))
                    .await
            }
            Ok(None) => {
                let (looks, next) = next_look(mail);
                match next {
                    Some(minutes) => self.look_again(stored, looks, Some(minutes)).await,
                    None if self.is_sent_again(mail) => {
                        let turn = Turn::new(Input::Resend, RESENT);
                        let now = self.parts.clock.now();
                        self.uncertain_step(mail, turn.at(now)).await
                    }
                    None => {
                        let turn = not_found(mail, "it is not in the Sent mailbox");
                        self.uncertain_step(mail, turn).await
                    }
                }
            }
            Err(error) => {
                tracing::warn!(effect = %mail.id, %error, "cannot look for a mail in doubt");
                if let Some(mailbox) = &mailbox {
                    self.trouble_in(mailbox, Work::Search, &error);
                }
                if !error.needs_person && !error.no_folder {
                    return self.look_again(stored, mail.looks, None).await;
                }
                // Waiting does not mend it: these looks count, and then a person decides.
                let (looks, next) = next_look(mail);
                match next {
                    Some(minutes) => self.look_again(stored, looks, Some(minutes)).await,
                    None => {
                        let turn = not_found(mail, &format!("nobody could look for it: {error}"));
                        self.uncertain_step(mail, turn).await
                    }
                }
            }
        }
    }

    /// Whether the mailbox says that what was looked for and not found is sent again. What was to be
    /// laid into Drafts was never handed to a server.
    fn is_sent_again(&self, mail: &MailEffect) -> bool {
        let mailbox = self.mailbox_of(mail);
        let route = mailbox.and_then(|id| self.parts.office.mailboxes.get(&id));
        mail.resends_left > 0
            && mail.attempts > 0
            && !mail.is_draft()
            && route.is_some_and(|route| route.if_uncertain == IfUncertain::Resend)
    }

    async fn uncertain_step(&self, mail: &MailEffect, turn: Turn) -> Result<bool, StepError> {
        let uncertain = |state: &MailState| *state == MailState::Uncertain;
        self.advance(&mail.id, uncertain, turn).await?;
        Ok(true)
    }

    /// The next look: so many minutes after the doubt began, never sooner than in one minute.
    async fn look_again(
        &self,
        stored: &Stored<MailEffect>,
        looks: u32,
        minutes: Option<i64>,
    ) -> Result<bool, StepError> {
        let mail = &stored.record;
        let soon = self.parts.clock.now().plus_millis(MINUTE_MS);
        let planned = minutes.map(|count| mail.since.plus_millis(count.saturating_mul(MINUTE_MS)));
        let mut after = mail.clone();
        after.looks = looks;
        after.not_before = planned.map_or(soon, |planned| planned.max(soon));
        let mut writes = self.parts.books.batch();
        stage_mail_record(&mut writes, stored, &after)?;
        match self.parts.books.commit(writes).await {
            // Found by the watcher meanwhile, or resolved by a person.
            Err(error) if error.is_conflict() => Ok(true),
            result => Ok(result.map(|()| true)?),
        }
    }

    fn show_trouble(&self, mail: &MailEffect, outcome: &SendOutcome) {
        let name = mail.transport.as_str();
        match outcome {
            SendOutcome::NotSent { why, needs_person } => self.trouble(name, why, *needs_person),
            SendOutcome::Unknown { why } => self.trouble(name, why, false),
            SendOutcome::Refused {
                code,
                text,
                refusal: Refusal::OfLogin,
                ..
            } => self.trouble(name, &format!("it takes no mail now: {code} {text}"), false),
            SendOutcome::Accepted { .. } | SendOutcome::Refused { .. } => {
                if self.parts.freshness.transport_works(name) {
                    tracing::info!(transport = %name, "transport works again");
                }
            }
        }
    }

    /// Shows trouble of a transport; logs it when it is news.
    fn trouble(&self, transport: &str, what: &str, needs_person: bool) {
        let freshness = &self.parts.freshness;
        if freshness.transport_trouble(transport, what.to_owned(), needs_person) {
            tracing::warn!(%transport, %what, needs_person, "delivery in trouble");
        }
    }
}

/// Whether a mail is still due as it was when it was looked at: a person may have given it another
/// time since.
fn unmoved(seen: &MailEffect) -> impl Fn(&MailEffect) -> bool {
    let (state, due) = (seen.state.clone(), due_of(seen));
    move |now| now.state == state && due_of(now) == due
}

pub(super) fn is_leased(state: &MailState) -> bool {
    matches!(state, MailState::Leased(_))
}

/// Why nobody can say whether the mail was answered, where it would stop for an answer: its mailbox
/// is not up to date, and so `may_hide_an_answer`.
pub(crate) fn unseen_answer(
    office: &Office,
    mail: &MailEffect,
    may_hide_an_answer: impl FnOnce(&MailboxId) -> bool,
) -> Option<String> {
    let by_itself = mail.mode == MailMode::Send && mail.state != MailState::Approved;
    if !by_itself || !mail.cancel_on_reply || mail.audience != Audience::Counterpart {
        return None;
    }
    let mailbox = office.mailbox_of(mail)?;
    may_hide_an_answer(&mailbox).then(|| {
        format!(
            "the mailbox {mailbox} is not proven up to date, so an answer may lie there; see \
             `liaison status`"
        )
    })
}

/// Why a person looks at what should have left long ago.
fn late(mail: &MailEffect, now: Timestamp) -> Option<String> {
    // A person's yes, and each try, begin anew.
    let planned = mail.not_before.max(mail.since);
    let late = mail.audience == Audience::Counterpart
        && mail.mode != MailMode::Draft
        && now.since(planned) > LATE_MS_MAX;
    let days = now.since(planned) / DAY_MS;
    late.then(|| {
        format!(
            "it was to leave on {planned}, {days} days ago: its words may be stale; approve or \
             reject"
        )
    })
}

/// The number of the next look for a mail in doubt, and how many minutes after the doubt began it is;
/// `None` when this one was the last.
fn next_look(mail: &MailEffect) -> (u32, Option<i64>) {
    let looks = mail.looks.saturating_add(1);
    let minutes = usize::try_from(looks).ok();
    (
        looks,
        minutes.and_then(|looks| LOOK_MINUTES.get(looks).copied()),
    )
}

pub(super) fn cancelled(why: String) -> Turn {
    let input = Input::Cancel {
        by: WHO.to_owned(),
        why: why.clone(),
    };
    Turn::new(input, why)
}

fn not_found(mail: &MailEffect, what: &str) -> Turn {
    let id = &mail.id;
    let why = format!(
        "it may or may not have been sent: {what}; see `liaison outbox show {id}`, then \
         `liaison outbox resolve {id} sent` if it arrived, or `outbox approve {id}` to send it \
         (again)"
    );
    Turn::new(Input::NotFound, why)
}

/// Makes "the body may be out from here on" durable.
#[derive(Debug)]
struct Entering<'a> {
    delivery: &'a Delivery,
    id: &'a EffectId,
    /// The stop waits for the verdict.
    entered: Option<Awaited>,
}

impl PhaseLog for Entering<'_> {
    fn entering_body(&mut self) -> BoxFuture<'_, Result<(), String>> {
        async move {
            // The last moment at which it can be stopped.
            match self.delivery.parts.books.panic().await {
                Ok(None) => {}
                Ok(Some(_)) => return Err("panic is on".to_owned()),
                Err(error) => return Err(chain(&error)),
            }
            let before = |state: &MailState| *state == MailState::Leased(Phase::BeforeDot);
            let turn = Turn::new(Input::EnterBody, "");
            match self.delivery.advance(self.id, before, turn).await {
                Ok(Some(_)) => {
                    self.entered = Some(self.delivery.verdicts.one());
                    Ok(())
                }
                Ok(None) => Err("the lease is gone".to_owned()),
                Err(error) => Err(format!("the phase cannot be recorded: {}", chain(&error))),
            }
        }
        .boxed()
    }
}
