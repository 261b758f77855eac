//! The commits of an import, written down, and made again without the import.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use liaison::accounts::DomainRules;
use liaison::books::Books;
use liaison::exchange::reading::Reading;
use liaison::exchange::taking::take;
use liaison::records::{RecordBook, RecordBy};
use liaison::store::content::ContentStore;
use liaison::store::sled::{SledOptions, SledStore};
use liaison::store::{
    Batch, CommitError, CommitId, Dir, Fence, Key, Ns, Page, Range, ReadError, ShardId, Store,
    StoreHealth, Versioned,
};
use liaison_core::crm::{Kind, Source};
use liaison_core::time::Timestamp;
use tokio::runtime::Runtime;

/// A store that writes down what it is given.
#[derive(Debug)]
struct Recorder {
    inner: SledStore,
    to: Mutex<BufWriter<File>>,
}

impl Recorder {
    fn write(&self, batch: &Batch) -> std::io::Result<()> {
        let mut to = self.to.lock().expect("one writer");
        to.write_all(&(batch.puts.len() as u32).to_le_bytes())?;
        for (key, value) in &batch.puts {
            to.write_all(&[key.ns.id()])?;
            to.write_all(&(key.k.len() as u32).to_le_bytes())?;
            to.write_all(&key.k)?;
            to.write_all(&(value.len() as u32).to_le_bytes())?;
            to.write_all(value)?;
        }
        Ok(())
    }
}

impl Store for Recorder {
    fn get<'a>(
        &'a self,
        keys: &'a [Key],
    ) -> BoxFuture<'a, Result<Vec<Option<Versioned>>, ReadError>> {
        self.inner.get(keys)
    }

    fn scan(
        &self,
        range: Range,
        dir: Dir,
        limit: usize,
        after: Option<Bytes>,
    ) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.inner.scan(range, dir, limit, after)
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<CommitId, CommitError>> {
        let batch = Batch {
            fence: None,
            ..batch
        };
        self.write(&batch).expect("write the puts");
        self.inner.commit(batch)
    }

    fn health(&self) -> StoreHealth {
        self.inner.health()
    }

    fn failed(&self) -> BoxFuture<'_, Arc<str>> {
        self.inner.failed()
    }

    fn close(&self) -> BoxFuture<'_, Result<(), CommitError>> {
        self.inner.close()
    }
}

/// Imports the file into a store in `dir`, and writes all commits into `puts`.
pub fn record(csv: &Path, dir: &Path, puts: &Path) {
    let inner = SledStore::open(&dir.join("store"), SledOptions::default()).expect("open");
    // An empty store has no owner: batches go in without a fence.
    let to = BufWriter::new(File::create(puts).expect("make a file"));
    let store = Arc::new(Recorder {
        inner,
        to: Mutex::new(to),
    });
    let content = ContentStore::open(&dir.join("content")).expect("a folder for contents");
    let fence = Fence {
        shard: ShardId::SINGLE,
        epoch: 0,
    };
    let books = Books::new(store.clone(), content, fence);
    let rules = DomainRules {
        own: ["ourfirm.example".to_owned()].into(),
        ..DomainRules::default()
    };
    let records = RecordBook::new(books, rules);
    let by = RecordBy {
        who: "bench".to_owned(),
        why: "import of contacts.csv".to_owned(),
        source: Source::Import,
        force: false,
        now: Timestamp(1_772_442_000_000),
    };
    let file = File::open(csv).expect("open the file");
    let mut reading = Reading::open(file, Kind::Contact, None, false).expect("a file of contacts");
    Runtime::new().expect("a runtime").block_on(async {
        while reading.portion(&mut |_, _| {}).expect("read") {
            let taken = take(&records, reading.rows(), (&by, None)).await;
            reading.took(taken.expect("take"), &mut |_, _| {});
        }
        store.to.lock().expect("one writer").flush().expect("write");
        store.close().await.expect("close");
    });
}

/// Makes the commits in an empty store; prints seconds and rows.
pub fn straight(puts: &Path, dir: &Path) {
    let mut from = BufReader::new(File::open(puts).expect("open the puts"));
    let runtime = Runtime::new().expect("a runtime");
    let begin = Instant::now();
    let store = SledStore::open(&dir.join("store"), SledOptions::default()).expect("open");
    let mut rows = 0;
    runtime.block_on(async {
        while let Some(count) = number(&mut from) {
            let mut batch = Batch::new();
            for _ in 0..count {
                let mut ns = [0];
                from.read_exact(&mut ns).expect("a family");
                let ns = Ns::ALL.iter().copied().find(|one| one.id() == ns[0]);
                let key = Key::new(ns.expect("a family"), piece(&mut from));
                batch.put(key, piece(&mut from));
                rows += 1;
            }
            store.commit(batch).await.expect("commit");
        }
        store.close().await.expect("close");
    });
    println!("{} {rows}", begin.elapsed().as_secs_f64());
}

fn number(from: &mut impl Read) -> Option<u32> {
    let mut bytes = [0; 4];
    from.read_exact(&mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

fn piece(from: &mut impl Read) -> Vec<u8> {
    let mut bytes = vec![0; number(from).expect("a length") as usize];
    from.read_exact(&mut bytes).expect("a piece");
    bytes
}
