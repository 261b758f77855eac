//! The text of `dovecot.conf`.

use std::path::Path;

use super::{Ports, ServerOptions};
use crate::net::free_port;
use crate::tls::Ca;

/// Configuration for Dovecot 2.3, all files below `dir`, run by the user and group `who`.
pub fn render(
    dir: &Path,
    ca: &Ca,
    ports: Ports,
    options: &ServerOptions,
    who: (&str, &str),
) -> String {
    let (user, group) = who;
    let general = general(dir, ca, options);
    let Ports {
        imap,
        imaps,
        lmtp,
        submission,
        submissions,
    } = ports;
    let extra = &options.extra_config;
    let base = dir.display();
    format!(
        r#"{general}
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
passdb {{
  driver = passwd-file
  args = username_format=%u {base}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={base}/home/%u
}}
service anvil {{
  chroot =
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = {submissions}
    ssl = yes
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
{MAILBOXES}
{extra}
"#
    )
}

fn general(dir: &Path, ca: &Ca, options: &ServerOptions) -> String {
    let base = dir.display();
    let cert = ca.cert_file.display();
    let key = ca.key_file.display();
    let idle = options.idle_notify_secs;
    // A port where nobody listens: a relay that nobody asked for fails instead of going astray.
    let relay = options.relay_port.unwrap_or_else(free_port);
    format!(
        r#"base_dir = {base}/run
state_dir = {base}/run
log_path = {base}/dovecot.log
first_valid_uid = 1
listen = 127.0.0.1
protocols = imap lmtp submission
hostname = submit.example.test
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_ssl = no
auth_failure_delay = 0
disable_plaintext_auth = no
auth_mechanisms = plain login
ssl_cert = <{cert}
ssl_key = <{key}
mail_location = maildir:{base}/mail/%u
mail_max_userip_connections = 0
mail_fsync = never
imap_idle_notify_interval = {idle} secs"#
    )
}

const MAILBOXES: &str = r"namespace inbox {
  inbox = yes
  separator = /
  mailbox Sent {
    auto = subscribe
    special_use = \Sent
  }
  mailbox Drafts {
    auto = subscribe
    special_use = \Drafts
  }
  mailbox Trash {
    auto = create
    special_use = \Trash
  }
}";
