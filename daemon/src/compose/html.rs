//! The HTML form of a mail's text: paragraphs, links, quotes, and nothing that the text is not.
//!
//! It is made from the very text of the plain form, everything escaped, so that no string from
//! outside can become markup. No styles, no pictures: what a mail program shows is its own.

/// Levels of quotes that are shown as such; deeper ones keep their `>`.
const QUOTE_DEPTH_MAX: usize = 8;
/// What a link begins with.
const SCHEMES: [&str; 2] = ["https://", "http://"];
/// What ends a sentence, or a bracket, behind a link.
const BEHIND_LINK: [char; 9] = ['.', ',', ';', ':', '!', '?', ')', ']', '\''];

/// The page.
#[must_use]
pub fn html(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out =
        String::from("<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n");
    blocks(&mut out, &lines, 0);
    out.push_str("</body></html>\n");
    out
}

fn blocks(out: &mut String, lines: &[&str], depth: usize) {
    let is_quote = |line: &str| depth < QUOTE_DEPTH_MAX && line.starts_with('>');
    // Quoted lines, empty lines, and lines of text follow each other in runs.
    let kind = |line: &str| (is_quote(line), line.trim().is_empty());
    for run in lines.chunk_by(|one, next| kind(one) == kind(next)) {
        let Some(first) = run.first() else { continue };
        match kind(first) {
            (true, _) => {
                let inner = |line: &&str| {
                    let line = line.strip_prefix('>').unwrap_or_default();
                    line.strip_prefix(' ').unwrap_or(line).to_owned()
                };
                let inner: Vec<String> = run.iter().map(inner).collect();
                let inner: Vec<&str> = inner.iter().map(String::as_str).collect();
                out.push_str("<blockquote type=\"cite\">\n");
                blocks(out, &inner, depth.saturating_add(1));
                out.push_str("</blockquote>\n");
            }
            (false, true) => {}
            (false, false) => {
                out.push_str("<p>");
                for (index, line) in run.iter().enumerate() {
                    if index > 0 {
                        out.push_str("<br>\n");
                    }
                    words(out, line);
                }
                out.push_str("</p>\n");
            }
        }
    }
}

fn words(out: &mut String, line: &str) {
    let text = line.trim_start();
    let indent = line.chars().count().saturating_sub(text.chars().count());
    out.push_str(&"&nbsp;".repeat(indent));
    for (index, word) in text.split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        let begin = SCHEMES.iter().filter_map(|scheme| word.find(scheme)).min();
        let link = begin.and_then(|at| word.split_at_checked(at));
        let Some((before, link)) = link else {
            escape(out, word);
            continue;
        };
        let end = link.find(['<', '>', '"']).unwrap_or(link.len());
        let bare = link
            .get(..end)
            .unwrap_or(link)
            .trim_end_matches(BEHIND_LINK);
        let (link, after) = link.split_at_checked(bare.len()).unwrap_or((link, ""));
        escape(out, before);
        if SCHEMES.contains(&link) || !SCHEMES.iter().any(|scheme| link.starts_with(scheme)) {
            escape(out, link);
        } else {
            out.push_str("<a href=\"");
            escape(out, link);
            out.push_str("\">");
            escape(out, link);
            out.push_str("</a>");
        }
        escape(out, after);
    }
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> String {
        let page = html(text);
        let (_, body) = page.split_once("<body>\n").unwrap();
        body.strip_suffix("</body></html>\n").unwrap().to_owned()
    }

    #[test]
    fn paragraphs_lines_and_quotes_are_kept() {
        let text = "Hello Bob,\n\nsee\n  below.\n\n-- \nAlice\n\nOn Monday, Bob wrote:\n> one\n>\n> two\n> > old\n";
        let expected = "<p>Hello Bob,</p>\n<p>see<br>\n&nbsp;&nbsp;below.</p>\n<p>-- <br>\nAlice</p>\n\
            <p>On Monday, Bob wrote:</p>\n<blockquote type=\"cite\">\n<p>one</p>\n<p>two</p>\n\
            <blockquote type=\"cite\">\n<p>old</p>\n</blockquote>\n</blockquote>\n";
        assert_eq!(body(text), expected);
        let deep = body(&format!("{}x", ">".repeat(1_000)));
        assert_eq!(deep.matches("<blockquote").count(), QUOTE_DEPTH_MAX);
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        let link = |to: &str| format!("<a href=\"{to}\">{to}</a>");
        let cases = [
            (
                "https://example.com/a?b=1&c.",
                format!("<p>{}.</p>\n", link("https://example.com/a?b=1&amp;c")),
            ),
            (
                "(http://example.com)",
                format!("<p>({})</p>\n", link("http://example.com")),
            ),
            (
                "<https://example.com>",
                format!("<p>&lt;{}&gt;</p>\n", link("https://example.com")),
            ),
            (
                "javascript:alert(1)",
                "<p>javascript:alert(1)</p>\n".to_owned(),
            ),
            ("https://", "<p>https://</p>\n".to_owned()),
            (
                "https://a\"onclick=\"x",
                format!("<p>{}&quot;onclick=&quot;x</p>\n", link("https://a")),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(body(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_of_the_text_becomes_markup() {
        let text = "<script>alert('x')</script> & </p>";
        let expected = "<p>&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &lt;/p&gt;</p>\n";
        assert_eq!(body(text), expected);
    }
}
