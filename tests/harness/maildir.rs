//! A Maildir++ from outside: mail put in as a delivery agent does, and looked at.

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

static DELIVERED: AtomicU32 = AtomicU32::new(0);

/// A Maildir with the folders Sent and Drafts.
#[derive(Debug, Clone)]
pub struct Maildir {
    root: PathBuf,
}

/// A message in a Maildir.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaildirMessage {
    /// File name without folder and flags.
    pub name: String,
    /// Whether it still lies in `new/`.
    pub is_new: bool,
    /// Flag letters after `:2,`, such as `S`.
    pub flags: String,
    /// The message, byte for byte.
    pub bytes: Vec<u8>,
    /// Where it lies.
    pub path: PathBuf,
}

impl MaildirMessage {
    /// The unfolded value of the first header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        crate::mail::header(&self.bytes, name)
    }
}

impl Maildir {
    /// Makes an empty one, with its folders, at `root`.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn create(root: &Path) -> Maildir {
        for folder in ["", ".Sent", ".Drafts"] {
            for part in ["cur", "new", "tmp"] {
                fs::create_dir_all(root.join(folder).join(part)).expect("make the Maildir");
            }
        }
        Maildir {
            root: root.to_owned(),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Delivers to the inbox as an MDA does, written to `tmp/` and then moved to `new/`; returns
    /// the file's name.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn deliver(&self, message: &[u8]) -> String {
        self.deliver_at(message, SystemTime::now())
    }

    /// The same at another time than now, which the file tells.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn deliver_at(&self, message: &[u8], at: SystemTime) -> String {
        let count = DELIVERED.fetch_add(1, Ordering::Relaxed);
        let seconds = jiff::Timestamp::now().as_second();
        let name = format!("{seconds}.P{}Q{count}.mx.example.test", process::id());
        self.place("", &name, message, at);
        name
    }

    /// Puts a message into a folder such as `Sent`, as a person's mail program does: seen.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn save(&self, folder: &str, message: &[u8]) -> PathBuf {
        self.save_at(folder, message, SystemTime::now())
    }

    /// The same at another time than now, which the file tells.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn save_at(&self, folder: &str, message: &[u8], at: SystemTime) -> PathBuf {
        let count = DELIVERED.fetch_add(1, Ordering::Relaxed);
        let seconds = jiff::Timestamp::now().as_second();
        let name = format!("{seconds}.P{}Q{count}.desk.example.test", process::id());
        let from = self.place(folder, &name, message, at);
        let to = self.folder(folder).join("cur").join(format!("{name}:2,S"));
        fs::rename(from, &to).expect("move into cur");
        to
    }

    /// The messages of a folder (`""` is the inbox), by name.
    ///
    /// # Panics
    /// If the folder cannot be read.
    pub fn list(&self, folder: &str) -> Vec<MaildirMessage> {
        let mut messages = Vec::new();
        for part in ["new", "cur"] {
            let path = self.folder(folder).join(part);
            for entry in fs::read_dir(&path).expect("list the Maildir").flatten() {
                // A file may be renamed while we look; the next look finds it.
                let Ok(bytes) = fs::read(entry.path()) else {
                    continue;
                };
                let file = entry.file_name().to_string_lossy().into_owned();
                let (name, flags) = file.split_once(":2,").unwrap_or((&file, ""));
                messages.push(MaildirMessage {
                    name: name.to_owned(),
                    is_new: part == "new",
                    flags: flags.to_owned(),
                    bytes,
                    path: entry.path(),
                });
            }
        }
        messages.sort_by(|a, b| a.name.cmp(&b.name));
        messages
    }

    fn place(&self, folder: &str, name: &str, message: &[u8], at: SystemTime) -> PathBuf {
        let folder = self.folder(folder);
        let tmp = folder.join("tmp").join(name);
        let mut file = File::create_new(&tmp).expect("make the message's file");
        file.write_all(message).expect("write the message");
        file.set_times(FileTimes::new().set_modified(at))
            .expect("date the message");
        file.sync_all().expect("sync the message");
        let new = folder.join("new").join(name);
        fs::rename(&tmp, &new).expect("move into new");
        new
    }

    fn folder(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.root.clone()
        } else {
            self.root.join(format!(".{name}"))
        }
    }
}
