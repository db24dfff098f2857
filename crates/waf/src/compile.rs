//! Compiles the syntax tree to a [`RuleSet`]. It applies defaults, updates and removals in the order of the directives; then it
//! compiles each remaining rule. It reports all errors together.

#![expect(clippy::cast_possible_truncation, reason = "rules have fewer than 2^32 steps")]

use std::collections::HashMap;

use seclang::action::Action as Written;
use seclang::ast::{Directive, DirectiveKind, Document, Target as WrittenTarget};
use seclang::operator::{OperatorCall, OperatorName};
use seclang::setting::Setting;
use seclang::span::Span;

use crate::limits::CHAINS;
use crate::needs::Needs;
use crate::operators::{DataFiles, GeoDatabase, Pattern, PatternLimits};
use crate::plan;
use crate::rule::{RuleIndex, Skip, Step};
use crate::ruleset::{CompileWarning, RuleSet};
use crate::settings::Settings;
use crate::target::means;
use crate::transformations::UnicodeMap;

mod actions;
mod empty;
mod lookup;
mod rule;
mod updates;

use updates::{Missed, Named};

/// An error that prevents a rule set from loading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError {
    /// The file, as named or found.
    pub file: String,
    /// The first line of the directive.
    pub line: u32,
    /// The error.
    pub message: String,
}

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl std::error::Error for CompileError {}

/// A chain that later directives may still change.
struct Draft {
    id: u64,
    phase: u8,
    links: Vec<DraftLink>,
    removed: bool,
}

struct DraftLink {
    span: Span,
    targets: Vec<WrittenTarget>,
    /// The operator; none for SecAction.
    operator: Option<OperatorCall>,
    /// The default actions of its phase, then its own actions.
    actions: Vec<Written>,
    /// Number of defaults among `actions`.
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
    /// The phase of rules that name no phase: that of the last SecDefaultAction.
    default_phase: u8,
    /// Whether the previous rule expects a link.
    in_chain: bool,
    errors: Vec<CompileError>,
    missed: Vec<Missed>,
    warnings: Vec<CompileWarning>,
}

impl RuleSet {
    /// Compiles a loaded document. `files` returns the contents of `.data` files and of the Unicode map.
    pub fn compile(document: &Document, files: &dyn DataFiles) -> Result<RuleSet, Vec<CompileError>> {
        let mut compiler = Compiler {
            document,
            settings: Settings::default(),
            drafts: Vec::new(),
            places: Vec::new(),
            defaults: std::array::from_fn(|_| vec![Written::Log, Written::AuditLog, Written::Pass]),
            default_phase: 2,
            in_chain: false,
            errors: Vec::new(),
            missed: Vec::new(),
            warnings: Vec::new(),
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
                self.default_phase = phase;
                self.defaults[phase as usize - 1] =
                    actions.iter().filter(|a| !matches!(a, Written::Phase(_))).cloned().collect();
            }
            DirectiveKind::RemoveById(ranges) => {
                for range in ranges {
                    self.remove(span, "SecRuleRemoveById", Named::Ids(vec![*range]));
                }
            }
            DirectiveKind::RemoveByTag(pattern) => match Named::by_tag(pattern) {
                Ok(named) => self.remove(span, "SecRuleRemoveByTag", named),
                Err(message) => self.error(span, message),
            },
            DirectiveKind::RemoveByMsg(pattern) => match Named::by_message(pattern) {
                Ok(named) => self.remove(span, "SecRuleRemoveByMsg", named),
                Err(message) => self.error(span, message),
            },
            DirectiveKind::UpdateTargetById { rules, targets, replaced } => {
                let named = (Named::Ids(rules.ids.clone()), rules.chain_offset);
                self.update_targets(span, "SecRuleUpdateTargetById", named, targets, replaced);
            }
            DirectiveKind::UpdateTargetByTag { pattern, targets, replaced } => match Named::by_tag(pattern) {
                Ok(named) => {
                    let named = (named, None);
                    self.update_targets(span, "SecRuleUpdateTargetByTag", named, targets, replaced);
                }
                Err(message) => self.error(span, message),
            },
            DirectiveKind::UpdateTargetByMsg { pattern, targets, replaced } => {
                match Named::by_message(pattern) {
                    Ok(named) => {
                        let named = (named, None);
                        self.update_targets(span, "SecRuleUpdateTargetByMsg", named, targets, replaced);
                    }
                    Err(message) => self.error(span, message),
                }
            }
            DirectiveKind::UpdateActionById { rules, actions } => self.update_actions(span, rules, actions),
            DirectiveKind::Setting(setting) => {
                if let Err(message) = self.settings.apply(setting) {
                    self.error(span, message);
                }
            }
        }
    }

    /// Adds a SecRule or SecAction, as the head of a chain or as its next link.
    fn add_link(
        &mut self,
        span: Span,
        targets: Vec<WrittenTarget>,
        operator: Option<OperatorCall>,
        own: &[Written],
    ) {
        let continues = self.in_chain;
        let head_phase = self.drafts.last().map_or(2, |draft| draft.phase);
        let phase = if continues { head_phase } else { phase_of(own).unwrap_or(self.default_phase) };
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

    fn finish(mut self, files: &dyn DataFiles) -> Result<RuleSet, Vec<CompileError>> {
        if self.in_chain
            && let Some(span) = self.drafts.last().and_then(|draft| draft.links.last()).map(|link| link.span)
        {
            self.error(span, "the rule ends with chain, but no rule follows");
        }
        self.tell_missed();
        self.tell_empty();
        let unicode_map = self.unicode_map(files);
        let geo = self.geo_database(files);
        let limits = PatternLimits {
            match_limit: self.settings.pcre_match_limit,
            depth_limit: self.settings.pcre_depth_limit.unwrap_or(self.settings.pcre_match_limit),
        };
        let mut rules = RuleSet {
            settings: self.settings.clone(),
            phases: Default::default(),
            rules: Vec::new(),
            chains: Default::default(),
            names: Default::default(),
            paths: Default::default(),
            plan: Default::default(),
            needs: Default::default(),
            files: self.document.files.clone(),
            unicode_map,
            geo,
            by_id: HashMap::new(),
            spares: Default::default(),
            warnings: Vec::new(),
            sanitised: Vec::new(),
        };
        rules.names.intern_captures();

        // Gives each draft its rule number, then lists the steps of each phase and the positions of markers.
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
                        let Draft { id, phase, .. } = self.drafts[*draft];
                        let (steps, markers) =
                            (&mut rules.phases[phase as usize - 1], &mut markers[phase as usize - 1]);
                        steps.push(Step::Rule(index, crate::rule::Place::Plain));
                        // `skipAfter` may also name a rule.
                        markers.entry(id.to_string().into_bytes()).or_default().push(steps.len() as u32);
                    }
                }
            }
        }

        let lookup = lookup::Lookup::new(&self.drafts, &index_of);
        let mut errors = Vec::new();
        for draft in self.drafts.iter().filter(|draft| !draft.removed) {
            let compiled =
                rule::compile(draft, &mut rules, &lookup, self.document, files, &limits, &mut errors);
            rules.rules.push(compiled);
        }
        self.errors.append(&mut errors);
        let last = self.drafts.last().and_then(|draft| draft.links.first()).map(|link| link.span);
        if let Some(span) = last.filter(|_| rules.chains.len() > CHAINS) {
            self.error(span, format!("more than {CHAINS} chains of transformations in all rules"));
        }
        self.resolve_skips(&mut rules, &markers);
        if !self.errors.is_empty() {
            return Err(self.errors);
        }
        rules.note_sanitised();
        for target in
            rules.rules.iter_mut().flat_map(|rule| &mut rule.links).flat_map(|link| &mut link.targets)
        {
            target.learn(&rules.names);
        }
        rules.needs = Needs::of(&rules.rules);
        rules.plan = plan::make(&mut rules.rules, &mut rules.phases, &rules.chains, &rules.files);
        let place = |file: &str| self.document.files.iter().position(|known| known == file);
        self.warnings.sort_by_cached_key(|warning| (place(&warning.file), warning.line));
        rules.warnings = self.warnings;
        Ok(rules)
    }

    /// Resolves `skipAfter:MARKER` to the step after the next such marker of the phase.
    fn resolve_skips(&mut self, rules: &mut RuleSet, markers: &[HashMap<Vec<u8>, Vec<u32>>; 5]) {
        let kept = self.drafts.iter().filter(|draft| !draft.removed);
        let wanted: Vec<_> =
            kept.map(|draft| Some((draft.links.first()?.span, draft.skip_after()?))).collect();
        let mut lost = Vec::new();
        for (steps, markers) in rules.phases.iter().zip(markers) {
            for (at, step) in (0u32..).zip(steps) {
                let Step::Rule(index, _) = *step else { continue };
                if let Some((span, name)) = wanted[index as usize] {
                    let places = markers.get(&name.to_ascii_lowercase()).map_or(&[][..], Vec::as_slice);
                    // A rule's own position is the step after it.
                    let to = places.iter().find(|&&place| place > at + 1).copied();
                    if to.is_none() {
                        lost.push((span, String::from_utf8_lossy(name).into_owned()));
                    }
                    rules.rules[index as usize].skip = Skip::To(to.unwrap_or(steps.len() as u32));
                }
            }
        }
        for (span, name) in lost {
            let message = format!(
                "skipAfter:{name} skips the rest of the phase, because no such marker or rule follows it"
            );
            self.warn(span, message, format!("write `SecMarker {name}` before the rule to continue with"));
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

impl Compiler<'_> {
    /// Returns the database of the last SecGeoLookupDB, which overrides earlier ones.
    fn geo_database(&mut self, files: &dyn DataFiles) -> Option<GeoDatabase> {
        let names = |directive: &&Directive| {
            matches!(&directive.kind, DirectiveKind::Setting(Setting::GeoLookupDb(_)))
        };
        let directive = self.document.directives.iter().rev().find(names);
        let Some(directive) = directive else {
            self.tell_lookups_without_database();
            return None;
        };
        let DirectiveKind::Setting(Setting::GeoLookupDb(name)) = &directive.kind else { return None };
        let bytes = files.read(name, self.document.file(directive.span.file));
        let database =
            bytes.and_then(|bytes| GeoDatabase::new(name, bytes).map_err(|error| format!("{name}: {error}")));
        database.map_err(|message| self.error(directive.span, format!("SecGeoLookupDB: {message}"))).ok()
    }

    /// Warns about rules that always look up an address. The Core Rule Set has one such rule, which depends on a setting of
    /// countries.
    fn tell_lookups_without_database(&mut self) {
        let heads = self.drafts.iter().filter(|draft| !draft.removed).filter_map(|draft| draft.links.first());
        let lookups = heads
            .filter(|head| head.operator.as_ref().is_some_and(|call| call.name == OperatorName::GeoLookup));
        let spans: Vec<Span> = lookups.map(|head| head.span).collect();
        for span in spans {
            let hint = "name a MaxMind database (.mmdb) with SecGeoLookupDB";
            self.warn(span, "@geoLookup finds nothing without a database", hint);
        }
    }
}

impl Draft {
    fn actions(&self) -> impl Iterator<Item = &Written> {
        self.links.first().into_iter().flat_map(|link| &link.actions)
    }

    fn has_tag(&self, pattern: &Pattern) -> bool {
        self.actions().any(|a| matches!(a, Written::Tag(tag) if means(pattern, &tag.to_text())))
    }

    fn has_message(&self, pattern: &Pattern) -> bool {
        self.actions().any(|a| matches!(a, Written::Msg(msg) if means(pattern, &msg.to_text())))
    }

    fn skip_after(&self) -> Option<&Vec<u8>> {
        self.actions().filter_map(|a| if let Written::SkipAfter(name) = a { Some(name) } else { None }).last()
    }
}

impl DraftLink {
    /// Returns the prefixes that the xmlns actions of a link declare for its XPath expressions.
    fn namespaces(&self) -> Vec<(String, String)> {
        let declared = self.actions.iter().filter_map(|action| match action {
            Written::Xmlns { prefix, uri } => Some((prefix.clone(), uri.clone())),
            _ => None,
        });
        declared.collect()
    }
}

fn phase_of(actions: &[Written]) -> Option<u8> {
    actions.iter().rev().find_map(|a| if let Written::Phase(phase) = a { Some(*phase) } else { None })
}

/// The index that stands for a removed rule.
type DraftIndex = Option<RuleIndex>;
