//! Local mirrors of our calendars: availability is answered from them, and holds are compared
//! with what is really there.
//!
//! A mirror is rebuilt at each start and kept current by the collection's own change listing, so
//! nothing of it needs to be durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use jiff::ToSpan;
use jiff::civil::Date;
use liaison_core::business_time::WorkTime;
use liaison_core::calendar::{
    BusyRules, BusySpan, CalendarEvent, CalendarObject, EventStatus, FreeBusy, Instance, KIND_MARK,
    Meeting, REV_MARK, busy, free_busy, instances, read_calendar,
};
use liaison_core::ids::CalendarId;
use liaison_core::time::{DAY_MS, Timestamp, Window};
use liaison_core::zones;
use serde::Deserialize;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::sink::{CalendarError, CalendarFile, CalendarStore, Pace};
use crate::supervisor::{Stop, Waited};

/// Wait after a failed look, doubled up to the second.
const RETRY: (std::time::Duration, std::time::Duration) = (
    std::time::Duration::from_secs(2),
    std::time::Duration::from_secs(300),
);

/// Holds further ahead hurry nobody.
const HOLDS_AHEAD_MS: i64 = 90 * DAY_MS;
/// Hours, by the clock of the owner, from and until which they sleep.
const NIGHT: (i8, i8) = (22, 6);

/// What the events of a calendar mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CalendarRole {
    /// What somebody does.
    #[default]
    Own,
    /// Events of whole days are holidays of the owner, whatever else they say; others mean nothing.
    Holidays,
}

/// How the events of a calendar count.
#[derive(Debug, Clone)]
pub struct Counting {
    /// What they mean.
    pub role: CalendarRole,
    /// Opaque events of whole days block them.
    pub all_day_blocks: bool,
    /// Invitations without an answer block their time.
    pub unanswered_blocks: bool,
    /// Further addresses of the owner.
    pub own_addresses: Vec<String>,
    /// Where the owner is when: whole days and floating times go along.
    pub work: Option<WorkTime>,
}

impl Default for Counting {
    fn default() -> Counting {
        Counting {
            role: CalendarRole::Own,
            all_day_blocks: true,
            unanswered_blocks: true,
            own_addresses: Vec::new(),
            work: None,
        }
    }
}

/// An instance in a calendar, as it counts for the owner.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is an instance of.
    pub object: Arc<CalendarObject>,
    /// The instance.
    pub instance: Instance,
    /// When it takes place, where the owner then is.
    pub when: Window,
    /// Whether it takes time of the owner, and how firmly.
    pub busy: Option<free_busy::BusyKind>,
}

impl Entry {
    /// The component that describes it.
    #[must_use]
    pub fn event(&self) -> Option<&CalendarEvent> {
        self.object.events.get(self.instance.event)
    }
}

/// One mirrored object.
#[derive(Debug, Clone)]
pub struct Mirrored {
    /// Version on the server.
    pub etag: String,
    /// The bytes.
    pub data: Bytes,
    /// Read.
    pub object: Arc<CalendarObject>,
}

/// One calendar and its mirror.
#[derive(Debug)]
pub struct CalendarMirror {
    /// Its name.
    pub id: CalendarId,
    /// Where it lies.
    pub store: Arc<dyn CalendarStore>,
    /// Address of its owner.
    pub owner: String,
    /// IANA zone of its owner: for whole days and floating times.
    pub zone: String,
    /// How its events count.
    pub counting: Counting,
    // Short locks without await.
    objects: RwLock<BTreeMap<String, Mirrored>>,
    synced_at: RwLock<Option<Timestamp>>,
    /// Objects that the last look could not read, with why.
    unreadable: RwLock<Vec<(String, String)>>,
    /// UIDs of what changed and was not taken yet; as many as there are objects at most.
    news: RwLock<BTreeSet<String>>,
    /// Asks for a look at once.
    look: Notify,
}

impl CalendarMirror {
    /// A mirror that knows nothing yet.
    #[must_use]
    pub fn new(
        id: CalendarId,
        store: Arc<dyn CalendarStore>,
        owner: String,
        zone: String,
    ) -> CalendarMirror {
        CalendarMirror {
            id,
            store,
            owner,
            zone,
            counting: Counting::default(),
            objects: RwLock::default(),
            synced_at: RwLock::default(),
            unreadable: RwLock::default(),
            news: RwLock::default(),
            look: Notify::new(),
        }
    }

    /// The same with other rules of what counts.
    #[must_use]
    pub fn counting(self, counting: Counting) -> CalendarMirror {
        CalendarMirror { counting, ..self }
    }

    /// When it was last proven equal to the collection; `None` before the first look.
    #[must_use]
    pub fn synced_at(&self) -> Option<Timestamp> {
        *self
            .synced_at
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at once, after a write of ours.
    pub fn look_now(&self) {
        self.look.notify_one();
    }

    /// The object at `href`.
    #[must_use]
    pub fn object(&self, href: &str) -> Option<Mirrored> {
        self.objects
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(href)
            .cloned()
    }

    /// UIDs of the events that came, changed or went since this was asked before; after a start:
    /// all of them.
    #[must_use]
    pub fn take_news(&self) -> BTreeSet<String> {
        let mut news = self.news.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *news)
    }

    /// Gives back what could not be worked on.
    pub fn give_back_news(&self, uids: BTreeSet<String>) {
        let mut news = self.news.write().unwrap_or_else(PoisonError::into_inner);
        news.extend(uids);
    }

    /// The object that holds the event with this UID.
    #[must_use]
    pub fn object_of_uid(&self, uid: &str) -> Option<Arc<CalendarObject>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let mut objects = objects.values();
        let of_uid = |object: &&Mirrored| object.object.events.iter().any(|one| one.uid == uid);
        objects.find(of_uid).map(|found| found.object.clone())
    }

    /// The object of a hold, by its UID or by the mark of its content.
    #[must_use]
    pub fn file_of_hold(&self, uid: &str, rev: &str) -> Option<CalendarFile> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let mut objects = objects.iter();
        let is_it =
            |event: &CalendarEvent| event.uid == uid || event.x_property(REV_MARK) == Some(rev);
        let of_hold = |(_, object): &(&String, &Mirrored)| object.object.events.iter().any(is_it);
        objects.find(of_hold).map(|(href, found)| CalendarFile {
            href: href.clone(),
            etag: found.etag.clone(),
            data: found.data.clone(),
        })
    }

    /// All objects as they are now.
    fn now(&self) -> Vec<Arc<CalendarObject>> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        let objects = objects.values();
        objects.map(|mirrored| mirrored.object.clone()).collect()
    }

    fn default_zone(&self) -> jiff::tz::TimeZone {
        zones::zone(&self.zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }

    fn with_rules<T>(&self, ignore_uids: &[String], work: impl FnOnce(&BusyRules<'_>) -> T) -> T {
        let zone = self.default_zone();
        let mut own = vec![self.owner.clone()];
        own.extend(self.counting.own_addresses.iter().cloned());
        work(&BusyRules {
            ignore_uids,
            own_addresses: &own,
            whereabouts: self.counting.work.as_ref(),
            all_day_blocks: self.counting.all_day_blocks,
            unanswered_blocks: self.counting.unanswered_blocks,
            ..BusyRules::new(&zone)
        })
    }

    /// Busy time inside `window`, without the events named in `ignore_uids`; none in a calendar of
    /// holidays.
    #[must_use]
    pub fn busy(&self, window: Window, ignore_uids: &[String]) -> FreeBusy {
        if self.counting.role == CalendarRole::Holidays {
            return FreeBusy::default();
        }
        let objects = self.now();
        self.with_rules(ignore_uids, |rules| {
            busy(objects.iter().map(|object| &**object), window, rules)
        })
    }

    /// Holidays that begin, go on or end inside `window`, by date; none in other calendars.
    #[must_use]
    pub fn holidays(&self, window: Window) -> BTreeMap<Date, String> {
        let mut days = BTreeMap::new();
        if self.counting.role != CalendarRole::Holidays {
            return days;
        }
        let zone = self.default_zone();
        for (_, instance) in self.instances(window) {
            if !instance.all_day || instance.status == EventStatus::Cancelled {
                continue;
            }
            let day = |t: Timestamp| zone.to_datetime(t.to_jiff()).date();
            let first = day(instance.start.max(window.start));
            let last = day(instance.end.min(window.end)).saturating_sub(1.day());
            let name = instance.summary.as_deref().map(str::trim);
            let name = name.filter(|name| !name.is_empty()).unwrap_or("holiday");
            for date in first
                .series(1.day())
                .take_while(|date| *date <= last.max(first))
            {
                days.entry(date).or_insert_with(|| name.to_owned());
            }
        }
        days
    }

    /// Instances inside `window` with how they count, in no order.
    #[must_use]
    pub fn entries(&self, window: Window) -> Vec<Entry> {
        let instances = self.instances(window);
        self.with_rules(&[], |rules| {
            let entry = |(object, instance): (Arc<CalendarObject>, Instance)| {
                let event = object.events.get(instance.event)?;
                let when = free_busy::when(&instance, event, rules);
                let busy = free_busy::kind_of(&instance, event, rules);
                let busy = busy.filter(|_| self.counting.role == CalendarRole::Own);
                Some(Entry {
                    object,
                    instance,
                    when,
                    busy,
                })
            };
            instances.into_iter().filter_map(entry).collect()
        })
    }

    /// Instances inside `window`, sorted by start.
    #[must_use]
    pub fn instances(&self, window: Window) -> Vec<(Arc<CalendarObject>, Instance)> {
        let zone = self.default_zone();
        let mut found = Vec::new();
        for object in self.now() {
            let expanded = instances(&object, window, &zone).instances;
            found.extend(
                expanded
                    .into_iter()
                    .map(|instance| (object.clone(), instance)),
            );
        }
        found.sort_by_key(|(_, instance)| instance.start);
        found
    }

    /// Looks once: fetches what changed. Returns whether anything did.
    ///
    /// # Errors
    /// As the calendar; the mirror keeps its last good state.
    pub async fn look(&self, now: Timestamp) -> Result<bool, CalendarError> {
        let known: BTreeMap<String, String> = {
            let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
            objects
                .iter()
                .map(|(href, object)| (href.clone(), object.etag.clone()))
                .collect()
        };
        let changes = self.store.changes(&known).await?;
        let changed = !changes.changed.is_empty() || !changes.removed.is_empty();
        // Reading is cheap and bounded by the gate; still outside the lock.
        let read: Vec<_> = changes
            .changed
            .into_iter()
            .map(|file| {
                let object = Arc::new(read_calendar(&file.data));
                (
                    file.href,
                    Mirrored {
                        etag: file.etag,
                        data: file.data,
                        object,
                    },
                )
            })
            .collect();
        {
            let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
            let mut news = self.news.write().unwrap_or_else(PoisonError::into_inner);
            let uids = |object: &Mirrored| -> Vec<String> {
                let events = object.object.events.iter();
                events.map(|event| event.uid.clone()).collect()
            };
            for href in changes.removed {
                news.extend(objects.remove(&href).iter().flat_map(uids));
            }
            for (href, object) in read {
                news.extend(uids(&object));
                // It may hold another event now.
                news.extend(objects.insert(href, object).iter().flat_map(uids));
            }
        }
        *self
            .unreadable
            .write()
            .unwrap_or_else(PoisonError::into_inner) = changes.unreadable;
        *self
            .synced_at
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(changed)
    }

    /// How soon it is worth another look.
    #[must_use]
    pub fn pace(&self, now: Timestamp) -> Pace {
        let within = |millis: i64| Window {
            start: now,
            end: now.plus_millis(millis),
        };
        let zone = self.default_zone();
        let is_held = |event: &CalendarEvent| {
            event.status == Some(EventStatus::Tentative) && event.x_property(KIND_MARK).is_some()
        };
        let held = self.now().iter().any(|object| {
            object.events.iter().any(is_held)
                && !instances(object, within(HOLDS_AHEAD_MS), &zone)
                    .instances
                    .is_empty()
        });
        let is_meeting = |entry: &Entry| {
            let with_others = entry
                .event()
                .is_some_and(|event| !event.attendees.is_empty());
            entry.busy.is_some() && with_others
        };
        if held || self.entries(within(DAY_MS)).iter().any(is_meeting) {
            return Pace::Near;
        }
        let (evening, morning) = NIGHT;
        let hour = zone.to_datetime(now.to_jiff()).hour();
        match hour >= evening || hour < morning {
            true => Pace::Night,
            false => Pace::Usual,
        }
    }

    /// What the last look could not read, in words; `None` when that was nothing.
    #[must_use]
    pub fn unread(&self) -> Option<String> {
        let objects = self
            .unreadable
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let (href, why) = objects.first()?;
        let others = match objects.len().saturating_sub(1) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Some(format!(
            "{href} cannot be read ({why}){others}: mend or remove it; until then its last good \
             version counts, or none"
        ))
    }

    /// Keeps the mirror current until the stop; tells `changed` after each look that found news.
    pub async fn run(
        &self,
        clock: &dyn Clock,
        freshness: &Freshness,
        changed: &Notify,
        stop: &Stop,
    ) {
        let (first, most) = RETRY;
        let mut delay = first;
        loop {
            let before = self.synced_at();
            match self.look(clock.now()).await {
                Ok(news) => {
                    let (now, proof) = (clock.now(), self.store.read_by());
                    freshness.calendar_proven(self.id.as_str(), now, proof, self.unread());
                    delay = first;
                    if news || before.is_none() {
                        changed.notify_one();
                    }
                    let pace = || self.pace(clock.now());
                    tokio::select! {
                        () = stop.stopped() => return,
                        () = self.look.notified() => {}
                        () = self.store.wait(&pace) => {}
                    }
                }
                Err(error) => {
                    let what = error.to_string();
                    if freshness.calendar_trouble(self.id.as_str(), what.clone(), error.permanent) {
                        tracing::warn!(calendar = %self.id, %what, "calendar in trouble");
                    }
                    if stop.sleep(delay).await == Waited::Stopped {
                        return;
                    }
                    delay = delay.saturating_mul(2).min(most);
                }
            }
        }
    }
}

/// All calendars by name.
#[derive(Debug, Clone, Default)]
pub struct Calendars {
    /// The mirrors.
    pub mirrors: BTreeMap<CalendarId, Arc<CalendarMirror>>,
}

/// What the calendars of one of our people take of a stretch of time.
#[derive(Debug, Clone, Default)]
pub struct Taken {
    /// Busy time, merged.
    pub busy: Vec<BusySpan>,
    /// Meetings, one by one.
    pub meetings: Vec<Meeting>,
    /// Holidays.
    pub holidays: BTreeMap<Date, String>,
}

impl Calendars {
    /// Busy time of one of our people over all their calendars. `Err` when a calendar of theirs
    /// was not read yet: then nobody knows, and no slot may be offered.
    ///
    /// # Errors
    /// Names the calendar that is not known.
    pub fn busy_of(
        &self,
        calendars: &[CalendarId],
        window: Window,
        ignore_uids: &[String],
    ) -> Result<Vec<BusySpan>, String> {
        Ok(self.taken_of(calendars, window, ignore_uids)?.busy)
    }

    /// The same with meetings and holidays.
    ///
    /// # Errors
    /// As [`Self::busy_of`].
    pub fn taken_of(
        &self,
        calendars: &[CalendarId],
        window: Window,
        ignore_uids: &[String],
    ) -> Result<Taken, String> {
        let mut taken = Taken::default();
        for id in calendars {
            let mirror = self
                .mirrors
                .get(id)
                .ok_or_else(|| format!("no calendar {id}"))?;
            if mirror.synced_at().is_none() {
                return Err(format!("the calendar {id} has not been read yet"));
            }
            let found = mirror.busy(window, ignore_uids);
            taken.busy.extend(found.spans);
            taken.meetings.extend(found.meetings);
            taken.holidays.extend(mirror.holidays(window));
        }
        taken.busy = free_busy::merged(taken.busy);
        Ok(taken)
    }
}
