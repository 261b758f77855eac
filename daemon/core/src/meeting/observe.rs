//! What one message, or one look into a calendar, changes of a meeting.

use super::{Meeting, News, Occurrence, Seen, What};
use crate::calendar::PartStat;
use crate::calendar::itip::{Attending, Heard, HeardPart, Mark, Method};
use crate::time::{Timestamp, Window};

/// Who says something about a meeting.
#[derive(Debug, Clone, Copy)]
pub struct Speaker<'a> {
    /// Their From, and other addresses known to be theirs, in lookup form.
    pub addresses: &'a [String],
    /// Why it is not proven that they wrote it; `None` when it is.
    pub doubt: Option<&'a str>,
}

impl Speaker<'_> {
    fn is(&self, email: &str) -> bool {
        self.addresses.iter().any(|address| address == email)
    }

    /// Whether they may speak for `email`: as themselves, or as the one whom the object names in
    /// SENT-BY. Everybody can write a SENT-BY, so that one from another house is not believed.
    fn speaks_for(&self, email: &str, sent_by: Option<&str>) -> Result<(), String> {
        let from = self.addresses.first().map_or("nobody", String::as_str);
        let domain = |email: &str| email.rsplit_once('@').map(|(_, domain)| domain.to_owned());
        let is_sent_by = sent_by.is_some_and(|by| self.is(by) && domain(by) == domain(email));
        if !self.is(email) && !is_sent_by {
            return Err(format!("{from} cannot speak for {email}"));
        }
        match self.doubt {
            Some(doubt) => Err(format!("it is not proven that {from} wrote it ({doubt})")),
            None => Ok(()),
        }
    }
}

/// What a message changes of a meeting.
#[must_use]
pub fn observe(before: Option<&Meeting>, heard: &Heard, by: &Speaker<'_>) -> Seen {
    let method = heard.method;
    let allowed = match method.is_of_organizer() {
        true => by_organizer(before, heard, by).map(|()| None),
        false => by_attendee(before, heard, by).map(Some),
    };
    let speaker = match allowed {
        Ok(speaker) => speaker,
        Err(why) => return Seen::nothing(format!("{method}: {why}: nothing changes")),
    };
    let seen = match (speaker, before) {
        (None, before) => match method {
            Method::Cancel => cancel(before, heard),
            Method::DeclineCounter => counter_declined(heard),
            _ => request(before, heard, Source::Mail),
        },
        (Some(_), None) => {
            Seen::nothing("it answers a meeting that nobody here knows: nothing changes")
        }
        (Some(who), Some(before)) => match method {
            Method::Counter => counter(before, heard, &who),
            Method::Refresh => Seen::nothing(format!(
                "{} asks for the invitation again",
                who.person.email
            )),
            _ => reply(before, heard, (&who, by)),
        },
    };
    Seen {
        said: format!("{method}: {}", seen.said),
        ..seen
    }
}

/// What our calendar shows of a meeting, beside what is known of it.
#[must_use]
pub fn observe_calendar(before: Option<&Meeting>, heard: &Heard) -> Seen {
    request(before, heard, Source::Calendar)
}

fn by_organizer(before: Option<&Meeting>, heard: &Heard, by: &Speaker<'_>) -> Result<(), String> {
    let Some(organizer) = &heard.organizer else {
        return Err("it names no organizer".to_owned());
    };
    let known = before.and_then(|meeting| meeting.organizer.as_ref());
    if let Some(known) = known.filter(|known| known.email != organizer.email) {
        return Err(format!(
            "{} organises this meeting, not {}",
            known.email, organizer.email
        ));
    }
    by.speaks_for(&organizer.email, heard.sent_by.as_deref())
}

/// The attendee that a message speaks for.
fn by_attendee(
    before: Option<&Meeting>,
    heard: &Heard,
    by: &Speaker<'_>,
) -> Result<Attending, String> {
    let organizers = before
        .and_then(|m| m.organizer.as_ref())
        .zip(heard.organizer.as_ref());
    if let Some((known, named)) = organizers.filter(|(known, named)| known.email != named.email) {
        return Err(format!(
            "it answers an invitation of {}, and {} organises this meeting",
            named.email, known.email
        ));
    }
    let people = heard.parts.iter().flat_map(|part| &part.people);
    let mut named: Vec<&Attending> = people.collect();
    named.sort_by(|a, b| a.person.email.cmp(&b.person.email));
    named.dedup_by(|a, b| a.person.email == b.person.email);
    let who = match named.as_slice() {
        [only] => Some(*only),
        // A COUNTER carries all of them (RFC 5546 section 3.2.7).
        several => several.iter().copied().find(|one| by.is(&one.person.email)),
    };
    let Some(who) = who else {
        return Err("it speaks for nobody in particular".to_owned());
    };
    by.speaks_for(&who.person.email, heard.sent_by.as_deref())?;
    Ok(who.clone())
}

/// Where something about a meeting was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Mail,
    /// A person may move an event without its program raising anything: what is not older counts.
    Calendar,
}

fn request(before: Option<&Meeting>, heard: &Heard, source: Source) -> Seen {
    let mut after = before.cloned().unwrap_or_else(|| Meeting::new(heard));
    let mut news = Vec::new();
    let mut said = Vec::new();
    let mut applied = false;
    for part in &heard.parts {
        // ADD names no time that is replaced: its own start tells it from the others.
        let at = match heard.method {
            Method::Add => part.at.or(part.when.map(|when| when.start)),
            _ => part.at,
        };
        match stands(&after, at, part.mark, source) {
            Err(why) => said.push(why),
            Ok(()) => {
                applied = true;
                apply(&mut after, heard, (part, at), &mut news);
            }
        }
    }
    if before.is_none() && applied {
        let when = after.whole.as_ref().or(after.exceptions.first());
        let (at, when) = when.map_or((None, None), |one| (one.at, one.when));
        let cancelled = after.whole.as_ref().is_some_and(|whole| whole.cancelled);
        let what = if cancelled {
            What::Cancelled
        } else {
            What::Created
        };
        news = vec![News::of(what, at, when)];
    }
    if !applied {
        said.dedup();
        return Seen::nothing(said.join("; "));
    }
    let changed = before != Some(&after);
    let told: Vec<String> = news.iter().map(News::told).collect();
    let told = match told.is_empty() {
        true => "nothing of it changed".to_owned(),
        false => told.join("; "),
    };
    Seen {
        meeting: changed.then_some(after),
        news,
        said: told,
    }
}

/// Whether what has this mark is news of that time.
fn stands(
    meeting: &Meeting,
    at: Option<Timestamp>,
    mark: Mark,
    source: Source,
) -> Result<(), String> {
    let (known, equal_is_new) = match meeting.occurrence(at) {
        Some(known) => (known.mark, source == Source::Calendar),
        // One time of a series is no older than the series.
        None => match &meeting.whole {
            Some(whole) => (whole.moved, true),
            None => return Ok(()),
        },
    };
    if mark > known || (mark == known && equal_is_new) {
        return Ok(());
    }
    if mark == known {
        return Err("it is known already: nothing changes".to_owned());
    }
    Err(format!(
        "it is older (SEQUENCE {}, {}) than what is known (SEQUENCE {}, {}): nothing changes",
        mark.sequence, mark.stamp, known.sequence, known.stamp
    ))
}

/// Takes over what the organizer says of one time.
fn apply(
    meeting: &mut Meeting,
    heard: &Heard,
    (part, at): (&HeardPart, Option<Timestamp>),
    news: &mut Vec<News>,
) {
    let known = meeting.occurrence(at).cloned();
    // Before an exception the time had its place in the series.
    let in_series = at.and_then(|at| in_series(meeting, at));
    let before = known.as_ref().map_or(in_series, |known| known.when);
    let mut after = Occurrence::of(part, at);
    let rule_changed = known.as_ref().is_some_and(|known| known.rule != after.rule);
    let moved = before.is_some() && (before != after.when || (at.is_none() && rule_changed));
    let was_cancelled = known.as_ref().is_some_and(|known| known.cancelled);
    let mut changed = false;
    if let Some(known) = &known {
        if !moved {
            after.moved = known.moved;
            keep_answers(known, &mut after);
        }
        changed = changed || people(known) != people(&after) || was_cancelled != after.cancelled;
    }
    if at.is_none() {
        changed = changed || (known.is_some() && meeting.title != heard.title);
        meeting.title.clone_from(&heard.title);
        meeting.organizer = heard.organizer.clone().or(meeting.organizer.take());
        meeting.left_out = u32::try_from(part.left_out).unwrap_or(u32::MAX);
        if moved {
            // The times of the old series are gone; those of the new one follow in this object.
            meeting.exceptions.clear();
        }
    }
    let when = after.when;
    let event = match (after.cancelled, was_cancelled) {
        (true, true) => None,
        (true, false) => Some(What::Cancelled),
        (false, _) if moved => Some(What::Moved),
        (false, _) if changed || known.is_none() => Some(What::Changed),
        (false, _) => None,
    };
    if let Some(what) = event {
        news.push(News {
            before,
            ..News::of(what, at, when)
        });
    }
    if let Some(known) = known.as_ref().filter(|_| !moved && !after.cancelled) {
        news.extend(answers(known, &after));
    }
    meeting.put(after);
}

/// When a time of a series takes place unless something else is said of it.
fn in_series(meeting: &Meeting, at: Timestamp) -> Option<Window> {
    let first = meeting.whole.as_ref()?.when?;
    Some(Window {
        start: at,
        end: at.plus_millis(first.millis()),
    })
}

fn people(occurrence: &Occurrence) -> Vec<&str> {
    let people = occurrence.people.iter();
    let mut emails: Vec<&str> = people.map(|one| one.person.email.as_str()).collect();
    emails.sort_unstable();
    emails.dedup();
    emails
}

/// The organizer's copy may not know yet what came to us directly.
fn keep_answers(known: &Occurrence, after: &mut Occurrence) {
    for one in &mut after.people {
        let before = known
            .people
            .iter()
            .find(|old| old.person.email == one.person.email);
        let Some(before) = before.filter(|before| before.answered.is_some()) else {
            continue;
        };
        if matches!(one.answer, PartStat::NeedsAction) {
            one.answer = before.answer;
        }
        if one.answer == before.answer {
            one.answered = before.answered;
        }
    }
}

fn answers<'a>(known: &'a Occurrence, after: &'a Occurrence) -> impl Iterator<Item = News> + 'a {
    after.people.iter().filter_map(|one| {
        let before = known
            .people
            .iter()
            .find(|old| old.person.email == one.person.email)?;
        let is_new = before.answer != one.answer && one.answer != PartStat::NeedsAction;
        is_new.then(|| News {
            who: Some(one.person.clone()),
            answer: Some(one.answer),
            ..News::of(What::Answered, after.at, after.when)
        })
    })
}

fn cancel(before: Option<&Meeting>, heard: &Heard) -> Seen {
    let mut after = before.cloned().unwrap_or_else(|| Meeting::new(heard));
    let mut news = Vec::new();
    let mut said = Vec::new();
    for part in &heard.parts {
        let known = after.occurrence(part.at).cloned();
        if let Some(known) = &known {
            if part.mark < known.mark {
                said.push(stands(&after, part.at, part.mark, Source::Mail));
                continue;
            }
            if known.cancelled {
                said.push(Err("it is known already: nothing changes".to_owned()));
                continue;
            }
        }
        if let Some(known) = known.as_ref().filter(|known| takes_leave(known, part)) {
            // Without STATUS it is called off for those whom it names (RFC 5546 section 3.2.5).
            let leaves = |one: &&Attending| names(part, &one.person.email);
            let leaving = known.people.iter().filter(leaves);
            let told = leaving.map(|one| News {
                who: Some(one.person.clone()),
                ..News::of(What::Changed, part.at, known.when)
            });
            let before = news.len();
            news.extend(told);
            if news.len() == before {
                said.push(Err(
                    "they were not invited any more: nothing changes".to_owned()
                ));
                continue;
            }
            let mut left = known.clone();
            left.mark = part.mark;
            left.people.retain(|one| !names(part, &one.person.email));
            after.put(left);
            continue;
        }
        let in_series = part.at.and_then(|at| in_series(&after, at));
        let mut gone = known.unwrap_or_else(|| Occurrence::of(part, part.at));
        gone.when = gone.when.or(part.when).or(in_series);
        gone.cancelled = true;
        gone.mark = part.mark;
        news.push(News::of(What::Cancelled, part.at, gone.when));
        after.put(gone);
        if part.at.is_none() {
            after.exceptions.clear();
        }
    }
    if news.is_empty() {
        let said: Vec<String> = said.into_iter().filter_map(Result::err).collect();
        return Seen::nothing(said.join("; "));
    }
    let told: Vec<String> = news.iter().map(News::told).collect();
    if before.is_none() {
        // Remembered all the same: an older REQUEST may still be on its way.
        return Seen {
            meeting: Some(after),
            news: Vec::new(),
            said: "it calls off a meeting that nobody here knew".to_owned(),
        };
    }
    Seen {
        meeting: Some(after),
        news,
        said: told.join("; "),
    }
}

fn names(part: &HeardPart, email: &str) -> bool {
    part.people.iter().any(|one| one.person.email == email)
}

/// Whether a CANCEL is for some of the attendees only.
fn takes_leave(known: &Occurrence, part: &HeardPart) -> bool {
    let mut people = known.people.iter();
    let all_named = people.all(|one| names(part, &one.person.email));
    !part.cancelled && !part.people.is_empty() && !all_named
}

fn counter_declined(heard: &Heard) -> Seen {
    let at = heard.parts.first().and_then(|part| part.at);
    let news = News::of(What::CounterDeclined, at, None);
    Seen {
        meeting: None,
        said: news.told(),
        news: vec![news],
    }
}

fn counter(before: &Meeting, heard: &Heard, who: &Attending) -> Seen {
    let part = heard.parts.iter().find(|part| part.when.is_some());
    let Some(part) = part else {
        return Seen::nothing("it proposes no time: nothing changes");
    };
    let known = before.occurrence(part.at).or(before.whole.as_ref());
    let news = News {
        who: Some(who.person.clone()),
        answer: Some(who.answer),
        before: known.and_then(|known| known.when),
        ..News::of(What::Countered, part.at, part.when)
    };
    Seen {
        meeting: None,
        said: news.told(),
        news: vec![news],
    }
}

fn reply(before: &Meeting, heard: &Heard, (who, by): (&Attending, &Speaker<'_>)) -> Seen {
    let mut after = before.clone();
    let mut news = Vec::new();
    let mut said = Vec::new();
    // The one who was invited may answer from another address of theirs.
    let mut addresses = vec![who.person.email.clone()];
    addresses.extend(by.addresses.iter().cloned());
    for part in &heard.parts {
        match answered(&mut after, part, (who, &addresses)) {
            Ok(Some(fresh)) => {
                said.push(fresh.told());
                news.push(fresh);
            }
            Ok(None) => said.push(format!("{} said so before", who.person.email)),
            Err(why) => said.push(format!("{why}: nothing changes")),
        }
    }
    said.dedup();
    Seen {
        meeting: (after != *before).then_some(after),
        news,
        said: said.join("; "),
    }
}

/// Takes one answer; `None` when it says nothing new.
fn answered(
    meeting: &mut Meeting,
    part: &HeardPart,
    (who, addresses): (&Attending, &[String]),
) -> Result<Option<News>, String> {
    let answers = part
        .people
        .iter()
        .find(|one| one.person.email == who.person.email);
    let answer = answers.map_or(who.answer, |one| one.answer);
    let known = match (meeting.occurrence(part.at), part.at) {
        (Some(known), _) => known.clone(),
        (None, Some(at)) if meeting.is_series() => {
            // An answer to one time of a series: from here on it has a life of its own.
            let when = in_series(meeting, at).or(part.when);
            let whole = meeting.whole.as_ref();
            Occurrence {
                at: Some(at),
                when,
                rule: String::new(),
                people: Vec::new(),
                mark: whole.map(|whole| whole.moved).unwrap_or_default(),
                moved: whole.map(|whole| whole.moved).unwrap_or_default(),
                all_day: part.all_day,
                cancelled: false,
            }
        }
        (None, Some(_)) => return Err("there is no such time of it".to_owned()),
        (None, None) => return Err("only single times of it are known".to_owned()),
    };
    let invited = known.person(addresses);
    let invited = invited.or_else(|| meeting.whole.as_ref()?.person(addresses));
    let Some(invited) = invited.cloned() else {
        if meeting.left_out > 0 {
            return Err(format!(
                "{} may be one of the {} attendees who are not kept",
                who.person.email, meeting.left_out
            ));
        }
        return Ok(Some(News {
            who: Some(who.person.clone()),
            answer: Some(answer),
            ..News::of(What::Uninvited, part.at, known.when)
        }));
    };
    if known.cancelled {
        return Err("it was called off".to_owned());
    }
    if part.mark < known.moved {
        return Err("it answers a time that the meeting does not have any more".to_owned());
    }
    // Their own answer to this very time, if there is one.
    let own = known
        .people
        .iter()
        .find(|one| one.person.email == invited.person.email);
    let last = own.and_then(|own| own.answered);
    if last.is_some_and(|last| part.mark < last) {
        return Err("they answered again since".to_owned());
    }
    if last == Some(part.mark) {
        return Ok(None);
    }
    let before = own.map_or(invited.answer, |own| own.answer);
    let mut after = known;
    let own = Attending {
        answer,
        answered: Some(part.mark),
        ..invited.clone()
    };
    let mut people = after.people.iter_mut();
    match people.find(|one| one.person.email == own.person.email) {
        Some(one) => *one = own,
        None => after.people.push(own),
    }
    let (at, when) = (after.at, after.when);
    meeting.put(after);
    Ok((before != answer).then(|| News {
        who: Some(invited.person),
        answer: Some(answer),
        ..News::of(What::Answered, at, when)
    }))
}
