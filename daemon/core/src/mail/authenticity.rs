//! Whether the sender is who the From field says: as our own server found (RFC 8601), as our own
//! check of the signatures found (RFC 6376), or both.
//!
//! The check itself needs DNS and is the edge's; what follows from it is decided here.

use serde::{Deserialize, Serialize};

use super::MessageView;
use super::address::{Address, Domain, clean_text};
use crate::account::matching::registrable;

/// What is known about the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The From domain is proven.
    Pass,
    /// It is disproven.
    Fail,
    /// The trusted server says nothing that decides.
    None,
    /// Nobody trusted was asked, or the question has no answer.
    Unknown,
}

impl Verdict {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "fail",
            Verdict::None => "none",
            Verdict::Unknown => "unknown",
        }
    }
}

/// Verdict and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authenticity {
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence naming the header that decided, or what is missing.
    pub detail: String,
}

/// What our own check of the DKIM signatures came to, for the one From address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimCheck {
    /// `Pass`: a valid signature of the From domain. `Fail`: one of that domain that is wrong.
    /// `None`: nothing that decides. `Unknown`: it could not be found out.
    pub verdict: Verdict,
    /// One sentence naming the signature that decided, or what is missing.
    pub detail: String,
    /// What makes the message worse than one that bears no signature at all.
    pub doubt: Option<DkimDoubt>,
}

/// Why signatures that prove nothing are a reason to look twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DkimDoubt {
    /// Only domains other than that of From signed it.
    OtherSigner,
    /// A signature of the From domain does not count: expired, a weak key, part of the body only.
    Void,
}

/// One `method=result` with its properties (RFC 8601 2.2), all in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodResult {
    /// `dkim`, `spf`, `dmarc`, ...
    pub method: String,
    /// `pass`, `fail`, `none`, ...
    pub result: String,
    /// `header.d` and the like with their values.
    pub properties: Vec<(String, String)>,
    /// The comments, where many servers name the policy of the domain: `p=reject dis=none`.
    pub comment: String,
}

impl MethodResult {
    fn property(&self, name: &str) -> Option<&str> {
        self.properties
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// A parsed Authentication-Results field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticationResults {
    /// Who says so, lower case.
    pub authserv_id: String,
    /// What was found, in order.
    pub results: Vec<MethodResult>,
}

impl AuthenticationResults {
    /// Reads the field body; comments count as text only. `None` when there is no authserv-id.
    #[must_use]
    pub fn parse(value: &str) -> Option<AuthenticationResults> {
        let mut pieces = pieces(value).into_iter();
        let (head, _) = pieces.next()?;
        // The id may be followed by a version: `example.com 1`.
        let authserv_id = head.first()?.trim_matches('=').to_lowercase();
        if authserv_id.is_empty() || head.iter().any(|token| token == "=") {
            return None;
        }
        Some(AuthenticationResults {
            authserv_id,
            results: pieces
                .filter_map(|(tokens, comment)| method_result(&tokens, comment))
                .collect(),
        })
    }
}

/// Splits at semicolons, then into tokens, with the comments of each piece; `=` is a token of its
/// own.
fn pieces(value: &str) -> Vec<(Vec<String>, String)> {
    let mut out: Vec<(Vec<String>, String)> = vec![Default::default()];
    let mut token = String::new();
    let mut quoted = false;
    let mut comment = 0usize;
    let mut escaped = false;
    let end_token = |token: &mut String, out: &mut Vec<(Vec<String>, String)>| {
        if !token.is_empty()
            && let Some((piece, _)) = out.last_mut()
        {
            piece.push(std::mem::take(token));
        }
    };
    let comment_char = |c: char, out: &mut Vec<(Vec<String>, String)>| {
        if let Some((_, comment)) = out.last_mut() {
            comment.push(c.to_ascii_lowercase());
        }
    };
    for c in value.chars() {
        if escaped {
            escaped = false;
            if comment == 0 {
                token.push(c);
            }
            continue;
        }
        match c {
            '\\' if quoted || comment > 0 => escaped = true,
            '(' if !quoted => comment = comment.saturating_add(1),
            ')' if !quoted && comment > 0 => {
                comment = comment.saturating_sub(1);
                comment_char(' ', &mut out);
            }
            c if comment > 0 => comment_char(c, &mut out),
            '"' => quoted = !quoted,
            _ if quoted => token.push(c),
            ';' => {
                end_token(&mut token, &mut out);
                out.push(Default::default());
            }
            '=' => {
                end_token(&mut token, &mut out);
                token.push('=');
                end_token(&mut token, &mut out);
            }
            c if c.is_whitespace() => end_token(&mut token, &mut out),
            c => token.push(c),
        }
    }
    end_token(&mut token, &mut out);
    out
}

fn method_result(tokens: &[String], comment: String) -> Option<MethodResult> {
    let mut pairs = Vec::new();
    let mut rest = tokens;
    while let [name, equals, value, tail @ ..] = rest {
        if equals == "=" {
            pairs.push((name.to_lowercase(), value.to_lowercase()));
            rest = tail;
            // Base64 values and URLs hold further equal signs: their pieces are skipped.
            while let [sign, tail @ ..] = rest {
                if sign != "=" {
                    break;
                }
                rest = tail.get(1..).unwrap_or_default();
            }
        } else {
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    let mut pairs = pairs.into_iter();
    let (method, result) = pairs.next()?;
    let method = method.split('/').next().unwrap_or_default().to_owned();
    Some(MethodResult {
        method,
        result,
        properties: pairs.collect(),
        comment,
    })
}

impl MethodResult {
    /// The domain asks that mail which fails DMARC be refused, or the server did refuse it.
    fn rejects(&self) -> bool {
        let asks = |value: &str| matches!(value, "reject" | "oreject");
        let named = [
            "policy.dmarc",
            "policy.p",
            "policy.published-domain-policy",
            "action",
            "p",
        ];
        let by_property = named
            .iter()
            .any(|name| self.property(name).is_some_and(asks));
        let mut words = self.comment.split(|c: char| c.is_whitespace() || c == ',');
        by_property || words.any(|word| word == "p=reject")
    }
}

/// Judges the From field by what the trusted servers (`authserv_ids`) wrote.
///
/// Counted are only fields whose authserv-id is one of `authserv_ids`, and which stand above the
/// first Received field that is no local delivery: everything below came from outside and may be
/// forged. `dmarc` decides; else an aligned `dkim` signature.
#[must_use]
pub fn authenticity(view: &MessageView, authserv_ids: &[String]) -> Authenticity {
    let told = |verdict, detail: &str| Authenticity {
        verdict,
        detail: detail.to_owned(),
    };
    if authserv_ids.is_empty() {
        return told(Verdict::Unknown, "no trusted authserv-id is configured");
    }
    if view.from_field_count != 1 {
        let detail = format!("the message has {} From fields", view.from_field_count);
        return told(Verdict::Unknown, &detail);
    }
    let [from] = view.from.as_slice() else {
        return told(
            Verdict::Unknown,
            "the From field does not name exactly one address",
        );
    };
    let trusted = believed(view, authserv_ids);
    if trusted.is_empty() {
        return told(
            Verdict::None,
            "no Authentication-Results field of a trusted server",
        );
    }
    judge(&trusted, from.address.domain())
}

/// Judges the From field by what the trusted servers wrote and by our own check of the signatures
/// (`own`; `None`: it is switched off).
///
/// With both, either may prove the sender; but when a trusted server says that DMARC failed, and
/// the domain asks that such mail be refused, that stands.
#[must_use]
pub fn judged(
    view: &MessageView,
    authserv_ids: &[String],
    own: Option<&DkimCheck>,
) -> Authenticity {
    let told = authenticity(view, authserv_ids);
    let Some(check) = own else { return told };
    let checked = Authenticity {
        verdict: check.verdict,
        detail: check.detail.clone(),
    };
    if authserv_ids.is_empty() || single_sender(view).is_none() {
        return match single_sender(view) {
            Some(_) => checked,
            None => told,
        };
    }
    let rank = |verdict: Verdict| match verdict {
        Verdict::Pass => 3,
        Verdict::Fail => 2,
        Verdict::Unknown => 1,
        Verdict::None => 0,
    };
    let refused = told.verdict == Verdict::Fail && is_refused(view, authserv_ids);
    match refused || rank(told.verdict) >= rank(checked.verdict) {
        true => told,
        false => checked,
    }
}

/// The fields of trusted servers that nobody outside can have written.
fn believed(view: &MessageView, authserv_ids: &[String]) -> Vec<AuthenticationResults> {
    let above = view
        .authentication_results
        .iter()
        .filter(|f| f.above_received);
    above
        .filter_map(|field| AuthenticationResults::parse(&field.value))
        .filter(|parsed| is_trusted(&parsed.authserv_id, authserv_ids))
        .collect()
}

fn is_trusted(authserv_id: &str, authserv_ids: &[String]) -> bool {
    let mut ids = authserv_ids.iter();
    ids.any(|id| id.trim().eq_ignore_ascii_case(authserv_id))
}

fn is_refused(view: &MessageView, authserv_ids: &[String]) -> bool {
    let all = believed(view, authserv_ids);
    let mut results = all.iter().flat_map(|field| &field.results);
    results.any(|result| result.method == "dmarc" && result.result == "fail" && result.rejects())
}

/// Authserv-ids of fields on top of the message that nobody told us to believe: they may be of
/// another server of ours, or the sender wrote them.
#[must_use]
pub fn ignored_results(view: &MessageView, authserv_ids: &[String]) -> Vec<String> {
    let above = view
        .authentication_results
        .iter()
        .filter(|f| f.above_received);
    let mut ids: Vec<String> = above
        .filter_map(|field| AuthenticationResults::parse(&field.value))
        .map(|parsed| clean_text(&parsed.authserv_id))
        .filter(|id| !is_trusted(id, authserv_ids))
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

fn judge(trusted: &[AuthenticationResults], from: &Domain) -> Authenticity {
    let results = || {
        trusted
            .iter()
            .flat_map(|t| t.results.iter().map(move |r| (t, r)))
    };
    let about = |t: &AuthenticationResults, r: &MethodResult| {
        let by = r
            .property("header.d")
            .or(r.property("header.i"))
            .or(r.property("header.from"));
        let by = by
            .map(|d| format!(" for {}", clean_text(d)))
            .unwrap_or_default();
        format!(
            "{}: {}={}{by}",
            clean_text(&t.authserv_id),
            r.method,
            r.result
        )
    };
    let told = |verdict, (t, r)| Authenticity {
        verdict,
        detail: about(t, r),
    };
    let dmarc = |wanted: &str| {
        results().find(|(_, r)| {
            r.method == "dmarc"
                && r.result == wanted
                && r.property("header.from")
                    .is_none_or(|d| Domain::parse(d).is_ok_and(|d| is_aligned(&d, from)))
        })
    };
    if let Some(found) = dmarc("fail") {
        return told(Verdict::Fail, found);
    }
    if let Some(found) = dmarc("pass") {
        return told(Verdict::Pass, found);
    }
    let dkim = |wanted: &[&str]| {
        results().find(|(_, r)| {
            r.method == "dkim"
                && wanted.contains(&r.result.as_str())
                && signer(r).is_some_and(|d| is_aligned(&d, from))
        })
    };
    if let Some(found) = dkim(&["pass"]) {
        return told(Verdict::Pass, found);
    }
    if let Some(found) = dkim(&["fail", "permerror"]) {
        return told(Verdict::Fail, found);
    }
    Authenticity {
        verdict: Verdict::None,
        detail: format!("neither dmarc nor an aligned dkim signature for {from}"),
    }
}

/// The signing domain, from `header.d` or the part of `header.i` behind the `@`.
fn signer(result: &MethodResult) -> Option<Domain> {
    if let Some(domain) = result.property("header.d") {
        return Domain::parse(domain).ok();
    }
    let identity = result.property("header.i")?;
    let domain = identity
        .rsplit_once('@')
        .map_or(identity, |(_, domain)| domain);
    Domain::parse(domain).ok()
}

/// Relaxed alignment (RFC 7489 section 3.1.1): both have the same registrable domain. A public
/// suffix never aligns.
#[must_use]
pub fn is_aligned(signer: &Domain, from: &Domain) -> bool {
    match (registrable(signer.as_str()), registrable(from.as_str())) {
        (Some(signer), Some(from)) => signer == from,
        _ => false,
    }
}

/// Whether a Received field is our own last hop: LMTP into the mailbox.
pub(crate) fn is_local_delivery(received: &str) -> bool {
    let mut words = received.split(|c: char| c.is_whitespace() || c == ';');
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("with") {
            let protocol = words
                .find(|w| !w.is_empty())
                .unwrap_or_default()
                .to_ascii_uppercase();
            return matches!(
                protocol.trim_start_matches("UTF8"),
                "LMTP" | "LMTPS" | "LMTPA" | "LMTPSA"
            );
        }
    }
    false
}

/// An address of the From field, for callers that need exactly one.
#[must_use]
pub fn single_sender(view: &MessageView) -> Option<&Address> {
    match (view.from_field_count, view.from.as_slice()) {
        (1, [only]) => Some(&only.address),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
