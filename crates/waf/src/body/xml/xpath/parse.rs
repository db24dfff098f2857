//! Parses the text of an expression into its tree (XPath 1.0 §2 and §3).

use super::functions::{Function, Kind};
use super::{Axis, Expr, NameTest, Operator, Start, Step, Test};
use crate::body::xml::characters::Cursor;
use crate::limits::XPATH_DEPTH;

struct Parser<'t> {
    text: &'t str,
    cursor: Cursor<'t>,
    namespaces: &'t [(&'t str, &'t str)],
    /// Depth of open brackets and parentheses.
    depth: usize,
    /// Depth of open predicates. Only in a predicate may a path begin at the context node.
    predicates: usize,
}

type Result<T> = std::result::Result<T, String>;

pub(super) fn parse(text: &str, namespaces: &[(&str, &str)]) -> Result<Expr> {
    let mut parser = Parser { text, cursor: Cursor::new(text), namespaces, depth: 0, predicates: 0 };
    let expr = parser.binary(0)?;
    parser.cursor.space();
    if !parser.cursor.rest.is_empty() {
        return Err(parser.error("unsupported syntax"));
    }
    match kind(&expr) {
        Kind::Nodes => Ok(expr),
        _ => Err(format!(
            "the XPath expression `{text}` selects no nodes, so the target would always be empty"
        )),
    }
}

/// Operators from the loosest to the tightest. A longer one comes before its own prefix.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[("=", Operator::Equal), ("!=", Operator::NotEqual)],
    &[
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("div", Operator::Divide), ("mod", Operator::Modulo)],
];

const AXES: [(&str, Axis); 10] = [
    ("ancestor", Axis::Ancestor),
    ("ancestor-or-self", Axis::AncestorOrSelf),
    ("attribute", Axis::Attribute),
    ("child", Axis::Child),
    ("descendant", Axis::Descendant),
    ("descendant-or-self", Axis::DescendantOrSelf),
    ("following-sibling", Axis::FollowingSibling),
    ("parent", Axis::Parent),
    ("preceding-sibling", Axis::PrecedingSibling),
    ("self", Axis::Itself),
];

impl<'t> Parser<'t> {
    fn error(&self, problem: &str) -> String {
        format!("{problem} at `{}` in the XPath expression `{}`", self.cursor.rest.trim_start(), self.text)
    }

    /// Skips white space, and `literal` if it is next.
    fn take(&mut self, literal: &str) -> bool {
        self.cursor.space();
        self.cursor.take(literal)
    }

    fn expect(&mut self, literal: &str) -> Result<()> {
        if self.take(literal) { Ok(()) } else { Err(self.error(&format!("no `{literal}`"))) }
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth == XPATH_DEPTH {
            return Err(self.error(&format!("more than {XPATH_DEPTH} levels of brackets")));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn binary(&mut self, level: usize) -> Result<Expr> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(operators) {
            let right = self.binary(level + 1)?;
            left = Expr::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&mut self, operators: &[(&str, Operator)]) -> Option<Operator> {
        self.cursor.space();
        let (word, operator) = operators.iter().find(|(word, _)| {
            let behind = self.cursor.rest.strip_prefix(word);
            let is_name = word.starts_with(|first: char| first.is_ascii_alphabetic());
            behind.is_some_and(|behind| {
                !is_name || !behind.starts_with(|next: char| next.is_alphanumeric() || "-_.".contains(next))
            })
        })?;
        self.cursor.take(word);
        Some(*operator)
    }

    fn unary(&mut self) -> Result<Expr> {
        if self.take("-") {
            return self.nested(|this| Ok(Expr::Negate(Box::new(this.unary()?))));
        }
        let first = self.path()?;
        let mut all = vec![first];
        while self.take("|") {
            all.push(self.path()?);
        }
        if all.len() > 1 && all.iter().any(|expr| kind(expr) != Kind::Nodes) {
            return Err(self.error("`|` between values that are not node-sets"));
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Union(all) })
    }

    fn path(&mut self) -> Result<Expr> {
        self.cursor.space();
        if self.cursor.take("//") {
            let mut steps = vec![any_below()];
            self.steps(&mut steps)?;
            return Ok(Expr::Path(Start::Root, steps));
        }
        if self.cursor.take("/") {
            let mut steps = Vec::new();
            if self.begins_step() {
                self.steps(&mut steps)?;
            }
            return Ok(Expr::Path(Start::Root, steps));
        }
        let Some(primary) = self.primary()? else {
            if self.predicates == 0 {
                return Err(self.error("no leading slash"));
            }
            let mut steps = Vec::new();
            self.steps(&mut steps)?;
            return Ok(Expr::Path(Start::Context, steps));
        };
        let predicates = self.predicates()?;
        let mut steps = Vec::new();
        if self.take("//") {
            steps.push(any_below());
            self.steps(&mut steps)?;
        } else if self.take("/") {
            self.steps(&mut steps)?;
        }
        if predicates.is_empty() && steps.is_empty() {
            return Ok(primary);
        }
        match kind(&primary) {
            Kind::Nodes => Ok(Expr::Path(Start::Filter(Box::new(primary), predicates), steps)),
            _ => Err(self.error("a step or predicate after a value that is not a node-set")),
        }
    }

    /// Parses a parenthesis, literal, number or call; none at the start of a step.
    fn primary(&mut self) -> Result<Option<Expr>> {
        if self.take("(") {
            let inner = self.nested(|this| this.binary(0))?;
            self.expect(")")?;
            return Ok(Some(inner));
        }
        let rest = self.cursor.rest;
        if rest.starts_with(['"', '\'']) {
            let literal = self.cursor.quoted().ok_or_else(|| self.error("an unclosed quote"))?;
            return Ok(Some(Expr::Literal(literal.to_owned())));
        }
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        if rest[..digits].contains(|c: char| c.is_ascii_digit()) {
            let number = rest[..digits].parse().map_err(|_| self.error("no number"))?;
            self.cursor.rest = &rest[digits..];
            return Ok(Some(Expr::Number(number)));
        }
        if rest.starts_with('$') {
            return Err(self.error("unsupported variable"));
        }
        let mut ahead = self.cursor;
        let Some(name) = ahead.name() else { return Ok(None) };
        ahead.space();
        if !ahead.rest.starts_with('(')
            || matches!(name, "text" | "node" | "comment" | "processing-instruction")
        {
            return Ok(None);
        }
        let function = Function::from_name(name).ok_or_else(|| self.error("unsupported function"))?;
        self.cursor = ahead;
        let arguments = self.nested(Self::arguments)?;
        let kinds: Vec<Kind> = arguments.iter().map(kind).collect();
        function.check(&kinds).map_err(|problem| self.error(&format!("{name}() {problem}")))?;
        Ok(Some(Expr::Call(function, arguments)))
    }

    fn arguments(&mut self) -> Result<Vec<Expr>> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.binary(0)?);
            if self.take(")") {
                return Ok(arguments);
            }
            self.expect(",")?;
        }
    }

    fn predicates(&mut self) -> Result<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.take("[") {
            self.predicates += 1;
            let predicate = self.nested(|this| this.binary(0));
            self.predicates -= 1;
            predicates.push(predicate?);
            self.expect("]")?;
        }
        Ok(predicates)
    }

    fn begins_step(&mut self) -> bool {
        self.cursor.space();
        self.cursor.rest.starts_with(['.', '@', '*']) || Cursor::new(self.cursor.rest).name().is_some()
    }

    fn steps(&mut self, steps: &mut Vec<Step>) -> Result<()> {
        loop {
            let step = self.step()?;
            match steps.last() {
                // `//a` selects every `a` below, unless its position among its siblings matters.
                Some(last) if *last == any_below() && step.axis == Axis::Child && !step.positional => {
                    steps.pop();
                    steps.push(Step { axis: Axis::Descendant, ..step });
                }
                _ => steps.push(step),
            }
            if self.take("//") {
                steps.push(any_below());
            } else if !self.take("/") {
                return Ok(());
            }
        }
    }

    fn step(&mut self) -> Result<Step> {
        self.cursor.space();
        for (text, axis) in [("..", Axis::Parent), (".", Axis::Itself)] {
            if self.cursor.take(text) {
                return Ok(Step { axis, test: Test::Node, predicates: Vec::new(), positional: false });
            }
        }
        let axis = self.axis()?;
        let test = self.test()?;
        let predicates = self.predicates()?;
        let positional = predicates.iter().any(|p| kind(p) == Kind::Number || asks_position(p));
        Ok(Step { axis, test, predicates, positional })
    }

    fn axis(&mut self) -> Result<Axis> {
        if self.cursor.take("@") {
            return Ok(Axis::Attribute);
        }
        let rest = self.cursor.rest;
        let end = rest.find(|c: char| !c.is_ascii_alphabetic() && c != '-').unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        let Some(behind) = behind.trim_start().strip_prefix("::") else { return Ok(Axis::Child) };
        let (_, axis) =
            AXES.iter().find(|(known, _)| *known == name).ok_or_else(|| self.error("unsupported axis"))?;
        self.cursor.rest = behind;
        Ok(*axis)
    }

    fn test(&mut self) -> Result<Test> {
        self.cursor.space();
        if self.cursor.take("*") {
            return Ok(Test::Name(NameTest { namespace: None, local: None }));
        }
        let mut ahead = self.cursor;
        let Some(name) = ahead.name().filter(|name| !name.starts_with(':')) else {
            return Err(self.error("unsupported syntax"));
        };
        let behind = ahead.rest.trim_start();
        if behind.starts_with('(') {
            let test = match name {
                "text" => Test::Text,
                "node" => Test::Node,
                _ => return Err(self.error("unsupported node test")),
            };
            self.cursor = ahead;
            self.expect("(")?;
            self.expect(")")?;
            return Ok(test);
        }
        let name_test = match name.split_once(':') {
            None => NameTest { namespace: None, local: Some(name.to_owned()) },
            Some((prefix, local)) => {
                let declared = self.namespaces.iter().find(|(declared, _)| *declared == prefix);
                let Some((_, uri)) = declared else { return Err(self.error("undeclared prefix")) };
                let namespace = Some((*uri).to_owned());
                match local {
                    "" if ahead.take("*") => NameTest { namespace, local: None },
                    "" => return Err(self.error("unsupported syntax")),
                    local if local.contains(':') => return Err(self.error("unsupported syntax")),
                    local => NameTest { namespace, local: Some(local.to_owned()) },
                }
            }
        };
        self.cursor = ahead;
        Ok(Test::Name(name_test))
    }
}

/// Returns `descendant-or-self::node()`, which `//` abbreviates.
fn any_below() -> Step {
    Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new(), positional: false }
}

/// Returns the type of an expression.
fn kind(expr: &Expr) -> Kind {
    match expr {
        Expr::Number(_) | Expr::Negate(_) => Kind::Number,
        Expr::Literal(_) => Kind::Text,
        Expr::Call(function, _) => function.kind(),
        Expr::Binary(operator, ..) => match operator {
            Operator::Add | Operator::Subtract | Operator::Multiply | Operator::Divide | Operator::Modulo => {
                Kind::Number
            }
            _ => Kind::Boolean,
        },
        Expr::Union(_) | Expr::Path(..) => Kind::Nodes,
    }
}

/// Whether the predicate itself calls `position()` or `last()`.
fn asks_position(expr: &Expr) -> bool {
    match expr {
        Expr::Call(Function::Position | Function::Last, _) => true,
        Expr::Call(_, inner) | Expr::Union(inner) => inner.iter().any(asks_position),
        Expr::Negate(inner) | Expr::Path(Start::Filter(inner, _), _) => asks_position(inner),
        Expr::Binary(_, left, right) => asks_position(left) || asks_position(right),
        Expr::Number(_) | Expr::Literal(_) | Expr::Path(..) => false,
    }
}
