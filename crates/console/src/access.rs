//! Who may do what: each handler names the least role that it takes, as its first argument.
//!
//! ```text
//! async fn list(_: Viewer, State(console): State<Console>) -> Json<Events>
//! ```

mod identity;

pub use identity::{Analyst, Identity, Owner, Role, Scope, Via, Viewer};
