//! A TCP proxy that makes the network bad: holes, cuts after a byte, slowness.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::net;

/// How often a pump with nothing to do looks at the fault.
const TICK: Duration = Duration::from_millis(10);

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;

/// What the proxy does with bytes, on open and new connections alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Passes everything.
    #[default]
    None,
    /// Reads nothing and says nothing, and keeps connections open.
    BlackHole,
    /// Refuses new connections by closing them at once, and cuts open ones.
    Refuse,
    /// Cuts each connection once the client has sent this many bytes on it.
    CutAfterSent(u64),
    /// Cuts each connection once the client was sent this many bytes on it.
    CutAfterReceived(u64),
    /// Passes this many bytes every 10 ms in each direction.
    Slow(usize),
}

#[derive(Debug, Default)]
struct Shared {
    fault: Mutex<Fault>,
    closing: AtomicBool,
    connections: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Shared {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

/// A proxy in front of a port of 127.0.0.1.
#[derive(Debug)]
pub struct Proxy {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts one that passes everything to the port `to`.
    ///
    /// # Panics
    /// If no socket can be had.
    pub fn start(to: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port for the proxy");
        let port = listener.local_addr().expect("the proxy's address").port();
        let shared = Arc::new(Shared::default());
        let for_thread = Arc::clone(&shared);
        let acceptor = thread::spawn(move || accept(&listener, to, &for_thread));
        Proxy {
            port,
            shared,
            acceptor: Some(acceptor),
        }
    }

    /// Changes what happens from now on.
    pub fn set(&self, fault: Fault) {
        *self
            .shared
            .fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Connections made through it so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Acquire)
    }

    /// Bytes that clients sent through it so far.
    pub fn sent(&self) -> u64 {
        self.shared.sent.load(Ordering::Acquire)
    }

    /// Bytes that clients got through it so far.
    pub fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Acquire)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        // Wakes the acceptor; if even that fails there is nobody to wake.
        drop(net::connect(self.port));
        if let Some(acceptor) = self.acceptor.take()
            && acceptor.join().is_err()
        {
            eprintln!("the proxy's acceptor panicked");
        }
    }
}

fn accept(listener: &TcpListener, to: u16, shared: &Arc<Shared>) {
    for client in listener.incoming() {
        if shared.is_closing() {
            return;
        }
        let Ok(client) = client else { continue };
        shared.connections.fetch_add(1, Ordering::AcqRel);
        if shared.fault() == Fault::Refuse {
            continue;
        }
        let Ok(server) = net::connect(to) else {
            continue;
        };
        let (Ok(client2), Ok(server2)) = (client.try_clone(), server.try_clone()) else {
            continue;
        };
        let up = Pump {
            shared: Arc::clone(shared),
            upward: true,
        };
        let down = Pump {
            shared: Arc::clone(shared),
            upward: false,
        };
        thread::spawn(move || up.run(client, server));
        thread::spawn(move || down.run(server2, client2));
    }
}

struct Pump {
    shared: Arc<Shared>,
    upward: bool,
}

impl Pump {
    /// Moves bytes until one side ends or a fault cuts it, then ends both sides.
    fn run(self, mut from: TcpStream, mut to: TcpStream) {
        // Any error ends the connection, which is what the other side has to cope with.
        drop(self.pump(&mut from, &mut to));
        drop(from.shutdown(Shutdown::Both));
        drop(to.shutdown(Shutdown::Both));
    }

    fn pump(&self, from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
        from.set_read_timeout(Some(TICK))?;
        let mut buffer = vec![0; CHUNK];
        let mut moved = 0;
        while !self.shared.is_closing() && !self.is_cut(moved) {
            match from.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(size) => self.forward(&buffer[..size], to, &mut moved)?,
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Passes bytes on as the fault of each moment allows; what a cut keeps back is lost.
    fn forward(&self, mut bytes: &[u8], to: &mut TcpStream, moved: &mut u64) -> io::Result<()> {
        while !bytes.is_empty() && !self.shared.is_closing() && !self.is_cut(*moved) {
            let fault = self.shared.fault();
            let size = match fault {
                Fault::BlackHole => 0,
                Fault::Slow(size) => size.max(1),
                _ => usize::try_from(self.left(fault, *moved)).unwrap_or(CHUNK),
            };
            if matches!(fault, Fault::BlackHole | Fault::Slow(_)) {
                thread::sleep(TICK);
            }
            let (now, later) = bytes.split_at(size.min(bytes.len()));
            to.write_all(now)?;
            bytes = later;
            *moved += now.len() as u64;
            let total = if self.upward {
                &self.shared.sent
            } else {
                &self.shared.received
            };
            total.fetch_add(now.len() as u64, Ordering::AcqRel);
        }
        Ok(())
    }

    fn is_cut(&self, moved: u64) -> bool {
        let fault = self.shared.fault();
        fault == Fault::Refuse || self.left(fault, moved) == 0
    }

    /// How many bytes may still pass in this direction before the cut.
    fn left(&self, fault: Fault, moved: u64) -> u64 {
        match fault {
            Fault::CutAfterSent(limit) if self.upward => limit.saturating_sub(moved),
            Fault::CutAfterReceived(limit) if !self.upward => limit.saturating_sub(moved),
            _ => u64::MAX,
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}
