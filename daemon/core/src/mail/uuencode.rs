//! Files that stand uuencoded in plain text (POSIX uuencode), as old programs attach them.

/// Files taken out of one message.
const MAX_FILES: usize = 100;
/// Octets that one line stands for.
const MAX_LINE_OCTETS: usize = 45;

/// A file that stood in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
}

/// Takes whole blocks `begin 644 NAME` ... `end` out of a text; anything less stays where it is.
pub(crate) fn take(text: String, files: &mut Vec<File>) -> String {
    if !text.starts_with("begin ") && !text.contains("\nbegin ") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let name = name_of(line).filter(|_| files.len() < MAX_FILES);
        if let Some((bytes, behind)) = name.and_then(|_| block(after)) {
            let name = name.unwrap_or_default().to_owned();
            files.push(File { name, bytes });
            rest = behind;
            continue;
        }
        let taken = rest.len().saturating_sub(after.len());
        out.push_str(rest.get(..taken).unwrap_or_default());
        rest = after;
    }
    out
}

fn split_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// The name in `begin MODE NAME`.
fn name_of(line: &str) -> Option<&str> {
    let (mode, name) = line.strip_prefix("begin ")?.split_once(' ')?;
    let octal = (3..=4).contains(&mode.len()) && mode.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let name = name.trim();
    (octal && !name.is_empty()).then_some(name)
}

/// The octets up to `end`, and what follows it; `None` when the block is not whole.
fn block(mut rest: &str) -> Option<(Vec<u8>, &str)> {
    let mut bytes = Vec::new();
    loop {
        if rest.is_empty() {
            return None;
        }
        let (line, after) = split_line(rest);
        rest = after;
        if line.trim_end() == "end" {
            return Some((bytes, rest));
        }
        data(line, &mut bytes)?;
    }
}

/// One line of data; the blanks at its end may be lost.
fn data(line: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let Some((&first, digits)) = line.as_bytes().split_first() else {
        return Some(());
    };
    let count = usize::from(six_bits(first)?);
    let needed = count.div_ceil(3).saturating_mul(4);
    if count > MAX_LINE_OCTETS || digits.len() > needed.saturating_add(4) {
        return None;
    }
    let padded = digits.iter().chain(std::iter::repeat(&b' ')).take(needed);
    let values: Vec<u8> = padded.map(|b| six_bits(*b)).collect::<Option<_>>()?;
    let mut line = Vec::new();
    for group in values.chunks(4) {
        if let [a, b, c, d] = *group {
            line.extend([(a << 2) | (b >> 4), (b << 4) | (c >> 2), (c << 6) | d]);
        }
    }
    line.truncate(count);
    bytes.append(&mut line);
    Some(())
}

fn six_bits(digit: u8) -> Option<u8> {
    match digit {
        b'`' => Some(0),
        b' '..=b'_' => Some(digit.wrapping_sub(b' ')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> (String, Vec<(String, Vec<u8>)>) {
        let mut files = Vec::new();
        let rest = take(text.to_owned(), &mut files);
        let files = files.into_iter().map(|f| (f.name, f.bytes)).collect();
        (rest, files)
    }

    #[test]
    fn a_whole_block_becomes_a_file_and_the_text_around_it_stays() {
        let text = "Hello\nbegin 644 cat.txt\n#0V%T\n`\nend\nBye\n";
        let cat = ("cat.txt".to_owned(), b"Cat".to_vec());
        assert_eq!(taken(text), ("Hello\nBye\n".to_owned(), vec![cat.clone()]));
        let blanks = "begin 0644 cat.txt\n#0V%T\n\nend";
        assert_eq!(taken(blanks), (String::new(), vec![cat]));
    }

    #[test]
    fn what_is_no_whole_block_stays_text() {
        for text in [
            "begin 644 cat.txt\n#0V%T\n`\n",
            "begin 644 cat.txt\nThis is a sentence that is no data at all.\nend\n",
            "begin the work on Monday\nend\n",
            "begin 999 x\n`\nend\n",
            "We begin 644 x\n`\nend",
        ] {
            assert_eq!(taken(text), (text.to_owned(), Vec::new()), "{text}");
        }
    }
}
