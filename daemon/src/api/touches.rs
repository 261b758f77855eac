//! With whom there was contact: for `timeline` and `accounts show`.

use std::collections::HashMap;

use liaison_core::crm::Kind;
use liaison_core::ids::{AccountId, ContactId};
use liaison_core::touch::Touch;
use serde_json::{Value, json};

use super::report::who_of_us;
use super::{ApiContext, ApiError, records};
use crate::books::keys::TouchBy;
use crate::books::rows::TimelineRow;

/// The last contact with an account; `null` when none is recorded.
pub(super) async fn last(context: &ApiContext, account: &AccountId) -> Result<Value, ApiError> {
    let mut last: Option<Touch> = None;
    for id in records::book(context)
        .all_names_of(account.as_str())
        .await?
    {
        let found = context
            .books
            .last_touch(TouchBy::Account, &id, |_| true)
            .await?;
        last = last.into_iter().chain(found).max_by_key(|one| one.at);
    }
    let Some(touch) = last else {
        return Ok(Value::Null);
    };
    let mut names = Names::new(context);
    Ok(json!({
        "at": touch.at,
        "way": touch.way,
        "who": who(context, &touch),
        "contacts": names.of(&touch).await?,
        "id": touch.id,
    }))
}

fn who(context: &ApiContext, touch: &Touch) -> Option<String> {
    let person = touch.person.as_deref()?;
    Some(who_of_us(&context.office, person))
}

/// What happened with an account, with its activities, who of us and which contacts; by time.
pub(super) async fn timeline(
    context: &ApiContext,
    account: &AccountId,
) -> Result<Vec<Value>, ApiError> {
    let book = records::book(context);
    let (mut touches, mut rows) = (Vec::new(), Vec::new());
    // What was merged into it happened with it.
    for id in book.all_names_of(account.as_str()).await? {
        touches.extend(context.books.touches(TouchBy::Account, &id).await?);
        rows.extend(context.books.timeline(&AccountId(id)).await?);
    }
    let touches: HashMap<&str, &Touch> = touches.iter().map(|one| (one.id.as_str(), one)).collect();
    for activity in book
        .linked(Kind::Activity, "account", account.as_str())
        .await?
    {
        let kind = activity.text("kind").unwrap_or("activity");
        rows.push(TimelineRow {
            at: activity.at("at").unwrap_or(activity.created),
            kind: match activity.get("held").is_some() && !activity.flag("held") {
                true => format!("{kind}, not held"),
                false => kind.to_owned(),
            },
            text: activity.text("subject").unwrap_or_default().to_owned(),
            id: activity.id,
        });
    }
    rows.sort_by_key(|row| row.at);
    let mut names = Names::new(context);
    let mut told = Vec::with_capacity(rows.len());
    for row in rows {
        let touch = touches.get(row.id.as_str()).copied();
        let with = match touch {
            Some(touch) => names.of(touch).await?,
            None => Vec::new(),
        };
        told.push(json!({
            "at": row.at,
            "kind": row.kind,
            "text": row.text,
            "id": row.id,
            "contact": touch.is_some(),
            "who": touch.and_then(|touch| who(context, touch)),
            "contacts": with,
        }));
    }
    Ok(told)
}

/// Names of contacts, each looked up once.
struct Names<'a> {
    context: &'a ApiContext,
    known: HashMap<String, String>,
}

impl Names<'_> {
    fn new(context: &ApiContext) -> Names<'_> {
        Names {
            context,
            known: HashMap::new(),
        }
    }

    /// The name of whoever stands for a contact now.
    async fn name(&self, id: &ContactId) -> Result<String, ApiError> {
        let book = records::book(self.context);
        let Some(contact) = book.get(Kind::Contact, id.as_str()).await? else {
            return Ok(id.0.clone());
        };
        let contact = book.standing(contact).await?;
        let name = contact.text("name");
        let name = name.or_else(|| contact.texts("emails").first().map(String::as_str));
        Ok(name.unwrap_or(id.as_str()).to_owned())
    }

    async fn of(&mut self, touch: &Touch) -> Result<Vec<String>, ApiError> {
        let mut names: Vec<String> = Vec::new();
        for id in &touch.contacts {
            if !self.known.contains_key(id.as_str()) {
                let name = self.name(id).await?;
                self.known.insert(id.0.clone(), name);
            }
            // Two that are one by now are named once.
            if let Some(name) = self.known.get(id.as_str())
                && !names.contains(name)
            {
                names.push(name.clone());
            }
        }
        Ok(names)
    }
}
