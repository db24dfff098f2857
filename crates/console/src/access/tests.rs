mod accounts;
mod attackers;
mod every_route;
mod part_routes;
mod passkeys;
mod second_factors;
mod signing_in;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, header};
use serde_json::{Value, json};
use spine::clock::TestClock;
use tower::ServiceExt;

use super::*;

const NAME: &str = "gate.example.org";
const PASSWORD: &str = "correct horse battery";

struct Bench {
    access: Arc<Access>,
    clock: Arc<TestClock>,
    router: Router,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    /// Returns the session that the response started.
    fn browser(&self) -> Browser {
        let cookie = self.headers[header::SET_COOKIE].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Browser { cookie, csrf: self.body["csrf"].as_str().unwrap().to_owned() }
    }
}

/// A browser with a session.
#[derive(Clone)]
struct Browser {
    cookie: String,
    csrf: String,
}

impl Bench {
    /// Sets the time of day back.
    fn set_back(&self, span: Duration) {
        let now = self.clock.now().as_micros() - span.as_micros() as i64;
        self.clock.set(Timestamp::from_micros(now));
    }

    fn new() -> Self {
        Self::with_routes(crate::Routes::default())
    }

    fn with_routes(routes: crate::Routes) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(TestClock::at(Timestamp::from_micros(1_795_000_000_000_000)));
        clock.advance(Duration::from_secs(1_000));
        let url = format!("https://{NAME}").parse().unwrap();
        let (access, aside) = Access::open(folder.path(), url, Arc::clone(&clock) as _).unwrap();
        assert_eq!(aside, None);
        let access = Arc::new(access);
        let events = Arc::new(store::EventReader::open(folder.path()).unwrap());
        let router = crate::router(Console::new(crate::Sources::new(Arc::clone(&access), events)), routes);
        Self { access, clock, router, _folder: folder }
    }

    /// Creates a bench with an account of this role and this password.
    async fn with_user(&self, name: &str, role: Role) {
        let hash = self.access.hasher.hash(name, PASSWORD.to_owned()).await.unwrap();
        let create = |db: &Transaction<'_>, now| {
            let id = users::create(db, name, role, now)?;
            Ok(users::set_password(db, id, &hash)?)
        };
        self.access.blocking(create).unwrap();
    }

    /// Creates an account without a usable password and signs it in.
    fn signed_in(&self, name: &str, role: Role) -> Browser {
        let begin = |db: &Transaction<'_>, now| {
            let id = users::create(db, name, role, now)?;
            users::set_password(db, id, "no hash at all")?;
            sessions::begin(db, id, [192, 0, 2, 1].into(), "test", now)
        };
        let secret = self.access.blocking(begin).unwrap();
        let name = Cookie::Session.name(true);
        Browser { cookie: format!("{name}={secret}"), csrf: secret::csrf(&secret) }
    }

    /// Sends a request as a script without credentials.
    async fn ask(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        self.send(method, target, &[], body).await
    }

    /// Sends a request as a page of the console.
    async fn by(&self, browser: &Browser, method: &str, target: &str, body: Option<Value>) -> Answer {
        let origin = format!("https://{NAME}");
        let headers = [("cookie", &*browser.cookie), ("x-csrf-token", &browser.csrf), ("origin", &origin)];
        self.send(method, target, &headers, body).await
    }

    async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let response = self.response(method, target, headers, body).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn response(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> axum::response::Response {
        let peer: SocketAddr = "198.51.100.7:4711".parse().unwrap();
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(target)
            .header("host", NAME)
            .extension(ConnectInfo(peer));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap()
    }

    /// Signs in by password.
    async fn sign_in(&self, name: &str, password: &str) -> Answer {
        self.ask("POST", "/api/session", Some(json!({"user": name, "password": password}))).await
    }

    /// Returns the audit trail, newest first: user, action, detail.
    fn trail(&self) -> Vec<(String, String, String)> {
        let entries = self.access.blocking(|db, _| Ok(audit::list(db, None, 100)?)).unwrap();
        entries.into_iter().map(|entry| (entry.user, entry.what, entry.detail)).collect()
    }
}

/// Returns the token after a link's `#`.
fn token_of(link: &str) -> String {
    let (url, token) = link.split_once('#').unwrap();
    assert_eq!(url, format!("https://{NAME}/setup"));
    token.to_owned()
}
