//! The operator's settings.

use liaison_sdk::{Address, Span};
use serde::Deserialize;

/// What can be asked of a lead; `fit` is for us to judge.
pub const QUALIFICATION: [&str; 7] = [
    "need",
    "fit",
    "timeline",
    "budget_band",
    "decision_maker",
    "source",
    "contact_details",
];

/// Settings as declared in `plugin.toml`, which says what each means.
#[derive(Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each is documented for the operator in plugin.toml"
)]
pub struct Settings {
    pub leads_addresses: Vec<String>,
    pub reply_languages: Vec<String>,
    pub slots: u32,
    pub days_ahead_min: u32,
    pub days_ahead_max: u32,
    pub meeting_minutes: u32,
    pub remind_owner_after: Span,
    pub first_response_target: Span,
    pub manager: String,
    pub qualification: Vec<String>,
    pub budget_bands: Vec<String>,
    pub ballpark_on_first_contact: Ballpark,
    pub form_senders: Vec<String>,
}

/// What to do when the first mail asks for a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ballpark {
    /// Say that a figure comes after the meeting.
    Decline,
    /// Say nothing of it.
    Ignore,
}

impl Settings {
    /// Everything that parses but makes no sense, one sentence each.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !(2..=4).contains(&self.slots) {
            problems.push(format!(
                "slots = {}: offer 2 to 4 times, so that there is a choice and no search",
                self.slots
            ));
        }
        if self.days_ahead_min > self.days_ahead_max {
            problems.push(format!(
                "days_ahead_min = {} lies after days_ahead_max = {}",
                self.days_ahead_min, self.days_ahead_max
            ));
        }
        if !(15..=480).contains(&self.meeting_minutes) {
            problems.push(format!(
                "meeting_minutes = {}: use 15 to 480",
                self.meeting_minutes
            ));
        }
        if !self.manager.is_empty() && !self.manager.contains('@') {
            problems.push(format!("manager = `{}` is no address", self.manager));
        }
        for item in &self.qualification {
            if !QUALIFICATION.contains(&item.as_str()) {
                problems.push(format!(
                    "qualification: `{item}` is unknown; use {}",
                    QUALIFICATION.join(", ")
                ));
            }
        }
        let limits = self.budget_limits();
        if limits.len() != self.budget_bands.len() || !limits.is_sorted() {
            problems.push(format!(
                "budget_bands = {:?}: write whole numbers that rise",
                self.budget_bands
            ));
        }
        for address in &self.leads_addresses {
            if !address.contains('@') {
                problems.push(format!(
                    "leads_addresses: `{address}` has no @; write a whole address or `sales@`"
                ));
            }
        }
        problems
    }

    /// Limits between bands of budget.
    #[must_use]
    pub fn budget_limits(&self) -> Vec<u64> {
        self.budget_bands
            .iter()
            .filter_map(|limit| limit.parse().ok())
            .collect()
    }

    /// Whether enquiries to this address of ours are wanted.
    #[must_use]
    pub fn takes(&self, address: &Address) -> bool {
        self.leads_addresses.is_empty()
            || self
                .leads_addresses
                .iter()
                .any(|wanted| match wanted.strip_suffix('@') {
                    Some(local) => address.local_part().eq_ignore_ascii_case(local),
                    None => address.email.eq_ignore_ascii_case(wanted),
                })
    }

    /// Whether notices of our web forms come from this address.
    #[must_use]
    pub fn is_form_sender(&self, address: &Address) -> bool {
        self.form_senders.iter().any(|sender| {
            sender.eq_ignore_ascii_case(&address.email)
                || sender.eq_ignore_ascii_case(address.domain())
        })
    }
}
