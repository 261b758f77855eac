//! Logins by OAuth2: a real Dovecot that checks JWTs, and a provider that gives them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test code, also outside of test functions"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Child;

use liaison_tests::daemon::{self, Daemon, DaemonOptions};
use liaison_tests::dovecot::{Dovecot, ServerOptions};
use liaison_tests::firm::{ALICE, Firm, SALES};
use liaison_tests::mail::cast;
use liaison_tests::smtp_sink::{SinkTls, SmtpSink};
use liaison_tests::token_endpoint::{Mood, TokenEndpoint};
use serde_json::Value;

/// "Needs attention".
const ATTENTION: i32 = 4;

struct House {
    endpoint: TokenEndpoint,
    dovecot: Dovecot,
    sink: SmtpSink,
    firm: Firm,
}

impl House {
    fn new(mechanisms: &str, flow: &str) -> House {
        let endpoint = TokenEndpoint::start();
        let sink = SmtpSink::start(SinkTls::None);
        let dovecot = Dovecot::start(&ServerOptions {
            relay_port: Some(sink.port),
            extra_config: endpoint.dovecot_config(mechanisms),
            ..ServerOptions::default()
        });
        let mut firm = Firm::new();
        firm.oauth(&endpoint, flow);
        firm.mail_by_token(&dovecot);
        firm.vdir();
        firm.plugins(&["lead-triage"], "send");
        House {
            endpoint,
            dovecot,
            sink,
            firm,
        }
    }

    /// A person agrees by a code, with or without a daemon.
    fn agree(&self, options: &DaemonOptions) {
        let output = daemon::cli(options, ["auth", "login", "work", "--device"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        assert!(said.contains("WDJB-MJHT"), "{said}");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(out.contains("liaison auth forget work"), "{out}");
    }

    fn agreed(&self) -> Daemon {
        let options = self.firm.options();
        self.agree(&options);
        let daemon = self.firm.start();
        daemon.watched(SALES, 2);
        daemon
    }

    /// How often Dovecot let the person into IMAP.
    fn logins(&self) -> usize {
        let log = self.dovecot.log();
        let login = |line: &&str| line.contains("imap-login") && line.contains("Login: user=");
        log.lines().filter(login).count()
    }

    /// The canary: nothing secret in the state, in the logs, or in what a command says.
    fn keeps_secrets(&self, daemon: &Daemon) {
        let secrets = self.endpoint.secrets();
        assert!(secrets.len() > 2, "{secrets:?}");
        let mut files = 0;
        let mut all = vec![self.firm.dir().join("state")];
        while let Some(path) = all.pop() {
            if path.is_dir() {
                all.extend(fs::read_dir(&path).unwrap().flatten().map(|one| one.path()));
            } else if let Ok(bytes) = fs::read(&path) {
                files += 1;
                is_clean(&secrets, &path, &bytes);
            }
        }
        assert!(files > 3, "{files} files");
        let said = daemon.transcript();
        is_clean(&secrets, Path::new("the log"), said.as_bytes());
        for words in [
            &["status", "--json"][..],
            &["auth", "status", "--json"],
            &["metrics"],
        ] {
            let output = daemon.cli(words);
            is_clean(&secrets, Path::new(words[0]), &output.stdout);
        }
    }
}

fn is_clean(secrets: &[String], place: &Path, bytes: &[u8]) {
    for secret in secrets {
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} is in {}", place.display());
    }
}

fn login(daemon: &Daemon) -> Value {
    daemon.status()["oauth"][0].clone()
}

fn url_of(child: &mut Child) -> String {
    let lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
    let found = lines
        .map_while(Result::ok)
        .find(|line| line.starts_with("https://"));
    found.unwrap()
}

fn mail_comes_and_goes(mechanism: &str) {
    let house = House::new(mechanism, "browser");
    let options = house.firm.options();
    let mut child = daemon::begin(&options, ["auth", "login", "work"]);
    let url = url_of(&mut child);
    house.endpoint.agree(&url);
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    assert!(child.wait().unwrap().success(), "{out}");
    let daemon = house.firm.start();
    daemon.watched(SALES, 2);
    house.dovecot.deliver_lmtp(ALICE, &cast::enquiry(1).build());
    daemon.settled("enquiry-1@example.com");
    daemon.eventually("the answer is sent", || {
        (!house.sink.messages().is_empty()).then_some(())
    });
    let by = format!("method={mechanism}");
    let log = house.dovecot.log().to_lowercase();
    for service in ["imap-login", "submission-login"] {
        let seen = |line: &str| line.contains(service) && line.contains(&by);
        assert!(log.lines().any(seen), "{service} {by}: {log}");
    }
    // One refresh at the start served mailbox, folders and transport.
    assert_eq!(house.endpoint.requests("refresh_token"), 1);
    assert_eq!(login(&daemon)["state"], "ready");
    assert!(login(&daemon)["token_ends_in_seconds"].as_i64().unwrap() > 3_000);
    house.keeps_secrets(&daemon);
}

#[test]
fn mail_is_read_and_sent_by_xoauth2() {
    mail_comes_and_goes("xoauth2");
}

#[test]
fn mail_is_read_and_sent_by_oauthbearer() {
    mail_comes_and_goes("oauthbearer");
}

/// The provider says that a token lives for an hour, and the mail server says that it is over.
#[test]
fn a_token_that_ended_early_is_replaced_and_the_login_works() {
    let house = House::new("xoauth2 oauthbearer", "device");
    let options = house.firm.options();
    house.agree(&options);
    house.endpoint.give_ended(1);
    let daemon = house.firm.start();
    daemon.watched(SALES, 2);
    assert_eq!(house.endpoint.requests("refresh_token"), 2);
    assert_eq!(login(&daemon)["state"], "ready");
    house.keeps_secrets(&daemon);
}

/// A refresh token is good once; one that comes again would end the grant.
#[test]
fn a_kill_after_any_login_loses_no_refresh_token() {
    let house = House::new("oauthbearer", "device");
    let mut daemon = house.agreed();
    for round in 0..6 {
        daemon.kill9();
        // The server writes of a login of the one that was killed when it likes.
        let refreshed = || house.endpoint.requests("refresh_token");
        let before = (house.logins(), refreshed());
        daemon.respawn();
        daemon.eventually(&format!("a login in round {round}"), || {
            (house.logins() > before.0 && refreshed() > before.1).then_some(())
        });
    }
    daemon.kill9();
    daemon.respawn();
    daemon.wait_ready();
    house.dovecot.deliver_lmtp(ALICE, &cast::enquiry(1).build());
    daemon.settled("enquiry-1@example.com");
    assert!(house.endpoint.requests("refresh_token") >= 7);
    assert_eq!(
        house.endpoint.reused(),
        0,
        "the newest token was known each time"
    );
    house.keeps_secrets(&daemon);
}

#[test]
fn a_provider_that_limits_requests_is_waited_for_and_blamed_on_nobody() {
    let house = House::new("xoauth2", "device");
    let options = house.firm.options();
    house.agree(&options);
    house.endpoint.mood(Mood::Limited { retry_after: 3 });
    let daemon = house.firm.start();
    daemon.eventually("the wait is shown", || {
        (login(&daemon)["state"] == "waiting").then_some(())
    });
    let trouble = daemon.eventually("the mailbox tells it", || {
        let status = daemon.status();
        let sources = status["daemon"]["sources"].as_array()?.clone();
        sources.into_iter().find(|one| one["trouble"].is_string())
    });
    assert!(
        trouble["trouble"].as_str().unwrap().contains("429"),
        "{trouble}"
    );
    assert_eq!(trouble["needs_person"], false, "{trouble}");
    let status = daemon.cli(["status", "--json"]);
    assert_eq!(status.status.code(), Some(0), "nobody has to act");
    let asked = house.endpoint.requests("refresh_token");
    assert!(asked <= 4, "{asked} requests while we were asked to wait");
    house.endpoint.mood(Mood::Good);
    daemon.watched(SALES, 2);
    assert_eq!(login(&daemon)["state"], "ready");
    house.keeps_secrets(&daemon);
}

#[test]
fn a_grant_that_ended_shows_the_command_and_the_command_mends_it() {
    let mut house = House::new("xoauth2 oauthbearer", "device");
    let daemon = house.agreed();
    house.endpoint.revoke();
    // Its access token is still good; a reload begins without one.
    daemon.cli_json(["reload"]);
    house.dovecot.restart();
    let shown = daemon.eventually("the login needs a person", || {
        let shown = login(&daemon);
        (shown["state"] == "needs-consent").then_some(shown)
    });
    assert_eq!(shown["command"], "liaison auth login work");
    daemon.eventually("the mailbox is parked", || {
        let status = daemon.status();
        let sources = status["daemon"]["sources"].as_array()?.clone();
        let parked = |one: &Value| {
            let trouble = one["trouble"].as_str().unwrap_or_default();
            one["needs_person"] == true && trouble.contains("liaison auth login work")
        };
        sources.iter().any(parked).then_some(())
    });
    let status = daemon.cli(["status"]);
    assert_eq!(status.status.code(), Some(ATTENTION));
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(text.contains("liaison auth login work"), "{text}");
    let metrics = String::from_utf8_lossy(&daemon.cli(["metrics"]).stdout).into_owned();
    let line = "liaison_oauth_state{login=\"work\",state=\"needs-consent\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let asked = house.endpoint.requests("refresh_token");
    house.dovecot.deliver_lmtp(ALICE, &cast::enquiry(1).build());
    // The daemon does not ask again by itself; the person does, with a dead token.
    house.agree(&house.firm.options());
    daemon.settled("enquiry-1@example.com");
    assert_eq!(house.endpoint.requests("refresh_token"), asked, "no storm");
    assert_eq!(login(&daemon)["state"], "ready");
    house.keeps_secrets(&daemon);
}

#[test]
fn a_trusted_program_and_a_forgotten_login() {
    let house = House::new("oauthbearer", "client_credentials");
    let daemon = house.firm.start();
    daemon.watched(SALES, 2);
    assert_eq!(house.endpoint.requests("client_credentials"), 1);
    let output = daemon.cli(["auth", "login", "work"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("nobody has to agree"), "{said}");
    let unknown = daemon.cli(["auth", "forget", "worl"]);
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(said.contains("did you mean `work`?"), "{said}");
    house.keeps_secrets(&daemon);
}
