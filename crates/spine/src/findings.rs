//! The findings of this crate.

use event::Severity;
use finding::{Declaration, Text};

finding::table! {
    /// Every finding of this crate.
    pub FINDINGS: Declaration {
        /// A job of the scheduler fails repeatedly.
        pub JOB_FAILING = Declaration::new(
            "scheduler.job_failing",
            Severity::Warning,
            Text::new(
                "The job {subject} failed {failures} times in a row",
                "定期処理 {subject} が{failures}回続けて失敗しました",
            ),
            Text::new("The last error: {error}.", "最後のエラー: {error}"),
            Text::new(
                "Remove the cause that the error names. The next attempt is at {due}.",
                "エラーが示す原因を取り除いてください。次の実行は {due} です。",
            ),
        ).examples(&[("subject", Text::same("tuning.learning")), ("failures", Text::same("3")), ("error", Text::new("no space left on device", "デバイスに空き容量がありません")), ("due", Text::same("2030-01-31 09:00"))]);
        /// A task of monban panicked.
        pub TASK_PANICKED = Declaration::new(
            "tasks.panicked",
            Severity::Error,
            Text::new("The task {subject} of monban has crashed", "monban の処理 {subject} が異常終了しました"),
            Text::new("A fault in monban itself: {message}.", "monban 自体の不具合です: {message}"),
            Text::new(
                "Restart monban, and report the message with the log lines before it.",
                "monban を再起動し、このメッセージと直前のログを報告してください。",
            ),
        ).examples(&[("subject", Text::same("notifier")), ("message", Text::same("index out of bounds"))]);
        /// A database of countries or networks cannot be read.
        pub GEOIP_UNREADABLE = Declaration::new(
            "geoip.unreadable",
            Severity::Warning,
            Text::new("A database of countries cannot be read", "国データベースの読み取り不可"),
            Text::new("monban cannot determine countries: {why}.", "国を判定できません: {why}。"),
            Text::new(
                "Download the database again, check that monban's user may read it, and run `monban reload`.",
                "データベースを取得し直し、monban のユーザーが読み取れることを確認して、`monban reload` を実行してください。",
            ),
        ).examples(&[("why", Text::same("/var/lib/GeoIP/GeoLite2-Country.mmdb: the file ends early"))]);
        /// Something ends within days, and nothing renews it automatically.
        pub ENDS_SOON = Declaration::new(
            "ends.soon",
            Severity::Warning,
            Text::new("{kind} {subject} ends on {at}", "{kind} {subject} の期限は {at} です"),
            Text::new("It has no automatic renewal. Source: {source}.", "自動では更新されません。出所: {source}"),
            Text::new("Renew it, or remove it if nobody needs it.", "更新するか、不要であれば削除してください。"),
        ).examples(&[("kind", Text::new("certificate", "証明書")), ("subject", Text::same("www.example.com")), ("source", Text::same("/etc/monban/www.pem"))]);
        /// Something ends within hours or days although it should have been renewed automatically.
        pub RENEWAL_LATE = Declaration::new(
            "ends.renewal_late",
            Severity::Error,
            Text::new("{kind} {subject} ends on {at} and is not renewed", "{kind} {subject} が更新されないまま期限 {at} に近づいています"),
            Text::new("{renewal} should have renewed it. Source: {source}.", "{renewal} による更新が済んでいません。出所: {source}"),
            Text::new("Find out why the renewal fails; until then renew it by hand.", "更新が失敗する原因を調べ、当面は手動で更新してください。"),
        ).examples(&[("kind", Text::new("certificate", "証明書")), ("subject", Text::same("www.example.com")), ("source", Text::same("/etc/monban/www.pem")), ("renewal", Text::new("the ACME client", "ACME クライアント"))]);
        /// Something has ended.
        pub ENDED = Declaration::new(
            "ends.ended",
            Severity::Critical,
            Text::new("{kind} {subject} ended on {at}", "{kind} {subject} は {at} に期限が切れました"),
            Text::new("It was not renewed in time. Source: {source}.", "期限までに更新されませんでした。出所: {source}"),
            Text::new("Renew it, or remove it if nobody needs it.", "更新するか、不要であれば削除してください。"),
        ).examples(&[("kind", Text::new("certificate", "証明書")), ("subject", Text::same("www.example.com")), ("source", Text::same("/etc/monban/www.pem"))]);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sound() {
        assert_eq!(finding::table::faults(super::FINDINGS), [] as [String; 0]);
    }
}
