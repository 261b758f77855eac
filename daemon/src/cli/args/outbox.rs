//! What people type about outgoing mail.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Decide;

/// `outbox`.
#[derive(Debug, Subcommand)]
pub enum Outbox {
    /// What waits for a person first, then the newest
    List {
        /// Only those in this state, such as `held`
        #[arg(long)]
        state: Option<String>,
    },
    /// Flags, keywords, folders and labels of messages that plugins change, what is to be done
    /// first
    Changes {
        /// Only those in this state, such as `refused`
        #[arg(long)]
        state: Option<String>,
    },
    /// One mail with its text
    Show {
        /// Its id
        id: String,
    },
    /// Let a held mail go out, or all that fit
    Approve(Decision),
    /// Never send a held mail, or all that fit
    Reject(Decision),
    /// Change subject and text of a mail that waits, in $VISUAL or $EDITOR; the changed one takes
    /// its place
    Edit(Edit),
    /// Give a mail that waits another time; the rules for time and frequency stay
    Reschedule {
        /// Its id (the first 6 characters are enough)
        id: String,
        /// When: 2026-03-02T09:00, there in the firm's zone; or a day, at its first working hour
        #[arg(long, value_name = "TIME", required_unless_present = "after")]
        at: Option<String>,
        /// How long from now: 2 hours, 3 days, 1 business day
        #[arg(
            long = "in",
            id = "after",
            value_name = "DURATION",
            conflicts_with = "at"
        )]
        after: Option<String>,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Say what became of a mail in doubt: it went out, or it did not and is sent
    Resolve {
        /// Its id (the first 6 characters are enough)
        id: String,
        /// What you found out
        #[arg(value_enum, value_name = "sent|not-sent")]
        was: Was,
        /// How you know, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Try at once what waits, again what failed, and with your yes what is in doubt
    Retry(Decide),
    /// Call off a mail that is not handed over yet, or all that fit
    Cancel(Decision),
}

/// `outbox edit`.
#[derive(Debug, Args)]
pub struct Edit {
    /// Its id (the first 6 characters are enough)
    pub id: String,
    /// Take subject and text from this file (- reads the input) in place of an editor
    #[arg(long)]
    pub file: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
    /// Why, for the audit
    #[arg(long)]
    pub why: Option<String>,
}

/// A decision on one mail, or on all that fit.
#[derive(Debug, Args)]
pub struct Decision {
    /// Its id (the first 6 characters are enough)
    #[arg(required_unless_present = "which", conflicts_with = "which")]
    pub id: Option<String>,
    /// Which ones
    #[command(flatten)]
    pub which: Which,
    /// Only say which ones fit
    #[arg(long, requires = "which", conflicts_with = "yes")]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, requires = "which")]
    pub yes: bool,
    /// Why, for the audit
    #[arg(long)]
    pub why: Option<String>,
}

/// What mails have in common; they must fit all that is given.
#[derive(Debug, Args)]
#[group(id = "which", multiple = true)]
pub struct Which {
    /// Those of this plugin
    #[arg(long)]
    pub plugin: Option<String>,
    /// Those that this rule asks for
    #[arg(long)]
    pub rule: Option<String>,
    /// Those because of this account (id, name, domain or address)
    #[arg(long)]
    pub account: Option<String>,
    /// Those decided longer ago: 2 hours, 3 days, 1 business day
    #[arg(long, value_name = "DURATION")]
    pub older_than: Option<String>,
    /// Those in this state, such as `held`
    #[arg(long)]
    pub state: Option<String>,
    /// All that are held
    #[arg(long)]
    pub all_held: bool,
}

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Was {
    /// It reached the server.
    Sent,
    /// It did not.
    NotSent,
}
