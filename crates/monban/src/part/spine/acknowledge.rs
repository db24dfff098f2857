//! Findings that stay until the owner acknowledges them: damaged files that monban moved aside, disk errors while it
//! kept events, and lost events.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use finding::Finding;
use store::Journal;
use store::findings::MOVED_ASIDE;

/// Bytes of the file of acknowledged findings. A longer file is not read, and the next acknowledgement replaces it.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The findings of a data folder that need acknowledgement.
pub struct Acknowledge {
    data_dir: PathBuf,
    journal: Arc<Journal>,
    /// Number of known lost events.
    lost: AtomicU64,
}

impl Acknowledge {
    pub fn new(data_dir: &Path, journal: Arc<Journal>) -> Self {
        Self { data_dir: data_dir.to_path_buf(), journal, lost: AtomicU64::new(0) }
    }

    fn path(&self) -> PathBuf {
        self.data_dir.join("acknowledged.json")
    }

    /// Returns the findings that nobody has acknowledged.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = self.journal.health().lasting_findings(self.lost.load(Ordering::Relaxed));
        let known = self.known();
        let damaged = damaged(&self.data_dir).unwrap_or_default();
        let moved = |name| MOVED_ASIDE.finding(self.data_dir.join(name).display().to_string());
        findings.extend(damaged.difference(&known).map(moved));
        findings
    }

    /// Acknowledges all findings. Returns one line in English for each.
    ///
    /// # Errors
    /// If the file of acknowledged names cannot be written.
    pub fn all(&self) -> Result<Vec<String>, String> {
        let findings = self.findings();
        let at = |error: io::Error| format!("{}: {error}", self.path().display());
        let names = damaged(&self.data_dir).map_err(at)?;
        if names != self.known() {
            let json = serde_json::to_vec(&names).map_err(|error| error.to_string())?;
            store::replace_file(&self.path(), |out| io::Write::write_all(out, &json)).map_err(at)?;
        }
        self.lost.store(self.journal.health().lost, Ordering::Relaxed);
        self.journal.acknowledge_sync_failure();
        let left = self.findings();
        let line = |finding: &Finding| format!("{}: {finding}", finding.subject);
        Ok(findings.iter().filter(|finding| !left.contains(finding)).map(line).collect())
    }

    /// Returns the names of acknowledged files.
    fn known(&self) -> BTreeSet<String> {
        let path = self.path();
        let is_reasonable = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= MAX_FILE_BYTES);
        let json = if is_reasonable { std::fs::read(&path).unwrap_or_default() } else { Vec::new() };
        serde_json::from_slice(&json).unwrap_or_default()
    }
}

/// Returns the names of the damaged files in the folder: `events.db.damaged-1`, `console.sqlite.damaged-1795424686`,
/// `notify.json.damaged-1`.
fn damaged(data_dir: &Path) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(data_dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let beside = ["-wal", "-shm"].iter().any(|suffix| name.ends_with(suffix));
        if name.contains(".damaged") && !beside {
            names.insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use store::JournalOptions;

    use super::*;

    #[test]
    fn f22_damaged_files_are_a_problem_until_acknowledged_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&store::journal_folder(folder.path()), JournalOptions::default());
        let journal = Arc::new(journal.unwrap());
        let open = || Acknowledge::new(folder.path(), Arc::clone(&journal));
        let aside = open();
        let told = |aside: &Acknowledge| {
            aside.findings().iter().map(Finding::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!((told(&aside).as_str(), aside.all().unwrap().len()), ("", 0));
        for name in
            ["events.db.damaged-1", "events.db.damaged-1-wal", "console.sqlite.damaged-7", "events.db"]
        {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        for aside in [&aside, &open()] {
            let told = told(aside);
            assert!(
                told.contains("/events.db.damaged-1, and has begun a new one")
                    && told.contains("console.sqlite.damaged-7")
            );
            assert_eq!(told.lines().count(), 2, "{told}");
        }
        assert_eq!(aside.all().unwrap().len(), 2);
        assert_eq!((told(&aside), told(&open())), (String::new(), String::new()));
        std::fs::write(folder.path().join("events.db.damaged-2"), "x").unwrap();
        assert!(told(&open()).contains("events.db.damaged-2"));
        std::fs::remove_file(folder.path().join("events.db.damaged-2")).unwrap();
        assert_eq!(told(&open()), "", "gone");
        let long = vec![b' '; MAX_FILE_BYTES as usize + 1];
        for text in [&b"nonsense"[..], &long] {
            std::fs::write(aside.path(), text).unwrap();
            assert_eq!(told(&open()).lines().count(), 2);
        }
        std::fs::remove_file(aside.path()).unwrap();
        std::fs::create_dir(aside.path()).unwrap();
        assert!(aside.all().unwrap_err().contains("acknowledged.json: "));
    }
}
