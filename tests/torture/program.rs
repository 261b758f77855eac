//! What the writer writes, and what must therefore be there: known from the seed and a number.

use std::collections::BTreeMap;

use liaison::store::codec::{self, Record};
use liaison::store::{Batch, Expect, Key, Ns, value_hash};
use liaison_tests::chance::Chance;
use serde::{Deserialize, Serialize};

/// Different records; each is overwritten again and again.
const RECORDS: u64 = 4_000;
/// Entries of the outbox that are left.
const OUTBOX: u64 = 50;

#[derive(Serialize, Deserialize)]
struct Body(Vec<u8>);

impl Record for Body {
    const TYPE: u8 = 250;
    const VERSION: u16 = 1;
}

/// Rows by family and key.
pub type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn body(chance: &mut Chance, number: u64) -> Vec<u8> {
    // Most are like records, some are near the bound.
    let length = match number % 41 {
        0 => chance.within(2_000..4_000),
        _ => chance.within(20..400),
    };
    let bytes = (0..length).map(|_| chance.draw() as u8).collect();
    codec::encode(&Body(bytes)).expect("bytes can be encoded")
}

fn cursor_value(number: u64) -> Vec<u8> {
    codec::encode(&Body(number.to_be_bytes().to_vec())).expect("bytes can be encoded")
}

pub fn cursor_key() -> Key {
    Key::new(Ns::Cursor, b"torture".to_vec())
}

/// The number of the last transaction, as the cursor tells it.
pub fn number_of(value: &[u8]) -> Option<u64> {
    let Body(bytes) = codec::decode(value).ok()?;
    Some(u64::from_be_bytes(*bytes.first_chunk::<8>()?))
}

/// Transaction `number` (from 1) of the program with this seed: a record, its index both ways, an
/// outbox entry that comes and one that goes, an audit row, and the cursor; only after the one
/// before.
pub fn transaction(seed: u64, number: u64) -> Batch {
    let mut chance = Chance::seeded(seed ^ number.wrapping_mul(0x9E37_79B9));
    let record = chance.within(0..RECORDS).to_be_bytes().to_vec();
    let bytes = body(&mut chance, number);
    let mut batch = Batch::new();
    batch.put(Key::new(Ns::Message, record.clone()), bytes.clone());
    let index = [&value_hash(&record)[..], &record[..]].concat();
    batch.put(Key::new(Ns::Msgid, index), Vec::new());
    batch.put(Key::new(Ns::Effect, number.to_be_bytes().to_vec()), bytes);
    if number > OUTBOX {
        let old = number - OUTBOX;
        batch.del(Key::new(Ns::Effect, old.to_be_bytes().to_vec()));
    }
    if number.is_multiple_of(7) {
        let gone = chance.within(0..RECORDS).to_be_bytes().to_vec();
        if gone != record {
            let index = [&value_hash(&gone)[..], &gone[..]].concat();
            batch.del(Key::new(Ns::Message, gone));
            batch.del(Key::new(Ns::Msgid, index));
        }
    }
    let before = match number {
        1 => Expect::Absent,
        later => Expect::ValueHash(value_hash(&cursor_value(later - 1))),
    };
    batch.expect(cursor_key(), before);
    batch.put(cursor_key(), cursor_value(number));
    batch
}

/// The rows after some transactions.
#[derive(Clone, Default)]
pub struct Model {
    pub seed: u64,
    pub number: u64,
    pub rows: Rows,
}

impl Model {
    pub fn new(seed: u64) -> Model {
        Model {
            seed,
            ..Model::default()
        }
    }

    /// Goes on to the state after transaction `number`.
    pub fn advance(&mut self, number: u64) {
        while self.number < number {
            self.number += 1;
            let batch = transaction(self.seed, self.number);
            for key in batch.dels {
                self.rows.remove(&(key.ns.id(), key.k.to_vec()));
            }
            for (key, value) in batch.puts {
                self.rows
                    .insert((key.ns.id(), key.k.to_vec()), value.to_vec());
            }
        }
    }
}
