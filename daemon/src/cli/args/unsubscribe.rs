//! `unsubscribe`.

use clap::Subcommand;

/// `unsubscribe`.
#[derive(Debug, Subcommand)]
pub enum Unsubscribe {
    /// Heed a token that came with a POST to `firm.unsubscribe_url`
    Take {
        /// The token, as it stands in the address
        token: String,
    },
    /// Who asked not to get further mail
    List {
        /// Those whom mail may reach again, too
        #[arg(long)]
        all: bool,
    },
    /// Let mail go to somebody again who asked not to get it
    Allow {
        /// The address
        address: String,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
}
