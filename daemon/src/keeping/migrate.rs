//! What a start of this program would find and do, without opening anything for writing.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{KeepingError, io_error};
use crate::books::registry::{Age, Registry, has_records};
use crate::store::export::{self, ExportError, Exports};
use crate::store::journal::{Group, JournalError, Segments};
use crate::store::sled::schema_of;
use crate::store::{Ns, SCHEMA, codec, value_hash};

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// What was read: files of the store, or an export.
    pub source: PathBuf,
    /// The frame of the journal whose rows these are.
    pub frame: u64,
    /// The schema of the store; nothing said is 1.
    pub schema: u64,
    /// The schema that this program knows.
    pub knows_schema: u64,
    /// Whether this program opens the store.
    pub schema_fits: bool,
    /// Rows of all families.
    pub rows: u64,
    /// By family.
    pub families: Vec<FamilyCheck>,
    /// Records that would be rewritten.
    pub older: u64,
    /// Records that this program would leave alone.
    pub newer: u64,
    /// Rows that are no records where records belong.
    pub unreadable: u64,
}

/// One family.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FamilyCheck {
    /// Its name.
    pub family: String,
    /// Its rows.
    pub rows: u64,
    /// Records by type and version.
    pub records: Vec<RecordCheck>,
}

/// Records of one type and version in one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordCheck {
    /// Name of the type; its number when this program does not know it.
    pub kind: String,
    /// The version they are in.
    pub version: u16,
    /// The version that this program writes; none for a type that it does not know.
    pub written: Option<u16>,
    /// How many.
    pub rows: u64,
    /// `current`, `older` or `newer`.
    pub is: &'static str,
}

impl Checked {
    /// Whether a start would change nothing and leave nothing alone.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.schema_fits && self.newer == 0 && self.unreadable == 0
    }
}

/// A record as it lies there: type, version, flags; `None` for a row that is no record.
type Stamp = Option<(u8, u16, u8)>;

/// Rows by type, version, and whether they are flagged.
type Kinds = BTreeMap<(u8, u16, bool), u64>;

/// All rows by a hash of their key: the last word counts.
#[derive(Default)]
struct Rows(HashMap<[u8; 16], (Ns, Stamp)>);

impl Rows {
    fn take(&mut self, ns: Ns, key: &[u8], value: Option<&[u8]>) {
        let hash = value_hash(&[&[ns.id()], key].concat());
        match value {
            None => {
                self.0.remove(&hash);
            }
            Some(value) => {
                let stamp = codec::open(value).ok();
                let stamp = stamp.map(|found| (found.kind, found.version, found.flags));
                self.0.insert(hash, (ns, stamp));
            }
        }
    }
}

/// Looks at the store in `state_dir`, which no daemon should have: its newest good export and the
/// journal after it. Blocks.
///
/// # Errors
/// [`KeepingError`], when there is no store or its files do not tell all rows.
pub fn check_store(state_dir: &Path) -> Result<Checked, KeepingError> {
    let dir = state_dir.join("store");
    let there = dir.try_exists().map_err(io_error("look for", &dir))?;
    let schema = schema_of(&dir)?.unwrap_or(1);
    if !there {
        return Err(KeepingError::NoStore { path: dir });
    }
    if schema > SCHEMA {
        // Its rows may be in a shape that this program misreads.
        return Ok(tell(dir, 0, schema, Rows::default(), Registry::own()));
    }
    let segments = Segments::list(&dir.join("journal"))?;
    let mut sources: Vec<_> = Exports::look(&dir)?.into_iter().map(Some).collect();
    sources.push(None);
    let mut last = None;
    for source in sources {
        match read(&segments, source.as_deref()) {
            Ok((frame, rows)) => return Ok(tell(dir, frame, schema, rows, Registry::own())),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or(KeepingError::NoStore { path: dir }))
}

fn read(segments: &Segments, export: Option<&Path>) -> Result<(u64, Rows), KeepingError> {
    let mut rows = Rows::default();
    let mut frame = match export {
        Some(path) => read_export(path, &mut rows)?.1,
        None => 0,
    };
    let after = frame;
    let mut gap = None;
    let mut take = |number: u64, group: &Group<'_>| -> Result<(), JournalError> {
        if number != frame.saturating_add(1) {
            gap = gap.or(Some(number));
            return Ok(());
        }
        frame = number;
        for change in &group.changes {
            for (ns, key) in &change.dels {
                if let Some(ns) = Ns::from_id(*ns) {
                    rows.take(ns, &key.0, None);
                }
            }
            for (ns, key, value) in &change.puts {
                if let Some(ns) = Ns::from_id(*ns) {
                    rows.take(ns, &key.0, Some(&value.0));
                }
            }
        }
        Ok(())
    };
    let tail = segments.read(None, after, &mut take)?;
    if gap.is_some() || frame < tail.position.frame {
        let text = format!(
            "exports and journal tell the rows up to frame {frame}, the store is at {}: the others \
             are in sled alone, as after an import or a restore, and cannot be looked at without \
             opening it; `liaison export` and look at its file instead",
            tail.position.frame
        );
        return Err(KeepingError::Broken(text));
    }
    Ok((frame, rows))
}

fn read_export(path: &Path, rows: &mut Rows) -> Result<(u64, u64), ExportError> {
    let schema = export::start(path)?.schema;
    let ended = export::read::<ExportError>(path, &mut |row| {
        rows.take(row.ns, row.key, row.row.map(|(_, value)| value));
        Ok(())
    })?;
    Ok((schema, ended.frame))
}

/// Looks at an export. Blocks.
///
/// # Errors
/// [`KeepingError`]; an export of a later schema is told, not read.
pub fn check_export(file: &Path) -> Result<Checked, KeepingError> {
    let start = export::start(file)?;
    let mut rows = Rows::default();
    let frame = match start.schema > SCHEMA {
        true => 0,
        false => read_export(file, &mut rows)?.1,
    };
    Ok(tell(
        file.to_owned(),
        frame,
        start.schema,
        rows,
        Registry::own(),
    ))
}

fn tell(source: PathBuf, frame: u64, schema: u64, rows: Rows, registry: Registry) -> Checked {
    let mut checked = Checked {
        source,
        frame,
        schema,
        knows_schema: SCHEMA,
        schema_fits: schema <= SCHEMA,
        rows: rows.0.len() as u64,
        ..Checked::default()
    };
    let mut families: BTreeMap<Ns, (u64, Kinds)> = BTreeMap::new();
    for (ns, stamp) in rows.0.into_values() {
        let family = families.entry(ns).or_default();
        family.0 = family.0.saturating_add(1);
        match stamp {
            Some((kind, version, flags)) if has_records(ns) => {
                let count = family.1.entry((kind, version, flags != 0)).or_default();
                *count = count.saturating_add(1);
            }
            None if has_records(ns) => checked.unreadable = checked.unreadable.saturating_add(1),
            _ => {}
        }
    }
    for (ns, (rows, kinds)) in families {
        let mut family = FamilyCheck {
            family: ns.name().to_owned(),
            rows,
            records: Vec::new(),
        };
        for ((number, version, flagged), rows) in kinds {
            let kind = registry.kind(number);
            let is = match registry.age_of(number, version, flagged) {
                Age::Newer(..) => {
                    checked.newer = checked.newer.saturating_add(rows);
                    "newer"
                }
                Age::Older(..) => {
                    checked.older = checked.older.saturating_add(rows);
                    "older"
                }
                Age::Current(_) | Age::None => "current",
            };
            family.records.push(RecordCheck {
                kind: kind.map_or_else(|| format!("type {number}"), |kind| kind.name.to_owned()),
                version,
                written: kind.map(|kind| kind.version),
                rows,
                is,
            });
        }
        checked.families.push(family);
    }
    checked
}
