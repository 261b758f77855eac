//! A small ext4 file system in a file, for power cuts and full disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted image; unmounted when dropped.
pub struct Image {
    pub file: PathBuf,
    pub mount: PathBuf,
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "{program} {}: {}",
        arguments.join(" "),
        text.trim()
    ))
}

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary paths are text")
}

impl Image {
    /// A new, empty one of so many MiB in `dir`.
    pub fn make(dir: &Path, name: &str, mebibytes: u64) -> Result<Image, String> {
        let file = dir.join(format!("{name}.ext4"));
        let made = fs::File::create(&file).and_then(|file| file.set_len(mebibytes << 20));
        made.map_err(|error| error.to_string())?;
        run(
            "mke2fs",
            &["-q", "-t", "ext4", "-F", "-m", "0", text(&file)],
        )?;
        Image::mount(dir, name, file)
    }

    /// Mounts what is in `file`.
    pub fn mount(dir: &Path, name: &str, file: PathBuf) -> Result<Image, String> {
        let mount = dir.join(name);
        fs::create_dir_all(&mount).map_err(|error| error.to_string())?;
        run("mount", &["-o", "loop", text(&file), text(&mount)])?;
        Ok(Image { file, mount })
    }

    /// The bytes that the disk has at this moment, as another file.
    pub fn cut(&self, to: &Path) -> Result<(), String> {
        run("cp", &["--sparse=always", text(&self.file), text(to)])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if let Err(error) = run("umount", &[text(&self.mount)]) {
            eprintln!("{error}");
        }
    }
}
