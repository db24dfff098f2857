//! Sources of a variable's values, for variables that do not change during a phase.

use seclang::variable::Variable;

use crate::target::{Selector, Target};

/// A list of values of a transaction: one of its parts, as values or as names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Get,
    GetNames,
    Post,
    PostNames,
    /// The values of a JSON body. They are in ARGS, but not in ARGS_POST.
    Json,
    JsonNames,
    Cookies,
    CookieNames,
    Headers,
    HeaderNames,
    ResponseHeaders,
    ResponseHeaderNames,
    Files,
    FileNames,
    FileContents,
    PartHeaders,
    Line,
    Method,
    UriRaw,
    Uri,
    Filename,
    Basename,
    Query,
    Protocol,
    Body,
    ResponseBody,
    ResponseProtocol,
    ResponseContentType,
    StatusLine,
    /// The selection of the XPath expression with this number.
    Xml(u16),
}

impl Source {
    /// The sources that every transaction has, in the order of their numbers.
    pub(crate) const FIXED: [Source; 29] = [
        Source::Get,
        Source::GetNames,
        Source::Post,
        Source::PostNames,
        Source::Json,
        Source::JsonNames,
        Source::Cookies,
        Source::CookieNames,
        Source::Headers,
        Source::HeaderNames,
        Source::ResponseHeaders,
        Source::ResponseHeaderNames,
        Source::Files,
        Source::FileNames,
        Source::FileContents,
        Source::PartHeaders,
        Source::Line,
        Source::Method,
        Source::UriRaw,
        Source::Uri,
        Source::Filename,
        Source::Basename,
        Source::Query,
        Source::Protocol,
        Source::Body,
        Source::ResponseBody,
        Source::ResponseProtocol,
        Source::ResponseContentType,
        Source::StatusLine,
    ];

    /// Returns the source's index in tables.
    pub(crate) fn number(self) -> usize {
        match self {
            Source::Xml(path) => Source::FIXED.len() + path as usize,
            fixed => Source::FIXED.iter().position(|&source| source == fixed).unwrap_or(0),
        }
    }
}

/// Returns the sources of a variable, in the order of its values; none for variables that rules change or that are computed for
/// each rule.
pub(crate) fn of(variable: Variable) -> &'static [Source] {
    use Source as S;
    use Variable as V;
    match variable {
        V::Args => &[S::Get, S::Post, S::Json],
        V::ArgsGet => &[S::Get],
        V::ArgsPost => &[S::Post],
        V::ArgsNames => &[S::GetNames, S::PostNames, S::JsonNames],
        V::ArgsGetNames => &[S::GetNames],
        V::ArgsPostNames => &[S::PostNames],
        V::RequestCookies => &[S::Cookies],
        V::RequestCookiesNames => &[S::CookieNames],
        V::RequestHeaders => &[S::Headers],
        V::RequestHeadersNames => &[S::HeaderNames],
        V::ResponseHeaders => &[S::ResponseHeaders],
        V::ResponseHeadersNames => &[S::ResponseHeaderNames],
        V::Files => &[S::Files],
        V::FilesNames => &[S::FileNames],
        V::FilesTmpContent => &[S::FileContents],
        V::MultipartPartHeaders => &[S::PartHeaders],
        V::RequestLine => &[S::Line],
        V::RequestMethod => &[S::Method],
        V::RequestUriRaw => &[S::UriRaw],
        V::RequestUri => &[S::Uri],
        V::RequestFilename | V::ScriptFilename => &[S::Filename],
        V::RequestBasename | V::ScriptBasename => &[S::Basename],
        V::QueryString => &[S::Query],
        V::RequestProtocol => &[S::Protocol],
        V::RequestBody => &[S::Body],
        V::ResponseBody => &[S::ResponseBody],
        V::ResponseProtocol => &[S::ResponseProtocol],
        V::ResponseContentType => &[S::ResponseContentType],
        V::StatusLine => &[S::StatusLine],
        _ => &[],
    }
}

/// Returns the sources of a target with their numbers; none if its values may change during a phase.
pub(crate) fn of_target(target: &Target) -> Vec<(Source, usize)> {
    let sources = match (target.counted, target.variable, &target.selector) {
        (true, ..) => &[],
        (_, Variable::Xml, Selector::XPath(path)) => &[Source::Xml(*path)][..],
        (_, variable, _) => of(variable),
    };
    sources.iter().map(|&source| (source, source.number())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_list() {
        for (number, source) in Source::FIXED.into_iter().enumerate() {
            assert_eq!(source.number(), number, "{source:?}");
        }
        assert_eq!(Source::Xml(2).number(), Source::FIXED.len() + 2);
    }
}
