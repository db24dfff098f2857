//! The commands, one file each.

pub mod acknowledge;
pub mod check;
pub mod completions;
pub mod doctor;
pub mod events;
pub mod events_export;
pub mod events_import;
pub mod events_list;
pub mod events_show;
pub mod events_tail;
pub mod explain;
pub mod init;
pub mod man;
pub mod reload;
pub mod up;
