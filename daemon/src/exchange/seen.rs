//! What a file said so far of the same record: a line that says otherwise is named, and one that
//! says the same again costs nothing.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use liaison_core::account::fold;
use liaison_core::crm::Kind;
use liaison_core::crm::fields::FieldType;

use super::{Part, Row};

/// Most records of one file that are remembered; what comes behind is not compared.
const REMEMBERED_MAX: usize = 2_000_000;

/// What a row is to the rows before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It says something new; of each part, whether its record was told of before.
    News(Vec<bool>),
    /// An earlier line says the same.
    Same,
    /// An earlier line says otherwise: the field, and that line.
    Otherwise(Kind, &'static str, u64),
}

/// How an account is told of once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Again {
    First,
    /// With something new.
    More,
    Same,
}

/// What a file said so far.
#[derive(Debug, Default)]
pub(super) struct Seen {
    accounts: HashMap<u64, Account>,
    /// Line and hash of the whole, by identity.
    others: HashMap<u64, (u32, u32)>,
}

#[derive(Debug)]
struct Account {
    line: u32,
    /// Number of the field, and hash of its value.
    said: Vec<(u8, u32)>,
}

impl Seen {
    /// Compares a row with those before it, and remembers it.
    pub(super) fn note(&mut self, row: &Row) -> Standing {
        let mut known = Vec::with_capacity(row.parts.len());
        let (mut account, mut same) = (0, true);
        for part in &row.parts {
            match part.kind {
                Kind::Account => {
                    let Some(identity) = identity(part, 0) else {
                        known.push(false);
                        continue;
                    };
                    account = identity;
                    match self.account(part, identity, row.line) {
                        Ok(again) => {
                            same &= again == Again::Same;
                            known.push(again != Again::First);
                        }
                        Err((field, line)) => {
                            return Standing::Otherwise(Kind::Account, field, line);
                        }
                    }
                }
                kind => match self.other(part, account, row.line) {
                    Ok(again) => {
                        same &= again;
                        known.push(again);
                    }
                    Err((field, line)) => return Standing::Otherwise(kind, field, line),
                },
            }
        }
        match same && known.len() == row.parts.len() && known.iter().all(|known| *known) {
            true => Standing::Same,
            false => Standing::News(known),
        }
    }

    fn account(
        &mut self,
        part: &Part,
        identity: u64,
        line: u64,
    ) -> Result<Again, (&'static str, u64)> {
        let full = self.accounts.len() >= REMEMBERED_MAX;
        let before = match self.accounts.get_mut(&identity) {
            Some(before) => before,
            None if full => return Ok(Again::First),
            None => {
                let said = said(part).map(|(field, hash, _)| (field, hash)).collect();
                let line = u32::try_from(line).unwrap_or(u32::MAX);
                self.accounts.insert(identity, Account { line, said });
                return Ok(Again::First);
            }
        };
        let mut again = Again::Same;
        for (field, hash, list) in said(part) {
            match before.said.iter().find(|(known, _)| *known == field) {
                Some((_, known)) if *known == hash => {}
                // Lists grow, and contradict nothing.
                Some(_) if list => again = Again::More,
                Some(_) => {
                    let spec = Kind::Account.spec().fields.get(usize::from(field));
                    let name = spec.map_or("", |field| field.name);
                    return Err((name, u64::from(before.line)));
                }
                None => {
                    before.said.push((field, hash));
                    again = Again::More;
                }
            }
        }
        Ok(again)
    }

    fn other(&mut self, part: &Part, account: u64, line: u64) -> Result<bool, (&'static str, u64)> {
        let Some(identity) = identity(part, account) else {
            return Ok(false);
        };
        let hash = short(&(&part.id, &part.fields, account));
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        match self.others.get(&identity) {
            Some((_, known)) if *known == hash => Ok(true),
            Some((first, _)) => Err((telling(part), u64::from(*first))),
            None => {
                if self.others.len() < REMEMBERED_MAX {
                    self.others.insert(identity, (line, hash));
                }
                Ok(false)
            }
        }
    }
}

/// Values of an account by number of their field, and whether they are lists.
fn said(part: &Part) -> impl Iterator<Item = (u8, u32, bool)> {
    part.fields.iter().filter_map(|(name, value)| {
        let fields = Kind::Account.spec().fields;
        let at = fields.iter().position(|field| field.name == name)?;
        let list = fields.get(at).is_some_and(|field| {
            let kind = field.kind;
            matches!(
                kind,
                FieldType::Domains | FieldType::Lines | FieldType::Choices(_)
            )
        });
        let hash = short(&fold(value));
        Some((u8::try_from(at).ok()?, hash, list))
    })
}

/// The field that says which record a part is.
fn telling(part: &Part) -> &'static str {
    let given = |name: &str| part.fields.iter().any(|(field, _)| field == name);
    if part.id.is_some() || given("external_id") {
        return "external_id";
    }
    let key = part.kind.spec().key.iter().rev();
    key.copied().find(|field| given(field)).unwrap_or_default()
}

/// What makes two parts the same record; `None` where nothing does.
fn identity(part: &Part, account: u64) -> Option<u64> {
    let field = |name: &str| {
        let found = part.fields.iter().find(|(field, _)| field == name);
        found.map(|(_, value)| value.as_str())
    };
    let word = part.kind.word();
    if let Some(id) = part.id.as_deref().or_else(|| field("external_id")) {
        return Some(long(&(word, "external", id)));
    }
    let key = part.kind.spec().key;
    let value = |name: &&'static str| match *name {
        "account" if account != 0 => Some(account.to_string()),
        // The preferred address tells, and the name where there is none.
        "emails" => match field(name) {
            Some(all) => all.split(';').next().map(|one| one.trim().to_lowercase()),
            None => field("name").map(|name| format!("= {}", fold(name))),
        },
        name => field(name).map(fold),
    };
    let known: Vec<Option<String>> = key.iter().map(value).collect();
    // An optional part of a key may be missing, such as the unit of a footprint.
    let told = known.iter().flatten().any(|value| !value.is_empty());
    let nobody = part.kind == Kind::Contact && known.last().is_none_or(Option::is_none);
    (told && !nobody).then(|| long(&(word, "key", known)))
}

fn long(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn short(value: &impl Hash) -> u32 {
    // The lower half of 64 well mixed bits.
    u32::try_from(long(value) & u64::from(u32::MAX)).unwrap_or(0)
}
