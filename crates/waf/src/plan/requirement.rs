//! Conditions that a value must meet for an operator to match. They are necessary, never sufficient.

#![expect(clippy::cast_possible_wrap, reason = "the length is at most LONGEST")]

use regex_syntax::hir::{Class, Hir, HirKind};

use super::byte_set::ByteSet;
use crate::operators::{Kind, Operator};

/// Length of the shortest literal in a scan. Shorter ones occur too often to help, except pairs of punctuation marks.
pub(super) const SHORTEST: usize = 2;
/// Length of the part of a literal that the scan finds.
pub(super) const LONGEST: usize = 8;
/// Number of sets that one requirement may have.
pub(super) const LAYERS: usize = 3;
/// Most literals of one alternative during its construction.
const MOST_LITERALS: usize = 250;

/// A necessary condition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Requirement {
    /// One of these occurs, ignoring ASCII case, or one of `or_bytes`. They are in lower case and have 2 to 8 bytes.
    pub(crate) literals: Option<Vec<Vec<u8>>>,
    /// Substitutes for a literal: alternatives that are one punctuation mark, or contain one.
    pub(crate) or_bytes: ByteSet,
    /// A byte of each of these sets occurs.
    pub(crate) sets: Vec<ByteSet>,
}

/// Returns the condition of an operator; none if it has no useful condition.
pub(crate) fn of(operator: &Operator) -> Option<Requirement> {
    let sets = |set: ByteSet| Some(Requirement { sets: vec![set], ..Requirement::default() });
    match operator.kind() {
        Kind::Rx(rx) => Some(of_pattern(&rx.pattern()?.hir()?)),
        Kind::Pm(pm) => {
            let phrases: Vec<Vec<u8>> = pm.phrases().iter().map(|phrase| fold(phrase)).collect();
            if phrases.iter().any(Vec::is_empty) {
                return None;
            }
            if phrases.iter().all(|phrase| worth(phrase) > 0) {
                return Some(of_literals(phrases, Vec::new()));
            }
            let firsts =
                phrases.iter().map(|phrase| rarest(phrase, true)).fold(ByteSet::EMPTY, ByteSet::union);
            sets(firsts)
        }
        Kind::Contains(text) | Kind::ContainsWord(text) | Kind::BeginsWith(text) | Kind::EndsWith(text) => {
            Some(of_text(text.as_written()))
        }
        Kind::StrEq(text) => Some(of_text(text.as_written())),
        Kind::StrMatch(text) => Some(of_text(text.needle())),
        Kind::ValidateByteRange(range) => {
            let allowed = range.allowed();
            sets(ByteSet::where_(|b| !allowed[b as usize]))
        }
        Kind::ValidateUrlEncoding => sets(ByteSet::of(b"%")),
        Kind::ValidateUtf8Encoding => sets(ByteSet::where_(|b| b >= 0x80)),
        // A single word or number is no injection; a test in `injection` proves this.
        Kind::DetectSqli => sets(ByteSet::where_(|b| !b.is_ascii_alphanumeric() && b != b'_')),
        // A tag needs `<`, and an attribute with a value needs `=`.
        Kind::DetectXss => sets(ByteSet::of(b"<=")),
        _ => None,
    }
}

fn of_text(text: &[u8]) -> Requirement {
    if text.is_empty() {
        Requirement::default()
    } else if worth(text) > 0 {
        of_literals(vec![fold(text)], Vec::new())
    } else {
        Requirement { sets: vec![rarest(text, false)], ..Requirement::default() }
    }
}

fn of_pattern(hir: &Hir) -> Requirement {
    let found = literals(hir);
    let candidates = [found.exact, found.required].into_iter().flatten();
    let literals = candidates.filter(|set| score(set) > 0).max_by_key(score);
    let mut sets = byte_sets(hir);
    sets.sort_by_key(|set| weight(*set));
    sets.truncate(LAYERS);
    match literals {
        Some(literals) => of_literals(literals, sets),
        None => Requirement { sets, ..Requirement::default() },
    }
}

/// Requires one of `literals`. A byte represents each literal that is too short for the scan.
fn of_literals(literals: Set, sets: Vec<ByteSet>) -> Requirement {
    let (scanned, short): (Set, Set) = literals.into_iter().partition(|literal| is_scanned(literal));
    let or_bytes = short.iter().fold(ByteSet::EMPTY, |set, literal| set.union(rarest(literal, true)));
    Requirement { literals: Some(shorten(scanned)), or_bytes, sets }
}

/// Whether the scan can find a literal: it has at least three bytes, or two punctuation marks.
fn is_scanned(literal: &[u8]) -> bool {
    literal.len() > SHORTEST || literal.len() == SHORTEST && literal.iter().all(|&b| is_sign(b))
}

/// Whether this byte is rare in ordinary text.
fn is_rare(byte: u8) -> bool {
    weight(ByteSet::of(&[byte])) <= 2
}

fn is_sign(byte: u8) -> bool {
    !byte.is_ascii_alphanumeric() && byte != b' ' && byte < 0x80
}

/// Rates how selective a literal is; 0 if it is not selective.
fn worth(literal: &[u8]) -> i64 {
    match literal.len().min(LONGEST) {
        0 => 0,
        _ if is_scanned(literal) => literal.len().clamp(3, LONGEST) as i64,
        _ => i64::from(literal.iter().any(|&b| is_rare(b))) * 2,
    }
}

/// Converts to ASCII lower case.
fn fold(text: &[u8]) -> Vec<u8> {
    text.to_ascii_lowercase()
}

fn shortest(set: &Set) -> usize {
    set.iter().map(Vec::len).min().unwrap_or(0)
}

/// Cuts literals to [`LONGEST`] bytes, and drops those that contain another one, because that one occurs with them.
fn shorten(mut set: Set) -> Set {
    for literal in &mut set {
        literal.truncate(LONGEST);
    }
    set.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let mut kept: Set = Vec::new();
    for literal in set {
        if !kept.iter().any(|known| literal.windows(known.len()).any(|part| part == known)) {
            kept.push(literal);
        }
    }
    kept.sort();
    kept
}

/// Returns the byte of a text that is rarest in ordinary values, in both cases if `folded`.
fn rarest(text: &[u8], folded: bool) -> ByteSet {
    let byte = text.iter().copied().min_by_key(|&b| weight(ByteSet::of(&[b]))).unwrap_or(0);
    if folded {
        ByteSet::of(&[byte.to_ascii_lowercase(), byte.to_ascii_uppercase()])
    } else {
        ByteSet::of(&[byte])
    }
}

/// Rates how frequent the bytes of the set are in ordinary values, on a scale that separates letters from punctuation.
fn weight(set: ByteSet) -> u32 {
    set.iter()
        .map(|byte| match byte {
            b'a'..=b'z' => 10,
            b'0'..=b'9' => 6,
            b'A'..=b'Z' | b' ' | b'.' | b'/' | b'-' | b'_' | b',' | b':' => 4,
            b'=' | b'"' | b';' | b'(' | b')' => 2,
            _ => 1,
        })
        .sum()
}

/// Alternative literals. One of them occurs.
type Set = Vec<Vec<u8>>;

/// Texts that an expression matches, in lower case.
#[derive(Debug, Clone, Default)]
struct Literals {
    /// All of the texts, if they are few.
    exact: Option<Set>,
    /// Literals, one of which is in each text.
    required: Option<Set>,
}

impl Literals {
    fn best(&self) -> Option<&Set> {
        [&self.exact, &self.required]
            .into_iter()
            .flatten()
            .filter(|set| shortest(set) > 0)
            .max_by_key(|set| (score(set), shortest(set)))
    }
}

/// Rates literals: longer is better up to [`LONGEST`], fewer is better, and the rating is at most 0 if some literal is not
/// selective.
fn score(set: &Set) -> i64 {
    match set.iter().map(|literal| worth(literal)).min() {
        None | Some(0) => 0,
        Some(worth) => (worth * 64 - i64::from(set.len().ilog2()) * 12).max(1),
    }
}

fn literals(hir: &Hir) -> Literals {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Literals { exact: Some(vec![Vec::new()]), required: None },
        HirKind::Literal(literal) => Literals { exact: Some(vec![fold(&literal.0)]), required: None },
        HirKind::Class(class) => Literals { exact: small_class(class), required: None },
        HirKind::Capture(capture) => literals(&capture.sub),
        HirKind::Repetition(repetition) => {
            let sub = literals(&repetition.sub);
            match (repetition.min, repetition.max) {
                (1, Some(1)) => sub,
                (0, Some(1)) => {
                    let exact = sub.exact.map(|mut set| {
                        set.push(Vec::new());
                        set
                    });
                    Literals { exact, required: None }
                }
                (0, _) => Literals::default(),
                (min, max) => {
                    let exact = (max == Some(min) && min <= 4)
                        .then(|| {
                            (0..min).try_fold(vec![Vec::new()], |all, _| join(&all, sub.exact.as_ref()?))
                        })
                        .flatten();
                    Literals { exact, required: sub.best().cloned() }
                }
            }
        }
        HirKind::Alternation(branches) => {
            let branches: Vec<Literals> = branches.iter().map(literals).collect();
            let exact = branches.iter().try_fold(Vec::new(), |mut all, branch| {
                all.extend(branch.exact.as_ref()?.iter().cloned());
                (all.len() <= MOST_LITERALS).then_some(all)
            });
            let required = branches.iter().try_fold(Vec::new(), |mut all, branch| {
                all.extend(branch.best()?.iter().cloned());
                (all.len() <= MOST_LITERALS * 4).then_some(all)
            });
            Literals { exact, required }
        }
        HirKind::Concat(parts) => concat(parts),
    }
}

/// Joins neighbours whose texts are all known, while the result stays small. Requires the best run or the best part.
fn concat(parts: &[Hir]) -> Literals {
    let start = || vec![Vec::new()];
    let mut all_exact = true;
    let mut run: Set = start();
    let mut best: Option<Set> = None;
    let mut offer = |set: Set| {
        let rank = |set: &Set| (score(set), shortest(set));
        if shortest(&set) > 0 && best.as_ref().is_none_or(|known| rank(&set) > rank(known)) {
            best = Some(set);
        }
    };
    for part in parts {
        let found = literals(part);
        if let Some(required) = found.required {
            offer(required);
        }
        match found.exact {
            Some(exact) => match join(&run, &exact) {
                Some(joined) => run = joined,
                None => {
                    all_exact = false;
                    offer(std::mem::replace(&mut run, exact));
                }
            },
            None => {
                all_exact = false;
                offer(std::mem::replace(&mut run, start()));
            }
        }
    }
    if all_exact {
        return Literals { exact: Some(run), required: best };
    }
    offer(run);
    Literals { exact: None, required: best }
}

/// Returns every text of one set followed by every text of another; none if they are too many or too long.
fn join(first: &Set, second: &Set) -> Option<Set> {
    if first.len() * second.len() > MOST_LITERALS || first.iter().any(|text| text.len() > 64) {
        return None;
    }
    let mut joined: Set =
        first.iter().flat_map(|a| second.iter().map(move |b| [&a[..], &b[..]].concat())).collect();
    joined.sort();
    joined.dedup();
    Some(joined)
}

fn small_class(class: &Class) -> Option<Set> {
    let set = class_bytes(class)?;
    let mut folded: Vec<u8> = set.iter().map(|b| b.to_ascii_lowercase()).collect();
    folded.sort_unstable();
    folded.dedup();
    (folded.len() <= 10).then(|| folded.into_iter().map(|b| vec![b]).collect())
}

/// Returns the bytes of a class; none for classes of characters beyond ASCII.
fn class_bytes(class: &Class) -> Option<ByteSet> {
    match class {
        Class::Bytes(class) => {
            Some(ByteSet::where_(|b| class.ranges().iter().any(|r| (r.start()..=r.end()).contains(&b))))
        }
        Class::Unicode(class) => {
            let ascii = class.ranges().iter().all(|range| range.end().is_ascii());
            ascii.then(|| {
                ByteSet::where_(|b| {
                    class.ranges().iter().any(|r| (r.start()..=r.end()).contains(&char::from(b)))
                })
            })
        }
    }
}

/// Returns sets such that every matching text contains a byte from each.
fn byte_sets(hir: &Hir) -> Vec<ByteSet> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Vec::new(),
        HirKind::Literal(literal) => literal.0.iter().map(|&b| ByteSet::of(&[b])).collect(),
        HirKind::Class(class) => class_bytes(class).into_iter().collect(),
        HirKind::Capture(capture) => byte_sets(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => byte_sets(&repetition.sub),
        HirKind::Repetition(_) => Vec::new(),
        HirKind::Concat(parts) => {
            let mut sets: Vec<ByteSet> = parts.iter().flat_map(byte_sets).collect();
            sets.sort_by_key(|set| weight(*set));
            sets.dedup();
            sets.truncate(LAYERS);
            sets
        }
        HirKind::Alternation(branches) => {
            let lightest = |branch: &Hir| byte_sets(branch).into_iter().min_by_key(|set| weight(*set));
            let union = branches
                .iter()
                .try_fold(ByteSet::EMPTY, |all, branch| lightest(branch).map(|set| all.union(set)));
            union.into_iter().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operators::pattern::translate;

    fn requirement(pattern: &str) -> Requirement {
        of_pattern(&translate(pattern.as_bytes()).unwrap())
    }

    fn texts(pattern: &str) -> Vec<String> {
        let set = requirement(pattern).literals.unwrap_or_default();
        set.into_iter().map(|l| String::from_utf8(l).unwrap()).collect()
    }

    #[test]
    fn literals_that_every_match_holds() {
        for (pattern, expected) in [
            (r"(?i)<script[^>]*>[\s\S]*?", &["<script"][..]),
            (r"(?i)(?:union|select)\s+x", &["select", "union"]),
            (r"^(?:ab|cd)ef$", &["abef", "cdef"]),
            (r"x*y", &[]),
            (r"(?:foo)?barr", &["barr"]),
            (r"(?:abc){2}", &["abcabc"]),
            (r"(?:abc)+d*", &["abc"]),
            (r"[0-9]+\.php[3457]?", &[".php"]),
            (r"verylongliteral", &["verylong"]),
            (r"(?:abcd|[^x])", &[]),
            (r"(?:^|[\\/])\.\.(?:[\\/]|$)", &[".."]),
            (r#"(?:union|["']x)"#, &["union"]),
        ] {
            assert_eq!(texts(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn bytes_that_every_match_holds() {
        assert_eq!(requirement(r"[\n\r]").sets, [ByteSet::of(b"\n\r")]);
        assert_eq!(requirement(r"(?:^|[^\\])\\[cdegh]").sets[0], ByteSet::of(b"\\"));
        assert_eq!(requirement(r"(?:a|b;)").sets, [ByteSet::of(b"a;")]);
        assert_eq!(requirement(r#"(?:union|["']x)"#).or_bytes, ByteSet::of(b"\"'"));
        assert!(requirement(r"a*").sets.is_empty());
    }
}
