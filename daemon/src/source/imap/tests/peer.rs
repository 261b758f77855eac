//! A small IMAP server in memory: enough of the protocol for the watcher, and its traps.

use std::collections::BTreeMap;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

/// A mailbox of the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct FakeMailbox {
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: u32,
    pub(crate) messages: BTreeMap<u32, Vec<u8>>,
    /// UIDs whose INTERNALDATE is `NIL`, on which the parser panics.
    pub(crate) dateless: Vec<u32>,
    /// UIDs whose body is refused.
    pub(crate) refused: Vec<u32>,
    /// UIDs at whose body the connection ends with `BYE`.
    pub(crate) fatal: Vec<u32>,
    /// HIGHESTMODSEQ, told to who asks with CONDSTORE.
    pub(crate) mod_seq: Option<u64>,
    /// UIDs that are gone when their body is asked for.
    pub(crate) expunged: Vec<u32>,
}

impl FakeMailbox {
    pub(crate) fn with(uid_validity: u32, count: u32) -> FakeMailbox {
        let mut mailbox = FakeMailbox {
            uid_validity,
            uid_next: 1,
            ..FakeMailbox::default()
        };
        for number in 1..=count {
            mailbox.deliver(&format!("old {number}"));
        }
        mailbox
    }

    pub(crate) fn deliver(&mut self, subject: &str) {
        let bytes = format!("Subject: {subject}\r\n\r\nHello.\r\n");
        self.messages.insert(self.uid_next, bytes.into_bytes());
        self.uid_next += 1;
    }
}

/// A server for one connection at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    pub(crate) boxes: BTreeMap<String, FakeMailbox>,
    /// Lines that may still be written before the connection is cut in the middle of one.
    pub(crate) fuse: Option<usize>,
    /// Commands seen, without tags.
    pub(crate) seen: Vec<String>,
}

impl Peer {
    /// Serves until the client enters IDLE, hangs up, or the fuse blows.
    pub(crate) async fn serve(&mut self, stream: DuplexStream) {
        let mut stream = BufReader::new(stream);
        let mut open = String::new();
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            let (tag, command) = line.trim_end().split_once(' ').unwrap();
            self.seen.push(command.to_owned());
            if command == "IDLE" {
                return;
            }
            for answer in self.answers(tag, command, &mut open) {
                if answer.is_empty() {
                    return; // after BYE
                }
                if !self.write(&mut stream, &answer).await {
                    return;
                }
            }
        }
    }

    async fn write(&mut self, stream: &mut BufReader<DuplexStream>, answer: &[u8]) -> bool {
        let cut = self.fuse == Some(0);
        self.fuse = self.fuse.map(|left| left.saturating_sub(1));
        let bytes = if cut {
            &answer[..answer.len() / 2]
        } else {
            answer
        };
        stream.get_mut().write_all(bytes).await.is_ok() && !cut
    }

    /// The lines of the answer to a command, the tagged one last; an empty one ends the connection.
    pub(crate) fn answers(&self, tag: &str, command: &str, open: &mut String) -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = Vec::new();
        let mut say = |text: String| out.push(format!("{text}\r\n").into_bytes());
        let words: Vec<&str> = command.split(' ').collect();
        let mut verdict = "OK done".to_owned();
        match words[0] {
            "LIST" => say("* LIST (\\Sent) \"/\" Sent".to_owned()),
            "EXAMINE" | "SELECT" => {
                *open = words[1].trim_matches('"').to_owned();
                let found = &self.boxes[open.as_str()];
                say(format!("* {} EXISTS", found.messages.len()));
                say(format!("* OK [UIDVALIDITY {}] x", found.uid_validity));
                say(format!("* OK [UIDNEXT {}] x", found.uid_next));
                match found.mod_seq {
                    _ if !command.ends_with("(CONDSTORE)") => {}
                    Some(0) => say("* OK [NOMODSEQ] not here".to_owned()),
                    Some(mod_seq) => say(format!("* OK [HIGHESTMODSEQ {mod_seq}] x")),
                    None => verdict = "BAD what is CONDSTORE".to_owned(),
                }
            }
            "STATUS" => {
                let name = words[1].trim_matches('"');
                let found = &self.boxes[name];
                say(format!(
                    "* STATUS {name} (UIDNEXT {} UIDVALIDITY {})",
                    found.uid_next, found.uid_validity
                ));
            }
            "UID" if words[1] == "SEARCH" => {
                let found = &self.boxes[open.as_str()];
                let uids = chosen(found, words[3]).into_iter();
                let uids: Vec<String> = uids.map(|uid| uid.to_string()).collect();
                say(format!("* SEARCH {}", uids.join(" ")));
            }
            "UID" if words[1] == "FETCH" => {
                let found = &self.boxes[open.as_str()];
                let bodies = command.contains("BODY");
                for uid in chosen(found, words[2]) {
                    if bodies && found.fatal.contains(&uid) {
                        return vec![b"* BYE out of memory\r\n".to_vec(), Vec::new()];
                    }
                    let asked_alone = words[2] == uid.to_string();
                    if found.expunged.contains(&uid) && (bodies || asked_alone) {
                        continue;
                    }
                    if command.contains("BODY") && found.refused.contains(&uid) {
                        verdict = "NO [SERVERBUG] cannot read it".to_owned();
                        break;
                    }
                    out.push(row(found, uid, command));
                }
            }
            _ => {}
        }
        out.push(format!("{tag} {verdict}\r\n").into_bytes());
        out
    }
}

fn row(found: &FakeMailbox, uid: u32, command: &str) -> Vec<u8> {
    let body = &found.messages[&uid];
    let number = found.messages.range(..=uid).count();
    let mut row = format!("* {number} FETCH (UID {uid}");
    if command.contains("RFC822.SIZE") {
        row += &format!(" RFC822.SIZE {}", body.len());
    }
    if command.contains("INTERNALDATE") {
        row += match found.dateless.contains(&uid) {
            true => " INTERNALDATE NIL",
            false => " INTERNALDATE \"02-Mar-2026 09:00:00 +0000\"",
        };
    }
    let mut row = row.into_bytes();
    if command.contains("FLAGS") {
        row.extend(b" FLAGS (\\Recent)");
    }
    if command.contains("BODY.PEEK[") {
        let headers = command.contains("BODY.PEEK[HEADER]");
        let end = body.windows(4).position(|four| four == b"\r\n\r\n");
        let part = end
            .filter(|_| headers)
            .map_or(&body[..], |at| &body[..at + 4]);
        let (name, body) = section(part, command);
        let of = if headers { "HEADER" } else { "" };
        row.extend(format!(" BODY[{of}]{name} {{{}}}\r\n", body.len()).bytes());
        row.extend(body);
    }
    row.extend(b")\r\n");
    row
}

/// What `<offset.length>` asks for, and how it is named in the answer.
fn section<'a>(body: &'a [u8], command: &str) -> (String, &'a [u8]) {
    let Some((offset, length)) = command
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'))
        .and_then(|(range, _)| range.split_once('.'))
    else {
        return (String::new(), body);
    };
    let offset: usize = offset.parse().unwrap();
    let from = offset.min(body.len());
    let to = (from + length.parse::<usize>().unwrap()).min(body.len());
    (format!("<{offset}>"), &body[from..to])
}

/// UIDs of a set; `n:*` holds the last message whatever n is.
fn chosen(found: &FakeMailbox, set: &str) -> Vec<u32> {
    let last = found.messages.keys().last().copied().unwrap_or(0);
    let mut uids = Vec::new();
    for part in set.split(',') {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        let number = |text: &str| text.parse::<u32>().unwrap_or(last);
        let (from, to) = (number(from), number(to));
        let (from, to) = (from.min(to), from.max(to));
        uids.extend(found.messages.range(from..=to).map(|(uid, _)| *uid));
    }
    uids
}
