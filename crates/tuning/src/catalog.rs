//! Facts about the loaded rules that an exclusion needs.

use std::collections::HashMap;

use event::ByteString;
use seclang::action::Action;
use seclang::ast::{DirectiveKind, Document, Target};

use crate::exclusion::variable_of;
use crate::refused::Refused;

/// The rules of a document by their ids.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    rules: HashMap<u64, Facts>,
}

#[derive(Clone, Debug)]
struct Facts {
    message: String,
    /// Targets of the first link.
    targets: Vec<Target>,
    is_chain: bool,
}

impl Catalog {
    /// Collects the rules of a document.
    pub fn new(document: &Document) -> Self {
        let mut rules = HashMap::new();
        for directive in &document.directives {
            let (actions, targets) = match &directive.kind {
                DirectiveKind::Rule(rule) => (&rule.actions, rule.targets.clone()),
                DirectiveKind::Action(actions) => (actions, Vec::new()),
                _ => continue,
            };
            let id = actions.iter().find_map(|a| if let Action::Id(id) = a { Some(*id) } else { None });
            let Some(id) = id else { continue };
            let message = actions.iter().find_map(|action| match action {
                Action::Msg(text) => Some(String::from_utf8_lossy(&text.to_text()).into_owned()),
                _ => None,
            });
            let is_chain = actions.contains(&Action::Chain);
            rules.insert(id, Facts { message: message.unwrap_or_default(), targets, is_chain });
        }
        Self { rules }
    }

    /// Whether a rule has this id.
    pub fn contains(&self, id: u64) -> bool {
        self.rules.contains_key(&id)
    }

    /// Returns the rule's message with macros unexpanded; empty if the rule has none or does not exist.
    pub fn message(&self, id: u64) -> &str {
        self.rules.get(&id).map_or("", |facts| &facts.message)
    }

    /// Checks that excluding a variable has an effect: ModSecurity applies the exclusion only to the first link of a chain.
    ///
    /// # Errors
    /// [`Refused::Variable`] if the first link does not read the variable. A rule that is not loaded (another sensor's) is
    /// assumed to read the variable that it matched on.
    pub fn check(&self, rule: u64, variable: &ByteString) -> Result<(), Refused> {
        let Some(facts) = self.rules.get(&rule).filter(|facts| facts.is_chain) else { return Ok(()) };
        let (known, _) = variable_of(variable);
        let looks = facts
            .targets
            .iter()
            .any(|target| Some(target.variable) == known && !target.counted && !target.excluded);
        if looks {
            return Ok(());
        }
        let why = format!(
            "rule {rule} is a chain whose first link does not read it, and ModSecurity applies exclusions only to the first link"
        );
        Err(Refused::Variable { variable: variable.clone(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_link_of_a_chain_decides() {
        let text = "SecRule ARGS|!ARGS_NAMES|&FILES \"@rx a\" \"id:1,phase:2,pass,msg:'one %{tx.a}',chain\"\n\
            SecRule REQUEST_COOKIES \"@rx a\"\nSecRule ARGS \"@rx a\" \"id:2,phase:2,pass\"\nSecAction \"id:3,pass\"";
        let catalog = Catalog::new(&seclang::parse_str("t", text).unwrap());
        assert!(catalog.contains(3) && !catalog.contains(4));
        assert_eq!((catalog.message(1), catalog.message(2), catalog.message(4)), ("one %{tx.a}", "", ""));
        for (rule, variable, fits) in [
            (1, "ARGS:x", true),
            (1, "args:x", true),
            (1, "ARGS_NAMES:x", false),
            (1, "FILES:x", false),
            (1, "REQUEST_COOKIES:x", false),
            (2, "REQUEST_COOKIES:x", true),
            (4, "REQUEST_COOKIES:x", true),
        ] {
            assert_eq!(catalog.check(rule, &variable.into()).is_ok(), fits, "{rule} {variable}");
        }
    }
}
