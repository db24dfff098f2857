//! The console's commands on the control socket: one-time links and API tokens.

use console::access::{Access, Scope};
use serde::Deserialize;
use serde_json::Value;

use crate::part::Answer;

/// Arguments of `link`.
#[derive(Deserialize)]
struct Link {
    /// The account; none for the first one.
    user: Option<String>,
}

/// Arguments of `token`.
#[derive(Deserialize)]
struct Token {
    name: String,
    scopes: Vec<Scope>,
    days: Option<u32>,
}

/// Arguments of `delete_token`.
#[derive(Deserialize)]
struct DeleteToken {
    id: i64,
}

/// Answers a command, or returns none for an unknown one. May block.
pub fn answer(access: &Access, command: &str, arguments: &Value) -> Option<Answer> {
    let answered = match command {
        "link" => read(arguments).and_then(|Link { user }| {
            access
                .command_link(user.as_deref())
                .map(Value::from)
                .map_err(|problem| problem.error().to_owned())
        }),
        "tokens" => access
            .command_tokens()
            .map_err(|problem| problem.error().to_owned())
            .and_then(|tokens| serde_json::to_value(tokens).map_err(|error| error.to_string())),
        "token" => read(arguments).and_then(|Token { name, scopes, days }| {
            let token = access.command_token(&name, &scopes, days);
            token.map(Value::from).map_err(|problem| problem.error().to_owned())
        }),
        "delete_token" => read(arguments).and_then(|DeleteToken { id }| {
            let deleted = access.command_delete_token(id);
            deleted.map(Value::from).map_err(|problem| problem.error().to_owned())
        }),
        _ => return None,
    };
    Some(answered)
}

fn read<T: for<'de> Deserialize<'de>>(arguments: &Value) -> Result<T, String> {
    T::deserialize(arguments).map_err(|error| format!("wrong arguments: {error}"))
}
