//! Our own check of DKIM signatures (RFC 6376, RFC 8301, RFC 8463).
//!
//! Only signatures that can prove the From domain are looked at: those whose `d=` is aligned with
//! it. Everything is bounded, and nothing here can fail or hold up the message: what is not found
//! out in time is [`Verdict::Unknown`], said so.
//!
//! The crate that knows signatures may ask the network by itself, look at the wall clock, and
//! panic over bytes; so it is given the keys beforehand, signatures whose time was judged here,
//! and a thread of the readers.

mod dns;
mod signature;

use std::net::SocketAddr;

use bytes::Bytes;
use liaison_core::account::matching::registrable;
use liaison_core::mail::authenticity::single_sender;
use liaison_core::mail::{Address, DkimCheck, DkimDoubt, MessageView, Verdict};
use liaison_core::time::Timestamp;

use crate::reader;
use dns::Dns;
use signature::{Claim, Claims, Proof};

/// Signatures of one message for which a key is asked for; senders write one or two.
const SIGNATURES_MAX: usize = 4;
/// Larger messages are not checked: hashing takes its time, and nobody signs such.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How senders are checked by ourselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DkimSettings {
    /// DNS servers; empty: those of the machine.
    pub dns: Vec<SocketAddr>,
}

/// Checks signatures; one for the whole daemon, because it remembers keys.
#[derive(Debug)]
pub struct DkimVerifier {
    dns: Dns,
}

impl DkimVerifier {
    /// One that asks the servers of `settings`. Nothing is asked before the first signature.
    #[must_use]
    pub fn new(settings: &DkimSettings) -> DkimVerifier {
        DkimVerifier {
            dns: Dns::new(settings.dns.clone()),
        }
    }

    /// Checks the signatures of a message that arrived at `received`.
    ///
    /// `bytes` are the whole message as it was delivered; `None` when only its header is there.
    pub async fn check(
        &self,
        view: &MessageView,
        bytes: Option<&Bytes>,
        received: Timestamp,
    ) -> DkimCheck {
        let Some(from) = single_sender(view) else {
            return said(
                Verdict::Unknown,
                "the From field does not name exactly one address",
            );
        };
        if !is_signed(view) {
            return said(Verdict::None, "the message has no DKIM signature");
        }
        let Some(bytes) = bytes.filter(|bytes| bytes.len() <= MESSAGE_BYTES_MAX) else {
            return said(
                Verdict::Unknown,
                "the DKIM signatures cannot be checked: the whole message is not at hand, or too large",
            );
        };
        let claims = {
            let (bytes, from) = (bytes.clone(), from.clone());
            reader::off_thread(move || Claims::read(&bytes, &from, received)).await
        };
        match claims {
            Err(broke) => said(Verdict::Unknown, &format!("DKIM signatures: {broke}")),
            Ok(claims) => self.prove(claims, bytes, from).await,
        }
    }

    async fn prove(&self, claims: Claims, bytes: &Bytes, from: &Address) -> DkimCheck {
        if claims.sound.is_empty() {
            return claims.without_proof(from);
        }
        let wanted: Vec<Claim> = claims.sound.iter().take(SIGNATURES_MAX).cloned().collect();
        let names: Vec<String> = wanted.iter().map(Claim::key_name).collect();
        // All of them are aligned with the From domain: they have its registrable part.
        let domain = from.domain().as_str();
        let domain = registrable(domain).unwrap_or(domain);
        let answers = self.dns.txts(domain, &names).await;
        let proofs = {
            let (bytes, from) = (bytes.clone(), from.clone());
            let asked = wanted.into_iter().zip(answers).collect();
            reader::off_thread(move || signature::prove(&bytes, &from, asked)).await
        };
        match proofs {
            Ok(proofs) => claims.decided(from, proofs),
            Err(broke) => said(Verdict::Unknown, &format!("DKIM signatures: {broke}")),
        }
    }
}

/// Whether a message bears a signature: without one nothing is asked and nothing is computed.
#[must_use]
pub fn is_signed(view: &MessageView) -> bool {
    let mut headers = view.headers.iter();
    headers.any(|(name, _)| name.eq_ignore_ascii_case("DKIM-Signature"))
}

fn said(verdict: Verdict, detail: &str) -> DkimCheck {
    DkimCheck {
        verdict,
        detail: detail.to_owned(),
        doubt: None,
    }
}

impl Claims {
    /// No signature can prove the From domain.
    fn without_proof(self, from: &Address) -> DkimCheck {
        let domain = from.domain();
        if let Some(void) = self.void.into_iter().next() {
            return DkimCheck {
                verdict: Verdict::None,
                detail: void,
                doubt: Some(DkimDoubt::Void),
            };
        }
        match self.others.first() {
            Some(other) => DkimCheck {
                verdict: Verdict::None,
                detail: format!("signed by {other}, which says nothing about {domain}"),
                doubt: Some(DkimDoubt::OtherSigner),
            },
            None => said(Verdict::None, "no DKIM signature that can be read"),
        }
    }

    /// The best of the proofs decides; one that could not be looked at is better than one that
    /// failed, because it may have been the good one.
    fn decided(self, from: &Address, proofs: Vec<Proof>) -> DkimCheck {
        let of = |wanted: Verdict| {
            let mut proofs = proofs.iter();
            proofs.find(|proof| proof.verdict == wanted)
        };
        let decisive = of(Verdict::Pass)
            .or_else(|| of(Verdict::Unknown))
            .or_else(|| of(Verdict::Fail));
        match decisive {
            Some(proof) => said(proof.verdict, &proof.detail),
            None => {
                let void = proofs.into_iter().map(|proof| proof.detail).collect();
                Claims { void, ..self }.without_proof(from)
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
