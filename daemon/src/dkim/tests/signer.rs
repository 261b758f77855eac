//! Signs messages as RFC 6376 says, written apart from the crate that verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use sha2::Digest as _;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

/// Made for these tests; it signs for nobody.
const RSA_2048: &str = include_str!("rsa2048.pem");

enum Secret {
    Rsa(Box<RsaKey<Sha256>>),
    Ed25519(Box<Ed25519Key>),
}

/// A key of a domain.
pub(crate) struct Signer {
    domain: String,
    selector: &'static str,
    secret: Secret,
}

/// What a signature says besides the usual.
#[derive(Clone, Copy)]
pub(crate) struct Tags {
    /// Names of the signed fields.
    pub fields: &'static str,
    /// Further tags, such as ` x=1;`.
    pub more: &'static str,
    /// Bytes of the canonical body that are signed, told in `l=`.
    pub length: Option<usize>,
    /// Instead of the real algorithm.
    pub algorithm: Option<&'static str>,
}

pub(crate) const USUAL: Tags = Tags {
    fields: "From:To:Subject:Date:Message-ID",
    more: "",
    length: None,
    algorithm: None,
};

impl Signer {
    pub fn rsa(domain: &str) -> Signer {
        let der = PrivateKeyDer::from_pem_slice(RSA_2048.as_bytes()).unwrap();
        Signer {
            domain: domain.to_owned(),
            selector: "rsa",
            secret: Secret::Rsa(Box::new(RsaKey::from_key_der(der).unwrap())),
        }
    }

    /// Each has a key of its own.
    pub fn ed25519(domain: &str) -> Signer {
        let der = Ed25519Key::generate_pkcs8().unwrap();
        let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&der).unwrap();
        Signer {
            domain: domain.to_owned(),
            selector: "ed",
            secret: Secret::Ed25519(Box::new(key)),
        }
    }

    pub fn key_name(&self) -> String {
        format!("{}._domainkey.{}.", self.selector, self.domain)
    }

    pub fn record(&self) -> String {
        let (kind, key) = match &self.secret {
            Secret::Rsa(key) => ("rsa", key.public_key()),
            Secret::Ed25519(key) => ("ed25519", key.public_key()),
        };
        format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(key))
    }

    /// The message with a signature on top; lines end in CRLF.
    pub fn sign(&self, message: &str, tags: Tags) -> String {
        let (header, body) = message.split_once("\r\n\r\n").unwrap();
        let mut body = canonical_body(body);
        let mut length = String::new();
        if let Some(bytes) = tags.length {
            body.truncate(bytes);
            length = format!(" l={bytes};");
        }
        let algorithm = tags.algorithm.unwrap_or(match &self.secret {
            Secret::Rsa(_) => "rsa-sha256",
            Secret::Ed25519(_) => "ed25519-sha256",
        });
        let unsigned = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={}; s={};{length}{} h={};\r\n bh={}; b=",
            self.domain,
            self.selector,
            tags.more,
            tags.fields,
            STANDARD.encode(sha2::Sha256::digest(body.as_bytes())),
        );
        let mut data = String::new();
        for name in tags.fields.split(':') {
            if let Some(value) = last_field(header, name) {
                data.push_str(&format!("{}\r\n", canonical_field(name, &value)));
            }
        }
        data.push_str(&canonical_field("dkim-signature", &unsigned));
        let signature = match &self.secret {
            Secret::Rsa(key) => key.sign(data.as_bytes()),
            Secret::Ed25519(key) => key.sign(data.as_bytes()),
        };
        let signature = STANDARD.encode(signature.unwrap());
        format!("DKIM-Signature: {unsigned}{signature}\r\n{message}")
    }
}

fn last_field(header: &str, name: &str) -> Option<String> {
    let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
    let fields = unfolded
        .split("\r\n")
        .filter_map(|line| line.split_once(':'));
    let named = fields.filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.last().map(|(_, value)| value.to_owned())
}

fn canonical_field(name: &str, value: &str) -> String {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    format!("{}:{}", name.to_lowercase(), words.join(" "))
}

fn canonical_body(body: &str) -> String {
    let mut lines: Vec<String> = body
        .split("\r\n")
        .map(|line| {
            let squeezed = line.split([' ', '\t']).filter(|word| !word.is_empty());
            let joined = squeezed.collect::<Vec<_>>().join(" ");
            match line.starts_with([' ', '\t']) && !joined.is_empty() {
                true => format!(" {joined}"),
                false => joined,
            }
        })
        .collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}
