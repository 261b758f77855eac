//! `proposals`: values that wait for a person's yes, in core records and in cases.

use liaison_core::crm::FieldChange;
use liaison_core::ids::CaseId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::filter::plain_value;
use super::records::{book, change_json, record_by, saved_json};
use super::{ApiContext, ApiError, Caller, Nothing, Shown, cases, with};
use crate::books::rows::{AnyKind, ChangeRow};
use crate::records::Verdict;

pub(super) fn waiting_json(row: &ChangeRow) -> Value {
    let values = match &row.kind {
        AnyKind::Core(kind) => change_json(
            *kind,
            &FieldChange {
                field: row.field.clone(),
                old: row.old.clone(),
                new: row.new.clone(),
            },
        ),
        AnyKind::Case(_) => json!({
            "field": row.field,
            "old": plain_value(&row.old),
            "new": plain_value(&row.new),
        }),
    };
    let is_case = matches!(row.kind, AnyKind::Case(_));
    with(
        values,
        json!({
            "id": row.id,
            "kind": row.kind.word(),
            "case": is_case,
            "record": row.record,
            "source": row.source,
            "who": row.who,
            "why": row.why,
            "at": row.at,
            "decided": row.decided,
        }),
    )
}

pub(super) async fn list(
    context: &ApiContext,
    _caller: &Caller,
    _arguments: Nothing,
) -> Result<Value, ApiError> {
    let book = book(context);
    let mut shown = Shown::new("proposals");
    for row in &book.changes(false).await? {
        let name = match &row.kind {
            AnyKind::Core(kind) => {
                let record = book.get(*kind, &row.record).await?;
                record.map(|record| record.name())
            }
            AnyKind::Case(_) => {
                let case = context.books.case(&CaseId(row.record.clone())).await?;
                case.map(|case| case.title)
            }
        };
        let json = with(waiting_json(row), json!({ "name": name }));
        shown.offer((row.at, row.id.clone()), || json);
    }
    Ok(shown.answer())
}

/// What `proposals-decide` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decide {
    id: String,
    accept: bool,
    #[serde(default)]
    why: Option<String>,
}

/// The one row that `id` begins or ends.
fn the_one(rows: Vec<ChangeRow>, id: &str) -> Result<ChangeRow, ApiError> {
    let fits = |row: &ChangeRow| row.id.starts_with(id) || row.id.ends_with(id);
    let mut matching: Vec<ChangeRow> = rows.into_iter().filter(fits).collect();
    if matching.len() > 1 {
        return Err(ApiError::NotUnique {
            id: id.to_owned(),
            candidates: matching.into_iter().map(|row| row.id).collect(),
        });
    }
    matching.pop().ok_or_else(|| ApiError::NotFound {
        id: id.to_owned(),
        hint: "see `liaison proposals list`".to_owned(),
    })
}

pub(super) async fn decide(
    context: &ApiContext,
    caller: &Caller,
    arguments: Decide,
) -> Result<Value, ApiError> {
    let book = book(context);
    let asked = the_one(book.changes(true).await?, &arguments.id)?;
    let by = record_by(context, caller, arguments.why, false);
    let verdict = match arguments.accept {
        true => Verdict::Accept,
        false => Verdict::Reject,
    };
    let (row, saved) = match asked.kind {
        AnyKind::Core(_) => {
            let (row, saved) = book.decide(&asked.id, verdict, &by).await?;
            (row, saved.map(|saved| saved_json(&saved)))
        }
        AnyKind::Case(_) => {
            let cases = cases::book(context, &book);
            let (row, saved) = cases.decide(&asked.id, verdict, &by).await?;
            (row, saved.map(|saved| cases::saved_json(context, &saved)))
        }
    };
    let waiting = json!({ "proposal": waiting_json(&row) });
    Ok(match saved {
        Some(saved) => with(saved, waiting),
        None => with(
            waiting,
            json!({
                "changed": format!("{} of {} stays as it is", row.field, row.record),
                "undo": format!(
                    "`liaison {} set {} {}=VALUE`", row.kind.command(), row.record, row.field
                ),
            }),
        ),
    })
}
