//! `addresses`.

use clap::Subcommand;

/// `addresses`.
#[derive(Debug, Subcommand)]
pub enum Addresses {
    /// Those to which no mail goes, and domains for which nothing leaves by itself
    List {
        /// All that a delivery report was about
        #[arg(long)]
        all: bool,
    },
    /// One of them: what the reports said, and who allowed it
    Show {
        /// An address, or @ and a domain
        #[arg(value_name = "ADDRESS|@DOMAIN")]
        address: String,
    },
    /// Let mail go there again
    Allow {
        /// An address, or @ and a domain
        #[arg(value_name = "ADDRESS|@DOMAIN")]
        address: String,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
}
