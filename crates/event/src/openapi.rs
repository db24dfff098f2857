//! Schemas of the types that are written in another form than they are kept in. The others derive theirs.

use std::borrow::Cow;

use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::{ByteString, EventId, FormatVersion, Header, Timestamp};

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
        .description(Some(
            "Bytes: as a text where they are UTF-8, else with each byte that is not as \\xhh and each backslash doubled"
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
