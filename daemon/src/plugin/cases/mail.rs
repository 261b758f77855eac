//! The mails of a case: addresses, threads and classes from what its text says.

use liaison_core::happening::PluginOutOfOffice;
use liaison_core::manifest::CLASSES;
use liaison_core::proposal::PlainAddress;
use liaison_core::time::Timestamp;

use super::format::Mail;

/// RFC 3339.
pub(super) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|error: liaison_core::time::TimestampError| error.to_string())
}

/// `Name <local@domain>` or a bare address.
pub(super) fn address(text: &str) -> PlainAddress {
    let text = text.trim();
    match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, email)) => {
            let name = name.trim().trim_matches('"').to_owned();
            PlainAddress {
                name: Some(name).filter(|name| !name.is_empty()),
                email: email.trim().to_owned(),
            }
        }
        None => PlainAddress {
            name: None,
            email: text.to_owned(),
        },
    }
}

pub(super) fn addresses(text: &str) -> Vec<PlainAddress> {
    text.split(';')
        .filter(|part| !part.trim().is_empty())
        .map(address)
        .collect()
}

/// The subject without what answering and forwarding put before it.
pub(super) fn base_subject(subject: &str) -> String {
    let mut base = subject.trim().to_lowercase();
    while let Some((prefix, rest)) = base.split_once(':') {
        if !matches!(
            prefix.trim(),
            "re" | "aw" | "fw" | "fwd" | "wg" | "antw" | "sv" | "tr" | "rv"
        ) {
            break;
        }
        base = rest.trim().to_owned();
    }
    base
}

pub(super) fn class(mail: &Mail) -> Result<String, String> {
    let class = mail.class.as_deref().unwrap_or("human").replace('_', "-");
    if CLASSES.contains(&class.as_str()) {
        return Ok(class);
    }
    Err(format!("no class `{class}`: one of {}", CLASSES.join(", ")))
}

pub(super) fn authenticity(mail: &Mail) -> Result<String, String> {
    let given = mail.authenticity.as_deref().unwrap_or("pass");
    if matches!(given, "pass" | "fail" | "none" | "unknown") {
        return Ok(given.to_owned());
    }
    Err(format!(
        "no authenticity `{given}`: pass, fail, none or unknown"
    ))
}

pub(super) fn out_of_office(mail: &Mail) -> Result<Option<PluginOutOfOffice>, String> {
    if mail.class.as_deref() != Some("ooo") {
        return Ok(None);
    }
    let returns = mail.returns.as_deref().map(instant).transpose()?;
    Ok(Some(PluginOutOfOffice {
        returns,
        left: mail.left,
    }))
}
