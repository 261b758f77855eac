//! Lines that phones and mail programs add on their own.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::folded;
use super::phrases::MOBILE;

/// Characters of a line that an app adds, without its links.
const MAX_MOBILE_CHARS: usize = 110;
/// Bytes of such a line with its links.
const MAX_LINE_BYTES: usize = 1_000;

/// `Sent from my iPhone` and its like, in any language, with or without a link.
pub(super) fn is_mobile(text: &str) -> bool {
    if text.len() > MAX_LINE_BYTES {
        return false;
    }
    let lower = without_links(&folded(text));
    let lower = lower.trim_start_matches(['-', '*', '_', '~', '>', ' ', '“', '"', '(']);
    if lower.is_empty() || lower.chars().count() > MAX_MOBILE_CHARS {
        return false;
    }
    let first = lower.chars().next().unwrap_or_default();
    let phrases = BY_FIRST.get(&first).map(Vec::as_slice).unwrap_or_default();
    phrases.iter().any(|phrase| {
        lower
            .strip_prefix(*phrase)
            .is_some_and(|rest| is_app_tail(phrase, rest))
    })
}

/// The phrases by their first character: every line of every message is looked up.
static BY_FIRST: LazyLock<HashMap<char, Vec<&str>>> = LazyLock::new(|| {
    let mut out: HashMap<char, Vec<&str>> = HashMap::new();
    for phrase in MOBILE.iter() {
        let first = phrase.chars().next().unwrap_or_default();
        out.entry(first).or_default().push(phrase);
    }
    out
});

/// `Sent from my iPhone` is the app's; `Sent from my office last week, did you get it?` is not.
fn is_app_tail(phrase: &str, rest: &str) -> bool {
    static DEVICES: LazyLock<Vec<&str>> = LazyLock::new(|| {
        "\
        phone|ipad|ipod|iphon|samsung|galaxy|android|mobil|handy|smartphone|outlook|yahoo|gmail|\
        proton|tablet|blackberry|windows|mail|huawei|xiaomi|pixel|gmx|web.de|app|ios|sony|nokia|\
        lumia|htc|lg |oneplus|device|mac|superhuman|blue|spark|airmail|front|tuta|gerät|móvil|\
        movil|celular|cellulare|telefon|téléphone|telemóvel|puhelim|verizon|at&t|t-mobile|\
        wireless|avast|avg|virus|typeapp|k-9|smart|watch|huaw|oppo|vivo|motorola|redmi|honor|\
        realme|orange|icloud|手机|携帯|shift|unterwegs|the go|移动|desktop|fairemail|newton|edison|\
        spike|mailspring|mimestream|missive|canary|nine|thunderbird|zoho|hey |boomerang|streak|\
        mixmax|polymail|sparrow|postbox|unibox|hushmail|rediff|갤럭시|휴대|מכשיר|هاتف|телефон|\
        smartfon|мобильн|スマ|k9"
            .split('|')
            .collect()
    });
    if rest.contains('?') || rest.matches(' ').count() > 12 {
        return false;
    }
    // The device comes at once, and what follows a comma is an excuse or text.
    let near: String = rest
        .split_whitespace()
        .take(4)
        .collect::<Vec<_>>()
        .join(" ");
    let near = near.split(',').next().unwrap_or_default();
    let near = format!("{phrase}{near} ");
    let about_app = DEVICES.iter().any(|device| near.contains(device));
    let excuse = [
        "excuse",
        "typo",
        "brevity",
        "brief",
        "kürze",
        "tippfehler",
        "entschuldig",
        "fautes",
    ]
    .iter()
    .any(|word| rest.contains(word));
    let after_comma = rest
        .split_once(',')
        .map_or(0, |(_, after)| after.split_whitespace().count());
    let sentence = rest.trim_end_matches(['.', '!', ' ']).contains(". ");
    let short = rest.split_whitespace().count() <= 8;
    about_app && (excuse || (!sentence && after_comma < 3 && (short || phrase.len() > 20)))
}

/// The words of a line: `Get Outlook for iOS<https://...>` and `[Mail](https://...)` lose the links.
fn without_links(text: &str) -> String {
    let is_link = |text: &str| {
        let text = text.trim();
        ["http://", "https://", "mailto:", "www."]
            .iter()
            .any(|scheme| text.starts_with(scheme))
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['<', '(', '[', ']']) {
        let (before, tail) = rest.split_at(at);
        out.push_str(before);
        let mut chars = tail.chars();
        let open = chars.next();
        rest = chars.as_str();
        let close = match open {
            Some('<') => '>',
            Some('(') => ')',
            _ => continue,
        };
        match rest.split_once(close) {
            Some((link, behind)) if is_link(link) => rest = behind,
            _ => out.extend(open),
        }
    }
    out.push_str(rest);
    let words: Vec<&str> = out
        .split_whitespace()
        .filter(|word| !is_link(word))
        .collect();
    words.join(" ")
}
