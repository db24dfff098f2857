//! The owner's own text for a notice: a minijinja template, compiled and tested when the configuration is read.
//!
//! A template reads no files and no other templates; its steps and its output are limited. The output is plain text: each channel
//! escapes all of it, so nothing in an event can become a link or a mention.

use std::fmt;
use std::io;
use std::sync::Arc;

use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::{MAX_RENDERED_BYTES, MAX_TEMPLATE_BYTES, TEMPLATE_FUEL};

const NAME: &str = "template";

/// A compiled template. Cloning it is cheap.
#[derive(Clone)]
pub struct Template {
    source: Arc<str>,
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    /// Its first fault, with the line in the template.
    pub fn compile(source: &str) -> Result<Self, String> {
        if source.len() > MAX_TEMPLATE_BYTES {
            return Err(format!("the template is longer than {MAX_TEMPLATE_BYTES} bytes"));
        }
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        // removes filters and functions with large output
        environment.remove_global("range");
        environment.remove_filter("indent");
        environment.remove_filter("format");
        environment.add_template_owned(NAME, source.to_owned()).map_err(|error| located(&error))?;
        Ok(Self { source: source.into(), environment: Arc::new(environment) })
    }

    /// Renders the template with these values.
    ///
    /// # Errors
    /// The fault, with the line in the template; or a text longer than [`MAX_RENDERED_BYTES`].
    pub fn render<T: Serialize>(&self, facts: &T) -> Result<String, String> {
        let template = self.environment.get_template(NAME).map_err(|error| located(&error))?;
        let mut text = Bounded(Vec::new());
        template.render_captured_to(Serde(facts), &mut text).map_err(|error| located(&error))?;
        // minijinja writes whole parts of text
        String::from_utf8(text.0).map_err(|error| error.to_string())
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.source)
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = String::deserialize(deserializer)?;
        let template = Self::compile(&source).map_err(serde::de::Error::custom)?;
        for sample in crate::message::samples() {
            template.render(&sample).map_err(serde::de::Error::custom)?;
        }
        Ok(template)
    }
}

fn located(error: &minijinja::Error) -> String {
    let what = match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    match error.line() {
        Some(line) => format!("line {line} of the template: {what}{cause}"),
        None => format!("the template: {what}{cause}"),
    }
}

struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_RENDERED_BYTES {
            return Err(io::Error::other(format!("its result has more than {MAX_RENDERED_BYTES} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn renders_as_text() {
        let template = Template::compile("{{ count }} x {{ name|upper }}{% if other %}!{% endif %}").unwrap();
        assert_eq!(template.render(&json!({"count": 3, "name": "<b>{{ x }}"})).unwrap(), "3 x <B>{{ X }}");
    }

    #[test]
    fn faults_have_their_line() {
        for (source, expected) in [
            ("a\n{{ b", "line 2 of the template: syntax error"),
            ("{% include 'x' %}", "line 1 of the template"),
            ("a\n\n{{ b|nonsense }}", "line 3 of the template: unknown filter"),
            ("{{ missing }}", "line 1 of the template: undefined value"),
            ("{{ b.c.d }}", "line 1 of the template: undefined value"),
            ("{% for i in range(9) %}{% endfor %}", "line 1 of the template: unknown function"),
            (
                "{% for a in l %}{% for b in l %}{% for c in l %}{% for d in l %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
                "ran out of fuel",
            ),
            ("{% for a in l %}{{ long }}{% endfor %}", "more than 16384 bytes"),
            (&"x".repeat(MAX_TEMPLATE_BYTES + 1), "longer than 16384 bytes"),
            (&"{% if b %}".repeat(1500), "line 1"),
        ] {
            let facts = json!({"b": {}, "l": vec![0; 100], "long": "x".repeat(1000)});
            let error = Template::compile(source).and_then(|template| template.render(&facts)).unwrap_err();
            assert!(error.contains(expected), "{source}: {error}");
        }
    }
}
