//! The index of a Concurrent audit log.

use super::{Process, escape};
use crate::Event;

/// The entry's file, as an index line describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexEntry<'a> {
    /// The path below SecAuditLogStorageDir: [`entry_path`].
    pub path: &'a str,
    /// The size in bytes.
    pub size: u64,
    /// The MD5 of its bytes, as 32 hexadecimal digits.
    pub md5: &'a str,
}

/// Returns the path of an event's file below SecAuditLogStorageDir, in folders by day and minute:
/// `/20261123/20261123-0904/20261123-090454-01KAR…`.
pub fn entry_path(event: &Event, process: Process) -> String {
    let name = process.local(event.time).strftime("/%Y%m%d/%Y%m%d-%H%M/%Y%m%d-%H%M%S").to_string();
    format!("{name}-{}", event.id)
}

/// Returns the index line of an event, with its line end, in the order that mlogc's pattern expects: host, client,
/// remote user, local user, time, request line, status, bytes, referrer, agent, unique id, session, file, offset, size,
/// hash.
pub fn index(event: &Event, entry: &IndexEntry<'_>, process: Process) -> String {
    let request = event.request();
    let host = request.and_then(|request| request.host()).filter(|host| !host.is_empty());
    let host = host.map_or_else(|| "-".into(), |host| escape::quoted(host).replace(' ', "\\x20"));
    let client = event.address().map_or_else(|| "-".into(), |address| address.to_string());
    let time = process.audit_time(event.time);
    let line = request.map_or_else(String::new, |request| escape::quoted(&request.line));
    let response = request.and_then(|request| request.response.as_ref());
    let status = response.map_or_else(|| "-".into(), |response| response.status.to_string());
    let bytes = response.and_then(|response| response.body.as_ref()).map_or(0, |body| body.total);
    let header = |name| {
        let value = request.and_then(|request| request.header(name));
        value.map_or_else(|| "-".into(), |value| escape::quoted(value))
    };
    let (referrer, agent) = (header("referer"), header("user-agent"));
    let IndexEntry { path, size, md5 } = entry;
    let id = event.id;
    format!(
        "{host} {client} - - [{time}] \"{line}\" {status} {bytes} \"{referrer}\" \"{agent}\" {id} \"-\" {path} 0 {size} md5:{md5} \n"
    )
}
