//! Messages of ModSecurity 2.9, which monban's rule engine also writes.

use event::Severity;
use finding::{Declaration, Text, table};

/// Directives whose values affect a message.
pub const SETTINGS: &[(&str, &[&str])] = &[
    (
        "modsecurity.body_too_long",
        &["SecRequestBodyLimit", "SecRequestBodyLimitAction", "SecRequestBodyNoFilesLimit"],
    ),
    ("modsecurity.response_too_long", &["SecResponseBodyLimit", "SecResponseBodyLimitAction"]),
    ("modsecurity.pcre_limits", &["SecPcreMatchLimit", "SecPcreMatchLimitRecursion"]),
    ("modsecurity.body_not_parsed", &["SecRequestBodyAccess", "SecRequestBodyJsonDepthLimit"]),
    ("modsecurity.audit_log_unopened", &["SecAuditLog", "SecAuditLog2", "SecAuditLogStorageDir"]),
    ("modsecurity.denied", &["SecRuleEngine"]),
    ("modsecurity.warning", &["SecRuleEngine"]),
];

table! {
    /// Messages of ModSecurity and their causes.
    pub MESSAGES: Declaration {
        /// A request was denied.
        DENIED = Declaration::new(
            "modsecurity.denied",
            Severity::Notice,
            Text::new("A rule denied the request", "ルールによる遮断"),
            Text::new(
                "The rule in `[id \"…\"]` matched the value after `at`, in phase 1 (request head), 2 (request body), 3 (response head) or 4 (response body). Rule 949110 of the Core Rule Set only checks the sum: the lines with `Warning` before it name the rules that gave points.",
                "`[id \"…\"]` のルールが `at` の後の値に一致しました。フェーズは 1（リクエストヘッダー）、2（リクエストボディー）、3（レスポンスヘッダー）、4（レスポンスボディー）です。Core Rule Set の 949110 はスコアの集計のみで、加点したルールはその前の `Warning` の行にあります。",
            ),
            Text::new(
                "Leave it if it was an attack. If not, exclude the named parameter from the rules that gave points: with the console's Add exclusion…, or `monban rules exclude EVENT`.",
                "攻撃であれば対処は不要です。誤検知の場合は、加点したルールから該当パラメーターを除外してください（コンソールの「除外を追加」または `monban rules exclude EVENT`）。",
            ),
        )
        .undo(Text::new(
            "Undo the exclusion in the console's History.",
            "コンソールの「履歴」で除外を取り消せます。",
        ))
        .foreign(&["Access denied with code", "Access denied with redirection to", "Access denied using proxy to", "Access denied with connection close"]);
        /// A rule matched and blocked nothing.
        WARNING = Declaration::new(
            "modsecurity.warning",
            Severity::Notice,
            Text::new("A rule matched without denying", "遮断を伴わないルールの一致"),
            Text::new(
                "The rule logs or adds points to the anomaly score; another rule decides by the sum. With `SecRuleEngine DetectionOnly` no rule denies.",
                "このルールはログへの記録またはスコアの加点のみを行い、遮断は合計値を見る別のルールが判断します。`SecRuleEngine DetectionOnly` ではどのルールも遮断しません。",
            ),
            Text::new(
                "Look at the event in the console: it shows all matches and the score. A scanner needs no action.",
                "コンソールのイベントで一致したルールとスコアを確認してください。スキャナーによるものであれば対処は不要です。",
            ),
        ).foreign(&["ModSecurity: Warning.", "Message: Warning."]);
        /// A pattern reached its limit.
        PCRE_LIMITS = Declaration::new(
            "modsecurity.pcre_limits",
            Severity::Warning,
            Text::new("A pattern reached the match limit", "正規表現の照合回数の上限到達"),
            Text::new(
                "The pattern of a rule needed more steps for this value than `SecPcreMatchLimit` allows, so the rule did not decide. The value is long, or an attacker made it for that. `MSC_PCRE_LIMITS_EXCEEDED` is set, and rule 200004 or 200005 may deny.",
                "ルールの正規表現が `SecPcreMatchLimit` の回数内に照合を終えられず、判定できませんでした。値が長いか、意図的に作られたものです。`MSC_PCRE_LIMITS_EXCEEDED` が設定され、ルール 200004 または 200005 が遮断することがあります。",
            ),
            Text::new(
                "Raise `SecPcreMatchLimit` and `SecPcreMatchLimitRecursion` (for example to 100000), or exclude the field from that rule if harmless clients send such values.",
                "`SecPcreMatchLimit` と `SecPcreMatchLimitRecursion` を引き上げるか（例: 100000）、正当なクライアントが送る値であれば該当フィールドをそのルールから除外してください。",
            ),
        )
        .undo(Text::new("Set the former limits again, and reload.", "元の上限値に戻し、再読み込みしてください。"))
        .foreign(&["PCRE limits exceeded", "MSC_PCRE_LIMITS_EXCEEDED"]);
        /// A request body is too long.
        BODY_TOO_LONG = Declaration::new(
            "modsecurity.body_too_long",
            Severity::Warning,
            Text::new("A request body is longer than the rules' limit", "リクエストボディーの上限超過"),
            Text::new(
                "`SecRequestBodyLimit` counts the whole body, `SecRequestBodyNoFilesLimit` everything but uploaded files. A form or JSON document without files meets the second, which is 128 KiB as shipped. With `SecRequestBodyLimitAction Reject` the answer is 413.",
                "`SecRequestBodyLimit` はボディー全体、`SecRequestBodyNoFilesLimit` はアップロードファイルを除いた部分の上限です。ファイルのないフォームや JSON には後者（既定 128 KiB）が適用されます。`SecRequestBodyLimitAction Reject` では 413 を返します。",
            ),
            Text::new(
                "If the application needs such bodies, raise the limit for its path. For uploads to programs like Nextcloud use a preset (docs/user/presets.md).",
                "アプリケーションに必要な場合は、そのパスの上限を引き上げてください。Nextcloud などへのアップロードにはプリセット（docs/user/presets.md）を使えます。",
            ),
        ).foreign(&[
            "Request body no files data length is larger than the configured limit",
            "Request body is larger than the configured limit",
            "Request body (Content-Length) is larger than the configured limit",
            "HTTP Error 413 - Request entity too large",
        ]);
        /// A request body cannot be parsed.
        BODY_NOT_PARSED = Declaration::new(
            "modsecurity.body_not_parsed",
            Severity::Warning,
            Text::new("A request body could not be parsed", "リクエストボディーの解析失敗"),
            Text::new(
                "The body is not what its Content-Type says: broken JSON or XML, or a multipart form with an invalid or ambiguous structure. Rule 200002 (200003 for multipart) denies it, because applications may parse such a body differently from the rules.",
                "ボディーが Content-Type と一致しません（不正な JSON や XML、構造が不正または曖昧なマルチパート）。アプリケーションがルールと異なる解釈をする可能性があるため、ルール 200002（マルチパートは 200003）が遮断します。",
            ),
            Text::new(
                "Correct the client if it is yours: the message names the place. For an application that needs it, exclude rule 200002 on its path.",
                "自分のクライアントであれば修正してください（位置はメッセージにあります）。アプリケーションに必要な場合は、そのパスでルール 200002 を除外してください。",
            ),
        ).foreign(&[
            "Failed to parse request body",
            "Multipart parsing error",
            "JSON parsing error",
            "JSON parser error",
            "XML parsing error",
            "XML parser error",
            "REQBODY_ERROR",
            "Multipart request body failed strict validation",
        ]);
        /// A client disconnected while it sent a request.
        CLIENT_GONE = Declaration::new(
            "modsecurity.client_gone",
            Severity::Notice,
            Text::new("The client left while it sent its request", "リクエスト送信中のクライアント切断"),
            Text::new(
                "The connection ended before the request body did: the visitor left the page, the network failed, or a timeout ended the upload.",
                "ボディーの受信が終わる前に接続が切れました。利用者の離脱、ネットワーク障害、タイムアウトのいずれかです。",
            ),
            Text::new("No action is needed unless uploads fail regularly. Then compare the timeouts of all proxies between client and application.", "対処は不要です。アップロードが頻繁に失敗する場合は、経路上のタイムアウトを確認してください。"),
        ).foreign(&["Error reading request body: Client went away"]);
        /// A response body is too long.
        RESPONSE_TOO_LONG = Declaration::new(
            "modsecurity.response_too_long",
            Severity::Warning,
            Text::new("A response body is longer than the rules' limit", "レスポンスボディーの上限超過"),
            Text::new(
                "The response is longer than `SecResponseBodyLimit`. With `SecResponseBodyLimitAction Reject` the visitor gets 500.",
                "レスポンスが `SecResponseBodyLimit` を超えました。`SecResponseBodyLimitAction Reject` では利用者に 500 が返ります。",
            ),
            Text::new(
                "Set `SecResponseBodyLimitAction ProcessPartial`, or let rules read fewer types of responses (`SecResponseBodyMimeType`).",
                "`SecResponseBodyLimitAction ProcessPartial` に変更するか、検査対象の種類（`SecResponseBodyMimeType`）を減らしてください。",
            ),
        ).foreign(&["Response body too large (over limit of", "Output filter: Content-Length * over the limit"]);
        /// A rule file does not load because two rules have one id.
        DUPLICATE_ID = Declaration::new(
            "modsecurity.duplicate_id",
            Severity::Error,
            Text::new("Two rules have the same id", "ルール ID の重複"),
            Text::new(
                "A rule file is included twice, or two files use the same id. The rules do not load.",
                "ルールファイルが二重に読み込まれているか、同じ ID が複数のファイルで使われています。ルールは読み込まれません。",
            ),
            Text::new(
                "Search the id in all rule files (`grep -rn 'id:NUMBER'`), then include the file once or change the id of your own rule.",
                "ID を全ルールファイルで検索し（`grep -rn 'id:番号'`）、読み込みを 1 回にするか、自作ルールの ID を変更してください。",
            ),
        ).foreign(&["Found another rule with the same id"]);
        /// A rule has no id.
        WITHOUT_ID = Declaration::new(
            "modsecurity.rule_without_id",
            Severity::Error,
            Text::new("A rule has no id", "ID のないルール"),
            Text::new("Since ModSecurity 2.7 each rule that starts a chain needs the action `id`.", "ModSecurity 2.7 以降、チェーンの先頭のルールには `id` アクションが必要です。"),
            Text::new("Add `id:NUMBER` with an unused number from 1 to 99999, which are for your own rules.", "自作ルール用の 1〜99999 から未使用の番号を選び、`id:番号` を追加してください。"),
        ).foreign(&["Rules must have at least id action", "No action id present within the rule"]);
        /// The audit log cannot be opened.
        AUDIT_LOG = Declaration::new(
            "modsecurity.audit_log_unopened",
            Severity::Error,
            Text::new("ModSecurity cannot open its audit log", "監査ログを開けない"),
            Text::new(
                "The file or the program of `SecAuditLog` cannot be opened: the folder is missing, or Apache's user may not write there.",
                "`SecAuditLog` のファイルまたはプログラムを開けません。フォルダーがないか、Apache のユーザーに書き込み権限がありません。",
            ),
            Text::new("Create the folder and let Apache's user write there. If it is a pipe to mlogc, check path and permissions of both files.", "フォルダーを作成し、Apache のユーザーに書き込みを許可してください。mlogc へのパイプの場合は、両ファイルのパスと権限を確認してください。"),
        ).foreign(&["Failed to open the audit log pipe", "Failed to open the audit log file", "Failed to open the secondary audit log"]);
        /// The PCRE library differs from that of the build.
        PCRE_VERSION = Declaration::new(
            "modsecurity.pcre_version",
            Severity::Warning,
            Text::new("ModSecurity uses a different PCRE from the one it was built with", "PCRE のバージョン不一致"),
            Text::new("The PCRE library was updated without ModSecurity, or two of them are installed.", "ModSecurity を更新せずに PCRE が更新されたか、2 つの PCRE がインストールされています。"),
            Text::new("Install the distribution's current package of ModSecurity. Rules work as long as no pattern fails to compile.", "ディストリビューションの最新の ModSecurity パッケージを導入してください。正規表現のコンパイルが失敗しない限り、ルールは動作します。"),
        ).foreign(&["Loaded PCRE do not match with compiled"]);
        /// A client has too many connections.
        CONNECTIONS = Declaration::new(
            "modsecurity.too_many_threads",
            Severity::Warning,
            Text::new("A client holds too many slow connections", "低速接続の過多"),
            Text::new("`SecConnReadStateLimit` or `SecConnWriteStateLimit` refuses further connections of the address: a Slowloris attack, or many users behind one address.", "`SecConnReadStateLimit` または `SecConnWriteStateLimit` が、このアドレスからの接続を拒否しています。Slowloris 攻撃か、1 つのアドレスを共有する多数の利用者が原因です。"),
            Text::new("Raise the limit if the address is a proxy of real users. monban has `connections_per_client` for the same.", "正当な利用者が共有するアドレスであれば、上限を引き上げてください。monban では `connections_per_client` に相当します。"),
        ).foreign(&["Too many threads * allowed in * state"]);
    }
}
