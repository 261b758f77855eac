//! Who asked not to get further mail, and the token that proves it.
//!
//! Each follow-up that leaves by itself names in `List-Unsubscribe` (RFC 2369, RFC 8058) where to ask
//! for its end, with a [`Claim`] and its tag. The claim says for which address it was made, so that
//! whoever has the token can ask for this address and for no other: it does not matter from where it
//! comes back, for mail is forwarded, read by others, and unsubscribed from by programs. It can be
//! used again, and does not end: a person may come upon an old mail after years.
//!
//! The tag is made and checked at the edge, where the key is. What is here is pure.

use serde::{Deserialize, Serialize};

use crate::ids::{EffectId, MessageKey, TaskId, derive};
use crate::mail::Address;
use crate::message::cut_text;
use crate::time::Timestamp;

/// How a token begins: ours, and in which version.
pub const TOKEN_MARK: &str = "lu1.";
/// Shortest token that is looked at, in characters: the mark and a tag alone have more.
const TOKEN_CHARS_MIN: usize = 48;
/// Longest token that is looked at, in characters: an address of 254 bytes and an id need less.
pub const TOKEN_CHARS_MAX: usize = 640;
/// Tokens looked at in one message.
pub const TOKENS_MAX: usize = 4;
/// Words of a first line that are looked at.
const WORDS_MAX: usize = 64;
/// What mail programs put before the subject of a mail that is passed on.
const FORWARD_MARKS: [&str; 9] = [
    "fwd:", "fw:", "wg:", "tr:", "rv:", "enc:", "i:", "vs:", "doorst:",
];
/// Longest address (RFC 5321 section 4.5.3.1.3: a path of 256 with its brackets), in bytes.
const ADDRESS_BYTES_MAX: usize = 254;
/// Longest reason of a person kept, in characters.
const WHY_CHARS_MAX: usize = 400;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The mail that carried it.
    pub mail: EffectId,
    /// To whom it went, without `+tag`.
    pub address: String,
}

impl Claim {
    /// The claim of a mail; `None` when its recipient is no address.
    #[must_use]
    pub fn of(mail: &EffectId, recipient: &str) -> Option<Claim> {
        let address = bare(recipient)?;
        (address.len() <= ADDRESS_BYTES_MAX).then(|| Claim {
            mail: mail.clone(),
            address,
        })
    }

    /// The bytes that are signed: the length of the id, the id, the address.
    #[must_use]
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let id = self.mail.as_str().as_bytes();
        let mut bytes = vec![u8::try_from(id.len()).ok()?];
        bytes.extend(id);
        bytes.extend(self.address.as_bytes());
        Some(bytes)
    }

    /// What these bytes say; `None` when they are none of ours.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Claim> {
        let (length, rest) = bytes.split_first()?;
        let (id, address) = rest.split_at_checked(usize::from(*length))?;
        let (id, address) = (std::str::from_utf8(id), std::str::from_utf8(address));
        let (id, address) = (id.ok()?, address.ok()?);
        (bare(address).as_deref() == Some(address)).then(|| Claim {
            mail: EffectId::from(id),
            address: address.to_owned(),
        })
    }
}

/// An address in lookup form without its `+tag`: under this a wish is kept.
#[must_use]
pub fn bare(email: &str) -> Option<String> {
    let address = Address::parse(email).ok()?;
    Some(address.without_tag().unwrap_or(address).key())
}

/// What may be tokens in a message: of a subject that says what we offered and nothing else, or was
/// passed on so, and of the first line that its writer wrote. An answer to it, and an absence note
/// about it, carry the subject on, and ask for nothing.
#[must_use]
pub fn tokens_in<'t>(subject: &'t str, text: &'t str) -> Vec<&'t str> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    let words = asking(subject).into_iter();
    let words = words.chain(line.unwrap_or_default().split_whitespace().take(WORDS_MAX));
    let mut found: Vec<&str> = Vec::new();
    for word in words {
        let Some(start) = word.find(TOKEN_MARK) else {
            continue;
        };
        let from = word.get(start..).unwrap_or_default();
        let is_of_it = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let end = from.find(|c| !is_of_it(c)).unwrap_or(from.len());
        let token = from.get(..end).unwrap_or_default().trim_end_matches('.');
        let fits = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&token.len());
        if fits && !found.contains(&token) && found.len() < TOKENS_MAX {
            found.push(token);
        }
    }
    found
}

/// The one word of a subject that may be a token: alone, or behind `unsubscribe`, or so passed on.
fn asking(subject: &str) -> Option<&str> {
    let is_kept = |word: &&str| {
        let word = word.to_lowercase();
        word != "unsubscribe" && !FORWARD_MARKS.contains(&word.as_str())
    };
    let mut words = subject.split_whitespace().filter(is_kept);
    words.next().filter(|_| words.next().is_none())
}

/// How the wish reached us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// By this message.
    Message(MessageKey),
    /// Its token was handed in by a program or person of ours.
    HandedIn(String),
}

/// An address whose owner asked not to get further mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptOut {
    /// The address, in lookup form without `+tag`.
    pub address: String,
    /// When it was asked, last.
    pub at: Timestamp,
    /// How.
    pub by: AskedBy,
    /// The mail that they had got.
    pub mail: EffectId,
    /// Which person of ours lets mail go there again, when and why.
    pub allowed: Option<AllowedAgain>,
}

/// A person's word that mail may go there again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AllowedAgain {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// Why.
    pub why: String,
}

impl OptOut {
    /// Asked at `at` by `by`, with the token of `claim`.
    #[must_use]
    pub fn new(claim: &Claim, by: AskedBy, at: Timestamp) -> OptOut {
        OptOut {
            address: claim.address.clone(),
            at,
            by,
            mail: claim.mail.clone(),
            allowed: None,
        }
    }

    /// Whether it stands.
    #[must_use]
    pub fn stands(&self) -> bool {
        self.allowed.is_none()
    }

    /// Whether something that was written at `at` says nothing new: it was heeded, or a person
    /// decided since.
    #[must_use]
    pub fn knows_of(&self, at: Timestamp) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| at <= allowed.at)
    }

    /// Lets mail go there again.
    pub fn allow(&mut self, who: &str, why: &str, at: Timestamp) {
        self.allowed = Some(AllowedAgain {
            at,
            who: who.to_owned(),
            why: cut_text(why, WHY_CHARS_MAX),
        });
    }

    /// Why nothing goes there; `None` when it may.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        self.stands().then(|| {
            let address = &self.address;
            format!(
                "{address} asked not to get further mail on {} ({}); `liaison unsubscribe allow \
                 {address}` lets it go there again",
                self.at,
                self.how()
            )
        })
    }

    /// How it was asked, in words.
    #[must_use]
    pub fn how(&self) -> String {
        match &self.by {
            AskedBy::Message(key) => {
                format!("by message {key}, with the token of mail {}", self.mail)
            }
            AskedBy::HandedIn(who) => {
                format!("the token of mail {} was handed in by {who}", self.mail)
            }
        }
    }

    /// The task that tells of it: one for each time that it is asked anew.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        let at = self.at.0.to_be_bytes();
        TaskId(derive("liaison optout 1", &[self.address.as_bytes(), &at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Claim {
        Claim::of(&EffectId::from("e1"), "Bob+News@Example.org").unwrap()
    }

    #[test]
    fn a_claim_names_the_person_and_not_the_tag_and_comes_back() {
        assert_eq!(claim().address, "bob@example.org");
        let bytes = claim().to_bytes().unwrap();
        assert_eq!(Claim::from_bytes(&bytes), Some(claim()));
        assert_eq!(Claim::of(&EffectId::from("e1"), "nobody"), None);
        for bytes in [
            &b""[..],
            &[9, b'x'],
            b"\x01eBOB@example.org",
            b"\x01e\xff@a",
        ] {
            assert_eq!(Claim::from_bytes(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn tokens_are_found_in_the_subject_and_the_first_line_only() {
        let token = format!("{TOKEN_MARK}{}", "a".repeat(80));
        let cases = [
            (format!("unsubscribe {token}"), String::new(), 1),
            (format!("Fwd: unsubscribe <{token}>."), String::new(), 1),
            (
                "stop".to_owned(),
                format!("\n\n unsubscribe {token}\nmore"),
                1,
            ),
            (token.clone(), token.clone(), 1),
            (
                format!("Re: unsubscribe {token}"),
                "a mistake: we order".to_owned(),
                0,
            ),
            (
                format!("Automatic reply: unsubscribe {token}"),
                String::new(),
                0,
            ),
            (format!("{token} and our order"), String::new(), 0),
            ("stop".to_owned(), format!("Hello\n{token}"), 0),
            (format!("{TOKEN_MARK}short"), String::new(), 0),
            (format!("{TOKEN_MARK}{}", "a".repeat(700)), String::new(), 0),
        ];
        for (subject, text, count) in cases {
            let found = tokens_in(&subject, &text);
            assert_eq!(found.len(), count, "{subject} / {text}");
            assert!(found.iter().all(|one| *one == token));
        }
    }

    #[test]
    fn a_wish_stands_until_a_person_allows_mail_again_and_an_old_token_does_not_renew_it() {
        let mut wish = OptOut::new(&claim(), AskedBy::Message("m1".into()), Timestamp(10));
        assert!(wish.refusal().unwrap().contains("by message m1"));
        assert!(wish.knows_of(Timestamp(20)));
        wish.allow("uid 0", "they called", Timestamp(30));
        assert_eq!(wish.refusal(), None);
        assert!(wish.knows_of(Timestamp(25)) && !wish.knows_of(Timestamp(31)));
    }
}
