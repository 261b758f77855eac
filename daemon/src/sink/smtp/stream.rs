//! The stream under lettre: gives a greeting that STARTTLS has used up, and keeps the last reply,
//! since lettre drops what it cannot parse (`571 …`, text that is not UTF-8).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::dial::Wire;

/// Greeting for a connection whose real one was read in clear.
const GREETING: &[u8] = b"220 secured\r\n";
/// Most bytes kept of a reply.
const RECORD_BYTES_MAX: usize = 16 * 1024;

/// Bytes read since the last [`Record::clear`].
#[derive(Debug, Clone, Default)]
pub(super) struct Record(Arc<Mutex<Vec<u8>>>);

impl Record {
    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    /// What came, with bytes that are not UTF-8 replaced.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock()).into_owned()
    }

    fn push(&self, bytes: &[u8]) {
        let mut record = self.lock();
        let room = RECORD_BYTES_MAX.saturating_sub(record.len());
        record.extend(bytes.iter().take(room));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A secured stream as lettre wants it.
#[derive(Debug)]
pub(super) struct Recorded {
    stream: Box<dyn Wire>,
    ahead: &'static [u8],
    pub(super) record: Record,
}

impl Recorded {
    /// A stream whose greeting is still to come.
    pub(super) fn new(stream: Box<dyn Wire>) -> Recorded {
        Recorded {
            stream,
            ahead: b"",
            record: Record::default(),
        }
    }

    /// A stream whose greeting came before STARTTLS.
    pub(super) fn with_greeting(stream: Box<dyn Wire>) -> Recorded {
        Recorded {
            ahead: GREETING,
            ..Recorded::new(stream)
        }
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buffer.remaining());
            let (now, later) = self.ahead.split_at_checked(length).unwrap_or((b"", b""));
            buffer.put_slice(now);
            self.ahead = later;
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let came = buffer.filled().get(before..).unwrap_or_default();
        self.record.push(came);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl AsyncTokioStream for Recorded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
