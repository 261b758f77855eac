//! Domains that are made to be taken for another one.
//!
//! A recorded domain is kept under its [`skeletons`]: what is left of its name when letters that
//! look alike are one letter. A stranger's domain has the same ones when it differs by such
//! letters, hyphens, doubled letters, vowels, the order of letters, or the ending, so that a few
//! reads find the candidates among any number of accounts. Which of them it does look like is
//! decided by [`look_alike`]. Arbitrary other letters are found where the two domains are at
//! hand: those of ourselves, and of the thread's account.

use super::matching::registrable;

/// Names for documents and tests, which nobody can register (RFC 2606 section 3): none of them is
/// made to look like another.
const RESERVED: [&str; 3] = ["example.com", "example.net", "example.org"];

/// Skeletons of one domain: its look, and its consonants in any order.
pub const SKELETONS_MAX: usize = 2;
/// Skeletons under which look-alikes of one stranger's domain are looked for.
pub const PROBES_MAX: usize = 8;

/// Least letters of a name that another ending makes suspicious.
const OTHER_ENDING_CHARS_MIN: usize = 3;
/// Least letters of a name whose look alone is compared.
const LOOK_CHARS_MIN: usize = 4;
/// Least letters of a name that one changed letter makes suspicious; among shorter names too many
/// honest ones are that close.
const ONE_EDIT_CHARS_MIN: usize = 6;
/// The same for two changed letters.
const TWO_EDITS_CHARS_MIN: usize = 12;
/// Least letters of a name that something was added to.
const ADDED_CHARS_MIN: usize = 5;
/// Least consonants of a name that is looked for by them.
const CONSONANTS_MIN: usize = 4;

/// How one domain looks like another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// The same name under another ending.
    OtherEnding,
    /// The same name but for hyphens.
    Hyphen,
    /// Other letters of the same look: `rn` for `m`, Cyrillic for Latin.
    Letters,
    /// The name with a word added.
    Added,
    /// The whole name stands in front of another domain.
    InFront,
    /// One letter more, less or different; two in a long name.
    Spelling,
}

impl Likeness {
    /// What was done to the name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Likeness::OtherEnding => "the same name under another ending",
            Likeness::Hyphen => "the same name but for a hyphen",
            Likeness::Letters => "letters that look alike",
            Likeness::Added => "the name with a word added",
            Likeness::InFront => "the name in front of another domain",
            Likeness::Spelling => "almost the same spelling",
        }
    }
}

/// Keys under which a recorded domain is kept for its look-alikes; none for a public suffix or an
/// address literal.
#[must_use]
pub fn skeletons(domain: &str) -> Vec<String> {
    match named(domain) {
        Some(registered) => skeletons_of_label(&label(registered)),
        None => Vec::new(),
    }
}

/// Keys under which the domains that `theirs` looks like are found, at most [`PROBES_MAX`].
#[must_use]
pub fn probes(theirs: &str) -> Vec<String> {
    let Some(registered) = named(theirs) else {
        return Vec::new();
    };
    let name = label(registered);
    let mut probes = skeletons_of_label(&name);
    let front = theirs
        .strip_suffix(registered)
        .and_then(|front| front.strip_suffix('.'));
    if let Some(inner) = front.and_then(registrable) {
        probes.extend(skeletons_of_label(&label(inner)).into_iter().take(1));
    }
    let words = name.split('-').filter(|_| name.contains('-'));
    for word in words.filter(|word| word.chars().count() >= ADDED_CHARS_MIN) {
        probes.extend(skeletons_of_label(word).into_iter().take(1));
    }
    probes.dedup();
    probes.truncate(PROBES_MAX);
    probes
}

/// How `theirs` looks like `known`; `None` when it does not, or is the same or lies below it.
#[must_use]
pub fn look_alike(theirs: &str, known: &str) -> Option<Likeness> {
    let (one, other) = (named(theirs)?, named(known)?);
    if one == other || RESERVED.contains(&one) && RESERVED.contains(&other) {
        return None;
    }
    let (name, wanted) = (label(one), label(other));
    let chars = wanted.chars().count();
    if name == wanted && chars >= OTHER_ENDING_CHARS_MIN {
        return Some(Likeness::OtherEnding);
    }
    let in_front = theirs
        .strip_suffix(one)
        .is_some_and(|front| format!(".{front}").ends_with(&format!(".{other}.")));
    if in_front {
        return Some(Likeness::InFront);
    }
    let plain = |name: &str| name.replace(['-', '_'], "");
    if chars >= LOOK_CHARS_MIN && plain(&name) == plain(&wanted) {
        return Some(Likeness::Hyphen);
    }
    if chars >= LOOK_CHARS_MIN && look(&name) == look(&wanted) {
        return Some(Likeness::Letters);
    }
    let added = |word: &str| word == wanted || look(word) == look(&wanted);
    if chars >= ADDED_CHARS_MIN && name.contains('-') && name.split('-').any(added) {
        return Some(Likeness::Added);
    }
    let edits = match chars {
        TWO_EDITS_CHARS_MIN.. => 2,
        ONE_EDIT_CHARS_MIN.. => 1,
        _ => return None,
    };
    (distance(&plain(&name), &plain(&wanted)) <= edits).then_some(Likeness::Spelling)
}

/// Whether a name mixes letters of several alphabets, as no honest name does.
#[must_use]
pub fn is_mixed_script(domain: &str) -> bool {
    let (unicode, _) = idna::domain_to_unicode(domain);
    unicode.split('.').any(|label| {
        let mut scripts: Vec<&str> = label.chars().filter_map(script).collect();
        scripts.sort_unstable();
        scripts.dedup();
        scripts.len() > 1
    })
}

/// The alphabet of a letter, of those whose letters can be taken for one another's.
fn script(c: char) -> Option<&'static str> {
    match c {
        'a'..='z' | '\u{00C0}'..='\u{024F}' => Some("Latin"),
        '\u{0370}'..='\u{03FF}' => Some("Greek"),
        '\u{0400}'..='\u{052F}' => Some("Cyrillic"),
        '\u{0530}'..='\u{058F}' => Some("Armenian"),
        '\u{13A0}'..='\u{13FF}' => Some("Cherokee"),
        _ => None,
    }
}

/// The registrable part of a domain that has a name.
fn named(domain: &str) -> Option<&str> {
    registrable(domain).filter(|_| !domain.starts_with('['))
}

/// The first label of a registrable domain, in the letters that people see.
fn label(registered: &str) -> String {
    let label = registered.split('.').next().unwrap_or_default();
    let (unicode, _) = idna::domain_to_unicode(label);
    unicode.to_lowercase()
}

fn skeletons_of_label(name: &str) -> Vec<String> {
    let look = look(name);
    if look.chars().count() < OTHER_ENDING_CHARS_MIN {
        return Vec::new();
    }
    // One letter for two that are easily misread on top: it is only looked for, then compared.
    let mut consonants: Vec<char> = look
        .chars()
        .filter(|c| !"aeou".contains(*c))
        .map(|c| if c == 'm' { 'n' } else { c })
        .collect();
    consonants.sort_unstable();
    let mut keys = vec![format!("look {look}")];
    if consonants.len() >= CONSONANTS_MIN {
        keys.push(format!("letters {}", consonants.iter().collect::<String>()));
    }
    keys
}

/// What a name looks like: letters of one look are one letter, hyphens and doubled letters go.
fn look(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        match plain_letter(c) {
            Some(letters) => plain.push_str(letters),
            None if c == '-' || c == '_' => {}
            None => plain.push(c),
        }
    }
    let plain = plain
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d");
    let mut out = String::with_capacity(plain.len());
    for c in plain.chars() {
        if !out.ends_with(c) {
            out.push(c);
        }
    }
    out
}

/// The Latin letters that a character is taken for; `None`: itself.
fn plain_letter(c: char) -> Option<&'static str> {
    Some(match c {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ạ' | 'ả' | 'ɑ' | 'а' | 'α' | '4' => {
            "a"
        }
        'ḃ' | 'ƅ' | 'ь' | 'в' | 'β' | '6' | '8' => "b",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' | 'с' | 'ϲ' => "c",
        'ď' | 'đ' | 'ḍ' | 'ԁ' | 'ժ' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' | 'ẹ' | 'ẽ' | 'е' | 'ё' | 'є' | 'ε'
        | '3' => "e",
        'ƒ' | 'ḟ' => "f",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' | 'ɡ' | 'ց' | '9' => "g",
        'ĥ' | 'ħ' | 'ḥ' | 'һ' | 'հ' => "h",
        'ĵ' | 'ј' => "j",
        'ķ' | 'ḳ' | 'к' | 'κ' => "k",
        'i' | 'ì' | 'í' | 'î' | 'ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' | 'ị' | 'і' | 'ї' | 'ι' | 'ĺ'
        | 'ļ' | 'ľ' | 'ŀ' | 'ł' | 'ḷ' | 'ӏ' | '1' => "l",
        'ṁ' | 'ṃ' | 'м' => "m",
        'ñ' | 'ń' | 'ņ' | 'ň' | 'ŉ' | 'ŋ' | 'ṇ' | 'η' | 'ո' | 'ռ' | 'п' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' | 'ŏ' | 'ő' | 'ơ' | 'ọ' | 'о' | 'ο' | 'օ' | 'σ'
        | '0' => "o",
        'ṕ' | 'р' | 'ρ' => "p",
        'ԛ' | 'զ' => "q",
        'ŕ' | 'ŗ' | 'ř' | 'ṛ' | 'г' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' | 'ṣ' | 'ѕ' | '5' | '$' => "s",
        'ţ' | 'ť' | 'ŧ' | 'ț' | 'ṭ' | 'т' | 'τ' | '7' => "t",
        'ù' | 'ú' | 'û' | 'ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' | 'ư' | 'ụ' | 'υ' | 'ս' => {
            "u"
        }
        'ѵ' | 'ν' => "v",
        'ŵ' | 'ẁ' | 'ẃ' | 'ẅ' | 'ԝ' | 'ω' => "w",
        'х' | 'χ' => "x",
        'ý' | 'ÿ' | 'ŷ' | 'ỳ' | 'у' | 'γ' | 'ү' => "y",
        'ź' | 'ż' | 'ž' | 'ẓ' | '2' => "z",
        'ß' => "s",
        'æ' => "ae",
        'œ' => "oe",
        _ => return None,
    })
}

/// Letters added, left out, replaced or swapped with their neighbour (restricted Damerau distance).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i.saturating_add(1)];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX);
            let after = j.saturating_add(1);
            let changed = at(&row, j).saturating_add(usize::from(a != b));
            let left_out = at(&row, after).saturating_add(1);
            let added = at(&next, j).saturating_add(1);
            let mut least = changed.min(left_out).min(added);
            let swapped = i
                .checked_sub(1)
                .zip(j.checked_sub(1))
                .filter(|(i, j)| one.get(*i) == Some(b) && other.get(*j) == Some(a));
            if let Some((_, j)) = swapped {
                least = least.min(at(&before, j).saturating_add(1));
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests;
