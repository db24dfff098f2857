//! The choice of rules for a request whose path or host its upstream may read differently.

use std::sync::Arc;

use event::Outcome;
use gateway::config::{AmbiguousPath, GatewayConfig, Preset, WafMode};

use crate::support::{Gate, Upstream, config};

const RULES: &str = r#"
    SecRule ARGS "@contains <script" "id:1,phase:2,deny,status:403,msg:'script'"
    SecRule TX:monban_preset "@streq webdav" "id:2,phase:1,pass,nolog,ctl:ruleRemoveById=1"
"#;

fn rules() -> Option<Arc<waf::RuleSet>> {
    let document = seclang::load::parse_str("test.conf", RULES).unwrap();
    Some(Arc::new(waf::RuleSet::compile(&document, &waf::operators::NoFiles).unwrap()))
}

/// Returns a configuration in which `/` blocks, `/public` is off, `/files` has a preset, `/watch` detects.
fn sites(upstream: &Upstream) -> GatewayConfig {
    let mut config = config(&upstream.url());
    for (path, waf, preset) in [
        ("/public", WafMode::Off, None),
        ("/files", WafMode::Block, Some(Preset::Webdav)),
        ("/watch", WafMode::Detect, None),
    ] {
        let mut site = config.sites[0].clone();
        (site.path, site.waf, site.preset) = (path.to_owned(), waf, preset);
        config.sites.push(site);
    }
    config
}

#[test]
fn a8_the_strictest_site_that_a_path_may_mean_judges() {
    let upstream = Upstream::echo();
    let gate = Gate::with_rules(&sites(&upstream), rules());
    for (path, status) in [
        ("/x", 403),
        ("/public/x", 200),
        ("/files/x", 200),
        ("/watch/x", 200),
        ("/public/%E3%83%96/a%20b", 200),
        ("/public/..;/admin", 403),
        ("/public/%252e%252e/admin", 403),
        ("/public/%u002e%u002e/admin", 403),
        ("/public/..%c0%afadmin", 403),
        ("/public/%2e%2e/admin", 403),
        ("/PUBLIC/x", 403),
        ("/public/..;/watch/x", 200),
        ("/files/..;/x", 403),
        ("/watch/..%5cx", 403),
        ("/public/../watch/x", 200),
    ] {
        let answer = gate.ask(&format!("GET {path}?a=<script> HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status, status, "{path}");
    }
    let events = gate.events(12);
    let event = events
        .iter()
        .find(|event| event.request().unwrap().line.as_bytes().starts_with(b"GET /public/..;/admin"));
    let event = event.unwrap();
    assert_eq!(
        (event.subject.as_deref(), event.summary.as_deref()),
        (Some("*/public"), Some("host and path may mean `*/public` or `*`: the strictest rules apply"))
    );
}

#[test]
fn a8_an_odd_host_is_judged_by_the_strictest_of_all_sites() {
    let upstream = Upstream::echo();
    let mut config = config(&upstream.url());
    config.sites[0].waf = WafMode::Off;
    let mut admin = config.sites[0].clone();
    (admin.hosts, admin.waf) = (vec!["admin.test".into()], WafMode::Block);
    config.sites.push(admin);
    let gate = Gate::with_rules(&config, rules());
    for (host, status) in [
        ("other.test", 200),
        ("admin.test", 403),
        ("ADMIN.test.:80", 403),
        ("admin.test..", 403),
        (".admin.test", 403),
        ("admin.test;x", 403),
        ("127.1", 403),
    ] {
        let answer = gate.ask(&format!("GET /?a=<script> HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(answer.status, status, "{host}");
    }
    let answer = gate.ask("GET http://ADMIN.test/?a=<script> HTTP/1.1\r\nHost: admin.test\r\n\r\n");
    assert_eq!(answer.status, 403);
}

#[test]
fn a8_ambiguous_paths_are_refused_where_configured() {
    let upstream = Upstream::echo();
    let mut config = sites(&upstream);
    config.ambiguous_path = AmbiguousPath::Refuse;
    let gate = Gate::with_rules(&config, rules());
    for (path, status) in [
        ("/public/x", 200),
        ("/public/%E3%83%96/a%20b", 200),
        ("/x/a%2fb", 200),
        ("/public/..;/admin", 400),
        ("/public/%2e%2e/admin", 400),
        ("/%70ublic/x", 400),
    ] {
        assert_eq!(gate.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).status, status, "{path}");
    }
    let event = &gate.events(1)[0];
    assert_eq!(event.outcome, Outcome::Refused);
    assert_eq!(upstream.seen(3).len(), 3);
}
