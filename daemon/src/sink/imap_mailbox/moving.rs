//! From one folder to another: MOVE, else COPY and the removal of exactly what was copied.

use bytes::Bytes;

use super::{Hand, Located, checked, declined, not_found};
use crate::sink::imap_folders::{Failure, search};
use crate::sink::mailbox::{Changed, Order, Place};
use crate::source::imap::answer::{Tagged, Untagged};
use crate::source::imap::connection::COMMAND_LIMIT;
use crate::source::imap::folders::examine;
use crate::source::imap::wire::{Code, Command};

/// Where something arrived, as COPYUID tells it (RFC 4315 section 3).
fn copied_to(folder: &str, code: Option<&Code>) -> Option<Place> {
    let argument = &code.filter(|code| code.word == "COPYUID")?.argument;
    let mut words = argument.split_whitespace();
    let (validity, uid): (u32, u32) = match (words.next(), words.next(), words.next()) {
        (Some(validity), Some(_), Some(uid)) => (validity.parse().ok()?, uid.parse().ok()?),
        _ => return None,
    };
    Some(Place {
        folder: folder.to_owned(),
        locator: format!("{validity}/{uid}"),
    })
}

fn moved(how: &str, place: Option<Place>) -> Changed {
    let how = how.to_owned();
    Changed::Done { how, place }
}

impl Hand<'_> {
    pub(super) async fn relocate(&mut self, order: &Order, to: &str) -> Result<Changed, Failure> {
        let from = &order.place.folder;
        if is_same(from, to) {
            return Ok(Changed::done("it lies there already"));
        }
        let uid = match self.locate(&order.place).await? {
            Located::At(uid) => uid,
            // A try of ours, or a person, may have moved it there.
            Located::Nowhere => return self.arrived(order, to, "it lies there already").await,
            other => return Ok(not_found(other, from)),
        };
        if self.selected.as_ref().is_some_and(|open| open.read_only) {
            return Ok(Changed::Refused(format!("{from} can only be read")));
        }
        match (self.connection.can("MOVE"), self.connection.can("UIDPLUS")) {
            (true, _) => self.by_move(order, to, uid).await,
            (false, true) => self.by_copy(order, to, uid).await,
            (false, false) => Ok(Changed::Refused(
                "the server can neither move a message (MOVE) nor remove a single one (UIDPLUS)"
                    .to_owned(),
            )),
        }
    }

    async fn by_move(&mut self, order: &Order, to: &str, uid: u32) -> Result<Changed, Failure> {
        let (answer, place) = self.transfer("UID MOVE", uid, to).await?;
        if !answer.is_ok() {
            return Ok(declined("UID MOVE", &answer));
        }
        if place.is_some() {
            return Ok(moved("MOVE, told by COPYUID", place));
        }
        // OK without COPYUID: nothing was there to be moved, or the server never tells.
        if self.is_there(uid).await? {
            let why = "the server said OK to MOVE and moved nothing";
            return Ok(Changed::Declined(why.to_owned()));
        }
        let found = self.arrived(order, to, "MOVE, found there afterwards");
        Ok(match found.await {
            Ok(done @ Changed::Done { .. }) => done,
            Err(failure @ Failure::Connection(_)) => return Err(failure),
            // It was here, and the server said that it moved it.
            _ => moved("MOVE; the server does not tell where it is now", None),
        })
    }

    /// The copy first, then the original: a crash between the two leaves both, and the next try
    /// finds the copy.
    async fn by_copy(&mut self, order: &Order, to: &str, uid: u32) -> Result<Changed, Failure> {
        if order.message_id.is_none() {
            let why = "the server cannot move (MOVE), and without a Message-ID a copy could not be \
                       found again";
            return Ok(Changed::Refused(why.to_owned()));
        }
        let opened = self.selected.as_ref();
        if opened.is_some_and(|open| !open.keeps("\\Deleted")) {
            let why = format!(
                "{} lets nothing be removed (PERMANENTFLAGS)",
                order.place.folder
            );
            return Ok(Changed::Refused(why));
        }
        let earlier = match order.again {
            true => self.copy_of(order, to, uid).await?,
            false => None,
        };
        let place = match earlier {
            Some(place) => Some(place),
            None => {
                let (answer, place) = self.transfer("UID COPY", uid, to).await?;
                if !answer.is_ok() {
                    return Ok(declined("UID COPY", &answer));
                }
                if place.is_none() {
                    // Nothing is removed of which no copy was told.
                    let why = "the server did not tell where the copy is (COPYUID)";
                    return Ok(Changed::Declined(why.to_owned()));
                }
                place
            }
        };
        self.remove(uid, place).await
    }

    /// Removes what was copied to `place`.
    async fn remove(&mut self, uid: u32, place: Option<Place>) -> Result<Changed, Failure> {
        let mark = |sign: char| format!("UID STORE {uid} {sign}FLAGS.SILENT (\\Deleted)");
        let marked = self.connection.plain(Command::new(mark('+'))).await?;
        if !marked.is_ok() {
            return Ok(declined("UID STORE", &marked));
        }
        let removal = Command::new(format!("UID EXPUNGE {uid}"));
        let removed = self.connection.plain(removal).await?;
        if !removed.is_ok() {
            // Or the next mail program to tidy up removes it.
            self.connection.plain(Command::new(mark('-'))).await?;
            return Ok(declined("UID EXPUNGE", &removed));
        }
        Ok(match self.is_there(uid).await? {
            true => Changed::Declined("the server copied it and did not remove it".to_owned()),
            false => moved("copied, then removed here", place),
        })
    }

    /// Runs MOVE or COPY; its answer, and what COPYUID says in it or before it.
    async fn transfer(
        &mut self,
        verb: &str,
        uid: u32,
        to: &str,
    ) -> Result<(Tagged, Option<Place>), Failure> {
        let mut place = None;
        let command = Command::new(format!("{verb} {uid}")).mailbox(to);
        let answer = self.connection.exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Condition(code) = answer {
                place = copied_to(to, code.as_ref()).or(place.take());
            }
        });
        let answer = answer.await?;
        let place = copied_to(to, answer.code.as_ref()).or(place);
        Ok((answer, place))
    }

    /// Whether the message lies in `to`, by its Message-ID.
    async fn arrived(&mut self, order: &Order, to: &str, how: &str) -> Result<Changed, Failure> {
        let from = order.place.folder.as_str();
        let gone = Changed::Gone(format!("it is neither in {from} nor in {to}"));
        let Some(id) = order.message_id.as_deref() else {
            return Ok(match order.again {
                true => Changed::Gone(format!(
                    "it is not in {from} any more, and without a Message-ID nobody can say whether \
                     it was moved to {to}"
                )),
                false => gone,
            });
        };
        self.selected = None;
        let opened = match examine(self.connection, to).await? {
            Ok(opened) => opened,
            Err(why) => return Ok(not_found(Located::Closed(why), to)),
        };
        let found = search(self.connection, id).await?;
        let validity = opened.uid_validity;
        // Of several nobody knows which it is.
        let place = match found.as_slice() {
            [only] if validity != 0 => Some(Place {
                folder: to.to_owned(),
                locator: format!("{validity}/{}", only.uid),
            }),
            _ => None,
        };
        Ok(match found.is_empty() {
            true => gone,
            false => moved(how, place),
        })
    }

    /// The copy that an earlier try left in `to`: of the same size and with the same header, to
    /// which every delivery adds lines of its own (RFC 5321 section 4.4), so that another message
    /// that borrows the Message-ID is none.
    async fn copy_of(
        &mut self,
        order: &Order,
        to: &str,
        uid: u32,
    ) -> Result<Option<Place>, Failure> {
        let Some(id) = order.message_id.as_deref() else {
            return Ok(None);
        };
        let validity = self.selected.as_ref().map_or(0, |open| open.uid_validity);
        let Some(original) = self.face(uid).await? else {
            return Ok(None);
        };
        self.selected = None;
        let Ok(opened) = examine(self.connection, to).await? else {
            self.reselect(order, validity).await?;
            return Ok(None);
        };
        let mut copy = None;
        for found in search(self.connection, id).await? {
            if opened.uid_validity != 0 && self.face(found.uid).await?.as_ref() == Some(&original) {
                copy = Some(Place {
                    folder: to.to_owned(),
                    locator: format!("{}/{}", opened.uid_validity, found.uid),
                });
            }
        }
        self.reselect(order, validity).await?;
        Ok(copy)
    }

    /// Opens the folder again, in which a UID must still mean the same message.
    async fn reselect(&mut self, order: &Order, was: u32) -> Result<(), Failure> {
        match self.select(&order.place.folder).await? {
            Ok(now) if now == was && now != 0 => Ok(()),
            Ok(_) => Err(Failure::closed("it was renumbered meanwhile".to_owned())),
            Err(why) => Err(Failure::closed(why)),
        }
    }

    /// Size and header of a message.
    async fn face(&mut self, uid: u32) -> Result<Option<(u64, Bytes)>, Failure> {
        let mut face = None;
        let command = Command::new(format!(
            "UID FETCH {uid} (UID RFC822.SIZE BODY.PEEK[HEADER])"
        ));
        let answer = self.connection.exec(command, COMMAND_LIMIT, |answer| {
            if let Untagged::Fetch(row) = answer
                && row.uid == Some(uid)
                && let (Some(size), Some(header)) = (row.size, row.body)
            {
                face = Some((size, header));
            }
        });
        let answer = answer.await?;
        checked("UID FETCH", &answer)?;
        Ok(face)
    }
}

/// INBOX is the one name without case (RFC 9051 section 5.1).
fn is_same(one: &str, other: &str) -> bool {
    one == other || (one.eq_ignore_ascii_case("INBOX") && other.eq_ignore_ascii_case("INBOX"))
}
