//! `[[transport]]`, `[[mailbox]]`, `[[calendar]]`: our keys, and the edge's settings by `kind`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use liaison_core::ids::{CalendarId, MailboxId, TransportId};
use liaison_core::outbox::IfUncertain;
use serde::de::DeserializeOwned;

use super::read::{Section, did_you_mean};
use super::schema::{
    CALENDAR_KEYS, MAILBOX_KEYS, RawCalendar, RawMailbox, RawTransport, TRANSPORT_KEYS,
};
use super::validate::Validation;
use super::{Calendar, CalendarKind, Mailbox, MailboxKind, Transport, TransportKind};
use crate::calendars::CalendarRole;
use crate::dial::TlsSettings;
use crate::oauth::OauthRef;
use crate::secret::SecretRef;
use crate::sink::caldav::CaldavSettings;
use crate::sink::feed::FeedSettings;
use crate::sink::maildir::MaildirTransportSettings;
use crate::sink::smtp::SmtpSettings;
use crate::sink::vdir::VdirSettings;
use crate::source::imap::ImapSettings;
use crate::source::imap::provider::provider;
use crate::source::maildir::MaildirSettings;

/// Longest stretch in IDLE, in seconds (RFC 2177 asks for less than 30 minutes).
const IDLE_REFRESH_SECS_MAX: u64 = 28 * 60;
/// Most connections of one transport; servers allow fewer.
const SMTP_CONNECTIONS_MAX: u64 = 32;

/// A section cut in two: ours, and what belongs to the edge.
pub(super) struct Halves<'i> {
    pub(super) own: Section<'i>,
    pub(super) edge: Section<'i>,
    keys: &'static [&'static str],
}

impl<'i> Halves<'i> {
    fn of(mut section: Section<'i>, keys: &'static [&'static str]) -> Halves<'i> {
        let own = section.split(keys);
        Halves {
            own,
            edge: section,
            keys,
        }
    }
}

impl Validation<'_, '_> {
    /// Which of `kinds` the section is.
    fn kind<'k>(&mut self, halves: &mut Halves<'_>, kinds: &[&'k str]) -> Option<&'k str> {
        let given = halves.own.text("kind")?;
        let found = kinds.iter().find(|kind| **kind == given).copied();
        match found {
            Some(kind) => {
                let title = format!("{} of kind {kind}", halves.own.title());
                halves.edge.set_title(title);
            }
            None => {
                let what = format!("`{given}` is no kind of {}", halves.own.title());
                let remedy = did_you_mean(given, kinds);
                self.problems.add(&halves.own, "kind", what, remedy);
            }
        }
        found
    }

    fn edge<T: DeserializeOwned>(&mut self, halves: &Halves<'_>) -> Option<T> {
        halves.edge.read(halves.keys, self.problems)
    }

    pub(super) fn transports(&mut self, sections: Vec<Section<'_>>) -> Vec<Transport> {
        let mut transports = Vec::new();
        let mut taken = BTreeSet::new();
        for section in sections {
            let mut halves = Halves::of(section, &TRANSPORT_KEYS);
            let kind = self.kind(&mut halves, &["smtp", "maildir"]);
            let raw: Option<RawTransport> = halves.own.read(&[], self.problems);
            let kind = match kind {
                Some("smtp") => self.smtp(&halves).map(TransportKind::Smtp),
                Some(_) => self.maildir_transport(&halves).map(TransportKind::Maildir),
                None => None,
            };
            let Some(raw) = raw else { continue };
            self.name(&halves.own, &raw.name, &mut taken);
            if let Some(kind) = kind {
                transports.push(Transport {
                    name: TransportId(raw.name),
                    kind,
                });
            }
        }
        transports
    }

    pub(super) fn mailboxes(&mut self, sections: Vec<Section<'_>>) -> Vec<Mailbox> {
        let mut mailboxes = Vec::new();
        let (mut taken, mut places) = (BTreeSet::new(), BTreeMap::new());
        for section in sections {
            let mut halves = Halves::of(section, &MAILBOX_KEYS);
            let kind = self.kind(&mut halves, &["imap", "maildir"]);
            let raw: Option<RawMailbox> = halves.own.read(&[], self.problems);
            let kind = match kind {
                Some("imap") => self.imap(&halves).map(Box::new).map(MailboxKind::Imap),
                Some(_) => self.maildir(&halves).map(MailboxKind::Maildir),
                None => None,
            };
            let Some(raw) = raw else { continue };
            self.name(&halves.own, &raw.name, &mut taken);
            let mailbox = self.mailbox(&halves, raw, kind);
            let Some(mailbox) = mailbox else { continue };
            let (key, place) = match &mailbox.kind {
                MailboxKind::Imap(imap) => ("host", format!("{} {}", imap.place(), imap.inbox)),
                MailboxKind::Maildir(maildir) => ("path", maildir.path.display().to_string()),
            };
            self.watched_once(&halves, key, place, mailbox.name.as_str(), &mut places);
            mailboxes.push(mailbox);
        }
        mailboxes
    }

    fn mailbox(
        &mut self,
        halves: &Halves<'_>,
        raw: RawMailbox,
        kind: Option<MailboxKind>,
    ) -> Option<Mailbox> {
        let owner = self.owner(&halves.own, &raw.owner);
        let named = raw.transport.as_ref();
        let transport = named.map(|name| self.transport(&halves.own, name));
        let address = match &raw.address {
            Some(address) => self.address(&halves.own, "address", address),
            None => owner.clone(),
        };
        let reply_to = raw.reply_to.as_ref();
        let reply_to = reply_to.and_then(|address| self.address(&halves.own, "reply_to", address));
        let no_sent =
            matches!(&kind, Some(MailboxKind::Maildir(maildir)) if maildir.sent.is_empty());
        if no_sent && raw.file_sent_copy == Some(true) {
            let what = "there is no folder for the copies: `sent` is empty";
            let remedy = "name the folder in `sent`, or set file_sent_copy = false";
            self.problems
                .add(&halves.own, "file_sent_copy", what, remedy);
        }
        if no_sent && raw.if_uncertain == IfUncertain::Resend {
            let what = "there is no folder to look into for a mail in doubt: `sent` is empty";
            let remedy = "name the folder in `sent`, or set if_uncertain = \"hold\"";
            self.problems.add(&halves.own, "if_uncertain", what, remedy);
        }
        let transport = match transport {
            Some(found) => Some(found?),
            None => None,
        };
        let files_itself = match &kind {
            Some(MailboxKind::Imap(imap)) => {
                provider(&imap.host).is_some_and(|provider| provider.files_sent_copy)
            }
            _ => false,
        };
        Some(Mailbox {
            name: MailboxId(raw.name),
            owner: owner?,
            transport,
            address: address?,
            reply_to,
            file_sent_copy: raw.file_sent_copy.unwrap_or(!no_sent && !files_itself),
            if_uncertain: raw.if_uncertain,
            stale_after: self.stale_after(&halves.own, raw.stale_after_secs),
            kind: kind?,
        })
    }

    pub(super) fn calendars(&mut self, sections: Vec<Section<'_>>) -> Vec<Calendar> {
        let mut calendars = Vec::new();
        let (mut taken, mut places) = (BTreeSet::new(), BTreeMap::new());
        let mut for_holds: BTreeMap<String, String> = BTreeMap::new();
        for section in sections {
            let mut halves = Halves::of(section, &CALENDAR_KEYS);
            let kind = self.kind(&mut halves, &["vdir", "caldav", "feed"]);
            let raw: Option<RawCalendar> = halves.own.read(&[], self.problems);
            let kind = match kind {
                Some("vdir") => self.vdir(&halves).map(CalendarKind::Vdir),
                Some("feed") => self.feed(&halves).map(CalendarKind::Feed),
                Some(_) => self.caldav(&halves).map(CalendarKind::Caldav),
                None => None,
            };
            let Some(raw) = raw else { continue };
            self.name(&halves.own, &raw.name, &mut taken);
            let owner = self.owner(&halves.own, &raw.owner);
            let (Some(owner), Some(kind)) = (owner, kind) else {
                continue;
            };
            if raw.holds
                && let Some(other) = for_holds.insert(owner.clone(), raw.name.clone())
            {
                let what = format!("holds of {owner} go to calendar `{other}` already");
                let remedy = "set holds = true for one calendar of each person";
                self.problems.add(&halves.own, "holds", what, remedy);
            }
            if raw.holds && raw.role == CalendarRole::Holidays {
                let what = "holds cannot go into a calendar of holidays";
                let remedy = "set holds = true for the calendar that the person uses";
                self.problems.add(&halves.own, "holds", what, remedy);
            }
            if raw.holds && matches!(kind, CalendarKind::Feed(_)) {
                let what = "holds cannot go into a feed, which is read-only";
                let remedy = "set holds = true for a calendar of kind caldav or vdir";
                self.problems.add(&halves.own, "holds", what, remedy);
            }
            let (key, place) = match &kind {
                CalendarKind::Feed(feed) => feed.place(),
                CalendarKind::Vdir(vdir) => ("path", vdir.path.display().to_string()),
                CalendarKind::Caldav(caldav) => {
                    let CaldavSettings { url, calendar, .. } = caldav;
                    ("url", format!("{url} {calendar:?} {}", caldav.user))
                }
            };
            self.watched_once(&halves, key, place, &raw.name, &mut places);
            calendars.push(Calendar {
                name: CalendarId(raw.name),
                owner,
                holds: raw.holds,
                stale_after: self.stale_after(&halves.own, raw.stale_after_secs),
                role: raw.role,
                all_day_blocks: raw.all_day_blocks,
                unanswered_blocks: raw.unanswered_blocks,
                kind,
            });
        }
        calendars
    }

    /// Two sections for one place would record and show everything twice.
    fn watched_once(
        &mut self,
        halves: &Halves<'_>,
        key: &str,
        place: String,
        name: &str,
        places: &mut BTreeMap<String, String>,
    ) {
        if let Some(other) = places.insert(place, name.to_owned()) {
            let what = format!("it is the same place as that of `{other}`");
            let remedy = "keep one of the two sections, or correct this one";
            self.problems.add(&halves.edge, key, what, remedy);
        }
    }

    fn smtp(&mut self, halves: &Halves<'_>) -> Option<SmtpSettings> {
        self.one_login(halves);
        let mut settings: SmtpSettings = self.edge(halves)?;
        self.server(halves, &settings.host, settings.port, &settings.user);
        self.tls(halves, &mut settings.tls);
        self.login(halves, &mut settings.password, &mut settings.oauth);
        self.range(
            halves,
            "connections_max",
            u64::try_from(settings.connections_max).unwrap_or(u64::MAX),
            SMTP_CONNECTIONS_MAX,
        );
        Some(settings)
    }

    fn maildir_transport(&mut self, halves: &Halves<'_>) -> Option<MaildirTransportSettings> {
        let mut settings: MaildirTransportSettings = self.edge(halves)?;
        settings.path = self.path(&halves.edge, "path", settings.path);
        Some(settings)
    }

    fn imap(&mut self, halves: &Halves<'_>) -> Option<ImapSettings> {
        self.one_login(halves);
        let mut settings: ImapSettings = self.edge(halves)?;
        self.server(halves, &settings.host, settings.port, &settings.user);
        self.tls(halves, &mut settings.tls);
        self.login(halves, &mut settings.password, &mut settings.oauth);
        self.range(
            halves,
            "idle_refresh_secs",
            settings.idle_refresh_secs,
            IDLE_REFRESH_SECS_MAX,
        );
        self.range(
            halves,
            "poll_interval_secs",
            settings.poll_interval_secs,
            u64::MAX,
        );
        self.range(
            halves,
            "message_bytes_max",
            settings.message_bytes_max,
            u64::MAX,
        );
        let folders = [
            ("inbox", Some(settings.inbox.as_str())),
            ("sent", settings.sent.as_deref()),
            ("drafts", settings.drafts.as_deref()),
        ];
        for (key, folder) in folders {
            if folder.is_some_and(|name| name.is_empty() || name.chars().any(char::is_control)) {
                let remedy = "write the name as the server lists it, or leave the key out";
                self.problems
                    .add(&halves.edge, key, "it is no mailbox name", remedy);
            }
        }
        Some(settings)
    }

    fn maildir(&mut self, halves: &Halves<'_>) -> Option<MaildirSettings> {
        let mut settings: MaildirSettings = self.edge(halves)?;
        self.edge_problems(halves, settings.problems());
        if !settings.path.as_os_str().is_empty() {
            settings.path = self.path(&halves.edge, "path", settings.path);
        }
        Some(settings)
    }

    fn vdir(&mut self, halves: &Halves<'_>) -> Option<VdirSettings> {
        let mut settings: VdirSettings = self.edge(halves)?;
        settings.path = self.path(&halves.edge, "path", settings.path);
        self.range(halves, "rescan_secs", settings.rescan_secs, u64::MAX);
        self.percent(halves, settings.gone_percent_max);
        Some(settings)
    }

    fn caldav(&mut self, halves: &Halves<'_>) -> Option<CaldavSettings> {
        let mut settings: CaldavSettings = self.edge(halves)?;
        let authority = settings.url.split('/').nth(2).unwrap_or_default();
        if authority.contains('@') {
            // The edge's own words would repeat the address, and a password in it.
            let what = "the address holds a login";
            let remedy = "take it out: `user` and `password` say who logs in";
            self.problems.add(&halves.edge, "url", what, remedy);
        } else {
            self.edge_problems(halves, settings.problems());
        }
        self.user(halves, &settings.user);
        self.percent(halves, settings.gone_percent_max);
        self.secret(&halves.edge, "password", &mut settings.password);
        if let Some(file) = settings.tls.ca_file.take() {
            settings.tls.ca_file = Some(self.path(&halves.edge, "tls.ca_file", file));
        }
        Some(settings)
    }

    fn feed(&mut self, halves: &Halves<'_>) -> Option<FeedSettings> {
        let mut settings: FeedSettings = self.edge(halves)?;
        self.edge_problems(halves, settings.problems());
        self.percent(halves, settings.gone_percent_max);
        if let Some(secret) = &mut settings.url_secret {
            self.secret(&halves.edge, "url_secret", secret);
        }
        if let Some(file) = settings.tls.ca_file.take() {
            settings.tls.ca_file = Some(self.path(&halves.edge, "tls.ca_file", file));
        }
        Some(settings)
    }

    /// Problems as edges list them: `key: what; remedy`.
    fn edge_problems(&mut self, halves: &Halves<'_>, problems: Vec<String>) {
        for problem in problems {
            let (key, said) = problem.split_once(": ").unwrap_or(("", &problem));
            let (what, remedy) = said.split_once("; ").unwrap_or((said, "correct the value"));
            self.problems.add(&halves.edge, key, what, remedy);
        }
    }

    fn server(&mut self, halves: &Halves<'_>, host: &str, port: u16, user: &str) {
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/:@[]".contains(c);
        let is_address = host.parse::<Ipv6Addr>().is_ok();
        if host.is_empty() || (host.contains(odd) && !is_address) {
            let remedy = "write the bare name, like mail.example.com; the port has its own key";
            self.problems
                .add(&halves.edge, "host", "it is no host name", remedy);
        }
        if port == 0 {
            let remedy = "leave it out for the usual one";
            self.problems
                .add(&halves.edge, "port", "0 is no port", remedy);
        }
        self.user(halves, user);
    }

    fn user(&mut self, halves: &Halves<'_>, user: &str) {
        if user.is_empty() || user.chars().any(char::is_control) {
            let remedy = "write the name with which the server knows us";
            self.problems
                .add(&halves.edge, "user", "it is no login name", remedy);
        }
    }

    fn tls(&mut self, halves: &Halves<'_>, tls: &mut TlsSettings) {
        if let Some(file) = tls.ca_file.take() {
            tls.ca_file = Some(self.path(&halves.edge, "tls.ca_file", file));
        }
        if tls.server_name.as_deref() == Some("") {
            let remedy = "write the name in the server's certificate, or leave it out";
            self.problems
                .add(&halves.edge, "tls.server_name", "it is empty", remedy);
        }
    }

    /// Exactly one of `password` and `oauth`; told also where the settings cannot be read.
    fn one_login(&mut self, halves: &Halves<'_>) {
        match (halves.edge.has("password"), halves.edge.has("oauth")) {
            (false, false) => {
                let what = format!("`password` is missing in {}", halves.edge.title());
                let remedy = "add password = { file = \"/path/to/the/secret\" }, or oauth = \
                              \"NAME\" of an [[oauth]]";
                self.problems.add(&halves.edge, "password", what, remedy);
            }
            (true, true) => {
                let what = "`password` and `oauth` are both set";
                let remedy = "remove one of them: a login is by password or by token";
                self.problems.add(&halves.edge, "oauth", what, remedy);
            }
            _ => {}
        }
    }

    fn login(
        &mut self,
        halves: &Halves<'_>,
        password: &mut Option<SecretRef>,
        oauth: &mut Option<OauthRef>,
    ) {
        if let Some(password) = password {
            self.secret(&halves.edge, "password", password);
        }
        if let Some(oauth) = oauth {
            self.bind(halves, oauth);
        }
    }

    fn range(&mut self, halves: &Halves<'_>, key: &str, value: u64, max: u64) {
        if value == 0 {
            self.problems
                .add(&halves.edge, key, "0 is too little", "at least 1");
        } else if value > max {
            let (what, remedy) = (format!("{value} is too much"), format!("at most {max}"));
            self.problems.add(&halves.edge, key, what, remedy);
        }
    }

    fn percent(&mut self, halves: &Halves<'_>, percent: u8) {
        if percent > 100 {
            let what = format!("{percent} is no percentage");
            self.problems
                .add(&halves.edge, "gone_percent_max", what, "write 0 to 100");
        }
    }
}
