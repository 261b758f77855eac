//! Free-mail providers: domains that say nothing about the company.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use crate::mail::address::Domain;

/// The list that is shipped; the same file lies in the configuration for operators to copy.
pub const SHIPPED: &str = include_str!("../../../../config/free-mail.txt");

/// The domains of free-mail providers. Exact addresses there match like any other; only the domain
/// tells nothing.
///
/// [`FreeMail::default`] is the shipped list. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreeMail(Arc<BTreeSet<String>>);

static LIST: LazyLock<FreeMail> = LazyLock::new(|| {
    let (domains, _) = read(SHIPPED);
    FreeMail(Arc::new(domains))
});

impl Default for FreeMail {
    fn default() -> FreeMail {
        LIST.clone()
    }
}

impl FreeMail {
    /// The domains of `list` (the shipped ones when `None`) and of `more`, without those of `less`.
    #[must_use]
    pub fn new(list: Option<BTreeSet<String>>, more: &[String], less: &[String]) -> FreeMail {
        let mut domains = list.unwrap_or_else(|| LIST.0.as_ref().clone());
        domains.extend(more.iter().cloned());
        for domain in less {
            domains.remove(domain);
        }
        FreeMail(Arc::new(domains))
    }

    /// Whether a domain (lower-case A-labels), or the registrable domain that it lies below, is one
    /// of a free-mail provider.
    #[must_use]
    pub fn has(&self, domain: &str) -> bool {
        let registrable = psl::domain_str(domain);
        self.0.contains(domain) || registrable.is_some_and(|domain| self.0.contains(domain))
    }
}

/// Reads a list: one domain per line, comments from `#` on. What is no domain is told with its line
/// number, counted from 1, and everything else is read.
#[must_use]
pub fn read(text: &str) -> (BTreeSet<String>, Vec<(usize, String)>) {
    let (mut domains, mut wrong) = (BTreeSet::new(), Vec::new());
    for (line, number) in text.lines().zip(1usize..) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        match Domain::parse(line) {
            Ok(domain) if domain.as_str().contains('.') => {
                domains.insert(domain.as_str().to_owned());
            }
            _ => wrong.push((number, crate::message::cut_text(line, 80))),
        }
    }
    (domains, wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_list_has_nothing_wrong_and_is_in_order() {
        let (domains, wrong) = read(SHIPPED);
        assert!(wrong.is_empty(), "{wrong:?}");
        let lines = SHIPPED.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.collect::<Vec<_>>(), Vec::from_iter(&domains));
        assert!(domains.contains("gmail.com") && domains.len() > 100);
    }

    #[test]
    fn a_list_is_read_line_by_line_and_what_is_no_domain_is_named() {
        let (domains, wrong) = read("Web.DE # a comment\n\n# none\nno domain\nbücher.example\n");
        let expected = ["web.de", "xn--bcher-kva.example"].map(str::to_owned);
        assert_eq!(domains, BTreeSet::from(expected));
        assert_eq!(wrong, [(4, "no domain".to_owned())]);
    }

    #[test]
    fn the_operator_adds_and_takes_out() {
        let text = |domain: &str| vec![domain.to_owned()];
        let own = FreeMail::new(None, &text("isp.example"), &text("gmx.de"));
        for (domain, free) in [
            ("isp.example", true),
            ("mail.isp.example", true),
            ("gmx.de", false),
            ("gmx.net", true),
            ("example.com", false),
        ] {
            assert_eq!(own.has(domain), free, "{domain}");
        }
        let only = FreeMail::new(Some(BTreeSet::from(["web.de".to_owned()])), &[], &[]);
        assert!(only.has("web.de") && !only.has("gmail.com"));
    }
}
