//! `explain-schedule`: why a mail leaves when it does.

use liaison_core::effect::{HoldState, MailEffect};
use liaison_core::ids::EffectId;
use liaison_core::policy::{Leaves, OfferedHold, ScheduleFacts, explain_schedule};
use liaison_core::time::Timestamp;
use liaison_core::whereabouts::Whereabouts;
use serde_json::{Value, json};

use super::outbox::{mail_by, mail_json};
use super::{ApiContext, ApiError, Caller, Id};
use crate::delivery::{SecondLook, unseen_answer};

pub(super) async fn explain(
    context: &ApiContext,
    _caller: &Caller,
    arguments: Id,
) -> Result<Value, ApiError> {
    let mail = mail_by(context, &arguments.id).await?.record;
    let now = context.now();
    let look = SecondLook {
        books: &context.books,
        office: &context.office,
    };
    let mut recheck = look.facts(&mail, 0, now).await?;
    let found = match recheck.recipient.whereabouts.take() {
        Some(found) => found,
        // It has no say here, and is shown all the same.
        None => look.whereabouts(&mail, now).await?,
    };
    recheck.recipient.whereabouts = Some(found.clone());
    let went_out = look.went_out(now).await?;
    (recheck.through_login, recheck.to_domain) = went_out.of(&mail, &context.office);
    let facts = ScheduleFacts {
        recheck,
        automatic_times: went_out.automatic,
        holds: holds(context, &mail).await?,
        panic: context.books.panic().await?.map(|row| {
            let (at, who, why) = (row.at, row.who, row.why);
            format!("on since {at}, by {who} ({why}): nothing leaves")
        }),
        unseen_answer: context.live.as_ref().and_then(|live| {
            let hidden = |mailbox: &_| live.may_hide_an_answer(mailbox);
            unseen_answer(&context.office, &mail, hidden)
        }),
    };
    let schedule = explain_schedule(&mail, &facts);
    let depends = schedule.depends.iter();
    let depends: Vec<Value> = depends
        .map(|(name, text)| json!({ "name": name, "text": text }))
        .collect();
    let at = match schedule.leaves {
        Leaves::At(at) | Leaves::NotBefore(at) | Leaves::Gone(at) => Some(at),
        Leaves::Person | Leaves::Never => None,
    };
    let times = at.map(|at| times(context, &found, at));
    let places: Vec<String> = found.places.iter().map(ToString::to_string).collect();
    Ok(json!({
        "mail": mail_json(&mail),
        "leaves": schedule.leaves,
        "text": schedule.text,
        "times": times,
        "waits": schedule.waits,
        "depends": depends,
        "recipient_zone": {
            "places": places,
            "confidence": found.confidence.as_str(),
            "why": found.how,
        },
    }))
}

/// The time in our zone and in the recipient's, each with its name and offset.
fn times(context: &ApiContext, found: &Whereabouts, at: Timestamp) -> Value {
    let ours = context.office.firm.business.shown(at);
    let theirs: Vec<String> = found.places.iter().map(|place| place.shown(at)).collect();
    json!({ "ours": ours, "theirs": theirs })
}

async fn holds(context: &ApiContext, mail: &MailEffect) -> Result<Vec<OfferedHold>, ApiError> {
    let mut holds = Vec::new();
    for id in &mail.requires {
        holds.push(match context.books.hold(id).await? {
            Some(hold) => {
                let start = context.office.firm.business.shown(hold.when.start);
                let why = hold.state.why().map(|why| format!(" ({why})"));
                let state = hold.state.as_str();
                OfferedHold {
                    what: format!("`{}` on {start} (hold {})", hold.title, short(id)),
                    state: format!("{state}{}", why.unwrap_or_default()),
                    stands: hold.state.is_held(),
                    comes: hold.state == HoldState::Planned,
                }
            }
            None => OfferedHold {
                what: format!("the hold {}", short(id)),
                state: "not known".to_owned(),
                stands: false,
                comes: false,
            },
        });
    }
    Ok(holds)
}

fn short(id: &EffectId) -> String {
    id.as_str().chars().take(10).collect()
}
