// 日本語の、API と /healthz が伝える問題の文言。英語ではサーバーの `error` をそのまま表示する。
// 種類(code)が増えると、ここに文言を足すまでコンパイルできない。
import type { HealthCode, ProblemCode } from "../api";

const problems: Record<ProblemCode, string> = {
  bad_request: "リクエストに誤りがあります: {error}",
  forbidden: "許可されていません: {error}",
  not_found: "見つかりません: {error}",
  conflict: "現在の状態と矛盾するため実行できません: {error}",
  refused: "実行できません: {error}",
  unavailable: "現在利用できません: {error}",
  internal: "monban の内部でエラーが起きました: {error}",

  nothing_here: "ここには何もありません。",
  without_page: "この monban は画面なしでビルドされています。API は利用できます。",
  foreign_host: "このホスト名では応答しません。IP アドレス、localhost、または [console] url の名前で開いてください。",
  foreign_page: "別のサイトのページから送られたため、拒否しました。",
  csrf_token: "このページの情報が古くなっています。ページを再読み込みしてください。",

  sign_in_first: "サインインしてください。",
  session_ended: "セッションが終了しました。もう一度サインインしてください。",
  role_needed: "この操作には{role}の役割が必要です。",
  session_needed: "この操作はトークンではできません。サインインしてください。",
  account_gone: "このアカウントは削除されました。",
  wrong_credentials: "ユーザー名またはパスワードが違います。",
  code_needed: "確認コードを入力してください。",
  code_used_or_wrong: "確認コードが違うか、すでに使用されています。",
  too_many_attempts: "試行回数が多すぎます。",
  busy: "サインインが混み合っています。",
  link_gone: "このリンクは使用済みか、期限切れか、または無効です。",
  link_of_other: "このリンクは {user} 用です。",
  name_needed: "最初のアカウントにはユーザー名が必要です。",

  bad_user_name: "ユーザー名は 1〜{max} 文字で、文字、数字、. - _ @ + が使えます。",
  user_exists: "ユーザー {user} はすでに存在します。",
  too_many_users: "ユーザーは {max} 人までです。",
  last_owner: "オーナーが1人もいなくなります。先に別のオーナーを登録してください。",
  no_such_user: "このユーザーは存在しません。",

  wrong_password: "パスワードが違います。",
  password_too_short: "パスワードは {min} 文字以上にしてください。",
  password_too_long: "パスワードは {max} バイト以下にしてください。",
  password_of_one_character: "同じ文字の繰り返しはパスワードに使えません。",
  password_of_name: "ユーザー名とほぼ同じパスワードは使えません。",

  totp_on: "認証アプリはすでに有効です。先に無効にしてください。",
  totp_off: "認証アプリは有効になっていません。",
  totp_not_begun: "先に認証アプリの設定を始めてください。",
  wrong_code: "確認コードが違います。認証アプリの端末の時計が合っているか確認してください。",
  no_such_session: "セッション {id} は存在しません。",

  bad_token_name: "トークンの用途は 1〜{max} 文字で入力してください。",
  token_without_scope: "トークンの権限を1つ以上選んでください。",
  bad_token_days: "トークンの有効期限は 1〜{max} 日、または無期限です。",
  too_many_tokens: "トークンは {max} 個までです。",
  scope_beyond_role: "権限「{scope}」には{role}の役割が必要です。",
  no_such_token: "トークン {id} は存在しません。",

  passkey_unknown: "このパスキーは登録されていないか、応答が正しくないか、時間切れです。",
  passkeys_need_name: "パスキーには名前のあるアドレスが必要です。[console] url を設定するか、localhost で開いてください。",
  passkeys_elsewhere: "パスキーは {url} でのみ使えます。そのアドレスで開いてください。",
  bad_passkey_name: "パスキーの名前は 1〜{max} 文字で入力してください。",
  too_many_passkeys: "パスキーは {max} 個までです。",
  passkey_too_late: "時間切れです。もう一度最初から操作してください。",
  passkey_refused: "パスキーを登録できませんでした: {why}",
  passkey_exists: "このパスキーはすでに登録されています。",
  no_such_passkey: "パスキー {id} は存在しません。",

  no_such_channel: "この通知先は存在しません。",
  bad_event_id: "「{id}」はイベント ID ではありません(26 文字の英数字です)。",
  no_such_event: "イベント {id} は存在しません。",
  too_many_tails: "ライブ表示が同時に開かれすぎています。",

  bad_filter_name: "フィルターの名前は 1〜{max} 文字で入力してください。",
  filter_too_long: "フィルターは {max} バイトまでです。",
  too_many_filters: "フィルターはユーザーごとに {max} 個、全体で {all} 個までです。",
  no_such_filter: "フィルター {id} は存在しません。",
  filter_of_other: "このフィルターは {user} のものです。",

  exclusions_changed: "他のユーザーが除外を変更しました。内容を確認し直してください。",
};
export default problems;

export const health: Record<HealthCode, string> = {
  sign_in: "{count} 件の問題があります。サインインすると確認できます。",
  journal_waits: "ディスクに書き込めないため、ジャーナルがメモリーで待機しています: {why}",
  events_lost: "{count} 件のイベントが失われました。",
  store_waits: "ストアに書き込めないため、イベントはジャーナルに残しています: {why}",
  store_moved_aside: "破損したストアを退避しました。詳細はログを確認してください。",
  log_unwritten: "ログを書き込めません: {why}",
  events_refused: "センサーから届くイベントを保存できません（センサー側に残り、再送されます）: {why}",
  watch_fails: "監視対象のファイルを読み取れません: {why}",
  channel_fails: "通知先 {channel} への送信に失敗しています({why})。送信待ち: {waiting} 件",
  notices_fail: "通知が正常に動作していません: {why}",
  audit_unwritten: "監査ログを記録できません: {why}",
  exclusions_file: "除外ファイルに問題があります: {why}",
};
