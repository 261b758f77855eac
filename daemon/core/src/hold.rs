//! The states of a hold and of the group that it belongs to, and the steps between them.
//!
//! A hold:
//!
//! | from | input | to |
//! |---|---|---|
//! | planned | written and read back | placed |
//! | planned | its time was taken, refused for good, too late, another time was chosen | lost |
//! | planned, placed, confirming | given up | releasing |
//! | placed | chosen | confirming |
//! | placed | the time until which it is held is over | releasing |
//! | confirming | its time was taken meanwhile | releasing |
//! | confirming | the calendar will not have it as a meeting | placed |
//! | confirming | written as a meeting | confirmed |
//! | releasing | written, as only now is known | releasing, and its place is known |
//! | releasing | removed | released, or expired when its time was over |
//! | planned, placed, confirming, releasing | a person changed it | adopted |
//! | planned, placed, confirming, releasing | a person removed or cancelled it | released |
//! | planned, placed, confirming, releasing | a person made it definite | confirmed |
//!
//! `confirmed`, `released`, `expired`, `adopted` and `lost` are final: the record stays as a
//! tombstone, so that nothing that is repeated places the hold again.
//!
//! A group of alternatives:
//!
//! | from | input | to |
//! |---|---|---|
//! | open | a hold is chosen | choosing(hold) |
//! | choosing(hold) | the choice could not be carried out | open |
//! | open, choosing(hold) | the hold is confirmed | confirmed(hold) |
//! | open | none of its holds stands any more | abandoned |
//! | confirmed, abandoned | new times are offered | open, the next generation |
//! | open | new times are offered instead of the old ones | open, the next generation |
//!
//! The first choice that is committed wins: any other is refused with its name. So of one
//! generation never two are confirmed; an alternative that a person makes definite afterwards is
//! adopted, which is to say theirs.

mod invited;

use std::fmt;

pub use invited::Invitation;
use serde::{Deserialize, Serialize};

use crate::effect::HoldState;
use crate::happening::SettledOutcome;
use crate::ids::{EffectId, HoldGroupId, PluginName};
use crate::time::Timestamp;

/// Why a hold is removed at its expiry; the state after it is `expired`.
pub const RAN_OUT: &str = "the time until which it was held is over";
/// Why a hold is released that a person removed.
pub const BY_A_PERSON: &str = "a person removed it";

/// What happens to a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldInput {
    /// It lies in the calendar, as read back.
    Written,
    /// It will not be placed; why.
    Unplaceable(String),
    /// Nobody needs it any more; why.
    GiveUp(String),
    /// Its time to be held is over.
    RanOut,
    /// It is to become a meeting; who chose it.
    Choose(String),
    /// It was chosen, and its time was taken meanwhile; why.
    Taken(String),
    /// It was chosen, and the calendar refuses the meeting for good.
    NotTaken,
    /// It was chosen and is a meeting now.
    Met,
    /// It left the calendar.
    Removed,
    /// A person changed it; what.
    Edited(String),
    /// A person removed or cancelled it.
    Deleted,
    /// A person made a firm event of it.
    MadeDefinite,
}

/// A step that the table of holds does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hold that is {} cannot take the step {input:?}", from.as_str())]
pub struct IllegalHoldStep {
    /// Where it stands.
    pub from: HoldState,
    /// What was asked.
    pub input: HoldInput,
}

impl HoldState {
    /// The state after `input`.
    ///
    /// # Errors
    /// When the table above has no such step.
    pub fn step(&self, input: &HoldInput) -> Result<HoldState, IllegalHoldStep> {
        use HoldInput as I;
        use HoldState as S;
        let next = match (self, input) {
            (S::Planned, I::Written) | (S::Confirming(_), I::NotTaken) => S::Placed,
            (S::Planned, I::Unplaceable(why)) => S::Lost(why.clone()),
            (S::Planned | S::Placed | S::Confirming(_), I::GiveUp(why))
            | (S::Confirming(_), I::Taken(why))
            | (S::Releasing(why), I::Written) => S::Releasing(why.clone()),
            (S::Placed, I::Choose(who)) => S::Confirming(who.clone()),
            (S::Placed, I::RanOut) => S::Releasing(RAN_OUT.to_owned()),
            (S::Confirming(_), I::Met) => S::Confirmed,
            (S::Releasing(why), I::Removed) if why == RAN_OUT => S::Expired,
            (S::Releasing(why), I::Removed) => S::Released(why.clone()),
            (from, I::Edited(what)) if !from.is_final() => S::Adopted(what.clone()),
            (from, I::Deleted) if !from.is_final() => S::Released(BY_A_PERSON.to_owned()),
            (from, I::MadeDefinite) if !from.is_final() => S::Confirmed,
            _ => {
                return Err(IllegalHoldStep {
                    from: self.clone(),
                    input: input.clone(),
                });
            }
        };
        Ok(next)
    }

    /// Whether it is offered or about to be, and nobody has chosen it yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self, HoldState::Planned | HoldState::Placed)
    }

    /// Whether its time is held, so that a mail may offer it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        use HoldState as S;
        matches!(self, S::Placed | S::Confirming(_) | S::Confirmed)
    }

    /// What its plugin is told when `input` led here; nothing of what is still under way.
    #[must_use]
    pub fn settled(&self, input: &HoldInput) -> Option<SettledOutcome> {
        let by_person = matches!(input, HoldInput::Deleted);
        match self {
            HoldState::Placed if *input == HoldInput::Written => Some(SettledOutcome::Done),
            HoldState::Confirmed => Some(SettledOutcome::Adopted(match input {
                HoldInput::Met => "it was chosen, and is a meeting now".to_owned(),
                _ => "a person confirmed it".to_owned(),
            })),
            HoldState::Released(why) if by_person => Some(SettledOutcome::Adopted(why.clone())),
            HoldState::Released(why) => Some(SettledOutcome::Cancelled(why.clone())),
            HoldState::Expired => Some(SettledOutcome::Cancelled("it expired".to_owned())),
            HoldState::Adopted(what) => Some(SettledOutcome::Adopted(what.clone())),
            HoldState::Lost(why) => Some(SettledOutcome::Failed(why.clone())),
            HoldState::Placed
            | HoldState::Planned
            | HoldState::Confirming(_)
            | HoldState::Releasing(_) => None,
        }
    }
}

/// Which hold of a group was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The hold.
    pub hold: EffectId,
    /// A person, or `liaison` for what a person did in the calendar.
    pub who: String,
    /// When.
    pub at: Timestamp,
}

/// Where a group stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupState {
    /// Nobody has chosen.
    Open,
    /// One was chosen and is being made a meeting.
    Choosing(Choice),
    /// One became a meeting.
    Confirmed(Choice),
    /// None of its holds stands any more, and none was chosen.
    Abandoned,
}

impl GroupState {
    /// The word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            GroupState::Open => "open",
            GroupState::Choosing(_) => "choosing",
            GroupState::Confirmed(_) => "confirmed",
            GroupState::Abandoned => "abandoned",
        }
    }

    /// What was chosen, if anything was.
    #[must_use]
    pub fn choice(&self) -> Option<&Choice> {
        match self {
            GroupState::Choosing(choice) | GroupState::Confirmed(choice) => Some(choice),
            GroupState::Open | GroupState::Abandoned => None,
        }
    }
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.choice() {
            Some(choice) => write!(f, "{} ({})", self.as_str(), choice.hold),
            None => f.write_str(self.as_str()),
        }
    }
}

/// Holds that are alternatives of one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldGroup {
    /// Its key.
    pub id: HoldGroupId,
    /// Whose it is.
    pub plugin: PluginName,
    /// Counts the offers: 1, and one more each time that other times took the place of all before.
    pub generation: u32,
    /// Where it stands.
    pub state: GroupState,
    /// Since when.
    pub since: Timestamp,
    /// When its first hold was decided.
    pub created: Timestamp,
}

/// What happens to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupInput {
    /// New times are offered; `instead` of all that were.
    Offer {
        /// The plugin gave up the others in the same answer.
        instead: bool,
    },
    /// One is chosen.
    Choose(Choice),
    /// The choice of this hold could not be carried out.
    Undo(EffectId),
    /// One is a meeting.
    Confirm(Choice),
    /// None stands any more.
    Abandon,
}

/// Why a group does not take a step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupRefusal {
    /// Somebody chose before.
    #[error("{} chose the hold {} at {}", .0.who, .0.hold, .0.at)]
    Decided(Choice),
    /// None of its holds stands any more.
    #[error("none of its times is held any more")]
    Over,
    /// Nothing was chosen that could be undone.
    #[error("this hold is not the one that was chosen")]
    NotChosen,
}

impl HoldGroup {
    /// A group of which the first hold is being decided.
    #[must_use]
    pub fn new(id: HoldGroupId, plugin: PluginName, now: Timestamp) -> HoldGroup {
        HoldGroup {
            id,
            plugin,
            generation: 1,
            state: GroupState::Open,
            since: now,
            created: now,
        }
    }

    /// The group after `input`. A choice of what was chosen before is no second choice: the first
    /// one stands, with who made it.
    ///
    /// # Errors
    /// When the table above has no such step.
    pub fn step(&self, input: GroupInput, now: Timestamp) -> Result<HoldGroup, GroupRefusal> {
        use GroupInput as I;
        use GroupState as S;
        let is_over = matches!(self.state, S::Confirmed(_) | S::Abandoned);
        let (state, anew) = match (&self.state, input) {
            (S::Open, I::Offer { instead }) => (S::Open, instead),
            (S::Choosing(_), I::Offer { .. }) => (self.state.clone(), false),
            (S::Confirmed(_) | S::Abandoned, I::Offer { .. }) => (S::Open, true),
            (S::Open, I::Choose(choice)) => (S::Choosing(choice), false),
            (S::Open | S::Abandoned, I::Confirm(choice)) => (S::Confirmed(choice), false),
            (S::Choosing(first), I::Confirm(choice)) if first.hold == choice.hold => {
                (S::Confirmed(first.clone()), false)
            }
            (S::Choosing(first) | S::Confirmed(first), I::Choose(_) | I::Confirm(_)) => {
                return Err(GroupRefusal::Decided(first.clone()));
            }
            (S::Choosing(first), I::Undo(hold)) if first.hold == hold => (S::Open, false),
            (_, I::Undo(_)) => return Err(GroupRefusal::NotChosen),
            (S::Open, I::Abandon) => (S::Abandoned, false),
            (S::Choosing(first) | S::Confirmed(first), I::Abandon) => {
                return Err(GroupRefusal::Decided(first.clone()));
            }
            (S::Abandoned, I::Choose(_) | I::Abandon) => return Err(GroupRefusal::Over),
        };
        let is_same = state == self.state && !anew && !is_over;
        Ok(HoldGroup {
            generation: self.generation.saturating_add(u32::from(anew)),
            since: if is_same { self.since } else { now },
            state,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests;
