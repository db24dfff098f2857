//! The rule files that `monban init` and the demonstration write around the Core Rule Set, as plain SecLang.

/// Settings of the engine and rules about bodies, loaded before the Core Rule Set, which relies on them.
pub const ENGINE: &str = include_str!("settings/engine.conf");

/// The last rule file: it acts on what the rules before it left.
pub const LIMITS: &str = include_str!("settings/limits.conf");

/// Where Debian's package modsecurity-crs puts the rules.
pub const CRS: [&str; 2] = ["/etc/modsecurity/crs/crs-setup.conf", "/usr/share/modsecurity-crs/rules/*.conf"];

#[cfg(test)]
mod tests;
