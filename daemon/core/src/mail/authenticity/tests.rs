use super::*;
use crate::mail::{ParseLimits, parse_message};

const HOP: &str = "Received: from out.example.net by mx.example.com with ESMTPS; Mon, 2 Mar 2026 09:00:00 +0000\n";
const LMTP: &str = "Received: from mx.example.com by store.example.com with LMTP id 1; Mon, 2 Mar 2026 09:00:01 +0000\n";

#[test]
fn only_our_own_server_is_believed() {
    use Verdict::{Fail, None, Pass, Unknown};
    let from = "From: Bob <bob@example.net>\n";
    let ar = |text: &str| format!("Authentication-Results: {text}\n");
    let dmarc = ar("mx.example.com; dmarc=pass header.from=example.net");
    for (name, header, verdict) in [
        ("dmarc pass", format!("{dmarc}{HOP}{from}"), Pass),
        (
            "behind our LMTP hop",
            format!("{LMTP}{dmarc}{HOP}{from}"),
            Pass,
        ),
        ("below the hop", format!("{HOP}{dmarc}{from}"), None),
        (
            "another server",
            format!("{}{HOP}{from}", ar("mx.example.org; dmarc=pass")),
            None,
        ),
        (
            "case and version",
            format!(
                "{}{HOP}{from}",
                ar("MX.Example.com 1; dmarc=pass (p=none) header.from=example.net")
            ),
            Pass,
        ),
        (
            "dmarc fail",
            format!(
                "{}{HOP}{from}",
                ar(
                    "mx.example.com; dkim=pass header.d=example.net; dmarc=fail header.from=example.net"
                )
            ),
            Fail,
        ),
        (
            "dkim aligned",
            format!(
                "{}{HOP}{from}",
                ar(
                    "mx.example.com;\n\tdkim=pass (2048-bit; \"x\") header.d=example.net header.b=\"a=b\";\n\tspf=none"
                )
            ),
            Pass,
        ),
        (
            "dkim by header.i",
            format!(
                "{}{HOP}{from}",
                ar("mx.example.com; dkim=pass header.i=@mail.example.net")
            ),
            Pass,
        ),
        (
            "dkim of another",
            format!(
                "{}{HOP}{from}",
                ar("mx.example.com; dkim=pass header.d=example.org")
            ),
            None,
        ),
        (
            "dkim of a suffix",
            format!(
                "{}{HOP}{from}",
                ar("mx.example.com; dkim=pass header.d=net")
            ),
            None,
        ),
        (
            "dkim failed",
            format!(
                "{}{HOP}{from}",
                ar("mx.example.com; dkim=fail header.d=example.net")
            ),
            Fail,
        ),
        (
            "second signature passes",
            format!(
                "{}{HOP}{from}",
                ar(
                    "mx.example.com; dkim=fail header.d=example.net; dkim=pass header.d=example.net"
                )
            ),
            Pass,
        ),
        (
            "spf alone",
            format!(
                "{}{HOP}{from}",
                ar("mx.example.com; spf=pass smtp.mailfrom=example.net")
            ),
            None,
        ),
        (
            "none",
            format!("{}{HOP}{from}", ar("mx.example.com; none")),
            None,
        ),
        (
            "comment tricks",
            format!(
                "{}{HOP}{from}",
                ar("mx.example.org (; mx.example.com; dmarc=pass)")
            ),
            None,
        ),
        (
            "two From fields",
            format!("{dmarc}{HOP}{from}From: eve@example.org\n"),
            Unknown,
        ),
        (
            "two authors",
            format!("{dmarc}{HOP}From: bob@example.net, eve@example.org\n"),
            Unknown,
        ),
        ("no Received at all", format!("{dmarc}{from}"), Pass),
    ] {
        let view = parse_message(
            format!("{header}Subject: x\n\nx").as_bytes(),
            &ParseLimits::default(),
        );
        let found = authenticity(&view, &["mx.example.com".to_owned()]);
        assert_eq!(found.verdict, verdict, "{name}: {found:?}");
        assert!(!found.detail.is_empty());
    }
    let view = parse_message(
        format!("{dmarc}{HOP}{from}\n").as_bytes(),
        &ParseLimits::default(),
    );
    assert_eq!(authenticity(&view, &[]).verdict, Unknown);
}

/// With both, either may prove the sender, and a domain's `p=reject` stands.
#[test]
fn our_own_check_and_the_servers_word_are_joined() {
    use Verdict::{Fail, None, Pass, Unknown};
    let from = "From: Bob <bob@example.net>\n";
    let ids = ["mx.example.com".to_owned()];
    let own = |verdict| DkimCheck {
        verdict,
        detail: "own".to_owned(),
        doubt: Option::None,
    };
    let ar = |text: &str| format!("Authentication-Results: mx.example.com; {text}\n");
    let reject = "dmarc=fail (p=REJECT sp=REJECT dis=NONE) header.from=example.net";
    for (said, checked, both) in [
        ("", Pass, Pass),
        ("", Fail, Fail),
        ("", Unknown, Unknown),
        ("", None, None),
        ("dmarc=pass", None, Pass),
        ("dmarc=pass", Fail, Pass),
        ("dmarc=pass", Unknown, Pass),
        ("dmarc=fail (p=none dis=none)", Pass, Pass),
        ("dmarc=fail", None, Fail),
        (reject, Pass, Fail),
        (
            "dmarc=fail action=oreject header.from=example.net",
            Pass,
            Fail,
        ),
        ("dmarc=fail policy.dmarc=reject", Pass, Fail),
        ("none", Unknown, Unknown),
    ] {
        let field = if said.is_empty() {
            String::new()
        } else {
            ar(said)
        };
        let view = parse_message(
            format!("{field}{HOP}{from}Subject: x\n\nx").as_bytes(),
            &ParseLimits::default(),
        );
        let found = judged(&view, &ids, Some(&own(checked)));
        assert_eq!(found.verdict, both, "{said} {checked:?}: {found:?}");
        assert_eq!(judged(&view, &[], Some(&own(checked))).verdict, checked);
        assert_eq!(judged(&view, &ids, Option::None), authenticity(&view, &ids));
    }
    let two = parse_message(
        format!("{HOP}{from}From: eve@example.org\n\nx").as_bytes(),
        &ParseLimits::default(),
    );
    assert_eq!(judged(&two, &[], Some(&own(Pass))).verdict, Unknown);
    assert_eq!(judged(&two, &ids, Some(&own(Pass))).verdict, Unknown);
}

#[test]
fn alignment_is_by_registrable_domain() {
    let domain = |text: &str| Domain::parse(text).unwrap();
    for (signer, from, aligned) in [
        ("example.net", "example.net", true),
        ("mail.example.net", "example.net", true),
        ("example.net", "a.b.example.net", true),
        ("a.example.net", "b.example.net", true),
        ("example.co.uk", "other.co.uk", false),
        ("co.uk", "example.co.uk", false),
        ("example.net", "badexample.net", false),
        ("net", "example.net", false),
    ] {
        assert_eq!(
            is_aligned(&domain(signer), &domain(from)),
            aligned,
            "{signer} {from}"
        );
    }
}

#[test]
fn results_that_nobody_asked_to_believe_are_named() {
    let field = "Authentication-Results: mx.evil.example; dmarc=pass\n";
    let view = |header: &str| parse_message(header.as_bytes(), &ParseLimits::default());
    let top = view(&format!("{field}{HOP}From: bob@example.net\n\nx"));
    let ids = ["mx.example.com".to_owned()];
    assert_eq!(ignored_results(&top, &ids), ["mx.evil.example"]);
    assert_eq!(
        ignored_results(&top, &["MX.evil.example".to_owned()]),
        [""; 0]
    );
    let below = view(&format!("{HOP}{field}From: bob@example.net\n\nx"));
    assert_eq!(ignored_results(&below, &ids), [""; 0]);
}
