//! Days without a time, as ISO 8601 writes them: `2026-03-02`.

use std::str::FromStr;

/// Reads a day; text is kept in the form that sorts.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str) -> Result<String, String> {
    jiff::civil::Date::from_str(text.trim())
        .map(|date| date.to_string())
        .map_err(|_| "write the day as YYYY-MM-DD, like 2026-03-02".to_owned())
}

/// Reads a day of each year, `MM-DD`.
///
/// # Errors
/// What to write instead.
pub fn parse_month_day(text: &str) -> Result<String, String> {
    let text = text.trim();
    // 2024 has a 29 February.
    match jiff::civil::Date::from_str(&format!("2024-{text}")) {
        Ok(date) if text.len() == "MM-DD".len() => {
            Ok(format!("{:02}-{:02}", date.month(), date.day()))
        }
        _ => Err("write the day of the year as MM-DD, like 07-01".to_owned()),
    }
}

/// The day behind a stored text; `None` when it is none.
#[must_use]
pub fn day(text: &str) -> Option<jiff::civil::Date> {
    jiff::civil::Date::from_str(text).ok()
}

/// Days from `earlier` to `later`; negative when it is the other way round.
#[must_use]
pub fn days_between(earlier: jiff::civil::Date, later: jiff::civil::Date) -> i32 {
    earlier.until(later).map_or(0, |span| span.get_days())
}
