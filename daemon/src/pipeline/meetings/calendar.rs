//! Meetings as our calendars show them: what a person made, moved or removed there is told like
//! what came by mail, and the same invitation in both is one meeting.

use std::collections::BTreeSet;
use std::sync::Arc;

use liaison_core::account::matching::Match;
use liaison_core::account::matching::sender::{Sender, Senders};
use liaison_core::calendar::itip::{Heard, meeting_id, seen_in_calendar};
use liaison_core::happening::Subject;
use liaison_core::ids::CalendarId;
use liaison_core::mail::Address;
use liaison_core::meeting::{Meeting, News, What, observe_calendar};
use liaison_core::message::cut_text;
use liaison_core::time::Timestamp;
use liaison_core::zones;

use super::{LINE_CHARS_MAX, WHO, event, stage_line_of, stage_meeting};
use crate::accounts::whose::Asked;
use crate::books::rows::{AuditRow, CounterRow, EventBody};
use crate::books::{BooksError, keys, replace};
use crate::calendars::CalendarMirror;
use crate::ingest::{NewEvent, append_events};
use crate::outbox::stage_audit;
use crate::pipeline::Pipeline;
use crate::pipeline::step::CONFLICTS_MAX;
use crate::store::Stored;

/// People of a meeting who are looked up.
const PEOPLE_ASKED_MAX: usize = 5;
/// Begins the name of the setting that says that a calendar was gone through once.
const GONE_THROUGH: &str = "meetings of ";

impl Pipeline {
    /// Takes note of what changed in our calendars. Returns how many meetings were looked at.
    pub(in crate::pipeline) async fn look_into_calendars(
        &self,
        now: Timestamp,
    ) -> Result<usize, BooksError> {
        let mut looked: usize = 0;
        for mirror in self.calendars.mirrors.values() {
            if mirror.synced_at().is_none() {
                continue;
            }
            let uids = mirror.take_news();
            let count = uids.len();
            if let Err(error) = self.look_into(mirror, &uids, now).await {
                mirror.give_back_news(uids);
                return Err(error);
            }
            looked = looked.saturating_add(count);
        }
        Ok(looked)
    }

    async fn look_into(
        &self,
        mirror: &Arc<CalendarMirror>,
        uids: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), BooksError> {
        let key = keys::setting(&format!("{GONE_THROUGH}{}", mirror.id));
        // What stood there before we came is known, and no news.
        let first = self.books.get::<CounterRow>(key.clone()).await?.is_none();
        for uid in uids {
            let mut conflicts = 0;
            while let Err(error) = self.take_from_calendar(mirror, uid, (first, now)).await {
                if !error.is_conflict() || conflicts >= CONFLICTS_MAX {
                    return Err(error);
                }
                conflicts = conflicts.saturating_add(1);
                tokio::task::yield_now().await;
            }
        }
        if first {
            let mut writes = self.books.batch();
            replace(&mut writes, key, None, &CounterRow { next: 1 })?;
            self.books.commit(writes).await?;
        }
        Ok(())
    }

    async fn take_from_calendar(
        &self,
        mirror: &Arc<CalendarMirror>,
        uid: &str,
        (first, now): (bool, Timestamp),
    ) -> Result<(), BooksError> {
        let id = meeting_id(uid);
        let stored: Option<Stored<Meeting>> = self.books.get(keys::meeting(&id)).await?;
        let version = stored.as_ref().map(|row| row.version);
        let known = stored.map(|row| row.record);
        let (meeting, news) = match mirror.object_of_uid(uid) {
            None => match known
                .as_ref()
                .and_then(|known| self.gone(known, &mirror.id, now))
            {
                Some(gone) => gone,
                None => return Ok(()),
            },
            Some(object) => {
                let zone = zones::zone(&mirror.zone).unwrap_or(jiff::tz::TimeZone::UTC);
                let Some(heard) = seen_in_calendar(&object, uid, &zone) else {
                    return Ok(());
                };
                if known.is_none() && !self.is_meeting(&heard, now) {
                    return Ok(());
                }
                let seen = observe_calendar(known.as_ref(), &heard);
                let Some(meeting) = seen.meeting else {
                    return Ok(());
                };
                (meeting, seen.news)
            }
        };
        let whose = self.whose_meeting(&meeting).await?;
        let mut meeting = Meeting {
            calendar: Some(mirror.id.clone()),
            changed: now,
            ..meeting
        };
        if known.is_none() {
            meeting.created = now;
        }
        meeting.owner = meeting.owner.or_else(|| Some(mirror.owner.clone()));
        if let Some((matched, _)) = &whose {
            meeting.account = meeting.account.or_else(|| matched.account.clone());
            meeting.contact = meeting.contact.or_else(|| matched.contact.clone());
        }
        let subject = Subject {
            message: meeting.message.clone(),
            thread: meeting.thread.clone(),
            account: meeting.account.clone(),
            contact: meeting.contact.clone(),
            counterpart: whose.as_ref().map(|(_, email)| email.clone()),
            mailbox: None,
        };
        let mut writes = self.books.batch();
        let mut events = Vec::new();
        let news = news.iter().filter(|_| !first);
        for (nth, news) in news.enumerate() {
            // Each state of the meeting is left once.
            let key = format!(
                "meeting {id} calendar {} {} {nth}",
                now.0,
                version.unwrap_or_default()
            );
            let mut event = event(key, &id, news, &subject);
            event.matched = whose.as_ref().map(|(matched, _)| matched.clone());
            events.push(event);
            if let Some(account) = &meeting.account {
                let line = format!("{}: {}", meeting.title, news.told());
                stage_line_of(&mut writes, account, (now, &id, nth), line)?;
            }
        }
        let told: Vec<String> = events.iter().filter_map(told_by).collect();
        if !told.is_empty() {
            let row = AuditRow {
                at: now,
                who: WHO.to_owned(),
                what: cut_text(&told.join("; "), LINE_CHARS_MAX),
                why: format!("the calendar {}", mirror.id),
            };
            stage_audit(&mut writes, &id, now, row)?;
        }
        let before = known.as_ref().and_then(Meeting::next_end);
        stage_meeting(&mut writes, (version, before), meeting)?;
        append_events(&self.books, &mut writes, events, now).await?;
        self.books.commit(writes).await
    }

    /// What one of us removed from the calendar that it was in, before it took place; of others'
    /// meetings that only says that the copy is gone.
    fn gone(
        &self,
        known: &Meeting,
        here: &CalendarId,
        now: Timestamp,
    ) -> Option<(Meeting, Vec<News>)> {
        let by_us = known.organizer.as_ref();
        let by_us = by_us.is_none_or(|who| self.office.firm.owns(&who.email));
        let whole = known.whole.as_ref().filter(|whole| !whole.cancelled)?;
        let ahead = whole.when.is_none_or(|when| when.end > now);
        let elsewhere = self.calendars.mirrors.values();
        let mut elsewhere = elsewhere.filter(|mirror| mirror.id != *here);
        let moved_over = elsewhere.any(|mirror| mirror.object_of_uid(&known.uid).is_some());
        if !by_us || !ahead || moved_over || known.calendar.as_ref() != Some(here) {
            return None;
        }
        let news = News::of(What::Cancelled, None, whole.when);
        let mut after = known.clone();
        if let Some(whole) = &mut after.whole {
            whole.cancelled = true;
        }
        Some((after, vec![news]))
    }

    /// Whether somebody outside takes part in it, and it is not over.
    fn is_meeting(&self, heard: &Heard, now: Timestamp) -> bool {
        let organizer = heard.organizer.iter().map(|who| who.email.as_str());
        let people = heard.parts.iter().flat_map(|part| &part.people);
        let mut all = organizer.chain(people.map(|one| one.person.email.as_str()));
        let outside = all.any(|email| email.contains('@') && !self.office.firm.owns(email));
        let ahead = |part: &liaison_core::calendar::itip::HeardPart| {
            !part.rule.is_empty() || part.when.is_some_and(|when| when.end > now)
        };
        outside && heard.parts.iter().any(ahead)
    }

    /// Whom a meeting is about: the first of those outside who is known, else the first.
    async fn whose_meeting(
        &self,
        meeting: &Meeting,
    ) -> Result<Option<(Match, String)>, BooksError> {
        let mut otherwise = None;
        let outside = meeting
            .addresses()
            .filter(|email| !self.office.firm.owns(email));
        for email in outside.take(PEOPLE_ASKED_MAX) {
            let Ok(address) = Address::parse(email) else {
                continue;
            };
            let asked = Asked {
                senders: &Senders::one(Sender::of(address, false)),
                thread: None,
                event: None,
                free_mail: &self.office.free_mail,
            };
            let whose = self.books.whose(asked).await?;
            let known = whose.matched.account.is_some();
            let found = (whose.matched, email.to_owned());
            if known {
                return Ok(Some(found));
            }
            otherwise = otherwise.or(Some(found));
        }
        Ok(otherwise)
    }
}

fn told_by(event: &NewEvent) -> Option<String> {
    match &event.body {
        EventBody::Meeting { news, .. } => Some(news.told()),
        _ => None,
    }
}
