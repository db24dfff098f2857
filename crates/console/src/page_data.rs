//! Data for the pages about events, other than the events.

use std::sync::Arc;

use crate::filters::Saved;
use spine::geoip::Geoip;

/// Data for the pages about events, other than the events.
#[derive(Debug, Clone, Default)]
pub struct PageData {
    /// The filters that users have saved.
    pub filters: Arc<Saved>,
    /// The country of each address; none without a database.
    pub geoip: Option<Arc<Geoip>>,
}
