//! Days written in prose, in the ways of several countries.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::civil::{Date, Weekday};

/// Words kept on either side of a date.
const CONTEXT_WORDS: usize = 9;
/// Dates read of one text.
const MAX_MENTIONS: usize = 50;
/// Days by which a date without a year may lie before the mail; further back means next year.
const MAX_DAYS_BACK: i64 = 60;

/// A day that the text names, with the words around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mention {
    pub(super) date: Date,
    pub(super) before: Vec<String>,
    pub(super) after: Vec<String>,
    /// Written as the second half of a range: `2 - 12 March`.
    pub(super) after_range: bool,
}

const MONTHS: [&str; 12] = [
    "january|jan|januar|jänner|janvier|janv|enero|ene|janeiro|januari|gennaio|gen|stycznia|styczeń|января|tammikuuta|ledna|ocak|január|ianuarie",
    "february|feb|februar|feber|février|fevrier|févr|febrero|fevereiro|fev|februari|febbraio|lutego|luty|февраля|helmikuuta|února|şubat|február|februarie",
    "march|mar|märz|maerz|mrz|mars|marzo|março|marco|maart|mrt|marts|marca|marzec|марта|maaliskuuta|března|mart|március|martie",
    "april|apr|avril|avr|abril|abr|aprile|kwietnia|kwiecień|апреля|huhtikuuta|dubna|nisan|április|aprilie",
    "may|mai|mayo|maio|mei|maggio|mag|maj|maja|мая|toukokuuta|května|mayıs|május",
    "june|jun|juni|juin|junio|junho|giugno|giu|czerwca|czerwiec|июня|kesäkuuta|června|haziran|június|iunie",
    "july|jul|juli|juillet|juil|julio|julho|luglio|lug|lipca|lipiec|июля|heinäkuuta|července|temmuz|július|iulie",
    "august|aug|août|aout|agosto|ago|augustus|augusti|sierpnia|sierpień|августа|elokuuta|srpna|ağustos|augusztus",
    "september|sep|sept|septembre|septiembre|setembro|set|settembre|września|wrzesień|сентября|syyskuuta|září|eylül|szeptember|septembrie",
    "october|oct|oktober|okt|octobre|octubre|outubro|out|ottobre|ott|października|październik|октября|lokakuuta|října|ekim|október|octombrie",
    "november|nov|novembre|noviembre|novembro|listopada|listopad|ноября|marraskuuta|listopadu|kasım|noiembrie",
    "december|dec|dezember|dez|décembre|decembre|déc|diciembre|dic|dezembro|dicembre|desember|des|grudnia|grudzień|декабря|joulukuuta|prosince|aralık|decembrie",
];

const WEEKDAYS: [(Weekday, &str); 7] = [
    (
        Weekday::Monday,
        "monday|montag|lundi|lunes|segunda|maandag|lunedì|lunedi|mandag|måndag|poniedziałek|poniedziałku|pondělí|понедельник|pazartesi|maanantai|maanantaina",
    ),
    (
        Weekday::Tuesday,
        "tuesday|dienstag|mardi|martes|terça|dinsdag|martedì|martedi|tirsdag|tisdag|wtorek|wtorku|úterý|úterka|вторник|salı|tiistai|tiistaina",
    ),
    (
        Weekday::Wednesday,
        "wednesday|mittwoch|mercredi|miércoles|miercoles|quarta|woensdag|mercoledì|mercoledi|onsdag|środę|środa|środy|středa|středu|středy|среда|среду|çarşamba|keskiviikko|keskiviikkona",
    ),
    (
        Weekday::Thursday,
        "thursday|donnerstag|jeudi|jueves|quinta|donderdag|giovedì|giovedi|torsdag|czwartek|czwartku|čtvrtek|čtvrtka|четверг|perşembe|torstai|torstaina",
    ),
    (
        Weekday::Friday,
        "friday|freitag|vendredi|viernes|sexta|vrijdag|venerdì|venerdi|fredag|piątek|piątku|pátek|pátku|пятница|пятницу|cuma|perjantai|perjantaina",
    ),
    (
        Weekday::Saturday,
        "saturday|samstag|sonnabend|samedi|sábado|sabado|zaterdag|sabato|lørdag|lördag|sobota|sobotę|sobotu|суббота|субботу|cumartesi|lauantai",
    ),
    (
        Weekday::Sunday,
        "sunday|sonntag|dimanche|domingo|zondag|domenica|søndag|söndag|niedziela|niedzielę|neděle|neděli|воскресенье|pazar|sunnuntai",
    ),
];

/// Words that may stand inside a date: `3rd of March`, `4 de mayo de 2026`.
const FILLERS: &[&str] = &[
    "st", "nd", "rd", "th", "of", "de", "del", "er", "e", "º", "ª",
];

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Number { value: i32, digits: usize },
    Word(String),
    Sign(char),
}

/// All days named in `text` (lower case), in order; years are inferred from `today`.
pub(super) fn mentions(text: &str, today: Date, american: bool) -> Vec<Mention> {
    let tokens = tokenize(text);
    let mut out: Vec<Mention> = Vec::new();
    let mut at = 0usize;
    while at < tokens.len() && out.len() < MAX_MENTIONS {
        let rest = tokens.get(at..).unwrap_or_default();
        let found = iso(rest)
            .or_else(|| month_day_signs(rest, today))
            .or_else(|| numeric(rest, today, american))
            .or_else(|| day_month(rest, today))
            .or_else(|| month_day(rest, today))
            .or_else(|| weekday_alone(rest, today));
        let Some((date, used)) = found else {
            at = at.saturating_add(1);
            continue;
        };
        let end = at.saturating_add(used.max(1));
        out.push(Mention {
            date,
            before: context(tokens.get(..at).unwrap_or_default().iter().rev(), true),
            after: context(tokens.get(end..).unwrap_or_default().iter(), false),
            after_range: ends_range(tokens.get(..at).unwrap_or_default()),
        });
        at = end;
    }
    out
}

fn tokenize(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let same: fn(char) -> bool = match first {
            c if c.is_ascii_digit() => |c| c.is_ascii_digit(),
            c if c.is_alphabetic() => |c| c.is_alphabetic(),
            _ => |_| false,
        };
        let end = rest
            .find(|c| !same(c))
            .unwrap_or(rest.len())
            .max(first.len_utf8());
        let (piece, tail) = rest.split_at(end);
        match first {
            c if c.is_ascii_digit() => out.push(Token::Number {
                value: piece.parse().unwrap_or(i32::MAX),
                digits: piece.len(),
            }),
            c if c.is_alphabetic() => out.push(Token::Word(piece.to_owned())),
            c if c.is_whitespace() => {}
            c => out.push(Token::Sign(c)),
        }
        rest = tail;
    }
    out
}

/// Words near a date, in reading order, up to the end of the sentence.
fn context<'a>(tokens: impl Iterator<Item = &'a Token>, backwards: bool) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for token in tokens {
        match token {
            Token::Word(word) if weekday(word).is_none() => words.push(word.clone()),
            Token::Sign('!' | '?' | ';') => break,
            Token::Sign('.') if !words.is_empty() => break,
            _ => {}
        }
        if words.len() >= CONTEXT_WORDS {
            break;
        }
    }
    if backwards {
        words.reverse();
    } else {
        words.truncate(4);
    }
    words
}

fn ends_range(before: &[Token]) -> bool {
    let mut back = before
        .iter()
        .rev()
        .filter(|t| !matches!(t, Token::Word(w) if weekday(w).is_some()));
    matches!(back.next(), Some(Token::Sign('-' | '–' | '—')))
        && matches!(
            back.next(),
            Some(Token::Number { .. } | Token::Word(_) | Token::Sign('.'))
        )
}

fn month(word: &str) -> Option<i8> {
    /// Of a name of two months the first counts.
    static BY_NAME: LazyLock<HashMap<&str, i8>> = LazyLock::new(|| {
        let mut by_name = HashMap::new();
        for (month, names) in (1..).zip(MONTHS) {
            for name in names.split('|') {
                by_name.entry(name).or_insert(month);
            }
        }
        by_name
    });
    BY_NAME.get(word).copied()
}

fn weekday(word: &str) -> Option<Weekday> {
    static BY_NAME: LazyLock<HashMap<&str, Weekday>> = LazyLock::new(|| {
        let all = WEEKDAYS.iter();
        let each = all.flat_map(|(day, names)| names.split('|').map(move |name| (name, *day)));
        each.collect()
    });
    BY_NAME.get(word).copied()
}

fn date(year: i32, month: i32, day: i32) -> Option<Date> {
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

fn full_year(value: i32, digits: usize) -> Option<i32> {
    match digits {
        4 if (1990..=2200).contains(&value) => Some(value),
        2 => value.checked_add(2000),
        _ => None,
    }
}

/// The year that puts the day nearest to the mail, rather after it.
fn nearest(today: Date, month: i32, day: i32) -> Option<Date> {
    let this = date(i32::from(today.year()), month, day)?;
    let behind = i64::from(today.since(this).ok()?.get_days());
    if behind > MAX_DAYS_BACK {
        return date(i32::from(today.year()).checked_add(1)?, month, day);
    }
    Some(this)
}

fn iso(tokens: &[Token]) -> Option<(Date, usize)> {
    match tokens {
        [
            Token::Number {
                value: y,
                digits: 4,
            },
            Token::Sign(a @ ('-' | '/' | '.')),
            Token::Number { value: m, .. },
            Token::Sign(b),
            Token::Number { value: d, .. },
            ..,
        ] if a == b => Some((date(*y, *m, *d)?, 5)),
        // 2026年3月12日
        [
            Token::Number {
                value: y,
                digits: 4,
            },
            Token::Word(a),
            Token::Number { value: m, .. },
            Token::Word(b),
            Token::Number { value: d, .. },
            ..,
        ] if is_sign_of(a, b, '年', '月') || is_sign_of(a, b, '년', '월') => {
            Some((date(*y, *m, *d)?, 5))
        }
        _ => None,
    }
}

fn is_sign_of(year: &str, month: &str, of_year: char, of_month: char) -> bool {
    year.starts_with(of_year) && month.starts_with(of_month)
}

/// `3月9日`, `3월 9일`.
fn month_day_signs(tokens: &[Token], today: Date) -> Option<(Date, usize)> {
    let [
        Token::Number { value: month, .. },
        Token::Word(a),
        Token::Number { value: day, .. },
        Token::Word(b),
        ..,
    ] = tokens
    else {
        return None;
    };
    let signs = (a == "月" && b.starts_with(['日', '号'])) || (a == "월" && b.starts_with('일'));
    signs
        .then(|| nearest(today, *month, *day))
        .flatten()
        .map(|day| (day, 3))
}

fn numeric(tokens: &[Token], today: Date, american: bool) -> Option<(Date, usize)> {
    let [
        Token::Number {
            value: first,
            digits: 1..=2,
        },
        Token::Sign(sign @ ('.' | '/' | '-')),
        Token::Number {
            value: second,
            digits: 1..=2,
        },
        rest @ ..,
    ] = tokens
    else {
        return None;
    };
    let month_first = *sign == '/' && (*second > 12 || (american && *first <= 12));
    let (day, month) = if month_first {
        (*second, *first)
    } else {
        (*first, *second)
    };
    match rest {
        [Token::Sign(again), Token::Number { value, digits }, ..] if again == sign => {
            let year = full_year(*value, *digits)?;
            let read = date(year, month, day)?;
            // `03/10/2026` in a note of 2 March is hardly a day in October.
            let other =
                date(year, day, month).filter(|other| *sign == '/' && is_soon(today, *other));
            let read = other.filter(|_| !is_soon(today, read)).unwrap_or(read);
            Some((read, 5))
        }
        // `10.30` is a time of day as likely: dots need the second one.
        [Token::Sign('.'), ..] if *sign == '.' => Some((nearest(today, month, day)?, 4)),
        _ if *sign == '/' => Some((nearest(today, month, day)?, 3)),
        _ => None,
    }
}

/// Whether absences end by then, as a rule.
fn is_soon(today: Date, day: Date) -> bool {
    /// Days that a long holiday takes.
    const MAX_DAYS_AHEAD: i32 = 60;
    let ahead = day.since(today).map(|span| span.get_days());
    ahead.is_ok_and(|days| (0..=MAX_DAYS_AHEAD).contains(&days))
}

/// `3 March`, `3rd of March 2026`, `3. März`, `4 de mayo de 2026`.
fn day_month(tokens: &[Token], today: Date) -> Option<(Date, usize)> {
    let Some((
        Token::Number {
            value: day,
            digits: 1..=2,
        },
        _,
    )) = tokens.split_first()
    else {
        return None;
    };
    let mut at = skip_fillers(tokens, 1);
    let Some(Token::Word(word)) = tokens.get(at) else {
        return None;
    };
    let month = i32::from(month(word)?);
    at = at.saturating_add(1);
    with_year(tokens, at, today, month, *day)
}

/// `March 3rd, 2026`.
fn month_day(tokens: &[Token], today: Date) -> Option<(Date, usize)> {
    let Some((Token::Word(word), _)) = tokens.split_first() else {
        return None;
    };
    let month = i32::from(month(word)?);
    let mut at = 1usize;
    if matches!(tokens.get(at), Some(Token::Sign('.')))
        || matches!(tokens.get(at), Some(Token::Word(w)) if w == "the")
    {
        at = at.saturating_add(1);
    }
    let Some(Token::Number {
        value: day,
        digits: 1..=2,
    }) = tokens.get(at)
    else {
        return None;
    };
    let at = at.saturating_add(1);
    with_year(tokens, at, today, month, *day)
}

fn skip_fillers(tokens: &[Token], from: usize) -> usize {
    let mut at = from;
    while let Some(token) = tokens.get(at) {
        match token {
            Token::Sign('.' | ',' | 'º' | 'ª') => {}
            Token::Word(word) if FILLERS.contains(&word.as_str()) => {}
            _ => break,
        }
        at = at.saturating_add(1);
    }
    at
}

fn with_year(
    tokens: &[Token],
    at: usize,
    today: Date,
    month: i32,
    day: i32,
) -> Option<(Date, usize)> {
    let behind = skip_fillers(tokens, at);
    if let Some(Token::Number { value, digits: 4 }) = tokens.get(behind)
        && let Some(year) = full_year(*value, 4)
    {
        return Some((date(year, month, day)?, behind.saturating_add(1)));
    }
    Some((nearest(today, month, day)?, at))
}

/// `Monday`, with no date behind it: the next one after the mail.
fn weekday_alone(tokens: &[Token], today: Date) -> Option<(Date, usize)> {
    let Some((Token::Word(word), rest)) = tokens.split_first() else {
        return None;
    };
    let day = weekday(word)?;
    let soon = rest.iter().take(4);
    let dated = soon.clone().any(|t| matches!(t, Token::Number { .. }))
        || soon
            .clone()
            .any(|t| matches!(t, Token::Word(w) if month(w).is_some()));
    if dated {
        return None;
    }
    Some((today.nth_weekday(1, day).ok()?, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_read_in_the_ways_of_several_countries() {
        let today = Date::constant(2026, 2, 27);
        for (text, want) in [
            ("2026-03-12", "2026-03-12"),
            ("12.03.2026", "2026-03-12"),
            ("12.3.", "2026-03-12"),
            ("12/03/2026", "2026-03-12"),
            ("03/15/2026", "2026-03-15"),
            ("3 march", "2026-03-03"),
            ("3rd of march 2026", "2026-03-03"),
            ("march 3rd, 2026", "2026-03-03"),
            ("5. april", "2026-04-05"),
            ("1er avril", "2026-04-01"),
            ("4 de mayo de 2026", "2026-05-04"),
            ("3 stycznia", "2026-01-03"),
            ("20 november", "2026-11-20"),
            ("2026年3月12日", "2026-03-12"),
            ("monday", "2026-03-02"),
            ("monday 9 march", "2026-03-09"),
        ] {
            let found = mentions(text, today, false);
            assert_eq!(
                found.first().map(|m| m.date.to_string()).as_deref(),
                Some(want),
                "{text}"
            );
            assert_eq!(found.len(), 1, "{text}");
        }
        let december = Date::constant(2026, 12, 28);
        assert_eq!(
            mentions("4 january", december, false)[0].date.to_string(),
            "2027-01-04"
        );
        assert_eq!(
            mentions("3/4/2026", today, true)[0].date.to_string(),
            "2026-03-04"
        );
        assert!(mentions("call 12345 at 10.30", today, false).is_empty());
    }
}
