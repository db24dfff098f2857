//! Reads the events of one segment.

use std::fmt;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use event::Event;

use super::{RECORD_HEADER_BYTES, RECORD_MARKER, SEGMENT_MAGIC};
use crate::limits::MAX_RECORD_BYTES;

/// A range of a segment without an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Number of the segment.
    pub segment: u64,
    /// Byte offset of its start.
    pub offset: u64,
    /// Number of skipped bytes.
    pub bytes: u64,
    /// The fault.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, offset, bytes, what } = self;
        write!(f, "{segment:08}.journal: {what} at byte {offset}, {bytes} bytes skipped")
    }
}

/// The next item in a segment.
#[derive(Debug)]
pub enum SegmentStep {
    /// An event.
    Event(Box<Event>),
    /// Bytes that are no event; reading continues after them.
    Damaged(Damage),
    /// No further whole record. The last `left` bytes are an incomplete record.
    End {
        /// Bytes of the incomplete record.
        left: u64,
    },
    /// The segment has a format that this version does not know: its first eight bytes.
    NewerForm(String),
}

/// Reads the records of one segment. It may be read again after [`SegmentStep::End`], because the segment may have
/// grown.
#[derive(Debug)]
pub struct SegmentReader<R> {
    input: R,
    segment: u64,
    offset: u64,
    payload: Vec<u8>,
}

enum Parsed {
    Payload,
    Incomplete { left: u64 },
    Bad(&'static str),
}

impl<R: Read + Seek> SegmentReader<R> {
    /// Reads segment number `segment` from byte `offset`.
    ///
    /// # Errors
    /// Errors of seeking.
    pub fn new(mut input: R, segment: u64, offset: u64) -> io::Result<Self> {
        input.seek(SeekFrom::Start(offset))?;
        Ok(Self { input, segment, offset, payload: Vec::new() })
    }

    /// Returns the offset of the next record.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the next event, damage, or the end. `finished` means that the segment no longer grows: an incomplete
    /// record at its end is then damage too.
    ///
    /// # Errors
    /// Errors of reading.
    pub fn next(&mut self, finished: bool) -> io::Result<SegmentStep> {
        if self.offset == 0 {
            let mut magic = [0; SEGMENT_MAGIC.len()];
            let read = read_up_to(&mut self.input, &mut magic)?;
            if read < magic.len() {
                return self.begun_record(read as u64, finished);
            }
            if magic == *SEGMENT_MAGIC {
                self.offset = SEGMENT_MAGIC.len() as u64;
            } else if magic[..7] == SEGMENT_MAGIC[..7] {
                self.input.seek(SeekFrom::Start(0))?;
                return Ok(SegmentStep::NewerForm(String::from_utf8_lossy(&magic).into_owned()));
            } else {
                return self.skip("no journal segment begins here");
            }
        }
        match self.parse()? {
            Parsed::Payload => {
                let start = self.offset;
                let bytes = (RECORD_HEADER_BYTES + self.payload.len()) as u64;
                self.offset += bytes;
                Ok(match Event::from_json(&self.payload) {
                    Ok(event) => SegmentStep::Event(Box::new(event)),
                    Err(error) => SegmentStep::Damaged(Damage {
                        segment: self.segment,
                        offset: start,
                        bytes,
                        what: error.to_string(),
                    }),
                })
            }
            Parsed::Incomplete { left } => self.begun_record(left, finished),
            Parsed::Bad(what) => self.skip(what),
        }
    }

    fn begun_record(&mut self, left: u64, finished: bool) -> io::Result<SegmentStep> {
        if finished && left > 0 {
            // This may not be the real end: a damaged length may have swallowed whole records.
            return self.skip("a record breaks off");
        }
        self.input.seek(SeekFrom::Start(self.offset))?;
        Ok(SegmentStep::End { left })
    }

    /// Parses the record at the input's position, which is `self.offset`. Moves neither offset.
    fn parse(&mut self) -> io::Result<Parsed> {
        let mut header = [0; RECORD_HEADER_BYTES];
        let read = read_up_to(&mut self.input, &mut header)?;
        if read > 0 && !RECORD_MARKER.starts_with(&header[..read.min(RECORD_MARKER.len())]) {
            return Ok(Parsed::Bad("no record begins here"));
        }
        if read < header.len() {
            return Ok(Parsed::Incomplete { left: read as u64 });
        }
        let [_, _, _, _, l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let length_bytes = [l0, l1, l2, l3];
        let length = u32::from_le_bytes(length_bytes) as usize;
        if length > MAX_RECORD_BYTES {
            return Ok(Parsed::Bad("a record is longer than the limit"));
        }
        // The buffer grows with the bytes present, not with the length in the header.
        self.payload.clear();
        let read = self.input.by_ref().take(length as u64).read_to_end(&mut self.payload)?;
        if read < length {
            return Ok(Parsed::Incomplete { left: (header.len() + read) as u64 });
        }
        if checksum(length_bytes, &self.payload) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Ok(Parsed::Bad("a record has a wrong checksum"));
        }
        Ok(Parsed::Payload)
    }

    /// Skips to the next whole record after the current offset, or to the end.
    fn skip(&mut self, what: &str) -> io::Result<SegmentStep> {
        let start = self.offset;
        let mut candidate = start;
        loop {
            match self.find_marker(candidate + 1)? {
                Ok(found) => {
                    candidate = found;
                    self.input.seek(SeekFrom::Start(candidate))?;
                    if matches!(self.parse()?, Parsed::Payload) {
                        break;
                    }
                }
                Err(end) => {
                    candidate = end.max(start);
                    break;
                }
            }
        }
        self.offset = candidate;
        self.input.seek(SeekFrom::Start(self.offset))?;
        Ok(SegmentStep::Damaged(Damage {
            segment: self.segment,
            offset: start,
            bytes: candidate - start,
            what: what.to_owned(),
        }))
    }

    /// Returns the offset of the first record marker at or after `from`, or else the end of the segment.
    fn find_marker(&mut self, from: u64) -> io::Result<Result<u64, u64>> {
        const OVERLAP: usize = RECORD_MARKER.len() - 1;
        let end = self.input.seek(SeekFrom::End(0))?;
        if from >= end {
            return Ok(Err(end));
        }
        self.input.seek(SeekFrom::Start(from))?;
        let mut window = vec![0; 64 * 1024];
        let mut window_start = from;
        let mut kept = 0;
        loop {
            let read = read_up_to(&mut self.input, &mut window[kept..])?;
            let filled = kept + read;
            if let Some(found) = memchr::memmem::find(&window[..filled], RECORD_MARKER) {
                return Ok(Ok(window_start + found as u64));
            }
            if read == 0 {
                return Ok(Err(window_start + filled as u64));
            }
            kept = filled.min(OVERLAP);
            window.copy_within(filled - kept..filled, 0);
            window_start += (filled - kept) as u64;
        }
    }
}

/// Returns the checksum of a record.
pub(super) fn checksum(length: [u8; 4], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&length);
    hasher.update(payload);
    hasher.finalize()
}

/// Reads until the buffer is full or the input ends. Returns the number of bytes read.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::writer::encode_record;
    use super::*;
    use crate::samples;

    fn segment_of(count: usize) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = SEGMENT_MAGIC.to_vec();
        let mut starts = Vec::new();
        for number in 0..count {
            starts.push(bytes.len());
            bytes.extend(encode_record(&samples::event(number as u64)).unwrap());
        }
        (bytes, starts)
    }

    /// Reads a finished segment to its end. Returns the numbers of the events and the texts of the damages.
    fn read_all(bytes: &[u8]) -> (Vec<u64>, Vec<String>) {
        let mut reader = SegmentReader::new(Cursor::new(bytes), 7, 0).unwrap();
        let (mut events, mut damages) = (Vec::new(), Vec::new());
        loop {
            match reader.next(true).unwrap() {
                SegmentStep::Event(event) => events.push(samples::number_of(&event)),
                SegmentStep::Damaged(damage) => {
                    assert!(damage.bytes > 0);
                    damages.push(damage.to_string());
                }
                SegmentStep::End { left } => {
                    assert_eq!(left, 0);
                    return (events, damages);
                }
                SegmentStep::NewerForm(form) => panic!("{form}"),
            }
        }
    }

    #[test]
    fn reads_back_every_event() {
        let (bytes, _) = segment_of(5);
        assert_eq!(read_all(&bytes), (vec![0, 1, 2, 3, 4], vec![]));
    }

    #[test]
    fn a_torn_tail_at_every_length_is_reported_and_loses_no_earlier_event() {
        let (bytes, starts) = segment_of(2);
        for cut in 0..bytes.len() {
            let (events, damages) = read_all(&bytes[..cut]);
            let whole = starts.iter().skip(1).chain([&bytes.len()]).filter(|end| **end <= cut).count();
            assert_eq!(events.len(), whole, "cut at {cut}");
            let clean = cut == 0 || starts.contains(&cut);
            assert_eq!(damages.is_empty(), clean, "cut at {cut}: {damages:?}");
        }
    }

    #[test]
    fn a_growing_segment_waits_for_the_rest_of_its_record() {
        let (bytes, starts) = segment_of(2);
        let mut input = Cursor::new(bytes[..starts[1] + 20].to_vec());
        let mut reader = SegmentReader::new(&mut input, 1, 0).unwrap();
        assert!(matches!(reader.next(false).unwrap(), SegmentStep::Event(_)));
        assert!(matches!(reader.next(false).unwrap(), SegmentStep::End { left: 20 }));
        let offset = reader.offset();
        assert_eq!(offset, starts[1] as u64);
        let mut reader = SegmentReader::new(Cursor::new(bytes), 1, offset).unwrap();
        assert!(
            matches!(reader.next(false).unwrap(), SegmentStep::Event(event) if samples::number_of(&event) == 1)
        );
    }

    #[test]
    fn damage_in_the_middle_costs_one_event_and_is_located() {
        let (bytes, starts) = segment_of(4);
        let second = starts[1];
        let length = starts[2] - second;
        for (at, byte, what) in [
            (second, 0, "no record begins here"),
            (second + 7, 0xff, "a record is longer than the limit"),
            (second + 6, 0x01, "a record breaks off"),
            (second + 8, bytes[second + 8] ^ 1, "a record has a wrong checksum"),
            (second + 40, bytes[second + 40] ^ 1, "a record has a wrong checksum"),
        ] {
            let mut damaged = bytes.clone();
            damaged[at] = byte;
            let (events, damages) = read_all(&damaged);
            assert_eq!(events, [0, 2, 3], "{what}");
            assert_eq!(
                damages,
                [format!("00000007.journal: {what} at byte {second}, {length} bytes skipped")]
            );
        }
    }

    #[test]
    fn a_whole_record_that_is_no_event_is_damage() {
        let payload = b"{\"v\":2}";
        let length = (payload.len() as u32).to_le_bytes();
        let (mut bytes, _) = segment_of(1);
        let at = bytes.len();
        for part in [&RECORD_MARKER[..], &length, &checksum(length, payload).to_le_bytes(), payload] {
            bytes.extend_from_slice(part);
        }
        bytes.extend(encode_record(&samples::event(9)).unwrap());
        let (events, damages) = read_all(&bytes);
        assert_eq!(events, [0, 9]);
        assert!(
            damages[0].contains("missing field `id`") && damages[0].contains(&format!("at byte {at}")),
            "{damages:?}"
        );
    }

    #[test]
    fn zeros_and_foreign_files_are_damage_and_newer_forms_are_refused() {
        let (mut bytes, starts) = segment_of(2);
        bytes[..8].fill(0);
        assert_eq!(read_all(&bytes).0, [0, 1]);
        bytes[starts[1]..].fill(0);
        assert_eq!(read_all(&bytes).0, [0]);
        assert_eq!(read_all(b"GIF89a and so on").1.len(), 1);
        let mut reader = SegmentReader::new(Cursor::new(b"monbanJ2 whatever"), 1, 0).unwrap();
        assert!(matches!(reader.next(true).unwrap(), SegmentStep::NewerForm(form) if form == "monbanJ2"));
    }
}
