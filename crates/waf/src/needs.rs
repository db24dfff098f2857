//! Parts of a transaction that are kept only if some rule reads them.

use seclang::variable::Variable;

use crate::expression::{Expression, Piece};
use crate::rule::{Action, Change, Disruptive, Key, Link, Rule};

/// Parts that some rule reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// FILES_TMP_CONTENT: the contents of files in a multipart body.
    pub(crate) file_contents: bool,
    /// FULL_REQUEST: the request's body as it arrived, whatever its type.
    pub(crate) full_request: bool,
    /// Values of a request's body, or the body itself, after phase 2.
    pub(crate) request_body_late: bool,
    /// The response's body in phase 5.
    pub(crate) response_body_late: bool,
}

impl Needs {
    /// Returns the parts that these rules read.
    pub(crate) fn of(rules: &[Rule]) -> Needs {
        let mut needs = Needs::default();
        for rule in rules {
            each_variable(rule, &mut |variable| needs.note(variable, rule.phase));
            // The values to hide are searched for in the arguments at the end.
            let mut actions = rule.links.iter().flat_map(|link| &link.actions);
            needs.request_body_late |= actions.any(|action| matches!(action, Action::Sanitise { .. }));
        }
        needs
    }

    fn note(&mut self, variable: Variable, phase: u8) {
        use Variable as V;
        self.file_contents |= variable == V::FilesTmpContent;
        self.full_request |= variable == V::FullRequest;
        self.request_body_late |= phase > 2 && comes_from_body(variable);
        self.response_body_late |= phase == 5 && variable == V::ResponseBody;
    }
}

/// Whether the variable's values are parts of a request's body or derived from it.
fn comes_from_body(variable: Variable) -> bool {
    use Variable as V;
    matches!(
        variable,
        V::Args
            | V::ArgsCombinedSize
            | V::ArgsNames
            | V::ArgsPost
            | V::ArgsPostNames
            | V::Files
            | V::FilesCombinedSize
            | V::FilesNames
            | V::FilesSizes
            | V::FilesTmpContent
            | V::FullRequest
            | V::FullRequestLength
            | V::MultipartFilename
            | V::MultipartName
            | V::MultipartPartHeaders
            | V::RequestBody
            | V::Xml
    )
}

/// Calls `note` with every variable in a rule's targets and macros.
fn each_variable(rule: &Rule, note: &mut impl FnMut(Variable)) {
    let meta = &rule.meta;
    let texts = meta.message.iter().chain(&meta.logdata).chain(&meta.tags).chain(&rule.pause);
    texts.for_each(|text| in_macros(text, note));
    if let Disruptive::Redirect(to) = &rule.disruptive {
        in_macros(to, note);
    }
    for Link { targets, test, actions, .. } in &rule.links {
        targets.iter().for_each(|target| note(target.variable));
        if let Some(argument) = test.as_ref().and_then(|test| test.argument.as_ref()) {
            in_macros(argument, note);
        }
        actions.iter().for_each(|action| in_action(action, note));
    }
}

fn in_action(action: &Action, note: &mut impl FnMut(Variable)) {
    match action {
        Action::SetVar { key, change, .. } => {
            if let Key::Dynamic(key) = key {
                in_macros(key, note);
            }
            match change {
                Change::Set(value) | Change::Add(value) | Change::Subtract(value) => in_macros(value, note),
                Change::Remove => {}
            }
        }
        Action::ExpireVar { key, seconds, .. } => {
            in_macros(key, note);
            in_macros(seconds, note);
        }
        Action::DeprecateVar { key, .. } | Action::InitCol { key, .. } => in_macros(key, note),
        Action::SetSession(text) | Action::SetUser(text) | Action::SetResource(text) => in_macros(text, note),
        Action::SetEnv { name, value } => {
            in_macros(name, note);
            in_macros(value, note);
        }
        Action::SetTx { .. } | Action::Sanitise { .. } | Action::Ctl(_) => {}
    }
}

fn in_macros(text: &Expression, note: &mut impl FnMut(Variable)) {
    for piece in &text.parts {
        if let Piece::Variable { variable, .. } = piece {
            note(*variable);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleSet;

    fn needs(rules: &str) -> Needs {
        let document = seclang::load::parse_str("t.conf", rules).unwrap();
        RuleSet::compile(&document, &crate::operators::NoFiles).unwrap().needs
    }

    #[test]
    fn c15_needs_are_found_in_targets_and_macros() {
        let late = |rules| needs(rules).request_body_late;
        assert_eq!(needs("SecRule ARGS|FILES|FILES_SIZES \"@rx x\" \"id:1,phase:2\""), Needs::default());
        assert!(needs("SecRule FILES_TMP_CONTENT \"@rx x\" \"id:1,phase:2\"").file_contents);
        assert!(needs("SecRule FULL_REQUEST \"@rx x\" \"id:1,phase:2\"").full_request);
        assert!(needs("SecRule TX:a \"@rx x\" \"id:1,phase:2,setvar:'tx.b=%{FULL_REQUEST}'\"").full_request);
        assert!(late("SecRule ARGS \"@rx x\" \"id:1,phase:3\""));
        assert!(late("SecRule TX:a \"@rx x\" \"id:1,phase:5,msg:'%{ARGS.a}'\""));
        assert!(late("SecRule TX:a \"@streq %{REQUEST_BODY}\" \"id:1,phase:4\""));
        assert!(late("SecAction \"id:1,phase:4,chain\"\nSecRule XML:/* \"@rx x\""));
        assert!(late("SecAction \"id:1,phase:5,setvar:'ip.%{ARGS_NAMES}=1'\""));
        assert!(!late("SecRule RESPONSE_BODY|ARGS_GET|REQUEST_HEADERS \"@rx x\" \"id:1,phase:4\""));
        assert!(needs("SecRule RESPONSE_BODY \"@rx x\" \"id:1,phase:5\"").response_body_late);
        assert!(!needs("SecRule RESPONSE_BODY \"@rx x\" \"id:1,phase:4\"").response_body_late);
    }
}
