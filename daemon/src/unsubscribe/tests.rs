use std::os::unix::fs::PermissionsExt;

use liaison_core::ids::EffectId;
use liaison_core::optout::TOKENS_MAX;

use super::*;

fn claim() -> Claim {
    Claim::of(&EffectId::from("0123456789abcdef"), "bob@example.org").unwrap()
}

#[test]
fn a_token_comes_back_to_the_claim_it_was_made_for_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let token = Unsubscribe::new(dir.path(), None).token(&claim());
    let token = token.unwrap().unwrap();
    let later = Unsubscribe::new(dir.path(), None);
    for _ in 0..TOKENS_MAX {
        assert_eq!(
            later.claim(&token).unwrap(),
            claim(),
            "it can be used again"
        );
    }
    let mode = std::fs::metadata(dir.path().join(KEY_FILE)).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_token_of_another_key_or_with_any_other_byte_proves_nothing() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = Unsubscribe::new(dir.path(), None);
    let theirs = Unsubscribe::new(other.path(), None);
    let token = theirs.token(&claim()).unwrap().unwrap();
    // Nothing was signed here yet, and looking makes no key.
    assert!(matches!(ours.claim(&token), Err(TokenError::NoKey)));
    assert!(!dir.path().join(KEY_FILE).exists());
    let mine = ours.token(&claim()).unwrap().unwrap();
    assert!(matches!(ours.claim(&token), Err(TokenError::NotOurs)));
    let body = mine.strip_prefix(TOKEN_MARK).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(body).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let changed = format!("{TOKEN_MARK}{}", URL_SAFE_NO_PAD.encode(changed));
        assert!(ours.claim(&changed).is_err(), "byte {at}");
    }
    // The same tag for another address.
    let other = Claim::of(&claim().mail, "eve@example.org").unwrap();
    let tag = bytes.split_at(bytes.len() - TAG_BYTES).1;
    let moved = [&other.to_bytes().unwrap()[..], tag].concat();
    let moved = format!("{TOKEN_MARK}{}", URL_SAFE_NO_PAD.encode(moved));
    for token in [moved.as_str(), "", "lu1.", "lu1.!", TOKEN_MARK] {
        assert!(ours.claim(token).is_err(), "{token}");
    }
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    Unsubscribe::new(dir.path(), None).token(&claim()).unwrap();
    let path = dir.path().join(KEY_FILE);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let again = Unsubscribe::new(dir.path(), None);
    let error = again.token(&claim()).unwrap_err().to_string();
    assert!(error.contains("chmod 600"), "{error}");
}

#[test]
fn the_fields_name_our_address_and_the_page_where_there_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let plain = Unsubscribe::new(dir.path(), None);
    let token = plain.token(&claim()).unwrap().unwrap();
    let fields = plain.fields(&claim(), "sales+x@example.com").unwrap();
    let mail = format!("<mailto:sales%2Bx@example.com?subject=unsubscribe%20{token}>");
    assert_eq!(fields, [("List-Unsubscribe", mail.clone())]);
    let url = UnsubscribeUrl::parse("https://www.example.com/u?t={token}").unwrap();
    let paged = Unsubscribe::new(dir.path(), Some(&url));
    let fields = paged.fields(&claim(), "sales+x@example.com").unwrap();
    let both = format!("<https://www.example.com/u?t={token}>,\r\n {mail}");
    let post = (
        "List-Unsubscribe-Post",
        "List-Unsubscribe=One-Click".to_owned(),
    );
    assert_eq!(fields, [("List-Unsubscribe", both), post]);
    assert_eq!(Unsubscribe::default().fields(&claim(), "a@b").unwrap(), []);
}

#[test]
fn a_page_is_https_at_a_named_server_with_one_place_for_the_token() {
    let good = [
        "https://www.example.com/u/{token}",
        "https://example.com:8443/?t={token}&x=1",
    ];
    for text in good {
        assert!(UnsubscribeUrl::parse(text).is_ok(), "{text}");
    }
    for (text, says) in [
        ("http://www.example.com/{token}", "https"),
        ("https://www.example.com/", "{token} once"),
        ("https://www.example.com/{token}{token}", "once"),
        ("https://{token}.example.com/", "behind the name"),
        ("https://user@www.example.com/{token}", "login"),
        ("https:///{token}", "no"),
        ("https://www.example.com/{token}>, <mailto:x", "characters"),
        ("www.example.com/{token}", ""),
    ] {
        let error = UnsubscribeUrl::parse(text).unwrap_err();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn a_token_is_known_again_where_a_backup_was_restored() {
    let here = tempfile::tempdir().unwrap();
    let (backup, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = Unsubscribe::new(here.path(), None);
    before.back_up(backup.path()).unwrap();
    let token = before.token(&claim()).unwrap().unwrap();
    before.back_up(backup.path()).unwrap();
    let copy = backup.path().join(KEY_FILE);
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644)).unwrap();
    Unsubscribe::restore(backup.path(), there.path()).unwrap();
    let after = Unsubscribe::new(there.path(), None);
    assert_eq!(after.claim(&token).unwrap(), claim());
    // The key that is there stays.
    let own = tempfile::tempdir().unwrap();
    let token = Unsubscribe::new(own.path(), None).token(&claim());
    let error = Unsubscribe::restore(backup.path(), own.path()).unwrap_err();
    let (one, other) = (
        backup.path().display().to_string(),
        own.path().display().to_string(),
    );
    let error = error.to_string();
    assert!(error.contains(&one) && error.contains(&other), "{error}");
    let kept = Unsubscribe::new(own.path(), None);
    assert!(kept.claim(&token.unwrap().unwrap()).is_ok());
}
