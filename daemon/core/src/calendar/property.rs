//! One content line: name, parameters, value (RFC 5545 section 3.1, RFC 6868).

use super::gate::ContentLine;

/// A property with its parameters in file order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Property {
    /// Number of its first physical line.
    pub line: usize,
    /// The name in upper case.
    pub name: String,
    /// Parameter names in upper case with their values, unquoted and with RFC 6868 decoded.
    pub params: Vec<(String, Vec<String>)>,
    /// The value as written: TEXT is still escaped.
    pub value: String,
}

impl Property {
    /// The first value of a parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        let values = self
            .params
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, values)| values)?;
        values.first().map(String::as_str)
    }

    /// The value as TEXT with its escapes resolved (RFC 5545 section 3.3.11).
    #[must_use]
    pub fn text(&self) -> String {
        unescape(&self.value)
    }

    /// The value as a list of TEXT; an escaped comma does not separate.
    #[must_use]
    pub fn text_list(&self) -> Vec<String> {
        let mut items = vec![String::new()];
        let mut escaped = false;
        for c in self.value.chars() {
            if c == ',' && !escaped {
                items.push(String::new());
                continue;
            }
            escaped = c == '\\' && !escaped;
            if let Some(item) = items.last_mut() {
                item.push(c);
            }
        }
        items
            .iter()
            .map(|item| unescape(item).trim().to_owned())
            .filter(|i| !i.is_empty())
            .collect()
    }
}

/// Resolves `\n`, `\,`, `\;` and `\\`; any other escape stays as it is.
#[must_use]
pub fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n' | 'N') => out.push('\n'),
            Some(plain @ ('\\' | ',' | ';' | ':' | '"')) => out.push(plain),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

/// Decodes `^n`, `^^` and `^'` in a parameter value (RFC 6868 section 3).
fn decode_caret(text: &str) -> String {
    if !text.contains('^') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '^' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('^') => out.push('^'),
            Some('\'') => out.push('"'),
            Some(other) => out.extend(['^', other]),
            None => out.push('^'),
        }
    }
    out
}

/// Reads one line.
///
/// # Errors
/// Says in words why the line is no property.
pub fn read_property(line: &ContentLine) -> Result<Property, String> {
    let shown: String = line.text.chars().take(40).collect();
    if let Some(property) = read_bare_zone(line) {
        return Ok(property);
    }
    let mut reader = Reader { rest: &line.text };
    let name = reader.until(&[';', ':']).trim().to_ascii_uppercase();
    if name.is_empty()
        || !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c))
    {
        return Err(format!("`{shown}` is no property: the line was left out"));
    }
    let mut params = Vec::new();
    while reader.eat(';') {
        let key = reader.until(&['=', ';', ':']).trim().to_ascii_uppercase();
        let mut values = Vec::new();
        if reader.eat('=') {
            values.push(reader.param_value());
            while reader.eat(',') {
                values.push(reader.param_value());
            }
        }
        if !key.is_empty() {
            params.push((key, values));
        }
    }
    if !reader.eat(':') {
        return Err(format!("`{shown}` has no value: the line was left out"));
    }
    Ok(Property {
        line: line.number,
        name,
        params,
        value: reader.rest.to_owned(),
    })
}

/// Whether a line names its zone as [`read_property`] reads it though RFC 5545 asks for quotes.
pub(crate) fn has_bare_zone(line: &ContentLine) -> bool {
    read_bare_zone(line).is_some()
}

/// A date whose TZID holds colons or commas and has no quotes:
/// `DTSTART;TZID=tzone://Microsoft/Utc:20260302T090000`. The value begins behind the last colon.
fn read_bare_zone(line: &ContentLine) -> Option<Property> {
    const DATES: &[&str] = &[
        "DTSTART",
        "DTEND",
        "RECURRENCE-ID",
        "EXDATE",
        "RDATE",
        "DUE",
    ];
    let (name, rest) = line.text.split_once(';')?;
    let name = name.trim().to_ascii_uppercase();
    if !DATES.contains(&name.as_str()) || rest.contains('"') {
        return None;
    }
    let (head, value) = rest.rsplit_once(':')?;
    let digits = value.bytes().take(8).filter(u8::is_ascii_digit).count();
    if digits != 8 || !head.contains([':', ',']) {
        return None;
    }
    let at = head.to_ascii_uppercase().find("TZID=")?;
    let (before, zone) = head.split_at_checked(at)?;
    let (tzid, after) = match zone.split_once(';') {
        Some((tzid, after)) => (tzid, after),
        None => (zone, ""),
    };
    let (_, tzid) = tzid.split_once('=')?;
    let others = before.split(';').chain(after.split(';'));
    let mut params: Vec<(String, Vec<String>)> = others
        .filter_map(|param| param.split_once('='))
        .map(|(key, value)| (key.trim().to_ascii_uppercase(), vec![value.to_owned()]))
        .collect();
    params.push(("TZID".to_owned(), vec![tzid.to_owned()]));
    Some(Property {
        line: line.number,
        name,
        params,
        value: value.to_owned(),
    })
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn eat(&mut self, wanted: char) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn until(&mut self, ends: &[char]) -> &'a str {
        let at = self.rest.find(ends).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(at).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// A quoted or bare value; a quote that never closes is taken as an ordinary character.
    fn param_value(&mut self) -> String {
        if let Some(quoted) = self.rest.strip_prefix('"')
            && let Some((value, rest)) = quoted.split_once('"')
        {
            self.rest = rest;
            // Some writers put text after the closing quote; it belongs to no value.
            let _after = self.until(&[',', ';', ':']);
            return decode_caret(value);
        }
        decode_caret(self.until(&[',', ';', ':']))
    }
}
