//! Attachments: files among the templates that a mail may carry, by name.

use std::fs;
use std::path::{Path, PathBuf};

use super::{TemplateError, Templates, check_name, read};

/// Folder of attachments inside a folder of templates.
const FOLDER: &str = "attachments";
/// Bytes of one attachment; larger ones are refused by many servers.
const ATTACHMENT_BYTES: u64 = 10 << 20;
/// Files looked at in one folder.
const FILES_MAX: usize = 1_000;

/// A file to attach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// File name as the recipient sees it.
    pub filename: String,
    /// Media type by extension.
    pub media_type: &'static str,
    /// Content.
    pub bytes: Vec<u8>,
}

impl Templates {
    /// The attachment `name`: the one file `attachments/NAME.*` (or `attachments/NAME`) in the
    /// operator's folder, else in the plugin's.
    ///
    /// # Errors
    /// When there is none, or more than one in a folder, or it is over 10 MiB.
    pub fn attachment(&self, name: &str) -> Result<Attachment, TemplateError> {
        check_name(name)?;
        let mut looked = Vec::new();
        for folder in &self.folders {
            let folder = folder.join(FOLDER);
            if let Some(file) = find(&folder, name)?
                && let Some(bytes) = read(&file, ATTACHMENT_BYTES)?
            {
                let shown = file.file_name().unwrap_or_default().to_string_lossy();
                let media_type = media_type(&shown);
                return Ok(Attachment {
                    filename: shown.into_owned(),
                    media_type,
                    bytes,
                });
            }
            looked.push(folder);
        }
        Err(TemplateError::NotFound {
            what: "attachment",
            name: name.to_owned(),
            looked,
        })
    }
}

fn find(folder: &Path, name: &str) -> Result<Option<PathBuf>, TemplateError> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(TemplateError::Read {
                file: folder.display().to_string(),
                source,
            });
        }
    };
    let mut found = None;
    for entry in listed.take(FILES_MAX) {
        let entry = entry.map_err(|source| TemplateError::Read {
            file: folder.display().to_string(),
            source,
        })?;
        let path = entry.path();
        let file_name = entry.file_name();
        let fits = Path::new(&file_name)
            .file_stem()
            .is_some_and(|stem| stem == name)
            || file_name == name;
        if !fits || !path.is_file() {
            continue;
        }
        if found.replace(path).is_some() {
            let (name, folder) = (name.to_owned(), folder.display().to_string());
            return Err(TemplateError::Ambiguous { name, folder });
        }
    }
    Ok(found)
}

fn media_type(filename: &str) -> &'static str {
    let extension = Path::new(filename)
        .extension()
        .unwrap_or_default()
        .to_ascii_lowercase();
    match extension.to_str().unwrap_or_default() {
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "csv" => "text/csv",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "rtf" => "application/rtf",
        "doc" => "application/msword",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx" => "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "zip" => "application/zip",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        _ => "application/octet-stream",
    }
}
