//! Syncing the journal to disk, and recovery from a failed sync.
//!
//! Linux reports a failed write-back once and marks the pages clean: a second `fsync` of the same file succeeds
//! although the disk does not have them (<https://wiki.postgresql.org/wiki/Fsync_Errors>). So the journal no longer
//! trusts a segment after a failed sync: it appends nothing more to it and ignores later syncs of it. As soon as the
//! disk syncs a new segment, the journal reads the records back from the page cache and writes them there. Until then
//! every sync fails.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::suspects::{Suspect, Syncing};
use super::writer::{Journal, encode_record};
use super::{JournalError, Position, SegmentReader, SegmentStep, segment_path};

/// Time after a failed sync during which further syncs fail immediately, so that a failing disk is not synced for every
/// batch.
const PAUSE: Duration = Duration::from_secs(1);

impl Journal {
    /// Returns once everything written so far survives a power cut. Other threads may append in the meantime.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn sync(&self) -> Result<(), JournalError> {
        let end = self.state().end;
        self.sync_to(end)
    }

    /// Clears the reported sync failure, if all of its events are safe by now.
    pub fn acknowledge_sync_failure(&self) {
        let syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if syncing.suspects.is_empty() {
            self.state().sync_failure = None;
        }
    }

    #[cfg(test)]
    pub(crate) fn synced(&self) -> Position {
        self.syncing.lock().unwrap_or_else(PoisonError::into_inner).synced
    }

    /// Returns once everything before `target` survives a power cut.
    pub(super) fn sync_to(&self, target: Position) -> Result<(), JournalError> {
        let mut syncing = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        if !syncing.suspects.is_empty() && syncing.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            let why = self.state().sync_failure.clone().unwrap_or_default();
            return Err(JournalError::io("sync", &self.folder)(io::Error::other(why)));
        }
        if syncing.suspects.is_empty() && syncing.synced >= target {
            return Ok(());
        }
        // The second pass rewrites the records that the disk failed to keep in the first.
        let first = syncing.suspects.is_empty();
        let mut done = self.sync_pass(&mut syncing);
        if let (Err(error), true) = (&done, first) {
            self.state().sync_failure = Some(error.to_string());
            done = self.sync_pass(&mut syncing);
        }
        let mut state = self.state();
        match &done {
            Err(error) => {
                syncing.failed = Some(Instant::now());
                state.sync_failure = Some(error.to_string());
            }
            Ok(()) if syncing.rescued => {
                syncing.rescued = false;
                let why = state.sync_failure.take().unwrap_or_default();
                state.sync_failure = Some(format!("{why}; its events were written again to a new file"));
            }
            Ok(()) => {}
        }
        drop(state);
        done
    }

    fn sync_pass(&self, syncing: &mut Syncing) -> Result<(), JournalError> {
        if syncing.suspects.values().any(|suspect| matches!(suspect, Suspect::From(_))) {
            self.probe(syncing)?;
        }
        for (number, suspect) in &mut syncing.suspects {
            if let Suspect::From(offset) = *suspect {
                self.write_again(Position { segment: *number, offset })?;
                *suspect = Suspect::WrittenAgain;
            }
        }
        let (end, current) = {
            let state = self.state();
            (state.end, state.segment.clone())
        };
        let from = syncing.synced;
        for number in from.segment..=end.segment {
            if syncing.suspects.contains_key(&number) {
                continue;
            }
            let path = segment_path(&self.folder, number);
            let synced = match current.as_ref().filter(|_| number == end.segment) {
                Some(segment) => segment.sync(),
                None => match self.disk.open(&path) {
                    // The ingester has deleted it, after the store's own sync.
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                    opened => opened.and_then(|segment| segment.sync()),
                },
            };
            if let Err(error) = synced {
                return Err(self.suspect(syncing, number, error));
            }
        }
        if from.segment != end.segment {
            self.disk.sync_folder(&self.folder).map_err(JournalError::io("sync", &self.folder))?;
        }
        syncing.synced = end;
        syncing.rescued |= !syncing.suspects.is_empty();
        syncing.suspects.clear();
        Ok(())
    }

    /// Syncs the current segment, or a new one, so that copies do not fill a disk that keeps nothing.
    fn probe(&self, syncing: &mut Syncing) -> Result<(), JournalError> {
        let (segment, number) = {
            let mut state = self.state();
            if state.segment.is_none() {
                self.begin_segment(&mut state)?;
            }
            (state.segment.clone(), state.end.segment)
        };
        match segment.map_or(Ok(()), |segment| segment.sync()) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.suspect(syncing, number, error)),
        }
    }

    /// Marks a segment after a failed sync; nothing more is appended to it.
    fn suspect(&self, syncing: &mut Syncing, number: u64, error: io::Error) -> JournalError {
        let error = JournalError::io("sync", &segment_path(&self.folder, number))(error);
        let offset = if number == syncing.synced.segment { syncing.synced.offset } else { 0 };
        syncing.suspects.insert(number, Suspect::From(offset));
        let mut state = self.state();
        if state.end.segment == number {
            state.segment = None;
        }
        error
    }

    /// Reads the records of a segment from an offset and appends them to the current segment.
    fn write_again(&self, from: Position) -> Result<(), JournalError> {
        let path = segment_path(&self.folder, from.segment);
        let unreadable = |error| JournalError::io("read again", &path)(error);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(unreadable)?,
        };
        let mut reader =
            SegmentReader::new(BufReader::new(file), from.segment, from.offset).map_err(unreadable)?;
        let mut records = Vec::new();
        loop {
            match reader.next(true).map_err(unreadable)? {
                SegmentStep::Event(event) => records.extend_from_slice(&encode_record(&event)?),
                SegmentStep::End { .. } => break,
                SegmentStep::Damaged(damage) => {
                    return Err(unreadable(io::Error::new(ErrorKind::InvalidData, damage.to_string())));
                }
                SegmentStep::NewerForm(form) => {
                    return Err(unreadable(io::Error::new(ErrorKind::InvalidData, form)));
                }
            }
        }
        if !records.is_empty() {
            self.try_write(&mut self.state(), &records)?;
            self.appended.notify_all();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
