//! What the servers say, by the command at which they say it.

use super::super::server::Twist;
use super::Case;
use Twist::{After, Before, Flood, Instead, Last, Lines, Silence, Trickle};

const fn case(name: &'static str, on: &'static str, twist: Twist, says: &'static str) -> Case {
    Case {
        name,
        on,
        twist,
        says,
    }
}

fn each(lines: Vec<Vec<u8>>, from: &str, to: &[u8]) -> Vec<Vec<u8>> {
    let replace = |line: Vec<u8>| {
        let at = line
            .windows(from.len())
            .position(|part| part == from.as_bytes());
        match at {
            Some(at) => [&line[..at], to, &line[at + from.len()..]].concat(),
            None => line,
        }
    };
    lines.into_iter().map(replace).collect()
}

/// Without the lines that hold `word`.
fn without(lines: Vec<Vec<u8>>, word: &str) -> Vec<Vec<u8>> {
    let holds = |line: &Vec<u8>| line.windows(word.len()).any(|part| part == word.as_bytes());
    lines.into_iter().filter(|line| !holds(line)).collect()
}

const DEEP: &str = "* 1 FETCH (BODYSTRUCTURE ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((";

pub(super) const GREETING: &[Case] = &[
    case(
        "BYE",
        "greeting",
        Last("* BYE too many users\r\n"),
        "too many users",
    ),
    case("NO", "greeting", Last("* NO go away\r\n"), "go away"),
    case("hung up", "greeting", Last(""), "closed the connection"),
    case("data", "greeting", Instead("* 5 EXISTS\r\n"), "no greeting"),
    case(
        "somebody's answer",
        "greeting",
        Instead("L0001 OK done\r\n"),
        "no greeting",
    ),
    case(
        "a line without end",
        "greeting",
        Flood("* OK hello and "),
        "more than we take",
    ),
    case(
        "one byte at a time",
        "greeting",
        Trickle("* OK w", 10),
        "no answer to its greeting",
    ),
    case("silence", "greeting", Silence, "no answer to its greeting"),
    case(
        "another protocol",
        "greeting",
        Instead("HTTP/1.1 400 Bad Request\r\n\r\n"),
        "no IMAP",
    ),
    case(
        "logged in already",
        "greeting",
        Instead("* PREAUTH hello\r\n"),
        "",
    ),
    case(
        "greeting twice",
        "greeting",
        After("* OK and again\r\n"),
        "",
    ),
    case(
        "8-bit behind a code",
        "greeting",
        Instead("* OK [ALERT]é\r\n"),
        "no IMAP",
    ),
];

pub(super) const LOGIN: &[Case] = &[
    case(
        "capabilities refused",
        "CAPABILITY",
        Instead("{tag} NO no\r\n"),
        "",
    ),
    case(
        "capabilities unknown",
        "CAPABILITY",
        Instead("{tag} BAD what\r\n"),
        "",
    ),
    case(
        "no capabilities",
        "CAPABILITY",
        Instead("{tag} OK none\r\n"),
        "",
    ),
    case(
        "rev2 alone",
        "CAPABILITY",
        Instead("* CAPABILITY IMAP4rev2\r\n{tag} OK\r\n"),
        "CAPABILITY",
    ),
    case(
        "capabilities without end",
        "CAPABILITY",
        Flood(" CAPABILITY"),
        "CAPABILITY",
    ),
    case(
        "BYE at capabilities",
        "CAPABILITY",
        Last("* BYE down\r\n"),
        "down",
    ),
    case(
        "login by password off",
        "CAPABILITY",
        Instead("* CAPABILITY IMAP4rev1 LOGINDISABLED\r\n{tag} OK\r\n"),
        "no login by password",
    ),
    case(
        "login refused",
        "LOGIN",
        Instead("{tag} NO [AUTHENTICATIONFAILED] no\r\n"),
        "login was refused",
    ),
    case(
        "login unknown",
        "LOGIN",
        Instead("{tag} BAD what\r\n"),
        "login was refused",
    ),
    case(
        "not now",
        "LOGIN",
        Instead("{tag} NO [UNAVAILABLE] later\r\n"),
        "not possible now",
    ),
    case("BYE at login", "LOGIN", Last("* BYE down\r\n"), "down"),
    case(
        "a go-ahead nobody wants",
        "LOGIN",
        Before("+ go on\r\n"),
        "",
    ),
    case(
        "the answer to another tag",
        "LOGIN",
        Instead("A7 OK done\r\n"),
        "did not end",
    ),
    case("silence at login", "LOGIN", Silence, "no answer to LOGIN"),
    case(
        "a word a minute",
        "LOGIN",
        Trickle("* OK wait\r\n", 50),
        "within 180 s",
    ),
    case("ID refused", "ID", Instead("{tag} NO who\r\n"), ""),
    case("ID unknown", "ID", Instead("{tag} BAD who\r\n"), ""),
    case(
        "ID of nothing",
        "ID",
        Instead("* ID NIL\r\n{tag} OK\r\n"),
        "",
    ),
];

pub(super) const FOLDERS: &[Case] = &[
    case("LIST refused", "LIST", Instead("{tag} NO no\r\n"), ""),
    case("LIST of nothing", "LIST", Instead("{tag} OK none\r\n"), ""),
    case(
        "LIST without end",
        "LIST",
        Flood("* LIST () \"/\" x\r\n"),
        "answers to LIST",
    ),
    case(
        "a name of 4 GB",
        "LIST",
        Instead("* LIST () \"/\" {4000000000}\r\n"),
        "more than we take",
    ),
    case(
        "a name of two lines",
        "LIST",
        Before("* LIST (\\Sent) \"/\" {3}\r\na\r\n\r\n"),
        "",
    ),
    case(
        "a Sent that is not there",
        "LIST",
        Before("* LIST (\\Sent) NIL \"a\\\"b\"\r\n"),
        "cannot be opened",
    ),
    case(
        "no such mailbox",
        "EXAMINE \"INBOX",
        Instead("{tag} NO gone\r\n"),
        "cannot be opened",
    ),
    case(
        "EXAMINE unknown",
        "EXAMINE",
        Instead("{tag} BAD what\r\n"),
        "cannot be opened",
    ),
    case("BYE at EXAMINE", "EXAMINE", Last("* BYE down\r\n"), "down"),
    case(
        "an alarm beside the OK",
        "EXAMINE",
        Before("* NO [ALERT] quota exceeded\r\n"),
        "",
    ),
    case(
        "unknown codes",
        "EXAMINE",
        Before("* OK [FOO bar (baz)] x\r\n* OK [UIDNEXT] x\r\n* OK [] x\r\n"),
        "",
    ),
    case(
        "UIDVALIDITY 0",
        "EXAMINE",
        Lines(|_, l| each(l, "UIDVALIDITY 7", b"UIDVALIDITY 0")),
        "",
    ),
    case(
        "no UIDVALIDITY",
        "EXAMINE",
        Lines(|_, l| without(l, "UIDVALIDITY")),
        "",
    ),
    case(
        "another UIDVALIDITY",
        "EXAMINE",
        Lines(|_, l| each(l, "UIDVALIDITY 7", b"UIDVALIDITY 8")),
        "",
    ),
    case(
        "a UIDVALIDITY beyond 32 bits",
        "EXAMINE",
        Lines(|_, l| each(l, "UIDVALIDITY 7", b"UIDVALIDITY 4294967303")),
        "",
    ),
    case(
        "UIDNEXT lower",
        "EXAMINE",
        Lines(|_, l| {
            each(
                each(l, "UIDNEXT 4", b"UIDNEXT 2"),
                "UIDNEXT 6",
                b"UIDNEXT 2",
            )
        }),
        "",
    ),
    case(
        "UIDNEXT 0",
        "EXAMINE",
        Lines(|_, l| {
            each(
                each(l, "UIDNEXT 4", b"UIDNEXT 0"),
                "UIDNEXT 6",
                b"UIDNEXT 0",
            )
        }),
        "",
    ),
    case(
        "UIDNEXT much higher",
        "EXAMINE \"INBOX",
        Lines(|_, l| {
            each(
                each(l, "UIDNEXT 4", b"UIDNEXT 4000000000"),
                "UIDNEXT 6",
                b"UIDNEXT 4000000000",
            )
        }),
        "",
    ),
    case(
        "no UIDNEXT",
        "EXAMINE",
        Lines(|_, l| without(l, "UIDNEXT")),
        "",
    ),
    case(
        "EXISTS nothing",
        "EXAMINE",
        Lines(|_, l| without(l, "EXISTS")),
        "",
    ),
    case("STATUS refused", "STATUS", Instead("{tag} NO no\r\n"), ""),
    case(
        "STATUS of nothing",
        "STATUS",
        Instead("* STATUS Sent ()\r\n{tag} OK\r\n"),
        "",
    ),
    case(
        "STATUS of another",
        "STATUS",
        Instead("* STATUS sent (UIDNEXT 99 UIDVALIDITY 99)\r\n{tag} OK\r\n"),
        "",
    ),
    case(
        "STATUS without an answer",
        "STATUS",
        Instead("{tag} OK\r\n"),
        "",
    ),
];

pub(super) const FETCH: &[Case] = &[
    case(
        "refused",
        "UID FETCH",
        Instead("{tag} NO [SERVERBUG] no\r\n"),
        "SERVERBUG",
    ),
    case(
        "unknown",
        "UID FETCH",
        Instead("{tag} BAD what\r\n"),
        "was refused",
    ),
    case(
        "BYE",
        "UID FETCH",
        Last("* BYE out of memory\r\n"),
        "out of memory",
    ),
    case(
        "hung up in a row",
        "UID FETCH",
        Last("* 1 FETCH (UID"),
        "closed the connection",
    ),
    case("silence", "UID FETCH", Silence, "no answer to UID FETCH"),
    case("nothing", "UID FETCH", Instead("{tag} OK done\r\n"), ""),
    case(
        "rows without UID",
        "UID FETCH",
        Before("* 1 FETCH (FLAGS (\\Seen))\r\n"),
        "",
    ),
    case(
        "rows of others",
        "UID FETCH",
        Before("* 9 FETCH (UID 2 RFC822.SIZE 3 BODY[] {3}\r\nabc)\r\n"),
        "",
    ),
    case(
        "every row twice",
        "UID FETCH",
        Lines(|_, l| {
            let tagged = l.last().cloned();
            let rows: Vec<_> = l[..l.len() - 1].to_vec();
            rows.iter()
                .cloned()
                .chain(rows.clone())
                .chain(tagged)
                .collect()
        }),
        "",
    ),
    case(
        "wrong order",
        "UID FETCH",
        Lines(|_, l| {
            let tagged = l.last().cloned();
            l[..l.len() - 1]
                .iter()
                .rev()
                .cloned()
                .chain(tagged)
                .collect()
        }),
        "",
    ),
    case(
        "half of the rows",
        "UID FETCH",
        Lines(|_, l| {
            let tagged = l.last().cloned();
            l[..l.len() / 2].iter().cloned().chain(tagged).collect()
        }),
        "",
    ),
    case(
        "no date",
        "UID FETCH",
        Lines(|_, l| {
            each(
                l,
                "INTERNALDATE \"02-Mar-2026 09:00:00 +0000\"",
                b"INTERNALDATE NIL",
            )
        }),
        "",
    ),
    case(
        "a date that is none",
        "UID FETCH",
        Lines(|_, l| each(l, "02-Mar-2026 09", b"99-Foo-0000 99")),
        "",
    ),
    case(
        "bodies of NIL",
        "UID FETCH",
        Lines(|_, l| {
            l.into_iter()
                .map(
                    |line| match line.windows(6).position(|part| part == b"BODY[]") {
                        Some(at) => [&line[..at], b"BODY[] NIL)\r\n"].concat(),
                        None => line,
                    },
                )
                .collect()
        }),
        "",
    ),
    case(
        "4 GB",
        "UID FETCH",
        Instead("* 1 FETCH (UID 4 BODY[] {4294967296}\r\n"),
        "more than we take",
    ),
    case(
        "500 MB",
        "UID FETCH",
        Instead("* 1 FETCH (UID 4 BODY[] {500000000}\r\n"),
        "more than we take",
    ),
    case(
        "a size of 50 digits",
        "UID FETCH",
        Instead("* 1 FETCH (UID 4 BODY[] {99999999999999999999999999999999999999999999999999}\r\n"),
        "more than we take",
    ),
    case(
        "a literal for a number",
        "UID FETCH",
        Instead("* 1 FETCH (UID {1}\r\n4)\r\n"),
        "UID FETCH",
    ),
    case(
        "a literal in a code",
        "UID FETCH",
        Before("* OK [BADCHARSET ({5}\r\nUTF-8)] x\r\n"),
        "more than we take",
    ),
    case(
        "structure without end",
        "UID FETCH",
        Instead(DEEP),
        "more than we take",
    ),
    case(
        "UID 0",
        "UID FETCH",
        Before("* 1 FETCH (UID 0 RFC822.SIZE 1 BODY[] {1}\r\nx)\r\n"),
        "",
    ),
    case(
        "the highest UID",
        "UID FETCH 4:",
        Before("* 1 FETCH (UID 4294967295 RFC822.SIZE 1)\r\n"),
        "",
    ),
    case(
        "a size beyond 32 bits",
        "UID FETCH",
        Before("* 1 FETCH (UID 4 RFC822.SIZE 99999999999)\r\n"),
        "",
    ),
    case(
        "an attribute nobody knows",
        "UID FETCH",
        Before("* 1 FETCH (UID 2 X-NEW (a b) MODSEQ (7))\r\n"),
        "",
    ),
    case(
        "a flag of 1 MB",
        "UID FETCH",
        Flood("* 1 FETCH (UID 2 FLAGS ("),
        "more than we take",
    ),
    case(
        "lines without end",
        "UID FETCH",
        Flood("* OK still reading\r\n"),
        "answers to UID FETCH",
    ),
    case(
        "a line a minute",
        "UID FETCH",
        Trickle("* OK still reading\r\n", 60),
        "",
    ),
    case(
        "rows without end",
        "UID FETCH",
        Flood("* 1 FETCH (UID 1 RFC822.SIZE 44)\r\n"),
        "answers to UID FETCH",
    ),
    case(
        "EXISTS without end",
        "UID FETCH",
        Flood("* 4 EXISTS\r\n"),
        "answers to UID FETCH",
    ),
    case(
        "EXISTS beside each",
        "UID FETCH",
        Before("* 4 EXISTS\r\n"),
        "",
    ),
    case(
        "4 billion messages",
        "UID FETCH",
        Before("* 4294967295 EXISTS\r\n"),
        "",
    ),
    case(
        "more than 4 billion",
        "UID FETCH",
        Before("* 4294967296 EXISTS\r\n"),
        "",
    ),
    case(
        "a negative number",
        "UID FETCH",
        Before("* -1 EXISTS\r\n"),
        "no IMAP",
    ),
    case(
        "expunged below zero",
        "UID FETCH",
        Before(
            "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 0 EXPUNGE\r\n",
        ),
        "",
    ),
    case(
        "everything vanished",
        "UID FETCH",
        Before("* VANISHED 1:4294967295\r\n"),
        "",
    ),
    case(
        "vanished earlier",
        "UID FETCH",
        Before("* VANISHED (EARLIER) 1:4294967295\r\n"),
        "",
    ),
    case(
        "another's tag",
        "UID FETCH",
        Before("A0001 OK done\r\n"),
        "did not end",
    ),
    case(
        "the tag to come",
        "UID FETCH",
        After("L9999 OK done\r\n"),
        "",
    ),
    case("a go-ahead", "UID FETCH", Before("+ go on\r\n"), ""),
    case("NUL", "UID FETCH", Before("* OK nothing\0here\r\n"), ""),
    case("8-bit", "UID FETCH", Before("* OK für alle\r\n"), ""),
    case(
        "8-bit behind a code",
        "UID FETCH",
        Before("* OK [ALERT]é\r\n"),
        "no IMAP",
    ),
    case(
        "an untagged NOOP",
        "UID FETCH",
        Before("* NOOP\r\n"),
        "no IMAP",
    ),
    case("an empty line", "UID FETCH", Before("\r\n"), ""),
    case(
        "SEARCH of words",
        "UID FETCH",
        Before("* SEARCH here and there\r\n"),
        "no IMAP",
    ),
    case(
        "ESEARCH",
        "UID FETCH",
        Before("* ESEARCH (TAG \"L1\") UID ALL 1:3\r\n"),
        "",
    ),
    case("an OK without text", "UID FETCH", Before("* OK\r\n"), ""),
    case(
        "a NO beside the OK",
        "UID FETCH",
        Before("* NO disk is slow\r\n"),
        "",
    ),
];

pub(super) const IDLE: &[Case] = &[
    case("refused", "IDLE", Instead("{tag} NO not here\r\n"), ""),
    case("unknown", "IDLE", Instead("{tag} BAD what\r\n"), ""),
    case("BAD without text", "IDLE", Instead("{tag} BAD\r\n"), ""),
    case("over at once", "IDLE", Instead("{tag} OK done\r\n"), ""),
    case(
        "silence for an answer",
        "IDLE",
        Silence,
        "no answer to IDLE",
    ),
    case(
        "BYE",
        "IDLE",
        Last("+ idling\r\n* BYE restart\r\n"),
        "restart",
    ),
    case(
        "still here without end",
        "IDLE",
        Flood("* OK Still here\r\n"),
        "answers to IDLE",
    ),
    case("EXISTS without end", "IDLE", Flood("* 5 EXISTS\r\n"), ""),
    case("news each time", "IDLE", After("* 4 EXISTS\r\n"), ""),
    case(
        "8-bit behind a code",
        "IDLE",
        After("* OK [ALERT]é\r\n"),
        "no IMAP",
    ),
    case(
        "the answer to nothing",
        "IDLE",
        After("A7 OK done\r\n"),
        "did not end",
    ),
    case("silence at DONE", "DONE", Silence, "no answer to DONE"),
    case("DONE refused", "DONE", Instead("{tag} NO no\r\n"), ""),
    case(
        "lines without end at DONE",
        "DONE",
        Flood("* OK Still here\r\n"),
        "answers to DONE",
    ),
];
