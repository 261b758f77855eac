//! Whom it is of no use to ask for a while: a domain whose name servers are dead, or our resolver.
//!
//! Strangers choose the domains, as many as they like, and dead name servers with them. So what a
//! domain does counts against that domain only, and once per message. It can at most raise the
//! question whether our own resolver is there, and that is answered by the resolver alone: by a
//! question about the DNS root ([`PROBE`]), which no stranger's name server has a part in. A
//! message with many `d=` of many domains does not even raise it, because only signatures that are
//! aligned with the one From domain are looked at: one message, one registrable domain.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Messages in a row whose domain gave no key and no word that there is none, from which on that
/// domain is left alone for [`REST`]: its dead servers must not hold up each of its messages.
const DOMAIN_TROUBLES_MAX: u32 = 2;
/// Different registrable domains in a row, without one word from our resolver, from which on it is
/// asked whether it is there.
const SILENT_DOMAINS_MAX: usize = 3;
/// How long nobody is asked.
const REST: Duration = Duration::from_secs(30);
/// How long our resolver is believed to be there after it answered about the root.
const ALIVE: Duration = Duration::from_secs(10);
/// Domains whose troubles are remembered. Who makes us forget one costs us a question more.
const DOMAINS_MAX: usize = 1_000;
/// How long a trouble is remembered.
const MEMORY: Duration = Duration::from_secs(600);
/// The name that tells whether our resolver is there: each resolver knows the root by heart.
pub(super) const PROBE: &str = ".";

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    /// The record, or that there is none.
    Answer,
    /// Our resolver said that it could not find out (SERVFAIL, REFUSED): it is there.
    Failure,
    /// Nobody said anything: refused connections, no network, time-outs.
    Silence,
}

#[derive(Debug)]
struct Trouble {
    in_row: u32,
    last: Duration,
    rests_until: Option<Duration>,
}

/// All times are monotonic.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    domains: HashMap<String, Trouble>,
    /// Different domains in a row for which our resolver was silent.
    silent: BTreeSet<String>,
    /// Until when our resolver is not asked.
    rests_until: Option<Duration>,
    /// It was silent about the root, and has said nothing since.
    suspected: bool,
    /// Until when it is taken to be there, or is being asked.
    alive_until: Option<Duration>,
}

impl Troubles {
    /// Why nothing is asked about `domain` (a registrable one) now.
    pub(super) fn rests(&self, domain: &str, now: Duration) -> Option<String> {
        let left = |until: Option<Duration>| {
            let left = until?.checked_sub(now)?;
            (!left.is_zero()).then(|| left.as_secs().saturating_add(1))
        };
        if let Some(seconds) = left(self.rests_until) {
            return Some(format!(
                "the DNS servers did not answer lately; they are asked again in {seconds} s"
            ));
        }
        let seconds = left(self.domains.get(domain)?.rests_until)?;
        Some(format!(
            "DNS did not answer about {domain} lately; it is asked again in {seconds} s"
        ))
    }

    /// Notes what one message's questions about `domain` came to, at best. Whether our resolver
    /// should be asked for [`PROBE`], and [`Self::probed`] be told.
    #[must_use]
    pub(super) fn learn(&mut self, domain: &str, reply: Reply, now: Duration) -> bool {
        match reply {
            Reply::Answer => {
                self.domains.remove(domain);
            }
            Reply::Failure | Reply::Silence => self.trouble(domain, now),
        }
        if reply != Reply::Silence {
            self.resolver_spoke();
            return false;
        }
        if self.alive_until.is_some_and(|until| until > now) {
            return false;
        }
        self.silent.insert(domain.to_owned());
        let doubtful = self.suspected || self.silent.len() >= SILENT_DOMAINS_MAX;
        if doubtful {
            // One asks; who comes meanwhile does not ask, too.
            self.silent.clear();
            self.alive_until = Some(now.saturating_add(ALIVE));
        }
        doubtful
    }

    /// Notes whether our resolver said anything about [`PROBE`].
    pub(super) fn probed(&mut self, replied: bool, now: Duration) {
        self.silent.clear();
        self.suspected = !replied;
        self.alive_until = replied.then(|| now.saturating_add(ALIVE));
        self.rests_until = (!replied).then(|| now.saturating_add(REST));
    }

    fn resolver_spoke(&mut self) {
        self.silent.clear();
        self.suspected = false;
        self.rests_until = None;
    }

    fn trouble(&mut self, domain: &str, now: Duration) {
        if self.domains.len() >= DOMAINS_MAX && !self.domains.contains_key(domain) {
            self.make_room(now);
        }
        let trouble = self.domains.entry(domain.to_owned()).or_insert(Trouble {
            in_row: 0,
            last: now,
            rests_until: None,
        });
        trouble.in_row = trouble.in_row.saturating_add(1);
        trouble.last = now;
        if trouble.in_row >= DOMAIN_TROUBLES_MAX {
            trouble.rests_until = Some(now.saturating_add(REST));
        }
    }

    fn make_room(&mut self, now: Duration) {
        self.domains
            .retain(|_, trouble| now.saturating_sub(trouble.last) < MEMORY);
        if self.domains.len() >= DOMAINS_MAX {
            let oldest = self.domains.iter().min_by_key(|(_, trouble)| trouble.last);
            if let Some(oldest) = oldest.map(|(domain, _)| domain.clone()) {
                self.domains.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
