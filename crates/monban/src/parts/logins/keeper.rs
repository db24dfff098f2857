//! The keeper: the observer with its places, and everything that happens to its reports.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event::redaction::Redactor;
use event::{Event, EventSink, Timestamp};
use finding::Finding;
use login::ban::Ban;
use login::entry::Entry;
use login::hook::HookReport;
use login::observer::{Observer, Settings};
use login::session::Session;
use login::syslog::SyslogLine;
use login::tables::UNREADABLE;
use spine::address_sets::{AddressSets, Member, NewEntry};
use spine::clock::Clock;
use spine::folder::Folder;

use super::state_file::{Place, Places, Stored};

/// Time between two writes of the state while events are recorded. After a crash, the lines of this time are read again,
/// and their events have the same ids.
const SAVE_AFTER_EVENTS: Duration = Duration::from_secs(1);
/// Time between two writes of the state while only tries are counted.
const SAVE_ALWAYS: Duration = Duration::from_secs(60);
/// Age from which a line is old: then bursts end by the times of lines.
const OLD_LINE: Duration = Duration::from_secs(10);
/// Time without a line after which reading has caught up.
const CAUGHT_UP: Duration = Duration::from_secs(1);
/// Comments of keys that are kept.
const MAX_COMMENTS: usize = 4096;

/// The set of addresses for bans.
pub struct BanSet {
    /// The sets.
    pub sets: Arc<AddressSets>,
    /// The name of the set.
    pub name: String,
}

/// The recorder of the events and the observer that makes them.
pub struct Tools {
    /// Records events.
    pub sink: Arc<dyn EventSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The name of this host.
    pub node: String,
    /// Replaces secrets.
    pub redactor: Redactor,
    /// The folder of the part.
    pub folder: Folder,
}

/// The content of one lock, so that the stored state always fits the stored places.
struct Kept {
    observer: Observer,
    places: Places,
    ban_set: Option<BanSet>,
    /// Comments of keys by fingerprint.
    comments: HashMap<String, String>,
    /// Whether a line was fed since the last write.
    fed: bool,
    /// Whether an event was recorded since the last write.
    recorded: bool,
    saved: Duration,
    /// Time of the last line, and the uptime at which it was fed.
    last_line: (Timestamp, Duration),
    /// Errors of the sources, by name.
    unreadable: BTreeMap<String, String>,
    /// Beginning of the newest session that the system knows.
    newest_session: Option<Timestamp>,
}

/// The observer with its places.
pub struct Keeper {
    tools: Tools,
    kept: Mutex<Kept>,
    /// Allows one writer of the state at a time.
    saving: Mutex<()>,
}

impl Keeper {
    /// Continues with the state in the part's folder.
    pub fn new(tools: Tools, settings: Settings, ban_set: Option<BanSet>) -> Self {
        let Stored { places, state } = Stored::read(tools.folder.path());
        let mut observer = Observer::new(settings);
        observer.restore(state);
        let kept = Kept {
            observer,
            places,
            ban_set,
            comments: HashMap::new(),
            fed: false,
            recorded: false,
            saved: tools.clock.uptime(),
            last_line: (Timestamp::MIN, Duration::ZERO),
            unreadable: BTreeMap::new(),
            newest_session: None,
        };
        Self { tools, kept: Mutex::new(kept), saving: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.tools.clock.now()
    }

    /// Returns the places up to which the sources were read.
    pub fn places(&self) -> Places {
        self.kept().places.clone()
    }

    /// Notes where the journal begins for monban: at the first start, with entries from now on.
    pub fn begin_journal(&self) {
        let now = self.now();
        let mut kept = self.kept();
        kept.places.time.get_or_insert(now);
        kept.fed = true;
    }

    /// Returns the place in a log file.
    pub fn place(&self, path: &std::path::Path) -> Option<Place> {
        self.kept().places.files.get(path).copied()
    }

    /// Replaces settings and the set for bans.
    pub fn set(&self, settings: Settings, ban_set: Option<BanSet>) {
        let mut kept = self.kept();
        kept.observer.set(settings);
        kept.ban_set = ban_set;
    }

    /// Feeds entries of the journal.
    pub fn journal(&self, entries: &[Entry]) {
        let mut kept = self.kept();
        for entry in entries {
            kept.observer.journal(entry);
            if !entry.cursor.is_empty() {
                kept.places.cursor = Some(entry.cursor.clone().into_owned());
            }
            self.record(&mut kept);
        }
        if let Some(last) = entries.last() {
            kept.places.time = Some(last.time);
            kept.last_line = (last.time, self.tools.clock.uptime());
            kept.fed = true;
        }
    }

    /// Feeds lines of a log file, each with its offset, and notes the place after them.
    pub fn lines(&self, path: &std::path::Path, lines: &[(u64, SyslogLine)], place: Place) {
        let mut kept = self.kept();
        for (offset, line) in lines {
            let origin = format!("{} {} {offset}", place.device, place.inode);
            kept.observer.line(line, origin);
            self.record(&mut kept);
        }
        if let Some((_, last)) = lines.last() {
            kept.last_line = (last.time, self.tools.clock.uptime());
        }
        kept.places.files.insert(PathBuf::from(path), place);
        kept.fed = true;
    }

    /// Feeds a report of the hook.
    pub fn hook(&self, report: &HookReport, uid: u32, name: Option<&str>) {
        let mut kept = self.kept();
        kept.observer.hook(report, uid, name, self.now());
        kept.fed = true;
        self.record(&mut kept);
    }

    /// Does what is due.
    pub fn tick(&self) {
        let mut kept = self.kept();
        let (line, fed) = kept.last_line;
        let now = self.now();
        let is_old = spine::clock::between(line, now) > OLD_LINE;
        let catching_up = is_old && self.tools.clock.uptime().saturating_sub(fed) < CAUGHT_UP;
        kept.observer.tick(now, catching_up);
        self.record(&mut kept);
    }

    /// Records the events of the observer's reports, and carries out its bans.
    fn record(&self, kept: &mut Kept) {
        for mut report in kept.observer.take_reports() {
            if let Some(key) = &mut report.evidence.key {
                key.comment =
                    kept.comments.get(&key.fingerprint).cloned().filter(|comment| !comment.is_empty());
            }
            match report.into_event(&self.tools.node, &self.tools.redactor) {
                Ok(event) => self.record_event(event),
                Err(error) => {
                    tracing::error!("cannot record a login: {error}");
                    kept.observer.count_lost(1);
                }
            }
            kept.recorded = true;
        }
        let bans = kept.observer.take_bans();
        if let Some(BanSet { sets, name }) = &kept.ban_set
            && !bans.is_empty()
            && let Err(error) = sets.add(name, "logins", bans.iter().map(entry))
        {
            tracing::error!("cannot ban {} sources of failed logins: {error}", bans.len());
        }
    }

    fn record_event(&self, event: Event) {
        self.tools.sink.record(event);
    }

    /// Returns whether the comment of a key is known.
    pub fn knows_comment(&self, fingerprint: &str) -> bool {
        self.kept().comments.contains_key(fingerprint)
    }

    /// Keeps comments of keys; starts anew when there are too many.
    pub fn add_comments(&self, comments: impl IntoIterator<Item = (String, String)>) {
        let mut kept = self.kept();
        for (fingerprint, comment) in comments {
            if kept.comments.len() >= MAX_COMMENTS {
                kept.comments.clear();
            }
            kept.comments.insert(fingerprint, comment);
        }
    }

    /// Notes the beginning of the newest session that the system knows.
    pub fn set_newest_session(&self, began: Option<Timestamp>) {
        self.kept().newest_session = began;
    }

    /// Notes whether a source can be read. Logs changes.
    pub fn set_readable(&self, source: &str, readable: Result<(), String>) {
        let mut kept = self.kept();
        match readable {
            Ok(()) => {
                if kept.unreadable.remove(source).is_some() {
                    tracing::info!("reading logins from {source} again");
                }
            }
            Err(error) => {
                if kept.unreadable.get(source) != Some(&error) {
                    tracing::error!("cannot read logins from {source}: {error}");
                }
                kept.unreadable.insert(source.to_owned(), error);
            }
        }
    }

    /// Returns the open sessions, the newest last.
    pub fn sessions(&self) -> Vec<Session> {
        self.kept().observer.sessions()
    }

    /// Returns the sources with open bursts and their tries, the most first.
    pub fn trying(&self) -> Vec<(IpAddr, u64)> {
        let bursts = self.kept().observer.bursts();
        let mut trying: Vec<_> = bursts
            .into_iter()
            .filter_map(|burst| match burst.from {
                login::burst::From::Address(address) => Some((address, burst.tries)),
                _ => None,
            })
            .collect();
        trying.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
        trying
    }

    /// Returns the findings.
    pub fn findings(&self) -> Vec<Finding> {
        let kept = self.kept();
        let unreadable = kept.unreadable.iter();
        let mut findings: Vec<_> =
            unreadable.map(|(source, why)| UNREADABLE.finding(source).with("why", why.as_str())).collect();
        findings.extend(kept.observer.findings(kept.newest_session, self.now()));
        findings
    }

    /// Writes the state if it is due, or if `now` is set and something has changed. Waits for the disk.
    pub fn save(&self, now: bool) {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        let uptime = self.tools.clock.uptime();
        let (stored, recorded) = {
            let mut kept = self.kept();
            let since = uptime.saturating_sub(kept.saved);
            let changed = kept.fed || kept.recorded;
            let due = (kept.recorded && since >= SAVE_AFTER_EVENTS) || (kept.fed && since >= SAVE_ALWAYS);
            if !(due || now && changed) {
                return;
            }
            let recorded = std::mem::take(&mut kept.recorded);
            (kept.fed, kept.saved) = (false, uptime);
            (Stored { places: kept.places.clone(), state: kept.observer.state() }, recorded)
        };
        if let Err(error) = stored.write(self.tools.folder.path()) {
            tracing::error!("cannot store the state of logins: {error}");
            let mut kept = self.kept();
            (kept.fed, kept.recorded) = (true, kept.recorded || recorded);
        }
    }
}

fn entry(ban: &Ban) -> NewEntry {
    let reason = format!("{} failed logins", ban.tries);
    NewEntry { member: Member::Network(ban.address.into()), reason, ends: Some(ban.until) }
}
