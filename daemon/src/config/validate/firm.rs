//! `[firm]`: domains, addresses, working hours, holidays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use jiff::civil::Date;
use liaison_core::account::free_mail;
use liaison_core::account::matching::sender::{FormSenders, form_sender};
use liaison_core::account::matching::{FreeMail, registrable};
use liaison_core::business_time::{BusinessCalendar, WorkInterval};
use liaison_core::zones::zone;

use super::Validation;
use crate::config::read::Section;
use crate::config::schema::{RawAuthenticity, RawFirm, RawHoliday, RawHours};
use crate::config::{AuthenticityConfig, FirmConfig};
use crate::dkim::DkimSettings;
use crate::unsubscribe::UnsubscribeUrl;

/// RFC 1035 section 4.2.
const DNS_PORT: u16 = 53;

/// Most wrong lines of a list that are named: a file of another kind has only such.
const WRONG_LINES_MAX: usize = 5;

impl Validation<'_, '_> {
    pub(super) fn firm(&mut self, section: &Section<'_>) -> Option<FirmConfig> {
        let raw: RawFirm = section.read(&[], self.problems)?;
        self.not_empty(section, "name", &raw.name);
        self.zone(section, &raw.zone);
        let free_mail = self.free_mail(section, &raw);
        let forms = self.form_senders(section, &raw.form_senders);
        let domains = self.domains(section, "domains", &raw.domains);
        self.not_shared(section, &domains, &free_mail);
        let sending_domain = match &raw.sending_domain {
            Some(domain) => self.domain(section, "sending_domain", domain),
            None => domains.first().cloned(),
        };
        if sending_domain.is_none() && raw.sending_domain.is_none() && raw.domains.is_empty() {
            let what = "there is neither a domain of ours nor a `sending_domain`";
            let remedy = "add domains = [\"example.com\"] with our own domains";
            self.problems.add(section, "domains", what, remedy);
        }
        let addresses = self.addresses(section, "addresses", &raw.addresses);
        self.authserv_ids(section, &raw.authserv_ids);
        let unsubscribe_url = raw.unsubscribe_url.as_deref();
        let unsubscribe_url = unsubscribe_url.and_then(|text| self.unsubscribe_url(section, text));
        let business = self.business(section, &raw.zone, &raw.working_hours, &raw.holidays);
        Some(FirmConfig {
            name: raw.name,
            zone: raw.zone,
            domains: domains.into_iter().collect(),
            addresses: addresses.into_iter().collect(),
            sending_domain: sending_domain?,
            authserv_ids: raw.authserv_ids,
            free_mail,
            forms,
            review_days: raw.review_days,
            threads_by_subject: raw.threads_by_subject,
            send_delay_secs: raw.send_delay_secs,
            business: business?,
            signature: raw.signature,
            html: raw.html,
            unsubscribe_url,
        })
    }

    fn unsubscribe_url(&mut self, section: &Section<'_>, text: &str) -> Option<UnsubscribeUrl> {
        match UnsubscribeUrl::parse(text) {
            Ok(url) => Some(url),
            Err(why) => {
                let what = format!("`{text}` is no address to unsubscribe at: {why}");
                let remedy = "write it like https://www.example.com/unsubscribe/{token}";
                self.problems.add(section, "unsubscribe_url", what, remedy);
                None
            }
        }
    }

    /// Without a server whose word counts, we check by ourselves.
    pub(super) fn authenticity(
        &mut self,
        section: Option<&Section<'_>>,
        firm: Option<&FirmConfig>,
    ) -> Option<AuthenticityConfig> {
        let raw: RawAuthenticity = match section {
            Some(section) => section.read(&[], self.problems)?,
            None => RawAuthenticity::default(),
        };
        let mut dns = Vec::new();
        for (index, text) in raw.dns.iter().enumerate() {
            let server = text.parse::<SocketAddr>();
            let server = server.or_else(|_| text.parse().map(|ip: IpAddr| (ip, DNS_PORT).into()));
            match (server, section) {
                (Ok(server), _) => dns.push(server),
                (Err(_), Some(section)) => {
                    let what = format!("`{text}` is no address of a DNS server");
                    let remedy = "write it like 192.0.2.53 or 127.0.0.1:5353";
                    let key = format!("dns[{index}]");
                    self.problems.add(section, &key, what, remedy);
                }
                (Err(_), None) => {}
            }
        }
        if let (Some(false), Some(section), false) = (raw.dkim, section, raw.dns.is_empty()) {
            let what = "DNS servers are named, but nothing is asked (dkim = false)";
            self.problems
                .add(section, "dns", what, "remove one of them");
        }
        let server_says = firm.is_some_and(|firm| !firm.authserv_ids.is_empty());
        Some(AuthenticityConfig {
            dkim: raw.dkim.unwrap_or(!server_says),
            settings: DkimSettings { dns },
        })
    }

    /// A domain of many people cannot say that somebody is one of us.
    fn not_shared(&mut self, section: &Section<'_>, domains: &[String], free_mail: &FreeMail) {
        for (index, domain) in domains.iter().enumerate() {
            let shared = free_mail.has(domain) || registrable(domain).is_none();
            if shared {
                let what = format!("`{domain}` is shared by many: all of it would count as ours");
                let remedy = "list our own addresses in `addresses` and name a `sending_domain`";
                let key = format!("domains[{index}]");
                self.problems.add(section, &key, what, remedy);
            }
        }
    }

    /// The shipped list or the operator's own, with what they add and take out.
    fn free_mail(&mut self, section: &Section<'_>, raw: &RawFirm) -> FreeMail {
        let more = self.domains(section, "free_mail", &raw.free_mail);
        let less = self.domains(section, "not_free_mail", &raw.not_free_mail);
        let list = raw.free_mail_file.as_ref();
        let list = list.and_then(|file| self.free_mail_file(section, file.clone()));
        for (index, domain) in less.iter().enumerate() {
            if more.contains(domain) {
                let what = format!("`{domain}` stands in `free_mail`, too");
                let key = format!("not_free_mail[{index}]");
                self.problems
                    .add(section, &key, what, "keep one of the two");
            }
        }
        FreeMail::new(list, &more, &less)
    }

    fn free_mail_file(
        &mut self,
        section: &Section<'_>,
        file: std::path::PathBuf,
    ) -> Option<BTreeSet<String>> {
        const KEY: &str = "free_mail_file";
        let path = self.path(section, KEY, file);
        let read = std::fs::read(&path).map_err(|error| error.to_string());
        let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|e| e.to_string()));
        let text = match text {
            Ok(text) => text,
            Err(error) => {
                let what = format!("{} cannot be read ({error})", path.display());
                let remedy = "name a text file with one domain per line, or leave the key out";
                self.problems.add(section, KEY, what, remedy);
                return None;
            }
        };
        let (domains, wrong) = free_mail::read(&text);
        for (line, said) in wrong.iter().take(WRONG_LINES_MAX) {
            let what = format!("line {line} of {}: `{said}` is no domain", path.display());
            self.problems.add(
                section,
                KEY,
                what,
                "write one domain per line, like isp.example",
            );
        }
        Some(domains)
    }

    fn form_senders(&mut self, section: &Section<'_>, texts: &[String]) -> FormSenders {
        let mut senders = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match form_sender(text) {
                Ok(sender) => senders.push(sender),
                Err(error) => {
                    let key = format!("form_senders[{index}]");
                    self.say(
                        section,
                        &key,
                        &error.to_string(),
                        "write an address or a domain",
                    );
                }
            }
        }
        FormSenders::new(senders)
    }

    fn authserv_ids(&mut self, section: &Section<'_>, ids: &[String]) {
        for (index, id) in ids.iter().enumerate() {
            if id.is_empty() || id.chars().any(|c| c.is_whitespace() || c == ';') {
                let what = "it is no authserv-id";
                let remedy = "copy the first word of an Authentication-Results field that our \
                              own server wrote, such as mx.example.com";
                let key = format!("authserv_ids[{index}]");
                self.problems.add(section, &key, what, remedy);
            }
        }
    }

    fn business(
        &mut self,
        section: &Section<'_>,
        zone_name: &str,
        hours: &RawHours,
        holidays: &[RawHoliday],
    ) -> Option<BusinessCalendar> {
        let hours = self.hours(section, hours);
        let holidays = self.holidays(section, holidays);
        let (Some(hours), true) = (hours, zone(zone_name).is_some()) else {
            return None;
        };
        match BusinessCalendar::new(zone_name, hours, holidays) {
            Ok(calendar) => Some(calendar),
            Err(error) => {
                let key = "working_hours";
                self.say(section, key, &error.to_string(), "correct the hours");
                None
            }
        }
    }

    /// Hours by weekday; `None` where one of them cannot be read.
    pub(super) fn hours(
        &mut self,
        section: &Section<'_>,
        hours: &RawHours,
    ) -> Option<[Vec<WorkInterval>; 7]> {
        let days = [
            ("mon", &hours.mon),
            ("tue", &hours.tue),
            ("wed", &hours.wed),
            ("thu", &hours.thu),
            ("fri", &hours.fri),
            ("sat", &hours.sat),
            ("sun", &hours.sun),
        ];
        let before = self.problems.len();
        let hours = days.map(|(day, texts)| self.day(section, day, texts));
        (self.problems.len() == before).then_some(hours)
    }

    fn day(&mut self, section: &Section<'_>, day: &str, texts: &[String]) -> Vec<WorkInterval> {
        let mut intervals: Vec<WorkInterval> = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            let key = format!("working_hours.{day}[{index}]");
            match text.parse::<WorkInterval>() {
                Err(error) => self.say(section, &key, &error.to_string(), "correct it"),
                Ok(new) => {
                    if intervals
                        .iter()
                        .any(|old| new.from < old.to && old.from < new.to)
                    {
                        let what = format!("`{text}` overlaps other hours of the same day");
                        let remedy = "let each begin after the one before ended";
                        self.problems.add(section, &key, what, remedy);
                    }
                    intervals.push(new);
                }
            }
        }
        intervals
    }

    fn holidays(&mut self, section: &Section<'_>, raw: &[RawHoliday]) -> BTreeMap<Date, String> {
        let mut holidays = BTreeMap::new();
        for (index, holiday) in raw.iter().enumerate() {
            let key = format!("holidays[{index}]");
            let text = match &holiday.date {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            match text.parse::<Date>() {
                Err(_) => {
                    let what = format!("`{text}` is no date");
                    let remedy = "write it like 2026-12-25";
                    self.problems.add(section, &key, what, remedy);
                }
                Ok(date) => {
                    if let Some(other) = holidays.insert(date, holiday.name.clone()) {
                        let what = format!("{date} is a holiday already (`{other}`)");
                        self.problems.add(section, &key, what, "remove one of them");
                    }
                }
            }
        }
        holidays
    }
}
