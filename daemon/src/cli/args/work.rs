//! Cases and tasks.

use clap::{Args, Subcommand};

use super::{Filter, field_and_value};

/// `cases KIND`.
#[derive(Debug, Subcommand)]
pub enum Cases {
    /// All of them, or those that fit conditions
    List(Filter),
    /// One of them, with what waits for a yes and its history
    Show {
        /// Its id (the first 6 characters are enough)
        id: String,
    },
    /// Record one
    Add(Added),
    /// Change fields of one
    Set(Set),
    /// What happened to one, oldest first
    History {
        /// Its id
        id: String,
    },
    /// Which fields there are, and what they may hold
    Fields,
}

/// `tasks`.
#[derive(Debug, Subcommand)]
pub enum Tasks {
    /// What is open, or what fits conditions
    List {
        /// What is done or declined, too
        #[arg(long)]
        all: bool,
        /// Which, and how they are shown
        #[command(flatten)]
        filter: Filter,
    },
    /// One of them, with its history
    Show {
        /// Its id (the first 6 characters are enough)
        id: String,
    },
    /// Record one
    Add(Added),
    /// Change fields of one
    Set(Set),
    /// Mark one as done
    Done {
        /// Its id
        id: String,
        /// It is open after all
        #[arg(long)]
        reopen: bool,
    },
    /// What happened to one, oldest first
    History {
        /// Its id
        id: String,
    },
    /// Which fields there are, and what they may hold
    Fields,
}

/// A new one.
#[derive(Debug, Args)]
pub struct Added {
    /// Fields and their values (`fields` tells which there are)
    #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field_and_value)]
    pub values: Vec<(String, String)>,
    /// Why, for the history
    #[arg(long)]
    pub why: Option<String>,
}

/// A change of one.
#[derive(Debug, Args)]
pub struct Set {
    /// Its id (the first 6 characters are enough)
    pub id: String,
    /// Fields and their new values; nothing after = takes the value away
    #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field_and_value)]
    pub values: Vec<(String, String)>,
    /// Only if it still has this revision
    #[arg(long)]
    pub revision: Option<u64>,
    /// Also where a state does not usually follow the other
    #[arg(long)]
    pub force: bool,
    /// Why, for the history
    #[arg(long)]
    pub why: Option<String>,
}
