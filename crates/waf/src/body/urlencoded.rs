//! The body processor URLENCODED: the grammar of query strings, in a body.

use crate::query::{Argument, Arguments, Oddities, arguments, each_argument};

/// Parses a whole body. `limit` is what the query string has left of SecArgumentsLimit.
///
/// Never fails: [`Arguments::limit_exceeded`] and [`Arguments::invalid_encoding`] tell what was odd.
pub fn parse(body: &[u8], separator: u8, limit: usize) -> Arguments<'_> {
    arguments(body, separator, limit)
}

/// Gives each argument to `take` as soon as it is read.
pub(crate) fn each<'a>(
    body: &'a [u8],
    separator: u8,
    limit: usize,
    take: impl FnMut(Argument<'a>),
) -> Oddities {
    each_argument(body, separator, limit, take)
}
