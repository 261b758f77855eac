//! The sample files, and the days on which the story plays.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use jiff::ToSpan;
use jiff::civil::Date;
use liaison_core::business_time::BusinessCalendar;
use liaison_core::time::Timestamp;

use super::{CONFIG_FILE, DemoError, file_error};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

/// The account list.
pub(super) const ACCOUNTS: &str = include_str!("../../../config/demo/accounts.csv");
/// Its name in the folder.
pub(super) const ACCOUNTS_FILE: &str = "accounts.csv";
/// Alice's Maildir.
pub(super) const MAILBOX: &str = "mail/alice";
/// Alice's folder of sent mail.
pub(super) const SENT: &str = "mail/alice/.Sent";
/// Alice's folder of drafts.
pub(super) const DRAFTS: &str = "mail/alice/.Drafts";
/// Where the transport files what it sends.
pub(super) const OUTGOING: &str = "sent-mail";

const CONFIG: &str = include_str!("../../../config/demo/liaison.toml");

macro_rules! samples {
    ($($(#[$doc:meta])* $name:ident = $folder:literal $file:literal;)*) => {$(
        $(#[$doc])*
        pub(super) const $name: Sample = Sample {
            name: $file,
            text: include_str!(concat!("../../../config/demo/", $folder, "/", $file)),
        };
    )*};
}

/// A sample message or calendar file; `{{word}}` in it is filled in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) name: &'static str,
    text: &'static str,
}

samples! {
    /// A customer's mail from before the first start.
    HISTORY_ORDER = "mail" "history-order.eml";
    /// An old enquiry: nobody must answer it now.
    HISTORY_ENQUIRY = "mail" "history-enquiry.eml";
    /// Our answer to the customer, by hand.
    HISTORY_ANSWER = "mail" "history-answer.eml";
    /// Alice asks Gus, who never answers.
    ASK_GUS = "mail" "ask-gus.eml";
    /// Alice asks Carol, who does.
    ASK_CAROL = "mail" "ask-carol.eml";
    /// Alice asks Erik, who is away.
    ASK_ERIK = "mail" "ask-erik.eml";
    /// Alice asks Fay, whose address is dead.
    ASK_FAY = "mail" "ask-fay.eml";
    /// The delivery report about Fay's address.
    BOUNCE = "mail" "bounce.eml";
    /// Erik's absence note.
    OUT_OF_OFFICE = "mail" "out-of-office.eml";
    /// A newsletter that reads like an enquiry.
    NEWSLETTER = "mail" "newsletter.eml";
    /// Carol's answer.
    REPLY = "mail" "reply.eml";
    /// A prospect asks for a confidentiality agreement.
    NDA = "mail" "nda.eml";
    /// Somebody who is not Carol.
    SPOOF = "mail" "spoof.eml";
    /// Somebody unknown wants something.
    LEAD = "mail" "lead.eml";
    /// Every working day.
    STAND_UP = "calendar" "stand-up.ics";
    /// A morning.
    STEERING = "calendar" "steering.ics";
    /// A whole day.
    WORKSHOP = "calendar" "workshop.ics";
    /// An early afternoon.
    DENTIST = "calendar" "dentist.ics";
}

impl Sample {
    /// Its text with the words filled in.
    pub(super) fn filled(self, words: &[(&str, &str)]) -> String {
        words
            .iter()
            .fold(self.text.to_owned(), |text, (word, value)| {
                text.replace(&format!("{{{{{word}}}}}"), value)
            })
    }
}

/// The days of the story, in the firm's calendar.
#[derive(Debug, Clone)]
pub(super) struct Days {
    business: BusinessCalendar,
    /// The real now at the start of the demo.
    pub(super) now: Timestamp,
    /// The working day on which it begins, some ten days ago.
    pub(super) first: Date,
    /// The last working day before today, so that the clock never runs ahead.
    pub(super) last: Date,
}

/// Calendar days from the first to the last day of the story, at least: room for three working
/// days whatever the weekday.
const LENGTH_DAYS: i64 = 8;

impl Days {
    /// The days for a demo that is run at `now`.
    pub(super) fn before(now: Timestamp, business: &BusinessCalendar) -> Days {
        let working = |mut date: Date| {
            while !business.is_working_day(date) {
                date = days_after(date, -1);
            }
            date
        };
        let last = working(days_after(business.date_of(now), -1));
        let first = working(days_after(last, -LENGTH_DAYS));
        Days {
            business: business.clone(),
            now,
            first,
            last,
        }
    }

    /// `minute` of the day in the firm's zone.
    pub(super) fn at(&self, date: Date, hour: i64, minute: i64) -> Timestamp {
        let noon_or_so = self
            .business
            .start_of(date)
            .to_jiff()
            .to_zoned(self.business.zone().clone());
        let wanted = date
            .at(0, 0, 0, 0)
            .checked_add(hour.hours().minutes(minute));
        let zoned = wanted.and_then(|civil| civil.to_zoned(self.business.zone().clone()));
        Timestamp::from_jiff(zoned.unwrap_or(noon_or_so).timestamp())
    }

    /// The working day `count` working days after the last one.
    fn ahead(&self, count: u32) -> Date {
        let noon = self.at(self.last, 12, 0);
        self.business
            .date_of(self.business.add_business_days(noon, count))
    }

    /// The `Date` header field for an instant (RFC 5322 section 3.3).
    pub(super) fn date_field(&self, at: Timestamp) -> String {
        let zoned = at.to_jiff().to_zoned(self.business.zone().clone());
        zoned.strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
    }

    /// Three working days after an instant.
    pub(super) fn three_days_after(&self, at: Timestamp) -> Timestamp {
        self.business.add_business_days(at, 3)
    }

    /// A day next week in words, when Erik is back.
    pub(super) fn return_day(&self) -> String {
        let back = days_after(self.business.date_of(self.now), 6);
        back.strftime("%-d %B %Y").to_string()
    }
}

fn days_after(date: Date, days: i64) -> Date {
    date.saturating_add(days.days())
}

/// Writes configuration, accounts, Maildir and calendars, and reads the configuration as the
/// daemon does.
pub(super) fn write(dir: &Path, plugins: &Path) -> Result<(Config, Days), DemoError> {
    let file = dir.join(CONFIG_FILE);
    let quoted = toml::Value::String(plugins.to_string_lossy().into_owned()).to_string();
    put(&file, CONFIG.replace("{{plugin_dir}}", &quoted).as_bytes())?;
    put(&dir.join(ACCOUNTS_FILE), ACCOUNTS.as_bytes())?;
    for folder in [MAILBOX, SENT, DRAFTS] {
        for part in ["tmp", "new", "cur"] {
            make(&dir.join(folder).join(part))?;
        }
    }
    let config = Config::load(&file).map_err(DemoError::Config)?;
    let days = Days::before(SystemClock.now(), &config.firm.business);
    calendars(dir, &days)?;
    Ok((config, days))
}

fn calendars(dir: &Path, days: &Days) -> Result<(), DemoError> {
    let day = |ahead: u32| days.ahead(ahead).strftime("%Y%m%d").to_string();
    let next = days_after(days.ahead(4), 1).strftime("%Y%m%d").to_string();
    for (owner, sample, ahead) in [
        ("alice", STAND_UP, 0),
        ("alice", STEERING, 3),
        ("alice", WORKSHOP, 4),
        ("alice", DENTIST, 5),
        ("bob", STAND_UP, 0),
    ] {
        let calendar = dir.join("calendars").join(owner);
        make(&calendar)?;
        put(&calendar.join("displayname"), owner.as_bytes())?;
        let text = sample.filled(&[("day", &day(ahead)), ("next", &next)]);
        put(&calendar.join(sample.name), text.as_bytes())?;
    }
    Ok(())
}

/// Puts a message into a Maildir as a delivery agent does, with the story's time on it.
pub(super) fn deliver(
    folder: &Path,
    place: &str,
    text: &str,
    at: Timestamp,
) -> Result<PathBuf, DemoError> {
    let name = Path::new(place).file_name().unwrap_or_default();
    let temporary = folder.join("tmp").join(name);
    put(&temporary, text.as_bytes())?;
    set_time(&temporary, at)?;
    let path = folder.join(place);
    fs::rename(&temporary, &path).map_err(file_error(&path))?;
    Ok(path)
}

/// Gives a file the story's time: a source takes it as the time of arrival.
pub(super) fn set_time(path: &Path, at: Timestamp) -> Result<(), DemoError> {
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or_default());
    let times = FileTimes::new().set_modified(UNIX_EPOCH + since);
    let file = File::options()
        .write(true)
        .open(path)
        .map_err(file_error(path))?;
    file.set_times(times).map_err(file_error(path))
}

fn make(path: &Path) -> Result<(), DemoError> {
    fs::create_dir_all(path).map_err(file_error(path))
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    let mut file = File::create(path).map_err(file_error(path))?;
    file.write_all(bytes).map_err(file_error(path))
}
