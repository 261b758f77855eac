//! A CSV file row by row: its encoding, its delimiter, its lines.

use std::borrow::Cow;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use super::split::{Lines, Piece, Pieces, RECORD_BYTES_MAX};
use super::{FIELD_BYTES_MAX, ImportError, Rejected};

/// Bytes that are looked at at once.
const SCAN_BYTES: usize = 64 * 1024;

/// How the letters of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, also where single lines are not.
    Utf8,
    /// Western European Windows: what its spreadsheets write.
    Windows1252,
}

/// What a first look at a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// How its letters are written.
    pub encoding: Encoding,
    /// Its size.
    pub bytes: u64,
    /// Lines with text.
    pub lines: u64,
}

/// Looks at a whole file, in bounded memory.
///
/// # Errors
/// [`ImportError::Utf16`], [`ImportError::Empty`], and as the file.
pub fn look(mut from: impl Read) -> Result<Look, ImportError> {
    let mut look = Look {
        encoding: Encoding::Utf8,
        bytes: 0,
        lines: 0,
    };
    let (mut valid, mut letters, mut line_has_text) = (true, false, false);
    let mut block = Vec::with_capacity(SCAN_BYTES);
    loop {
        let kept = block.len();
        let wanted = u64::try_from(SCAN_BYTES).unwrap_or(u64::MAX);
        let read = (&mut from).take(wanted).read_to_end(&mut block)?;
        if look.bytes == 0 && (block.starts_with(&[0xFF, 0xFE]) || block.starts_with(&[0xFE, 0xFF]))
        {
            return Err(ImportError::Utf16);
        }
        for byte in block.get(kept..).unwrap_or_default() {
            match byte {
                b'\n' => {
                    look.lines = look.lines.saturating_add(u64::from(line_has_text));
                    line_has_text = false;
                }
                other => line_has_text |= !other.is_ascii_whitespace() && !other_is_mark(*other),
            }
        }
        look.bytes = look.bytes.saturating_add(u64::try_from(read).unwrap_or(0));
        let ended = read < SCAN_BYTES;
        let unfinished = unfinished_letter(&block, ended);
        let whole = block.len().saturating_sub(unfinished);
        let text = block.get(..whole).unwrap_or_default();
        valid &= std::str::from_utf8(text).is_ok();
        letters |= text
            .utf8_chunks()
            .any(|chunk| !chunk.valid().trim_start_matches('\u{FEFF}').is_ascii());
        block.drain(..whole);
        if ended {
            break;
        }
    }
    look.lines = look.lines.saturating_add(u64::from(line_has_text));
    if look.lines == 0 {
        return Err(ImportError::Empty);
    }
    if !valid && !letters {
        look.encoding = Encoding::Windows1252;
    }
    Ok(look)
}

/// A byte of the mark that some programs put in front of UTF-8.
fn other_is_mark(byte: u8) -> bool {
    matches!(byte, 0xEF | 0xBB | 0xBF)
}

/// Bytes at the end that may be the beginning of a letter of UTF-8.
fn unfinished_letter(block: &[u8], ended: bool) -> usize {
    match std::str::from_utf8(block) {
        Err(error) if !ended && error.error_len().is_none() => {
            block.len().saturating_sub(error.valid_up_to())
        }
        _ => {
            let tail = block.iter().rev().take(3);
            let open = tail.take_while(|byte| **byte >= 0x80).count();
            if ended { 0 } else { open }
        }
    }
}

impl Encoding {
    /// The text of these bytes.
    ///
    /// # Errors
    /// A sentence, where they are none.
    pub(super) fn text(self, bytes: &[u8]) -> Result<Cow<'_, str>, String> {
        match self {
            Encoding::Windows1252 => Ok(self.lossy(bytes)),
            Encoding::Utf8 => std::str::from_utf8(bytes)
                .map(Cow::Borrowed)
                .map_err(|_| "this is not UTF-8: save the file as CSV UTF-8".to_owned()),
        }
    }

    pub(super) fn lossy(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Encoding::Utf8 => String::from_utf8_lossy(bytes),
            Encoding::Windows1252 if bytes.is_ascii() => String::from_utf8_lossy(bytes),
            Encoding::Windows1252 => bytes.iter().copied().map(windows_1252).collect(),
        }
    }
}

/// A character of Windows-1252; it differs from Latin-1 in 0x80 to 0x9F.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let high = byte
        .checked_sub(0x80)
        .and_then(|at| HIGH.get(usize::from(at)));
    high.copied().unwrap_or(char::from(byte))
}

/// A row of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FileRow {
    /// Its first line, from 1.
    pub line: u64,
    /// As it stands there.
    pub raw: String,
    /// Its fields; else why it cannot be read, and at which of them.
    pub cells: Result<Vec<String>, (Option<usize>, Rejected)>,
}

/// The rows of a file, one after the other.
#[derive(Debug)]
pub(super) struct CsvRows<R> {
    pieces: Pieces<R>,
    encoding: Encoding,
    delimiter: u8,
    segment: Option<Segment>,
}

#[derive(Debug)]
struct Segment {
    text: Arc<[u8]>,
    lines: Lines,
    reader: csv::Reader<Cursor<Arc<[u8]>>>,
}

impl<R: Read + Seek> CsvRows<R> {
    /// The rows of a file that was looked at; `delimiter` where the file does not tell.
    ///
    /// # Errors
    /// As the file.
    pub(super) fn new(
        mut from: R,
        encoding: Encoding,
        delimiter: Option<u8>,
    ) -> io::Result<CsvRows<R>> {
        from.seek(SeekFrom::Start(0))?;
        let mut begin = Vec::new();
        let wanted = u64::try_from(RECORD_BYTES_MAX).unwrap_or(u64::MAX);
        (&mut from).take(wanted).read_to_end(&mut begin)?;
        if begin.starts_with(b"\xEF\xBB\xBF") {
            begin.drain(..3);
        }
        let delimiter = delimiter.unwrap_or_else(|| delimiter_of(&begin));
        Ok(CsvRows {
            pieces: Pieces::new(from, begin, delimiter),
            encoding,
            delimiter,
            segment: None,
        })
    }
}

impl<R: Read> CsvRows<R> {
    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// As the file.
    pub(super) fn row(&mut self) -> io::Result<Option<FileRow>> {
        loop {
            if let Some(segment) = &mut self.segment {
                if let Some(row) = segment.row(self.encoding) {
                    return Ok(Some(row));
                }
                self.segment = None;
            }
            match self.pieces.piece()? {
                None => return Ok(None),
                Some(Piece::Unclosed { line, bytes }) => {
                    let reason = "a quote opens here and is not closed: close it, or double it \
                                  (\"\") where it belongs to the text";
                    return Ok(Some(FileRow {
                        line,
                        raw: self.encoding.lossy(&bytes).into_owned(),
                        cells: Err((None, Rejected::line(line, reason))),
                    }));
                }
                Some(Piece::Records { line, bytes }) => {
                    self.segment = Some(Segment::new(line, bytes.into(), self.delimiter));
                }
            }
        }
    }
}

impl Segment {
    fn new(line: u64, text: Arc<[u8]>, delimiter: u8) -> Segment {
        let reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(Cursor::new(Arc::clone(&text)));
        Segment {
            text,
            lines: Lines::from(line),
            reader,
        }
    }

    fn row(&mut self, encoding: Encoding) -> Option<FileRow> {
        let begins = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
        let mut record = csv::ByteRecord::new();
        let read = match self.reader.read_byte_record(&mut record) {
            Ok(false) => return None,
            Ok(true) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        // The reader's own count is one behind where lines end with CR and LF.
        let (line, begins) = self.lines.at(&self.text, begins);
        let ends = usize::try_from(self.reader.position().byte()).unwrap_or(usize::MAX);
        let raw = self.text.get(begins..ends).unwrap_or_default();
        let raw = encoding
            .lossy(raw)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        let cells = match read {
            Ok(()) => cells(&record, line, encoding),
            Err(reason) => Err((None, Rejected::line(line, reason))),
        };
        Some(FileRow { line, raw, cells })
    }
}

fn cells(
    record: &csv::ByteRecord,
    line: u64,
    encoding: Encoding,
) -> Result<Vec<String>, (Option<usize>, Rejected)> {
    let mut cells = Vec::with_capacity(record.len());
    for (index, bytes) in record.iter().enumerate() {
        let text = encoding.text(bytes).and_then(|text| match text.len() {
            0..=FIELD_BYTES_MAX => Ok(text),
            _ => Err(format!("longer than {FIELD_BYTES_MAX} bytes")),
        });
        match text {
            Ok(text) => cells.push(text.into_owned()),
            Err(reason) => {
                let value = encoding.lossy(bytes);
                return Err((Some(index), Rejected::cell(line, None, &value, reason)));
            }
        }
    }
    Ok(cells)
}

/// The separator of the header row: the more frequent of `,`, `;` and tab outside quotes.
fn delimiter_of(bytes: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0)];
    let text = bytes.trim_ascii_start();
    for byte in text.iter().take_while(|byte| **byte != b'\n') {
        if *byte == b'"' {
            quoted = !quoted;
        }
        for (separator, count) in &mut counts {
            *count += u32::from(!quoted && byte == separator);
        }
    }
    let mut best = (b',', 0);
    for (separator, count) in counts {
        if count > best.1 {
            best = (separator, count);
        }
    }
    best.0
}
