//! Compressed RTF (MS-OXRTFCP), and the text or HTML that it wraps (MS-OXRTFEX).

use std::collections::BTreeMap;

use super::label;
use super::properties::Octets;
use crate::mail::ParseLimits;
use crate::mail::charset::decode_charset;

/// Octets of RTF that are read; formatting takes more than text.
const MAX_RTF_BYTES: usize = 4 * ParseLimits::MAX_TEXT_BYTES;
/// Groups inside each other.
const MAX_GROUPS: usize = 1_000;
/// Fonts of which the charset is remembered.
const MAX_FONTS: usize = 2_000;
/// Size of the window of the compression.
const WINDOW: usize = 4_096;
/// What the window begins with (MS-OXRTFCP 2.1.2.1).
const PRELOAD: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \
\\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\
\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
const COMPRESSED: u32 = 0x7546_5A4C;
const PLAIN: u32 = 0x414C_454D;
/// Octets of the size field that counts everything behind it.
const SIZE_FIELD: usize = 12;

/// RTF as it was before compression.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) rtf: Vec<u8>,
    pub(super) fault: Option<&'static str>,
}

/// Undoes the compression; what is damaged is read as far as it goes.
pub(super) fn unpack(packed: &[u8]) -> Result<Unpacked, &'static str> {
    const SHORT: &str = "the RTF in it has no header";
    let mut octets = Octets(packed);
    let size = octets.u32().ok_or(SHORT)?;
    let raw = octets.u32().ok_or(SHORT)?;
    let kind = octets.u32().ok_or(SHORT)?;
    let sum = octets.u32().ok_or(SHORT)?;
    let raw = usize::try_from(raw).unwrap_or(usize::MAX);
    let room = raw.min(MAX_RTF_BYTES);
    let mut fault = (raw > MAX_RTF_BYTES).then_some("the RTF in it is too long");
    let body = usize::try_from(size).unwrap_or(usize::MAX);
    let body = octets.0.get(..body.saturating_sub(SIZE_FIELD));
    if body.is_none() {
        fault = Some("the RTF in it is cut off");
    }
    let body = body.unwrap_or(octets.0);
    let rtf = match kind {
        PLAIN => body.get(..room).unwrap_or(body).to_vec(),
        COMPRESSED => {
            if fault.is_none() && checksum(body) != sum {
                fault = Some("the checksum of the RTF in it is wrong");
            }
            inflate(body, room)
        }
        _ => return Err("the RTF in it is compressed in an unknown way"),
    };
    Ok(Unpacked { rtf, fault })
}

fn inflate(packed: &[u8], room: usize) -> Vec<u8> {
    let mut window = [0u8; WINDOW];
    for (place, byte) in window.iter_mut().zip(PRELOAD) {
        *place = *byte;
    }
    let mut at = PRELOAD.len();
    let mut out = Vec::new();
    let mut octets = Octets(packed);
    let mut put = |byte: u8, window: &mut [u8; WINDOW], out: &mut Vec<u8>| {
        if let Some(place) = window.get_mut(at) {
            *place = byte;
        }
        at = at.saturating_add(1) % WINDOW;
        out.push(byte);
        at
    };
    let mut next = PRELOAD.len();
    while let Some(control) = octets.u8() {
        for bit in [1u8, 2, 4, 8, 16, 32, 64, 128] {
            if out.len() >= room {
                return out;
            }
            if control & bit == 0 {
                let Some(byte) = octets.u8() else { return out };
                next = put(byte, &mut window, &mut out);
                continue;
            }
            let Some(token) = octets.u16().map(u16::swap_bytes) else {
                return out;
            };
            let from = usize::from(token >> 4);
            // The reference to the place where the next octet goes ends the text.
            if from == next {
                return out;
            }
            let length = usize::from(token & 0xF).saturating_add(2);
            for step in 0..length {
                let byte = window.get(from.saturating_add(step) % WINDOW);
                next = put(byte.copied().unwrap_or_default(), &mut window, &mut out);
            }
        }
    }
    out
}

/// CRC-32 without the inversions (MS-OXRTFCP 2.1.3.1.2).
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| match sum & 1 {
            0 => sum >> 1,
            _ => (sum >> 1) ^ 0xEDB8_8320,
        })
    })
}

/// What RTF says.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) text: String,
    /// The text is the HTML that Outlook wrapped.
    pub(super) is_html: bool,
    pub(super) fault: Option<&'static str>,
}

/// Reads RTF; `label` is the charset where it names none.
pub(super) fn read(rtf: &[u8], label: &str) -> Read {
    let mut reader = Reader {
        octets: Octets(rtf),
        label: label.to_owned(),
        fonts: BTreeMap::new(),
        groups: Vec::new(),
        now: Group {
            unicode_skip: 1,
            ..Group::default()
        },
        starred: false,
        waiting: Vec::new(),
        high_half: None,
        to_skip: 0,
        out: String::new(),
        is_html: false,
    };
    let fault = reader.run();
    Read {
        text: reader.out,
        is_html: reader.is_html,
        fault,
    }
}

/// What holds until the group ends.
#[derive(Debug, Clone, Copy, Default)]
struct Group {
    skip: bool,
    font_table: bool,
    /// Inside `\htmlrtf`: for readers of RTF, not in the HTML.
    rtf_only: bool,
    /// Characters behind `\u` that stand for it in old readers.
    unicode_skip: usize,
    font: Option<i32>,
}

struct Reader<'a> {
    octets: Octets<'a>,
    label: String,
    /// Code pages of fonts.
    fonts: BTreeMap<i32, u32>,
    groups: Vec<Group>,
    now: Group,
    /// `\*` came right before.
    starred: bool,
    /// Octets in the code page of the font.
    waiting: Vec<u8>,
    high_half: Option<u16>,
    to_skip: usize,
    out: String,
    is_html: bool,
}

impl Reader<'_> {
    fn run(&mut self) -> Option<&'static str> {
        while let Some(byte) = self.octets.u8() {
            match byte {
                b'{' => {
                    self.flush();
                    if self.groups.len() >= MAX_GROUPS {
                        return Some("the RTF in it is nested too deep");
                    }
                    self.groups.push(self.now);
                }
                b'}' => {
                    self.flush();
                    self.now = self.groups.pop().unwrap_or(self.now);
                }
                b'\\' => self.control(),
                b'\r' | b'\n' => {}
                other => self.octet(other),
            }
        }
        self.flush();
        None
    }

    fn shows(&self) -> bool {
        !(self.now.skip || self.is_html && self.now.rtf_only)
    }

    /// One octet of text.
    fn octet(&mut self, byte: u8) {
        self.starred = false;
        if self.to_skip > 0 {
            self.to_skip = self.to_skip.saturating_sub(1);
        } else if self.shows() {
            self.waiting.push(byte);
        }
    }

    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let page = self.now.font.and_then(|font| self.fonts.get(&font));
        let named = page.map(|page| label(Some(*page)));
        let label = named.as_deref().unwrap_or(&self.label);
        self.out
            .push_str(&decode_charset(&self.waiting, Some(label)).text);
        self.waiting.clear();
    }

    fn text(&mut self, text: &str) {
        if self.shows() {
            self.flush();
            self.out.push_str(text);
        }
    }

    fn control(&mut self) {
        let Some(first) = self.octets.u8() else {
            return;
        };
        if first.is_ascii_alphabetic() {
            return self.word(first);
        }
        match first {
            b'\'' => {
                let digits = self.octets.take(2).unwrap_or_default();
                let text = std::str::from_utf8(digits).unwrap_or_default();
                if let Ok(byte) = u8::from_str_radix(text, 16) {
                    self.octet(byte);
                }
            }
            b'*' => self.starred = true,
            b'~' => self.text("\u{a0}"),
            b'_' => self.text("-"),
            b'\r' | b'\n' => self.text("\n"),
            b'\\' | b'{' | b'}' => self.octet(first),
            _ => {}
        }
    }

    fn word(&mut self, first: u8) {
        let rest = self.octets.0.iter().take_while(|b| b.is_ascii_alphabetic());
        let length = rest.count();
        let rest = self.octets.take(length).unwrap_or_default();
        let mut word = String::from(char::from(first));
        word.extend(rest.iter().map(|byte| char::from(*byte)));
        let minus = self.octets.0.first() == Some(&b'-');
        let digits = self.octets.0.iter().skip(usize::from(minus));
        let digits = digits.take_while(|b| b.is_ascii_digit()).count();
        let mut number = None;
        if digits > 0 {
            let taken = self.octets.take(digits.saturating_add(usize::from(minus)));
            let text = taken.and_then(|text| std::str::from_utf8(text).ok());
            number = text.and_then(|text| text.parse::<i32>().ok());
        }
        if self.octets.0.first() == Some(&b' ') {
            self.octets.take(1);
        }
        let starred = std::mem::take(&mut self.starred);
        if starred && word != "htmltag" {
            self.now.skip = true;
        }
        self.meaning(&word, number);
    }

    fn meaning(&mut self, word: &str, number: Option<i32>) {
        match word {
            "par" | "line" | "sect" | "row" => self.text("\n"),
            "tab" | "cell" => self.text("\t"),
            "lquote" => self.text("\u{2018}"),
            "rquote" => self.text("\u{2019}"),
            "ldblquote" => self.text("\u{201c}"),
            "rdblquote" => self.text("\u{201d}"),
            "bullet" => self.text("\u{2022}"),
            "endash" => self.text("\u{2013}"),
            "emdash" => self.text("\u{2014}"),
            "enspace" | "emspace" => self.text(" "),
            "u" => self.unicode(number.unwrap_or_default()),
            "uc" => {
                let count = number.and_then(|count| usize::try_from(count).ok());
                self.now.unicode_skip = count.unwrap_or(1);
            }
            "bin" => {
                let count = number.and_then(|count| usize::try_from(count).ok());
                let count = count.unwrap_or_default().min(self.octets.0.len());
                self.octets.take(count);
            }
            "fromhtml" => self.is_html = true,
            "htmlrtf" => {
                self.flush();
                self.now.rtf_only = number != Some(0);
            }
            "htmltag" => self.now.rtf_only = false,
            "ansicpg" => {
                let page = number.and_then(|page| u32::try_from(page).ok());
                self.label = label(page);
            }
            "f" => self.font(number),
            "fcharset" => self.font_charset(number),
            _ => self.destination(word),
        }
    }

    fn font(&mut self, number: Option<i32>) {
        self.flush();
        self.now.font = number;
    }

    fn font_charset(&mut self, number: Option<i32>) {
        let page = match number {
            Some(128) => 932,
            Some(129) => 949,
            Some(134) => 936,
            Some(136) => 950,
            Some(161) => 1253,
            Some(162) => 1254,
            Some(163) => 1258,
            Some(177) => 1255,
            Some(178) => 1256,
            Some(186) => 1257,
            Some(204) => 1251,
            Some(222) => 874,
            Some(238) => 1250,
            _ => return,
        };
        if let Some(font) = self.now.font.filter(|_| self.now.font_table)
            && self.fonts.len() < MAX_FONTS
        {
            self.fonts.insert(font, page);
        }
    }

    /// A code unit of UTF-16, written as a signed number.
    fn unicode(&mut self, number: i32) {
        let unit = u16::try_from(number.rem_euclid(0x1_0000)).unwrap_or_default();
        let units = self.high_half.take().into_iter().chain([unit]);
        let mut shown = String::new();
        for read in char::decode_utf16(units) {
            match read {
                Ok(c) => shown.push(c),
                Err(half) if half.unpaired_surrogate() < 0xDC00 => self.high_half = Some(unit),
                Err(_) => shown.push(char::REPLACEMENT_CHARACTER),
            }
        }
        self.text(&shown);
        self.to_skip = self.now.unicode_skip;
    }

    /// Groups that hold no text of the message.
    fn destination(&mut self, word: &str) {
        match word {
            "fonttbl" => {
                self.now.skip = true;
                self.now.font_table = true;
            }
            "colortbl" | "stylesheet" | "info" | "pict" | "object" | "header" | "headerl"
            | "headerr" | "headerf" | "footer" | "footerl" | "footerr" | "footerf" | "footnote"
            | "fldinst" | "nonshppict" | "themedata" | "listtable" | "filetbl" | "generator"
            | "xmlnstbl" | "rsidtbl" | "latentstyles" | "datastore" => self.now.skip = true,
            _ => {}
        }
    }
}
