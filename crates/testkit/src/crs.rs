//! Paths of ModSecurity's configuration and the Core Rule Set in Debian's packages.
//!
//! The rules are never copied into this repository: tests read them from the installed package.

use std::path::{Path, PathBuf};

/// `modsecurity.conf-recommended` of libapache2-mod-security2.
pub const MODSECURITY_RECOMMENDED: &str = "/etc/modsecurity/modsecurity.conf-recommended";
/// `unicode.mapping` of libapache2-mod-security2, which the recommended settings name without a path.
pub const UNICODE_MAPPING: &str = "/etc/modsecurity/unicode.mapping";
/// `crs-setup.conf` of modsecurity-crs.
pub const CRS_SETUP: &str = "/etc/modsecurity/crs/crs-setup.conf";
/// The rules of modsecurity-crs.
pub const CRS_RULES: &str = "/usr/share/modsecurity-crs/rules/*.conf";

/// Returns the lines that load the Core Rule Set: ModSecurity's recommended settings, `before`, the set-up, the rules.
/// `before` is SecLang text, such as [`CONFORMANCE_ACTION`].
///
/// `before` is SecLang text, such as [`CONFORMANCE_ACTION`], between the settings and the rules.
///
/// # Panics
/// If a package is missing; the message names it.
pub fn includes(before: &str) -> String {
    require(MODSECURITY_RECOMMENDED, "libapache2-mod-security2");
    require(CRS_SETUP, "modsecurity-crs");
    format!("Include {MODSECURITY_RECOMMENDED}\n{before}\nInclude {CRS_SETUP}\nInclude {CRS_RULES}\n")
}

/// Returns [`includes`] for libmodsecurity 3, which refuses one of the recommended directives and looks for the Unicode map in
/// the folder of the file that names it.
pub fn includes_for_libmodsecurity(before: &str) -> String {
    require(MODSECURITY_RECOMMENDED, "libapache2-mod-security2");
    let recommended = std::fs::read_to_string(MODSECURITY_RECOMMENDED).expect("a readable file");
    let recommended = recommended
        .replace("SecRequestBodyInMemoryLimit", "# SecRequestBodyInMemoryLimit")
        .replace("SecUnicodeMapFile unicode.mapping", &format!("SecUnicodeMapFile {UNICODE_MAPPING}"));
    format!("{recommended}\n{before}\nInclude {CRS_SETUP}\nInclude {CRS_RULES}\n")
}

/// Returns the files of [`includes`] without `before`, in the same order, with patterns resolved.
pub fn files() -> Vec<PathBuf> {
    require(MODSECURITY_RECOMMENDED, "libapache2-mod-security2");
    require(CRS_SETUP, "modsecurity-crs");
    let folder = Path::new(CRS_RULES).parent().expect("the glob has a folder");
    let mut rules: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the rules' folder, of the package modsecurity-crs")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    rules.sort();
    [PathBuf::from(MODSECURITY_RECOMMENDED), PathBuf::from(CRS_SETUP)].into_iter().chain(rules).collect()
}

/// Sets up the rules for their regression tests: only logging, paranoia level 4, and limits for the rules that have none by
/// default.
pub const CONFORMANCE_ACTION: &str = r#"SecAction "id:900005,phase:1,nolog,pass,ctl:ruleEngine=DetectionOnly,ctl:ruleRemoveById=910000,\
  setvar:tx.paranoia_level=4,setvar:tx.crs_validate_utf8_encoding=1,setvar:tx.arg_name_length=100,\
  setvar:tx.arg_length=400,setvar:tx.total_arg_length=64000,setvar:tx.max_num_args=255,\
  setvar:tx.max_file_size=64100,setvar:tx.combined_file_sizes=65535"
"#;

/// Fails the test if `path` is missing, and names the package that contains it.
pub(crate) fn require(path: &str, package: &str) {
    assert!(Path::new(path).exists(), "{path} is missing; install the Debian package {package}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_are_where_they_should_be() {
        let files = files();
        assert!(files.len() >= 30, "{files:?}");
        assert!(files.iter().all(|path| path.is_file()));
        assert!(includes("# before").contains("# before\nInclude"));
    }
}
