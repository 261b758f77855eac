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
