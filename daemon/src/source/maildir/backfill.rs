//! Old messages that a person wants shown to the plugins, in the order of their names, some at a
//! look when there is nothing else to take.

use super::{LookError, MaildirSource, Watched, content};
use crate::source::BatchMode;
use crate::source::backfill::{Left, Rehearsal, STEP_MESSAGES_MAX};

impl MaildirSource {
    /// Does one step of the backfill that is asked for.
    pub(super) async fn backfill_some(&self, folders: &mut [Watched]) -> Result<Left, LookError> {
        let job = self.intake.backfill(&self.mailbox).await?;
        let Some(job) = job else {
            return Ok(Left::Nothing);
        };
        if job.rest {
            return Ok(Left::Later);
        }
        let mut last = None;
        for watched in folders {
            let mut progress = job.of(&watched.folder.folder);
            if progress.finished {
                last = Some((watched.folder.clone(), progress));
                continue;
            }
            let mut files = self.list(watched).await?;
            files.sort_by(|one, other| one.locator.cmp(&other.locator));
            progress.total = u64::try_from(files.len()).unwrap_or(u64::MAX);
            files.retain(|file| file.locator > progress.after);
            let left = u64::try_from(files.len()).unwrap_or(u64::MAX);
            files.truncate(STEP_MESSAGES_MAX);
            match files.last() {
                Some(file) => progress.after.clone_from(&file.locator),
                None => progress.finished = true,
            }
            let step = u64::try_from(files.len()).unwrap_or(u64::MAX);
            progress.done = progress.total.saturating_sub(left).saturating_add(step);
            let mut fresh = self.times(watched, files).await?.fresh;
            fresh.retain(|fresh| fresh.times.modified >= job.since);
            let locators: Vec<String> = fresh.iter().map(|one| one.file.locator.clone()).collect();
            let unknown = self
                .intake
                .unknown(&watched.folder, locators.clone())
                .await?;
            let Some(line) = watched.line else {
                return Ok(Left::Later);
            };
            // What is new, or is to be read again, is taken by a look and not as history.
            let unread = self.unread(watched).await?;
            fresh.retain(|fresh| {
                let name = &fresh.file.locator;
                unknown.contains(name)
                    && !unread.contains_key(name)
                    && fresh.times.before_line(line)
            });
            for part in content::portions(fresh) {
                self.take(watched, BatchMode::History, part, line).await?;
            }
            let step = Rehearsal {
                folder: watched.folder.clone(),
                locators,
                progress,
                ends: false,
            };
            self.intake.rehearse(step).await?;
            return Ok(Left::More);
        }
        if let Some((folder, progress)) = last {
            self.intake
                .rehearse(Rehearsal::end(folder, progress))
                .await?;
        }
        Ok(Left::Nothing)
    }
}
