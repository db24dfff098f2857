//! Messages of RFC 2136: queries, updates, and the check of answers.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, MX, NULL, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record as DnsRecord, RecordType as DnsType, TSigVerifier};

use crate::name::normal;
use crate::record::{Record, Stored, Zone};
use crate::record_type::RecordType;
use crate::value::{self, Caa, Mx, Tlsa};

/// Seconds that resolvers may cache a record without a TTL of its own.
const DEFAULT_TTL: u32 = 300;

/// The change of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Adds it beside others (RFC 2136 §2.5.1).
    Add,
    /// Removes the one with this value (RFC 2136 §2.5.4).
    Remove,
}

/// The answer to a query.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) authoritative: bool,
    pub(super) answers: Vec<DnsRecord>,
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        Self { authoritative: message.metadata.authoritative, answers: message.answers }
    }
}

impl Received {
    /// Returns the target of the CNAME at this name.
    pub(super) fn alias(&self, name: &str) -> Option<String> {
        self.answers.iter().find_map(|record| match &record.data {
            RData::CNAME(target) if normal(&record.name.to_ascii()) == name => {
                Some(normal(&target.0.to_ascii()))
            }
            _ => None,
        })
    }
}

/// Builds a query without recursion.
pub(super) fn query(name: Name, kind: DnsType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = false;
    message.add_query(Query::query(name, kind));
    message
}

/// Builds an update that changes nothing, on the condition that the zone has records of this type at the name (RFC 2136
/// §2.4.1).
pub(super) fn condition(zone: Name, name: Name, kind: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    message.add_query(Query::query(zone, DnsType::SOA));
    let mut record = DnsRecord::update0(name, 0, dns_type(kind));
    record.dns_class = DNSClass::ANY;
    // the answer section has the conditions
    message.add_answer(record);
    message
}

/// Builds an update of one record.
pub(super) fn update(zone: Name, name: Name, ttl: Option<u32>, data: RData, change: Change) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    // the question section names the zone, and the authority section has the changes
    message.add_query(Query::query(zone, DnsType::SOA));
    let mut record = DnsRecord::from_rdata(name, ttl.unwrap_or(DEFAULT_TTL), data);
    if change == Change::Remove {
        (record.dns_class, record.ttl) = (DNSClass::NONE, 0);
    }
    message.add_authority(record);
    message
}

/// Reads an answer, and checks that it belongs to the question and is signed as the question is.
///
/// # Errors
/// The reason not to trust it, or the server's reason not to trust the question.
pub(super) fn verified(
    question: &Message,
    bytes: &[u8],
    verifier: Option<TSigVerifier>,
) -> Result<Message, String> {
    let answer =
        Message::from_vec(bytes).map_err(|error| format!("the answer is not a DNS message: {error}"))?;
    if answer.metadata.id != question.metadata.id || answer.metadata.message_type != MessageType::Response {
        return Err("the answer does not belong to the question".to_owned());
    }
    let Some(mut verifier) = verifier else { return Ok(answer) };
    // RFC 8945 §5.3.2: the server cannot sign an answer about a wrong key or signature
    if answer.metadata.response_code == ResponseCode::NotAuth
        && let Some(error) = answer.signature.as_ref().and_then(|record| record.data.error.as_ref())
    {
        use hickory_proto::rr::rdata::tsig::TsigError;
        return Err(match error {
            TsigError::BadSig => "the key's secret is wrong (BADSIG)".to_owned(),
            TsigError::BadKey => {
                "the server does not know a key of this name and algorithm (BADKEY)".to_owned()
            }
            TsigError::BadTime => {
                "the clocks of both machines differ by more than 5 min (BADTIME)".to_owned()
            }
            TsigError::BadTrunc => "the server wants a longer signature (BADTRUNC)".to_owned(),
            TsigError::Unknown(code) => format!("the server refuses the signature (TSIG error {code})"),
        });
    }
    if answer.signature.is_none() && answer.metadata.response_code != ResponseCode::NoError {
        return Ok(answer);
    }
    verifier.verify(bytes).map_err(|error| format!("the answer is not validly signed: {error}"))?;
    Ok(answer)
}

/// Returns what a response code means here.
pub(super) fn explain(code: ResponseCode) -> &'static str {
    match code {
        ResponseCode::Refused => {
            "the server refuses this (REFUSED): its policy does not allow the key or this machine"
        }
        ResponseCode::NotAuth => "the server is not the primary of this zone, or refuses the key (NOTAUTH)",
        ResponseCode::NotZone => "the name is not within the zone (NOTZONE)",
        ResponseCode::ServFail => {
            "the server failed (SERVFAIL): its log tells why, such as a zone file that it cannot write"
        }
        ResponseCode::FormErr => "the server does not understand the message (FORMERR)",
        ResponseCode::NotImp => "the server does not take updates (NOTIMP)",
        ResponseCode::NXDomain => "the name does not exist (NXDOMAIN)",
        _ => "the server refuses this with an uncommon response code",
    }
}

/// Returns the type as hickory knows it.
pub(super) fn dns_type(kind: RecordType) -> DnsType {
    match kind {
        RecordType::A => DnsType::A,
        RecordType::Aaaa => DnsType::AAAA,
        RecordType::Cname => DnsType::CNAME,
        RecordType::Mx => DnsType::MX,
        RecordType::Txt => DnsType::TXT,
        RecordType::Caa => DnsType::CAA,
        RecordType::Tlsa => DnsType::TLSA,
    }
}

/// Returns the data of a record as it goes over the wire.
///
/// # Errors
/// If the value does not fit the type.
pub(super) fn rdata(record: &Record) -> Result<RData, String> {
    let text = record.value.as_str();
    let unknown = |bytes| RData::Unknown { code: dns_type(record.kind), rdata: NULL::with(bytes) };
    let name = |name: &str| {
        let mut name = Name::from_ascii(name).ok()?;
        name.set_fqdn(true);
        Some(name)
    };
    let data = match record.kind {
        RecordType::A => text.parse::<Ipv4Addr>().ok().map(|address| RData::A(address.into())),
        RecordType::Aaaa => text.parse::<Ipv6Addr>().ok().map(|address| RData::AAAA(address.into())),
        RecordType::Cname => name(text).map(|name| RData::CNAME(CNAME(name))),
        RecordType::Mx => {
            Mx::parse(text).and_then(|mx| Some(RData::MX(MX::new(mx.preference, name(&mx.exchange)?))))
        }
        RecordType::Txt => Some(RData::TXT(TXT::from_bytes(text.as_bytes().chunks(255).collect()))),
        RecordType::Caa => Caa::parse(text).and_then(|caa| {
            let length = u8::try_from(caa.tag.len()).ok()?;
            Some(unknown([&[caa.flags, length][..], caa.tag.as_bytes(), caa.value.as_bytes()].concat()))
        }),
        RecordType::Tlsa => Tlsa::parse(text)
            .map(|tlsa| unknown([&[tlsa.usage, tlsa.selector, tlsa.matching][..], &tlsa.bytes()].concat())),
    };
    data.ok_or_else(|| format!("{text:?} is not a value of type {}", record.kind))
}

/// Returns a record of an answer, if it has this name and type.
pub(super) fn stored(zone: &Zone, name: &str, kind: RecordType, record: &DnsRecord) -> Option<Stored> {
    if normal(&record.name.to_ascii()) != name || record.record_type() != dns_type(kind) {
        return None;
    }
    let text = match &record.data {
        RData::TXT(text) => String::from_utf8_lossy(&text.txt_data.concat()).into_owned(),
        RData::CAA(caa) => {
            let value = value::quoted(&String::from_utf8_lossy(&caa.value));
            format!("{} {} {value}", caa.flags(), caa.tag)
        }
        data => value::canonical(kind, &data.to_string()),
    };
    let record = Record { name: name.to_owned(), kind, value: text, ttl: Some(record.ttl) };
    Some(Stored { id: None, zone: zone.clone(), record })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> Zone {
        Zone { id: String::new(), name: "example.test".into() }
    }

    #[test]
    fn every_type_survives_the_wire() {
        for (kind, value) in [
            (RecordType::A, "192.0.2.1"),
            (RecordType::Aaaa, "2001:db8::1"),
            (RecordType::Cname, "www.example.org"),
            (RecordType::Mx, "10 mail.example.org"),
            (RecordType::Mx, "0 ."),
            (RecordType::Txt, &"long \"text\" ".repeat(60)),
            (RecordType::Caa, "128 issue \"letsencrypt.org; validationmethods=dns-01\""),
            (RecordType::Tlsa, "3 1 1 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
        ] {
            let record = Record { name: "a.example.test".into(), kind, value: value.into(), ttl: Some(60) };
            let name = |name: &str| Name::from_ascii(name).unwrap();
            let data = rdata(&record).unwrap();
            let sent = update(name("example.test."), name("a.example.test."), record.ttl, data, Change::Add);
            let read = Message::from_vec(&sent.to_vec().unwrap()).unwrap();
            let found = stored(&zone(), "a.example.test", kind, &read.authorities[0]).unwrap();
            assert!(record.same(&found.record), "{found:?}");
            assert_eq!(stored(&zone(), "b.example.test", kind, &read.authorities[0]), None);
        }
        let record =
            Record { name: "a.example.test".into(), kind: RecordType::A, value: "x".into(), ttl: None };
        assert!(rdata(&record).unwrap_err().contains("is not a value of type A"));
    }

    #[test]
    fn answers_that_belong_to_another_question() {
        let question = query(Name::from_ascii("a.example.test.").unwrap(), DnsType::TXT);
        let mut other = question.clone().into_response();
        assert!(verified(&question, &other.to_vec().unwrap(), None).is_ok());
        other.metadata.id ^= 1;
        assert!(verified(&question, &other.to_vec().unwrap(), None).unwrap_err().contains("does not belong"));
        let echo = question.to_vec().unwrap();
        assert!(verified(&question, &echo, None).unwrap_err().contains("does not belong"));
        assert!(verified(&question, b"\0\0", None).unwrap_err().contains("not a DNS message"));
    }
}
