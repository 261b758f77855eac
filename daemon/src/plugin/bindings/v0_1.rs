//! Generation 0.1 of the contract: `sdk/wit/liaison.wit`.

mod host;
mod proposals;
mod told;

use liaison_core::happening::PluginEvent;
use liaison_core::manifest::ContractVersion;
use liaison_core::proposal::Proposal;
use wasmtime::Store;
use wasmtime::component::{HasSelf, InstancePre, Linker};

use self::generated::{Plugin, PluginPre};
use super::super::instance::Cx;
use super::super::report::Failure;

/// The newest version of this generation that the host serves.
pub(super) const VERSION: ContractVersion = ContractVersion {
    major: 0,
    minor: 1,
    patch: 0,
};

#[allow(
    missing_debug_implementations,
    clippy::allow_attributes_without_reason,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "generated from the contract"
)]
mod generated {
    wasmtime::component::bindgen!({
        world: "plugin",
        path: "../sdk/wit",
        imports: { default: trappable },
    });
}

use generated::exports::liaison::plugin::handler;
use generated::liaison::plugin as wit;

pub(in crate::plugin) struct Linked {
    pre: PluginPre<Cx>,
}

impl Linked {
    pub(super) fn new(pre: InstancePre<Cx>) -> wasmtime::Result<Linked> {
        Ok(Linked {
            pre: PluginPre::new(pre)?,
        })
    }

    pub(super) fn try_out(&self, store: &mut Store<Cx>) -> wasmtime::Result<()> {
        self.pre.instantiate(store).map(drop)
    }

    pub(super) fn check(
        &self,
        store: &mut Store<Cx>,
        settings: &str,
    ) -> wasmtime::Result<Vec<String>> {
        let plugin = self.pre.instantiate(&mut *store)?;
        plugin.liaison_plugin_handler().call_check(store, settings)
    }

    pub(super) fn handle(
        &self,
        store: &mut Store<Cx>,
        event: &PluginEvent,
    ) -> wasmtime::Result<Result<Vec<Proposal>, Failure>> {
        let plugin = self.pre.instantiate(&mut *store)?;
        let answer = plugin
            .liaison_plugin_handler()
            .call_handle(store, &told::event(event))?;
        Ok(match answer {
            Ok(list) => Ok(list.into_iter().map(proposals::proposal).collect()),
            Err(handler::Failure::Settings(why)) => Err(Failure::Settings(why)),
            Err(handler::Failure::Poison(why)) => Err(Failure::Poison(why)),
            Err(handler::Failure::AgainLater((after_ms, why))) => {
                Err(Failure::AgainLater { after_ms, why })
            }
        })
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Cx>) -> wasmtime::Result<()> {
    Plugin::add_to_linker::<_, HasSelf<_>>(linker, |cx| cx)
}

#[cfg(test)]
mod tests;
