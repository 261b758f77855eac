//! What is said to a mail server with an access token: XOAUTH2 and OAUTHBEARER (RFC 7628).

use std::collections::BTreeSet;

use super::AccessToken;

/// One way to hand over an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mechanism {
    /// Google's and Microsoft's; what both of them take.
    XOauth2,
    /// RFC 7628.
    OauthBearer,
}

/// To whom the token is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownTo<'a> {
    pub(crate) user: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl Mechanism {
    /// The one to use of those that a server offers, in capitals: the standard one first.
    pub(crate) fn choose(offers: &BTreeSet<String>) -> Option<Mechanism> {
        [Mechanism::OauthBearer, Mechanism::XOauth2]
            .into_iter()
            .find(|mechanism| offers.contains(mechanism.name()))
    }

    /// As the server lists it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Mechanism::XOauth2 => "XOAUTH2",
            Mechanism::OauthBearer => "OAUTHBEARER",
        }
    }

    /// The first and only message of the client, not yet in base64.
    pub(crate) fn message(self, to: ShownTo<'_>, token: &AccessToken) -> String {
        let (user, token) = (to.user, token.expose());
        match self {
            Mechanism::XOauth2 => format!("user={user}\x01auth=Bearer {token}\x01\x01"),
            Mechanism::OauthBearer => {
                // RFC 5801 section 4: these two have a meaning in the header.
                let user = user.replace('=', "=3D").replace(',', "=2C");
                let (host, port) = (to.host, to.port);
                format!("n,a={user},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
            }
        }
    }

    /// The answer to the challenge that tells of a failure, in base64: without it the server never
    /// says `NO` (RFC 7628 section 3.2.3; XOAUTH2 wants an empty line).
    pub(crate) fn after_failure(self) -> &'static str {
        match self {
            Mechanism::XOauth2 => "",
            Mechanism::OauthBearer => "AQ==",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;
    use liaison_core::time::Timestamp;

    #[test]
    fn messages_are_as_the_servers_want_them() {
        let token = AccessToken::new(
            Secret::new("tok".to_owned()),
            Timestamp(0),
            Timestamp(1_000),
        );
        let to = ShownTo {
            user: "a,b=c@example.com",
            host: "imap.example.com",
            port: 993,
        };
        assert_eq!(
            Mechanism::XOauth2.message(to, &token),
            "user=a,b=c@example.com\x01auth=Bearer tok\x01\x01"
        );
        assert_eq!(
            Mechanism::OauthBearer.message(to, &token),
            "n,a=a=2Cb=3Dc@example.com,\x01host=imap.example.com\x01port=993\x01auth=Bearer tok\
             \x01\x01"
        );
    }

    #[test]
    fn the_standard_comes_first() {
        let offers = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        for (words, expected) in [
            (
                &["PLAIN", "XOAUTH2", "OAUTHBEARER"][..],
                Some("OAUTHBEARER"),
            ),
            (&["XOAUTH2"], Some("XOAUTH2")),
            (&["PLAIN", "LOGIN"], None),
        ] {
            let chosen = Mechanism::choose(&offers(words));
            assert_eq!(chosen.map(Mechanism::name), expected);
        }
    }
}
