//! A vdir from outside: one folder per calendar, one `.ics` file per event.

use std::fs;
use std::path::{Path, PathBuf};

/// One calendar folder.
#[derive(Debug, Clone)]
pub struct Vdir {
    root: PathBuf,
}

impl Vdir {
    /// Makes an empty calendar at `root` with a display name.
    ///
    /// # Panics
    /// If it cannot be made.
    pub fn create(root: &Path, display_name: &str) -> Vdir {
        fs::create_dir_all(root).expect("make the vdir");
        fs::write(root.join("displayname"), display_name).expect("write the display name");
        Vdir {
            root: root.to_owned(),
        }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Writes `NAME.ics` whole or not at all, as other programs on a vdir do.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn put(&self, name: &str, calendar: &str) {
        let tmp = self.root.join(format!(".{name}.tmp"));
        fs::write(&tmp, calendar).expect("write the event");
        fs::rename(tmp, self.root.join(format!("{name}.ics"))).expect("place the event");
    }

    /// Removes `NAME.ics`, as a person would.
    ///
    /// # Panics
    /// If it is not there.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.root.join(format!("{name}.ics"))).expect("remove the event");
    }

    /// The events as (name without `.ics`, text), by name.
    ///
    /// # Panics
    /// If the folder cannot be read.
    pub fn list(&self) -> Vec<(String, String)> {
        let mut events = Vec::new();
        for entry in fs::read_dir(&self.root).expect("list the vdir").flatten() {
            let file = entry.file_name().to_string_lossy().into_owned();
            let Some(name) = file
                .strip_suffix(".ics")
                .filter(|name| !name.starts_with('.'))
            else {
                continue;
            };
            // A file may go while we look.
            let Ok(bytes) = fs::read(entry.path()) else {
                continue;
            };
            events.push((
                name.to_owned(),
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
        events.sort();
        events
    }
}
