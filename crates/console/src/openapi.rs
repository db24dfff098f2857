//! The description of the HTTP API, as OpenAPI 3.1, generated from the handlers: each has `#[utoipa::path]`, and each module
//! returns an [`OpenApiRouter`](utoipa_axum::router::OpenApiRouter), so that every route is described.
//!
//! docs/reference/openapi.json describes these routes and those of all parts; a test of crates/monban writes it:
//! `MONBAN_WRITE_DOCS=1 cargo test -p monban --bin monban known`.

use std::io::{Read, Write};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use event::Properties;
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::Serialize;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn, ParameterStyle, PathItem};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Type};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema};
use utoipa::{IntoParams, Modify, ToSchema};

use crate::access::credentials::Cookie;

/// Returns the description of the console's own routes.
pub fn document() -> OpenApi {
    crate::Routes::default().document(&Properties::default())
}

/// Adds the parts that no handler describes.
pub(crate) fn complete(document: &mut OpenApi, properties: &Properties) {
    add_properties(document, properties);
    add_refusals(document);
    allow_joining(document);
}

/// Allows additional fields in types that `allOf` joins with others, because each type sees the fields of the others as
/// additional.
fn allow_joining(document: &mut OpenApi) {
    let Some(components) = &mut document.components else { return };
    let joined: Vec<String> = components
        .schemas
        .values()
        .filter_map(|schema| if let RefOr::T(Schema::AllOf(all)) = schema { Some(&all.items) } else { None })
        .flatten()
        .filter_map(|item| if let RefOr::Ref(part) = item { Some(part) } else { None })
        .filter_map(|part| part.ref_location.rsplit('/').next().map(str::to_owned))
        .collect();
    for name in joined {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(&name) {
            object.additional_properties = None;
        }
    }
}

/// Adds the refusals of the guard in front of all handlers, and those of unreadable bodies.
fn add_refusals(document: &mut OpenApi) {
    for item in document.paths.paths.values_mut() {
        let PathItem { get, put, post, delete, patch, .. } = item;
        for (operation, changes) in [(get, false), (put, true), (post, true), (delete, true), (patch, true)] {
            let Some(operation) = operation else { continue };
            let mut refusals = vec![("503", "The storage is not available at the moment")];
            // an empty requirement means that no sign-in is needed
            let open = |needed: &Vec<SecurityRequirement>| needed.contains(&SecurityRequirement::default());
            if !operation.security.as_ref().is_some_and(open) {
                refusals.extend([
                    ("401", "No sign-in, or the session has ended"),
                    ("403", "The role or the scope does not allow this"),
                ]);
            } else if changes {
                refusals.push(("403", "A page of another site sent the request"));
            }
            if operation.request_body.is_some() {
                refusals.extend([
                    ("400", "The body is not JSON"),
                    ("408", "The body did not arrive in time"),
                    ("413", "The body is too long"),
                    ("415", "The Content-Type is not application/json"),
                    ("422", "The body has the wrong fields, or the request cannot be fulfilled"),
                ]);
            }
            for (status, what) in refusals {
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| refusal(what).into());
            }
        }
    }
}

fn refusal(what: &str) -> utoipa::openapi::Response {
    let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
    ResponseBuilder::new().description(what).content("application/json", body).build()
}

/// The general part of the description.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "monban console",
        description = "See docs/user/console.md.",
        license(name = "MIT OR Apache-2.0")
    ),
    components(schemas(Failure)),
    security(("session" = ["viewer"]), ("token" = ["read"])),
    modifiers(&Schemes)
)]
struct Head;

/// The ways to authenticate. An operation's `security` names the lowest role for a session, and the scope with the same
/// permissions; without it, a viewer may call the operation.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut OpenApi) {
        let cookie = ApiKeyValue::with_description(
            Cookie::Session.name(false),
            "Signing in sets it. If the console has an https address, its name begins with `__Host-`. Every change also needs the `X-CSRF-Token` of `GET /api/session`.",
        );
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("An API token. The scopes are read, tune and admin.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

pub(crate) fn head() -> OpenApi {
    <Head as utoipa::OpenApi>::openapi()
}

/// Writes a description as JSON.
pub fn text(document: &OpenApi) -> String {
    // A description is made of maps with texts as keys, which always serialise.
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// A description as compressed JSON: a tenth of its size in memory, and few ask for it.
pub(crate) struct Packed(Vec<u8>);

impl Packed {
    pub(crate) fn new(document: &OpenApi) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        // writing into memory cannot fail
        let packed = encoder.write_all(text(document).as_bytes()).and_then(|()| encoder.finish());
        Self(packed.unwrap_or_default())
    }

    /// Returns the JSON as a response.
    pub(crate) fn answer(&self) -> Response {
        let mut text = String::new();
        match DeflateDecoder::new(&self.0[..]).read_to_string(&mut text) {
            Ok(_) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

/// The body of every response with status 400 or above.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub struct Failure {
    /// Error message, in Japanese if `Accept-Language` prefers it, else in English.
    pub error: String,
    /// Namespaced code of the error, such as `events.no_such_event`. docs/reference/codes.md lists all; new codes may be added.
    pub code: String,
    /// Values in the text, such as `{"role": "owner"}`: texts and numbers. Missing if the text contains none.
    #[schema(required = false)]
    pub values: serde_json::Map<String, serde_json::Value>,
}

/// The properties of events as parameters. Each may occur more than once: an event matches any of several values of one
/// property, but must match each inverted value (`!` in front) and each text.
pub struct Filter;

impl IntoParams for Filter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        Properties::default().iter().map(parameter).collect()
    }
}

fn parameter(property: &event::Property) -> Parameter {
    let values = ArrayBuilder::new().items(ObjectBuilder::new().schema_type(Type::String));
    ParameterBuilder::new()
        .name(property.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(format!("{}: {}", property.en, property.values.form())))
        .style(Some(ParameterStyle::Form))
        .explode(Some(true))
        .schema(Some(values))
        .build()
}

fn is_named(parameter: &RefOr<Parameter>, name: &str) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == name)
}

/// Adds the properties of parts to the operations that take a filter.
fn add_properties(document: &mut OpenApi, properties: &Properties) {
    let known = Properties::default();
    let added = properties.iter().filter(|property| known.get(property.name).is_none());
    let added: Vec<RefOr<Parameter>> = added.map(|property| parameter(property).into()).collect();
    for operation in document.paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        if let Some(parameters) = &mut operation.parameters
            && parameters.iter().any(|parameter| is_named(parameter, "fact"))
        {
            parameters.extend(added.iter().cloned());
        }
    }
}

/// The page of a list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that are read one by one")]
pub struct Paging {
    /// Only events that come after the one with this id in the order: `next` of the previous page.
    #[param(required = false)]
    before: Option<String>,
    /// `newest` or `oldest` first; `newest` by default.
    #[param(required = false)]
    order: Option<String>,
    /// Number of events; 50 by default, at most 1,000.
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<u16>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_of_a_part_is_a_parameter_of_every_filter() {
        const PART: &[event::Property] =
            &[event::Property::fact("cups", event::property::Values::Number, "Cups", "杯数")];
        let mut document = crate::api().into_openapi();
        complete(&mut document, &Properties::with([PART]));
        for (path, item) in document.paths.paths {
            let parameters = item.get.and_then(|get| get.parameters).unwrap_or_default();
            let has = |name: &str| parameters.iter().filter(|parameter| is_named(parameter, name)).count();
            assert_eq!((has("cups"), has("fact")), (has("fact"), has("fact").min(1)), "{path}");
            assert!(path != "/api/events" || has("cups") == 1);
        }
    }

    #[test]
    fn every_operation_has_its_own_name_and_a_line_about_it() {
        let document = serde_json::to_value(document()).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let name = operation["operationId"].as_str().unwrap();
                assert!(
                    names.insert(name.to_owned()),
                    "{method} {path}: `{name}` is another one's name, too"
                );
                assert!(
                    operation["summary"].as_str().is_some_and(|line| !line.is_empty()),
                    "{method} {path}"
                );
            }
        }
        assert!(names.len() >= 5, "{names:?}");
    }

    #[test]
    fn every_type_has_its_own_name() {
        // of two types with the same name the document would silently contain only one
        let mut names: std::collections::BTreeMap<String, String> = Default::default();
        let mut add = |source: &str, place: &str| {
            for item in
                source.split("\n\n").filter(|item| item.contains("ToSchema") && item.contains("derive("))
            {
                let line = item.lines().find(|line| line.contains("struct ") || line.contains("enum "));
                let word = |line: &str| {
                    line.split_whitespace()
                        .skip_while(|w| !matches!(*w, "struct" | "enum"))
                        .nth(1)
                        .map(str::to_owned)
                };
                let Some(declared) = line.and_then(word) else { continue };
                let own = item.split("as = ").nth(1).and_then(|rest| rest.split([',', ')']).next());
                let name = own.unwrap_or(declared.split(['<', '(', '{', ';']).next().unwrap()).to_owned();
                let place = format!("{place}: {declared}");
                if let Some(other) = names.insert(name.clone(), place.clone()) {
                    panic!("{name}: {other} and {place}; give one of them #[schema(as = …)]");
                }
            }
        };
        let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut folders: Vec<_> = ["console", "tuning", "event", "finding", "store", "notify", "monban"]
            .map(|name| crates.join(name).join("src"))
            .into();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("openapi.rs") {
                    add(&std::fs::read_to_string(&path).unwrap(), &path.display().to_string());
                }
            }
        }
        assert!(names.len() > 50, "{}", names.len());
    }
}
