//! Changes of a message where it lies: what can be asked for, what is granted, and how far one is.
//!
//! A change is about the message of the event and no other, in the mailbox in which that message
//! was found. Each can be made again without harm, and is only `done` when the mailbox was seen to
//! be as it should.

mod grant;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::effect::Cause;
use crate::ids::{EffectId, MailboxId, MessageKey};
use crate::message::cut_text;
use crate::outbox::retry_delay_ms;
use crate::time::{HOUR_MS, Timestamp};

pub use grant::{GrantError, MailboxGrant, MailboxGrants};

/// Longest keyword in bytes; servers refuse longer ones at different lengths.
pub const KEYWORD_BYTES_MAX: usize = 64;
/// Longest name of a folder or label in characters; Gmail's bound for labels.
pub const FOLDER_CHARS_MAX: usize = 225;
/// Times that a server may say no before a change has failed: about four hours.
pub const DECLINED_MAX: u32 = 8;
/// The step of the schedule by which a dead server is met soon when it is back: a minute.
const UNREACHABLE_STEP: u32 = 1;
/// Longest reason kept, in characters.
const WHY_CHARS_MAX: usize = 300;

/// A flag of a message that may be changed (RFC 9051 section 2.3.2). `\Deleted` and `\Draft` are
/// not among them: nothing is thrown away on the word of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailFlag {
    /// It was read.
    Seen,
    /// It is marked.
    Flagged,
    /// It was answered.
    Answered,
}

impl MailFlag {
    /// All of them.
    pub const ALL: [MailFlag; 3] = [MailFlag::Seen, MailFlag::Flagged, MailFlag::Answered];

    /// The word for it in grants.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            MailFlag::Seen => "seen",
            MailFlag::Flagged => "flagged",
            MailFlag::Answered => "answered",
        }
    }

    /// As IMAP writes it.
    #[must_use]
    pub fn imap(self) -> &'static str {
        match self {
            MailFlag::Seen => "\\Seen",
            MailFlag::Flagged => "\\Flagged",
            MailFlag::Answered => "\\Answered",
        }
    }

    /// Its letter in the info of a Maildir file name.
    #[must_use]
    pub fn maildir(self) -> char {
        match self {
            MailFlag::Seen => 'S',
            MailFlag::Flagged => 'F',
            MailFlag::Answered => 'R',
        }
    }
}

/// What is to become of the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxChange {
    /// A flag, set or cleared.
    Flag {
        /// Which.
        flag: MailFlag,
        /// Set, else cleared.
        on: bool,
    },
    /// A keyword (RFC 9051 section 2.3.2), added or removed.
    Keyword {
        /// Which.
        keyword: String,
        /// Added, else removed.
        on: bool,
    },
    /// To another folder of the mailbox.
    Move(String),
    /// A label of Gmail, added.
    Label(String),
}

impl fmt::Display for MailboxChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MailboxChange::Flag { flag, on: true } => write!(f, "set {}", flag.imap()),
            MailboxChange::Flag { flag, on: false } => write!(f, "clear {}", flag.imap()),
            MailboxChange::Keyword { keyword, on: true } => write!(f, "add keyword {keyword}"),
            MailboxChange::Keyword { keyword, on: false } => write!(f, "remove keyword {keyword}"),
            MailboxChange::Move(folder) => write!(f, "move to {folder}"),
            MailboxChange::Label(label) => write!(f, "add label {label}"),
        }
    }
}

impl MailboxChange {
    /// Whether the message lies elsewhere afterwards: such a change is made after all others.
    #[must_use]
    pub fn is_move(&self) -> bool {
        matches!(self, MailboxChange::Move(_))
    }

    /// Whether it is a move into the folder that a source calls `folder`: as IMAP names it, or a
    /// folder of a Maildir (`.Archive`).
    #[must_use]
    pub fn leads_to(&self, folder: &str) -> bool {
        let MailboxChange::Move(to) = self else {
            return false;
        };
        let plain = |name: &str| name.trim_start_matches('.').replace('/', ".");
        let inbox = |name: &str| name.eq_ignore_ascii_case("INBOX");
        plain(to) == plain(folder) || (inbox(to) && inbox(folder))
    }

    /// Why it can be asked of no mailbox; `None` when it can.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            MailboxChange::Flag { .. } => None,
            MailboxChange::Keyword { keyword, .. } => keyword_problem(keyword),
            MailboxChange::Move(folder) => folder_problem(folder),
            MailboxChange::Label(label) => label_problem(label),
        }
    }
}

/// `flag-keyword` is an atom (RFC 9051 section 9).
fn keyword_problem(keyword: &str) -> Option<String> {
    let is_atom = |byte: u8| byte.is_ascii_graphic() && !br#"(){%*"\]"#.contains(&byte);
    let fits = (1..=KEYWORD_BYTES_MAX).contains(&keyword.len());
    (!fits || !keyword.bytes().all(is_atom)).then(|| {
        format!(
            "`{}` is no keyword: 1 to {KEYWORD_BYTES_MAX} letters, digits and signs of ASCII, \
             without spaces and without any of (){{%*\"\\]",
            shown(keyword)
        )
    })
}

fn folder_problem(folder: &str) -> Option<String> {
    let wild = |c: char| c.is_control() || matches!(c, '*' | '%');
    let climbs = folder.contains("..");
    let fits = (1..=FOLDER_CHARS_MAX).contains(&folder.chars().count());
    let padded = folder.trim() != folder || folder.starts_with('/') || folder.ends_with('/');
    (!fits || padded || climbs || folder.contains(wild)).then(|| {
        format!(
            "`{}` is no name of a folder: 1 to {FOLDER_CHARS_MAX} characters without *, %, .. and \
             control characters, and no / at its ends",
            shown(folder)
        )
    })
}

fn label_problem(label: &str) -> Option<String> {
    let fits = (1..=FOLDER_CHARS_MAX).contains(&label.chars().count());
    let padded = label.trim() != label;
    (!fits || padded || label.starts_with('\\') || label.contains(char::is_control)).then(|| {
        format!(
            "`{}` is no label: 1 to {FOLDER_CHARS_MAX} characters, no control characters, and no \
             backslash in front, which stands for the labels of the system",
            shown(label)
        )
    })
}

fn shown(name: &str) -> String {
    cut_text(&name.replace(char::is_control, "?"), KEYWORD_BYTES_MAX)
}

/// Where a change stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailboxState {
    /// To be made.
    Planned,
    /// The mailbox was seen to be so.
    Done,
    /// This mailbox cannot do it, or it may not be done any more.
    Refused(String),
    /// The message is not there any more.
    Gone(String),
    /// The server said no, again and again.
    Failed(String),
}

impl MailboxState {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            MailboxState::Planned => "planned",
            MailboxState::Done => "done",
            MailboxState::Refused(_) => "refused",
            MailboxState::Gone(_) => "gone",
            MailboxState::Failed(_) => "failed",
        }
    }

    /// Why it is so, where that is known.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            MailboxState::Refused(why) | MailboxState::Gone(why) | MailboxState::Failed(why) => {
                Some(why)
            }
            MailboxState::Planned | MailboxState::Done => None,
        }
    }

    /// Whether nothing more will happen to it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        *self != MailboxState::Planned
    }
}

/// What is known after a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It is as it should be, and was seen to be.
    Done,
    /// It cannot be done here, or is called off, for good.
    Refused(String),
    /// The message is not there.
    Gone(String),
    /// The server said no, or yes and did nothing; that may pass.
    Declined(String),
    /// Nobody could be asked. No try of the change itself.
    Unreachable {
        /// What was in the way.
        why: String,
        /// Waiting will not mend it.
        needs_person: bool,
    },
    /// Its turn comes after something else, at this time. No try either.
    NotYet(Timestamp),
}

/// One change of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxEffect {
    /// Its key.
    pub id: EffectId,
    /// Why.
    pub cause: Cause,
    /// The message.
    pub message: MessageKey,
    /// The mailbox in which it is changed.
    pub mailbox: MailboxId,
    /// What is changed.
    pub change: MailboxChange,
    /// Where it stands.
    pub state: MailboxState,
    /// Since when.
    pub since: Timestamp,
    /// Tries that began.
    pub attempts: u32,
    /// Times that the server said no.
    pub declined: u32,
    /// Not before this.
    pub not_before: Timestamp,
    /// Last trouble.
    pub last_trouble: Option<String>,
    /// When it was decided.
    pub created: Timestamp,
}

impl MailboxEffect {
    /// The same when a try begins, to be durable before the mailbox is touched; `None` when nothing
    /// is to be done any more.
    #[must_use]
    pub fn begun(&self) -> Option<MailboxEffect> {
        (!self.state.is_final()).then(|| MailboxEffect {
            attempts: self.attempts.saturating_add(1),
            ..self.clone()
        })
    }

    /// The same after a try; `None` when somebody else ended it meanwhile. `seed` spreads the waits
    /// of those that failed together.
    #[must_use]
    pub fn after(&self, tried: Tried, now: Timestamp, seed: u64) -> Option<MailboxEffect> {
        if self.state.is_final() {
            return None;
        }
        let mut next = self.clone();
        let (state, trouble) = match tried {
            Tried::Done => (MailboxState::Done, None),
            Tried::Refused(why) => (MailboxState::Refused(kept(&why)), None),
            Tried::Gone(why) => (MailboxState::Gone(kept(&why)), None),
            Tried::Declined(why) => {
                next.declined = self.declined.saturating_add(1);
                next.not_before = now.plus_millis(retry_delay_ms(next.declined, seed));
                match next.declined < DECLINED_MAX {
                    true => (MailboxState::Planned, Some(kept(&why))),
                    false => (MailboxState::Failed(kept(&why)), None),
                }
            }
            Tried::Unreachable { why, needs_person } => {
                let delay = match needs_person {
                    true => HOUR_MS,
                    false => retry_delay_ms(UNREACHABLE_STEP, seed),
                };
                next.not_before = now.plus_millis(delay);
                (MailboxState::Planned, Some(kept(&why)))
            }
            Tried::NotYet(at) => {
                next.not_before = at;
                (MailboxState::Planned, self.last_trouble.clone())
            }
        };
        if state != self.state {
            next.since = now;
        }
        next.state = state;
        next.last_trouble = trouble;
        Some(next)
    }

    /// When it may be made although `others` of the same message are planned: a move waits for what
    /// is to be done where the message lies now. `None`: at once.
    #[must_use]
    pub fn waits_for(&self, others: &[MailboxEffect]) -> Option<Timestamp> {
        let before = others.iter().filter(|other| {
            other.id != self.id
                && other.mailbox == self.mailbox
                && !other.state.is_final()
                && !other.change.is_move()
        });
        let latest = before.map(|other| other.not_before).max();
        latest.filter(|_| self.change.is_move())
    }
}

fn kept(why: &str) -> String {
    cut_text(why, WHY_CHARS_MAX)
}

#[cfg(test)]
mod tests;
