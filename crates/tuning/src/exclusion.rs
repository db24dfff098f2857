//! Exclusions, which stop a rule from reading a parameter of some requests, and their rule text.

use event::ByteString;
use seclang::variable::Variable;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::pattern;
use crate::refused::Refused;
use crate::site::Sites;

/// An exclusion of a whole rule, or of one variable from a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// The rule's id.
    pub rule: u64,
    /// A site's name, or a host; none for all sites.
    #[serde(default)]
    pub site: Option<String>,
    /// The path as clients send it, without a query; none for all paths.
    #[serde(default)]
    pub path: Option<ByteString>,
    /// Whether `path` is the whole path or a prefix.
    #[serde(default)]
    pub path_match: PathMatch,
    /// The variable that the rule no longer reads, with its name in events: `ARGS:comment`, `REQUEST_HEADERS:Referer`,
    /// `REQUEST_URI`. None means that the rule does not run at all.
    #[serde(default)]
    pub parameter: Option<ByteString>,
}

/// The way to compare a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum PathMatch {
    /// The whole path is equal.
    #[default]
    Exact,
    /// The path begins with it.
    Prefix,
}

/// Returns the reason why the rule with this id must not be excluded, by the numbering of the Core Rule Set's files.
pub fn is_blocking(rule: u64) -> Option<&'static str> {
    match rule {
        900_000..=901_999 => Some("sets the scores up"),
        949_000..=949_999 => Some("blocks by the request's score"),
        959_000..=959_999 => Some("blocks by the response's score"),
        980_000..=980_999 => Some("reports the scores"),
        _ => None,
    }
}

impl Exclusion {
    /// Whether it covers everything that `other` covers, judged by comparing names.
    pub fn covers(&self, other: &Self) -> bool {
        let path = match (&self.path, &other.path) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(path)) => match (self.path_match, other.path_match) {
                (PathMatch::Exact, PathMatch::Prefix) => false,
                (PathMatch::Exact, PathMatch::Exact) => own == path,
                (PathMatch::Prefix, _) => path.as_bytes().starts_with(own.as_bytes()),
            },
        };
        self.rule == other.rule
            && path
            && (self.site.is_none() || self.site == other.site)
            && (self.parameter.is_none() || self.parameter == other.parameter)
    }

    /// Checks that the exclusion is allowed.
    ///
    /// # Errors
    /// The reasons in [`Refused`].
    pub fn check(&self, sites: &Sites) -> Result<(), Refused> {
        self.to_seclang(limits::FIRST_ID, sites).map(|_| ())
    }

    /// Returns a rule of phase 1 with this id that applies the exclusion, as ASCII text that ModSecurity 2 and libmodsecurity 3
    /// can also read. It must be loaded before the excluded rule.
    ///
    /// # Errors
    /// The reasons in [`Refused`].
    pub fn to_seclang(&self, id: u64, sites: &Sites) -> Result<String, Refused> {
        if let Some(why) = is_blocking(self.rule) {
            return Err(Refused::Blocking { rule: self.rule, why });
        }
        match self.rule {
            0 => return Err(Refused::NoId),
            limits::FIRST_ID..=limits::LAST_ID => return Err(Refused::Own(self.rule)),
            _ => {}
        }
        let rule = self.rule;
        let control = match &self.parameter {
            None => format!("ctl:ruleRemoveById={rule}"),
            Some(variable) => targets(variable)?
                .iter()
                .map(|target| format!("ctl:ruleRemoveTargetById={rule};{target}"))
                .collect::<Vec<_>>()
                .join(","),
        };
        let mut conditions = Vec::new();
        if let Some(path) = &self.path {
            conditions.push((path_condition(path, self.path_match)?, "t:none"));
        }
        if let Some(site) = &self.site
            && let Some(host) = sites.condition(site)?
        {
            let negated = if host.negated { "!" } else { "" };
            let condition = format!("REQUEST_HEADERS:Host \"{negated}@rx {}\"", host.pattern);
            conditions.push((condition, "t:none,t:lowercase"));
        }
        // ModSecurity runs ctl as soon as its link matches, so ctl must be in the last link.
        Ok(match &conditions[..] {
            [] => format!("SecAction \"id:{id},phase:1,pass,nolog,t:none,{control}\"\n"),
            [(condition, look)] => {
                format!("SecRule {condition} \"id:{id},phase:1,pass,nolog,{look},{control}\"\n")
            }
            [(first, look), rest @ ..] => {
                let mut text = format!("SecRule {first} \"id:{id},phase:1,pass,nolog,{look},chain\"\n");
                for (number, (condition, look)) in rest.iter().enumerate() {
                    let last = number + 1 == rest.len();
                    let end = if last { &control[..] } else { "chain" };
                    text.push_str(&format!("    SecRule {condition} \"{look},{end}\"\n"));
                }
                text
            }
        })
    }
}

/// Returns the condition `REQUEST_FILENAME "…"`.
fn path_condition(path: &ByteString, path_match: PathMatch) -> Result<String, Refused> {
    let refuse = |why: &'static str| Err(Refused::Path { path: path.clone(), why });
    let bytes = path.as_bytes();
    if bytes.len() > limits::PATH_BYTES {
        return Err(Refused::TooLong { what: "the path", limit: limits::PATH_BYTES, unit: "bytes" });
    }
    if bytes.first() != Some(&b'/') && bytes != b"*" {
        return refuse("a path begins with /");
    }
    if bytes.contains(&b'?') {
        return refuse("a path ends before its query");
    }
    if bytes.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) {
        return refuse("no request can have this path");
    }
    // the bytes that @streq reads literally in every parser
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/_-.~!&,;=:@*'".contains(byte);
    if bytes.iter().all(plain) {
        let operator = match path_match {
            PathMatch::Exact => "streq",
            PathMatch::Prefix => "beginsWith",
        };
        return Ok(format!("REQUEST_FILENAME \"@{operator} {}\"", String::from_utf8_lossy(bytes)));
    }
    // libmodsecurity decodes paths before phase 1; ModSecurity 2 and monban read them as sent
    let end = if path_match == PathMatch::Exact { "\\z" } else { "" };
    let sent = pattern::literal(bytes);
    Ok(match pattern::decoded_path(bytes) {
        None => format!("REQUEST_FILENAME \"@rx ^{sent}{end}\""),
        Some(decoded) => {
            format!("REQUEST_FILENAME \"@rx ^(?:{sent}|{}){end}\"", pattern::literal(&decoded))
        }
    })
}

/// Parses the path and its comparison from an operator that `path_condition` wrote.
pub(crate) fn path_of(operator: &str, argument: &[u8]) -> Option<(ByteString, PathMatch)> {
    match operator {
        "streq" => Some((argument.into(), PathMatch::Exact)),
        "beginsWith" => Some((argument.into(), PathMatch::Prefix)),
        "rx" => {
            let pattern = argument.strip_prefix(b"^")?;
            let (pattern, path_match) = match pattern.strip_suffix(b"\\z") {
                Some(whole) => (whole, PathMatch::Exact),
                None => (pattern, PathMatch::Prefix),
            };
            let inner = pattern.strip_prefix(b"(?:").and_then(|inner| inner.strip_suffix(b")"));
            let sent = match inner {
                None => pattern::literal_of(pattern)?,
                Some(both) => {
                    let bar = both.iter().position(|byte| *byte == b'|')?;
                    let sent = pattern::literal_of(&both[..bar])?;
                    let decoded = pattern::literal_of(&both[bar + 1..])?;
                    (pattern::decoded_path(&sent)? == decoded).then_some(sent)?
                }
            };
            Some((sent.into(), path_match))
        }
        _ => None,
    }
}

/// Splits a variable with its name in events into its two parts.
pub(crate) fn variable_of(variable: &[u8]) -> (Option<Variable>, Option<&[u8]>) {
    let (name, key) = match variable.iter().position(|byte| *byte == b':') {
        Some(colon) => (&variable[..colon], Some(&variable[colon + 1..])),
        None => (variable, None),
    };
    (std::str::from_utf8(name).ok().and_then(Variable::from_name), key)
}

/// Returns the targets that remove a variable from a rule, for every ModSecurity.
fn targets(variable: &ByteString) -> Result<Vec<String>, Refused> {
    use Variable as V;
    let refuse = |why: &str| Err(Refused::Variable { variable: variable.clone(), why: why.to_owned() });
    if variable.starts_with(b"&") {
        return refuse("a count cannot be excluded from a rule");
    }
    let (known, key) = variable_of(variable);
    let Some(known) = known else { return refuse("ModSecurity does not know this variable") };
    match (known, key) {
        (
            V::Args
            | V::ArgsGet
            | V::ArgsPost
            | V::ArgsNames
            | V::ArgsGetNames
            | V::ArgsPostNames
            | V::RequestCookies
            | V::RequestCookiesNames
            | V::RequestHeaders
            | V::RequestHeadersNames
            | V::ResponseHeaders
            | V::ResponseHeadersNames
            | V::Files
            | V::FilesNames,
            key,
        ) => {
            let Some(key) = key.filter(|key| !key.is_empty()) else {
                return refuse("has no name, so every parameter would be excluded from the rule");
            };
            if key.len() > limits::PARAMETER_BYTES {
                let limit = limits::PARAMETER_BYTES;
                return Err(Refused::TooLong { what: "the parameter's name", limit, unit: "bytes" });
            }
            // the bytes that libmodsecurity's parser accepts; ModSecurity 2 accepts more, but only in quotes that the other
            // refuses
            let writable = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:/[]$".contains(byte);
            if key[0] == b'/' || !key.iter().all(writable) {
                return refuse("the name contains characters that not every ModSecurity can read in a rule");
            }
            // all bytes are ASCII
            Ok(vec![format!("{known}:{}", String::from_utf8_lossy(key))])
        }
        // ModSecurity 2 accepts only the first, libmodsecurity only the second
        (V::Xml, _) => Ok(vec!["XML".to_owned(), "XML:/*".to_owned()]),
        (
            V::QueryString
            | V::RequestBasename
            | V::RequestBody
            | V::RequestFilename
            | V::RequestLine
            | V::RequestMethod
            | V::RequestProtocol
            | V::RequestUri
            | V::RequestUriRaw
            | V::ResponseBody,
            None,
        ) => Ok(vec![known.to_string()]),
        _ => refuse("is not a parameter of the request, so it cannot be excluded from a rule"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Site;

    fn sites() -> Sites {
        Sites(vec![Site { name: "shop".into(), hosts: vec!["shop.example".into()], path: "/".into() }])
    }

    fn exclusion(path: Option<&[u8]>, parameter: Option<&[u8]>) -> Exclusion {
        Exclusion {
            rule: 942_100,
            site: Some("shop".into()),
            path: path.map(Into::into),
            path_match: PathMatch::Exact,
            parameter: parameter.map(Into::into),
        }
    }

    #[test]
    fn the_wider_covers_the_narrower() {
        let prefix = |path: &[u8]| Exclusion {
            path_match: PathMatch::Prefix,
            ..exclusion(Some(path), Some(b"ARGS:text"))
        };
        let one = exclusion(Some(b"/a/b"), Some(b"ARGS:text"));
        let everywhere = Exclusion { site: None, ..exclusion(None, None) };
        for (covers, other) in [
            (true, one.clone()),
            (true, exclusion(Some(b"/a/b"), None)),
            (true, exclusion(None, Some(b"ARGS:text"))),
            (true, prefix(b"/a/")),
            (true, everywhere.clone()),
            (false, prefix(b"/a/b/")),
            (false, exclusion(Some(b"/a"), Some(b"ARGS:text"))),
            (false, exclusion(Some(b"/a/b"), Some(b"ARGS:title"))),
            (false, Exclusion { rule: 1, ..one.clone() }),
            (false, Exclusion { site: Some("blog".into()), ..one.clone() }),
        ] {
            assert_eq!(other.covers(&one), covers, "{other:?}");
        }
        assert!(
            !one.covers(&everywhere)
                && !one.covers(&prefix(b"/a/b"))
                && prefix(b"/a").covers(&prefix(b"/a/"))
        );
    }

    const HOST: &str = r#"REQUEST_HEADERS:Host "@rx ^shop\.example\.?(?::[0-9]{1,5})?\z""#;

    #[test]
    fn from_narrow_to_wide() {
        let text = |exclusion: &Exclusion| exclusion.to_seclang(80_001, &sites()).unwrap();
        assert_eq!(
            text(&exclusion(Some(b"/comment"), Some(b"ARGS:text"))),
            format!(
                "SecRule REQUEST_FILENAME \"@streq /comment\" \"id:80001,phase:1,pass,nolog,t:none,chain\"\n    \
                 SecRule {HOST} \"t:none,t:lowercase,ctl:ruleRemoveTargetById=942100;ARGS:text\"\n"
            )
        );
        let prefix = Exclusion { path_match: PathMatch::Prefix, ..exclusion(Some(b"/a/"), None) };
        assert!(text(&prefix).starts_with("SecRule REQUEST_FILENAME \"@beginsWith /a/\" "));
        assert_eq!(
            text(&exclusion(None, Some(b"XML"))),
            format!(
                "SecRule {HOST} \"id:80001,phase:1,pass,nolog,t:none,t:lowercase,\
                 ctl:ruleRemoveTargetById=942100;XML,ctl:ruleRemoveTargetById=942100;XML:/*\"\n"
            )
        );
        let everywhere = Exclusion { site: None, ..exclusion(None, None) };
        assert_eq!(
            text(&everywhere),
            "SecAction \"id:80001,phase:1,pass,nolog,t:none,ctl:ruleRemoveById=942100\"\n"
        );
        let odd = text(&exclusion(Some(b"/a\"b${x}%{tx.y}\\%20"), None));
        assert!(odd.contains(r#""@rx ^/a\x22b\x24\x7bx\x7d%\x7btx\.y\x7d\x5c%20\z""#), "{odd}");
        let decoded = text(&exclusion(Some(b"/caf%C3%A9"), None));
        assert!(decoded.contains(r#""@rx ^(?:/caf%C3%A9|/caf\xc3\xa9)\z""#), "{decoded}");
    }

    #[test]
    fn variables() {
        for (variable, expected) in [
            ("ARGS:text", Some("ARGS:text")),
            ("args:Text", Some("ARGS:Text")),
            ("ARGS:j_idt5:form:name", Some("ARGS:j_idt5:form:name")),
            ("ARGS:ctl00$Main$Text", Some("ARGS:ctl00$Main$Text")),
            ("ARGS:items[0][name]", Some("ARGS:items[0][name]")),
            ("ARGS:json.a.b", Some("ARGS:json.a.b")),
            ("ARGS_NAMES:a", Some("ARGS_NAMES:a")),
            ("REQUEST_COOKIES:sid", Some("REQUEST_COOKIES:sid")),
            ("REQUEST_HEADERS:User-Agent", Some("REQUEST_HEADERS:User-Agent")),
            ("FILES:upload", Some("FILES:upload")),
            ("REQUEST_URI", Some("REQUEST_URI")),
            ("REQUEST_BODY", Some("REQUEST_BODY")),
            ("RESPONSE_BODY", Some("RESPONSE_BODY")),
            ("ARGS", None),
            ("ARGS:", None),
            ("ARGS:a b", None),
            ("ARGS:a'b", None),
            ("ARGS:a\"b", None),
            ("ARGS:a,b", None),
            ("ARGS:a;b", None),
            ("ARGS:a|b", None),
            ("ARGS:a\\b", None),
            ("ARGS:a\nb", None),
            ("ARGS:a\0b", None),
            ("ARGS:%{tx.a}", None),
            ("ARGS:/pattern/", None),
            ("ARGS:é", None),
            ("&REQUEST_HEADERS:Host", None),
            ("TX:anomaly_score", None),
            ("MATCHED_VAR", None),
            ("IP:counter", None),
            ("NONSENSE:a", None),
            ("", None),
        ] {
            let written = targets(&variable.into());
            assert_eq!(
                written.as_ref().ok().map(|t| t.join("+")).as_deref(),
                expected,
                "{variable}: {written:?}"
            );
        }
        let long = format!("ARGS:{}", "a".repeat(limits::PARAMETER_BYTES + 1));
        assert!(matches!(targets(&long.as_str().into()), Err(Refused::TooLong { .. })));
    }

    #[test]
    fn what_is_refused() {
        let rule = |rule: u64| Exclusion { rule, ..exclusion(None, None) }.check(&sites());
        for blocking in [949_110, 949_111, 959_100, 959_101, 980_130, 980_140, 901_100, 900_990] {
            assert!(matches!(rule(blocking), Err(Refused::Blocking { .. })), "{blocking}");
        }
        assert_eq!(rule(0), Err(Refused::NoId));
        assert_eq!(rule(80_000), Err(Refused::Own(80_000)));
        assert_eq!(rule(941_100), Ok(()));
        for path in
            [&b""[..], b"a", b"/a?b", b"/a\nSecRuleEngine Off", b"/a\0", &[b'/'; limits::PATH_BYTES + 1]]
        {
            assert!(exclusion(Some(path), None).check(&sites()).is_err(), "{path:?}");
        }
        assert_eq!(exclusion(Some(&[b'/'; limits::PATH_BYTES]), None).check(&sites()), Ok(()));
    }

    #[test]
    fn paths_come_back_from_their_conditions() {
        for path in ["/", "/a", "/a b", "/caf%C3%A9", "/a%2Fb", "/\u{e9}\"\\$", "/a*", "/a%{tx.b}", "*"] {
            for path_match in [PathMatch::Exact, PathMatch::Prefix] {
                let condition = path_condition(&path.into(), path_match).unwrap();
                let rule = format!("SecRule {condition} \"id:1,phase:1,pass\"");
                let document = seclang::parse_str("t", &rule).unwrap();
                let seclang::ast::DirectiveKind::Rule(rule) = &document.directives[0].kind else { panic!() };
                let argument = rule.operator.argument.as_literal().unwrap();
                let found = path_of(rule.operator.name.name(), argument);
                assert_eq!(found, Some((path.into(), path_match)), "{condition}");
            }
        }
        assert_eq!(path_of("rx", b"^/a.*"), None);
        assert_eq!(path_of("rx", b"^(?:/a|/b)\\z"), None);
        assert_eq!(path_of("contains", b"/a"), None);
    }
}
