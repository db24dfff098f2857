export default {
  title: "サインイン",
  user: "ユーザー名",
  password: "パスワード",
  submit: "サインイン",
  passkey: "パスキーでサインイン",
  noPasskey: "パスキーを取得できませんでした。もう一度試すか、パスワードでサインインしてください。",
  code: "確認コード",
  codeHelp: "認証アプリの6桁のコード、またはリカバリーコードを入力してください。",
  codeSubmit: "続ける",
  back: "別のユーザーでサインイン",
  setup: "ユーザーがまだ登録されていません。サーバーで `monban console link` を実行すると、最初のオーナーを登録するリンクが表示されます。",
};
