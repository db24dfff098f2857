//! The rules of sites' presets: plain SecLang that is compiled in, and loaded where a site asks for it.

use gateway::config::Preset;

/// Prefix of the paths of presets, which are no files.
const SCHEME: &str = "monban:presets/";

/// The path of a preset's rules, as rule listings and events tell it.
pub fn path(preset: Preset) -> String {
    format!("{SCHEME}{}.conf", preset.as_str())
}

/// The text of the preset with that path. None where it is no preset's.
pub fn text(path: &str) -> Option<&'static str> {
    let name = path.strip_prefix(SCHEME)?.strip_suffix(".conf")?;
    let preset = Preset::ALL.into_iter().find(|preset| preset.as_str() == name)?;
    Some(match preset {
        Preset::Git => include_str!("presets/git.conf"),
        Preset::Webdav => include_str!("presets/webdav.conf"),
        Preset::Nextcloud => include_str!("presets/nextcloud.conf"),
        Preset::Wordpress => include_str!("presets/wordpress.conf"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a9_rules_of_presets_load_and_keep_to_their_ids() {
        let paths: Vec<String> = Preset::ALL.map(path).into();
        let rules = crate::rules::load(&paths).unwrap();
        assert_eq!(rules.rule_count(), 14);
        for rule in rules.descriptions() {
            let at = paths.iter().position(|path| path == rule.file()).unwrap() as u64;
            let range = 90_000 + 100 * at..90_100 + 100 * at;
            assert!(range.contains(&rule.id()), "{} in {}", rule.id(), rule.file());
            assert_eq!(rule.phase(), 1);
        }
        assert_eq!((text("monban:presets/none.conf"), text("/etc/passwd")), (None, None));
    }
}
