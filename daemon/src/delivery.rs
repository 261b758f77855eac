//! Carrying out: mails leave, holds are placed and removed, copies are filed, messages are changed
//! where they lie.
//!
//! Work is found in the index of due effects and split into *lanes*: one for each transport, each
//! owner's own folders, each mailbox and each calendar. A lane handles its effects in order, one
//! after the other or, where a transport has several connections, that many at a time; lanes run
//! beside each other, so a server that hangs holds up nobody else. A mail that is leased while
//! nobody has it in hand was left behind by a crash.
//!
//! Before anything outside happens a row of our own is committed; what happened is committed
//! after it. The crash windows between the two are W8 to W13 of the storage contract.

mod approval;
mod copy;
mod draft;
mod facts;
mod filing;
mod hold;
mod lanes;
mod mail;
mod mailbox;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use liaison_core::effect::{MailEffect, MailMode};
use liaison_core::ids::{EffectId, MailboxId, PluginName, TransportId};
use liaison_core::mailbox::MailboxGrants;
use liaison_core::outbox::{Input, MailState, Phase};
use liaison_core::time::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::books::keys::{self, DueKind};
use crate::books::{Books, BooksError, chain};
use crate::calendars::Calendars;
use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::office::Office;
use crate::outbox::ledger::stage_counted_late;
use crate::outbox::{Step, StepError, stage_mail};
use crate::sink::mailbox::MailboxWriter;
use crate::sink::{MailTransport, OwnFolders, OwnMail, Sighting};
use crate::store::{Key, Ns, Range, Stored};
use crate::supervisor::{Awaited, Stop, Waited};
use facts::Breaker;
pub(crate) use facts::SecondLook;
use lanes::{AtWork, LaneName, Worker};
pub(crate) use mail::unseen_answer;

/// Name under which steps of the worker stand in the audit.
const WHO: &str = "liaison";
/// Most due entries looked at in one pass.
const DUE_ROWS_MAX: usize = 2_000;
/// Most effects that a worker of a lane takes before due work is looked for again, so that what
/// became due meanwhile has its turn by time.
const LANE_EFFECTS_MAX: usize = 20;
/// The same for changes of messages, which share one session.
const LANE_CHANGES_MAX: usize = 200;
/// Due entries that are looked at for those, where many are of lanes at work.
const DUE_LOOKS_MAX: usize = 20_000;
/// Longest wait for the next look: a missed wake costs no more than this.
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(30);
/// Of the time, looks that only a wake asked for take at most one part in so many: with thousands of
/// mails due, each wake would otherwise read all of their entries again.
const LOOKING_PART: u32 = 20;
/// How often transports close what they kept open for a next mail that did not come.
const CLOSE_UNUSED_EVERY: Duration = Duration::from_secs(20);
/// Most passes of [`Delivery::settle_due`].
const SETTLE_PASSES_MAX: usize = 64;
/// Most tries of one commit that meets others; every event of the log meets the same counter.
const CONFLICTS_MAX: u32 = 100;

/// What the workers are given.
#[derive(Debug)]
pub struct Parts {
    /// The records.
    pub books: Books,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Ourselves.
    pub office: Arc<Office>,
    /// Ways to send.
    pub transports: BTreeMap<TransportId, Arc<dyn MailTransport>>,
    /// Drafts and Sent of the watched mailboxes.
    pub folders: BTreeMap<MailboxId, Arc<dyn OwnFolders>>,
    /// The watched mailboxes, for changes of what lies in them.
    pub mailboxes: BTreeMap<MailboxId, Arc<dyn MailboxWriter>>,
    /// What each plugin may change in them, as configured now.
    pub changes: BTreeMap<PluginName, MailboxGrants>,
    /// What may become of the mails of each plugin, as configured now.
    pub mail_modes: BTreeMap<PluginName, MailMode>,
    /// Our calendars.
    pub calendars: Calendars,
    /// Told by others when effects may be due.
    pub wake: Arc<Notify>,
    /// Told by the mirrors when a calendar changed.
    pub calendar_changed: Arc<Notify>,
    /// Told after commits that appended events.
    pub events: Arc<Notify>,
    /// Told when something new lies in the Sent folder of the mailbox.
    pub look_at_sent: BTreeMap<MailboxId, Arc<Notify>>,
    /// Where trouble of transports and folders is shown.
    pub freshness: Arc<Freshness>,
}

/// The workers that carry effects out. One per process: it knows which mails are in its hands.
#[derive(Debug)]
pub struct Delivery {
    parts: Parts,
    at_work: AtWork,
    /// Verdicts on mails that servers have.
    verdicts: Awaited,
    // Held from the second look to the lease, so that two mails never both see room under a cap.
    gate: tokio::sync::Mutex<Breaker>,
    mail_wake: Notify,
    hold_wake: Notify,
    /// Holds whose new expiry their calendar did not keep; not written to again before a restart.
    unmarked: Mutex<BTreeSet<EffectId>>,
}

/// What a loop looks after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Mails,
    Holds,
}

/// Lanes of the entries of the last look, so that a long queue is not read again by each look. A
/// mail whose state changed since is handled in the lane of before, which does no harm: what is in
/// hand is told by its id.
type KnownLanes = BTreeMap<Due, LaneName>;

/// An entry of the index of due effects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Timestamp,
    kind: DueKind,
    id: EffectId,
}

impl Due {
    fn of(key: &[u8]) -> Option<Due> {
        let (at, kind, id) = keys::due_effect(key)?;
        Some(Due { at, kind, id })
    }

    fn key(&self) -> Key {
        keys::effect_due(self.at, self.kind, &self.id)
    }

    fn work(&self) -> Work {
        match self.kind {
            DueKind::Mail | DueKind::SentCopy | DueKind::StaleDraft | DueKind::Approval => {
                Work::Mails
            }
            // What may be made again is not awaited at the stop.
            DueKind::Hold | DueKind::Mailbox => Work::Holds,
        }
    }
}

/// A step of a mail by the worker.
#[derive(Debug, Clone)]
struct Turn {
    input: Input,
    why: String,
    not_before: Option<Timestamp>,
    /// The verdict of a transport that has no doubtful moment (a file) or did not say when it
    /// began: counts as given after the body.
    after_body: bool,
    /// The mail's bytes from this step on.
    content: Option<String>,
    /// The Message-ID under which it was found.
    found_as: Option<String>,
}

impl Turn {
    fn new(input: Input, why: impl Into<String>) -> Turn {
        Turn {
            input,
            why: why.into(),
            not_before: None,
            after_body: false,
            content: None,
            found_as: None,
        }
    }

    /// It lies in Sent, or among all messages.
    fn sighted(sighting: Sighting, mail: &OwnMail) -> Turn {
        Turn {
            found_as: Some(sighting.message_id.clone()),
            ..Turn::new(Input::FoundInSent, sighting.words(mail))
        }
    }

    fn at(mut self, at: Timestamp) -> Turn {
        self.not_before = Some(at);
        self
    }

    fn with_content(mut self, content: Option<String>) -> Turn {
        self.content = content;
        self
    }

    fn after_body(mut self) -> Turn {
        self.after_body = true;
        self
    }
}

impl Delivery {
    /// Workers that have done nothing yet.
    #[must_use]
    pub fn new(parts: Parts) -> Delivery {
        Delivery {
            parts,
            at_work: AtWork::default(),
            verdicts: Awaited::default(),
            gate: tokio::sync::Mutex::default(),
            mail_wake: Notify::new(),
            hold_wake: Notify::new(),
            unmarked: Mutex::default(),
        }
    }

    /// What the stop waits for: verdicts on mails that servers have.
    #[must_use]
    pub fn verdicts(&self) -> &Awaited {
        &self.verdicts
    }

    /// Settles what a crash left behind; once at start, before anything else. A mail leased before
    /// its body becomes due again, one leased after it becomes `uncertain`. Returns how many.
    ///
    /// # Errors
    /// When the records cannot be read or written.
    pub async fn recover(&self) -> Result<usize, StepError> {
        let mut count = 0_usize;
        let all = self.due_in(Range::all(Ns::EffectDue)).await?;
        self.watch_held(&all).await?;
        for due in all {
            if due.kind != DueKind::Mail {
                continue;
            }
            let mail = match self.parts.books.mail(&due.id).await {
                // A later release wrote it: only that one may know what became of it.
                Err(error) if error.is_newer() => continue,
                mail => mail?,
            };
            let Some(mail) = mail else {
                continue;
            };
            if let MailState::Leased(phase) = mail.state {
                self.recover_mail(&mail, phase).await?;
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    /// Carries out mails and files copies until the stop; what is in a server's hands at the stop
    /// is awaited.
    pub async fn run_mail(&self, stop: Stop) {
        self.run(Work::Mails, &stop).await;
    }

    /// Places, removes and compares holds, and changes messages in mailboxes, until the stop.
    pub async fn run_holds(&self, stop: Stop) {
        self.run(Work::Holds, &stop).await;
    }

    /// Handles everything that is due now, and what becomes due by it; returns how many steps that
    /// took. What must wait for a later time is left.
    pub async fn settle_due(&self) -> usize {
        let never = Stop::new();
        let mut total = 0_usize;
        self.breaker_or_warn().await;
        for _ in 0..SETTLE_PASSES_MAX {
            let mut handled = 0_usize;
            for work in [Work::Holds, Work::Mails] {
                let workers = self.workers_due(work, &mut KnownLanes::new()).await;
                let driven = workers.into_iter().map(|worker| self.drive(worker, &never));
                let driven = join_all(driven);
                handled = driven
                    .await
                    .into_iter()
                    .fold(handled, usize::saturating_add);
            }
            if handled == 0 {
                break;
            }
            total = total.saturating_add(handled);
        }
        total
    }

    async fn run(&self, work: Work, stop: &Stop) {
        let mut active: FuturesUnordered<BoxFuture<'_, usize>> = FuturesUnordered::new();
        let mut look = true;
        let mut rested = Duration::ZERO;
        let mut compare = work == Work::Holds;
        let mut known = KnownLanes::new();
        let comparing = LaneName::single("compare holds".to_owned());
        if work == Work::Mails {
            active.push(self.close_unused(stop).boxed());
        }
        while !stop.is_set() {
            if compare && let Some(place) = self.at_work.occupy(&comparing) {
                compare = false;
                let compared = async move {
                    let changed = self.compare_holds().await;
                    drop(place);
                    changed
                };
                active.push(compared.boxed());
            }
            if look && work == Work::Mails {
                self.breaker_or_warn().await;
            }
            if look {
                let began = self.parts.clock.monotonic();
                for worker in self.workers_due(work, &mut known).await {
                    active.push(self.drive(worker, stop).boxed());
                }
                let ended = self.parts.clock.monotonic();
                let took = ended.saturating_sub(began);
                rested = ended.saturating_add(took.saturating_mul(LOOKING_PART));
            }
            look = true;
            let own = match work {
                Work::Mails => &self.mail_wake,
                Work::Holds => &self.hold_wake,
            };
            let wait = self.until_next().await;
            tokio::select! {
                () = stop.stopped() => {}
                // A lane that could do nothing would be looked at again without end.
                Some(handled) = active.next(), if !active.is_empty() => look = handled > 0,
                () = self.woken(own, work, (rested, stop)) => {}
                () = self.parts.calendar_changed.notified(), if work == Work::Holds => {
                    compare = true;
                }
                _ = stop.sleep(wait) => {}
            }
        }
        while active.next().await.is_some() {}
        if work == Work::Mails {
            join_all(self.parts.transports.values().map(|one| one.close())).await;
        }
    }

    /// Waits for a wake, passes it on to the worker of the other kind, and rests after the last
    /// look. What was waited for is not lost when this is dropped: the wake is given back.
    async fn woken(&self, own: &Notify, work: Work, (rested, stop): (Duration, &Stop)) {
        tokio::select! {
            () = self.parts.wake.notified() => match work {
                Work::Mails => self.hold_wake.notify_one(),
                Work::Holds => self.mail_wake.notify_one(),
            },
            () = own.notified() => {}
        }
        own.notify_one();
        let rest = rested.saturating_sub(self.parts.clock.monotonic());
        if !rest.is_zero() {
            stop.sleep(rest).await;
        }
        own.notified().await;
    }

    async fn breaker_or_warn(&self) {
        if let Err(error) = self.look_at_breaker().await {
            tracing::warn!(error = %chain(&error), "the mails of the last hour cannot be read");
        }
    }

    async fn close_unused(&self, stop: &Stop) -> usize {
        while stop.sleep(CLOSE_UNUSED_EVERY).await == Waited::Elapsed {
            join_all(self.parts.transports.values().map(|one| one.close_unused())).await;
        }
        0
    }

    /// Time to the next entry that is not due yet, at most [`LOOK_AGAIN_MAX`].
    async fn until_next(&self) -> Duration {
        let now = self.parts.clock.now();
        let due = keys::effects_due(now);
        let later = Range {
            ns: due.ns,
            start: due.end.unwrap_or_default(),
            end: None,
        };
        let next = match self.parts.books.keys_under(later, 1).await {
            Ok(rows) => rows.first().and_then(|key| keys::due_effect(key)),
            Err(_) => None,
        };
        next.map_or(LOOK_AGAIN_MAX, |(at, _, _)| {
            let millis = u64::try_from(at.since(now)).unwrap_or(0);
            Duration::from_millis(millis).min(LOOK_AGAIN_MAX)
        })
    }

    async fn due_in(&self, range: Range) -> Result<Vec<Due>, BooksError> {
        let rows = self.parts.books.every_key(range).await?;
        Ok(rows.iter().filter_map(|key| Due::of(key)).collect())
    }

    /// Workers for lanes that have due work and room for them. A part of the due index that cannot
    /// be read is logged and looked at again later.
    async fn workers_due(&self, work: Work, known: &mut KnownLanes) -> Vec<Worker> {
        let now = self.parts.clock.now();
        let due = match self.due_in(keys::effects_due(now)).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = %chain(&error), "due effects cannot be read");
                return Vec::new();
            }
        };
        let mut by_lane: BTreeMap<LaneName, Vec<Due>> = BTreeMap::new();
        let mut before = std::mem::take(known);
        let mut taken = 0_usize;
        let ours = due.into_iter().filter(|entry| entry.work() == work);
        for entry in ours.take(DUE_LOOKS_MAX) {
            if taken >= DUE_ROWS_MAX {
                break;
            }
            let lane = match before.remove(&entry) {
                Some(lane) => Ok(lane),
                None => self.lane_of(&entry).await,
            };
            match lane {
                Ok(lane) => {
                    known.insert(entry.clone(), lane.clone());
                    if self.at_work.has(&entry) {
                        continue;
                    }
                    let most = match entry.kind {
                        // One session for all changes in a mailbox, and one dial where there is
                        // none.
                        DueKind::Mailbox => LANE_CHANGES_MAX,
                        _ => LANE_EFFECTS_MAX,
                    };
                    // One lane with many, or one at work, must not hide the others.
                    let most = most.saturating_mul(self.at_work.free(&lane));
                    let entries = by_lane.entry(lane).or_default();
                    if entries.len() < most {
                        entries.push(entry);
                        taken = taken.saturating_add(1);
                    }
                }
                // What a later release wrote is left alone, and stands in nobody's way.
                Err(error) if error.is_newer() => {}
                Err(error) => warn_effect(&entry.id, &error),
            }
        }
        let workers = |(lane, entries)| self.at_work.workers(&lane, entries);
        by_lane.into_iter().flat_map(workers).collect()
    }

    async fn lane_of(&self, due: &Due) -> Result<LaneName, BooksError> {
        if due.kind == DueKind::Approval {
            return Ok(LaneName::single("approvals".to_owned()));
        }
        if due.kind == DueKind::Hold {
            let hold = self.parts.books.hold(&due.id).await?;
            let name = hold.map_or_else(String::new, |hold| format!("calendar {}", hold.calendar));
            return Ok(LaneName::single(name));
        }
        if due.kind == DueKind::Mailbox {
            let effect = self.parts.books.mailbox_effect(&due.id).await?;
            return Ok(LaneName::single(
                effect.map_or_else(String::new, |effect| {
                    format!("messages of {}", effect.mailbox)
                }),
            ));
        }
        let Some(mail) = self.parts.books.mail(&due.id).await? else {
            return Ok(LaneName::single(String::new()));
        };
        let own = due.kind != DueKind::Mail || mail.state == MailState::Uncertain;
        if own || mail.is_draft() {
            let mailbox = self.mailbox_of(&mail);
            let name = mailbox.as_ref().map_or("", MailboxId::as_str);
            return Ok(LaneName::single(format!("folders of {name}")));
        }
        let transport = self.parts.transports.get(&mail.transport);
        Ok(LaneName {
            name: format!("transport {}", mail.transport),
            workers: transport.map_or(1, |one| one.mails_at_once()),
        })
    }

    async fn drive(&self, worker: Worker, stop: &Stop) -> usize {
        let mut handled = 0_usize;
        while !stop.is_set()
            && let Some(in_hand) = worker.next()
        {
            let due = &in_hand.due;
            let done = match due.kind {
                DueKind::Mail => self.handle_mail(due).boxed().await.map(usize::from),
                DueKind::Hold => self.handle_hold(due).boxed().await.map(usize::from),
                DueKind::SentCopy => self.handle_copy(due).boxed().await.map(usize::from),
                DueKind::StaleDraft => self.handle_stale_draft(due).boxed().await.map(usize::from),
                DueKind::Approval => {
                    let told = self.handle_approval(due).boxed().await;
                    told.map(usize::from).map_err(StepError::from)
                }
                DueKind::Mailbox => {
                    let others = worker.rest();
                    let all = std::iter::once(&in_hand).chain(&others);
                    let changes: Vec<Due> = all.map(|hand| hand.due.clone()).collect();
                    let handled = self.handle_changes(&changes, stop).boxed().await;
                    handled.map_err(StepError::from)
                }
            };
            match done {
                Ok(count) => handled = handled.saturating_add(count),
                Err(error) => warn_effect(&due.id, &error),
            }
        }
        handled
    }

    /// Removes an entry whose record does not want it, unless the record changed meanwhile.
    async fn drop_due(&self, due: &Due, record: Option<(Key, u64)>) -> Result<bool, BooksError> {
        let mut writes = self.parts.books.batch();
        if let Some((key, version)) = record {
            writes.expect(key, crate::store::Expect::Version(version));
        }
        writes.del(due.key());
        match self.parts.books.commit(writes).await {
            Err(error) if error.is_conflict() => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// The mailbox because of which a mail leaves: that of its subject, else the one whose owner
    /// or From it carries.
    fn mailbox_of(&self, mail: &MailEffect) -> Option<MailboxId> {
        self.parts.office.mailbox_of(mail)
    }

    /// Takes a step of a mail that is `from` some state; `None` when it is not any more. Conflicts
    /// are read and staged again.
    async fn advance(
        &self,
        id: &EffectId,
        from: impl Fn(&MailState) -> bool,
        turn: Turn,
    ) -> Result<Option<MailEffect>, StepError> {
        self.advance_if(id, |mail| from(&mail.state), turn).await
    }

    /// The same of a mail as long as `is_so`.
    async fn advance_if(
        &self,
        id: &EffectId,
        is_so: impl Fn(&MailEffect) -> bool,
        turn: Turn,
    ) -> Result<Option<MailEffect>, StepError> {
        let books = &self.parts.books;
        let mut tries = 0;
        loop {
            let Some(mut stored) = books.get::<MailEffect>(keys::mail(id)).await? else {
                return Ok(None);
            };
            if !is_so(&stored.record) {
                return Ok(None);
            }
            before_step(&mut stored, &turn);
            let mut writes = books.batch();
            let step = Step {
                input: turn.input.clone(),
                who: WHO,
                why: turn.why.clone(),
                not_before: turn.not_before,
                found_as: turn.found_as.clone(),
            };
            let now = self.parts.clock.now();
            let after = stage_mail(books, &mut writes, &stored, step, now).await?;
            if turn.input == Input::Lease {
                let free_mail = &self.parts.office.free_mail;
                stage_counted_late(books, &mut writes, &after, (now, free_mail)).await?;
            }
            match books.commit(writes).await {
                Ok(()) => {
                    self.parts.events.notify_one();
                    if after.state.came_to_nothing() {
                        self.hold_wake.notify_one();
                    }
                    return Ok(Some(after));
                }
                Err(error) if error.is_conflict() && tries < CONFLICTS_MAX => {
                    tries = tries.saturating_add(1);
                    tokio::task::yield_now().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn before_step(stored: &mut Stored<MailEffect>, turn: &Turn) {
    let mail = &mut stored.record;
    if turn.after_body && mail.state == MailState::Leased(Phase::BeforeDot) {
        mail.state = MailState::Leased(Phase::AfterDot);
    }
    // What a person approved is not automatic any more, also when it has to be tried again.
    if turn.input == Input::Lease
        && mail.state == MailState::Approved
        && mail.mode == MailMode::Send
    {
        mail.mode = MailMode::Approve;
    }
    if turn.input == Input::NoVerdict {
        mail.looks = 0;
    }
    if let Some(content) = &turn.content {
        mail.content.clone_from(content);
    }
}

fn warn_effect(id: &EffectId, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(effect = %id, error = %chain(error), "effect left for the next look");
}
