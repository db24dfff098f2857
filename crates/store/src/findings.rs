//! Findings of the journal and the store.

use event::Severity;
use finding::{Declaration, Finding, Text, table};

use crate::{IngestHealth, JournalHealth};

table! {
    /// The findings of this crate.
    pub FINDINGS: Declaration {
        /// The journal keeps events in memory.
        JOURNAL_WAITS = Declaration::new(
            "store.journal_waits",
            Severity::Error,
            Text::new("Events wait in memory", "イベントがメモリー上で待機中"),
            Text::new(
                "monban cannot write to the journal: {why}. {waiting} events wait in memory; a crash would lose them.",
                "ジャーナルに書き込めません: {why}。{waiting} 件のイベントがメモリー上で待機しており、異常終了すると失われます。",
            ),
            Text::new(
                "Free space on the disk of the data folder, or make it writable. monban then writes the events by itself.",
                "データフォルダーのディスクの空き容量を増やすか、書き込めるようにしてください。解消後、イベントは自動的に書き込まれます。",
            ),
        );
        /// The journal lost events.
        EVENTS_LOST = Declaration::new(
            "store.events_lost",
            Severity::Critical,
            Text::new("Events were lost", "イベントの消失"),
            Text::new(
                "monban could not write events to the disk, and the memory for waiting events was full: {count} events were lost.",
                "ディスクに書き込めず、待機用のメモリーも上限に達したため、{count} 件のイベントが失われました。",
            ),
            Text::new(
                "Free space on the disk of the data folder. Then run `monban acknowledge`.",
                "データフォルダーのディスクの空き容量を増やし、`monban acknowledge` を実行してください。",
            ),
        ).lasting();
        /// The disk failed to keep written data.
        DISK_FAILED = Declaration::new(
            "store.disk_failed",
            Severity::Critical,
            Text::new("The disk failed to keep events", "ディスクへのイベント保存の失敗"),
            Text::new(
                "The disk reported an error when monban synced the journal: {why}. monban wrote the events again, to a new file.",
                "ジャーナルの同期中にディスクがエラーを返しました: {why}。イベントは新しいファイルに書き直しました。",
            ),
            Text::new(
                "Check the disk (`dmesg`, `smartctl -a`) and replace it if it fails again. Then run `monban acknowledge`.",
                "ディスクの状態（`dmesg`、`smartctl -a`）を確認し、再発する場合は交換してください。その後 `monban acknowledge` を実行してください。",
            ),
        ).lasting();
        /// The store accepts no events.
        WAITS = Declaration::new(
            "store.waits",
            Severity::Error,
            Text::new("The event store cannot be written", "イベントストアへの書き込み停止"),
            Text::new(
                "monban cannot write to the store: {why}. The journal keeps the events, and searches read both.",
                "ストアに書き込めません: {why}。イベントはジャーナルに残っており、検索では両方を参照します。",
            ),
            Text::new(
                "End the process that locks the store, or free space on its disk. monban then stores the events by itself.",
                "ストアをロックしているプロセスを終了するか、ディスクの空き容量を増やしてください。解消後、自動的に書き込まれます。",
            ),
        ).foreign(&["the store is locked by another process", "database is locked"]);
        /// A damaged file was moved aside.
        pub MOVED_ASIDE = Declaration::new(
            "store.moved_aside",
            Severity::Error,
            Text::new("A damaged file was moved aside", "破損したファイルの退避"),
            Text::new(
                "monban could not read the file, keeps it as {subject}, and has begun a new one.",
                "ファイルを読み取れないため、{subject} として退避し、新しいファイルで動作しています。",
            ),
            Text::new(
                "Stop monban and put a backup in place, or delete the damaged file. Without a backup, run `monban acknowledge`.",
                "monban を停止してバックアップを戻すか、破損したファイルを削除してください。バックアップがない場合は `monban acknowledge` を実行してください。",
            ),
        ).examples(&[("subject", Text::same("events.db.damaged"))]).lasting().foreign(&["moved aside to", "database disk image is malformed", "file is not a database"]);
    }
}

/// The subject of the journal's findings.
const JOURNAL: &str = "journal";

impl JournalHealth {
    /// Returns the findings that end by themselves.
    pub fn findings(&self) -> Vec<Finding> {
        let waits = |why: &String| {
            JOURNAL_WAITS.finding(JOURNAL).with("why", why.as_str()).with("waiting", self.waiting)
        };
        self.failure.iter().map(waits).collect()
    }

    /// Returns the findings that stay until somebody acknowledges them; `known_lost` lost events are acknowledged.
    pub fn lasting_findings(&self, known_lost: u64) -> Vec<Finding> {
        let failed = self.sync_failure.as_ref();
        let failed = failed.map(|why| DISK_FAILED.finding(JOURNAL).with("why", why.as_str()));
        let lost = self.lost.saturating_sub(known_lost);
        let lost = (lost > 0).then(|| EVENTS_LOST.finding(JOURNAL).with("count", lost));
        failed.into_iter().chain(lost).collect()
    }
}

impl IngestHealth {
    /// Returns the findings of the store behind the journal.
    pub fn findings(&self) -> Vec<Finding> {
        let waits = |why: &String| WAITS.finding("events.db").with("why", why.as_str());
        self.failure.iter().map(waits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_well_formed_and_health_gives_them() {
        assert_eq!(finding::table::faults(FINDINGS), Vec::<String>::new());
        let journal = JournalHealth {
            failure: Some("disk full".to_owned()),
            sync_failure: Some("I/O error".to_owned()),
            waiting: 7,
            lost: 5,
            ..JournalHealth::default()
        };
        let found = journal.findings();
        assert_eq!(found[0].code(), "store.journal_waits");
        assert!(found[0].to_string().contains("disk full. 7 events wait"), "{}", found[0]);
        let codes = |known| journal.lasting_findings(known).iter().map(Finding::code).collect::<Vec<_>>();
        assert_eq!(codes(4), ["store.disk_failed", "store.events_lost"]);
        assert_eq!(codes(5), ["store.disk_failed"]);
        let ingest = IngestHealth { failure: Some("locked".to_owned()), ..IngestHealth::default() };
        assert_eq!(ingest.findings()[0].code(), "store.waits");
        assert!(
            JournalHealth::default().findings().is_empty() && IngestHealth::default().findings().is_empty()
        );
    }
}
