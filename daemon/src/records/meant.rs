//! Which record a put means that names none: an import of another system, a row without an id.

use liaison_core::account::{account_id, fold};
use liaison_core::crm::change::new_id;
use liaison_core::crm::{CrmRecord, Edit, Kind};
use liaison_core::ids::ContactId;
use liaison_core::proposal::Value;

use super::{RecordBook, RecordBy, RecordsError};
use crate::books::indexes;
use crate::books::indexes::crm::{EXTERNAL, KNOWN, NAME, known, was};
use crate::books::keys;
use crate::books::rows::ByAddrRow;
use crate::store::{SHORT_RANGE_ROWS, Stored};

/// Names, by merges of what it links to, under which a record is looked for.
const VARIANTS_MAX: usize = 256;

impl RecordBook {
    /// The record that these values mean, where it is there, and whether it stands in the place of
    /// the one that they name.
    pub(super) async fn meant(
        &self,
        kind: Kind,
        edits: &[Edit],
        by: &RecordBy,
    ) -> Result<(Option<Stored<CrmRecord>>, bool), RecordsError> {
        let mut wanted = CrmRecord::new(kind, String::new(), by.now);
        for edit in edits {
            wanted.fields.insert(edit.field.clone(), edit.value.clone());
        }
        let mut ids = match kind {
            Kind::Account => self.meant_account(&wanted).await?,
            Kind::Contact => self.meant_contact(&wanted).await?,
            _ => self.meant_other(&wanted).await?,
        };
        if ids.is_empty() && self.any_merged(kind).await? {
            ids = self.once_meant(&wanted).await?;
        }
        let mut standing: Vec<(String, bool)> = Vec::new();
        for id in ids {
            if let Some(found) = self.get(kind, &id).await? {
                let found = self.standing(found).await?;
                let instead = found.id != id;
                match standing.iter_mut().find(|(known, _)| *known == found.id) {
                    Some(known) => known.1 &= instead,
                    None => standing.push((found.id, instead)),
                }
            }
        }
        match standing.as_slice() {
            [] => Ok((None, false)),
            [(id, instead)] => Ok((self.stored(kind, id).await?, *instead)),
            _ => Err(RecordsError::Several {
                kind,
                text: wanted.name(),
                ids: standing.into_iter().map(|(id, _)| id).collect(),
            }),
        }
    }

    async fn meant_account(&self, wanted: &CrmRecord) -> Result<Vec<String>, RecordsError> {
        let external = wanted.text(EXTERNAL);
        if let Some(external) = external {
            let ids = self
                .shared(keys::account_ext(indexes::EXTERNAL, external))
                .await?;
            if !ids.is_empty() {
                return Ok(ids);
            }
            // Its external id was changed since.
            let first = account_id(Some(external), "").0;
            if self.get(Kind::Account, &first).await?.is_some() {
                return Ok(vec![first]);
            }
            let gone = self.once(Kind::Account, external).await?;
            if !gone.is_empty() {
                return Ok(gone);
            }
        }
        let Some(name) = wanted.text("name") else {
            return Ok(Vec::new());
        };
        let named = self
            .shared(keys::account_ext(indexes::NAME, &fold(name)))
            .await?;
        if external.is_none() {
            return Ok(named);
        }
        // Recorded by name before its external id was known: now it gets it.
        let mut free = Vec::new();
        for id in named {
            let account = self.get(Kind::Account, &id).await?;
            if account.is_some_and(|account| account.text(EXTERNAL).is_none()) {
                free.push(id);
            }
        }
        Ok(free)
    }

    /// By external id, else by an address at the same account, else by name.
    async fn meant_contact(&self, wanted: &CrmRecord) -> Result<Vec<String>, RecordsError> {
        let external = wanted.text(EXTERNAL);
        if let Some(external) = external {
            let mut ids = self.ids_by(Kind::Contact, EXTERNAL, external).await?;
            if ids.is_empty() {
                // Before its addresses: they belong to the record in its place by now.
                ids = self.once(Kind::Contact, external).await?;
            }
            if !ids.is_empty() {
                return Ok(ids);
            }
        }
        let account = wanted.text("account").unwrap_or_default();
        for (nth, email) in wanted.texts("emails").iter().enumerate() {
            let row = self.books.get::<ByAddrRow>(keys::by_addr(email)).await?;
            let hits = row.map(|row| row.record.hits).unwrap_or_default();
            if hits.is_empty() {
                continue;
            }
            let at = |names: &[String]| {
                let mut hits = hits.iter().filter(|hit| hit.contact.is_some());
                let hit = hits.find(|hit| names.iter().any(|name| hit.account.as_str() == name));
                hit.and_then(|hit| hit.contact.clone())
            };
            let mut found = at(&[account.to_owned()]);
            if found.is_none() && self.any_merged(Kind::Account).await? {
                found = at(&self.books.all_names_of(account).await?);
            }
            if let Some(ContactId(id)) = found
                && let Some(record) = self.get(Kind::Contact, &id).await?
                && is_one_person(wanted, &record, nth == 0)
            {
                return Ok(vec![id]);
            }
        }
        match external {
            None => self.known_as(wanted, KNOWN).await,
            Some(_) => Ok(Vec::new()),
        }
    }

    async fn meant_other(&self, wanted: &CrmRecord) -> Result<Vec<String>, RecordsError> {
        if let Some(external) = wanted.text(EXTERNAL) {
            let ids = self.ids_by(wanted.kind, EXTERNAL, external).await?;
            if !ids.is_empty() {
                return Ok(ids);
            }
            // Its external id was changed since.
            let first = new_id(wanted);
            let there = self.get(wanted.kind, &first).await?;
            return Ok(there.map(|_| first).into_iter().collect());
        }
        self.known_as(wanted, KNOWN).await
    }

    /// Records with an external id that another took the place of.
    async fn once(&self, kind: Kind, external: &str) -> Result<Vec<String>, RecordsError> {
        match self.any_merged(kind).await? {
            true => self.ids_by(kind, &was(EXTERNAL), external).await,
            false => Ok(Vec::new()),
        }
    }

    /// Records that another took the place of, by what they were known by.
    async fn once_meant(&self, wanted: &CrmRecord) -> Result<Vec<String>, RecordsError> {
        let kind = wanted.kind;
        if let Some(external) = wanted.text(EXTERNAL) {
            return self.ids_by(kind, &was(EXTERNAL), external).await;
        }
        if kind == Kind::Account {
            let name = fold(wanted.text("name").unwrap_or_default());
            return self.ids_by(kind, &was(NAME), &name).await;
        }
        let mut found = self.known_as(wanted, &was(KNOWN)).await?;
        if kind == Kind::Contact {
            let account = wanted.text("account").unwrap_or_default();
            let accounts = self.books.all_names_of(account).await?;
            for email in wanted.texts("emails") {
                for id in self.ids_by(kind, &was("emails"), email).await? {
                    let record = self.get(kind, &id).await?;
                    let of = record.as_ref().and_then(|record| record.text("account"));
                    if of.is_some_and(|of| accounts.iter().any(|name| name == of)) {
                        found.push(id);
                    }
                }
            }
        }
        Ok(found)
    }

    /// By what a record without an external id is known by, under all names of what it links to.
    async fn known_as(&self, wanted: &CrmRecord, field: &str) -> Result<Vec<String>, RecordsError> {
        let mut variants = vec![wanted.clone()];
        for (link, kind) in wanted.kind.spec().links() {
            let Some(id) = wanted.text(link.name) else {
                continue;
            };
            if !self.any_merged(kind).await? {
                continue;
            }
            for name in self.books.all_names_of(id).await?.into_iter().skip(1) {
                for nth in 0..variants.len() {
                    let mut variant = variants.get(nth).cloned().unwrap_or(wanted.clone());
                    let name = Value::Text(name.clone());
                    variant.fields.insert(link.name.to_owned(), name);
                    variants.push(variant);
                }
                if variants.len() > VARIANTS_MAX {
                    return Err(RecordsError::Refused(format!(
                        "what it links to has more than {VARIANTS_MAX} names by merges: give it \
                         an external_id"
                    )));
                }
            }
        }
        let mut found: Vec<String> = Vec::new();
        for known in variants.iter().filter_map(known) {
            for id in self.ids_by(wanted.kind, field, &known).await? {
                if !found.contains(&id) {
                    found.push(id);
                }
            }
        }
        Ok(found)
    }

    /// Whether any record of the kind was merged: else nothing has a second name.
    async fn any_merged(&self, kind: Kind) -> Result<bool, RecordsError> {
        let some = self.books.keys_under(keys::merges(kind), SHORT_RANGE_ROWS);
        Ok(!some.await?.is_empty())
    }

    /// A link to the record that took the place of the one linked to is no change.
    pub(super) async fn under_known_names(
        &self,
        before: &CrmRecord,
        mut edits: Vec<Edit>,
    ) -> Result<Vec<Edit>, RecordsError> {
        let spec = before.kind.spec();
        for edit in &mut edits {
            if !spec.links().any(|(field, _)| field.name == edit.field) {
                continue;
            }
            match (before.get(&edit.field), &mut edit.value) {
                (Some(Value::Text(old)), Value::Text(new)) if old != new => {
                    let names = self.books.all_names_of(new).await?;
                    let known = names.into_iter().find(|name| name == old);
                    *new = known.unwrap_or_else(|| new.clone());
                }
                (Some(Value::Texts(old)), Value::Texts(new)) if old != new => {
                    for id in new.iter_mut().filter(|id| !old.contains(id)) {
                        let names = self.books.all_names_of(id).await?;
                        if let Some(known) = names.into_iter().find(|name| old.contains(name)) {
                            *id = known;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(edits)
    }
}

/// Whether a contact with one of the addresses that are wanted is the one that is meant. Colleagues
/// share mailboxes: another external id is another person, and so is another name, unless it is the
/// `first` of the addresses.
fn is_one_person(wanted: &CrmRecord, record: &CrmRecord, first: bool) -> bool {
    let other = |field: &str| match (wanted.text(field), record.text(field)) {
        (Some(wanted), Some(found)) => fold(wanted) != fold(found),
        _ => false,
    };
    !other(EXTERNAL) && (first || !other("name"))
}
