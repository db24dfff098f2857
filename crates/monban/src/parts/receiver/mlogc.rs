//! Messages of mlogc 2.9, which sends ModSecurity's audit log.

use event::Severity;
use finding::{Declaration, Text, table};

/// Directives whose values determine how ModSecurity writes for mlogc.
pub const SETTINGS: &[(&str, &[&str])] = &[
    ("mlogc.serial_log", &["SecAuditLogType", "SecAuditLog", "SecAuditLogStorageDir"]),
    ("mlogc.entry_missing", &["SecAuditLogStorageDir", "CollectorRoot", "LogStorageDir"]),
    ("mlogc.refused", &["ConsoleURI", "SensorUsername"]),
    ("mlogc.unreachable", &["ConsoleURI"]),
    ("mlogc.configuration", &["QueuePath", "CollectorRoot"]),
    ("mlogc.files", &["ErrorLog", "TransactionLog", "QueuePath"]),
];

table! {
    /// Messages of mlogc and their causes.
    pub MESSAGES: Declaration {
        /// mlogc receives a Serial log.
        SERIAL_LOG = Declaration::new(
            "mlogc.serial_log",
            Severity::Error,
            Text::new("mlogc cannot read the audit log", "mlogc が監査ログを解釈できない"),
            Text::new(
                "mlogc reads the index of a Concurrent audit log, one line for each request. With `SecAuditLogType Serial` it gets the lines of the entries themselves, logs `Invalid entry` for each and sends nothing, while clients are still blocked. An index of libmodsecurity 3 does not match either.",
                "mlogc は Concurrent 形式の監査ログの索引（1 リクエスト 1 行）を読みます。`SecAuditLogType Serial` ではエントリー本体の各行が渡されるため、行ごとに `Invalid entry` を記録し、何も送信しません（遮断自体は行われます）。libmodsecurity 3 の索引も形式が異なります。",
            ),
            Text::new(
                "Set `SecAuditLogType Concurrent`, `SecAuditLogStorageDir` to mlogc's folder and `SecAuditLog` to `\"|/usr/bin/mlogc /etc/mlogc.conf\"`. Then restart Apache. `monban check --sensor-config FILE` checks the files.",
                "`SecAuditLogType Concurrent` に変更し、`SecAuditLogStorageDir` に mlogc のフォルダー、`SecAuditLog` に `\"|/usr/bin/mlogc /etc/mlogc.conf\"` を指定して Apache を再起動してください。`monban check --sensor-config FILE` で設定を確認できます。",
            ),
        )
        .undo(Text::new(
            "Set `SecAuditLogType Serial` and the former `SecAuditLog` again, and restart Apache.",
            "`SecAuditLogType Serial` と元の `SecAuditLog` に戻し、Apache を再起動してください。",
        ))
        .foreign(&["Invalid entry (failed to match regex)"]);
        /// An entry's file is missing.
        ENTRY_MISSING = Declaration::new(
            "mlogc.entry_missing",
            Severity::Warning,
            Text::new("mlogc does not find the file of an entry", "mlogc がエントリーのファイルを見つけられない"),
            Text::new(
                "The index names a file below `CollectorRoot`/`LogStorageDir` that does not exist: the folders of mlogc and of `SecAuditLogStorageDir` differ, mlogc's user may not read them, or the entry was already sent and deleted.",
                "索引にあるファイルが `CollectorRoot`/`LogStorageDir` の下にありません。mlogc と `SecAuditLogStorageDir` のフォルダーが異なるか、mlogc のユーザーに読み取り権限がないか、送信済みで削除されています。",
            ),
            Text::new(
                "Let `SecAuditLogStorageDir` and `CollectorRoot`/`LogStorageDir` name the same folder. `monban events import FOLDER` reads entries that mlogc left.",
                "`SecAuditLogStorageDir` と `CollectorRoot`/`LogStorageDir` を同じフォルダーにしてください。残ったエントリーは `monban events import FOLDER` で取り込めます。",
            ),
        ).foreign(&["Invalid entry (file not found", "Invalid entry (failed to open file for reading)"]);
        /// The receiver refuses an entry.
        REFUSED = Declaration::new(
            "mlogc.refused",
            Severity::Error,
            Text::new("The console refuses mlogc's entries", "コンソールが mlogc の送信を拒否"),
            Text::new(
                "The receiver answered with another status than 200. With 401 the sensor's name or password is wrong; with 404 `ConsoleURI` lacks `/rpc/auditLogReceiver`; with 503 the receiver cannot store events. mlogc keeps the entry and retries it.",
                "受信側が 200 以外を返しました。401 はセンサー名またはパスワードの誤り、404 は `ConsoleURI` の `/rpc/auditLogReceiver` の欠落、503 は受信側でイベントを保存できない状態です。エントリーは mlogc に残り、再送されます。",
            ),
            Text::new(
                "Let `SensorUsername` and `SensorPassword` match a [[sensors]] section, and `ConsoleURI` end in `/rpc/auditLogReceiver`. For 503 run `monban doctor` on the receiving server.",
                "`SensorUsername` と `SensorPassword` を [[sensors]] に合わせ、`ConsoleURI` の末尾を `/rpc/auditLogReceiver` にしてください。503 の場合は受信側で `monban doctor` を実行してください。",
            ),
        ).foreign(&[
            "Flagging server as errored after failure to submit entry * with HTTP response code",
            "Failed to submit entry with",
        ]);
        /// The entry was already known.
        KNOWN = Declaration::new(
            "mlogc.known",
            Severity::Notice,
            Text::new("The entry was already stored", "登録済みのエントリー"),
            Text::new(
                "The receiver answered 409: it has the entry already, and mlogc drops its copy. That happens after a restart of mlogc.",
                "受信側が 409 を返しました。すでに保存されているため、mlogc は手元のエントリーを破棄します。mlogc の再起動後に起こります。",
            ),
            Text::new("No action is needed.", "対処は不要です。"),
        ).foreign(&["Failed to submit entry with \"409"]);
        /// The receiver does not answer.
        UNREACHABLE = Declaration::new(
            "mlogc.unreachable",
            Severity::Error,
            Text::new("mlogc does not reach the console", "mlogc がコンソールに接続できない"),
            Text::new(
                "The connection or its TLS handshake failed: the receiver does not run, a firewall blocks the connection, `ConsoleURI` names the wrong port, or mlogc speaks TLS to a plain port (`Possible SSL negotiation error`) or does not trust the certificate. The cURL code shows the cause: 6 name, 7 connection, 28 timeout, 35 and 60 TLS.",
                "接続または TLS に失敗しました。受信側が動作していない、ファイアウォールで遮断されている、`ConsoleURI` のポートが違う、平文のポートに TLS で接続している（`Possible SSL negotiation error`）、証明書を信頼していない、のいずれかです。cURL コードは 6 が名前解決、7 が接続、28 がタイムアウト、35 と 60 が TLS の問題を示します。",
            ),
            Text::new(
                "On the sensor, run `curl -v` with the URL of `ConsoleURI`: monban answers 401 or 405. Compare scheme and port with [receiver] address and tls.",
                "センサー側で `ConsoleURI` の URL に `curl -v` を実行してください（monban は 401 または 405 を返します）。スキームとポートを [receiver] の address と tls に合わせてください。",
            ),
        ).foreign(&[
            "Flagging server as errored after failure to retrieve response code",
            "Flagging server as errored after failure to submit entry * (cURL code",
            "Possible SSL negotiation error",
            "Shutting down due to server error",
        ]);
        /// mlogc's configuration is incomplete.
        CONFIGURATION = Declaration::new(
            "mlogc.configuration",
            Severity::Error,
            Text::new("mlogc does not start", "mlogc が起動しない"),
            Text::new(
                "mlogc cannot read its configuration, or `QueuePath` is missing in it. Apache starts mlogc from `SecAuditLog`, so that nothing is sent.",
                "mlogc が設定を読み取れないか、`QueuePath` が指定されていません。mlogc は Apache が `SecAuditLog` から起動するため、何も送信されません。",
            ),
            Text::new(
                "Name the file with its full path in `SecAuditLog`, let Apache's user read it, and set `CollectorRoot`, `QueuePath` and `ConsoleURI`.",
                "`SecAuditLog` に設定ファイルの絶対パスを書き、Apache のユーザーが読めるようにして、`CollectorRoot`、`QueuePath`、`ConsoleURI` を指定してください。",
            ),
        ).foreign(&[
            "QueuePath not defined in the configuration file",
            "Unable to open configuration file",
            "Error reading from the configuration file",
        ]);
        /// mlogc cannot open its files.
        FILES = Declaration::new(
            "mlogc.files",
            Severity::Error,
            Text::new("mlogc cannot open its own files", "mlogc が自身のファイルを開けない"),
            Text::new(
                "mlogc runs as the user that starts Apache, and that user may not write its error log, its transaction log or its queue.",
                "mlogc は Apache の起動時のユーザーで動作しますが、エラーログ、トランザクションログ、キューのいずれかに書き込めません。",
            ),
            Text::new(
                "Create the folder of `CollectorRoot` and let Apache's user write there (`install -d -o www-data -m 750 …`).",
                "`CollectorRoot` のフォルダーを作成し、Apache のユーザーに書き込みを許可してください（`install -d -o www-data -m 750 …`）。",
            ),
        ).foreign(&[
            "Failed to open the error log",
            "Failed to open the transaction log",
            "Error reading from the queue file",
        ]);
    }
}
