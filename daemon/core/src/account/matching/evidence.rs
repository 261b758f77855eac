//! The reasons of a match: words for programs, sentences for people.

use serde::{Deserialize, Serialize};

/// Longest text of one reason, in bytes.
const EVIDENCE_BYTES_MAX: usize = 240;

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// A word for programs: one of [`Kind::ALL`], whatever later releases add.
    pub kind: String,
    /// A sentence for people.
    pub text: String,
}

impl Evidence {
    /// A reason of this kind.
    #[must_use]
    pub fn new(kind: Kind, text: impl AsRef<str>) -> Evidence {
        // Texts quote addresses and header values of strangers; the record must fit the store.
        let text = crate::message::cut_bytes(text.as_ref(), EVIDENCE_BYTES_MAX);
        Evidence {
            kind: kind.as_str().to_owned(),
            text,
        }
    }

    /// Its kind; `None` when a later release wrote it.
    #[must_use]
    pub fn known(&self) -> Option<Kind> {
        Kind::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == self.kind)
    }
}

macro_rules! kinds {
    ($($variant:ident $word:literal $most:literal $meaning:literal;)*) => {
        /// What a reason is. The words are stable: programs and plugins may rely on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $meaning] $variant,)*
        }

        impl Kind {
            /// All of them, in the order in which they are looked for.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];

            /// The word for it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Kind::$variant => $word,)* }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Kind::$variant => $meaning,)* }
            }

            /// The most that a match can be trusted in which it stands, 0 to 100: a match is as
            /// good as the weakest of its reasons.
            #[must_use]
            pub const fn most(self) -> u8 {
                match self { $(Kind::$variant => $most,)* }
            }
        }
    };
}

kinds! {
    NoSender "no-sender" 100 "The message has no readable From address.";
    SeveralFrom "several-from" 100 "The message has several From addresses: nobody can say whose it is.";
    Own "own" 100 "The sender is one of us.";
    SelfAddressed "self-addressed" 100 "From and To are the same address.";
    Automatic "automatic" 100 "A program wrote the message.";
    ListRewritten "list-rewritten" 60 "A mailing list put its own address into From; the person is named elsewhere in the header.";
    FormReplyTo "form-reply-to" 50 "A web form sent it for the person in Reply-To, who proved nothing.";
    FormBody "form-body" 20 "A web form sent it; the only address stands in its text.";
    Forwarded "forwarded" 60 "One of us forwarded it as an enclosed message; its sender is meant.";
    ForwardedHeader "forwarded-header" 50 "One of us passed it on; the header names the original sender.";
    ForwardedText "forwarded-text" 30 "One of us forwarded it; the original sender stands in quoted text only.";
    SeveralOriginals "several-originals" 100 "It encloses messages of several people: none of them is taken.";
    Thread "thread" 95 "It answers into a thread of the account, and the sender belongs there.";
    ThreadOutsider "thread-outsider" 100 "It answers into a known thread in which the sender had no part: not counted.";
    ThreadWeak "thread-weak" 100 "Its thread belongs to an account, and nothing says that the sender does: not counted.";
    Decided "decided" 98 "A person decided that mail from this address belongs to the account.";
    Address "address" 100 "The address is recorded.";
    TagRemoved "tag-removed" 90 "The address without its +tag is recorded.";
    FormerContact "former-contact" 100 "The address is that of somebody who left: the record does not count.";
    SharedMailbox "shared-mailbox" 100 "Several people read the address: no one of them is meant.";
    EventUid "event-uid" 60 "The calendar object is one of ours for the account.";
    DecidedDomain "decided-domain" 85 "A person decided that mail from this domain belongs to the account.";
    Domain "domain" 80 "The domain is one of the account.";
    ParentDomain "parent-domain" 70 "The domain lies below one of the account.";
    FreeMail "free-mail" 100 "The domain is that of a free-mail provider and says nothing about the company.";
    Unknown "unknown" 100 "No record has the address or its domain.";
    LookAlike "look-alike" 100 "The domain of the sender is made to be taken for a known one.";
    DisplayName "display-name" 100 "The display name says somebody else than the address.";
    OtherSigner "signed-by-other" 100 "The message is signed, but by other domains only.";
    SignatureVoid "signature-void" 100 "A signature of the From domain does not count.";
    ResultsUntrusted "auth-results-untrusted" 100 "An Authentication-Results field on top that no trusted server wrote, although there is one.";
    ResultsIgnored "auth-results" 100 "An Authentication-Results field on top, where no server was named that is believed.";
    Authenticity "authenticity" 100 "What our own check and our own server say of the sender.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word_of_its_own_and_is_read_back() {
        let mut words: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert_eq!(Evidence::new(*kind, "x").known(), Some(*kind));
            assert!(
                kind.most() <= 100 && kind.meaning().ends_with('.'),
                "{kind:?}"
            );
        }
    }
}
