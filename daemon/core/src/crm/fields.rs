//! What a field may hold, and how people write it.

use super::kinds::Kind;
use super::{dates, money};
use crate::mail::address::{Address, clean_text};
use crate::proposal::Value;
use crate::time::Timestamp;

/// Longest line, such as a name, in characters.
pub const LINE_CHARS_MAX: usize = 200;
/// Longest text of several lines, in characters: a record fits into a row of 4 KiB.
pub const TEXT_CHARS_MAX: usize = 800;
/// Most values of a field that holds several.
pub const VALUES_MAX: usize = 24;

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// One line.
    Line,
    /// Text of several lines.
    Text,
    /// Several lines, written with `;` between them.
    Lines,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Several of these words.
    Choices(&'static [&'static str]),
    /// A whole number from the first to the second.
    Whole(i64, i64),
    /// An amount in minor units; its currency is the field `currency` of the record.
    Money,
    /// Yes or no.
    Flag,
    /// A day, `YYYY-MM-DD`.
    Day,
    /// A day of each year, `MM-DD`.
    MonthDay,
    /// An instant, RFC 3339.
    At,
    /// Addresses, the preferred one first.
    Emails,
    /// Mail domains.
    Domains,
    /// One of our people, by address.
    Person,
    /// A time zone of the IANA database.
    Zone,
    /// A currency (ISO 4217).
    Currency,
    /// A record of this kind, by id.
    Link(Kind),
    /// Several records of this kind, by id.
    Links(Kind),
}

/// One field of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its name, in commands and columns.
    pub name: &'static str,
    /// What it may hold.
    pub kind: FieldType,
    /// A record must have it.
    pub required: bool,
    /// Private matters of a person: shown only when asked for by name.
    pub personal: bool,
    /// What it says.
    pub doc: &'static str,
}

impl FieldType {
    /// What is allowed, for people.
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            FieldType::Line => format!("one line of at most {LINE_CHARS_MAX} characters"),
            FieldType::Text => format!("text of at most {TEXT_CHARS_MAX} characters"),
            FieldType::Lines => "texts with ; between them".to_owned(),
            FieldType::Choice(words) => format!("one of {}", words.join(", ")),
            FieldType::Choices(words) => {
                format!("some of {}, with ; between them", words.join(", "))
            }
            FieldType::Whole(i64::MIN, i64::MAX) => "a whole number".to_owned(),
            FieldType::Whole(min, max) => format!("a whole number from {min} to {max}"),
            FieldType::Money => "an amount like 1234.50".to_owned(),
            FieldType::Flag => "yes or no".to_owned(),
            FieldType::Day => "a day like 2026-03-02".to_owned(),
            FieldType::MonthDay => "a day of the year like 07-01".to_owned(),
            FieldType::At => "a time like 2026-03-02T09:00:00Z".to_owned(),
            FieldType::Emails => "addresses with ; between them".to_owned(),
            FieldType::Domains => "mail domains with ; between them".to_owned(),
            FieldType::Person => "the address of one of our people".to_owned(),
            FieldType::Zone => "a time zone like Europe/Berlin".to_owned(),
            FieldType::Currency => "a currency like EUR".to_owned(),
            FieldType::Link(kind) => format!("{} (id or name)", kind.with_article()),
            FieldType::Links(kind) => {
                format!("{} (ids or names) with ; between them", kind.plural())
            }
        }
    }

    /// Reads what a person wrote; an empty text is [`Value::Null`].
    ///
    /// Links are returned as they were written: whoever has the records looks them up.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what is allowed.
    pub fn parse(self, text: &str, currency: Option<&str>) -> Result<Value, String> {
        let text = match self {
            FieldType::Text => clean_lines(text),
            _ => clean_text(text),
        };
        if text.is_empty() {
            return Ok(Value::Null);
        }
        let instead = || format!("write {}", self.allowed());
        Ok(match self {
            FieldType::Line | FieldType::Link(_) => Value::Text(short(text, LINE_CHARS_MAX)?),
            FieldType::Text => Value::Text(short(text, TEXT_CHARS_MAX)?),
            FieldType::Lines | FieldType::Links(_) => Value::Texts(several(&text, Ok)?),
            FieldType::Choice(words) => Value::Text(choice(&text, words)?),
            FieldType::Choices(words) => Value::Texts(several(&text, |word| choice(&word, words))?),
            FieldType::Whole(min, max) => {
                let bare: String = text.chars().filter(|c| !matches!(c, ',' | ' ')).collect();
                let number: i64 = bare.parse().map_err(|_| instead())?;
                if !(min..=max).contains(&number) {
                    return Err(instead());
                }
                Value::Integer(number)
            }
            FieldType::Money => Value::Integer(money::parse(&text, currency)?),
            FieldType::Flag => match text.to_lowercase().as_str() {
                "yes" | "true" | "1" | "y" | "x" | "on" => Value::Flag(true),
                "no" | "false" | "0" | "n" | "off" => Value::Flag(false),
                _ => return Err(instead()),
            },
            FieldType::Day => Value::Text(dates::parse(&text)?),
            FieldType::MonthDay => Value::Text(dates::parse_month_day(&text)?),
            FieldType::At => Value::At(text.parse::<Timestamp>().map_err(|_| instead())?),
            FieldType::Emails => Value::Texts(several(&text, |one| address(&one))?),
            FieldType::Domains => Value::Texts(several(&text, |one| domain(&one))?),
            FieldType::Person => Value::Text(address(&text)?),
            FieldType::Zone => match crate::zones::zone(&text) {
                Some(_) => Value::Text(text),
                None => return Err(instead()),
            },
            FieldType::Currency => {
                let code = text.to_uppercase();
                let fits = code.len() == 3 && code.chars().all(|c| c.is_ascii_uppercase());
                Value::Text(fits.then_some(code).ok_or_else(instead)?)
            }
        })
    }

    /// Whether a value that did not come through [`Self::parse`] may stand here.
    #[must_use]
    pub fn holds(self, value: &Value) -> bool {
        let text_fits =
            |text: &String| self.parse(text, None).is_ok_and(|read| read != Value::Null);
        match (self, value) {
            (_, Value::Null)
            | (FieldType::Flag, Value::Flag(_))
            | (FieldType::Money, Value::Integer(_))
            | (FieldType::At, Value::At(_)) => true,
            (FieldType::Whole(min, max), Value::Integer(number)) => (min..=max).contains(number),
            (
                FieldType::Line
                | FieldType::Text
                | FieldType::Choice(_)
                | FieldType::Day
                | FieldType::MonthDay
                | FieldType::Person
                | FieldType::Zone
                | FieldType::Currency
                | FieldType::Link(_),
                Value::Text(text),
            ) => text_fits(text),
            (
                FieldType::Lines
                | FieldType::Choices(_)
                | FieldType::Emails
                | FieldType::Domains
                | FieldType::Links(_),
                Value::Texts(texts),
            ) => texts.len() <= VALUES_MAX && texts.iter().all(text_fits),
            _ => false,
        }
    }

    /// A value as [`Self::parse`] reads it again.
    #[must_use]
    pub fn write(self, value: &Value, currency: Option<&str>) -> String {
        match (self, value) {
            (_, Value::Null) => String::new(),
            (FieldType::Money, Value::Integer(minor)) => money::plain(*minor, currency),
            (_, Value::Integer(number)) => number.to_string(),
            (_, Value::Flag(flag)) => if *flag { "yes" } else { "no" }.to_owned(),
            (_, Value::Text(text)) => text.clone(),
            (_, Value::At(at)) => at.to_string(),
            (_, Value::Texts(texts)) => texts.join(";"),
        }
    }
}

fn short(text: String, chars_max: usize) -> Result<String, String> {
    match text.chars().count() > chars_max {
        true => Err(format!("longer than {chars_max} characters")),
        false => Ok(text),
    }
}

fn several(
    text: &str,
    one: impl Fn(String) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let mut values: Vec<String> = Vec::new();
    for part in text.split([';', '\n']).map(str::trim) {
        if part.is_empty() {
            continue;
        }
        let value = short(one(part.to_owned())?, LINE_CHARS_MAX)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    match values.len() > VALUES_MAX {
        true => Err(format!("more than {VALUES_MAX} values")),
        false => Ok(values),
    }
}

/// One of the words, whatever its case and whether it is written with `-`, `_` or spaces.
fn choice(text: &str, words: &'static [&'static str]) -> Result<String, String> {
    let folded = crate::account::fold(text);
    let found = words
        .iter()
        .find(|word| crate::account::fold(word) == folded);
    if let Some(word) = found {
        return Ok((*word).to_owned());
    }
    let near = crate::manifest::nearest(text, words.iter().copied());
    let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    Err(format!("it is one of {}{hint}", words.join(", ")))
}

fn address(text: &str) -> Result<String, String> {
    match Address::parse(text) {
        Ok(address) => Ok(address.key()),
        Err(error) => Err(format!("`{text}` is no address: {error}")),
    }
}

fn domain(text: &str) -> Result<String, String> {
    match crate::mail::address::Domain::parse(text.trim_start_matches('@')) {
        Ok(domain) => Ok(domain.as_str().to_owned()),
        Err(error) => Err(format!("`{text}` is no domain: {error}")),
    }
}

fn clean_lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(clean_text).collect();
    lines.join("\n").trim().to_owned()
}
