//! Which column goes where: a mapping file, a preset, or the names of the fields themselves.
//!
//! A mapping file has a table for each kind of file, `[contacts]`, and in its table `fields` a
//! line for each field: `"account.name" = "Company"`. Fields of the file's own kind are written
//! without it. Columns are compared without case, spaces and signs.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use liaison_core::account::fold;
use liaison_core::crm::fields::FieldType;
use liaison_core::crm::{FieldSpec, Kind};
use liaison_core::manifest::nearest;
use liaison_core::zones;
use serde::Deserialize;

use super::dates::DateFormat;

/// Largest mapping file, in bytes.
pub const MAPPING_BYTES_MAX: u64 = 256 * 1024;

/// What is wrong with a mapping.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct MappingError {
    /// Where: the table or field.
    pub place: String,
    /// What is wrong, and what can be written.
    pub reason: String,
}

fn wrong(place: impl Into<String>, reason: impl Into<String>) -> MappingError {
    MappingError {
        place: place.into(),
        reason: reason.into(),
    }
}

/// How the columns of a file become the fields of records.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// What a row is.
    pub kind: Kind,
    /// Who gives which field; fields of the account in front come first.
    pub(super) rules: Vec<Rule>,
    /// Columns that nobody needs.
    pub(super) ignore: Vec<String>,
    /// Between columns; `None`: what the first line tells.
    pub(super) delimiter: Option<u8>,
    /// The names of columns were those of fields.
    pub(super) direct: bool,
}

/// Which cells of a column are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Take {
    /// All of them.
    #[default]
    All,
    /// Those that `values` lists.
    Listed,
    /// Those that are addresses: programs also write names there.
    Addresses,
}

/// Where one field comes from.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub kind: Kind,
    /// `None`: the id of the record.
    pub field: Option<&'static FieldSpec>,
    /// Names of columns, joined in this order.
    pub columns: Vec<String>,
    pub join: String,
    /// Translations of cells, folded.
    pub values: BTreeMap<String, String>,
    pub take: Take,
    pub dates: Vec<DateFormat>,
    pub zone: TimeZone,
    /// Instead of an empty cell.
    pub default: Option<String>,
    /// Whatever the row says.
    pub constant: Option<String>,
    /// The field of the file's kind that is taken where this one is empty.
    pub otherwise: Option<String>,
    /// In front of ids.
    pub prefix: String,
}

impl Rule {
    fn new(kind: Kind, field: Option<&'static FieldSpec>) -> Rule {
        let join = match field.map(|field| field.kind) {
            Some(
                FieldType::Lines
                | FieldType::Emails
                | FieldType::Domains
                | FieldType::Links(_)
                | FieldType::Choices(_),
            ) => ";",
            Some(FieldType::Text) => "\n",
            _ => " ",
        };
        Rule {
            kind,
            field,
            columns: Vec::new(),
            join: join.to_owned(),
            values: BTreeMap::new(),
            take: Take::All,
            dates: Vec::new(),
            zone: TimeZone::UTC,
            default: None,
            constant: None,
            otherwise: None,
            prefix: String::new(),
        }
    }

    /// The field as a mapping file of `file` names it.
    pub(super) fn name(&self, file: Kind) -> String {
        let field = self.field.map_or(super::ID_COLUMN, |field| field.name);
        match self.kind == file {
            true => field.to_owned(),
            false => format!("{}.{field}", self.kind.word()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KindTable {
    /// In front of external ids, so that those of two systems never meet.
    #[serde(default)]
    external: String,
    #[serde(default)]
    delimiter: Option<char>,
    #[serde(default)]
    dates: Vec<String>,
    #[serde(default)]
    zone: Option<String>,
    #[serde(default)]
    ignore: Vec<String>,
    fields: BTreeMap<String, toml::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldTable {
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    join: Option<String>,
    #[serde(default)]
    values: BTreeMap<String, String>,
    #[serde(default)]
    take: Take,
    #[serde(default)]
    dates: Option<Vec<String>>,
    #[serde(default)]
    default: Option<String>,
    #[serde(default)]
    constant: Option<String>,
    #[serde(default)]
    otherwise: Option<String>,
    /// It holds an external id, also where the field is a link.
    #[serde(default)]
    external: bool,
}

impl Mapping {
    /// Reads the mapping for files of `kind` from a mapping file.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn parse(text: &str, kind: Kind) -> Result<Mapping, MappingError> {
        let tables: toml::Table = toml::from_str(text)
            .map_err(|error| wrong("mapping", error.to_string().trim().to_owned()))?;
        let mut found = None;
        for (name, value) in tables {
            match (Kind::from_word(&name), value) {
                (Some(of), value) if of == kind => found = Some((name, value)),
                (Some(_), _) => {}
                (None, toml::Value::String(_)) if name == "about" => {}
                (None, _) => {
                    let words = Kind::ALL.iter().map(|kind| kind.plural());
                    let near = nearest(&name, words)
                        .map_or(String::new(), |near| format!(", did you mean [{near}]?"));
                    return Err(wrong(name, format!("this is no kind of records{near}")));
                }
            }
        }
        let Some((name, value)) = found else {
            let reason = format!(
                "there is no table [{}] for this kind of file",
                kind.plural()
            );
            return Err(wrong("mapping", reason));
        };
        let table: KindTable = value
            .try_into()
            .map_err(|error: toml::de::Error| wrong(name.clone(), error.message()))?;
        Mapping::of(kind, &name, table)
    }

    fn of(kind: Kind, name: &str, table: KindTable) -> Result<Mapping, MappingError> {
        let dates = formats(&table.dates, name)?;
        let zone = match &table.zone {
            None => TimeZone::UTC,
            Some(zone) => zones::zone(zone)
                .ok_or_else(|| wrong(format!("{name}.zone"), "write a zone like Europe/Berlin"))?,
        };
        let delimiter =
            match table.delimiter {
                None => None,
                Some(sign) => Some(u8::try_from(sign).ok().filter(u8::is_ascii).ok_or_else(
                    || wrong(format!("{name}.delimiter"), "write one sign, like ; or \\t"),
                )?),
            };
        let mut rules = Vec::new();
        for (field, value) in table.fields {
            let place = format!("{name}.fields.\"{field}\"");
            let (of, spec) = target(kind, &field).map_err(|reason| wrong(&place, reason))?;
            let rule = Rule {
                dates: dates.clone(),
                zone: zone.clone(),
                ..Rule::new(of, spec)
            };
            rules.push(rule.filled(value, &place, &table.external)?);
        }
        let otherwise = rules.iter().filter_map(|rule| rule.otherwise.clone());
        for field in otherwise.collect::<Vec<_>>() {
            let there = rules.iter().any(|rule| rule.name(kind) == field);
            if !there {
                let reason = format!("`otherwise` names `{field}`, and nothing gives this field");
                return Err(wrong(format!("{name}.fields"), reason));
            }
        }
        Ok(Mapping {
            kind,
            rules: in_order(rules),
            ignore: table.ignore.iter().map(|one| folded(one)).collect(),
            delimiter,
            direct: false,
        })
    }

    /// The mapping of a file whose columns are called like the fields.
    ///
    /// # Errors
    /// The column that is no field, with the nearest name and all there are.
    pub fn of_header(kind: Kind, header: &[String]) -> Result<Mapping, MappingError> {
        let mut rules: Vec<Rule> = Vec::new();
        for column in header {
            let Some(name) = super::names::field_of_column(kind, column) else {
                return Err(wrong("line 1", super::names::no_column(kind, column)));
            };
            let (of, spec) = target(kind, &name).map_err(|reason| wrong("line 1", reason))?;
            let mut rule = Rule::new(of, spec);
            let again = |known: &Rule| known.kind == of && known.field == spec;
            if rules.iter().any(again) {
                let name = super::names::column_of_field(kind, &name);
                return Err(wrong(
                    "line 1",
                    format!("the column `{name}` is there twice"),
                ));
            }
            rule.columns.push(folded(column));
            rules.push(rule);
        }
        Ok(Mapping {
            kind,
            rules: in_order(rules),
            ignore: Vec::new(),
            delimiter: None,
            direct: true,
        })
    }
}

impl Mapping {
    /// Dates are written so, whatever the mapping says.
    ///
    /// # Errors
    /// A format that is none.
    pub fn with_dates(mut self, written: &[String]) -> Result<Mapping, MappingError> {
        let formats = formats(written, "--dates")?;
        for rule in &mut self.rules {
            rule.dates.clone_from(&formats);
        }
        Ok(self)
    }
}

/// The account in front, a contact behind.
fn in_order(mut rules: Vec<Rule>) -> Vec<Rule> {
    rules.sort_by_key(|rule| rule.kind != Kind::Account);
    rules
}

impl Rule {
    fn filled(self, value: toml::Value, place: &str, external: &str) -> Result<Rule, MappingError> {
        let table = match value {
            toml::Value::String(column) => FieldTable {
                columns: vec![column],
                ..FieldTable::default()
            },
            toml::Value::Array(columns) => FieldTable {
                columns: toml::Value::Array(columns)
                    .try_into()
                    .map_err(|_| wrong(place, "write a list of names of columns"))?,
                ..FieldTable::default()
            },
            table => table
                .try_into()
                .map_err(|error: toml::de::Error| wrong(place, error.message()))?,
        };
        if table.columns.is_empty() && table.constant.is_none() && table.default.is_none() {
            return Err(wrong(place, "name at least one column, or give a constant"));
        }
        let holds_id = table.external || self.field.is_some_and(|f| f.name == "external_id");
        let translated = |(cell, value): (String, String)| (fold(&cell), value);
        let mut columns: Vec<String> = Vec::new();
        for column in table.columns.iter().map(|column| folded(column)) {
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
        Ok(Rule {
            columns,
            join: table.join.unwrap_or(self.join),
            values: table.values.into_iter().map(translated).collect(),
            take: table.take,
            dates: match &table.dates {
                Some(written) => formats(written, place)?,
                None => self.dates,
            },
            default: table.default,
            constant: table.constant,
            otherwise: table.otherwise,
            prefix: if holds_id { external } else { "" }.to_owned(),
            ..self
        })
    }
}

fn formats(written: &[String], place: &str) -> Result<Vec<DateFormat>, MappingError> {
    written
        .iter()
        .map(|one| DateFormat::parse(one).map_err(|reason| wrong(format!("{place}.dates"), reason)))
        .collect()
}

/// The kind and field behind a name such as `account.name` in a file of `file`.
fn target(file: Kind, name: &str) -> Result<(Kind, Option<&'static FieldSpec>), String> {
    let (kind, field) = match name.split_once('.') {
        None => (file, name),
        Some((word, field)) => {
            let kind = Kind::from_word(word).filter(|kind| in_one_row(file, *kind));
            let reason = || {
                let also = match file {
                    Kind::Account => ", and `contact.`",
                    _ if in_one_row(file, Kind::Account) => ", and `account.`",
                    _ => "",
                };
                format!("a row of {} has its own fields{also}", file.plural())
            };
            (kind.ok_or_else(reason)?, field)
        }
    };
    if field == super::ID_COLUMN {
        return Ok((kind, None));
    }
    match kind.spec().field(field) {
        Some(spec) => Ok((kind, Some(spec))),
        None => Err(liaison_core::crm::change::unknown_field(kind.spec(), field).reason),
    }
}

/// Whether a row of `file` may tell of a `kind`, too.
pub(super) fn in_one_row(file: Kind, kind: Kind) -> bool {
    kind == file
        || (file == Kind::Account && kind == Kind::Contact)
        || (kind == Kind::Account && file.spec().field("account").is_some())
}

/// A name of a column without case, spaces and signs.
pub(super) fn folded(column: &str) -> String {
    column
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}
