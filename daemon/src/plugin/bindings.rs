//! The generations of the contract, side by side. Their types stay inside their modules; the rest
//! of the host knows only the core's words.

mod v0_1;

use liaison_core::happening::PluginEvent;
use liaison_core::manifest::ContractVersion;
use liaison_core::proposal::Proposal;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use super::instance::Cx;
use super::report::Failure;

/// Name of the interface that a plugin exports, without its version.
pub(super) const HANDLER: &str = "liaison:plugin/handler@";

/// A component linked for the generation that it speaks.
pub(super) enum Linked {
    V0_1(v0_1::Linked),
}

impl Linked {
    /// # Errors
    /// With a sentence when no generation fits.
    pub(super) fn new(contract: ContractVersion, pre: InstancePre<Cx>) -> Result<Linked, String> {
        if v0_1::VERSION.same_generation(contract) {
            return v0_1::Linked::new(pre)
                .map(Linked::V0_1)
                .map_err(|error| format!("{error:#}"));
        }
        Err(format!(
            "it was built for contract {contract}, this daemon speaks {}: rebuild the plugin with \
             the SDK of this daemon, or install a daemon that speaks {contract}",
            v0_1::VERSION
        ))
    }

    /// Makes an instance and lets it go: only this compares all types.
    pub(super) fn try_out(&self, store: &mut Store<Cx>) -> wasmtime::Result<()> {
        match self {
            Linked::V0_1(linked) => linked.try_out(store),
        }
    }

    /// Asks a fresh instance about settings.
    pub(super) fn check(
        &self,
        store: &mut Store<Cx>,
        settings: &str,
    ) -> wasmtime::Result<Vec<String>> {
        match self {
            Linked::V0_1(linked) => linked.check(store, settings),
        }
    }

    /// Gives the event to a fresh instance.
    pub(super) fn handle(
        &self,
        store: &mut Store<Cx>,
        event: &PluginEvent,
    ) -> wasmtime::Result<Result<Vec<Proposal>, Failure>> {
        match self {
            Linked::V0_1(linked) => linked.handle(store, event),
        }
    }
}

/// The imports of all generations; their names differ, so nothing clashes.
pub(super) fn add_to_linker(linker: &mut Linker<Cx>) -> wasmtime::Result<()> {
    v0_1::add_to_linker(linker)
}
