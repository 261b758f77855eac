//! A draft of an account or a contact as values of fields, and the audit.

use liaison_core::account::{Account, Contact};
use liaison_core::crm::{FieldChange, Kind};
use liaison_core::ids::AccountId;
use liaison_core::mail::address::Domain;
use liaison_core::proposal::Value;

use super::{AccountDraft, Change, ContactDraft};
use crate::books::rows::AuditRow;
use crate::books::{Books, BooksError, keys, replace};
use crate::records::{Put, Saved};
use crate::store::keys::Tuple;
use crate::store::{Batch, Dir, Ns};

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
    let last = books.store.scan_range(same_moment, Dir::Reverse, 1).await?;
    let last = last.first().and_then(|(key, _)| keys::audit_nth(key));
    let nth = last.map_or(0, |last| last.saturating_add(1));
    replace(batch, keys::audit(subject, row.at, nth), None, row)
}

fn flag(flag: bool) -> String {
    if flag { "yes" } else { "no" }.to_owned()
}

pub(super) fn account_put(draft: &AccountDraft) -> Put {
    let domains: Vec<&str> = draft.domains.iter().map(Domain::as_str).collect();
    let domains = (!domains.is_empty() || draft.only_these_domains).then(|| domains.join(";"));
    let values = [
        ("name", Some(draft.name.clone())),
        ("external_id", draft.external_id.clone()),
        ("domains", domains),
        (
            "lifecycle",
            draft.lifecycle.map(|word| word.as_str().to_owned()),
        ),
        ("owner", draft.owner.as_ref().map(|owner| owner.key())),
        ("do_not_contact", draft.do_not_contact.map(flag)),
    ];
    Put {
        join: !draft.only_these_domains,
        ..put(Kind::Account, values)
    }
}

pub(super) fn contact_put(account: &AccountId, draft: &ContactDraft) -> Put {
    let values = [
        ("account", Some(account.0.clone())),
        ("emails", Some(draft.email.key())),
        ("name", draft.name.clone()),
        ("role", draft.role.clone()),
        ("do_not_contact", draft.do_not_contact.map(flag)),
    ];
    Put {
        join: true,
        ..put(Kind::Contact, values)
    }
}

/// Empty values say nothing here: they take nothing away.
fn put<const N: usize>(kind: Kind, values: [(&str, Option<String>); N]) -> Put {
    let fields = values
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .filter(|(name, value)| !value.trim().is_empty() || name == "domains" || name == "name");
    Put {
        kind,
        which: None,
        only_new: false,
        join: false,
        fields: fields.collect(),
        expect: None,
    }
}

pub(super) fn account_of(saved: &Saved) -> (Account, Change) {
    (Account::from(&saved.record), change_of(saved))
}

pub(super) fn contact_of(saved: &Saved) -> (Contact, Change) {
    (Contact::from(&saved.record), change_of(saved))
}

fn change_of(saved: &Saved) -> Change {
    let spec = saved.record.kind.spec();
    let currency = saved.record.text("currency");
    let shown = |field: &str, value: &Value| match (spec.field(field), value) {
        (_, Value::Null) | (None, _) => "(none)".to_owned(),
        (Some(field), value) => field.kind.write(value, currency),
    };
    let told = |change: &FieldChange| {
        format!(
            "{}: {} -> {}",
            change.field,
            shown(&change.field, &change.old),
            shown(&change.field, &change.new)
        )
    };
    match (saved.created, saved.changed.is_empty()) {
        (true, _) => Change::Created,
        (false, false) => Change::Updated(saved.changed.iter().map(told).collect()),
        (false, true) => Change::Unchanged,
    }
}
