//! The limits of this crate: unit, reason for the value, and effect beyond it.

/// Bytes of a file of exclusions; [`crate::ExclusionFile::read`] refuses a longer one. At about 600 bytes each, the allowed
/// exclusions take 1.2 MB.
pub const FILE_BYTES: usize = 4 << 20;

/// Exclusions of a file; [`crate::ExclusionFile::add`] refuses more. Each is a rule that runs on every request.
pub const EXCLUSIONS: usize = 2_000;

/// Exclusions that one change adds or removes. A larger change is refused, because each exclusion parses the whole file once.
pub const CHANGED: usize = 200;

/// Bytes of a path in an exclusion; a longer one is refused. Each byte may take four bytes of rule text, twice.
pub const PATH_BYTES: usize = 1_024;

/// Bytes of a parameter's name in an exclusion; a longer one is refused.
pub const PARAMETER_BYTES: usize = 256;

/// Host names of a site in one exclusion; more are refused.
pub const HOSTS: usize = 200;

/// Characters of a reason; a longer one is refused.
pub const REASON_CHARS: usize = 1_000;

/// Characters of an author's name; a longer one is refused.
pub const AUTHOR_CHARS: usize = 100;

/// First id of exclusions. Ids below 100,000 are for the owner's own rules; the Core Rule Set has those from 900,000 on.
pub const FIRST_ID: u64 = 80_000;

/// Last id of exclusions. If it is taken, no exclusion can be added.
pub const LAST_ID: u64 = 89_999;

/// Problems of a file in the list; more are omitted.
pub const PROBLEMS: usize = 100;

/// Events in each list of a replay; more are only counted.
pub const LISTED: usize = 1_000;

/// Clients whose other requests a replay remembers. For more clients, only the matching rules count as signs.
pub const CLIENTS: usize = 50_000;

/// Groups (rule, parameter, path) that learning distinguishes; matches in more groups are not counted.
pub const GROUPS: usize = 5_000;

/// Sample events of different clients that learning keeps for each group.
pub const GROUP_SAMPLES: usize = 20;

/// Clients that learning counts for each group; more clients count only as events.
pub const GROUP_CLIENTS: usize = 2_000;

/// Bytes of an archive of the Core Rule Set; [`crate::Release::read`] refuses a longer one. Release 4.28.0 has less than 1 MB.
pub const RELEASE_BYTES: usize = 32 << 20;

/// Bytes of all files in such an archive, including skipped ones; beyond it the archive is refused.
pub const RELEASE_UNPACKED_BYTES: usize = 128 << 20;

/// Bytes of one file of a release; a larger one is refused, as the rule loader does.
pub const RELEASE_FILE_BYTES: usize = 8 << 20;

/// Files and folders of an archive; more are refused. Release 4.28.0 has about 1,000, most of them tests.
pub const RELEASE_ENTRIES: usize = 20_000;

/// Bytes of a name in an archive; a longer one is refused.
pub const RELEASE_NAME_BYTES: usize = 512;
