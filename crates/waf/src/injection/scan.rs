//! Searches that both tokenizers use.
//!
//! Every search over more than a few bytes is here, so that tests can count the examined bytes and prove linear time without a
//! clock.

#[cfg(test)]
thread_local! {
    static EXAMINED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Returns the number of bytes examined while `work` runs on this thread.
#[cfg(test)]
pub(super) fn examined(work: impl FnOnce()) -> usize {
    let before = EXAMINED.get();
    work();
    EXAMINED.get() - before
}

/// Counts bytes that other code examines.
#[inline]
pub(super) fn note(_bytes: usize) {
    #[cfg(test)]
    EXAMINED.set(EXAMINED.get() + _bytes);
}

/// Returns the index of the first `byte` at or after `from`.
#[inline]
pub(super) fn byte(input: &[u8], from: usize, byte: u8) -> Option<usize> {
    let rest = input.get(from..)?;
    let found = memchr::memchr(byte, rest);
    note(found.map_or(rest.len(), |at| at + 1));
    found.map(|at| from + at)
}

/// Whether the input contains one of two bytes.
#[inline]
pub(super) fn either(input: &[u8], one: u8, other: u8) -> bool {
    let found = memchr::memchr2(one, other, input);
    note(found.map_or(input.len(), |at| at + 1));
    found.is_some()
}

/// Returns the index of the first `needle` that begins at or after `from`.
#[inline]
pub(super) fn bytes(input: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    let rest = input.get(from..)?;
    let found = memchr::memmem::find(rest, needle);
    note(found.map_or(rest.len(), |at| at + needle.len()));
    found.map(|at| from + at)
}

/// Returns the index of the first byte at or after `from` that `accept` refuses, or the end of the input.
#[inline]
pub(super) fn span(input: &[u8], from: usize, accept: impl Fn(u8) -> bool) -> usize {
    let rest = input.get(from..).unwrap_or_default();
    let length = rest.iter().position(|&byte| !accept(byte)).unwrap_or(rest.len());
    note(length + 1);
    from + length
}

/// Returns the number of bytes equal to `byte` directly before `end`, but not before `start`.
#[inline]
pub(super) fn run_before(input: &[u8], start: usize, end: usize, byte: u8) -> usize {
    let before = input.get(start..end).unwrap_or_default();
    let length = before.iter().rev().take_while(|&&other| other == byte).count();
    note(length + 1);
    length
}
