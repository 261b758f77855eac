//! Looking at everything once: rows against their sums, envelopes, journal and exports.

use std::path::PathBuf;

use super::keeper::{Keeper, SaveError};
use super::recover::JOURNAL_DIR;
use crate::store::codec;
use crate::store::export::{self, ExportError, Exports};
use crate::store::journal::{Damage, Group, Segments};
use crate::store::sums::Sums;
use crate::store::{Key, Ns};

/// How often a family that is being written is looked at again.
const LOOKS_MAX: u32 = 20;
/// Bad rows that are named one by one.
const BAD_ROWS_MAX: usize = 100;

/// What a look at all files found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Rows that were read.
    pub rows: u64,
    /// Families whose rows are not those that the journal told: rows were lost or altered.
    pub altered: Vec<Ns>,
    /// Families that changed during each look; nothing is known of them.
    pub busy: Vec<Ns>,
    /// Rows that are no records, with the reason.
    pub bad: Vec<String>,
    /// Frames of the journal that were read.
    pub frames: u64,
    /// Frames of the journal that cannot be read.
    pub damage: Vec<Damage>,
    /// Exports that are good, each with its frame.
    pub exports: Vec<(PathBuf, u64)>,
    /// Exports that are not, with the reason.
    pub bad_exports: Vec<String>,
}

impl Verified {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.altered.is_empty()
            && self.busy.is_empty()
            && self.bad.is_empty()
            && self.damage.is_empty()
            && self.bad_exports.is_empty()
    }
}

/// Whether the rows of a family are records; those of others are empty, or a number, or what a
/// plugin keeps.
fn has_records(ns: Ns) -> bool {
    matches!(
        ns,
        Ns::Account
            | Ns::Contact
            | Ns::Timeline
            | Ns::Message
            | Ns::Thread
            | Ns::Cursor
            | Ns::Event
            | Ns::Outcome
            | Ns::PluginState
            | Ns::Wait
            | Ns::Timer
            | Ns::Effect
            | Ns::Hold
            | Ns::HoldGroup
            | Ns::Meeting
            | Ns::MailboxEffect
            | Ns::CaseRecord
            | Ns::CaseIndex
            | Ns::Task
            | Ns::Audit
            | Ns::Ledger
            | Ns::Proposal
            | Ns::Setting
            | Ns::Unread
            | Ns::Erasure
            | Ns::Review
            | Ns::MatchRule
            | Ns::Record
            | Ns::Change
            | Ns::Merge
            | Ns::Reach
            | Ns::Report
            | Ns::Returned
            | Ns::OptOut
    )
}

impl Keeper {
    pub(super) fn verify(&self) -> Result<Verified, SaveError> {
        let mut found = Verified::default();
        for ns in Ns::ALL.iter().filter(|ns| **ns != Ns::Meta) {
            self.verify_family(*ns, &mut found)?;
        }
        self.verify_journal(&mut found)?;
        for export in Exports::find(&self.dir)?.newest_first() {
            match export::read::<ExportError>(&export.path, &mut |_| Ok(())) {
                Ok(ended) => found.exports.push((export.path, ended.frame)),
                Err(error) => found.bad_exports.push(crate::books::chain(&error)),
            }
        }
        Ok(found)
    }

    /// Families whose rows are not those that the journal told.
    pub(super) fn altered(&self) -> Result<Vec<Ns>, SaveError> {
        let mut found = Verified::default();
        for ns in Ns::ALL.iter().filter(|ns| **ns != Ns::Meta) {
            self.verify_family(*ns, &mut found)?;
        }
        Ok(found.altered)
    }

    fn verify_family(&self, ns: Ns, found: &mut Verified) -> Result<(), SaveError> {
        for _ in 0..LOOKS_MAX {
            let before = self.shared.settled().ok_or(SaveError::Closed)?.sums.get(ns);
            let mut sums = Sums::default();
            let mut bad = Vec::new();
            self.engine.each(ns, |key, row| {
                if self.shared.is_closing() {
                    return Err(SaveError::Closed);
                }
                sums.add(ns, key, row);
                if has_records(ns)
                    && let Err(error) = codec::open(&row.value)
                {
                    let key = Key::new(ns, key.to_vec());
                    bad.push(format!("{key}: {error}"));
                }
                Ok(())
            })?;
            let after = self.shared.settled().ok_or(SaveError::Closed)?.sums.get(ns);
            if after != before {
                continue;
            }
            let counted = sums.get(ns);
            found.rows = found.rows.saturating_add(counted.rows);
            bad.truncate(BAD_ROWS_MAX.saturating_sub(found.bad.len()));
            found.bad.append(&mut bad);
            if counted != before {
                found.altered.push(ns);
            }
            return Ok(());
        }
        found.busy.push(ns);
        Ok(())
    }

    /// All segments, up to the frame that is applied now: what comes later is being written.
    fn verify_journal(&self, found: &mut Verified) -> Result<(), SaveError> {
        let last = self.shared.applied().frame;
        let segments = Segments::list(&self.dir.join(JOURNAL_DIR))?;
        let mut frames = 0_u64;
        let mut take = |frame: u64, _: &Group<'_>| -> Result<(), SaveError> {
            if frame <= last {
                frames = frames.saturating_add(1);
            }
            Ok(())
        };
        let tail = segments.read(Some(self.store_id), 0, &mut take)?;
        found.frames = frames;
        found.damage = tail.damage;
        found.damage.retain(|damage| damage.first <= last);
        if tail.position.frame < last {
            let text = format!("the journal ends at frame {}", tail.position.frame);
            found
                .bad
                .push(format!("{text}, the rows are those of {last}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_that_others_follow_from_is_looked_into() {
        for ns in crate::books::indexes::SOURCES {
            assert!(has_records(ns), "{}", ns.name());
        }
    }
}
