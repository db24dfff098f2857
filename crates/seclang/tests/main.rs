//! The crate's integration tests, in one binary.

mod cases;
mod crs;
mod load;
mod text;
