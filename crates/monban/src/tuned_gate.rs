//! Glue between the configuration, the gate and `tuner`.

use std::sync::{Arc, Mutex, PoisonError};

use gateway::Gateway;
use gateway::config::{GatewayConfig, WafMode};
use tuner::change::Rules;
use tuner::{ConfiguredSite, ExclusionStore, InForce, RuleConfig, RuleUser, Swap};
use tuning::{Site, SiteMode, SiteModeChange, TuningError};

use crate::config::Config;
use crate::{presets, rules};

/// Returns the exclusions of a configuration.
pub fn store(config: &Config) -> ExclusionStore {
    ExclusionStore::new(&config.data_dir)
}

/// Returns the rules and sites of a configuration, as `tuner` takes them.
pub fn rule_config(config: &Config) -> RuleConfig {
    let gate = config.gateway();
    let is_used =
        |preset: &gateway::config::Preset| gate.sites.iter().any(|site| site.preset == Some(*preset));
    let presets = gateway::config::Preset::ALL.into_iter().filter(is_used).map(presets::path).collect();
    let sites = gate.sites.iter().map(|site| ConfiguredSite {
        site: Site { name: site.shown_name(), hosts: site.hosts.clone(), path: site.path.clone() },
        mode: match site.waf {
            WafMode::Block => SiteMode::Block,
            WafMode::Detect => SiteMode::Detect,
            WafMode::Off => SiteMode::Off,
        },
    });
    RuleConfig {
        disk: rules::disk(),
        files: config.waf.rules.clone(),
        presets,
        folders: config.console.rule_folders.clone(),
        sites: sites.collect(),
    }
}

/// Returns the rule files of a configuration in the order of loading, the exclusions first.
pub fn rule_files(config: &Config) -> Vec<String> {
    rule_config(config).paths(&store(config))
}

/// Returns the gate's configuration with the modes of sites that were changed while it ran.
pub fn gateway_config(config: &Config) -> GatewayConfig {
    let modes = store(config).modes().unwrap_or_else(|error| {
        tracing::error!("sites have the modes of the configuration file: {error}");
        Vec::new()
    });
    with_modes(config.gateway(), &modes)
}

fn with_modes(mut gate: GatewayConfig, modes: &[SiteModeChange]) -> GatewayConfig {
    for site in &mut gate.sites {
        if let Some(change) = modes.iter().find(|change| change.site == site.shown_name()) {
            site.waf = match change.mode {
                SiteMode::Block => WafMode::Block,
                SiteMode::Detect | SiteMode::Learning => WafMode::Detect,
                SiteMode::Off => WafMode::Off,
            };
        }
    }
    gate
}

/// The gate whose rules are tuned.
pub struct TunedGate {
    gateway: Arc<Gateway>,
    runtime: tokio::runtime::Handle,
    /// The configuration in force, without changed modes, and the rules.
    in_force: Mutex<(Config, Rules)>,
}

impl TunedGate {
    /// Takes a gate that runs with this configuration and these rules. Call it within the runtime.
    pub fn new(gateway: Arc<Gateway>, config: Config, rules: Rules) -> Self {
        let in_force = Mutex::new((config, rules));
        Self { gateway, runtime: tokio::runtime::Handle::current(), in_force }
    }

    /// Puts another configuration in force.
    ///
    /// # Errors
    /// The gate refuses it; then nothing has changed.
    pub async fn reload(&self, config: &Config, rules: Rules) -> Result<InForce, gateway::Error> {
        self.gateway.reload(&gateway_config(config), rules.clone()).await?;
        *self.in_force.lock().unwrap_or_else(PoisonError::into_inner) = (config.clone(), rules.clone());
        Ok(InForce { config: rule_config(config), rules })
    }
}

impl RuleUser for TunedGate {
    fn use_rules(&self, rules: Rules) {
        self.gateway.replace_rules(rules.clone());
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).1 = rules;
    }

    fn prepare_modes(&self, modes: &[SiteModeChange]) -> Result<Swap, TuningError> {
        let (config, rules) = {
            let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
            (with_modes(in_force.0.gateway(), modes), in_force.1.clone())
        };
        let (gateway, runtime) = (Arc::clone(&self.gateway), self.runtime.clone());
        let prepared = runtime.block_on(gateway.prepare(&config, rules));
        let prepared = prepared.map_err(|error| TuningError::Unavailable(error.to_string()))?;
        Ok(Box::new(move || runtime.block_on(gateway.swap(prepared))))
    }
}
