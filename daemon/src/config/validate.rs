//! From raw tables to [`Config`]: types, ranges, names that refer to one another.

mod alarm;
mod approval;
mod firm;
mod meetings;
mod plugins;
mod quiet;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use liaison_core::ids::TransportId;
use liaison_core::mail::address::{Address, Domain};
use liaison_core::outbox::approval::Patience;
use liaison_core::policy::Limits;
use liaison_core::zones::zone;
use tracing_subscriber::EnvFilter;

use super::load::default_plugin_dir;
use super::problem::Problems;
use super::read::{Section, did_you_mean};
use super::schema::{RawControl, RawLimits, RawRetention, RawStaffMail, RawTop, RawUser, SECTIONS};
use super::{Config, Control, StaffMail, User};
use crate::alarm::AlarmSettings;
use crate::keeping::retention::{CONTENT_BYTES_MIN, FACTS_DAYS_MIN, Kept, Retention};
use crate::oauth::Credentials;

/// Name of the socket in the state folder.
const SOCKET_NAME: &str = "liaison.sock";
/// Longest path of a socket in bytes (`sun_path` of unix(7), less its final zero).
const SOCKET_PATH_BYTES_MAX: usize = 107;
/// Longest name of a section in characters: it is part of keys and file names.
const NAME_CHARS_MAX: usize = 64;
/// How the kernel calls users and groups that have no number in our user namespace.
const NOBODY: u32 = 65534;
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// One reading of one file.
pub(super) struct Validation<'p, 't> {
    pub(super) problems: &'p mut Problems<'t>,
    /// Folder of the file: relative paths begin here.
    folder: PathBuf,
    /// Addresses and aliases of our people, each with the person's own address; taken before
    /// anything is checked, so that one problem does not cause others.
    people: BTreeMap<String, String>,
    /// Names of the transports, likewise.
    transports: BTreeSet<String>,
    /// Names of the credentials, likewise.
    pub(super) oauth_names: BTreeSet<String>,
    /// Those of them that can be used.
    pub(super) credentials: Credentials,
}

/// The tables of a file, taken apart.
struct Tables<'i> {
    users: Vec<Section<'i>>,
    oauth: Vec<Section<'i>>,
    transports: Vec<Section<'i>>,
    mailboxes: Vec<Section<'i>>,
    calendars: Vec<Section<'i>>,
    plugins: Vec<Section<'i>>,
    holiday_files: Vec<Section<'i>>,
    firm: Option<Section<'i>>,
    quiet_hours: Option<Section<'i>>,
    meetings: Option<Section<'i>>,
    limits: Option<Section<'i>>,
    retention: Option<Section<'i>>,
    control: Option<Section<'i>>,
    staff_mail: Option<Section<'i>>,
    store: Option<Section<'i>>,
    disk: Option<Section<'i>>,
    authenticity: Option<Section<'i>>,
    alarm: Option<Section<'i>>,
    approval: Option<Section<'i>>,
}

impl<'i> Tables<'i> {
    fn take(top: &mut Section<'i>, problems: &mut Problems<'_>) -> Tables<'i> {
        if !top.has("firm") {
            let remedy = "add [firm] with name, zone and domains";
            problems.add(top, "firm", "there is no [firm]", remedy);
        }
        Tables {
            users: top.take_tables("user", problems),
            oauth: top.take_tables("oauth", problems),
            transports: top.take_tables("transport", problems),
            mailboxes: top.take_tables("mailbox", problems),
            calendars: top.take_tables("calendar", problems),
            plugins: top.take_tables("plugin", problems),
            holiday_files: top.take_tables("holiday_file", problems),
            firm: top.take_table("firm", problems),
            quiet_hours: top.take_table("quiet_hours", problems),
            meetings: top.take_table("meetings", problems),
            limits: top.take_table("limits", problems),
            retention: top.take_table("retention", problems),
            control: top.take_table("control", problems),
            staff_mail: top.take_table("staff_mail", problems),
            store: top.take_table("store", problems),
            disk: top.take_table("disk", problems),
            authenticity: top.take_table("authenticity", problems),
            alarm: top.take_table("alarm", problems),
            approval: top.take_table("approval", problems),
        }
    }

    /// Line and column of everything.
    fn places(&self, problems: &Problems<'_>) -> BTreeMap<String, (usize, usize)> {
        let lists = [
            &self.users,
            &self.oauth,
            &self.transports,
            &self.mailboxes,
            &self.calendars,
            &self.plugins,
            &self.holiday_files,
        ];
        let single = [
            &self.firm,
            &self.quiet_hours,
            &self.meetings,
            &self.limits,
            &self.retention,
            &self.control,
            &self.staff_mail,
            &self.store,
            &self.disk,
            &self.authenticity,
            &self.alarm,
            &self.approval,
        ];
        let all = lists
            .into_iter()
            .flatten()
            .chain(single.into_iter().flatten());
        all.flat_map(Section::offsets)
            .map(|(key, offset)| (key, problems.line_and_column(offset)))
            .collect()
    }
}

/// Checks everything; `None` when there was any problem.
pub(super) fn validate(
    mut top: Section<'_>,
    file: &Path,
    problems: &mut Problems<'_>,
) -> Option<Config> {
    let tables = Tables::take(&mut top, problems);
    let mut places = tables.places(problems);
    places.extend(
        top.offsets()
            .map(|(key, offset)| (key, problems.line_and_column(offset))),
    );
    let names = |sections: &[Section<'_>]| {
        let names = sections.iter().filter_map(|section| section.text("name"));
        names.map(str::to_owned).collect()
    };
    let mut validation = Validation {
        problems,
        folder: file.parent().unwrap_or(Path::new("/")).to_owned(),
        people: people(&tables.users),
        transports: names(&tables.transports),
        oauth_names: names(&tables.oauth),
        credentials: Credentials::default(),
    };
    let v = &mut validation;
    let paths = v.paths(&top);
    let mut firm = tables.firm.and_then(|section| v.firm(&section));
    let mut quiet = v.quiet_hours(tables.quiet_hours.as_ref());
    let holidays = v.holiday_files(&tables.holiday_files);
    if let Some(firm) = &mut firm {
        firm.business = firm.business.clone().with_holidays(&holidays.ours);
    }
    if let Some(quiet) = &mut quiet {
        quiet.holidays = holidays.by_zone;
    }
    let zone = firm.as_ref().map_or("UTC", |firm| &firm.zone);
    let users = v.users(&tables.users, zone);
    let meetings = v.meetings(tables.meetings.as_ref());
    let state_dir = paths.as_ref().map(|paths| paths.state_dir.as_path());
    v.credentials(&tables.oauth, state_dir);
    let credentials = v.credentials.clone();
    let transports = v.transports(tables.transports);
    let mailboxes = v.mailboxes(tables.mailboxes);
    let calendars = v.calendars(tables.calendars);
    let plugins = v.plugins(&tables.plugins);
    let limits = tables
        .limits
        .map_or(Some(Limits::default()), |section| v.limits(&section));
    let retention = tables
        .retention
        .map_or(Some(Retention::default()), |section| v.retention(&section));
    let control = tables
        .control
        .map_or(Some(Control::default()), |section| v.control(&section));
    let store = v.store(tables.store.as_ref());
    let disk = v.disk(tables.disk.as_ref());
    let authenticity = v.authenticity(tables.authenticity.as_ref(), firm.as_ref());
    let alarm = tables
        .alarm
        .map_or(Some(AlarmSettings::default()), |section| v.alarm(&section));
    let approval = tables
        .approval
        .map_or(Some(Patience::default()), |section| v.approval(&section));
    let staff_mail = match tables.staff_mail {
        Some(section) => Some(v.staff_mail(&section)?),
        None => None,
    };
    let (firm, paths) = (firm?, paths?);
    Some(Config {
        file: file.to_owned(),
        state_dir: paths.state_dir,
        socket: paths.socket,
        plugin_dir: paths.plugin_dir,
        template_dir: paths.template_dir,
        log: paths.log,
        firm,
        quiet: quiet?,
        meetings: meetings?,
        users,
        credentials,
        transports,
        mailboxes,
        calendars,
        plugins,
        limits: limits?,
        retention: retention?,
        staff_mail,
        control: control?,
        store: store?,
        disk: disk?,
        authenticity: authenticity?,
        alarm: alarm?,
        approval: approval?,
        places,
    })
}

/// Addresses and aliases as they stand in the file, before they are checked.
fn people(users: &[Section<'_>]) -> BTreeMap<String, String> {
    let mut people = BTreeMap::new();
    for section in users {
        let Some(main) = section.text("address").map(lookup_form) else {
            continue;
        };
        people.insert(main.clone(), main.clone());
        for alias in section.texts("aliases") {
            people.entry(lookup_form(alias)).or_insert(main.clone());
        }
    }
    people
}

fn lookup_form(text: &str) -> String {
    Address::parse(text).map_or_else(|_| text.trim().to_lowercase(), |address| address.key())
}

/// The keys at the top, checked.
struct Top {
    state_dir: PathBuf,
    socket: PathBuf,
    plugin_dir: PathBuf,
    template_dir: Option<PathBuf>,
    log: String,
}

impl Validation<'_, '_> {
    fn paths(&mut self, top: &Section<'_>) -> Option<Top> {
        let raw: RawTop = top.read(&SECTIONS, self.problems)?;
        let state_dir = self.path(top, "state_dir", raw.state_dir);
        let socket = match raw.socket {
            Some(socket) => self.path(top, "socket", socket),
            None => state_dir.join(SOCKET_NAME),
        };
        let bytes = socket.as_os_str().len();
        if bytes > SOCKET_PATH_BYTES_MAX {
            let what = format!(
                "the path of the socket has {bytes} bytes, the system allows \
                 {SOCKET_PATH_BYTES_MAX}"
            );
            let remedy = "set `socket` to a shorter path, such as /run/liaison/liaison.sock";
            self.problems.add(top, "socket", what, remedy);
        }
        self.log(top, &raw.log);
        Some(Top {
            state_dir,
            socket,
            plugin_dir: match raw.plugin_dir {
                Some(folder) => self.path(top, "plugin_dir", folder),
                None => default_plugin_dir(),
            },
            template_dir: raw
                .template_dir
                .map(|folder| self.path(top, "template_dir", folder)),
            log: raw.log,
        })
    }

    fn log(&mut self, top: &Section<'_>, log: &str) {
        // A misspelt level would be taken for the name of a module.
        let single = !log.contains(['=', ',', '[']);
        if single && !LOG_LEVELS.contains(&log) {
            let what = format!("`{log}` is no log level");
            let remedy = did_you_mean(log, &LOG_LEVELS);
            self.problems.add(top, "log", what, remedy);
        } else if let Err(error) = EnvFilter::builder().parse(log) {
            let what = format!("it is no log filter ({error})");
            let remedy = "write a level, or level and exceptions: info,liaison::source=debug";
            self.problems.add(top, "log", what, remedy);
        }
    }

    /// The path from the folder of the file.
    pub(super) fn path(&mut self, section: &Section<'_>, key: &str, path: PathBuf) -> PathBuf {
        if path.as_os_str().is_empty() {
            let remedy = "name a path, or leave the key out where it has a default";
            self.problems.add(section, key, "the path is empty", remedy);
        } else if path.starts_with("~") {
            let remedy = "write the whole path: `~` has no meaning here";
            self.problems
                .add(section, key, "the path begins with `~`", remedy);
        }
        self.folder.join(path)
    }

    /// An address in lookup form.
    pub(super) fn address(
        &mut self,
        section: &Section<'_>,
        key: &str,
        text: &str,
    ) -> Option<String> {
        match Address::parse(text) {
            Ok(address) => Some(address.key()),
            Err(error) => {
                self.say(section, key, &error.to_string(), "correct the address");
                None
            }
        }
    }

    fn addresses(&mut self, section: &Section<'_>, key: &str, texts: &[String]) -> Vec<String> {
        let each = texts.iter().enumerate();
        each.filter_map(|(index, text)| self.address(section, &format!("{key}[{index}]"), text))
            .collect()
    }

    /// Adds a problem whose sentence may bring its remedy after a colon or semicolon.
    pub(super) fn say(&mut self, section: &Section<'_>, key: &str, said: &str, remedy: &str) {
        let parts = said.split_once(": ").or_else(|| said.split_once("; "));
        let (what, remedy) = parts.unwrap_or((said, remedy));
        self.problems.add(section, key, what, remedy);
    }

    fn not_empty(&mut self, section: &Section<'_>, key: &str, text: &str) {
        if text.trim().is_empty() {
            self.problems
                .add(section, key, "it is empty", "write a text");
        }
    }

    /// Checks a name and that no other section of its kind has it.
    pub(super) fn name(&mut self, section: &Section<'_>, name: &str, taken: &mut BTreeSet<String>) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count());
        if !fits || !name.chars().all(plain) || name.starts_with('.') {
            let remedy = format!(
                "use 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_` and `.`, and no dot first"
            );
            self.problems
                .add(section, "name", "it is no usable name", remedy);
        } else if !taken.insert(name.to_owned()) {
            let what = format!("the name `{name}` is used twice");
            let remedy = "give each its own name";
            self.problems.add(section, "name", what, remedy);
        }
    }

    /// The address of one of our people.
    pub(super) fn owner(&mut self, section: &Section<'_>, text: &str) -> Option<String> {
        let found = self.people.get(&lookup_form(text)).cloned();
        if found.is_none() {
            let known: Vec<&str> = self.people.values().map(String::as_str).collect();
            let what = format!("`{text}` is none of our people");
            let hint = match known.is_empty() {
                true => String::new(),
                false => format!(", or correct it: {}", did_you_mean(text, &known)),
            };
            let remedy = format!("add a [[user]] with this address{hint}");
            self.problems.add(section, "owner", what, remedy);
        }
        found
    }

    /// A transport that exists.
    pub(super) fn transport(&mut self, section: &Section<'_>, name: &str) -> Option<TransportId> {
        if self.transports.contains(name) {
            return Some(TransportId::from(name));
        }
        let known: Vec<&str> = self.transports.iter().map(String::as_str).collect();
        let what = format!("there is no [[transport]] named `{name}`");
        let remedy = match known.is_empty() {
            true => "add a [[transport]] with this name".to_owned(),
            false => did_you_mean(name, &known),
        };
        self.problems.add(section, "transport", what, remedy);
        None
    }

    fn zone(&mut self, section: &Section<'_>, name: &str) {
        self.zone_at(section, "zone", name);
    }

    pub(super) fn zone_at(&mut self, section: &Section<'_>, key: &str, name: &str) {
        if zone(name).is_none() {
            let what = format!("`{name}` is no IANA time zone");
            let remedy = "write it like Europe/Berlin or UTC";
            self.problems.add(section, key, what, remedy);
        }
    }

    fn domain(&mut self, section: &Section<'_>, key: &str, text: &str) -> Option<String> {
        match Domain::parse(text) {
            Ok(domain) => Some(domain.as_str().to_owned()),
            Err(error) => {
                self.say(section, key, &error.to_string(), "correct the domain");
                None
            }
        }
    }

    fn domains(&mut self, section: &Section<'_>, key: &str, texts: &[String]) -> Vec<String> {
        let each = texts.iter().enumerate();
        each.filter_map(|(index, text)| self.domain(section, &format!("{key}[{index}]"), text))
            .collect()
    }

    fn users(&mut self, sections: &[Section<'_>], firm_zone: &str) -> Vec<User> {
        let mut users = Vec::new();
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for section in sections {
            let Some(raw) = section.read::<RawUser>(&[], self.problems) else {
                continue;
            };
            self.not_empty(section, "name", &raw.name);
            if let Some(zone) = &raw.zone {
                self.zone(section, zone);
            }
            let Some(address) = self.address(section, "address", &raw.address) else {
                continue;
            };
            let aliases = self.addresses(section, "aliases", &raw.aliases);
            let keys = std::iter::once(&address).chain(&aliases);
            for (index, key) in keys.enumerate() {
                if let Some(other) = taken.insert(key.clone(), raw.name.clone()) {
                    let at = if index == 0 { "address" } else { "aliases" };
                    let what = format!("`{key}` is an address of {other} already");
                    let remedy = "give each address to one person";
                    self.problems.add(section, at, what, remedy);
                }
            }
            let hours = raw.working_hours.as_ref();
            let hours = hours.and_then(|hours| self.own_hours(section, hours));
            let travel = self.travel(section, &raw.travel);
            users.push(User {
                name: raw.name,
                address,
                aliases,
                zone: raw.zone.unwrap_or_else(|| firm_zone.to_owned()),
                signature: raw.signature,
                hours,
                travel,
            });
        }
        users
    }

    fn limits(&mut self, section: &Section<'_>) -> Option<Limits> {
        let raw: RawLimits = section.read(&[], self.problems)?;
        if raw.hold_hours == Some(0) {
            let remedy = "at least 1; to place no holds set mode.holds = \"off\" for the plugin";
            let what = "a hold would end as it begins";
            self.problems.add(section, "hold_hours", what, remedy);
        }
        let usual = Limits::default();
        Some(Limits {
            contact_mails_per_week: raw
                .contact_mails_per_week
                .unwrap_or(usual.contact_mails_per_week),
            account_mails_per_week: raw
                .account_mails_per_week
                .unwrap_or(usual.account_mails_per_week),
            contact_automatic_per_day: raw
                .contact_automatic_per_day
                .unwrap_or(usual.contact_automatic_per_day),
            thread_automatic: raw.thread_automatic.unwrap_or(usual.thread_automatic),
            automatic_per_hour: raw.automatic_per_hour.unwrap_or(usual.automatic_per_hour),
            login_mails_per_minute: raw
                .login_mails_per_minute
                .unwrap_or(usual.login_mails_per_minute),
            login_mails_per_day: raw.login_mails_per_day.unwrap_or(usual.login_mails_per_day),
            domain_mails_per_day: raw
                .domain_mails_per_day
                .unwrap_or(usual.domain_mails_per_day),
            staff_mails_per_hour: raw
                .staff_mails_per_hour
                .unwrap_or(usual.staff_mails_per_hour),
            hold_hours: raw.hold_hours.unwrap_or(usual.hold_hours),
            hold_before_slot_hours: raw
                .hold_before_slot_hours
                .unwrap_or(usual.hold_before_slot_hours),
            holds_open: raw.holds_open.unwrap_or(usual.holds_open),
            holds_open_account: raw.holds_open_account.unwrap_or(usual.holds_open_account),
            holds_open_total: raw.holds_open_total.unwrap_or(usual.holds_open_total),
            mailbox_changes_per_message: raw
                .mailbox_changes_per_message
                .unwrap_or(usual.mailbox_changes_per_message),
        })
    }

    fn retention(&mut self, section: &Section<'_>) -> Option<Retention> {
        let raw: RawRetention = section.read(&[], self.problems)?;
        let usual = Retention::default();
        let raw_mail = self.kept(section, "raw_mail", raw.raw_mail, usual.raw_mail, 1)?;
        let facts = self.kept(section, "facts", raw.facts, usual.facts, FACTS_DAYS_MIN)?;
        if facts.ends_before(raw_mail) {
            let what = "the facts of a message would go before its bytes";
            let remedy = "keep `facts` for at least as long as `raw_mail`";
            self.problems.add(section, "facts", what, remedy);
        }
        if raw
            .content_bytes_max
            .is_some_and(|max| max < CONTENT_BYTES_MIN)
        {
            let what = format!("less than {CONTENT_BYTES_MIN} bytes leave no room to work");
            let remedy = "write a larger number of bytes, or leave the key out for no bound";
            self.problems
                .add(section, "content_bytes_max", what, remedy);
        }
        Some(Retention {
            raw_mail,
            facts,
            content_bytes_max: raw.content_bytes_max,
        })
    }

    /// `400d` or `forever`.
    fn kept(
        &mut self,
        section: &Section<'_>,
        key: &str,
        text: Option<String>,
        usual: Kept,
        days_min: u32,
    ) -> Option<Kept> {
        let Some(text) = text else {
            return Some(usual);
        };
        let remedy = format!(
            "write a number of days such as \"730d\" (at least {days_min}), or \"forever\""
        );
        let Some(kept) = Kept::parse(&text) else {
            let what = format!("`{text}` is no time to keep something");
            self.problems.add(section, key, what, remedy);
            return None;
        };
        if matches!(kept, Kept::Days(days) if days < days_min) {
            let what = match key {
                "facts" => format!(
                    "{text} is too short: for {days_min} days they keep anything from being done twice"
                ),
                _ => format!("{text} is too short"),
            };
            self.problems.add(section, key, what, remedy);
        }
        Some(kept)
    }

    fn control(&mut self, section: &Section<'_>) -> Option<Control> {
        let raw: RawControl = section.read(&[], self.problems)?;
        let lists = [
            ("admin_uids", &raw.admin_uids),
            ("approve_uids", &raw.approve_uids),
            ("observe_uids", &raw.observe_uids),
            ("observe_gids", &raw.observe_gids),
        ];
        for (key, ids) in lists {
            if ids.contains(&NOBODY) {
                let what = format!("{NOBODY} stands for every caller that the system cannot name");
                let remedy = "list the real ids; in a systemd unit they need PrivateUsers=no";
                self.problems.add(section, key, what, remedy);
            }
        }
        Some(Control {
            admin_uids: raw.admin_uids,
            approve_uids: raw.approve_uids,
            observe_uids: raw.observe_uids,
            observe_gids: raw.observe_gids,
        })
    }

    fn staff_mail(&mut self, section: &Section<'_>) -> Option<StaffMail> {
        let raw: RawStaffMail = section.read(&[], self.problems)?;
        let transport = self.transport(section, &raw.transport);
        let from = self.address(section, "from", &raw.from);
        Some(StaffMail {
            transport: transport?,
            from: from?,
        })
    }
}
