//! A sum over the rows of each family, kept as they change.
//!
//! The sum does not depend on the order of the rows, so a commit changes it by what it wrote. The
//! journal tells it with each group; a full scan that comes to another one has found rows that
//! were lost or altered without a word ([`super::sled`] verifies).

use std::collections::BTreeMap;

use super::journal::Family;
use super::{Ns, Versioned};

/// The sums of all families that have rows.
#[derive(Debug, Clone, Default)]
pub struct Sums(BTreeMap<u8, Family>);

/// A family that became empty is as one that never had a row.
impl PartialEq for Sums {
    fn eq(&self, other: &Sums) -> bool {
        let filled = |sums: &'_ Sums| -> Vec<Family> {
            let families = sums.0.values().copied();
            families
                .filter(|family| family.rows != 0 || family.sum != 0)
                .collect()
        };
        filled(self) == filled(other)
    }
}

impl Eq for Sums {}

impl Sums {
    /// As the journal told them.
    #[must_use]
    pub fn of(families: &[Family]) -> Sums {
        Sums(families.iter().map(|known| (known.ns, *known)).collect())
    }

    /// Counts one row more.
    pub fn add(&mut self, ns: Ns, key: &[u8], row: &Versioned) {
        let family = self.family(ns);
        family.rows = family.rows.wrapping_add(1);
        family.bytes = family.bytes.wrapping_add(length(key, row));
        family.sum = family.sum.wrapping_add(row_hash(ns, key, row));
    }

    /// Counts one row less.
    pub fn remove(&mut self, ns: Ns, key: &[u8], row: &Versioned) {
        let family = self.family(ns);
        family.rows = family.rows.wrapping_sub(1);
        family.bytes = family.bytes.wrapping_sub(length(key, row));
        family.sum = family.sum.wrapping_sub(row_hash(ns, key, row));
    }

    /// The sum of a family, also of one without rows.
    #[must_use]
    pub fn get(&self, ns: Ns) -> Family {
        let none = Family {
            ns: ns.id(),
            ..Family::default()
        };
        self.0.get(&ns.id()).copied().unwrap_or(none)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Family> {
        self.0.values().copied().collect()
    }

    /// Rows of all families.
    #[must_use]
    pub fn rows(&self) -> u64 {
        let rows = self.0.values().map(|family| family.rows);
        rows.fold(0, u64::wrapping_add)
    }

    /// Bytes of keys and values of all families.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let bytes = self.0.values().map(|family| family.bytes);
        bytes.fold(0, u64::wrapping_add)
    }

    fn family(&mut self, ns: Ns) -> &mut Family {
        let none = Family {
            ns: ns.id(),
            ..Family::default()
        };
        self.0.entry(ns.id()).or_insert(none)
    }
}

fn length(key: &[u8], row: &Versioned) -> u64 {
    (key.len() as u64).saturating_add(row.value.len() as u64)
}

/// 128 bits of BLAKE3 over family, key, version and value.
fn row_hash(ns: Ns, key: &[u8], row: &Versioned) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[ns.id()]);
    hasher.update(&(key.len() as u64).to_be_bytes());
    hasher.update(key);
    hasher.update(&row.version.to_be_bytes());
    hasher.update(&row.value);
    let hash = hasher.finalize();
    let short = hash.as_bytes().first_chunk::<16>().copied();
    u128::from_be_bytes(short.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: u64, value: &'static str) -> Versioned {
        Versioned {
            version,
            value: value.into(),
        }
    }

    #[test]
    fn the_sum_tells_rows_and_not_their_order() {
        let mut sums = Sums::default();
        sums.add(Ns::Task, b"a", &row(1, "x"));
        sums.add(Ns::Task, b"b", &row(2, "y"));
        let mut other = Sums::default();
        other.add(Ns::Task, b"b", &row(2, "y"));
        other.add(Ns::Task, b"a", &row(9, "z"));
        assert_ne!(sums, other);
        other.remove(Ns::Task, b"a", &row(9, "z"));
        other.add(Ns::Task, b"a", &row(1, "x"));
        assert_eq!(sums, other);
        assert_eq!((sums.rows(), sums.get(Ns::Event).rows), (2, 0));
        // Neither key and value nor families run into one another.
        let mut shifted = Sums::default();
        shifted.add(Ns::Task, b"ab", &row(1, ""));
        let mut kept = Sums::default();
        kept.add(Ns::Task, b"a", &row(1, "b"));
        assert_ne!(shifted, kept);
    }
}
