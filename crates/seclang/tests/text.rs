//! Parsing the written text gives the same tree, for all of CRS and for generated directives.

use crate::crs::{DEBIAN_LOAD, RECOMMENDED, crs};
use seclang::action::{Action, AllowScope, BodyProcessor, Change, Ctl, Sanitise, SetVar};
use seclang::ast::{DirectiveKind, Document, IdRange, Rule, RuleRef, Selector, Target};
use seclang::operator::{OperatorCall, OperatorName};
use seclang::parse_str;
use seclang::setting::{AuditEngine, AuditLogFormat, AuditLogType, LimitAction, RuleEngine, Setting};
use seclang::template::Template;
use seclang::transformation::Transformation;
use seclang::variable::Variable;

fn kinds(document: &Document) -> Vec<&DirectiveKind> {
    document.directives.iter().map(|directive| &directive.kind).collect()
}

#[test]
fn crs_and_back() {
    let document = crs(&[RECOMMENDED, DEBIAN_LOAD]);
    assert!(document.directives.len() > 850, "{}", document.directives.len());
    let text = document.to_text();
    let again = match parse_str("again", &text) {
        Ok(again) => again,
        Err(errors) => panic!("{}", errors[0]),
    };
    assert_eq!(again.directives.len(), document.directives.len());
    for (before, after) in document.directives.iter().zip(&again.directives) {
        assert_eq!(before.kind, after.kind, "{}", document.file(before.span.file));
    }
    assert_eq!(text, again.to_text());
}

/// Pseudo-random numbers that are the same in every run (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }

    fn of<T: Clone>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize].clone()
    }

    /// Returns some bytes, special ones more often. They are never empty and have no blanks at the ends, because not every place
    /// keeps those.
    fn bytes(&mut self) -> Vec<u8> {
        const DANGEROUS: &[&[u8]] = &[
            b"\\",
            b"\\\\",
            b"'",
            b"\"",
            b"\\'",
            b"\\\"",
            b",",
            b"|",
            b":",
            b"/",
            b"!",
            b"&",
            b"@",
            b"%{",
            b"}",
            b"%{tx.a}",
            b"%{rule.id}",
            b" ",
            b"\t",
            b"#",
            b"<",
            b">",
            b"\x80",
            b"\xff",
            b"\r",
            b"\x01",
            b"+",
            b"-",
        ];
        let mut out = vec![self.of(b"abz09_/'\"\\%#")];
        for _ in 0..self.below(12) {
            if self.coin() {
                out.extend_from_slice(self.of(DANGEROUS));
            } else {
                out.push(self.of(b"abcxyzABC0189_"));
            }
        }
        out.push(self.of(b"abz09_/'\"\\}"));
        out
    }

    fn string(&mut self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    fn template(&mut self) -> Template {
        Template::parse(&self.bytes())
    }

    /// Returns a text without certain bytes, for places where these separate.
    fn without(&mut self, unwanted: &[u8]) -> Template {
        let bytes: Vec<u8> = self.bytes().into_iter().filter(|b| !unwanted.contains(b)).collect();
        Template::parse(format!("k{}", String::from_utf8_lossy(&bytes).trim_end()).as_bytes())
    }

    fn range(&mut self) -> IdRange {
        let first = self.below(1_000_000);
        IdRange { first, last: if self.coin() { first } else { first + self.below(50) } }
    }

    fn target(&mut self) -> Target {
        let variable = self.of(Variable::ALL);
        let excluded = self.below(3) == 0;
        let selector = match (variable.is_collection() && self.coin(), variable) {
            (false, _) => None,
            (true, Variable::Xml) => Some(Selector::XPath(self.string())),
            (true, _) if self.coin() => Some(Selector::Regex(self.string())),
            (true, _) => {
                let key = self.bytes();
                // Such a key is a pattern by definition.
                let pattern = key.len() > 2 && key.starts_with(b"/") && key.ends_with(b"/");
                Some(Selector::Key(if pattern { key[1..].to_vec() } else { key }))
            }
        };
        Target { excluded, counted: !excluded && variable.is_collection() && self.coin(), variable, selector }
    }

    fn targets(&mut self) -> Vec<Target> {
        (0..=self.below(4)).map(|_| self.target()).collect()
    }

    fn operator(&mut self) -> OperatorCall {
        let mut name = self.of(OperatorName::ALL);
        while name.refused().is_some() {
            name = self.of(OperatorName::ALL);
        }
        let argument = match name {
            _ if name.compares_numbers() => Template::literal(self.below(1000).to_string()),
            OperatorName::Rx | OperatorName::RxGlobal => Template::parse_pattern(&self.bytes()),
            _ => self.template(),
        };
        OperatorCall { negated: self.coin(), name, argument }
    }

    fn pattern_without_semicolon(&mut self) -> String {
        self.string().replace(';', "")
    }

    fn ctl(&mut self) -> Ctl {
        match self.below(17) {
            0 => Ctl::AuditEngine(self.of(AuditEngine::ALL)),
            1 => Ctl::AuditLogParts(self.of(&[b"+E".to_vec(), b"-CF".to_vec(), b"ABZ".to_vec()])),
            2 => Ctl::DebugLogLevel(self.below(10) as u8),
            3 => Ctl::ForceRequestBodyVariable(self.coin()),
            4 => Ctl::HashEngine(self.coin()),
            5 => Ctl::RequestBodyAccess(self.coin()),
            6 => Ctl::RequestBodyLimit(1 + self.below(1 << 30)),
            7 => Ctl::RequestBodyProcessor(self.of(BodyProcessor::ALL)),
            8 => Ctl::ResponseBodyAccess(self.coin()),
            9 => Ctl::ResponseBodyLimit(1 + self.below(1 << 30)),
            10 => Ctl::RuleEngine(self.of(RuleEngine::ALL)),
            11 => Ctl::RuleRemoveById(self.range()),
            12 => Ctl::RuleRemoveByTag(self.string()),
            13 => Ctl::RuleRemoveByMsg(self.string()),
            14 => Ctl::RuleRemoveTargetById(self.range(), self.target()),
            15 => Ctl::RuleRemoveTargetByTag(self.pattern_without_semicolon(), self.target()),
            _ => Ctl::RuleRemoveTargetByMsg(self.pattern_without_semicolon(), self.target()),
        }
    }

    fn change(&mut self) -> Change {
        match self.below(4) {
            0 => Change::Set(self.template()),
            1 => Change::Add(self.template()),
            2 => Change::Subtract(self.template()),
            _ => Change::Remove,
        }
    }

    /// Returns an action that is allowed in a link of a chain.
    fn link_action(&mut self) -> Action {
        let collections = [Variable::Tx, Variable::Ip, Variable::Session, Variable::Global];
        match self.below(26) {
            0 => Action::Tag(self.template()),
            1 => Action::Transformation(self.of(Transformation::ALL)),
            2 => Action::TransformationNone,
            3 => Action::Capture,
            4 => Action::MultiMatch,
            5 => Action::Xmlns { prefix: "p".to_owned(), uri: self.string() },
            6 => Action::Status(100 + self.below(500) as u16),
            7 => Action::Log,
            8 => Action::NoLog,
            9 => Action::AuditLog,
            10 => Action::NoAuditLog,
            11 => Action::Sanitise { what: Sanitise::Matched, name: Vec::new() },
            12 => Action::Sanitise {
                what: Sanitise::MatchedBytes,
                name: self.of(&[Vec::new(), b"1/4".to_vec()]),
            },
            13 => Action::Sanitise { what: Sanitise::Arg, name: self.bytes() },
            14 => Action::Sanitise { what: Sanitise::RequestHeader, name: self.bytes() },
            15 => Action::Sanitise { what: Sanitise::ResponseHeader, name: self.bytes() },
            16 | 17 => Action::SetVar(SetVar {
                collection: self.of(&collections),
                key: self.without(b"="),
                change: self.change(),
            }),
            18 => Action::ExpireVar {
                collection: self.of(&[Template::parse(b"ip"), Template::parse(b"%{tx.c}")]),
                key: self.without(b"="),
                seconds: self.of(&[Template::parse(b"60"), Template::parse(b"%{tx.s}")]),
            },
            19 => Action::DeprecateVar {
                collection: Template::parse(b"session"),
                key: self.without(b"="),
                amount: Template::parse(b"60/300"),
            },
            20 => Action::InitCol { collection: Variable::Ip, key: self.template() },
            21 => match self.below(3) {
                0 => Action::SetSid(self.template()),
                1 => Action::SetUid(self.template()),
                _ => Action::SetRsc(self.template()),
            },
            22 => Action::SetEnv { name: self.without(b"=!"), value: self.template() },
            23 => Action::Exec(self.bytes()),
            24 => match self.coin() {
                true => Action::Append(self.template()),
                false => Action::Prepend(self.template()),
            },
            _ => Action::Ctl(self.ctl()),
        }
    }

    fn head_action(&mut self) -> Action {
        match self.below(21) {
            0 => Action::Msg(self.template()),
            1 => Action::Logdata(self.template()),
            2 => Action::Rev(self.bytes()),
            3 => Action::Ver(self.bytes()),
            4 => Action::Severity(self.below(8) as u8),
            5 => Action::Maturity(self.below(10) as u8),
            6 => Action::Accuracy(self.below(10) as u8),
            7 => Action::Allow(self.of(&[AllowScope::Transaction, AllowScope::Phase, AllowScope::Request])),
            8 => Action::Block,
            9 => Action::Deny,
            10 => Action::Drop,
            11 => Action::Pass,
            12 => Action::Proxy(self.template()),
            13 => Action::Redirect(self.template()),
            14 => Action::Pause(Template::literal("250")),
            15 => Action::Skip(1 + self.below(9) as u32),
            16 => Action::SkipAfter(self.bytes()),
            17 => Action::Phase(1 + self.below(5) as u8),
            _ => self.link_action(),
        }
    }

    fn setting(&mut self) -> Setting {
        let number = 1 + self.below((1 << 30) - 1);
        match self.below(32) {
            0 => Setting::RuleEngine(self.of(RuleEngine::ALL)),
            1 => Setting::RequestBodyAccess(self.coin()),
            2 => Setting::RequestBodyLimit(number),
            3 => Setting::RequestBodyNoFilesLimit(number),
            4 => Setting::RequestBodyInMemoryLimit(number),
            5 => Setting::RequestBodyLimitAction(self.of(LimitAction::ALL)),
            6 => Setting::RequestBodyJsonDepthLimit(1 + self.below(10_000) as u32),
            7 => Setting::ArgumentsLimit(1 + number as u32),
            8 => Setting::ResponseBodyAccess(self.coin()),
            9 => Setting::ResponseBodyLimit(number),
            10 => Setting::ResponseBodyLimitAction(self.of(LimitAction::ALL)),
            11 => Setting::ResponseBodyMimeType((0..=self.below(3)).map(|_| self.string()).collect()),
            12 => Setting::ResponseBodyMimeTypesClear,
            13 => Setting::AuditEngine(self.of(AuditEngine::ALL)),
            14 => Setting::AuditLogParts("ABIJDEFHZ".to_owned()),
            15 => Setting::AuditLogRelevantStatus(self.string()),
            16 => Setting::AuditLogType(self.of(AuditLogType::ALL)),
            17 => Setting::AuditLogFormat(self.of(AuditLogFormat::ALL)),
            18 => Setting::AuditLogStorageDir(self.string()),
            19 => Setting::ArgumentSeparator(self.of(b"&;|\"'\\ #")),
            20 => Setting::CookieFormat(self.below(2) as u8),
            21 => Setting::CookieV0Separator(self.of(b";,\"'\\ ")),
            22 => Setting::UnicodeMapFile { file: self.string(), code_page: self.of(&[None, Some(20127)]) },
            23 => Setting::PcreMatchLimit(1 + number as u32),
            24 => Setting::PcreMatchLimitRecursion(1 + number as u32),
            25 => Setting::CollectionTimeout((number % 2_592_001) as u32),
            26 => Setting::WebAppId(self.bytes()),
            27 => Setting::GeoLookupDb(self.string()),
            28 => Setting::HttpBlKey(self.string()),
            29 => Setting::UploadFileLimit(number as u32),
            30 => Setting::Ignored { name: "SecDataDir".to_owned(), value: self.string() },
            _ => Setting::Ignored { name: "SecStatusEngine".to_owned(), value: "Off".to_owned() },
        }
    }

    fn rule_ref(&mut self) -> RuleRef {
        let ids = (0..=self.below(3)).map(|_| self.range()).collect();
        RuleRef { ids, chain_offset: if self.coin() { None } else { Some(self.below(5) as u32) } }
    }

    fn replaced(&mut self) -> Vec<Target> {
        if self.coin() { Vec::new() } else { self.targets() }
    }

    /// Adds one directive, or a whole chain.
    fn directives(&mut self, id: u64, out: &mut Vec<DirectiveKind>) {
        match self.below(14) {
            0 => out.push(DirectiveKind::Marker(self.bytes())),
            1 => {
                let mut actions = vec![Action::Phase(2), Action::Deny];
                actions.extend((0..self.below(3)).map(|_| self.link_action()));
                actions.retain(|action| action.name() != "tag");
                out.push(DirectiveKind::DefaultAction(actions));
            }
            2 => out.push(DirectiveKind::RemoveById((0..=self.below(4)).map(|_| self.range()).collect())),
            3 => out.push(DirectiveKind::RemoveByTag(self.string())),
            4 => out.push(DirectiveKind::RemoveByMsg(self.string())),
            5 => out.push(DirectiveKind::UpdateTargetById {
                rules: self.rule_ref(),
                targets: self.targets(),
                replaced: self.replaced(),
            }),
            6 => out.push(DirectiveKind::UpdateTargetByTag {
                pattern: self.string(),
                targets: self.targets(),
                replaced: self.replaced(),
            }),
            7 => out.push(DirectiveKind::UpdateTargetByMsg {
                pattern: self.string(),
                targets: self.targets(),
                replaced: self.replaced(),
            }),
            8 => {
                let actions = (0..=self.below(4)).map(|_| self.link_action()).collect();
                out.push(DirectiveKind::UpdateActionById { rules: self.rule_ref(), actions });
            }
            9 | 10 => out.push(DirectiveKind::Setting(self.setting())),
            _ => {
                let links = self.below(3);
                for link in 0..=links {
                    let mut actions: Vec<Action> = match link {
                        0 => (0..self.below(6)).map(|_| self.head_action()).collect(),
                        _ => (0..self.below(4)).map(|_| self.link_action()).collect(),
                    };
                    if link == 0 {
                        actions.push(Action::Id(id));
                    }
                    if link < links {
                        actions.push(Action::Chain);
                    }
                    out.push(if self.below(4) == 0 && !actions.is_empty() {
                        DirectiveKind::Action(actions)
                    } else {
                        DirectiveKind::Rule(Rule {
                            targets: self.targets(),
                            operator: self.operator(),
                            actions,
                        })
                    });
                }
            }
        }
    }
}

#[test]
fn generated_directives_and_back() {
    let mut numbers = Numbers(2);
    let mut seen = 0;
    for round in 0..20_000 {
        let mut wanted = Vec::new();
        numbers.directives(round + 1, &mut wanted);
        let text = wanted.iter().map(DirectiveKind::to_text).collect::<Vec<_>>().join(&b'\n');
        let shown = String::from_utf8_lossy(&text);
        match parse_str("t", &text) {
            Ok(document) => {
                assert_eq!(kinds(&document), wanted.iter().collect::<Vec<_>>(), "{shown}");
                assert_eq!(document.to_text(), [text.as_slice(), b"\n"].concat(), "{shown}");
            }
            Err(errors) => panic!("{}\n{shown}", errors[0]),
        }
        seen += wanted.len();
    }
    assert!(seen > 24_000, "{seen}");
}
