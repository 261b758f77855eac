//! Who was erased, without saying who: hashes under a random key of this store.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::PrivacyError;
use super::person::bare;
use crate::books::rows::{ErasureRow, SaltRow};
use crate::books::{Books, BooksError, keys, replace};

/// Where random bits come from.
const RANDOM: &str = "/dev/urandom";

/// The tombstones of a store; without any, asking costs nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tombstones {
    salt: Option<[u8; 32]>,
}

impl Tombstones {
    /// Reads the key under which they are made.
    ///
    /// # Errors
    /// As the store.
    pub async fn read(books: &Books) -> Result<Tombstones, BooksError> {
        let row = books.get::<SaltRow>(keys::setting(keys::SALT)).await?;
        Ok(Tombstones {
            salt: row.map(|row| row.record.salt),
        })
    }

    /// The same; the first time the key is made.
    ///
    /// # Errors
    /// As the store, or when there are no random bits.
    pub async fn ready(books: &Books) -> Result<Tombstones, PrivacyError> {
        let known = Tombstones::read(books).await?;
        if known.salt.is_some() {
            return Ok(known);
        }
        let mut salt = [0; 32];
        let path = Path::new(RANDOM);
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut salt));
        read.map_err(|source| PrivacyError::Io {
            doing: "read random bits from",
            path: path.to_owned(),
            source,
        })?;
        let mut writes = books.batch();
        replace(
            &mut writes,
            keys::setting(keys::SALT),
            None,
            &SaltRow { salt },
        )?;
        match books.commit(writes).await {
            // Somebody else made it meanwhile.
            Err(error) if error.is_conflict() => Ok(Tombstones::read(books).await?),
            done => {
                done?;
                Ok(Tombstones { salt: Some(salt) })
            }
        }
    }

    /// Whether nobody was ever erased.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.salt.is_none()
    }

    /// The name of a person's tombstone; `None` when `email` is no address, or nobody was erased.
    #[must_use]
    pub fn name(&self, email: &str) -> Option<String> {
        let hash = blake3::keyed_hash(self.salt.as_ref()?, bare(email)?.as_bytes());
        Some(hash.to_hex().to_string())
    }

    /// Whether the person with this address was erased.
    ///
    /// # Errors
    /// As the store.
    pub async fn has(&self, books: &Books, email: &str) -> Result<bool, BooksError> {
        Ok(self.of(books, email).await?.is_some())
    }

    /// The erasure of the person with this address.
    ///
    /// # Errors
    /// As the store.
    pub async fn of(&self, books: &Books, email: &str) -> Result<Option<ErasureRow>, BooksError> {
        match self.name(email) {
            Some(name) => Ok(books.get(keys::erasure(&name)).await?.map(|row| row.record)),
            None => Ok(None),
        }
    }
}
