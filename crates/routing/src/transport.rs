//! How servers are connected to: what is configured, and what was made of it where files may be read.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use seaway_config::model::ServersTransport;

/// What connects by TLS. Routing carries it and knows nothing of it.
pub type Connector = Arc<dyn Any + Send + Sync>;

/// Makes connectors. It may read files, so it is handed in.
pub trait MakeConnector: fmt::Debug + Send + Sync {
    /// The connector for these options.
    ///
    /// # Errors
    ///
    /// What is wrong with them: a certificate that cannot be read, an option that means nothing.
    fn make(&self, options: &ServersTransport) -> Result<Connector, String>;

    /// What services get that name no transport.
    fn default_options(&self) -> ServersTransport;
}

/// A transport in force.
pub struct Transport {
    /// Connections of different transports are never shared: no two that live have the same number. 0 is the default's.
    pub number: u32,
    /// Time to connect; none for the usual.
    pub dial_timeout: Option<Duration>,
    /// Time until a response head, zero for none.
    pub response_header_timeout: Duration,
    /// How long an unused connection is kept.
    pub idle_timeout: Duration,
    /// Unused connections kept for each server, over all workers.
    pub max_idle: usize,
    /// For servers with TLS; nothing where nothing can make one, or, for the default one, where nobody needed it yet.
    pub connector: OnceLock<Connector>,
}

impl Transport {
    pub(crate) fn new(number: u32, options: &ServersTransport) -> Self {
        let times = &options.forwarding_timeouts;
        Self {
            number,
            dial_timeout: times.dial_timeout,
            response_header_timeout: times.response_header_timeout,
            idle_timeout: times.idle_conn_timeout,
            max_idle: usize::try_from(options.max_idle_conns_per_host).unwrap_or(usize::MAX),
            connector: OnceLock::new(),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What it was made of may be secret.
        f.debug_struct("Transport").field("number", &self.number).finish_non_exhaustive()
    }
}
