//! Sends each kind of caller to each route. The routes come from the API's description, so a new route without a role fails here.

use super::*;

/// Returns the `security` of an operation: the lowest role of a session, and the lowest role that a token's scope must correspond
/// to; none if anybody may call it.
fn demanded(document: &Value, operation: &Value) -> Option<(Role, Option<Role>)> {
    let security = operation.get("security").unwrap_or(&document["security"]).as_array().unwrap();
    let words = |scheme: &str| {
        security.iter().find_map(|entry| entry.get(scheme)?.get(0)?.as_str().map(str::to_owned))
    };
    if security.iter().any(|entry| entry.as_object().unwrap().is_empty()) {
        return None;
    }
    let session = Role::from_word(&words("session").expect("a role")).expect("viewer, analyst or owner");
    let token = words("token").map(|scope| Scope::from_word(&scope).expect("read, tune or admin").role());
    Some((session, token))
}

/// Returns whether the status is neither 401 nor 403. Other tests check the rest of the response.
fn let_in(status: u16) -> bool {
    status != 401 && status != 403
}

#[tokio::test]
async fn every_route_takes_those_that_it_says_and_nobody_else() {
    let bench = Bench::new();
    bench.signed_in("first", Role::Owner);
    let document = serde_json::to_value(crate::openapi::document()).unwrap();
    let mut routes = 0;
    let mut open = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let target =
            path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>();
        let target = target.join("/");
        for (method, operation) in item.as_object().unwrap() {
            routes += 1;
            let method = method.to_uppercase();
            let body = (method != "GET").then(|| json!({}));
            let status = async |headers: &[(&str, &str)]| {
                bench.response(&method, &target, headers, body.clone()).await.status().as_u16()
            };
            let Some((role, token_role)) = demanded(&document, operation) else {
                open.push(format!("{method} {path}"));
                assert!(let_in(status(&[]).await), "{method} {path} is open");
                continue;
            };
            assert_eq!(status(&[]).await, 401, "{method} {path} without credentials");
            let nonsense = format!("Bearer monban_{}", "A".repeat(43));
            assert_eq!(
                status(&[("authorization", &nonsense)]).await,
                401,
                "{method} {path}, a token of nobody"
            );
            for caller in Role::ALL {
                let browser = bench.signed_in("caller", caller);
                let found = bench.by_response(&browser, &method, &target, body.clone()).await;
                let expected = caller >= role;
                assert_eq!(let_in(found), expected, "{method} {path}, session of {caller:?}: {found}");
                if !expected {
                    assert_eq!(found, 403, "{method} {path}, session of {caller:?}");
                }
                let forget =
                    |db: &Transaction<'_>, _| Ok(db.execute("DELETE FROM users WHERE name = 'caller'", [])?);
                bench.access.blocking(forget).unwrap();
            }
            for scope in Scope::ALL {
                let token = format!("Bearer {}", bench.access.command_token("t", &[scope], None).unwrap());
                let found = status(&[("authorization", &token)]).await;
                let expected = token_role.is_some_and(|role| scope.role() >= role);
                assert_eq!(let_in(found), expected, "{method} {path}, token of {scope:?}: {found}");
                let forget = |db: &Transaction<'_>, _| Ok(db.execute("DELETE FROM tokens", [])?);
                bench.access.blocking(forget).unwrap();
            }
        }
    }
    assert!(routes >= 20, "{routes}");
    open.sort();
    let known = [
        "GET /healthz",
        "POST /api/session",
        "POST /api/session/passkey/begin",
        "POST /api/session/passkey/finish",
        "POST /api/setup",
        "POST /api/setup/check",
    ];
    assert_eq!(open, known, "whoever adds to these should know why");
}

impl Bench {
    /// Returns the status of a request from a page of the console. Does not read the body, which may be endless.
    async fn by_response(&self, browser: &Browser, method: &str, target: &str, body: Option<Value>) -> u16 {
        let origin = format!("https://{NAME}");
        let headers = [("cookie", &*browser.cookie), ("x-csrf-token", &browser.csrf), ("origin", &origin)];
        self.response(method, target, &headers, body).await.status().as_u16()
    }
}
