use std::os::unix::fs::PermissionsExt;

use super::*;

fn vault(folder: &Path, name: &str) -> Vault {
    Vault {
        folder: folder.join("oauth"),
        name: name.to_owned(),
        key: None,
        bound_to: "https://login.example.com/token client".to_owned(),
    }
}

fn grant(token: &str) -> Grant {
    Grant {
        refresh: Secret::new(token.to_owned()),
        consented: Timestamp(1),
        stored: Timestamp(2),
    }
}

async fn token(vault: &Vault) -> Option<String> {
    let found = vault.load().await.unwrap();
    found.map(|grant| grant.refresh.expose().to_owned())
}

#[tokio::test]
async fn a_grant_comes_back_and_stands_nowhere_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "work");
    assert_eq!(token(&vault).await, None);
    assert_eq!(vault.mark(), None);
    for secret in ["canary-one", "canary-two"] {
        let before = vault.mark();
        vault.save(&grant(secret)).await.unwrap();
        assert_ne!(vault.mark(), before);
        assert_eq!(token(&vault).await.as_deref(), Some(secret));
    }
    for entry in fs::read_dir(&vault.folder).unwrap().flatten() {
        let meta = entry.metadata().unwrap();
        assert_eq!(meta.mode() & OTHERS, 0, "{:?}", entry.path());
        let bytes = fs::read(entry.path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("canary"));
    }
    assert!(vault.forget().unwrap());
    assert!(!vault.forget().unwrap());
    assert_eq!(token(&vault).await, None);
}

#[tokio::test]
async fn what_was_given_for_others_is_no_grant() {
    let dir = tempfile::tempdir().unwrap();
    let ours = vault(dir.path(), "work");
    ours.save(&grant("secret")).await.unwrap();
    let elsewhere = Vault {
        bound_to: "https://evil.example.net/token client".to_owned(),
        ..ours.clone()
    };
    assert_eq!(token(&elsewhere).await, None, "another endpoint");
    let other = vault(dir.path(), "other");
    fs::copy(ours.file(), other.file()).unwrap();
    let error = other.load().await.unwrap_err();
    assert!(
        matches!(error, VaultError::Sealed(_)),
        "another name: {error}"
    );
}

#[tokio::test]
async fn damage_and_another_key_are_told_and_never_read_as_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "work");
    vault.save(&grant("secret")).await.unwrap();
    let good = fs::read_to_string(vault.file()).unwrap();
    for bad in [
        "",
        "liaison-oauth-1 ",
        "liaison-oauth-9 AAAA",
        good.get(..good.len() - 9).unwrap(),
    ] {
        fs::write(vault.file(), bad).unwrap();
        assert!(
            matches!(vault.load().await, Err(VaultError::Sealed(_))),
            "{bad:?}"
        );
    }
    fs::write(vault.file(), &good).unwrap();
    let key = vault.folder.join(KEY_FILE);
    let other_key = Vault {
        key: Some(SecretRef::Env("PATH".to_owned())),
        ..vault.clone()
    };
    assert!(matches!(other_key.load().await, Err(VaultError::Sealed(_))));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(vault.load().await, Err(VaultError::Open(_))));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, "\n").unwrap();
    assert!(matches!(vault.load().await, Err(VaultError::Sealed(_))));
}

/// What a crash leaves: a new file that was not put in its place.
#[tokio::test]
async fn a_crash_while_writing_leaves_the_old_grant() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "work");
    vault.save(&grant("old")).await.unwrap();
    fs::write(vault.folder.join("work.new"), "half a f").unwrap();
    assert_eq!(token(&vault).await.as_deref(), Some("old"));
    vault.save(&grant("new")).await.unwrap();
    assert_eq!(token(&vault).await.as_deref(), Some("new"));
}

#[tokio::test(start_paused = true)]
async fn one_holder_of_the_lock_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let vault = vault(dir.path(), "work");
    let held = vault.lock().await.unwrap();
    let error = vault.lock().await.unwrap_err();
    assert!(matches!(error, VaultError::Locked(_)), "{error}");
    drop(held);
    vault.lock().await.unwrap();
}
