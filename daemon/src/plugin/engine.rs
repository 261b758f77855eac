//! The one wasmtime engine of the process: limits on, determinism on, nothing from outside.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use liaison_core::manifest::MEMORY_CEILING;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::bindings;
use super::instance::{self, Cx};
use super::precompiled::Cache;

/// Length of one epoch: the grain of the wall-clock limit.
const TICK: Duration = Duration::from_millis(10);
/// Calls in flight at once, over all plugins; more wait in the workers' queue.
const IN_FLIGHT: u32 = 64;
/// Core instances in all calls together; a Python component has dozens.
const CORE_INSTANCES: u32 = 1024;
/// Linear memories in all calls together.
const MEMORIES: u32 = 256;
/// Tables in all calls together.
const TABLES: u32 = 512;
/// Core instances, memories and tables of one component; scripting guests need several.
const PER_COMPONENT: (u32, u32, u32) = (64, 8, 32);
/// Bytes of stack that a guest may use.
const STACK: usize = 512 << 10;
/// Address space per memory; guard pages then replace bounds checks.
const RESERVATION: u64 = 4 << 30;
/// Bytes per memory that stay mapped between calls.
const MEMORY_KEEP: usize = 256 << 10;
/// Bytes per table that stay mapped between calls.
const TABLE_KEEP: usize = 64 << 10;
/// Unused slots that stay warm.
const WARM_SLOTS: u32 = 16;

/// The engine, its linker and the folder of compiled code. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    wasm: wasmtime::Engine,
    linker: Linker<Cx>,
    cache: Cache,
    pooled: bool,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("cache", &self.inner.cache)
            .field("pooled", &self.inner.pooled)
            .finish_non_exhaustive()
    }
}

/// The engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The folder of compiled code is not usable.
    #[error("the folder of compiled plugins {dir} cannot be used: {said}")]
    Cache {
        /// The folder.
        dir: String,
        /// What is wrong with it and what to do.
        said: String,
    },
    /// wasmtime refuses the settings.
    #[error("the WebAssembly engine does not start on this machine: {said}")]
    Start {
        /// wasmtime's words.
        said: String,
    },
    /// The thread that measures wall time cannot be started.
    #[error("the thread that keeps the plugins' time limit does not start")]
    Ticker(#[source] std::io::Error),
}

impl Engine {
    /// Starts the engine with `cache_dir` for compiled code (made with mode 0700 when missing).
    ///
    /// Instances are pooled where the machine has the address space for it, else allocated on
    /// demand: slower, the same otherwise.
    ///
    /// # Errors
    /// When the folder is open to others or cannot be made, or the engine does not start.
    pub fn start(cache_dir: &Path) -> Result<Engine, EngineError> {
        let cache = Cache::open(cache_dir)?;
        let (wasm, pooled) = match wasmtime::Engine::new(&config(Some(pool()))) {
            Ok(wasm) => (wasm, true),
            Err(error) => {
                tracing::warn!(
                    error = %error,
                    "plugins run without the instance pool: too little address space",
                );
                (
                    wasmtime::Engine::new(&config(None)).map_err(start_error)?,
                    false,
                )
            }
        };
        let linker = linker(&wasm).map_err(start_error)?;
        keep_time(&wasm).map_err(EngineError::Ticker)?;
        Ok(Engine {
            inner: Arc::new(Inner {
                wasm,
                linker,
                cache,
                pooled,
            }),
        })
    }

    /// Whether instances come from the pool.
    #[must_use]
    pub fn pooled(&self) -> bool {
        self.inner.pooled
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.inner.wasm
    }

    pub(super) fn linker(&self) -> &Linker<Cx> {
        &self.inner.linker
    }

    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Component, String> {
        self.inner.cache.load(&self.inner.wasm, bytes)
    }
}

fn start_error(error: wasmtime::Error) -> EngineError {
    EngineError::Start {
        said: format!("{error:#}"),
    }
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let (instances, memories, tables) = PER_COMPONENT;
    pool.total_component_instances(IN_FLIGHT)
        .total_core_instances(CORE_INSTANCES)
        .total_memories(MEMORIES)
        .total_tables(TABLES)
        .max_core_instances_per_component(instances)
        .max_memories_per_component(memories)
        .max_tables_per_component(tables)
        .table_elements(instance::TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(MEMORY_CEILING).unwrap_or(usize::MAX))
        .linear_memory_keep_resident(MEMORY_KEEP)
        .table_keep_resident(TABLE_KEEP)
        .max_unused_warm_slots(WARM_SLOTS)
        // A page that was swapped out would be neither reset nor dropped, and the slot's next
        // instance could read another account's mail.
        .pagemap_scan(Enabled::No);
    pool
}

fn config(pool: Option<PoolingAllocationConfig>) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .consume_fuel(true)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        .max_wasm_stack(STACK)
        .memory_init_cow(true)
        .memory_reservation(RESERVATION);
    if let Some(pool) = pool {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    config
}

/// All generations of the contract, and WASI as stand-ins.
fn linker(wasm: &wasmtime::Engine) -> wasmtime::Result<Linker<Cx>> {
    let mut linker = Linker::new(wasm);
    bindings::add_to_linker(&mut linker)?;
    instance::add_wasi_to_linker(&mut linker)?;
    Ok(linker)
}

/// A steady tick; each call has its own deadline in ticks. The thread ends with the engine.
fn keep_time(wasm: &wasmtime::Engine) -> std::io::Result<()> {
    let weak = wasm.weak();
    std::thread::Builder::new()
        .name("plugin-ticks".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(TICK);
                match weak.upgrade() {
                    Some(wasm) => wasm.increment_epoch(),
                    None => break,
                }
            }
        })?;
    Ok(())
}
