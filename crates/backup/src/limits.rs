//! Every limit of this crate.

/// log2 of scrypt's cost with which monban writes. Cost 2^17 takes 128 MiB (128 × r × N bytes with r = 8) for a second or
/// less, which a host of 512 MiB can spare. OWASP's Password Storage Cheat Sheet recommends it as the least.
pub const WRITTEN_WORK: u8 = 17;
/// Largest log2 of scrypt's cost in a file that is read: that of `age -p`, 256 MiB. A larger one is refused, because the
/// header asks for the memory before the passphrase is known to be right.
pub const MAX_WORK: u8 = 18;
/// Least bytes of a passphrase; a shorter one is refused. Whoever has the file can try passphrases without end.
pub const MIN_PASSPHRASE_BYTES: usize = 12;
/// Bytes of a passphrase; a longer one is refused.
pub const MAX_PASSPHRASE_BYTES: usize = 1024;
/// Bytes of a line of the header. A line of a passphrase's header has at most 70 bytes.
pub const MAX_HEADER_LINE_BYTES: usize = 256;
/// Plain bytes of an encrypted chunk (C2SP age §Payload).
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Bytes of the manifest; a longer one is refused. The longest that passes has some 100 bytes for each of
/// [`MAX_ENTRIES`].
pub const MAX_MANIFEST_BYTES: u64 = 16 << 20;
/// Files, folders and links of a backup; more are refused.
pub const MAX_ENTRIES: usize = 100_000;
/// Bytes of a path (PATH_MAX of Linux); a longer one is refused.
pub const MAX_PATH_BYTES: usize = 4096;
/// Bytes of a component of a path (NAME_MAX of Linux); a longer one is refused.
pub const MAX_NAME_BYTES: usize = 255;
/// Bytes of a file: 64 GiB; a longer one is refused.
pub const MAX_FILE_BYTES: u64 = 64 << 30;
/// Bytes of all files of a backup: 256 GiB; more are refused.
pub const MAX_TOTAL_BYTES: u64 = 256 << 30;
/// Items of each of the other lists of a manifest (left out, variables, addresses, names); more are refused.
pub const MAX_LISTED: usize = 10_000;
