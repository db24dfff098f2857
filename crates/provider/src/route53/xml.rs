//! XML as Route 53 answers: elements with text, without attributes that matter.

use quick_xml::Reader;
use quick_xml::events::Event;

/// Depth of elements; a deeper document is refused. Route 53 needs 5.
const MAX_DEPTH: usize = 16;

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// The name without a prefix.
    pub name: String,
    /// The text of the element itself.
    pub text: String,
    /// The elements within.
    pub children: Vec<Element>,
}

impl Element {
    /// Returns the first element within that has this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Returns the text of the first element within that has this name; empty without one.
    pub fn text_of(&self, name: &str) -> &str {
        self.child(name).map_or("", |child| child.text.as_str())
    }
}

/// Parses a document.
///
/// # Errors
/// A description of the fault.
pub fn parse(body: &[u8]) -> Result<Element, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let fault = |what: &str| format!("it is not XML as documented ({what})");
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    loop {
        match reader.read_event().map_err(|error| fault(&error.to_string()))? {
            Event::Start(start) => {
                if open.len() > MAX_DEPTH {
                    return Err(fault("it is too deep"));
                }
                open.push(element(start.local_name().as_ref()));
            }
            Event::Empty(empty) => {
                let child = element(empty.local_name().as_ref());
                open.last_mut().ok_or_else(|| fault("an end without a start"))?.children.push(child);
            }
            Event::End(_) => {
                let child = open.pop().ok_or_else(|| fault("an end without a start"))?;
                open.last_mut().ok_or_else(|| fault("an end without a start"))?.children.push(child);
            }
            Event::Text(text) => {
                if let Some(last) = open.last_mut() {
                    last.text.push_str(&text.xml10_content());
                }
            }
            Event::GeneralRef(reference) => {
                let known = reference.resolve_char_ref().map_err(|error| fault(&error.to_string()))?;
                let character = match (known, reference.xml10_content().as_ref()) {
                    (Some(character), _) => character,
                    (None, "amp") => '&',
                    (None, "lt") => '<',
                    (None, "gt") => '>',
                    (None, "quot") => '"',
                    (None, "apos") => '\'',
                    (None, _) => return Err(fault("an unknown reference")),
                };
                if let Some(last) = open.last_mut() {
                    last.text.push(character);
                }
            }
            Event::DocType(_) => return Err(fault("a document type")),
            Event::Eof => break,
            _ => {}
        }
    }
    let mut document =
        open.pop().filter(|_| open.is_empty()).ok_or_else(|| fault("an element has no end"))?;
    document.children.pop().ok_or_else(|| fault("it has no element"))
}

fn element(name: &str) -> Element {
    Element { name: name.to_owned(), ..Element::default() }
}

/// Returns a text for the inside of an element.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_and_references() {
        let text = "<?xml version=\"1.0\"?>\n<a:R xmlns:a=\"x\"><Value>&quot;a&amp;b&#60;&quot;</Value><Empty/></a:R>";
        let root = parse(text.as_bytes()).unwrap();
        assert_eq!(root.name, "R");
        assert_eq!(root.text_of("Value"), "\"a&b<\"");
        assert_eq!(root.text_of("Empty"), "");
        assert_eq!(root.child("Other"), None);
        assert_eq!(parse(format!("<V>{}</V>", escaped("a<&>b")).as_bytes()).unwrap().text, "a<&>b");
    }

    #[test]
    fn documents_that_are_refused() {
        let deep = "<a>".repeat(40) + &"</a>".repeat(40);
        for (text, expected) in [
            ("", "has no element"),
            ("<a>", "an element has no end"),
            ("<a></b>", "not XML"),
            ("</a>", "not XML"),
            ("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", "a document type"),
            ("<a>&b;</a>", "an unknown reference"),
            ("<a>&#99999999;</a>", "not XML"),
            (&deep, "too deep"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(parse(b"<a>\xff</a>").unwrap_err().contains("not UTF-8"));
    }
}
