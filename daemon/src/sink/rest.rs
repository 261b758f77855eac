//! Leaving a server alone that refused our login: each further try brings the account nearer to
//! being locked, and reading mail with it. Many mails share one login, so it is the login that
//! rests, whatever each of them would try.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::login::{Login, Proof};
use crate::secret::Secret;

/// How long no login is tried after the first refusal, the second, and each further one. Another
/// password ends the rest, and so does a reload.
const REST: [Duration; 3] = [
    Duration::from_secs(300),
    Duration::from_secs(1_800),
    Duration::from_secs(6 * 3_600),
];

/// Whether a login may be tried.
#[derive(Debug, Default)]
pub(super) struct Rest(Mutex<Option<Resting>>);

#[derive(Debug, Clone)]
struct Resting {
    refusals: usize,
    until: Instant,
    why: String,
    /// The password that was refused.
    shown: Option<Secret>,
}

impl Rest {
    /// Why no login is tried now; `None` when one may be.
    pub(super) async fn reason(&self, login: Login<'_>) -> Option<String> {
        let resting = self.lock().clone()?;
        let now = Instant::now();
        if now >= resting.until {
            return None;
        }
        let changed = match (password(login).await, &resting.shown) {
            (Some(now), Some(shown)) => now.expose() != shown.expose(),
            _ => false,
        };
        if changed {
            *self.lock() = None;
            return None;
        }
        let minutes = (resting.until - now).as_secs().div_ceil(60);
        Some(format!(
            "{} (no login is tried for {minutes} more minutes, so that the account is not locked; \
             another password or `liaison reload` ends that)",
            resting.why
        ))
    }

    /// The login was refused. What others were told meanwhile counts once.
    pub(super) async fn refused(&self, login: Login<'_>, why: &str) {
        let shown = password(login).await;
        let mut resting = self.lock();
        let now = Instant::now();
        let refusals = match &*resting {
            Some(resting) if now < resting.until => return,
            Some(resting) => resting.refusals,
            None => 0,
        };
        let [.., longest] = REST;
        let length = REST.get(refusals).copied().unwrap_or(longest);
        *resting = Some(Resting {
            refusals: refusals.saturating_add(1),
            until: now + length,
            why: why.to_owned(),
            shown,
        });
    }

    /// The login was taken.
    pub(super) fn taken(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Resting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn password(login: Login<'_>) -> Option<Secret> {
    let Login::Password(_) = login else {
        return None; // A token is another one each time.
    };
    match login.fetch().await {
        Ok(Proof::Password(secret)) => Some(secret),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretRef;

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_rests_longer_each_time_until_it_is_taken_or_the_password_is_another() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "old").unwrap();
        let secret = SecretRef::File(file.path().to_owned());
        let login = || Login::of(Some(&secret), None);
        let rest = Rest::default();
        assert_eq!(rest.reason(login()).await, None);
        for minutes in [5, 30, 360, 360] {
            rest.refused(login(), "535 no").await;
            rest.refused(login(), "535 no").await;
            let why = rest.reason(login()).await.unwrap();
            assert!(why.starts_with("535 no (no login is tried for"), "{why}");
            assert!(why.contains(&format!("for {minutes} more")), "{why}");
            tokio::time::advance(Duration::from_secs(60 * minutes)).await;
            assert_eq!(rest.reason(login()).await, None);
        }
        rest.taken();
        rest.refused(login(), "535 no").await;
        let why = rest.reason(login()).await.unwrap();
        assert!(why.contains("for 5 more"), "{why}");
        std::fs::write(&file, "new").unwrap();
        assert_eq!(rest.reason(login()).await, None);
    }
}
