//! The findings of the client.

use event::Severity;
use finding::{Declaration, Text};

finding::table! {
    /// Every finding of this crate.
    pub FINDINGS: Declaration {
        /// The warden cannot be reached.
        pub UNAVAILABLE = Declaration::new(
            "warden.unavailable",
            Severity::Warning,
            Text::new("The warden does not answer on {subject}", "warden の応答なし: {subject}"),
            Text::new(
                "A part of monban needs privileges, which only the warden has: {why}.",
                "権限を必要とする機能が warden に接続できません: {why}。",
            ),
            Text::new(
                "Enable it with `systemctl enable --now monban-warden.socket`, or restart that socket; `journalctl -u monban-warden` shows the reason.",
                "`systemctl enable --now monban-warden.socket` で有効にするか、このソケットを再起動してください。詳細は `journalctl -u monban-warden` で確認できます。",
            ),
        ).examples(&[("subject", Text::same("/run/monban-warden.sock")), ("why", Text::new("No such file or directory", "ファイルがありません"))]);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sound() {
        assert_eq!(finding::table::faults(super::FINDINGS), [] as [String; 0]);
    }
}
