use super::*;

fn text(html: &str) -> String {
    to_lines(html)
        .into_iter()
        .map(|(line, _)| line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn blocks_become_lines() {
    for (html, want) in [
        ("<p>One</p><p>Two</p>", "One\n\nTwo"),
        ("<div>One</div><div><br></div><div>Two</div>", "One\n\nTwo"),
        ("One<br>Two<br><br>Three", "One\nTwo\n\nThree"),
        ("a <b>bold</b>\n  word", "a bold word"),
        (
            "<ul><li>x</li><li>y</li></ul><ol><li>x<li>y</ol>",
            "* x\n* y\n1. x\n2. y",
        ),
        (
            "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>",
            "a b\nc",
        ),
        ("<pre>a\n  b</pre>", "a\n  b"),
        (
            "<blockquote>q<blockquote>r</blockquote></blockquote>t",
            "> q\n\n>> r\n\nt",
        ),
        (
            "&lt;x&gt; &amp; &uuml;&#8364;&nbsp;&unknown; AT&T",
            "<x> & ü€ &unknown; AT&T",
        ),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("<head><title>T</title></head><body>B</body>", "B"),
        ("<!-- no --><![if !x]>yes<![endif]>", "yes"),
        ("<a href=\"x>y\">link</a>", "link"),
        ("<p style=\"display:none\">no</p>yes", "yes"),
        ("<a title=\"never closed>text", "text"),
        ("<span style=\"font-size:0\">no</span>yes", "yes"),
        (
            "<span style=\"font-size: 0px !important\">no</span>yes",
            "yes",
        ),
        ("<div style=\"opacity:0\">no</div>yes", "yes"),
        ("<div style=\"opacity:0.9;font-size:10px\">yes</div>", "yes"),
        (
            "<td style=\"font-size:0px;padding:10px\"><div style=\"font-size:13px\">yes</div>no</td>",
            "yes",
        ),
    ] {
        assert_eq!(text(html), want, "{html}");
    }
}

#[test]
fn nesting_and_broken_markup_cost_nothing() {
    let deep = "<div>".repeat(100_000);
    assert_eq!(text(&format!("{deep}hello")), "hello");
    let quotes = "<blockquote>".repeat(20_000);
    assert!(text(&format!("{quotes}hello")).ends_with("> hello"));
    let unclosed = "<a href=\"".repeat(200_000);
    assert!(text(&unclosed).len() <= unclosed.len());
    let stray = format!("{}{}", "<div>".repeat(50_000), "</span>".repeat(50_000));
    assert_eq!(text(&stray), "");
    let angles = "<".repeat(500_000);
    assert_eq!(text(&angles).len(), angles.len());
    let comments = "<!--".repeat(200_000);
    text(&comments);
    let attributes = format!("<p {}>x", "a=b ".repeat(200_000));
    assert_eq!(text(&attributes), "x");
}
