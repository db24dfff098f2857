//! `/api/properties`: the properties of events.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use event::property::Completion;
use finding::text::Language;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Viewer;
use crate::problem::preferred;
use crate::{Console, pages};

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The properties by which events can be filtered.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Properties {
    /// The properties of all events first, then those of single gates.
    pub properties: Vec<Property>,
}

/// A property of events: the name of a parameter of `/api/events`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Property {
    /// Name.
    pub name: &'static str,
    /// Type of its values: `time`, `network`, `number`, `minimum`, `text`, `lowercase`, `outcome`, `severity`, `fact` or `search`.
    #[serde(rename = "type")]
    pub values: &'static str,
    /// Gates whose events have it; empty for all gates.
    pub gates: &'static [&'static str],
    /// Help, in Japanese where `Accept-Language` prefers it, else in English.
    pub help: &'static str,
    /// Values to offer while somebody types.
    pub words: &'static [&'static str],
    /// Whether to offer values of events, too.
    pub seen: bool,
}

impl Property {
    fn of(property: &event::Property, language: Language) -> Self {
        Self {
            name: property.name,
            values: property.values.as_str(),
            gates: property.gates,
            help: match language {
                Language::English => property.en,
                Language::Japanese => property.ja,
            },
            words: match property.completion {
                Completion::Words(words) => words,
                Completion::None | Completion::Seen => &[],
            },
            seen: property.completion == Completion::Seen,
        }
    }
}

/// List the properties of events
#[utoipa::path(
    get,
    path = "/api/properties",
    operation_id = "properties",
    tag = "events",
    responses((status = 200, body = Properties))
)]
async fn list(_: Viewer, State(console): State<Console>, headers: HeaderMap) -> Response {
    let language = preferred(&headers);
    let properties = console.properties.iter().map(|property| Property::of(property, language)).collect();
    let mut response = pages::table(&headers, &Properties { properties });
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.code()));
    fields.append(header::VARY, HeaderValue::from_static("accept-language"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The page's tests read this file.
    #[test]
    fn the_properties_of_the_page_s_tests_are_those_of_the_table() {
        let path =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/tests/unit/properties.json");
        let properties = event::Properties::default();
        let properties =
            properties.iter().map(|property| Property::of(property, Language::English)).collect();
        let text = serde_json::to_string_pretty(&Properties { properties }).unwrap() + "\n";
        if std::env::var_os("MONBAN_WRITE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap();
        assert!(
            written == text,
            "{} is out of date: MONBAN_WRITE_DOCS=1 cargo test -p console properties",
            path.display()
        );
    }
}
