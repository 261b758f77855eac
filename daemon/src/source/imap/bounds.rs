//! What one answer of a server may be, checked on the bytes as they come in.
//!
//! The parser behind it buffers up to 512 MiB of one answer, allocates what a literal announces
//! before it is there, reads a growing line again from its beginning with every block, and
//! recurses into parentheses until the stack is gone, which ends the process. So whatever is too
//! large, too long or too deep is refused in front of it; the connection is then lost, no more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::dial::Wire;

/// Most bytes of one answer outside its literals: the UIDs of 100,000 messages.
pub(crate) const LINE_BYTES_MAX: u64 = 1024 * 1024;
/// Most bytes in the literals of one answer: four of the pieces that a body is fetched in, since
/// a message may be larger than the size that the server states.
pub(crate) const LITERAL_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Most literals in one answer; for each of them the parser begins anew.
const LITERALS_MAX: u32 = 64;
/// Most opening parentheses in one answer. What we ask for has five; at some 400 nested ones the
/// parser's stack is gone.
const PARENTHESES_MAX: u32 = 100;
/// First bytes of an answer, by which conditions are told from data.
const HEAD_BYTES: usize = 10;

/// An answer that is not let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("a line of more than {LINE_BYTES_MAX} bytes")]
    Line,
    #[error("literals of {0} bytes, and {LITERAL_BYTES_MAX} are the most")]
    Literal(u64),
    #[error("more than {LITERALS_MAX} literals")]
    Literals,
    #[error("more than {PARENTHESES_MAX} parentheses")]
    Parentheses,
    #[error("a literal where none may be")]
    Misplaced,
}

/// How far a `{123}` at the end of a line has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Brace {
    #[default]
    None,
    Digits(u64),
    Closed(u64),
}

/// Follows the answers in a stream of bytes, which may be cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    head: [u8; HEAD_BYTES],
    head_len: usize,
    line_bytes: u64,
    literal_bytes: u64,
    literals: u32,
    parentheses: u32,
    brackets: bool,
    brace: Brace,
    /// Bytes left of the literal that is being read.
    literal_left: u64,
}

impl Framing {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// When the answer that they belong to is too much.
    pub(crate) fn accept(&mut self, bytes: &[u8]) -> Result<(), TooMuch> {
        let mut rest = bytes;
        while let Some((byte, behind)) = rest.split_first() {
            if self.literal_left > 0 {
                let length = u64::try_from(rest.len()).unwrap_or(u64::MAX);
                let skipped = self.literal_left.min(length);
                self.literal_left = self.literal_left.saturating_sub(skipped);
                let at = usize::try_from(skipped).unwrap_or(usize::MAX);
                rest = rest.get(at..).unwrap_or_default();
                continue;
            }
            self.byte_of_line(*byte)?;
            rest = behind;
        }
        Ok(())
    }

    fn byte_of_line(&mut self, byte: u8) -> Result<(), TooMuch> {
        self.line_bytes = self.line_bytes.saturating_add(1);
        if self.line_bytes > LINE_BYTES_MAX {
            return Err(TooMuch::Line);
        }
        if let Some(place) = self.head.get_mut(self.head_len) {
            *place = byte;
            self.head_len = self.head_len.saturating_add(1);
        }
        match byte {
            b'\n' => return self.end_of_line(),
            b'\r' => return Ok(()),
            b'(' => {
                self.parentheses = self.parentheses.saturating_add(1);
                if self.parentheses > PARENTHESES_MAX {
                    return Err(TooMuch::Parentheses);
                }
            }
            b'[' => self.brackets = true,
            _ => {}
        }
        self.brace = match (self.brace, byte) {
            (_, b'{') => Brace::Digits(0),
            (Brace::Digits(value), b'0'..=b'9') => Brace::Digits(
                value
                    .saturating_mul(10)
                    .saturating_add(u64::from(byte.saturating_sub(b'0'))),
            ),
            (Brace::Digits(value), b'+') => Brace::Digits(value),
            (Brace::Digits(value), b'}') => Brace::Closed(value),
            _ => Brace::None,
        };
        Ok(())
    }

    /// The end of an answer, or the begin of a literal in it.
    fn end_of_line(&mut self) -> Result<(), TooMuch> {
        let Brace::Closed(length) = self.brace else {
            *self = Framing::default();
            return Ok(());
        };
        if self.is_text() {
            if self.brackets {
                // Only a response code could hold it, and none that we know does.
                return Err(TooMuch::Misplaced);
            }
            *self = Framing::default();
            return Ok(());
        }
        self.literals = self.literals.saturating_add(1);
        self.literal_bytes = self.literal_bytes.saturating_add(length);
        if self.literal_bytes > LITERAL_BYTES_MAX {
            return Err(TooMuch::Literal(self.literal_bytes));
        }
        if self.literals > LITERALS_MAX {
            return Err(TooMuch::Literals);
        }
        self.brace = Brace::None;
        self.literal_left = length;
        Ok(())
    }

    /// Whether the answer is a condition: `+`, tagged, or `* OK` and the like. Those end in words
    /// for people, which may look like anything.
    fn is_text(&self) -> bool {
        let head = self.head.get(..self.head_len).unwrap_or_default();
        let Some(data) = head.strip_prefix(b"* ") else {
            return true;
        };
        let end = data.iter().position(|byte| !byte.is_ascii_alphabetic());
        let word = data.get(..end.unwrap_or(data.len())).unwrap_or_default();
        let conditions: [&[u8]; 5] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"];
        conditions
            .iter()
            .any(|condition| word.eq_ignore_ascii_case(condition))
    }
}

/// A stream that ends with an error when an answer in it is too much.
pub(crate) struct Bounded {
    stream: Box<dyn Wire>,
    framing: Framing,
}

impl Bounded {
    pub(crate) fn new(stream: Box<dyn Wire>) -> Bounded {
        Bounded {
            stream,
            framing: Framing::default(),
        }
    }
}

impl fmt::Debug for Bounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let bytes = buf.filled().get(before..).unwrap_or_default();
        let accepted = self.framing.accept(bytes);
        Poll::Ready(accepted.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
