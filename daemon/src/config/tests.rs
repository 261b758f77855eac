mod meetings;
mod quiet;

use std::path::Path;

use liaison_core::effect::{MailMode, RecordMode};
use liaison_core::ids::{MailboxId, PluginName};

use super::*;

const MINIMAL: &str = include_str!("../../../config/liaison.minimal.toml");
const EXAMPLE: &str = include_str!("../../../config/liaison.example.toml");
const FILE: &str = "/etc/liaison/liaison.toml";
/// What must never be seen again.
const CANARY: &str = "hunter2-canary";

/// A complete configuration to which tables of tests add.
const BASE: &str = r#"
state_dir = "state"
[firm]
name = "Example Consulting"
zone = "Europe/Berlin"
domains = ["example.com"]
[[user]]
name = "Alice Example"
address = "Alice@Example.com"
aliases = ["a@example.com"]
[[transport]]
name = "submission"
kind = "smtp"
host = "smtp.example.com"
user = "alice"
password = { file = "pw" }
"#;

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    load::parse(text, Path::new(FILE))
}

fn refused(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

#[test]
fn the_minimal_file_is_enough() {
    let config = parse(MINIMAL).unwrap();
    assert_eq!(config.socket, Path::new("/var/lib/liaison/liaison.sock"));
    assert_eq!(config.firm.sending_domain, "example.com");
    let alice = config.owner_of(&MailboxId::from("alice")).unwrap();
    assert_eq!(
        (alice.name.as_str(), alice.zone.as_str()),
        ("Alice Example", "Europe/Berlin")
    );
    let modes = config.modes(&PluginName::from("lead-triage"));
    assert_eq!(
        (modes.mail, modes.holds),
        (MailMode::Draft, RecordMode::Apply)
    );
    let absent = config.modes(&PluginName::from("nda-desk"));
    assert_eq!(
        (absent.mail, absent.tasks),
        (MailMode::Off, RecordMode::Off)
    );
}

#[test]
fn the_example_loads_as_it_stands() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.mailboxes.len(), 2);
    assert!(
        config
            .mailboxes
            .iter()
            .all(|mailbox| mailbox.file_sent_copy)
    );
    assert_eq!(
        config
            .hold_calendar("a.example@example.com")
            .unwrap()
            .name
            .as_str(),
        "alice"
    );
    assert_eq!(
        config.signature("bob@example.com").unwrap().lines().count(),
        2
    );
    let firm = config.firm();
    for own in [
        "somebody@example.com",
        "example.consulting@gmail.com",
        "sales@example.com",
    ] {
        assert!(firm.owns(own), "{own}");
    }
    assert!(!firm.owns("other@gmail.com"));
    let new_year = jiff::civil::date(2027, 1, 1);
    assert_eq!(firm.business.holiday(new_year), Some("New Year"));
    assert!(
        !firm
            .business
            .is_working_day(jiff::civil::date(2026, 11, 21))
    );
}

/// Without a server whose word counts, we check by ourselves.
#[test]
fn signatures_are_checked_where_nobody_else_does_or_where_it_is_asked_for() {
    let text = |ids: &str, section: &str| {
        format!(
            "state_dir = \"/var/lib/liaison\"\n[firm]\nname = \"F\"\nzone = \"UTC\"\n\
             domains = [\"example.com\"]\n{ids}\n{section}\n"
        )
    };
    let ids = "authserv_ids = [\"mx.example.com\"]";
    for (ids, section, dkim) in [
        ("", "", true),
        (ids, "", false),
        ("", "[authenticity]\ndkim = false", false),
        (ids, "[authenticity]\ndkim = true", true),
        (
            "",
            "[authenticity]\ndns = [\"127.0.0.1:5353\", \"::1\"]",
            true,
        ),
    ] {
        let config = parse(&text(ids, section)).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(config.authenticity.dkim, dkim, "{ids} {section}");
    }
    let config = parse(&text(
        "",
        "[authenticity]\ndns = [\"127.0.0.1:5353\", \"::1\"]",
    ))
    .unwrap();
    let servers = ["127.0.0.1:5353", "[::1]:53"].map(|server| server.parse().unwrap());
    assert_eq!(config.authenticity.settings.dns, servers);
}

/// Each option that the example shows commented out is one, with the default that it shows.
#[test]
fn the_commented_options_of_the_example_are_the_defaults() {
    let mut opened = 0;
    let text: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(option)
                if option.starts_with(|c: char| c.is_ascii_lowercase())
                    && option.contains(" = ") =>
            {
                opened += 1;
                format!("{option}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(opened > 35, "{opened}");
    let mut with = parse(&text).unwrap_or_else(|errors| panic!("{errors}"));
    let without = parse(EXAMPLE).unwrap();
    assert_eq!(with.limits, without.limits);
    assert_eq!(with.limits, Limits::default());
    // This has no value by default.
    with.retention.content_bytes_max = None;
    assert_eq!(with.retention, Retention::default());
    assert_eq!(with.retention, without.retention);
    assert_eq!(with.meetings, without.meetings);
    assert_eq!(with.control, without.control);
    assert_eq!(with.authenticity, without.authenticity);
    assert_eq!(format!("{:?}", with.store), format!("{:?}", without.store));
    // In the example what is left out depends on the disk.
    assert_eq!(with.disk.ballast, without.disk.ballast);
    assert_eq!(with.disk.intake, Some(1 << 30));
    assert_eq!(without.disk, crate::room::RoomSettings::default());
    assert_eq!(with.log, without.log);
    // These have no value by default.
    for (opened, plain) in with.plugins.iter_mut().zip(&without.plugins) {
        opened.path = plain.path.clone();
        opened.digest = plain.digest.clone();
    }
    assert_eq!(with.plugins, without.plugins);
    for (opened, plain) in with.mailboxes.iter_mut().zip(&without.mailboxes) {
        if let (MailboxKind::Imap(opened), MailboxKind::Imap(plain)) =
            (&mut opened.kind, &plain.kind)
        {
            opened.tls = plain.tls.clone();
            opened.sent = plain.sent.clone();
            opened.drafts = plain.drafts.clone();
        }
    }
    assert_eq!(with.mailboxes, without.mailboxes);
    for (opened, plain) in with.calendars.iter_mut().zip(&without.calendars) {
        if let (CalendarKind::Caldav(opened), CalendarKind::Caldav(plain)) =
            (&mut opened.kind, &plain.kind)
        {
            opened.tls = plain.tls.clone();
        }
        if let (CalendarKind::Feed(opened), CalendarKind::Feed(plain)) =
            (&mut opened.kind, &plain.kind)
        {
            opened.tls = plain.tls.clone();
        }
    }
    assert_eq!(with.calendars, without.calendars);
}

/// What is added to `BASE`, and parts of the line that must name it.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "[[mailbox]]\nname = \"sales\"\nkind = \"imap\"\nowner = \"alice@example.com\"\n\
         host = \"imap.example.com\"\nprot = 143\nuser = \"a\"\npassword = { env = \"PW\" }",
        &[
            "toml:22:1: mailbox.sales.prot: [[mailbox]] of kind imap has no key `prot`; did you \
           mean `port`?",
        ],
    ),
    (
        "[[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\nowner = \"alice@example.com\"\n\
         ownr = \"x\"\npath = \"mail\"",
        &["mailbox.sales.ownr: ", "did you mean `owner`?"],
    ),
    (
        "[[mailbox]]\nname = \"sales\"\nkind = \"imap\"\nowner = \"alice@example.com\"",
        &[
            ":17:1: mailbox.sales.host: `host` is missing in [[mailbox]] of kind imap; add host",
            "mailbox.sales.user: `user` is missing",
            "mailbox.sales.password: `password` is missing in [[mailbox]] of kind imap; add \
             password = { file =",
        ],
    ),
    (
        "[[mailbox]]\nname = \"sales\"\nkind = \"imap\"\nowner = \"alice@example.com\"\n\
         host = \"imap.example.com\"\nuser = \"a\"\npassword = { env = \"PW\" }\noauth = \"wrok\"\n\
         [[oauth]]\nname = \"work\"\npreset = \"microsoft\"\nflow = \"device\"\nclient_id = \"x\"",
        &[
            "mailbox.sales.oauth: `password` and `oauth` are both set; remove one of them",
            "mailbox.sales.oauth: there is no [[oauth]] named `wrok`; did you mean `work`?",
        ],
    ),
    (
        "[alarm]\nwebhook = \"http://hooks.example.com/x\"\nwebhook_token = \"s3cret\"",
        &["alarm.webhook_token: the secret itself does not belong into the configuration"],
    ),
    (
        "[alarm]\nwebhook = \"http://hooks.example.com/x\"\nwebhook_address = { env = \"A=B\" }",
        &[
            "alarm.webhook_address.env: it is no name of a variable",
            "alarm.webhook: the address of the alarm webhook is not encrypted, and \
             hooks.example.com is not this machine",
            "alarm.webhook: `webhook` and `webhook_address` are both set",
        ],
    ),
    (
        "[approval]\nremind_after = \"soon\"\nescalate_to = \"eve@example.net\"",
        &[
            "approval.remind_after: ",
            "approval.escalate_to: `eve@example.net` is nobody of ours",
        ],
    ),
    (
        "[alarm]\nwebhok = \"https://hooks.example.com\"",
        &["alarm.webhok: [alarm] has no key `webhok`; did you mean `webhook`?"],
    ),
    (
        "[alarm]\nwebhook_token = { env = \"A\" }\ntls.ca_file = \"ca.pem\"",
        &[
            "alarm.webhook_token: it goes with `webhook`, which is missing",
            "alarm.tls: it goes with `webhook`, which is missing",
        ],
    ),
    (
        "[[oauth]]\nname = \"a\"\nflow = \"device\"\nclient_id = \"x\"\n\
         token_url = \"http://login.example.com/token\"\nclient_secret = \"s3cret\"",
        &["oauth.a.client_secret: the secret itself does not belong into the configuration"],
    ),
    (
        "[[oauth]]\nname = \"a\"\nflow = \"device\"\nclient_id = \"x\"\n\
         token_url = \"http://login.example.com/token\"\nscopes = [\"a b\"]\n\
         [[oauth]]\nname = \"b\"\npreset = \"google\"\nflow = \"device\"\nclient_id = \"x\"\n\
         [[oauth]]\nname = \"c\"\npreset = \"microsoft\"\nflow = \"client_credentials\"\n\
         client_id = \"x\"\n[[oauth]]\nname = \"d\"\npreset = \"google\"\nflow = \"browser\"\n\
         tenant = \"t\"\nclient_id = \"\"\n[[oauth]]\nname = \"e\"\nflow = \"brwoser\"\n\
         client_id = \"x\"",
        &[
            "oauth.a.token_url: it is no https address",
            "oauth.a.device_url: `device_url` is missing in [[oauth]]",
            "oauth.a.scopes[0]: it is no scope",
            "oauth.b.flow: Google gives no mail scope for device codes; set flow = \"browser\"",
            "oauth.c.tenant: `tenant` is missing",
            "oauth.c.client_secret: flow = \"client_credentials\" needs a `client_secret`",
            "oauth.d.tenant: only preset = \"microsoft\" has tenants; remove it",
            "oauth.d.client_id: it is no client id",
            "oauth.e.flow: `brwoser` is none of the choices; did you mean `browser`?",
        ],
    ),
    (
        "[[mailbox]]\nname = \"sales\"\nkind = \"pop3\"\nowner = \"alice@example.com\"",
        &[":19:8: mailbox.sales.kind: `pop3` is no kind of [[mailbox]]; known here: imap, maildir"],
    ),
    (
        "[[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\nowner = \"alise@example.com\"\n\
         transport = \"submision\"\npath = \"mail\"",
        &[
            "mailbox.sales.owner: `alise@example.com` is none of our people; add a [[user]] with \
             this address, or correct it: did you mean `alice@example.com`?",
            "mailbox.sales.transport: there is no [[transport]] named `submision`; did you mean \
             `submission`?",
        ],
    ),
    (
        "[[mailbox]]\nname = \"s\"\nkind = \"maildir\"\nowner = \"a@example.com\"\npath = \"mail\"\n\
         rescan_secs = 0\nsent = \"Sent\"\n[[mailbox]]\nname = \"s\"\nkind = \"maildir\"\n\
         owner = \"a@example.com\"\npath = \"other\"",
        &[
            "mailbox.s.rescan_secs: at least 1",
            "mailbox.s.sent: `Sent` is no Maildir++ folder",
            ":25:8: mailbox.s.name: the name `s` is used twice",
        ],
    ),
    (
        "[[mailbox]]\nname = \"s\"\nkind = \"maildir\"\nowner = \"a@example.com\"\npath = \"mail\"\n\
         [[mailbox]]\nname = \"t\"\nkind = \"maildir\"\nowner = \"a@example.com\"\npath = \"mail\"",
        &["mailbox.t.path: it is the same place as that of `s`"],
    ),
    (
        "[[transport]]\nname = \"other\"\nkind = \"smtp\"\nhost = \"smtp://mail.example.com:25\"\n\
         port = \"25\"\ntls.mode = \"ssl\"\nuser = \"a\"\npassword = { env = \"PW\" }",
        &[
            "transport.other.port: invalid type",
            "transport.other.tls.mode: `ssl` is none of the choices; known here: implicit, \
             starttls",
        ],
    ),
    (
        "[[transport]]\nname = \"other\"\nkind = \"smtp\"\nhost = \"smtp://mail.example.com:25\"\n\
         user = \"a\"\npassword = { env = \"PW\" }",
        &["transport.other.host: it is no host name; write the bare name"],
    ),
    (
        "[[calendar]]\nname = \"one\"\nkind = \"vdir\"\nowner = \"alice@example.com\"\n\
         holds = true\npath = \"one\"\n[[calendar]]\nname = \"two\"\nkind = \"vdir\"\n\
         owner = \"a@example.com\"\nholds = true\npath = \"two\"",
        &["calendar.two.holds: holds of alice@example.com go to calendar `one` already"],
    ),
    (
        "[[calendar]]\nname = \"one\"\nkind = \"caldav\"\nowner = \"alice@example.com\"\n\
         url = \"http://dav.example.com/\"\nuser = \"a\"\npassword = { env = \"PW\" }\n\
         poll_secs = 1\ngone_percent_max = 101",
        &[
            "calendar.one.url: `http://dav.example.com/` is not encrypted and dav.example.com is \
             not this machine; use https",
            "calendar.one.poll_secs: at least 5",
            "calendar.one.gone_percent_max: 101 is no percentage",
        ],
    ),
    (
        "[[calendar]]\nname = \"one\"\nkind = \"feed\"\nowner = \"alice@example.com\"\n\
         holds = true\nurl = \"https://example.com/a.ics\"\n[[calendar]]\nname = \"two\"\n\
         kind = \"feed\"\nowner = \"alice@example.com\"\nurl = \"https://example.com/a.ics\"\n\
         [[calendar]]\nname = \"none\"\nkind = \"feed\"\nowner = \"alice@example.com\"\n\
         [[calendar]]\nname = \"local\"\nkind = \"feed\"\nowner = \"alice@example.com\"\n\
         url = \"http://localhost/a.ics\"\ngone_percent_max = 101",
        &[
            "calendar.one.holds: holds cannot go into a feed, which is read-only; set holds = \
             true for a calendar of kind caldav or vdir",
            "calendar.two.url: it is the same place as that of `one`",
            "calendar.none.url: its address is missing; write url = ",
            "calendar.local.url: localhost is this machine; set `allow_private = true`",
            "calendar.local.gone_percent_max: 101 is ",
        ],
    ),
    (
        "[[plugin]]\nname = \"lead-triage\"\n\
         mode = { mail = \"propose\", records = \"propose\", tasks = \"aply\", hold = \"off\" }",
        &["plugin.lead-triage.mode.hold: ", "did you mean `holds`?"],
    ),
    (
        "[[plugin]]\nname = \"lead-triage\"\ndigest = \"sha256:12\"\n\
         mode = { mail = \"propose\", records = \"propose\", tasks = \"aply\" }",
        &[
            ":20:17: plugin.lead-triage.mode.mail: `propose` is no mode of mail; use off, \
             rehearse, notify, draft, approve, send",
            "mode.records: `propose` is no mode of records; it comes with the review of \
             proposals; use rehearse or apply",
            "mode.tasks: `aply` is no mode of tasks; use off, rehearse, apply",
            "plugin.lead-triage.digest: it is no digest",
        ],
    ),
    (
        "[plugin]\nname = \"lead-triage\"",
        &["plugin: it is no list of tables; write [[plugin]] with two brackets"],
    ),
    (
        "[[limits]]\nhold_hours = 1",
        &["limits: it is no table; write it as [limits]"],
    ),
    (
        "[limits]\nhold_hours = 0\nholds_open = -1",
        &["limits.holds_open: invalid value"],
    ),
    (
        "[limits]\nhold_hours = 0",
        &["limits.hold_hours: a hold would end as it begins"],
    ),
    (
        "[retention]\nraw_mail = \"2y\"\nfacts = \"30d\"\ncontent_bytes_max = 1",
        &["retention.raw_mail: `2y` is no time to keep something"],
    ),
    (
        "[retention]\nfacts = \"30d\"\ncontent_bytes_max = 1",
        &[
            "retention.facts: 30d is too short: for 400 days they keep anything from being done twice",
            "retention.facts: the facts of a message would go before its bytes",
            "retention.content_bytes_max: less than 268435456 bytes leave no room to work",
        ],
    ),
    (
        "[disk]\nballast_mib = 9999999999999\nintake_free_mib = 10\noutbox_free_mib = 20",
        &["disk.outbox_free_mib: 20 is more than intake_free_mib (10)"],
    ),
    (
        "[disk]\nballast_mib = 9999999999999",
        &["disk.ballast_mib: 9999999999999 MiB is out of range; 0 to 1073741824"],
    ),
    (
        "[store]\nsegment_mib = 1\ncache_mib = 0",
        &[
            "store.segment_mib: 1 MiB is out of range; 16 to 1024",
            "store.cache_mib: 0 MiB is out of range",
        ],
    ),
    (
        "[staff_mail]\ntransport = \"none\"\nfrom = \"liaison\"",
        &[
            "staff_mail.transport: there is no [[transport]] named `none`; known here: submission",
            "staff_mail.from: `liaison` is no mail address; write it like alice@example.com",
        ],
    ),
    (
        "[[user]]\nname = \"\"\naddress = \"A@example.com\"\nzone = \"Berlin\"",
        &[
            "user.A@example.com.name: it is empty",
            "user.A@example.com.address: `a@example.com` is an address of Alice Example already",
            "user.A@example.com.zone: `Berlin` is no IANA time zone",
        ],
    ),
    (
        "[[users]]\nname = \"Bob\"",
        &[":17:3: users: ", "did you mean `user`?"],
    ),
    (
        "[control]\nadmin_uid = [1]",
        &["control.admin_uid: ", "did you mean `admin_uids`?"],
    ),
    (
        "[[calendar]]\nname = \"one\"\nkind = \"caldav\"\nowner = \"alice@example.com\"\n\
         url = \"https://dav.example.com/\"\nuser = \"a\"\npassword = { env = \"PW\" }\n\
         tls.owner = \"x\"\ngone_percent_max = 300",
        &[
            "calendar.one.tls.owner: `tls` of [[calendar]] of kind caldav has no key `owner`; \
             known here: ca_file",
            "calendar.one.gone_percent_max: invalid value: integer `300`, expected a whole number \
             from 0 to 255",
        ],
    ),
    (
        "[limits]\nholds_open = 1\nholds_open = 2",
        &[":19:1: `holds_open` is set twice"],
    ),
    (
        "[control]\napprove_uids = [1000, 65534]",
        &["control.approve_uids: 65534 stands for every caller"],
    ),
    ("[firm2]\na = [1\nb = ", &["toml:19:"]),
];

#[test]
fn problems_are_named_with_place_and_remedy() {
    let cases = REFUSED
        .iter()
        .map(|(added, parts)| (format!("{BASE}{added}\n"), *parts));
    assert_said(cases);
}

/// Every file is refused with each of its parts; all that are not are shown at once.
fn assert_said<'p>(cases: impl Iterator<Item = (String, &'p [&'p str])>) {
    let mut wrong = String::new();
    for (text, parts) in cases {
        let said = refused(&text);
        assert!(said.lines().all(|line| line.starts_with(FILE)), "{said}");
        for part in parts.iter().filter(|part| !said.contains(**part)) {
            wrong.push_str(&format!("{text}\nsaid: {said}\nwithout: {part}\n\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Lines of the top and of `[firm]`, and what is said of them.
const FIRM_REFUSED: &[(&str, &str, &[&str])] = &[
    ("", "", &[" firm: there is no [firm]; add [firm]"]),
    (
        "[firm]",
        "",
        &[
            "firm.name: `name` is missing in [firm]; add name = ...",
            "firm.zone: `zone` is missing in [firm]",
        ],
    ),
    (
        "log = \"inof\"\nsocket = \"~/liaison.sock\"",
        "[firm]\nname = \"F\"\nzone = \"UTC\"\ndomains = [\"example.com\"]",
        &[
            ":2:7: log: `inof` is no log level; did you mean `info`?",
            "socket: the path begins with `~`",
        ],
    ),
    (
        "",
        "[firm]\nname = \"F\"\nzone = \"Mars/Olympus\"\n\
         domains = [\"gmail.com\", \"co.uk\", \"exa mple.com\"]\naddresses = [\"alice\"]\n\
         authserv_ids = [\"mx; a\"]\nunsubscribe_url = \"http://example.com/{token}\"",
        &[
            "firm.unsubscribe_url: `http://example.com/{token}` is no address to unsubscribe at: RFC \
             8058 wants https; write it like https://",
            "firm.zone: `Mars/Olympus` is no IANA time zone; write it like Europe/Berlin",
            "firm.domains[0]: `gmail.com` is shared by many",
            "firm.domains[1]: `co.uk` is shared by many",
            "firm.domains[2]: `exa mple.com` is no domain name; check its spelling",
            "firm.addresses[0]: `alice` is no mail address",
            "firm.authserv_ids[0]: it is no authserv-id",
        ],
    ),
    (
        "",
        "[firm]\nname = \"F\"\nzone = \"UTC\"\ndomains = [\"example.com\"]\n\
         [authenticity]\ndkim = false\ndns = [\"127.0.0.1\", \"localhost:53\", \"1.2.3.4:99999\"]",
        &[
            "authenticity.dns[1]: `localhost:53` is no address of a DNS server; write it like",
            "authenticity.dns[2]: `1.2.3.4:99999` is no address of a DNS server",
            "authenticity.dns: DNS servers are named, but nothing is asked (dkim = false)",
        ],
    ),
    (
        "",
        "[firm]\nname = \"F\"\nzone = \"UTC\"\ndomains = [\"example.com\"]\n\
         [authenticity]\ndkimm = true",
        &["authenticity.dkimm: ", "did you mean `dkim`?"],
    ),
    (
        "",
        "[firm]\nname = \"F\"\nzone = \"UTC\"\nworking_hours = { mon = [\"09:00-12:00\", \
         \"11:00-17:00\"], tue = [\"17:00-9:00\"], mo = [] }\n\
         holidays = [{ date = \"25.12.\", name = \"x\" }]",
        &["firm.working_hours.mo: ", "did you mean `mon`?"],
    ),
    (
        "",
        "[firm]\nname = \"F\"\nzone = \"UTC\"\nworking_hours = { mon = [\"09:00-12:00\", \
         \"11:00-17:00\"], tue = [\"17:00-9:00\"] }\n\
         holidays = [{ date = \"25.12.\", name = \"x\" }]",
        &[
            "firm.working_hours.mon[1]: `11:00-17:00` overlaps other hours",
            "firm.working_hours.tue[0]: `17:00-9:00` is no working time; write it like \
             09:00-17:30",
            "firm.holidays[0]: `25.12.` is no date; write it like 2026-12-25",
            "firm.domains: there is neither a domain of ours nor a `sending_domain`",
        ],
    ),
    (
        "",
        "[firm]\nname = 7\nzone = \"UTC\"\nworking_hours = {}\nsending_domain = \"example.com\"",
        &["firm.name: invalid type: integer `7`, expected a text in quotes"],
    ),
    (
        "",
        "[firm]\nname = \"F\"\nzone = \"UTC\"\nworking_hours = {}\nsending_domain = \"example.com\"",
        &["firm.working_hours: no weekday has working hours; give at least one"],
    ),
];

#[test]
fn problems_of_the_firm_are_named() {
    assert_said(
        FIRM_REFUSED
            .iter()
            .map(|(top, firm, parts)| (format!("state_dir = \"state\"\n{top}\n{firm}\n"), *parts)),
    );
}

#[test]
fn a_missing_state_dir_is_named() {
    let said = refused(&BASE.replace("state_dir", "stat_dir"));
    for part in [
        ":2:1: stat_dir: the top of the file has no key `stat_dir`; did you mean `state_dir`?",
        ":1:1: state_dir: `state_dir` is missing in the top of the file",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn one_problem_causes_no_others() {
    let broken = BASE
        .replace("host =", "hots =")
        .replace("Alice@", "Al ice@");
    let mailbox = "[[mailbox]]\nname = \"sales\"\nkind = \"maildir\"\npath = \"mail\"\n\
                   owner = \"al ice@example.com\"\ntransport = \"submission\"\n";
    let said = refused(&format!("{broken}{mailbox}"));
    assert_eq!(said.lines().count(), 3, "{said}");
    for part in ["hots", "`host` is missing", "user[0].address"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn relative_paths_begin_at_the_file() {
    let more = "[[transport]]\nname = \"files\"\nkind = \"maildir\"\npath = \"out\"\n\
                [[plugin]]\nname = \"one\"\npath = \"plugins/one\"\n[[plugin]]\nname = \"two\"\n";
    let config = parse(&format!(
        "plugin_dir = \"p\"\n{BASE}tls.ca_file = \"ca.pem\"\n{more}"
    ))
    .unwrap();
    let TransportKind::Smtp(smtp) = &config.transports[0].kind else {
        panic!("{:?}", config.transports)
    };
    let at = |path: &str| PathBuf::from(format!("/etc/liaison/{path}"));
    let password = crate::secret::SecretRef::File(at("pw"));
    assert_eq!(smtp.password, Some(password));
    assert_eq!(smtp.tls.ca_file, Some(at("ca.pem")));
    assert_eq!(config.state_dir, at("state"));
    let folders: Vec<PathBuf> = config
        .plugins
        .iter()
        .map(|plugin| config.plugin_folder(plugin))
        .collect();
    assert_eq!(folders, [at("plugins/one"), at("p/two")]);
}

/// However a secret gets into the file, no message repeats it.
#[test]
fn a_secret_in_the_file_is_refused_and_never_repeated() {
    let by_reference = "secrets by reference only: { file = ";
    for (password, part) in [
        ("password = \"C\"", by_reference),
        ("password = { value = \"C\" }", by_reference),
        ("password = { C = \"x\" }", by_reference),
        ("password = { env = 5, file = \"C\" }", by_reference),
        ("password = { command = \"C\" }", by_reference),
        ("password = [\"C\"]", by_reference),
        ("password.file = [\"C\"]", by_reference),
        ("pasword = \"C\"", "did you mean `password`?"),
        ("password = C", ""),
        ("password = \"C", ""),
        ("password = { file = \"C }", ""),
    ] {
        let password = password.replace('C', CANARY);
        let text = BASE.replace("password = { file = \"pw\" }", &password);
        let errors = parse(&text).unwrap_err();
        let said = format!("{errors} {errors:?}");
        assert!(said.contains(part), "{password}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
    let url = format!(
        "{BASE}[[calendar]]\nname = \"one\"\nkind = \"caldav\"\nowner = \"a@example.com\"\n\
         url = \"https://alice:{CANARY}@dav.example.com/\"\nuser = \"a\"\n\
         password = {{ env = \"PW\" }}"
    );
    let said = refused(&url);
    assert!(
        said.contains("calendar.one.url: the address holds a login"),
        "{said}"
    );
    assert!(!said.contains("canary"), "{said}");
    let feed = |line: &str| {
        format!(
            "{BASE}[[calendar]]\nname = \"one\"\nkind = \"feed\"\nowner = \"a@example.com\"\n\
             {line}\n"
        )
    };
    for (line, part) in [
        (
            format!("url_secret = \"https://example.com/{CANARY}\""),
            "calendar.one.url_secret: the secret itself does not belong into the configuration",
        ),
        (
            format!("url = \"http://example.com/{CANARY}\""),
            "calendar.one.url: the address is not encrypted, and example.com is not this machine",
        ),
        (
            format!("url = [\"https://example.com/{CANARY}\"]"),
            "calendar.one.url: ",
        ),
    ] {
        let said = refused(&feed(&line));
        assert!(said.contains(part), "{said}");
        assert!(!said.contains("canary"), "{said}");
    }
    // A reload has to see that it is another, and shows neither.
    let config = |address: &str| {
        let line = format!("url = \"https://example.com/{CANARY}/{address}\"");
        parse(&feed(&line)).unwrap()
    };
    let (before, after) = (config("1"), config("2"));
    assert_eq!(before.differences(&after), ["calendar one: changed"]);
    assert!(!format!("{before:?}").contains("canary"));
}

#[test]
fn a_file_that_cannot_be_read_says_what_to_do() {
    let said = Config::load(Path::new("/nowhere/liaison.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        said.starts_with("/nowhere/liaison.toml: cannot be read"),
        "{said}"
    );
    assert!(said.contains("--config"), "{said}");
}

#[test]
fn roles_are_by_peer_credentials() {
    let config = parse(&format!(
        "{BASE}[control]\nadmin_uids = [7]\napprove_uids = [8]\nobserve_uids = [9]\n\
         observe_gids = [100]"
    ))
    .unwrap();
    let role = |uid, gid| config.control.role(uid, gid, 1000);
    assert_eq!(role(0, 0), Some(Role::Admin));
    assert_eq!(role(1000, 5), Some(Role::Admin));
    assert_eq!(role(7, 5), Some(Role::Admin));
    assert_eq!(role(8, 100), Some(Role::Approve));
    assert_eq!(role(9, 5), Some(Role::Observe));
    assert_eq!(role(10, 100), Some(Role::Observe));
    assert_eq!(role(10, 5), None);
}

/// Whatever line is lost, doubled, cut or given another type: a configuration or listed problems,
/// each with a place, and never the canary.
#[test]
fn a_damaged_example_is_a_configuration_or_a_list_of_problems() {
    let example = EXAMPLE.replace("pass\", \"show", CANARY);
    let lines: Vec<&str> = example.lines().collect();
    let mut refusals = 0;
    for index in 0..lines.len() {
        let line = lines[index];
        let key = line.split('=').next().unwrap_or_default();
        let half = line.len() / 2;
        let damaged = [
            String::new(),
            format!("{line}\n{line}"),
            line.chars().take(half).collect(),
            format!("{key} = 7"),
            format!("{key} = {{ x = [{{}}, \"\"] }}"),
            format!("x{line}"),
        ];
        for new in damaged {
            let mut text = lines.clone();
            text[index] = &new;
            let Err(errors) = parse(&text.join("\n")) else {
                continue;
            };
            refusals += 1;
            assert!(errors.problems.iter().all(|problem| problem.line.is_some()));
            assert!(
                !format!("{errors} {errors:?}").contains("canary"),
                "{errors}"
            );
        }
    }
    assert!(refusals > 300, "{refusals}");
}

#[test]
fn a_value_of_the_wrong_shape_is_told_in_words_of_the_file() {
    let plugin = |more: &str| format!("{BASE}[[plugin]]\nname = \"one\"\n{more}\n");
    for (text, says) in [
        (
            plugin("mode = \"draft\""),
            "mail is off, rehearse, notify, draft, approve or send",
        ),
        (plugin("mode = 1"), "expected a table of keys"),
        (plugin("settings = \"x\""), "expected a table of keys"),
        (
            plugin("mode.mail = \"sned\""),
            "approve, send; did you mean `send`?",
        ),
        (plugin("mode.holds = \"yes\""), "use off, rehearse, apply"),
        (
            BASE.replace("domains =", "working_hours = \"9-17\"\ndomains ="),
            "write a list per day",
        ),
        (
            BASE.replace("domains =", "holidays = [\"2026-12-25\"]\ndomains ="),
            "expected a table of keys",
        ),
        (
            BASE.replace("password =", "tls = \"starttls\"\npassword ="),
            "{ mode = \"starttls\" }",
        ),
        (
            BASE.replace("[\"example.com\"]", "\"example.com\""),
            "expected a list in [ ]",
        ),
    ] {
        let said = refused(&text);
        assert!(said.contains(says), "{text}\n{said}");
        assert!(!said.contains("Raw") && !said.contains("struct"), "{said}");
    }
}

#[test]
fn differences_are_named_by_section() {
    let plugin = "[[plugin]]\nname = \"nda-desk\"\nmode.mail = \"approve\"\n";
    let before = parse(&format!("{BASE}{plugin}")).unwrap();
    for (text, differences, restart) in [
        (format!("{BASE}{plugin}"), vec![], vec![]),
        (format!("# a comment\n{BASE}{plugin}"), vec![], vec![]),
        (
            format!("{BASE}{plugin}[disk]\nballast_mib = 1\n[store]\ncache_mib = 1\n"),
            vec!["store: changed", "disk: changed"],
            vec!["store"],
        ),
        (
            format!("{BASE}{plugin}").replace("approve", "send"),
            vec!["plugin nda-desk: changed"],
            vec![],
        ),
        (
            format!("{BASE}[[plugin]]\nname = \"lead-triage\"\n"),
            vec!["plugin lead-triage: new", "plugin nda-desk: gone"],
            vec![],
        ),
        (
            format!("{BASE}{plugin}")
                .replace("\"state\"", "\"elsewhere\"")
                .replace("Europe/Berlin", "Europe/Paris"),
            vec![
                "state_dir: changed",
                "socket: changed",
                "firm: changed",
                "user alice@example.com: changed",
            ],
            vec!["state_dir", "socket"],
        ),
    ] {
        let after = parse(&text).unwrap();
        assert_eq!(before.differences(&after), differences, "{text}");
        assert_eq!(before.needs_restart(&after), restart, "{text}");
    }
}

#[test]
fn a_preset_and_a_name_are_enough_for_logins_by_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("liaison.toml");
    let text = format!(
        "{BASE}\n[[oauth]]\nname = \"work\"\npreset = \"microsoft\"\nflow = \"browser\"\n\
         client_id = \"x\"\ntenant = \"example.com\"\n\
         [[transport]]\nname = \"out\"\nkind = \"smtp\"\nhost = \"smtp.example.com\"\n\
         user = \"a\"\noauth = \"work\"\n\
         [[mailbox]]\nname = \"sales\"\nkind = \"imap\"\nowner = \"alice@example.com\"\n\
         host = \"imap.example.com\"\nuser = \"a\"\noauth = \"work\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    let credential = config.credentials.get("work").unwrap();
    let settings = credential.settings();
    assert_eq!(
        settings.token_url,
        "https://login.microsoftonline.com/example.com/oauth2/v2.0/token"
    );
    assert!(settings.scopes.contains(&"offline_access".to_owned()));
    assert_eq!(settings.folder, config.state_dir.join("oauth"));
    // One credential serves both.
    let MailboxKind::Imap(imap) = &config.mailboxes[0].kind else {
        panic!("imap")
    };
    let Some(TransportKind::Smtp(smtp)) = config.transports.last().map(|one| &one.kind) else {
        panic!("smtp")
    };
    for oauth in [&imap.oauth, &smtp.oauth] {
        let bound = oauth.as_ref().unwrap().credential().unwrap();
        assert!(std::sync::Arc::ptr_eq(bound, credential));
    }
}
