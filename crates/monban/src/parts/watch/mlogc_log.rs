//! Detection of mlogc's own log, which users watch by mistake.

use std::io::Read;
use std::path::Path;

use event::audit_log::{Fault, Reader, Step};
use store::regular_file;

/// Returns advice if a file is the log of an mlogc that received a Serial log. Returns none for any other file.
pub fn classic_mistake(path: &Path) -> Option<String> {
    let mut bytes = vec![0; 1024 * 1024];
    let length = regular_file::open(path).ok()?.read(&mut bytes).ok()?;
    let mut found = false;
    let mut reader = Reader::new("check");
    let mut each = |step| {
        found |= matches!(step, Step::Damage(damage) if damage.fault == Fault::SerialForMlogc);
    };
    reader.push(&bytes[..length], &mut each);
    reader.finish(&mut each);
    found.then(|| Fault::SerialForMlogc.to_string())
}
