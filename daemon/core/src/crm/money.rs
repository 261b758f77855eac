//! Amounts: whole numbers of minor units (cents), with the currency in a field beside them.

/// Currencies whose amounts have no minor unit (ISO 4217, exponent 0).
const WITHOUT_MINOR: &[&str] = &[
    "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV",
    "XAF", "XOF", "XPF",
];
/// Currencies with a thousand minor units (ISO 4217, exponent 3).
const WITH_THREE: &[&str] = &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"];

/// Letters of a currency beside an amount; more are words.
const CURRENCY_LETTERS_MAX: usize = 3;

/// Digits behind the point of an amount in `currency`; 2 where it is not said.
#[must_use]
pub fn exponent(currency: Option<&str>) -> u32 {
    match currency {
        Some(currency) if WITHOUT_MINOR.contains(&currency) => 0,
        Some(currency) if WITH_THREE.contains(&currency) => 3,
        _ => 2,
    }
}

/// Reads `1234`, `1234.50`, `1,234.50`, `1.234,50`, `1 234,50`, with or without the sign or the
/// letters of a currency before or after it.
///
/// A single `.` or `,` with three digits behind it is taken for thousands.
///
/// # Errors
/// What to write instead.
pub fn parse(text: &str, currency: Option<&str>) -> Result<i64, String> {
    let refused = || "write an amount like 1234.50".to_owned();
    let bare = bare(text);
    let (negative, bare) = match bare.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => match bare
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'))
        {
            Some(rest) => (true, rest),
            None => (false, bare.as_str()),
        },
    };
    let (whole, fraction) = split(bare).ok_or_else(refused)?;
    let digits = exponent(currency);
    if fraction.trim_end_matches('0').len() > usize::try_from(digits).unwrap_or(0) {
        return Err(format!("more than {digits} digits behind the point"));
    }
    let mut minor: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().map_err(|_| refused())?
    };
    let mut fraction = fraction.chars();
    for _ in 0..digits {
        let digit = fraction.next().map_or(Some(0), |c| c.to_digit(10));
        let digit = digit.ok_or_else(refused)?;
        minor = minor
            .checked_mul(10)
            .and_then(|minor| minor.checked_add(i64::from(digit)))
            .ok_or_else(refused)?;
    }
    Ok(if negative {
        minor.saturating_neg()
    } else {
        minor
    })
}

/// Without spaces, and without the name of a currency around it.
fn bare(text: &str) -> String {
    let kept: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '’'))
        .collect();
    let inner = kept.trim_matches(|c: char| {
        c.is_alphabetic() || matches!(c, '$' | '€' | '£' | '¥' | '₹' | '₺' | '₽' | '₩')
    });
    let letters = kept.chars().filter(|c| c.is_alphabetic()).count();
    if letters > CURRENCY_LETTERS_MAX {
        return kept;
    }
    // `-€ 5` has its sign outside.
    let sign = kept.starts_with('-') && !inner.starts_with('-');
    if sign {
        let inner = inner.trim_start_matches(|c: char| !c.is_ascii_digit());
        return format!("-{inner}");
    }
    inner.to_owned()
}

/// Digits before and behind the decimal point.
fn split(text: &str) -> Option<(String, String)> {
    let only = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',');
    if text.is_empty() || !text.chars().all(only) {
        return None;
    }
    let (dots, commas) = (text.matches('.').count(), text.matches(',').count());
    let last = text.rfind(['.', ',']);
    let point = match (dots, commas, last) {
        (_, _, None) => None,
        // Both: the last one is the decimal point.
        (1.., 1.., Some(at)) => Some(at),
        // One sign, several times: thousands.
        (2.., 0, _) | (0, 2.., _) => None,
        (_, _, Some(at)) => {
            let behind = text.len().saturating_sub(at).saturating_sub(1);
            (behind != 3 || at == 0).then_some(at)
        }
    };
    let (whole, fraction) = match point.and_then(|at| text.split_at_checked(at)) {
        Some((whole, fraction)) => (whole, fraction.trim_start_matches(['.', ','])),
        None => (text, ""),
    };
    let groups: Vec<&str> = whole.split(['.', ',']).collect();
    let grouped = groups.len() == 1
        || (groups.iter().skip(1).all(|group| group.len() == 3)
            && groups
                .first()
                .is_some_and(|first| (1..=3).contains(&first.len())));
    (grouped && fraction.chars().all(|c| c.is_ascii_digit()))
        .then(|| (groups.concat(), fraction.to_owned()))
}

/// Writes an amount with its decimal point and nothing else: `-1234.50`.
#[must_use]
pub fn plain(minor: i64, currency: Option<&str>) -> String {
    let digits = exponent(currency);
    let unit = 10_u64.checked_pow(digits).unwrap_or(1);
    let sign = if minor < 0 { "-" } else { "" };
    let size = minor.unsigned_abs();
    let (whole, rest) = (
        size.checked_div(unit).unwrap_or(size),
        size.checked_rem(unit).unwrap_or(0),
    );
    match usize::try_from(digits).unwrap_or(0) {
        0 => format!("{sign}{whole}"),
        digits => format!("{sign}{whole}.{rest:0digits$}"),
    }
}

/// Writes an amount for people, in whole units with thousands apart: `204,080`; the rest only
/// where there is one.
#[must_use]
pub fn readable(minor: i64, currency: Option<&str>) -> String {
    let plain = plain(minor, currency);
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let (sign, digits) = match whole.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", whole),
    };
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && digits.len().saturating_sub(at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    match fraction.trim_end_matches('0').is_empty() {
        true => format!("{sign}{grouped}"),
        false => format!("{sign}{grouped}.{fraction}"),
    }
}
