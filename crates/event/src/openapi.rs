//! Schemas of the types whose JSON differs from their fields. The other types derive theirs.

use std::borrow::Cow;

use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{KnownFormat, Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::{
    ByteString, EventId, Evidence, Fact, FormatVersion, Gate, Header, Kind, RequestEvidence, Timestamp,
};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

macro_rules! schema {
    ($type:ident, $schema:expr) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($type))
            }
        }
    };
}

schema!(
    EventId,
    text()
        .pattern(Some("^[0-9A-HJKMNP-TV-Z]{26}$"))
        .description(Some("Unique in the whole fleet; sorts by time"))
);
schema!(
    Timestamp,
    text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("RFC 3339 in UTC with six decimals"))
);
schema!(
    FormatVersion,
    ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([FormatVersion::CURRENT]))
);
schema!(
    ByteString,
    OneOfBuilder::new()
        .item(text())
        .item(ObjectBuilder::new().property("escaped", text()).required("escaped"))
        .item(ObjectBuilder::new().property("base64", text()).required("base64"))
        .description(Some(
            "Bytes: a string if they are UTF-8; else `escaped`, which writes each other byte as \\xhh and doubles each \
             backslash; `base64` where that would more than double a long value"
        ))
);
schema!(
    Header,
    ArrayBuilder::new()
        .items(ByteString::schema())
        .min_items(Some(2))
        .max_items(Some(2))
        .description(Some("Name and value"))
);
schema!(
    Gate,
    text()
        .pattern(Some("^[a-z][a-z0-9_-]{0,31}$"))
        .description(Some("The gate that reported it: `request`, `mlogc`, or one of a part's own"))
);
schema!(
    Kind,
    text()
        .pattern(Some(r"^[a-z][a-z0-9_-]{0,31}\.[a-z][a-z0-9_-]{0,31}$"))
        .description(Some("The kind of event: an object and an action, such as `request.blocked`"))
);
schema!(
    Fact,
    ArrayBuilder::new()
        .items(OneOfBuilder::new().item(text()).item(ObjectBuilder::new().schema_type(Type::Integer)))
        .min_items(Some(2))
        .max_items(Some(2))
        .description(Some("Name and value"))
);
impl PartialSchema for Evidence {
    fn schema() -> RefOr<Schema> {
        let description =
            "One field, named as the kind of evidence; kinds other than `request` are the JSON of their gate";
        ObjectBuilder::new()
            .property("request", Ref::from_schema_name(RequestEvidence::name()))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .max_properties(Some(1))
            .description(Some(description))
            .into()
    }
}

impl ToSchema for Evidence {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Evidence")
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((RequestEvidence::name().into_owned(), RequestEvidence::schema()));
        RequestEvidence::schemas(schemas);
    }
}
