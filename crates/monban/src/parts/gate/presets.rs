//! Rules of the sites' presets: plain SecLang that is compiled into the program and loaded for sites that select a
//! preset.

use gateway::config::Preset;

/// Prefix of the paths of presets, which are not files.
const SCHEME: &str = "monban:presets/";

/// Returns the path of a preset's rules, as rule listings and events show it.
pub fn path(preset: Preset) -> String {
    format!("{SCHEME}{}.conf", preset.as_str())
}

/// Returns the text of the preset with that path, or none for another path.
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
