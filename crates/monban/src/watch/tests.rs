use std::fs::OpenOptions;
use std::io::Write;

use event::redaction::RedactionOptions;
use store::journal::{JournalReader, Step as JournalStep};
use store::sqlite::BUSY_TIMEOUT;
use store::{Journal, JournalOptions, Position, SqliteStore};

use super::*;

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
        let intake = Intake::new(Arc::clone(&journal), store);
        Self { folder, journal, intake, redactor: Redactor::new(&RedactionOptions::default()) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// As after a start of the daemon.
    fn follower(&self, quiet: Duration) -> Follower {
        let watch = Watch {
            path: self.path("audit.log"),
            sensor: "web3".into(),
            storage_dir: Some(self.path("data")),
        };
        Follower::new(watch, self.folder.path(), quiet)
    }

    fn poll(&self, follower: &mut Follower) {
        follower.poll(&self.intake, &self.redactor, &AtomicBool::new(false)).unwrap();
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path("audit.log")).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Unique ids of everything in the journal.
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

#[test]
fn a_growing_file_is_followed_and_a_restart_goes_on() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    // Not there yet.
    bench.poll(&mut follower);
    let one = entry("a1");
    bench.append(&one[..20]);
    bench.poll(&mut follower);
    assert_eq!(bench.ids().len(), 0);
    bench.append(&one[20..]);
    bench.append(&entry("a2")[..100]);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1"]);
    // Within an entry: the new follower begins again at the entry's start, and nothing comes twice.
    let mut follower = bench.follower(QUIET);
    bench.poll(&mut follower);
    bench.append(&entry("a2")[100..]);
    bench.append(&entry("a3"));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3"]);
    let place: Place = serde_json::from_slice(&std::fs::read(&follower.state).unwrap()).unwrap();
    assert_eq!(place.offset, std::fs::metadata(bench.path("audit.log")).unwrap().len());
    // Whoever damages the place causes reading, not doubles.
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
    // Whoever writes has the renamed file open still.
    let mut old = OpenOptions::new().append(true).open(bench.path("audit.log.1")).unwrap();
    old.write_all(entry("a2").as_bytes()).unwrap();
    bench.append(&entry("a3"));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3"]);
    // The same while nobody looked.
    drop(follower);
    bench.append(&entry("a4"));
    std::fs::rename(bench.path("audit.log"), bench.path("audit.log-20261123")).unwrap();
    bench.append(&entry("a5"));
    let mut follower = bench.follower(Duration::ZERO);
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3", "a4", "a5"]);
    // A renamed file that may still grow is not left.
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
    // Cut and longer than before, between two looks.
    std::fs::write(bench.path("audit.log"), entry("a4") + &entry("a5") + &entry("a6")).unwrap();
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a2", "a3", "a4", "a5", "a6"]);
}

#[test]
fn the_files_of_an_index_are_read() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    std::fs::create_dir_all(bench.path("data/u")).unwrap();
    let line = |id: &str| {
        format!(
            "h 203.0.113.7 - - [23/Nov/2026:08:55:16.1 +0000] \"GET / HTTP/1.1\" 200 0 \"-\" \"-\" {id} \"-\" /u/{id} 0 1 md5:{}\n",
            "0".repeat(32)
        )
    };
    for id in ["a1", "a3"] {
        std::fs::write(bench.path(&format!("data/u/{id}")), entry(id)).unwrap();
    }
    bench.append(&(line("a1") + &line("a2") + &line("a3")));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3"]);
    // A file that cannot be read for now holds up what is behind it.
    std::fs::create_dir(bench.path("data/u/a4")).unwrap();
    std::fs::write(bench.path("data/u/a5"), entry("a5")).unwrap();
    bench.append(&line("a5"));
    bench.poll(&mut follower);
    assert_eq!(bench.ids(), ["a1", "a3", "a5"]);
}

#[test]
fn what_cannot_be_stored_is_read_again() {
    let bench = Bench::new();
    let mut follower = bench.follower(QUIET);
    bench.append(&entry("a1"));
    bench.poll(&mut follower);
    bench.append(&entry("a2"));
    // A journal that takes nothing: its folder and with it the next segment are gone.
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes: 0, ..JournalOptions::default() };
    let broken = Arc::new(Journal::open(&folder.path().join("journal"), options).unwrap());
    std::fs::remove_dir_all(folder.path()).unwrap();
    let store =
        SqliteStore::open_read_only(&store::database_path(bench.folder.path()), BUSY_TIMEOUT).unwrap();
    let intake = Intake::new(broken, store);
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
