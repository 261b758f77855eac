//! Which file, and from its bytes to a [`Config`].

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::Config;
use super::problem::{ConfigErrors, Problems, whole_file};
use super::read::Section;
use super::validate::validate;

/// Used when nothing else is said.
pub const CONFIG_FILE_DEFAULT: &str = "/etc/liaison/liaison.toml";
/// Environment variable that names the file.
pub const CONFIG_VARIABLE: &str = "LIAISON_CONFIG";
/// Where packages put plugins.
const PLUGIN_DIR_DEFAULT: &str = "/usr/lib/liaison/plugins";
/// Bytes of a configuration file; a larger one is the wrong file.
const CONFIG_BYTES_MAX: u64 = 4 << 20;

/// The configuration file: what `--config` says, else `$LIAISON_CONFIG`, else
/// [`CONFIG_FILE_DEFAULT`].
#[must_use]
pub fn config_path(option: Option<&Path>) -> PathBuf {
    let variable = || std::env::var_os(CONFIG_VARIABLE).filter(|value| !value.is_empty());
    option
        .map(Path::to_owned)
        .or_else(|| variable().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(CONFIG_FILE_DEFAULT))
}

/// The folder of the bundled plugins: `plugins` beside the program or one folder above it, where
/// that exists, else where packages put it.
#[must_use]
pub fn default_plugin_dir() -> PathBuf {
    let program = std::env::current_exe().ok();
    let folders = program
        .as_deref()
        .into_iter()
        .flat_map(|program| program.ancestors().skip(1).take(2));
    folders
        .map(|folder| folder.join("plugins"))
        .find(|folder| folder.is_dir())
        .unwrap_or_else(|| PathBuf::from(PLUGIN_DIR_DEFAULT))
}

pub(super) fn load(file: &Path) -> Result<Config, ConfigErrors> {
    let unreadable = |error: std::io::Error| {
        let remedy = "name the file with --config or $LIAISON_CONFIG, and let this user read it; \
                      config/liaison.minimal.toml is one to begin with";
        whole_file(file, format!("cannot be read ({error})"), remedy)
    };
    let file = std::path::absolute(file).map_err(unreadable)?;
    let bytes = std::fs::metadata(&file).map_err(unreadable)?.len();
    if bytes > CONFIG_BYTES_MAX {
        let what = format!("has {bytes} bytes, more than {CONFIG_BYTES_MAX}");
        return Err(whole_file(&file, what, "is it the right file?"));
    }
    let bytes = std::fs::read(&file).map_err(unreadable)?;
    let Ok(text) = String::from_utf8(bytes) else {
        return Err(whole_file(
            &file,
            "is not UTF-8".to_owned(),
            "save it as UTF-8",
        ));
    };
    parse(&text, &file)
}

/// Reads a configuration from its text; `file` is for messages and relative paths.
pub(super) fn parse(text: &str, file: &Path) -> Result<Config, ConfigErrors> {
    let mut problems = Problems::of(text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let place = error.span().unwrap_or(0..0);
        let remedy = "correct it as https://toml.io describes";
        let what = match error.message() {
            "duplicate key" => format!("{} is set twice", named(text, place.clone())),
            other => other.to_owned(),
        };
        problems.add_at(place, String::new(), what, remedy);
    }
    if problems.len() > 0 {
        // What a damaged tree says about names and types would only mislead.
        return Err(problems.into_errors(file).unwrap_or_else(|| nothing(file)));
    }
    let top = Section::new(String::new(), String::new(), tree);
    let config = validate(top, file, &mut problems);
    match (problems.into_errors(file), config) {
        (None, Some(config)) => Ok(config),
        (Some(errors), _) => Err(errors),
        (None, None) => Err(nothing(file)),
    }
}

/// The key at a place, where it is written plainly.
fn named(text: &str, place: Range<usize>) -> String {
    let key = text.get(place).unwrap_or_default();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match !key.is_empty() && key.chars().all(plain) {
        true => format!("`{key}`"),
        false => "the key".to_owned(),
    }
}

/// A configuration that was refused without a reason: a fault of ours, never of the file.
fn nothing(file: &Path) -> ConfigErrors {
    let what = "was refused without a reason".to_owned();
    whole_file(file, what, "this is a fault of liaison: please report it")
}
