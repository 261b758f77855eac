//! TXT records from DNS, remembered for a while, and asked for less where nobody answers.

mod troubles;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
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
use troubles::{PROBE, Reply, Troubles};

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
    troubles: Troubles,
}

/// What came of one question.
struct Found {
    answer: Answer,
    /// How long to remember it.
    ttl: Duration,
    reply: Reply,
}

impl Found {
    fn missing() -> Found {
        Found {
            answer: Answer::Missing,
            ttl: MISSING_TTL,
            reply: Reply::Answer,
        }
    }

    fn unknown(why: String, reply: Reply) -> Found {
        Found {
            answer: Answer::Unknown(why),
            ttl: Duration::ZERO,
            reply,
        }
    }
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

    /// The TXT records of names of one message, each with a final dot, all of them names of one
    /// registrable `domain`: what its name servers do counts once, and against it alone.
    pub(super) async fn txts(&self, domain: &str, names: &[String]) -> Vec<Answer> {
        let now = SystemClock.monotonic();
        let (known, rests) = {
            let known = self.known();
            let answers = names.iter().map(|name| known.remembered(name, now));
            let answers: Vec<Option<Answer>> = answers.collect();
            (answers, known.troubles.rests(domain, now))
        };
        let answers = known.into_iter().zip(names).map(|(known, name)| async {
            match (known, &rests) {
                (Some(answer), _) => (answer, None),
                (None, Some(why)) => (Answer::Unknown(why.clone()), None),
                (None, None) => {
                    let found = self.found(name).await;
                    self.remember(name, &found);
                    (found.answer, Some(found.reply))
                }
            }
        });
        let answers = join_all(answers).await;
        let replies: Vec<Reply> = answers.iter().filter_map(|(_, reply)| *reply).collect();
        self.learn(domain, &replies).await;
        answers.into_iter().map(|(answer, _)| answer).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn found(&self, name: &str) -> Found {
        match self.resolver.get_or_init(|| resolver(&self.servers)) {
            Ok(resolver) => tokio::time::timeout(ANSWER_LIMIT, asked(resolver, name))
                .await
                .unwrap_or_else(|_| Found::unknown(too_late(), Reply::Silence)),
            Err(why) => Found::unknown(why.clone(), Reply::Silence),
        }
    }

    /// Notes the best of the replies, and looks whether our resolver is there where that is in
    /// doubt.
    async fn learn(&self, domain: &str, replies: &[Reply]) {
        let has = |wanted: Reply| replies.contains(&wanted);
        let Some(reply) = [Reply::Answer, Reply::Failure, Reply::Silence]
            .into_iter()
            .find(|reply| has(*reply))
        else {
            return;
        };
        let doubtful = {
            let now = SystemClock.monotonic();
            self.known().troubles.learn(domain, reply, now)
        };
        if doubtful {
            let replied = self.found(PROBE).await.reply != Reply::Silence;
            let now = SystemClock.monotonic();
            self.known().troubles.probed(replied, now);
        }
    }

    fn remember(&self, name: &str, found: &Found) {
        if matches!(found.answer, Answer::Unknown(_)) {
            return;
        }
        let now = SystemClock.monotonic();
        let mut known = self.known();
        if known.answers.len() >= NAMES_MAX {
            known.answers.retain(|_, (_, until)| *until > now);
        }
        if known.answers.len() >= NAMES_MAX {
            let first = known.answers.iter().min_by_key(|(_, (_, until))| *until);
            if let Some(first) = first.map(|(name, _)| name.clone()) {
                known.answers.remove(&first);
            }
        }
        let until = now.saturating_add(found.ttl);
        known
            .answers
            .insert(name.to_owned(), (found.answer.clone(), until));
    }
}

impl Known {
    fn remembered(&self, name: &str, now: Duration) -> Option<Answer> {
        let (answer, until) = self.answers.get(name)?;
        (*until > now).then(|| answer.clone())
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

async fn asked(resolver: &TokioResolver, name: &str) -> Found {
    let Ok(query) = Name::from_str_relaxed(name) else {
        return Found::missing();
    };
    let lookup = match resolver.txt_lookup(query).await {
        Ok(lookup) => lookup,
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(
                none.response_code,
                ResponseCode::NXDomain | ResponseCode::NoError
            ) =>
        {
            return Found::missing();
        }
        Err(error) => {
            let reply = match &error {
                NetError::Dns(_) | NetError::Proto(_) => Reply::Failure,
                _ => Reply::Silence,
            };
            return Found::unknown(format!("DNS did not answer ({error})"), reply);
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
        true => Found::missing(),
        false => Found {
            answer: Answer::Records(records),
            ttl: ttl.max(TTL.0),
            reply: Reply::Answer,
        },
    }
}
