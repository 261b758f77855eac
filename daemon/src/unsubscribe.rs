//! Asking not to get further mail: the fields of a follow-up that say how (RFC 2369, RFC 8058), the
//! key of their tokens, and what follows when one comes back (`unsubscribe/heed.rs`).
//!
//! No web server is here, so nothing changes because somebody, or a scanner of links, fetched an
//! address: a token comes back by mail, or is handed in by a program that took a POST.

mod heed;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::Uri;
use liaison_core::mail::address::Domain;
use liaison_core::optout::{Claim, TOKEN_CHARS_MAX, TOKEN_MARK, bare};
use ring::hmac;

use crate::books::{Books, BooksError};
use crate::oauth::{VaultError, copy_key, own_key, read_key};

pub(crate) use heed::{Asked, Heeded, heed};

/// Name of the key file in the folder of the state.
const KEY_FILE: &str = "unsubscribe.key";
/// For what the key is derived; another purpose gets another key.
const KEY_PURPOSE: &str = "liaison 2026-11 key of unsubscribe tokens";
/// Bytes of a tag: those of SHA-256.
const TAG_BYTES: usize = 32;
/// Where the token stands in the address of a web page.
const PLACE: &str = "{token}";
/// Longest address of a web page, in bytes: with the longest token it fits one line of a header.
const URL_BYTES_MAX: usize = 300;
/// Longest line of a header, in bytes (RFC 5322 section 2.1.1).
const LINE_BYTES_MAX: usize = 998;

/// Why a follow-up cannot say how to ask for its end.
#[derive(Debug, thiserror::Error)]
pub enum UnsubscribeError {
    /// The key cannot be had.
    #[error("the key of unsubscribe tokens cannot be had")]
    Key(#[from] VaultError),
    /// The addresses are too long for a header.
    #[error("an address of {bytes} bytes does not fit a header field")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

/// Why a token changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It was not made here, or altered.
    #[error(
        "the unsubscribe token was not made with our key, or was altered since: it is heeded for \
         no address"
    )]
    NotOurs,
    /// There is no key.
    #[error("the unsubscribe token cannot be checked: no key is here")]
    NoKey,
    /// The key cannot be read.
    #[error("the unsubscribe token cannot be checked")]
    Key(#[from] VaultError),
}

/// `firm.unsubscribe_url`: where a POST asks for an end of mails, with a place for the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsubscribeUrl(String);

impl UnsubscribeUrl {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<UnsubscribeUrl, String> {
        if text.len() > URL_BYTES_MAX {
            return Err(format!("it has more than {URL_BYTES_MAX} bytes"));
        }
        let fits_header = |c: char| c.is_ascii_graphic() && !"<>\"\\".contains(c);
        if !text.chars().all(fits_header) {
            return Err("it holds characters that an address cannot have".to_owned());
        }
        if text.matches(PLACE).count() != 1 {
            return Err(format!("it has to hold {PLACE} once"));
        }
        let example = text.replace(PLACE, "t");
        let uri: Uri = example.parse().map_err(|_| "it is no address".to_owned())?;
        if uri.scheme_str() != Some("https") {
            return Err("RFC 8058 wants https".to_owned());
        }
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        if authority.contains('@') {
            return Err("it holds a login".to_owned());
        }
        let start = text.get("https://".len()..).unwrap_or_default();
        if start.find(PLACE).is_none_or(|at| at <= authority.len()) {
            return Err(format!("{PLACE} belongs behind the name of the server"));
        }
        match uri.host().map(Domain::parse) {
            Some(Ok(_)) => Ok(UnsubscribeUrl(text.to_owned())),
            _ => Err("it names no server".to_owned()),
        }
    }

    fn with(&self, token: &str) -> String {
        self.0.replace(PLACE, token)
    }
}

/// How recipients of follow-ups ask for their end. Cheap to clone; by default not at all.
#[derive(Debug, Clone, Default)]
pub struct Unsubscribe {
    key: Option<Arc<KeyFile>>,
    url: Option<UnsubscribeUrl>,
}

#[derive(Debug)]
struct KeyFile {
    folder: PathBuf,
    read: OnceLock<hmac::Key>,
}

impl Unsubscribe {
    /// With a key in `folder`, made when it is needed first.
    #[must_use]
    pub fn new(folder: &Path, url: Option<&UnsubscribeUrl>) -> Unsubscribe {
        Unsubscribe {
            key: Some(Arc::new(KeyFile {
                folder: folder.to_owned(),
                read: OnceLock::new(),
            })),
            url: url.cloned(),
        }
    }

    /// Puts a copy of the key, if there is one, into the folder of a backup: without it the tokens of
    /// mail that left already would end nothing after a restore elsewhere.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn back_up(&self, folder: &Path) -> Result<(), VaultError> {
        match &self.key {
            Some(file) => copy_key(&file.path(), &folder.join(KEY_FILE)),
            None => Ok(()),
        }
    }

    /// Puts the key of a backup, if it has one, where there is none.
    ///
    /// # Errors
    /// As [`Self::back_up`].
    pub fn restore(folder: &Path, state_dir: &Path) -> Result<(), VaultError> {
        copy_key(&folder.join(KEY_FILE), &state_dir.join(KEY_FILE))
    }

    /// The token of a claim; `None` where there is no place for a key.
    ///
    /// # Errors
    /// The key cannot be had.
    pub fn token(&self, claim: &Claim) -> Result<Option<String>, VaultError> {
        let (Some(file), Some(bytes)) = (&self.key, claim.to_bytes()) else {
            return Ok(None);
        };
        let key = file.key(|folder| own_key(folder, KEY_FILE, "new"))?;
        let tag = hmac::sign(&key, &bytes);
        let all = [bytes.as_slice(), tag.as_ref()].concat();
        Ok(Some(format!("{TOKEN_MARK}{}", URL_SAFE_NO_PAD.encode(all))))
    }

    /// What a token says, if it was made here. The tags are compared in constant time.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn claim(&self, token: &str) -> Result<Claim, TokenError> {
        let encoded = token.trim().strip_prefix(TOKEN_MARK);
        let encoded = encoded.filter(|encoded| encoded.len() <= TOKEN_CHARS_MAX);
        let all = encoded.and_then(|encoded| URL_SAFE_NO_PAD.decode(encoded).ok());
        let all = all.ok_or(TokenError::NotOurs)?;
        let (bytes, tag) = all
            .len()
            .checked_sub(TAG_BYTES)
            .and_then(|end| all.split_at_checked(end))
            .ok_or(TokenError::NotOurs)?;
        let file = self.key.as_ref().ok_or(TokenError::NoKey)?;
        if !file.path().exists() {
            return Err(TokenError::NoKey);
        }
        let key = file.key(|folder| read_key(&folder.join(KEY_FILE)))?;
        hmac::verify(&key, bytes, tag).map_err(|_| TokenError::NotOurs)?;
        Claim::from_bytes(bytes).ok_or(TokenError::NotOurs)
    }

    /// The fields of a mail, with their values as they stand in the header.
    ///
    /// # Errors
    /// [`UnsubscribeError`].
    pub fn fields(
        &self,
        claim: &Claim,
        to: &str,
    ) -> Result<Vec<(&'static str, String)>, UnsubscribeError> {
        let Some(token) = self.token(claim)? else {
            return Ok(Vec::new());
        };
        let mail = format!("<mailto:{}?subject=unsubscribe%20{token}>", escaped(to));
        let page = self
            .url
            .as_ref()
            .map(|url| format!("<{}>", url.with(&token)));
        let name = "List-Unsubscribe: ";
        let longest = mail.len().max(page.as_ref().map_or(0, String::len));
        if longest.saturating_add(name.len()) > LINE_BYTES_MAX {
            return Err(UnsubscribeError::TooLong { bytes: longest });
        }
        let field = "List-Unsubscribe";
        Ok(match page {
            // Programs take the first that they can.
            Some(page) => vec![
                (field, format!("{page},\r\n {mail}")),
                (
                    "List-Unsubscribe-Post",
                    "List-Unsubscribe=One-Click".to_owned(),
                ),
            ],
            None => vec![(field, mail)],
        })
    }
}

impl KeyFile {
    fn path(&self) -> PathBuf {
        self.folder.join(KEY_FILE)
    }

    fn key(
        &self,
        text: impl FnOnce(&Path) -> Result<String, VaultError>,
    ) -> Result<hmac::Key, VaultError> {
        if let Some(key) = self.read.get() {
            return Ok(key.clone());
        }
        let text = text(&self.folder)?;
        let derived = blake3::derive_key(KEY_PURPOSE, text.trim().as_bytes());
        let key = hmac::Key::new(hmac::HMAC_SHA256, &derived);
        Ok(self.read.get_or_init(|| key).clone())
    }
}

/// An address as it stands in a `mailto:` (RFC 6068 section 2).
fn escaped(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for byte in address.bytes() {
        match byte {
            b'@' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Why nothing goes to an address: its owner asked for it.
///
/// # Errors
/// As the store.
pub(crate) async fn opted_out(books: &Books, email: &str) -> Result<Option<String>, BooksError> {
    let Some(address) = bare(email) else {
        return Ok(None);
    };
    let wish = books.opt_out(&address).await?;
    Ok(wish.and_then(|wish| wish.refusal()))
}

#[cfg(test)]
mod tests;
