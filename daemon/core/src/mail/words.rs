//! Many phrases looked for at once.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

/// A list of phrases that is gone through once for a text, however many there are.
#[derive(Debug)]
pub(crate) struct Words {
    any: Option<AhoCorasick>,
    list: Vec<String>,
}

/// Words that are made when they are first needed.
pub(crate) type LazyWords = LazyLock<Words>;

impl Words {
    pub(crate) fn new<T: Into<String>>(list: impl IntoIterator<Item = T>) -> Words {
        let list: Vec<String> = list.into_iter().map(Into::into).collect();
        Words {
            // Only a list of gigabytes makes none.
            any: AhoCorasick::new(&list).ok(),
            list,
        }
    }

    /// Whether one of them is somewhere in `text`.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        match &self.any {
            Some(any) => any.is_match(text),
            None => self.list.iter().any(|word| text.contains(word)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_found_wherever_it_stands() {
        let words = Words::new(["over", "löschen", "日本"]);
        for (text, found) in [
            ("moreover", true),
            ("bitte löschen.", true),
            ("xx日本xx", true),
            ("ove r", false),
            ("", false),
        ] {
            assert_eq!(words.are_in(text), found, "{text}");
        }
        assert!(!Words::new(Vec::<String>::new()).are_in("anything"));
    }
}
