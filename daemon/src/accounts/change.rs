//! One change of the account book, planned as a batch.

use std::collections::BTreeSet;

use liaison_core::account::matching::AddressHit;
use liaison_core::account::{Account, Contact, account_id, contact_id, fold};
use liaison_core::ids::AccountId;
use liaison_core::mail::address::{Domain, clean_text};
use liaison_core::time::Timestamp;

use super::{
    AccountDraft, AccountsError, By, Change, ContactDraft, DOMAINS_BYTES_MAX, DomainRules,
    EXTERNAL_ID_BYTES_MAX, NAME_CHARS_MAX, SHARED_MAX,
};
use crate::books::rows::{AuditRow, ByAddrRow, ByDomainRow};
use crate::books::{Books, BooksError, keys, replace};
use crate::store::keys::Tuple;
use crate::store::{Batch, Dir, Key, Ns, Stored};

use crate::books::indexes::skeleton_keys;
pub(super) use crate::books::indexes::{EXTERNAL, NAME};

/// A change that is not written yet.
pub(super) struct Planned<T> {
    /// The record after it.
    pub record: T,
    /// What it comes to.
    pub change: Change,
    /// Everything to write; empty when unchanged.
    pub batch: Batch,
}

/// Puts an audit row of `subject` into a batch, behind those of the same millisecond.
///
/// # Errors
/// As the store.
pub(crate) async fn audit(
    books: &Books,
    batch: &mut Batch,
    subject: &str,
    row: &AuditRow,
) -> Result<(), BooksError> {
    let same_moment = Tuple::new().text(subject).time(row.at).range(Ns::Audit);
    let taken = books
        .store
        .scan_range(same_moment, Dir::Forward, SHARED_MAX)
        .await?;
    let nth = u64::try_from(taken.len()).unwrap_or(u64::MAX);
    replace(batch, keys::audit(subject, row.at, nth), None, row)
}

pub(super) async fn account(
    books: &Books,
    rules: &DomainRules,
    draft: &AccountDraft,
    by: &By,
) -> Result<Planned<Account>, AccountsError> {
    let draft = checked(rules, draft)?;
    let seen = existing(books, &draft).await?;
    let before = seen.as_ref().map(|stored| &stored.record);
    let (after, changes) = merged(&draft, before, by.now)?;
    let mut planned = Planned {
        record: after,
        change: change_of(before.is_some(), changes),
        batch: books.batch(),
    };
    if planned.change == Change::Unchanged {
        return Ok(planned);
    }
    let after = &planned.record;
    let batch = &mut planned.batch;
    let version = seen.as_ref().map(|stored| stored.version);
    replace(batch, keys::account(&after.id), version, after)?;
    index_account(books, batch, before, after).await?;
    let row = audit_row(by, &planned.change, "account", &after.name);
    audit(books, batch, after.id.as_str(), &row).await?;
    Ok(planned)
}

/// The draft with its texts cleaned and its bounds checked.
fn checked(rules: &DomainRules, draft: &AccountDraft) -> Result<AccountDraft, AccountsError> {
    let mut draft = draft.clone();
    draft.name = name_text("name", &draft.name)?;
    if fold(&draft.name).is_empty() {
        let reason = "an account needs a name with letters or digits";
        return Err(AccountsError::field("name", &draft.name, reason));
    }
    draft.external_id = draft
        .external_id
        .map(|id| clean_text(&id))
        .filter(|id| !id.is_empty());
    if let Some(id) = &draft.external_id
        && id.len() > EXTERNAL_ID_BYTES_MAX
    {
        let reason = format!("longer than {EXTERNAL_ID_BYTES_MAX} bytes");
        return Err(AccountsError::field("external_id", id, reason));
    }
    for domain in &draft.domains {
        rules
            .account_domain(domain.as_str())
            .map_err(|reason| AccountsError::field("domains", domain.as_str(), reason))?;
    }
    if let Some(owner) = &draft.owner {
        rules
            .account_owner(owner)
            .map_err(|reason| AccountsError::field("owner", &owner.to_string(), reason))?;
    }
    Ok(draft)
}

fn name_text(column: &'static str, text: &str) -> Result<String, AccountsError> {
    let text = clean_text(text);
    if text.chars().count() > NAME_CHARS_MAX {
        let reason = format!("longer than {NAME_CHARS_MAX} characters");
        return Err(AccountsError::field(column, &text, reason));
    }
    Ok(text)
}

/// The recorded account that the draft means.
async fn existing(
    books: &Books,
    draft: &AccountDraft,
) -> Result<Option<Stored<Account>>, AccountsError> {
    if let Some(external) = &draft.external_id {
        let ids = listed(books, keys::account_ext(EXTERNAL, external)).await?;
        if let Some(id) = ids.first() {
            return Ok(books.get(keys::account(id)).await?);
        }
    }
    let mut named = Vec::new();
    for id in listed(books, keys::account_ext(NAME, &fold(&draft.name))).await? {
        if let Some(stored) = books.get::<Account>(keys::account(&id)).await? {
            named.push(stored);
        }
    }
    if draft.external_id.is_some() {
        // Recorded by name before its external id was known: now it gets it.
        named.retain(|stored| stored.record.external_id.is_none());
    }
    if named.len() > 1 {
        return Err(AccountsError::SeveralNamed {
            name: draft.name.clone(),
            ids: named.into_iter().map(|stored| stored.record.id).collect(),
        });
    }
    match named.pop() {
        Some(stored) => Ok(Some(stored)),
        // Renamed since: its id still tells.
        None => {
            let id = account_id(draft.external_id.as_deref(), &draft.name);
            Ok(books.get(keys::account(&id)).await?)
        }
    }
}

async fn listed(books: &Books, key: Key) -> Result<Vec<AccountId>, AccountsError> {
    let row = books.get::<ByDomainRow>(key).await?;
    Ok(row.map(|row| row.record.accounts).unwrap_or_default())
}

fn merged(
    draft: &AccountDraft,
    before: Option<&Account>,
    now: Timestamp,
) -> Result<(Account, Vec<String>), AccountsError> {
    let mut account = before.cloned().unwrap_or_else(|| Account {
        id: account_id(draft.external_id.as_deref(), &draft.name),
        name: draft.name.clone(),
        domains: Vec::new(),
        lifecycle: draft.lifecycle.unwrap_or_default(),
        owner: None,
        do_not_contact: false,
        external_id: None,
        created: now,
        updated: now,
    });
    let mut changes = Changes::default();
    changes.set("name", &mut account.name, Some(draft.name.clone()));
    let lifecycle = draft.lifecycle.unwrap_or(account.lifecycle);
    changes.note("lifecycle", account.lifecycle.as_str(), lifecycle.as_str());
    account.lifecycle = lifecycle;
    let owner = draft.owner.as_ref().map(|owner| owner.key());
    changes.set_option("owner", &mut account.owner, owner);
    let external = draft.external_id.clone();
    changes.set_option("external_id", &mut account.external_id, external);
    changes.flag(&mut account.do_not_contact, draft.do_not_contact);
    let domains = joined_domains(&account.domains, draft)?;
    changes.note("domains", &account.domains.join(" "), &domains.join(" "));
    account.domains = domains;
    if !changes.0.is_empty() {
        account.updated = now;
    }
    Ok((account, changes.0))
}

fn joined_domains(recorded: &[String], draft: &AccountDraft) -> Result<Vec<String>, AccountsError> {
    let mut domains: Vec<String> = match draft.only_these_domains {
        true => Vec::new(),
        false => recorded.to_vec(),
    };
    for domain in draft.domains.iter().map(Domain::as_str) {
        if !domains.iter().any(|known| known == domain) {
            domains.push(domain.to_owned());
        }
    }
    let bytes: usize = domains.iter().map(|domain| domain.len() + 1).sum();
    if bytes > DOMAINS_BYTES_MAX {
        let reason = format!("the domains of one account take more than {DOMAINS_BYTES_MAX} bytes");
        return Err(AccountsError::field("domains", &domains.join(";"), reason));
    }
    Ok(domains)
}

async fn index_account(
    books: &Books,
    batch: &mut Batch,
    before: Option<&Account>,
    after: &Account,
) -> Result<(), AccountsError> {
    let (old, new) = (
        before.map(index_keys).unwrap_or_default(),
        index_keys(after),
    );
    for (key, column) in old.difference(&new) {
        shared(books, batch, (key.clone(), column), &after.id, false).await?;
    }
    for (key, column) in new.difference(&old) {
        shared(books, batch, (key.clone(), column), &after.id, true).await?;
    }
    let old: BTreeSet<Key> = before.into_iter().flat_map(skeleton_keys).collect();
    let new: BTreeSet<Key> = skeleton_keys(after).collect();
    for key in old.difference(&new) {
        batch.del(key.clone());
    }
    for key in new.difference(&old) {
        batch.put(key.clone(), Vec::new());
    }
    Ok(())
}

fn index_keys(account: &Account) -> BTreeSet<(Key, &'static str)> {
    let mut rows: BTreeSet<_> = account
        .domains
        .iter()
        .map(|domain| (keys::by_domain(domain), "domains"))
        .collect();
    rows.insert((keys::account_ext(NAME, &fold(&account.name)), "name"));
    if let Some(id) = &account.external_id {
        rows.insert((keys::account_ext(EXTERNAL, id), "external_id"));
    }
    rows
}

/// Adds an account to, or takes it from, a row that several may share.
async fn shared(
    books: &Books,
    batch: &mut Batch,
    (key, column): (Key, &'static str),
    account: &AccountId,
    add: bool,
) -> Result<(), AccountsError> {
    let seen = books.get::<ByDomainRow>(key.clone()).await?;
    let version = seen.as_ref().map(|stored| stored.version);
    let mut row = seen.map(|stored| stored.record).unwrap_or_default();
    row.accounts.retain(|other| other != account);
    if add {
        row.accounts.push(account.clone());
    }
    if row.accounts.len() > SHARED_MAX {
        let reason = format!("more than {SHARED_MAX} accounts would share it");
        return Err(AccountsError::field(column, account.as_str(), reason));
    }
    if row.accounts.is_empty() {
        if let Some(version) = version {
            batch.expect(key.clone(), crate::store::Expect::Version(version));
            batch.del(key);
        }
        return Ok(());
    }
    Ok(replace(batch, key, version, &row)?)
}

pub(super) async fn contact(
    books: &Books,
    account: &AccountId,
    draft: &ContactDraft,
    by: &By,
) -> Result<Planned<Contact>, AccountsError> {
    let address = draft.email.key();
    let index = keys::by_addr(&address);
    let listed = books.get::<ByAddrRow>(index.clone()).await?;
    let version = listed.as_ref().map(|stored| stored.version);
    let mut hits = listed.map(|stored| stored.record).unwrap_or_default();
    let known = hits.hits.iter().find(|hit| hit.account == *account);
    let known = known.and_then(|hit| hit.contact.clone());
    let id = known
        .clone()
        .unwrap_or_else(|| contact_id(account, &address));
    let seen = books.get::<Contact>(keys::contact(&id)).await?;
    let before = seen.as_ref().map(|stored| &stored.record);
    let (after, changes) = merged_contact(account, (&id, &address), draft, before, by.now)?;
    let mut planned = Planned {
        record: after,
        change: change_of(before.is_some(), changes),
        batch: books.batch(),
    };
    if planned.change == Change::Unchanged {
        return Ok(planned);
    }
    let batch = &mut planned.batch;
    let seen_version = seen.as_ref().map(|stored| stored.version);
    replace(batch, keys::contact(&id), seen_version, &planned.record)?;
    if known.is_none() {
        hits.hits.push(AddressHit {
            account: account.clone(),
            contact: Some(id.clone()),
        });
        if hits.hits.len() > SHARED_MAX {
            let reason = format!("more than {SHARED_MAX} accounts would share it");
            return Err(AccountsError::field("contact_email", &address, reason));
        }
        replace(batch, index, version, &hits)?;
        batch.put(keys::account_contact(account, &id), Vec::new());
    }
    let row = audit_row(by, &planned.change, "contact", &address);
    audit(books, batch, account.as_str(), &row).await?;
    Ok(planned)
}

fn merged_contact(
    account: &AccountId,
    (id, address): (&liaison_core::ids::ContactId, &str),
    draft: &ContactDraft,
    before: Option<&Contact>,
    now: Timestamp,
) -> Result<(Contact, Vec<String>), AccountsError> {
    let mut contact = before.cloned().unwrap_or_else(|| Contact {
        id: id.clone(),
        account: account.clone(),
        name: None,
        addresses: vec![address.to_owned()],
        role: None,
        status: liaison_core::account::ContactStatus::Active,
        do_not_contact: false,
        created: now,
        updated: now,
    });
    let text = |column, value: &Option<String>| match value {
        Some(value) => name_text(column, value).map(|text| Some(text).filter(|t| !t.is_empty())),
        None => Ok(None),
    };
    let mut changes = Changes::default();
    let name = text("contact_name", &draft.name)?;
    changes.set_option("name", &mut contact.name, name);
    let role = text("contact_role", &draft.role)?;
    changes.set_option("role", &mut contact.role, role);
    changes.flag(&mut contact.do_not_contact, draft.do_not_contact);
    if !changes.0.is_empty() {
        contact.updated = now;
    }
    Ok((contact, changes.0))
}

fn change_of(known: bool, changes: Vec<String>) -> Change {
    match (known, changes.is_empty()) {
        (false, _) => Change::Created,
        (true, false) => Change::Updated(changes),
        (true, true) => Change::Unchanged,
    }
}

fn audit_row(by: &By, change: &Change, what: &str, name: &str) -> AuditRow {
    let what = match change {
        Change::Updated(changes) => format!("{what} {name} changed: {}", changes.join("; ")),
        other => format!("{what} {name} {}", other.as_str()),
    };
    AuditRow {
        at: by.now,
        who: by.who.clone(),
        what: liaison_core::message::cut_text(&what, AUDIT_CHARS_MAX),
        why: by.why.clone(),
    }
}

/// Longest text of an audit row, in characters: a row fits into 4 KiB whatever the letters.
const AUDIT_CHARS_MAX: usize = 700;

/// What changed, field by field.
#[derive(Default)]
struct Changes(Vec<String>);

impl Changes {
    fn note(&mut self, field: &str, old: &str, new: &str) {
        if old != new {
            let old = if old.is_empty() { "(none)" } else { old };
            self.0.push(format!("{field}: {old} -> {new}"));
        }
    }

    fn set(&mut self, field: &str, old: &mut String, new: Option<String>) {
        if let Some(new) = new {
            self.note(field, old, &new);
            *old = new;
        }
    }

    fn set_option(&mut self, field: &str, old: &mut Option<String>, new: Option<String>) {
        if let Some(new) = new {
            self.note(field, old.as_deref().unwrap_or_default(), &new);
            *old = Some(new);
        }
    }

    fn flag(&mut self, old: &mut bool, new: Option<bool>) {
        if let Some(new) = new {
            let word = |flag| if flag { "yes" } else { "no" };
            self.note("do_not_contact", word(*old), word(new));
            *old = new;
        }
    }
}
