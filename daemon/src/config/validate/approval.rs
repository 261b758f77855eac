//! `[approval]`: how long a held mail waits before somebody is told.

use liaison_core::business_time::BusinessDuration;
use liaison_core::outbox::approval::Patience;

use super::super::read::Section;
use super::super::schema::RawApproval;
use super::{Validation, lookup_form};

impl Validation<'_, '_> {
    pub(super) fn approval(&mut self, section: &Section<'_>) -> Option<Patience> {
        let raw: RawApproval = section.read(&[], self.problems)?;
        let usual = Patience::default();
        let remind_after = self.patience(section, "remind_after", raw.remind_after.as_deref());
        let escalate_after = raw.escalate_after.as_deref();
        let escalate_after = self.patience(section, "escalate_after", escalate_after);
        let escalate_to = raw.escalate_to.map(|to| {
            let person = self.people.get(&lookup_form(&to)).cloned();
            person.unwrap_or_else(|| {
                let what = format!("`{to}` is nobody of ours");
                let remedy = "name the `address` of a [[user]]";
                self.problems.add(section, "escalate_to", what, remedy);
                to
            })
        });
        Some(Patience {
            remind_after: remind_after.unwrap_or(usual.remind_after),
            escalate_after: escalate_after.unwrap_or(usual.escalate_after),
            escalate_to,
        })
    }

    pub(super) fn patience(
        &mut self,
        section: &Section<'_>,
        key: &str,
        text: Option<&str>,
    ) -> Option<BusinessDuration> {
        let read = text?.parse::<BusinessDuration>();
        if let Err(error) = &read {
            let remedy = "write \"1 business day\", \"4 business hours\" or \"2 days\"";
            self.problems.add(section, key, error.to_string(), remedy);
        }
        read.ok()
    }
}
