//! What was listed of a folder before it is read: of a message that is gone when its turn comes,
//! also after a crash, something is known.

use serde::{Deserialize, Serialize};

/// Most ranges kept of one listing, so that they fit one row; what is beyond is listed again.
const RANGES_MAX: usize = 300;

/// UIDs that were there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// UIDVALIDITY under which they hold.
    pub uid_validity: u32,
    /// First and last of each run of neighbours, ascending.
    pub ranges: Vec<(u32, u32)>,
}

impl Listed {
    /// A listing of ascending `uids`, as much of it as is kept.
    #[must_use]
    pub fn of(uid_validity: u32, uids: impl Iterator<Item = u32>) -> Listed {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for uid in uids {
            let full = ranges.len() >= RANGES_MAX;
            match ranges.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(uid) => *last = uid,
                _ if full => break,
                _ => ranges.push((uid, uid)),
            }
        }
        Listed {
            uid_validity,
            ranges,
        }
    }

    /// The UIDs from `first` on.
    pub fn from(&self, first: u32) -> impl Iterator<Item = u32> {
        let ranges = self.ranges.iter();
        ranges.flat_map(move |(from, to)| (*from).max(first)..=*to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_range_and_a_long_list_is_cut() {
        let listed = Listed::of(7, [3, 4, 5, 9, 11, 12].into_iter());
        assert_eq!(listed.ranges, [(3, 5), (9, 9), (11, 12)]);
        for (first, uids) in [
            (1, vec![3, 4, 5, 9, 11, 12]),
            (5, vec![5, 9, 11, 12]),
            (10, vec![11, 12]),
            (13, vec![]),
        ] {
            assert_eq!(listed.from(first).collect::<Vec<_>>(), uids, "{first}");
        }
        let many = Listed::of(7, (0..10_000).map(|n| n * 2));
        assert_eq!(many.ranges.len(), RANGES_MAX);
        assert_eq!(many.from(0).last(), Some(598));
    }
}
