//! What is known of large providers, by the name of their IMAP server.

/// What one provider does differently from the standard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Its name.
    pub name: &'static str,
    /// Ends of its servers' names.
    hosts: &'static [&'static str],
    /// Longest stretch in IDLE, in seconds, that its servers keep alive.
    pub idle_secs_max: Option<u64>,
    /// Its submission servers put a copy of what they send into Sent by themselves.
    pub files_sent_copy: bool,
}

const PROVIDERS: [Provider; 8] = [
    Provider {
        name: "Gmail",
        hosts: &["imap.gmail.com", "imap.googlemail.com"],
        idle_secs_max: None,
        files_sent_copy: true,
    },
    Provider {
        name: "Microsoft 365",
        hosts: &["outlook.office365.com", "imap-mail.outlook.com"],
        idle_secs_max: None,
        files_sent_copy: true,
    },
    Provider {
        name: "Yahoo",
        hosts: &["mail.yahoo.com"],
        idle_secs_max: Some(180),
        files_sent_copy: false,
    },
    Provider {
        name: "AOL",
        hosts: &["imap.aol.com"],
        idle_secs_max: Some(180),
        files_sent_copy: false,
    },
    Provider {
        name: "NetEase",
        hosts: &["imap.163.com", "imap.126.com", "imap.yeah.net"],
        idle_secs_max: Some(55),
        files_sent_copy: false,
    },
    Provider {
        name: "Tencent",
        hosts: &["imap.qq.com", "imap.exmail.qq.com"],
        idle_secs_max: Some(55),
        files_sent_copy: false,
    },
    Provider {
        name: "Rambler",
        hosts: &["imap.rambler.ru"],
        idle_secs_max: Some(55),
        files_sent_copy: false,
    },
    Provider {
        name: "Zoho",
        hosts: &["imap.zoho.com", "imap.zoho.eu", "imappro.zoho.com"],
        idle_secs_max: Some(55),
        files_sent_copy: false,
    },
];

/// Whose server it is, if it is known.
#[must_use]
pub fn provider(host: &str) -> Option<&'static Provider> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_of = |end: &&str| {
        let before = host.strip_suffix(end);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    };
    PROVIDERS
        .iter()
        .find(|provider| provider.hosts.iter().any(&is_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_known_by_whole_labels_of_its_server() {
        for (host, name) in [
            ("imap.gmail.com", Some("Gmail")),
            ("IMAP.GMAIL.COM.", Some("Gmail")),
            ("eu.imap.mail.yahoo.com", Some("Yahoo")),
            ("notimap.gmail.com", None),
            ("imap.gmail.com.example", None),
            ("mail.example.com", None),
        ] {
            assert_eq!(provider(host).map(|found| found.name), name, "{host}");
        }
    }

    #[test]
    fn idle_is_as_long_as_their_servers_keep_it() {
        for (host, secs) in [
            ("imap.gmail.com", None),
            ("outlook.office365.com", None),
            ("imap.mail.yahoo.com", Some(180)),
            ("imap.aol.com", Some(180)),
            ("imap.163.com", Some(55)),
            ("imap.126.com", Some(55)),
            ("imap.qq.com", Some(55)),
            ("imap.rambler.ru", Some(55)),
            ("imap.zoho.eu", Some(55)),
        ] {
            let found = provider(host).expect(host);
            assert_eq!(found.idle_secs_max, secs, "{host}");
        }
    }
}
