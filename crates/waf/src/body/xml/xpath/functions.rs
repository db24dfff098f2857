//! The core functions (XPath 1.0 §4).

use super::Expr;
use super::evaluate::{Context, Evaluation};
use super::value::{Value, number_of, text_of};

/// The types of expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Nodes,
    Number,
    Text,
    Boolean,
}

macro_rules! functions {
    ($($function:ident = $name:literal, $kind:ident, $least:literal..=$most:expr;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Function { $($function,)* }

        impl Function {
            pub(super) fn from_name(name: &str) -> Option<Function> {
                match name {
                    $($name => Some(Function::$function),)*
                    _ => None,
                }
            }

            pub(super) fn kind(self) -> Kind {
                match self { $(Function::$function => Kind::$kind,)* }
            }

            fn arguments(self) -> (usize, usize) {
                match self { $(Function::$function => ($least, $most),)* }
            }
        }
    };
}

functions! {
    Boolean = "boolean", Boolean, 1..=1;
    Ceiling = "ceiling", Number, 1..=1;
    Concat = "concat", Text, 2..=usize::MAX;
    Contains = "contains", Boolean, 2..=2;
    Count = "count", Number, 1..=1;
    False = "false", Boolean, 0..=0;
    Floor = "floor", Number, 1..=1;
    Last = "last", Number, 0..=0;
    LocalName = "local-name", Text, 0..=1;
    Name = "name", Text, 0..=1;
    NamespaceUri = "namespace-uri", Text, 0..=1;
    NormalizeSpace = "normalize-space", Text, 0..=1;
    Not = "not", Boolean, 1..=1;
    Number = "number", Number, 0..=1;
    Position = "position", Number, 0..=0;
    Round = "round", Number, 1..=1;
    StartsWith = "starts-with", Boolean, 2..=2;
    String = "string", Text, 0..=1;
    StringLength = "string-length", Number, 0..=1;
    Substring = "substring", Text, 2..=3;
    SubstringAfter = "substring-after", Text, 2..=2;
    SubstringBefore = "substring-before", Text, 2..=2;
    Sum = "sum", Number, 1..=1;
    Translate = "translate", Text, 3..=3;
    True = "true", Boolean, 0..=0;
}

impl Function {
    /// Checks the arguments. The error completes a sentence that begins with the function's name.
    pub(super) fn check(self, arguments: &[Kind]) -> Result<(), String> {
        let (least, most) = self.arguments();
        if !(least..=most).contains(&arguments.len()) {
            return Err(match (least, most) {
                (least, most) if least == most => format!("takes {least} arguments"),
                (least, usize::MAX) => format!("takes at least {least} arguments"),
                (least, most) => format!("takes {least} to {most} arguments"),
            });
        }
        let wants_nodes = matches!(
            self,
            Function::Count | Function::Sum | Function::LocalName | Function::Name | Function::NamespaceUri
        );
        match arguments.first() {
            Some(kind) if wants_nodes && *kind != Kind::Nodes => Err("needs a node-set".to_owned()),
            _ => Ok(()),
        }
    }
}

impl<'d> Evaluation<'d> {
    pub(super) fn call(&self, function: Function, arguments: &[Expr], context: Context) -> Value<'d> {
        let value = |index: usize| match arguments.get(index) {
            Some(argument) => self.value(argument, context),
            None => Value::Nodes(vec![context.node]),
        };
        let text = |index: usize| self.text(value(index));
        let number = |index: usize| self.number(value(index));
        let nodes = || match value(0) {
            Value::Nodes(nodes) => nodes,
            _ => Vec::new(),
        };
        let owned = |text: String| Value::Text(text.into());
        match function {
            Function::Boolean => Value::Boolean(value(0).is_true()),
            Function::Ceiling => Value::Number(number(0).ceil()),
            Function::Concat => owned((0..arguments.len()).map(text).collect()),
            Function::Contains => Value::Boolean(text(0).contains(&*text(1))),
            Function::Count => Value::Number(nodes().len() as f64),
            Function::False => Value::Boolean(false),
            Function::Floor => Value::Number(number(0).floor()),
            Function::Last => Value::Number(context.size as f64),
            Function::LocalName => {
                Value::Text(nodes().first().map_or("", |&node| self.local_name(node)).into())
            }
            Function::Name => {
                Value::Text(nodes().first().map_or("", |&node| self.qualified_name(node)).into())
            }
            Function::NamespaceUri => {
                Value::Text(nodes().first().map_or("", |&node| self.namespace(node)).into())
            }
            Function::NormalizeSpace => {
                let text = text(0);
                let words: Vec<&str> =
                    text.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect();
                owned(words.join(" "))
            }
            Function::Not => Value::Boolean(!value(0).is_true()),
            Function::Number => Value::Number(number(0)),
            Function::Position => Value::Number(context.position as f64),
            Function::Round => Value::Number(round(number(0))),
            Function::StartsWith => Value::Boolean(text(0).starts_with(&*text(1))),
            Function::String => Value::Text(text(0)),
            Function::StringLength => Value::Number(text(0).chars().count() as f64),
            Function::Substring => {
                let start = round(number(1));
                let end = if arguments.len() == 3 { start + round(number(2)) } else { f64::INFINITY };
                let at = |&(position, _): &(usize, char)| {
                    let position = (position + 1) as f64;
                    position >= start && position < end
                };
                owned(text(0).chars().enumerate().filter(at).map(|(_, character)| character).collect())
            }
            Function::SubstringAfter => {
                let (text, mark) = (text(0), text(1));
                owned(text.split_once(&*mark).map_or("", |(_, after)| after).to_owned())
            }
            Function::SubstringBefore => {
                let (text, mark) = (text(0), text(1));
                owned(text.split_once(&*mark).map_or("", |(before, _)| before).to_owned())
            }
            Function::Sum => Value::Number(nodes().iter().map(|&node| number_of(&self.string(node))).sum()),
            Function::Translate => {
                let from: Vec<char> = text(1).chars().collect();
                let to: Vec<char> = text(2).chars().collect();
                let translated = text(0)
                    .chars()
                    .filter_map(|character| match from.iter().position(|&known| known == character) {
                        Some(index) => to.get(index).copied(),
                        None => Some(character),
                    })
                    .collect();
                owned(translated)
            }
            Function::True => Value::Boolean(true),
        }
    }

    /// Converts a value as `string()` does.
    pub(super) fn text(&self, value: Value<'d>) -> std::borrow::Cow<'d, str> {
        match value {
            Value::Nodes(nodes) => nodes.first().map(|&node| self.string(node)).unwrap_or_default(),
            Value::Text(text) => text,
            Value::Number(number) => text_of(number).into(),
            Value::Boolean(boolean) => if boolean { "true" } else { "false" }.into(),
        }
    }

    /// Converts a value as `number()` does.
    pub(super) fn number(&self, value: Value<'d>) -> f64 {
        match value {
            Value::Number(number) => number,
            Value::Boolean(boolean) => f64::from(u8::from(boolean)),
            text => number_of(&self.text(text)),
        }
    }
}

/// Rounds halves up (§4.4).
fn round(number: f64) -> f64 {
    (number + 0.5).floor()
}
