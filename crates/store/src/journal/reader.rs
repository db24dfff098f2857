//! Reads the whole journal, segment after segment.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use super::{Damage, JournalError, Position, Record, SegmentReader, SegmentStep, segment_path, segments};

/// The next item in the journal.
#[derive(Debug)]
pub enum Step {
    /// An event.
    Record(Box<Record>),
    /// Bytes that are no event; reading continues after them.
    Damaged(Damage),
    /// The end of the journal for now.
    End,
}

/// Reads a journal from a position, even while another thread or process writes it. Takes no lock.
#[derive(Debug)]
pub struct JournalReader {
    folder: PathBuf,
    position: Position,
    current: Option<SegmentReader<BufReader<File>>>,
}

impl JournalReader {
    /// Returns a reader of the journal in `folder` that starts at `from`. The folder need not exist yet.
    pub fn new(folder: &Path, from: Position) -> Self {
        Self { folder: folder.to_path_buf(), position: from, current: None }
    }

    /// Returns the position at which reading continues.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the next event, damage, or the end for now. It may be called again after [`Step::End`].
    ///
    /// # Errors
    /// [`JournalError::Io`], and [`JournalError::NewerForm`] for a segment of a later version.
    pub fn next_step(&mut self) -> Result<Step, JournalError> {
        // Whether a newer segment existed before the current one was last read: only then can the current one no longer
        // grow.
        let mut finished = false;
        loop {
            self.open()?;
            let Some(reader) = &mut self.current else { return Ok(Step::End) };
            let path = segment_path(&self.folder, self.position.segment);
            let step = reader.next(finished).map_err(JournalError::io("read", &path))?;
            self.position.offset = reader.offset();
            match step {
                SegmentStep::Event(event) => {
                    return Ok(Step::Record(Box::new(Record { end: self.position, event: *event })));
                }
                SegmentStep::Damaged(damage) => return Ok(Step::Damaged(damage)),
                SegmentStep::NewerForm(form) => {
                    self.current = None;
                    return Err(JournalError::NewerForm { path, form });
                }
                SegmentStep::End { .. } if finished => {
                    let Some(next) = self.next_segment()? else { return Ok(Step::End) };
                    self.position = Position { segment: next, offset: 0 };
                    self.current = None;
                    finished = false;
                }
                SegmentStep::End { .. } => {
                    if self.next_segment()?.is_none() {
                        return Ok(Step::End);
                    }
                    finished = true;
                }
            }
        }
    }

    fn next_segment(&self) -> Result<Option<u64>, JournalError> {
        Ok(segments(&self.folder)?.into_iter().find(|number| *number > self.position.segment))
    }

    /// Opens the segment at the position, or the first one after it, if any.
    fn open(&mut self) -> Result<(), JournalError> {
        if self.current.is_none() {
            let found = segments(&self.folder)?.into_iter().find(|number| *number >= self.position.segment);
            let Some(number) = found else { return Ok(()) };
            if number != self.position.segment {
                self.position = Position { segment: number, offset: 0 };
            }
            let path = segment_path(&self.folder, number);
            let file = match File::open(&path) {
                Ok(file) => file,
                // The ingester has deleted it since it was listed; the next call finds its successor.
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(JournalError::io("open", &path)(error)),
            };
            let reader = SegmentReader::new(BufReader::new(file), number, self.position.offset);
            self.current = Some(reader.map_err(JournalError::io("seek", &path))?);
        }
        Ok(())
    }
}
