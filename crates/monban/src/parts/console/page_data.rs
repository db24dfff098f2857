//! Saved filters and the database of countries.

use std::path::Path;
use std::sync::Arc;

use console::filters::Saved;
use finding::Fault;

use super::config::Keys;

/// Opens the saved filters and the database of countries.
///
/// # Errors
/// If a file cannot be read; returns one fault for each.
pub fn open(keys: &Keys, data_dir: &Path) -> Result<console::PageData, Vec<Fault>> {
    match (filters(data_dir), keys.geoip()) {
        (Ok(filters), Ok(geoip)) => {
            Ok(console::PageData { filters: Arc::new(filters), geoip: geoip.map(Arc::new) })
        }
        (filters, geoip) => {
            Err([filters.err(), geoip.err()].into_iter().flatten().map(|fault| *fault).collect())
        }
    }
}

/// Opens the filters that users saved in the data folder.
///
/// # Errors
/// If the file cannot be read.
pub fn filters(data_dir: &Path) -> Result<Saved, Box<Fault>> {
    let path = data_dir.join("filters.json");
    Saved::open(&path).map_err(|error| {
        let hint = "the file contains the filters that users saved; move it away to start anew";
        Box::new(Fault::in_file(&path, None, error.to_string()).hint(hint))
    })
}
