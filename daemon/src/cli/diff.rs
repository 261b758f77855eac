//! What changed between two texts, line by line, as `diff -u` shows it.

use std::fmt::Write;

use super::display::safe;

/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 3;
/// Most pairs of lines that are compared; beyond that the whole middle counts as changed.
const PAIRS_MAX: usize = 4_000_000;

/// One line, and whether it went (`-`), came (`+`) or stayed (` `).
type Step<'a> = (char, &'a str);

/// The changes with some lines around them; empty when there are none.
pub(super) fn unified(before: &str, after: &str) -> String {
    let steps = steps(before, after);
    let mut out = String::new();
    let mut index = 0_usize;
    let (mut old_line, mut new_line) = (1_usize, 1_usize);
    while let Some(first) = next_change(&steps, index) {
        let start = first.saturating_sub(CONTEXT_LINES).max(index);
        let skipped = start.saturating_sub(index);
        (old_line, new_line) = (
            old_line.saturating_add(skipped),
            new_line.saturating_add(skipped),
        );
        let end = end_of_hunk(&steps, first);
        let hunk = steps.get(start..end).unwrap_or_default();
        let count = |without: char| hunk.iter().filter(|(mark, _)| *mark != without).count();
        let (old_count, new_count) = (count('+'), count('-'));
        let _ = writeln!(out, "@@ -{old_line},{old_count} +{new_line},{new_count} @@");
        for (mark, line) in hunk {
            let _ = writeln!(out, "{mark}{}", safe(line));
        }
        (old_line, new_line) = (
            old_line.saturating_add(old_count),
            new_line.saturating_add(new_count),
        );
        index = end;
    }
    out
}

fn next_change(steps: &[Step<'_>], from: usize) -> Option<usize> {
    let (index, _) = steps
        .iter()
        .enumerate()
        .skip(from)
        .find(|(_, (mark, _))| *mark != ' ')?;
    Some(index)
}

/// Where the lines around the change at `first` end: changes that are near belong together.
fn end_of_hunk(steps: &[Step<'_>], first: usize) -> usize {
    let mut last = first;
    while let Some(next) = next_change(steps, last.saturating_add(1)) {
        if next.saturating_sub(last) > 2 * CONTEXT_LINES + 1 {
            break;
        }
        last = next;
    }
    last.saturating_add(1 + CONTEXT_LINES).min(steps.len())
}

fn steps<'a>(before: &'a str, after: &'a str) -> Vec<Step<'a>> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |(one, other): &(&&str, &&str)| one == other;
    let head = old.iter().zip(&new).take_while(same).count();
    let (old_rest, new_rest) = (rest(&old, head), rest(&new, head));
    let tail = old_rest
        .iter()
        .rev()
        .zip(new_rest.iter().rev())
        .take_while(same)
        .count();
    let middle = |lines: &'_ [&'a str]| -> Vec<&'a str> {
        let length = lines.len().saturating_sub(tail);
        lines.iter().take(length).copied().collect()
    };
    let stayed = |line: &&'a str| (' ', *line);
    let mut steps: Vec<Step<'a>> = old.iter().take(head).map(stayed).collect();
    steps.extend(changes(&middle(old_rest), &middle(new_rest)));
    let ends = old.len().saturating_sub(tail);
    steps.extend(old.iter().skip(ends).map(stayed));
    steps
}

fn rest<'s, 'a>(lines: &'s [&'a str], from: usize) -> &'s [&'a str] {
    lines.get(from..).unwrap_or_default()
}

/// The shortest way from one list to the other that keeps most lines.
fn changes<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Step<'a>> {
    let went = old.iter().map(|line| ('-', *line));
    let came = new.iter().map(|line| ('+', *line));
    if old.len().saturating_mul(new.len()) > PAIRS_MAX {
        return went.chain(came).collect();
    }
    // Lines in common behind each pair of places.
    let width = new.len().saturating_add(1);
    let place = |i: usize, j: usize| i.saturating_mul(width).saturating_add(j);
    let size = old.len().saturating_add(1).saturating_mul(width);
    let mut common = vec![0_u32; size];
    let at = |common: &[u32], i: usize, j: usize| common.get(place(i, j)).copied().unwrap_or(0);
    for (i, one) in old.iter().enumerate().rev() {
        for (j, other) in new.iter().enumerate().rev() {
            let (down, right) = (i.saturating_add(1), j.saturating_add(1));
            let best = match one == other {
                true => at(&common, down, right).saturating_add(1),
                false => at(&common, down, j).max(at(&common, i, right)),
            };
            if let Some(cell) = common.get_mut(place(i, j)) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j, mut steps) = (0_usize, 0_usize, Vec::new());
    loop {
        let (down, right) = (i.saturating_add(1), j.saturating_add(1));
        match (old.get(i), new.get(j)) {
            (Some(one), Some(other)) if one == other => {
                steps.push((' ', *one));
                (i, j) = (down, right);
            }
            (Some(one), other)
                if other.is_none() || at(&common, down, j) >= at(&common, i, right) =>
            {
                steps.push(('-', *one));
                i = down;
            }
            (_, Some(other)) => {
                steps.push(('+', *other));
                j = right;
            }
            (_, None) => return steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_shown_with_the_lines_around_them() {
        let before = "Subject: a\n\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n";
        let after = "Subject: b\n\none\ntwo\nthree\nfour\nfive\nsix\nseven\n8\nnine\nten\n";
        let shown = "@@ -1,4 +1,4 @@\n-Subject: a\n+Subject: b\n \n one\n two\n\
                     @@ -7,5 +7,6 @@\n five\n six\n seven\n-eight\n+8\n nine\n+ten\n";
        assert_eq!(unified(before, after), shown);
        assert_eq!(unified(before, before), "");
        assert_eq!(unified("", "a\n"), "@@ -1,0 +1,1 @@\n+a\n");
        assert_eq!(unified("a\n", ""), "@@ -1,1 +1,0 @@\n-a\n");
    }

    #[test]
    fn applying_a_diff_gives_the_other_text() {
        let texts = [
            "", "a", "a b", "b a", "a b c d", "d c b a", "a a b a", "b b",
        ];
        for before in texts {
            for after in texts {
                let (before, after) = (before.replace(' ', "\n"), after.replace(' ', "\n"));
                let steps = steps(&before, &after);
                let side = |without: char| {
                    let kept = steps.iter().filter(|(mark, _)| *mark != without);
                    kept.map(|(_, line)| *line).collect::<Vec<_>>().join("\n")
                };
                assert_eq!((side('+'), side('-')), (before.clone(), after.clone()));
            }
        }
    }

    #[test]
    fn two_large_texts_without_a_common_line_are_not_compared_pair_by_pair() {
        let text = |word: &str| {
            (0..3_000)
                .map(|n| format!("{word}{n}\n"))
                .collect::<String>()
        };
        let shown = unified(&text("a"), &text("b"));
        assert_eq!(shown.lines().count(), 6_001);
        assert!(!unified("a", "\u{1b}[2J").contains('\u{1b}'));
    }
}
