//! The configuration: one TOML file, read into raw tables, validated into [`Config`].
//!
//! ```text
//!  file ──► load (syntax, spans) ──► schema (raw tables) ──► validate (types, cross-references)
//! ```
//!
//! Every problem is reported at once, with file, line, column, key and remedy; a value with a
//! problem never becomes part of a [`Config`]. Secrets are references and stay so. Relative paths
//! are relative to the folder of the file.

mod differences;
mod edges;
mod load;
mod oauth;
mod problem;
mod read;
mod schema;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::civil::Date;
use liaison_core::account::matching::FreeMail;
use liaison_core::account::matching::sender::FormSenders;
use liaison_core::business_time::{BusinessCalendar, QuietHours, Trip, WorkInterval, WorkTime};
use liaison_core::calendar::SlotRules;
use liaison_core::effect::{MailMode, RecordMode};
use liaison_core::happening::UserView;
use liaison_core::ids::{CalendarId, MailboxId, PluginName, TransportId};
use liaison_core::mailbox::MailboxGrants;
use liaison_core::outbox::IfUncertain;
use liaison_core::outbox::approval::Patience;
use liaison_core::policy;
use liaison_core::policy::{Limits, Modes};
use serde_json::{Map, Value};

use crate::alarm::AlarmSettings;
use crate::calendars::CalendarRole;
use crate::dkim::DkimSettings;
use crate::keeping::retention::Retention;
use crate::oauth::Credentials;
use crate::room::RoomSettings;
use crate::sink::caldav::CaldavSettings;
use crate::sink::feed::FeedSettings;
use crate::sink::maildir::MaildirTransportSettings;
use crate::sink::smtp::SmtpSettings;
use crate::sink::vdir::VdirSettings;
use crate::source::imap::ImapSettings;
use crate::source::maildir::MaildirSettings;
use crate::store::sled::SledOptions;
use crate::unsubscribe::UnsubscribeUrl;

pub use load::{CONFIG_FILE_DEFAULT, CONFIG_VARIABLE, config_path, default_plugin_dir};
pub use problem::{ConfigErrors, ConfigProblem};

/// What the operator wrote, validated. All paths are absolute.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from.
    pub file: PathBuf,
    /// Where the daemon keeps everything it remembers.
    pub state_dir: PathBuf,
    /// The control socket.
    pub socket: PathBuf,
    /// Folder with one folder per plugin.
    pub plugin_dir: PathBuf,
    /// The firm's own templates and attachments.
    pub template_dir: Option<PathBuf>,
    /// Log filter, such as `info` or `info,liaison::source=debug`.
    pub log: String,
    /// Ourselves.
    pub firm: FirmConfig,
    /// When recipients are left in peace.
    pub quiet: QuietHours,
    /// What a time for a meeting must be like.
    pub meetings: SlotRules,
    /// Our people.
    pub users: Vec<User>,
    /// The `[[oauth]]`: where access tokens come from. Shared by all clones.
    pub credentials: Credentials,
    /// Ways to send mail.
    pub transports: Vec<Transport>,
    /// Watched inboxes.
    pub mailboxes: Vec<Mailbox>,
    /// Calendars.
    pub calendars: Vec<Calendar>,
    /// Plugins with their grants.
    pub plugins: Vec<PluginConfig>,
    /// Ceilings.
    pub limits: Limits,
    /// How long things are kept.
    pub retention: Retention,
    /// How notifications also go out as mail; `None`: they are tasks only.
    pub staff_mail: Option<StaffMail>,
    /// Who may do what over the control socket.
    pub control: Control,
    /// Sizes of the store.
    pub store: SledOptions,
    /// What is left alone of the disk.
    pub disk: RoomSettings,
    /// When and how somebody is told that a source is not up to date.
    pub alarm: AlarmSettings,
    /// How long a held mail waits before somebody is told.
    pub approval: Patience,
    /// How we check by ourselves who wrote.
    pub authenticity: AuthenticityConfig,
    /// Line and column of keys and sections, by path such as `mailbox.sales.port`: for messages
    /// about what is found out later.
    pub places: BTreeMap<String, (usize, usize)>,
}

/// `[authenticity]`: our own check of senders, besides `firm.authserv_ids`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticityConfig {
    /// DKIM signatures are checked. Default: when no `authserv_ids` are configured.
    pub dkim: bool,
    /// Which DNS servers are asked.
    pub settings: DkimSettings,
}

/// `[firm]`: ourselves.
#[derive(Debug, Clone)]
pub struct FirmConfig {
    /// Display name.
    pub name: String,
    /// IANA zone.
    pub zone: String,
    /// Our own domains, lower-case A-labels.
    pub domains: BTreeSet<String>,
    /// Further addresses of ours, in lookup form.
    pub addresses: BTreeSet<String>,
    /// Domain for Message-IDs and UIDs.
    pub sending_domain: String,
    /// Servers whose Authentication-Results are believed (RFC 8601 section 2.5).
    pub authserv_ids: Vec<String>,
    /// Free-mail providers.
    pub free_mail: FreeMail,
    /// Web forms: addresses and domains.
    pub forms: FormSenders,
    /// Days after which a question whose an address is counts as stale.
    pub review_days: u32,
    /// Whether subject and people tell which thread a message without links may belong to.
    pub threads_by_subject: bool,
    /// Seconds between a decision that a mail leaves and its leaving.
    pub send_delay_secs: u32,
    /// Working hours, holidays and zone.
    pub business: BusinessCalendar,
    /// Text below mails of people without a signature of their own.
    pub signature: Option<String>,
    /// Mails to customers have an HTML form beside the plain one.
    pub html: bool,
    /// Where follow-ups say that a POST asks for their end.
    pub unsubscribe_url: Option<UnsubscribeUrl>,
}

/// `[[user]]`: one of our people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Display name.
    pub name: String,
    /// Address in lookup form; what `owner` refers to.
    pub address: String,
    /// Further addresses, in lookup form.
    pub aliases: Vec<String>,
    /// IANA zone.
    pub zone: String,
    /// Text below their mails; the firm's otherwise.
    pub signature: Option<String>,
    /// Working hours by weekday, Monday first; the firm's otherwise.
    pub hours: Option<[Vec<WorkInterval>; 7]>,
    /// Days elsewhere, apart from each other.
    pub travel: Vec<Travel>,
}

/// Days that one of us spends in another zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Travel {
    /// First day there.
    pub first: Date,
    /// Last day there.
    pub last: Date,
    /// IANA zone.
    pub zone: String,
}

impl User {
    /// The person as plugins see them.
    #[must_use]
    pub fn view(&self) -> UserView {
        UserView {
            name: self.name.clone(),
            email: self.address.clone(),
            zone: self.zone.clone(),
        }
    }
}

/// `[[transport]]`: a way to send mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// Its name.
    pub name: TransportId,
    /// Where mail goes.
    pub kind: TransportKind,
}

/// Kinds of `[[transport]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportKind {
    /// `smtp`: a submission server.
    Smtp(SmtpSettings),
    /// `maildir`: files in a folder.
    Maildir(MaildirTransportSettings),
}

/// `[[mailbox]]`: a watched login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mailbox {
    /// Its name.
    pub name: MailboxId,
    /// Address of the [`User`] whose work it is.
    pub owner: String,
    /// How mails because of this mailbox leave; `None`: they can only be drafted.
    pub transport: Option<TransportId>,
    /// From of those mails, in lookup form.
    pub address: String,
    /// Where answers to those mails shall go, if elsewhere.
    pub reply_to: Option<String>,
    /// After sending, a copy is put into Sent unless the provider did.
    pub file_sent_copy: bool,
    /// What becomes of a mail in doubt that is not found in Sent.
    pub if_uncertain: IfUncertain,
    /// How old the last proof that it is up to date may be; `None`: as `[alarm]` says.
    pub stale_after: Option<Duration>,
    /// Where it is.
    pub kind: MailboxKind,
}

/// Kinds of `[[mailbox]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxKind {
    /// `imap`: a login on an IMAP server.
    Imap(Box<ImapSettings>),
    /// `maildir`: a Maildir on this machine.
    Maildir(MaildirSettings),
}

/// `[[calendar]]`: a calendar collection of one of our people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Its name.
    pub name: CalendarId,
    /// Address of the [`User`] whose time it is.
    pub owner: String,
    /// Holds go here; at most one calendar per owner.
    pub holds: bool,
    /// How old the last proof that it is up to date may be; `None`: as `[alarm]` says.
    pub stale_after: Option<Duration>,
    /// What its events mean.
    pub role: CalendarRole,
    /// Events of whole days block them, unless they say otherwise.
    pub all_day_blocks: bool,
    /// Invitations that were not answered block their time.
    pub unanswered_blocks: bool,
    /// Where it is.
    pub kind: CalendarKind,
}

/// Kinds of `[[calendar]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CalendarKind {
    /// `vdir`: a folder of `.ics` files.
    Vdir(VdirSettings),
    /// `caldav`: a collection on a CalDAV server.
    Caldav(CaldavSettings),
    /// `feed`: an iCalendar file on the web.
    Feed(FeedSettings),
}

/// `[[plugin]]`: a plugin and what it is granted.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginConfig {
    /// Its name, as in its manifest.
    pub name: PluginName,
    /// Its folder where that is not `plugin_dir/NAME`; see [`Config::plugin_folder`].
    pub path: Option<PathBuf>,
    /// The only component that may run: `sha256:` and 64 hex digits.
    pub digest: Option<String>,
    /// Whether it runs at all.
    pub enabled: bool,
    /// What becomes of its proposals.
    pub modes: Modes,
    /// What of a message in its mailbox it may change; nothing where the file does not say.
    pub mailbox: MailboxGrants,
    /// The keys of `mode` that the file sets.
    pub modes_written: BTreeSet<&'static str>,
    /// The operator's settings, unchecked: the manifest declares them.
    pub settings: Map<String, Value>,
}

/// `[staff_mail]`: notifications as mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffMail {
    /// How it leaves.
    pub transport: TransportId,
    /// Its From.
    pub from: String,
}

/// `[control]`: who may do what over the socket. Root and the daemon's own user may do all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// User ids that may do everything.
    pub admin_uids: BTreeSet<u32>,
    /// User ids that may approve, reject and look.
    pub approve_uids: BTreeSet<u32>,
    /// User ids that may look.
    pub observe_uids: BTreeSet<u32>,
    /// Primary group ids that may look (peer credentials carry no other groups).
    pub observe_gids: BTreeSet<u32>,
}

/// What a caller of the control socket may do; each includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Look.
    Observe,
    /// Approve and reject.
    Approve,
    /// Everything.
    Admin,
}

impl Control {
    /// The role of a peer; `None`: it may not even look. `own_uid` is the daemon's.
    #[must_use]
    pub fn role(&self, uid: u32, gid: u32, own_uid: u32) -> Option<Role> {
        if uid == 0 || uid == own_uid || self.admin_uids.contains(&uid) {
            Some(Role::Admin)
        } else if self.approve_uids.contains(&uid) {
            Some(Role::Approve)
        } else if self.observe_uids.contains(&uid) || self.observe_gids.contains(&gid) {
            Some(Role::Observe)
        } else {
            None
        }
    }
}

/// What a plugin that is not there, or not enabled, may do.
const ALL_OFF: Modes = Modes {
    mail: MailMode::Off,
    records: RecordMode::Off,
    tasks: RecordMode::Off,
    holds: RecordMode::Off,
    mailbox: RecordMode::Off,
};

impl Config {
    /// Ourselves, as decisions need it: addresses of people and mailboxes count as ours.
    #[must_use]
    pub fn firm(&self) -> policy::Firm {
        let people = self
            .users
            .iter()
            .flat_map(|user| std::iter::once(&user.address).chain(&user.aliases));
        let mailboxes = self.mailboxes.iter().map(|mailbox| &mailbox.address);
        let staff = self.staff_mail.iter().map(|staff| &staff.from);
        let own = self.firm.addresses.iter().chain(people);
        policy::Firm {
            own_domains: self.firm.domains.clone(),
            own_addresses: own.chain(mailboxes).chain(staff).cloned().collect(),
            sending_domain: self.firm.sending_domain.clone(),
            business: self.firm.business.clone(),
            quiet: self.quiet.clone(),
            send_delay_ms: i64::from(self.firm.send_delay_secs).saturating_mul(1_000),
        }
    }

    /// What the operator granted to a plugin; nothing when it is not enabled.
    #[must_use]
    pub fn modes(&self, plugin: &PluginName) -> Modes {
        self.plugin(plugin)
            .filter(|plugin| plugin.enabled)
            .map_or(ALL_OFF, |plugin| plugin.modes)
    }

    /// The plugin with this name.
    #[must_use]
    pub fn plugin(&self, name: &PluginName) -> Option<&PluginConfig> {
        self.plugins.iter().find(|plugin| plugin.name == *name)
    }

    /// The folder with a plugin's manifest and component.
    #[must_use]
    pub fn plugin_folder(&self, plugin: &PluginConfig) -> PathBuf {
        let usual = || self.plugin_dir.join(plugin.name.as_str());
        plugin.path.clone().unwrap_or_else(usual)
    }

    /// Compiled code of plugins: derived, made anew whenever it is not there.
    #[must_use]
    pub fn plugin_code_dir(&self) -> PathBuf {
        self.state_dir.join("compiled")
    }

    /// The transport with this name.
    #[must_use]
    pub fn transport(&self, name: &TransportId) -> Option<&Transport> {
        self.transports
            .iter()
            .find(|transport| transport.name == *name)
    }

    /// The mailbox with this name.
    #[must_use]
    pub fn mailbox(&self, name: &MailboxId) -> Option<&Mailbox> {
        self.mailboxes.iter().find(|mailbox| mailbox.name == *name)
    }

    /// The calendar with this name.
    #[must_use]
    pub fn calendar(&self, name: &CalendarId) -> Option<&Calendar> {
        self.calendars
            .iter()
            .find(|calendar| calendar.name == *name)
    }

    /// Our person with this address or alias, in lookup form.
    #[must_use]
    pub fn user(&self, address: &str) -> Option<&User> {
        self.users.iter().find(|user| {
            user.address == address || user.aliases.iter().any(|alias| alias == address)
        })
    }

    /// When one of us works: their own hours or the firm's, in their zone or where they travel, with
    /// the firm's holidays and those of their zone.
    #[must_use]
    pub fn work_time(&self, user: &User) -> WorkTime {
        let home = self.firm.business.clone();
        let home = home.clone().in_zone(&user.zone).unwrap_or(home);
        let home = match &user.hours {
            Some(hours) => home.clone().with_hours(hours.clone()).unwrap_or(home),
            None => home,
        };
        let in_zone = |zone: &str| {
            let there = home.clone().in_zone(zone).ok()?;
            // Whether holidays of our own zone are ours is said by `ours` of their file.
            let elsewhere = zone != self.firm.zone;
            let holidays = self.quiet.holidays.get(zone).filter(|_| elsewhere);
            Some(match holidays {
                Some(holidays) => there.with_holidays(holidays),
                None => there,
            })
        };
        let trips = user.travel.iter().filter_map(|travel| {
            Some(Trip {
                first: travel.first,
                last: travel.last,
                calendar: in_zone(&travel.zone)?,
            })
        });
        let trips = trips.collect();
        let home = in_zone(&user.zone).unwrap_or_else(|| home.clone());
        WorkTime::at(home).with_trips(trips)
    }

    /// Whose work a mailbox is.
    #[must_use]
    pub fn owner_of(&self, mailbox: &MailboxId) -> Option<&User> {
        self.user(&self.mailbox(mailbox)?.owner)
    }

    /// Where holds of this person go.
    #[must_use]
    pub fn hold_calendar(&self, owner: &str) -> Option<&Calendar> {
        let owner = &self.user(owner)?.address;
        self.calendars
            .iter()
            .find(|calendar| calendar.holds && calendar.owner == *owner)
    }

    /// The text below mails of this person: theirs, else the firm's.
    #[must_use]
    pub fn signature(&self, owner: &str) -> Option<&str> {
        let own = self.user(owner).and_then(|user| user.signature.as_deref());
        own.or(self.firm.signature.as_deref())
    }

    /// Reads and validates a configuration file.
    ///
    /// # Errors
    /// Every problem in it, or why it cannot be read.
    pub fn load(file: &Path) -> Result<Config, ConfigErrors> {
        load::load(file)
    }
}

#[cfg(test)]
mod tests;
