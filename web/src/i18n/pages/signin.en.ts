export default {
  title: "Sign in",
  user: "User",
  password: "Password",
  submit: "Sign in",
  passkey: "Sign in with a passkey",
  noPasskey: "The browser gave no passkey. Try again, or sign in by password.",
  code: "Code",
  codeHelp: "Six digits of your authenticator app, or one of your recovery codes.",
  codeSubmit: "Go on",
  back: "Another user",
  ended: "Your session has ended. Sign in again to go on where you were.",
  setup: "Nobody can sign in yet. On the server, `monban console link` prints the link with which the first owner is made.",
};
