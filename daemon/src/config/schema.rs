//! The tables of the file as serde reads them: names and shapes, nothing checked.

use std::collections::BTreeSet;
use std::path::PathBuf;

use liaison_core::outbox::IfUncertain;
use serde::Deserialize;

use crate::calendars::CalendarRole;
use crate::oauth::{Flow, Preset};
use crate::secret::SecretRef;

/// Names of the sections, for the nearest name of an unknown key at the top.
pub(super) const SECTIONS: [&str; 19] = [
    "firm",
    "quiet_hours",
    "meetings",
    "holiday_file",
    "authenticity",
    "alarm",
    "approval",
    "user",
    "oauth",
    "transport",
    "mailbox",
    "calendar",
    "plugin",
    "limits",
    "retention",
    "staff_mail",
    "control",
    "store",
    "disk",
];
/// Our keys of a `[[transport]]`; the others are the edge's.
pub(super) const TRANSPORT_KEYS: [&str; 2] = ["name", "kind"];
/// Our keys of a `[[mailbox]]`.
pub(super) const MAILBOX_KEYS: [&str; 9] = [
    "name",
    "kind",
    "owner",
    "transport",
    "address",
    "reply_to",
    "file_sent_copy",
    "if_uncertain",
    "stale_after_secs",
];
/// Our keys of a `[[calendar]]`.
pub(super) const CALENDAR_KEYS: [&str; 8] = [
    "name",
    "kind",
    "owner",
    "holds",
    "stale_after_secs",
    "role",
    "all_day_blocks",
    "unanswered_blocks",
];

/// Keys before the first section.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTop {
    pub state_dir: PathBuf,
    pub socket: Option<PathBuf>,
    pub plugin_dir: Option<PathBuf>,
    pub template_dir: Option<PathBuf>,
    #[serde(default = "default_log")]
    pub log: String,
}

fn default_log() -> String {
    "info".to_owned()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFirm {
    pub name: String,
    pub zone: String,
    #[serde(default)]
    pub domains: Vec<String>,
    #[serde(default)]
    pub addresses: Vec<String>,
    pub sending_domain: Option<String>,
    #[serde(default)]
    pub authserv_ids: Vec<String>,
    #[serde(default)]
    pub free_mail: Vec<String>,
    #[serde(default)]
    pub not_free_mail: Vec<String>,
    pub free_mail_file: Option<PathBuf>,
    #[serde(default)]
    pub form_senders: Vec<String>,
    #[serde(default = "default_review_days")]
    pub review_days: u32,
    #[serde(default = "default_enabled")]
    pub threads_by_subject: bool,
    #[serde(default = "default_send_delay")]
    pub send_delay_secs: u32,
    #[serde(default = "default_hours")]
    pub working_hours: RawHours,
    #[serde(default)]
    pub holidays: Vec<RawHoliday>,
    pub signature: Option<String>,
    #[serde(default)]
    pub html: bool,
    pub unsubscribe_url: Option<String>,
}

/// Long enough to see that something is wrong, and no customer notices it.
fn default_send_delay() -> u32 {
    120
}

/// How long the suggestions of a question whose an address is live (H-MATCH).
fn default_review_days() -> u32 {
    3
}

/// What is left out is as `QuietHours::default` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawQuietHours {
    pub night: Option<String>,
    pub weekends: Option<bool>,
    pub approved: Option<bool>,
}

/// What is left out is as `SlotRules::default` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMeetings {
    pub step_minutes: Option<u32>,
    pub buffer_before_minutes: Option<u32>,
    pub buffer_after_minutes: Option<u32>,
    pub min_notice: Option<String>,
    pub per_day_max: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHolidayFile {
    pub file: PathBuf,
    #[serde(default)]
    pub zones: Vec<String>,
    pub ours: Option<bool>,
}

/// What is left out is as `AuthenticityConfig` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAuthenticity {
    pub dkim: Option<bool>,
    pub dns: Vec<String>,
}

/// What is left out is as `AlarmSettings` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawAlarm {
    pub stale_after_secs: Option<u64>,
    pub repeat_hours: Option<u64>,
    pub command: Option<Vec<String>>,
    pub webhook: Option<String>,
    pub webhook_address: Option<SecretRef>,
    pub webhook_token: Option<SecretRef>,
    pub tls: RawOauthTls,
}

/// What is left out is as `Patience` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawApproval {
    pub remind_after: Option<String>,
    pub escalate_after: Option<String>,
    pub escalate_to: Option<String>,
}

/// A weekday that is left out is closed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawHours {
    pub mon: Vec<String>,
    pub tue: Vec<String>,
    pub wed: Vec<String>,
    pub thu: Vec<String>,
    pub fri: Vec<String>,
    pub sat: Vec<String>,
    pub sun: Vec<String>,
}

fn default_hours() -> RawHours {
    let day = || vec!["09:00-17:00".to_owned()];
    RawHours {
        mon: day(),
        tue: day(),
        wed: day(),
        thu: day(),
        fri: day(),
        ..RawHours::default()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHoliday {
    /// A text or a TOML date.
    pub date: toml::Value,
    pub name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUser {
    pub name: String,
    pub address: String,
    #[serde(default)]
    pub aliases: Vec<String>,
    pub zone: Option<String>,
    pub signature: Option<String>,
    pub working_hours: Option<RawHours>,
    #[serde(default)]
    pub travel: Vec<RawTravel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTravel {
    /// A text or a TOML date, as `to`.
    pub from: toml::Value,
    pub to: toml::Value,
    pub zone: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOauth {
    pub name: String,
    pub preset: Option<Preset>,
    pub flow: Flow,
    pub client_id: String,
    pub client_secret: Option<SecretRef>,
    pub tenant: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub token_url: Option<String>,
    pub device_url: Option<String>,
    pub authorize_url: Option<String>,
    pub token_key: Option<SecretRef>,
    #[serde(default)]
    pub tls: RawOauthTls,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawOauthTls {
    pub ca_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTransport {
    pub name: String,
    #[expect(
        dead_code,
        reason = "it must be there; it is read before, from the tree"
    )]
    pub kind: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMailbox {
    pub name: String,
    #[expect(
        dead_code,
        reason = "it must be there; it is read before, from the tree"
    )]
    pub kind: String,
    pub owner: String,
    pub transport: Option<String>,
    pub address: Option<String>,
    pub reply_to: Option<String>,
    pub file_sent_copy: Option<bool>,
    #[serde(default)]
    pub if_uncertain: IfUncertain,
    pub stale_after_secs: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCalendar {
    pub name: String,
    #[expect(
        dead_code,
        reason = "it must be there; it is read before, from the tree"
    )]
    pub kind: String,
    pub owner: String,
    #[serde(default)]
    pub holds: bool,
    pub stale_after_secs: Option<u64>,
    #[serde(default)]
    pub role: CalendarRole,
    #[serde(default = "default_enabled")]
    pub all_day_blocks: bool,
    #[serde(default = "default_enabled")]
    pub unanswered_blocks: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPlugin {
    pub name: String,
    pub path: Option<PathBuf>,
    pub digest: Option<String>,
    #[serde(default = "default_enabled")]
    pub enabled: bool,
    #[serde(default)]
    pub mode: RawMode,
    #[serde(default)]
    pub mailbox: Vec<String>,
    #[serde(default)]
    pub settings: toml::Table,
}

fn default_enabled() -> bool {
    true
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawMode {
    pub mail: Option<String>,
    pub records: Option<String>,
    pub tasks: Option<String>,
    pub holds: Option<String>,
    pub mailbox: Option<String>,
}

/// What is left out is as `policy::Limits::default` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawLimits {
    pub contact_mails_per_week: Option<u32>,
    pub account_mails_per_week: Option<u32>,
    pub contact_automatic_per_day: Option<u32>,
    pub thread_automatic: Option<u32>,
    pub automatic_per_hour: Option<u32>,
    pub login_mails_per_minute: Option<u32>,
    pub login_mails_per_day: Option<u32>,
    pub domain_mails_per_day: Option<u32>,
    pub staff_mails_per_hour: Option<u32>,
    pub hold_hours: Option<u32>,
    pub hold_before_slot_hours: Option<u32>,
    pub holds_open: Option<u32>,
    pub holds_open_account: Option<u32>,
    pub holds_open_total: Option<u32>,
    pub mailbox_changes_per_message: Option<u32>,
}

/// What is left out is as `Retention::default` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawRetention {
    pub raw_mail: Option<String>,
    pub facts: Option<String>,
    pub content_bytes_max: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawStaffMail {
    pub transport: String,
    pub from: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawControl {
    pub admin_uids: BTreeSet<u32>,
    pub approve_uids: BTreeSet<u32>,
    pub observe_uids: BTreeSet<u32>,
    pub observe_gids: BTreeSet<u32>,
}

/// What is left out is as `SledOptions::default` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawStore {
    pub cache_mib: Option<u64>,
    pub segment_mib: Option<u64>,
    pub checkpoint_mib: Option<u64>,
    pub export_after_mib: Option<u64>,
}

/// What is left out is as `RoomSettings::default` says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawDisk {
    pub ballast_mib: Option<u64>,
    pub intake_free_mib: Option<u64>,
    pub plugins_free_mib: Option<u64>,
    pub outbox_free_mib: Option<u64>,
}
