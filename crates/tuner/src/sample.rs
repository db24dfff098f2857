//! A sample of the requests that passed without an event. A replay shows whether other rules still let them pass.
//!
//! The sample keeps every request of a quiet site, and one in a hundred of a busy one. It is in memory; its owner saves it
//! regularly.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use arc_swap::ArcSwap;
use event::Event;
use tuning::TuningError;

use crate::files::replace;
use crate::limits::{SAMPLE_BYTES, SAMPLE_INTERVAL, SAMPLED_REQUEST_BYTES};

/// Returns the path of the sample's file in a data folder.
fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("passed.jsonl")
}

/// A sample of passed requests, and counters of the requests of learning sites.
#[derive(Debug)]
pub struct Sample {
    capacity: usize,
    path: PathBuf,
    seen: AtomicU64,
    kept: Mutex<Kept>,
    /// Number of requests, by the name of a learning site.
    counts: ArcSwap<HashMap<String, AtomicU64>>,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<String>,
    bytes: usize,
    is_saved: bool,
}

impl Kept {
    fn push(&mut self, json: String, capacity: usize) {
        if json.len() > SAMPLED_REQUEST_BYTES || capacity == 0 {
            return;
        }
        self.bytes += json.len();
        self.requests.push_back(json);
        while self.requests.len() > capacity || self.bytes > SAMPLE_BYTES {
            self.bytes -= self.requests.pop_front().map_or(0, |gone| gone.len());
        }
        self.is_saved = false;
    }
}

impl Sample {
    /// Opens the last saved sample. Skips requests that cannot be read.
    pub fn open(data_dir: &Path, capacity: u16) -> Self {
        let path = path(data_dir);
        let mut kept = Kept::default();
        let is_reasonable = std::fs::metadata(&path).is_ok_and(|m| m.len() <= 2 * SAMPLE_BYTES as u64);
        if is_reasonable && let Ok(text) = std::fs::read_to_string(&path) {
            for line in text.lines().filter(|line| Event::from_json(line.as_bytes()).is_ok()) {
                kept.push(line.to_owned(), capacity.into());
            }
        }
        kept.is_saved = true;
        let seen = AtomicU64::new(kept.requests.len() as u64);
        Self { capacity: capacity.into(), path, seen, kept: Mutex::new(kept), counts: ArcSwap::default() }
    }

    /// Counts a request that passed, and returns whether the sample wants it.
    pub fn wants(&self, site: &str) -> bool {
        let counts = self.counts.load();
        if !counts.is_empty()
            && let Some(count) = counts.get(site)
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if self.capacity == 0 {
            return false;
        }
        let seen = self.seen.fetch_add(1, Ordering::Relaxed);
        seen.is_multiple_of((seen / self.capacity as u64).clamp(1, SAMPLE_INTERVAL))
    }

    /// Adds a request to the sample.
    pub fn keep(&self, event: &Event) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(event.to_json(), self.capacity);
    }

    /// Returns the requests, oldest first.
    pub fn requests(&self) -> Vec<Event> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.requests.iter().filter_map(|json| Event::from_json(json.as_bytes()).ok()).collect()
    }

    /// From now on counts the requests of these sites only.
    pub fn count(&self, sites: &[String]) {
        let before = self.counts.load();
        let known = |site: &String| before.get(site).map_or(0, |count| count.load(Ordering::Relaxed));
        let counts = sites.iter().map(|site| (site.clone(), AtomicU64::new(known(site))));
        self.counts.store(std::sync::Arc::new(counts.collect()));
    }

    /// Returns the number of counted requests of a site.
    pub fn counted(&self, site: &str) -> u64 {
        self.counts.load().get(site).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Saves the sample if it has changed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self) -> Result<(), TuningError> {
        let mut text = String::new();
        {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut kept.is_saved, true) {
                return Ok(());
            }
            for json in &kept.requests {
                text.push_str(json);
                text.push('\n');
            }
        }
        replace(&self.path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use event::{ByteString, EventId, Outcome, RequestEvidence, Timestamp};

    use super::*;

    fn request(number: i64, length: usize) -> Event {
        let line = ByteString::from(vec![b'a'; length].as_slice());
        let evidence = RequestEvidence { line, ..RequestEvidence::default() };
        let time = Timestamp::from_micros(number);
        Event::of_request(EventId::derived(time, "n", "1"), time, "n", Outcome::Passed, evidence)
    }

    #[test]
    fn all_of_few_requests_are_kept_and_one_in_a_hundred_of_many() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::open(folder.path(), 10);
        let taken: Vec<u64> = (0..10_000).filter(|_| sample.wants("a")).collect();
        assert_eq!(taken[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(taken[taken.len() - 3..], [9_700, 9_800, 9_900]);
        assert!(!(0..1_000).any(|_| Sample::open(folder.path(), 0).wants("a")));
    }

    #[test]
    fn the_newest_are_kept_saved_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::open(folder.path(), 3);
        for number in 0..5 {
            sample.keep(&request(number, 5));
        }
        sample.keep(&request(9, SAMPLED_REQUEST_BYTES));
        let times =
            |sample: &Sample| -> Vec<i64> { sample.requests().iter().map(|e| e.time.as_micros()).collect() };
        assert_eq!(times(&sample), [2, 3, 4]);
        sample.save().unwrap();
        use std::os::unix::fs::MetadataExt;
        assert_eq!(std::fs::metadata(path(folder.path())).unwrap().mode() & 0o777, 0o600);
        let mut text = std::fs::read_to_string(path(folder.path())).unwrap();
        text.push_str("{\"v\":1");
        std::fs::write(path(folder.path()), text).unwrap();
        assert_eq!(times(&Sample::open(folder.path(), 3)), [2, 3, 4]);
        assert_eq!(times(&Sample::open(folder.path(), 1)), [4]);
    }

    #[test]
    fn bytes_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::open(folder.path(), u16::MAX);
        for number in 0..100 {
            sample.keep(&request(number, SAMPLED_REQUEST_BYTES - 1_000));
        }
        let kept = sample.requests().len();
        assert!(kept > 60 && kept * (SAMPLED_REQUEST_BYTES - 1_000) <= SAMPLE_BYTES, "{kept}");
    }

    #[test]
    fn requests_of_learning_sites_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::open(folder.path(), 0);
        sample.count(&["a".into()]);
        for site in ["a", "b", "a"] {
            sample.wants(site);
        }
        sample.count(&["a".into(), "b".into()]);
        sample.wants("b");
        assert_eq!((sample.counted("a"), sample.counted("b"), sample.counted("c")), (2, 1, 0));
    }
}
