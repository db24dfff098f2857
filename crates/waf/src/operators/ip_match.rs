//! `@ipMatch` and `@ipMatchFromFile`: the input is an address in one of the networks.
//!
//! ModSecurity 2 allows prefixes of IPv6 networks only up to 64; monban allows them up to 128.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use seclang::operator::OperatorName;

use super::describe::{escape, join};
use super::phrases::until_nul;
use super::{DataFiles, MatchError, OperatorError};
use crate::limits;

/// A compiled `@ipMatch` or `@ipMatchFromFile`.
#[derive(Debug)]
pub struct IpMatch {
    from_file: bool,
    /// Sorted and disjoint.
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl IpMatch {
    /// Parses networks separated by commas.
    pub(super) fn from_argument(argument: &[u8]) -> Result<IpMatch, OperatorError> {
        let entries = argument.split(|&b| b == b',').filter(|entry| !entry.is_empty());
        let networks = entries.map(|entry| {
            network(entry).ok_or_else(|| {
                let text = format!("{:?} is not an address or network", String::from_utf8_lossy(entry));
                OperatorError::argument(OperatorName::IpMatch, &text)
            })
        });
        IpMatch::new(networks.collect::<Result<_, _>>()?, false)
    }

    /// Parses a file with a network in each line. Lines that start with `#` are comments.
    pub(super) fn from_file(
        argument: &[u8],
        rule_file: &str,
        files: &dyn DataFiles,
    ) -> Result<IpMatch, OperatorError> {
        let name = argument.trim_ascii();
        let text = super::read_file(OperatorName::IpMatchFromFile, name, rule_file, files)?;
        let mut networks = Vec::new();
        for (number, line) in text.split(|&b| b == b'\n').enumerate() {
            let line = line.trim_ascii();
            let entry = line.split(|b| !(b.is_ascii_hexdigit() || matches!(b, b'.' | b'/' | b':'))).next();
            let Some(entry) = entry.filter(|entry| !entry.is_empty()) else {
                if matches!(line.first(), None | Some(b'#')) {
                    continue;
                }
                return Err(bad_line(name, number, line));
            };
            networks.push(network(entry).ok_or_else(|| bad_line(name, number, line))?);
        }
        IpMatch::new(networks, true)
    }

    fn new(networks: Vec<Network>, from_file: bool) -> Result<IpMatch, OperatorError> {
        let operator = if from_file { OperatorName::IpMatchFromFile } else { OperatorName::IpMatch };
        if networks.is_empty() && !from_file {
            return Err(OperatorError::argument(operator, "an address is missing"));
        }
        if networks.len() > limits::IP_ENTRIES {
            let text = format!("{} entries, more than {}", networks.len(), limits::IP_ENTRIES);
            return Err(OperatorError::argument(operator, &text));
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for network in networks {
            match network {
                Network::V4(network) => v4.push(network),
                Network::V6(network) => v6.push(network),
            }
        }
        let (mut v4, mut v6) = (Ipv4Net::aggregate(&v4), Ipv6Net::aggregate(&v6));
        v4.sort();
        v6.sort();
        Ok(IpMatch { from_file, v4, v6 })
    }

    /// Whether an address is in one of the networks.
    pub fn contains(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => {
                let after = self.v4.partition_point(|network| network.network() <= address);
                after.checked_sub(1).is_some_and(|i| self.v4[i].contains(&address))
            }
            IpAddr::V6(address) => {
                let after = self.v6.partition_point(|network| network.network() <= address);
                after.checked_sub(1).is_some_and(|i| self.v6[i].contains(&address))
            }
        }
    }

    /// Tests an input. An input that is not an address is an error, so that a negated rule does not match it either.
    pub(super) fn matches(&self, input: &[u8]) -> Result<bool, MatchError> {
        let text = until_nul(input);
        match std::str::from_utf8(text).ok().and_then(address) {
            Some(address) => Ok(self.contains(address)),
            None => {
                let version = if text.contains(&b':') { 6 } else { 4 };
                Err(MatchError::Failed(format!("the value is not an IPv{version} address")))
            }
        }
    }

    pub(super) fn describe(&self, input: &[u8], variable: &[u8]) -> Vec<u8> {
        let name: &[u8] = if self.from_file { b"IPmatchFromFile: \"" } else { b"IPmatch: \"" };
        join(&[name, &escape(until_nul(input)), b"\" matched at ", variable, b"."])
    }
}

#[derive(Debug, Clone, Copy)]
enum Network {
    V4(Ipv4Net),
    V6(Ipv6Net),
}

fn address(text: &str) -> Option<IpAddr> {
    // The address type decides the syntax, as with inet_pton: no scope ids, no leading zeros.
    if text.contains(':') {
        text.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    } else {
        text.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
    }
}

fn network(entry: &[u8]) -> Option<Network> {
    let entry = std::str::from_utf8(entry).ok()?;
    let (text, prefix) = match entry.split_once('/') {
        Some((text, prefix)) => (text, Some(prefix.parse::<u8>().ok()?)),
        None => (entry, None),
    };
    match address(text)? {
        IpAddr::V4(address) => {
            Ipv4Net::new(address, prefix.unwrap_or(32)).ok().map(|net| Network::V4(net.trunc()))
        }
        IpAddr::V6(address) => {
            Ipv6Net::new(address, prefix.unwrap_or(128)).ok().map(|net| Network::V6(net.trunc()))
        }
    }
}

fn bad_line(name: &[u8], number: usize, line: &[u8]) -> OperatorError {
    let (name, line) = (String::from_utf8_lossy(name), String::from_utf8_lossy(line));
    let text = format!("{name}:{}: {line:?} is not an address or network", number + 1);
    OperatorError::argument(OperatorName::IpMatchFromFile, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let list = IpMatch::from_argument(b"10.0.0.0/8,192.168.1.1,::1,2001:db8::/32,1.2.3.77/24").unwrap();
        let cases = [
            ("10.255.1.2", true),
            ("11.0.0.0", false),
            ("192.168.1.1", true),
            ("192.168.1.2", false),
            ("1.2.3.4", true),
            ("::1", true),
            ("::2", false),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
            ("::ffff:10.0.0.1", false),
        ];
        for (input, expected) in cases {
            assert_eq!(list.matches(input.as_bytes()), Ok(expected), "{input}");
        }
    }

    #[test]
    fn what_is_no_address_is_an_error() {
        let list = IpMatch::from_argument(b"10.0.0.1").unwrap();
        for input in ["", "localhost", "10.0.0.1 ", "10.0.0.01", "a:AB", "10.0.0.1:80", "fe80::1%eth0"] {
            assert!(list.matches(input.as_bytes()).is_err(), "{input}");
        }
        for argument in ["10.0.0.1, 10.0.0.2", "10.0.0.1/33", "::1/129", "10.0.0.1/255.0.0.0", "host", ""] {
            assert!(IpMatch::from_argument(argument.as_bytes()).is_err(), "{argument}");
        }
    }

    #[test]
    fn files() {
        struct One(&'static [u8]);
        impl DataFiles for One {
            fn read(&self, _: &str, _: &str) -> Result<Vec<u8>, String> {
                Ok(self.0.to_vec())
            }
        }
        let text = b"10.0.0.0/8\n# comment\n\n  192.168.1.1 # here\n2001:db8::/32\r\n";
        let list = IpMatch::from_file(b"ip.data", "r.conf", &One(text)).unwrap();
        assert_eq!(list.matches(b"192.168.1.1"), Ok(true));
        assert_eq!(list.matches(b"2001:db8::7"), Ok(true));
        let error = IpMatch::from_file(b"ip.data", "r.conf", &One(b"1.2.3.4\nnonsense\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "@ipMatchFromFile: ip.data:2: \"nonsense\" is not an address or network"
        );
    }
}
