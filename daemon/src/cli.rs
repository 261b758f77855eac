//! The command line: what people type, where it is carried out, and how the answer looks.
//!
//! Commands talk to the running daemon; where none runs, those that need the store open it under
//! its lock and call the same functions. `inspect` needs neither daemon nor configuration.

mod access;
mod agenda;
mod args;
mod auth;
mod daemon;
pub mod display;
mod exchange;
mod files;
mod free;
pub mod inspect;
mod outbox;
mod plugin;
mod privacy;
mod records;
mod report;
mod schedule;
mod show;
mod why;
pub(crate) mod wording;
mod work;

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use base64::Engine as _;
use clap::Parser;
use liaison_core::crm::Kind;
use serde_json::{Value, json};

pub use args::Cli;
use args::{
    Accounts, Addresses, Command, Contacts, Decide, Holds, OfThread, Outbox, Plugin, RecordChange,
    Review, StoreCommand, Switch, Thread, Timers, Unsubscribe, Was,
};
use wording::Wording;

/// Something went wrong.
const FAILURE: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// The configuration has problems.
const CONFIGURATION: u8 = 3;
/// It worked, and somebody should look.
const ATTENTION: u8 = 4;
/// The daemon does not run.
const NOT_RUNNING: u8 = 5;
/// Largest file that a command reads.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A finished command: what to print, and the exit code.
#[derive(Debug)]
pub(crate) struct Done {
    text: String,
    code: u8,
}

impl Done {
    fn text(text: String) -> Done {
        Done { text, code: 0 }
    }

    fn json(value: &Value) -> Done {
        Done::text(format!("{value:#}\n"))
    }

    fn code(self, code: u8) -> Done {
        Done { code, ..self }
    }
}

/// Why a command failed, in words for people, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    code: u8,
    /// A word for programs.
    word: String,
}

impl Failure {
    fn new(code: u8, message: impl Into<String>) -> Failure {
        let word = match code {
            USAGE => "arguments",
            CONFIGURATION => "configuration",
            NOT_RUNNING => "not_running",
            _ => "failed",
        };
        Failure {
            message: message.into(),
            code,
            word: word.to_owned(),
        }
    }

    /// A failure with all its causes.
    fn of(code: u8, error: &(dyn std::error::Error + 'static)) -> Failure {
        Failure::new(code, crate::books::chain(error))
    }

    /// With a more precise word for programs.
    fn word(self, word: &str) -> Failure {
        Failure {
            word: word.to_owned(),
            ..self
        }
    }

    fn reworded(self, wording: &Wording) -> Failure {
        Failure {
            message: wording.sentence(&self.message),
            ..self
        }
    }

    /// What is told on the standard error stream.
    fn told(&self, as_json: bool) -> String {
        if as_json {
            let error = json!({
                "code": self.word,
                "message": self.message,
                "exit_code": self.code,
            });
            return format!("{:#}\n", json!({ "error": error }));
        }
        format!("liaison: {}", display::safe_lines(&self.message, ""))
    }
}

/// Reads the command line, carries it out, prints, and tells the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return unread(&error),
    };
    let as_json = cli.json;
    crate::tzdb::install();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(Box::pin(execute(cli))),
        Err(error) => Err(Failure::new(FAILURE, format!("no runtime: {error}"))),
    };
    match result {
        Ok(done) => match print(io::stdout().lock(), &done.text) {
            Ok(()) => done.code.into(),
            Err(_) => FAILURE.into(),
        },
        Err(failure) => fail(&failure, as_json),
    }
}

fn fail(failure: &Failure, as_json: bool) -> ExitCode {
    let told = print(io::stderr().lock(), &failure.told(as_json));
    told.map_or(FAILURE, |()| failure.code).into()
}

/// A command line that is none, or that asks for help or the version.
fn unread(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args_os().any(|word| word == "--json") {
        return fail(&Failure::new(USAGE, error.to_string()), true);
    }
    // Help and version are no errors and go to the output.
    let code = if error.use_stderr() { USAGE } else { 0 };
    quiet(error.print()).map_or(FAILURE, |()| code).into()
}

fn print(mut out: impl Write, text: &str) -> io::Result<()> {
    quiet(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// A reader that has seen enough (`| head`) is no trouble.
fn quiet(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// A word for a POSIX shell, quoted where it must be.
#[must_use]
pub fn shell_word(word: &std::ffi::OsStr) -> String {
    let text = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

async fn execute(cli: Cli) -> Result<Done, Failure> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => daemon::demo(args.dir.as_deref(), args.stay).await,
        Command::Run => daemon::run(config).await,
        Command::Check { online } => daemon::check(config, online, cli.json).await,
        Command::Inspect(args) => inspect::run(&args, cli.json),
        Command::Plugin(
            command @ (Plugin::List
            | Plugin::Inspect { .. }
            | Plugin::Test { .. }
            | Plugin::Accept { .. }),
        ) => plugin::run(config, command, cli.json).await,
        Command::Restore { dir } => files::restore(config, &dir, cli.json).await,
        Command::Store(StoreCommand::Rebuild {
            accept_loss,
            indexes: false,
        }) => files::rebuild(config, accept_loss, cli.json).await,
        Command::Import { file } => files::import(config, &file, cli.json).await,
        Command::Migrate { file, .. } => files::migrate(config, file.as_deref(), cli.json).await,
        Command::Auth(command) => auth::run(config, command, cli.json).await,
        Command::Privacy(command) => privacy::run(config, command, cli.json).await,
        Command::Contacts(Contacts::Suggest(wish)) => {
            exchange::suggest(config, &wish, cli.json).await
        }
        ref command if let Some((kind, RecordChange::Import(file))) = records::file_of(command) => {
            exchange::import(config, kind, file, cli.json).await
        }
        ref command if let Some((kind, RecordChange::Export(file))) = records::file_of(command) => {
            exchange::export(config, kind, file, cli.json).await
        }
        Command::Outbox(Outbox::Edit(edit)) => outbox::edit(config, &edit, cli.json).await,
        Command::Outbox(ref command) if let Some((way, wish)) = outbox::many_of(command) => {
            outbox::many(config, way, wish, cli.json).await
        }
        command if let Some(kind) = records::asks_fields(&command) => {
            Ok(records::fields(kind, cli.json))
        }
        Command::Report(args) => report::run(config, *args, cli.json).await,
        command => {
            let asked = asked(command)?;
            let (answer, wording) =
                access::ask(config, asked.command, asked.arguments.clone()).await?;
            let wording = Some(&wording).filter(|_| !cli.json);
            Ok(finish(&asked, &answer, wording))
        }
    }
}

/// A command of the API with its arguments.
struct Asked {
    command: &'static str,
    arguments: Value,
}

fn asks(command: &'static str, arguments: Value) -> Result<Asked, Failure> {
    Ok(Asked { command, arguments })
}

fn asked(command: Command) -> Result<Asked, Failure> {
    let command = match records::of(command) {
        Ok((kind, command)) => return records::asked(kind, command),
        Err(command) => command,
    };
    match command {
        Command::Status => asks("status", json!({})),
        Command::Metrics => asks("metrics", json!({})),
        Command::Reload => asks("reload", json!({})),
        Command::Verify => asks("verify", json!({})),
        Command::Store(StoreCommand::Compact) => asks("store-compact", json!({})),
        Command::Store(StoreCommand::Rebuild { .. }) => asks("store-indexes", json!({})),
        Command::Store(_) => asks("store-stats", json!({})),
        Command::Export { target } => {
            let target =
                std::path::absolute(&target).map_err(|error| Failure::of(FAILURE, &error))?;
            asks("export", json!({ "target": target }))
        }
        Command::Backup { dir } => {
            let folder = std::path::absolute(&dir).map_err(|error| Failure::of(FAILURE, &error))?;
            asks("backup", json!({ "folder": folder }))
        }
        Command::Panic { switch, why } => {
            let on = switch == Switch::On;
            asks("panic", json!({ "on": on, "why": why }))
        }
        Command::Backfill {
            mailbox: Some(mailbox),
            since: Some(since),
            ..
        } => asks(
            "backfill-start",
            json!({ "mailbox": mailbox, "since": since }),
        ),
        Command::Backfill {
            mailbox: Some(mailbox),
            ..
        } => asks("backfill-cancel", json!({ "mailbox": mailbox })),
        Command::Backfill { .. } => asks("backfill-list", json!({})),
        Command::Match { target } => asks("match", match_arguments(&target)?),
        Command::Why { id } => asks("why", json!({ "id": id })),
        Command::Free {
            users,
            from,
            to,
            length,
            with,
            count,
        } => asks(
            "free",
            json!({
                "users": users, "from": from, "to": to, "length": length, "with": with,
                "count": count,
            }),
        ),
        Command::Agenda { user, week, from } => asks(
            "agenda",
            json!({ "user": user, "from": from, "days": if week { 7 } else { 1 } }),
        ),
        Command::ExplainSchedule { id } => asks("explain-schedule", json!({ "id": id })),
        Command::Accounts(command) => accounts(command),
        Command::Review(command) => review(command),
        Command::Thread(command) => thread(command),
        Command::Addresses(command) => addresses(command),
        Command::Unsubscribe(command) => unsubscribe(command),
        Command::Cases { kind, action } => work::cases(&kind, action),
        Command::Tasks(command) => work::tasks(command),
        Command::Proposals(command) => records::proposals_of(command),
        Command::Timeline { account } => asks("timeline", json!({ "id": account })),
        Command::Outbox(command) => match command {
            Outbox::List { state } => asks("outbox-list", json!({ "state": state })),
            Outbox::Changes { state } => asks("outbox-changes", json!({ "state": state })),
            Outbox::Show { id } => asks("outbox-show", json!({ "id": id })),
            Outbox::Approve(on) => asks("outbox-approve", outbox::one(&on)),
            Outbox::Reject(on) => asks("outbox-reject", outbox::one(&on)),
            Outbox::Resolve { id, was, why } => {
                let sent = was == Was::Sent;
                asks(
                    "outbox-resolve",
                    json!({ "id": id, "sent": sent, "why": why }),
                )
            }
            Outbox::Reschedule { id, at, after, why } => asks(
                "outbox-reschedule",
                json!({ "id": id, "at": at, "in": after, "why": why }),
            ),
            Outbox::Retry(on) => asks("outbox-retry", decision(&on)),
            Outbox::Cancel(on) => asks("outbox-cancel", outbox::one(&on)),
            Outbox::Edit(_) => Err(Failure::new(USAGE, "this is no one command of the API")),
        },
        Command::Holds(command) => match command {
            Holds::List { state } => asks("holds-list", json!({ "state": state })),
            Holds::Show { id } => asks("holds-show", json!({ "id": id })),
            Holds::Confirm(on) => asks("holds-confirm", decision(&on)),
            Holds::Extend {
                id,
                until,
                hours,
                alternatives,
                why,
            } => asks(
                "holds-extend",
                json!({ "id": id, "until": until, "hours": hours,
                    "alternatives": alternatives, "why": why }),
            ),
            Holds::Release {
                id,
                alternatives,
                why,
            } => asks(
                "holds-release",
                json!({ "id": id, "alternatives": alternatives, "why": why }),
            ),
        },
        Command::Timers(Timers::List) => asks("timers-list", json!({})),
        Command::Plugin(Plugin::Parked) => asks("plugin-parked", json!({})),
        Command::Plugin(Plugin::Unpark { id, why }) => {
            asks("plugin-unpark", json!({ "id": id, "why": why }))
        }
        Command::Plugin(Plugin::Resume { plugin, why }) => {
            asks("plugin-resume", json!({ "name": plugin, "why": why }))
        }
        other => Err(Failure::new(
            USAGE,
            format!("{other:?} is no command of the API"),
        )),
    }
}

fn decision(on: &Decide) -> Value {
    json!({ "id": on.id, "why": on.why })
}

fn review(command: Review) -> Result<Asked, Failure> {
    let say =
        |command, decide: Decide| asks(command, json!({ "id": decide.id, "why": decide.why }));
    match command {
        Review::List { all } => asks("review-list", json!({ "all": all })),
        Review::Show { id } => asks("review-show", json!({ "id": id })),
        Review::Resolve {
            id,
            account,
            domain,
            why,
        } => asks(
            "review-resolve",
            json!({ "id": id, "account": account, "domain": domain, "why": why }),
        ),
        Review::Dismiss(decide) => say("review-dismiss", decide),
        Review::Reopen(decide) => say("review-reopen", decide),
        Review::Rules => asks("review-rules", json!({})),
    }
}

fn thread(command: Thread) -> Result<Asked, Failure> {
    let say = |command, of: OfThread| asks(command, json!({ "id": of.id, "why": of.why }));
    match command {
        Thread::Close(of) => say("thread-close", of),
        Thread::Reopen(of) => say("thread-reopen", of),
    }
}

fn addresses(command: Addresses) -> Result<Asked, Failure> {
    match command {
        Addresses::List { all } => asks("addresses-list", json!({ "all": all })),
        Addresses::Show { address } => asks("addresses-show", json!({ "address": address })),
        Addresses::Allow { address, why } => {
            asks("addresses-allow", json!({ "address": address, "why": why }))
        }
    }
}

fn unsubscribe(command: Unsubscribe) -> Result<Asked, Failure> {
    match command {
        Unsubscribe::Take { token } => asks("unsubscribe-take", json!({ "token": token })),
        Unsubscribe::List { all } => asks("unsubscribe-list", json!({ "all": all })),
        Unsubscribe::Allow { address, why } => asks(
            "unsubscribe-allow",
            json!({ "address": address, "why": why }),
        ),
    }
}

fn accounts(command: Accounts) -> Result<Asked, Failure> {
    match command {
        Accounts::List(filter)
            if filter.filters.is_empty() && filter.fields.is_empty() && filter.sort.is_none() =>
        {
            asks("accounts-list", json!({}))
        }
        Accounts::List(filter) => records::list_of(Kind::Account, filter),
        Accounts::Change(change) => records::change(Kind::Account, change),
        Accounts::Show { account } => asks("accounts-show", json!({ "id": account })),
        Accounts::Add(add) => asks(
            "accounts-add",
            json!({
                "name": add.name,
                "external_id": add.external_id,
                "domains": add.domains,
                "only_these_domains": add.only_these_domains,
                "lifecycle": add.lifecycle,
                "owner": add.owner,
                "do_not_contact": add.do_not_contact,
                "contact_email": add.contact_email,
                "contact_name": add.contact_name,
                "contact_role": add.contact_role,
            }),
        ),
    }
}

/// An address, unless it names a file.
fn match_arguments(target: &str) -> Result<Value, Failure> {
    let path = Path::new(target);
    if target == "-" || path.is_file() || target.to_lowercase().ends_with(".eml") {
        let message = base64::engine::general_purpose::STANDARD.encode(read_file(path)?);
        return Ok(json!({ "message": message }));
    }
    Ok(json!({ "address": target }))
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let failed = |error: io::Error| {
        Failure::new(
            FAILURE,
            format!("{} cannot be read: {error}", path.display()),
        )
    };
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin()
            .lock()
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)
    };
    let read = read.map_err(failed)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
        let message = format!("{} has more than {FILE_BYTES_MAX} bytes", path.display());
        return Err(Failure::new(FAILURE, message));
    }
    Ok(bytes)
}

/// The answer as text in these words, or as JSON without any.
fn finish(asked: &Asked, answer: &Value, wording: Option<&Wording>) -> Done {
    let done = match wording {
        None => Done::json(answer),
        Some(wording) => Done::text(show::answer(asked.command, &wording.of(answer), wording)),
    };
    done.code(code_of(asked.command, answer))
}

/// [`ATTENTION`] where it worked and somebody should look.
fn code_of(command: &str, answer: &Value) -> u8 {
    let look = match command {
        "status" => !display::items(answer, "/needs_person").is_empty(),
        "verify" => answer.get("clean") != Some(&json!(true)),
        "store-indexes" => !display::items(answer, "/unreadable").is_empty(),
        _ => false,
    };
    if look { ATTENTION } else { 0 }
}

#[cfg(test)]
mod tests;
