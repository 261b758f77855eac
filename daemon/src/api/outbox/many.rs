//! Many mails at once: first they are chosen and shown, then decided one by one.
//!
//! What is decided are the ids that were shown: a mail that comes in between, or that was edited
//! and so has another id, is not among them.

use std::collections::BTreeMap;

use liaison_core::business_time::BusinessDuration;
use liaison_core::effect::MailEffect;
use liaison_core::ids::AccountId;
use liaison_core::outbox::MailState;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Decide, MAIL_STATES, approve, cancel, mail_json, reject};
use crate::api::{ApiContext, ApiError, Caller, no_such};
use crate::store::{Ns, Range};

/// Most mails that are chosen and decided at once: more than anybody looks through before a yes.
pub const MANY_MAX: usize = 200;

/// What is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    Approve,
    Reject,
    Cancel,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::Approve => "approve",
            Way::Reject => "reject",
            Way::Cancel => "cancel",
        }
    }

    /// Whether it can be done to a mail in this state.
    fn takes(self, state: &MailState) -> bool {
        match self {
            Way::Approve | Way::Reject => *state == MailState::Held,
            Way::Cancel => state.can_be_cancelled(),
        }
    }
}

/// What `outbox-select` takes: all of it must fit a mail.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Select {
    way: Way,
    /// Of this plugin.
    #[serde(default)]
    plugin: Option<String>,
    /// Because of this rule.
    #[serde(default)]
    rule: Option<String>,
    /// Because of this account (id, name, domain or address).
    #[serde(default)]
    account: Option<String>,
    /// Decided longer ago than this.
    #[serde(default)]
    older_than: Option<String>,
    /// In this state.
    #[serde(default)]
    state: Option<String>,
    /// All that are held.
    #[serde(default)]
    all_held: bool,
}

/// The mails to which something can be done, the oldest first.
pub(in crate::api) async fn select(
    context: &ApiContext,
    _caller: &Caller,
    wish: Select,
) -> Result<Value, ApiError> {
    let Select {
        way,
        plugin,
        rule,
        account,
        older_than,
        state,
        all_held,
    } = wish;
    let named = [&plugin, &rule, &account, &older_than, &state];
    if !all_held && named.iter().all(|one| one.is_none()) {
        return Err(ApiError::Arguments(
            "say which: --plugin, --rule, --account, --older-than, --state or --all-held"
                .to_owned(),
        ));
    }
    if let Some(state) = state
        .as_deref()
        .filter(|state| !MAIL_STATES.contains(state))
    {
        return Err(ApiError::Arguments(no_such("state", state, &MAIL_STATES)));
    }
    let state = state.or(all_held.then(|| "held".to_owned()));
    let accounts = match account {
        Some(account) => Some(names_of(context, &account).await?),
        None => None,
    };
    let age = older_than.map(|text| text.parse::<BusinessDuration>());
    let age = age
        .transpose()
        .map_err(|error| ApiError::Arguments(error.to_string()))?;
    let (now, business) = (context.now(), &context.office.firm.business);
    let fits = |mail: &MailEffect| {
        way.takes(&mail.state)
            && state
                .as_deref()
                .is_none_or(|state| state == mail.state.as_str())
            && plugin
                .as_deref()
                .is_none_or(|name| name == mail.cause.plugin.as_str())
            && rule
                .as_deref()
                .is_none_or(|rule| mail.cause.rule.as_deref() == Some(rule))
            && age.is_none_or(|age| age.after(mail.created, business) <= now)
            && accounts.as_ref().is_none_or(|ids| {
                let account = mail.cause.subject.account.as_ref();
                account.is_some_and(|account| ids.contains(account))
            })
    };
    let (mut chosen, mut count) = (BTreeMap::new(), 0_u64);
    let each = |mail: MailEffect| {
        if !fits(&mail) {
            return;
        }
        count = count.saturating_add(1);
        chosen.insert((mail.created, mail.id.clone()), mail_json(&mail));
        if chosen.len() > MANY_MAX {
            chosen.pop_last();
        }
    };
    context.books.each(Range::all(Ns::Effect), each).await?;
    let mails: Vec<Value> = chosen.into_values().collect();
    let left = count.saturating_sub(mails.len() as u64);
    Ok(json!({
        "way": way.word(),
        "mails": mails,
        "count": count,
        "left": left,
        "more": left > 0,
    }))
}

/// An account under all ids that it ever had.
async fn names_of(context: &ApiContext, account: &str) -> Result<Vec<AccountId>, ApiError> {
    let account = context.accounts.find(account).await?;
    let names = context.books.all_names_of(account.id.as_str()).await?;
    Ok(names
        .into_iter()
        .map(AccountId)
        .chain([account.id])
        .collect())
}

/// What `outbox-decide-many` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct DecideMany {
    way: Way,
    /// Whole ids, as `outbox-select` told them.
    ids: Vec<String>,
    /// Why, for the audit.
    #[serde(default)]
    why: Option<String>,
}

/// Decides each of them in a commit of its own; one that cannot be decided stops no other.
pub(in crate::api) async fn decide_many(
    context: &ApiContext,
    caller: &Caller,
    wish: DecideMany,
) -> Result<Value, ApiError> {
    if wish.ids.len() > MANY_MAX {
        return Err(ApiError::Arguments(format!(
            "{} mails are more than the {MANY_MAX} that are decided at once",
            wish.ids.len()
        )));
    }
    let (mut rows, mut done, mut refused) = (Vec::new(), 0_u64, 0_u64);
    for id in wish.ids {
        let arguments = Decide {
            id: id.clone(),
            why: wish.why.clone(),
        };
        let came = match known(context, &id).await {
            Err(error) => Err(error),
            Ok(()) => match wish.way {
                Way::Approve => approve(context, caller, arguments).await,
                Way::Reject => reject(context, caller, arguments).await,
                Way::Cancel => cancel(context, caller, arguments).await,
            },
        };
        match came {
            Ok(answer) => {
                done = done.saturating_add(1);
                let said = answer.get("changed").cloned().unwrap_or_default();
                rows.push(json!({ "id": id, "done": true, "text": said }));
            }
            // What breaks one breaks all others, too.
            Err(error @ ApiError::Books(_)) => return Err(error),
            Err(error) => {
                refused = refused.saturating_add(1);
                let (code, text) = (error.code(), error.to_string());
                rows.push(json!({ "id": id, "done": false, "code": code, "text": text }));
            }
        }
    }
    let undo = match wish.way {
        Way::Approve => {
            "`liaison panic on` stops those that are not handed to the server yet; after that it \
             cannot be undone"
        }
        _ => "cannot be undone: write to them yourself",
    };
    Ok(json!({
        "way": wish.way.word(),
        "mails": rows,
        "done": done,
        "refused": refused,
        "changed": format!("{done} done, {refused} could not be"),
        "undo": undo,
    }))
}

/// Many are decided by whole ids only: a part of one may mean another mail than was shown.
async fn known(context: &ApiContext, id: &str) -> Result<(), ApiError> {
    let found = context.books.mail(&id.into()).await?;
    found.map(|_| ()).ok_or_else(|| ApiError::NotFound {
        id: id.to_owned(),
        hint: "see `liaison outbox list`".to_owned(),
    })
}
