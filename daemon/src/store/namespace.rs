//! The families of rows.

use std::fmt;

macro_rules! families {
    ($($id:literal $variant:ident $name:literal $doc:literal;)*) => {
        /// A family of rows: one tree of the embedded store, one value of `ns` in a server.
        ///
        /// Ids and names are written to disk: add at the end, never reuse either.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Ns {
            $(#[doc = $doc] $variant = $id,)*
        }

        impl Ns {
            /// All of them, by id.
            pub const ALL: &'static [Ns] = &[$(Ns::$variant,)*];

            /// The number under which it is stored.
            #[must_use]
            pub const fn id(self) -> u8 {
                self as u8
            }

            /// The name under which it is stored and exported.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Ns::$variant => $name,)*
                }
            }

            /// The family with this number.
            #[must_use]
            pub const fn from_id(id: u8) -> Option<Ns> {
                match id {
                    $($id => Some(Ns::$variant),)*
                    _ => None,
                }
            }

            /// The family with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Ns> {
                match name {
                    $($name => Some(Ns::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

families! {
    0 Meta "meta" "About the store itself: store id, schema, boot epoch.";
    1 Account "account" "Customer organisations.";
    2 AccountExt "account_ext" "(system, external id) to account: repeats of an import.";
    3 Contact "contact" "People at accounts.";
    4 ByAddr "by_addr" "Address to contacts.";
    5 ByDomain "by_domain" "Reversed domain labels to accounts.";
    6 AccountContact "account_contact" "Contacts of an account.";
    7 Timeline "timeline" "What happened with an account, by time.";
    8 Message "message" "Messages, the same for all copies.";
    9 Delivery "delivery" "Copies of messages in mailboxes.";
    10 Locator "locator" "Where a copy lies now (folder and UID, or file).";
    11 Msgid "msgid" "Message-ID to message.";
    12 Thread "thread" "Conversations.";
    13 ThreadMember "thread_member" "Messages of a conversation, by time.";
    14 Cursor "cursor" "How far a source was read.";
    15 Event "event" "What there was to react to, in order.";
    16 EventSeen "event_seen" "Event key to event: the gate against a second ingest.";
    17 Outcome "outcome" "What became of an event.";
    18 PluginKv "plugin_kv" "Rows that plugins keep.";
    19 PluginState "plugin_state" "How far a plugin came, its strikes and quota.";
    20 Wait "wait" "What awaits an answer.";
    21 Timer "timer" "Timers of plugins.";
    22 TimerDue "timer_due" "Timers by due time (index).";
    23 Effect "effect" "What was decided, and how far it is.";
    24 EffectDue "effect_due" "Effects by next attempt (index).";
    25 EffectByMessage "effect_by_message" "Effects by the message that caused them (index).";
    26 Hold "hold" "Holds that were placed.";
    27 HoldByGroup "hold_by_group" "Holds that are alternatives (index).";
    28 CaseRecord "case_record" "Records that plugins declare.";
    29 CaseByKind "case_by_kind" "Cases by kind and time (index).";
    30 Task "task" "Work laid before people.";
    31 Audit "audit" "Who did what, append-only.";
    32 Ledger "ledger" "What was sent and when: frequency caps.";
    33 Proposal "proposal" "What plugins proposed, with the verdict.";
    34 Setting "setting" "Switches set at run time, such as panic.";
    35 Unread "unread" "Messages that could not be read yet, and when they are tried again.";
    36 Parked "parked" "Events that were set aside for a plugin (index).";
    37 ThreadParty "thread_party" "Who is what to a conversation.";
    38 Erasure "erasure" "Persons whose data was erased, by a hash of their address.";
    39 Review "review" "Senders who may belong to several accounts.";
    40 MatchRule "match_rule" "What people decided about addresses and domains.";
    41 Skeleton "skeleton" "What a domain looks like, to the accounts that have it (index).";
    43 Record "record" "Core records: units, products, opportunities and the like.";
    44 RecordBy "record_by" "Core records by field (index).";
    45 Change "change" "Values of fields that wait for a person's yes.";
    46 Touch "touch" "Contacts with customers, by account, contact and colleague (index).";
    47 Merge "merge" "Which records took the place of others, and what they got by it.";
    48 CaseIndex "case_index" "Which fields of all cases of a kind have an index.";
    49 CaseBy "case_by" "Cases by the value of a field (index).";
    55 ThreadHint "thread_hint" "Messages by Thread-Index and by subject (index).";
    56 MailboxEffect "mailbox_effect" "Changes of messages in their mailboxes, and how far each is.";
    60 Reach "reach" "Addresses and domains from which mail came back.";
    61 Report "report" "What became of delivery reports.";
    62 Returned "returned" "Mails of ours to the delivery reports about them.";
    64 OptOut "opt_out" "Addresses whose owners asked not to get further mail.";
    65 HoldGroup "hold_group" "Which of several alternatives was chosen.";
    66 Meeting "meeting" "Meetings as they are known from mail and calendars.";
    67 MeetingDue "meeting_due" "Meetings by their end (index).";
}

impl fmt::Display for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
