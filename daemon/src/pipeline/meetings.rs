//! Meetings that messages speak of: what is known of one, what plugins are told, what a person has
//! to look at. Nothing here writes into a calendar or answers anybody.

mod calendar;

use liaison_core::calendar::itip::{Heard, hear, meeting_id, seen_in_calendar};
use liaison_core::calendar::{PartStat, answer_of};
use liaison_core::effect::Cause;
use liaison_core::happening::{MeetingTold, Subject};
use liaison_core::ids::{AccountId, MessageKey, TaskId, derive};
use liaison_core::mail::MessageClass;
use liaison_core::meeting::{Meeting, News, Seen, Speaker, What, observe, observe_calendar};
use liaison_core::message::{MessageRecord, cut_text};
use liaison_core::records::TaskRecord;
use liaison_core::time::Timestamp;
use liaison_core::zones;

use super::Pipeline;
use super::step::CONFLICTS_MAX;
use crate::books::rows::{AuditRow, EventBody, TimelineRow};
use crate::books::{BooksError, keys, replace};
use crate::ingest::{NewEvent, append_events};
use crate::outbox::stage_audit;
use crate::store::{Batch, Stored, VALUE_BYTES_MAX, codec};

/// Calendar objects of one message that are read; one is usual, two where it is also a file.
const OBJECTS_MAX: usize = 4;
/// Addresses of one sender that are compared.
const ADDRESSES_MAX: usize = 20;
/// Longest title of a task, in characters.
const TITLE_CHARS_MAX: usize = 120;
/// Longest line of an account's timeline, in characters.
const LINE_CHARS_MAX: usize = 300;
/// Ends of meetings that are told in one pass and commit.
const ENDS_PER_PASS: usize = 32;
/// Room left in a record's row, in bytes.
const ROOM_BYTES: usize = 256;
/// Who does it, in the audit.
const WHO: &str = "liaison";

impl Pipeline {
    /// Takes note of what a message says of a meeting: one sentence of what came of it; `None`
    /// where it speaks of none. Can be repeated.
    pub(super) async fn heed_meeting(
        &self,
        message: &MessageRecord,
        seq: u64,
    ) -> Result<Option<String>, BooksError> {
        if message.class != MessageClass::Calendar.as_str() {
            return Ok(None);
        }
        let Some(bytes) = self.books.bytes(&message.content).await? else {
            return Ok(None);
        };
        let Ok(view) = crate::reader::read(bytes).await else {
            return Ok(None);
        };
        let zone = self.office.firm.business.zone_name();
        let zone = zones::zone(zone).unwrap_or(jiff::tz::TimeZone::UTC);
        let objects = view.calendar_parts.get(..OBJECTS_MAX);
        let objects = objects.unwrap_or(&view.calendar_parts);
        let heard = match hear(objects, &zone) {
            Ok(Some(heard)) => heard,
            Ok(None) => return Ok(None),
            Err(why) => return Ok(Some(format!("not taken for an invitation: {why}"))),
        };
        let addresses = self.addresses_of(message).await?;
        let doubt = doubt(message);
        let speaker = Speaker {
            addresses: &addresses,
            doubt: doubt.as_deref(),
        };
        let mut conflicts = 0;
        loop {
            match self.take_meeting(message, seq, (&heard, &speaker)).await {
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => {
                    conflicts = conflicts.saturating_add(1);
                    tokio::task::yield_now().await;
                }
                result => return result.map(Some),
            }
        }
    }

    /// From, and what else the records know as an address of that person.
    async fn addresses_of(&self, message: &MessageRecord) -> Result<Vec<String>, BooksError> {
        let from = message.from.as_ref().map(|from| from.email.clone());
        let mut addresses: Vec<String> = from.into_iter().collect();
        let contact = message.contact.as_ref().filter(|_| !message.outbound);
        if let Some(contact) = contact
            && let Some(contact) = self.books.contact(contact).await?
            && contact.addresses.iter().any(|one| addresses.contains(one))
        {
            addresses.extend(contact.addresses.into_iter().take(ADDRESSES_MAX));
        }
        Ok(addresses)
    }

    async fn take_meeting(
        &self,
        message: &MessageRecord,
        seq: u64,
        (heard, speaker): (&Heard, &Speaker<'_>),
    ) -> Result<String, BooksError> {
        let key = keys::meeting(&meeting_id(&heard.uid));
        let stored: Option<Stored<Meeting>> = self.books.get(key.clone()).await?;
        let version = stored.as_ref().map(|row| row.version);
        let known = stored.map(|row| row.record);
        let in_calendar = match known {
            // An invitation is told as one, also when the calendar was faster.
            None if heard.method.is_answer_to_us() => self.in_calendar(&heard.uid),
            _ => None,
        };
        let seen = observe(known.as_ref().or(in_calendar.as_ref()), heard, speaker);
        let Seen {
            meeting,
            news,
            said,
        } = seen;
        let now = self.clock.now();
        let id = meeting_id(&heard.uid);
        let mut writes = self.books.batch();
        let changed = meeting.is_some() || (known.is_none() && !news.is_empty());
        let about = meeting.as_ref().or(known.as_ref()).or(in_calendar.as_ref());
        let about = about.map(|meeting| self.filled(meeting.clone(), message, now));
        if let Some(meeting) = about.filter(|_| changed) {
            let before = known.as_ref().and_then(Meeting::next_end);
            stage_meeting(&mut writes, (version, before), meeting)?;
        }
        let subject = self.subject_of(message);
        let (mut events, mut told) = (Vec::new(), Vec::new());
        for (nth, news) in news.iter().enumerate() {
            let key = event_key((heard, news), (&message.key, nth));
            if self.books.outcome(&key).await?.is_some() {
                continue;
            }
            told.push(news.told());
            events.push(event(key, &id, news, &subject));
            self.tell_person(&mut writes, (heard, news), (message, seq))
                .await?;
        }
        if !told.is_empty() {
            let line = format!("{}: {}", heard.title, told.join("; "));
            stage_line(&mut writes, message, &id, line)?;
        }
        let row = AuditRow {
            at: now,
            who: message
                .from
                .as_ref()
                .map_or(WHO, |from| &from.email)
                .to_owned(),
            what: cut_text(&said, LINE_CHARS_MAX),
            why: format!("message {}", message.key),
        };
        stage_audit(&mut writes, &id, now, row)?;
        append_events(&self.books, &mut writes, events, now).await?;
        self.books.commit(writes).await?;
        Ok(said)
    }

    /// What a calendar of ours says of the meeting.
    fn in_calendar(&self, uid: &str) -> Option<Meeting> {
        self.calendars.mirrors.values().find_map(|mirror| {
            let object = mirror.object_of_uid(uid)?;
            let zone = zones::zone(&mirror.zone).unwrap_or(jiff::tz::TimeZone::UTC);
            let heard = seen_in_calendar(&object, uid, &zone)?;
            let meeting = observe_calendar(None, &heard).meeting?;
            Some(Meeting {
                calendar: Some(mirror.id.clone()),
                owner: Some(mirror.owner.clone()),
                ..meeting
            })
        })
    }

    /// The meeting with what this message adds to it.
    fn filled(&self, mut meeting: Meeting, message: &MessageRecord, now: Timestamp) -> Meeting {
        let is_new = meeting.message.is_none();
        meeting.account = meeting.account.or_else(|| message.account.clone());
        meeting.contact = meeting.contact.or_else(|| message.contact.clone());
        meeting.thread = meeting.thread.or_else(|| Some(message.thread.clone()));
        meeting.message = Some(message.key.clone());
        if meeting.calendar.is_none() {
            let holds = |mirror: &&std::sync::Arc<crate::calendars::CalendarMirror>| {
                mirror.object_of_uid(&meeting.uid).is_some()
            };
            let mirror = self.calendars.mirrors.values().find(holds);
            meeting.calendar = mirror.map(|mirror| mirror.id.clone());
        }
        if meeting.owner.is_none() {
            let ours = meeting
                .addresses()
                .find(|email| self.office.people.contains_key(*email));
            let ours = ours.map(str::to_owned);
            let of_mailbox = || {
                let person = self.office.person_for(None, Some(&message.mailbox))?;
                Some(person.user.email.clone())
            };
            meeting.owner = ours.or_else(of_mailbox);
        }
        if is_new {
            meeting.created = now;
        }
        meeting.changed = now;
        meeting
    }

    fn subject_of(&self, message: &MessageRecord) -> Subject {
        let from = message.from.as_ref().map(|from| from.email.clone());
        Subject {
            message: Some(message.key.clone()),
            thread: Some(message.thread.clone()),
            account: message.account.clone(),
            contact: message.contact.clone(),
            counterpart: from.filter(|from| !self.office.firm.owns(from)),
            mailbox: Some(message.mailbox.0.clone()),
        }
    }

    /// What nobody may miss becomes a task: somebody comes who was not invited, the other side
    /// calls it off or will not come.
    async fn tell_person(
        &self,
        writes: &mut Batch,
        (heard, news): (&Heard, &News),
        (message, seq): (&MessageRecord, u64),
    ) -> Result<(), BooksError> {
        let who = news.who.as_ref().or(message.from.as_ref());
        let who = who.map_or("somebody", |who| who.email.as_str());
        let over = news.when.is_some_and(|when| when.end <= self.clock.now());
        let outside = !message.outbound && !self.office.firm.owns(who);
        let title = match (news.what, news.answer) {
            (What::Uninvited, _) => format!("{who} answered an invitation that they did not get"),
            (What::Cancelled, _) if outside && !over => "A meeting was called off".to_owned(),
            (What::Answered, Some(PartStat::Declined)) if outside && !over => {
                format!("{who} will not come")
            }
            (What::Countered, _) if outside && !over => format!("{who} proposes another time"),
            _ => return Ok(()),
        };
        let (uid, word) = (heard.uid.as_bytes(), news.what.as_str().as_bytes());
        // A proposal is one for each message; the others are said once.
        let once = match news.what {
            What::Countered => message.key.as_str(),
            _ => who,
        };
        let at = news.at.map_or_else(String::new, |at| at.to_string());
        let parts = [uid, word, once.as_bytes(), at.as_bytes()];
        let id = derive("liaison meeting task 1", &parts);
        let id = TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)));
        if self.books.task(&id).await?.is_some() {
            return Ok(());
        }
        let subject = self.subject_of(message);
        let account = match &message.account {
            Some(id) => {
                let id = self.books.standing_id(id).await?;
                self.books.account(&id).await?
            }
            None => None,
        };
        let owner = account
            .as_ref()
            .and_then(|account| account.owner.as_deref());
        let owner = self.office.person_for(owner, Some(&message.mailbox));
        let cause = Cause {
            plugin: "".into(),
            plugin_version: String::new(),
            plugin_digest: String::new(),
            label: "meeting".to_owned(),
            event_seq: seq,
            cause: message.key.0.clone(),
            subject,
            reason: news.told(),
            rule: None,
        };
        let what_now = match news.what {
            What::Uninvited => {
                "Invite them in your calendar if they shall come, or tell them that they cannot.\n"
            }
            What::Countered => {
                "Nothing was moved: move the meeting in your calendar, or tell them that it stays.\n"
            }
            _ => "Your calendar was not touched: look whether it says the same.\n",
        };
        let body = format!(
            "{}: {}\nSeen in: `liaison why {}`\n{what_now}",
            heard.title,
            news.told(),
            message.key
        );
        let task = TaskRecord {
            title: cut_text(&format!("{title}: {}", heard.title), TITLE_CHARS_MAX),
            body,
            owner: owner.map(|person| person.user.email.clone()),
            ..TaskRecord::new(id, cause, self.clock.now())
        };
        replace(writes, keys::task(&task.id), None, &task)
    }

    /// Tells plugins of some of the meetings whose end has passed. Returns how many were looked at.
    pub(super) async fn end_meetings(&self, now: Timestamp) -> Result<usize, BooksError> {
        let mut conflicts = 0;
        loop {
            match self.end_some(now).await {
                Err(error) if error.is_conflict() && conflicts < CONFLICTS_MAX => {
                    conflicts = conflicts.saturating_add(1);
                    tokio::task::yield_now().await;
                }
                result => return result,
            }
        }
    }

    async fn end_some(&self, now: Timestamp) -> Result<usize, BooksError> {
        let due = self
            .books
            .keys_under(keys::meetings_due(now), ENDS_PER_PASS)
            .await?;
        let mut writes = self.books.batch();
        let mut events = Vec::new();
        let mut looked: usize = 0;
        for (at, id) in due.iter().filter_map(|key| keys::due_meeting(key)) {
            let meeting = match self.books.get::<Meeting>(keys::meeting(&id)).await {
                // Only the release that wrote it knows when it ends.
                Err(error) if error.is_newer() => continue,
                meeting => meeting?,
            };
            looked = looked.saturating_add(1);
            writes.del(keys::meeting_due(at, &id));
            let Some(meeting) = meeting.filter(|row| row.record.next_end() == Some(at)) else {
                continue;
            };
            let mut after = meeting.record;
            after.ended = Some(at);
            let when = after.whole.as_ref().and_then(|whole| whole.when);
            let key = format!("meeting {id} ended {}", at.0);
            if self.books.outcome(&key).await?.is_none() {
                let subject = Subject {
                    message: after.message.clone(),
                    thread: after.thread.clone(),
                    account: after.account.clone(),
                    contact: after.contact.clone(),
                    ..Subject::default()
                };
                events.push(event(
                    key,
                    &id,
                    &News::of(What::Ended, None, when),
                    &subject,
                ));
            }
            replace(
                &mut writes,
                keys::meeting(&id),
                Some(meeting.version),
                &after,
            )?;
        }
        if looked > 0 {
            append_events(&self.books, &mut writes, events, now).await?;
            self.books.commit(writes).await?;
        }
        Ok(looked)
    }

    /// A meeting in words for plugins.
    pub(super) fn meeting_told(&self, meeting: &Meeting, news: &News) -> MeetingTold {
        let ours = |email: &str| self.office.firm.owns(email);
        let whole = meeting.whole.as_ref();
        let here = meeting.occurrence(news.at).or(whole);
        let mut people: Vec<(String, String)> = Vec::new();
        for part in here.into_iter().chain(whole) {
            for one in &part.people {
                if !people.iter().any(|(email, _)| *email == one.person.email) {
                    let answer = answer_of(one.answer).to_owned();
                    people.push((one.person.email.clone(), answer));
                }
            }
        }
        let held = meeting.counts_as_held(ours);
        MeetingTold {
            id: meeting.id.clone(),
            uid: meeting.uid.clone(),
            what: news.what.as_str().to_owned(),
            title: meeting.title.clone(),
            instance: news.at,
            start: news
                .when
                .or(here.and_then(|here| here.when))
                .map(|when| when.start),
            end: news
                .when
                .or(here.and_then(|here| here.when))
                .map(|when| when.end),
            start_before: news.before.map(|when| when.start),
            cancelled: here.is_some_and(|here| here.cancelled),
            repeats: whole.is_some_and(|whole| !whole.rule.is_empty()),
            organizer: meeting.organizer.as_ref().map(|who| who.email.clone()),
            by: news.who.as_ref().map(|who| who.email.clone()),
            answer: news.answer.map(|answer| answer_of(answer).to_owned()),
            people,
            held: held.is_ok() && news.what == What::Ended,
            not_held_because: held.err(),
        }
    }
}

/// Why it is not proven who wrote a message; of mail of ours that was found in Sent it is.
fn doubt(message: &MessageRecord) -> Option<String> {
    if message.outbound {
        return None;
    }
    if message.from_count > 1 {
        return Some("it has several From".to_owned());
    }
    match message.authenticity.as_str() {
        "pass" => None,
        "fail" => Some("its sender is disproven".to_owned()),
        _ => Some("no server that we trust says so".to_owned()),
    }
}

/// What happened, once: what leaves no trace in the meeting is told by what was said and by whom,
/// anything else by the message that said it.
fn event_key((heard, news): (&Heard, &News), (message, nth): (&MessageKey, usize)) -> String {
    let id = meeting_id(&heard.uid);
    if !matches!(
        news.what,
        What::Uninvited | What::Countered | What::CounterDeclined
    ) {
        return format!("meeting {id} {message} {nth}");
    }
    let part = heard.parts.iter().find(|part| part.at == news.at);
    let mark = part.map(|part| part.mark).unwrap_or_default();
    let who = news.who.as_ref().map_or("", |who| &who.email);
    let parts = [
        news.what.as_str().to_owned(),
        who.to_owned(),
        format!("{:?}", news.at),
        format!("{} {}", mark.sequence, mark.stamp),
    ];
    let parts: Vec<&[u8]> = parts.iter().map(String::as_bytes).collect();
    let said = derive("liaison meeting said 1", &parts);
    format!("meeting {id} said {said}")
}

fn event(key: String, id: &str, news: &News, subject: &Subject) -> NewEvent {
    NewEvent {
        key,
        body: EventBody::Meeting {
            meeting: id.to_owned(),
            news: news.clone(),
            subject: subject.clone(),
        },
        message: None::<MessageKey>,
        matched: None,
    }
}

/// Stages a meeting with the entry of its end; what does not fit the store is left out.
fn stage_meeting(
    writes: &mut Batch,
    (version, due_before): (Option<u64>, Option<Timestamp>),
    mut meeting: Meeting,
) -> Result<(), BooksError> {
    let fits = |meeting: &Meeting| {
        codec::encode(meeting).is_ok_and(|bytes| bytes.len() <= VALUE_BYTES_MAX - ROOM_BYTES)
    };
    while !fits(&meeting) && meeting.shrink() {}
    let due = meeting.next_end();
    if due != due_before {
        if let Some(before) = due_before {
            writes.del(keys::meeting_due(before, &meeting.id));
        }
        if let Some(due) = due {
            writes.put(keys::meeting_due(due, &meeting.id), Vec::new());
        }
    }
    replace(writes, keys::meeting(&meeting.id), version, &meeting)
}

/// A line of an account's timeline without a message of its own.
fn stage_line_of(
    writes: &mut Batch,
    account: &AccountId,
    (at, id, nth): (Timestamp, &str, usize),
    line: String,
) -> Result<(), BooksError> {
    let row = TimelineRow {
        at,
        kind: "meeting".to_owned(),
        text: cut_text(&line, LINE_CHARS_MAX),
        id: id.to_owned(),
    };
    let what = format!("meeting {id} {nth}");
    writes.put_record(keys::timeline(account, at, &what), &row)?;
    Ok(())
}

fn stage_line(
    writes: &mut Batch,
    message: &MessageRecord,
    id: &str,
    line: String,
) -> Result<(), BooksError> {
    let Some(account) = &message.account else {
        return Ok(());
    };
    let row = TimelineRow {
        at: message.received,
        kind: "meeting".to_owned(),
        text: cut_text(&line, LINE_CHARS_MAX),
        id: message.key.0.clone(),
    };
    // Beside the row of the message itself, at the same time.
    let what = format!("meeting {id} {}", message.key);
    writes.put_record(keys::timeline(account, row.at, &what), &row)?;
    Ok(())
}
