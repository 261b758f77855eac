//! The data of one instance: limits, WASI stand-ins, and the session that answers its reads.
//!
//! A guest's language runtime expects WASI; what it finds here tells the event's time, draws
//! chance from the event, has no files, no sockets, no environment and no way to wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use liaison_core::time::Timestamp;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime::{ResourceLimiter, Result};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::session::Session;

/// Entries of one table; function pointers, mostly.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, tables and memories of one call.
const COUNTS: (usize, usize, usize) = (64, 64, 16);
/// Bytes of stderr kept: a panic text with its place.
const STDERR_KEPT: usize = 8 << 10;
/// Bytes of chance given at once; host work costs a guest no fuel.
const RANDOM_BYTES: u64 = 4 << 10;
/// Nanoseconds in a millisecond.
const NANOS_PER_MILLI: u64 = 1_000_000;

pub(super) struct Cx {
    wasi: WasiCtx,
    table: ResourceTable,
    pub(super) limits: MemoryLimit,
    stderr: KeepFirst,
    pub(super) chance: Chance,
    now: Timestamp,
    pub(super) session: Session,
}

impl Cx {
    pub(super) fn new(session: Session, memory: u64, now: Timestamp, chance: Chance) -> Cx {
        let stderr = KeepFirst::default();
        let wasi = WasiCtx::builder()
            .stderr(stderr.clone())
            .wall_clock(Fixed(now))
            .build();
        Cx {
            wasi,
            table: ResourceTable::new(),
            limits: MemoryLimit::new(memory),
            stderr,
            chance,
            now,
            session,
        }
    }

    /// What the guest wrote to stderr, at most 8 KiB.
    pub(super) fn said(&self) -> String {
        let kept = self.stderr.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).trim().to_owned()
    }
}

impl WasiView for Cx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// WASI without anything behind it. Time and chance come from the event.
pub(super) fn add_wasi_to_linker(linker: &mut Linker<Cx>) -> Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<Cx, StandIn>(linker, |cx| StandInView(cx))?;
    random::add_to_linker::<Cx, StandIn>(linker, |cx| StandInView(cx))?;
    insecure::add_to_linker::<Cx, StandIn>(linker, |cx| StandInView(cx))?;
    insecure_seed::add_to_linker::<Cx, StandIn>(linker, |cx| StandInView(cx))?;
    linker.allow_shadowing(false);
    Ok(())
}

struct StandIn;

impl HasData for StandIn {
    type Data<'a> = StandInView<'a>;
}

struct StandInView<'a>(&'a mut Cx);

/// What a plugin tried that none may do.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotAllowed {
    #[error("a plugin may not sleep: propose a set-timer and return")]
    Sleep,
    #[error("a plugin may draw at most {RANDOM_BYTES} random bytes at once")]
    RandomBytes,
}

impl monotonic_clock::Host for StandInView<'_> {
    fn now(&mut self) -> Result<u64> {
        let millis = u64::try_from(self.0.now.0).unwrap_or_default();
        Ok(millis.saturating_mul(NANOS_PER_MILLI))
    }

    fn resolution(&mut self) -> Result<u64> {
        Ok(NANOS_PER_MILLI)
    }

    // Neither fuel nor epochs run while the host waits, so waiting is refused.
    fn subscribe_instant(&mut self, _: u64) -> Result<Resource<DynPollable>> {
        Err(NotAllowed::Sleep.into())
    }

    fn subscribe_duration(&mut self, _: u64) -> Result<Resource<DynPollable>> {
        Err(NotAllowed::Sleep.into())
    }
}

impl StandInView<'_> {
    fn bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        if len > RANDOM_BYTES {
            return Err(NotAllowed::RandomBytes.into());
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        self.0.chance.fill(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for StandInView<'_> {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.bytes(len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        Ok(self.0.chance.next())
    }
}

impl insecure::Host for StandInView<'_> {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        Ok(self.0.chance.next())
    }
}

impl insecure_seed::Host for StandInView<'_> {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        Ok((self.0.chance.next(), self.0.chance.next()))
    }
}

/// The event's own random stream: the same for the same event and plugin.
pub(super) struct Chance(blake3::OutputReader);

impl Chance {
    pub(super) fn of(event_id: &str, plugin_digest: &str) -> Chance {
        let mut hasher = blake3::Hasher::new_derive_key("liaison plugin chance 1");
        for part in [event_id, plugin_digest] {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Chance(hasher.finalize_xof())
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    pub(super) fn next(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The event's time as the wall clock; it does not move.
struct Fixed(Timestamp);

impl HostWallClock for Fixed {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.0).unwrap_or_default())
    }
}

/// Stops growth at a number of bytes, all memories together, and remembers that it did.
pub(super) struct MemoryLimit {
    allowed: u64,
    used: u64,
    pub(super) peak: u64,
    pub(super) hit: bool,
}

impl MemoryLimit {
    fn new(allowed: u64) -> MemoryLimit {
        MemoryLimit {
            allowed,
            used: 0,
            peak: 0,
            hit: false,
        }
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, now: usize, want: usize, _: Option<usize>) -> Result<bool> {
        let more = u64::try_from(want.saturating_sub(now)).unwrap_or(u64::MAX);
        let total = self.used.saturating_add(more);
        if total > self.allowed {
            self.hit = true;
            return Ok(false);
        }
        self.used = total;
        self.peak = self.peak.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, want: usize, _: Option<usize>) -> Result<bool> {
        Ok(want <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        COUNTS.0
    }

    fn tables(&self) -> usize {
        COUNTS.1
    }

    fn memories(&self) -> usize {
        COUNTS.2
    }
}

/// An output that takes everything and keeps the first bytes: a chatty guest is no error.
#[derive(Clone, Default)]
struct KeepFirst(Arc<Mutex<Vec<u8>>>);

impl IsTerminal for KeepFirst {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for KeepFirst {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for KeepFirst {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = STDERR_KEPT.saturating_sub(kept.len());
        kept.extend(bytes.iter().take(room));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STDERR_KEPT)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for KeepFirst {
    async fn ready(&mut self) {}
}
