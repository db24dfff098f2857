//! Routes: the console's own and those of the daemon's parts.
//!
//! A part describes each route with `#[utoipa::path]`, which declares the roles: `security(("session" = ["viewer"]), ("token" =
//! ["read"]))`. [`Routes::add`] refuses a route without them. The console checks the role, the credentials and, for changes,
//! `X-CSRF-Token` before the handler runs, so that a handler of a part cannot forget it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::access::identity::{SESSION_NEEDED, identify, role_needed};
use crate::access::{Role, Scope, Via};
use crate::{Console, Problem, openapi};

/// Routes of a part.
pub type PartRoutes = OpenApiRouter<Console>;

/// An error: the routes of a part are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The route is outside the API.
    #[error("{part}: the path {path} does not begin with /api/")]
    Outside {
        /// The part.
        part: String,
        /// The path.
        path: String,
    },
    /// The route declares no role, or an unknown one.
    #[error(
        "{part}: {method} {path} declares no role; add `security((\"session\" = [\"viewer\"]))` to its #[utoipa::path]"
    )]
    NoRole {
        /// The part.
        part: String,
        /// The path.
        path: String,
        /// The method, such as `GET`.
        method: String,
    },
    /// Another route has this path.
    #[error("{part}: another route already has the path {path}")]
    Taken {
        /// The part.
        part: String,
        /// The path.
        path: String,
    },
}

/// The lowest role of a session and of a token that a route accepts. Without a role for tokens, it accepts no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Demand {
    session: Role,
    token: Option<Role>,
}

/// The requirements of a part's routes, by path and method.
type Demands = BTreeMap<(String, Method), Demand>;

/// The routes that the console serves.
pub struct Routes {
    own: OpenApiRouter<Console>,
    parts: Vec<(OpenApiRouter<Console>, Demands)>,
    /// The paths with a route, with `{}` in place of each parameter.
    taken: BTreeSet<String>,
}

impl Default for Routes {
    /// Returns the console's own routes.
    fn default() -> Self {
        let own = crate::api();
        let taken = own.get_openapi().paths.paths.keys().map(|path| without_names(path)).collect();
        Self { own, parts: Vec::new(), taken }
    }
}

impl Routes {
    /// Adds the routes of a part.
    ///
    /// # Errors
    /// A path outside `/api/`, a path that another route has, or a route without a role.
    pub fn add(&mut self, part: &str, routes: PartRoutes) -> Result<(), RouteError> {
        // a description consists of maps with text keys, which always serialise
        let document = serde_json::to_value(routes.get_openapi()).unwrap_or_default();
        let none = serde_json::Map::new();
        let mut demands = Demands::new();
        for (path, item) in document["paths"].as_object().unwrap_or(&none) {
            let (part, path) = (part.to_owned(), path.clone());
            if !path.starts_with("/api/") {
                return Err(RouteError::Outside { part, path });
            }
            if !self.taken.insert(without_names(&path)) {
                return Err(RouteError::Taken { part, path });
            }
            for (method, operation) in item.as_object().unwrap_or(&none) {
                let method = method.to_uppercase();
                match (Demand::of(operation), Method::from_bytes(method.as_bytes())) {
                    (Some(demand), Ok(method)) => demands.insert((path.clone(), method), demand),
                    _ => return Err(RouteError::NoRole { part, path, method }),
                };
            }
        }
        self.parts.push((routes, demands));
        Ok(())
    }

    /// Returns the description of all routes.
    pub fn document(&self, properties: &event::Properties) -> OpenApi {
        let mut all = self.own.clone();
        for (routes, _) in &self.parts {
            all = all.merge(routes.clone());
        }
        let mut document = all.into_openapi();
        openapi::complete(&mut document, properties);
        document
    }

    /// Returns the routes for a console.
    pub(crate) fn router(self, console: &Console) -> Router<Console> {
        let mut all = Router::from(self.own);
        for (routes, demands) in self.parts {
            let check = axum::middleware::from_fn_with_state((console.clone(), Arc::new(demands)), check);
            all = all.merge(Router::from(routes).layer(check));
        }
        all
    }
}

impl Demand {
    /// Parses the `security` of an operation.
    fn of(operation: &Value) -> Option<Self> {
        let security = operation["security"].as_array()?;
        let words: Vec<(&str, &str)> = security
            .iter()
            .flat_map(|one| one.as_object().into_iter().flatten())
            .filter_map(|(scheme, words)| Some((scheme.as_str(), words[0].as_str()?)))
            .collect();
        // an empty requirement would open the route to every client
        if words.len() != security.len() {
            return None;
        }
        let of = |scheme| words.iter().find(|(name, _)| *name == scheme).map(|(_, word)| *word);
        let token = match of("token") {
            Some(word) => Some(Scope::from_word(word)?.role()),
            None => None,
        };
        Some(Self { session: Role::from_word(of("session")?)?, token })
    }
}

fn without_names(path: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// Passes a request to a part's route if it meets the requirements of the route.
async fn check(
    State((console, demands)): State<(Console, Arc<Demands>)>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let method = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    let path = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let demand = path.and_then(|path| demands.get(&(path, method)).copied());
    let passed = async {
        let Some(demand) = demand else {
            return Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "This route does not support this method.",
            ));
        };
        let identity = identify(&parts, &console).await?;
        let least = match identity.via {
            Via::Token => demand.token.ok_or_else(|| Problem::of(SESSION_NEEDED))?,
            Via::Session | Via::Command => demand.session,
        };
        if identity.role < least { Err(role_needed(least)) } else { Ok(identity) }
    };
    match passed.await {
        Ok(identity) => {
            let mut request = Request::from_parts(parts, body);
            request.extensions_mut().insert(identity);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}
