//! Expected against proposed.

use liaison_core::time::Timestamp;
use serde_json::Value as Json;

/// Ends a key whose value need only occur in the text: `text-contains = "two times"`.
const CONTAINS: &str = "-contains";

/// What is not as expected; `None` when all is. With `exact` the lines of `expect` stand for the
/// proposals one by one and in order, otherwise each must fit some proposal of its own.
pub(super) fn difference(got: &[Json], expect: &[Json], exact: bool) -> Option<String> {
    if exact {
        return in_order(got, expect);
    }
    let mut free: Vec<&Json> = got.iter().collect();
    let mut said = Vec::new();
    for want in expect {
        match free.iter().position(|got| misfits(got, want).is_empty()) {
            Some(found) => drop(free.remove(found)),
            None => said.push(format!("- nothing fits {want}")),
        }
    }
    finish(said, got)
}

fn in_order(got: &[Json], expect: &[Json]) -> Option<String> {
    let mut said = Vec::new();
    for (number, want) in expect.iter().enumerate() {
        match got.get(number) {
            None => said.push(format!("- missing: {want}")),
            Some(got) => {
                let wrong = misfits(got, want);
                let number = number.saturating_add(1);
                said.extend(
                    wrong
                        .into_iter()
                        .map(|wrong| format!("- proposal {number}: {wrong}")),
                );
            }
        }
    }
    let more = got.iter().skip(expect.len());
    said.extend(more.map(|extra| format!("+ not expected: {extra}")));
    finish(said, got)
}

fn finish(mut said: Vec<String>, got: &[Json]) -> Option<String> {
    if said.is_empty() {
        return None;
    }
    said.push(if got.is_empty() {
        "it proposed nothing".into()
    } else {
        "it proposed".to_owned()
    });
    said.extend(got.iter().map(|one| format!("  {one}")));
    Some(said.join("\n"))
}

/// What in `got` is not as `want` names it.
fn misfits(got: &Json, want: &Json) -> Vec<String> {
    let mut wrong = Vec::new();
    compare("", got, want, &mut wrong);
    wrong
}

fn compare(at: &str, got: &Json, want: &Json, wrong: &mut Vec<String>) {
    match (got, want) {
        (Json::Object(got), Json::Object(want)) => {
            for (name, want) in want {
                let place = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                if let Some(plain) = name.strip_suffix(CONTAINS) {
                    contains(&place, got.get(plain), want, wrong);
                } else {
                    compare(&place, got.get(name).unwrap_or(&Json::Null), want, wrong);
                }
            }
        }
        (Json::Array(got), Json::Array(want)) if got.len() == want.len() => {
            for (number, (got, want)) in got.iter().zip(want).enumerate() {
                compare(&format!("{at}[{number}]"), got, want, wrong);
            }
        }
        _ if got == want || same_instant(got, want) => {}
        _ => wrong.push(format!("{at} is {got}, expected {want}")),
    }
}

fn contains(at: &str, got: Option<&Json>, want: &Json, wrong: &mut Vec<String>) {
    let fits = match (got, want) {
        (Some(Json::String(got)), Json::String(want)) => got.contains(want.as_str()),
        (Some(Json::Array(got)), want) => got.contains(want),
        _ => false,
    };
    if !fits {
        wrong.push(format!(
            "{at}: {want} does not occur in {}",
            got.unwrap_or(&Json::Null)
        ));
    }
}

/// Two spellings of one instant, such as with another offset.
fn same_instant(got: &Json, want: &Json) -> bool {
    let instant = |value: &Json| {
        value
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
    };
    matches!((instant(got), instant(want)), (Some(got), Some(want)) if got == want)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn expectations_are_partial_and_differences_are_named() {
        let got = [
            json!({ "action": "tag-message", "add": ["lead"], "reason": "an enquiry" }),
            json!({ "action": "set-timer", "name": "wait", "due": "2026-03-05T09:00:00Z" }),
        ];
        let cases = [
            (
                json!([{ "action": "tag-message" }, { "due": "2026-03-05T10:00:00+01:00" }]),
                true,
                "",
            ),
            (
                json!([{ "reason-contains": "enquiry", "add": ["lead"] }, {}]),
                true,
                "",
            ),
            (json!([{ "name": "wait" }]), false, ""),
            (
                json!([{ "name": "wait" }, { "action": "tag-message" }]),
                false,
                "",
            ),
            (
                json!([{ "action": "tag-message" }]),
                true,
                "+ not expected: {\"action\":\"set-timer\"",
            ),
            (
                json!([{ "add": ["nda"] }, {}]),
                true,
                "proposal 1: add[0] is \"lead\", expected \"nda\"",
            ),
            (
                json!([{ "add-contains": "nda" }, {}]),
                true,
                "\"nda\" does not occur in [\"lead\"]",
            ),
            (
                json!([{}, {}, { "action": "email" }]),
                true,
                "- missing: {\"action\":\"email\"}",
            ),
            (
                json!([{ "name": "wait" }, { "name": "wait" }]),
                false,
                "- nothing fits",
            ),
            (
                json!([{ "to": "x" }, {}]),
                true,
                "to is null, expected \"x\"",
            ),
        ];
        for (expect, exact, part) in cases {
            let difference = difference(&got, expect.as_array().unwrap(), exact);
            match difference {
                None => assert_eq!(part, "", "{expect}"),
                Some(said) => assert!(!part.is_empty() && said.contains(part), "{expect}: {said}"),
            }
        }
    }
}
