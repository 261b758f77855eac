//! `[quiet_hours]` and `[[holiday_file]]`: when recipients are left in peace, and whose holidays.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use jiff::civil::Date;
use liaison_core::business_time::QuietHours;
use liaison_core::calendar::gate::MAX_BYTES;
use liaison_core::calendar::holidays::{HOLIDAYS_MAX, read_holidays};
use liaison_core::zones::written_name;

use super::super::read::Section;
use super::super::schema::{RawHolidayFile, RawQuietHours};
use super::Validation;

/// The word for no night at all.
const NO_NIGHT: &str = "none";

/// Holidays of the files: the firm's, and those of recipients by zone.
#[derive(Debug, Default)]
pub(super) struct HolidayFiles {
    pub(super) ours: BTreeMap<Date, String>,
    pub(super) by_zone: BTreeMap<String, BTreeMap<Date, String>>,
}

impl Validation<'_, '_> {
    pub(super) fn quiet_hours(&mut self, section: Option<&Section<'_>>) -> Option<QuietHours> {
        let raw: RawQuietHours = match section {
            Some(section) => section.read(&[], self.problems)?,
            None => RawQuietHours::default(),
        };
        let usual = QuietHours::default();
        let mut night = usual.night;
        if let (Some(text), Some(section)) = (&raw.night, section) {
            night = None;
            if text != NO_NIGHT {
                match text.parse() {
                    Ok(read) => night = Some(read),
                    Err(error) => {
                        let remedy = "write it like 20:00-08:00, or \"none\"";
                        self.say(section, "night", &error.to_string(), remedy);
                    }
                }
            }
        }
        Some(QuietHours {
            night,
            weekends: raw.weekends.unwrap_or(usual.weekends),
            approved: raw.approved.unwrap_or(usual.approved),
            holidays: usual.holidays,
        })
    }

    pub(super) fn holiday_files(&mut self, sections: &[Section<'_>]) -> HolidayFiles {
        let mut files = HolidayFiles::default();
        for section in sections {
            let Some(raw) = section.read::<RawHolidayFile>(&[], self.problems) else {
                continue;
            };
            for (index, name) in raw.zones.iter().enumerate() {
                if written_name(name).is_none() {
                    let what = format!("`{name}` is no IANA time zone");
                    let key = format!("zones[{index}]");
                    let remedy = "write it like Europe/Berlin";
                    self.problems.add(section, &key, what, remedy);
                }
            }
            let path = self.path(section, "file", raw.file);
            let days = match holidays_of(&path) {
                Ok(days) => days,
                Err((what, remedy)) => {
                    let what = format!("{} {what}", path.display());
                    self.problems.add(section, "file", what, remedy);
                    continue;
                }
            };
            if raw.ours.unwrap_or(raw.zones.is_empty()) {
                add(&mut files.ours, &days);
            }
            for name in raw.zones.iter().filter_map(|name| written_name(name)) {
                let of_zone = files.by_zone.entry(name);
                add(of_zone.or_default(), &days);
            }
        }
        files
    }
}

/// The name that came first stays.
pub(super) fn add(list: &mut BTreeMap<Date, String>, more: &BTreeMap<Date, String>) {
    for (date, name) in more {
        list.entry(*date).or_insert_with(|| name.clone());
    }
}

/// Reads a file; else what is wrong with it and what to do.
fn holidays_of(path: &Path) -> Result<BTreeMap<Date, String>, (String, &'static str)> {
    let unreadable = |error: std::io::Error| {
        let what = format!("cannot be read ({error})");
        let remedy = "name an .ics file that this user can read, or take the section out";
        (what, remedy)
    };
    let meta = std::fs::metadata(path).map_err(unreadable)?;
    if !meta.is_file() {
        let remedy = "name an .ics file; addresses of calendars on the web are not read here";
        return Err(("is no file".to_owned(), remedy));
    }
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let mut bounded = file.take(limit.saturating_add(1));
    bounded.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_BYTES {
        let what = format!("has more than {MAX_BYTES} bytes");
        return Err((what, "name a calendar of holidays only"));
    }
    let list = read_holidays(&bytes);
    if list.cut {
        let what = format!("has more than {HOLIDAYS_MAX} days");
        return Err((what, "name a calendar of holidays only"));
    }
    if list.days.is_empty() {
        let problem = list.problems.first();
        let problem = problem.map_or(String::new(), |problem| format!(" ({problem})"));
        let what = format!("holds no event of a whole day from 2020 on{problem}");
        let remedy = "name an iCalendar file whose holidays are events of whole days";
        return Err((what, remedy));
    }
    Ok(list.days)
}
