//! The Date of a mail that waited: when it leaves, not when it was decided.
//!
//! RFC 5322 section 3.6.1: the date at which it was ready to enter the mail system. A mail that
//! was held for days would else lie below newer ones at its recipient's, and old dates are a mark
//! for filters.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use lettre::message::header;
use liaison_core::time::{HOUR_MS, Timestamp};

use super::edited::{fields, fresh};

/// An older Date is made new before the first try.
const STALE_MS: i64 = HOUR_MS;

/// The mail with the Date of now and nothing else changed; `None` when its Date is new enough, or
/// it is none that we rendered.
#[must_use]
pub fn with_date(bytes: &[u8], now: Timestamp) -> Option<Bytes> {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at_checked(end.saturating_add(2))?;
    let fields = fields(std::str::from_utf8(head).ok()?)?;
    let mut dates = fields.iter().filter(|(name, _)| name == "date");
    let (_, date) = dates.next().filter(|_| dates.next().is_none())?;
    let (_, written) = date.split_once(':')?;
    let written = lettre_date(written.trim())?;
    if now.since(written) <= STALE_MS {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len().saturating_add(date.len()));
    for (name, field) in &fields {
        match name.as_str() {
            "date" => out.extend(fresh(of(now))),
            _ => out.extend(field.bytes()),
        }
    }
    out.extend(rest);
    Some(Bytes::from(out))
}

/// The field.
pub(super) fn of(now: Timestamp) -> header::Date {
    let millis = u64::try_from(now.0).unwrap_or_default();
    header::Date::new(UNIX_EPOCH + Duration::from_millis(millis))
}

fn lettre_date(text: &str) -> Option<Timestamp> {
    let date = <header::Date as header::Header>::parse(text).ok()?;
    let since = std::time::SystemTime::from(date).duration_since(UNIX_EPOCH);
    let millis = i64::try_from(since.ok()?.as_millis()).ok()?;
    Some(Timestamp(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: alice@example.com\r\nDate: Mon, 02 Mar 2026 10:00:00 +0000\r\n\
        Message-ID: <a@example.com>\r\n\r\nDate: of the offer\r\n";
    const WRITTEN: Timestamp = Timestamp(1_772_445_600_000);

    #[test]
    fn only_an_old_date_is_made_new_and_nothing_else_changes() {
        let hour = WRITTEN.plus_millis(HOUR_MS);
        assert_eq!(with_date(MAIL.as_bytes(), WRITTEN), None);
        assert_eq!(with_date(MAIL.as_bytes(), hour), None);
        let later = hour.plus_millis(13 * 24 * HOUR_MS);
        let dated = with_date(MAIL.as_bytes(), later).unwrap();
        let expected = MAIL.replace("Mon, 02 Mar 2026 10", "Sun, 15 Mar 2026 11");
        assert_eq!(String::from_utf8(dated.to_vec()).unwrap(), expected);
    }

    #[test]
    fn what_we_did_not_render_is_left_as_it_is() {
        let later = Timestamp(i64::MAX / 2);
        let twice = MAIL.replacen("From:", "Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nFrom:", 1);
        let none = MAIL.replacen("Date", "X-Date", 1);
        for text in ["", "Date: x", "Date: soon\r\n\r\n", &twice, &none] {
            assert_eq!(with_date(text.as_bytes(), later), None, "{text}");
        }
    }
}
