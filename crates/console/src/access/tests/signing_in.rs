use super::*;

#[tokio::test]
async fn the_first_link_makes_the_owner_once() {
    let bench = Bench::new();
    let answer = bench.ask("GET", "/api/session", None).await;
    assert_eq!((answer.status, &answer.body["setup"]), (401, &json!(true)));
    let old = token_of(&bench.access.first_link().unwrap().unwrap());
    let token = token_of(&bench.access.first_link().unwrap().unwrap());
    let setup =
        |token: &str, user: &str, password: &str| json!({"token": token, "user": user, "password": password});
    for (body, status, code) in [
        (setup(&old, "anna", PASSWORD), 401, "link.gone"),
        (setup("nonsense", "anna", PASSWORD), 401, "link.gone"),
        (setup(&token, "anna", "short"), 422, "password.too_short"),
        (setup(&token, "an na", PASSWORD), 422, "user.bad_name"),
        (setup(&token, "", PASSWORD), 422, "link.name_needed"),
        (json!({"token": token}), 422, "request.refused"),
        (setup(&token, "anna", PASSWORD), 200, ""),
        (setup(&token, "bert", PASSWORD), 401, "link.gone"),
    ] {
        // checking a link shows the same purpose and does not use the link
        let check = bench.ask("POST", "/api/setup/check", Some(json!({"token": body["token"]}))).await;
        let gone = code == "link.gone";
        assert_eq!((check.status, check.body["code"] == "link.gone"), (if gone { 401 } else { 200 }, gone));
        let answer = bench.ask("POST", "/api/setup", Some(body.clone())).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        if status != 200 {
            assert!(answer.body["error"].is_string());
            assert_eq!(answer.body["code"], code, "{body}: {}", answer.body);
            continue;
        }
        assert_eq!((&answer.body["user"], &answer.body["role"]), (&json!("anna"), &json!("owner")));
        let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
        for flag in
            ["__Host-monban_session=", "Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Max-Age=604800"]
        {
            assert!(cookie.contains(flag), "{cookie}");
        }
        let session = bench.by(&answer.browser(), "GET", "/api/session", None).await;
        assert_eq!(session.body, answer.body);
    }
    assert_eq!(bench.access.first_link().unwrap(), None);
    let answer = bench.ask("GET", "/api/session", None).await;
    assert_eq!((answer.status, &answer.body["setup"]), (401, &json!(false)));
    assert_eq!(bench.access.command_link(None).unwrap_err().status(), StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_link_expires_and_is_void_when_the_clock_goes_back() {
    let bench = Bench::new();
    let token = token_of(&bench.access.first_link().unwrap().unwrap());
    let setup = json!({"token": token, "user": "anna", "password": PASSWORD});
    bench.set_back(Duration::from_secs(3600));
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup.clone())).await.status, 401);
    bench.clock.advance(Duration::from_secs(3600) + limits::LINK_AGE);
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup.clone())).await.status, 401);
    bench.set_back(Duration::from_secs(1));
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup)).await.status, 200);
}

#[tokio::test]
async fn signing_in_takes_name_and_password() {
    let bench = Bench::new();
    bench.with_user("Anna", Role::Viewer).await;
    for (name, password, status) in [
        ("Anna", PASSWORD, 200),
        ("aNNA", PASSWORD, 200),
        ("Anna", "wrong horse battery", 401),
        ("Anna", "", 401),
        ("bert", PASSWORD, 401),
        ("Anna", &"x".repeat(limits::MAX_PASSWORD_BYTES + 1), 401),
        ("Anna", &"x".repeat(limits::MAX_BODY_BYTES), 413),
    ] {
        let answer = bench.sign_in(name, password).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.body);
        if status == 401 {
            assert_eq!(
                answer.body,
                json!({
                    "error": "Wrong user name or password.", "code": "session.wrong_credentials", "second_factor_needed": false
                })
            );
        }
    }
    let trail = bench.trail();
    assert!(trail.contains(&("Anna".into(), "console.signed_in".into(), "password".into())), "{trail:?}");
    assert!(
        trail.contains(&("(unknown)".into(), "console.sign_in_refused".into(), "password".into())),
        "{trail:?}"
    );
}

#[tokio::test]
async fn too_many_wrong_ones_have_to_wait_whatever_the_clock_says() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Viewer).await;
    for _ in 0..limits::ATTEMPTS {
        assert_eq!(bench.sign_in("anna", "wrong horse battery").await.status, 401);
    }
    let answer = bench.sign_in("anna", PASSWORD).await;
    assert_eq!((answer.status, &answer.headers[header::RETRY_AFTER]), (429, &"60".parse().unwrap()));
    let elsewhere = [("x-forwarded-for", "192.0.2.99")];
    let body = json!({"user": "anna", "password": PASSWORD});
    let answer = bench.send("POST", "/api/session", &elsewhere, Some(body)).await;
    assert_eq!(answer.status, 429, "nobody believes a stranger's header, and the user is guarded as well");
    bench.set_back(Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(bench.sign_in("anna", PASSWORD).await.status, 429);
    bench.clock.advance(limits::ATTEMPT_EVERY);
    assert_eq!(bench.sign_in("anna", PASSWORD).await.status, 200, "the lock does not last for ten years");
    assert_eq!(bench.sign_in("anna", PASSWORD).await.status, 200, "a right one does not count");
}

#[tokio::test]
async fn a_stolen_cookie_is_worth_nothing_after_the_session() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Analyst).await;
    let sign_in = async || bench.sign_in("anna", PASSWORD).await.browser();
    let status = async |browser: &Browser| bench.by(browser, "GET", "/api/session", None).await.status;

    let browser = sign_in().await;
    let thief = browser.clone();
    assert_eq!(status(&thief).await, 200);
    let answer = bench.by(&browser, "DELETE", "/api/session", None).await;
    assert_eq!(answer.status, 204);
    assert!(
        answer.headers[header::SET_COOKIE]
            .to_str()
            .unwrap()
            .starts_with("__Host-monban_session=; Path=/; Max-Age=0;")
    );
    let refused = bench.by(&thief, "GET", "/api/session", None).await;
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("session.ended")), "signed out");
    let stranger = bench.ask("GET", "/api/session", None).await;
    assert_eq!((stranger.status, &stranger.body["code"]), (401, &json!("session.sign_in_first")));

    let (browser, thief) = (sign_in().await, sign_in().await);
    let listed = bench.by(&browser, "GET", "/api/account/sessions", None).await.body;
    let other =
        listed["sessions"].as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
    assert_eq!(other["address"], "198.51.100.7");
    let target = format!("/api/account/sessions/{}", other["id"]);
    assert_eq!(bench.by(&browser, "DELETE", &target, None).await.status, 204);
    assert_eq!(bench.by(&browser, "DELETE", &target, None).await.status, 404);
    assert_eq!((status(&browser).await, status(&thief).await), (200, 401), "ended from the list");

    let thief = sign_in().await;
    let change = |old: &str, new: &str| Some(json!({"old": old, "new": new}));
    for (old, new, expected) in [
        ("wrong", "another horse battery", 422),
        (PASSWORD, "short", 422),
        (PASSWORD, "another horse battery", 204),
    ] {
        let answer = bench.by(&browser, "POST", "/api/account/password", change(old, new)).await;
        assert_eq!(answer.status, expected, "{}", answer.body);
    }
    assert_eq!((status(&browser).await, status(&thief).await), (200, 401), "the password was changed");
    assert_eq!(bench.sign_in("anna", PASSWORD).await.status, 401);

    bench.clock.advance(limits::SESSION_IDLE);
    assert_eq!(status(&browser).await, 401, "not used for long");
}

#[tokio::test]
async fn a_clock_that_goes_back_extends_no_session() {
    let bench = Bench::new();
    let browser = bench.signed_in("anna", Role::Viewer);
    let status = async || bench.by(&browser, "GET", "/api/session", None).await.status;
    bench.clock.advance(limits::SEEN_EVERY);
    assert_eq!(status().await, 200);
    bench.set_back(limits::CLOCK_STEP / 2);
    assert_eq!(status().await, 200, "a little does no harm");
    bench.set_back(Duration::from_secs(86_400));
    assert_eq!(status().await, 401);
    bench.clock.advance(Duration::from_secs(86_400));
    assert_eq!(status().await, 401, "it stays over");
}

#[tokio::test]
async fn a_session_has_an_end_however_much_it_is_used() {
    let bench = Bench::new();
    let browser = bench.signed_in("anna", Role::Viewer);
    let step = limits::SESSION_IDLE / 2;
    let mut age = Duration::ZERO;
    while age < limits::SESSION_AGE {
        assert_eq!(bench.by(&browser, "GET", "/api/session", None).await.status, 200, "{age:?}");
        bench.clock.advance(step);
        age += step;
    }
    assert_eq!(bench.by(&browser, "GET", "/api/session", None).await.status, 401);
}

#[tokio::test]
async fn what_changes_something_comes_from_a_page_of_the_console() {
    let bench = Bench::new();
    let browser = bench.signed_in("anna", Role::Viewer);
    let other = bench.signed_in("bert", Role::Viewer);
    let own = format!("https://{NAME}");
    let cases: &[(&[(&str, &str)], u16)] = &[
        (&[], 403),
        (&[("origin", &own)], 403),
        (&[("x-csrf-token", &browser.csrf)], 403),
        (&[("x-csrf-token", &browser.csrf), ("origin", &own), ("sec-fetch-site", "cross-site")], 403),
        (&[("x-csrf-token", &browser.csrf), ("origin", "https://evil.example")], 403),
        (&[("x-csrf-token", &browser.csrf), ("origin", "null")], 403),
        (&[("x-csrf-token", &other.csrf), ("origin", &own)], 403),
        (&[("x-csrf-token", ""), ("origin", &own)], 403),
        (&[("x-csrf-token", &browser.csrf), ("sec-fetch-site", "same-origin")], 200),
        (&[("x-csrf-token", &browser.csrf), ("origin", &own)], 200),
    ];
    for (headers, status) in cases {
        let headers = [&[("cookie", &*browser.cookie)], *headers].concat();
        let body = Some(json!({"name": "script", "scopes": ["read"]}));
        let answer = bench.send("POST", "/api/account/tokens", &headers, body).await;
        assert_eq!(answer.status, *status, "{headers:?}: {}", answer.body);
    }
    bench.with_user("carla", Role::Viewer).await;
    let body = json!({"user": "carla", "password": PASSWORD});
    let answer = bench.send("POST", "/api/session", &[("origin", "https://evil.example")], Some(body)).await;
    assert_eq!(answer.status, 403, "nor does another site sign somebody in");
}

#[tokio::test]
async fn every_answer_tells_the_browser_what_it_may_do() {
    let bench = Bench::new();
    for target in ["/api/session", "/healthz", "/assets/nothing"] {
        let headers = bench.ask("GET", target, None).await.headers;
        let value = |name: &str| headers[name].to_str().unwrap();
        for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(value("content-security-policy").contains(part), "{target}");
        }
        assert!(!value("content-security-policy").contains("unsafe"), "{target}");
        for (name, expected) in [
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(value(name), expected, "{target} {name}");
        }
    }
}

#[tokio::test]
async fn errors_and_actions_come_in_the_language_of_the_client() {
    let bench = Bench::new();
    let anna = bench.signed_in("anna", Role::Owner);
    let viewer = bench.signed_in("bert", Role::Viewer);
    let origin = format!("https://{NAME}");
    for (accepted, language, text) in [
        ("ja-JP,ja;q=0.9,en;q=0.8", "ja", "この操作にはオーナーの役割が必要です。"),
        ("en-GB,en;q=0.9,ja;q=0.8", "en", "This needs the role owner."),
        ("", "en", "This needs the role owner."),
    ] {
        let headers = [("cookie", &*viewer.cookie), ("origin", &origin), ("accept-language", accepted)];
        let answer = bench.send("GET", "/api/users", &headers, None).await;
        let body = json!({"error": text, "code": "session.role_needed", "values": {"role": "owner"}});
        assert_eq!((answer.status, answer.body), (403, body));
        assert_eq!(answer.headers["content-language"], language);
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "headers of the guard stay");
    }
    bench.sign_in("nobody", "wrong horse battery").await;
    let trail = bench.by(&anna, "GET", "/api/audit", None).await;
    let newest = &trail.body["entries"][0];
    assert_eq!(newest["what"], "console.sign_in_refused");
    assert_eq!(newest["action"], json!({"en": "sign-in refused", "ja": "サインイン拒否"}));
}
