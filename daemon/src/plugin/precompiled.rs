//! Compiled code of components, in a folder that only this user can write.
//!
//! A file is native code made by this program: it is keyed by the component's bytes, the engine's
//! settings and wasmtime's version, never distributed, and compiled anew when it does not load.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{CodeBuilder, Engine, Precompiled};

use super::engine::EngineError;

/// Folder mode: nobody else may write here, or they could run code in the daemon.
const FOLDER_MODE: u32 = 0o700;
/// Permission bits of group and others that make the folder unusable.
const OTHERS: u32 = 0o077;

#[derive(Debug)]
pub(super) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Opens the folder, made when missing.
    pub(super) fn open(dir: &Path) -> Result<Cache, EngineError> {
        let refuse = |said: String| EngineError::Cache {
            dir: dir.display().to_string(),
            said,
        };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(dir)
            .map_err(|error| refuse(error.to_string()))?;
        let meta = fs::metadata(dir).map_err(|error| refuse(error.to_string()))?;
        if meta.mode() & OTHERS != 0 {
            let mode = meta.mode() & 0o777;
            return Err(refuse(format!(
                "its mode is {mode:o}, so other users could put code there; run `chmod 700` on it"
            )));
        }
        if meta.uid() != own_user(dir).map_err(|error| refuse(error.to_string()))? {
            return Err(refuse(
                "it belongs to another user; choose a folder of your own".into(),
            ));
        }
        Ok(Cache {
            dir: dir.to_owned(),
        })
    }

    /// The component compiled from `bytes`, from the folder when it is there.
    pub(super) fn load(&self, engine: &Engine, bytes: &[u8]) -> Result<Component, String> {
        let file = self.dir.join(format!("{}.cwasm", key(engine, bytes)));
        if let Some(component) = map(engine, &file) {
            return Ok(component);
        }
        let compiled = CodeBuilder::new(engine)
            .wasm_binary(bytes, None)
            .and_then(|builder| builder.compile_component())
            .map_err(|error| format!("{error:#}"))?;
        if let Err(error) = self.keep(&compiled, &file) {
            tracing::warn!(
                file = %file.display(),
                error,
                "the compiled plugin was not kept: it is compiled again at the next start",
            );
        }
        Ok(compiled)
    }

    fn keep(&self, compiled: &Component, file: &Path) -> Result<(), String> {
        let code = compiled.serialize().map_err(|error| error.to_string())?;
        let draft = self
            .dir
            .join(format!(".{}.{:?}.tmp", std::process::id(), thread_number()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .and_then(|mut out| {
                out.write_all(&code)?;
                // A file with a hole after a power cut would be mapped as code.
                out.sync_all()
            })
            .and_then(|()| fs::rename(&draft, file));
        written.map_err(|error| {
            // The draft is of no use to anybody; that it cannot be removed is no second fault.
            let _ = fs::remove_file(&draft);
            error.to_string()
        })
    }
}

fn thread_number() -> std::thread::ThreadId {
    std::thread::current().id()
}

/// The user that owns what this process makes in `dir`.
fn own_user(dir: &Path) -> std::io::Result<u32> {
    let probe = dir.join(format!(".{}.probe", std::process::id()));
    let made = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&probe)?;
    let owner = made.metadata()?.uid();
    fs::remove_file(&probe)?;
    Ok(owner)
}

fn key(engine: &Engine, bytes: &[u8]) -> String {
    struct Keyed(blake3::Hasher);
    impl Hasher for Keyed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut keyed = Keyed(blake3::Hasher::new_derive_key(
        "liaison compiled component 1",
    ));
    keyed.write(blake3::hash(bytes).as_bytes());
    engine.precompile_compatibility_hash().hash(&mut keyed);
    keyed.0.finalize().to_hex().to_string()
}

#[allow(
    unsafe_code,
    reason = "mapping our own compiled code is what makes a start take milliseconds"
)]
fn map(engine: &Engine, file: &Path) -> Option<Component> {
    match Engine::detect_precompiled_file(file) {
        Ok(Some(Precompiled::Component)) => {}
        _ => return None,
    }
    // SAFETY: the file lies in a folder of mode 0700 that belongs to our user (checked in
    // `Cache::open`), only `Cache::keep` writes there, and it names a file only after all of its
    // bytes are on disk. wasmtime checks version and engine settings in the file's header.
    match unsafe { Component::deserialize_file(engine, file) } {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::info!(file = %file.display(), error = %error, "compiling the plugin anew");
            None
        }
    }
}
