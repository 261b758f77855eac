//! A recorded session with some of its bytes changed at random, said to the watcher whatever it
//! asks. `LIAISON_SEED` repeats a run, `LIAISON_ROUNDS` makes it longer.

use std::time::Duration;

use super::peer::FakeMailbox;
use super::server::{End, Server};
use super::stage::{Stage, has_all, message, play};

/// Rounds of a usual run.
const ROUNDS: u64 = 300;
/// The seed of a usual run.
const SEED: u64 = 20_261_122;
/// How long the server talks at random.
const EVIL: Duration = Duration::from_secs(60);
/// Longest wait before it is tried again: a refused login is parked for an hour.
const RECOVERY: Duration = Duration::from_secs(65 * 60);

/// Choices that can be had again (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// What often breaks readers.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\0",
    b"\xff",
    b"(",
    b")",
    b"\"",
    b"\\",
    b"{",
    b"{5}\r\n",
    b"{4294967295}\r\n",
    b"NIL",
    b"0",
    b"4294967295",
    b"4294967296",
    b"-1",
    b"* ",
    b"+ ",
    b"[",
    b"]",
    b"* BYE x\r\n",
    b"* 5 EXISTS\r\n",
    b"* 1 EXPUNGE\r\n",
    b"* OK [ALERT]\xc3\xa9\r\n",
    b" BAD\r\n",
    b"<0>",
    b"~",
];

/// Changes `text` at some places.
fn mutate(text: &mut Vec<u8>, chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(text.len());
        let length = chance.below(60).min(text.len() - at);
        match chance.below(7) {
            0 => text[at] = chance.below(256) as u8,
            1 => text[at] ^= 1 << chance.below(8),
            2 => drop(text.drain(at..at + length)),
            3 => text.truncate(at.max(1)),
            4 => {
                let again = text[at..at + length].to_vec();
                let repeats = 1 + chance.below(40);
                text.splice(at..at, again.repeat(repeats));
            }
            5 => {
                let from = chance.below(text.len());
                let to = (from + length).min(text.len());
                let piece = text[from..to].to_vec();
                text.splice(at..at + length, piece);
            }
            _ => {
                let piece = PIECES[chance.below(PIECES.len())];
                let over = if chance.below(2) == 0 {
                    0
                } else {
                    piece.len().min(length)
                };
                text.splice(at..at + over, piece.iter().copied());
            }
        }
        if text.is_empty() {
            text.push(b'*');
        }
    }
}

fn server() -> (
    std::sync::Arc<Server>,
    tokio::sync::mpsc::Receiver<tokio::io::DuplexStream>,
) {
    let mut inbox = FakeMailbox::with(7, 0);
    for uid in 1..=3 {
        inbox
            .messages
            .insert(uid, message(&format!("old {uid}"), 20));
    }
    inbox.uid_next = 4;
    let (server, callers) = Server::new(inbox);
    let arrival = ("INBOX", vec![message("new", 20)]);
    server.world().arrivals.push_back(arrival);
    (server, callers)
}

/// What an honest server says.
fn recording() -> Vec<u8> {
    play(|| async {
        let (server, callers) = server();
        let acts = async {
            let stage = Stage::open(&server, |settings| settings.connections_max = 1);
            let all = ["old 1", "old 2", "old 3", "new"];
            assert!(stage.until(EVIL, |table| has_all(table, &all)).await);
            stage.close().await;
            server.world().connections[0].text.clone()
        };
        tokio::select! {
            () = server.clone().serve(callers) => unreachable!("the server ended"),
            text = acts => text,
        }
    })
}

async fn round(recital: Vec<u8>, end: End, what: &str) {
    let (server, callers) = server();
    server.world().recital = Some((recital, end));
    let acts = async {
        let stage = Stage::open(&server, |settings| settings.connections_max = 1);
        stage.pass(EVIL).await;
        {
            let mut world = server.world();
            world.recital = None;
            world.arrivals.clear();
            // Behind all UIDs that were shown: those have their content for good.
            let inbox = world.peer.boxes.get_mut("INBOX").unwrap();
            inbox.uid_next = 1_000;
        }
        server.deliver("INBOX", message("after", 20));
        let there = stage
            .until(RECOVERY, |table| table.first.contains_key("after"))
            .await;
        let table = || stage.ledger.table();
        if !there {
            let world = server.world();
            let said = world
                .connections
                .iter()
                .map(|said| String::from_utf8_lossy(&said.text));
            panic!("{what}: {:#?}\n{:#?}", *table(), said.collect::<Vec<_>>());
        }
        table().fresh.clear();
        stage.pass(Duration::from_secs(65)).await;
        assert!(
            table().fresh.iter().any(|name| name == "INBOX"),
            "{what}: not fresh"
        );
        stage.close().await;
    };
    tokio::select! {
        () = server.clone().serve(callers) => unreachable!("the server ended"),
        () = acts => {}
    }
}

#[test]
fn a_session_changed_at_random_does_no_lasting_harm() {
    let number = |name: &str, usual: u64| {
        let set = std::env::var(name).ok();
        set.map_or(usual, |text| text.parse().expect(name))
    };
    let (seed, rounds) = (
        number("LIAISON_SEED", SEED),
        number("LIAISON_ROUNDS", ROUNDS),
    );
    let text = recording();
    assert!(text.len() > 1_000);
    for number in 0..rounds {
        let mut chance = Chance(seed.wrapping_add(number));
        let mut recital = text.clone();
        mutate(&mut recital, &mut chance);
        let end = if chance.below(3) == 0 {
            End::Stall
        } else {
            End::Cut
        };
        let what = format!(
            "LIAISON_SEED={} LIAISON_ROUNDS=1",
            seed.wrapping_add(number)
        );
        play(|| round(recital, end, &what));
    }
}
