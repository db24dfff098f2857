//! The transformations: one file each.
