//! The sample inbox: one message for each thing that the daemon has to tell apart.
//!
//! The firm is `example.test` and its mail server signs its verdicts as [`AUTHSERV_ID`]; everybody
//! else is at `example.com`, `example.net` and `example.org`. Each takes a number, so that a test
//! can have many, each its own message.

use super::Mail;

/// The `authserv-id` of the firm's own mail server.
pub const AUTHSERV_ID: &str = "mx.example.test";

/// The mailbox that the messages are for.
pub const ALICE: &str = "Alice Ames <alice@example.test>";

/// An enquiry of a person nobody knows, authentic.
pub fn enquiry(n: u32) -> Mail {
    Mail::new(
        &format!("Nora North <nora{n}@example.com>"),
        ALICE,
        "Help with our warehouse system",
    )
    .message_id(&format!("enquiry-{n}@example.com"))
    .authentication(AUTHSERV_ID, "pass")
    .body(
        "Hello,\n\nwe run a warehouse with about 40 people and our stock system no longer keeps \
         up.\nA colleague mentioned your firm. Could you help us to find and introduce a new one?\
         \nWe would like to talk about it in the next two weeks.\n\nKind regards\nNora North\n",
    )
}

/// Somebody asks for a confidentiality agreement and sends none.
pub fn nda_request(n: u32) -> Mail {
    Mail::new(
        &format!("Olga Orr <olga{n}@example.net>"),
        ALICE,
        "NDA before we share our plans",
    )
    .message_id(&format!("nda-{n}@example.net"))
    .authentication(AUTHSERV_ID, "pass")
    .body(
        "Dear Alice,\n\nbefore we send you the specification we need a non-disclosure agreement \
             in place.\nCould you send us your standard form?\n\nBest\nOlga Orr\n",
    )
}

/// Somebody sends their own confidentiality agreement to be signed.
pub fn nda_with_document(n: u32) -> Mail {
    Mail::new(
        &format!("Olga Orr <olga{n}@example.net>"),
        ALICE,
        "Mutual NDA for signature",
    )
    .message_id(&format!("nda-doc-{n}@example.net"))
    .authentication(AUTHSERV_ID, "pass")
    .body(
        "Dear Alice,\n\nplease find attached our mutual non-disclosure agreement.\nKindly sign \
             and return it.\n\nBest\nOlga Orr\n",
    )
    .attach("Mutual NDA.pdf", "application/pdf", SMALL_PDF)
}

/// A newsletter with every mark of a list.
pub fn newsletter(n: u32) -> Mail {
    Mail::new(
        "The Weekly <news@example.org>",
        ALICE,
        "Ten offers for you this week",
    )
    .message_id(&format!("weekly-{n}@example.org"))
    .header("List-Id", "The Weekly <weekly.example.org>")
    .header("List-Unsubscribe", "<https://example.org/leave>")
    .header("Precedence", "bulk")
    .authentication(AUTHSERV_ID, "pass")
    .body("This week: ten offers that you must not miss.\n\nCould you use a new printer?\n")
}

/// An out-of-office notice in answer to our message `about`.
pub fn out_of_office(n: u32, about: &str) -> Mail {
    Mail::new(
        &format!("Nora North <nora{n}@example.com>"),
        ALICE,
        "Automatic reply: Help with our warehouse system",
    )
    .message_id(&format!("ooo-{n}@example.com"))
    .reply_to_ids(&[about])
    .header("Auto-Submitted", "auto-replied")
    .header("X-Auto-Response-Suppress", "All")
    .authentication(AUTHSERV_ID, "pass")
    .body("I am out of the office and shall read your message when I am back.\n")
}

/// A delivery failure (RFC 3464) for our message `about` to `rcpt`.
pub fn bounce(n: u32, about: &str, rcpt: &str) -> Mail {
    let report = format!(
        "--bounce\nContent-Type: text/plain; charset=us-ascii\n\n\
         Your message could not be delivered to {rcpt}: no such mailbox.\n\n\
         --bounce\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example.com\n\n\
         Final-Recipient: rfc822; {rcpt}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such mailbox\n\n\
         --bounce\nContent-Type: text/rfc822-headers\n\n\
         From: {ALICE}\nTo: {rcpt}\nMessage-ID: <{about}>\nSubject: Re: Help\n\n--bounce--\n"
    );
    Mail::new(
        "Mail Delivery System <MAILER-DAEMON@mx.example.com>",
        ALICE,
        "Undelivered Mail Returned to Sender",
    )
    .message_id(&format!("bounce-{n}@mx.example.com"))
    .header("Return-Path", "<>")
    .header("Auto-Submitted", "auto-replied")
    .header(
        "Content-Type",
        "multipart/report; report-type=delivery-status;\r\n boundary=\"bounce\"",
    )
    .body(&report)
}

/// The answer of the sender of [`enquiry`] to our message `about`, with our text quoted.
pub fn customer_reply(n: u32, about: &str) -> Mail {
    let first = format!("enquiry-{n}@example.com");
    Mail::new(
        &format!("Nora North <nora{n}@example.com>"),
        ALICE,
        "Re: Help with our warehouse system",
    )
    .message_id(&format!("reply-{n}@example.com"))
    .reply_to_ids(&[&first, about])
    .authentication(AUTHSERV_ID, "pass")
    .body(
        "Thank you, the first one suits us well.\n\nNora North\n\n\
         On Monday Alice Ames wrote:\n> Two times would suit me.\n> Which one is better for you?\n",
    )
}

/// Somebody who says they are a known customer, and is not: our server found every check failed.
pub fn spoof(n: u32, claimed: &str) -> Mail {
    Mail::new(claimed, ALICE, "New bank details, please confirm today")
        .message_id(&format!("spoof-{n}@example.org"))
        .header("Reply-To", "payments@example.org")
        .authentication(AUTHSERV_ID, "fail")
        .body("Please use the new account from now on. Can you confirm by noon?\n")
}

/// One of many old messages that lay in the mailbox before the first start.
pub fn old_mail(n: u32) -> Mail {
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 90);
    enquiry(n)
        .date(long_ago + jiff::SignedDuration::from_secs(i64::from(n)))
        .header("X-Test-Number", &n.to_string())
}

/// A PDF that viewers open: one empty page.
pub const SMALL_PDF: &[u8] = b"%PDF-1.4\n\
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n\
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n\
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\n\
trailer<</Root 1 0 R>>\n%%EOF\n";
