//! A plugin made ready: manifest read, component compiled, linked and tried out.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use liaison_core::happening::{EventContext, Happening, MatchView, PluginEvent};
use liaison_core::ids::PluginName;
use liaison_core::manifest::{ContractVersion, Manifest, Problem, nearest};
use liaison_core::time::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use wasmtime::Store;
use wasmtime::component::Component;

use super::bindings::{HANDLER, Linked};
use super::call;
use super::engine::Engine;
use super::instance::{Chance, Cx};
use super::report::CallReport;
use super::session::Session;
use super::world::{NoWorld, PluginWorld};

/// Bytes of a component; a Python one has some 18 MiB.
const COMPONENT_BYTES: u64 = 64 << 20;
/// Bytes of a manifest.
const MANIFEST_BYTES: u64 = 256 << 10;
/// Name of the manifest in a plugin's folder.
const MANIFEST_FILE: &str = "plugin.toml";
/// Problems that `check` may report, and characters of each.
const CHECK_PROBLEMS: (usize, usize) = (50, 500);

/// A loaded plugin. Calls are made with [`super::Workers`]; each gets a fresh instance.
pub struct Plugin {
    engine: Engine,
    linked: Linked,
    manifest: Arc<Manifest>,
    digest: String,
    manifest_digest: String,
    contract: ContractVersion,
    imports: Vec<String>,
    component_bytes: u64,
    folder: PathBuf,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.manifest.plugin.name)
            .field("version", &self.manifest.plugin.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// A plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{file} cannot be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than anything sensible.
    #[error("{file} has {bytes} bytes, {allowed} are allowed")]
    TooLarge {
        /// The file.
        file: String,
        /// Its size.
        bytes: u64,
        /// The bound.
        allowed: u64,
    },
    /// The manifest does not parse.
    #[error("{file}:{line}:{column}: {said}")]
    Syntax {
        /// The manifest.
        file: String,
        /// Line from 1.
        line: usize,
        /// Column from 1, in characters.
        column: usize,
        /// What is wrong and what would be right.
        said: String,
    },
    /// The manifest asks for what cannot be.
    #[error("{file} has {} problem(s): {}", problems.len(), all(problems))]
    Invalid {
        /// The manifest.
        file: String,
        /// All of them.
        problems: Vec<Problem>,
    },
    /// There is no component beside the manifest.
    #[error("no component beside {manifest}: build the plugin, then put it there as {wanted}")]
    NoComponent {
        /// The manifest.
        manifest: String,
        /// Names that would be found.
        wanted: String,
    },
    /// The component cannot be compiled or linked, or speaks another contract.
    #[error("{file} is no plugin for this daemon: {said}")]
    Component {
        /// The component.
        file: String,
        /// Why, and what to do.
        said: String,
    },
}

fn all(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Reads a manifest's text; `file` is for the error.
///
/// # Errors
/// [`LoadError::Syntax`] with line and column, unknown keys included;
/// [`LoadError::Invalid`] with every problem of [`Manifest::validate`].
pub fn parse_manifest(text: &str, file: &Path) -> Result<Manifest, LoadError> {
    let name = file.display().to_string();
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let before = text
            .get(..error.span().map_or(0, |span| span.start))
            .unwrap_or_default();
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        LoadError::Syntax {
            file: name.clone(),
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
            said: with_hint(error.message()),
        }
    })?;
    let problems = manifest.validate();
    if problems.is_empty() {
        Ok(manifest)
    } else {
        Err(LoadError::Invalid {
            file: name,
            problems,
        })
    }
}

/// Adds the nearest known name to serde's words on an unknown key or value.
pub(super) fn with_hint(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message
        .starts_with("unknown ")
        .then(|| quoted.next())
        .flatten();
    match unknown.and_then(|given| nearest(given, quoted)) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message.to_owned(),
    }
}

fn read(file: &Path, allowed: u64) -> Result<Vec<u8>, LoadError> {
    let name = || file.display().to_string();
    let failed = |source| LoadError::Read {
        file: name(),
        source,
    };
    let bytes = fs::metadata(file).map_err(failed)?.len();
    if bytes > allowed {
        return Err(LoadError::TooLarge {
            file: name(),
            bytes,
            allowed,
        });
    }
    fs::read(file).map_err(failed)
}

impl Plugin {
    /// Loads a folder: `plugin.toml`, and beside it `component.wasm` or `NAME.wasm`.
    ///
    /// # Errors
    /// Whatever makes the plugin unusable, in a sentence; see [`Plugin::load`].
    pub fn open(engine: &Engine, folder: &Path) -> Result<Plugin, LoadError> {
        let manifest_file = folder.join(MANIFEST_FILE);
        let manifest = read_manifest(&manifest_file)?.0;
        let name = &manifest.plugin.name;
        let wanted = [
            "component.wasm".to_owned(),
            format!("{name}.wasm"),
            format!("{}.wasm", name.replace('-', "_")),
        ];
        match wanted
            .iter()
            .map(|name| folder.join(name))
            .find(|file| file.is_file())
        {
            Some(component) => Plugin::load(engine, &manifest_file, &component),
            None => Err(LoadError::NoComponent {
                manifest: manifest_file.display().to_string(),
                wanted: wanted.join(" or "),
            }),
        }
    }

    /// Reads the manifest, compiles the component (or takes it from the cache), compares its
    /// contract, links it, and makes one instance to compare all types.
    ///
    /// Blocks for up to seconds when it compiles: not for an async thread.
    ///
    /// # Errors
    /// Whatever makes the plugin unusable, in a sentence.
    pub fn load(engine: &Engine, manifest: &Path, component: &Path) -> Result<Plugin, LoadError> {
        let (parsed, manifest_digest) = read_manifest(manifest)?;
        let bytes = read(component, COMPONENT_BYTES)?;
        let file = component.display().to_string();
        let refuse = |said: String| LoadError::Component {
            file: file.clone(),
            said,
        };
        let compiled = engine
            .compile(&bytes)
            .map_err(|said| refuse(not_compiled(&bytes, said)))?;
        let contract = contract(engine, &compiled).map_err(&refuse)?;
        let pre = engine
            .linker()
            .instantiate_pre(&compiled)
            .map_err(|error| refuse(format!("it wants what no plugin gets: {error:#}")))?;
        let kind = compiled.component_type();
        let imports = kind
            .imports(engine.wasm())
            .map(|(name, _)| name.to_owned())
            .collect();
        let plugin = Plugin {
            engine: engine.clone(),
            linked: Linked::new(contract, pre).map_err(&refuse)?,
            manifest: Arc::new(parsed),
            digest: digest(&bytes),
            manifest_digest,
            contract,
            imports,
            component_bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
            folder: manifest.parent().unwrap_or(Path::new(".")).to_owned(),
        };
        plugin.try_out().map_err(refuse)?;
        Ok(plugin)
    }

    fn try_out(&self) -> Result<(), String> {
        let session = self.session("{}".into(), Box::new(NoWorld), &no_event());
        self.store(session, &no_event())
            .and_then(|mut store| self.linked.try_out(&mut store))
            .map_err(|error| {
                format!(
                    "built for contract {}, but its types are not this daemon's ({error:#}); \
                     rebuild it with the SDK of this daemon",
                    self.contract
                )
            })
    }

    /// What the manifest says.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its name, as in the manifest.
    #[must_use]
    pub fn name(&self) -> PluginName {
        PluginName(self.manifest.plugin.name.clone())
    }

    /// `sha256:` and the hash of the component's bytes; grants are bound to it.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// `sha256:` and the hash of the manifest's bytes: what it asks for.
    #[must_use]
    pub fn manifest_digest(&self) -> &str {
        &self.manifest_digest
    }

    /// The contract for which it was built.
    #[must_use]
    pub fn contract(&self) -> ContractVersion {
        self.contract
    }

    /// Interfaces that the component imports: information, never a grant.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// Size of the component.
    #[must_use]
    pub fn component_bytes(&self) -> u64 {
        self.component_bytes
    }

    /// The folder of the manifest, with `templates`, `attachments` and `cases`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings to call it with: defaults overlaid by the operator's, checked by type and by
    /// the plugin's own `check`.
    ///
    /// Runs guest code: not for an async thread.
    ///
    /// # Errors
    /// Every problem found.
    pub fn settings(&self, operator: &Map<String, Value>) -> Result<Arc<str>, Vec<Problem>> {
        let settings = self.manifest.settings_with_defaults(operator)?;
        let text: Arc<str> = Value::Object(settings).to_string().into();
        let problems = self.check(&text);
        if problems.is_empty() {
            Ok(text)
        } else {
            Err(problems)
        }
    }

    fn check(&self, settings: &Arc<str>) -> Vec<Problem> {
        let session = self.session(settings.clone(), Box::new(NoWorld), &no_event());
        let said = |said: String| {
            let said = said
                .chars()
                .filter(|c| !c.is_control())
                .take(CHECK_PROBLEMS.1)
                .collect::<String>();
            Problem::new("settings", said)
        };
        let mut store = match self.store(session, &no_event()) {
            Ok(store) => store,
            Err(error) => return vec![said(format!("{error:#}"))],
        };
        match self.linked.check(&mut store, settings) {
            Ok(problems) => problems
                .into_iter()
                .take(CHECK_PROBLEMS.0)
                .map(said)
                .collect(),
            Err(error) => {
                let (kind, why, _) = call::crash(&error, store.data());
                vec![said(format!(
                    "its check of the settings crashed ({}): {why}",
                    kind.as_str()
                ))]
            }
        }
    }

    /// Makes one call on the current thread; [`super::Workers::call`] is the way for the daemon.
    ///
    /// Runs guest code and blocks up to the time limit: not for an async thread.
    #[must_use]
    pub fn call(
        &self,
        event: &PluginEvent,
        settings: Arc<str>,
        world: Box<dyn PluginWorld>,
    ) -> CallReport {
        let session = self.session(settings, world, event);
        call::run(self, &self.linked, session, event)
    }

    fn session(
        &self,
        settings: Arc<str>,
        world: Box<dyn PluginWorld>,
        event: &PluginEvent,
    ) -> Session {
        Session::new(self.manifest.clone(), settings, world, event)
    }

    #[cfg(test)]
    pub(super) fn with_fuel(mut self, fuel: u64) -> Plugin {
        Arc::make_mut(&mut self.manifest).limits.fuel = fuel;
        self
    }

    pub(super) fn store(
        &self,
        session: Session,
        event: &PluginEvent,
    ) -> wasmtime::Result<Store<Cx>> {
        let chance = Chance::of(&event.id, &self.digest);
        let cx = Cx::new(session, self.manifest.limits.memory, event.at, chance);
        call::bounded(self.engine.wasm(), cx, self.manifest.limits.fuel)
    }
}

fn read_manifest(file: &Path) -> Result<(Manifest, String), LoadError> {
    let bytes = read(file, MANIFEST_BYTES)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok((parse_manifest(&text, file)?, digest(&bytes)))
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

fn not_compiled(bytes: &[u8], said: String) -> String {
    // The layer field of the header tells a core module (0) from a component (1).
    let core_module = bytes.starts_with(b"\0asm") && bytes.get(6) == Some(&0);
    if core_module {
        return "it is a core module, not a component: build it for wasm32-wasip2".to_owned();
    }
    said
}

fn contract(engine: &Engine, component: &Component) -> Result<ContractVersion, String> {
    let kind = component.component_type();
    let version = kind
        .exports(engine.wasm())
        .find_map(|(name, _)| name.strip_prefix(HANDLER));
    match version {
        Some(version) => version.parse(),
        None => Err(format!(
            "it does not export `{HANDLER}...`: write it with liaison-sdk's `plugin!`"
        )),
    }
}

/// For `check` and the trial: no event, nothing matched.
fn no_event() -> PluginEvent {
    PluginEvent {
        id: String::new(),
        at: Timestamp::default(),
        attempt: 1,
        happening: Happening::TimerFired {
            name: String::new(),
            due: Timestamp::default(),
            late_by_ms: 0,
            payload: "null".to_owned(),
        },
        context: EventContext {
            matched: MatchView {
                outcome: "unknown".to_owned(),
                account: None,
                contact: None,
                candidates: Vec::new(),
                confidence: 0,
                evidence: Vec::new(),
                authenticity: "unknown".to_owned(),
            },
            ourselves: Vec::new(),
            owner: None,
            zone: "UTC".to_owned(),
            rehearsal: true,
        },
    }
}

#[cfg(test)]
mod tests;
