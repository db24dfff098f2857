//! Warns about rules that read a variable that never has a value in monban.

use seclang::action::{Action as Written, Change};
use seclang::template::{Part, Template};
use seclang::variable::Variable;

use super::{Compiler, DraftLink};

impl Compiler<'_> {
    /// Warns about each link that reads such a variable, as a target or in a macro.
    pub(super) fn tell_empty(&mut self) {
        let mut found = Vec::new();
        for link in self.drafts.iter().filter(|draft| !draft.removed).flat_map(|draft| &draft.links) {
            let mut asked: Vec<Variable> = link.asked().filter(|v| v.always_empty().is_some()).collect();
            asked.sort_unstable_by_key(|variable| variable.name());
            asked.dedup();
            found.extend(asked.into_iter().map(|variable| (link.span, variable)));
        }
        for (span, variable) in found {
            let why = variable.always_empty().unwrap_or_default();
            self.warn(span, format!("{variable} is always empty: {why}"), "the rule finds no value in it");
        }
    }
}

impl DraftLink {
    /// Returns the variables in the link's targets and macros.
    fn asked(&self) -> impl Iterator<Item = Variable> {
        let targets = self.targets.iter().filter(|target| !target.excluded).map(|target| target.variable);
        let argument = self.operator.iter().map(|operator| &operator.argument);
        let texts = argument.chain(self.actions.iter().flat_map(texts));
        let macros = texts.flat_map(|text| &text.parts).filter_map(|part| match part {
            Part::Macro(expansion) => expansion.variable,
            Part::Literal(_) => None,
        });
        targets.chain(macros)
    }
}

/// Returns the texts of an action that may contain macros.
fn texts(action: &Written) -> Vec<&Template> {
    match action {
        Written::Msg(text)
        | Written::Logdata(text)
        | Written::Tag(text)
        | Written::Redirect(text)
        | Written::Pause(text)
        | Written::SetSid(text)
        | Written::SetUid(text)
        | Written::SetRsc(text)
        | Written::InitCol { key: text, .. } => vec![text],
        Written::SetEnv { name, value } => vec![name, value],
        Written::ExpireVar { key, seconds, .. } => vec![key, seconds],
        Written::SetVar(set) => match &set.change {
            Change::Set(value) | Change::Add(value) | Change::Subtract(value) => vec![&set.key, value],
            Change::Remove => vec![&set.key],
        },
        _ => Vec::new(),
    }
}
