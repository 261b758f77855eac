use crate::mail::{BodyParts, ParseLimits, parse_message};

fn html(body: &str) -> BodyParts {
    let mail = format!(
        "From: bob@example.net\nMessage-ID: <1@example.net>\nDate: Mon, 2 Mar 2026 09:00:00 +0000\n\
         Subject: Re: Visit\nMIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n\n{body}"
    );
    parse_message(mail.as_bytes(), &ParseLimits::default()).body
}

#[test]
fn marks_of_mail_programs_in_html_divide_without_words() {
    for (name, body, reply) in [
        (
            "text inside the signature's element",
            "<div id=\"Signature\"><div>Yes, I typed this here.</div></div>",
            "Yes, I typed this here.",
        ),
        (
            "outlook in german",
            "<p class=MsoNormal>Ja, gern.</p><div style='border:none;border-top:solid #B5C4DF 1.0pt'><p class=MsoNormal><b>Von:</b> Alice<br><b>Gesendet:</b> Montag<br><b>An:</b> Bob<br><b>Betreff:</b> Besuch</p></div><p class=MsoNormal>Kommst du?</p>",
            "Ja, gern.",
        ),
        (
            "gmail forward",
            "<div dir=ltr>For you.</div><br><div class=\"gmail_quote\"><div class=\"gmail_attr\">---------- Forwarded message ---------<br>From: <b>Carol</b> &lt;c@example.org&gt;<br>Date: Sun<br>Subject: Visit<br>To: Bob<br></div><br><div>Can I come?</div></div>",
            "For you.",
        ),
        (
            "gmail",
            "<div dir=\"ltr\">Yes, at noon.<br></div><br><div class=\"gmail_quote gmail_quote_container\"><div dir=\"ltr\" class=\"gmail_attr\">Alice &lt;<a href=\"mailto:a@example.com\">a@example.com</a>&gt; xx 2.3.2026:<br></div><blockquote class=\"gmail_quote\" style=\"margin:0px 0px 0px 0.8ex;border-left:1px solid\"><div>Come?</div></blockquote></div>",
            "Yes, at noon.",
        ),
        (
            "gmail inline",
            "<div class=\"gmail_quote\"><div class=\"gmail_attr\">zz:</div><blockquote class=\"gmail_quote\"><div>First?</div></blockquote><div>Yes.</div><blockquote class=\"gmail_quote\"><div>Second?</div></blockquote><div>No.</div></div>",
            "Yes.\n\nNo.",
        ),
        (
            "outlook web",
            "<div class=\"elementToProof\">Yes.</div><div id=\"appendonsend\"></div><hr><div id=\"divRplyFwdMsg\" dir=\"ltr\"><b>Xx:</b> Alice<br></div><div>Come?</div>",
            "Yes.",
        ),
        (
            "outlook",
            "<div class=WordSection1><p class=MsoNormal>Yes.<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p><p class=MsoNormal>Bob<o:p></o:p></p><div><div style='border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm'><p class=MsoNormal><b>From:</b> Alice<br><b>Sent:</b> Monday<br><b>To:</b> Bob<br><b>Subject:</b> Visit</p></div></div><p class=MsoNormal>Come?</p></div>",
            "Yes.\n\nBob",
        ),
        (
            "yahoo",
            "<div class=\"yahoo-style-wrap\"><div>Yes.</div></div><div class=\"yahoo_quoted\"><div>zz</div><div>Come?</div></div>",
            "Yes.",
        ),
        (
            "apple",
            "<html><body>Yes.<br><div><br><blockquote type=\"cite\"><div>On 2 Mar 2026, at 10:00, Alice &lt;a@example.com&gt; wrote:</div><br><div>Come?</div></blockquote></div><br></body></html>",
            "Yes.",
        ),
        (
            "thunderbird",
            "<div class=\"moz-cite-prefix\">zz Alice:<br></div><blockquote type=\"cite\" cite=\"mid:1\"><p>Come?</p></blockquote><p>Yes.</p><div class=\"moz-signature\">-- <br>Bob</div>",
            "Yes.",
        ),
        (
            "gmail signature",
            "<div>Yes.</div><div><br></div><span class=\"gmail_signature_prefix\">-- </span><br><div dir=\"ltr\" class=\"gmail_signature\"><div>Bob</div><div>Example Ltd</div></div>",
            "Yes.",
        ),
        (
            "indented text is no quote",
            "<div>Look:</div><blockquote style=\"margin:0 0 0 40px;border:none;padding:0px\"><div>This is mine.</div></blockquote>",
            "Look:\n\nThis is mine.",
        ),
        (
            "hidden",
            "<div>Yes.</div><div style=\"display: none\">secret</div><style>p{}</style><script>x<y</script>",
            "Yes.",
        ),
        (
            "an escaped sign is no quote",
            "<p>See:</p><p>&gt; 100 pieces</p><pre>&gt; a &gt; b</pre><p>Ok?</p>",
            "See:\n\n> 100 pieces\n\n> a > b\n\nOk?",
        ),
        (
            "a signature that the text asks for",
            "<div>Please sign here:</div><div id=\"Signature\">Contract 12</div>",
            "Please sign here:\nContract 12",
        ),
        (
            "text below a signature",
            "<div>Yes.</div><div class=\"gmail_signature\">Bob<br>Example</div><div>When?</div>",
            "Yes.\n\nWhen?",
        ),
        (
            "letters without size",
            "<html><body><span style=\"font-size:0\">secret</span>Hello <b>world</b></body></html>",
            "Hello world",
        ),
        (
            "zimbra/gmx",
            "<div>Yes.</div><div name=\"quote\" style=\"margin:10px\"><div>Gesendet: Montag</div>Come?</div>",
            "Yes.",
        ),
    ] {
        let parts = html(body);
        assert_eq!(parts.reply, reply, "{name}: {parts:#?}");
    }
}
