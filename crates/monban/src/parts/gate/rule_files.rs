//! The rule files that a command reads.

use tuner::ExclusionStore;

use super::config::GateConfig;
use crate::failure::Failure;
use crate::part::Context;

/// Returns the given files, or those of the configuration with the exclusions before them.
pub fn files(given: &[String], context: &Context) -> Result<Vec<String>, Failure> {
    match given {
        [] => {
            let config = context.config()?;
            let exclusions = ExclusionStore::new(&config.host.data_dir);
            Ok(config.section::<GateConfig>().rules().paths(&exclusions))
        }
        given => Ok(given.to_vec()),
    }
}
