//! The commands, one file each.

pub mod acknowledge;
pub mod backup;
pub mod check;
pub mod completions;
pub mod doctor;
pub mod explain;
pub mod init;
pub mod man;
pub mod reload;
pub mod restore;
pub mod up;
pub mod warden;
