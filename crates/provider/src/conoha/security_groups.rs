//! Security groups of generation 3 (OpenStack's Networking API, version 2.0).

use http::Method;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::json;
use spine::clock::BoxFuture;

use super::{Conoha, Service};
use crate::api::{Call, is_id, parse};
use crate::error::{Cause, ProviderError};
use crate::limits::{FIRST_PAUSE, MAX_ATTEMPTS, MAX_RECORDS};
use crate::provider::Result;
use crate::security::{AddedRule, Direction, Protocol, Rule, SecurityGroup, SecurityGroups, StoredRule};

const RULES: &str = "/v2.0/security-group-rules";

impl Conoha {
    fn checked<'a>(&self, step: &str, id: &'a str) -> Result<&'a str> {
        if is_id(id) {
            return Ok(id);
        }
        Err(self.identity.error(step, Cause::Settings(format!("{id:?} is not an id"))))
    }

    async fn create_rule(&self, step: &str, group: &SecurityGroup, rule: &Rule) -> Result<StoredRule> {
        #[derive(Deserialize)]
        struct Answer {
            security_group_rule: Id,
        }
        #[derive(Deserialize)]
        struct Id {
            id: String,
        }
        let everybody = rule.remote.prefix_len() == 0;
        let body = json!({"security_group_rule": {
            "security_group_id": group.id,
            "direction": rule.direction,
            "ethertype": if rule.remote.addr().is_ipv4() { "IPv4" } else { "IPv6" },
            "protocol": rule.protocol,
            "port_range_min": rule.ports.map(|(first, _)| first),
            "port_range_max": rule.ports.map(|(_, last)| last),
            "remote_ip_prefix": (!everybody).then(|| rule.remote.trunc().to_string()),
        }});
        let call = Call::new(step, Method::POST, RULES).json(&body);
        let (api, reply) = self.send(Service::Network, &call).await?;
        let answer: Answer = parse(&reply.body).map_err(|what| api.unreadable(&call, &reply, what))?;
        let id = self.checked(step, &answer.security_group_rule.id)?.to_owned();
        Ok(StoredRule { id, group: group.id.clone(), rule: rule.clone() })
    }

    async fn find_rule(&self, group: &SecurityGroup, rule: &Rule) -> Result<Option<StoredRule>> {
        let wanted = Rule { remote: rule.remote.trunc(), ..rule.clone() };
        Ok(self.rules(group).await?.into_iter().find(|found| found.rule == wanted))
    }

    async fn allow(&self, group: &SecurityGroup, rule: &Rule) -> Result<AddedRule> {
        let step = format!("allow {rule} in the security group {}", group.name);
        rule.check().map_err(|what| self.identity.error(&step, Cause::Settings(what)))?;
        if let Some(found) = self.find_rule(group, rule).await? {
            return Ok(AddedRule::Existing(found));
        }
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let error = match self.create_rule(&step, group, rule).await {
                Ok(stored) => return Ok(AddedRule::New(stored)),
                Err(error) => error,
            };
            if !matches!(error.cause, Cause::Unreachable(_) | Cause::Down { .. }) {
                return Err(error);
            }
            // the rule may be there although the answer is lost
            if let Some(found) = self.find_rule(group, rule).await? {
                return Ok(AddedRule::New(found));
            }
            if attempt == MAX_ATTEMPTS {
                return Err(error);
            }
            self.context.pause(pause).await;
            pause *= 2;
            attempt += 1;
        }
    }
}

impl SecurityGroups for Conoha {
    fn groups(&self) -> BoxFuture<'_, Result<Vec<SecurityGroup>>> {
        Box::pin(async {
            let call = Call::new("list the security groups", Method::GET, "/v2.0/security-groups");
            let (api, reply) = self.send(Service::Network, &call).await?;
            parse_groups(&reply.body).map_err(|what| api.unreadable(&call, &reply, what))
        })
    }

    fn rules<'a>(&'a self, group: &'a SecurityGroup) -> BoxFuture<'a, Result<Vec<StoredRule>>> {
        Box::pin(async move {
            let step = format!("list the rules of the security group {}", group.name);
            let id = self.checked(&step, &group.id)?;
            let call = Call::new(step.as_str(), Method::GET, format!("{RULES}?security_group_id={id}"));
            let (api, reply) = self.send(Service::Network, &call).await?;
            let mut rules = parse_rules(&reply.body).map_err(|what| api.unreadable(&call, &reply, what))?;
            if rules.len() > MAX_RECORDS {
                return Err(api.error(&step, Cause::TooLong(format!("{MAX_RECORDS} entries"))));
            }
            rules.retain(|stored| stored.group == group.id);
            Ok(rules)
        })
    }

    fn add_rule<'a>(&'a self, group: &'a SecurityGroup, rule: &'a Rule) -> BoxFuture<'a, Result<AddedRule>> {
        Box::pin(self.allow(group, rule))
    }

    fn remove_rule<'a>(&'a self, stored: &'a StoredRule) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let step = format!("remove the rule {}", stored.rule);
            let id = self.checked(&step, &stored.id)?;
            let call = Call::new(step.as_str(), Method::DELETE, format!("{RULES}/{id}"));
            match self.send(Service::Network, &call).await {
                Ok(_) | Err(ProviderError { cause: Cause::Refused { status: 404, .. }, .. }) => Ok(()),
                Err(error) => Err(error),
            }
        })
    }
}

/// Reads a list of groups.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_groups(body: &[u8]) -> std::result::Result<Vec<SecurityGroup>, String> {
    #[derive(Deserialize)]
    struct Answer {
        security_groups: Vec<SecurityGroup>,
    }
    let answer: Answer = parse(body)?;
    if answer.security_groups.iter().all(|group| is_id(&group.id)) {
        return Ok(answer.security_groups);
    }
    Err("a group has no usable id".to_owned())
}

/// Reads a list of rules; leaves out those that a [`Rule`] cannot express.
///
/// # Errors
/// The difference from the documented answer.
pub fn parse_rules(body: &[u8]) -> std::result::Result<Vec<StoredRule>, String> {
    #[derive(Deserialize)]
    struct Answer {
        security_group_rules: Vec<Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        id: String,
        security_group_id: String,
        direction: Direction,
        ethertype: String,
        protocol: Option<String>,
        port_range_min: Option<u16>,
        port_range_max: Option<u16>,
        remote_ip_prefix: Option<String>,
        remote_group_id: Option<String>,
    }
    let answer: Answer = parse(body)?;
    let stored = |entry: Entry| {
        let protocol = match entry.protocol.as_deref() {
            None => None,
            Some("tcp") => Some(Protocol::Tcp),
            Some("udp") => Some(Protocol::Udp),
            Some("icmp" | "icmpv6" | "ipv6-icmp") => Some(Protocol::Icmp),
            Some(_) => return None,
        };
        let everybody = if entry.ethertype == "IPv6" { "::/0" } else { "0.0.0.0/0" };
        let remote: IpNet = entry.remote_ip_prefix.as_deref().unwrap_or(everybody).parse().ok()?;
        let rule = Rule {
            direction: entry.direction,
            protocol,
            ports: entry.port_range_min.zip(entry.port_range_max),
            remote: remote.trunc(),
        };
        let usable = entry.remote_group_id.is_none() && is_id(&entry.id);
        usable.then_some(StoredRule { id: entry.id, group: entry.security_group_id, rule })
    };
    Ok(answer.security_group_rules.into_iter().filter_map(stored).collect())
}
