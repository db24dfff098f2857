//! The bytes of a transaction, and references to them that are plain numbers.
//!
//! The arena stores everything that arrives, once. Transformed values that differ from their input have their own buffers, which
//! later transformations reuse. Rules hold references, so no rule copies a value.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a transaction's memory is far below 4 GiB: its bodies and values have limits"
)]

use std::borrow::Cow;

/// A slice of the bytes in a [`Memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Slice {
    source: u32,
    start: u32,
    len: u32,
}

const ARENA: u32 = 0;
const SCRATCH: u32 = 1;
const FIRST_BUFFER: u32 = 2;

impl Slice {
    pub(crate) fn len(self) -> usize {
        self.len as usize
    }

    /// Returns a part of the slice, cut at its end.
    pub(crate) fn part(self, start: usize, end: usize) -> Slice {
        let end = end.min(self.len());
        let start = start.min(end);
        Slice { source: self.source, start: self.start + start as u32, len: (end - start) as u32 }
    }
}

/// The size of a [`Memory`] at one time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Mark {
    arena: usize,
    buffers: usize,
}

impl Mark {
    /// Returns this mark with the arena size of `other`.
    pub(crate) fn with_arena_of(self, other: Mark) -> Mark {
        Mark { arena: other.arena, ..self }
    }
}

/// The bytes of a transaction.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    arena: Vec<u8>,
    /// Values made for one rule: counts, numbers, copies of variables that may change.
    scratch: Vec<u8>,
    buffers: Vec<Vec<u8>>,
}

/// Bytes of an ordinary request. The arena starts with this capacity, so that it does not move while it grows.
const ROOM: usize = 8 * 1024;
/// Transformed values up to this size are copied to the arena. Larger ones keep their buffer.
const SMALL: usize = 1024;

impl Memory {
    /// Allocates the capacity for an ordinary request.
    pub(crate) fn make_room(&mut self) {
        self.arena.reserve(ROOM);
    }

    /// Clears the contents and keeps the allocations.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.scratch.clear();
        self.buffers.clear();
    }

    /// Returns the number of bytes that stay allocated after [`Memory::clear`].
    pub(crate) fn capacity(&self) -> usize {
        self.arena.capacity() + self.scratch.capacity()
    }

    /// Takes over a transformed value. Copies a small one and leaves its buffer for the next value.
    pub(crate) fn take(&mut self, buffer: &mut Vec<u8>) -> Slice {
        if buffer.len() <= SMALL { self.store(buffer) } else { self.adopt(std::mem::take(buffer)) }
    }

    pub(crate) fn get(&self, slice: Slice) -> &[u8] {
        let source = match slice.source {
            ARENA => &self.arena,
            SCRATCH => &self.scratch,
            n => match self.buffers.get((n - FIRST_BUFFER) as usize) {
                Some(buffer) => buffer,
                None => return &[],
            },
        };
        source.get(slice.start as usize..(slice.start + slice.len) as usize).unwrap_or(&[])
    }

    /// Copies bytes into the arena.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Slice {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        Slice { source: ARENA, start: start as u32, len: bytes.len() as u32 }
    }

    /// Appends to a slice. Unless the slice is the last in the arena, copies its bytes to the end first.
    pub(crate) fn append(&mut self, slice: Slice, bytes: &[u8]) -> Slice {
        let at_end = slice.source == ARENA && (slice.start + slice.len) as usize == self.arena.len();
        let start = if at_end { slice.start as usize } else { self.arena.len() };
        if !at_end {
            let old = self.get(slice).to_vec();
            self.arena.extend_from_slice(&old);
        }
        self.arena.extend_from_slice(bytes);
        Slice { source: ARENA, start: start as u32, len: slice.len + bytes.len() as u32 }
    }

    /// Takes over a buffer.
    pub(crate) fn adopt(&mut self, buffer: Vec<u8>) -> Slice {
        let len = buffer.len() as u32;
        self.buffers.push(buffer);
        Slice { source: FIRST_BUFFER + self.buffers.len() as u32 - 1, start: 0, len }
    }

    /// Copies bytes into the scratch space, which lives until [`Memory::clear_scratch`].
    pub(crate) fn scratch(&mut self, bytes: &[u8]) -> Slice {
        let start = self.scratch.len();
        self.scratch.extend_from_slice(bytes);
        Slice { source: SCRATCH, start: start as u32, len: bytes.len() as u32 }
    }

    /// Writes a number as decimal text to the scratch space.
    pub(crate) fn scratch_number(&mut self, number: i64) -> Slice {
        let mut text = [0u8; 20];
        self.scratch(format_number(number, &mut text))
    }

    /// Copies a slice from the scratch space to the arena.
    pub(crate) fn keep(&mut self, slice: Slice) -> Slice {
        if slice.source != SCRATCH {
            return slice;
        }
        let range = slice.start as usize..(slice.start + slice.len) as usize;
        let start = self.arena.len();
        self.arena.extend_from_slice(self.scratch.get(range).unwrap_or(&[]));
        Slice { source: ARENA, start: start as u32, len: slice.len }
    }

    pub(crate) fn clear_scratch(&mut self) {
        self.scratch.clear();
    }

    /// Splits off the arena, so that the caller can read it while it adopts owned values.
    pub(crate) fn split(&mut self) -> (&[u8], Adopter<'_>) {
        (
            &self.arena,
            Adopter {
                base: self.arena.as_ptr() as usize,
                length: self.arena.len(),
                buffers: &mut self.buffers,
                gathered: None,
            },
        )
    }

    /// Returns the offset of a slice in the arena, for [`Memory::split`].
    pub(crate) fn arena_range(slice: Slice) -> std::ops::Range<usize> {
        debug_assert_eq!(slice.source, ARENA);
        slice.start as usize..(slice.start + slice.len) as usize
    }

    /// Returns the number of allocated bytes.
    pub(crate) fn size(&self) -> usize {
        self.capacity() + self.buffers.iter().map(Vec::capacity).sum::<usize>()
    }

    /// Returns the current size, for [`Memory::release`].
    pub(crate) fn mark(&self) -> Mark {
        Mark { arena: self.arena.len(), buffers: self.buffers.len() }
    }

    /// Frees unused capacity.
    pub(crate) fn rest(&mut self) {
        self.arena.shrink_to_fit();
        self.scratch.clear();
        self.scratch.shrink_to_fit();
    }

    /// Frees everything that arrived after the mark. Slices of it become empty or refer to other bytes.
    pub(crate) fn release(&mut self, mark: Mark) {
        self.arena.truncate(mark.arena);
        self.arena.shrink_to(ROOM);
        self.scratch.clear();
        self.scratch.shrink_to(ROOM);
        self.buffers.truncate(mark.buffers);
    }
}

/// Converts a parser's results into slices: parts of the arena stay in place, new values become buffers.
pub(crate) struct Adopter<'a> {
    base: usize,
    length: usize,
    buffers: &'a mut Vec<Vec<u8>>,
    /// The buffer that collects small new values.
    gathered: Option<usize>,
}

impl Adopter<'_> {
    pub(crate) fn slice(&mut self, value: Cow<'_, [u8]>) -> Slice {
        match value {
            Cow::Borrowed(bytes) => {
                // The address shows whether the bytes are part of the arena. Other borrowed bytes are copied.
                let start = (bytes.as_ptr() as usize).wrapping_sub(self.base);
                if start <= self.length && bytes.len() <= self.length - start {
                    Slice { source: ARENA, start: start as u32, len: bytes.len() as u32 }
                } else {
                    self.adopt(bytes.to_vec())
                }
            }
            Cow::Owned(bytes) if bytes.len() <= SMALL => self.gather(&bytes),
            Cow::Owned(bytes) => self.adopt(bytes),
        }
    }

    /// Collects small values, so that a form with thousands of fields does not need thousands of buffers.
    fn gather(&mut self, bytes: &[u8]) -> Slice {
        let number = *self.gathered.get_or_insert(self.buffers.len());
        if number == self.buffers.len() {
            self.buffers.push(Vec::new());
        }
        let buffer = &mut self.buffers[number];
        let start = buffer.len() as u32;
        buffer.extend_from_slice(bytes);
        Slice { source: FIRST_BUFFER + number as u32, start, len: bytes.len() as u32 }
    }

    fn adopt(&mut self, buffer: Vec<u8>) -> Slice {
        let len = buffer.len() as u32;
        self.buffers.push(buffer);
        Slice { source: FIRST_BUFFER + self.buffers.len() as u32 - 1, start: 0, len }
    }
}

/// Returns a number as decimal text.
pub(crate) fn format_number(number: i64, text: &mut [u8; 20]) -> &[u8] {
    let mut at = text.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        text[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        at -= 1;
        text[at] = b'-';
    }
    &text[at..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_text() {
        for n in [0, 7, -7, i64::MAX, i64::MIN, 100] {
            assert_eq!(format_number(n, &mut [0; 20]), n.to_string().as_bytes());
        }
    }

    #[test]
    fn parsed_parts_are_references_and_new_values_are_adopted() {
        let mut memory = Memory::default();
        let all = memory.store(b"name=value");
        let (arena, mut adopter) = memory.split();
        let part = adopter.slice(Cow::Borrowed(&arena[5..]));
        let new = adopter.slice(Cow::Owned(b"decoded".to_vec()));
        let foreign = adopter.slice(Cow::Borrowed(b"static"));
        assert_eq!(memory.get(part), b"value");
        assert_eq!(part, all.part(5, 10));
        assert_eq!(memory.get(new), b"decoded");
        assert_eq!(memory.get(foreign), b"static");
    }

    #[test]
    fn appending_moves_only_what_is_not_last() {
        let mut memory = Memory::default();
        let body = memory.append(Slice::default(), b"ab");
        let body = memory.append(body, b"cd");
        assert_eq!(memory.get(body), b"abcd");
        memory.store(b"x");
        let body = memory.append(body, b"ef");
        assert_eq!(memory.get(body), b"abcdef");
    }
}
