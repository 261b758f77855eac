//! Cases by kind and time, and by the values of indexed fields.

use liaison_core::ids::CaseId;
use liaison_core::time::Timestamp;

use super::one;
use crate::store::keys::{Parts, Tuple};
use crate::store::{Key, Ns, Range};

/// A case among those of its kind.
#[must_use]
pub fn case_by_kind(kind: &str, created: Timestamp, case: &CaseId) -> Key {
    Tuple::new()
        .text(kind)
        .time(created)
        .text(case.as_str())
        .key(Ns::CaseByKind)
}

/// Cases of a kind by time.
#[must_use]
pub fn cases_of_kind(kind: &str) -> Range {
    Tuple::new().text(kind).range(Ns::CaseByKind)
}

/// The case in a key of [`cases_of_kind`].
#[must_use]
pub fn indexed_case(key: &[u8]) -> Option<CaseId> {
    let mut parts = Parts::new(key);
    parts.text().ok()?;
    parts.time().ok()?;
    Some(CaseId(parts.text().ok()?))
}

/// A case under a word of the value of a field.
#[must_use]
pub fn case_by(kind: &str, field: &str, word: &str, case: &CaseId) -> Key {
    Tuple::new()
        .text(kind)
        .text(field)
        .text(word)
        .text(case.as_str())
        .key(Ns::CaseBy)
}

/// Cases with a word in a field.
#[must_use]
pub fn cases_by(kind: &str, field: &str, word: &str) -> Range {
    Tuple::new()
        .text(kind)
        .text(field)
        .text(word)
        .range(Ns::CaseBy)
}

/// The case in a key of [`cases_by`].
#[must_use]
pub fn case_found(key: &[u8]) -> Option<CaseId> {
    let mut parts = Parts::new(key);
    for _ in 0..3 {
        parts.text().ok()?;
    }
    Some(CaseId(parts.text().ok()?))
}

/// Which fields of the cases of a kind have an index.
#[must_use]
pub fn case_index(kind: &str) -> Key {
    one(Ns::CaseIndex, kind)
}
