//! Security groups of ConoHa, generation 3.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use provider::{AddedRule, Cause, Context, Direction, Protocol, Provider, Rule, SecurityGroup, StoredRule};
use testkit::api::Reply;
use testkit::conoha::{Conoha, GROUP, PASSWORD};
use testkit::dns::Rig;

use crate::rig::{context, provider};

fn account(stand_in: &Conoha, generation: u8, context: &Context) -> Arc<dyn Provider> {
    let identity = stand_in.identity(generation);
    let text = format!(
        "provider = \"conoha\"\nidentity_url = \"{identity}\"\nuser = \"u\"\ntenant_id = \"t\"\npassword_file = \"SECRET\""
    );
    provider(&text, PASSWORD, context)
}

fn rule(protocol: Option<Protocol>, ports: Option<(u16, u16)>, remote: &str) -> Rule {
    Rule { direction: Direction::Ingress, protocol, ports, remote: remote.parse().unwrap() }
}

fn new(added: AddedRule) -> StoredRule {
    match added {
        AddedRule::New(stored) => stored,
        AddedRule::Existing(stored) => panic!("{stored:?} was there before"),
    }
}

#[test]
fn openstacks_sdk_passes_against_the_stand_in() {
    let stand_in = Conoha::start(Arc::new(Rig::start()));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/e2e/dns");
    let python = folder.join("venv/bin/python");
    assert!(python.exists(), "{} is missing; run make dns-clients", python.display());
    let mut child = Command::new("timeout")
        .arg("60")
        .arg(python)
        .arg(folder.join("security_groups.py"))
        .args([&stand_in.identity(3), "u", PASSWORD, "t"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let there = stand_in.rules();
    drop(child.stdin.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{line}{}", String::from_utf8_lossy(&output.stderr));
    assert!(line.starts_with("7c1d5f00-"), "{line}");
    assert_eq!((there, stand_in.rules()), (1, 0));
}

#[tokio::test]
async fn rules_are_added_listed_and_removed() {
    let stand_in = Conoha::start(Arc::new(Rig::start()));
    let (context, clock) = context();
    let account = account(&stand_in, 3, &context);
    let groups = account.security_groups().unwrap();
    let group = groups.groups().await.unwrap().remove(0);
    assert_eq!(group, SecurityGroup { id: GROUP.into(), name: "default".into() });
    assert_eq!(groups.rules(&group).await.unwrap(), []);
    let wanted = [
        rule(Some(Protocol::Tcp), Some((443, 443)), "0.0.0.0/0"),
        rule(Some(Protocol::Tcp), Some((443, 443)), "::/0"),
        rule(Some(Protocol::Udp), Some((500, 4500)), "192.0.2.7/24"),
        rule(Some(Protocol::Icmp), None, "2001:db8::/32"),
        rule(None, None, "198.51.100.1/32"),
    ];
    let mut stored = Vec::new();
    for rule in &wanted {
        stored.push(new(groups.add_rule(&group, rule).await.unwrap()));
        let again = groups.add_rule(&group, rule).await.unwrap();
        assert!(
            matches!(&again, AddedRule::Existing(found) if found.id == stored[stored.len() - 1].id),
            "{again:?}"
        );
    }
    assert_eq!(stand_in.rules(), wanted.len());
    assert_eq!(groups.rules(&group).await.unwrap()[2].rule.to_string(), "udp 500-4500 from 192.0.2.0/24");
    for stored in &stored {
        groups.remove_rule(stored).await.unwrap();
        groups.remove_rule(stored).await.unwrap();
    }
    assert_eq!((stand_in.rules(), clock.waits()), (0, vec![]));
}

#[tokio::test]
async fn faults() {
    let stand_in = Conoha::start(Arc::new(Rig::start()));
    let (context, clock) = context();
    assert!(account(&stand_in, 2, &context).security_groups().is_none());
    let account = account(&stand_in, 3, &context);
    let groups = account.security_groups().unwrap();
    let group = groups.groups().await.unwrap().remove(0);
    let https = rule(Some(Protocol::Tcp), Some((443, 443)), "0.0.0.0/0");

    // a lost answer, a forgotten token, and one that was not acted upon
    stand_in.server.script_lost("POST", "/security-group-rules", &[Reply::text(502, "")]);
    let stored = new(groups.add_rule(&group, &https).await.unwrap());
    assert_eq!((stand_in.rules(), clock.waits()), (1, vec![]));
    stand_in.forget_tokens();
    groups.remove_rule(&stored).await.unwrap();
    stand_in.server.script("POST", "/security-group-rules", &[Reply::text(500, "")]);
    let stored = new(groups.add_rule(&group, &https).await.unwrap());
    assert_eq!((stand_in.rules(), clock.waits()), (1, vec![1]));

    let wrong = rule(None, Some((1, 2)), "0.0.0.0/0");
    let error = groups.add_rule(&group, &wrong).await.unwrap_err().to_string();
    assert!(
        error.contains("cannot allow every protocol 1-2 from 0.0.0.0/0 in the security group default"),
        "{error}"
    );
    assert!(error.contains("only rules for TCP and UDP have ports"), "{error}");
    let other = SecurityGroup { id: "other".into(), name: "other".into() };
    let error = groups.add_rule(&other, &https).await.unwrap_err();
    assert!(matches!(error.cause, Cause::Refused { status: 404, .. }), "{error}");
    let error = groups.remove_rule(&StoredRule { id: "../x".into(), ..stored }).await.unwrap_err();
    assert!(error.to_string().contains("is not an id"), "{error}");
    // rules that this crate cannot express are left out
    let odd = "{\"security_group_rules\":[{\"id\":\"1\",\"security_group_id\":\"GROUP\",\"direction\":\"ingress\",\
               \"ethertype\":\"IPv4\",\"protocol\":\"gre\"},{\"id\":\"2\",\"security_group_id\":\"GROUP\",\
               \"direction\":\"ingress\",\"ethertype\":\"IPv4\",\"remote_group_id\":\"3\"}]}";
    let html = Reply::text(200, "<html>");
    stand_in.server.script(
        "GET",
        "/security-group-rules",
        &[Reply::text(200, &odd.replace("GROUP", GROUP)), html],
    );
    assert_eq!(groups.rules(&group).await.unwrap(), []);
    let error = groups.rules(&group).await.unwrap_err().to_string();
    assert!(error.contains("a web page instead of JSON"), "{error}");
    stand_in.server.script(
        "GET",
        "/security-groups",
        &[Reply::text(200, "{\"security_groups\":[{\"id\":\"a/b\",\"name\":\"\"}]}")],
    );
    let error = groups.groups().await.unwrap_err().to_string();
    assert!(error.contains("no usable id"), "{error}");
}
