//! All rows as lines of JSON: what a store is made anew from, and what another can read.
//!
//! ```text
//! {"liaison_export":1,"store":"<32 hex>","schema":1,"begun_at":1763798400000,"frame":41}
//! {"ns":"account","key":"<hex>","version":1099511627777,"type":26,"value":"<base64>"}
//! ...                                       one for each row, by family and key
//! {"ns":"task","key":"<hex>","version":...} rows that changed while the others were written
//! {"ns":"wait","key":"<hex>","deleted":true}
//! {"end":{"frame":44,"lines":1234,"families":[{"ns":"account","rows":7,"bytes":900,"sum":"<32 hex>"}],
//!  "blake3":"<hash of all before it>"}}
//! ```
//!
//! `liaison export` writes the record itself beside its value, as `"record":{...}`, for people and
//! scripts; what is read back is the value.
//!
//! The rows are read while others are written, so they are of no one moment; the changes between
//! `frame` and the end, from the journal, make them those of the last frame exactly. The sums of
//! the end are the journal's: rows that the store lost silently are found when they are read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};

use super::codec;
use super::files::{FILE_MODE, make_dir, sync_dir};
use super::journal::Family;
use super::{KEY_BYTES_MAX, Ns, SCHEMA, VALUE_BYTES_MAX};

/// The exports, in the directory of the store.
pub const EXPORT_DIR: &str = "exports";
/// The shape of the lines.
const FORMAT: u32 = 1;
const EXTENSION: &str = "jsonl";
/// Ends the name of an export that is being written.
const UNFINISHED: &str = "part";
/// Longest line: key in hex, value in Base64, names. The end has at most 256 families.
/// The same record as JSON beside it takes at most six times its bytes, and its names.
const LINE_BYTES_MAX: u64 = (2 * KEY_BYTES_MAX + 8 * VALUE_BYTES_MAX + 65_536) as u64;

/// Why an export cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file system refused.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A line makes no sense.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The export.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// It ends before its end.
    #[error("{} is cut short at line {line}: its last line is missing", path.display())]
    Short {
        /// The export.
        path: PathBuf,
        /// The line that is not whole, or not there.
        line: u64,
    },
    /// What it says of itself is not so.
    #[error("{} cannot be used: {reason}", path.display())]
    Altered {
        /// The export.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
}

impl ExportError {
    /// Whether the disk has no space left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            ExportError::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    move |source| ExportError::Io {
        doing,
        path,
        source,
    }
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    liaison_export: u32,
    store: String,
    schema: u64,
    begun_at: i64,
    frame: u64,
}

/// One row, written or removed.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Line {
    ns: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// Type of the record, for people; index rows have none.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
    /// The value as people read it; the value is what counts.
    #[serde(default, skip_serializing_if = "Option::is_none", skip_deserializing)]
    record: Option<serde_json::Value>,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    end: End,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    frame: u64,
    lines: u64,
    families: Vec<Sum>,
    blake3: String,
}

impl End {
    /// The hash of all lines before and of what this one says.
    fn hash(&self, mut before: blake3::Hasher) -> String {
        for number in [self.frame, self.lines] {
            before.update(&number.to_be_bytes());
        }
        for family in &self.families {
            let Sum {
                ns,
                rows,
                bytes,
                sum,
            } = family;
            before.update(format!("{ns} {rows} {bytes} {sum}\n").as_bytes());
        }
        before.finalize().to_hex().to_string()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    ns: String,
    rows: u64,
    bytes: u64,
    sum: String,
}

/// An export as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file.
    pub path: PathBuf,
    /// The store it was made of.
    pub store: u128,
    /// The frame of the journal whose rows it has.
    pub frame: u64,
    /// Its length in bytes.
    pub bytes: u64,
}

/// The exports of a store, which are named after their frame.
#[derive(Debug, Clone, Default)]
pub struct Exports {
    /// Oldest first.
    list: Vec<Found>,
}

impl Exports {
    /// Those beside the store in `dir`, after removing what a crash left half-written. A file that
    /// is no export is passed over and told in the log.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn find(dir: &Path) -> Result<Exports, ExportError> {
        let folder = dir.join(EXPORT_DIR);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Exports::default()),
            Err(error) => return Err(io_error("read the folder", &folder)(error)),
        };
        let mut list = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error("read the folder", &folder))?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(UNFINISHED) => fs::remove_file(&path).map_err(io_error("remove", &path))?,
                Some(EXTENSION) => match found(&path) {
                    Ok(export) => list.push(export),
                    Err(error) => tracing::warn!(%error, "passed over an export"),
                },
                _ => {}
            }
        }
        list.sort_by_key(|export| export.frame);
        Ok(Exports { list })
    }

    /// The files beside the store in `dir`, the newest first; changes nothing.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn look(dir: &Path) -> Result<Vec<PathBuf>, ExportError> {
        let folder = dir.join(EXPORT_DIR);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("read the folder", &folder)(error)),
        };
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(io_error("read the folder", &folder))?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == EXTENSION)
            {
                paths.push(path);
            }
        }
        // They are named after their frame, in hex of one length.
        paths.sort_unstable_by(|a, b| b.cmp(a));
        Ok(paths)
    }

    /// The newest; `None` without any.
    #[must_use]
    pub fn newest(&self) -> Option<&Found> {
        self.list.last()
    }

    /// All of them, the newest first.
    #[must_use]
    pub fn newest_first(&self) -> Vec<Found> {
        self.list.iter().rev().cloned().collect()
    }
}

fn found(path: &Path) -> Result<Found, ExportError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let bytes = file.metadata().map_err(io_error("look at", path))?.len();
    let mut lines = Lines::new(path, file);
    let head: Head = lines.parse_next()?.ok_or_else(|| short(path, 1))?;
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let frame = stem.and_then(|stem| u64::from_str_radix(stem, 16).ok());
    Ok(Found {
        path: path.to_owned(),
        store: head.store_id(path)?,
        // Other files, such as a backup's, say it in their last line only.
        frame: frame.unwrap_or(head.frame),
        bytes,
    })
}

fn short(path: &Path, line: u64) -> ExportError {
    let path = path.to_owned();
    ExportError::Short { path, line }
}

impl Head {
    fn store_id(&self, path: &Path) -> Result<u128, ExportError> {
        let altered = |reason: String| ExportError::Altered {
            path: path.to_owned(),
            reason,
        };
        if self.liaison_export > FORMAT {
            let found = self.liaison_export;
            return Err(altered(format!(
                "it has format {found}, this liaison knows {FORMAT}"
            )));
        }
        if self.schema > SCHEMA {
            let found = self.schema;
            return Err(altered(format!(
                "it has schema {found}, this liaison knows {SCHEMA}: a newer liaison wrote it, use \
                 that release or a later one"
            )));
        }
        let store = &self.store;
        u128::from_str_radix(store, 16).map_err(|_| altered(format!("its store is `{store}`")))
    }
}

/// Lines of a file, each with its number, and the hash of all before.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    number: u64,
    text: String,
    hasher: blake3::Hasher,
}

impl<'a> Lines<'a> {
    fn new(path: &'a Path, file: File) -> Lines<'a> {
        Lines {
            path,
            reader: BufReader::with_capacity(256 << 10, file),
            number: 0,
            text: String::new(),
            hasher: blake3::Hasher::new(),
        }
    }

    /// The next line; what came before it is hashed.
    fn next(&mut self) -> Result<Option<&str>, ExportError> {
        self.hasher.update(self.text.as_bytes());
        self.text.clear();
        self.number = self.number.saturating_add(1);
        let mut bounded = (&mut self.reader).take(LINE_BYTES_MAX);
        match bounded.read_line(&mut self.text) {
            Ok(0) => Ok(None),
            Ok(_) if !self.text.ends_with('\n') => Err(short(self.path, self.number)),
            Ok(_) => Ok(Some(&self.text)),
            Err(error) => Err(io_error("read", self.path)(error)),
        }
    }

    fn parse_next<T: serde::de::DeserializeOwned>(&mut self) -> Result<Option<T>, ExportError> {
        let Some(line) = self.next()? else {
            return Ok(None);
        };
        let parsed = serde_json::from_str(line);
        parsed
            .map(Some)
            .map_err(|error| self.bad(error.to_string()))
    }

    fn bad(&self, reason: impl Into<String>) -> ExportError {
        ExportError::Line {
            path: self.path.to_owned(),
            line: self.number,
            reason: reason.into(),
        }
    }
}

/// A row of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The family.
    pub ns: Ns,
    /// The key within it.
    pub key: &'a [u8],
    /// Version and value; `None`: removed while the export was written.
    pub row: Option<(u64, &'a [u8])>,
}

/// What an export said at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ended {
    /// The frame whose rows it has.
    pub frame: u64,
    /// Lines of rows.
    pub lines: u64,
    /// The families as they must be now.
    pub families: Vec<Family>,
}

/// What an export says of itself before its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The store it was made of.
    pub store: u128,
    /// The shape of its keyspace.
    pub schema: u64,
    /// When it was begun, milliseconds since 1970.
    pub at_ms: i64,
}

/// Reads the first line of the export in `path`.
///
/// # Errors
/// [`ExportError`]; not when the schema is a newer one, which the answer tells.
pub fn start(path: &Path) -> Result<Start, ExportError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let head: Head = Lines::new(path, file)
        .parse_next()?
        .ok_or_else(|| short(path, 1))?;
    let known = Head {
        schema: head.schema.min(SCHEMA),
        ..head.clone()
    };
    Ok(Start {
        store: known.store_id(path)?,
        schema: head.schema,
        at_ms: head.begun_at,
    })
}

/// Gives each row of the export in `path` to `take`, in order.
///
/// # Errors
/// All of [`ExportError`], and whatever `take` says. The hash is known at the end only: on an
/// error what was taken must be dropped.
pub fn read<E: From<ExportError>>(
    path: &Path,
    take: &mut dyn FnMut(Row<'_>) -> Result<(), E>,
) -> Result<Ended, E> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let mut lines = Lines::new(path, file);
    let head: Head = lines.parse_next()?.ok_or_else(|| short(path, 1))?;
    head.store_id(path)?;
    let mut count = 0_u64;
    loop {
        let Some(text) = lines.next()? else {
            return Err(short(path, lines.number).into());
        };
        if text.starts_with("{\"end\"") {
            let last: Last = serde_json::from_str(text).map_err(|e| lines.bad(e.to_string()))?;
            return Ok(check_end(&lines, count, &last.end)?);
        }
        let line: Line = serde_json::from_str(text).map_err(|e| lines.bad(e.to_string()))?;
        let ns = Ns::from_name(&line.ns)
            .ok_or_else(|| lines.bad(format!("there is no family `{}`", line.ns)))?;
        let key = from_hex(&line.key).ok_or_else(|| lines.bad("the key is no hex text"))?;
        let value = line.value.as_deref().map(|value| BASE64.decode(value));
        let value = value
            .transpose()
            .map_err(|_| lines.bad("the value is no Base64"))?;
        let row = match (line.deleted, line.version, &value) {
            (true, None, None) => None,
            (false, Some(version), Some(value)) => Some((version, value.as_slice())),
            _ => {
                return Err(lines
                    .bad("version and value, or deleted, are needed")
                    .into());
            }
        };
        count = count.saturating_add(1);
        take(Row { ns, key: &key, row })?;
    }
}

fn check_end(lines: &Lines<'_>, count: u64, end: &End) -> Result<Ended, ExportError> {
    let altered = |reason: String| ExportError::Altered {
        path: lines.path.to_owned(),
        reason,
    };
    if end.lines != count {
        return Err(altered(format!(
            "line {}, its end, says {} rows, there are {count}",
            lines.number, end.lines
        )));
    }
    let unsigned = End {
        blake3: String::new(),
        ..end.clone()
    };
    if unsigned.hash(lines.hasher.clone()) != end.blake3 {
        return Err(altered(format!(
            "line {}, its end, says another hash than the lines before it have: one of them was \
             altered",
            lines.number
        )));
    }
    let family = |sum: &Sum| {
        let ns = Ns::from_name(&sum.ns).map(Ns::id);
        let value = u128::from_str_radix(&sum.sum, 16).ok();
        ns.zip(value).map(|(ns, value)| Family {
            ns,
            rows: sum.rows,
            bytes: sum.bytes,
            sum: value,
        })
    };
    let families: Option<Vec<Family>> = end.families.iter().map(family).collect();
    Ok(Ended {
        frame: end.frame,
        lines: count,
        families: families.ok_or_else(|| altered("the sums of its end".to_owned()))?,
    })
}

/// Writes an export beside its place and moves it there when it is whole and on disk.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    unfinished: PathBuf,
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    lines: u64,
    describe: fn(&[u8]) -> Option<serde_json::Value>,
}

/// What is known before the first row.
#[derive(Debug, Clone, Copy)]
pub struct Begin {
    /// The store.
    pub store: u128,
    /// The shape of its keyspace.
    pub schema: u64,
    /// Now, milliseconds since 1970.
    pub at_ms: i64,
    /// The last frame that every row read from now on has.
    pub frame: u64,
}

impl Writer {
    /// An export in `folder`, which is made when missing.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn begin(folder: &Path, begin: Begin) -> Result<Writer, ExportError> {
        make_dir(folder).map_err(io_error("make the folder", folder))?;
        let unfinished = folder.join(format!("{:016x}.{UNFINISHED}", begin.frame));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&unfinished)
            .map_err(io_error("create", &unfinished))?;
        let mut writer = Writer {
            folder: folder.to_owned(),
            unfinished,
            file: BufWriter::with_capacity(256 << 10, file),
            hasher: blake3::Hasher::new(),
            lines: 0,
            describe: |_| None,
        };
        writer.line(&Head {
            liaison_export: FORMAT,
            store: format!("{:032x}", begin.store),
            schema: begin.schema,
            begun_at: begin.at_ms,
            frame: begin.frame,
        })?;
        Ok(writer)
    }

    /// Writes beside each value what `describe` makes of it, for people.
    #[must_use]
    pub fn described(self, describe: fn(&[u8]) -> Option<serde_json::Value>) -> Writer {
        Writer { describe, ..self }
    }

    /// Writes a row.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn row(&mut self, row: Row<'_>) -> Result<(), ExportError> {
        let kind = |value: &[u8]| codec::open(value).ok().map(|envelope| envelope.kind);
        let line = Line {
            ns: row.ns.name().to_owned(),
            key: to_hex(row.key),
            version: row.row.map(|(version, _)| version),
            kind: row.row.and_then(|(_, value)| kind(value)),
            value: row.row.map(|(_, value)| BASE64.encode(value)),
            deleted: row.row.is_none(),
            record: row.row.and_then(|(_, value)| (self.describe)(value)),
        };
        self.lines = self.lines.saturating_add(1);
        self.line(&line)
    }

    /// Ends it; durable and in its place when this returns.
    ///
    /// # Errors
    /// [`ExportError::Io`].
    pub fn finish(mut self, frame: u64, families: &[Family]) -> Result<Found, ExportError> {
        let name = |family: &Family| {
            let ns = Ns::from_id(family.ns).map_or("", Ns::name);
            Sum {
                ns: ns.to_owned(),
                rows: family.rows,
                bytes: family.bytes,
                sum: format!("{:032x}", family.sum),
            }
        };
        let mut end = End {
            frame,
            lines: self.lines,
            families: families.iter().map(name).collect(),
            blake3: String::new(),
        };
        end.blake3 = end.hash(self.hasher.clone());
        self.line(&Last { end })?;
        let written = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        written.map_err(io_error("write", &self.unfinished))?;
        let path = self.folder.join(format!("{frame:016x}.{EXTENSION}"));
        fs::rename(&self.unfinished, &path).map_err(io_error("move into place", &path))?;
        sync_dir(&self.folder).map_err(io_error("sync the folder", &self.folder))?;
        found(&path)
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), ExportError> {
        let mut text = serde_json::to_vec(line)
            .map_err(|error| io_error("write", &self.unfinished)(error.into()))?;
        text.push(b'\n');
        self.hasher.update(&text);
        let written = self.file.write_all(&text);
        written.map_err(io_error("write", &self.unfinished))
    }
}

fn to_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2).map(|pair| {
        let [high, low] = pair else { return None };
        let digit = |byte: u8| char::from(byte).to_digit(16);
        u8::try_from(digit(*high)?.checked_mul(16)?.checked_add(digit(*low)?)?).ok()
    });
    digits.collect()
}

#[cfg(test)]
mod tests;
