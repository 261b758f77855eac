//! The few lines spoken in clear before STARTTLS.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Wire;

/// How long one line may take in either direction.
const LINE_LIMIT: Duration = Duration::from_secs(30);
/// Longest line, in bytes; capability lists are the longest.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// A stream on which nothing secret has been said yet.
#[derive(Debug)]
pub struct ClearText<S> {
    stream: S,
    unread: Vec<u8>,
}

impl<S: Wire> ClearText<S> {
    /// Lines over `stream`.
    pub fn new(stream: S) -> ClearText<S> {
        ClearText {
            stream,
            unread: Vec::new(),
        }
    }

    /// Next line without its line end; bytes that are not UTF-8 are replaced.
    ///
    /// # Errors
    /// When the stream ends, the line is too long, or nothing comes in time.
    pub async fn read_line(&mut self) -> io::Result<String> {
        timeout(LINE_LIMIT, self.read_to_newline())
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn read_to_newline(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(io::Error::other("a line without end"));
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When the stream does not take it in time.
    pub async fn write_line(&mut self, line: &str) -> io::Result<()> {
        let bytes = format!("{line}\r\n").into_bytes();
        let write = async {
            self.stream.write_all(&bytes).await?;
            self.stream.flush().await
        };
        timeout(LINE_LIMIT, write)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// The stream, for the handshake; `None` when clear text lies unread behind the server's
    /// agreement. Somebody on the way put it there, to be taken for an answer under TLS.
    pub fn into_inner(self) -> Option<S> {
        self.unread.is_empty().then_some(self.stream)
    }
}
