use super::*;

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        retry_after: None,
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

fn shape(answer: &Answer) -> String {
    match answer {
        Answer::Tokens(tokens) => {
            let refresh = tokens.refresh.as_ref().map_or("-", Secret::expose);
            let (access, life) = (tokens.access.expose(), tokens.life.as_secs());
            format!("tokens {access} {life} {refresh}")
        }
        Answer::Pending { slow_down } => format!("pending, slow down: {slow_down}"),
        Answer::Consent(why) => format!("consent: {why}"),
        Answer::Refused(why) => format!("refused: {why}"),
        Answer::Later { why, wait } => {
            format!("later: {why} {:?}", wait.map(|wait| wait.as_secs()))
        }
    }
}

#[test]
fn every_answer_has_its_meaning() {
    let rows: &[(u16, &str, &str)] = &[
        (
            200,
            r#"{"access_token":"a","token_type":"bearer","expires_in":3599,"refresh_token":"r"}"#,
            "tokens a 3599 r",
        ),
        (
            200,
            r#"{"access_token":"a","expires_in":"120"}"#,
            "tokens a 120 -",
        ),
        (
            200,
            r#"{"access_token":"a","refresh_token":""}"#,
            "tokens a 3600 -",
        ),
        (
            200,
            r#"{"access_token":"a","expires_in":9e99}"#,
            "tokens a 86400 -",
        ),
        (
            200,
            r#"{"access_token":"a","expires_in":0}"#,
            "later: its answer holds no usable",
        ),
        (
            200,
            r#"{"access_token":"a","expires_in":[]}"#,
            "later: its answer holds no usable",
        ),
        (
            200,
            r#"{"access_token":"a\u0001user=b"}"#,
            "later: its answer holds no usable",
        ),
        (
            200,
            r#"{"access_token":"a","token_type":"mac"}"#,
            "later: its answer holds no usable",
        ),
        (
            200,
            r#"{"access_token":""}"#,
            "later: its answer holds no usable",
        ),
        (
            200,
            "<html>Log in to the hotel</html>",
            "later: its answer holds no usable",
        ),
        (200, "", "later: its answer holds no usable"),
        (
            400,
            r#"{"error":"invalid_grant"}"#,
            "consent: invalid_grant",
        ),
        (
            400,
            r#"{"error":"interaction_required","error_description":"AADSTS50076: use MFA\r\nTrace"}"#,
            "consent: interaction_required: AADSTS50076: use MFA",
        ),
        (
            400,
            r#"{"error":"authorization_pending"}"#,
            "pending, slow down: false",
        ),
        (400, r#"{"error":"slow_down"}"#, "pending, slow down: true"),
        (
            400,
            r#"{"error":"expired_token"}"#,
            "consent: expired_token",
        ),
        (
            400,
            r#"{"error":"access_denied"}"#,
            "consent: access_denied",
        ),
        (
            401,
            r#"{"error":"invalid_client"}"#,
            "refused: invalid_client",
        ),
        (
            400,
            r#"{"error":"invalid_scope"}"#,
            "refused: invalid_scope",
        ),
        (
            400,
            r#"{"error":"temporarily_unavailable"}"#,
            "later: temporarily_unavailable None",
        ),
        (
            403,
            r#"{"error":"rate_limit_exceeded"}"#,
            "later: rate_limit_exceeded None",
        ),
        (403, r#"{"error":"org_internal"}"#, "refused: org_internal"),
        (400, "no JSON", "refused: it answers 400 without a reason"),
        (404, "", "refused: it answers 404"),
        (302, "", "refused: it answers 302"),
        (429, "", "later: it answers 429 None"),
        (
            429,
            r#"{"error":"invalid_grant"}"#,
            "later: it answers 429 (invalid_grant) None",
        ),
        (
            500,
            r#"{"error":"invalid_client"}"#,
            "later: it answers 500 (invalid_client) None",
        ),
        (503, "busy", "later: it answers 503 None"),
    ];
    for (status, body, expected) in rows {
        let found = shape(&read(&reply(*status, body), &[]));
        assert!(found.starts_with(expected), "{status} {body}: {found}");
    }
}

#[test]
fn a_wait_that_is_asked_for_is_kept_and_has_an_end() {
    for (asked, kept) in [(7, 7), (90_000, 3_600)] {
        let mut reply = reply(429, "");
        reply.retry_after = Some(Duration::from_secs(asked));
        assert!(shape(&read(&reply, &[])).ends_with(&format!("Some({kept})")));
    }
}

#[test]
fn words_of_an_endpoint_hold_no_token_and_no_second_line() {
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl";
    let said = format!("token {token}\u{1b}[31m expired\nTrace: 1");
    assert_eq!(clean(&said, &[]), "token … [31m expired");
    assert_eq!(
        clean("canary-7 is no grant of x", &["canary-7", "x"]),
        "… is no grant of x"
    );
    assert!(clean(&"a b ".repeat(400), &[]).chars().count() <= WORDS_CHARS_MAX);
}
