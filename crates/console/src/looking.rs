//! Data that pages about events need besides the events.

use std::sync::Arc;

use crate::filters::Saved;
use spine::geoip::Geoip;

/// Data that pages about events need besides the events.
#[derive(Debug, Clone, Default)]
pub struct Looking {
    /// The filters that users have saved.
    pub filters: Arc<Saved>,
    /// The country of each address; none without a database.
    pub geoip: Option<Arc<Geoip>>,
}
