//! Whose address of a message is looked up.
//!
//! | the message | looked up |
//! |---|---|
//! | has one From | From |
//! | has several From addresses | nobody |
//! | came through a list that put itself into From | the person whom the list names in the header |
//! | is from a web form of ours, or of the configuration | Reply-To, else the only address in the text |
//! | is from a robot that names a person elsewhere in Reply-To | From, and when nobody knows it, Reply-To |
//! | was forwarded by one of us | the sender of the enclosed message, else the header's, else the quoted one |
//!
//! What is not From is a candidate: its [`Kind`] bounds how much the match can be trusted, and
//! below [`FIRM_CONFIDENCE_MIN`](super::FIRM_CONFIDENCE_MIN) no mail leaves without a person.

use std::collections::BTreeSet;

use super::{Evidence, Kind};
use crate::account::matching::registrable;
use crate::mail::address::{Address, Domain};
use crate::mail::{MessageClass, MessageView};

/// Bytes of the text of a form in which an address is looked for.
const FORM_TEXT_BYTES_MAX: usize = 64 * 1024;

/// Words before the @ that stand for a desk and not for a person. Only said as evidence: records
/// and headers decide.
const ROLE_WORDS: [&str; 28] = [
    "accounting",
    "accounts",
    "admin",
    "billing",
    "buchhaltung",
    "contact",
    "einkauf",
    "hello",
    "help",
    "helpdesk",
    "hr",
    "info",
    "invoices",
    "it",
    "kontakt",
    "mail",
    "office",
    "orders",
    "post",
    "procurement",
    "purchasing",
    "rechnung",
    "reception",
    "sales",
    "service",
    "support",
    "team",
    "vertrieb",
];

/// Whether the address is that of a desk by its name.
#[must_use]
pub fn is_role_address(address: &Address) -> bool {
    let local = address.local().to_lowercase();
    ROLE_WORDS.contains(&local.as_str())
}

/// Whose address it is and how it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The address; `None` when the message has none that can be read.
    pub address: Option<Address>,
    /// How many From addresses the message has: more than one is nobody.
    pub from_count: usize,
    /// It is one of our own.
    pub own: bool,
    /// Why the message is automatic; `None` for human mail.
    pub automatic: Option<String>,
    /// Why this address is looked up, where it is not simply From.
    pub because: Vec<Evidence>,
    /// Whether the thread of the message says something of it: From, or to whom we wrote.
    pub in_thread: bool,
}

impl Sender {
    /// An address by itself, `own` when it is ours.
    #[must_use]
    pub fn of(address: Address, own: bool) -> Sender {
        Sender {
            address: Some(address),
            from_count: 1,
            own,
            automatic: None,
            because: Vec::new(),
            in_thread: true,
        }
    }

    /// A message whose sender nobody can tell.
    #[must_use]
    pub fn nobody() -> Sender {
        Sender {
            address: None,
            from_count: 0,
            own: false,
            automatic: None,
            because: Vec::new(),
            in_thread: false,
        }
    }

    /// The same, for a reason other than From.
    fn because(self, kind: Kind, text: impl AsRef<str>) -> Sender {
        Sender {
            because: vec![Evidence::new(kind, text)],
            in_thread: false,
            ..self
        }
    }
}

/// Those whom a message may be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders {
    /// In the order in which they are looked up: the first whom the records know is it. Never
    /// empty.
    pub tries: Vec<Sender>,
    /// Which of them it is when the records know none.
    pub otherwise: usize,
}

impl Senders {
    /// This one alone.
    #[must_use]
    pub fn one(sender: Sender) -> Senders {
        Senders {
            tries: vec![sender],
            otherwise: 0,
        }
    }
}

/// Addresses and domains of web forms: what they send is from whoever filled them in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FormSenders(BTreeSet<String>);

impl FormSenders {
    /// Addresses in lookup form, and domains.
    #[must_use]
    pub fn new(senders: impl IntoIterator<Item = String>) -> FormSenders {
        FormSenders(senders.into_iter().collect())
    }

    /// Whether the address, or its domain, is one of them.
    #[must_use]
    pub fn has(&self, address: &Address) -> bool {
        self.0.contains(&address.key()) || self.0.contains(address.domain().as_str())
    }
}

/// Reads an entry of a list of form senders: an address or a domain, in lookup form.
///
/// # Errors
/// As [`Address::parse`] and [`Domain::parse`].
pub fn form_sender(text: &str) -> Result<String, crate::mail::AddressError> {
    match text.contains('@') {
        true => Address::parse(text).map(|address| address.key()),
        false => Domain::parse(text).map(|domain| domain.as_str().to_owned()),
    }
}

/// What is known of ourselves.
#[derive(Clone, Copy)]
pub struct Ourselves<'a> {
    /// Whether an address is ours.
    pub owns: &'a (dyn Fn(&Address) -> bool + Sync),
    /// Web forms.
    pub forms: &'a FormSenders,
}

impl std::fmt::Debug for Ourselves<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ourselves")
            .field("forms", self.forms)
            .finish_non_exhaustive()
    }
}

/// Whom an inbound message may be about.
#[must_use]
pub fn senders(view: &MessageView, us: Ourselves<'_>) -> Senders {
    let automatic = view.class.class.is_automatic().then(|| {
        let why = view.class.evidence.first().map_or("", String::as_str);
        format!("class {}: {why}", view.class.class.as_str())
    });
    let from_count = view.from.len().max(view.from_field_count);
    let sender = |address: &Address| Sender {
        automatic: automatic.clone(),
        ..Sender::of(address.clone(), (us.owns)(address))
    };
    let Some(from) = view.from.first().map(|named| &named.address) else {
        return Senders::one(Sender {
            from_count,
            automatic,
            ..Sender::nobody()
        });
    };
    let plain = Sender {
        from_count,
        ..sender(from)
    };
    if from_count > 1 {
        return Senders::one(plain);
    }
    let read = Reading { view, us, from };
    if us.forms.has(from) {
        return read.form(sender);
    }
    if let Some((original, text)) = read.behind_list() {
        return Senders::one(sender(&original).because(Kind::ListRewritten, text));
    }
    if plain.own {
        return read.passed_on(plain, sender);
    }
    if let Some((visitor, text)) = read.behind_robot() {
        let visitor = sender(&visitor).because(Kind::FormReplyTo, text);
        return Senders {
            tries: vec![read.noted(plain), visitor],
            otherwise: 0,
        };
    }
    Senders::one(read.noted(plain))
}

/// One message, and who stands in its From.
struct Reading<'a> {
    view: &'a MessageView,
    us: Ourselves<'a>,
    from: &'a Address,
}

impl Reading<'_> {
    /// From, with what is odd about it.
    fn noted(&self, plain: Sender) -> Sender {
        let [to] = self.view.to.as_slice() else {
            return plain;
        };
        match to.address.key() == self.from.key() && self.view.cc.is_empty() {
            true => Sender {
                because: vec![Evidence::new(
                    Kind::SelfAddressed,
                    format!("{} wrote to their own address", self.from),
                )],
                ..plain
            },
            false => plain,
        }
    }

    /// The address in a field of the header, when it has exactly one.
    fn field(&self, name: &str) -> Option<Address> {
        let value = self.view.header(name)?;
        let bare = value
            .rsplit_once('<')
            .and_then(|(_, rest)| rest.split_once('>'));
        Address::parse(bare.map_or(value, |(bare, _)| bare)).ok()
    }

    /// The only Reply-To, when it is somebody else than From and the list.
    fn reply_to(&self, list: Option<&Address>) -> Option<Address> {
        let [one] = self.view.reply_to.as_slice() else {
            return None;
        };
        let key = one.address.key();
        let other = key != self.from.key() && list.is_none_or(|list| key != list.key());
        other.then(|| one.address.clone())
    }

    /// The author of mail whose From is a list's, as Mailman, Google Groups and others do it for
    /// senders with a strict DMARC policy (RFC 7960).
    fn behind_list(&self) -> Option<(Address, String)> {
        let name = self.view.from.first().and_then(|from| from.name.as_deref());
        let via = name.is_some_and(|name| format!(" {} ", name.to_lowercase()).contains(" via "));
        let post = self.view.header("List-Post").and_then(|value| {
            let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
            Address::parse(inner.split(['>', '?']).next().unwrap_or_default()).ok()
        });
        let of_list = self.view.header("List-Id").is_some() || post.is_some();
        let is_post = post
            .as_ref()
            .is_some_and(|post| post.key() == self.from.key());
        let named = |names: &[&str]| names.iter().find_map(|name| self.field(name));
        let original = named(&["X-Original-From", "X-Original-Sender"]);
        // A group of ours says so by its From; anybody else can write any field.
        let of_ours = (self.us.owns)(self.from) && original.is_some();
        if !(via && (of_list || of_ours) || of_list && is_post) {
            return None;
        }
        let original = original
            .filter(|original| original.key() != self.from.key())
            .or_else(|| self.reply_to(post.as_ref()))?;
        let text = format!(
            "the list {} put itself into From; {original} wrote it",
            self.from
        );
        Some((original, text))
    }

    /// Whoever filled in a form of the configuration.
    fn form(&self, sender: impl Fn(&Address) -> Sender) -> Senders {
        let foreign = |address: &Address| !(self.us.owns)(address) && !self.us.forms.has(address);
        if let Some(visitor) = self.reply_to(None).filter(foreign) {
            let text = format!("{} is a web form; {visitor} stands in Reply-To", self.from);
            return Senders::one(sender(&visitor).because(Kind::FormReplyTo, text));
        }
        let found = addresses_in(&self.view.text, foreign);
        if let [visitor] = found.as_slice() {
            let text = format!(
                "{} is a web form; {visitor} is the only address in its text, and gets no \
                 automatic mail",
                self.from
            );
            return Senders::one(sender(visitor).because(Kind::FormBody, text));
        }
        let text = format!(
            "{} is a web form, and {} addresses stand in its text: nobody can say whose it is",
            self.from,
            found.len()
        );
        Senders::one(Sender {
            address: None,
            ..sender(self.from).because(Kind::FormBody, text)
        })
    }

    /// A person of another organisation in Reply-To of a robot's mail.
    fn behind_robot(&self) -> Option<(Address, String)> {
        let class = self.view.class.class;
        let may_be = matches!(class, MessageClass::Human | MessageClass::AutoGenerated);
        if !may_be || !self.from.is_no_reply_like() {
            return None;
        }
        let visitor = self.reply_to(None).filter(|to| !(self.us.owns)(to))?;
        let organisation = |address: &Address| {
            let domain = address.domain().as_str();
            registrable(domain).unwrap_or(domain).to_owned()
        };
        if organisation(&visitor) == organisation(self.from) || visitor.is_no_reply_like() {
            return None;
        }
        let text = format!(
            "{} is no person's address; {visitor} stands in Reply-To",
            self.from
        );
        Some((visitor, text))
    }

    /// Mail of one of us: whose message was passed on, when it was.
    fn passed_on(&self, plain: Sender, sender: impl Fn(&Address) -> Sender) -> Senders {
        let plain = self.noted(plain);
        let alone = |plain| Senders {
            tries: vec![plain],
            otherwise: 0,
        };
        let original = match self.original() {
            Original::None => return alone(plain),
            Original::Several(count) => {
                let text = format!(
                    "{} forwarded messages of {count} people: none of them is taken",
                    self.from
                );
                return alone(plain.because(Kind::SeveralOriginals, text));
            }
            Original::One(original, kind) => sender(&original).because(
                kind,
                format!("{} forwarded a message of {original}", self.from),
            ),
        };
        Senders {
            tries: vec![original, plain],
            otherwise: 1,
        }
    }

    fn original(&self) -> Original {
        let foreign = |address: &Address| !(self.us.owns)(address);
        let of = |trusted: bool| {
            let all = self
                .view
                .forwarded
                .iter()
                .filter(|one| one.trusted == trusted);
            let from = all.filter_map(|one| one.from.as_ref().map(|from| from.address.clone()));
            let mut from: Vec<Address> = from.filter(foreign).collect();
            let mut seen = BTreeSet::new();
            from.retain(|address| seen.insert(address.key()));
            from
        };
        match of(true).as_slice() {
            [] => {}
            [one] => return Original::One(one.clone(), Kind::Forwarded),
            several => return Original::Several(several.len()),
        }
        let passed_on = ["X-Original-Sender", "X-Original-From", "X-Forwarded-From"];
        let by_header = passed_on
            .iter()
            .find_map(|name| self.field(name).filter(foreign));
        if let Some(original) = by_header.or_else(|| self.forwarded_for(foreign)) {
            return Original::One(original, Kind::ForwardedHeader);
        }
        match of(false).as_slice() {
            [] => Original::None,
            [one] => Original::One(one.clone(), Kind::ForwardedText),
            several => Original::Several(several.len()),
        }
    }

    /// The first of ours is who passed it on: only a foreign one says something.
    fn forwarded_for(&self, foreign: impl Fn(&Address) -> bool) -> Option<Address> {
        let value = self.view.header("X-Forwarded-For")?;
        let mut all = value
            .split([' ', ','])
            .filter_map(|word| Address::parse(word).ok());
        all.find(|address| foreign(address))
    }
}

/// Whose message was passed on.
enum Original {
    None,
    One(Address, Kind),
    Several(usize),
}

/// The different addresses in a text.
fn addresses_in(text: &str, foreign: impl Fn(&Address) -> bool) -> Vec<Address> {
    let end = text.floor_char_boundary(FORM_TEXT_BYTES_MAX);
    let text = text.get(..end).unwrap_or_default();
    let marks = |c: char| c.is_whitespace() || "<>()[]{},;:|\"'=".contains(c);
    let words = text.split(marks).filter(|word| word.contains('@'));
    let mut seen = BTreeSet::new();
    words
        .filter_map(|word| Address::parse(word.trim_end_matches(['.', '!', '?'])).ok())
        .filter(|address| address.domain().as_str().contains('.') && foreign(address))
        .filter(|address| seen.insert(address.key()))
        .collect()
}

#[cfg(test)]
mod tests;
