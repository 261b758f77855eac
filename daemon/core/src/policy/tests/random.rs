use super::*;
use crate::mailbox::MailboxChange;

/// A small generator (Knuth's MMIX constants); its seed is printed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, count: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).checked_rem(count).unwrap()
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize].clone()
    }

    fn email(&mut self) -> EmailProposal {
        let addresses = [
            ALICE,
            SAM,
            "bob@example.com",
            "no-reply@example.com",
            "no address",
            "",
        ];
        let some = |chance: &mut Chance, most: u64| {
            (0..chance.below(most))
                .map(|_| plain(chance.of(&addresses)))
                .collect()
        };
        EmailProposal {
            in_reply_to: self.of(&[None, Some("m1".into()), Some("m9".into())]),
            to: some(self, 3),
            cc: if self.below(5) == 0 {
                some(self, 2)
            } else {
                Vec::new()
            },
            requires: self.of(&[
                vec![],
                vec![],
                vec!["p0".to_owned()],
                vec!["gone".to_owned()],
            ]),
            not_before: self.of(&[
                None,
                Some(hours(-5)),
                Some(hours(30)),
                Some(Timestamp(i64::MAX)),
            ]),
            ..email()
        }
    }

    fn hold(&mut self) -> HoldProposal {
        let times = [
            Timestamp(i64::MIN),
            hours(-1),
            hours(0),
            hours(96),
            hours(97),
            Timestamp(i64::MAX),
        ];
        HoldProposal {
            when: Window {
                start: self.of(&times),
                end: self.of(&times),
            },
            expires: self.of(&[None, Some(hours(-1)), Some(hours(500)), Some(hours(3))]),
            owner: self.of(&[None, Some(SAM.to_owned()), Some(ALICE.to_owned())]),
            zone: self.of(&[
                None,
                Some("Europe/Paris".to_owned()),
                Some("Mars".to_owned()),
            ]),
            ..hold()
        }
    }

    fn action(&mut self) -> Action {
        let name = self.of(&["a", "", "ä\u{0}\r\n"]).to_owned();
        match self.below(12) {
            0..=2 => Action::Email(self.email()),
            3 | 4 => Action::Hold(self.hold()),
            5 => Action::ReleaseHolds(name),
            6 => Action::CreateCase(CreateCase {
                kind: self.of(&["lead", "nothing"]).to_owned(),
                state: self.of(&[None, Some("Lost".to_owned()), Some("Flying".to_owned())]),
                ..lead()
            }),
            7 => Action::Notify(notify(&name)),
            8 => Action::CancelTimer(name),
            9 => Action::TagMessage(crate::proposal::TagMessage {
                message: "m1".into(),
                add: vec![name],
                remove: Vec::new(),
            }),
            10 => Action::ChangeMailbox(self.of(&[
                MailboxChange::Move("Archive".to_owned()),
                MailboxChange::Label(name),
            ])),
            _ => Action::Extension(name),
        }
    }
}

#[test]
fn every_proposal_has_one_verdict_and_every_mail_the_recipient_that_was_named_first() {
    let seed = 0x11a1_50e5_2026_0302;
    println!("seed {seed:#x}");
    let mut chance = Chance(seed);
    for round in 0..3_000 {
        let mut scene = Scene::new();
        scene.modes.mail = chance.of(&[MailMode::Draft, MailMode::Approve, MailMode::Send]);
        scene.authenticity = chance.of(&["pass", "fail", "none"]);
        let scope = chance.of(&["thread", "any"]);
        scene.manifest["proposals"]["email"]["recipients"] = json!(scope);
        if chance.coin() {
            scene.owner = None;
        }
        let count = chance.below(8);
        let list: Vec<_> = (0..count)
            .map(|n| proposal(&format!("p{n}"), chance.action()))
            .collect();
        let resolved = scene.resolved(list.clone());
        let decision = scene.decide(list.clone());
        let verdicts = decision
            .verdicts
            .iter()
            .map(|v| (v.label.as_str(), v.kind.as_str()));
        let proposals = list.iter().map(|p| (p.label.as_str(), p.action.kind()));
        assert!(verdicts.eq(proposals), "round {round}: {decision:?}");
        for plan in mails(&decision) {
            let item = resolved
                .iter()
                .find(|item| item.id == plan.effect.id)
                .unwrap();
            let to = item.recipient.as_ref().unwrap();
            assert_eq!(plan.effect.recipient, to.person.email, "round {round}");
            assert!(!firm().owns(&plan.effect.recipient), "round {round}");
            assert!(plan.effect.not_before >= scene.now, "round {round}");
        }
        for hold in holds(&decision) {
            let ends = hold.expires;
            assert!(
                hold.when.start > scene.now && ends > scene.now,
                "round {round}: {hold:?}"
            );
            assert!(ends <= hold.when.start, "round {round}: {hold:?}");
        }
        // The same again gives the same, to the letter.
        let again = format!("{:?}", scene.decide(list));
        assert_eq!(again, format!("{decision:?}"), "round {round}");
    }
}

/// A stranger, somebody of the account, and a contact of another one.
const STRANGER: &str = "stranger@elsewhere.example";
const COLLEAGUE: &str = "colleague@example.com";
const CONTACT: &str = "contact@other.example";

#[test]
fn whom_only_a_text_names_gets_nothing_by_itself_and_nothing_at_all_outside_the_scope() {
    let seed = 0x11a1_50e5_2026_1123;
    println!("seed {seed:#x}");
    let mut chance = Chance(seed);
    let mut sent = BTreeMap::new();
    for round in 0..3_000 {
        let mut scene = Scene::new();
        scene.modes.mail = chance.of(&[MailMode::Draft, MailMode::Approve, MailMode::Send]);
        let scope = chance.of(&["thread", "account", "any"]);
        scene.manifest["proposals"]["email"]["recipients"] = json!(scope);
        let known = |of_account| RecipientFacts {
            of_account,
            recorded: true,
            ..RecipientFacts::default()
        };
        scene.recipients = BTreeMap::from([
            (COLLEAGUE.to_owned(), known(true)),
            (CONTACT.to_owned(), known(false)),
        ]);
        // The answered message names others, too; of an inbound one that proves nothing.
        let mut answered = message("m1");
        answered.cc = vec![person(STRANGER)];
        answered.reply_to = chance.of(&[Vec::new(), vec![person(STRANGER)]]);
        let reply_to = !answered.reply_to.is_empty();
        scene.answering(answered);
        let to = chance.of(&[ALICE, STRANGER, COLLEAGUE, CONTACT, ""]);
        let mut mail = email();
        mail.content = Content::Text(format!("write to {STRANGER}"));
        if !to.is_empty() {
            mail.to = vec![plain(&chance.of(&[to.to_owned(), to.to_uppercase()]))];
        }
        let decision = scene.decide(vec![proposal("mail", Action::Email(mail))]);
        for plan in mails(&decision) {
            let effect = &plan.effect;
            let recipient = effect.recipient.as_str();
            let what = format!("round {round}: {scope} {effect:?}");
            // Who wrote, and whom the writer's own Reply-To names, take part.
            let in_thread = recipient == ALICE || (recipient == STRANGER && reply_to);
            match scope {
                "thread" => assert!(in_thread, "{what}"),
                "account" => assert!(in_thread || recipient == COLLEAGUE, "{what}"),
                _ => {}
            }
            if effect.mode == MailMode::Send {
                assert_ne!(recipient, STRANGER, "{what}");
                *sent.entry(recipient.to_owned()).or_insert(0) += 1;
            }
        }
    }
    let sent: Vec<&str> = sent.keys().map(String::as_str).collect();
    assert_eq!(sent, [ALICE, COLLEAGUE, CONTACT]);
}
