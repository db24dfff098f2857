//! SecLang rule text to a syntax tree with file:line spans, and back to text.
#![forbid(unsafe_code)]
