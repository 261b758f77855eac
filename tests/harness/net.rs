//! Free ports, and blocking streams with or without TLS.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio_rustls::rustls::{ClientConnection, StreamOwned, pki_types::ServerName};

use crate::tls::Ca;

/// No answer of a local server takes longer, unless it hangs.
pub const TIMEOUT: Duration = Duration::from_secs(20);

/// Ports for servers that cannot pick one themselves. Below the range from which the kernel takes
/// ports for outgoing connections, so that none of those can snatch one.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody listens on, never given twice by one process; each process
/// begins elsewhere in the range.
///
/// # Panics
/// If all ports are taken.
pub fn free_port() -> u16 {
    let size = PORTS.end - PORTS.start;
    let offset = u16::try_from(process::id().wrapping_mul(101) % u32::from(size)).unwrap();
    for _ in 0..size {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = PORTS.start + offset.wrapping_add(step) % size;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {} and {}", PORTS.start, PORTS.end);
}

/// A byte stream to a server.
pub trait Wire: Read + Write + Send {}
impl<T: Read + Write + Send> Wire for T {}

/// Connects to 127.0.0.1 with [`TIMEOUT`] on connecting, reading and writing.
///
/// # Errors
/// As from the socket.
pub fn connect(port: u16) -> io::Result<TcpStream> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects with TLS, trusting `ca` and nothing else, and completes the handshake.
///
/// # Errors
/// As from the socket; a certificate that `ca` did not issue is `InvalidData`.
pub fn connect_tls(
    port: u16,
    name: &str,
    ca: &Ca,
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let client = ClientConnection::new(ca.client_config(), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(client, connect(port)?);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}
