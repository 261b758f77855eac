use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

const MIB: u64 = 1 << 20;

fn mib(stages: [u64; 3]) -> RoomSettings {
    let [intake, plugins, outbox] = stages.map(|mib| Some(mib * MIB));
    RoomSettings {
        ballast: 0,
        intake,
        plugins,
        outbox,
    }
}

#[test]
fn intake_stops_first_the_outbox_last_and_each_needs_more_to_go_on() {
    let needs = mib([1000, 500, 100]).needs(u64::MAX);
    let mut paused = Vec::new();
    for (free, wanted) in [
        (1000, ""),
        (999, "I"),
        (1249, "I"),
        (500, "I"),
        (499, "IP"),
        (99, "IPO"),
        (124, "IPO"),
        (125, "IP"),
        (624, "IP"),
        (625, "I"),
        (1250, ""),
        (1000, ""),
        (0, "IPO"),
    ] {
        paused = needs.paused(free * MIB, &paused);
        let letters: String = paused
            .iter()
            .map(|stage| match stage {
                Stage::Intake => 'I',
                Stage::Plugins => 'P',
                Stage::Outbox => 'O',
            })
            .collect();
        assert_eq!(letters, wanted, "{free} MiB free");
    }
}

#[test]
fn the_defaults_are_in_proportion_and_what_is_set_stays_in_order() {
    let usual = RoomSettings::default();
    assert_eq!(usual.needs(1 << 40).0, [1024 * MIB, 512 * MIB, 64 * MIB]);
    assert_eq!(usual.needs(1600 * MIB).0, [80 * MIB, 40 * MIB, 5 * MIB]);
    let odd = RoomSettings {
        plugins: Some(5000 * MIB),
        ..usual
    };
    assert_eq!(odd.needs(1 << 40).0, [1024 * MIB, 1024 * MIB, 64 * MIB]);
}

/// A disk on which the ballast of `dir` takes the room that it says.
#[derive(Debug)]
struct Table {
    free: Arc<AtomicU64>,
    dir: PathBuf,
}

impl Disk for Table {
    fn space(&self, _: &Path) -> io::Result<Space> {
        let ballast = fs::metadata(self.dir.join(BALLAST)).map_or(0, |found| found.len());
        Ok(Space {
            free: self.free.load(Ordering::SeqCst).saturating_sub(ballast),
            total: 1 << 40,
        })
    }
}

fn room(dir: &Path, ballast: u64) -> (Room, Arc<AtomicU64>) {
    let free = Arc::new(AtomicU64::new(4000 * MIB));
    let disk = Table {
        free: free.clone(),
        dir: dir.to_owned(),
    };
    let settings = RoomSettings {
        ballast,
        ..mib([1000, 500, 2])
    };
    (Room::new(dir, settings, Box::new(disk)), free)
}

#[test]
fn the_ballast_goes_before_the_outbox_has_to_stop_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (room, free) = room(dir.path(), 3 * MIB);
    let ballast = dir.path().join(BALLAST);
    let look = |mib: u64| {
        free.store(mib * MIB, Ordering::SeqCst);
        room.look();
        (room.reading().ballast, room.reading().paused.len())
    };
    assert_eq!(look(4000), (true, 0));
    let blocks = std::os::unix::fs::MetadataExt::blocks(&fs::metadata(&ballast).unwrap());
    assert!(blocks * 512 >= 3 * MIB, "it takes room: {blocks} blocks");
    assert_eq!(look(6), (true, 2));
    // 4 MiB with the ballast's 3: below what the outbox needs, until that is given up.
    assert_eq!(look(4), (false, 2));
    assert!(!ballast.exists());
    assert_eq!(look(1), (false, 3));
    assert!(room.reading().words().unwrap().contains("nothing goes out"));
    // Room for everybody, but not for the ballast beside them.
    assert_eq!(look(1251), (false, 0));
    assert_eq!(look(1253), (true, 0));
}

#[test]
fn a_store_on_a_full_disk_is_opened_in_the_room_of_the_ballast() {
    let dir = tempfile::tempdir().unwrap();
    let (room, free) = room(dir.path(), 3 * MIB);
    assert!(room.reading().ballast);
    make_way(dir.path(), room.settings, &*room.disk);
    assert!(dir.path().join(BALLAST).exists(), "there is room: it stays");
    free.store(3 * MIB, Ordering::SeqCst);
    make_way(dir.path(), room.settings, &*room.disk);
    assert!(!dir.path().join(BALLAST).exists());
}

#[tokio::test]
async fn work_is_stopped_awaited_and_run_again() {
    let dir = tempfile::tempdir().unwrap();
    let (room, free) = room(dir.path(), 0);
    let (story, stop) = (Mutex::new(Vec::new()), Stop::new());
    let note = |what: &str| story.lock().unwrap().push(what.to_owned());
    let (steps, mut step) = tokio::sync::mpsc::channel(8);
    let told = |why: String| {
        assert!(why.contains("no mail is taken in"), "{why}");
        note("told");
        steps.try_send(()).unwrap();
    };
    let work = |part: Stop| {
        note("runs");
        steps.try_send(()).unwrap();
        async move {
            part.stopped().await;
        }
    };
    let driver = async {
        step.recv().await;
        free.store(700 * MIB, Ordering::SeqCst);
        room.look();
        step.recv().await;
        free.store(4000 * MIB, Ordering::SeqCst);
        room.look();
        step.recv().await;
        stop.trigger();
    };
    tokio::join!(room.gate(Stage::Intake, &stop, told, work), driver);
    assert_eq!(*story.lock().unwrap(), ["runs", "told", "runs"]);
}
