//! Which events may be worked on beside each other.

use std::collections::BTreeMap;

/// Events that have something in common are in one lane, in their order; `marks` says of each what
/// it is about (its thread, its account). Lanes are in the order of their first event.
pub(super) fn lanes(marks: &[Vec<String>]) -> Vec<Vec<usize>> {
    let mut lane_of: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lanes: Vec<Vec<usize>> = Vec::new();
    for (event, marks) in marks.iter().enumerate() {
        let mut found: Vec<usize> = marks
            .iter()
            .filter_map(|mark| lane_of.get(mark.as_str()).copied())
            .collect();
        found.sort_unstable();
        found.dedup();
        let lane = match found.split_first() {
            None => {
                lanes.push(Vec::new());
                lanes.len().saturating_sub(1)
            }
            Some((lane, others)) => {
                for other in others {
                    let moved = lanes.get_mut(*other).map(std::mem::take);
                    if let Some(into) = lanes.get_mut(*lane) {
                        into.extend(moved.into_iter().flatten());
                        into.sort_unstable();
                    }
                    for of in lane_of.values_mut().filter(|of| *of == other) {
                        *of = *lane;
                    }
                }
                *lane
            }
        };
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(event);
        }
        for mark in marks {
            lane_of.insert(mark, lane);
        }
    }
    lanes.retain(|lane| !lane.is_empty());
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_thread_or_an_account_in_common_keeps_its_order() {
        let cases: [(&[&str], &[&[usize]]); 5] = [
            (&["t1", "t2", "t3"], &[&[0], &[1], &[2]]),
            (&["t1", "t2", "t1"], &[&[0, 2], &[1]]),
            // The third joins the lanes of the first two, and the fourth is in both.
            (&["t1 a1", "t2 a2", "t1 a2", "t2"], &[&[0, 1, 2, 3]]),
            (&["t1", "t2", "t3", "t3 t1"], &[&[0, 2, 3], &[1]]),
            (&[], &[]),
        ];
        for (marks, expected) in cases {
            let words = |text: &&str| text.split(' ').map(str::to_owned).collect();
            let marks: Vec<Vec<String>> = marks.iter().map(words).collect();
            assert_eq!(lanes(&marks), expected, "{marks:?}");
        }
    }
}
