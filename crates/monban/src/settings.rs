//! The rule files that `monban init` and the demonstration write around the Core Rule Set, as plain SecLang.

/// Settings of the engine, and rules about bodies. They are loaded before the Core Rule Set, which relies on them.
pub const ENGINE: &str = include_str!("settings/engine.conf");

/// The last rule file, which acts on the results of the rules before it.
pub const LIMITS: &str = include_str!("settings/limits.conf");

/// The paths of the rules in Debian's package modsecurity-crs.
pub const CRS: [&str; 2] = ["/etc/modsecurity/crs/crs-setup.conf", "/usr/share/modsecurity-crs/rules/*.conf"];

#[cfg(test)]
mod tests;
