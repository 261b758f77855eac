//! Texts of mails: the firm's templates first, then the plugin's, rendered with plain data.
//!
//! A template is text from a file of the operator or of a plugin's package; what a stranger wrote
//! only ever comes in as a value and is never parsed. Nothing is included from disk, an unknown
//! variable is an error, and rendering has a budget.

use std::fs;
use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

mod attachments;
mod instants;

pub use attachments::Attachment;
pub(crate) use instants::name as zone_name;

/// Budget of one rendering, in minijinja's instructions.
const FUEL: u64 = 100_000;
/// Nesting of one template.
const RECURSION: usize = 64;
/// Bytes of a template's file.
const SOURCE_BYTES: u64 = 256 << 10;
/// Bytes of a rendered text.
const RENDERED_BYTES: usize = 256 << 10;
/// Extension of a template.
const EXTENSION: &str = "txt";

/// Where templates and attachments are looked up, in this order.
#[derive(Debug, Clone)]
pub struct Templates {
    folders: Vec<PathBuf>,
}

/// A template or an attachment is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// A name that is none.
    #[error("`{name}` is no name of a template or attachment: use letters, digits, `-`, `_`, `.`")]
    Name {
        /// As given.
        name: String,
    },
    /// It is nowhere.
    #[error("there is no {what} `{name}` in {}", places(looked))]
    NotFound {
        /// `template` or `attachment`.
        what: &'static str,
        /// Which.
        name: String,
        /// Folders that were searched.
        looked: Vec<PathBuf>,
    },
    /// Two files could be meant.
    #[error("several files in {folder} are called `{name}`: keep one of them")]
    Ambiguous {
        /// Which.
        name: String,
        /// Where.
        folder: String,
    },
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Too large.
    #[error("{what} has {bytes} bytes, {allowed} are allowed")]
    TooLarge {
        /// The file, or the rendered text.
        what: String,
        /// Its size.
        bytes: u64,
        /// The bound.
        allowed: u64,
    },
    /// The variables are no JSON object.
    #[error("the variables of template `{name}` are no JSON object: {said}")]
    Variables {
        /// The template.
        name: String,
        /// What is wrong with them.
        said: String,
    },
    /// The zone is unknown.
    #[error("`{zone}` is no IANA time zone")]
    Zone {
        /// As given.
        zone: String,
    },
    /// The template does not parse, misses a variable or runs too long.
    #[error("{file}:{line}: {said}")]
    Template {
        /// The file.
        file: String,
        /// Line from 1; 0 when unknown.
        line: usize,
        /// What is wrong.
        said: String,
    },
}

fn places(looked: &[PathBuf]) -> String {
    looked
        .iter()
        .map(|folder| folder.display().to_string())
        .collect::<Vec<_>>()
        .join(" or ")
}

impl Templates {
    /// Looks in the operator's folder first, then in the plugin's `templates`.
    #[must_use]
    pub fn new(operator: Option<&Path>, plugin: Option<&Path>) -> Templates {
        let folders = [operator, plugin]
            .into_iter()
            .flatten()
            .map(Path::to_owned)
            .collect();
        Templates { folders }
    }

    /// Renders template `name` (a file `NAME.txt`) with `variables`, a JSON object as text.
    /// `zone` is the IANA zone in which `slot`, `local_time` and `local_date` print instants.
    ///
    /// # Errors
    /// When it is missing, does not parse, misses a variable, runs too long or grows too large.
    pub fn render(&self, name: &str, variables: &str, zone: &str) -> Result<String, TemplateError> {
        let zone = instants::Zone::named(zone).ok_or_else(|| TemplateError::Zone {
            zone: zone.to_owned(),
        })?;
        let variables: serde_json::Map<String, serde_json::Value> = serde_json::from_str(variables)
            .map_err(|error| TemplateError::Variables {
                name: name.to_owned(),
                said: error.to_string(),
            })?;
        let (file, source) = self.source(name)?;
        let shown = file.display().to_string();
        let failed = |error: Error| TemplateError::Template {
            file: shown.clone(),
            line: error.line().unwrap_or_default(),
            said: sentence(&error),
        };
        let environment = environment(zone);
        let text = environment
            .template_from_str(&source)
            .and_then(|template| template.render(Serde(&variables)))
            .map_err(failed)?;
        if text.len() > RENDERED_BYTES {
            return Err(TemplateError::TooLarge {
                what: format!("the text of `{name}`"),
                bytes: text.len() as u64,
                allowed: RENDERED_BYTES as u64,
            });
        }
        Ok(text)
    }

    fn source(&self, name: &str) -> Result<(PathBuf, String), TemplateError> {
        check_name(name)?;
        for folder in &self.folders {
            let file = folder.join(format!("{name}.{EXTENSION}"));
            if let Some(bytes) = read(&file, SOURCE_BYTES)? {
                return Ok((file, String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
        let looked = self.folders.clone();
        Err(TemplateError::NotFound {
            what: "template",
            name: name.to_owned(),
            looked,
        })
    }
}

/// A file's bytes; `None` when there is no such file.
fn read(file: &Path, allowed: u64) -> Result<Option<Vec<u8>>, TemplateError> {
    let failed = |source| TemplateError::Read {
        file: file.display().to_string(),
        source,
    };
    let meta = match fs::metadata(file) {
        Ok(meta) if meta.is_file() => meta,
        Ok(_) => return Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if meta.len() > allowed {
        let what = file.display().to_string();
        return Err(TemplateError::TooLarge {
            what,
            bytes: meta.len(),
            allowed,
        });
    }
    fs::read(file).map(Some).map_err(failed)
}

/// A name never leads out of its folder: no separator, no leading dot.
fn check_name(name: &str) -> Result<(), TemplateError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if (1..=100).contains(&name.len()) && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(());
    }
    Err(TemplateError::Name {
        name: name.chars().take(100).collect(),
    })
}

fn environment(zone: instants::Zone) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    instants::add_filters(&mut environment, zone);
    environment
}

fn sentence(error: &Error) -> String {
    let detail = error.detail().unwrap_or_default();
    match error.kind() {
        ErrorKind::OutOfFuel => "it does not come to an end".to_owned(),
        ErrorKind::UndefinedError if detail.is_empty() => {
            "it uses a variable that was not given; write `is defined` before an optional one"
                .to_owned()
        }
        kind if detail.is_empty() => kind.to_string(),
        kind => format!("{kind}: {detail}"),
    }
}

#[cfg(test)]
mod tests;
