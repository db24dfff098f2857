//! From the syntax tree to a [`RuleSet`]: defaults, updates and removals are applied in the order of the directives,
//! then each rule that is left is compiled. All errors are reported together.

use std::collections::HashMap;

use seclang::action::Action as Written;
use seclang::ast::{Directive, DirectiveKind, Document, RuleRef, Target as WrittenTarget};
use seclang::operator::OperatorCall;
use seclang::setting::Setting;
use seclang::span::Span;

use crate::operators::{DataFiles, PatternLimits};
use crate::plan;
use crate::ruleset::{RuleIndex, RuleSet, Skip, Step};
use crate::settings::Settings;
use crate::target::key_pattern;
use crate::transformations::UnicodeMap;

mod actions;
mod rule;

/// Why a rule set can't be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// The file as it was named or found.
    pub file: String,
    /// The line that the directive starts on.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for CompileError {}

/// A chain while updates may still change it.
struct Draft {
    id: u64,
    phase: u8,
    links: Vec<DraftLink>,
    removed: bool,
}

struct DraftLink {
    span: Span,
    targets: Vec<WrittenTarget>,
    /// `None`: SecAction.
    operator: Option<OperatorCall>,
    /// The default actions of its phase and its own.
    actions: Vec<Written>,
    /// How many of `actions` are defaults.
    defaults: usize,
}

enum Place {
    Rule(usize),
    Marker(Vec<u8>),
}

/// The state of a compilation.
struct Compiler<'a> {
    document: &'a Document,
    settings: Settings,
    drafts: Vec<Draft>,
    places: Vec<Place>,
    defaults: [Vec<Written>; 5],
    /// Whether the rule before expects a link.
    in_chain: bool,
    errors: Vec<CompileError>,
}

impl RuleSet {
    /// Compiles a loaded document. `files` gives the contents of `.data` files and of the unicode map.
    pub fn compile(document: &Document, files: &dyn DataFiles) -> Result<RuleSet, Vec<CompileError>> {
        let mut compiler = Compiler {
            document,
            settings: Settings::default(),
            drafts: Vec::new(),
            places: Vec::new(),
            defaults: std::array::from_fn(|_| vec![Written::Log, Written::AuditLog, Written::Pass]),
            in_chain: false,
            errors: Vec::new(),
        };
        for directive in &document.directives {
            compiler.take(directive);
        }
        compiler.finish(files)
    }
}

impl Compiler<'_> {
    fn error(&mut self, span: Span, message: impl Into<String>) {
        let file = self.document.file(span.file).to_owned();
        self.errors.push(CompileError { file, line: span.line, message: message.into() });
    }

    fn take(&mut self, directive: &Directive) {
        let span = directive.span;
        match &directive.kind {
            DirectiveKind::Rule(rule) => {
                self.add_link(span, rule.targets.clone(), Some(rule.operator.clone()), &rule.actions);
            }
            DirectiveKind::Action(actions) => self.add_link(span, Vec::new(), None, actions),
            DirectiveKind::Marker(name) => self.places.push(Place::Marker(name.clone())),
            DirectiveKind::DefaultAction(actions) => {
                let phase = phase_of(actions).unwrap_or(2);
                self.defaults[phase as usize - 1] =
                    actions.iter().filter(|a| !matches!(a, Written::Phase(_))).cloned().collect();
            }
            DirectiveKind::RemoveById(ranges) => {
                self.remove(|draft| draft.id != 0 && ranges.iter().any(|range| range.contains(draft.id)));
            }
            DirectiveKind::RemoveByTag(pattern) => match key_pattern(pattern) {
                Ok(pattern) => self.remove(|draft| draft.has_tag(&pattern)),
                Err(message) => self.error(span, message),
            },
            DirectiveKind::RemoveByMsg(pattern) => match key_pattern(pattern) {
                Ok(pattern) => self.remove(|draft| draft.has_message(&pattern)),
                Err(message) => self.error(span, message),
            },
            DirectiveKind::UpdateTargetById { rules, targets, replaced } => {
                self.update_targets(|draft| rules.means(draft.id), rules.chain_offset, targets, replaced);
            }
            DirectiveKind::UpdateTargetByTag { pattern, targets, replaced } => match key_pattern(pattern) {
                Ok(pattern) => self.update_targets(|draft| draft.has_tag(&pattern), None, targets, replaced),
                Err(message) => self.error(span, message),
            },
            DirectiveKind::UpdateTargetByMsg { pattern, targets, replaced } => match key_pattern(pattern) {
                Ok(pattern) => {
                    self.update_targets(|draft| draft.has_message(&pattern), None, targets, replaced)
                }
                Err(message) => self.error(span, message),
            },
            DirectiveKind::UpdateActionById { rules, actions } => self.update_actions(span, rules, actions),
            DirectiveKind::Setting(setting) => {
                if let Err(message) = self.settings.apply(setting) {
                    self.error(span, message);
                }
            }
        }
    }

    /// Takes a SecRule or SecAction, as the head of a chain or its next link.
    fn add_link(
        &mut self,
        span: Span,
        targets: Vec<WrittenTarget>,
        operator: Option<OperatorCall>,
        own: &[Written],
    ) {
        let continues = self.in_chain;
        let head_phase = self.drafts.last().map_or(2, |draft| draft.phase);
        let phase = if continues { head_phase } else { phase_of(own).unwrap_or(2) };
        let defaults = &self.defaults[phase as usize - 1];
        let actions: Vec<Written> = defaults.iter().chain(own).cloned().collect();
        let link = DraftLink { span, targets, operator, actions, defaults: defaults.len() };
        match self.drafts.last_mut() {
            Some(head) if continues => head.links.push(link),
            _ => {
                let id = own.iter().find_map(|a| if let Written::Id(id) = a { Some(*id) } else { None });
                self.places.push(Place::Rule(self.drafts.len()));
                self.drafts.push(Draft { id: id.unwrap_or(0), phase, links: vec![link], removed: false });
            }
        }
        self.in_chain = own.contains(&Written::Chain);
    }

    fn remove(&mut self, means: impl Fn(&Draft) -> bool) {
        for draft in self.drafts.iter_mut().filter(|draft| means(draft)) {
            draft.removed = true;
        }
    }

    fn update_targets(
        &mut self,
        means: impl Fn(&Draft) -> bool,
        offset: Option<u32>,
        targets: &[WrittenTarget],
        replaced: &[WrittenTarget],
    ) {
        for draft in self.drafts.iter_mut().filter(|draft| means(draft)) {
            if let Some(link) = draft.links.get_mut(offset.unwrap_or(0) as usize) {
                link.targets.retain(|target| !replaced.contains(target));
                link.targets.extend(targets.iter().filter(|t| !replaced.is_empty() || !t.excluded).cloned());
                if replaced.is_empty() {
                    link.targets.extend(targets.iter().filter(|t| t.excluded).cloned());
                }
            }
        }
    }

    fn update_actions(&mut self, span: Span, rules: &RuleRef, actions: &[Written]) {
        if actions.iter().any(|a| matches!(a, Written::Id(_) | Written::Phase(_) | Written::Chain)) {
            self.error(span, "SecRuleUpdateActionById can't change id, phase or chain");
            return;
        }
        for draft in self.drafts.iter_mut().filter(|draft| rules.means(draft.id)) {
            if let Some(link) = draft.links.get_mut(rules.chain_offset.unwrap_or(0) as usize) {
                // Transformations given replace those the rule had; everything else is added and the last one counts.
                if actions.iter().any(is_transformation) {
                    link.actions.retain(|a| !is_transformation(a));
                    link.defaults = link.defaults.min(link.actions.len());
                }
                if actions.iter().any(|a| matches!(a, Written::Msg(_))) {
                    link.actions.retain(|a| !matches!(a, Written::Msg(_)));
                }
                if actions.iter().any(|a| matches!(a, Written::Logdata(_))) {
                    link.actions.retain(|a| !matches!(a, Written::Logdata(_)));
                }
                link.actions.extend(actions.iter().cloned());
            }
        }
    }

    fn finish(mut self, files: &dyn DataFiles) -> Result<RuleSet, Vec<CompileError>> {
        if self.in_chain
            && let Some(span) = self.drafts.last().and_then(|draft| draft.links.last()).map(|link| link.span)
        {
            self.error(span, "the rule ends with chain, but no rule follows");
        }
        let unicode_map = self.unicode_map(files);
        let limits =
            PatternLimits { match_limit: self.settings.pcre_match_limit, ..PatternLimits::default() };
        let mut rules = RuleSet {
            settings: self.settings.clone(),
            phases: Default::default(),
            rules: Vec::new(),
            chains: Default::default(),
            names: Default::default(),
            paths: Default::default(),
            plan: Default::default(),
            files: self.document.files.clone(),
            unicode_map,
            by_id: HashMap::new(),
            spares: Default::default(),
        };
        rules.names.intern_captures();

        // Which rule each draft becomes; then the steps of each phase, in which markers have their places.
        let mut index_of = vec![None; self.drafts.len()];
        let kept = self.drafts.iter().zip(&mut index_of).filter(|(draft, _)| !draft.removed);
        for (number, (draft, index)) in (0..).zip(kept) {
            *index = Some(number);
            if draft.id != 0 {
                rules.by_id.insert(draft.id, number);
            }
        }
        let index_of = index_of;
        let mut markers: [HashMap<Vec<u8>, Vec<u32>>; 5] = Default::default();
        for place in &self.places {
            match place {
                Place::Marker(name) => {
                    for (steps, markers) in rules.phases.iter_mut().zip(&mut markers) {
                        steps.push(Step::Marker);
                        markers.entry(name.to_ascii_lowercase()).or_default().push(steps.len() as u32);
                    }
                }
                Place::Rule(draft) => {
                    if let Some(index) = index_of[*draft] {
                        rules.phases[self.drafts[*draft].phase as usize - 1]
                            .push(Step::Rule(index, plan::Place::Plain));
                    }
                }
            }
        }

        let lookup = rule::Lookup::new(&self.drafts, &index_of);
        let mut errors = Vec::new();
        for draft in self.drafts.iter().filter(|draft| !draft.removed) {
            let compiled =
                rule::compile(draft, &mut rules, &lookup, self.document, files, &limits, &mut errors);
            rules.rules.push(compiled);
        }
        self.errors.append(&mut errors);
        self.resolve_skips(&mut rules, &markers);
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        for target in
            rules.rules.iter_mut().flat_map(|rule| &mut rule.links).flat_map(|link| &mut link.targets)
        {
            target.learn(&rules.names);
        }
        rules.plan = plan::make(&mut rules.rules, &mut rules.phases, &rules.chains, &rules.files);
        Ok(rules)
    }

    /// Turns `skipAfter:MARKER` into the step behind the next such marker of the phase.
    fn resolve_skips(&self, rules: &mut RuleSet, markers: &[HashMap<Vec<u8>, Vec<u32>>; 5]) {
        let kept = self.drafts.iter().filter(|draft| !draft.removed);
        let wanted: Vec<Option<&Vec<u8>>> = kept.map(Draft::skip_after).collect();
        for (steps, markers) in rules.phases.iter().zip(markers) {
            for (at, step) in (0u32..).zip(steps) {
                let Step::Rule(index, _) = *step else { continue };
                if let Some(name) = wanted[index as usize] {
                    let places = markers.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
                    let to = places.iter().find(|&&place| place > at).copied().unwrap_or(steps.len() as u32);
                    rules.rules[index as usize].skip = Skip::To(to);
                }
            }
        }
    }

    fn unicode_map(&mut self, files: &dyn DataFiles) -> Option<UnicodeMap> {
        let (name, code_page) = self.settings.unicode_map.clone()?;
        let sets_map =
            |d: &&Directive| matches!(&d.kind, DirectiveKind::Setting(Setting::UnicodeMapFile { .. }));
        let span = self.document.directives.iter().rev().find(sets_map)?.span;
        let text = files.read(&name, self.document.file(span.file));
        let map = text
            .and_then(|text| UnicodeMap::parse(&text, code_page).map_err(|error| format!("{name}: {error}")));
        map.map_err(|message| self.error(span, message)).ok()
    }
}

impl Draft {
    fn actions(&self) -> impl Iterator<Item = &Written> {
        self.links.first().into_iter().flat_map(|link| &link.actions)
    }

    fn has_tag(&self, pattern: &regex::bytes::Regex) -> bool {
        self.actions().any(|a| matches!(a, Written::Tag(tag) if pattern.is_match(&tag.to_text())))
    }

    fn has_message(&self, pattern: &regex::bytes::Regex) -> bool {
        self.actions().any(|a| matches!(a, Written::Msg(msg) if pattern.is_match(&msg.to_text())))
    }

    fn skip_after(&self) -> Option<&Vec<u8>> {
        self.actions().filter_map(|a| if let Written::SkipAfter(name) = a { Some(name) } else { None }).last()
    }
}

impl DraftLink {
    /// The prefixes that its xmlns actions declare for its XPath expressions.
    fn namespaces(&self) -> Vec<(String, String)> {
        let declared = self.actions.iter().filter_map(|action| match action {
            Written::Xmlns { prefix, uri } => Some((prefix.clone(), uri.clone())),
            _ => None,
        });
        declared.collect()
    }
}

/// Whether a reference means the rule with that id.
trait Means {
    fn means(&self, id: u64) -> bool;
}

impl Means for RuleRef {
    fn means(&self, id: u64) -> bool {
        id != 0 && self.ids.iter().any(|range| range.contains(id))
    }
}

fn phase_of(actions: &[Written]) -> Option<u8> {
    actions.iter().rev().find_map(|a| if let Written::Phase(phase) = a { Some(*phase) } else { None })
}

fn is_transformation(action: &Written) -> bool {
    matches!(action, Written::Transformation(_) | Written::TransformationNone)
}

/// The index a removed rule never gets.
type DraftIndex = Option<RuleIndex>;
