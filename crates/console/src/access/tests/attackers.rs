//! Attacks of strangers on account holders. None of them succeeds.

use super::*;
use crate::access::audit;

/// Returns the cookie that marks a known browser.
fn device(answer: &Answer) -> String {
    let cookies: Vec<&str> =
        answer.headers.get_all(header::SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let device = cookies.iter().find(|cookie| cookie.starts_with("__Host-monban_device=")).unwrap();
    for flag in ["Path=/", "HttpOnly", "SameSite=Strict", "Secure", "Max-Age=31536000"] {
        assert!(device.contains(flag), "{device}");
    }
    device.split(';').next().unwrap().to_owned()
}

impl Bench {
    /// Creates a bench behind a trusted proxy.
    fn behind_proxy() -> Self {
        let bench = Self::new();
        let console = vec!["198.51.100.7/32".parse().unwrap()];
        bench.access.set_trusted(TrustedProxies { console, gate: Vec::new() });
        bench
    }

    /// Signs in from an address, in a browser that may be known.
    async fn sign_in_from(&self, address: &str, cookie: Option<&str>, user: &str, password: &str) -> Answer {
        let body = json!({"user": user, "password": password});
        let mut headers = vec![("x-forwarded-for", address)];
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        self.send("POST", "/api/session", &headers, Some(body)).await
    }
}

#[tokio::test]
async fn e21_wrong_passwords_lock_nobody_else_out() {
    let bench = Bench::behind_proxy();
    for name in ["anna", "bert"] {
        bench.with_user(name, Role::Viewer).await;
    }
    let known = device(&bench.sign_in_from("203.0.113.1", None, "anna", PASSWORD).await);
    // A stranger in the same network, and one in another network.
    for attacker in ["203.0.113.1", "203.0.113.66"] {
        for _ in 0..limits::ATTEMPTS {
            assert_eq!(bench.sign_in_from(attacker, None, "anna", "wrong horse battery").await.status, 401);
        }
        assert_eq!(bench.sign_in_from(attacker, None, "anna", PASSWORD).await.status, 429);
    }
    for (address, cookie, user, status) in [
        ("203.0.113.1", Some(known.as_str()), "anna", 200),
        ("203.0.113.2", None, "anna", 200),
        ("203.0.113.1", None, "bert", 200),
        // A browser is known only for users who have signed in there.
        ("203.0.113.66", Some(&known), "anna", 200),
        ("203.0.113.66", None, "anna", 429),
        ("203.0.113.66", Some("__Host-monban_device=forged.1:1795000000.AAAA"), "anna", 429),
        ("203.0.113.66", Some(&known.replace("monban_device=", "monban_device=x")), "anna", 429),
    ] {
        let found = bench.sign_in_from(address, cookie, user, PASSWORD).await;
        assert_eq!(found.status, status, "{address} {cookie:?} {user}");
    }
    // A stolen cookie of a known browser does not help either.
    for _ in 0..limits::ATTEMPTS {
        let guess = bench.sign_in_from("203.0.113.9", Some(&known), "anna", "wrong horse battery").await;
        assert_eq!(guess.status, 401);
    }
    assert_eq!(bench.sign_in_from("203.0.113.9", Some(&known), "anna", PASSWORD).await.status, 429);
    assert_eq!(bench.sign_in_from("203.0.113.9", None, "anna", PASSWORD).await.status, 200);
}

#[tokio::test]
async fn e21_a_browser_is_known_for_several_users_for_a_year_and_until_a_reset() {
    let bench = Bench::behind_proxy();
    for name in ["anna", "bert"] {
        bench.with_user(name, Role::Viewer).await;
    }
    let first = device(&bench.sign_in_from("203.0.113.1", None, "anna", PASSWORD).await);
    let both = device(&bench.sign_in_from("203.0.113.1", Some(&first), "bert", PASSWORD).await);
    let locked = async |user: &str, cookie: &str| {
        let address = "203.0.113.77";
        while bench.sign_in_from(address, None, user, "wrong horse battery").await.status == 401 {}
        bench.sign_in_from(address, Some(cookie), user, PASSWORD).await.status == 429
    };
    assert!(!locked("anna", &both).await && !locked("bert", &both).await);
    assert!(locked("bert", &first).await, "signed in there later");
    bench.clock.advance(Duration::from_secs(1));
    let link = token_of(&bench.access.command_link(Some("anna")).unwrap());
    let setup = json!({"token": link, "password": PASSWORD});
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup)).await.status, 200);
    assert!(locked("anna", &both).await, "after a reset");
    assert!(!locked("bert", &both).await);
    bench.clock.advance(limits::DEVICE_AGE);
    assert!(locked("bert", &both).await, "after a year");
}

#[test]
fn e21_the_cookie_of_a_browser_is_bounded() {
    let bench = Bench::new();
    let remember = |db: &Transaction<'_>, now| {
        let mut known = None;
        let mut values = Vec::new();
        for user in 0..limits::MAX_DEVICE_USERS as i64 + 2 {
            let value = devices::Device::remember(db, known, i64::MAX - user, now)?;
            known = devices::Device::read(db, &value)?;
            values.push(value);
        }
        let long = format!("{}{}", "A".repeat(limits::MAX_DEVICE_BYTES), values[0]);
        Ok((values, devices::Device::read(db, &long)?))
    };
    let (values, long) = bench.access.blocking(remember).unwrap();
    assert!(values.iter().all(|value| value.len() < limits::MAX_DEVICE_BYTES));
    let users = |value: &String| value.matches(':').count();
    assert_eq!(values.iter().map(users).max(), Some(limits::MAX_DEVICE_USERS));
    assert_eq!(long, None);
}

#[tokio::test]
async fn e21_codes_are_guarded_against_many_addresses_that_know_the_password() {
    let bench = Bench::behind_proxy();
    bench.with_user("anna", Role::Viewer).await;
    let known = device(&bench.sign_in_from("203.0.113.1", None, "anna", PASSWORD).await);
    let set = |db: &Transaction<'_>, _| {
        Ok(db.execute("UPDATE users SET totp = ? WHERE name = 'anna'", [&[7_u8; 20][..]])?)
    };
    bench.access.blocking(set).unwrap();
    let guess = async |address: &str, cookie: Option<&str>| {
        let body = json!({"user": "anna", "password": PASSWORD, "code": "000000"});
        let mut headers = vec![("x-forwarded-for", address)];
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        bench.send("POST", "/api/session", &headers, Some(body)).await.status
    };
    for number in 0..limits::ATTEMPTS {
        assert_eq!(guess(&format!("203.0.113.{}", 10 + number), None).await, 401);
    }
    assert_eq!(guess("203.0.113.99", None).await, 429);
    assert_eq!(guess("203.0.113.1", Some(&known)).await, 401, "her own browser");
}

#[tokio::test]
async fn e21_the_audit_trail_is_not_flushed_by_refusals() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Owner).await;
    bench.sign_in("anna", PASSWORD).await;
    let owner = Identity { user: "anna".into(), address: [192, 0, 2, 1].into(), ..Identity::command() };
    let stranger = |number: u32| Identity { address: number.to_be_bytes().into(), ..owner.clone() };
    let refuse = |db: &Transaction<'_>, now| {
        for number in 0..30_000 {
            audit::record(db, now, &stranger(number), audit::SIGN_IN_REFUSED, "password")?;
        }
        Ok(())
    };
    bench.access.blocking(refuse).unwrap();
    let count = |what: &str| {
        let query = format!("SELECT count(*) FROM audit WHERE what = '{what}'");
        bench.access.blocking(|db, _| Ok(db.query_row(&query, [], |row| row.get::<_, i64>(0))?)).unwrap()
    };
    assert_eq!(count("console.signed_in"), 1);
    let kept = count("console.sign_in_refused");
    assert!(
        (limits::MAX_AUDIT_REFUSALS..=limits::MAX_AUDIT_REFUSALS + limits::AUDIT_SLACK).contains(&kept),
        "{kept}"
    );
    // Attempts from one address within an hour share one entry.
    let twice = |db: &Transaction<'_>, now| {
        for _ in 0..500 {
            audit::record(db, now, &stranger(7), audit::SIGN_IN_REFUSED, "password")?;
            audit::record(db, now, &stranger(7), audit::SIGN_IN_REFUSED, "code")?;
        }
        Ok(audit::list(db, None, 2)?)
    };
    let entries = bench.access.blocking(twice).unwrap();
    assert_eq!(entries.iter().map(|entry| entry.count).collect::<Vec<_>>(), [500, 500]);
    assert!(entries.iter().all(|entry| entry.last == Some(entry.time)));
    // The shared entry is not searched among more entries than the limit.
    let among = |db: &Transaction<'_>, now| {
        for number in 0..limits::AUDIT_TOGETHER_AMONG as u32 {
            audit::record(db, now, &stranger(100_000 + number), audit::SIGN_IN_REFUSED, "password")?;
        }
        audit::record(db, now, &stranger(7), audit::SIGN_IN_REFUSED, "password")?;
        Ok(audit::list(db, None, 1)?)
    };
    assert_eq!(bench.access.blocking(among).unwrap()[0].count, 1);
    bench.clock.advance(limits::AUDIT_TOGETHER);
    let later = bench.access.blocking(twice).unwrap();
    assert!(later.iter().all(|entry| entry.count == 500 && entry.id > entries[0].id));
}

#[tokio::test]
async fn e21_a_reset_lists_and_ends_the_tokens() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Analyst).await;
    bench.with_user("bert", Role::Analyst).await;
    let make = |user: &'static str, name: &'static str| {
        let make = move |db: &Transaction<'_>, now| {
            let id = users::find(db, user)?.map(|user| user.id);
            let wanted = tokens::NewToken { name, scopes: &[Scope::Read], expires_days: None };
            Ok(tokens::create(db, id, &wanted, now)?.1)
        };
        bench.access.blocking(make).unwrap()
    };
    let (anna, bert) = (make("anna", "backup"), make("bert", "other"));
    let works = async |token: &str| {
        let headers = [("authorization", &*format!("Bearer {token}"))];
        bench.send("GET", "/api/overview", &headers, None).await.status == 200
    };
    assert!(works(&anna).await);
    let link = token_of(&bench.access.command_link(Some("anna")).unwrap());
    let check = bench.ask("POST", "/api/setup/check", Some(json!({"token": link}))).await;
    assert_eq!(check.body["tokens"][0]["name"], "backup", "{}", check.body);
    assert!(works(&anna).await, "asking ends nothing");
    let setup = json!({"token": link, "password": PASSWORD});
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup)).await.status, 200);
    assert!(!works(&anna).await && works(&bert).await);
    assert!(bench.trail().contains(&("anna".into(), "token.deleted".into(), "backup".into())));
}

#[tokio::test]
async fn e21_a_token_makes_no_owner_and_no_way_to_become_one() {
    let bench = Bench::new();
    for (name, role) in [("anna", Role::Owner), ("otto", Role::Owner), ("bert", Role::Viewer)] {
        bench.with_user(name, role).await;
    }
    let token = format!("Bearer {}", bench.access.command_token("t", &[Scope::Admin], None).unwrap());
    let browser = bench.sign_in("anna", PASSWORD).await.browser();
    for (method, target, body, by_token, by_session) in [
        ("POST", "/api/users/otto/reset", None, 403, 200),
        ("POST", "/api/users/bert/reset", None, 200, 200),
        ("POST", "/api/users", Some(json!({"user": "eve", "role": "owner"})), 403, 200),
        ("POST", "/api/users/eve/reset", None, 403, 200),
        ("POST", "/api/users", Some(json!({"user": "carl", "role": "analyst"})), 200, 409),
        ("PATCH", "/api/users/bert", Some(json!({"role": "owner"})), 403, 204),
        ("PATCH", "/api/users/otto", Some(json!({"role": "viewer"})), 403, 204),
        ("PATCH", "/api/users/carl", Some(json!({"role": "viewer"})), 204, 204),
        ("DELETE", "/api/users/bert", None, 403, 204),
    ] {
        let answer = bench.send(method, target, &[("authorization", &*token)], body.clone()).await;
        assert_eq!(answer.status, by_token, "{method} {target} by a token: {}", answer.body);
        let answer = bench.by(&browser, method, target, body).await;
        assert_eq!(answer.status, by_session, "{method} {target} by a session: {}", answer.body);
    }
}

#[tokio::test]
async fn e21_a_link_is_void_once_its_user_may_more() {
    let bench = Bench::new();
    for (name, role) in [("anna", Role::Owner), ("bert", Role::Viewer)] {
        bench.with_user(name, role).await;
    }
    let token = format!("Bearer {}", bench.access.command_token("t", &[Scope::Admin], None).unwrap());
    let made = bench.send("POST", "/api/users/bert/reset", &[("authorization", &*token)], None).await;
    let link = token_of(made.body["link"].as_str().unwrap());
    let browser = bench.sign_in("anna", PASSWORD).await.browser();
    bench.by(&browser, "PATCH", "/api/users/bert", Some(json!({"role": "owner"}))).await;
    assert_eq!(bench.ask("POST", "/api/setup/check", Some(json!({"token": link}))).await.status, 401);
}

#[tokio::test]
async fn e21_finishing_with_a_passkey_is_limited_and_what_was_never_begun_is_not_written_down() {
    let bench = Bench::behind_proxy();
    bench.with_user("anna", Role::Viewer).await;
    let known = device(&bench.sign_in_from("203.0.113.1", None, "anna", PASSWORD).await);
    let before = bench.trail().len();
    let finish = async |cookie: Option<&str>| {
        let mut headers = vec![("x-forwarded-for", "203.0.113.1")];
        headers.extend(cookie.map(|cookie| ("cookie", cookie)));
        let body = json!({"state": "never begun", "credential": {}});
        bench.send("POST", "/api/session/passkey/finish", &headers, Some(body)).await.status
    };
    for _ in 0..limits::ATTEMPTS {
        assert_eq!(finish(None).await, 401);
    }
    assert_eq!(finish(None).await, 429);
    assert_eq!(bench.trail().len(), before);
    assert_eq!(finish(Some(&known)).await, 401, "a browser that is known");
    // Passwords and passkeys have separate counters.
    assert_eq!(bench.sign_in_from("203.0.113.1", None, "anna", PASSWORD).await.status, 200);
}
