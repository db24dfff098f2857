//! The inspected part of a body, held back until the rules have decided.
//!
//! The beginning stays in memory. Beyond [`HELD_IN_MEMORY`], or when the client's share of memory is used up, the body moves to
//! an unnamed file (mode 0600, deleted with its descriptor). The output has the same bytes as the input.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};

use crate::limits::{HELD_IN_MEMORY, Limits, SPILL_BYTES};
use crate::share::{Charge, Client, Resource, Spent};

/// Smaller pieces are joined, because each piece has a fixed cost, and a client may send one byte at a time.
const JOIN_BYTES: usize = 4096;

/// This many pieces of any size are held without a copy, because most bodies arrive in one or two.
const FEW_PIECES: usize = 8;

/// The inspected part of a body; [`Held::none`] without a body.
#[derive(Debug)]
pub(crate) struct Held(Option<Arc<Mutex<Inner>>>);

/// The beginning of a held body, for an event.
#[derive(Debug)]
pub(crate) struct Beginning(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// The first bytes of a body that is too large for memory.
    file: Option<Arc<File>>,
    spilled: usize,
    /// The pieces after the file; sent pieces are empty.
    pieces: Vec<Bytes>,
    tail: BytesMut,
    length: usize,
    memory: Charge,
    disk: Charge,
    /// The charge for bytes that were read from the file and are being sent.
    reading: Charge,
    next: Position,
    /// Number of leading bytes that are kept for an event.
    kept: usize,
    /// Whether part of the body has been freed.
    broached: bool,
}

/// The read position of an attempt.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    in_file: usize,
    piece: usize,
}

/// The reason why a body cannot be held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HoldError {
    #[error("this client has used up its share of the disk space for held bodies")]
    Share(#[from] Spent),
    #[error("cannot hold the body on disk: {0}")]
    Disk(#[from] io::Error),
}

impl Held {
    /// Starts with an empty body. The first `kept` bytes stay available for an event after they are sent.
    pub(crate) fn new(client: &Arc<Client>, kept: usize) -> Self {
        let inner = Inner {
            file: None,
            spilled: 0,
            pieces: Vec::new(),
            tail: BytesMut::new(),
            length: 0,
            memory: Charge::new(client, Resource::Memory),
            disk: Charge::new(client, Resource::Disk),
            reading: Charge::new(client, Resource::Memory),
            next: Position::default(),
            kept,
            broached: false,
        };
        Self(Some(Arc::new(Mutex::new(inner))))
    }

    /// Returns a value without a body.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Adds a piece. `folder` is the folder for a file.
    pub(crate) async fn push(&self, piece: Bytes, limits: &Limits, folder: &Path) -> Result<(), HoldError> {
        let Some(shared) = &self.0 else { return Ok(()) };
        let spill = {
            let mut inner = lock(shared);
            inner.push(piece);
            let waiting = inner.waiting();
            let fits = (inner.file.is_none() && waiting <= HELD_IN_MEMORY || waiting < SPILL_BYTES)
                && inner.memory.set(waiting, limits.held_bytes).is_ok();
            if fits {
                return Ok(());
            }
            // charged until the piece is written
            inner.memory.set_anyway(waiting);
            let spilled = inner.spilled + waiting;
            inner.disk.set(spilled, limits.spilled_bytes)?;
            inner.close_tail();
            Spill {
                file: inner.file.clone(),
                at: inner.spilled as u64,
                pieces: std::mem::take(&mut inner.pieces),
            }
        };
        let folder = folder.to_owned();
        let written = tokio::task::spawn_blocking(move || spill.write(&folder)).await;
        let file = written.map_err(io::Error::other)??;
        let mut inner = lock(shared);
        inner.file = Some(file);
        inner.spilled = inner.length;
        inner.memory.set_anyway(0);
        Ok(())
    }

    /// Returns the number of bytes added.
    pub(crate) fn len(&self) -> usize {
        self.0.as_deref().map_or(0, |inner| lock(inner).length)
    }

    /// Returns the next piece and keeps it for another attempt.
    pub(crate) async fn lend(&self) -> io::Result<Option<Bytes>> {
        let Some(shared) = &self.0 else { return Ok(None) };
        let read = {
            let mut inner = lock(shared);
            inner.close_tail();
            inner.reading.set_anyway(0);
            match inner.next_read() {
                Some(read) => read,
                None => return Ok(inner.next_piece()),
            }
        };
        let bytes = tokio::task::spawn_blocking(move || read.run()).await.map_err(io::Error::other)??;
        let mut inner = lock(shared);
        inner.next.in_file += bytes.len();
        inner.reading.set_anyway(bytes.len());
        Ok(Some(bytes))
    }

    /// Returns the next piece and frees it afterwards.
    pub(crate) async fn release(&self) -> io::Result<Option<Bytes>> {
        let piece = self.lend().await?;
        self.settle();
        Ok(piece)
    }

    /// Frees the returned pieces: no other attempt will follow.
    pub(crate) fn settle(&self) {
        if let Some(inner) = &self.0 {
            lock(inner).settle();
        }
    }

    /// Rewinds to the first piece. Returns false if that is freed: then the body cannot be sent again.
    pub(crate) fn rewind(&self) -> bool {
        let Some(inner) = &self.0 else { return true };
        let mut inner = lock(inner);
        inner.next = Position::default();
        !inner.broached
    }

    /// Keeps as many bytes as an event may show, even after they are sent.
    pub(crate) fn keep_for_event(&self) {
        if let Some(inner) = &self.0 {
            lock(inner).kept = event::limits::MAX_BODY_BYTES;
        }
    }

    /// Returns the beginning of the body for the event.
    pub(crate) fn beginning(&self) -> Option<Beginning> {
        self.0.clone().map(Beginning)
    }
}

impl Beginning {
    /// Returns those of the first `limit` bytes that are still available.
    pub(crate) fn read(&self, limit: usize) -> Vec<u8> {
        let inner = lock(&self.0);
        let mut bytes = vec![0; inner.spilled.min(limit)];
        if let Some(file) = &inner.file
            && file.read_exact_at(&mut bytes, 0).is_err()
        {
            bytes.clear();
        }
        for piece in inner.pieces.iter().map(|piece| &piece[..]).chain([&inner.tail[..]]) {
            let left = limit - bytes.len();
            bytes.extend_from_slice(&piece[..piece.len().min(left)]);
        }
        bytes
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        // the event is recorded: sent pieces are no longer needed
        let mut inner = lock(&self.0);
        inner.kept = 0;
        inner.settle();
    }
}

impl Inner {
    fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        if piece.len() < JOIN_BYTES && self.pieces.len() >= FEW_PIECES {
            self.tail.extend_from_slice(&piece);
            if self.tail.len() >= JOIN_BYTES {
                self.pieces.push(self.tail.split().freeze());
            }
        } else {
            self.close_tail();
            self.pieces.push(piece);
        }
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.pieces.push(std::mem::take(&mut self.tail).freeze());
        }
    }

    /// Returns the number of bytes in memory before any piece is sent.
    fn waiting(&self) -> usize {
        self.length - self.spilled
    }

    fn next_read(&self) -> Option<SpilledRead> {
        let file = self.file.as_ref().filter(|_| self.next.in_file < self.spilled)?;
        let length = SPILL_BYTES.min(self.spilled - self.next.in_file);
        Some(SpilledRead { file: Arc::clone(file), at: self.next.in_file as u64, length })
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        let piece = self.pieces.get(self.next.piece)?.clone();
        self.next.piece += 1;
        Some(piece)
    }

    fn settle(&mut self) {
        // a file needs no memory, and an event may need it
        let mut before = self.spilled;
        for piece in &mut self.pieces[..self.next.piece] {
            let length = piece.len();
            if before >= self.kept && length > 0 {
                *piece = Bytes::new();
                self.memory.set_anyway(self.memory.amount().saturating_sub(length));
                self.broached = true;
            }
            before += length;
        }
        if self.kept == 0 && self.next.in_file == self.spilled && self.file.take().is_some() {
            self.spilled = 0;
            self.next.in_file = 0;
            self.disk.set_anyway(0);
            self.broached = true;
        }
    }
}

/// Pieces to write to the file.
struct Spill {
    file: Option<Arc<File>>,
    at: u64,
    pieces: Vec<Bytes>,
}

impl Spill {
    fn write(self, folder: &Path) -> io::Result<Arc<File>> {
        let file = match self.file {
            Some(file) => file,
            None => Arc::new(tempfile::tempfile_in(folder)?),
        };
        let mut at = self.at;
        for piece in self.pieces {
            file.write_all_at(&piece, at)?;
            at += piece.len() as u64;
        }
        Ok(file)
    }
}

/// A read from the file.
struct SpilledRead {
    file: Arc<File>,
    at: u64,
    length: usize,
}

impl SpilledRead {
    fn run(self) -> io::Result<Bytes> {
        let mut bytes = vec![0; self.length];
        self.file.read_exact_at(&mut bytes, self.at)?;
        Ok(bytes.into())
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    // no change can panic halfway
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
