//! The header row: which column is which.

use csv::ByteRecord;

use super::ImportError;

/// All columns, by their first names.
pub(super) const NAMES: [&str; 9] = [
    "name",
    "external_id",
    "domains",
    "lifecycle",
    "owner",
    "do_not_contact",
    "contact_name",
    "contact_email",
    "contact_role",
];

/// What else the columns are called in exports of other programs.
const SYNONYMS: [(&str, &str); 36] = [
    ("account", "name"),
    ("account_name", "name"),
    ("company", "name"),
    ("company_name", "name"),
    ("organization", "name"),
    ("organisation", "name"),
    ("id", "external_id"),
    ("account_id", "external_id"),
    ("crm_id", "external_id"),
    ("domain", "domains"),
    ("website_domain", "domains"),
    ("stage", "lifecycle"),
    ("account_owner", "owner"),
    ("dnc", "do_not_contact"),
    ("contact", "contact_name"),
    ("email", "contact_email"),
    ("contact_mail", "contact_email"),
    ("e_mail", "contact_email"),
    ("role", "contact_role"),
    ("title", "contact_role"),
    ("customer", "name"),
    ("customer_name", "name"),
    ("client", "name"),
    ("client_name", "name"),
    ("customer_id", "external_id"),
    ("domain_name", "domains"),
    ("email_domain", "domains"),
    ("status", "lifecycle"),
    ("account_manager", "owner"),
    ("owner_email", "owner"),
    ("contact_person", "contact_name"),
    ("full_name", "contact_name"),
    ("email_address", "contact_email"),
    ("contact_e_mail", "contact_email"),
    ("job_title", "contact_role"),
    ("position", "contact_role"),
];

/// Where each known column lies.
#[derive(Debug)]
pub(super) struct Columns(Vec<&'static str>);

impl Columns {
    /// Reads the header row.
    pub(super) fn read(header: &ByteRecord) -> Result<Columns, ImportError> {
        let mut columns = Vec::new();
        for cell in header {
            let found = String::from_utf8_lossy(cell).trim().to_owned();
            let Some(name) = known(&found) else {
                let found = liaison_core::mail::address::clean_text(&found);
                let found = liaison_core::message::cut_text(&found, 60);
                let nearest = nearest(&folded(&found));
                return Err(ImportError::UnknownColumn { found, nearest });
            };
            if columns.contains(&name) {
                return Err(ImportError::RepeatedColumn(name));
            }
            columns.push(name);
        }
        match columns.contains(&"name") {
            true => Ok(Columns(columns)),
            false => Err(ImportError::NoName),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The name of the column at `index`.
    pub(super) fn name(&self, index: usize) -> Option<&'static str> {
        self.0.get(index).copied()
    }
}

fn folded(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_")
}

fn known(found: &str) -> Option<&'static str> {
    let found = folded(found);
    let own = NAMES.into_iter().find(|name| *name == found);
    own.or_else(|| {
        let synonym = SYNONYMS.iter().find(|(other, _)| *other == found);
        synonym.map(|(_, name)| *name)
    })
}

/// The known name that the found one is most likely a slip of.
fn nearest(found: &str) -> Option<&'static str> {
    let synonyms = SYNONYMS.iter().map(|(synonym, _)| *synonym);
    let near = liaison_core::manifest::nearest(found, NAMES.into_iter().chain(synonyms))?;
    known(near)
}

/// The separator of the header row: the more frequent of `,`, `;` and tab outside quotes.
pub(super) fn delimiter(bytes: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0)];
    for byte in bytes.iter().take_while(|byte| **byte != b'\n') {
        if *byte == b'"' {
            quoted = !quoted;
        }
        for (separator, count) in &mut counts {
            *count += u32::from(!quoted && byte == separator);
        }
    }
    let mut best = (b',', 0);
    for (separator, count) in counts {
        if count > best.1 {
            best = (separator, count);
        }
    }
    best.0
}
