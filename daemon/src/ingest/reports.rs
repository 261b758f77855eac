//! Delivery reports: which mail of ours each names, and what is written of it in the commit that
//! records the report. What it means is decided in the core; what waits for the address is called
//! off by the pipeline.

use std::collections::BTreeMap;

use liaison_core::effect::{Audience, Cause, MailEffect};
use liaison_core::happening::Subject;
use liaison_core::ids::{EffectId, derive};
use liaison_core::mail::address::Address;
use liaison_core::mail::{BounceReport, BouncedRecipient, MessageView};
use liaison_core::message::{MessageRecord, Person, cut_text};
use liaison_core::reach::{
    COPIES_MAX, DOMAIN_RETURNS_MAX, FREE_MAIL_RETURNS_MAX, Meaning, NamedMail, News, Reach,
    ReportFacts, ReportRecord, Reported, ReportedCopy, ReturnRecord, WhyNot, domain_subject, judge,
    may_be_out,
};
use liaison_core::records::{BODY_CHARS_MAX, TITLE_CHARS_MAX, TaskRecord};

use super::Taking;
use crate::books::rows::AuditRow;
use crate::books::{BooksError, keys, replace};
use crate::office::Office;
use crate::outbox::stage_audit;
use crate::reader;
use crate::store::{Batch as Writes, Expect, Stored};
use crate::tasks::NO_EVENT;

/// Begins the names under which reports are kept that name a Message-ID of nobody yet.
pub(crate) const UNNAMED: &str = "unnamed ";
/// Longest account of a delivery report in the history of a mail.
const REPORT_CHARS_MAX: usize = 500;

/// The mail of ours that a report names.
#[derive(Debug)]
enum Named {
    /// One of the outbox.
    Mail(Box<MailEffect>),
    /// One that a person sent.
    Message(Box<MessageRecord>),
}

impl Named {
    fn id(&self) -> &str {
        match self {
            Named::Mail(mail) => mail.id.as_str(),
            Named::Message(message) => message.key.as_str(),
        }
    }

    fn subject_line(&self) -> &str {
        match self {
            Named::Mail(mail) => &mail.subject_line,
            Named::Message(message) => &message.subject,
        }
    }

    fn from(&self) -> Option<&str> {
        match self {
            Named::Mail(mail) => Some(&mail.from),
            Named::Message(message) => message.from.as_ref().map(|from| from.email.as_str()),
        }
    }

    fn mailbox(&self) -> Option<&str> {
        match self {
            Named::Mail(mail) => mail.cause.subject.mailbox.as_deref(),
            Named::Message(message) => Some(message.mailbox.as_str()),
        }
    }

    /// Those outside whom it went to.
    fn recipients(&self, office: &Office) -> Vec<String> {
        let key =
            |email: &str| Address::parse(email).map_or_else(|_| email.to_owned(), |a| a.key());
        match self {
            Named::Mail(mail) => vec![key(&mail.recipient)],
            Named::Message(message) => {
                let people = message.to.iter().chain(&message.cc);
                let people = people.map(|person| person.email.clone());
                people.filter(|email| !office.firm.owns(email)).collect()
            }
        }
    }
}

/// How the addresses and domains of one report fare, before it is committed.
type Reaches = BTreeMap<String, (Option<u64>, Reach)>;

impl Taking<'_> {
    /// Records what becomes of a delivery report, with everything that follows from it at once: the
    /// history of the mail that it names, whether mail still goes to the address and to its domain,
    /// and who is told. Anybody can write one; [`judge`] says why that does no harm.
    pub(super) async fn write_report(
        &self,
        writes: &mut Writes,
        view: &MessageView,
        message: &MessageRecord,
    ) -> Result<(), BooksError> {
        let Some(report) = view.class.bounce.as_ref().filter(|_| !message.outbound) else {
            return Ok(());
        };
        let named = self.named(report).await?;
        if named.is_none() && !message.historical {
            self.remember_unnamed(writes, report, message).await?;
        }
        self.write_judged(writes, report, (message, named)).await
    }

    /// A report may be faster than the copy of what a person sent: kept under the id that it names.
    async fn remember_unnamed(
        &self,
        writes: &mut Writes,
        report: &BounceReport,
        message: &MessageRecord,
    ) -> Result<(), BooksError> {
        let (Some(id), Some(said)) = (&report.original_message_id, report.recipients.first())
        else {
            return Ok(());
        };
        let key = keys::returned(&unnamed(id));
        let before = self.books.get::<ReturnRecord>(key.clone()).await?;
        let version = before.as_ref().map(|row| row.version);
        let mut row = before.map_or_else(|| ReturnRecord::new(&unnamed(id)), |row| row.record);
        let to = said
            .recipient
            .as_ref()
            .map(Address::key)
            .unwrap_or_default();
        let what = (to.as_str(), Meaning::Nothing(WhyNot::NoMailOfOurs));
        let now = self.ingest.clock.now();
        row.add(&Reported::of(said, what, (&message.key, now)));
        replace(writes, key, version, &row)
    }

    /// Judges a report that was taken in before what it is about: a message of ours in Sent.
    pub(super) async fn judge_late(
        &self,
        writes: &mut Writes,
        sent: &MessageRecord,
    ) -> Result<(), BooksError> {
        let Some(id) = sent.message_id.as_ref().filter(|_| sent.outbound) else {
            return Ok(());
        };
        let key = keys::returned(&unnamed(id));
        let Some(row) = self.books.get::<ReturnRecord>(key.clone()).await? else {
            return Ok(());
        };
        writes.expect(key.clone(), Expect::Version(row.version));
        writes.del(key);
        // The newest: two would change the same rows in one commit.
        let Some(newest) = row.record.reports.last() else {
            return Ok(());
        };
        let Some(message) = self.books.message(&newest.report).await? else {
            return Ok(());
        };
        let Some(bytes) = self.books.bytes(&message.content).await? else {
            return Ok(());
        };
        let view = reader::read(bytes).await.ok();
        let Some(report) = view.as_ref().and_then(|view| view.class.bounce.as_ref()) else {
            return Ok(());
        };
        let named = Some(Named::Message(Box::new(sent.clone())));
        self.write_judged(writes, report, (&message, named)).await
    }

    async fn write_judged(
        &self,
        writes: &mut Writes,
        report: &BounceReport,
        (message, named): (&MessageRecord, Option<Named>),
    ) -> Result<(), BooksError> {
        let now = self.ingest.clock.now();
        let facts = self.report_facts(message, named.as_ref());
        let mut record = ReportRecord {
            report: message.key.clone(),
            at: now,
            mail: None,
            message: None,
            copies: Vec::new(),
            left: 0,
        };
        match &named {
            Some(Named::Mail(mail)) => record.mail = Some(mail.id.clone()),
            Some(Named::Message(sent)) => record.message = Some(sent.key.clone()),
            None => {}
        }
        let mut heeded = Vec::new();
        // A report that lists nobody has its outcome, too.
        let nobody = BouncedRecipient {
            recipient: None,
            kind: report.kind,
            action: None,
            status: None,
            diagnostic: None,
        };
        let said = match report.recipients.as_slice() {
            [] => std::slice::from_ref(&nobody),
            said => said,
        };
        for said in said.iter().take(COPIES_MAX) {
            let (recipient, meaning) = judge(said, &facts);
            if let (Some(recipient), true) = (&recipient, meaning.proves_sent()) {
                let what = (recipient.as_str(), meaning);
                heed(&mut heeded, Reported::of(said, what, (&message.key, now)));
            }
            record.copies.push(ReportedCopy {
                recipient,
                status: said.status.clone(),
                meaning,
            });
        }
        let left = report.recipients.len().saturating_sub(COPIES_MAX);
        record.left = u32::try_from(left).unwrap_or(u32::MAX);
        writes.put_record(keys::report(&message.key), &record)?;
        let Some(named) = named else {
            return Ok(());
        };
        self.write_history(writes, &named, (report, &record))?;
        if heeded.is_empty() {
            return Ok(());
        }
        self.write_returned(writes, &named, &heeded).await?;
        if matches!(&named, Named::Mail(mail) if mail.audience == Audience::Staff) {
            return Ok(());
        }
        self.write_reaches(writes, &named, &heeded).await
    }

    /// By the Message-ID of the mail that came back, or by our stamp where a server gave it another.
    async fn named(&self, report: &BounceReport) -> Result<Option<Named>, BooksError> {
        let mut effect = None;
        if let Some(id) = &report.original_message_id {
            effect = self.books.mail_by_message_id(id).await?;
        }
        let stamp = report.original_stamp.as_deref().map(EffectId::from);
        if let Some(effect) = effect.or(stamp)
            && let Some(mail) = self.books.mail(&effect).await?
        {
            return Ok(Some(Named::Mail(Box::new(mail))));
        }
        let Some(id) = &report.original_message_id else {
            return Ok(None);
        };
        let sent = self.books.message_by_id(id).await?;
        let sent = sent.filter(|message| message.outbound);
        Ok(sent.map(|message| Named::Message(Box::new(message))))
    }

    fn report_facts(&self, message: &MessageRecord, named: Option<&Named>) -> ReportFacts {
        let from = message.from.as_ref();
        let people = &self.ingest.office.people;
        ReportFacts {
            named: named.map(|named| NamedMail {
                recipients: named.recipients(&self.ingest.office),
                handed_over: match named {
                    Named::Mail(mail) => may_be_out(mail),
                    Named::Message(_) => true,
                },
                came_home: self.came_home(message, named),
            }),
            historical: message.historical,
            liar: message.authenticity == "fail" || message.from_count > 1,
            one_of_us: from.is_some_and(|from| people.contains_key(&from.email)),
        }
    }

    /// Whether a report lies where reports about this mail go: they go to its From, which the
    /// mailbox may have as its own, as its owner's, or as an alias that the report is addressed to.
    fn came_home(&self, message: &MessageRecord, named: &Named) -> bool {
        let Some(from) = named.from() else {
            return false;
        };
        let here = &message.mailbox;
        let ours = self.ingest.office.mailboxes.get(here);
        let route = ours.and_then(|ours| ours.route.as_ref());
        let is_from = |person: &Person| person.email == from;
        named.mailbox() == Some(here.as_str())
            || route.is_some_and(|route| route.from == from)
            || ours.and_then(|ours| ours.owner.as_deref()) == Some(from)
            || message.to.iter().chain(&message.cc).any(is_from)
    }

    /// The report stands in the history of the mail that it names, also when it changes nothing.
    fn write_history(
        &self,
        writes: &mut Writes,
        named: &Named,
        (report, record): (&BounceReport, &ReportRecord),
    ) -> Result<(), BooksError> {
        let Named::Mail(mail) = named else {
            return Ok(());
        };
        let nothing = record.copies.iter().find_map(|copy| match copy.meaning {
            Meaning::Nothing(why) => Some(why.words()),
            _ => None,
        });
        let but = match (nothing, record.proves_sent()) {
            (Some(why), false) => format!("changes nothing, because {why}: "),
            _ => String::new(),
        };
        let row = AuditRow {
            at: record.at,
            who: "liaison".to_owned(),
            what: format!("a delivery report came: {}", report.kind.words()),
            why: cut_text(&format!("{but}{}", report.told()), REPORT_CHARS_MAX),
        };
        stage_audit(writes, mail.id.as_str(), record.at, row)
    }

    async fn write_returned(
        &self,
        writes: &mut Writes,
        named: &Named,
        heeded: &[Reported],
    ) -> Result<(), BooksError> {
        let key = keys::returned(named.id());
        let before = self.books.get::<ReturnRecord>(key.clone()).await?;
        let version = before.as_ref().map(|row| row.version);
        let mut row = before.map_or_else(|| ReturnRecord::new(named.id()), |row| row.record);
        for reported in heeded {
            row.add(reported);
        }
        replace(writes, key, version, &row)
    }

    /// How the addresses and their domains fare from now on, and who is told of it.
    async fn write_reaches(
        &self,
        writes: &mut Writes,
        named: &Named,
        heeded: &[Reported],
    ) -> Result<(), BooksError> {
        let office = &self.ingest.office;
        let outside = |email: &str| !office.firm.owns(email);
        let is_shared = named.recipients(office).len() > 1;
        let mut reaches = Reaches::new();
        for reported in heeded.iter().filter(|one| outside(&one.recipient)) {
            if reported.meaning == Meaning::OnItsWay {
                continue;
            }
            let reach = self
                .reach(&mut reaches, (&reported.recipient, reported))
                .await?;
            // An address counts once a day, whatever comes of it.
            let counted = is_shared || reach.was_told(reported);
            let news = reach.heed(reported);
            let after = reach.clone();
            if let Some(news) = news {
                self.tell(writes, named, (news, &after, reported)).await?;
            }
            let back = matches!(news, Some(News::Undeliverable | News::Returned)) && !counted;
            let Some(domain) = domain_subject(&reported.recipient).filter(|_| back) else {
                continue;
            };
            let most = match office.free_mail.has(domain.trim_start_matches('@')) {
                true => FREE_MAIL_RETURNS_MAX,
                false => DOMAIN_RETURNS_MAX,
            };
            let reach = self.reach(&mut reaches, (&domain, reported)).await?;
            let news = reach.heed_domain(reported, most);
            let after = reach.clone();
            if let Some(news) = news {
                self.tell(writes, named, (news, &after, reported)).await?;
            }
        }
        for (subject, (version, reach)) in reaches {
            replace(writes, keys::reach(&subject), version, &reach)?;
        }
        Ok(())
    }

    /// The row of an address or a domain as this report has left it so far.
    async fn reach<'r>(
        &self,
        reaches: &'r mut Reaches,
        (subject, reported): (&str, &Reported),
    ) -> Result<&'r mut Reach, BooksError> {
        if !reaches.contains_key(subject) {
            let stored = self.books.get::<Reach>(keys::reach(subject)).await?;
            let version = stored.as_ref().map(|row: &Stored<Reach>| row.version);
            let reach = stored.map_or_else(|| Reach::new(subject, reported), |row| row.record);
            reaches.insert(subject.to_owned(), (version, reach));
        }
        let fresh = || (None, Reach::new(subject, reported));
        let (_, reach) = reaches.entry(subject.to_owned()).or_insert_with(fresh);
        Ok(reach)
    }

    /// Makes the task that tells a person, and the row of the history.
    async fn tell(
        &self,
        writes: &mut Writes,
        named: &Named,
        (news, reach, reported): (News, &Reach, &Reported),
    ) -> Result<(), BooksError> {
        let now = reported.at;
        let (title, body) = news.told(reach, reported, named.subject_line());
        let cause = self.cause(named, (&title, reported)).await?;
        let task = TaskRecord {
            urgent: news.is_urgent(),
            title: cut_text(&title, TITLE_CHARS_MAX),
            body: cut_text(&body, BODY_CHARS_MAX),
            owner: self.owner_of(named, &cause.subject).await?,
            ..TaskRecord::new(reach.task_id(news, reported), cause, now)
        };
        let row = AuditRow {
            at: now,
            who: "liaison".to_owned(),
            what: match news {
                News::Undeliverable => "stopped: no mail goes there".to_owned(),
                News::DomainStopped => "stopped: nothing leaves for it by itself".to_owned(),
                News::Returned => "a mail came back for its own sake".to_owned(),
                News::OftenNotNow => "mail often does not arrive for now".to_owned(),
            },
            why: format!("report {}: {}", reported.report, reported.said()),
        };
        stage_audit(writes, &reach.subject, now, row)?;
        match self.books.task(&task.id).await? {
            Some(_) => Ok(()),
            None => replace(writes, keys::task(&task.id), None, &task),
        }
    }

    async fn cause(
        &self,
        named: &Named,
        (why, reported): (&str, &Reported),
    ) -> Result<Cause, BooksError> {
        let label = "delivery report".to_owned();
        Ok(match named {
            Named::Mail(mail) => Cause {
                label,
                reason: why.to_owned(),
                ..mail.cause.clone()
            },
            Named::Message(message) => Cause {
                plugin: "".into(),
                plugin_version: String::new(),
                plugin_digest: String::new(),
                label,
                event_seq: NO_EVENT,
                cause: reported.report.0.clone(),
                subject: Subject {
                    message: Some(message.key.clone()),
                    thread: Some(message.thread.clone()),
                    account: message.account.clone(),
                    contact: message.contact.clone(),
                    counterpart: Some(reported.recipient.clone()),
                    mailbox: Some(message.mailbox.0.clone()),
                },
                reason: why.to_owned(),
                rule: None,
            },
        })
    }

    /// Who looks after the account, else whose mailbox it is, else whose name it went out in.
    async fn owner_of(
        &self,
        named: &Named,
        subject: &Subject,
    ) -> Result<Option<String>, BooksError> {
        let office = &self.ingest.office;
        let account = match &subject.account {
            Some(id) => {
                let id = self.books.standing_id(id).await?;
                self.books.account(&id).await?
            }
            None => None,
        };
        let owner = account.and_then(|account| account.owner);
        let mailbox = subject.mailbox.as_deref().map(Into::into);
        let person = office.person_for(owner.as_deref(), mailbox.as_ref());
        let person = person.or_else(|| office.people.get(named.from()?));
        Ok(person.map(|person| person.user.email.clone()))
    }
}

/// Of several blocks about one recipient the gravest counts, once.
fn heed(heeded: &mut Vec<Reported>, reported: Reported) {
    let same = |one: &&mut Reported| one.recipient == reported.recipient;
    match heeded.iter_mut().find(same) {
        None => heeded.push(reported),
        Some(one) if reported.meaning.gravity() > one.meaning.gravity() => *one = reported,
        Some(_) => {}
    }
}

/// Under which name reports are kept that name a Message-ID of nobody yet.
fn unnamed(id: &str) -> String {
    format!(
        "{UNNAMED}{}",
        derive("liaison unnamed report 1", &[id.trim().as_bytes()])
    )
}
