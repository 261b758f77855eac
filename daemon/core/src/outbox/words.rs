//! What a mail says, when a person changes it: put into order and looked over before it replaces
//! what was decided.

use crate::mail::address::is_unsafe;
use crate::message::{SUBJECT_CHARS_MAX, cut_text};

/// Longest text that a person may give a mail, in bytes: what is longer belongs into an attachment.
pub const TEXT_BYTES_MAX: usize = 256 * 1024;
/// Most faults that are named at once.
const FAULTS_MAX: usize = 10;
/// Characters of a fault that are shown.
const SHOWN_CHARS_MAX: usize = 60;

/// Subject and text of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The subject.
    pub subject: String,
    /// The text, its paragraphs whole; lines end in `\n`, the last one too.
    pub text: String,
}

impl Words {
    /// In the form in which two are compared: no white space at the ends of lines, none at the end,
    /// `-- ` above the signature whatever an editor made of it.
    #[must_use]
    pub fn tidy(subject: &str, text: &str) -> Words {
        let text = text.replace("\r\n", "\n");
        let mut tidied = String::with_capacity(text.len());
        for line in text.trim_end().split('\n') {
            match line.trim_end_matches([' ', '\t']) {
                "--" => tidied.push_str("-- "),
                line => tidied.push_str(line),
            }
            tidied.push('\n');
        }
        Words {
            subject: subject.trim().to_owned(),
            text: tidied,
        }
    }

    /// Why this must not go out as it stands; empty when it may.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.subject.is_empty() {
            faults.push("the subject is empty".to_owned());
        }
        let chars = self.subject.chars().count();
        if chars > SUBJECT_CHARS_MAX {
            faults.push(format!(
                "the subject has {chars} characters, at most {SUBJECT_CHARS_MAX} are sent"
            ));
        }
        let unsafe_here = |c: &char| is_unsafe(*c) || (c.is_whitespace() && *c != ' ');
        if let Some(found) = self.subject.chars().find(unsafe_here) {
            let code = u32::from(found);
            faults.push(format!(
                "the subject has a control character (U+{code:04X})"
            ));
        }
        let own = || self.text.lines().filter(|line| !line.starts_with('>'));
        if own().all(|line| line.trim().is_empty()) {
            faults.push("the text is empty".to_owned());
        }
        if self.text.len() > TEXT_BYTES_MAX {
            faults.push(format!(
                "the text has {} bytes, at most {TEXT_BYTES_MAX} are sent",
                self.text.len()
            ));
        }
        for (index, line) in self.text.lines().enumerate() {
            let number = index.saturating_add(1);
            if let Some(found) = line.chars().find(|c| *c != '\t' && is_hidden(*c)) {
                let code = u32::from(found);
                faults.push(format!(
                    "line {number} has a control character (U+{code:04X})"
                ));
            }
            // What they wrote is quoted as it is.
            if let Some(found) = placeholder(line).filter(|_| !line.starts_with('>')) {
                faults.push(format!("line {number}: {}", unfilled(found)));
            }
        }
        if let Some(found) = placeholder(&self.subject) {
            faults.push(format!("the subject: {}", unfilled(found)));
        }
        let count = faults.len();
        if count > FAULTS_MAX {
            faults.truncate(FAULTS_MAX);
            faults.push(format!("and {} more", count.saturating_sub(FAULTS_MAX)));
        }
        faults
    }
}

fn unfilled(found: &str) -> String {
    let found = cut_text(found, SHOWN_CHARS_MAX);
    format!("`{found}` still has to be filled in")
}

/// Controls and what turns the direction of reading: nobody sees them in an editor.
fn is_hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

/// A place that somebody was to fill in: `{{name}}`, `[TODO: the price]`.
fn placeholder(line: &str) -> Option<&str> {
    between(line, "{{", "}}").or_else(|| {
        let mut rest = line;
        while let Some(found) = between(rest, "[", "]") {
            if found.to_ascii_uppercase().contains("TODO") {
                return Some(found);
            }
            rest = rest.split_once('[')?.1;
        }
        None
    })
}

/// The first piece from `open` to `close`, both included.
fn between<'a>(line: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, from) = line.split_at_checked(line.find(open)?)?;
    let inside = from.strip_prefix(open)?;
    let end = inside.find(close)?;
    let length = end.saturating_add(open.len()).saturating_add(close.len());
    from.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_editors_do_to_white_space_is_no_change() {
        let before = Words::tidy("Offer", "Hello Ann,\n\nas agreed.\n\n-- \nAlice\n");
        for text in [
            "Hello Ann,\r\n\r\nas agreed.\r\n\r\n-- \r\nAlice\r\n",
            "Hello Ann,  \n\nas agreed.\n\n--\nAlice\n\n\n",
            "Hello Ann,\n\nas agreed.\n\n-- \nAlice",
        ] {
            assert_eq!(Words::tidy(" Offer ", text), before, "{text:?}");
        }
        assert_ne!(Words::tidy("Offer", "Hello Ann,\nas agreed.\n"), before);
    }

    #[test]
    fn what_must_not_go_out_is_named_by_its_line() {
        let long = "x".repeat(201);
        for (subject, text, says) in [
            ("", "Hello\n", "the subject is empty"),
            (long.as_str(), "Hello\n", "201 characters"),
            ("A\u{7}B", "Hello\n", "the subject has a control"),
            ("A\nBcc: eve@example.net", "Hello\n", "the subject has"),
            ("A {{deal}}", "Hello\n", "the subject: `{{deal}}`"),
            ("A", "\n \n", "the text is empty"),
            ("A", "> only theirs\n", "the text is empty"),
            ("A", "Hello\n\u{1b}[2J\n", "line 2 has a control"),
            ("A", "pay \u{202e}001\n", "line 1 has a control"),
            ("A", "Dear {{ name }},\n", "`{{ name }}` still"),
            (
                "A",
                "see [1]\nat [the price, Todo] EUR\n",
                "line 2: `[the price, Todo]`",
            ),
        ] {
            let faults = Words::tidy(subject, text).faults();
            assert_eq!(faults.len(), 1, "{subject:?} {text:?}: {faults:?}");
            assert!(faults[0].contains(says), "{faults:?}");
        }
        let fine = "Dear Ann,\n\tsee [1] and {this}: fine.\n> they wrote {{name}} [TODO]\n";
        assert_eq!(
            Words::tidy("Re: Größe", fine).faults(),
            Vec::<String>::new()
        );
        let all = Words::tidy("A", &"{{x}}\n".repeat(40)).faults();
        assert_eq!((all.len(), all[10].as_str()), (11, "and 30 more"));
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let text = "word ".repeat(TEXT_BYTES_MAX / 5 + 1);
        assert!(Words::tidy("A", &text).faults()[0].contains("at most 262144"));
    }
}
