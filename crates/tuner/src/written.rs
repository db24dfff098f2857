//! A rule as written in its file.

use seclang::action::Action;
use seclang::ast::{Directive, DirectiveKind, Document};

use crate::rule_files::Disk;

/// A rule as written in its file, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenRule {
    /// The file.
    pub file: String,
    /// First line, from 1.
    pub line: u32,
    /// Last line, with the links of the rule's chain.
    pub end_line: u32,
    /// The text of these lines.
    pub text: Vec<u8>,
    /// The comment lines directly above them.
    pub comment: Vec<u8>,
}

/// Returns the actions of a rule.
pub fn actions(directive: &Directive) -> &[Action] {
    match &directive.kind {
        DirectiveKind::Rule(rule) => &rule.actions,
        DirectiveKind::Action(actions) => actions,
        _ => &[],
    }
}

/// Returns the rule with this id; none if no rule has it.
///
/// # Errors
/// The rule's file cannot be read again.
pub fn find(document: &Document, disk: Disk, id: u64) -> std::io::Result<Option<WrittenRule>> {
    let has_id = |directive: &Directive| {
        actions(directive).iter().any(|action| matches!(action, Action::Id(found) if *found == id))
    };
    let Some(first) = document.directives.iter().position(has_id) else { return Ok(None) };
    let chained = |at: &usize| actions(&document.directives[*at]).iter().any(|a| matches!(a, Action::Chain));
    let mut last = first;
    while chained(&last) && last + 1 < document.directives.len() {
        last += 1;
    }
    let span = document.directives[first].span;
    let (file, end_line) = (document.file(span.file).to_owned(), document.directives[last].span.end_line);
    // the document contains neither comments nor the original form of a rule
    let text = disk.read_file(&file, seclang::limits::FILE_BYTES as u64)?;
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let from = (span.line as usize).saturating_sub(1).min(lines.len());
    let to = (end_line as usize).clamp(from, lines.len());
    let is_comment = |line: &&&[u8]| line.trim_ascii_start().starts_with(b"#");
    let above = lines[..from].iter().rev().take_while(is_comment).count();
    let (text, comment) = (lines[from..to].join(&b'\n'), lines[from - above..from].join(&b'\n'));
    Ok(Some(WrittenRule { file, line: span.line, end_line, text, comment }))
}
