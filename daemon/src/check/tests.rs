use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::online::{Edges, check_online};
use super::*;
use crate::config::{Calendar, CalendarKind, Mailbox, MailboxKind, Transport};
use crate::sink::maildir::{MaildirFolders, MaildirTransport};
use crate::sink::vdir::VdirCalendar;
use crate::sink::{CalendarStore, MailTransport, OutgoingMail, OwnFolders, PhaseLog, SendOutcome};

const FIRM: &str = r#"
state_dir = "state"
[firm]
name = "Example Consulting"
zone = "Europe/Berlin"
domains = ["example.com"]
[[user]]
name = "Alice Example"
address = "alice@example.com"
"#;

/// A folder with a configuration, and what it names.
struct Home(TempDir);

impl Home {
    fn with(sections: &str) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        fs::write(home.file(), format!("{FIRM}{sections}")).unwrap();
        fs::create_dir(home.path("state")).unwrap();
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self) -> PathBuf {
        self.path("liaison.toml")
    }

    fn maildir(&self, name: &str) {
        for part in ["new", "cur", "tmp", ".Sent/cur", ".Drafts/cur"] {
            fs::create_dir_all(self.path(name).join(part)).unwrap();
        }
    }

    fn check(&self) -> (Report, Option<Config>) {
        check(&self.file(), None)
    }
}

fn text(report: &Report) -> String {
    let mut out = Vec::new();
    report.write_text(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_configuration_that_cannot_be_used_ends_with_3() {
    let home = Home::with("[[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\npath = \"mail\"\n");
    let (report, config) = home.check();
    assert!(config.is_none());
    assert_eq!(report.exit_code(), 3);
    let said = text(&report);
    let line = format!(
        "problem    {}:10:1: mailbox.sales.owner: `owner` is",
        home.file().display()
    );
    assert!(said.starts_with(&line), "{said}");
    let mut json = Vec::new();
    report.write_json(&mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json["exit_code"], 3);
    assert_eq!(json["findings"][0]["key"], "mailbox.sales.owner");
    assert_eq!(json["findings"][0]["line"], 10);
}

#[test]
fn what_is_not_there_is_named_with_its_line() {
    let home = Home::with(
        "[[transport]]\nname = \"out\"\nkind = \"smtp\"\nhost = \"mail.example.com\"\nport = 587\n\
         user = \"a\"\npassword = { file = \"pw\" }\ntls.ca_file = \"ca.pem\"\n\
         [[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\npath = \"mail\"\n\
         owner = \"alice@example.com\"\n\
         [[calendar]]\nname = \"alice\"\nkind = \"vdir\"\npath = \"cal\"\n\
         owner = \"alice@example.com\"\n",
    );
    fs::write(home.path("pw"), "hunter2-canary").unwrap();
    fs::set_permissions(home.path("pw"), fs::Permissions::from_mode(0o644)).unwrap();
    let (report, _) = home.check();
    assert_eq!(report.exit_code(), 4);
    let said = text(&report);
    for part in [
        ":16:12: transport.out.password: ",
        "can be read by others (mode 644); run: chmod 600 ",
        "transport.out.tls.ca_file: ",
        ":14:8: transport.out.port: port 587 is rarely served like this; probably tls.mode = \
         \"starttls\"",
        ":21:8: mailbox.sales.path: ",
        "mail/new cannot be read",
        "calendar.alice.path: ",
        "plugin: no plugin is enabled",
    ] {
        assert!(said.contains(part), "{said}\nwithout: {part}");
    }
    assert!(!said.contains("canary"), "{said}");
}

#[test]
fn a_complete_configuration_is_ok() {
    let home = Home::with(
        "[[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\npath = \"mail\"\n\
         owner = \"alice@example.com\"\n",
    );
    home.maildir("mail");
    let (report, config) = home.check();
    assert_eq!(report.exit_code(), 0, "{}", text(&report));
    assert!(config.is_some());
}

#[test]
fn a_key_cannot_steer_the_terminal_and_a_verdict_ends_the_check() {
    let home = Home::with("\"\\u001b[2Jtrap\" = 1\n");
    let (report, _) = home.check();
    let said = text(&report);
    assert!(said.contains("\\u{1b}[2Jtrap"), "{said}");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(said.contains("it cannot run (0 ok,"), "{said}");

    let home = Home::with("[[plugin]]\nname = \"gone\"\n");
    let said = text(&home.check().0);
    assert!(
        said.contains("the file is understood: 1 user, 0 mailboxes"),
        "{said}"
    );
    assert!(said.contains("not all of it works (1 ok,"), "{said}");
}

fn plugin_folder(home: &Home, name: &str, manifest: &str) {
    let folder = home.path("plugins").join(name);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("plugin.toml"), manifest).unwrap();
}

#[test]
fn a_plugin_that_does_not_load_needs_attention_and_stops_no_other() {
    let home = Home::with(
        "[[plugin]]\nname = \"gone\"\n[[plugin]]\nname = \"crooked\"\n\
         [[plugin]]\nname = \"hollow\"\n[[plugin]]\nname = \"later\"\nenabled = false\n",
    );
    let manifest = |name: &str| {
        format!(
            "manifest = 1\n[plugin]\nname = \"{name}\"\nversion = \"0.1.0\"\n\
             requires = \"0.1.0\"\nsummary = \"Nothing.\"\n[events]\n\
             subscribe = [\"message-received\"]\n"
        )
    };
    plugin_folder(&home, "crooked", "manifest = 1\n[plugn]\n");
    plugin_folder(&home, "hollow", &manifest("hollow"));
    fs::write(home.path("plugins/hollow/hollow.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let (report, _) = check(&home.file(), Some(&home.path("plugins")));
    assert_eq!(report.exit_code(), 4);
    let said = text(&report);
    for part in [
        ":10:1: plugin.gone.path: ",
        "--plugins",
        "plugin.crooked.path: ",
        "plugin.toml:2:",
        "did you mean `plugin`?",
        "plugin.hollow.path: ",
        "it is a core module, not a component",
        "plugin.later: not enabled",
    ] {
        assert!(said.contains(part), "{said}\nwithout: {part}");
    }
}

#[test]
fn the_check_leaves_nothing_behind() {
    let home = Home::with("[[plugin]]\nname = \"gone\"\n");
    let (_, config) = home.check();
    assert!(!config.unwrap().plugin_code_dir().exists());
    let folder = plugins::Folder::new().unwrap();
    let path = folder.path().to_owned();
    fs::write(path.join("code"), "").unwrap();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o700
    );
    drop(folder);
    // The next check may have taken its name already.
    assert!(!path.join("code").exists());
}

#[test]
fn grants_are_held_against_the_manifest_and_the_rest_of_the_configuration() {
    let home = Home::with(
        "[authenticity]\ndkim = false\n[[plugin]]\nname = \"mails\"\n\
         mode = { mail = \"send\", records = \"apply\", holds = \"apply\" }\n\
         [[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\npath = \"mail\"\n\
         owner = \"alice@example.com\"\n",
    );
    let config = Config::load(&home.file()).unwrap();
    let manifest = "manifest = 1\n[plugin]\nname = \"mails\"\nversion = \"0.1.0\"\n\
                    requires = \"0.1.0\"\nsummary = \"Nothing.\"\n[events]\n\
                    subscribe = [\"message-received\"]\n[reads]\ncalendars = \"busy\"\n\
                    [proposals.hold]\nwhy = \"w\"\n\
                    [proposals.email]\nwhy = \"w\"\n";
    let manifest = crate::plugin::parse_manifest(manifest, Path::new("plugin.toml")).unwrap();
    let mut findings = Findings::of(&config);
    plugins::grants(&mut findings, &config.plugins[0], &manifest);
    let found: Vec<(&str, Option<usize>, &str)> = findings
        .list
        .iter()
        .map(|found| (found.key.as_str(), found.line, found.what.as_str()))
        .collect();
    let line = Some(14);
    assert_eq!(
        found,
        [
            (
                "plugin.mails.mode.records",
                line,
                "the plugin proposes no create-case, no update-case, no tag-message"
            ),
            (
                "plugin.mails.mode.mail",
                line,
                "falls back to `draft` for every mail: no sender's authenticity is believed"
            ),
            (
                "plugin.mails.mode.mail",
                line,
                "mails because of mailbox sales cannot be sent"
            ),
            (
                "plugin.mails.mode.holds",
                line,
                "there is no calendar into which holds could go"
            ),
        ]
    );
    assert!(findings.list.iter().all(|found| found.level == Level::Note));
}

/// The component of a guest among the tests' plugins, built for real.
fn component(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut build = std::process::Command::new(env!("CARGO"));
    build
        .current_dir(&root)
        .args(["build", "--profile", "plugin"]);
    build.args([
        "--target",
        "wasm32-wasip2",
        "--message-format",
        "json",
        "-p",
        name,
    ]);
    let output = build.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout).unwrap();
    let files = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| message["filenames"][0].as_str().map(PathBuf::from));
    let mut wasm = files.filter(|file| file.extension().is_some_and(|end| end == "wasm"));
    wasm.next().expect("cargo names a component")
}

#[test]
fn a_real_plugin_is_loaded_and_held_against_its_pin_and_settings() {
    let section = |more: &str| {
        format!("plugin_dir = \"plugins\"\n{FIRM}[[plugin]]\nname = \"flood\"\n{more}")
    };
    let home = Home::with("");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/plugins/flood/plugin.toml");
    plugin_folder(&home, "flood", &fs::read_to_string(source).unwrap());
    fs::copy(component("flood"), home.path("plugins/flood/flood.wasm")).unwrap();
    let said_of = |more: &str| {
        fs::write(home.file(), section(more)).unwrap();
        let (report, _) = home.check();
        (report.exit_code(), text(&report))
    };

    let (code, said) = said_of("mode.mail = \"send\"\n");
    assert_eq!(code, 0, "{said}");
    let (_, list) = said.split_once("plugin.flood: 0.1.0 loads").unwrap();
    let listed = list
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("           "));
    assert!(listed.clone().count() >= 2, "{said}");
    assert!(
        listed.clone().all(|line| line.chars().count() <= 100),
        "{said}"
    );
    let pin = said
        .split("pin this one: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    for part in [
        "ok         plugin.flood: 0.1.0 loads (sha256:",
        "tag",
        "note",
        "plugin.flood.mode.mail: the plugin proposes no email; remove this mode",
    ] {
        assert!(said.contains(part), "{said}\nwithout: {part}");
    }

    let (code, said) = said_of(&format!("mode.mail = \"send\"\n{pin}\n"));
    assert_eq!((code, said.contains("pin this one")), (0, false), "{said}");

    let wrong = format!(
        "digest = \"sha256:{}\"\nsettings.loud = true\n",
        "0".repeat(64)
    );
    let (code, said) = said_of(&wrong);
    assert_eq!(code, 4, "{said}");
    for part in [
        ":13:10: plugin.flood.digest: the component is another than pinned: sha256:",
        ":14:17: plugin.flood.settings.loud: flood has no such setting",
    ] {
        assert!(said.contains(part), "{said}\nwithout: {part}");
    }
    assert!(!said.contains("ok         plugin.flood"), "{said}");
}

/// Edges on this machine; the only server refuses.
struct Local;

#[derive(Debug)]
struct Refusing;

impl MailTransport for Refusing {
    fn send<'a>(
        &'a self,
        _mail: &'a OutgoingMail,
        _phase: &'a mut dyn PhaseLog,
    ) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async { panic!("a check sends nothing") })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Err("535 the password is wrong".to_owned()) })
    }
}

/// Answers never.
#[derive(Debug)]
struct Silent;

impl MailTransport for Silent {
    fn send<'a>(
        &'a self,
        _mail: &'a OutgoingMail,
        _phase: &'a mut dyn PhaseLog,
    ) -> BoxFuture<'a, SendOutcome> {
        Box::pin(async { panic!("a check sends nothing") })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(futures_util::future::pending())
    }
}

impl Edges for Local {
    fn transport(&self, transport: &Transport) -> Result<Arc<dyn MailTransport>, String> {
        Ok(match (&transport.kind, transport.name.as_str()) {
            (crate::config::TransportKind::Maildir(settings), _) => {
                Arc::new(MaildirTransport::new(settings.clone()))
            }
            (_, "silent") => Arc::new(Silent),
            _ => Arc::new(Refusing),
        })
    }

    fn own_folders(&self, mailbox: &Mailbox) -> Result<Arc<dyn OwnFolders>, String> {
        match &mailbox.kind {
            MailboxKind::Maildir(settings) => Ok(Arc::new(MaildirFolders::new(settings.clone()))),
            MailboxKind::Imap(_) => Err("no server here".to_owned()),
        }
    }

    fn calendar(&self, calendar: &Calendar) -> Result<Arc<dyn CalendarStore>, String> {
        match &calendar.kind {
            CalendarKind::Vdir(settings) => Ok(Arc::new(VdirCalendar::new(
                calendar.name.clone(),
                settings.clone(),
            ))),
            CalendarKind::Caldav(_) | CalendarKind::Feed(_) => Err("no server here".to_owned()),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn every_login_is_one_finding_and_none_holds_up_the_others() {
    let smtp = "kind = \"smtp\"\nhost = \"mail.example.com\"\nuser = \"a\"\n\
                password = { env = \"PW\" }\n";
    let home = Home::with(&format!(
        "[[transport]]\nname = \"silent\"\n{smtp}[[transport]]\nname = \"wrong\"\n{smtp}\
         [[transport]]\nname = \"files\"\nkind = \"maildir\"\npath = \"out\"\n\
         [[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\npath = \"mail\"\n\
         owner = \"alice@example.com\"\n\
         [[mailbox]]\nname = \"missing\"\nkind = \"maildir\"\npath = \"missing\"\n\
         owner = \"alice@example.com\"\n\
         [[calendar]]\nname = \"alice\"\nkind = \"vdir\"\npath = \"cal\"\n\
         owner = \"alice@example.com\"\n"
    ));
    home.maildir("mail");
    fs::create_dir(home.path("cal")).unwrap();
    let config = Config::load(&home.file()).unwrap();
    let found: Vec<(String, Level, String)> = check_online(&config, &Local)
        .await
        .into_iter()
        .map(|found| (found.key, found.level, found.what))
        .collect();
    let levels: Vec<(&str, Level)> = found
        .iter()
        .map(|(key, level, _)| (key.as_str(), *level))
        .collect();
    assert_eq!(
        levels,
        [
            ("transport.silent", Level::Attention),
            ("transport.wrong", Level::Attention),
            ("transport.files", Level::Ok),
            ("mailbox.sales", Level::Ok),
            ("mailbox.missing", Level::Attention),
            ("calendar.alice", Level::Ok),
        ],
        "{found:?}"
    );
    assert_eq!(found[0].2, "no answer within 90 s");
    assert_eq!(found[1].2, "535 the password is wrong");
    assert!(
        found[4].2.contains("missing/new cannot be read"),
        "{found:?}"
    );
    assert!(Path::new(&home.path("out")).join("new").is_dir());
}
