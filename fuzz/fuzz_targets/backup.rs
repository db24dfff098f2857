//! A backup: reading its header and its archive never panics, paths that pass are plain, and no content is longer than its manifest
//! says. The passphrase is left out, because scrypt takes a second; the archive is compressed here, to reach what is in it. A
//! second archive has the manifest of the input and members that fit it.
#![no_main]

use std::io::Write;

use backup::age::Header;
use backup::{BackupError, BackupReader, Entry, Kind, Manifest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Err(error) = Header::read(&mut &*data) {
        assert!(error.to_string().len() < 300, "{error}");
    }
    read(data);
    read(&compressed(data));
    if let Ok(manifest) = Manifest::parse(data) {
        let again = serde_json::to_vec(&manifest).expect("a manifest is JSON");
        assert_eq!(Manifest::parse(&again).expect("a manifest is read as it is written"), manifest);
        manifest.entries.iter().for_each(assert_plain);
        read(&compressed(&member("manifest.json", data)));
    }
});

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Returns an archive of one file.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, name, content).expect("memory");
    builder.into_inner().expect("memory")
}

fn read(archive: &[u8]) {
    let Ok(reader) = BackupReader::decrypted(archive) else { return };
    let _refused_or_not = reader.each::<BackupError>(|entry, content| {
        assert_plain(entry);
        let mut found = Vec::new();
        content.read_to_end(&mut found)?;
        assert_eq!(found.len() as u64, entry.size());
        Ok(())
    });
}

fn assert_plain(entry: &Entry) {
    let path = &entry.path;
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    assert!(path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_name)), "{path}");
    for system in ["/proc/", "/dev/", "/sys/", "/run/", "/usr/bin/"] {
        assert!(!path.starts_with(system), "{path}");
    }
    if let Kind::Link { target } = &entry.kind {
        assert!(is_name(target) && !target.contains('/'), "{target}");
    }
    assert!(entry.mode <= 0o777);
}
