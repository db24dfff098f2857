//! What looking at events needs besides the events.

use std::sync::Arc;

use crate::filters::Saved;
use spine::geoip::Geoip;

/// What looking at events needs besides the events.
#[derive(Debug, Clone, Default)]
pub struct Looking {
    /// The filters that users have saved.
    pub filters: Arc<Saved>,
    /// Which country an address is in; none where there is no database.
    pub geoip: Option<Arc<Geoip>>,
}
