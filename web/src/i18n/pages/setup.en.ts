export default {
  title: "Welcome",
  intro: "This link works once. Choose how you will sign in; a passkey and a second factor can be added afterwards.",
  user: "User",
  userHelp: "Letters, digits, dots, hyphens. The user name that you were invited by, if you were.",
  password: "Password",
  passwordHelp: "At least {n} characters. A sentence is easier to remember than a riddle.",
  again: "Password once more",
  different: "The two passwords differ.",
  short: "At least {n} characters, please.",
  submit: "Begin",
  noToken: "The link is incomplete: what follows `#` is missing. Open it as it was printed.",
};
