//! Whether the sender is who the From field says, as our own server found (RFC 8601).

use serde::{Deserialize, Serialize};

use super::MessageView;
use super::address::{Address, Domain, clean_text};

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

/// Verdict and its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authenticity {
    /// The verdict.
    pub verdict: Verdict,
    /// One sentence naming the header that decided, or what is missing.
    pub detail: String,
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
    /// Reads the field body; comments are dropped. `None` when there is no authserv-id.
    #[must_use]
    pub fn parse(value: &str) -> Option<AuthenticationResults> {
        let pieces = pieces(value);
        let mut pieces = pieces.into_iter();
        let head = pieces.next()?;
        // The id may be followed by a version: `example.com 1`.
        let authserv_id = head.first()?.trim_matches('=').to_lowercase();
        if authserv_id.is_empty() || head.iter().any(|token| token == "=") {
            return None;
        }
        Some(AuthenticationResults {
            authserv_id,
            results: pieces.filter_map(|p| method_result(&p)).collect(),
        })
    }
}

/// Splits at semicolons, then into tokens; `=` is a token of its own.
fn pieces(value: &str) -> Vec<Vec<String>> {
    let mut out: Vec<Vec<String>> = vec![Vec::new()];
    let mut token = String::new();
    let mut quoted = false;
    let mut comment = 0usize;
    let mut escaped = false;
    let end_token = |token: &mut String, out: &mut Vec<Vec<String>>| {
        if !token.is_empty()
            && let Some(piece) = out.last_mut()
        {
            piece.push(std::mem::take(token));
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
            ')' if !quoted && comment > 0 => comment = comment.saturating_sub(1),
            _ if comment > 0 => {}
            '"' => quoted = !quoted,
            _ if quoted => token.push(c),
            ';' => {
                end_token(&mut token, &mut out);
                out.push(Vec::new());
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

fn method_result(tokens: &[String]) -> Option<MethodResult> {
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
    })
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
    let trusted: Vec<AuthenticationResults> = view
        .authentication_results
        .iter()
        .filter(|field| field.above_received)
        .filter_map(|field| AuthenticationResults::parse(&field.value))
        .filter(|parsed| {
            authserv_ids
                .iter()
                .any(|id| id.trim().eq_ignore_ascii_case(&parsed.authserv_id))
        })
        .collect();
    if trusted.is_empty() {
        return told(
            Verdict::None,
            "no Authentication-Results field of a trusted server",
        );
    }
    judge(&trusted, from.address.domain())
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

/// Relaxed alignment by suffix: one is the other, or lies below it.
///
/// Without a public-suffix list siblings (`a.example.com`, `b.example.com`) do not align, which
/// errs towards less trust; a single label never aligns.
fn is_aligned(signer: &Domain, from: &Domain) -> bool {
    let registered = |d: &Domain| d.as_str().contains('.');
    registered(signer) && registered(from) && (signer.is_within(from) || from.is_within(signer))
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
