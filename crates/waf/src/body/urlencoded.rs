//! The URLENCODED body processor: the grammar of query strings, in a body.

use crate::query::{Argument, Arguments, Oddities, arguments, each_argument};

/// Parses a whole body. `limit` is the number of arguments that SecArgumentsLimit still allows after the query string.
///
/// It never fails: [`Arguments::limit_exceeded`] and [`Arguments::invalid_encoding`] report oddities.
pub fn parse(body: &[u8], separator: u8, limit: usize) -> Arguments<'_> {
    arguments(body, separator, limit)
}

/// Calls `take` with each argument as soon as it is read.
pub(crate) fn each<'a>(
    body: &'a [u8],
    separator: u8,
    limit: usize,
    take: impl FnMut(Argument<'a>),
) -> Oddities {
    each_argument(body, separator, limit, take)
}
