//! Mails over a real dialogue that is cut at every byte, and refused at every step.

use std::sync::Arc;

use liaison_core::effect::MailEffect;
use liaison_core::ids::EffectId;
use liaison_core::outbox::MailState;
use liaison_core::time::{HOUR_MS, MINUTE_MS};

use super::world::World;
use crate::dial::{Route, TlsMode};
use crate::sink::MailTransport;
use crate::sink::smtp::scripted::{At, Cut, SmtpServer};
use crate::sink::smtp::{SmtpSettings, SmtpTransport};

/// A world whose mails leave through a server in memory.
struct Stage {
    world: World,
    server: Arc<SmtpServer>,
    transport: Arc<SmtpTransport>,
    mails: usize,
}

impl Stage {
    /// Runs `play` beside a server.
    async fn with<P: Future<Output = ()>>(mode: TlsMode, play: impl FnOnce(Stage) -> P) {
        let (server, callers) = SmtpServer::new();
        let settings = "host = 'h'\nuser = 'u'\npassword = { env = 'PATH' }";
        let mut settings: SmtpSettings = toml::from_str(settings).unwrap();
        settings.hello_name = Some("me.example.com".to_owned());
        settings.tls.mode = mode;
        settings.route = Route::through(server.clone());
        let transport = Arc::new(SmtpTransport::new(settings));
        let stage = Stage {
            world: World::sending_through(transport.clone()),
            server: server.clone(),
            transport,
            mails: 0,
        };
        tokio::select! {
            () = server.serve(callers) => {}
            () = play(stage) => {}
        }
    }

    /// A mail to somebody new, after its first try.
    async fn send(&mut self) -> EffectId {
        self.mails += 1;
        let number = self.mails;
        let change = |mail: &mut MailEffect| {
            mail.recipient = format!("bob{number}@example.net");
            mail.cause.subject.thread = None;
            mail.state = MailState::Approved;
        };
        let id = self.world.add_mail(&format!("m{number:04}"), change).await;
        self.world.settle().await;
        id
    }

    /// How often the server has it.
    fn kept(&self, id: &EffectId) -> usize {
        self.server.kept(&format!("liaison.{id}@example.com"))
    }

    /// From a server that is well again until nothing more happens to the mail by itself.
    async fn ends(&mut self, id: &EffectId) -> MailEffect {
        self.server.cut(None);
        self.server.book().says.clear();
        for step in [
            2 * MINUTE_MS,
            3 * MINUTE_MS,
            5 * MINUTE_MS,
            6 * MINUTE_MS,
            HOUR_MS,
        ] {
            let mail = self.world.mail(id).await;
            if mail.state.is_final() || mail.state == MailState::Held {
                return mail;
            }
            self.world.settle_after(step).await;
        }
        self.world.mail(id).await
    }
}

/// Every position in both directions, over a new connection and over a kept one. A mail that the
/// server has is `sent` or in doubt, one that it has not is tried again or in doubt, and nothing
/// that is in doubt leaves again by itself.
#[tokio::test]
async fn a_cut_at_any_byte_of_the_dialogue_doubles_nothing_and_lies_about_nothing() {
    for mode in [TlsMode::Implicit, TlsMode::Starttls] {
        Stage::with(mode, |stage| async move { cut_everywhere(stage).await }).await;
    }
}

async fn cut_everywhere(mut stage: Stage) {
    for kept_open in [false, true] {
        begin(&mut stage, kept_open).await;
        stage.server.cut(None);
        stage.send().await;
        let (read, written) = {
            let book = stage.server.book();
            (book.read, book.written)
        };
        let mut ends = std::collections::BTreeSet::new();
        let cuts = (0..=read).map(Cut::Read);
        for cut in cuts.chain((0..=written).map(Cut::Written)) {
            begin(&mut stage, kept_open).await;
            stage.server.cut(Some(cut));
            let id = stage.send().await;
            let (first, kept) = (stage.world.mail(&id).await, stage.kept(&id));
            let may = match kept {
                0 => ["deferred", "uncertain"],
                _ => ["sent", "uncertain"],
            };
            assert!(may.contains(&first.state.as_str()), "{cut:?}: {first:?}");

            let last = stage.ends(&id).await;
            let kept_in_the_end = stage.kept(&id);
            match last.state.as_str() {
                "sent" => assert_eq!(kept_in_the_end, 1, "{cut:?}"),
                "held" => {
                    assert_eq!(first.state, MailState::Uncertain, "{cut:?}: {last:?}");
                    assert_eq!(kept_in_the_end, kept, "{cut:?}: sent again in doubt");
                    let why = last.last_reply.unwrap();
                    assert!(why.contains("may or may not have been sent"), "{why}");
                }
                state => panic!("{cut:?}: ended {state}: {last:?}"),
            }
            ends.insert((
                first.state.to_string(),
                last.state.to_string(),
                kept_in_the_end,
            ));
        }
        let ends: Vec<String> = ends.iter().map(|end| format!("{end:?}")).collect();
        assert_eq!(
            ends,
            [
                r#"("deferred", "sent", 1)"#,
                r#"("sent", "sent", 1)"#,
                r#"("uncertain", "held", 0)"#,
                r#"("uncertain", "held", 1)"#,
            ],
            "every end occurs, kept open: {kept_open}"
        );
    }
}

/// A connection that just carried a mail, or none.
async fn begin(stage: &mut Stage, kept_open: bool) {
    stage.server.cut(None);
    if kept_open {
        stage.send().await;
    } else {
        stage.transport.close().await;
    }
}

#[tokio::test]
async fn each_refusal_at_each_step_ends_as_it_was_meant() {
    use At::{Auth, Data, Ehlo, Greeting, Mail, Rcpt, Verdict};
    Stage::with(TlsMode::Implicit, |mut stage| async move {
        for at in [Greeting, Ehlo, Auth, Mail, Rcpt, Data, Verdict] {
            for code in [421, 450, 451, 452, 550, 552, 554] {
                begin(&mut stage, false).await;
                stage.server.says(at, &format!("{code} no"));
                let id = stage.send().await;
                let first = stage.world.mail(&id).await;
                let of_the_mail = !matches!(at, Greeting | Ehlo | Auth);
                let for_good = of_the_mail && code >= 500;
                let (now, then, kept) = match for_good {
                    true => ("failed", "failed", 0),
                    false => ("deferred", "sent", 1),
                };
                assert_eq!(first.state.as_str(), now, "{at:?} {code}: {first:?}");
                assert!(first.last_reply.unwrap().contains(&format!("{code} ")));
                // A login that was refused is left alone until it is known to work.
                stage.server.book().says.clear();
                stage.transport.probe().await.unwrap();
                let last = stage.ends(&id).await;
                assert_eq!(last.state.as_str(), then, "{at:?} {code}: {last:?}");
                assert_eq!(stage.kept(&id), kept, "{at:?} {code}");
            }
        }
    })
    .await;
}

/// A queue of mails and a changed password: each login refused brings the lock of the account nearer.
#[tokio::test]
async fn a_refused_login_is_tried_once_however_many_mails_wait() {
    Stage::with(TlsMode::Implicit, |mut stage| async move {
        stage.server.says(At::Auth, "535 no");
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(stage.send().await);
        }
        assert_eq!(stage.server.book().connections, 1);
        stage.world.settle_after(2 * HOUR_MS).await;
        assert_eq!(stage.server.book().connections, 1);
        for id in &ids {
            let mail = stage.world.mail(id).await;
            assert_eq!(mail.state, MailState::Deferred);
            let why = mail.last_reply.unwrap();
            assert!(
                why.contains("535 no") && why.contains("not locked"),
                "{why}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn mails_share_a_connection_until_it_is_worn_unused_or_odd() {
    Stage::with(TlsMode::Implicit, |mut stage| async move {
        let connections = |stage: &Stage| stage.server.book().connections;
        for _ in 0..50 {
            stage.send().await;
        }
        assert_eq!(connections(&stage), 1);
        stage.send().await;
        assert_eq!(connections(&stage), 2, "worn");
        // What follows the verdict would be taken for the answer to the next command.
        stage.server.says(At::Verdict, "250 ok\r\n250 ok");
        stage.send().await;
        stage.send().await;
        assert_eq!(connections(&stage), 3, "odd");
        stage.server.says(At::Rcpt, "550 5.1.1 no such user");
        stage.send().await;
        stage.send().await;
        assert_eq!(connections(&stage), 4, "after a refusal");
        // A server that had enough of a connection says so at MAIL; a new one decides.
        stage.server.says(At::Mail, "452 4.5.3 too many mails");
        let id = stage.send().await;
        assert_eq!((connections(&stage), stage.kept(&id)), (5, 1), "had enough");
        let kept = stage.server.book().kept.len();
        assert_eq!(kept, stage.mails - 1, "all but the refused one");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_used_for_a_minute_is_closed() {
    Stage::with(TlsMode::Implicit, |mut stage| async move {
        stage.send().await;
        tokio::time::advance(std::time::Duration::from_secs(59)).await;
        stage.transport.close_unused().await;
        let read = stage.server.book().read;
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
        stage.transport.close_unused().await;
        assert_eq!(stage.server.book().read - read, "QUIT\r\n".len());
        stage.send().await;
        assert_eq!(stage.server.book().connections, 2);
    })
    .await;
}
