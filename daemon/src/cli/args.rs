//! What people type.

mod addresses;
mod outbox;
mod unsubscribe;
mod work;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use addresses::Addresses;
pub use outbox::{Decision, Edit, Outbox, Was};
pub use unsubscribe::Unsubscribe;
pub use work::{Added, Cases, Set, Tasks};

/// Watches inboxes and calendars, knows whose mail it is, and prepares what is to be done.
#[derive(Debug, Parser)]
#[command(name = "liaison", version, max_term_width = 100)]
pub struct Cli {
    /// Configuration file (else $LIAISON_CONFIG, else /etc/liaison/liaison.toml)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Everything in one go: a sample firm, messages that arrive, what comes of them and why
    Demo(Demo),
    /// Run the daemon in the foreground
    Run,
    /// Find every problem of configuration, plugins and grants
    Check {
        /// Log in everywhere, too
        #[arg(long)]
        online: bool,
    },
    /// How fresh, what waits, what needs a person
    Status,
    /// The figures of `status` for a monitoring system (Prometheus text format)
    Metrics,
    /// Have the running daemon read its configuration and plugins again
    Reload,
    /// Show old messages to the plugins, which only rehearse; without MAILBOX: how far that is
    Backfill {
        /// Name of the mailbox in the configuration
        #[arg(requires = "what")]
        mailbox: Option<String>,
        /// Messages received since that day (2026-01-31)
        #[arg(long, value_name = "DATE", group = "what", requires = "mailbox")]
        since: Option<String>,
        /// End the one that goes on
        #[arg(long, group = "what", requires = "mailbox")]
        cancel: bool,
    },
    /// Stop everything outgoing now, or let it go again
    Panic {
        /// On or off
        #[arg(value_enum)]
        switch: Switch,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Whom an address or a message belongs to, with the evidence
    Match {
        /// Address, also as `Name <address>`, or file with a message (- reads one from the input)
        #[arg(value_name = "ADDRESS|FILE.eml")]
        target: String,
    },
    /// What the program sees in a message or calendar file
    Inspect(Inspect),
    /// The whole chain of reasons, also for "nothing happened"
    Why {
        /// Message-ID, UID of a hold, or id of anything (its first 6 characters are enough)
        #[arg(value_name = "MESSAGE-ID|EFFECT|HOLD|...")]
        id: String,
    },
    /// Why a mail leaves when it does: hours, holidays, the recipient's zone, caps, holds
    ExplainSchedule {
        /// Id of the mail (its first 6 characters are enough)
        #[arg(value_name = "EFFECT")]
        id: String,
    },
    /// When our people have time together
    Free {
        /// Addresses or names of our people
        #[arg(value_name = "USER", required = true)]
        users: Vec<String>,
        /// Not before this time or day; now, if left out
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Not after this time or day; two weeks later, if left out
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
        /// Length of the meeting in minutes
        #[arg(long, value_name = "MINUTES", default_value_t = 30)]
        length: u32,
        /// Address of an invitee, whose day counts, too
        #[arg(long, value_name = "ADDRESS")]
        with: Option<String>,
        /// So many slots, spread over the days
        #[arg(long, value_name = "N", default_value_t = 10)]
        count: usize,
    },
    /// What our people do today: meetings, holds, and what of it conflicts
    Agenda {
        /// Address or name of one of our people; all of them, if left out
        #[arg(value_name = "USER")]
        user: Option<String>,
        /// Seven days
        #[arg(long)]
        week: bool,
        /// The first day; today, if left out
        #[arg(long, value_name = "DAY")]
        from: Option<String>,
    },
    /// The customer accounts
    #[command(subcommand)]
    Accounts(Accounts),
    /// People at the accounts
    #[command(subcommand)]
    Contacts(Contacts),
    /// Parts of accounts: units, departments, divisions
    #[command(subcommand)]
    Units(Records),
    /// What we could sell
    #[command(subcommand)]
    Products(Records),
    /// What a unit has of a product
    #[command(subcommand)]
    Footprints(Records),
    /// When a contact was shown a product
    #[command(subcommand)]
    Exposures(Records),
    /// Sales that may come
    #[command(subcommand)]
    Opportunities(Records),
    /// Terms, NDAs and other contracts
    #[command(subcommand)]
    Agreements(Records),
    /// Work that was sold
    #[command(subcommand)]
    Projects(Records),
    /// Days of our people
    #[command(subcommand)]
    Bookings(Records),
    /// Calls, meetings, mails, notes
    #[command(subcommand)]
    Activities(Records),
    /// What was charged, and what it cost us
    #[command(subcommand)]
    Invoices(Records),
    /// What somebody is to sell in a quarter
    #[command(subcommand)]
    Quotas(Records),
    /// Referrals and testimonials, asked for and given
    #[command(subcommand)]
    References(Records),
    /// What was foretold, and when
    #[command(subcommand)]
    Forecasts(Records),
    /// Values from imports and plugins that wait for a person's yes
    #[command(subcommand)]
    Proposals(Proposals),
    /// Senders who may belong to several accounts
    #[command(subcommand)]
    Review(Review),
    /// Conversations into which nothing more is to be written
    #[command(subcommand)]
    Thread(Thread),
    /// Where mail does not arrive, as delivery reports tell
    #[command(subcommand)]
    Addresses(Addresses),
    /// Who asked not to get further mail
    #[command(subcommand)]
    Unsubscribe(Unsubscribe),
    /// The records that plugins keep
    Cases {
        /// Kind of case, such as `lead`; `all` for every kind
        kind: String,
        /// What to do
        #[command(subcommand)]
        action: Cases,
    },
    /// Work laid before people
    #[command(subcommand)]
    Tasks(Tasks),
    /// What happened with an account, newest last
    Timeline {
        /// Id, name, domain or address
        account: String,
    },
    /// Ask a question about the records; without a name, all questions that can be asked
    Report(Box<ReportArgs>),
    /// The mails, by state
    #[command(subcommand)]
    Outbox(Outbox),
    /// The holds in the calendars
    #[command(subcommand)]
    Holds(Holds),
    /// When plugins will look again
    #[command(subcommand)]
    Timers(Timers),
    /// Plugins: what is there, what they may do, their tests
    #[command(subcommand)]
    Plugin(Plugin),
    /// Write a backup into an empty folder; the daemon goes on meanwhile
    Backup {
        /// The folder
        dir: PathBuf,
    },
    /// Make the state from a backup; the daemon must not run, and there must be no state
    Restore {
        /// The folder of the backup
        dir: PathBuf,
    },
    /// Write all rows into a file of JSON lines; the daemon goes on meanwhile
    Export {
        /// A file that does not exist, or a folder
        #[arg(value_name = "FILE|DIR")]
        target: PathBuf,
    },
    /// Make the store of the rows in an exported file; the daemon must not run, and there must be
    /// no store
    Import {
        /// The file
        file: PathBuf,
    },
    /// What this release would change in the records; changes nothing
    Migrate {
        /// Only look (nothing else is there to do: a start does it by itself)
        #[arg(long, required = true)]
        check: bool,
        /// An exported file (else the store, while no daemon runs)
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Look everything over: rows, indexes, journal, exports, content
    Verify,
    /// The files of the store
    #[command(subcommand)]
    Store(StoreCommand),
    /// What is kept of one person: show it, or erase it
    #[command(subcommand)]
    Privacy(Privacy),
    /// Logins by OAuth2: have a person agree, see how they stand, forget them
    #[command(subcommand)]
    Auth(Auth),
}

/// `auth`.
#[derive(Debug, Subcommand)]
pub enum Auth {
    /// Have a person agree, for the first time or again
    Login {
        /// Name of the [[oauth]]
        name: String,
        /// By a code that is typed at any machine
        #[arg(long, conflicts_with = "browser")]
        device: bool,
        /// By a browser on this machine
        #[arg(long)]
        browser: bool,
    },
    /// How they stand
    Status,
    /// Forget a login: the stored token is removed
    Forget {
        /// Name of the [[oauth]]
        name: String,
    },
}

/// `privacy`.
#[derive(Debug, Subcommand)]
pub enum Privacy {
    /// Everything that is kept of a person, as JSON
    Export {
        /// Their address
        address: String,
        /// A file (`.json`), or an empty folder that gets the messages as .eml files, too
        #[arg(long, value_name = "FILE.json|DIR")]
        out: Option<PathBuf>,
    },
    /// Remove everything that is kept of a person
    Erase {
        /// Their address
        address: String,
        /// Do it; without this it is only said what would go
        #[arg(long, conflicts_with = "dry_run")]
        yes: bool,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
    },
    /// The erasures that were asked for; they name nobody
    Erasures,
}

/// `store`.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// How large everything is
    Stats,
    /// Write the rows into new files; the daemon goes on meanwhile
    Compact,
    /// Make the rows anew from the newest export and the journal; the daemon must not run
    Rebuild {
        /// Go on without commits that are in no file any more
        #[arg(long)]
        accept_loss: bool,
        /// Only the indexes, from the records; the daemon may run
        #[arg(long, conflicts_with = "accept_loss")]
        indexes: bool,
    },
}

/// `demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder for its files (made when missing)
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Keep running afterwards
    #[arg(long)]
    pub stay: bool,
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Switch {
    /// Nothing goes out.
    On,
    /// It goes out again.
    Off,
}

/// `inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The file (- reads the input)
    #[arg(value_name = "FILE.eml|FILE.ics")]
    pub file: PathBuf,
    /// First instant of the window, such as 2026-03-02 or 2026-03-02T09:00:00Z
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// End of the window; a year after --from when left out
    #[arg(long, value_name = "T", requires = "from")]
    pub to: Option<String>,
    /// Zone of times without one, and of days
    #[arg(long, value_name = "IANA", default_value = "UTC")]
    pub zone: String,
}

/// Which records, and how they are shown.
#[derive(Debug, Args)]
pub struct Filter {
    /// FIELD=VALUE, FIELD!=VALUE, FIELD~PART, FIELD>VALUE ...; FIELD= for those without one
    #[arg(value_name = "CONDITION")]
    pub filters: Vec<String>,
    /// The fields that are shown, with commas between them
    #[arg(long, value_name = "FIELD,...", value_delimiter = ',')]
    pub fields: Vec<String>,
    /// The field by which they are sorted (else by name)
    #[arg(long, value_name = "FIELD")]
    pub sort: Option<String>,
}

/// What is done with core records of one kind.
#[derive(Debug, Subcommand)]
pub enum Records {
    /// All of them, or those that fit conditions
    List(Filter),
    /// One of them, with what links to it and its history
    Show {
        /// Id, external id or name; for people also their address
        which: String,
    },
    /// Record one
    Add {
        /// Fields and their values (`fields` tells which there are)
        #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field_and_value)]
        values: Vec<(String, String)>,
        /// Why, for the history
        #[arg(long)]
        why: Option<String>,
    },
    #[command(flatten)]
    Change(RecordChange),
}

/// Changes that records of all kinds know.
#[derive(Debug, Subcommand)]
pub enum RecordChange {
    /// Change fields of one
    Set {
        /// Id, external id or name; for people also their address
        which: String,
        /// Fields and their new values; nothing after = takes the value away
        #[arg(value_name = "FIELD=VALUE", required = true, value_parser = field_and_value)]
        values: Vec<(String, String)>,
        /// Only if it still has this revision
        #[arg(long)]
        revision: Option<u64>,
        /// Also where a state does not usually follow the other
        #[arg(long)]
        force: bool,
        /// Why, for the history
        #[arg(long)]
        why: Option<String>,
    },
    /// Link one to another record
    Link(Link),
    /// Take a link away
    Unlink(Link),
    /// Have one record take the place of another that is the same
    Merge {
        /// The record that goes (with --undo: the one that went)
        from: String,
        /// The record that takes its place
        #[arg(required_unless_present = "undo")]
        into: Option<String>,
        /// Take an earlier merge back
        #[arg(long, conflicts_with = "into")]
        undo: bool,
        /// Why, for the history
        #[arg(long)]
        why: Option<String>,
    },
    /// What happened to one, oldest first
    History {
        /// Id, external id or name; for people also their address
        which: String,
    },
    /// Which fields there are, and what they may hold
    Fields,
    /// Take them from a file of CSV (people: or vCards), and their accounts with them
    Import(ImportFile),
    /// Write all of them into a file
    Export(ExportFile),
}

/// `contacts`.
#[derive(Debug, Subcommand)]
pub enum Contacts {
    #[command(flatten)]
    Records(Records),
    /// People of the recorded mail who are no contacts yet
    Suggest(Suggest),
}

/// `... import`.
#[derive(Debug, Args)]
pub struct ImportFile {
    /// The file (- reads the input)
    pub file: PathBuf,
    /// The program that wrote it: act, dynamics, goldmine, hubspot or salesforce
    #[arg(long, value_name = "PROGRAM", conflicts_with = "mapping")]
    pub preset: Option<String>,
    /// Which column is which field (TOML, like those in config/import)
    #[arg(long, value_name = "FILE.toml")]
    pub mapping: Option<PathBuf>,
    /// How dates are written, such as DD/MM/YYYY (repeatable; else as the preset or mapping says)
    #[arg(long, value_name = "FORMAT")]
    pub dates: Vec<String>,
    /// Say what would happen, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Take rows also without their links to records that are not there yet
    #[arg(long)]
    pub links_later: bool,
    /// Write the lines that are not taken into this file
    #[arg(long, value_name = "FILE.csv")]
    pub rejects: Option<PathBuf>,
}

/// `... export`.
#[derive(Debug, Args)]
pub struct ExportFile {
    /// The file (else the output)
    pub file: Option<PathBuf>,
    /// How it is written; else as the name of the file says, else CSV
    #[arg(long, value_enum)]
    pub format: Option<Format>,
}

/// How records are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line for each record; imports again
    Csv,
    /// A line of JSON for each record
    Json,
    /// vCard 4, people only; imports again
    Vcard,
    /// vCard 3, people only, for older programs; imports again
    Vcard3,
}

/// `contacts suggest`.
#[derive(Debug, Args)]
pub struct Suggest {
    /// Only mail of this mailbox
    #[arg(long)]
    pub mailbox: Option<String>,
    /// Only mail from this day on, such as 2026-01-31 (else of the last 365 days)
    #[arg(long, value_name = "DAY")]
    pub since: Option<String>,
    /// Record this one of them (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with = "accept_all")]
    pub accept: Vec<String>,
    /// Record all of them whose account is known
    #[arg(long)]
    pub accept_all: bool,
}

/// A link between two records.
#[derive(Debug, Args)]
pub struct Link {
    /// Id, external id or name; for people also their address
    pub which: String,
    /// Kind of the other record, or the field that names it
    #[arg(value_name = "KIND|FIELD")]
    pub to: String,
    /// The other record
    pub other: String,
    /// Why, for the history
    #[arg(long)]
    pub why: Option<String>,
}

fn field_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, value)) if !field.trim().is_empty() => {
            Ok((field.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write FIELD=VALUE".to_owned()),
    }
}

/// `proposals`.
#[derive(Debug, Subcommand)]
pub enum Proposals {
    /// What waits
    List,
    /// Take the value
    Accept(Decide),
    /// Leave the field as it is; the same is not proposed again
    Reject(Decide),
}

/// `accounts`.
#[derive(Debug, Subcommand)]
pub enum Accounts {
    /// All of them, or those that fit conditions
    List(Filter),
    /// One of them, with its contacts
    Show {
        /// Id, name, domain or address
        account: String,
    },
    /// Record an account, or change one
    Add(Box<AddAccount>),
    #[command(flatten)]
    Change(RecordChange),
}

/// `review`.
#[derive(Debug, Subcommand)]
pub enum Review {
    /// What is to be decided, the newest first and the stale at the end
    List {
        /// What was decided, too
        #[arg(long)]
        all: bool,
    },
    /// One of them with its messages
    Show {
        /// Its id (the first 6 characters are enough)
        id: String,
    },
    /// Say whose it is, from now on
    Resolve {
        /// Its id (the first 6 characters are enough)
        id: String,
        /// Id, name, domain or address
        account: String,
        /// The whole domain is theirs, not only the address
        #[arg(long)]
        domain: bool,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Say that it need not be decided
    Dismiss(Decide),
    /// Take either back
    Reopen(Decide),
    /// What the answers taught: whose mail from an address or domain is, since when and by whom
    Rules,
}

/// `thread`.
#[derive(Debug, Subcommand)]
pub enum Thread {
    /// Nothing more is written into it, and what waits is called off, until they write again
    Close(OfThread),
    /// Mail may go into it again
    Reopen(OfThread),
}

/// Which conversation, and why.
#[derive(Debug, Args)]
pub struct OfThread {
    /// Its id, or a Message-ID or any id of what belongs to it
    pub id: String,
    /// Why, for the audit
    #[arg(long)]
    pub why: Option<String>,
}

/// `accounts add`.
#[derive(Debug, Args)]
pub struct AddAccount {
    /// Name of the company
    pub name: String,
    /// Id in the system it comes from
    #[arg(long, value_name = "ID")]
    pub external_id: Option<String>,
    /// Domain whose mail belongs to it (repeatable)
    #[arg(long = "domain", value_name = "DOMAIN")]
    pub domains: Vec<String>,
    /// Forget the domains recorded before
    #[arg(long)]
    pub only_these_domains: bool,
    /// prospect, active, past or lost
    #[arg(long)]
    pub lifecycle: Option<String>,
    /// Address of our person
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<String>,
    /// No automatic mail to anybody there
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    pub do_not_contact: Option<bool>,
    /// Address of a person there
    #[arg(long, value_name = "ADDRESS")]
    pub contact_email: Option<String>,
    /// Name of that person
    #[arg(long, requires = "contact_email")]
    pub contact_name: Option<String>,
    /// Role of that person
    #[arg(long, requires = "contact_email")]
    pub contact_role: Option<String>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Name of the report, such as `pipeline`
    pub name: Option<String>,
    /// Only this account (id, name, domain or address)
    #[arg(long)]
    pub account: Option<String>,
    /// Only what this one of us looks after
    #[arg(long, value_name = "ADDRESS")]
    pub person: Option<String>,
    /// For so many days
    #[arg(long, value_name = "N")]
    pub days: Option<u32>,
    /// A quarter, such as 2026-Q1
    #[arg(long, value_name = "QUARTER")]
    pub period: Option<String>,
    /// A product (id or name)
    #[arg(long)]
    pub product: Option<String>,
    /// An opportunity (id or name)
    #[arg(long, value_name = "OPPORTUNITY")]
    pub deal: Option<String>,
    /// A contact (id, name or address)
    #[arg(long)]
    pub contact: Option<String>,
    /// An amount in the account's currency
    #[arg(long)]
    pub amount: Option<String>,
    /// As CSV
    #[arg(long)]
    pub csv: bool,
}

impl ReportArgs {
    /// Whether anything beside the name was given.
    pub(super) fn is_asking(&self) -> bool {
        let texts = [
            &self.account,
            &self.person,
            &self.period,
            &self.product,
            &self.deal,
            &self.contact,
            &self.amount,
        ];
        self.csv || self.days.is_some() || texts.iter().any(|text| text.is_some())
    }
}

/// A decision on one thing.
#[derive(Debug, Args)]
pub struct Decide {
    /// Its id (the first 6 characters are enough)
    pub id: String,
    /// Why, for the audit
    #[arg(long)]
    pub why: Option<String>,
}

/// `holds`.
#[derive(Debug, Subcommand)]
pub enum Holds {
    /// The open ones first
    List {
        /// Only those in this state, such as `placed`
        #[arg(long)]
        state: Option<String>,
    },
    /// One hold with its alternatives
    Show {
        /// Its id or UID
        id: String,
    },
    /// Choose a hold: it becomes a meeting, and its alternatives leave the calendars
    Confirm(Decide),
    /// Keep a hold for longer
    Extend {
        /// Its id (the first 6 characters are enough)
        id: String,
        /// Until when: 2026-03-02T09:00, there in the firm's zone
        #[arg(long, value_name = "TIME", required_unless_present = "hours")]
        until: Option<String>,
        /// How many hours longer than it stands now
        #[arg(long, value_name = "HOURS", conflicts_with = "until")]
        hours: Option<u32>,
        /// Its open alternatives too
        #[arg(long)]
        alternatives: bool,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Take a hold out of the calendar
    Release {
        /// Its id (the first 6 characters are enough)
        id: String,
        /// Its open alternatives too: the whole group
        #[arg(long)]
        alternatives: bool,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
}

/// `timers`.
#[derive(Debug, Subcommand)]
pub enum Timers {
    /// All of them, by time
    List,
}

/// `plugin`.
#[derive(Debug, Subcommand)]
pub enum Plugin {
    /// Those of the configuration, with their grants
    List,
    /// What one asks for and what it is made of
    Inspect {
        /// Its name in the configuration, or its folder
        plugin: String,
    },
    /// Run its cases in the real sandbox
    Test {
        /// Its name in the configuration, or its folder
        plugin: String,
        /// A case file or a folder of them (else tests/cases, or cases, in its folder)
        #[arg(long, value_name = "FILE|DIR")]
        cases: Option<PathBuf>,
    },
    /// Events that were set aside, with the reason
    Parked,
    /// Have events that were set aside tried again
    Unpark {
        /// A plugin, for all of its events, or one event (Message-ID or as `parked` lists it)
        #[arg(value_name = "PLUGIN|EVENT")]
        id: String,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Lift a suspension: the plugin is asked about new events again
    Resume {
        /// Its name
        plugin: String,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
    /// Give the plugin's grants to the component that lies there now
    Accept {
        /// Its name in the configuration
        plugin: String,
        /// Why, for the audit
        #[arg(long)]
        why: Option<String>,
    },
}
