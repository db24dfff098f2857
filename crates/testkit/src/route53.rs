//! A stand-in for Amazon Route 53 (API of 2013-04-01), whose records BIND serves.
//!
//! It verifies signatures of version 4, gives 20 zones a page, holds a private zone example.test beside the public one, and
//! makes a batch of changes as a whole or not at all: DELETE wants the set as it is, CREATE wants none.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use ring::{digest, hmac};

use crate::api::{Reply, Request, Server};
use crate::dns::{Rig, zones};

/// The id of the access key.
pub const ACCESS_KEY: &str = "AKIDMONBAN";
/// The secret access key.
pub const SECRET_KEY: &str = "hush/route53+secret";
const PAGE: usize = 20;
const XMLNS: &str = "xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"";

/// The set of a name and a type: TTL and values.
type Sets = BTreeMap<(String, String), (String, Vec<String>)>;

/// Starts the stand-in before a DNS server.
pub fn start(rig: &Arc<Rig>) -> Server {
    Server::before(rig, Sets::new(), serve)
}

fn fail(status: u16, code: &str, message: &str) -> Reply {
    let text = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse {XMLNS}><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}\
         </Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    Reply::text(status, &text).with("Content-Type", "text/xml")
}

fn done(text: &str) -> Reply {
    Reply::text(200, &format!("<?xml version=\"1.0\"?>\n{text}")).with("Content-Type", "text/xml")
}

/// Returns the texts between two marks.
fn all_between<'a>(text: &'a str, tag: &str) -> Vec<&'a str> {
    let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
    text.split(&start).skip(1).filter_map(|rest| rest.split_once(&end)).map(|(inner, _)| inner).collect()
}

fn between<'a>(text: &'a str, tag: &str) -> &'a str {
    all_between(text, tag).first().copied().unwrap_or_default()
}

fn plain(text: &str) -> String {
    let text = text.replace("&#34;", "\"").replace("&quot;", "\"").replace("&lt;", "<");
    text.replace("&gt;", ">").replace("&amp;", "&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a text takes everything");
        out
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// Returns whether a request has the signature that its other fields ask for.
fn is_signed(request: &Request) -> bool {
    let authorization = request.header("authorization");
    let field = |name: &str| {
        let rest = authorization.split_once(&format!("{name}="))?.1;
        rest.split([',', ' ']).next()
    };
    let (Some(credential), Some(names), Some(signature)) =
        (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return false;
    };
    let parts: Vec<&str> = credential.split('/').collect();
    let &[ACCESS_KEY, day, region, "route53", "aws4_request"] = parts.as_slice() else { return false };
    let time = request.header("x-amz-date");
    let mut query: Vec<&str> = request.query.split('&').filter(|pair| !pair.is_empty()).collect();
    query.sort_unstable();
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", request.header(name))).collect();
    let canonical =
        [request.method.as_str(), &request.path, &query.join("&"), &headers, names, &sha256(&request.body)]
            .join("\n");
    let scope = format!("{day}/{region}/route53/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, part| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), part.as_bytes()).as_ref().to_vec()
    });
    let expected = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes());
    time.starts_with(day) && names.contains("host") && hex(expected.as_ref()) == signature
}

fn serve(request: &Request, sets: &mut Sets, rig: &Rig) -> Reply {
    if !is_signed(request) {
        let message = "The request signature we calculated does not match the signature you provided.";
        return fail(403, "SignatureDoesNotMatch", message);
    }
    let parts = request.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let mut zones: Vec<_> = zones(22)
        .into_iter()
        .enumerate()
        .map(|(number, name)| (format!("Z{number:04}"), name, false))
        .collect();
    zones.push(("ZPRIVATE".to_owned(), "example.test".to_owned(), true));
    zones.push(("ZPRIVATE2".to_owned(), "sub.example.test".to_owned(), true));
    let known = |id: &str| zones.iter().find(|(known, ..)| known == id);
    let show = |(id, name, private): &(String, String, bool)| {
        format!(
            "<HostedZone><Id>/hostedzone/{id}</Id><Name>{name}.</Name><CallerReference>r</CallerReference><Config>\
             <PrivateZone>{private}</PrivateZone></Config><ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone>"
        )
    };
    match (request.method.as_str(), parts.as_slice()) {
        ("GET", ["2013-04-01", "hostedzone"]) => {
            let marker = request.parameter("marker");
            let start = marker.and_then(|marker| zones.iter().position(|(id, ..)| id == marker)).unwrap_or(0);
            let shown: String = zones.iter().skip(start).take(PAGE).map(show).collect();
            let next = zones.get(start + PAGE).map(|(id, ..)| format!("<NextMarker>{id}</NextMarker>"));
            done(&format!(
                "<ListHostedZonesResponse {XMLNS}><HostedZones>{shown}</HostedZones><IsTruncated>{}</IsTruncated>{}\
                 <MaxItems>{PAGE}</MaxItems></ListHostedZonesResponse>",
                next.is_some(),
                next.unwrap_or_default()
            ))
        }
        ("GET", ["2013-04-01", "hostedzonesbyname"]) => {
            let wanted = request.parameter("dnsname").unwrap_or_default().trim_end_matches('.');
            let shown: String = zones.iter().filter(|(_, name, _)| name == wanted).map(show).collect();
            done(&format!(
                "<ListHostedZonesByNameResponse {XMLNS}><HostedZones>{shown}</HostedZones><IsTruncated>false</IsTruncated>\
                 <MaxItems>100</MaxItems></ListHostedZonesByNameResponse>"
            ))
        }
        ("GET", ["2013-04-01", "hostedzone", id]) => match known(id) {
            Some(zone) => {
                done(&format!("<GetHostedZoneResponse {XMLNS}>{}</GetHostedZoneResponse>", show(zone)))
            }
            None => fail(404, "NoSuchHostedZone", "no such zone"),
        },
        ("GET", ["2013-04-01", "change", _]) => done(&format!(
            "<GetChangeResponse {XMLNS}><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>\
             <SubmittedAt>2026-12-01T00:00:00Z</SubmittedAt></ChangeInfo></GetChangeResponse>"
        )),
        (method, ["2013-04-01", "hostedzone", id, "rrset"]) => match known(id) {
            Some((_, zone, _)) if method == "POST" => change(request, zone, sets, rig),
            Some(_) => list(request, sets),
            None => fail(404, "NoSuchHostedZone", "no such zone"),
        },
        _ => fail(404, "NoSuchPath", "no such path"),
    }
}

fn list(request: &Request, sets: &Sets) -> Reply {
    let name = request.parameter("name").unwrap_or_default().replace("%2A", "*");
    let first = (name, request.parameter("type").unwrap_or_default().to_owned());
    let size = request.parameter("maxitems").and_then(|size| size.parse().ok()).unwrap_or(100);
    // the real order is by reversed labels; clients only rely on where the list begins
    let after = sets.range(first.clone()..).chain(sets.range(..first));
    let shown: String = after
        .take(size)
        .map(|((name, kind), (ttl, values))| {
            let values: String = values
                .iter()
                .map(|value| format!("<ResourceRecord><Value>{}</Value></ResourceRecord>", escaped(value)))
                .collect();
            format!(
                "<ResourceRecordSet><Name>{}</Name><Type>{kind}</Type><TTL>{ttl}</TTL><ResourceRecords>{values}\
                 </ResourceRecords></ResourceRecordSet>",
                name.replace('*', "\\052")
            )
        })
        .collect();
    done(&format!(
        "<ListResourceRecordSetsResponse {XMLNS}><ResourceRecordSets>{shown}</ResourceRecordSets>\
         <IsTruncated>false</IsTruncated><MaxItems>{size}</MaxItems></ListResourceRecordSetsResponse>"
    ))
}

fn change(request: &Request, zone: &str, sets: &mut Sets, rig: &Rig) -> Reply {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let mut after = sets.clone();
    let mut touched = Vec::new();
    for change in all_between(&body, "Change") {
        let name = between(change, "Name");
        let name = if name.ends_with('.') { name.to_owned() } else { format!("{name}.") };
        if !name.trim_end_matches('.').ends_with(zone) {
            return fail(400, "InvalidChangeBatch", "RRSet is not permitted in zone");
        }
        let key = (name, between(change, "Type").to_owned());
        let values: Vec<_> = all_between(change, "Value").into_iter().map(plain).collect();
        let set = (between(change, "TTL").to_owned(), values);
        match (between(change, "Action"), after.get(&key)) {
            ("CREATE", Some(_)) => return fail(400, "InvalidChangeBatch", "but it already exists"),
            ("DELETE", known) if known != Some(&set) => {
                return fail(400, "InvalidChangeBatch", "but it was not found");
            }
            ("DELETE", _) => {
                after.remove(&key);
            }
            ("CREATE" | "UPSERT", _) if !set.1.is_empty() => {
                after.insert(key.clone(), set);
            }
            _ => return fail(400, "InvalidInput", "Action"),
        }
        touched.push(key);
    }
    for (name, kind) in touched {
        let values =
            after.get(&(name.clone(), kind.clone())).map(|(_, values)| values.clone()).unwrap_or_default();
        if let Err(what) = rig.replace(zone, &name, &kind, &values) {
            return fail(400, "InvalidChangeBatch", &escaped(&what));
        }
    }
    *sets = after;
    done(&format!(
        "<ChangeResourceRecordSetsResponse {XMLNS}><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
         <SubmittedAt>2026-12-01T00:00:00Z</SubmittedAt></ChangeInfo></ChangeResourceRecordSetsResponse>"
    ))
}
