//! What of a mailbox the operator lets a plugin change: `flag`, `flag:seen`, `keyword:customer-*`,
//! `move:Archive`, `label:Leads`.

use std::fmt;
use std::str::FromStr;

use super::{MailFlag, MailboxChange};

/// Most grants of one plugin.
const GRANTS_MAX: usize = 100;

/// One word of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxGrant {
    /// Any flag, or one; setting and clearing.
    Flag(Option<MailFlag>),
    /// Keywords, adding and removing. One that begins with `$` has a meaning of its own for mail
    /// programs, and needs a grant that begins so.
    Keyword(Pattern),
    /// Moving into folders.
    Move(Pattern),
    /// Adding labels.
    Label(Pattern),
}

/// A name, or with a `*` at its end all names that begin so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    begin: String,
    open: bool,
}

impl Pattern {
    fn matches(&self, name: &str) -> bool {
        match self.open {
            true => name.starts_with(&self.begin),
            false => name == self.begin,
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.begin, if self.open { "*" } else { "" })
    }
}

/// A word that is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no grant: {why}")]
pub struct GrantError {
    /// What was written.
    pub word: String,
    /// What is wrong with it.
    pub why: String,
}

impl FromStr for MailboxGrant {
    type Err = GrantError;

    fn from_str(word: &str) -> Result<MailboxGrant, GrantError> {
        let wrong = |why: String| GrantError {
            word: word.to_owned(),
            why,
        };
        let (kind, name) = match word.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (word, None),
        };
        let pattern = |change: fn(String) -> MailboxChange| {
            let name = name.unwrap_or_default();
            let (begin, open) = match name.strip_suffix('*') {
                Some(begin) => (begin, true),
                None => (name, false),
            };
            // What is left of the name must fit as a name itself, but for the bare `*`.
            let problem = match begin.is_empty() && open {
                true => None,
                false => change(begin.trim_end_matches(['/', ' ', '.']).to_owned()).problem(),
            };
            match problem {
                Some(problem) => Err(wrong(problem)),
                None => Ok(Pattern {
                    begin: begin.to_owned(),
                    open,
                }),
            }
        };
        match kind {
            "flag" => match name {
                None => Ok(MailboxGrant::Flag(None)),
                Some(name) => {
                    let flag = MailFlag::ALL.into_iter().find(|flag| flag.as_str() == name);
                    let why = "write flag, flag:seen, flag:flagged or flag:answered";
                    flag.map(|flag| MailboxGrant::Flag(Some(flag)))
                        .ok_or_else(|| wrong(why.to_owned()))
                }
            },
            "keyword" => {
                let keyword = |keyword| MailboxChange::Keyword { keyword, on: true };
                pattern(keyword).map(MailboxGrant::Keyword)
            }
            "move" => pattern(MailboxChange::Move).map(MailboxGrant::Move),
            "label" => pattern(MailboxChange::Label).map(MailboxGrant::Label),
            _ => Err(wrong(
                "write flag, flag:NAME, keyword:NAME, move:FOLDER or label:NAME; a * at the end \
                 stands for any rest"
                    .to_owned(),
            )),
        }
    }
}

/// Everything that a plugin may change; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxGrants(Vec<MailboxGrant>);

impl MailboxGrants {
    /// These words; each that is none is an error of its own.
    ///
    /// # Errors
    /// All words that are no grants, and too many of them.
    pub fn parse(words: &[String]) -> Result<MailboxGrants, Vec<GrantError>> {
        let (mut grants, mut errors) = (Vec::new(), Vec::new());
        for word in words.iter().take(GRANTS_MAX) {
            match word.parse() {
                Ok(grant) => grants.push(grant),
                Err(error) => errors.push(error),
            }
        }
        errors.extend(words.get(GRANTS_MAX).map(|word| GrantError {
            word: word.clone(),
            why: format!("more than {GRANTS_MAX} of them"),
        }));
        match errors.is_empty() {
            true => Ok(MailboxGrants(grants)),
            false => Err(errors),
        }
    }

    /// Whether nothing is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a change is granted.
    #[must_use]
    pub fn permit(&self, change: &MailboxChange) -> bool {
        self.0.iter().any(|grant| match (grant, change) {
            (MailboxGrant::Flag(which), MailboxChange::Flag { flag, .. }) => {
                which.is_none_or(|which| which == *flag)
            }
            (MailboxGrant::Keyword(pattern), MailboxChange::Keyword { keyword, .. }) => {
                let meant = !keyword.starts_with('$') || pattern.begin.starts_with('$');
                meant && pattern.matches(keyword)
            }
            (MailboxGrant::Move(pattern), MailboxChange::Move(name))
            | (MailboxGrant::Label(pattern), MailboxChange::Label(name)) => pattern.matches(name),
            _ => false,
        })
    }

    /// The word that would grant a change.
    #[must_use]
    pub fn word_for(change: &MailboxChange) -> String {
        match change {
            MailboxChange::Flag { flag, .. } => format!("flag:{}", flag.as_str()),
            MailboxChange::Keyword { keyword, .. } => format!("keyword:{keyword}"),
            MailboxChange::Move(folder) => format!("move:{folder}"),
            MailboxChange::Label(label) => format!("label:{label}"),
        }
    }
}
