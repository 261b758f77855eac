//! One message's signatures: which of them could prove the sender, and whether they do.

use std::borrow::{Borrow, Cow};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use futures_util::future::FutureExt;
use liaison_core::mail::address::{Domain, clean_text};
use liaison_core::mail::authenticity::is_aligned;
use liaison_core::mail::{Address, Verdict};
use liaison_core::time::Timestamp;
use mail_auth::common::crypto::Algorithm;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::{DomainKey, VerifySignature};
use mail_auth::dkim::{DkimError, Signature};
use mail_auth::hickory_resolver::TokioResolver;
use mail_auth::hickory_resolver::config::ResolverConfig;
use mail_auth::hickory_resolver::net::runtime::TokioRuntimeProvider;
use mail_auth::{
    AuthenticatedMessage, DkimOutput, DkimResult, DnsError, Error, MX, MessageAuthenticator,
    Parameters, RecordSet, ResolverCache, Txt,
};

use super::dns::Answer;

/// Bytes of a header that is looked through; a longer one is no mail of a person.
const HEADER_BYTES_MAX: usize = 512 * 1024;
/// Signatures of a message that are looked at, aligned or not.
const SIGNATURES_LOOKED_AT_MAX: usize = 20;
/// Header fields of a message with a signature that counts, and names that it may sign: the time
/// to find the one among the other grows with both.
const FIELDS_MAX: usize = 1_000;
/// See [`FIELDS_MAX`].
const SIGNED_NAMES_MAX: usize = 200;
/// RFC 8301 section 3.2.
const RSA_BITS_MIN: usize = 1_024;

/// A signature that could prove the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// `d=`.
    pub domain: String,
    /// `s=`.
    selector: String,
    /// Which of the signatures of the message it is.
    nth: usize,
}

impl Claim {
    /// Where its key is published.
    pub(super) fn key_name(&self) -> String {
        format!("{}._domainkey.{}.", self.selector, self.domain)
    }

    fn named(&self) -> String {
        format!("{} (selector {})", self.domain, clean_text(&self.selector))
    }
}

/// What the signatures of a message claim.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Those that could prove the From domain.
    pub sound: Vec<Claim>,
    /// Why those of the From domain that cannot, cannot.
    pub void: Vec<String>,
    /// Other domains that signed.
    pub others: Vec<String>,
}

/// What one claim came to; `None`: the signature does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    pub verdict: Verdict,
    pub detail: String,
}

impl Claims {
    /// Reads the signatures in the header of a message.
    pub(super) fn read(bytes: &[u8], from: &Address, received: Timestamp) -> Claims {
        let mut claims = Claims::default();
        let bytes = with_crlf(bytes);
        let header = header_of(&bytes);
        let Some(message) = AuthenticatedMessage::parse_with_opts(header, None, false) else {
            return claims;
        };
        let whole = header.len() < HEADER_BYTES_MAX && message.headers.len() <= FIELDS_MAX;
        let of_dkim = message.headers.iter();
        let of_dkim = of_dkim.filter(|(name, _)| name.eq_ignore_ascii_case(b"DKIM-Signature"));
        for (nth, (_, value)) in of_dkim.take(SIGNATURES_LOOKED_AT_MAX).enumerate() {
            let Ok(signature) = Signature::parse(value) else {
                continue;
            };
            let domain = match Domain::parse(&signature.d) {
                Ok(domain) if is_aligned(&domain, from.domain()) => domain,
                Ok(other) => {
                    claims.others.push(other.to_string());
                    continue;
                }
                Err(_) => continue,
            };
            let void = match whole {
                true => void_because(&signature, &message, from, received),
                false => Some("the header of the message is too long".to_owned()),
            };
            match void {
                Some(why) => claims.void.push(format!(
                    "the DKIM signature of {domain} does not count: {why}"
                )),
                None => claims.sound.push(Claim {
                    domain: domain.to_string(),
                    selector: signature.s,
                    nth,
                }),
            }
        }
        claims
    }
}

/// Why a signature proves nothing, whatever its key; `None`: it may.
fn void_because(
    signature: &Signature,
    message: &AuthenticatedMessage<'_>,
    from: &Address,
    received: Timestamp,
) -> Option<String> {
    let seconds = u64::try_from(received.0 / 1_000).unwrap_or(0);
    if signature.x != 0 && (signature.x <= signature.t || signature.x < seconds) {
        return Some("it had expired when the message arrived".to_owned());
    }
    if signature.l != 0 {
        return Some("it covers a part of the body only (l=)".to_owned());
    }
    if signature.a == Algorithm::RsaSha1 {
        return Some("its algorithm (rsa-sha1) is broken".to_owned());
    }
    if !signature
        .h
        .iter()
        .any(|name| name.eq_ignore_ascii_case("From"))
    {
        return Some("it does not cover the From field".to_owned());
    }
    if signature.h.len() > SIGNED_NAMES_MAX {
        return Some("it names too many fields".to_owned());
    }
    let selector = signature.s.as_str();
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if selector.len() > 63 || !selector.chars().all(is_name) {
        return Some("its selector is no name".to_owned());
    }
    // Whoever signs and whoever reads must see the same sender.
    match message.from.as_slice() {
        [only] if Address::parse(only).is_ok_and(|only| only.key() == from.key()) => None,
        _ => Some("its From field reads in two ways".to_owned()),
    }
}

/// Verifies the claims with the keys that DNS gave.
pub(super) fn prove(bytes: &[u8], from: &Address, asked: Vec<(Claim, Answer)>) -> Vec<Proof> {
    let mut proofs = Vec::new();
    let mut keys = Keys::default();
    let mut left = Vec::new();
    for (claim, answer) in asked {
        match key_of(&claim, answer) {
            Ok(key) => {
                keys.0.insert(claim.key_name().into(), Txt::DomainKey(key));
                left.push(claim);
            }
            Err(proof) => proofs.push(proof),
        }
    }
    if left.is_empty() {
        return proofs;
    }
    let bytes = with_crlf(bytes);
    let Some(mut message) = AuthenticatedMessage::parse_with_opts(&bytes, None, true) else {
        return proofs;
    };
    keep(&mut message, &left);
    let outputs = verified(&message, &keys);
    for output in &outputs {
        proofs.push(proof_of(output, from));
    }
    proofs
}

/// The key that a claim needs, or why there is none that counts.
fn key_of(claim: &Claim, answer: Answer) -> Result<Arc<DomainKey>, Proof> {
    let told = |verdict, why: String| Proof {
        verdict,
        detail: format!("the DKIM signature of {}: {why}", claim.named()),
    };
    let records = match answer {
        Answer::Records(records) => records,
        Answer::Missing => return Err(told(Verdict::Fail, "its key is not published".to_owned())),
        Answer::Unknown(why) => {
            return Err(told(Verdict::Unknown, format!("not checked, {why}")));
        }
    };
    let mut refused = "no key can be read".to_owned();
    for record in &records {
        match DomainKey::parse(record) {
            Ok(key) => {
                if let Some(why) = unfit(&key, record) {
                    return Err(told(Verdict::None, why.to_owned()));
                }
                return Ok(Arc::new(key));
            }
            Err(Error::Dkim(DkimError::RevokedPublicKey)) => {
                return Err(told(Verdict::Fail, "its key is revoked".to_owned()));
            }
            Err(error) => refused = format!("no key can be read ({error})"),
        }
    }
    Err(told(Verdict::None, refused))
}

/// Why a key that can be read does not count.
fn unfit(key: &DomainKey, record: &[u8]) -> Option<&'static str> {
    if key.p.public_key_bits() < RSA_BITS_MIN {
        return Some("does not count, its key is weak (less than 1,024 bits)");
    }
    let record = String::from_utf8_lossy(record);
    let list = |tag: &str| {
        let mut tags = record.split(';').filter_map(|piece| piece.split_once('='));
        let (_, value) = tags.find(|(name, _)| name.trim() == tag)?;
        Some(value.split(':').map(str::trim).collect::<Vec<_>>())
    };
    if list("t").is_some_and(|flags| flags.contains(&"y")) {
        return Some("does not count, the domain is only trying it out (t=y)");
    }
    let other_service = |services: Vec<&str>| !services.iter().any(|s| *s == "*" || *s == "email");
    if list("s").is_some_and(other_service) {
        return Some("does not count, its key is not for mail");
    }
    let other_hash = |hashes: Vec<&str>| !hashes.contains(&"sha256");
    if list("h").is_some_and(other_hash) {
        return Some("does not count, its key is not for sha256");
    }
    None
}

/// Leaves only the claimed signatures, with nothing in them that makes the verifier ask further or
/// look at the clock: their time was judged when they were read.
fn keep(message: &mut AuthenticatedMessage<'_>, claims: &[Claim]) {
    message.errors.clear();
    let all = std::mem::take(&mut message.headers);
    let of_dkim = all
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"DKIM-Signature"));
    let wanted: Vec<&[u8]> = of_dkim
        .enumerate()
        .filter(|(nth, _)| claims.iter().any(|claim| claim.nth == *nth))
        .map(|(_, (_, value))| *value)
        .collect();
    message.dkim_headers.retain(|header| {
        let is_it = |value: &&[u8]| std::ptr::eq(value.as_ptr(), header.value.as_ptr());
        wanted.iter().any(is_it)
    });
    for header in &mut message.dkim_headers {
        header.header.x = 0;
        header.header.r = false;
        header.header.atps = None;
    }
    message.headers = all;
}

fn verified<'x>(message: &'x AuthenticatedMessage<'x>, keys: &'x Keys) -> Vec<DkimOutput<'x>> {
    let config = ResolverConfig::from_name_servers(Vec::new());
    let resolver =
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).build();
    let Ok(resolver) = resolver else {
        return Vec::new();
    };
    let known = |header: &&mail_auth::common::headers::Header<'_, Signature>| {
        keys.0.contains_key(header.header.domain_key().as_str())
    };
    if message.dkim_headers.iter().filter(known).count() != message.dkim_headers.len() {
        return Vec::new();
    }
    let parameters: Parameters<'x, _, Keys, Nothing, Nothing, Nothing, Nothing> = Parameters {
        params: message,
        cache_txt: Some(keys),
        cache_mx: None,
        cache_ptr: None,
        cache_ipv4: None,
        cache_ipv6: None,
    };
    // All keys are at hand, so it never waits.
    MessageAuthenticator(resolver)
        .verify_dkim(parameters)
        .now_or_never()
        .unwrap_or_default()
}

fn proof_of(output: &DkimOutput<'_>, from: &Address) -> Proof {
    let signature = output.signature();
    let who = signature.map_or_else(
        || from.domain().to_string(),
        |signature| {
            format!(
                "{} (selector {})",
                clean_text(&signature.d),
                clean_text(&signature.s)
            )
        },
    );
    let (verdict, why) = match output.result() {
        DkimResult::Pass => {
            let detail = format!("signed by {who}, the domain of the sender");
            return Proof {
                verdict: Verdict::Pass,
                detail,
            };
        }
        DkimResult::Neutral(Error::Dkim(DkimError::FailedBodyHashMatch)) => {
            (Verdict::Fail, "the body was changed".to_owned())
        }
        DkimResult::Fail(Error::Crypto(_)) => (
            Verdict::Fail,
            "the header was changed, or it is forged".to_owned(),
        ),
        DkimResult::Fail(error) => (Verdict::Fail, error.to_string()),
        DkimResult::TempError(error) => (Verdict::Unknown, error.to_string()),
        DkimResult::PermError(error) | DkimResult::Neutral(error) => {
            (Verdict::None, format!("does not count, {error}"))
        }
        DkimResult::None => (Verdict::None, "does not count".to_owned()),
    };
    Proof {
        verdict,
        detail: format!("the DKIM signature of {who}: {why}"),
    }
}

/// The keys of the claims; the verifier finds nothing else, and asks nobody.
#[derive(Default)]
struct Keys(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Keys {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let absent = || Txt::Error(Error::Dns(DnsError::Resolver("not asked for".to_owned())));
        Some(self.0.get(name).cloned().unwrap_or_else(absent))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

/// No answer of another type is ever needed.
struct Nothing;

macro_rules! nothing {
    ($($key:ty => $value:ty;)*) => {$(
        impl ResolverCache<$key, $value> for Nothing {
            fn get<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn remove<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn insert(&self, _: $key, _: $value, _: std::time::Instant) {}
        }
    )*};
}

nothing! {
    Box<str> => RecordSet<MX>;
    Box<str> => RecordSet<std::net::Ipv4Addr>;
    Box<str> => RecordSet<std::net::Ipv6Addr>;
    std::net::IpAddr => RecordSet<Box<str>>;
}

/// The header with the empty line behind it, cut at [`HEADER_BYTES_MAX`].
fn header_of(bytes: &[u8]) -> &[u8] {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.map_or(bytes.len(), |end| end.saturating_add(4));
    bytes.get(..end.min(HEADER_BYTES_MAX)).unwrap_or(bytes)
}

/// Signatures are made over lines that end in CRLF; files on disk often have LF alone.
fn with_crlf(bytes: &[u8]) -> Cow<'_, [u8]> {
    let first = bytes.iter().position(|byte| *byte == b'\n');
    let bare = first.is_some_and(|at| at == 0 || bytes.get(at.saturating_sub(1)) != Some(&b'\r'));
    if !bare {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len().saturating_add(bytes.len() / 32));
    let mut before = 0;
    for byte in bytes {
        if *byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(*byte);
        before = *byte;
    }
    Cow::Owned(out)
}
