//! Whatever servers and crashes do: never two mails for one effect, never a lie about it.

use liaison_core::outbox::MailState;
use liaison_core::time::{HOUR_MS, MINUTE_MS};

use super::fakes::Server;
use super::world::World;
use crate::clock::Clock;

const SEEDS: u64 = 300;

/// xorshift64*: the same course for the same seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }

    fn server(&mut self) -> Server {
        let took = self.roll(2) == 0;
        match self.roll(10) {
            0 => Server::Greylists,
            1 => Server::Unreachable,
            2 => Server::LostInBody,
            3 => Server::SilentAfterDot { took },
            4 | 5 => Server::CrashBefore,
            6 | 7 => Server::CrashAfter { took },
            8 => Server::RefusesBody,
            _ => Server::Accepts,
        }
    }
}

#[tokio::test]
async fn no_course_of_refusals_losses_and_crashes_sends_a_mail_twice() {
    for seed in 1..=SEEDS {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let world = World::new();
        let files = dice.roll(2) == 0;
        if files {
            *world.transport.files.lock().unwrap() = Some(world.folders.clone());
        }
        let id = world.add_mail("one", |_| {}).await;
        for _ in 0..dice.roll(6) {
            world.transport.then(dice.server());
        }
        for round in 0..60 {
            if round < 8 && dice.roll(2) == 0 {
                let commits = i64::try_from(dice.roll(5)).unwrap();
                world.store.fate.dies_after(commits, dice.roll(2) == 0);
            }
            tokio::select! {
                biased;
                () = world.transport.crash.notified() => {}
                _ = world.settle() => {}
            }
            world.store.fate.lives();
            world.delivery.recover().await.unwrap();
            let step = MINUTE_MS.max(HOUR_MS * i64::try_from(dice.roll(2)).unwrap());
            world.clock.set(world.clock.now().plus_millis(step));
        }
        let mail = world.mail(&id).await;
        let took = world.transport.taken();
        assert!(took <= 1, "seed {seed}: sent {took} times, {mail:?}");
        match mail.state {
            MailState::Sent => assert_eq!(took, 1, "seed {seed}: {mail:?}"),
            MailState::Failed => assert_eq!(took, 0, "seed {seed}: {mail:?}"),
            MailState::Held => assert!(!files || took == 0, "seed {seed}: {mail:?}"),
            state => panic!("seed {seed}: not settled after 60 rounds: {state}"),
        }
    }
}
