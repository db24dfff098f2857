use std::fs::{File, OpenOptions};
use std::io::Write;

use event::redaction::RedactionOptions;
use store::journal::{JournalReader, Step as JournalStep};
use store::sqlite::BUSY_TIMEOUT;
use store::{Journal, JournalOptions, Position, SqliteStore};

use super::*;

const QUIET: Duration = Duration::from_secs(3600);

struct Bench {
    folder: tempfile::TempDir,
    journal: Arc<Journal>,
    intake: Intake,
    redactor: Redactor,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&store::database_path(folder.path()), BUSY_TIMEOUT).unwrap();
        let journal = Journal::open(&store::journal_folder(folder.path()), JournalOptions::default());
        let journal = Arc::new(journal.unwrap());
        let intake = Intake::new(Arc::clone(&journal), Arc::new(store));
        Self { folder, journal, intake, redactor: Redactor::new(&RedactionOptions::default()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Creates a follower as a start of the daemon does.
    fn follower(&self, quiet: Duration) -> Follower {
        let watch = WatchedFile {
            path: self.path("audit.log"),
            sensor: "web3".into(),
            storage_dir: Some(self.path("data")),
        };
        Follower::new(watch, self.folder.path(), &Retention { days: 0, mebibytes: 0 }, quiet)
    }

    fn poll(&self, follower: &mut Follower) {
        follower.poll(&self.intake, &self.redactor, &AtomicBool::new(false)).unwrap();
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path("audit.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Rotates as logrotate does: the numbers increase by one, and the file becomes number 1.
    fn rename(&self) {
        for number in (1..30).rev() {
            for ending in ["", ".gz"] {
                let of = |number: u32| self.path(&format!("audit.log.{number}{ending}"));
                if of(number).exists() {
                    std::fs::rename(of(number), of(number + 1)).unwrap();
                }
            }
        }
        std::fs::rename(self.path("audit.log"), self.path("audit.log.1")).unwrap();
    }

    /// Rotates as logrotate does with copytruncate.
    fn copy_and_cut(&self) {
        let content = std::fs::read(self.path("audit.log")).unwrap();
        self.rename();
        // The writer keeps the same file.
        std::fs::rename(self.path("audit.log.1"), self.path("audit.log")).unwrap();
        std::fs::write(self.path("audit.log.1"), content).unwrap();
        File::options().write(true).open(self.path("audit.log")).unwrap().set_len(0).unwrap();
    }

    /// Compresses every rotated file as gzip does.
    fn compress(&self) {
        for number in 1..30 {
            let path = self.path(&format!("audit.log.{number}"));
            let Ok(content) = std::fs::read(&path) else { continue };
            let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
            let file = File::create(self.path(&format!("audit.log.{number}.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            encoder.write_all(&content).unwrap();
            encoder.finish().unwrap().set_modified(modified).unwrap();
            std::fs::remove_file(&path).unwrap();
        }
    }

    /// Returns the unique ids of all events in the journal.
    fn ids(&self) -> Vec<String> {
        let mut reader = JournalReader::new(self.journal.folder(), Position::START);
        let mut ids = Vec::new();
        while let JournalStep::Record(record) = reader.next_step().unwrap() {
            assert_eq!(record.event.node, "web3");
            ids.push(record.event.origin_id.unwrap());
        }
        ids
    }
}

fn entry(id: &str) -> String {
    format!(
        "--{id}-A--\n[23/Nov/2026:08:55:16.151222 +0000] {id} 203.0.113.7 33428 192.0.2.1 443\n--{id}-B--\n\
         GET / HTTP/1.1\nHost: a.test\n\n--{id}-H--\nEngine-Mode: \"ENABLED\"\n\n--{id}-Z--\n\n"
    )
}

/// Returns a line of a Concurrent log's index that names this file.
fn index_line(path: &str) -> String {
    let id = path.rsplit('/').next().unwrap();
    format!(
        "h 203.0.113.7 - - [23/Nov/2026:08:55:16.1 +0000] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\" {id} \"-\" /{path} 0 1 md5:{}\n",
        "0".repeat(32)
    )
}

fn told(follower: &Follower) -> Vec<String> {
    follower.health.findings().iter().map(|finding| finding.to_string()).collect()
}

#[test]
fn a_growing_file_is_followed_and_a_restart_goes_on() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    // The file does not exist yet.
    bench.poll(&mut follower);
    let one = entry("a1");
    bench.append(&one[..20]);
    bench.poll(&mut follower);
    assert_eq!(bench.ids().len(), 0);
    bench.append(&one[20..]);
    bench.append(&entry("a2")[..100]);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1"]);
    // Within an entry: the new follower starts again at the entry's start, and no event is stored twice.
    let mut follower = bench.follower(QUIET);
    bench.poll(&mut follower);
    bench.append(&entry("a2")[100..]);
    bench.append(&entry("a3"));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3"]);
    let places = Places::load(&follower.state).unwrap();
    assert_eq!(
        places.files.last().unwrap().offset,
        std::fs::metadata(bench.path("audit.log")).unwrap().len()
    );
    // A damaged position causes another read, but no duplicates.
    std::fs::write(&follower.state, "{").unwrap();
    bench.poll(&mut bench.follower(QUIET));
    assert_eq!(bench.ids(), ["a1", "a2", "a3"]);
}

#[test]
fn a_renamed_file_is_read_to_its_end_before_its_successor() {
    let bench = Bench::new();
    let mut follower = bench.follower(Duration::ZERO);
    bench.append(&entry("a1"));
    bench.poll(&mut follower);
    std::fs::rename(bench.path("audit.log"), bench.path("audit.log.1")).unwrap();
    // The writer still has the renamed file open.
    let mut old = OpenOptions::new().append(true).open(bench.path("audit.log.1")).unwrap();
    old.write_all(entry("a2").as_bytes()).unwrap();
    bench.append(&entry("a3"));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3"]);
    // The same while no follower runs.
    drop(follower);
    bench.append(&entry("a4"));
    std::fs::rename(bench.path("audit.log"), bench.path("audit.log-20261123")).unwrap();
    bench.append(&entry("a5"));
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3", "a4", "a5"]);
    // A renamed file that may still grow is not abandoned.
    let mut patient = bench.follower(Duration::from_secs(3600));
    bench.poll(&mut patient);
    std::fs::rename(bench.path("audit.log"), bench.path("audit.log.2")).unwrap();
    bench.append(&entry("a7"));
    bench.poll(&mut patient);
    let mut old = OpenOptions::new().append(true).open(bench.path("audit.log.2")).unwrap();
    old.write_all(entry("a6").as_bytes()).unwrap();
    bench.poll(&mut patient);
    assert_eq!(bench.ids().last().unwrap(), "a6");
}

#[test]
fn a_file_that_is_cut_to_nothing_is_read_from_its_beginning() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    bench.append(&(entry("a1") + &entry("a2")));
    bench.poll(&mut follower);
    std::fs::write(bench.path("audit.log"), entry("a3")).unwrap();
    bench.poll(&mut follower);
    // Truncated and longer than before, between two polls.
    std::fs::write(bench.path("audit.log"), entry("a4") + &entry("a5") + &entry("a6")).unwrap();
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3", "a4", "a5", "a6"]);
}

#[test]
fn the_files_of_an_index_are_read() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    std::fs::create_dir_all(bench.path("data/u")).unwrap();
    let line = |id: &str| index_line(&format!("u/{id}"));
    for id in ["a1", "a3"] {
        std::fs::write(bench.path(&format!("data/u/{id}")), entry(id)).unwrap();
    }
    bench.append(&(line("a1") + &line("a2") + &line("a3")));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3"]);
    assert_eq!(follower.health.damages(), 0);
}

#[test]
fn lines_whose_entry_cannot_be_read_are_passed_over_and_told() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("data/u")).unwrap();
    for id in ["a1", "a2", "a3"] {
        std::fs::write(bench.path(&format!("data/u/{id}")), entry(id)).unwrap();
    }
    std::fs::write(bench.path("data/u/empty"), "").unwrap();
    // A folder that is a link to itself fails as missing permissions do, also for root.
    let unreadable = bench.path("data/v");
    std::os::unix::fs::symlink("v", &unreadable).unwrap();
    let lines = ["../../../etc/passwd", "u/a1", "v/a2", "u/empty", "u/a3"].map(index_line).concat();
    let mut follower = bench.follower(QUIET);
    bench.append(&lines);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3"]);
    assert_eq!(follower.health.damages(), 2);
    let problems = told(&follower);
    assert!(problems[0].contains("data/u/empty: contains no readable entry (2 such places"), "{problems:?}");
    // A file that becomes readable is read once, also after a restart.
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    std::fs::remove_file(&unreadable).unwrap();
    std::fs::create_dir(&unreadable).unwrap();
    std::fs::write(unreadable.join("a2"), entry("a2")).unwrap();
    bench.poll(&mut follower);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3", "a2"]);
    assert_eq!((follower.health.damages(), told(&follower).len()), (0, 0));
    // A file that never becomes readable is given up and reported.
    std::os::unix::fs::symlink("w", bench.path("data/w")).unwrap();
    bench.append(&index_line("w/a4"));
    for _ in 0..=MAX_TRIES {
        bench.poll(&mut follower);
    }
    assert_eq!(follower.health.damages(), 1);
    assert!(told(&follower)[0].contains("data/w/a4: Too many levels"), "{:?}", follower.health);
    assert_eq!(Places::load(&follower.state).unwrap().later, []);
}

#[test]
fn what_cannot_be_stored_is_read_again() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    bench.append(&entry("a1"));
    bench.poll(&mut follower);
    bench.append(&entry("a2"));
    // A journal that accepts nothing: its folder, and so the next segment, is gone.
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes: 0, ..JournalOptions::default() };
    let broken = Arc::new(Journal::open(&folder.path().join("journal"), options).unwrap());
    std::fs::remove_dir_all(folder.path()).unwrap();
    let store =
        SqliteStore::open_read_only(&store::database_path(bench.folder.path()), BUSY_TIMEOUT).unwrap();
    let intake = Intake::new(broken, Arc::new(store));
    let failed = follower.poll(&intake, &bench.redactor, &AtomicBool::new(false)).unwrap_err();
    assert!(failed.contains("create: No such file"), "{failed}");
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2"]);
}

#[test]
fn an_unfinished_entry_does_not_hold_up_what_follows_for_ever() {
    let bench = Bench::new();
    let mut follower = bench.follower(Duration::ZERO);
    let cut = entry("a1").replace("--a1-H--", "--a1-C--");
    bench.append(&cut[..cut.len() - 30]);
    bench.append(&format!("\n{}", entry("a2")));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2"]);
}

/// Returns ten entries and their ids, which begin with `letter`.
fn ten(letter: char) -> (String, Vec<String>) {
    let ids: Vec<String> = (0..10).map(|number| format!("{letter}{number}")).collect();
    (ids.iter().map(|id| entry(id)).collect(), ids)
}

/// A method of log rotation.
type Way = (&'static str, fn(&Bench));

const WAYS: [Way; 4] = [
    ("renamed", |bench| bench.rename()),
    ("renamed and compressed", |bench| {
        bench.rename();
        bench.compress();
    }),
    ("copied and cut", |bench| bench.copy_and_cut()),
    ("copied, cut and compressed", |bench| {
        bench.copy_and_cut();
        bench.compress();
    }),
];

/// Tests that no rotation loses entries, neither those between the last poll and the rotation nor those between two
/// rotations.
#[test]
fn rotations_lose_nothing() {
    for (way, rotate) in WAYS {
        for rotations in 1..=4_u8 {
            for restarted in [false, true] {
                let bench = Bench::new();
                let mut follower = bench.follower(Duration::ZERO);
                let mut expected = Vec::new();
                let mut write = |letter: u8, part: std::ops::Range<usize>| {
                    let (text, ids) = ten(letter.into());
                    let length = text.len() / 10;
                    bench.append(&text[part.start * length..part.end * length]);
                    expected.extend_from_slice(&ids[part]);
                };
                write(b'a', 0..3);
                bench.poll(&mut follower);
                write(b'a', 3..10);
                for rotation in 1..=rotations {
                    rotate(&bench);
                    write(b'a' + rotation, 0..10);
                }
                if restarted {
                    follower = bench.follower(Duration::ZERO);
                }
                bench.poll(&mut follower);
                let what = format!("{way}, {rotations} rotations, restarted: {restarted}");
                assert_eq!(bench.ids(), expected, "{what}");
                assert_eq!(told(&follower), Vec::<String>::new(), "{what}");
                // All entries are known now.
                bench.poll(&mut follower);
                bench.poll(&mut bench.follower(Duration::ZERO));
                assert_eq!(bench.ids(), expected, "{what}");
            }
        }
    }
}

/// Tests random sequences of actions, with entries that are written in two parts.
#[test]
fn any_course_of_events_loses_nothing() {
    for seed in 1..=12_u64 {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |limit: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % limit
        };
        let bench = Bench::new();
        let mut follower = bench.follower(QUIET);
        bench.poll(&mut follower);
        let (mut expected, mut course) = (Vec::new(), Vec::new());
        for number in 0..60 {
            let id = format!("e{number}");
            let text = entry(&id);
            let half = text.len() / 2;
            bench.append(&text[..half]);
            if below(3) == 0 {
                bench.poll(&mut follower);
            }
            bench.append(&text[half..]);
            expected.push(id);
            match below(12) {
                0 => bench.rename(),
                1 => bench.copy_and_cut(),
                2 => bench.compress(),
                3 => follower = bench.follower(QUIET),
                4 => follower = bench.follower(Duration::ZERO),
                5..8 => bench.poll(&mut follower),
                _ => continue,
            }
            course.push(number);
        }
        bench.append("");
        let mut follower = bench.follower(Duration::ZERO);
        bench.poll(&mut follower);
        let mut found = bench.ids();
        found.sort_by_key(|id| id[1..].parse::<u32>().unwrap());
        assert_eq!(found, expected, "seed {seed}");
        assert_eq!(told(&follower), Vec::<String>::new(), "seed {seed}: {course:?}");
    }
}

#[test]
fn what_is_gone_is_told() {
    // Renamed and deleted while no follower runs.
    let bench = Bench::new();
    bench.append(&entry("a1"));
    bench.poll(&mut bench.follower(Duration::ZERO));
    bench.append(&entry("a2"));
    bench.rename();
    std::fs::remove_file(bench.path("audit.log.1")).unwrap();
    bench.append(&entry("a3"));
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3"]);
    let problems = told(&follower);
    assert!(
        problems[0]
            .contains(&format!("the file that monban read up to offset {} is gone", entry("a1").len())),
        "{problems:?}"
    );
    // The loss is reported once, and later entries are followed.
    let mut follower = bench.follower(Duration::ZERO);
    bench.append(&entry("a4"));
    bench.poll(&mut follower);
    assert_eq!((bench.ids().len(), follower.health.damages()), (3, 0));
    // Truncated without a copy.
    std::fs::write(bench.path("audit.log"), entry("a5")).unwrap();
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3", "a4", "a5"]);
    assert!(told(&follower)[0].contains("was truncated"), "{:?}", follower.health);
    // Compressed by an unsupported program before it was read.
    bench.append(&entry("a6"));
    bench.rename();
    std::fs::write(bench.path("audit.log.1"), b"\xfd7zXZ\0 a6").unwrap();
    std::fs::rename(bench.path("audit.log.1"), bench.path("audit.log.1.xz")).unwrap();
    bench.append(&entry("a7"));
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    assert_eq!(bench.ids().last().unwrap(), "a7");
    assert_eq!(follower.health.damages(), 2);
    bench.poll(&mut follower);
    // A truncated gzip file.
    bench.append(&entry("a8"));
    bench.rename();
    bench.append(&entry("a9"));
    bench.rename();
    bench.compress();
    let path = bench.path("audit.log.2.gz");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 20]).unwrap();
    bench.append(&entry("b1"));
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    assert_eq!(bench.ids()[5..], ["a9", "b1"]);
    assert_eq!(follower.health.damages(), 2, "{:?}", follower.health);
    assert!(told(&follower)[0].contains("audit.log.2.gz: "), "{:?}", follower.health);
}

#[test]
fn what_was_rotated_before_the_file_was_watched_is_left_alone() {
    let bench = Bench::new();
    let others = ["audit.log.1", "audit.log-20261123", "audit_other.log", "audit.log.swp"];
    for name in others {
        std::fs::write(bench.path(name), entry(&name.replace('.', "x"))).unwrap();
    }
    std::fs::write(bench.path("audit.log.9.xz"), b"\xfd7zXZ\0").unwrap();
    // The log does not exist yet. After a restart, the follower knows that it waited for the log.
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    assert_eq!(follower.health.damages(), 0);
    bench.append(&entry("a1"));
    bench.rename();
    bench.append(&entry("a2"));
    bench.poll(&mut bench.follower(Duration::ZERO));
    assert_eq!(bench.ids(), ["a1", "a2"]);
}
