use super::*;

/// Returns the code of a secret at the bench's time.
fn code(bench: &Bench, secret: &str) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let totp = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    totp.generate(bench.clock.now().as_micros() as u64 / 1_000_000).to_string()
}

async fn sign_in(bench: &Bench, code: Option<&str>) -> Answer {
    let body = json!({"user": "anna", "password": PASSWORD, "code": code});
    bench.ask("POST", "/api/session", Some(body)).await
}

#[tokio::test]
async fn a_code_is_asked_for_and_good_once() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Owner).await;
    let browser = bench.sign_in("anna", PASSWORD).await.browser();
    let confirm =
        async |code: &str| bench.by(&browser, "PUT", "/api/account/totp", Some(json!({"code": code}))).await;
    assert_eq!(confirm("123456").await.status, 409, "nothing was offered");
    let offer = bench.by(&browser, "POST", "/api/account/totp", None).await.body;
    let secret = offer["secret"].as_str().unwrap();
    let url = format!("otpauth://totp/monban%20{NAME}:anna?secret={secret}&issuer=monban%20{NAME}");
    assert_eq!(offer["url"], url);
    assert!(offer["qr_svg"].as_str().unwrap().starts_with("<svg"));
    assert_eq!(sign_in(&bench, None).await.status, 200, "an offer alone does not count");
    assert_eq!(confirm("12345").await.status, 422);
    let confirmed = confirm(&code(&bench, secret)).await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.body);
    let recovery: Vec<String> = serde_json::from_value(confirmed.body["recovery_codes"].clone()).unwrap();
    assert_eq!(recovery.len(), limits::RECOVERY_CODES);
    assert_eq!(bench.by(&browser, "POST", "/api/account/totp", None).await.status, 409, "on already");
    let account = bench.by(&browser, "GET", "/api/account", None).await.body;
    assert_eq!((&account["totp"], &account["recovery_codes_left"]), (&json!(true), &json!(10)));

    let answer = sign_in(&bench, None).await;
    assert_eq!((answer.status, &answer.body["second_factor_needed"]), (401, &json!(true)));
    let answer = sign_in(&bench, Some("000000")).await;
    assert_eq!((answer.status, &answer.body["second_factor_needed"]), (401, &json!(true)));
    assert_eq!(sign_in(&bench, Some(&code(&bench, secret))).await.status, 401, "used when it was confirmed");
    bench.clock.advance(Duration::from_secs(30));
    let fresh = code(&bench, secret);
    let answer = sign_in(&bench, Some(&fresh)).await;
    assert_eq!((answer.status, &answer.body["second_factor"]), (200, &json!(true)));
    assert_eq!(sign_in(&bench, Some(&fresh)).await.status, 401, "used");

    let written = recovery[3].to_uppercase().replace('-', " ");
    assert_eq!(sign_in(&bench, Some(&written)).await.status, 200, "as people write it");
    assert_eq!(sign_in(&bench, Some(&recovery[3])).await.status, 401, "used");
    let account = bench.by(&browser, "GET", "/api/account", None).await.body;
    assert_eq!(account["recovery_codes_left"], 9);
    assert!(bench.trail().contains(&(
        "anna".into(),
        "console.signed_in".into(),
        "password and recovery code".into()
    )));

    // with the password, a user replaces the codes by a new set
    let renew = async |password: &str| {
        let body = Some(json!({"password": password}));
        bench.by(&browser, "POST", "/api/account/totp/recovery-codes", body).await
    };
    let refused = renew("wrong horse battery").await;
    assert_eq!((refused.status, &refused.body["code"]), (422, &json!("account.wrong_password")));
    let renewed = renew(PASSWORD).await;
    let fresh: Vec<String> = serde_json::from_value(renewed.body["recovery_codes"].clone()).unwrap();
    assert_eq!(fresh.len(), limits::RECOVERY_CODES);
    assert_eq!(sign_in(&bench, Some(&recovery[4])).await.status, 401, "of the old set");
    assert_eq!(sign_in(&bench, Some(&fresh[4])).await.status, 200);
    assert!(bench.trail().contains(&("anna".into(), "account.recovery_codes_made".into(), String::new())));

    let remove = async |password: &str| {
        bench.by(&browser, "DELETE", "/api/account/totp", Some(json!({"password": password}))).await.status
    };
    assert_eq!(remove("wrong horse battery").await, 422);
    assert_eq!(remove(PASSWORD).await, 204);
    let refused = renew(PASSWORD).await;
    assert_eq!((refused.status, &refused.body["code"]), (409, &json!("account.totp_is_off")));
    assert_eq!(sign_in(&bench, None).await.status, 200);
    assert_eq!(bench.by(&browser, "GET", "/api/account", None).await.body["recovery_codes_left"], 0);
}

#[tokio::test]
async fn guessing_codes_is_limited_as_guessing_passwords_is() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Owner).await;
    let browser = bench.sign_in("anna", PASSWORD).await.browser();
    let secret = bench.by(&browser, "POST", "/api/account/totp", None).await.body["secret"].clone();
    let secret = secret.as_str().unwrap();
    let right = json!({"code": code(&bench, secret)});
    assert_eq!(bench.by(&browser, "PUT", "/api/account/totp", Some(right)).await.status, 200);
    bench.clock.advance(Duration::from_secs(60));
    let right = code(&bench, secret);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..limits::ATTEMPTS {
        assert_eq!(sign_in(&bench, Some(wrong)).await.status, 401);
        assert_ne!(sign_in(&bench, None).await.status, 200);
    }
    assert_eq!(sign_in(&bench, Some(&right)).await.status, 429);
}

#[tokio::test]
async fn a_reset_link_takes_the_codes_away() {
    let bench = Bench::new();
    bench.with_user("anna", Role::Owner).await;
    let browser = bench.sign_in("anna", PASSWORD).await.browser();
    let secret = bench.by(&browser, "POST", "/api/account/totp", None).await.body["secret"].clone();
    let right = json!({"code": code(&bench, secret.as_str().unwrap())});
    assert_eq!(bench.by(&browser, "PUT", "/api/account/totp", Some(right)).await.status, 200);
    let token = token_of(&bench.access.command_link(Some("anna")).unwrap());
    let setup = json!({"token": token, "password": PASSWORD});
    assert_eq!(bench.ask("POST", "/api/setup", Some(setup)).await.status, 200);
    assert_eq!(sign_in(&bench, None).await.status, 200);
}
