//! What the attributes of a tag say: hidden, quoted, signature.

use super::Mark;

/// Attributes read of one tag.
const MAX_ATTRIBUTES: usize = 64;

/// Attributes of one tag, names and values in lower case.
#[derive(Debug, Default)]
pub(super) struct Attributes(Vec<(String, String)>);

impl Attributes {
    pub(super) fn read(text: &str) -> Attributes {
        let mut out = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() && out.len() < MAX_ATTRIBUTES {
            let end = rest
                .find(|c: char| c.is_whitespace() || c == '=')
                .unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let tail = tail.trim_start();
            let (value, after) = match tail.strip_prefix('=').map(str::trim_start) {
                Some(value) => attribute_value(value),
                None => ("", tail),
            };
            out.push((name.to_ascii_lowercase(), value.to_ascii_lowercase()));
            let after = after.trim_start();
            rest = if after.len() < rest.len() { after } else { "" };
        }
        Attributes(out)
    }

    fn get(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, v)| v.as_str())
    }

    fn has_class(&self, wanted: &[&str]) -> bool {
        self.get("class")
            .split_ascii_whitespace()
            .any(|class| wanted.contains(&class))
    }

    fn style(&self) -> String {
        self.get("style")
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect()
    }

    pub(super) fn is_hidden(&self) -> bool {
        if self.0.iter().any(|(name, _)| name == "hidden") {
            return true;
        }
        let style = self.style();
        let zero = |property| declared(&style, property).is_some_and(is_zero);
        style.contains("display:none")
            || style.contains("mso-hide:all")
            || style.contains("visibility:hidden")
            || (zero("max-height") && style.contains("overflow:hidden"))
            || zero("opacity")
            || (zero("font-size") && (zero("line-height") || zero("max-height")))
    }

    /// Whether the element says how large its letters are, and whether they are then seen at all;
    /// layout cells say nought, and the text inside them says its own size again.
    pub(super) fn letters_vanish(&self) -> Option<bool> {
        let style = self.style();
        declared(&style, "font-size").map(is_zero)
    }

    /// A paragraph without margins: Outlook writes every line as one.
    pub(super) fn is_tight(&self) -> bool {
        let style = self.style();
        self.get("class").contains("msonormal")
            || self.get("class").contains("elementtoproof")
            || style
                .split(';')
                .filter_map(|d| d.strip_prefix("margin:"))
                .any(|margin| {
                    !margin.contains(|c: char| ('1'..='9').contains(&c)) && margin.contains('0')
                })
            || (style.contains("margin-top:0") && style.contains("margin-bottom:0"))
    }

    /// Mail programs indent with a blockquote that has no border.
    pub(super) fn is_indent(&self) -> bool {
        let style = self.style();
        self.get("type") != "cite"
            && !self.has_class(&["gmail_quote"])
            && style.contains("border:none")
            && !style.contains("border-left:solid")
            && !style.contains("border-left:1")
    }

    pub(super) fn starts_quoted_rest(&self) -> bool {
        const IDS: &[&str] = &[
            "divrplyfwdmsg",
            "appendonsend",
            "mail-editor-reference-message-container",
            "ms-outlook-mobile-reference-message",
            "isforwardcontent",
            "orimsghtmlseperator",
        ];
        const CLASSES: &[&str] = &[
            "yahoo_quoted",
            "moz-forward-container",
            "outlookmessageheader",
            "zmail_extra",
            "protonmail_quote",
            "tutanota_quote",
            "front-blockquote",
        ];
        let style = self.style();
        IDS.contains(&self.get("id"))
            || self.has_class(CLASSES)
            || self.get("name") == "quote"
            || style.contains("border:none;border-top:solid#e1e1e1")
            || style.contains("border:none;border-top:solid#b5c4df")
    }

    pub(super) fn mark(&self) -> Mark {
        const ATTRIBUTION: &[&str] = &["gmail_attr", "moz-cite-prefix", "gmail_quote_attribution"];
        const SIGNATURE: &[&str] = &[
            "gmail_signature",
            "moz-signature",
            "protonmail_signature_block",
            "signature-container",
            "ms-outlook-mobile-signature",
            "applemailsignature",
            "gmail_signature_prefix",
        ];
        if self.has_class(ATTRIBUTION) {
            Mark::Attribution
        } else if self.has_class(SIGNATURE)
            || self.get("data-smartmail") == "gmail_signature"
            || matches!(
                self.get("id"),
                "signature" | "applemailsignature" | "ms-outlook-mobile-signature"
            )
        {
            Mark::Signature
        } else {
            Mark::None
        }
    }
}

/// The value that a style without blanks gives a property.
fn declared<'a>(style: &'a str, property: &str) -> Option<&'a str> {
    style
        .split(';')
        .filter_map(|d| d.strip_prefix(property)?.strip_prefix(':'))
        .next_back()
}

fn is_zero(value: &str) -> bool {
    let number = value
        .trim_end_matches("!important")
        .trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    number.starts_with('0') && number.bytes().all(|b| matches!(b, b'0' | b'.'))
}

fn attribute_value(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(rest) = text.strip_prefix(quote) {
            return rest.split_once(quote).unwrap_or((rest, ""));
        }
    }
    text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()))
}
