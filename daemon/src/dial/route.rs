//! The way to a server: the network, or whatever a test puts in its place.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{DialError, TlsSettings, Wire};

/// A stream to a server, or why there is none.
pub type Reached<'a> = BoxFuture<'a, Result<Box<dyn Wire>, DialError>>;

/// Reaches servers.
pub trait Reach: Send + Sync + Debug {
    /// Connects to `host`.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Reached<'a>;

    /// Puts TLS on a stream to `host`.
    fn secure<'a>(
        &'a self,
        stream: Box<dyn Wire>,
        tls: &'a TlsSettings,
        host: &'a str,
        port: u16,
    ) -> Reached<'a>;
}

/// TCP and TLS, as in [`super::tcp`] and [`super::tls`].
#[derive(Debug)]
struct Network;

impl Reach for Network {
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> Reached<'a> {
        Box::pin(async move {
            let stream = super::tcp(host, port).await?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }

    fn secure<'a>(
        &'a self,
        stream: Box<dyn Wire>,
        tls: &'a TlsSettings,
        host: &'a str,
        port: u16,
    ) -> Reached<'a> {
        Box::pin(async move {
            let stream = super::tls(stream, tls, host, port).await?;
            Ok(Box::new(stream) as Box<dyn Wire>)
        })
    }
}

/// A way to servers; the network unless something else was put in. All are equal: which way is
/// taken is no part of what somebody configured.
#[derive(Debug, Clone)]
pub struct Route(Arc<dyn Reach>);

impl Route {
    /// Another way than the network.
    #[must_use]
    pub fn through(reach: Arc<dyn Reach>) -> Route {
        Route(reach)
    }

    /// Reaches servers this way.
    #[must_use]
    pub fn reach(&self) -> &dyn Reach {
        self.0.as_ref()
    }
}

impl Default for Route {
    fn default() -> Route {
        Route(Arc::new(Network))
    }
}

impl PartialEq for Route {
    fn eq(&self, _: &Route) -> bool {
        true
    }
}

impl Eq for Route {}
