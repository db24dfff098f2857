//! Named sets of addresses, networks, countries and autonomous systems.
//!
//! A set, such as `blocked`, has entries from several sources: the owner, a blocklist, a part that bans. Each entry has
//! a reason and may have an end. The gate calls [`AddressSets::find`]; nftables follows [`AddressSets::changes`] and
//! compares snapshots.
//!
//! Each source of a set has its own table: a file `SET.SOURCE.json`, and in memory a prefix trie that each change
//! replaces as a whole. A lookup takes no lock. A change copies the table of its source, which takes about 5 µs per
//! entry, so a caller with many bans adds them together. A change takes effect at once and reaches the disk with
//! [`AddressSets::flush`], which [`AddressSets::run`] calls within [`FLUSH_DELAY`].
//!
//! ```
//! use std::sync::Arc;
//! use spine::address_sets::{AddressSets, NewEntry};
//! use spine::clock::{Clock, SystemClock};
//!
//! # let folder = tempfile::tempdir()?;
//! let clock = Arc::new(SystemClock::default());
//! let sets = AddressSets::open(folder.path(), clock.clone(), Arc::default())?;
//! let entry = NewEntry { member: "192.0.2.0/24".parse()?, reason: "scans".into(), ends: None };
//! let undo = sets.add("blocked", "owner", [entry])?;
//! sets.flush()?;
//!
//! let found = sets.find("blocked", "192.0.2.7".parse()?, clock.now()).ok_or("not found")?;
//! assert_eq!((&found.source[..], &found.entry.reason[..]), ("owner", "scans"));
//! assert_eq!(sets.undo(undo), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod table;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use event::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::ends::{End, Expiring, Renewal};
use crate::geoip::GeoipFiles;
use crate::limits::{
    FLUSH_DELAY, MAX_ENTRIES, MAX_NAME_BYTES, MAX_REASONS_BYTES, MAX_SET_ENDS, MAX_SET_FILE_BYTES, MAX_TABLES,
};
pub use table::{Entry, Member, Table, UndoId};

/// An entry to add.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The addresses that the entry covers.
    pub member: Member,
    /// The reason, as readable text, cut to [`MAX_REASON_BYTES`](crate::limits::MAX_REASON_BYTES).
    pub reason: String,
    /// The time at which the entry leaves the set; none if it stays.
    pub ends: Option<Timestamp>,
}

/// An entry that covers an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The source of the entry.
    pub source: Arc<str>,
    /// The addresses that the entry covers.
    pub member: Member,
    /// The entry.
    pub entry: Entry,
}

/// An error of a change, or of reading or writing a file.
#[derive(Debug, thiserror::Error)]
pub enum AddressSetsError {
    /// A name cannot be part of a file's name.
    #[error("the name {0:?} must be 1 to {MAX_NAME_BYTES} lower-case letters, digits, dashes or underscores")]
    Name(String),
    /// The change would exceed the number of entries.
    #[error("more than {MAX_ENTRIES} entries in all sets; remove a source first")]
    TooManyEntries,
    /// The change would exceed the number of sources.
    #[error("more than {MAX_TABLES} sources of sets")]
    TooManyTables,
    /// The reasons would exceed their limit in bytes.
    #[error("the reasons of all entries take more than {MAX_REASONS_BYTES} bytes; shorten or share them")]
    TooManyReasons,
    /// A file cannot be read or written.
    #[error("{}: {what}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        what: String,
    },
}

/// The set and the source of a table.
type Place = (Arc<str>, Arc<str>);

/// All entries at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(Arc<BTreeMap<Place, Arc<Table>>>);

/// The difference of a set between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Members that only the newer snapshot has.
    pub added: Vec<Member>,
    /// Members that only the older snapshot has.
    pub removed: Vec<Member>,
}

impl Snapshot {
    /// Returns the tables of a set, by source.
    pub fn tables(&self, set: &str) -> impl Iterator<Item = (&Arc<str>, &Arc<Table>)> {
        tables_of(&self.0, set)
    }

    /// Returns the names of the sets.
    pub fn sets(&self) -> BTreeSet<Arc<str>> {
        self.0.keys().map(|(set, _)| Arc::clone(set)).collect()
    }

    /// Returns what changed in a set from `older` to this snapshot.
    pub fn change_since(&self, older: &Self, set: &str) -> Change {
        let members = |of: &Self| -> BTreeSet<Member> {
            of.tables(set).flat_map(|(_, table)| table.iter().map(|(member, _)| member)).collect()
        };
        let (old, new) = (members(older), members(self));
        Change {
            added: new.difference(&old).copied().collect(),
            removed: old.difference(&new).copied().collect(),
        }
    }
}

#[derive(Debug, Default)]
struct Writer {
    /// Tables that are newer than their files.
    unwritten: BTreeSet<Place>,
    last_undo: u64,
}

/// Named sets of addresses, networks, countries and autonomous systems.
#[derive(Debug)]
pub struct AddressSets {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    current: ArcSwap<BTreeMap<Place, Arc<Table>>>,
    /// Serialises changes; a lookup never takes it.
    writer: Mutex<Writer>,
    /// Allows one writer of files at a time.
    flushing: Mutex<()>,
    geoip: Arc<GeoipFiles>,
    changes: watch::Sender<u64>,
}

impl AddressSets {
    /// Reads the sets of a folder, which this process must own ([`crate::folder`]). `geoip` knows the countries and
    /// autonomous systems of addresses.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged or exceeds a limit.
    pub fn open(
        folder: &Path,
        clock: Arc<dyn Clock>,
        geoip: Arc<GeoipFiles>,
    ) -> Result<Self, AddressSetsError> {
        let mut tables = BTreeMap::new();
        let mut writer = Writer::default();
        let failed = |path: &Path, what: String| AddressSetsError::File { path: path.to_owned(), what };
        for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error.to_string()))? {
            let path = entry.map_err(|error| failed(folder, error.to_string()))?.path();
            let name =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".json"));
            let Some((set, source)) = name.and_then(|name| name.split_once('.')) else { continue };
            if !table::is_name(set) || !table::is_name(source) {
                continue;
            }
            let text =
                files::regular_file::read(&path, MAX_SET_FILE_BYTES + 1).map_err(|error| error.to_string());
            let table = text.and_then(|text| Table::parse(&text)).map_err(|what| failed(&path, what))?;
            writer.last_undo = table.iter().map(|(_, entry)| entry.undo.0).fold(writer.last_undo, u64::max);
            tables.insert((set.into(), source.into()), Arc::new(table));
        }
        check_limits(&tables)?;
        Ok(Self {
            folder: folder.to_owned(),
            clock,
            current: ArcSwap::from_pointee(tables),
            writer: Mutex::new(writer),
            flushing: Mutex::default(),
            geoip,
            changes: watch::Sender::new(0),
        })
    }

    /// Returns the entry of a set that covers an address at `now`: first by the longest prefix, then by autonomous
    /// system, then by country. The first lookup in a set with countries or systems reads the databases.
    pub fn find(&self, set: &str, address: IpAddr, now: Timestamp) -> Option<Found> {
        let current = self.current.load();
        let address = address.to_canonical();
        let mut best: Option<Found> = None;
        let (mut countries, mut asns) = (false, false);
        for (source, table) in tables_of(&current, set) {
            countries |= !table.countries.is_empty();
            asns |= !table.asns.is_empty();
            let covering =
                table.networks.cover(&address.into()).filter(|(_, entry)| entry.holds_at(now)).last();
            if let Some((network, entry)) = covering {
                let longer = |found: &Found| matches!(found.member, Member::Network(best) if best.prefix_len() >= network.prefix_len());
                if !best.as_ref().is_some_and(longer) {
                    best = Some(found(source, Member::Network(network), entry));
                }
            }
        }
        if best.is_some() || !(countries || asns) {
            return best;
        }
        let databases = self.geoip.databases();
        let asn = asns.then(|| databases.asn(address)).flatten();
        let country = countries.then(|| databases.country(address)).flatten();
        let country: Option<[u8; 2]> =
            country.and_then(|code| code.to_ascii_uppercase().as_bytes().try_into().ok());
        let by_asn = |table: &Table| Some((Member::Asn(asn?), table.asns.get(&asn?)?.clone()));
        let by_country =
            |table: &Table| Some((Member::Country(country?), table.countries.get(&country?)?.clone()));
        let with = |get: &dyn Fn(&Table) -> Option<(Member, Entry)>| {
            tables_of(&current, set).find_map(|(source, table)| {
                let (member, entry) = get(table).filter(|(_, entry)| entry.holds_at(now))?;
                Some(found(source, member, &entry))
            })
        };
        with(&by_asn).or_else(|| with(&by_country))
    }

    /// Adds a batch of entries. A new entry replaces one with the same set, source and member.
    ///
    /// # Errors
    /// If a name is invalid or the batch exceeds a limit; then nothing is added.
    pub fn add(
        &self,
        set: &str,
        source: &str,
        entries: impl IntoIterator<Item = NewEntry>,
    ) -> Result<UndoId, AddressSetsError> {
        self.put(set, source, entries, true)
    }

    /// Replaces all entries of a source, for example of a newly fetched blocklist.
    ///
    /// # Errors
    /// See [`AddressSets::add`].
    pub fn import(
        &self,
        set: &str,
        source: &str,
        entries: impl IntoIterator<Item = NewEntry>,
    ) -> Result<UndoId, AddressSetsError> {
        self.put(set, source, entries, false)
    }

    /// Removes one entry. Returns whether it existed.
    pub fn remove(&self, set: &str, source: &str, member: Member) -> bool {
        self.retain(|place, of, _| *of != member || (&*place.0, &*place.1) != (set, source)) > 0
    }

    /// Removes all entries of a source from a set. Returns their number.
    pub fn remove_source(&self, set: &str, source: &str) -> usize {
        self.retain(|place, _, _| (&*place.0, &*place.1) != (set, source))
    }

    /// Removes the entries of a batch. Returns their number. An entry that the batch replaced does not come back.
    pub fn undo(&self, batch: UndoId) -> usize {
        self.retain(|_, _, entry| entry.undo != batch)
    }

    /// Removes the entries whose end is past. Returns their number. [`AddressSets::find`] ignores such entries in any
    /// case.
    pub fn expire(&self) -> usize {
        let now = self.clock.now();
        self.retain(|_, _, entry| entry.holds_at(now))
    }

    /// Returns the soonest end of an entry.
    pub fn next_end(&self) -> Option<Timestamp> {
        let current = self.current.load();
        current.values().flat_map(|table| table.iter().filter_map(|(_, entry)| entry.ends)).min()
    }

    /// Returns a snapshot of all current entries.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.current.load_full())
    }

    /// Returns a receiver that is notified of each change. A reader then takes a [`snapshot`](Self::snapshot) and
    /// compares it with the previous one, so that a slow reader misses nothing.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Writes the files of the tables that have changed.
    ///
    /// # Errors
    /// If a file cannot be written. The next call tries again.
    pub fn flush(&self) -> Result<(), AddressSetsError> {
        let _flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        let (unwritten, current) = {
            let mut writer = self.writer();
            (std::mem::take(&mut writer.unwritten), self.current.load_full())
        };
        let mut failed = None;
        for place in unwritten {
            let path = self.folder.join(format!("{}.{}.json", place.0, place.1));
            let written = match current.get(&place) {
                Some(table) => files::replace_file(&path, |out| table.write(out)),
                None => match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                },
            };
            if let Err(error) = written {
                self.writer().unwritten.insert(place);
                failed = Some(AddressSetsError::File { path, what: error.to_string() });
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Removes entries at their end and writes changes to disk, without end. Call [`flush`](Self::flush) after dropping
    /// the future.
    pub async fn run(self: Arc<Self>) {
        let mut changes = self.changes();
        loop {
            self.expire();
            let this = Arc::clone(&self);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || this.flush()).await {
                tracing::warn!("cannot store the address sets: {error}");
            }
            let end = async {
                match self.next_end() {
                    Some(end) => self.clock.sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = end => {}
                // the sender lives in `self`
                _ = changes.changed() => tokio::time::sleep(FLUSH_DELAY).await,
            }
        }
    }

    fn put(
        &self,
        set: &str,
        source: &str,
        entries: impl IntoIterator<Item = NewEntry>,
        keep: bool,
    ) -> Result<UndoId, AddressSetsError> {
        for name in [set, source] {
            if !table::is_name(name) {
                return Err(AddressSetsError::Name(name.to_owned()));
            }
        }
        let mut writer = self.writer();
        let now = self.clock.now();
        let undo = UndoId(writer.last_undo.saturating_add(1).max(now.as_micros().unsigned_abs()));
        let mut tables = BTreeMap::clone(&self.current.load());
        let place: Place = (set.into(), source.into());
        let former = tables.get(&place).filter(|_| keep);
        let mut table = former.map_or_else(Table::default, |table| Table::clone(table));
        for entry in entries {
            table.insert(entry.member, &entry.reason, now, entry.ends, undo);
            // stop early on an endless list
            if table.len() > MAX_ENTRIES {
                return Err(AddressSetsError::TooManyEntries);
            }
        }
        tables.insert(place.clone(), Arc::new(table));
        check_limits(&tables)?;
        writer.last_undo = undo.0;
        self.publish(writer, tables, [place]);
        Ok(undo)
    }

    /// Keeps the entries for which `keep` holds. Returns the number of removed entries.
    fn retain(&self, keep: impl Fn(&Place, &Member, &Entry) -> bool) -> usize {
        let writer = self.writer();
        let mut tables = BTreeMap::clone(&self.current.load());
        let mut changed = Vec::new();
        let mut removed = 0;
        for (place, table) in &mut tables {
            if let Some(kept) = table.retained(|member, entry| keep(place, member, entry)) {
                removed += table.len() - kept.len();
                *table = Arc::new(kept);
                changed.push(place.clone());
            }
        }
        if removed > 0 {
            tables.retain(|_, table| !table.is_empty());
            self.publish(writer, tables, changed);
        }
        removed
    }

    fn publish(
        &self,
        mut writer: MutexGuard<'_, Writer>,
        tables: BTreeMap<Place, Arc<Table>>,
        changed: impl IntoIterator<Item = Place>,
    ) {
        self.current.store(Arc::new(tables));
        writer.unwritten.extend(changed);
        drop(writer);
        self.changes.send_modify(|number| *number += 1);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lists the entries with the next [`MAX_SET_ENDS`] ends.
impl Expiring for AddressSets {
    fn ends(&self) -> Vec<End> {
        let current = self.current.load();
        let mut ends: Vec<_> = current
            .iter()
            .flat_map(|(place, table)| {
                table.iter().filter_map(move |(member, entry)| Some((entry.ends?, member, place)))
            })
            .collect();
        if ends.len() > MAX_SET_ENDS {
            ends.select_nth_unstable(MAX_SET_ENDS);
            ends.truncate(MAX_SET_ENDS);
        }
        ends.into_iter()
            .map(|(at, member, (set, source))| End {
                kind: "entry of an address set",
                subject: format!("{member} in {set}"),
                at,
                source: source.to_string(),
                renewal: Renewal::Intended,
            })
            .collect()
    }
}

/// Returns the tables of a set. There are few, so a lookup goes through all of them and allocates nothing.
fn tables_of<'a>(
    tables: &'a BTreeMap<Place, Arc<Table>>,
    set: &str,
) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<Table>)> {
    tables.iter().filter(move |((of, _), _)| **of == *set).map(|((_, source), table)| (source, table))
}

fn found(source: &Arc<str>, member: Member, entry: &Entry) -> Found {
    Found { source: Arc::clone(source), member, entry: entry.clone() }
}

fn check_limits(tables: &BTreeMap<Place, Arc<Table>>) -> Result<(), AddressSetsError> {
    if tables.len() > MAX_TABLES {
        return Err(AddressSetsError::TooManyTables);
    }
    if tables.values().map(|table| table.len()).sum::<usize>() > MAX_ENTRIES {
        return Err(AddressSetsError::TooManyEntries);
    }
    if tables.values().map(|table| table.reason_bytes()).sum::<usize>() > MAX_REASONS_BYTES {
        return Err(AddressSetsError::TooManyReasons);
    }
    Ok(())
}
