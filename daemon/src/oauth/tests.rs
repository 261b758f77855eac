use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;

use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use liaison_core::time::{HOUR_MS, MINUTE_MS};
use tokio::sync::Semaphore;

use super::answer::Reply;
use super::endpoint::{Endpoint, NoAnswer};
use super::vault::{Grant, Vault};
use super::*;
use crate::clock::ManualClock;

mod flows;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const TOKEN_URL: &str = "https://login.example.com/token";

/// An endpoint that answers as it is told, and keeps what it was asked.
#[derive(Debug)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<String>>,
    /// How many answers may go out.
    may: Semaphore,
}

impl Script {
    fn new() -> Arc<Script> {
        Arc::new(Script {
            replies: Mutex::default(),
            asked: Mutex::default(),
            may: Semaphore::new(1_000),
        })
    }

    fn say(&self, status: u16, body: &str) {
        self.replies.lock().unwrap().push_back(Reply {
            status,
            retry_after: None,
            body: Bytes::copy_from_slice(body.as_bytes()),
        });
    }

    /// A token that lives for an hour, and perhaps another refresh token.
    fn give(&self, access: &str, refresh: Option<&str>) {
        let refresh = refresh.map(|token| format!(r#","refresh_token":"{token}""#));
        let refresh = refresh.unwrap_or_default();
        self.say(
            200,
            &format!(r#"{{"access_token":"{access}","expires_in":3600{refresh}}}"#),
        );
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// A field of the last form.
    fn last(&self, name: &str) -> Option<String> {
        form::field(self.asked.lock().unwrap().last()?, name)
    }
}

impl Endpoint for Script {
    fn post<'a>(&'a self, _url: &'a str, form: String) -> BoxFuture<'a, Result<Reply, NoAnswer>> {
        Box::pin(async move {
            self.asked.lock().unwrap().push(form);
            self.may.acquire().await.unwrap().forget();
            let reply = self.replies.lock().unwrap().pop_front();
            reply.ok_or(NoAnswer {
                why: "nobody is there".to_owned(),
                permanent: false,
            })
        })
    }
}

struct Place {
    dir: tempfile::TempDir,
    clock: ManualClock,
    script: Arc<Script>,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
            clock: ManualClock::at(NOW),
            script: Script::new(),
        }
    }

    fn settings(&self, flow: Flow) -> OauthSettings {
        OauthSettings {
            name: "work".to_owned(),
            flow,
            client_id: "client".to_owned(),
            client_secret: None,
            scopes: vec!["mail".to_owned(), "offline".to_owned()],
            token_url: TOKEN_URL.to_owned(),
            device_url: Some("https://login.example.com/device".to_owned()),
            authorize_url: Some("https://login.example.com/authorize".to_owned()),
            authorize_extra: &[("prompt", "consent")],
            loopback_name: LOOPBACK,
            token_key: None,
            ca_file: None,
            folder: self.dir.path().join("oauth"),
        }
    }

    /// As after a start of the daemon.
    fn credential(&self, flow: Flow) -> Arc<Credential> {
        let clock = Arc::new(self.clock.clone());
        Credential::new(self.settings(flow), self.script.clone(), clock)
    }

    fn vault(&self) -> Vault {
        Vault {
            folder: self.dir.path().join("oauth"),
            name: "work".to_owned(),
            key: None,
            bound_to: format!("{TOKEN_URL} client"),
        }
    }

    async fn agreed(&self, refresh: &str) {
        let grant = Grant {
            refresh: Secret::new(refresh.to_owned()),
            consented: NOW,
            stored: NOW,
        };
        self.vault().save(&grant).await.unwrap();
    }

    async fn stored(&self) -> String {
        let grant = self.vault().load().await.unwrap().unwrap();
        grant.refresh.expose().to_owned()
    }

    fn pass(&self, millis: i64) {
        self.clock.set(self.clock.now().plus_millis(millis));
    }

    fn folder(&self) -> &Path {
        self.dir.path()
    }
}

fn kind(result: &Result<AccessToken, OauthError>) -> String {
    match result {
        Ok(token) => token.expose().to_owned(),
        Err(OauthError::NeedsConsent { .. }) => "consent".to_owned(),
        Err(OauthError::Refused { .. }) => "refused".to_owned(),
        Err(OauthError::Later { wait, .. }) => format!("later {}", wait.as_secs()),
        Err(OauthError::Unknown(_)) => "unknown".to_owned(),
    }
}

#[tokio::test]
async fn one_refresh_serves_all_who_ask() {
    let place = Place::new();
    place.agreed("r1").await;
    place.script.give("a1", None);
    let credential = place.credential(Flow::Browser);
    let all = join_all((0..50).map(|_| credential.access())).await;
    assert!(all.iter().all(|answer| kind(answer) == "a1"));
    assert_eq!(place.script.asked(), 1);
    assert_eq!(
        place.script.last("grant_type").as_deref(),
        Some("refresh_token")
    );
    assert_eq!(place.script.last("client_id").as_deref(), Some("client"));
}

#[tokio::test]
async fn a_token_is_replaced_in_time_and_used_to_its_end() {
    let place = Place::new();
    place.agreed("r1").await;
    place.script.give("a1", None);
    let credential = place.credential(Flow::Browser);
    assert_eq!(kind(&credential.access().await), "a1");
    place.pass(HOUR_MS * 70 / 100);
    assert_eq!(kind(&credential.access().await), "a1");
    assert_eq!(
        place.script.asked(),
        1,
        "before 75 % of its life nobody asks"
    );
    place.pass(HOUR_MS * 11 / 100);
    place.script.say(500, "");
    assert_eq!(kind(&credential.access().await), "a1", "it is still good");
    assert_eq!(place.script.asked(), 2);
    assert_eq!(credential.standing().state, State::Waiting);
    assert!(!credential.standing().needs_person);
    assert_eq!(kind(&credential.access().await), "a1");
    assert_eq!(
        place.script.asked(),
        2,
        "and nobody asks before the wait is over"
    );
    place.pass(HOUR_MS * 20 / 100);
    let later = kind(&credential.access().await);
    assert!(later.starts_with("later"), "{later}");
    place.pass(20 * MINUTE_MS);
    assert!(
        credential.standing().needs_person,
        "it lasts, and no token is left"
    );
    place.script.give("a2", None);
    assert_eq!(kind(&credential.access().await), "a2");
    assert_eq!(credential.standing().state, State::Ready);
}

/// Status, Retry-After, body; the answer, the state, and whether it is asked again.
type FailureRow<'r> = (u16, Option<u64>, &'r str, &'r str, State, [bool; 3]);

/// What the endpoint says, what who asks is told, how the login stands, and whether it asks again
/// a second, a minute and two hours later.
#[tokio::test]
async fn every_failure_has_its_state_and_its_rest() {
    let rows: &[FailureRow] = &[
        (500, None, "", "later", State::Waiting, [false, true, true]),
        (429, None, "", "later", State::Waiting, [false, true, true]),
        (
            429,
            Some(300),
            "",
            "later 300",
            State::Waiting,
            [false, false, true],
        ),
        (
            503,
            Some(90_000),
            "",
            "later 3600",
            State::Waiting,
            [false, false, true],
        ),
        (
            200,
            None,
            "<html>",
            "later",
            State::Waiting,
            [false, true, true],
        ),
        (
            400,
            None,
            r#"{"error":"invalid_grant"}"#,
            "consent",
            State::NeedsConsent,
            [false, false, false],
        ),
        (
            400,
            None,
            r#"{"error":"interaction_required"}"#,
            "consent",
            State::NeedsConsent,
            [false, false, false],
        ),
        (
            401,
            None,
            r#"{"error":"invalid_client"}"#,
            "refused",
            State::Refused,
            [false, false, true],
        ),
        (
            404,
            None,
            "",
            "refused",
            State::Refused,
            [false, false, true],
        ),
    ];
    for (status, retry_after, body, told, state, again) in rows {
        let place = Place::new();
        place.agreed("r1").await;
        place.script.replies.lock().unwrap().push_back(Reply {
            status: *status,
            retry_after: retry_after.map(Duration::from_secs),
            body: Bytes::copy_from_slice(body.as_bytes()),
        });
        let credential = place.credential(Flow::Browser);
        let answer = credential.access().await;
        assert!(
            kind(&answer).starts_with(told),
            "{status} {body}: {answer:?}"
        );
        let standing = credential.standing();
        assert_eq!(standing.state, *state, "{status} {body}");
        assert_eq!(
            standing.needs_person,
            *state != State::Waiting,
            "{status} {body}"
        );
        let command = standing.command.as_deref();
        let consent = *state == State::NeedsConsent;
        assert_eq!(command, consent.then_some("liaison auth login work"));
        let mut begun = 0;
        for (after, again) in [1_000, MINUTE_MS, 2 * HOUR_MS].into_iter().zip(again) {
            place.pass(after - begun);
            begun = after;
            let before = place.script.asked();
            let _ = credential.access().await;
            let asked = place.script.asked() > before;
            assert_eq!(asked, *again, "{status} {body} after {after} ms");
            if asked {
                break;
            }
        }
    }
}

/// kill -9 after any answer: the next start knows the newest token that anybody was shown.
#[tokio::test]
async fn a_replaced_refresh_token_is_durable_before_anything_else() {
    let place = Place::new();
    place.agreed("r1").await;
    for round in 1..6 {
        let next = format!("r{}", round + 1);
        place.script.give(&format!("a{round}"), Some(&next));
        let credential = place.credential(Flow::Browser);
        assert_eq!(kind(&credential.access().await), format!("a{round}"));
        assert_eq!(
            place.script.last("refresh_token"),
            Some(format!("r{round}"))
        );
        assert_eq!(place.stored().await, next);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_stored_is_not_used_before_it_is() {
    let place = Place::new();
    place.agreed("r1").await;
    let in_the_way = place.folder().join("oauth/work.new");
    std::fs::create_dir(&in_the_way).unwrap();
    place.script.give("a1", Some("r2"));
    let credential = place.credential(Flow::Browser);
    let answer = credential.access().await;
    assert!(kind(&answer).starts_with("later"), "{answer:?}");
    assert!(answer.unwrap_err().to_string().contains("cannot be stored"));
    assert!(credential.unsaved());
    std::fs::remove_dir(&in_the_way).unwrap();
    place.pass(MINUTE_MS);
    place.script.give("a2", Some("r3"));
    assert_eq!(kind(&credential.access().await), "a2");
    assert_eq!(
        place.script.last("refresh_token").as_deref(),
        Some("r2"),
        "not the old one"
    );
    assert_eq!(place.stored().await, "r3");
}

/// A login that is given up (a deadline, a stop) does not lose what the endpoint gives.
#[tokio::test]
async fn a_refresh_ends_also_when_nobody_waits_for_it() {
    let place = Place::new();
    place.agreed("r1").await;
    place.script.may.forget_permits(1_000);
    place.script.give("a1", Some("r2"));
    let credential = place.credential(Flow::Browser);
    let given_up = tokio::time::timeout(Duration::from_millis(200), credential.access()).await;
    assert!(given_up.is_err());
    assert_eq!(place.script.asked(), 1);
    place.script.may.add_permits(1);
    assert_eq!(kind(&credential.access().await), "a1");
    assert_eq!(place.script.asked(), 1, "the answer to the first question");
    assert_eq!(place.stored().await, "r2");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let place = Place::new();
    place.agreed("r1").await;
    place.script.give("a1", None);
    place.script.give("a2", None);
    place.script.give("a3", None);
    let credential = place.credential(Flow::Browser);
    let first = credential.access().await.unwrap();
    assert!(credential.refused(&first));
    let second = credential.access().await.unwrap();
    assert_eq!(second.expose(), "a2");
    assert!(credential.refused(&first), "there is another one already");
    assert!(!credential.refused(&second), "its age is not the reason");
    assert_eq!(kind(&credential.access().await), "a2");
    place.pass(2 * MINUTE_MS);
    assert!(credential.refused(&second));
    assert_eq!(kind(&credential.access().await), "a3");
    assert_eq!(place.script.asked(), 3);
}

#[tokio::test]
async fn a_consent_given_to_another_process_is_noticed() {
    let place = Place::new();
    let credential = place.credential(Flow::Device);
    assert_eq!(credential.standing().state, State::NeedsConsent);
    let error = credential.access().await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("liaison auth login work"), "{said}");
    assert_eq!(place.script.asked(), 0);
    let mut mended = Box::pin(credential.mended(Some(&error)));
    assert!(futures_util::poll!(&mut mended).is_pending());
    place.agreed("r1").await;
    place.script.give("a1", None);
    assert_eq!(kind(&credential.access().await), "a1");
    mended.await;
    // Whoever comes late does not wait for the next time.
    credential.mended(Some(&error)).await;
    assert_eq!(credential.standing().consented, Some(NOW));
}

#[tokio::test]
async fn what_is_forgotten_needs_a_person() {
    let place = Place::new();
    place.agreed("r1").await;
    place.script.give("a1", None);
    let credential = place.credential(Flow::Browser);
    credential.access().await.unwrap();
    assert!(credential.forget().await.unwrap());
    assert_eq!(kind(&credential.access().await), "consent");
    assert!(place.vault().load().await.unwrap().is_none());
    assert!(!credential.forget().await.unwrap());
}

#[tokio::test]
async fn a_program_that_is_trusted_asks_nobody() {
    let place = Place::new();
    place.script.give("a1", None);
    let credential = place.credential(Flow::ClientCredentials);
    assert_eq!(credential.standing().state, State::Ready);
    assert_eq!(kind(&credential.access().await), "a1");
    assert_eq!(
        place.script.last("grant_type").as_deref(),
        Some("client_credentials")
    );
    assert_eq!(place.script.last("scope").as_deref(), Some("mail offline"));
    assert!(!place.folder().join("oauth").exists(), "nothing is stored");
    place.pass(2 * HOUR_MS);
    place.script.say(400, r#"{"error":"invalid_grant"}"#);
    assert_eq!(kind(&credential.access().await), "refused");
}

#[test]
fn nothing_of_a_token_is_printed() {
    let token = AccessToken::new(Secret::new("canary".to_owned()), NOW, NOW);
    assert!(!format!("{token:?}").contains("canary"));
}
