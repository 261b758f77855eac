//! TXT records from DNS, remembered for a while, and asked for less while nobody answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::hickory_resolver::net::{DnsError, NetError};
use mail_auth::hickory_resolver::proto::op::ResponseCode;
use mail_auth::hickory_resolver::proto::rr::{Name, RData};
use mail_auth::hickory_resolver::system_conf::read_system_conf;

use crate::clock::{Clock, SystemClock};

/// Names whose answers are remembered.
const NAMES_MAX: usize = 1_000;
/// Bytes of all records of one name; a key of 4,096 bits takes less than 800.
const RECORDS_BYTES_MAX: usize = 8 * 1_024;
/// How long an answer is remembered at least and at most, whatever its time to live says.
const TTL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3_600));
/// How long it is remembered that there is no such record.
const MISSING_TTL: Duration = Duration::from_secs(300);
/// Time for one try of one question, and how often it is repeated.
const TRY: (Duration, usize) = (Duration::from_millis(1_200), 1);
/// Time for all of it, whatever the servers do.
const ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// Questions without an answer, one after the other, from which on nobody is asked for
/// [`REST`]: a dead server must not hold up each message anew.
const TROUBLES_MAX: u32 = 3;
/// See [`TROUBLES_MAX`].
const REST: Duration = Duration::from_secs(30);

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its TXT records, each joined to one text.
    Records(Vec<Vec<u8>>),
    /// It has none.
    Missing,
    /// It could not be found out, because ...
    Unknown(String),
}

/// Asks for TXT records.
#[derive(Debug)]
pub(super) struct Dns {
    servers: Vec<SocketAddr>,
    /// Made with the first question; where the machine's settings cannot be read: why.
    resolver: OnceLock<Result<TokioResolver, String>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// With the time until which each is remembered.
    answers: HashMap<String, (Answer, Duration)>,
    /// Questions in a row that nobody answered.
    troubles: u32,
    /// Until when nobody is asked.
    rests_until: Option<Duration>,
}

impl Dns {
    /// Asks `servers`; without any, those of the machine (`/etc/resolv.conf`).
    pub(super) fn new(servers: Vec<SocketAddr>) -> Dns {
        Dns {
            servers,
            resolver: OnceLock::new(),
            known: Mutex::default(),
        }
    }

    /// The TXT records of a name that ends with a dot.
    pub(super) async fn txt(&self, name: &str) -> Answer {
        let now = SystemClock.monotonic();
        if let Some(answer) = self.remembered(name, now) {
            return answer;
        }
        let resolver = self.resolver.get_or_init(|| resolver(&self.servers));
        let (answer, ttl) = match resolver {
            Ok(resolver) => tokio::time::timeout(ANSWER_LIMIT, asked(resolver, name))
                .await
                .unwrap_or_else(|_| (Answer::Unknown(too_late()), Duration::ZERO)),
            Err(why) => (Answer::Unknown(why.clone()), Duration::ZERO),
        };
        self.learn(name, &answer, ttl);
        answer
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, name: &str, now: Duration) -> Option<Answer> {
        let mut known = self.known();
        if let Some((answer, until)) = known.answers.get(name)
            && *until > now
        {
            return Some(answer.clone());
        }
        match known.rests_until {
            Some(until) if until > now => {
                let seconds = until.saturating_sub(now).as_secs();
                let why = format!("DNS did not answer lately; it is asked again in {seconds} s");
                Some(Answer::Unknown(why))
            }
            Some(_) => {
                // One question more, and if that is not answered, the next rest.
                known.rests_until = None;
                known.troubles = TROUBLES_MAX.saturating_sub(1);
                None
            }
            None => None,
        }
    }

    fn learn(&self, name: &str, answer: &Answer, ttl: Duration) {
        let now = SystemClock.monotonic();
        let mut known = self.known();
        if matches!(answer, Answer::Unknown(_)) {
            known.troubles = known.troubles.saturating_add(1);
            if known.troubles >= TROUBLES_MAX {
                known.rests_until = Some(now.saturating_add(REST));
            }
            return;
        }
        known.troubles = 0;
        known.rests_until = None;
        if known.answers.len() >= NAMES_MAX {
            known.answers.retain(|_, (_, until)| *until > now);
        }
        if known.answers.len() >= NAMES_MAX {
            let first = known.answers.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                known.answers.remove(&first);
            }
        }
        let until = now.saturating_add(ttl);
        known
            .answers
            .insert(name.to_owned(), (answer.clone(), until));
    }
}

fn too_late() -> String {
    format!(
        "DNS did not answer within {} seconds",
        ANSWER_LIMIT.as_secs()
    )
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, String> {
    let (config, mut options) = match servers {
        [] => read_system_conf()
            .map_err(|error| format!("the DNS servers of this machine are not known ({error})"))?,
        _ => {
            let servers = servers.iter().map(name_server).collect();
            let config = ResolverConfig::from_name_servers(servers);
            (config, ResolverOpts::default())
        }
    };
    (options.timeout, options.attempts) = TRY;
    options.use_hosts_file = ResolveHosts::Never;
    // Remembered here, with bounds of our own.
    options.cache_size = 0;
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .build()
        .map_err(|error| format!("DNS cannot be asked ({error})"))
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let at_port = |mut connection: ConnectionConfig| {
        connection.port = address.port();
        connection
    };
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = vec![
        at_port(ConnectionConfig::udp()),
        at_port(ConnectionConfig::tcp()),
    ];
    server
}

/// The answer, and how long to remember it.
async fn asked(resolver: &TokioResolver, name: &str) -> (Answer, Duration) {
    let Ok(query) = Name::from_str_relaxed(name) else {
        return (Answer::Missing, MISSING_TTL);
    };
    let lookup = match resolver.txt_lookup(query).await {
        Ok(lookup) => lookup,
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) =>
        {
            return (Answer::Missing, MISSING_TTL);
        }
        Err(error) => {
            return (
                Answer::Unknown(format!("DNS did not answer ({error})")),
                Duration::ZERO,
            );
        }
    };
    let mut records: Vec<Vec<u8>> = Vec::new();
    let (mut bytes, mut ttl) = (0_usize, TTL.1);
    for record in lookup.answers() {
        let RData::TXT(txt) = &record.data else {
            continue;
        };
        let text = txt.txt_data.concat();
        bytes = bytes.saturating_add(text.len());
        if bytes > RECORDS_BYTES_MAX {
            break;
        }
        ttl = ttl.min(Duration::from_secs(u64::from(record.ttl)));
        records.push(text);
    }
    match records.is_empty() {
        true => (Answer::Missing, MISSING_TTL),
        false => (Answer::Records(records), ttl.max(TTL.0)),
    }
}
