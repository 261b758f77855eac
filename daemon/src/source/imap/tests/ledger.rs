//! An intake that is a table.

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures_util::future::BoxFuture;
use liaison_core::ids::MailboxId;
use liaison_core::time::Timestamp;

use crate::source::backfill::{Backfill, Rehearsal};
use crate::source::listed::Listed;
use crate::source::{
    Arrived, BATCH_MESSAGES_MAX, Batch, BatchMode, Content, Cursor, FolderRef, Intake, IntakeError,
    Taken, Unread,
};

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) cursors: BTreeMap<String, Cursor>,
    /// Folder and locator -> subject.
    pub(crate) places: BTreeMap<(String, String), String>,
    /// Subject -> how it was taken first.
    pub(crate) first: BTreeMap<String, BatchMode>,
    /// Folder -> UID from which on everything is known.
    pub(crate) lines: BTreeMap<String, u32>,
    pub(crate) batches: Vec<Batch>,
    /// Folder and locator -> how it is to be taken, when it is due, and how often it failed.
    pub(crate) unread: BTreeMap<(String, String), (BatchMode, Timestamp, u32)>,
    pub(crate) fresh: Vec<String>,
    pub(crate) troubles: Vec<(String, bool)>,
    pub(crate) listed: BTreeMap<String, Listed>,
    pub(crate) backfill: Option<Backfill>,
    /// What was to be rehearsed, in order.
    pub(crate) rehearsed: Vec<String>,
}

impl Table {
    fn rehearse(&mut self, step: Rehearsal) {
        for locator in step.locators {
            let place = (step.folder.folder.clone(), locator);
            self.rehearsed.push(self.places[&place].clone());
        }
        let Some(job) = &mut self.backfill else {
            return;
        };
        job.folders
            .retain(|known| known.folder != step.progress.folder);
        job.folders.push(step.progress);
        if step.ends {
            self.backfill = None;
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ledger(pub(crate) Mutex<Table>);

impl Ledger {
    pub(crate) fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.0.lock().unwrap()
    }
}

pub(crate) fn subject(arrived: &Arrived) -> String {
    match &arrived.content {
        Content::Message(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let line = text.lines().next().unwrap_or_default();
            line.trim_start_matches("Subject: ").to_owned()
        }
        Content::HeaderOnly { .. } => format!("header of {}", arrived.locator),
        Content::NotNow { .. } => format!("not now {}", arrived.locator),
        Content::Vanished => format!("vanished {}", arrived.locator),
        Content::Unfetchable { .. } => format!("unfetchable {}", arrived.locator),
    }
}

impl Intake for Ledger {
    fn cursor<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Cursor>, IntakeError>> {
        let cursor = self.table().cursors.get(&folder.folder).copied();
        Box::pin(async move { Ok(cursor) })
    }

    fn line<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<u32>, IntakeError>> {
        let line = self.table().lines.get(&folder.folder).copied();
        Box::pin(async move { Ok(line) })
    }

    fn unknown<'a>(
        &'a self,
        folder: &'a FolderRef,
        mut locators: Vec<String>,
    ) -> BoxFuture<'a, Result<Vec<String>, IntakeError>> {
        let table = self.table();
        let name = &folder.folder;
        locators.retain(|locator| !table.places.contains_key(&(name.clone(), locator.clone())));
        Box::pin(async move { Ok(locators) })
    }

    fn unread<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Vec<Unread>, IntakeError>> {
        let table = self.table();
        let of_folder = table.unread.iter();
        let of_folder = of_folder.filter(|((name, _), _)| *name == folder.folder);
        let places = of_folder.map(|((_, locator), (mode, due, _))| Unread {
            locator: locator.clone(),
            mode: *mode,
            due: *due,
        });
        let places = places.collect();
        Box::pin(async move { Ok(places) })
    }

    fn take(&self, batch: Batch) -> BoxFuture<'_, Result<Taken, IntakeError>> {
        let mut table = self.table();
        assert!(batch.arrived.len() <= BATCH_MESSAGES_MAX);
        let name = batch.folder.folder.clone();
        let mut taken = Taken::default();
        for arrived in &batch.arrived {
            let subject = subject(arrived);
            let place = (name.clone(), arrived.locator.clone());
            if let Content::NotNow { .. } = &arrived.content {
                let again = (batch.mode, Timestamp(0), 0);
                table.unread.entry(place).or_insert(again).2 += 1;
                taken.unread += 1;
                continue;
            }
            table.unread.remove(&place);
            table.places.insert(place, subject.clone());
            table.first.entry(subject).or_insert(batch.mode);
        }
        table
            .cursors
            .extend(batch.cursor.map(|cursor| (name, cursor)));
        table.batches.push(batch);
        Box::pin(async move { Ok(taken) })
    }

    fn watches(&self, _mailbox: &MailboxId, _folders: &[&str]) {}

    fn keep_listed<'a>(
        &'a self,
        folder: &'a FolderRef,
        listed: Listed,
    ) -> BoxFuture<'a, Result<(), IntakeError>> {
        self.table().listed.insert(folder.folder.clone(), listed);
        Box::pin(async { Ok(()) })
    }

    fn listed<'a>(
        &'a self,
        folder: &'a FolderRef,
    ) -> BoxFuture<'a, Result<Option<Listed>, IntakeError>> {
        let listed = self.table().listed.get(&folder.folder).cloned();
        Box::pin(async move { Ok(listed) })
    }

    fn backfill<'a>(
        &'a self,
        _mailbox: &'a MailboxId,
    ) -> BoxFuture<'a, Result<Option<Backfill>, IntakeError>> {
        let asked = self.table().backfill.clone();
        Box::pin(async move { Ok(asked) })
    }

    fn rehearse(&self, step: Rehearsal) -> BoxFuture<'_, Result<(), IntakeError>> {
        self.table().rehearse(step);
        Box::pin(async { Ok(()) })
    }

    fn drafts_compared(&self, _mailbox: &MailboxId, _folder: &str) {}

    fn proven_fresh(&self, folder: &FolderRef, _proof: &'static str) {
        self.table().fresh.push(folder.folder.clone());
    }

    fn trouble(&self, _: &MailboxId, _: Option<&str>, what: String, needs_person: bool) {
        self.table().troubles.push((what, needs_person));
    }
}
