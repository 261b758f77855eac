//! What a delivery report means: for the mail that it names, for the address that it is about, and
//! for the domain of that address.
//!
//! Whoever got a mail of ours knows its Message-ID, and so can write a report about it. Hence a
//! report says something of one address only: that of a recipient of the mail that it names. Who
//! forges one harms the address at which they read our mail, and nobody else's. What a person wrote to
//! several is known to all of them: a report about it is told, and stops and counts nothing.
//!
//! | report | the address | its domain |
//! |---|---|---|
//! | failed for good | stopped: no mail goes there until a person allows it | counted |
//! | failed for good because of what the mail is, or who sends it | told only | counted, once a day |
//! | failed for now | counted: [`SOFT_REPORTS_MAX`] within [`SOFT_WINDOW_MS`] are told | not counted |
//! | delayed, delivered, relayed | untouched | untouched |
//! | names no mail of ours, somebody else, a mail that nobody has | untouched | untouched |
//!
//! A domain with [`DOMAIN_RETURNS_MAX`] counted reports within [`DOMAIN_WINDOW_MS`] is stopped for
//! what would leave by itself.

use serde::{Deserialize, Serialize};

use crate::effect::MailEffect;
use crate::ids::{EffectId, MessageKey, TaskId, derive};
use crate::mail::address::Address;
use crate::mail::{BounceKind, BouncedRecipient};
use crate::message::cut_bytes;
use crate::outbox::{MailState, Phase};
use crate::time::{DAY_MS, Timestamp};

/// Reports "not for now" about one address, within [`SOFT_WINDOW_MS`], that a person is told of.
pub const SOFT_REPORTS_MAX: usize = 3;
/// How long they count.
pub const SOFT_WINDOW_MS: i64 = 7 * DAY_MS;
/// Mails that came back for good from one domain, within [`DOMAIN_WINDOW_MS`], after which nothing
/// leaves for it by itself.
pub const DOMAIN_RETURNS_MAX: usize = 3;
/// The same for a free-mail provider, whose addresses have nothing to do with each other.
pub const FREE_MAIL_RETURNS_MAX: usize = 10;
/// How long they count.
pub const DOMAIN_WINDOW_MS: i64 = DAY_MS;
/// Recipients of one report that are looked at.
pub const COPIES_MAX: usize = 5;
/// Reports kept of one mail: the newest.
pub const REPORTS_KEPT: usize = 3;
/// Bytes kept of what the other server said: some reports must fit into one row.
pub const DIAGNOSTIC_BYTES_MAX: usize = 200;
/// Longest status code kept, in bytes: `5.123.123`.
const STATUS_BYTES_MAX: usize = 12;

/// What a report means for one recipient of the mail that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// It came back for good: mail to the address does not arrive.
    Undeliverable,
    /// It came back for good because of its size or content, or of who sends it: another mail may
    /// arrive.
    Returned,
    /// It did not arrive for now.
    NotNow,
    /// Nothing failed.
    OnItsWay,
    /// It changes nothing.
    Nothing(WhyNot),
}

/// Why a report changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyNot {
    /// It has neither a Message-ID nor a stamp of ours, or one that is not known.
    NoMailOfOurs,
    /// The mail went to somebody else.
    OtherRecipient,
    /// It does not say whose copy it is about.
    NoRecipient,
    /// Nobody outside can have the mail.
    NeverHandedOver,
    /// It came to a mailbox to which reports about this mail do not go.
    OtherMailbox,
    /// Its sender fails the authenticity check, or it has several.
    Liar,
    /// One of our people sent it.
    OneOfUs,
    /// It was there before the first start.
    History,
}

impl WhyNot {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            WhyNot::NoMailOfOurs => "it names no mail of ours",
            WhyNot::OtherRecipient => "the mail that it names went to somebody else",
            WhyNot::NoRecipient => "it does not say whose copy it is about",
            WhyNot::NeverHandedOver => "the mail that it names was never handed to a server",
            WhyNot::OtherMailbox => "it did not come to the mailbox that the mail was sent from",
            WhyNot::Liar => "its sender fails the authenticity check",
            WhyNot::OneOfUs => "one of our people sent it, not a mail server",
            WhyNot::History => "it is from before the first start",
        }
    }
}

impl Meaning {
    /// In words.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Meaning::Undeliverable => "it came back for good".to_owned(),
            Meaning::Returned => {
                "it came back for good, because of the mail or its sender, not of the address"
                    .to_owned()
            }
            Meaning::NotNow => "it did not arrive for now".to_owned(),
            Meaning::OnItsWay => "nothing failed".to_owned(),
            Meaning::Nothing(why) => format!("changes nothing: {}", why.words()),
        }
    }

    /// What outweighs what, where a report says several things of one recipient.
    #[must_use]
    pub fn gravity(self) -> u8 {
        match self {
            Meaning::Nothing(_) => 0,
            Meaning::OnItsWay => 1,
            Meaning::NotNow => 2,
            Meaning::Returned => 3,
            Meaning::Undeliverable => 4,
        }
    }

    /// Whether the report is about a mail that a server took.
    #[must_use]
    pub fn proves_sent(self) -> bool {
        !matches!(self, Meaning::Nothing(_))
    }

    /// Whether the mail came back for good.
    #[must_use]
    pub fn came_back(self) -> bool {
        matches!(self, Meaning::Undeliverable | Meaning::Returned)
    }
}

/// The mail of ours that a report names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMail {
    /// To whom it went, in lookup form.
    pub recipients: Vec<String>,
    /// A server may have it.
    pub handed_over: bool,
    /// The report lies where reports about it go.
    pub came_home: bool,
}

/// What is known of a report besides what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFacts {
    /// The mail of ours that it names.
    pub named: Option<NamedMail>,
    /// It was there before the first start.
    pub historical: bool,
    /// Its sender fails the authenticity check, or it has several.
    pub liar: bool,
    /// From is one of our people.
    pub one_of_us: bool,
}

/// What a report says of one recipient: the recipient of the mail that it is about, and what it
/// means.
#[must_use]
pub fn judge(said: &BouncedRecipient, facts: &ReportFacts) -> (Option<String>, Meaning) {
    let told = said.recipient.as_ref().map(Address::key);
    let nothing = |why| (told.clone(), Meaning::Nothing(why));
    let Some(named) = &facts.named else {
        return nothing(WhyNot::NoMailOfOurs);
    };
    if facts.historical {
        return nothing(WhyNot::History);
    }
    if facts.liar {
        return nothing(WhyNot::Liar);
    }
    if facts.one_of_us {
        return nothing(WhyNot::OneOfUs);
    }
    let Some(address) = &said.recipient else {
        return nothing(WhyNot::NoRecipient);
    };
    let Some(recipient) = named.recipients.iter().find(|to| is_same(to, address)) else {
        return nothing(WhyNot::OtherRecipient);
    };
    if !named.handed_over {
        return nothing(WhyNot::NeverHandedOver);
    }
    if !named.came_home {
        return nothing(WhyNot::OtherMailbox);
    }
    let meaning = match said.kind {
        BounceKind::Other => Meaning::OnItsWay,
        BounceKind::Soft => Meaning::NotNow,
        BounceKind::Hard if is_of_this_mail(said.status.as_deref()) => Meaning::Returned,
        // Of several, each can write such a report about the others.
        BounceKind::Hard if named.recipients.len() > 1 => Meaning::Returned,
        BounceKind::Hard => Meaning::Undeliverable,
    };
    (Some(recipient.clone()), meaning)
}

/// Servers may leave a `+tag` out.
fn is_same(recipient: &str, reported: &Address) -> bool {
    if *recipient == reported.key() {
        return true;
    }
    let bare = Address::parse(recipient)
        .ok()
        .and_then(|to| to.without_tag());
    bare.is_some_and(|bare| bare.key() == reported.key())
}

/// Whether a status (RFC 3463) says that the mail or its sender is at fault, not the address:
/// another mail may well arrive.
fn is_of_this_mail(status: Option<&str>) -> bool {
    let Some(status) = status else {
        return false;
    };
    // Sender's address (5.1.7, 5.1.8), size (5.2.3, 5.3.4), protocol (5.5.x), content (5.6.x).
    matches!(status, "5.1.7" | "5.1.8" | "5.2.3" | "5.3.4")
        || (status != "5.5.0" && status.starts_with("5.5."))
        || status.starts_with("5.6.")
}

/// Whether a server may have a mail, so that somebody outside can know its Message-ID.
#[must_use]
pub fn may_be_out(mail: &MailEffect) -> bool {
    // Its owner may have sent a draft that we have not seen in Sent yet.
    let out = matches!(
        mail.state,
        MailState::Sent
            | MailState::Uncertain
            | MailState::Drafted
            | MailState::Resolved { sent: true }
            | MailState::Leased(Phase::AfterDot)
    );
    out || (mail.attempts > 0 && mail.state != MailState::Leased(Phase::BeforeDot))
}

/// What a report said of one recipient's copy, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// When the report was taken in.
    pub at: Timestamp,
    /// The report.
    pub report: MessageKey,
    /// Whose copy.
    pub recipient: String,
    /// What it means.
    pub meaning: Meaning,
    /// The status code (RFC 3463).
    pub status: Option<String>,
    /// What the other server said, cut.
    pub diagnostic: Option<String>,
}

impl Reported {
    /// Of what a report said, what is kept.
    #[must_use]
    pub fn of(
        said: &BouncedRecipient,
        (recipient, meaning): (&str, Meaning),
        (report, at): (&MessageKey, Timestamp),
    ) -> Reported {
        let cut = |text: &String, max| cut_bytes(text, max);
        Reported {
            at,
            report: report.clone(),
            recipient: recipient.to_owned(),
            meaning,
            status: said.status.as_ref().map(|text| cut(text, STATUS_BYTES_MAX)),
            diagnostic: said
                .diagnostic
                .as_ref()
                .map(|text| cut(text, DIAGNOSTIC_BYTES_MAX)),
        }
    }

    /// Status and diagnostic, the status once.
    #[must_use]
    pub fn said(&self) -> String {
        match (&self.status, &self.diagnostic) {
            (Some(status), Some(text)) if text.contains(status.as_str()) => text.clone(),
            (Some(status), Some(text)) => format!("{status} {text}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "no reason was given".to_owned(),
        }
    }
}

/// One recipient of a report, as the report's own record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedCopy {
    /// Whose copy, where it says so.
    pub recipient: Option<String>,
    /// The status code (RFC 3463).
    pub status: Option<String>,
    /// What it means.
    pub meaning: Meaning,
}

/// What became of a delivery report: its one recorded outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportRecord {
    /// The report.
    pub report: MessageKey,
    /// When it was taken in.
    pub at: Timestamp,
    /// The mail of the outbox that it names.
    pub mail: Option<EffectId>,
    /// The message of ours in Sent that it names, where that is no mail of the outbox.
    pub message: Option<MessageKey>,
    /// Recipient by recipient.
    pub copies: Vec<ReportedCopy>,
    /// Further recipients that were not looked at.
    pub left: u32,
}

impl ReportRecord {
    /// Whether a mail of ours came back for good.
    #[must_use]
    pub fn came_back(&self) -> bool {
        self.copies.iter().any(|copy| copy.meaning.came_back())
    }

    /// Whether it proves that a server took the mail.
    #[must_use]
    pub fn proves_sent(&self) -> bool {
        self.copies.iter().any(|copy| copy.meaning.proves_sent())
    }
}

/// The reports about one mail, or one message of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnRecord {
    /// Its id.
    pub id: String,
    /// The newest [`REPORTS_KEPT`], oldest first.
    pub reports: Vec<Reported>,
    /// How many there were.
    pub count: u32,
}

impl ReturnRecord {
    /// None yet.
    #[must_use]
    pub fn new(id: &str) -> ReturnRecord {
        ReturnRecord {
            id: id.to_owned(),
            reports: Vec::new(),
            count: 0,
        }
    }

    /// Adds one.
    pub fn add(&mut self, reported: &Reported) {
        self.count = self.count.saturating_add(1);
        self.reports.push(reported.clone());
        let over = self.reports.len().saturating_sub(REPORTS_KEPT);
        self.reports.drain(..over);
    }
}

/// Why nothing goes to an address, or nothing by itself to a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Since when.
    pub since: Timestamp,
    /// The report that made it so.
    pub by: Reported,
}

/// A person's word that mail may go there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
}

/// How mail to an address, or to a domain, fares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// An address in lookup form, or `@` and a domain.
    pub subject: String,
    /// Since when it is stopped, and by what.
    pub stopped: Option<Stop>,
    /// Mails that came back for good.
    pub returned: u32,
    /// Of an address: reports "not for now" of the last days that nobody was told of. Of a domain:
    /// mails of the last day that came back for good.
    pub recent: Vec<Timestamp>,
    /// The newest report.
    pub last: Reported,
    /// When a person allowed it again last.
    pub allowed: Option<Allowed>,
}

/// What people are to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Nothing goes to the address any more.
    Undeliverable,
    /// A mail came back for its own sake.
    Returned,
    /// Again and again mail does not arrive for now.
    OftenNotNow,
    /// Nothing leaves for the domain by itself any more.
    DomainStopped,
}

impl Reach {
    /// Nothing is known yet but this report.
    #[must_use]
    pub fn new(subject: &str, last: &Reported) -> Reach {
        Reach {
            subject: subject.to_owned(),
            stopped: None,
            returned: 0,
            recent: Vec::new(),
            last: last.clone(),
            allowed: None,
        }
    }

    /// Whether it is a domain.
    #[must_use]
    pub fn is_domain(&self) -> bool {
        self.subject.starts_with('@')
    }

    /// Takes in a report about this address. A second report about an address that is stopped
    /// already counts for nothing: servers on the way may each write one.
    pub fn heed(&mut self, reported: &Reported) -> Option<News> {
        let before = self.last.clone();
        // What was told today is not forgotten over a report that says less.
        let told = self.was_told(reported);
        if !(told && reported.meaning == Meaning::NotNow) {
            self.last = reported.clone();
        }
        if self.stopped.is_some() {
            return None;
        }
        match reported.meaning {
            Meaning::Undeliverable => {
                self.returned = self.returned.saturating_add(1);
                self.recent.clear();
                self.stop(reported);
                Some(News::Undeliverable)
            }
            Meaning::Returned => {
                self.returned = self.returned.saturating_add(1);
                if told {
                    // A day is counted from what was told.
                    self.last = before;
                }
                (!told).then_some(News::Returned)
            }
            Meaning::NotNow => {
                self.count(reported.at, SOFT_WINDOW_MS);
                if self.recent.len() < SOFT_REPORTS_MAX {
                    return None;
                }
                self.recent.clear();
                Some(News::OftenNotNow)
            }
            Meaning::OnItsWay | Meaning::Nothing(_) => None,
        }
    }

    /// Whether a mail to this address came back within the day before this report, and was told.
    #[must_use]
    pub fn was_told(&self, reported: &Reported) -> bool {
        self.last.report != reported.report
            && self.last.meaning == Meaning::Returned
            && reported.at.since(self.last.at) < DAY_MS
    }

    /// Takes in that a mail to an address of this domain came back; so many within a day stop it.
    pub fn heed_domain(&mut self, reported: &Reported, most: usize) -> Option<News> {
        self.last = reported.clone();
        self.returned = self.returned.saturating_add(1);
        self.count(reported.at, DOMAIN_WINDOW_MS);
        if self.stopped.is_some() || self.recent.len() < most {
            return None;
        }
        self.stop(reported);
        Some(News::DomainStopped)
    }

    fn stop(&mut self, reported: &Reported) {
        self.stopped = Some(Stop {
            since: reported.at,
            by: reported.clone(),
        });
    }

    fn count(&mut self, at: Timestamp, window_ms: i64) {
        self.recent.retain(|one| at.since(*one) < window_ms);
        self.recent.push(at);
        // No more than anybody asks for.
        let over = self.recent.len().saturating_sub(FREE_MAIL_RETURNS_MAX);
        self.recent.drain(..over);
    }

    /// A person says that mail may go there again; what was counted is forgotten.
    pub fn allow(&mut self, who: &str, now: Timestamp) {
        self.stopped = None;
        self.recent.clear();
        self.allowed = Some(Allowed {
            at: now,
            who: who.to_owned(),
        });
    }

    /// Why no mail goes there, or none by itself to a domain; `None` when it is not stopped.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let stop = self.stopped.as_ref()?;
        let (subject, since) = (&self.subject, stop.since);
        Some(match subject.strip_prefix('@') {
            Some(domain) => format!(
                "mails to {domain} came back again and again until {since}: a person looks first; \
                 `liaison addresses allow {subject}` lets mail leave by itself again"
            ),
            None => format!(
                "{subject} is undeliverable since {since} ({}); `liaison addresses allow \
                 {subject}` lets mail go there again",
                stop.by.said()
            ),
        })
    }

    /// The task by which people are told that this was stopped at that time, or of this report.
    #[must_use]
    pub fn task_id(&self, news: News, reported: &Reported) -> TaskId {
        let news: &[u8] = match news {
            News::Undeliverable | News::DomainStopped => b"stopped",
            News::Returned => b"returned",
            News::OftenNotNow => b"not-now",
        };
        let parts = [
            self.subject.as_bytes(),
            reported.report.as_str().as_bytes(),
            news,
        ];
        let id = derive("liaison reach 1", &parts);
        TaskId(format!("task-{}", id.get(..16).unwrap_or(&id)))
    }
}

impl News {
    /// Title and text of the task: what came back, and what to do.
    #[must_use]
    pub fn told(self, reach: &Reach, reported: &Reported, subject_line: &str) -> (String, String) {
        let (address, subject, said) = (&reported.recipient, &reach.subject, reported.said());
        let mail = format!("\"{subject_line}\" to {address}");
        match self {
            News::Undeliverable => (
                format!("Mail to {address} does not arrive"),
                format!(
                    "{mail} came back: {said}\nNothing more goes to this address, and what waited \
                     for it was called off.\nFind out the right address and correct the contact. \
                     If this one is right after all: `liaison addresses allow {subject}`\n"
                ),
            ),
            News::Returned => (
                format!("A mail to {address} came back"),
                format!(
                    "{mail} came back: {said}\nThe address may be right: the mail itself, or who \
                     sends it, was refused. Look at the reason, and write to them in another \
                     way.\n"
                ),
            ),
            News::OftenNotNow => (
                format!("Mail to {address} often does not arrive"),
                format!(
                    "{SOFT_REPORTS_MAX} reports within {} days say that mail did not arrive for \
                     now, the last about {mail}: {said}\nMail still goes there. Ask the person \
                     whether the mailbox is in use.\n",
                    SOFT_WINDOW_MS / DAY_MS
                ),
            ),
            News::DomainStopped => {
                let domain = subject.trim_start_matches('@');
                (
                    format!("Mails to {domain} come back"),
                    format!(
                        "{} mails to {domain} came back within a day, the last {mail}: {said}\n\
                         Nothing leaves for this domain by itself any more: it waits for a yes \
                         (`liaison outbox list --state held`).\nFind out why, then: `liaison \
                         addresses allow {subject}`\n",
                        reach.recent.len()
                    ),
                )
            }
        }
    }

    /// Whether it cannot wait.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        self == News::DomainStopped
    }
}

/// The name under which the domain of an address is kept.
#[must_use]
pub fn domain_subject(address: &str) -> Option<String> {
    let (_, domain) = address.rsplit_once('@')?;
    Some(format!("@{domain}"))
}

#[cfg(test)]
mod tests;
