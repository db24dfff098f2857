//! Every word of the language and monban's support for it, for tests and documents that must be complete.

use crate::action::BodyProcessor;
use crate::directive::{DIRECTIVES, Support};
use crate::operator::OperatorName;
use crate::parse::actions::ACTIONS;
use crate::parse::ctl::CTL;
use crate::transformation::Transformation;
use crate::variable::Variable;

/// The position of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// At the beginning of a line.
    Directive,
    /// In targets and macros.
    Variable,
    /// After `@`.
    Operator,
    /// After `t:`.
    Transformation,
    /// In a list of actions.
    Action,
    /// After `ctl:`.
    Ctl,
    /// After `ctl:requestBodyProcessor=`.
    BodyProcessor,
}

/// The parser's treatment of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The parser passes it to the engine.
    Read,
    /// The parser accepts it without effect, for this reason.
    Ignored(&'static str),
    /// The parser refuses it, for this reason.
    Refused(&'static str),
    /// The parser accepts `Off` without effect, and refuses `On`, for this reason.
    OffOnly(&'static str),
    /// The variable never has a value, for this reason.
    Empty(&'static str),
}

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    /// Its position.
    pub kind: Kind,
    /// The word as the documentation writes it, without `@`.
    pub name: &'static str,
    /// The parser's treatment.
    pub fate: Fate,
}

/// Returns all words, in the order of docs/reference/seclang.md.
pub fn all() -> Vec<Word> {
    let word = |kind, name, fate| Word { kind, name, fate };
    let directives = DIRECTIVES.iter().map(|directive| {
        let fate = match directive.support {
            Support::Done => Fate::Read,
            Support::Ignored(why) => Fate::Ignored(why),
            Support::Refused(why) => Fate::Refused(why),
            Support::OffOnly(why) => Fate::OffOnly(why),
        };
        word(Kind::Directive, directive.name, fate)
    });
    let variables = Variable::ALL.iter().map(|variable| {
        word(Kind::Variable, variable.name(), variable.always_empty().map_or(Fate::Read, Fate::Empty))
    });
    let operators = OperatorName::ALL.iter().map(|operator| {
        word(Kind::Operator, operator.name(), operator.refused().map_or(Fate::Read, Fate::Refused))
    });
    let read = |kind| move |name: &'static str| word(kind, name, Fate::Read);
    directives
        .chain(variables)
        .chain(operators)
        .chain(Transformation::ALL.iter().map(|t| t.name()).map(read(Kind::Transformation)))
        .chain(ACTIONS.iter().map(|action| action.names[0]).map(read(Kind::Action)))
        .chain(CTL.iter().map(|(name, _)| *name).map(read(Kind::Ctl)))
        .chain(BodyProcessor::ALL.iter().map(|p| p.name()).map(read(Kind::BodyProcessor)))
        .collect()
}
