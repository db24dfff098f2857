//! The file of exclusions on disk, and the history of what was changed.
//!
//! | in the data folder | holds |
//! |---|---|
//! | `exclusions.conf` | the exclusions: rules that are loaded before all others; a person may edit it |
//! | `tuning/history.jsonl` | one JSON object for each change |
//! | `tuning/versions/VERSION.conf` | the texts between which the changes lie |
//! | `tuning/pending.json` | a change that is being made |
//! | `tuning/lock` | held during a change, by the daemon or a command |
//!
//! A change is first noted as pending, then the file takes its new text (a new file that takes the name), then the history has
//! it. Killed in between, the next change, or the next start, finds by the file's version which of the two holds.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use console::tuning::{Change, ChangedExclusion, ChangedSite, Failure, SiteMode, Undoable, What};
use event::Timestamp;
use serde::{Deserialize, Serialize};
use tuning::file::{changes, difference, version};
use tuning::{ExclusionFile, limits};

/// Bytes of the history; beyond them no change is made until its oldest lines are moved away.
const HISTORY_BYTES: u64 = 64 << 20;

/// Changes whose texts are kept, so that they can be shown and undone.
const VERSIONS: usize = 1_000;

/// Changes that are listed, the newest.
const SHOWN: usize = 500;

/// The file of exclusions in a data folder.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("exclusions.conf")
}

/// What is told of somebody's edit of the file.
const BY_HAND: &str = "edited by hand";

/// With what it begins that is told of exclusions whose time is over.
pub const EXPIRED: &str = "expired: ";

/// A change as the history keeps it. `what` is for people who read the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    number: u64,
    time: Timestamp,
    author: String,
    what: String,
    #[serde(default)]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    undoes: Option<u64>,
    #[serde(flatten)]
    kind: Kind,
}

/// What kind of change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// Of the file, between these versions.
    Exclusions { before: String, after: String, ids: Vec<u64> },
    /// Of what a site's rules do; `None` is what the configuration says.
    Site { name: String, before: Option<SiteMode>, after: Option<SiteMode> },
}

/// What is told of a change.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub author: String,
    pub what: String,
    pub reason: String,
    pub undoes: Option<u64>,
    /// The exclusions that were added.
    pub ids: Vec<u64>,
}

/// What a site's rules do by a change here, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteChange {
    pub site: String,
    pub mode: SiteMode,
    pub since: Timestamp,
}

/// What undoing a change comes to.
pub enum Undoing {
    File(Box<ExclusionFile>),
    Site(String, Option<SiteMode>),
}

/// The files.
#[derive(Debug, Clone)]
pub struct ExclusionStore {
    file: PathBuf,
    folder: PathBuf,
}

impl ExclusionStore {
    /// Those of a data folder, which need not be there yet.
    pub fn new(data_dir: &Path) -> Self {
        Self { file: path(data_dir), folder: data_dir.join("tuning") }
    }

    /// The path of the file of exclusions.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// The file as it is; without exclusions where there is none.
    ///
    /// # Errors
    /// Those of reading, and [`limits::FILE_BYTES`].
    pub fn read(&self) -> Result<ExclusionFile, Failure> {
        let bytes = read(&self.file, limits::FILE_BYTES as u64 + 1)?;
        ExclusionFile::read(bytes).map_err(|refused| located(&self.file, &refused))
    }

    /// The newest changes, newest first; at most [`SHOWN`].
    ///
    /// # Errors
    /// Those of reading.
    pub fn history(&self) -> Result<Vec<Change>, Failure> {
        let lines = self.lines()?;
        let undone: HashMap<u64, u64> =
            lines.iter().filter_map(|line| line.undoes.map(|undone| (undone, line.number))).collect();
        let file = self.read()?;
        // the text before a change is mostly the text after the one that is shown next
        let mut known: Option<(String, Option<Rc<Vec<u8>>>)> = None;
        let mut text = |version: &str| -> Result<Option<Rc<Vec<u8>>>, Failure> {
            if let Some((known, text)) = &known
                && known == version
            {
                return Ok(text.clone());
            }
            let text = self.bytes(version)?.map(Rc::new);
            known = Some((version.to_owned(), text.clone()));
            Ok(text)
        };
        let mut sites: HashSet<&str> = HashSet::new();
        let mut shown = Vec::new();
        for line in lines.iter().rev().take(SHOWN) {
            let undone_by = undone.get(&line.number).copied();
            let mut change = Change {
                number: line.number,
                time: line.time,
                author: line.author.clone(),
                what: What::SiteMode,
                reason: line.reason.clone(),
                added: Vec::new(),
                removed: Vec::new(),
                site: None,
                undoes: line.undoes,
                undone_by,
                undo: Undoable::Possible,
                diff: None,
            };
            match &line.kind {
                Kind::Exclusions { before, after, .. } => {
                    let after = text(after)?;
                    if let Some((before, after)) = text(before)?.zip(after) {
                        change.diff = Some(difference(&before, &after));
                        [change.removed, change.added] = changes(&before, &after).map(|entries| {
                            let entries = entries.into_iter();
                            entries
                                .map(|entry| ChangedExclusion { id: entry.id, exclusion: entry.exclusion })
                                .collect()
                        });
                        if file.check_undo(&before, &after).is_err() {
                            change.undo = Undoable::ChangedSince;
                        }
                    } else {
                        change.undo = Undoable::NotKept;
                    }
                }
                Kind::Site { name, before, after } => {
                    let word = |mode: &Option<SiteMode>| mode.map_or("as configured", SiteMode::as_str);
                    change.diff = Some(format!("-{name}: {}\n+{name}: {}\n", word(before), word(after)));
                    change.site = Some(ChangedSite { site: name.clone(), before: *before, after: *after });
                    if !sites.insert(name) {
                        change.undo = Undoable::ChangedSince;
                    }
                }
            }
            if undone_by.is_some() {
                change.undo = Undoable::Undone;
            }
            change.what = what(line, &change);
            shown.push(change);
        }
        Ok(shown)
    }

    /// What sites' rules do by changes here.
    ///
    /// # Errors
    /// Those of reading.
    pub fn modes(&self) -> Result<Vec<SiteChange>, Failure> {
        let mut modes: Vec<SiteChange> = Vec::new();
        for line in self.lines()? {
            let Kind::Site { name, after, .. } = line.kind else { continue };
            modes.retain(|known| known.site != name);
            if let Some(mode) = after {
                modes.push(SiteChange { site: name, mode, since: line.time });
            }
        }
        Ok(modes)
    }

    /// Begins a change: waits for those of others, finishes one that was broken off, and notes what was edited by hand.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn edit(&self, now: Timestamp) -> Result<Edit, Failure> {
        crate::data_folder::create(&self.folder.join("versions"))
            .map_err(|error| at(&self.folder, &error))?;
        let lock = self.folder.join("lock");
        let mut options = std::fs::OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&lock);
        let lock = opened.map_err(|error| at(&lock, &error))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive)
            .map_err(|error| Failure::Unavailable(format!("tuning/lock: {error}")))?;
        let file = self.read()?;
        let mut edit = Edit { store: self.clone(), _lock: lock, lines: self.lines()?, file, now };
        edit.recover()?;
        edit.note_hand_edits()?;
        Ok(edit)
    }

    /// The least id that no change has ever given to an exclusion.
    ///
    /// # Errors
    /// Those of reading.
    pub fn least_id(&self) -> Result<u64, Failure> {
        Ok(least_id(&self.lines()?))
    }

    fn lines(&self) -> Result<Vec<Line>, Failure> {
        let bytes = read(&self.folder.join("history.jsonl"), HISTORY_BYTES)?;
        // a line that a crash has cut off was not yet a change
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        Ok(lines.collect())
    }

    fn version_path(&self, version: &str) -> PathBuf {
        self.folder.join("versions").join(format!("{version}.conf"))
    }

    fn text(&self, version: &str) -> Result<Option<ExclusionFile>, Failure> {
        Ok(self.bytes(version)?.and_then(|bytes| ExclusionFile::read(bytes).ok()))
    }

    /// The text of that version, if it is kept.
    fn bytes(&self, wanted: &str) -> Result<Option<Vec<u8>>, Failure> {
        let is_version = !wanted.is_empty() && wanted.bytes().all(|byte| byte.is_ascii_hexdigit());
        let path = self.version_path(wanted);
        if !is_version || !path.exists() {
            return Ok(None);
        }
        let bytes = read(&path, limits::FILE_BYTES as u64 + 1)?;
        Ok((version(&bytes) == wanted).then_some(bytes))
    }
}

/// A change that is being made; others wait.
pub struct Edit {
    store: ExclusionStore,
    _lock: File,
    lines: Vec<Line>,
    /// The file as it is.
    pub file: ExclusionFile,
    now: Timestamp,
}

impl Edit {
    /// Refuses where the file has another version than the one that a change was decided on.
    ///
    /// # Errors
    /// [`Failure::Conflict`].
    pub fn expect(&self, wanted: &str) -> Result<(), Failure> {
        let version = self.file.version();
        if version == wanted { Ok(()) } else { Err(Failure::Conflict { version }) }
    }

    /// The least id that no change has ever given to an exclusion.
    pub fn least_id(&self) -> u64 {
        least_id(&self.lines)
    }

    /// What undoing that change comes to.
    ///
    /// # Errors
    /// Where there is no such change, it is undone already, or what it changed has been changed since.
    pub fn undoing(&self, number: u64) -> Result<Undoing, Failure> {
        let line = self.lines.iter().find(|line| line.number == number);
        let line = line.ok_or_else(|| Failure::NotFound(format!("there is no change {number}")))?;
        if let Some(undone) = self.lines.iter().find(|other| other.undoes == Some(number)) {
            return Err(Failure::Refused(format!("change {} has undone it already", undone.number)));
        }
        match &line.kind {
            Kind::Site { name, before, .. } => {
                let newer =
                    |other: &&Line| matches!(&other.kind, Kind::Site { name: site, .. } if site == name);
                if self.lines.iter().rev().find(newer).is_some_and(|last| last.number != number) {
                    return Err(Failure::Refused(format!("{name} has been changed since")));
                }
                Ok(Undoing::Site(name.clone(), *before))
            }
            Kind::Exclusions { before, after, .. } => {
                let texts = self.store.text(before)?.zip(self.store.text(after)?);
                let (before, after) =
                    texts.ok_or_else(|| Failure::Refused("its texts are no longer kept".to_owned()))?;
                Ok(Undoing::File(Box::new(self.file.undo(&before, &after)?)))
            }
        }
    }

    /// Makes the file this one. Returns the change's number.
    ///
    /// # Errors
    /// Those of the disk; then the file is as it was, or as it shall be and the next edit completes the history.
    pub fn commit(mut self, new: &ExclusionFile, told: Told) -> Result<u64, Failure> {
        let line = self.line(told, &self.file, new);
        self.keep(&self.file)?;
        self.keep(new)?;
        let pending = self.store.folder.join("pending.json");
        replace(&pending, &serde_json::to_vec(&line).unwrap_or_default())?;
        replace(&self.store.file, new.text())?;
        let number = line.number;
        self.append(line)?;
        let _gone = std::fs::remove_file(&pending);
        self.prune();
        Ok(number)
    }

    /// Notes what a site's rules do from now on; `None`: what the configuration says.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn commit_site(mut self, site: &str, mode: Option<SiteMode>, told: Told) -> Result<u64, Failure> {
        let before = self.store.modes()?.into_iter().find(|known| known.site == site).map(|known| known.mode);
        let Told { author, what, reason, undoes, .. } = told;
        let kind = Kind::Site { name: site.to_owned(), before, after: mode };
        let number = self.next_number();
        self.append(Line { number, time: self.now, author, what, reason, undoes, kind })?;
        Ok(number)
    }

    fn next_number(&self) -> u64 {
        self.lines.last().map_or(1, |line| line.number + 1)
    }

    fn line(&self, told: Told, before: &ExclusionFile, after: &ExclusionFile) -> Line {
        let Told { author, what, reason, undoes, ids } = told;
        let kind = Kind::Exclusions { before: before.version(), after: after.version(), ids };
        Line { number: self.next_number(), time: self.now, author, what, reason, undoes, kind }
    }

    /// Finishes or forgets a change that was broken off.
    fn recover(&mut self) -> Result<(), Failure> {
        let path = self.store.folder.join("pending.json");
        let bytes = read(&path, 1 << 20)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if let Ok(line) = serde_json::from_slice::<Line>(&bytes)
            && let Kind::Exclusions { after, .. } = &line.kind
            && *after == self.file.version()
            && self.lines.iter().all(|known| known.number != line.number)
        {
            tracing::info!("change {} of the exclusions was made, its history is completed", line.number);
            self.append(line)?;
        }
        let _gone = std::fs::remove_file(&path);
        Ok(())
    }

    /// What somebody has written into the file since the last change is a change, too.
    fn note_hand_edits(&mut self) -> Result<(), Failure> {
        let last = self.lines.iter().rev().find_map(|line| match &line.kind {
            Kind::Exclusions { after, .. } => Some(after.clone()),
            Kind::Site { .. } => None,
        });
        let last = last.unwrap_or_else(|| version(b""));
        if last == self.file.version() {
            return Ok(());
        }
        let before = self.store.text(&last)?.unwrap_or_default();
        let told = Told { author: "-".into(), what: BY_HAND.into(), ..Told::default() };
        let mut line = self.line(told, &before, &self.file);
        if let Kind::Exclusions { before, .. } = &mut line.kind {
            *before = last;
        }
        self.keep(&before)?;
        self.keep(&self.file)?;
        self.append(line)
    }

    /// Keeps a text, so that changes from and to it can be shown and undone.
    fn keep(&self, file: &ExclusionFile) -> Result<(), Failure> {
        let path = self.store.version_path(&file.version());
        if path.exists() { Ok(()) } else { replace(&path, file.text()) }
    }

    fn append(&mut self, line: Line) -> Result<(), Failure> {
        let path = self.store.folder.join("history.jsonl");
        let failed = |error: std::io::Error| at(&path, &error);
        let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
        bytes.push(b'\n');
        let mut options = std::fs::OpenOptions::new();
        let mut file =
            options.create(true).read(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        if length + bytes.len() as u64 > HISTORY_BYTES {
            return Err(Failure::Unavailable(format!(
                "{}: longer than {HISTORY_BYTES} bytes",
                path.display()
            )));
        }
        // behind what a crash has cut off
        let mut last = [b'\n'];
        if length > 0 {
            use std::os::unix::fs::FileExt;
            file.read_exact_at(&mut last, length - 1).map_err(failed)?;
        }
        if last != [b'\n'] {
            bytes.insert(0, b'\n');
        }
        file.write_all(&bytes).and_then(|()| file.sync_data()).map_err(failed)?;
        give_to_owner(&path, self.store.file.parent());
        self.lines.push(line);
        Ok(())
    }

    /// Removes the texts of changes long ago.
    fn prune(&self) {
        let kept = self.lines.iter().rev().take(VERSIONS).filter_map(|line| match &line.kind {
            Kind::Exclusions { before, after, .. } => Some([before.as_str(), after.as_str()]),
            Kind::Site { .. } => None,
        });
        let kept: std::collections::HashSet<String> =
            kept.flatten().map(|version| format!("{version}.conf")).collect();
        let Ok(folder) = std::fs::read_dir(self.store.folder.join("versions")) else { return };
        for entry in folder.flatten().filter(|entry| !kept.contains(&*entry.file_name().to_string_lossy())) {
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}

fn least_id(lines: &[Line]) -> u64 {
    let ids = lines.iter().filter_map(|line| match &line.kind {
        Kind::Exclusions { ids, .. } => ids.iter().max(),
        Kind::Site { .. } => None,
    });
    ids.max().map_or(0, |id| id + 1)
}

/// What a change did, where what came and went by it is known already.
fn what(line: &Line, change: &Change) -> What {
    match (&line.kind, change.removed.is_empty()) {
        _ if line.undoes.is_some() => What::Undone,
        (Kind::Site { .. }, _) => What::SiteMode,
        _ if line.what == BY_HAND => What::ByHand,
        _ if line.what.starts_with(EXPIRED) => What::Expired,
        (_, true) => What::Excluded,
        _ if change.added.is_empty() => What::Removed,
        _ => What::Replaced,
    }
}

fn at(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Unavailable(format!("{}: {error}", path.display()))
}

fn located(path: &Path, refused: &tuning::Refused) -> Failure {
    Failure::Refused(format!("{}: {refused}", path.display()))
}

/// The bytes of a file, up to a limit; none where there is no file.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(limit).read_to_end(&mut bytes).map_err(|error| at(path, &error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(bytes),
        Err(error) => return Err(at(path, &error)),
    };
    Ok(bytes)
}

/// What root makes by a command belongs to the daemon's user, who owns the folder.
fn give_to_owner(path: &Path, folder: Option<&Path>) {
    use std::os::unix::fs::MetadataExt;
    if rustix::process::geteuid().is_root()
        && let Some(owner) = folder.and_then(|folder| std::fs::metadata(folder).ok())
        && let Err(error) = std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid()))
    {
        tracing::warn!("{}: {error}", path.display());
    }
}

/// Writes a new file of mode 0600 that takes the name: whoever reads finds the old text or the new one. One that is there
/// already keeps its mode.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        if let Ok(known) = std::fs::metadata(path) {
            file.as_file().set_permissions(known.permissions())?;
        }
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        give_to_owner(file.path(), Some(folder));
        file.persist(path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| at(path, &error))
}

#[cfg(test)]
mod tests {
    use tuning::{Exclusion, Note, PathMatch, Sites};

    use super::*;

    fn added(file: &ExclusionFile, rule: u64, least: u64) -> (ExclusionFile, u64) {
        let exclusion = Exclusion {
            rule,
            site: None,
            path: Some("/a".into()),
            path_match: PathMatch::Exact,
            parameter: None,
        };
        let note = Note { reason: "r".into(), ..Note::default() };
        file.add(&exclusion, &note, &Sites::default(), least, &|_| false).unwrap()
    }

    fn told(what: &str) -> Told {
        Told { author: "alice".into(), what: what.into(), ..Told::default() }
    }

    fn now(second: i64) -> Timestamp {
        Timestamp::from_micros(second * 1_000_000)
    }

    #[test]
    fn changes_are_kept_and_undone() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExclusionStore::new(folder.path());
        let edit = store.edit(now(1)).unwrap();
        assert!(matches!(edit.expect("x"), Err(Failure::Conflict { .. })));
        let (one, first) = added(&edit.file, 1, edit.least_id());
        assert_eq!(edit.commit(&one, Told { ids: vec![first], ..told("one") }).unwrap(), 1);
        let edit = store.edit(now(2)).unwrap();
        edit.expect(&one.version()).unwrap();
        let less = edit.file.remove(first).unwrap();
        assert_eq!(edit.commit(&less, told("gone")).unwrap(), 2);
        // an id is not given again, so that an undo finds its place free
        assert_eq!(store.edit(now(3)).unwrap().least_id(), first + 1);
        std::fs::write(store.path(), "# mine\n").unwrap();
        let edit = store.edit(now(4)).unwrap();
        let Undoing::File(back) = edit.undoing(2).unwrap() else { panic!() };
        assert!(back.find(first).is_some() && back.text().starts_with(b"# mine\n"));
        edit.commit(&back, Told { undoes: Some(2), ..told("undo") }).unwrap();
        assert!(store.edit(now(5)).unwrap().undoing(2).is_err());
        assert!(store.edit(now(5)).unwrap().undoing(77).is_err());
        let history = ExclusionStore::new(folder.path()).history().unwrap();
        let shown: Vec<_> = history.iter().map(|c| (c.number, c.what, c.undo, c.undone_by)).collect();
        use Undoable::{Possible, Undone};
        assert_eq!(
            shown,
            [
                (4, What::Undone, Possible, None),
                // "# mine" came, which is no exclusion
                (3, What::ByHand, Undoable::ChangedSince, None),
                (2, What::Removed, Undone, Some(4)),
                (1, What::Excluded, Possible, None)
            ]
        );
        let ids = |exclusions: &[ChangedExclusion]| exclusions.iter().map(|e| e.id).collect::<Vec<_>>();
        let about: Vec<_> = history.iter().map(|c| (ids(&c.removed), ids(&c.added))).collect();
        assert_eq!(about[..2], [(vec![], vec![first]), (vec![], vec![])]);
        assert_eq!(about[2..], [(vec![first], vec![]), (vec![], vec![first])]);
        assert!(history[1].diff.as_ref().unwrap().contains("+# mine"));
        assert!(history.iter().all(|change| change.diff.is_some()));
        use std::os::unix::fs::MetadataExt;
        assert_eq!(
            std::fs::metadata(folder.path().join("tuning/history.jsonl")).unwrap().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn whether_a_change_can_be_undone_is_told_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExclusionStore::new(folder.path());
        let edit = store.edit(now(1)).unwrap();
        let (one, first) = added(&edit.file, 1, 0);
        let (two, second) = added(&one, 2, 0);
        edit.commit(&two, Told { ids: vec![first, second], ..told("both") }).unwrap();
        let edit = store.edit(now(2)).unwrap();
        let (other, third) = added(&edit.file.remove(first).unwrap(), 1, edit.least_id());
        edit.commit(&other, Told { ids: vec![third], ..told("edited") }).unwrap();
        let edit = store.edit(now(3)).unwrap();
        let less = edit.file.remove(second).unwrap();
        edit.commit(&less, told("gone")).unwrap();
        let history = store.history().unwrap();
        let shown: Vec<_> = history.iter().map(|c| (c.number, c.what, c.undo)).collect();
        use Undoable::{ChangedSince, Possible};
        let expected =
            [(3, What::Removed, Possible), (2, What::Replaced, Possible), (1, What::Excluded, ChangedSince)];
        assert_eq!(shown, expected);
        let edit = store.edit(now(4)).unwrap();
        for (number, _, undo) in expected {
            assert_eq!(edit.undoing(number).is_ok(), undo == Possible, "{number}");
        }
        std::fs::remove_file(store.version_path(&two.version())).unwrap();
        assert_eq!(store.history().unwrap()[1].undo, Undoable::NotKept);
    }

    #[test]
    fn a_change_that_was_broken_off_is_completed_or_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExclusionStore::new(folder.path());
        let edit = store.edit(now(1)).unwrap();
        let (one, id) = added(&edit.file, 1, 0);
        edit.commit(&one, Told { ids: vec![id], ..told("one") }).unwrap();
        let (history, pending) =
            (folder.path().join("tuning/history.jsonl"), folder.path().join("tuning/pending.json"));
        let line = std::fs::read(&history).unwrap();

        // killed after the file, before the history; the half of a line that was written is no change
        std::fs::write(&history, &line[..20]).unwrap();
        std::fs::write(&pending, &line).unwrap();
        let edit = store.edit(now(2)).unwrap();
        assert_eq!((edit.file.version(), edit.lines.len(), edit.least_id()), (one.version(), 1, id + 1));
        drop(edit);
        assert!(!pending.exists());
        assert_eq!(store.history().unwrap().len(), 1);

        // killed after the history
        std::fs::write(&pending, &line).unwrap();
        drop(store.edit(now(3)).unwrap());
        assert_eq!(store.history().unwrap().len(), 1);

        // killed before the file
        std::fs::write(&history, "").unwrap();
        std::fs::remove_file(store.path()).unwrap();
        std::fs::write(&pending, &line).unwrap();
        let edit = store.edit(now(4)).unwrap();
        assert_eq!((edit.file.entries().len(), edit.lines.len()), (0, 0));
        assert!(!pending.exists());
    }

    #[test]
    fn what_sites_do() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExclusionStore::new(folder.path());
        let set = |second, mode| {
            let edit = store.edit(now(second)).unwrap();
            edit.commit_site("shop", mode, told("mode")).unwrap()
        };
        assert_eq!(set(1, Some(SiteMode::Learning)), 1);
        let modes = [SiteChange { site: "shop".into(), mode: SiteMode::Learning, since: now(1) }];
        assert_eq!(store.modes().unwrap(), modes);
        assert_eq!(set(2, Some(SiteMode::Block)), 2);
        let edit = store.edit(now(3)).unwrap();
        assert!(edit.undoing(1).is_err());
        assert!(matches!(edit.undoing(2), Ok(Undoing::Site(_, Some(SiteMode::Learning)))));
        let undo: Vec<_> = store.history().unwrap().iter().map(|c| (c.what, c.undo)).collect();
        assert_eq!(undo, [(What::SiteMode, Undoable::Possible), (What::SiteMode, Undoable::ChangedSince)]);
        drop(edit);
        set(4, None);
        assert_eq!(store.modes().unwrap(), []);
        assert_eq!(store.history().unwrap()[0].diff.as_deref(), Some("-shop: block\n+shop: as configured\n"));
    }

    #[test]
    fn a_file_beyond_its_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = ExclusionStore::new(folder.path());
        std::fs::write(store.path(), vec![b' '; limits::FILE_BYTES + 1]).unwrap();
        assert!(matches!(store.read(), Err(Failure::Refused(_))));
        assert!(store.edit(now(1)).is_err());
    }
}
