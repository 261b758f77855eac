//! From the syntax tree to raw tables, with every problem of a table instead of its first.
//!
//! serde stops at the first problem. [`Section::read`] notes it, cuts the key out of the tree (or
//! puts a stand-in where one is missing) and reads again, until nothing is wrong or nothing more
//! can be said; a table with a problem is never used.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use liaison_core::manifest::nearest;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer, Error};

use super::problem::Problems;

/// Keys that hold a reference to a secret; their values are never repeated in a message.
const SECRET_KEYS: [&str; 6] = [
    "password",
    "client_secret",
    "token_key",
    "webhook_address",
    "webhook_token",
    "url_secret",
];
/// The kinds of a secret reference.
const SECRET_KINDS: [&str; 4] = ["file", "env", "command", "credential"];
/// serde's names of types, and words for them.
const TYPES: [(&str, &str); 10] = [
    ("a string", "a text in quotes"),
    ("path string", "a path in quotes"),
    ("a boolean", "true or false"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number, 0 or more"),
    ("a sequence", "a list in [ ]"),
    ("a map", "a table of keys in { }"),
    ("any valid TOML value", "a value"),
];
/// Keys that hold a table and are often given a single value, and how they are written.
const TABLES: [(&str, &str); 3] = [
    (
        "mode",
        "write mode = { mail = \"draft\", holds = \"apply\" }: mail is off, rehearse, notify, draft, \
         approve or send; records, tasks and holds are off, rehearse or apply",
    ),
    (
        "working_hours",
        "write a list per day: working_hours = { mon = [\"09:00-17:00\"], tue = [\"09:00-17:00\"] }",
    ),
    (
        "tls",
        "write tls = { mode = \"implicit\" } or { mode = \"starttls\" }, with ca_file where needed",
    ),
];
/// Where a stand-in is: nowhere in the file.
const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

/// One table of the file.
#[derive(Debug)]
pub(super) struct Section<'i> {
    /// Path of keys up to it, such as `mailbox.sales`; empty at the top.
    at: String,
    /// What to call it in a sentence, such as `[[mailbox]] of kind imap`.
    title: String,
    header: Range<usize>,
    places: BTreeMap<String, Range<usize>>,
    table: DeTable<'i>,
}

impl<'i> Section<'i> {
    pub(super) fn new(at: String, title: String, table: Spanned<DeTable<'i>>) -> Section<'i> {
        let header = table.span();
        let table = table.into_inner();
        let mut places = BTreeMap::new();
        note_places(&table, "", &mut places);
        Section {
            at,
            title,
            header,
            places,
            table,
        }
    }

    /// Where a key's value is, or the section when it is not there.
    pub(super) fn place(&self, key: &str) -> Range<usize> {
        self.places.get(key).unwrap_or(&self.header).clone()
    }

    /// The section and its keys by path from the top, with their offsets.
    pub(super) fn offsets(&self) -> impl Iterator<Item = (String, usize)> {
        let keys = self.places.iter();
        std::iter::once((self.path(""), self.header.start))
            .chain(keys.map(|(key, place)| (self.path(key), place.start)))
    }

    /// The path of a key from the top.
    pub(super) fn path(&self, key: &str) -> String {
        match (self.at.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.at.clone(),
            (false, false) => format!("{}.{key}", self.at),
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.table.get(key)?.get_ref().as_str()
    }

    /// The texts of a list.
    pub(super) fn texts(&self, key: &str) -> Vec<&str> {
        let list = self
            .table
            .get(key)
            .and_then(|list| list.get_ref().as_array());
        let items = list.into_iter().flat_map(|list| list.iter());
        items.filter_map(|item| item.get_ref().as_str()).collect()
    }

    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Takes `keys` out into a section of their own.
    pub(super) fn split(&mut self, keys: &[&str]) -> Section<'i> {
        let mut table = DeTable::new();
        for key in keys {
            if let Some((key, value)) = self.table.remove_entry(*key) {
                table.insert(key, value);
            }
        }
        Section {
            at: self.at.clone(),
            title: self.title.clone(),
            header: self.header.clone(),
            places: self.places.clone(),
            table,
        }
    }

    pub(super) fn set_title(&mut self, title: String) {
        self.title = title;
    }

    /// Takes a table out.
    pub(super) fn take_table(
        &mut self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Section<'i>> {
        let (_, value) = self.table.remove_entry(key)?;
        let place = value.span();
        match value.into_inner() {
            DeValue::Table(table) => Some(Section::new(
                self.path(key),
                format!("[{key}]"),
                Spanned::new(place, table),
            )),
            _ => {
                let remedy = format!("write it as [{key}] with its keys below");
                problems.add_at(place, self.path(key), "it is no table", remedy);
                None
            }
        }
    }

    /// Takes the tables of `[[key]]` out; each is called by its `name` or `address`.
    pub(super) fn take_tables(
        &mut self,
        key: &str,
        problems: &mut Problems<'_>,
    ) -> Vec<Section<'i>> {
        let Some((_, value)) = self.table.remove_entry(key) else {
            return Vec::new();
        };
        let place = value.span();
        let wrong = |problems: &mut Problems<'_>, place| {
            let remedy = format!("write [[{key}]] with two brackets: there can be several");
            problems.add_at(place, key.to_owned(), "it is no list of tables", remedy);
        };
        let DeValue::Array(items) = value.into_inner() else {
            wrong(problems, place);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let place = item.span();
            let DeValue::Table(table) = item.into_inner() else {
                wrong(problems, place);
                continue;
            };
            let called = ["name", "address"].iter().find_map(|key| {
                let text = table.get(*key)?.get_ref().as_str()?;
                (!text.is_empty() && text.chars().all(is_plain)).then_some(text)
            });
            let at = match called {
                Some(called) => format!("{key}.{called}"),
                None => format!("{key}[{index}]"),
            };
            let title = format!("[[{key}]]");
            sections.push(Section::new(at, title, Spanned::new(place, table)));
        }
        sections
    }

    /// Reads the table; `more` are further names that an unknown key may be a slip of. `None`
    /// when there was any problem.
    pub(super) fn read<T: DeserializeOwned>(
        &self,
        more: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let before = problems.len();
        let mut table = self.table.clone();
        let mut stand_ins = BTreeSet::new();
        self.check_secrets(&mut table, problems);
        loop {
            let spanned = Spanned::new(self.header.clone(), table.clone());
            let error = match T::deserialize(Deserializer::from(spanned)) {
                Ok(read) => return (problems.len() == before).then_some(read),
                Err(error) => error,
            };
            if let Some(missing) = missing_field(&error, &self.header) {
                if !stand_ins.insert(missing.to_owned()) {
                    return None;
                }
                if !self.has(missing) {
                    let what = format!("`{missing}` is missing in {}", self.name_of_table());
                    problems.add(self, missing, what, remedy_missing(missing));
                }
                put_stand_in(&mut table, missing);
                continue;
            }
            let offset = error.span().map_or(self.header.start, |span| span.start);
            let Some(key) = cut(&mut table, offset) else {
                // Said already, where a stand-in does not fit.
                if error.span() != Some(NOWHERE) {
                    let remedy = "correct it as config/liaison.example.toml shows";
                    problems.add(self, "", error.message(), remedy);
                }
                return None;
            };
            let (what, remedy) = self.in_words(error.message(), &key, more);
            let place = offset..offset;
            problems.add_at(place, self.path(&key), what, remedy);
        }
    }

    /// Refuses whatever is no reference, without repeating it, and puts a stand-in there.
    fn check_secrets(&self, table: &mut DeTable<'i>, problems: &mut Problems<'_>) {
        for key in SECRET_KEYS {
            let Some(value) = table.get(key) else {
                continue;
            };
            if let Err(what) = secret_reference(value.get_ref()) {
                let remedy = "secrets by reference only: { file = \"/path\" }, { env = \"NAME\" }, \
                              { command = [\"program\", \"argument\"] } or { credential = \"name\" }";
                problems.add(self, key, what, remedy);
                put_stand_in(table, key);
            }
        }
    }

    /// serde's sentence on a key as what is wrong and what to do.
    fn in_words(&self, message: &str, key: &str, more: &[&str]) -> (String, String) {
        let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
        let (unknown, expected) = quoted.split_first().unwrap_or((&"", &[]));
        if message.starts_with("unknown field") {
            let table = self.name_of_table();
            return match key.rsplit_once('.') {
                Some((inner, _)) => {
                    let what = format!("`{inner}` of {table} has no key `{unknown}`");
                    (what, did_you_mean(unknown, expected))
                }
                None => {
                    let known: Vec<&str> = expected.iter().chain(more).copied().collect();
                    let what = format!("{table} has no key `{unknown}`");
                    (what, did_you_mean(unknown, &known))
                }
            };
        }
        if message.starts_with("unknown variant") {
            let what = format!("`{unknown}` is none of the choices");
            return (what, did_you_mean(unknown, expected));
        }
        let (given, type_name) = message.rsplit_once("expected ").unwrap_or((message, ""));
        let words = TYPES.iter().find(|(name, _)| *name == type_name);
        let what = match words {
            Some((_, words)) => format!("{given}expected {words}"),
            // The name of one of our types says nothing to anybody.
            None if type_name.starts_with("struct ") || type_name.starts_with("enum ") => {
                format!("{given}expected a table of keys in {{ }}")
            }
            None => message.to_owned(),
        };
        let remedy = TABLES.iter().find(|(name, _)| *name == key);
        let remedy = remedy.map_or("correct the value", |(_, remedy)| remedy);
        (what, remedy.to_owned())
    }

    fn name_of_table(&self) -> &str {
        if self.title.is_empty() {
            "the top of the file"
        } else {
            &self.title
        }
    }
}

/// `did you mean ...?`, or the known names.
pub(super) fn did_you_mean(given: &str, known: &[&str]) -> String {
    match nearest(given, known.iter().copied()).or_else(|| swapped(given, known)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// The known name with the same letters in another order (`prot`).
fn swapped<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    let letters = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    let wanted = letters(given);
    known.iter().copied().find(|name| letters(name) == wanted)
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.@+".contains(c)
}

fn remedy_missing(key: &str) -> String {
    if SECRET_KEYS.contains(&key) {
        format!("add {key} = {{ file = \"/path/to/the/secret\" }}")
    } else {
        format!("add {key} = ...")
    }
}

fn note_places(table: &DeTable<'_>, at: &str, places: &mut BTreeMap<String, Range<usize>>) {
    for (key, value) in table {
        let key = if at.is_empty() {
            key.get_ref().to_string()
        } else {
            format!("{at}.{}", key.get_ref())
        };
        if let DeValue::Table(inner) = value.get_ref() {
            note_places(inner, &key, places);
        }
        if let DeValue::Array(items) = value.get_ref() {
            for (index, item) in items.iter().enumerate() {
                places.insert(format!("{key}[{index}]"), item.span());
            }
        }
        places.insert(key, value.span());
    }
}

/// Why the value is no secret reference, without a word of it.
fn secret_reference(value: &DeValue<'_>) -> Result<(), &'static str> {
    let DeValue::Table(table) = value else {
        return Err("the secret itself does not belong into the configuration");
    };
    let mut entries = table.iter();
    let (Some((kind, value)), None) = (entries.next(), entries.next()) else {
        return Err("a reference to a secret has exactly one key");
    };
    let is_text = |value: &DeValue<'_>| value.as_str().is_some_and(|text| !text.trim().is_empty());
    match kind.get_ref().as_ref() {
        "command" => match value.get_ref() {
            DeValue::Array(words) if !words.is_empty() => {
                let all = words.iter().all(|word| word.get_ref().as_str().is_some());
                all.then_some(()).ok_or("a command is a list of texts")
            }
            _ => Err("a command is a list of texts: the program and its arguments"),
        },
        kind if SECRET_KINDS.contains(&kind) => is_text(value.get_ref())
            .then_some(())
            .ok_or("the place of the secret must be a text"),
        _ => Err("a reference to a secret names a file, env, command or credential"),
    }
}

/// The name of the field that is missing in the table itself, not in one below it.
fn missing_field<'e>(error: &'e Error, header: &Range<usize>) -> Option<&'e str> {
    let own = error.span().is_none_or(|span| span == *header);
    let name = error.message().strip_prefix("missing field `")?;
    own.then(|| name.trim_end_matches('`'))
}

fn put_stand_in(table: &mut DeTable<'_>, key: &str) {
    let text = || Spanned::new(NOWHERE, DeValue::String(Cow::Borrowed("stand-in")));
    let value = if SECRET_KEYS.contains(&key) {
        let mut reference = DeTable::new();
        reference.insert(Spanned::new(NOWHERE, Cow::Borrowed("env")), text());
        Spanned::new(NOWHERE, DeValue::Table(reference))
    } else {
        text()
    };
    table.insert(Spanned::new(NOWHERE, Cow::Owned(key.to_owned())), value);
}

fn holds(span: &Range<usize>, offset: usize) -> bool {
    span.start <= offset && offset < span.end.max(span.start.saturating_add(1))
}

/// Removes the innermost entry at `offset`, and says which it was.
fn cut(table: &mut DeTable<'_>, offset: usize) -> Option<String> {
    let mut found = None;
    for (key, value) in table.iter_mut() {
        let name = key.get_ref().to_string();
        if holds(&key.span(), offset) {
            found = Some(name);
            break;
        }
        if let Some(inner) = cut_value(value.get_mut(), offset) {
            return Some(format!("{name}{inner}"));
        }
        if holds(&value.span(), offset) {
            found = Some(name);
            break;
        }
    }
    let name = found?;
    table.remove(name.as_str());
    Some(name)
}

fn cut_value(value: &mut DeValue<'_>, offset: usize) -> Option<String> {
    match value {
        DeValue::Table(table) => cut(table, offset).map(|key| format!(".{key}")),
        DeValue::Array(items) => {
            let mut found = None;
            for (index, item) in items.iter_mut().enumerate() {
                if let Some(inner) = cut_value(item.get_mut(), offset) {
                    return Some(format!("[{index}]{inner}"));
                }
                if holds(&item.span(), offset) {
                    found = Some(index);
                    break;
                }
            }
            let gone = found?;
            let kept = std::mem::replace(items, DeArray::new())
                .into_iter()
                .enumerate();
            for (_, item) in kept.filter(|(index, _)| *index != gone) {
                items.push(item);
            }
            Some(format!("[{gone}]"))
        }
        _ => None,
    }
}
