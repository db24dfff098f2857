//! Applies directives that change or remove rules. As in ModSecurity 2, they affect earlier rules. A directive that affects no
//! rule causes a warning, because its author meant some rule.

use seclang::action::Action as Written;
use seclang::ast::{IdRange, RuleRef, Target as WrittenTarget};
use seclang::span::Span;

use super::{CompileWarning, Compiler, Draft};
use crate::operators::Pattern;
use crate::target::rule_pattern;

/// The rules that a directive names.
pub(super) enum Named {
    Ids(Vec<IdRange>),
    Tag(Pattern, String),
    Message(Pattern, String),
}

impl Named {
    pub(super) fn by_tag(pattern: &str) -> Result<Named, String> {
        Ok(Named::Tag(rule_pattern(pattern)?, pattern.to_owned()))
    }

    pub(super) fn by_message(pattern: &str) -> Result<Named, String> {
        Ok(Named::Message(rule_pattern(pattern)?, pattern.to_owned()))
    }

    pub(super) fn means(&self, draft: &Draft) -> bool {
        match self {
            Named::Ids(ranges) => draft.id != 0 && ranges.iter().any(|range| range.contains(draft.id)),
            Named::Tag(pattern, _) => draft.has_tag(pattern),
            Named::Message(pattern, _) => draft.has_message(pattern),
        }
    }
}

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Named::Ids(ranges) => {
                let text = |range: &IdRange| match range.first == range.last {
                    true => range.first.to_string(),
                    false => format!("{}-{}", range.first, range.last),
                };
                f.write_str(&ranges.iter().map(text).collect::<Vec<_>>().join(" "))
            }
            Named::Tag(_, pattern) | Named::Message(_, pattern) => write!(f, "`{pattern}`"),
        }
    }
}

/// A directive that named no earlier rule.
pub(super) struct Missed {
    span: Span,
    directive: &'static str,
    named: Named,
}

impl Compiler<'_> {
    /// Returns the drafts that a directive affects. Records a directive that affects none.
    fn reach(&mut self, span: Span, directive: &'static str, named: Named) -> Vec<usize> {
        let drafts = self.drafts.iter().enumerate();
        let reached: Vec<usize> =
            drafts.filter(|(_, draft)| named.means(draft)).map(|(index, _)| index).collect();
        if reached.is_empty() {
            self.missed.push(Missed { span, directive, named });
        }
        reached
    }

    pub(super) fn remove(&mut self, span: Span, directive: &'static str, named: Named) {
        for index in self.reach(span, directive, named) {
            self.drafts[index].removed = true;
        }
    }

    pub(super) fn update_targets(
        &mut self,
        span: Span,
        directive: &'static str,
        (named, offset): (Named, Option<u32>),
        targets: &[WrittenTarget],
        replaced: &[WrittenTarget],
    ) {
        let what = named.to_string();
        let offset = offset.unwrap_or(0);
        for index in self.reach(span, directive, named) {
            let id = self.drafts[index].id;
            let Some(link) = self.drafts[index].links.get_mut(offset as usize) else {
                self.no_such_link(span, directive, &what, id, offset);
                continue;
            };
            if replaced.is_empty() {
                link.targets.extend(targets.iter().filter(|target| !target.excluded).cloned());
                link.targets.extend(targets.iter().filter(|target| target.excluded).cloned());
            } else if link.targets.iter().any(|target| replaced.contains(target)) {
                link.targets.retain(|target| !replaced.contains(target));
                link.targets.extend(targets.iter().cloned());
            } else {
                let names: Vec<String> = replaced.iter().map(ToString::to_string).collect();
                let message = format!("{directive} {what}: rule {id} has no target {}", names.join(","));
                self.warn(
                    span,
                    message,
                    "name a target exactly as the rule does; currently nothing is replaced",
                );
            }
        }
    }

    pub(super) fn update_actions(&mut self, span: Span, rules: &RuleRef, actions: &[Written]) {
        const DIRECTIVE: &str = "SecRuleUpdateActionById";
        let named = Named::Ids(rules.ids.clone());
        let what = named.to_string();
        let offset = rules.chain_offset.unwrap_or(0);
        for index in self.reach(span, DIRECTIVE, named) {
            let draft = &self.drafts[index];
            let (id, phase, links) = (draft.id, draft.phase, draft.links.len());
            if offset as usize >= links {
                self.no_such_link(span, DIRECTIVE, &what, id, offset);
                continue;
            }
            let is_last = offset as usize + 1 == links;
            for action in actions {
                match action {
                    Written::Id(new) if *new != id => {
                        self.error(span, format!("{DIRECTIVE} {what} can't give rule {id} another id"));
                    }
                    Written::Phase(new) if *new != phase => {
                        let message = format!("{DIRECTIVE} {what} can't move rule {id} out of phase {phase}");
                        self.error(span, message);
                    }
                    // ModSecurity 2 requires `chain` again if the rule has it. monban keeps the chain without it.
                    Written::Chain if is_last => {
                        self.error(span, format!("{DIRECTIVE} {what} can't make rule {id} a chain"));
                    }
                    _ => {}
                }
            }
            let link = &mut self.drafts[index].links[offset as usize];
            for given in [is_message, is_logdata] {
                if actions.iter().any(given) {
                    link.actions.retain(|action| !given(action));
                    link.defaults = link.defaults.min(link.actions.len());
                }
            }
            let says =
                |action: &&Written| !matches!(action, Written::Id(_) | Written::Phase(_) | Written::Chain);
            // Transformations follow those of the rule, unless `t:none` precedes them.
            link.actions.extend(actions.iter().filter(says).cloned());
        }
    }

    fn no_such_link(&mut self, span: Span, directive: &str, what: &str, id: u64, offset: u32) {
        let message = format!("{directive} {what}:{offset}: the chain of rule {id} has no link {offset}");
        self.warn(span, message, "links are counted from 0, the rule with the id");
    }

    /// Warns about directives that affected no rule, and names the place of the rule that their author may have meant.
    pub(super) fn tell_missed(&mut self) {
        for Missed { span, directive, named } in std::mem::take(&mut self.missed) {
            let later = self.drafts.iter().find(|draft| named.means(draft));
            let (message, hint) = match later {
                Some(draft) => {
                    let place = draft.links.first().map(|head| head.span);
                    let place = place.map(|at| format!("{}:{}", self.document.file(at.file), at.line));
                    let place = place.unwrap_or_default();
                    (
                        format!("{directive} {named} has no effect: it changes only earlier rules"),
                        format!("move it after rule {} at {place}", draft.id),
                    )
                }
                None => (
                    format!("{directive} {named} has no effect: no such rule exists"),
                    match named {
                        Named::Ids(_) => "check the id, or remove this line",
                        Named::Tag(..) => "check the tag, or remove this line",
                        Named::Message(..) => "check the message, or remove this line",
                    }
                    .to_owned(),
                ),
            };
            self.warn(span, message, hint);
        }
    }

    pub(super) fn warn(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(CompileWarning {
            file: self.document.file(span.file).to_owned(),
            line: span.line,
            message: message.into(),
            hint: hint.into(),
        });
    }
}

fn is_message(action: &Written) -> bool {
    matches!(action, Written::Msg(_))
}

fn is_logdata(action: &Written) -> bool {
    matches!(action, Written::Logdata(_))
}
