//! The core records: what the firm knows of its customers.
//!
//! One table ([`kinds`]) says which kinds there are, which fields each has, what a field may hold
//! and how its state may change; everything else (commands, imports, exports, reports, indexes)
//! follows from it. Accounts and contacts are kept as types of their own, because each message is
//! matched against them, and read and written here like the others.

pub mod change;
pub mod dates;
pub mod fields;
pub mod kinds;
pub mod money;
pub mod people;
pub mod record;
pub mod sheet;
pub mod states;

pub use change::{Edit, FieldChange, Planned, Problem, Source, plan};
pub use fields::{FieldSpec, FieldType};
pub use kinds::{Kind, KindSpec};
pub use record::CrmRecord;
pub use sheet::Sheet;

#[cfg(test)]
mod tests;
