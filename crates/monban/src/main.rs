//! The monban command.

fn main() {}
