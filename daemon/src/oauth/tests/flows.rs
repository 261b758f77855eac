//! A person agrees.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::*;

const CODE: &str = r#"{"device_code":"d","user_code":"WDJB-MJHT","verification_uri":
    "https://login.example.com/code","expires_in":900,"interval":2}"#;
const REDIRECT: &str = "http://127.0.0.1:4711";

fn all(place: &Place, flow: Flow) -> Credentials {
    let credential = place.credential(flow);
    Credentials {
        by_name: Arc::new([("work".to_owned(), credential)].into()),
        desk: Arc::default(),
    }
}

fn session_of(begun: &Begun) -> String {
    match begun {
        Begun::Device { session, .. } | Begun::Browser { session, .. } => session.clone(),
        Begun::Done => panic!("nobody has to agree"),
    }
}

#[tokio::test]
async fn a_code_is_asked_for_until_the_person_typed_it() {
    let place = Place::new();
    let credentials = all(&place, Flow::Device);
    place.script.say(200, CODE);
    let begun = credentials.begin("work", None, None).await.unwrap();
    let Begun::Device {
        user_code,
        wait_secs,
        ..
    } = &begun
    else {
        panic!("{begun:?}")
    };
    assert_eq!((user_code.as_str(), *wait_secs), ("WDJB-MJHT", 2));
    assert_eq!(place.script.last("scope").as_deref(), Some("mail offline"));
    let session = session_of(&begun);
    let waits = |wait_secs| Progress::Pending { wait_secs };
    // Too early: nobody is asked.
    assert_eq!(credentials.go_on(&session).await.unwrap(), waits(2));
    assert_eq!(place.script.asked(), 1);
    for (status, body, wait) in [
        (400, r#"{"error":"authorization_pending"}"#, 2),
        (400, r#"{"error":"slow_down"}"#, 7),
        (503, "", 14),
    ] {
        place.pass(15_000);
        place.script.say(status, body);
        assert_eq!(credentials.go_on(&session).await.unwrap(), waits(wait));
    }
    place.pass(15_000);
    place.script.give("a1", Some("r1"));
    let done = credentials.go_on(&session).await.unwrap();
    let name = "work".to_owned();
    assert_eq!(done, Progress::Done { name });
    assert_eq!(place.script.last("device_code").as_deref(), Some("d"));
    assert_eq!(place.stored().await, "r1");
    let credential = credentials.get("work").unwrap();
    assert_eq!(kind(&credential.access().await), "a1", "no second question");
    assert!(matches!(
        credentials.go_on(&session).await,
        Err(ConsentError::Session)
    ));
}

#[tokio::test]
async fn a_code_that_is_declined_or_old_ends_the_login() {
    for (body, wait) in [
        (r#"{"error":"access_denied"}"#, 3_000),
        (r#"{"error":"expired_token"}"#, 3_000),
        ("never asked", 901_000),
    ] {
        let place = Place::new();
        let credentials = all(&place, Flow::Device);
        place.script.say(200, CODE);
        let begun = credentials.begin("work", None, None).await.unwrap();
        place.pass(wait);
        place.script.say(400, body);
        let ended = credentials.go_on(&session_of(&begun)).await;
        assert!(
            matches!(
                ended,
                Err(ConsentError::Declined(_) | ConsentError::Session)
            ),
            "{body}: {ended:?}"
        );
        assert!(place.vault().load().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_browser_comes_back_with_a_code_for_us_alone() {
    let place = Place::new();
    let credentials = all(&place, Flow::Browser);
    let begun = credentials
        .begin("work", None, Some(REDIRECT.to_owned()))
        .await
        .unwrap();
    let Begun::Browser { url, session, .. } = &begun else {
        panic!("{begun:?}")
    };
    let (_, query) = url.split_once('?').unwrap();
    let field = |name| form::field(query, name).unwrap();
    assert_eq!(field("redirect_uri"), format!("{REDIRECT}/"));
    assert_eq!(field("prompt"), "consent");
    assert_eq!(field("code_challenge_method"), "S256");
    let state = field("state");
    for foreign in ["code=evil", "code=evil&state=other", ""] {
        let refused = credentials.finish(session, foreign).await;
        assert!(matches!(refused, Err(ConsentError::Flow(_))), "{refused:?}");
    }
    assert_eq!(place.script.asked(), 0);
    place.script.give("a1", Some("r1"));
    let query = format!("state={state}&code=c%2F1");
    let done = credentials.finish(session, &query).await.unwrap();
    let name = "work".to_owned();
    assert_eq!(done, Progress::Done { name });
    assert_eq!(place.script.last("code").as_deref(), Some("c/1"));
    assert_eq!(
        place.script.last("redirect_uri"),
        Some(format!("{REDIRECT}/"))
    );
    let verifier = place.script.last("code_verifier").unwrap();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    assert_eq!(challenge, field("code_challenge"));
    assert_eq!(place.stored().await, "r1");
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_what_can() {
    let place = Place::new();
    let credentials = all(&place, Flow::Browser);
    for (name, flow, redirect, word) in [
        ("worl", None, None, "did you mean `work`"),
        ("home", None, None, "there are work"),
        ("work", None, None, "this machine"),
        (
            "work",
            None,
            Some("http://evil.example.net:80"),
            "this machine",
        ),
        ("work", None, Some("http://127.0.0.1:0"), "this machine"),
        (
            "work",
            None,
            Some("http://127.0.0.1:1@evil.example.net"),
            "this machine",
        ),
    ] {
        let begun = credentials.begin(name, flow, redirect.map(str::to_owned));
        let error = begun.await.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    // Consent without a refresh token would end within the hour.
    let begun = credentials
        .begin("work", None, Some(REDIRECT.to_owned()))
        .await
        .unwrap();
    let Begun::Browser { url, session, .. } = &begun else {
        panic!("{begun:?}")
    };
    let state = form::field(url.split_once('?').unwrap().1, "state").unwrap();
    place.script.give("a1", None);
    let query = format!("code=c&state={state}");
    let error = credentials.finish(session, &query).await.unwrap_err();
    assert!(error.to_string().contains("refresh token"), "{error}");
}

/// Many begun and never ended logins take no more room than a few.
#[tokio::test]
async fn logins_that_nobody_ends_give_way() {
    let place = Place::new();
    let credentials = all(&place, Flow::Browser);
    let mut sessions = Vec::new();
    for _ in 0..40 {
        let begun = credentials
            .begin("work", None, Some(REDIRECT.to_owned()))
            .await
            .unwrap();
        sessions.push(session_of(&begun));
        place.pass(1_000);
    }
    let asked = sessions
        .iter()
        .map(|session| credentials.finish(session, ""));
    let answers = join_all(asked).await;
    let kept = answers
        .iter()
        .filter(|answer| matches!(answer, Err(ConsentError::Flow(_))));
    assert_eq!(kept.count(), 16);
}
