//! Routes of parts: refused without a role, and kept from those whom the declared role excludes.

use axum::Extension;
use axum::routing::get;
use utoipa_axum::routes;

use super::*;
use crate::{PartRoutes, RouteError, Routes};

/// Reads the toy
#[utoipa::path(get, path = "/api/toy/{id}", security(("session" = ["viewer"]), ("token" = ["read"])), responses((status = 200)))]
async fn read(Extension(who): Extension<Identity>) -> String {
    format!("\"{}\"", who.user)
}

/// Winds the toy up
#[utoipa::path(put, path = "/api/toy/{id}", security(("session" = ["analyst"]), ("token" = ["tune"])), responses((status = 200)))]
async fn wind() {}

/// Breaks the toy
#[utoipa::path(delete, path = "/api/toy", security(("session" = ["owner"])), responses((status = 200)))]
async fn destroy() {}

/// Declares nothing
#[utoipa::path(get, path = "/api/toy/silent", responses((status = 200)))]
async fn silent() {}

/// Is open to everybody
#[utoipa::path(get, path = "/api/toy/open", security(()), responses((status = 200)))]
async fn open() {}

/// Names a role that is none
#[utoipa::path(get, path = "/api/toy/word", security(("session" = ["king"])), responses((status = 200)))]
async fn word() {}

/// Is outside the API
#[utoipa::path(get, path = "/toy", security(("session" = ["viewer"])), responses((status = 200)))]
async fn outside() {}

/// Has the path of the console's own route
#[utoipa::path(get, path = "/api/events/{other}", security(("session" = ["viewer"])), responses((status = 200)))]
async fn taken() {}

fn refused(routes: PartRoutes) -> RouteError {
    Routes::default().add("toy", routes).unwrap_err()
}

#[test]
fn routes_without_a_role_outside_the_api_and_of_others_are_refused() {
    let no_role = |path: &str| {
        let (part, path, method) = ("toy".to_owned(), path.to_owned(), "GET".to_owned());
        RouteError::NoRole { part, path, method }
    };
    assert_eq!(refused(PartRoutes::new().routes(routes!(silent))), no_role("/api/toy/silent"));
    assert_eq!(refused(PartRoutes::new().routes(routes!(open))), no_role("/api/toy/open"));
    assert_eq!(refused(PartRoutes::new().routes(routes!(word))), no_role("/api/toy/word"));
    let (part, path) = ("toy".to_owned(), "/toy".to_owned());
    assert_eq!(refused(PartRoutes::new().routes(routes!(outside))), RouteError::Outside { part, path });
    let (part, path) = ("toy".to_owned(), "/api/events/{other}".to_owned());
    assert_eq!(refused(PartRoutes::new().routes(routes!(taken))), RouteError::Taken { part, path });
}

#[tokio::test]
async fn the_declared_role_holds_although_no_handler_asks_for_it() {
    let mut routes = Routes::default();
    // a route without a description has no role
    let hidden = PartRoutes::new().routes(routes!(read, wind)).route("/api/toy/hidden/x", get(async || ""));
    routes.add("toy", hidden).unwrap();
    routes.add("other", PartRoutes::new().routes(routes!(destroy))).unwrap();
    let bench = Bench::with_routes(routes);
    let callers = Role::ALL.map(|role| bench.signed_in(role.as_str(), role));
    let token = |scope| format!("Bearer {}", bench.access.command_token("t", &[scope], None).unwrap());
    let tokens = Scope::ALL.map(token);
    // method, path, without credentials, viewer, analyst, owner, tokens: read, tune, admin
    for (method, path, expected) in [
        ("GET", "/api/toy/1", [401, 200, 200, 200, 200, 200, 200]),
        ("HEAD", "/api/toy/1", [401, 200, 200, 200, 200, 200, 200]),
        ("PUT", "/api/toy/1", [401, 403, 200, 200, 403, 200, 200]),
        ("DELETE", "/api/toy", [401, 403, 403, 200, 403, 403, 403]),
        ("POST", "/api/toy/1", [405; 7]),
        ("GET", "/api/toy/hidden/x", [405; 7]),
    ] {
        let mut found = vec![bench.response(method, path, &[], None).await.status().as_u16()];
        for browser in &callers {
            let origin = format!("https://{NAME}");
            let headers =
                [("cookie", &*browser.cookie), ("x-csrf-token", &browser.csrf), ("origin", &origin)];
            found.push(bench.response(method, path, &headers, None).await.status().as_u16());
        }
        for token in &tokens {
            found.push(
                bench.response(method, path, &[("authorization", token)], None).await.status().as_u16(),
            );
        }
        assert_eq!(found, expected, "{method} {path}");
    }
    let owner = &callers[2];
    assert_eq!(bench.by(owner, "GET", "/api/toy/1", None).await.body, "owner");
    let without_csrf = bench.send("PUT", "/api/toy/1", &[("cookie", &owner.cookie)], None).await;
    assert_eq!(without_csrf.status, 403);
    let description = bench.by(owner, "GET", "/api/openapi.json", None).await.body;
    let refusals = &description["paths"]["/api/toy/{id}"]["put"]["responses"];
    assert!(refusals["401"]["description"].is_string(), "{refusals}");
}
