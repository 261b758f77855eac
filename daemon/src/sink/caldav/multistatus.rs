//! 207 answers (RFC 4918 section 13): per resource, what the server said about it.
//!
//! Own reading over libdav's XML: libdav drops a whole answer for one missing getetag, takes the
//! first status for the status of everything, and decodes hrefs for good.

use libdav::names;
use libdav::requests::ParseResponseError;
use libdav::xmlutils::{normalise_newlines, parse_statusline, validate_xml_response};

use super::http::Answer;

const CALENDAR_SERVER_GETCTAG: (&str, &str) = (names::CALENDAR_SERVER, "getctag");

/// One `response` element, or one of the hrefs of one.
#[derive(Debug, Clone, Default)]
pub(super) struct Entry {
    /// As written by the server.
    pub(super) href: String,
    /// Status of the resource as a whole.
    pub(super) status: Option<u16>,
    pub(super) is_collection: bool,
    pub(super) is_calendar: bool,
    pub(super) etag: Option<String>,
    /// CRLF line ends.
    pub(super) data: Option<String>,
    pub(super) display_name: Option<String>,
    pub(super) ctag: Option<String>,
    /// It can say what changed since a token (RFC 6578).
    pub(super) syncs: bool,
    pub(super) principal: Option<String>,
    pub(super) home_sets: Vec<String>,
}

/// A property as XML, taken apart.
struct Property<'a> {
    name: (&'a str, &'a str),
    text: &'a str,
    hrefs: Vec<&'a str>,
    kinds: Vec<(&'a str, &'a str)>,
}

/// Reads a 207; any other answer is not one, whatever it contains.
pub(super) fn parse(answer: &Answer) -> Result<Vec<Entry>, String> {
    if answer.status() != 207 {
        return Err(format!(
            "expected 207 Multi-Status, not {}{}",
            answer.status(),
            answer.excerpt()
        ));
    }
    let document =
        validate_xml_response(&answer.parts, &answer.body).map_err(|error| words(&error))?;
    if document.root_element().tag_name().name() != "multistatus" {
        return Err("the answer is XML, but no multistatus".to_owned());
    }
    let mut entries = Vec::new();
    for response in document.root_element().children() {
        if response.tag_name() != names::RESPONSE {
            continue;
        }
        let mut entry = Entry::default();
        let mut hrefs = Vec::new();
        for child in response.children() {
            let name = child.tag_name();
            if name == names::HREF {
                hrefs.push(child.text().unwrap_or_default().trim().to_owned());
            } else if name == names::STATUS {
                entry.status = status_of(child.text());
            } else if name == names::PROPSTAT {
                let mut parts = child.children();
                let status = parts.find(|part| part.tag_name() == names::STATUS);
                if status.is_some_and(|status| !is_success(status_of(status.text()))) {
                    continue; // these properties are not there
                }
                let properties = child
                    .children()
                    .filter(|part| part.tag_name() == names::PROP)
                    .flat_map(|prop| prop.children())
                    .filter(|property| property.is_element());
                for property in properties {
                    let inner = property.descendants().filter(|node| node.is_element());
                    entry.take(&Property {
                        name: full_name(
                            property.tag_name().namespace(),
                            property.tag_name().name(),
                        ),
                        text: property.text().unwrap_or_default(),
                        hrefs: inner
                            .clone()
                            .filter(|node| node.tag_name() == names::HREF)
                            .filter_map(|node| node.text())
                            .collect(),
                        kinds: inner
                            .map(|node| {
                                full_name(node.tag_name().namespace(), node.tag_name().name())
                            })
                            .collect(),
                    });
                }
            }
        }
        entries.extend(hrefs.into_iter().map(|href| Entry {
            href,
            ..entry.clone()
        }));
    }
    Ok(entries)
}

/// The token of a sync-collection report (RFC 6578 section 6.4).
pub(super) fn token(answer: &Answer) -> Option<String> {
    let document = validate_xml_response(&answer.parts, &answer.body).ok()?;
    let mut children = document.root_element().children();
    let found = children.find(|child| child.tag_name() == names::SYNC_TOKEN)?;
    let text = found.text()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn full_name<'a>(namespace: Option<&'a str>, name: &'a str) -> (&'a str, &'a str) {
    (namespace.unwrap_or_default(), name)
}

fn status_of(line: Option<&str>) -> Option<u16> {
    parse_statusline(line?.trim())
        .ok()
        .map(|code| code.as_u16())
}

fn is_success(status: Option<u16>) -> bool {
    status.is_some_and(|status| (200..300).contains(&status))
}

impl Entry {
    fn take(&mut self, property: &Property<'_>) {
        let is =
            |name: &libdav::PropertyName<'_, '_>| property.name == (name.namespace(), name.name());
        let text = Some(property.text.trim().to_owned()).filter(|text| !text.is_empty());
        let first_href = property.hrefs.first().map(|href| href.trim().to_owned());
        if is(&names::GETETAG) {
            self.etag = text;
        } else if is(&names::CALENDAR_DATA) {
            self.data = text.map(|_| normalise_newlines(property.text));
        } else if is(&names::RESOURCETYPE) {
            let has = |name: &libdav::PropertyName<'_, '_>| {
                property.kinds.contains(&(name.namespace(), name.name()))
            };
            self.is_collection = has(&names::COLLECTION);
            self.is_calendar = has(&names::CALENDAR);
        } else if is(&names::DISPLAY_NAME) {
            self.display_name = text;
        } else if is(&names::SUPPORTED_REPORT_SET) {
            let name = &names::SYNC_COLLECTION;
            self.syncs = property.kinds.contains(&(name.namespace(), name.name()));
        } else if property.name == CALENDAR_SERVER_GETCTAG {
            self.ctag = text;
        } else if is(&names::CURRENT_USER_PRINCIPAL) {
            self.principal = first_href;
        } else if is(&names::CALENDAR_HOME_SET) {
            self.home_sets = property
                .hrefs
                .iter()
                .map(|href| href.trim().to_owned())
                .collect();
        }
    }
}

fn words(error: &ParseResponseError) -> String {
    format!("the answer cannot be read ({error})")
}
