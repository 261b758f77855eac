//! `format=flowed` text (RFC 3676): paragraphs are put together again.

/// Joins lines that end in a space with the next one of the same quote depth, undoes space
/// stuffing, and keeps the signature separator `-- ` on its own line.
pub(crate) fn unflow(text: &str, del_sp: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut open: Option<usize> = None;
    for line in text.split('\n') {
        let content = line.trim_start_matches('>');
        let depth = line.len().saturating_sub(content.len());
        let content = content.strip_prefix(' ').unwrap_or(content);
        let separator = content == "-- ";
        if open != Some(depth) || separator {
            if !out.is_empty() || open.is_some() {
                end_paragraph(&mut out, open);
            }
            for _ in 0..depth {
                out.push('>');
            }
            if depth > 0 && !content.is_empty() {
                out.push(' ');
            }
        }
        let flows = content.ends_with(' ') && !separator;
        out.push_str(match (flows && del_sp, content.strip_suffix(' ')) {
            (true, Some(cut)) => cut,
            _ => content,
        });
        if flows {
            open = Some(depth);
        } else {
            out.push('\n');
            open = None;
        }
    }
    if open.is_none() && out.ends_with('\n') {
        out.pop();
    }
    out
}

/// A quote of another depth ends a paragraph even where it announced more.
fn end_paragraph(out: &mut String, open: Option<usize>) {
    if open.is_some() {
        let end = out.trim_end_matches(' ').len();
        out.truncate(end);
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::unflow;

    #[test]
    fn paragraphs_come_together_and_quotes_keep_their_depth() {
        for (given, del_sp, want) in [
            ("one \ntwo\nthree", false, "one two\nthree"),
            ("漢 \n字\n", true, "漢字\n"),
            ("> a \n> b\n>> c\nd", false, "> a b\n>> c\nd"),
            ("> a \nb", false, "> a\nb"),
            (" From here\n  two", false, "From here\n two"),
            ("text \n-- \nBob", false, "text\n-- \nBob"),
            ("", false, ""),
        ] {
            assert_eq!(unflow(given, del_sp), want, "{given:?}");
        }
    }
}
