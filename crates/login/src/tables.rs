//! The kinds of events, findings and properties of logins.

use event::Severity;
use event::property::{Property, Values};
use finding::{Declaration, EventKind, Text, table};

/// The gate of all events of logins.
pub const GATE: &str = "login";

table! {
    /// The kinds of events.
    pub KINDS: EventKind {
        /// A user came in.
        pub ACCEPTED = EventKind::new("login.accepted", Severity::Notice, "login accepted", "ログインの成功");
        /// A burst of failed tries.
        pub FAILED = EventKind::new("login.failed", Severity::Notice, "logins failed", "ログインの失敗");
        /// A session ended.
        pub ENDED = EventKind::new("login.ended", Severity::Info, "session ended", "セッションの終了");
        /// Lines that claim logins, and whose writer is somebody else.
        pub FORGED = EventKind::new("login.forged", Severity::Warning, "login lines forged", "ログイン行の偽造");
        /// sudo ran a command.
        pub SUDO_ACCEPTED = EventKind::new("sudo.accepted", Severity::Info, "sudo used", "sudo の実行");
        /// sudo refused a user.
        pub SUDO_DENIED = EventKind::new("sudo.denied", Severity::Warning, "sudo refused", "sudo の拒否");
        /// su switched to another account.
        pub SU_ACCEPTED = EventKind::new("su.accepted", Severity::Notice, "su used", "su の実行");
        /// su refused a user.
        pub SU_DENIED = EventKind::new("su.denied", Severity::Warning, "su refused", "su の拒否");
    }
}

table! {
    /// The findings.
    pub FINDINGS: Declaration {
        /// Sessions exist, but no login was seen.
        pub SILENT = Declaration::new(
            "logins.silent",
            Severity::Warning,
            Text::new("No login seen for {days} days though sessions exist", "セッションがあるのにログイン記録が {days} 日間なし"),
            Text::new(
                "A session began at {session}, but monban has read no login line since {since}. It may be reading a journal or a file that no program writes.",
                "{session} に始まったセッションがありますが、{since} 以降のログイン行を読み取れていません。書き込まれていないジャーナルやファイルを読んでいる可能性があります。",
            ),
            Text::new(
                "Find out where sshd logs: `journalctl -t sshd -t sshd-session -n 5`, or the files of rsyslog. Name that place in [logins].",
                "sshd の出力先を `journalctl -t sshd -t sshd-session -n 5` や rsyslog のファイルで確認し、[logins] に指定してください。",
            ),
        )
        .examples(&[
            ("days", Text::same("7")),
            ("session", Text::same("2026-11-30T09:04:46Z")),
            ("since", Text::same("2026-11-23T09:04:46Z")),
        ]);
        /// Somebody writes lines of logins that never were.
        pub FORGERY = Declaration::new(
            "logins.forged",
            Severity::Warning,
            Text::new("Log lines of logins were forged", "ログイン行の偽造"),
            Text::new(
                "{lines} lines within a day claim logins, but sshd, su, sudo or login did not write them; the last one at {last}. They are events of kind login.forged.",
                "24 時間以内に、sshd、su、sudo、login 以外が書いたログイン行が {lines} 行あります（最終: {last}）。イベントの種類は login.forged です。",
            ),
            Text::new(
                "Find out who wrote them: the events show the line and the writer's uid. The finding clears after a day.",
                "書き込み元を確認してください。行と書き込み元の uid はイベントに表示されます。この表示は 1 日で消えます。",
            ),
        )
        .examples(&[("lines", Text::same("3")), ("last", Text::same("2026-11-30T09:04:46Z"))]);
        /// A source of lines cannot be read.
        pub UNREADABLE = Declaration::new(
            "logins.unreadable",
            Severity::Error,
            Text::new("Logins cannot be read from {subject}", "{subject} からログインを読み取れない"),
            Text::new(
                "monban cannot follow {subject}: {why}. Its logins do not become events until then.",
                "{subject} を追跡できません: {why}。解消されるまでログインはイベントになりません。",
            ),
            Text::new(
                "Correct the cause. monban retries every few seconds and continues where it stopped.",
                "原因を取り除いてください。数秒ごとに再試行し、中断した位置から再開します。",
            ),
        )
        .examples(&[("subject", Text::same("/var/log/auth.log")), ("why", Text::same("Permission denied"))]);
        /// Reports were lost.
        pub LOST = Declaration::new(
            "logins.lost",
            Severity::Warning,
            Text::new("Logins were not recorded", "記録できなかったログイン"),
            Text::new(
                "monban could not record {reports} logins or sessions: too many arrived at once, or it could not store its state.",
                "{reports} 件のログインまたはセッションをイベントにできませんでした。一度に多すぎたか、状態を保存できませんでした。",
            ),
            Text::new(
                "Check monban's log. The count starts at 0 when monban restarts.",
                "monban のログを確認してください。件数は monban の再起動で 0 に戻ります。",
            ),
        )
        .examples(&[("reports", Text::same("3"))]);
    }
}

/// The properties of the events.
pub const PROPERTIES: &[Property] = &[
    Property::fact(
        "service",
        Values::Text,
        "The program that accepted the login",
        "ログインを扱ったプログラム",
    )
    .at(AT)
    .words(&["sshd", "login", "su", "sudo"]),
    Property::fact("auth", Values::Text, "The method of a login", "ログインの認証方式")
        .at(AT)
        .words(&["publickey", "password"]),
    Property::fact("key", Values::Text, "The fingerprint of a login's key", "ログインの鍵の指紋")
        .at(AT)
        .seen(),
    Property::fact("country", Values::Text, "The country of a login", "ログイン元の国").at(AT).seen(),
    Property::fact("new", Values::Text, "The facts that are new for the user", "ユーザーにとって新しい項目")
        .at(AT)
        .words(&["user", "country", "network", "key", "hour"]),
    Property::fact("target", Values::Text, "The account of su or sudo", "su・sudo の対象アカウント")
        .at(AT)
        .seen(),
    Property::fact("tried", Values::Text, "A user name of a failed try", "試行されたユーザー名")
        .at(AT)
        .seen(),
    Property::fact("tries", Values::Number, "The number of failed tries", "失敗した試行の回数").at(AT),
];

const AT: &[&str] = &[GATE];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed() {
        assert_eq!(finding::table::faults(KINDS), Vec::<String>::new());
        assert_eq!(finding::table::faults(FINDINGS), Vec::<String>::new());
        event::Gate::new(GATE).unwrap();
        for kind in KINDS {
            event::Kind::new(kind.name).unwrap();
        }
    }
}
