//! Which mailbox is which, and opening one for reading.

use super::answer::{Listed, Tagged, Untagged, Verdict};
use super::connection::{COMMAND_LIMIT, Connection, ConnectionError};
use super::wire::Command;
use crate::sink::OwnFolder;

/// What mail programs call sent mail, in lower case. The last part of the name counts.
const SENT_NAMES: &[&str] = &[
    "sent",
    "sent items",
    "sent messages",
    "sent mail",
    "sent-mail",
    "gesendet",
    "gesendete objekte",
    "gesendete elemente",
    "envoyés",
    "éléments envoyés",
    "messages envoyés",
    "enviados",
    "elementos enviados",
    "mensajes enviados",
    "itens enviados",
    "posta inviata",
    "inviata",
    "verzonden",
    "verzonden items",
    "verzonden objecten",
    "skickat",
    "sendt",
    "sendte elementer",
    "lähetetyt",
    "wysłane",
    "elementy wysłane",
    "отправленные",
    "已发送",
    "已发送邮件",
    "送信済みアイテム",
    "送信済み",
];
/// What mail programs call drafts, likewise.
const DRAFTS_NAMES: &[&str] = &[
    "drafts",
    "draft",
    "entwürfe",
    "brouillons",
    "borradores",
    "rascunhos",
    "bozze",
    "concepten",
    "utkast",
    "kladder",
    "luonnokset",
    "kopie robocze",
    "szkice",
    "черновики",
    "草稿",
    "草稿箱",
    "下書き",
];

/// Most mailboxes looked at; the ones that matter are never that far down.
const LISTED_MAX: usize = 10_000;
/// Longest mailbox name looked at; no server allows as much.
const NAME_BYTES_MAX: usize = 4_000;

/// A mailbox opened for reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opened {
    /// 0 where the server names none.
    pub(crate) uid_validity: u32,
    pub(crate) uid_next: Option<u32>,
    pub(crate) exists: u32,
    /// HIGHESTMODSEQ (RFC 7162 section 3.1.2.1); `None` where the server keeps none (NOMODSEQ), or
    /// only says that it could.
    pub(crate) mod_seq: Option<u64>,
}

/// Opens a mailbox read-only; flags and `\Recent` stay as they are. The refusal in the server's
/// words otherwise.
pub(crate) async fn examine(
    connection: &mut Connection,
    name: &str,
) -> Result<Result<Opened, String>, ConnectionError> {
    if connection.can(CONDSTORE) {
        let opened = open_with(connection, "EXAMINE", (name, " (CONDSTORE)")).await?;
        match opened {
            Err(refusal) if refusal.verdict == Verdict::Bad => {
                // It offers what it does not have.
                connection.capabilities.remove(CONDSTORE);
            }
            other => return Ok(other.map_err(|refusal| refusal.words())),
        }
    }
    let opened = open_with(connection, "EXAMINE", (name, "")).await?;
    Ok(opened.map_err(|refusal| refusal.words()))
}

/// Opens a mailbox for writing.
pub(crate) async fn select(
    connection: &mut Connection,
    name: &str,
) -> Result<Result<Opened, String>, ConnectionError> {
    let opened = open_with(connection, "SELECT", (name, "")).await?;
    Ok(opened.map_err(|refusal| refusal.words()))
}

/// The capability.
const CONDSTORE: &str = "CONDSTORE";

async fn open_with(
    connection: &mut Connection,
    verb: &str,
    (name, parameters): (&str, &str),
) -> Result<Result<Opened, Tagged>, ConnectionError> {
    let mut opened = Opened {
        uid_validity: 0,
        uid_next: None,
        exists: 0,
        mod_seq: None,
    };
    let mut counted = false;
    let answer = connection
        .exec(
            Command::new(verb).mailbox(name).text(parameters),
            COMMAND_LIMIT,
            |answer| match answer {
                Untagged::Exists(count) => (opened.exists, counted) = (count, true),
                Untagged::Condition(Some(code)) => match (code.word.as_str(), &code.argument) {
                    ("UIDVALIDITY", value) => {
                        opened.uid_validity = value.parse().unwrap_or_default();
                    }
                    // 0 is no UID; a server that names it knows none.
                    ("UIDNEXT", value) => {
                        opened.uid_next = value.parse().ok().filter(|next| *next > 0);
                    }
                    ("HIGHESTMODSEQ", value) => {
                        opened.mod_seq = value.parse().ok().filter(|found| *found > 0);
                    }
                    _ => {}
                },
                _ => {}
            },
        )
        .await?;
    if !counted {
        // Not told is not empty: whoever asks for messages will see.
        (opened.exists, connection.exists) = (1, 1);
    }
    Ok(if answer.is_ok() {
        Ok(opened)
    } else {
        Err(answer)
    })
}

/// The mailbox for `role`: the configured one, else by special use (RFC 6154), else by a
/// well-known name. A server that lists nothing has not said that there is none: that is an error.
pub(crate) async fn find(
    connection: &mut Connection,
    role: OwnFolder,
    configured: Option<&str>,
) -> Result<Option<String>, ConnectionError> {
    match configured {
        Some(name) => Ok(Some(name.to_owned())),
        None => Ok(choose(&list_all(connection).await?, role)),
    }
}

/// The mailbox of all messages (RFC 6154 `\All`), as Gmail has one; only the server can tell which
/// it is.
pub(crate) async fn find_all_mail(
    connection: &mut Connection,
) -> Result<Option<String>, ConnectionError> {
    let listed = list_all(connection).await?;
    let is_all = |mailbox: &&Listed| {
        let has = |word: &str| mailbox.attributes.iter().any(|found| found == word);
        has("\\all") && !has("\\noselect") && !has("\\nonexistent")
    };
    Ok(listed
        .iter()
        .find(is_all)
        .map(|mailbox| mailbox.name.clone()))
}

/// The owner's own folders.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct OwnNames {
    pub(crate) sent: Option<String>,
    pub(crate) drafts: Option<String>,
}

/// Both own folders as [`find`] finds them, with one LIST; none where the server lists nothing.
/// `configured` is what a person named.
pub(crate) async fn find_own(
    connection: &mut Connection,
    configured: &OwnNames,
) -> Result<OwnNames, ConnectionError> {
    let mut names = configured.clone();
    if names.sent.is_none() || names.drafts.is_none() {
        let listed = match list_all(connection).await {
            // Who only wants to watch goes on with what can be opened.
            Err(ConnectionError::Refused { .. }) => Vec::new(),
            listed => listed?,
        };
        names.sent = names.sent.or_else(|| choose(&listed, OwnFolder::Sent));
        names.drafts = names.drafts.or_else(|| choose(&listed, OwnFolder::Drafts));
    }
    Ok(names)
}

/// All mailboxes. A list that ended in a refusal may lack the one that matters.
async fn list_all(connection: &mut Connection) -> Result<Vec<Listed>, ConnectionError> {
    let mut listed = Vec::new();
    if connection.can("SPECIAL-USE") {
        let command = Command::new(r#"LIST "" "*" RETURN (SPECIAL-USE)"#);
        let answer = list(connection, command, &mut listed).await?;
        if answer.is_ok() && !listed.is_empty() {
            return Ok(listed);
        }
        // Some offer it and do not have it.
        listed.clear();
    }
    let answer = list(connection, Command::new(r#"LIST "" "*""#), &mut listed).await?;
    match answer.is_ok() {
        true => Ok(listed),
        false => Err(ConnectionError::Refused {
            step: "LIST",
            text: answer.words(),
        }),
    }
}

async fn list(
    connection: &mut Connection,
    command: Command,
    listed: &mut Vec<Listed>,
) -> Result<Tagged, ConnectionError> {
    connection
        .exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::List(mailbox) = answer
                && listed.len() < LISTED_MAX
                && mailbox.name.len() <= NAME_BYTES_MAX
            {
                listed.push(mailbox);
            }
        })
        .await
}

fn choose(listed: &[Listed], role: OwnFolder) -> Option<String> {
    let (special_use, names) = match role {
        OwnFolder::Sent => ("\\sent", SENT_NAMES),
        OwnFolder::Drafts => ("\\drafts", DRAFTS_NAMES),
    };
    let has = |mailbox: &Listed, word: &str| mailbox.attributes.iter().any(|found| found == word);
    let selectable: Vec<&Listed> = listed
        .iter()
        .filter(|mailbox| !has(mailbox, "\\noselect") && !has(mailbox, "\\nonexistent"))
        .collect();
    let by_use = selectable.iter().find(|mailbox| has(mailbox, special_use));
    let by_name = || {
        names.iter().find_map(|name| {
            selectable
                .iter()
                .find(|mailbox| last_part(mailbox).to_lowercase() == *name)
        })
    };
    by_use.or_else(by_name).map(|mailbox| mailbox.name.clone())
}

fn last_part(mailbox: &Listed) -> &str {
    match mailbox.delimiter.as_deref() {
        Some(delimiter) if !delimiter.is_empty() => mailbox
            .name
            .rsplit(delimiter)
            .next()
            .unwrap_or(&mailbox.name),
        _ => &mailbox.name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(name: &str, attributes: &[&str]) -> Listed {
        Listed {
            attributes: attributes.iter().map(ToString::to_string).collect(),
            delimiter: Some(".".to_owned()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn sent_is_found_by_use_then_by_name_and_never_an_unselectable_one() {
        for (listed, expected) in [
            (
                vec![mailbox("Sent", &[]), mailbox("Archive.Out", &["\\sent"])],
                Some("Archive.Out"),
            ),
            (vec![mailbox("INBOX.Gesendet", &[])], Some("INBOX.Gesendet")),
            (vec![mailbox("Sent", &["\\noselect"])], None),
            (vec![mailbox("Sentinel", &[])], None),
        ] {
            assert_eq!(choose(&listed, OwnFolder::Sent).as_deref(), expected);
        }
    }
}
