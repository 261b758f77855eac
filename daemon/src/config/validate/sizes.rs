//! `[store]` and `[disk]`: sizes.

use crate::config::read::Section;
use crate::config::schema::{RawDisk, RawStore};
use crate::room::RoomSettings;
use crate::store::sled::SledOptions;

use super::Validation;

const MIB: u64 = 1 << 20;
/// Largest size that is taken, in MiB: 1 PiB, so that bytes can be counted.
const SIZE_MIB_MAX: u64 = 1 << 30;
/// Largest cache, in MiB; the process needs 2.5 times that.
const CACHE_MIB_MAX: u64 = 1 << 16;
/// Largest segment, in MiB: one is the least by which the journal shrinks.
const SEGMENT_MIB_MAX: u64 = 1 << 10;
/// Smallest segment, in MiB: the largest group fits, and so does what is written ahead.
const SEGMENT_MIB_MIN: u64 = 16;

impl Validation<'_, '_> {
    pub(super) fn store(&mut self, section: Option<&Section<'_>>) -> Option<SledOptions> {
        let usual = SledOptions::default();
        let Some(section) = section else {
            return Some(usual);
        };
        let raw: RawStore = section.read(&[], self.problems)?;
        let mut size =
            |key, value, (least, most), usual| self.size(section, key, value, (least, most), usual);
        let cache = size(
            "cache_mib",
            raw.cache_mib,
            (1, CACHE_MIB_MAX),
            usual.cache_bytes,
        );
        let segment = size(
            "segment_mib",
            raw.segment_mib,
            (SEGMENT_MIB_MIN, SEGMENT_MIB_MAX),
            usual.segment_bytes,
        );
        let checkpoint = size(
            "checkpoint_mib",
            raw.checkpoint_mib,
            (1, SIZE_MIB_MAX),
            usual.checkpoint_bytes,
        );
        let export = size(
            "export_after_mib",
            raw.export_after_mib,
            (1, SIZE_MIB_MAX),
            usual.export_after_bytes,
        );
        Some(SledOptions {
            cache_bytes: cache?,
            segment_bytes: segment?,
            checkpoint_bytes: checkpoint?,
            export_after_bytes: export?,
            ..usual
        })
    }

    pub(super) fn disk(&mut self, section: Option<&Section<'_>>) -> Option<RoomSettings> {
        let usual = RoomSettings::default();
        let Some(section) = section else {
            return Some(usual);
        };
        let raw: RawDisk = section.read(&[], self.problems)?;
        let stages = [
            ("intake_free_mib", raw.intake_free_mib),
            ("plugins_free_mib", raw.plugins_free_mib),
            ("outbox_free_mib", raw.outbox_free_mib),
        ];
        let set: Vec<_> = stages
            .iter()
            .filter_map(|(key, value)| Some((*key, (*value)?)))
            .collect();
        for (earlier, later) in set.iter().zip(set.iter().skip(1)) {
            if later.1 > earlier.1 {
                let what = format!("{} is more than {} ({})", later.1, earlier.0, earlier.1);
                let remedy = "intake stops first, then the plugins, the outbox last";
                self.problems.add(section, later.0, what, remedy);
                return None;
            }
        }
        let ballast = self.size(
            section,
            "ballast_mib",
            raw.ballast_mib,
            (0, SIZE_MIB_MAX),
            usual.ballast,
        );
        let mut free = Vec::new();
        for (key, value) in stages {
            free.push(self.size(section, key, value, (0, SIZE_MIB_MAX), 0)?);
        }
        let bytes = |stage: usize, set: Option<u64>| set.and_then(|_| free.get(stage).copied());
        Some(RoomSettings {
            ballast: ballast?,
            intake: bytes(0, raw.intake_free_mib),
            plugins: bytes(1, raw.plugins_free_mib),
            outbox: bytes(2, raw.outbox_free_mib),
        })
    }

    /// MiB as bytes; `usual`, in bytes, where nothing is set.
    fn size(
        &mut self,
        section: &Section<'_>,
        key: &str,
        mib: Option<u64>,
        (least, most): (u64, u64),
        usual: u64,
    ) -> Option<u64> {
        match mib {
            None => Some(usual),
            Some(mib) if (least..=most).contains(&mib) => Some(mib.saturating_mul(MIB)),
            Some(mib) => {
                let what = format!("{mib} MiB is out of range");
                let remedy = format!("{least} to {most}");
                self.problems.add(section, key, what, remedy);
                None
            }
        }
    }
}
