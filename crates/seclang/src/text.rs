//! Writes the tree as rule text. Parsing that text gives the same tree.
//!
//! Rule files are bytes, so the text is bytes. `Display` replaces bytes that are not UTF-8.

use crate::action::{Action, AllowScope, Change, Ctl, Sanitise, SetVar};
use crate::ast::{Directive, DirectiveKind, Document, IdRange, Rule, RuleRef, Selector, Target};
use crate::lexer::is_blank;
use crate::operator::OperatorCall;
use crate::parse::actions::SEVERITIES;
use crate::setting::Setting;
use crate::variable::Variable;
use std::fmt;

impl Document {
    /// Returns all directives, one on each line, without comments and with includes and blocks resolved.
    pub fn to_text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for directive in &self.directives {
            directive.kind.write(&mut out);
            out.push(b'\n');
        }
        out
    }
}

/// Implements `to_text()` and `Display` of a type with its `write`.
macro_rules! text {
    ($($type:ty),*) => { $(
        impl $type {
            /// Returns the rule text, on one line.
            pub fn to_text(&self) -> Vec<u8> {
                let mut out = Vec::new();
                self.write(&mut out);
                out
            }
        }
        /// Writes the rule text, with bytes that are not UTF-8 replaced.
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&String::from_utf8_lossy(&self.to_text()))
            }
        }
    )* };
}
text!(Directive, DirectiveKind, Rule, RuleRef, IdRange, Target, OperatorCall, Action, Ctl, Setting);

impl Directive {
    fn write(&self, out: &mut Vec<u8>) {
        self.kind.write(out);
    }
}

impl DirectiveKind {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            DirectiveKind::Rule(rule) => rule.write(out),
            DirectiveKind::Action(actions) => line(out, "SecAction", &[quoted(&list(actions, b','))]),
            DirectiveKind::Marker(name) => line(out, "SecMarker", &[word(name)]),
            DirectiveKind::DefaultAction(actions) => {
                line(out, "SecDefaultAction", &[quoted(&list(actions, b','))]);
            }
            DirectiveKind::RemoveById(ranges) => {
                let words: Vec<_> = ranges.iter().map(IdRange::to_text).collect();
                line(out, "SecRuleRemoveById", &words);
            }
            DirectiveKind::RemoveByTag(pattern) => {
                line(out, "SecRuleRemoveByTag", &[word(pattern.as_bytes())])
            }
            DirectiveKind::RemoveByMsg(pattern) => {
                line(out, "SecRuleRemoveByMsg", &[word(pattern.as_bytes())])
            }
            DirectiveKind::UpdateTargetById { rules, targets, replaced } => {
                update_target(out, "SecRuleUpdateTargetById", &rules.to_text(), targets, replaced);
            }
            DirectiveKind::UpdateTargetByTag { pattern, targets, replaced } => {
                update_target(out, "SecRuleUpdateTargetByTag", pattern.as_bytes(), targets, replaced);
            }
            DirectiveKind::UpdateTargetByMsg { pattern, targets, replaced } => {
                update_target(out, "SecRuleUpdateTargetByMsg", pattern.as_bytes(), targets, replaced);
            }
            DirectiveKind::UpdateActionById { rules, actions } => {
                let words = [word(&rules.to_text()), quoted(&list(actions, b','))];
                line(out, "SecRuleUpdateActionById", &words);
            }
            DirectiveKind::Setting(setting) => setting.write(out),
        }
    }
}

impl Rule {
    fn write(&self, out: &mut Vec<u8>) {
        let mut words = vec![word(&list(&self.targets, b'|')), quoted(&self.operator.to_text())];
        if !self.actions.is_empty() {
            words.push(quoted(&list(&self.actions, b',')));
        }
        line(out, "SecRule", &words);
    }
}

fn update_target(out: &mut Vec<u8>, name: &str, rules: &[u8], targets: &[Target], replaced: &[Target]) {
    let mut words = vec![word(rules), word(&list(targets, b','))];
    if !replaced.is_empty() {
        words.push(word(&list(replaced, b',')));
    }
    line(out, name, &words);
}

fn line(out: &mut Vec<u8>, name: &str, words: &[Vec<u8>]) {
    out.extend_from_slice(name.as_bytes());
    for word in words {
        out.push(b' ');
        out.extend_from_slice(word);
    }
}

fn list<T: ToText>(members: &[T], separator: u8) -> Vec<u8> {
    members.iter().map(ToText::text).collect::<Vec<_>>().join(&separator)
}

/// An element of a [`list`].
trait ToText {
    fn text(&self) -> Vec<u8>;
}

impl ToText for Target {
    fn text(&self) -> Vec<u8> {
        self.to_text()
    }
}

impl ToText for Action {
    fn text(&self) -> Vec<u8> {
        self.to_text()
    }
}

/// Writes a directive's argument, quoted if necessary.
fn word(text: &[u8]) -> Vec<u8> {
    let bare = !text.is_empty()
        && !matches!(text[0], b'"' | b'\'')
        && !text.iter().any(|&b| is_blank(b) || b == b'\\');
    if bare { text.to_vec() } else { quoted(text) }
}

/// Writes a directive's argument in double quotes. A backslash is doubled only if it would escape the next byte.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for (index, &byte) in text.iter().enumerate() {
        let escaped = match byte {
            b'"' => true,
            b'\\' => matches!(text.get(index + 1), None | Some(b'\\' | b'"')),
            _ => false,
        };
        if escaped {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    out
}

/// Writes a value in a list of actions or targets, in single quotes if necessary.
fn value(text: &[u8]) -> Vec<u8> {
    let bare = |b: &u8| b.is_ascii_alphanumeric() || b"_-.+%{}:;=!@[]()^$?*".contains(b);
    if !text.is_empty() && text.iter().all(bare) {
        return text.to_vec();
    }
    let mut out = vec![b'\''];
    for &byte in text {
        if matches!(byte, b'\'' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'\'');
    out
}

impl IdRange {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.first.to_string().as_bytes());
        if self.last != self.first {
            out.extend_from_slice(format!("-{}", self.last).as_bytes());
        }
    }
}

impl RuleRef {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ids.iter().map(IdRange::to_text).collect::<Vec<_>>().join(&b','));
        if let Some(link) = self.chain_offset {
            out.extend_from_slice(format!(":{link}").as_bytes());
        }
    }
}

impl Target {
    fn write(&self, out: &mut Vec<u8>) {
        if self.excluded {
            out.push(b'!');
        }
        if self.counted {
            out.push(b'&');
        }
        out.extend_from_slice(self.variable.name().as_bytes());
        let part = match &self.selector {
            None => return,
            Some(Selector::Key(key)) => value(key),
            Some(Selector::XPath(path)) => {
                let bare = |&b: &u8| !is_blank(b) && !b"|,'\\".contains(&b);
                if path.bytes().all(|b| bare(&b)) { path.as_bytes().to_vec() } else { value(path.as_bytes()) }
            }
            Some(Selector::Regex(pattern)) => value(format!("/{pattern}/").as_bytes()),
        };
        out.push(b':');
        out.extend_from_slice(&part);
    }
}

impl OperatorCall {
    fn write(&self, out: &mut Vec<u8>) {
        if self.negated {
            out.push(b'!');
        }
        out.push(b'@');
        out.extend_from_slice(self.name.name().as_bytes());
        let argument = self.argument.to_text();
        if !argument.is_empty() {
            out.push(b' ');
            out.extend_from_slice(&argument);
        }
    }
}

impl Action {
    fn write(&self, out: &mut Vec<u8>) {
        let (name, text) = self.name_and_value();
        out.extend_from_slice(name.as_bytes());
        if let Some(text) = text {
            out.push(b':');
            out.extend_from_slice(&value(&text));
        }
    }

    /// Returns the action's name without its value.
    pub fn name(&self) -> &'static str {
        self.name_and_value().0
    }

    fn name_and_value(&self) -> (&'static str, Option<Vec<u8>>) {
        let number = |n: u64| Some(n.to_string().into_bytes());
        match self {
            Action::Id(id) => ("id", number(*id)),
            Action::Phase(phase) => ("phase", number((*phase).into())),
            Action::Msg(text) => ("msg", Some(text.to_text())),
            Action::Logdata(text) => ("logdata", Some(text.to_text())),
            Action::Tag(text) => ("tag", Some(text.to_text())),
            Action::Rev(text) => ("rev", Some(text.clone())),
            Action::Ver(text) => ("ver", Some(text.clone())),
            Action::Severity(severity) => match SEVERITIES.get(usize::from(*severity)) {
                Some(name) => ("severity", Some(name.as_bytes().to_vec())),
                None => ("severity", number((*severity).into())),
            },
            Action::Maturity(n) => ("maturity", number((*n).into())),
            Action::Accuracy(n) => ("accuracy", number((*n).into())),
            Action::Transformation(transformation) => ("t", Some(transformation.name().as_bytes().to_vec())),
            Action::TransformationNone => ("t", Some(b"none".to_vec())),
            Action::Capture => ("capture", None),
            Action::MultiMatch => ("multiMatch", None),
            Action::Chain => ("chain", None),
            Action::Xmlns { prefix, uri } => ("xmlns", Some(format!("{prefix}={uri}").into_bytes())),
            Action::Allow(AllowScope::Transaction) => ("allow", None),
            Action::Allow(AllowScope::Phase) => ("allow", Some(b"phase".to_vec())),
            Action::Allow(AllowScope::Request) => ("allow", Some(b"request".to_vec())),
            Action::Block => ("block", None),
            Action::Deny => ("deny", None),
            Action::Drop => ("drop", None),
            Action::Pass => ("pass", None),
            Action::Proxy(url) => ("proxy", Some(url.to_text())),
            Action::Redirect(url) => ("redirect", Some(url.to_text())),
            Action::Pause(time) => ("pause", Some(time.to_text())),
            Action::Status(status) => ("status", number((*status).into())),
            Action::Skip(count) => ("skip", number((*count).into())),
            Action::SkipAfter(marker) => ("skipAfter", Some(marker.clone())),
            Action::Log => ("log", None),
            Action::NoLog => ("nolog", None),
            Action::AuditLog => ("auditlog", None),
            Action::NoAuditLog => ("noauditlog", None),
            Action::Sanitise { what, name } => {
                let value = Some(name.clone()).filter(|name| !name.is_empty());
                match what {
                    Sanitise::Arg => ("sanitiseArg", value),
                    Sanitise::Matched => ("sanitiseMatched", None),
                    Sanitise::MatchedBytes => ("sanitiseMatchedBytes", value),
                    Sanitise::RequestHeader => ("sanitiseRequestHeader", value),
                    Sanitise::ResponseHeader => ("sanitiseResponseHeader", value),
                }
            }
            Action::SetVar(setvar) => ("setvar", Some(setvar_value(setvar))),
            Action::ExpireVar { collection, key, seconds } => {
                let parts =
                    [collection.to_text(), b".".to_vec(), key.to_text(), b"=".to_vec(), seconds.to_text()];
                ("expirevar", Some(parts.concat()))
            }
            Action::DeprecateVar { collection, key, amount } => {
                let parts =
                    [collection.to_text(), b".".to_vec(), key.to_text(), b"=".to_vec(), amount.to_text()];
                ("deprecatevar", Some(parts.concat()))
            }
            Action::InitCol { collection, key } => {
                ("initcol", Some([lower(*collection), b"=".to_vec(), key.to_text()].concat()))
            }
            Action::SetSid(text) => ("setsid", Some(text.to_text())),
            Action::SetUid(text) => ("setuid", Some(text.to_text())),
            Action::SetRsc(text) => ("setrsc", Some(text.to_text())),
            Action::SetEnv { name, value } => {
                let name = name.to_text();
                let text = match name.first() {
                    Some(b'!') => name,
                    _ => [name, b"=".to_vec(), value.to_text()].concat(),
                };
                ("setenv", Some(text))
            }
            Action::Exec(path) => ("exec", Some(path.clone())),
            Action::Append(text) => ("append", Some(text.to_text())),
            Action::Prepend(text) => ("prepend", Some(text.to_text())),
            Action::Ctl(ctl) => ("ctl", Some(ctl.to_text())),
        }
    }
}

/// Returns a collection's name as in actions.
fn lower(variable: Variable) -> Vec<u8> {
    variable.name().to_ascii_lowercase().into_bytes()
}

fn setvar_value(setvar: &SetVar) -> Vec<u8> {
    let variable = [lower(setvar.collection), b".".to_vec(), setvar.key.to_text()].concat();
    let (sign, value) = match &setvar.change {
        Change::Remove => return [b"!".to_vec(), variable].concat(),
        Change::Set(value) => ("=", value),
        Change::Add(value) => ("=+", value),
        Change::Subtract(value) => ("=-", value),
    };
    [variable, sign.as_bytes().to_vec(), value.to_text()].concat()
}

impl Ctl {
    fn write(&self, out: &mut Vec<u8>) {
        let text = |text: &str| text.as_bytes().to_vec();
        let switch = |on: &bool| if *on { b"On".to_vec() } else { b"Off".to_vec() };
        let targets = |rules: Vec<u8>, target: &Target| [rules, b";".to_vec(), target.to_text()].concat();
        let (name, value) = match self {
            Ctl::AuditEngine(mode) => ("auditEngine", text(mode.name())),
            Ctl::AuditLogParts(parts) => ("auditLogParts", parts.clone()),
            Ctl::DebugLogLevel(level) => ("debugLogLevel", text(&level.to_string())),
            Ctl::ForceRequestBodyVariable(on) => ("forceRequestBodyVariable", switch(on)),
            Ctl::HashEngine(on) => ("hashEngine", switch(on)),
            Ctl::RequestBodyAccess(on) => ("requestBodyAccess", switch(on)),
            Ctl::RequestBodyLimit(bytes) => ("requestBodyLimit", text(&bytes.to_string())),
            Ctl::RequestBodyProcessor(processor) => ("requestBodyProcessor", text(processor.name())),
            Ctl::ResponseBodyAccess(on) => ("responseBodyAccess", switch(on)),
            Ctl::ResponseBodyLimit(bytes) => ("responseBodyLimit", text(&bytes.to_string())),
            Ctl::RuleEngine(mode) => ("ruleEngine", text(mode.name())),
            Ctl::RuleRemoveById(range) => ("ruleRemoveById", range.to_text()),
            Ctl::RuleRemoveByTag(pattern) => ("ruleRemoveByTag", text(pattern)),
            Ctl::RuleRemoveByMsg(pattern) => ("ruleRemoveByMsg", text(pattern)),
            Ctl::RuleRemoveTargetById(range, target) => {
                ("ruleRemoveTargetById", targets(range.to_text(), target))
            }
            Ctl::RuleRemoveTargetByTag(pattern, target) => {
                ("ruleRemoveTargetByTag", targets(text(pattern), target))
            }
            Ctl::RuleRemoveTargetByMsg(pattern, target) => {
                ("ruleRemoveTargetByMsg", targets(text(pattern), target))
            }
        };
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        out.extend_from_slice(&value);
    }
}

impl Setting {
    fn write(&self, out: &mut Vec<u8>) {
        let switch = |on: &bool| if *on { b"On".to_vec() } else { b"Off".to_vec() };
        let (name, words) = match self {
            Setting::RuleEngine(mode) => ("SecRuleEngine", vec![word(mode.name().as_bytes())]),
            Setting::RequestBodyAccess(on) => ("SecRequestBodyAccess", vec![switch(on)]),
            Setting::RequestBodyLimit(n) => ("SecRequestBodyLimit", number(*n)),
            Setting::RequestBodyNoFilesLimit(n) => ("SecRequestBodyNoFilesLimit", number(*n)),
            Setting::RequestBodyInMemoryLimit(n) => ("SecRequestBodyInMemoryLimit", number(*n)),
            Setting::RequestBodyLimitAction(action) => {
                ("SecRequestBodyLimitAction", vec![word(action.name().as_bytes())])
            }
            Setting::RequestBodyJsonDepthLimit(n) => ("SecRequestBodyJsonDepthLimit", number((*n).into())),
            Setting::ArgumentsLimit(n) => ("SecArgumentsLimit", number((*n).into())),
            Setting::ResponseBodyAccess(on) => ("SecResponseBodyAccess", vec![switch(on)]),
            Setting::ResponseBodyLimit(n) => ("SecResponseBodyLimit", number(*n)),
            Setting::ResponseBodyLimitAction(action) => {
                ("SecResponseBodyLimitAction", vec![word(action.name().as_bytes())])
            }
            Setting::ResponseBodyMimeType(types) => {
                ("SecResponseBodyMimeType", types.iter().map(|t| word(t.as_bytes())).collect())
            }
            Setting::ResponseBodyMimeTypesClear => ("SecResponseBodyMimeTypesClear", Vec::new()),
            Setting::AuditEngine(mode) => ("SecAuditEngine", vec![word(mode.name().as_bytes())]),
            Setting::AuditLogParts(parts) => ("SecAuditLogParts", vec![word(parts.as_bytes())]),
            Setting::AuditLogRelevantStatus(pattern) => {
                ("SecAuditLogRelevantStatus", vec![word(pattern.as_bytes())])
            }
            Setting::AuditLogType(kind) => ("SecAuditLogType", vec![word(kind.name().as_bytes())]),
            Setting::AuditLogFormat(format) => ("SecAuditLogFormat", vec![word(format.name().as_bytes())]),
            Setting::AuditLogStorageDir(folder) => ("SecAuditLogStorageDir", vec![word(folder.as_bytes())]),
            Setting::ArgumentSeparator(byte) => ("SecArgumentSeparator", vec![word(&[*byte])]),
            Setting::CookieFormat(format) => ("SecCookieFormat", number((*format).into())),
            Setting::CookieV0Separator(byte) => ("SecCookieV0Separator", vec![word(&[*byte])]),
            Setting::UnicodeMapFile { file, code_page } => {
                let mut words = vec![word(file.as_bytes())];
                words.extend(code_page.map(|page| page.to_string().into_bytes()));
                ("SecUnicodeMapFile", words)
            }
            Setting::PcreMatchLimit(n) => ("SecPcreMatchLimit", number((*n).into())),
            Setting::PcreMatchLimitRecursion(n) => ("SecPcreMatchLimitRecursion", number((*n).into())),
            Setting::CollectionTimeout(n) => ("SecCollectionTimeout", number((*n).into())),
            Setting::WebAppId(text) => ("SecWebAppId", vec![word(text)]),
            Setting::GeoLookupDb(file) => ("SecGeoLookupDB", vec![word(file.as_bytes())]),
            Setting::HttpBlKey(key) => ("SecHttpBlKey", vec![word(key.as_bytes())]),
            Setting::UploadFileLimit(n) => ("SecUploadFileLimit", number((*n).into())),
            Setting::Ignored { name, value } => (name.as_str(), vec![word(value.as_bytes())]),
        };
        line(out, name, &words);
    }
}

fn number(n: u64) -> Vec<Vec<u8>> {
    vec![n.to_string().into_bytes()]
}
