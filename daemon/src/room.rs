//! Room on the disk: who has to stop before it is full.
//!
//! A full disk is met in stages. First no mail is taken in: it stays on its server, where nothing
//! is lost. Then no plugin is asked any more. The outbox stops last, since what it writes is
//! little and people wait for it. Each stage goes on by itself when there is room again.
//!
//! A **ballast** file keeps some room back. It is given up before the outbox has to stop, and
//! before a store is opened on a full disk, since opening writes; it is made again when there is
//! ample room.

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::supervisor::{Stop, Waited};

/// Between two looks at the disk: at 100 MB/s, less than a quarter of the default room goes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Name of the ballast in the state directory.
const BALLAST: &str = "ballast";
/// Part of a threshold by which the room must exceed it before a stage goes on, so that it does
/// not stop again at once: one fourth.
const RESUME_PART: u64 = 4;
/// Most of it.
const RESUME_BYTES_MAX: u64 = 256 << 20;
/// Bytes of zeros written at a time where the file system cannot set room aside.
const ZEROS_BYTES: usize = 1 << 20;

/// `[disk]`: what is left alone of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomSettings {
    /// Bytes of the ballast; 0: none.
    pub ballast: u64,
    /// Free bytes below which no mail is taken in; `None`: [`INTAKE_FREE_MAX`] or a twentieth of
    /// the file system, whichever is less.
    pub intake: Option<u64>,
    /// Free bytes below which no plugin is asked; `None`: half of the above.
    pub plugins: Option<u64>,
    /// Free bytes below which nothing goes out; `None`: a sixteenth of the first.
    pub outbox: Option<u64>,
}

/// Bytes of the ballast by default: some hours of a busy outbox.
pub const BALLAST_BYTES: u64 = 64 << 20;
/// Most free bytes that the default asks for before mail is taken in.
const INTAKE_FREE_MAX: u64 = 1 << 30;

impl Default for RoomSettings {
    fn default() -> RoomSettings {
        RoomSettings {
            ballast: BALLAST_BYTES,
            intake: None,
            plugins: None,
            outbox: None,
        }
    }
}

/// What stops when there is too little room, in the order in which it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Mail is taken in.
    Intake,
    /// Plugins are asked.
    Plugins,
    /// Mails and holds go out.
    Outbox,
}

impl Stage {
    const ALL: [Stage; 3] = [Stage::Intake, Stage::Plugins, Stage::Outbox];

    /// What of it stands still, in words.
    fn words(self) -> &'static str {
        match self {
            Stage::Intake => "no mail is taken in (it stays on its server)",
            Stage::Plugins => "no plugin is asked",
            Stage::Outbox => "nothing goes out",
        }
    }
}

/// Free bytes that each stage needs, by [`Stage::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Needs([u64; 3]);

impl RoomSettings {
    fn needs(&self, total: u64) -> Needs {
        let usual = INTAKE_FREE_MAX.min(total / 20);
        let intake = self.intake.unwrap_or(usual);
        let plugins = self.plugins.unwrap_or(intake / 2).min(intake);
        let outbox = self.outbox.unwrap_or(intake / 16).min(plugins);
        Needs([intake, plugins, outbox])
    }
}

impl Needs {
    fn of(self, stage: Stage) -> u64 {
        let [intake, plugins, outbox] = self.0;
        match stage {
            Stage::Intake => intake,
            Stage::Plugins => plugins,
            Stage::Outbox => outbox,
        }
    }

    /// What a stage that stands still needs to go on.
    fn to_resume(self, stage: Stage) -> u64 {
        let need = self.of(stage);
        need.saturating_add((need / RESUME_PART).min(RESUME_BYTES_MAX))
    }

    /// The first stage that goes on with `free` bytes; `before` stood still until now.
    fn paused(self, free: u64, before: &[Stage]) -> Vec<Stage> {
        let stands = |stage: &Stage| match before.contains(stage) {
            true => free < self.to_resume(*stage),
            false => free < self.of(*stage),
        };
        Stage::ALL.into_iter().filter(stands).collect()
    }
}

/// What the file system says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that we may still write.
    pub free: u64,
    /// Bytes that it has.
    pub total: u64,
}

/// Where free space is read; a table in tests.
pub trait Disk: Send + Sync + std::fmt::Debug + 'static {
    /// Room where `path` lies.
    ///
    /// # Errors
    /// As the file system.
    fn space(&self, path: &Path) -> io::Result<Space>;
}

/// The machine's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disks;

impl Disk for Disks {
    fn space(&self, path: &Path) -> io::Result<Space> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(Space {
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
        })
    }
}

/// How much room there is, and what stands still for want of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Where the least room is.
    pub path: PathBuf,
    /// Bytes that we may still write there.
    pub free_bytes: u64,
    /// Bytes that the file system has.
    pub total_bytes: u64,
    /// Free bytes from which everything goes on.
    pub ample_bytes: u64,
    /// Whether the ballast is in place.
    pub ballast: bool,
    /// What stands still.
    pub paused: Vec<Stage>,
}

impl Reading {
    /// Whether a stage stands still.
    #[must_use]
    pub fn is_paused(&self, stage: Stage) -> bool {
        self.paused.contains(&stage)
    }

    /// What stands still and what to do; `None`: nothing does.
    #[must_use]
    pub fn words(&self) -> Option<String> {
        let last = self.paused.last()?;
        Some(format!(
            "the disk is nearly full: {} MiB are free at {}, so {}; free some space, and it goes \
             on by itself with {} MiB",
            self.free_bytes >> 20,
            self.path.display(),
            last.words(),
            self.ample_bytes.div_ceil(1 << 20),
        ))
    }
}

/// Watches the room where the state lies. One for each reading of the configuration.
#[derive(Debug)]
pub struct Room {
    state_dir: PathBuf,
    settings: RoomSettings,
    disk: Box<dyn Disk>,
    reading: watch::Sender<Reading>,
}

impl Room {
    /// The room in `state_dir`, as it is now.
    #[must_use]
    pub fn new(state_dir: &Path, settings: RoomSettings, disk: Box<dyn Disk>) -> Room {
        let reading = Reading {
            path: state_dir.to_owned(),
            free_bytes: 0,
            total_bytes: 0,
            ample_bytes: 0,
            ballast: false,
            paused: Vec::new(),
        };
        let room = Room {
            state_dir: state_dir.to_owned(),
            settings,
            disk,
            reading: watch::Sender::new(reading),
        };
        room.look();
        room
    }

    /// How it is.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.reading.borrow().clone()
    }

    /// Looks again and again until the stop.
    pub async fn run(&self, stop: &Stop) {
        while stop.sleep(LOOK_EVERY).await == Waited::Elapsed {
            self.look();
        }
    }

    /// Looks now: gives the ballast up or puts it back, and tells who waits.
    pub fn look(&self) {
        let before = self.reading();
        let reading = match self.read(&before) {
            Ok(reading) => reading,
            // What cannot be asked is not taken for full: writing will tell.
            Err(error) => {
                let path = self.state_dir.display();
                return tracing::warn!(%error, %path, "free space cannot be asked for");
            }
        };
        if reading.paused != before.paused {
            match reading.words() {
                Some(words) => tracing::error!("{words}"),
                None => tracing::info!("there is room on the disk again: everything goes on"),
            }
        }
        self.reading.send_if_modified(|now| {
            let news = now.paused != reading.paused;
            *now = reading;
            news
        });
    }

    fn read(&self, before: &Reading) -> io::Result<Reading> {
        let (mut path, mut space) = self.least()?;
        let needs = self.settings.needs(space.total);
        let file = self.state_dir.join(BALLAST);
        let mut kept = is_ballast(&file);
        let resume = needs.to_resume(Stage::Intake);
        if kept && space.free < needs.of(Stage::Outbox) {
            kept = !told(give_up(&file), &file);
            (path, space) = self.least()?;
        } else if !kept
            && self.settings.ballast > 0
            && space.free >= resume.saturating_add(self.settings.ballast)
        {
            kept = told(make_ballast(&file, self.settings.ballast), &file);
            (path, space) = self.least()?;
        } else if kept && self.settings.ballast == 0 {
            kept = !told(give_up(&file), &file);
        }
        Ok(Reading {
            path,
            free_bytes: space.free,
            total_bytes: space.total,
            ample_bytes: resume,
            ballast: kept,
            paused: needs.paused(space.free, &before.paused),
        })
    }

    /// The state directory, or what is mounted within it, whichever has the least room.
    fn least(&self) -> io::Result<(PathBuf, Space)> {
        let state = self.state_dir.clone();
        let mut least = (state.clone(), self.disk.space(&state)?);
        for part in ["store", "content"] {
            let path = state.join(part);
            match self.disk.space(&path) {
                Ok(space) if space.free < least.1.free => least = (path, space),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(least)
    }

    /// Runs `work` while there is room for `stage`: it is told to stop when there is not, awaited,
    /// and run again when there is. `told` is called with the reason each time it stands still.
    /// Ends when `stop` is triggered or `work` ends on its own.
    pub async fn gate<F, T>(&self, stage: Stage, stop: &Stop, told: impl Fn(String), work: F)
    where
        F: Fn(Stop) -> T,
        T: Future<Output = ()>,
    {
        let mut readings = self.reading.subscribe();
        loop {
            if let Some(why) = self.pause_of(stage) {
                told(why);
                tokio::select! {
                    () = stop.stopped() => return,
                    // The sender is `self`: it cannot go away meanwhile.
                    _ = readings.wait_for(|reading| !reading.is_paused(stage)) => {}
                }
            }
            let part = stop.child();
            let mut running = pin!(work(part.clone()));
            tokio::select! {
                () = &mut running => return,
                _ = readings.wait_for(|reading| reading.is_paused(stage)) => {}
            }
            part.trigger();
            running.await;
        }
    }

    fn pause_of(&self, stage: Stage) -> Option<String> {
        let reading = self.reading.borrow();
        reading.is_paused(stage).then(|| reading.words())?
    }
}

/// Gives the ballast in `state_dir` up when there is hardly room to open the store, which writes.
/// For the process that holds, or is about to take, the state directory.
pub fn make_way(state_dir: &Path, settings: RoomSettings, disk: &dyn Disk) {
    let file = state_dir.join(BALLAST);
    let Ok(space) = disk.space(state_dir) else {
        return;
    };
    if space.free < settings.needs(space.total).of(Stage::Outbox)
        && is_ballast(&file)
        && let Err(error) = give_up(&file)
    {
        tracing::error!(%error, file = %file.display(), "the ballast cannot be removed");
    }
}

/// Whether it was done; trouble with the ballast must not blind the guard.
fn told(done: io::Result<()>, file: &Path) -> bool {
    done.inspect_err(
        |error| tracing::warn!(%error, file = %file.display(), "trouble with the ballast"),
    )
    .is_ok()
}

fn is_ballast(file: &Path) -> bool {
    fs::symlink_metadata(file).is_ok_and(|found| found.is_file())
}

fn give_up(file: &Path) -> io::Result<()> {
    tracing::warn!(file = %file.display(), "the ballast is given up: the disk is full");
    fs::remove_file(file)
}

/// Under another name first: half a ballast is none.
fn make_ballast(file: &Path, bytes: u64) -> io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    let made = fill(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, file));
    if made.is_err() {
        // It would only take room; that it cannot be removed either adds nothing.
        let _ = fs::remove_file(&unfinished);
    }
    made
}

fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {
            zeros(&mut file, bytes)?
        }
        Err(error) => return Err(error.into()),
    }
    file.sync_all()
}

fn zeros(file: &mut File, bytes: u64) -> io::Result<()> {
    let zeros = vec![0_u8; ZEROS_BYTES];
    let mut left = bytes;
    while left > 0 {
        let part = usize::try_from(left)
            .unwrap_or(ZEROS_BYTES)
            .min(ZEROS_BYTES);
        file.write_all(zeros.get(..part).unwrap_or_default())?;
        left = left.saturating_sub(part as u64);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
