//! A vdir as a calendar: one `.ics` file per object.
//!
//! Files belong to people and their programs as much as to us. So a file name is never changed, an
//! object is created only where none is, and a file is deleted only when its bytes are those we
//! know, compared after it was moved aside so that nobody can write in between.

mod file;
mod settings;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison_core::ids::CalendarId;

use self::file::{FileETag, Removal};
pub use self::settings::VdirSettings;
use crate::hint::FolderHints;
use crate::sink::collection::{guard_against_emptiness, object_name, object_problem};
use crate::sink::{
    CalendarChanges, CalendarError, CalendarFile, CalendarStore, Created, Deleted, PaceOf, Updated,
};
use crate::supervisor::Stop;

/// A calendar in a folder.
#[derive(Debug)]
pub struct VdirCalendar {
    name: CalendarId,
    settings: VdirSettings,
    hints: Arc<FolderHints>,
    /// One thing at a time: a look must not put back what a removal has just moved aside.
    turn: Arc<Mutex<()>>,
}

impl VdirCalendar {
    /// The calendar `name` in the folder of `settings`, which must exist when it is used.
    #[must_use]
    pub fn new(name: CalendarId, settings: VdirSettings) -> VdirCalendar {
        VdirCalendar {
            name,
            settings,
            hints: Arc::new(FolderHints::new()),
            turn: Arc::default(),
        }
    }

    fn what(&self, doing: &str) -> String {
        format!(
            "{doing} calendar {} in {}",
            self.name,
            self.settings.path.display()
        )
    }

    fn failed(&self, doing: &str, error: &io::Error) -> CalendarError {
        CalendarError {
            what: self.what(doing),
            why: match error.kind() {
                io::ErrorKind::NotFound => {
                    format!("{error}; is the disk mounted, and is `path` right?")
                }
                _ => error.to_string(),
            },
            permanent: matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput
            ),
            unknown: false,
        }
    }

    /// Runs off the async threads, one at a time.
    async fn in_turn<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = self.turn.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            act()
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    async fn look(
        &self,
        known: &BTreeMap<String, String>,
    ) -> Result<CalendarChanges, CalendarError> {
        const DOING: &str = "reading";
        let (path, known_now) = (self.settings.path.clone(), known.clone());
        let hints = self.hints.clone();
        let changes = self
            .in_turn(move || {
                hints.watch(&path);
                file::put_back_left_aside(&path)?;
                changes(&path, &known_now)
            })
            .await
            .map_err(|error| self.failed(DOING, &error))?;
        guard_against_emptiness(
            &self.what(DOING),
            known.len(),
            changes.removed.len(),
            self.settings.gone_percent_max,
        )?;
        Ok(changes)
    }
}

impl CalendarStore for VdirCalendar {
    fn changes<'a>(
        &'a self,
        known: &'a BTreeMap<String, String>,
    ) -> BoxFuture<'a, Result<CalendarChanges, CalendarError>> {
        Box::pin(self.look(known))
    }

    fn fetch<'a>(
        &'a self,
        href: &'a str,
    ) -> BoxFuture<'a, Result<Option<CalendarFile>, CalendarError>> {
        let (path, name) = (self.settings.path.clone(), href.to_owned());
        Box::pin(async move {
            self.in_turn(move || read_if_there(&path, &name))
                .await
                .map_err(|error| self.failed(&format!("reading {href} of"), &error))
        })
    }

    fn create<'a>(
        &'a self,
        uid: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Created, CalendarError>> {
        let (path, name) = (self.settings.path.clone(), object_name(uid));
        let data = Bytes::copy_from_slice(data.as_bytes());
        Box::pin(async move {
            let doing = format!("creating {name} in");
            self.in_turn(move || {
                let new = file::create(&path, &name, &data)?;
                let there = read_if_there(&path, &name)?.ok_or_else(|| {
                    io::Error::other("it was removed by another program while it was being made")
                })?;
                Ok(match new {
                    true => Created::New(there),
                    false => Created::Exists(there),
                })
            })
            .await
            .map_err(|error| self.failed(&doing, &error))
        })
    }

    fn update<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
        data: &'a str,
    ) -> BoxFuture<'a, Result<Updated, CalendarError>> {
        let (path, name, etag) = (self.settings.path.clone(), href.to_owned(), etag.to_owned());
        let data = Bytes::copy_from_slice(data.as_bytes());
        Box::pin(async move {
            self.in_turn(move || {
                let expected = known_version(&etag)?;
                let replaced = file::replace(&path, &name, &expected, &data)?;
                Ok(match (replaced, read_if_there(&path, &name)?) {
                    (_, None) => Updated::Gone,
                    (true, Some(current)) => Updated::Done(current),
                    (false, Some(current)) => Updated::Changed(current),
                })
            })
            .await
            .map_err(|error| self.failed(&format!("changing {href} in"), &error))
        })
    }

    fn delete<'a>(
        &'a self,
        href: &'a str,
        etag: &'a str,
    ) -> BoxFuture<'a, Result<Deleted, CalendarError>> {
        let (path, name, etag) = (self.settings.path.clone(), href.to_owned(), etag.to_owned());
        Box::pin(async move {
            self.in_turn(move || {
                let expected = known_version(&etag)?;
                Ok(match file::remove(&path, &name, &expected)? {
                    Removal::Gone => Deleted::Gone,
                    Removal::Differs => match read_if_there(&path, &name)? {
                        Some(current) => Deleted::Changed(current),
                        None => Deleted::Gone,
                    },
                })
            })
            .await
            .map_err(|error| self.failed(&format!("deleting {href} from"), &error))
        })
    }

    fn wait<'a>(&'a self, _pace: &'a PaceOf<'a>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let interval = Duration::from_secs(self.settings.rescan_secs.max(1));
            self.hints.wait(interval, &Stop::new()).await;
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        let path = self.settings.path.clone();
        Box::pin(async move {
            self.in_turn(move || file::probe(&path))
                .await
                .map_err(|error| self.failed("writing to", &error).to_string())
        })
    }
}

/// Compares the folder with `known`. A file whose time and size are as known is not read again,
/// unless it was written so shortly before it was read that a second write could look the same.
fn changes(
    path: &std::path::Path,
    known: &BTreeMap<String, String>,
) -> io::Result<CalendarChanges> {
    let mut changes = CalendarChanges::default();
    let mut listed = std::collections::BTreeSet::new();
    for name in file::list(path)? {
        let before = known.get(&name).and_then(|etag| FileETag::parse(etag));
        listed.insert(name.clone());
        match file::read(path, &name, before.as_ref()) {
            Ok(None) => {}
            Ok(Some((data, etag))) => match object_problem(&data) {
                Some(problem) => changes.unreadable.push((name, problem)),
                None => changes.changed.push(CalendarFile {
                    href: name,
                    etag: etag.to_string(),
                    data,
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                listed.remove(&name);
            }
            Err(error) => changes.unreadable.push((name, error.to_string())),
        }
    }
    let removed = known.keys().filter(|name| !listed.contains(*name));
    changes.removed = removed.cloned().collect();
    Ok(changes)
}

fn known_version(etag: &str) -> io::Result<FileETag> {
    FileETag::parse(etag).ok_or_else(|| {
        let text = format!("`{etag}` is no version of a file in a vdir");
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })
}

fn read_if_there(path: &std::path::Path, name: &str) -> io::Result<Option<CalendarFile>> {
    file::check_name(name)?;
    match file::read(path, name, None) {
        Ok(read) => Ok(read.map(|(data, etag)| CalendarFile {
            href: name.to_owned(),
            etag: etag.to_string(),
            data,
        })),
        // Not there is an answer only where the folder itself is there.
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_dir() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
