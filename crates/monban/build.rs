//! Links the program with packed relative relocations where the C library knows them.
//!
//! The loader reads the table of relocations at every start, and its pages stay in memory of each process, the warden's
//! too. Packed, the table is smaller by far (`readelf -SW`: .rela.dyn and .relr.dyn). glibc has known the form (DT_RELR)
//! since 2.36.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let is_native = std::env::var("HOST") == std::env::var("TARGET");
    if is_native && glibc().is_some_and(|version| version >= (2, 36)) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Returns the version of glibc; none for another C library.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}
