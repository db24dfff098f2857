use super::*;

#[tokio::test]
async fn owners_invite_and_the_invited_choose_a_password() {
    let bench = Bench::new();
    let owner = bench.signed_in("anna", Role::Owner);
    let invite = |user: &str, role: &str| Some(json!({"user": user, "role": role}));
    for (user, role, status) in [
        ("bert", "analyst", 200),
        ("BERT", "viewer", 409),
        ("b/ert", "viewer", 422),
        (&"b".repeat(limits::MAX_NAME_CHARS + 1), "viewer", 422),
        ("carla", "king", 422),
        ("門番", "viewer", 200),
    ] {
        assert_eq!(bench.by(&owner, "POST", "/api/users", invite(user, role)).await.status, status, "{user}");
    }
    let link = bench.by(&owner, "POST", "/api/users/bert/reset", None).await.body["link"].clone();
    let token = token_of(link.as_str().unwrap());
    let setup = |user: Value| Some(json!({"token": token, "user": user, "password": PASSWORD}));
    assert_eq!(
        bench.ask("POST", "/api/setup", setup(json!("anna"))).await.status,
        422,
        "not the invited name"
    );
    let listed = bench.by(&owner, "GET", "/api/users", None).await.body;
    let find = |listed: &Value| {
        listed["users"].as_array().unwrap().iter().find(|user| user["user"] == "bert").cloned()
    };
    assert_eq!(find(&listed).unwrap()["invited"], true);
    assert_eq!(bench.sign_in("bert", "").await.status, 401, "no password is no empty password");
    let answer = bench.ask("POST", "/api/setup", setup(Value::Null)).await;
    assert_eq!((answer.status, &answer.body["role"]), (200, &json!("analyst")));
    let bert = answer.browser();
    let listed = bench.by(&owner, "GET", "/api/users", None).await.body;
    assert_eq!(find(&listed).unwrap()["invited"], false);

    // A role changes immediately, also for existing sessions.
    assert_eq!(bench.by(&bert, "GET", "/api/users", None).await.status, 403);
    let role = |role: &str| Some(json!({"role": role}));
    assert_eq!(bench.by(&owner, "PATCH", "/api/users/bert", role("owner")).await.status, 204);
    assert_eq!(bench.by(&bert, "GET", "/api/users", None).await.status, 200);
    assert_eq!(bench.by(&bert, "PATCH", "/api/users/anna", role("viewer")).await.status, 204);
    assert_eq!(
        bench.by(&bert, "PATCH", "/api/users/bert", role("viewer")).await.status,
        409,
        "the last owner"
    );
    assert_eq!(bench.by(&bert, "DELETE", "/api/users/bert", None).await.status, 409, "the last owner");
    assert_eq!(bench.by(&bert, "DELETE", "/api/users/nobody", None).await.status, 404);
    assert_eq!(bench.by(&bert, "DELETE", "/api/users/anna", None).await.status, 204);
    assert_eq!(bench.by(&owner, "GET", "/api/session", None).await.status, 401, "gone with the account");

    let answer = bench.by(&bert, "GET", "/api/audit?limit=2", None).await;
    let entries = answer.body["entries"].as_array().unwrap();
    assert_eq!(
        (entries[0]["what"].as_str(), entries[0]["detail"].as_str()),
        (Some("user.deleted"), Some("anna"))
    );
    assert_eq!(
        (entries[1]["what"].as_str(), entries[1]["user"].as_str()),
        (Some("user.role_changed"), Some("bert"))
    );
    let next = bench.by(&bert, "GET", &format!("/api/audit?before={}", answer.body["next"]), None).await.body;
    assert!(next["entries"][0]["id"].as_i64() < entries[1]["id"].as_i64());
    assert_eq!(next["next"], Value::Null);
    assert_eq!(bench.by(&bert, "GET", "/api/audit?limit=x", None).await.status, 400);
}

#[tokio::test]
async fn a_reset_ends_what_was() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Owner).await;
    let before = bench.sign_in("anna", PASSWORD).await.browser();
    let token = token_of(&bench.access.command_link(Some("ANNA")).unwrap());
    assert_eq!(bench.by(&before, "GET", "/api/session", None).await.status, 200, "not before it is used");
    let setup = json!({"token": token, "password": "another horse battery"});
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup)).await.status, 200);
    assert_eq!(bench.by(&before, "GET", "/api/session", None).await.status, 401);
    assert_eq!(bench.sign_in("anna", PASSWORD).await.status, 401);
    assert_eq!(bench.sign_in("anna", "another horse battery").await.status, 200);
    assert_eq!(bench.access.command_link(Some("nobody")).unwrap_err().status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_token_may_what_its_scopes_and_its_user_may() {
    let bench = Bench::new();
    let owner = bench.signed_in("anna", Role::Owner);
    let analyst = bench.signed_in("bert", Role::Analyst);
    let make = async |browser: &Browser, scopes: Value, days: Option<u32>| {
        let body = json!({"name": "script", "scopes": scopes, "expires_days": days});
        let answer = bench.by(browser, "POST", "/api/account/tokens", Some(body)).await;
        (answer.status, answer.body["token"].as_str().map(|token| format!("Bearer {token}")))
    };
    let status = async |token: &str, method: &str, target: &str, body: Option<Value>| {
        bench.send(method, target, &[("authorization", token)], body).await.status
    };
    assert_eq!(make(&analyst, json!(["admin"]), None).await.0, 403);
    assert_eq!(make(&analyst, json!([]), None).await.0, 422);
    assert_eq!(make(&analyst, json!(["write"]), None).await.0, 422);
    assert_eq!(make(&analyst, json!(["read"]), Some(0)).await.0, 422);
    let read = make(&owner, json!(["read"]), None).await.1.unwrap();
    let admin = make(&owner, json!(["read", "admin"]), Some(30)).await.1.unwrap();
    assert!(read.starts_with("Bearer monban_"));
    assert_eq!(status(&read, "GET", "/api/events", None).await, 200);
    assert_eq!(status(&read, "GET", "/metrics", None).await, 200);
    assert_eq!(status(&read, "GET", "/api/users", None).await, 403);
    assert_eq!(status(&admin, "GET", "/api/users", None).await, 200);
    let invitation = Some(json!({"user": "carla", "role": "analyst"}));
    assert_eq!(status(&admin, "POST", "/api/users", invitation).await, 200, "neither CSRF token nor origin");
    assert_eq!(status(&admin, "GET", "/api/account/tokens", None).await, 403, "a token makes no tokens");

    bench.clock.advance(Duration::from_secs(30 * 86_400));
    assert_eq!(status(&admin, "GET", "/api/users", None).await, 401, "expired");
    assert_eq!(status(&read, "GET", "/api/events", None).await, 200);

    // Owners see and delete the tokens of the server's owner; others do not.
    let (owner, analyst) = (bench.signed_in("dora", Role::Owner), bench.signed_in("emil", Role::Analyst));
    let machine = format!("Bearer {}", bench.access.command_token("backup", &[Scope::Tune], None).unwrap());
    assert_eq!(status(&machine, "GET", "/api/events", None).await, 200);
    let seen = async |browser: &Browser| {
        let tokens = bench.by(browser, "GET", "/api/account/tokens", None).await.body["tokens"].clone();
        tokens
            .as_array()
            .unwrap()
            .iter()
            .map(|token| (token["name"].clone(), token["id"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(seen(&analyst).await, []);
    let tokens = seen(&owner).await;
    assert_eq!((tokens.len(), &tokens[0].0), (1, &json!("backup")));
    let target = format!("/api/account/tokens/{}", tokens[0].1);
    assert_eq!(bench.by(&analyst, "DELETE", &target, None).await.status, 404);
    assert_eq!(bench.by(&owner, "DELETE", &target, None).await.status, 204);
    assert_eq!(status(&machine, "GET", "/api/events", None).await, 401);

    // The server's owner sees and deletes everybody's tokens.
    make(&analyst, json!(["read"]), None).await.1.unwrap();
    bench.access.command_token("backup", &[Scope::Tune], None).unwrap();
    let all = bench.access.command_tokens().unwrap();
    let of: Vec<_> = all.iter().map(|one| (one.token.name.as_str(), one.user.as_deref())).collect();
    assert_eq!(of[..2], [("backup", None), ("script", Some("emil"))]);
    assert!(of.len() > 2, "those of other users, expired ones, too: {of:?}");
    assert_eq!(bench.access.command_delete_token(all[1].token.id).unwrap(), "script");
    let problem = bench.access.command_delete_token(all[1].token.id).unwrap_err();
    assert_eq!((problem.status().as_u16(), problem.code()), (404, "token.not_found"));
    assert_eq!(bench.access.command_tokens().unwrap().len(), all.len() - 1);
    assert!(bench.trail().contains(&("machine".into(), "token.deleted".into(), "script".into())));

    let read = make(&owner, json!(["admin"]), None).await.1.unwrap();
    bench.signed_in("fred", Role::Owner);
    bench.by(&owner, "PATCH", "/api/users/dora", Some(json!({"role": "viewer"}))).await;
    assert_eq!(status(&read, "GET", "/api/users", None).await, 403, "its user is a viewer now");
    assert_eq!(status(&read, "GET", "/api/events", None).await, 200);
}

#[tokio::test]
async fn strangers_learn_that_there_are_problems_but_not_which() {
    let bench = Bench::new();
    let events = Arc::new(store::EventReader::open(bench._folder.path()).unwrap());
    let health = || {
        let lost = store::JournalHealth { lost: 3, ..Default::default() };
        crate::Health { findings: lost.lasting_findings(0), ..crate::Health::default() }
    };
    let sources =
        crate::Sources { health: Arc::new(health), ..crate::Sources::new(Arc::clone(&bench.access), events) };
    let bench = Bench { router: crate::router(Console::new(sources), crate::Routes::default()), ..bench };
    let stranger = bench.ask("GET", "/healthz", None).await;
    let seen = |answer: &Answer| {
        let found = answer.body["findings"].as_array().unwrap();
        found.iter().map(|one| (one["code"].clone(), one["evidence"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(stranger.status, 200);
    assert_eq!(seen(&stranger), [(json!("console.findings_hidden"), json!({"count": 1}))]);
    let viewer = bench.signed_in("anna", Role::Viewer);
    let known = bench.by(&viewer, "GET", "/healthz", None).await;
    assert_eq!(seen(&known), [(json!("store.events_lost"), json!({"count": 3}))]);
    assert_eq!(bench.ask("GET", "/metrics", None).await.status, 401);
}
