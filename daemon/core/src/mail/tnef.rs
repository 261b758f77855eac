//! Outlook's container `winmail.dat` (TNEF, MS-OXTNEF): body, attached files, meeting requests.
//!
//! The container is a row of attributes, each with a length and a checksum, and some of them hold
//! lists of MAPI properties. All of it is read from one slice without copying. What is damaged ends
//! the reading of that piece, is told, and takes nothing else with it.

use super::charset::decode_charset;
use super::mime::{Part, Tree};
use super::{Problem, ProblemKind};
use crate::time::Timestamp;

mod meeting;
mod properties;
mod rtf;

pub(crate) use meeting::{Meeting, Roles};

use properties::{Octets, Properties};

/// First four octets, little-endian (MS-OXTNEF 2.1.3.2).
const SIGNATURE: u32 = 0x223E_9F78;
/// Attributes read of one container; real ones have about 10, and 5 for each file.
const MAX_ATTRIBUTES: usize = 10_000;
/// Files read of one container.
const MAX_FILES: usize = 500;
/// Containers inside each other that are opened: a forwarded message in a forwarded message.
const MAX_DEPTH: usize = 4;
/// Problems listed of one container.
const MAX_FAULTS: usize = 10;

/// Level and id of the attributes that say something to us (MS-OXTNEF 2.1.3.3, 2.1.3.4).
mod attribute {
    pub(super) const OEM_CODEPAGE: u32 = 0x0006_9007;
    pub(super) const MESSAGE_CLASS: u32 = 0x0007_8008;
    pub(super) const SUBJECT: u32 = 0x0001_8004;
    pub(super) const BODY: u32 = 0x0002_800C;
    pub(super) const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
    pub(super) const FILE_BEGINS: u32 = 0x0006_9002;
    pub(super) const FILE_TITLE: u32 = 0x0001_8010;
    pub(super) const FILE_NAME: u32 = 0x0006_9001;
    pub(super) const FILE_DATA: u32 = 0x0006_800F;
    pub(super) const FILE_PROPERTIES: u32 = 0x0006_9005;
}

/// Ids of MAPI properties (MS-OXPROPS).
mod property {
    pub(super) const MESSAGE_CLASS: u16 = 0x001A;
    pub(super) const SUBJECT: u16 = 0x0037;
    pub(super) const SUBMITTED: u16 = 0x0039;
    pub(super) const BODY: u16 = 0x1000;
    pub(super) const RTF_COMPRESSED: u16 = 0x1009;
    pub(super) const HTML: u16 = 0x1013;
    pub(super) const DISPLAY_NAME: u16 = 0x3001;
    pub(super) const FILE_DATA: u16 = 0x3701;
    pub(super) const FILE_NAME: u16 = 0x3704;
    pub(super) const FILE_METHOD: u16 = 0x3705;
    pub(super) const LONG_FILE_NAME: u16 = 0x3707;
    pub(super) const MEDIA_TYPE: u16 = 0x370E;
    pub(super) const CONTENT_ID: u16 = 0x3712;
    pub(super) const INTERNET_CODEPAGE: u16 = 0x3FDE;
    pub(super) const HIDDEN: u16 = 0x7FFE;
    /// PidTagAttachMethod: the file is a message, itself as TNEF.
    pub(super) const METHOD_MESSAGE: u32 = 5;
    /// Octets of the interface id before the data of an object.
    pub(super) const INTERFACE_ID: usize = 16;
}

/// What a container holds.
#[derive(Debug, Default)]
pub(crate) struct Container<'a> {
    /// `IPM.Note`, `IPM.Schedule.Meeting.Request` ...
    pub(crate) message_class: Option<String>,
    pub(crate) subject: Option<String>,
    /// When the sender handed it over.
    pub(crate) sent: Option<Timestamp>,
    /// The body as text.
    pub(crate) text: Option<String>,
    /// The body as HTML, also that which was wrapped into RTF.
    pub(crate) html: Option<String>,
    pub(crate) files: Vec<File<'a>>,
    pub(crate) meeting: Option<Meeting>,
    /// What was wrong, as sentences.
    pub(crate) faults: Vec<String>,
}

/// A file in a container.
#[derive(Debug, Default)]
pub(crate) struct File<'a> {
    pub(crate) name: Option<String>,
    /// As the sender's program says it, lower case.
    pub(crate) media_type: Option<String>,
    pub(crate) content_id: Option<String>,
    /// Shown inside the text.
    pub(crate) inline: bool,
    pub(crate) bytes: &'a [u8],
    title: Option<&'a [u8]>,
    transport_name: Option<&'a [u8]>,
}

/// The decoded bytes of each part that is such a container, with the number of the part.
pub(crate) fn containers(bytes: &[u8], tree: &Tree) -> Vec<(usize, Vec<u8>)> {
    let parts = tree.parts.iter().enumerate();
    parts
        .filter(|(_, part)| is_container(part))
        .map(|(at, part)| (at, part.decoded(bytes)))
        .collect()
}

/// By its type, or by the name that Outlook gives it; gateways change the type.
fn is_container(part: &Part) -> bool {
    let typed = part.is("application/ms-tnef") || part.is("application/vnd.ms-tnef");
    let named = || {
        part.raw_file_name()
            .is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
    };
    typed || !part.is_multipart() && named()
}

/// A part that is a container, and what it holds; `None` when it is none after all.
#[derive(Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) part: usize,
    pub(crate) container: Option<Container<'a>>,
}

/// Reads the containers of a message.
pub(crate) fn opened<'a>(
    containers: &'a [(usize, Vec<u8>)],
    problems: &mut Vec<Problem>,
) -> Vec<Opened<'a>> {
    let mut out = Vec::new();
    for (part, bytes) in containers {
        let container = open(bytes);
        let mut note = |what: &str| {
            let detail = format!("an Outlook container (winmail.dat): {what}");
            problems.push(Problem::new(ProblemKind::Tnef, detail));
        };
        match &container {
            None => note("it is none, its first bytes are wrong"),
            Some(container) => container.faults.iter().for_each(|what| note(what)),
        }
        let part = *part;
        out.push(Opened { part, container });
    }
    out
}

/// Reads a container; `None` when the bytes are none.
pub(crate) fn open(bytes: &[u8]) -> Option<Container<'_>> {
    open_at(bytes, 1)
}

fn open_at(bytes: &[u8], depth: usize) -> Option<Container<'_>> {
    let mut octets = Octets(bytes);
    if octets.u32()? != SIGNATURE {
        return None;
    }
    let mut reader = Reader::default();
    if octets.u16().is_none() {
        reader.fault("it ends behind its signature");
    }
    reader.attributes(octets);
    Some(reader.finish(depth))
}

#[derive(Default)]
struct Reader<'a> {
    out: Container<'a>,
    codepage: Option<u32>,
    class: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    body: Option<&'a [u8]>,
    properties: Option<Properties<'a>>,
    files: Vec<(File<'a>, Option<Properties<'a>>)>,
}

impl<'a> Reader<'a> {
    fn fault(&mut self, what: &str) {
        fault(&mut self.out.faults, what);
    }

    fn attributes(&mut self, mut octets: Octets<'a>) {
        if octets.0.is_empty() {
            self.fault("it holds nothing");
        }
        for _ in 0..MAX_ATTRIBUTES {
            if octets.0.is_empty() {
                return;
            }
            let Some((id, data, whole)) = self.attribute(&mut octets) else {
                self.fault("it ends inside an attribute");
                return;
            };
            self.take(id, data, whole);
        }
        self.fault("attributes beyond the first 10,000 were not read");
    }

    /// The next attribute; one that is cut is taken as far as it goes.
    fn attribute(&mut self, octets: &mut Octets<'a>) -> Option<(u32, &'a [u8], bool)> {
        octets.u8()?;
        let id = octets.u32()?;
        let length = usize::try_from(octets.u32()?).unwrap_or(usize::MAX);
        let Some(data) = octets.take(length) else {
            self.fault("it ends inside an attribute");
            return Some((id, std::mem::take(&mut octets.0), false));
        };
        match octets.u16() {
            None => self.fault("it ends before the last checksum"),
            Some(sum) if sum != checksum(data) => {
                self.fault(&format!("the checksum of attribute {id:08X} is wrong"));
            }
            Some(_) => {}
        }
        Some((id, data, true))
    }

    fn take(&mut self, id: u32, data: &'a [u8], whole: bool) {
        match id {
            attribute::OEM_CODEPAGE => self.codepage = Octets(data).u32(),
            attribute::MESSAGE_CLASS => self.class = Some(data),
            attribute::SUBJECT => self.subject = Some(data),
            attribute::BODY => self.body = Some(data),
            attribute::MESSAGE_PROPERTIES => {
                let read = self.read_properties(data, whole);
                self.properties = Some(read);
            }
            attribute::FILE_BEGINS => self.begin_file(),
            attribute::FILE_TITLE | attribute::FILE_NAME | attribute::FILE_DATA => {
                self.file_attribute(id, data);
            }
            attribute::FILE_PROPERTIES => {
                let read = self.read_properties(data, whole);
                if self.files.is_empty() {
                    self.begin_file();
                }
                if let Some((_, properties)) = self.files.last_mut() {
                    *properties = Some(read);
                }
            }
            _ => {}
        }
    }

    fn read_properties(&mut self, data: &'a [u8], whole: bool) -> Properties<'a> {
        let (read, complete) = Properties::read(data);
        if whole && !complete {
            self.fault("a list of properties is damaged");
        }
        read
    }

    fn begin_file(&mut self) {
        if self.files.len() < MAX_FILES {
            self.files.push((File::default(), None));
        } else {
            self.fault("files beyond the first 500 were not read");
        }
    }

    fn file_attribute(&mut self, id: u32, data: &'a [u8]) {
        if self.files.is_empty() {
            self.begin_file();
        }
        let Some((file, _)) = self.files.last_mut() else {
            return;
        };
        match id {
            attribute::FILE_TITLE => file.title = Some(data),
            attribute::FILE_NAME => file.transport_name = Some(data),
            _ => file.bytes = data,
        }
    }

    fn finish(mut self, depth: usize) -> Container<'a> {
        let properties = self.properties.take().unwrap_or_default();
        let page = properties.number(property::INTERNET_CODEPAGE);
        let oem = label(self.codepage.or(page));
        let text = |bytes: &[u8]| string(bytes, &oem);
        let named = |id: u16| properties.text(id, &oem).filter(|text| !text.is_empty());
        self.out.message_class = named(property::MESSAGE_CLASS).or(self.class.map(text));
        self.out.subject = named(property::SUBJECT).or(self.subject.map(text));
        self.out.sent = properties.instant(property::SUBMITTED);
        let class = self.out.message_class.as_deref().unwrap_or_default();
        self.out.meeting = Meeting::read(class, &properties, &oem);
        let plain = named(property::BODY).or_else(|| self.body.map(text));
        self.out.text = plain.filter(|text| !text.trim().is_empty());
        let html = properties.value(property::HTML);
        let web = label(page.or(self.codepage));
        self.out.html = html
            .filter(|_| !properties.is_wide(property::HTML))
            .map(|bytes| decode_charset(bytes, Some(&web)).text)
            .or_else(|| named(property::HTML))
            .filter(|html| !html.trim().is_empty());
        if let Some(packed) = properties.value(property::RTF_COMPRESSED) {
            self.rich_text(packed, &oem);
        }
        for (file, properties) in std::mem::take(&mut self.files) {
            self.finish_file(file, &properties.unwrap_or_default(), (&oem, depth));
        }
        self.out
    }

    /// The body in RTF, where there is no other.
    fn rich_text(&mut self, packed: &[u8], label: &str) {
        if self.out.text.is_some() && self.out.html.is_some() {
            return;
        }
        let unpacked = match rtf::unpack(packed) {
            Ok(unpacked) => unpacked,
            Err(why) => return self.fault(why),
        };
        if let Some(why) = unpacked.fault {
            self.fault(why);
        }
        let read = rtf::read(&unpacked.rtf, label);
        if let Some(why) = read.fault {
            self.fault(why);
        }
        let body = Some(read.text).filter(|text| !text.trim().is_empty());
        let place = if read.is_html {
            &mut self.out.html
        } else {
            &mut self.out.text
        };
        if place.is_none() {
            *place = body;
        }
    }

    fn finish_file(
        &mut self,
        mut file: File<'a>,
        properties: &Properties<'a>,
        (label, depth): (&str, usize),
    ) {
        let text = |bytes: &[u8]| Some(string(bytes, label)).filter(|text| !text.is_empty());
        let named = |id: u16| properties.text(id, label).filter(|text| !text.is_empty());
        file.name = named(property::LONG_FILE_NAME)
            .or_else(|| file.transport_name.and_then(text))
            .or_else(|| named(property::FILE_NAME))
            .or_else(|| file.title.and_then(text))
            .or_else(|| named(property::DISPLAY_NAME));
        file.media_type = named(property::MEDIA_TYPE).map(|kind| kind.to_ascii_lowercase());
        file.content_id = named(property::CONTENT_ID);
        file.inline = properties.flag(property::HIDDEN) || file.content_id.is_some();
        let object = properties.value(property::FILE_DATA);
        if properties.number(property::FILE_METHOD) == Some(property::METHOD_MESSAGE) {
            file.media_type = Some("application/ms-tnef".to_owned());
            file.bytes = object
                .and_then(|object| object.get(property::INTERFACE_ID..))
                .unwrap_or(file.bytes);
            self.enclosed(&file, depth);
        } else if file.bytes.is_empty() {
            file.bytes = object.unwrap_or_default();
        }
        self.out.files.push(file);
    }

    /// The files of a message inside this one stand beside those of the message around it.
    fn enclosed(&mut self, file: &File<'a>, depth: usize) {
        if depth >= MAX_DEPTH {
            return self.fault("a message that lies more than 4 deep was not opened");
        }
        match open_at(file.bytes, depth.saturating_add(1)) {
            Some(inner) => {
                let room = MAX_FILES.saturating_sub(self.out.files.len());
                self.out.files.extend(inner.files.into_iter().take(room));
                for what in inner.faults {
                    self.fault(&what);
                }
            }
            None => self.fault("a message inside it cannot be read"),
        }
    }
}

fn fault(faults: &mut Vec<String>, what: &str) {
    if faults.len() < MAX_FAULTS && !faults.iter().any(|known| known == what) {
        faults.push(what.to_owned());
    }
}

/// The sum of the octets (MS-OXTNEF 2.1.3.2).
fn checksum(data: &[u8]) -> u16 {
    data.iter()
        .fold(0u16, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Text up to its zero octet.
fn string(bytes: &[u8], label: &str) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    let bytes = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
    decode_charset(bytes, Some(label)).text
}

/// The name of a Windows code page as charsets are named in mail.
fn label(codepage: Option<u32>) -> String {
    match codepage.unwrap_or(1252) {
        932 => "shift_jis".to_owned(),
        936 => "gbk".to_owned(),
        949 => "euc-kr".to_owned(),
        950 => "big5".to_owned(),
        874 => "windows-874".to_owned(),
        page @ 1250..=1258 => format!("windows-{page}"),
        20127 => "us-ascii".to_owned(),
        20866 => "koi8-r".to_owned(),
        21866 => "koi8-u".to_owned(),
        page @ 28591..=28606 => format!("iso-8859-{}", page.saturating_sub(28590)),
        50220..=50222 => "iso-2022-jp".to_owned(),
        51932 => "euc-jp".to_owned(),
        51949 => "euc-kr".to_owned(),
        52936 => "hz-gb-2312".to_owned(),
        54936 => "gb18030".to_owned(),
        65001 => "utf-8".to_owned(),
        _ => "windows-1252".to_owned(),
    }
}

#[cfg(test)]
mod tests;
