//! Security groups: the packet filter that a cloud puts before its servers.

use std::fmt::{self, Debug};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use spine::clock::BoxFuture;

use crate::error::Result;

/// A group of rules. It lets through what one of its rules allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// The provider's identifier.
    pub id: String,
    /// The name.
    pub name: String,
}

/// The direction of packets, as the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the server.
    Ingress,
    /// From the server.
    Egress,
}

/// The protocol of packets. Others, such as ESP, have no rule of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, or ICMPv6 for addresses of IPv6.
    Icmp,
}

/// A rule that lets packets through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The direction.
    pub direction: Direction,
    /// The protocol; none for every protocol.
    pub protocol: Option<Protocol>,
    /// The first and the last port of the server; none for all. Only with TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// The other end: `0.0.0.0/0` or `::/0` for everybody.
    pub remote: IpNet,
}

impl Rule {
    /// Checks the rule before it is sent.
    ///
    /// # Errors
    /// A description of the fault.
    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        let with_ports = matches!(self.protocol, Some(Protocol::Tcp | Protocol::Udp));
        match self.ports {
            Some((first, last)) if first > last => {
                Err(format!("the ports {first} to {last} are in the wrong order"))
            }
            Some((0, _)) => Err("port 0 is no port".to_owned()),
            Some(_) if !with_ports => Err("only rules for TCP and UDP have ports".to_owned()),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            None => "every protocol",
            Some(Protocol::Tcp) => "tcp",
            Some(Protocol::Udp) => "udp",
            Some(Protocol::Icmp) => "icmp",
        };
        f.write_str(protocol)?;
        if let Some((first, last)) = self.ports {
            write!(f, " {first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
        }
        let way = if self.direction == Direction::Ingress { "from" } else { "to" };
        write!(f, " {way} {}", self.remote)
    }
}

/// A rule that a provider holds, with what is needed to remove it later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredRule {
    /// The provider's identifier of the rule.
    pub id: String,
    /// The identifier of its group.
    pub group: String,
    /// The rule.
    pub rule: Rule,
}

/// The outcome of [`SecurityGroups::add_rule`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AddedRule {
    /// The rule is new; the caller removes it when it is no longer needed.
    New(StoredRule),
    /// The same rule was there before. It belongs to somebody else.
    Existing(StoredRule),
}

/// The security groups of an account.
pub trait SecurityGroups: Debug + Send + Sync {
    /// Returns all groups.
    ///
    /// # Errors
    /// If the provider does not answer as documented.
    fn groups(&self) -> BoxFuture<'_, Result<Vec<SecurityGroup>>>;

    /// Returns the rules of a group. Leaves out those that a [`Rule`] cannot express, such as one that allows another group.
    ///
    /// # Errors
    /// If the provider does not answer as documented.
    fn rules<'a>(&'a self, group: &'a SecurityGroup) -> BoxFuture<'a, Result<Vec<StoredRule>>>;

    /// Adds a rule beside the others of its group.
    ///
    /// # Errors
    /// If the rule cannot be used or the provider refuses it.
    fn add_rule<'a>(&'a self, group: &'a SecurityGroup, rule: &'a Rule) -> BoxFuture<'a, Result<AddedRule>>;

    /// Removes a rule by its identifier. One that is already gone is no error.
    ///
    /// # Errors
    /// If the provider refuses.
    fn remove_rule<'a>(&'a self, stored: &'a StoredRule) -> BoxFuture<'a, Result<()>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_checked_and_shown() {
        let rule = |protocol, ports, remote: &str| Rule {
            direction: Direction::Ingress,
            protocol,
            ports,
            remote: remote.parse().unwrap(),
        };
        for (rule, shown, fault) in [
            (rule(Some(Protocol::Tcp), Some((443, 443)), "0.0.0.0/0"), "tcp 443 from 0.0.0.0/0", None),
            (rule(Some(Protocol::Udp), Some((1, 65535)), "::/0"), "udp 1-65535 from ::/0", None),
            (rule(None, None, "192.0.2.0/24"), "every protocol from 192.0.2.0/24", None),
            (rule(Some(Protocol::Tcp), Some((2, 1)), "::/0"), "tcp 2-1 from ::/0", Some("wrong order")),
            (rule(Some(Protocol::Tcp), Some((0, 1)), "::/0"), "tcp 0-1 from ::/0", Some("port 0")),
            (rule(Some(Protocol::Icmp), Some((1, 1)), "::/0"), "icmp 1 from ::/0", Some("have ports")),
            (rule(None, Some((1, 1)), "::/0"), "every protocol 1 from ::/0", Some("have ports")),
        ] {
            assert_eq!(rule.to_string(), shown);
            match (rule.check(), fault) {
                (Ok(()), None) => {}
                (Err(error), Some(fault)) => assert!(error.contains(fault), "{error}"),
                (found, _) => panic!("{shown}: {found:?}"),
            }
        }
    }
}
