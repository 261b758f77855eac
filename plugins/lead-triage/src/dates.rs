//! Times as people write them in the languages of the templates other than English.
//!
//! English templates format instants with the daemon's `slot` filter.

use liaison_sdk::text::Language;
use liaison_sdk::{Civil, Cx, Result, Window};

const GERMAN: Names = Names {
    days: [
        "Montag",
        "Dienstag",
        "Mittwoch",
        "Donnerstag",
        "Freitag",
        "Samstag",
        "Sonntag",
    ],
    months: [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
};
const FRENCH: Names = Names {
    days: [
        "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche",
    ],
    months: [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
};
const SPANISH: Names = Names {
    days: [
        "lunes",
        "martes",
        "miércoles",
        "jueves",
        "viernes",
        "sábado",
        "domingo",
    ],
    months: [
        "enero",
        "febrero",
        "marzo",
        "abril",
        "mayo",
        "junio",
        "julio",
        "agosto",
        "septiembre",
        "octubre",
        "noviembre",
        "diciembre",
    ],
};
const DUTCH: Names = Names {
    days: [
        "maandag",
        "dinsdag",
        "woensdag",
        "donderdag",
        "vrijdag",
        "zaterdag",
        "zondag",
    ],
    months: [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ],
};
const ENGLISH: Names = Names {
    days: [
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
    ],
    months: [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
};

struct Names {
    days: [&'static str; 7],
    months: [&'static str; 12],
}

/// A window such as `Dienstag, 1. Dezember 2026, 10:00-11:00 (Europe/Berlin, UTC+1)`.
///
/// # Errors
/// When the zone is unknown.
pub fn slot<S>(cx: &Cx<'_, S>, window: &Window, zone: &str, language: Language) -> Result<String> {
    let start = cx.world().to_civil(window.start, zone)?;
    let end = cx.world().to_civil(window.end, zone)?;
    let names = match language {
        Language::En => &ENGLISH,
        Language::De => &GERMAN,
        Language::Fr => &FRENCH,
        Language::Es => &SPANISH,
        Language::Nl => &DUTCH,
    };
    let name = |list: &[&'static str], number: u8| {
        list.get(usize::from(number).saturating_sub(1))
            .copied()
            .unwrap_or_default()
    };
    let (weekday, month) = (
        name(&names.days, start.weekday),
        name(&names.months, start.month),
    );
    let (day, year) = (start.day, start.year);
    let date = match language {
        Language::De => format!("{weekday}, {day}. {month} {year}"),
        Language::Es => format!("{weekday} {day} de {month} de {year}"),
        Language::En | Language::Fr | Language::Nl => format!("{weekday} {day} {month} {year}"),
    };
    Ok(format!(
        "{date}, {}-{} ({zone}, {})",
        hours(&start),
        hours(&end),
        offset(&start)
    ))
}

fn hours(civil: &Civil) -> String {
    format!("{}:{:02}", civil.hour, civil.minute)
}

fn offset(civil: &Civil) -> String {
    let sign = if civil.offset_seconds < 0 { '-' } else { '+' };
    let minutes = civil.offset_seconds.unsigned_abs() / 60;
    match minutes % 60 {
        0 => format!("UTC{sign}{}", minutes / 60),
        rest => format!("UTC{sign}{}:{rest:02}", minutes / 60),
    }
}
