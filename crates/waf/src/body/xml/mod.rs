//! The XML body processor: parses a document and selects nodes by XPath expressions, as ModSecurity 2.9.7 with libxml2 2.9.14 and
//! SecXmlExternalEntity Off does.
//!
//! quick-xml finds the markup. This module checks that the markup is well-formed (XML 1.0, fifth edition), because quick-xml
//! deliberately accepts more. It never reads anything outside the body: an external entity is empty.
//!
//! ```
//! use waf::body::xml;
//! let parsed = xml::parse(br#"<order id="7"><item>1 &lt; 2</item></order>"#);
//! assert_eq!(parsed.error, None);
//! let all_text = xml::XPath::parse("/*").unwrap();
//! let (values, complete) = all_text.values(&parsed.document);
//! assert_eq!((&*values[0], complete), (&b"1 < 2"[..], true));
//! ```

mod characters;
mod declarations;
mod doctype;
mod document;
mod encoding;
mod reader;
mod xpath;

pub use document::Document;
pub use xpath::XPath;

/// The contents of a body.
#[derive(Debug, Default)]
pub struct Parsed<'a> {
    /// The document. After an error it contains the part before the error, as with libxml2.
    pub document: Document<'a>,
    /// REQBODY_ERROR_MSG; with an error REQBODY_ERROR is 1.
    pub error: Option<String>,
    /// The declarations of its document type.
    pub declared: Declared,
}

/// The declarations of a document type that were read before any error.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Number of declarations of entities, general and parameter.
    pub entities: usize,
    /// Number of entity declarations that refer outside the document.
    pub external_entities: usize,
    /// The system identifier of the external subset, if the document has one; cut at [`crate::limits::XML_IDENTIFIER`] bytes.
    pub external_subset: Option<String>,
}

/// Parses a whole body. An empty body has no contents and is no error.
pub fn parse(body: &[u8]) -> Parsed<'_> {
    if body.is_empty() {
        return Parsed::default();
    }
    let (text, decoded) = encoding::decode(body);
    let (document, well_formed, declared) = reader::read(text);
    let error =
        (!decoded || !well_formed).then(|| "XML parser error: XML: Failed parsing document.".to_owned());
    Parsed { document, error, declared }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{XML_DEPTH, XML_NODES};

    fn all_text(body: &str) -> (usize, bool) {
        let parsed = parse(body.as_bytes());
        let (values, _) = XPath::parse("/*").unwrap().values(&parsed.document);
        (values.iter().map(|value| value.len()).sum(), parsed.error.is_some())
    }

    #[test]
    fn plain_text_is_borrowed() {
        let parsed = parse(b"<a x='1'>text</a>");
        for path in ["/a", "//@x", "//text()"] {
            let (values, _) = XPath::parse(path).unwrap().values(&parsed.document);
            assert!(matches!(values[..], [std::borrow::Cow::Borrowed(_)]), "{path}");
        }
    }

    #[test]
    fn entity_expansion_is_bounded() {
        let mut bomb = "<!DOCTYPE a [<!ENTITY e0 \"xxxxxxxxxx\">".to_owned();
        for level in 1..30 {
            let reference = format!("&e{};", level - 1).repeat(10);
            bomb.push_str(&format!("<!ENTITY e{level} \"{reference}\">"));
        }
        let (length, failed) = all_text(&format!("{bomb}]><a>&e29;</a>"));
        assert!(failed && length <= crate::limits::XML_EXPANSION);
        let (length, failed) = all_text(&format!("{bomb}]><a x=\"&e29;\"/>"));
        assert!(failed && length == 0);
        // Quadratic growth: one large entity, many references.
        let body =
            format!("<!DOCTYPE a [<!ENTITY e \"{}\">]><a>{}</a>", "x".repeat(100_000), "&e;".repeat(100_000));
        let (length, failed) = all_text(&body);
        assert!(failed && length <= crate::limits::XML_EXPANSION);
        // Every level is empty, so that only the work grows.
        let mut bomb = "<!DOCTYPE a [<!ENTITY e0 \"\">".to_owned();
        for level in 1..30 {
            let reference = format!("&e{};", level - 1).repeat(10);
            bomb.push_str(&format!("<!ENTITY e{level} \"{reference}\">"));
        }
        assert_eq!(all_text(&format!("{bomb}]><a>&e29;</a>")), (0, true));
        // A parameter entity within the declarations.
        let body =
            format!("<!DOCTYPE a [<!ENTITY % p \"{}\">{}]><a/>", " ".repeat(100_000), "%p;".repeat(100_000));
        assert!(all_text(&body).1);
    }

    #[test]
    fn entities_that_refer_to_themselves_end() {
        for body in [
            "<!DOCTYPE a [<!ENTITY e \"&e;\">]><a>&e;</a>",
            "<!DOCTYPE a [<!ENTITY e \"&f;\"><!ENTITY f \"&e;\">]><a x=\"&e;\"/>",
            "<!DOCTYPE a [<!ENTITY % p \"&#37;p;\">%p;]><a/>",
        ] {
            assert_eq!(all_text(body), (0, true), "{body}");
        }
    }

    #[test]
    fn depth_and_nodes_are_limited() {
        assert!(all_text(&"<a>".repeat(1_000_000)).1);
        let deep = format!("{}x{}", "<a>".repeat(XML_DEPTH), "</a>".repeat(XML_DEPTH));
        assert_eq!(all_text(&deep), (1, false));
        let deeper = format!("<a>{deep}</a>");
        assert!(all_text(&deeper).1);
        let wide = format!("<a>{}</a>", "<b/>".repeat(XML_NODES + 1));
        assert!(all_text(&wide).1);
        let attributes: String = (0..100_000).map(|number| format!(" a{number}='1'")).collect();
        assert_eq!(all_text(&format!("<a{attributes}/>")), (0, false));
    }

    #[test]
    fn values_of_nested_elements_are_limited() {
        let body = format!("{}{}{}", "<a>".repeat(200), "x".repeat(1_000_000), "</a>".repeat(200));
        let parsed = parse(body.as_bytes());
        let (values, complete) = XPath::parse("//*").unwrap().values(&parsed.document);
        // All have the same text, so all borrow it.
        assert_eq!((values.len(), complete), (200, true));
        let body = format!("{}{}{}", "<a>y<b/>".repeat(200), "x".repeat(1_000_000), "</a>".repeat(200));
        let parsed = parse(body.as_bytes());
        let (values, complete) = XPath::parse("//*").unwrap().values(&parsed.document);
        let bytes: usize = values.iter().map(|value| value.len()).sum();
        assert!(bytes <= crate::limits::XML_VALUES + body.len() && !complete, "{bytes}");
        assert_eq!(values[0].len(), 1_000_200);
    }
}
