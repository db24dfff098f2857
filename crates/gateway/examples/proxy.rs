//! Runs the gateway alone as a plain proxy, for measurements: `proxy 127.0.0.1:8080 http://127.0.0.1:8000`.

use std::sync::Arc;

use event::{Event, EventSink, IdSource};
use gateway::config::{GatewayConfig, ListenerConfig, SiteConfig, WafMode};
use gateway::{Gateway, RequestSink, Services};

struct ToStderr;

impl EventSink for ToStderr {
    fn record(&self, event: Event) {
        eprintln!("{}", event.to_json());
    }
}

impl RequestSink for ToStderr {}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (args.next(), args.next()) else {
        return Err("usage: proxy ADDRESS UPSTREAM".into());
    };
    let mut site = SiteConfig::to(&upstream);
    site.waf = WafMode::Off;
    let mut config = GatewayConfig {
        listeners: vec![ListenerConfig::plain(listen.parse()?)],
        sites: vec![site],
        ..GatewayConfig::default()
    };
    config.limits.connections_per_client = config.limits.connections;
    let services = Services::new(Arc::new(IdSource::new("proxy", 1)), Arc::new(ToStderr));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let _gateway = Gateway::start(&config, None, services).await?;
        std::future::pending::<()>().await;
        Ok(())
    })
}
