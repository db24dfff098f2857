//! Tests passkeys with our own authenticator: ES256 by ring, attestation "none", hand-written CBOR.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use sha2::{Digest, Sha256};

use super::*;

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const WITH_CREDENTIAL: u8 = 0x40;

/// An authenticator with one passkey.
struct Authenticator {
    id: [u8; 32],
    key: EcdsaKeyPair,
    handle: Option<String>,
    counter: u32,
    origin: String,
    flags: u8,
}

impl Authenticator {
    fn new() -> Self {
        let random = ring::rand::SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).unwrap();
        let id = secret::random().unwrap();
        Self {
            id,
            key,
            handle: None,
            counter: 1,
            origin: format!("https://{NAME}"),
            flags: PRESENT | VERIFIED,
        }
    }

    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let challenge = options["challenge"].as_str().unwrap();
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    fn data(&self, rp_id: &str, flags: u8) -> Vec<u8> {
        [&Sha256::digest(rp_id)[..], &[self.flags | flags], &self.counter.to_be_bytes()].concat()
    }

    fn create(&mut self, options: &Value) -> Value {
        self.handle = Some(options["user"]["id"].as_str().unwrap().to_owned());
        let mut data = self.data(options["rp"]["id"].as_str().unwrap(), WITH_CREDENTIAL);
        data.extend([0; 16]); // AAGUID
        data.extend((self.id.len() as u16).to_be_bytes());
        data.extend(self.id);
        // COSE_Key (RFC 9053 §7.1.1): kty EC2, alg ES256, crv P-256, x, y
        let point = self.key.public_key().as_ref();
        data.extend(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20");
        data.extend(&point[1..33]);
        data.extend(b"\x22\x58\x20");
        data.extend(&point[33..65]);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(&data);
        let client = self.client_data("webauthn.create", options);
        self.credential(json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "transports": ["internal"],
        }))
    }

    fn get(&mut self, options: &Value) -> Value {
        self.counter += 1;
        let data = self.data(options["rpId"].as_str().unwrap(), 0);
        let client = self.client_data("webauthn.get", options);
        let signed = [&data[..], &Sha256::digest(&client)].concat();
        let signature = self.key.sign(&ring::rand::SystemRandom::new(), &signed).unwrap();
        self.credential(json!({
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
            "userHandle": self.handle,
        }))
    }

    fn credential(&self, response: Value) -> Value {
        let id = URL_SAFE_NO_PAD.encode(self.id);
        json!({
            "id": id, "rawId": id, "type": "public-key", "authenticatorAttachment": "platform",
            "response": response, "clientExtensionResults": {},
        })
    }
}

impl Bench {
    async fn begin(&self, browser: &Browser) -> Value {
        let answer =
            self.by(browser, "POST", "/api/account/passkeys/begin", Some(json!({"name": "phone"}))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    async fn add(&self, browser: &Browser, begun: &Value, credential: Value) -> Answer {
        let body = json!({"state": begun["state"], "credential": credential});
        self.by(browser, "POST", "/api/account/passkeys/finish", Some(body)).await
    }

    async fn begin_signing_in(&self) -> Value {
        let answer = self.ask("POST", "/api/session/passkey/begin", None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    async fn finish_signing_in(&self, begun: &Value, credential: Value) -> Answer {
        let body = json!({"state": begun["state"], "credential": credential});
        self.ask("POST", "/api/session/passkey/finish", Some(body)).await
    }
}

#[tokio::test]
async fn a_passkey_is_added_and_signs_in() {
    let bench = Bench::new();
    let browser = bench.signed_in("anna", Role::Analyst);
    let mut authenticator = Authenticator::new();
    let begun = bench.begin(&browser).await;
    let options = &begun["publicKey"];
    assert_eq!((&options["rp"]["id"], &options["user"]["name"]), (&json!(NAME), &json!("anna")));
    assert_eq!(options["authenticatorSelection"]["userVerification"], "required");
    let credential = authenticator.create(options);
    let added = bench.add(&browser, &begun, credential.clone()).await;
    assert_eq!((added.status, &added.body["name"]), (200, &json!("phone")), "{}", added.body);
    assert_eq!(bench.add(&browser, &begun, credential).await.status, 422, "a ceremony is good once");

    let begun = bench.begin_signing_in().await;
    let credential = authenticator.get(&begun["publicKey"]);
    let answer = bench.finish_signing_in(&begun, credential.clone()).await;
    assert_eq!((answer.status, &answer.body["user"]), (200, &json!("anna")), "{}", answer.body);
    assert_eq!((&answer.body["role"], &answer.body["passkeys"]), (&json!("analyst"), &json!(1)));
    assert_eq!(bench.by(&answer.browser(), "GET", "/api/session", None).await.status, 200);
    assert_eq!(bench.finish_signing_in(&begun, credential).await.status, 401, "a ceremony is good once");
    assert!(bench.trail().contains(&("anna".into(), "console.signed_in".into(), "passkey".into())));

    // a second passkey of the same user has the same handle, and the authenticator must not register the first again
    let options = bench.begin(&browser).await["publicKey"].clone();
    assert_eq!(options["user"]["id"].as_str(), authenticator.handle.as_deref());
    assert_eq!(options["excludeCredentials"][0]["id"], URL_SAFE_NO_PAD.encode(authenticator.id));

    let account = bench.by(&browser, "GET", "/api/account", None).await.body;
    assert!(account["passkeys"][0]["last_used"].is_string(), "{account}");
    let target = format!("/api/account/passkeys/{}", account["passkeys"][0]["id"]);
    let other = bench.signed_in("bert", Role::Owner);
    assert_eq!(bench.by(&other, "DELETE", &target, None).await.status, 404, "another one's");
    assert_eq!(bench.by(&browser, "DELETE", &target, None).await.status, 204);
    let begun = bench.begin_signing_in().await;
    let credential = authenticator.get(&begun["publicKey"]);
    assert_eq!(bench.finish_signing_in(&begun, credential).await.status, 401, "deleted");
}

#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_refused() {
    let bench = Bench::new();
    let browser = bench.signed_in("anna", Role::Viewer);
    let other = bench.signed_in("bert", Role::Viewer);
    let mut authenticator = Authenticator::new();

    for spoil in [
        |authenticator: &mut Authenticator| authenticator.origin = "https://evil.example".into(),
        |authenticator: &mut Authenticator| authenticator.origin = format!("http://{NAME}"),
        |authenticator: &mut Authenticator| authenticator.flags = PRESENT,
        |authenticator: &mut Authenticator| authenticator.flags = VERIFIED,
    ] {
        let mut spoilt = Authenticator::new();
        spoil(&mut spoilt);
        let begun = bench.begin(&browser).await;
        let credential = spoilt.create(&begun["publicKey"]);
        assert_eq!(bench.add(&browser, &begun, credential).await.status, 422);
    }
    let begun = bench.begin(&browser).await;
    let credential = authenticator.create(&begun["publicKey"]);
    assert_eq!(bench.add(&other, &begun, credential).await.status, 422, "begun by somebody else");
    let begun = bench.begin(&browser).await;
    let credential = authenticator.create(&json!({
        "challenge": "AAAAAAAAAAAAAAAAAAAAAA", "rp": {"id": NAME}, "user": begun["publicKey"]["user"],
    }));
    assert_eq!(bench.add(&browser, &begun, credential).await.status, 422, "another challenge");
    let begun = bench.begin(&browser).await;
    let credential = authenticator.create(&begun["publicKey"]);
    bench.clock.advance(limits::CEREMONY_AGE);
    assert_eq!(bench.add(&browser, &begun, credential).await.status, 422, "too late");
    for nonsense in [json!(null), json!({}), json!("x"), json!({"id": "AA", "rawId": "AA", "response": {}})] {
        let begun = bench.begin(&browser).await;
        assert_eq!(bench.add(&browser, &begun, nonsense.clone()).await.status, 422, "{nonsense}");
        let begun = bench.begin_signing_in().await;
        assert_eq!(bench.finish_signing_in(&begun, nonsense).await.status, 401);
        bench.clock.advance(limits::ATTEMPT_EVERY);
    }

    let begun = bench.begin(&browser).await;
    let credential = authenticator.create(&begun["publicKey"]);
    assert_eq!(bench.add(&browser, &begun, credential).await.status, 200);
    let sign_in = async |authenticator: &mut Authenticator| {
        bench.clock.advance(limits::ATTEMPT_EVERY);
        let begun = bench.begin_signing_in().await;
        let credential = authenticator.get(&begun["publicKey"]);
        bench.finish_signing_in(&begun, credential).await.status
    };
    assert_eq!(sign_in(&mut authenticator).await, 200);
    authenticator.counter = 0;
    assert_eq!(sign_in(&mut authenticator).await, 401, "a counter that went back: a copy of the key");
    authenticator.counter = 100;
    authenticator.flags = PRESENT;
    assert_eq!(sign_in(&mut authenticator).await, 401, "nobody was verified");
    authenticator.flags = PRESENT | VERIFIED;
    authenticator.origin = "https://evil.example".into();
    assert_eq!(sign_in(&mut authenticator).await, 401, "another site's page");
    authenticator.origin = format!("https://{NAME}");
    let handle = authenticator.handle.replace(URL_SAFE_NO_PAD.encode([7; 64]));
    assert_eq!(sign_in(&mut authenticator).await, 401, "another user's handle");
    authenticator.handle = handle;
    let mut forged = Authenticator::new();
    (forged.id, forged.handle, forged.counter) = (authenticator.id, authenticator.handle.clone(), 1000);
    assert_eq!(sign_in(&mut forged).await, 401, "another key");
    assert_eq!(sign_in(&mut authenticator).await, 200);
}

#[tokio::test]
async fn beginning_is_limited_and_takes_the_right_address() {
    let bench = Bench::new();
    for _ in 0..limits::ATTEMPTS {
        bench.begin_signing_in().await;
    }
    assert_eq!(bench.ask("POST", "/api/session/passkey/begin", None).await.status, 429);

    bench.access.set_url("http://192.0.2.1:8600".parse().unwrap());
    let request = Request::post("/api/session/passkey/begin").header("host", "192.0.2.1:8600");
    let response = bench.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::CONFLICT);
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    assert!(String::from_utf8_lossy(&body).contains("Passkeys need a host name"), "{body:?}");
}
