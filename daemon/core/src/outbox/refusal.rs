//! What a server's refusal means for the mail (RFC 5321 section 4.2.1, RFC 3463).
//!
//! The first digit decides: 4 is for now, 5 for good. Some servers say 5 and mean something else;
//! they are listed here by what they say. A wrong "for now" costs a few more tries within two
//! days, a wrong "for good" costs the mail, so doubt is for now.

/// What to do after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The mail is tried again.
    ForNow,
    /// This mail to this recipient is not wanted.
    ForGood,
    /// The server does not take mail of ours at the moment, whomever it is to: a limit of the
    /// login, or too many connections.
    OfLogin,
}

/// A server that says 5 and means something else.
struct Liar {
    /// Enhanced status code; empty: any or none.
    enhanced: &'static str,
    /// Part of the text, lower case; empty: any.
    says: &'static str,
    means: Refusal,
}

const fn liar(enhanced: &'static str, says: &'static str, means: Refusal) -> Liar {
    Liar {
        enhanced,
        says,
        means,
    }
}

/// By enhanced code or by words. The first that fits counts.
const LIARS: [Liar; 22] = [
    // Limits of the login that pass within a day.
    liar("5.4.5", "", Refusal::OfLogin),
    liar("5.1.90", "", Refusal::OfLogin),
    liar("5.2.121", "", Refusal::OfLogin),
    liar("5.2.122", "", Refusal::OfLogin),
    liar("", "daily user sending limit", Refusal::OfLogin),
    liar("", "daily sending quota", Refusal::OfLogin),
    liar("", "sending limit exceeded", Refusal::OfLogin),
    liar("", "exceeded your sending", Refusal::OfLogin),
    liar("", "rate limit exceeded", Refusal::OfLogin),
    liar("", "too many messages", Refusal::OfLogin),
    liar("", "too many connections", Refusal::OfLogin),
    // A full mailbox is emptied (RFC 3463 section 3.3, X.2.2).
    liar("5.2.2", "", Refusal::ForNow),
    liar("", "mailbox full", Refusal::ForNow),
    liar("", "mailbox is full", Refusal::ForNow),
    liar("", "over quota", Refusal::ForNow),
    // Greylisting that says 5.
    liar("", "greylist", Refusal::ForNow),
    liar("", "graylist", Refusal::ForNow),
    liar("", "try again later", Refusal::ForNow),
    liar("", "try later", Refusal::ForNow),
    liar("", "temporarily", Refusal::ForNow),
    liar("", "temporary failure", Refusal::ForNow),
    liar("", "temporary error", Refusal::ForNow),
];

/// Code and words of filters that failed and say nothing else, where Sendmail's milters are
/// mis-set.
const NOTHING_SAID: [&str; 3] = ["", "command rejected", "transaction failed"];

/// What a reply of 400 to 599 means. `enhanced` is the code at the front of `text`, where it has
/// one.
#[must_use]
pub fn weigh(code: u16, enhanced: Option<&str>, text: &str) -> Refusal {
    let text = text.to_lowercase();
    let words = match enhanced {
        Some(enhanced) => text.strip_prefix(enhanced).unwrap_or(&text),
        None => &text,
    };
    let fits = |liar: &&Liar| {
        (liar.enhanced.is_empty() || enhanced == Some(liar.enhanced)) && words.contains(liar.says)
    };
    if let Some(liar) = LIARS.iter().find(fits) {
        return liar.means;
    }
    let bare = words.trim_matches(|c: char| !c.is_alphanumeric());
    if enhanced == Some("5.5.0") && NOTHING_SAID.contains(&bare) {
        return Refusal::ForNow;
    }
    if code >= 500 {
        Refusal::ForGood
    } else {
        Refusal::ForNow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_digit_decides_unless_the_server_is_known_to_lie() {
        use Refusal::{ForGood, ForNow, OfLogin};
        let rows: [(u16, &str, Refusal); 26] = [
            (450, "4.2.0 greylisted", ForNow),
            (451, "4.7.1 later", ForNow),
            (421, "4.3.2 shutting down", ForNow),
            (452, "4.3.1 out of storage", ForNow),
            // The class of the enhanced code does not make it worse.
            (450, "5.1.1 maybe", ForNow),
            (550, "5.1.1 no such user", ForGood),
            (550, "no such user", ForGood),
            (571, "blocked", ForGood),
            (552, "5.3.4 message too large", ForGood),
            (552, "message size exceeds fixed maximum", ForGood),
            (554, "5.7.1 spam", ForGood),
            (553, "5.1.3 bad address syntax", ForGood),
            (552, "5.2.2 user is over the limit", ForNow),
            (550, "5.7.1 the mailbox is full", ForNow),
            (550, "5.7.1 Greylisted, please wait", ForNow),
            (554, "Temporarily rejected, try again later", ForNow),
            (554, "5.5.0", ForNow),
            (554, "5.5.0 Transaction failed.", ForNow),
            (550, "5.5.0 we do not like your domain", ForGood),
            (550, "5.4.5 Daily user sending limit exceeded.", OfLogin),
            (554, "5.1.90 your message can't be sent", OfLogin),
            (550, "Daily sending quota exceeded", OfLogin),
            (452, "4.5.3 too many messages this hour", OfLogin),
            (421, "too many connections from your host", OfLogin),
            (450, "4.2.1 Rate limit exceeded", OfLogin),
            (400, "", ForNow),
        ];
        for (code, text, expected) in rows {
            let word = text.split(' ').next().unwrap_or("");
            let enhanced = word.starts_with(['4', '5']).then_some(word);
            assert_eq!(weigh(code, enhanced, text), expected, "{code} {text}");
        }
    }

    #[test]
    fn liars_are_matched_in_lower_case() {
        for liar in &LIARS {
            assert_eq!(liar.says, liar.says.to_lowercase());
            assert!(!liar.says.is_empty() || !liar.enhanced.is_empty());
        }
    }
}
