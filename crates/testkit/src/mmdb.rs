//! A writer of databases in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>), for tests of readers.

use std::net::IpAddr;

/// A value of the data section.
#[derive(Debug, Clone)]
pub enum Value {
    /// UTF-8 text, up to 28 bytes.
    Text(String),
    /// An unsigned number of 16 bits.
    Short(u16),
    /// An unsigned number of 32 bits.
    Long(u32),
    /// A floating point number.
    Double(f64),
    /// Keys and values, up to 28 of them.
    Map(Vec<(&'static str, Value)>),
    /// A list of up to 28 values.
    List(Vec<Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl Value {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Value::Text(text) => {
                assert!(text.len() <= 28, "longer texts need another length");
                [&[0x40 | small(text.len())][..], text.as_bytes()].concat()
            }
            Value::Short(number) => [&[0xa2][..], &number.to_be_bytes()].concat(),
            Value::Long(number) => [&[0xc4][..], &number.to_be_bytes()].concat(),
            Value::Double(number) => [&[0x68][..], &number.to_be_bytes()].concat(),
            Value::Map(entries) => {
                let mut bytes = vec![0xe0 | small(entries.len())];
                for (key, value) in entries {
                    bytes.extend(Value::from(*key).bytes());
                    bytes.extend(value.bytes());
                }
                bytes
            }
            Value::List(values) => {
                let mut bytes = vec![small(values.len()), 0x04];
                bytes.extend(values.iter().flat_map(Value::bytes));
                bytes
            }
        }
    }
}

/// Returns `{"country": {"iso_code": CODE}}`.
pub fn country(code: &str) -> Value {
    Value::Map(vec![("country", Value::Map(vec![("iso_code", code.into())]))])
}

/// A node's child.
#[derive(Clone, Copy)]
enum Child {
    Nothing,
    Node(usize),
    /// The offset of the network's data.
    Data(usize),
}

/// Returns a database of these networks (`192.0.2.0/24`, `2001:db8::/32`), which must not overlap. If one is IPv6, the database
/// is an IPv6 tree, with IPv4 below `::/96`.
pub fn database(networks: &[(&str, Value)]) -> Vec<u8> {
    let parsed: Vec<(IpAddr, u32, &Value)> = networks
        .iter()
        .map(|(network, value)| {
            let (address, length) = network.split_once('/').expect("a prefix length");
            (address.parse().expect("an address"), length.parse().expect("a number"), value)
        })
        .collect();
    let version = if parsed.iter().any(|(address, ..)| address.is_ipv6()) { 6 } else { 4 };
    let mut nodes = vec![[Child::Nothing; 2]];
    let mut data = Vec::new();
    for (address, length, value) in parsed {
        let (bits, width, length) = match address {
            IpAddr::V4(address) if version == 4 => (u128::from(u32::from(address)), 32, length),
            IpAddr::V4(address) => (u128::from(u32::from(address)), 128, length + 96),
            IpAddr::V6(address) => (u128::from(address), 128, length),
        };
        let mut at = 0;
        for bit in 0..length {
            let side = (bits >> (width - 1 - bit) & 1) as usize;
            if bit + 1 == length {
                nodes[at][side] = Child::Data(data.len());
            } else if let Child::Node(next) = nodes[at][side] {
                at = next;
            } else {
                nodes.push([Child::Nothing; 2]);
                nodes[at][side] = Child::Node(nodes.len() - 1);
                at = nodes.len() - 1;
            }
        }
        data.extend(value.bytes());
    }
    let count = nodes.len();
    let mut bytes = Vec::new();
    for child in nodes.iter().flatten() {
        let record = match child {
            Child::Nothing => count,
            Child::Node(node) => *node,
            Child::Data(offset) => count + 16 + offset,
        };
        bytes.extend(&u32::try_from(record).expect("a small tree").to_be_bytes()[1..]);
    }
    bytes.extend([0; 16]);
    bytes.extend(data);
    bytes.extend(b"\xab\xcd\xefMaxMind.com");
    let entries: [(&str, Vec<u8>); 9] = [
        ("binary_format_major_version", Value::Short(2).bytes()),
        ("binary_format_minor_version", Value::Short(0).bytes()),
        ("build_epoch", vec![0x01, 0x02, 1]),
        ("database_type", Value::from("Test").bytes()),
        ("description", Value::Map(vec![("en", "test".into())]).bytes()),
        ("ip_version", Value::Short(version).bytes()),
        ("languages", Value::List(Vec::new()).bytes()),
        ("node_count", [&[0xc4][..], &u32::try_from(count).expect("a small tree").to_be_bytes()].concat()),
        ("record_size", Value::Short(24).bytes()),
    ];
    bytes.push(0xe0 | small(entries.len()));
    for (key, value) in entries {
        bytes.extend(Value::from(key).bytes());
        bytes.extend(value);
    }
    bytes
}

fn small(length: usize) -> u8 {
    u8::try_from(length).expect("a length that one byte can hold")
}
