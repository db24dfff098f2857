//! `monban up --demo`: a configuration in a temporary folder, and a site that would be vulnerable without the gate.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Where the demonstration listens.
pub const GATE: &str = "127.0.0.1:8080";
/// Where its console listens.
pub const CONSOLE: &str = "127.0.0.1:8600";

/// Engine settings that the Core Rule Set expects from its surroundings: `monban init` and the demonstration write them.
pub const ENGINE_SETTINGS: &str = r#"# Settings of the rule engine. The Core Rule Set, which is loaded after this file, relies on them.
SecRuleEngine On
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecRequestBodyNoFilesLimit 131072
SecRequestBodyLimitAction Reject
SecRequestBodyJsonDepthLimit 512
SecArgumentsLimit 1000
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml
SecResponseBodyLimit 524288
SecResponseBodyLimitAction ProcessPartial
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecAuditEngine RelevantOnly
SecAuditLogRelevantStatus "^(?:5|4(?!04))"
SecAuditLogParts ABDEFHIJZ
SecAuditLogType Serial

# Bodies of these types are read as XML and JSON.
SecRule REQUEST_HEADERS:Content-Type "^[^;,]*[/+]xml" \
    "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "^[^;,]*[/+](?:x-)?json(?:[^a-z0-9._+-]|$)" \
    "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"

# A body that cannot be read cannot be judged.
SecRule REQBODY_ERROR "!@eq 0" \
    "id:200002,phase:2,t:none,log,deny,status:400,msg:'Failed to parse request body.',logdata:'%{reqbody_error_msg}',severity:2"

# Neither can a multipart body that another program may read in another way. Each letter pair names a variable:
# MULTIPART_BOUNDARY_QUOTED and so on.
SecRule MULTIPART_STRICT_ERROR "!@eq 0" \
    "id:200003,phase:2,t:none,log,deny,status:400,severity:2,\
    msg:'Multipart request body failed strict validation: PE %{REQBODY_PROCESSOR_ERROR}, BQ %{MULTIPART_BOUNDARY_QUOTED}, \
BW %{MULTIPART_BOUNDARY_WHITESPACE}, DB %{MULTIPART_DATA_BEFORE}, DA %{MULTIPART_DATA_AFTER}, HF %{MULTIPART_HEADER_FOLDING}, \
LF %{MULTIPART_LF_LINE}, SM %{MULTIPART_MISSING_SEMICOLON}, IQ %{MULTIPART_INVALID_QUOTING}, IP %{MULTIPART_INVALID_PART}, \
IH %{MULTIPART_INVALID_HEADER_FOLDING}, FL %{MULTIPART_FILE_LIMIT_EXCEEDED}'"

# 1: a line in a part may be a boundary to another program. 2: lines begin with -- but are none, as in PEM, SQL and Markdown.
SecRule MULTIPART_UNMATCHED_BOUNDARY "@eq 1" \
    "id:200004,phase:2,t:none,log,deny,status:400,severity:2,msg:'Multipart parser detected a possible unmatched boundary.'"

# Parsers of applications decode what rules see encoded: charsets in which bytes are not what they look like, and encodings of
# parts that RFC 7578 has done away with. docs/conformance.md tells which parsers.
SecRule REQUEST_HEADERS:Content-Type "@contains charset" \
    "id:440001,phase:1,t:none,t:lowercase,log,deny,status:400,severity:2,logdata:'%{MATCHED_VAR}',\
    msg:'The charset of the request is not one in which rules can read its body.',chain"
    SecRule REQUEST_HEADERS:Content-Type "!@rx ^(?:(?!charset).)*;\s*charset=([\x22]?)(?:utf-?8|us-ascii|ascii|iso-8859-\d{1,2}|latin1|windows-\d{3,4}|shift_jis|windows-31j|euc-(?:jp|kr)|gbk|gb2312|gb18030|big5|koi8-[ru])\1\s*(?:;(?:(?!charset).)*)?$" \
        "t:none,t:lowercase"
SecRule MULTIPART_PART_HEADERS "@rx ^content-type:.*charset" \
    "id:440002,phase:2,t:none,t:lowercase,log,deny,status:400,severity:2,logdata:'%{MATCHED_VAR}',\
    msg:'The charset of a part is not one in which rules can read it.',chain"
    SecRule MATCHED_VAR "!@rx ^(?:(?!charset).)*;\s*charset=([\x22]?)(?:utf-?8|us-ascii|ascii|iso-8859-\d{1,2}|latin1|windows-\d{3,4})\1\s*(?:;(?:(?!charset).)*)?$" \
        "t:none,t:lowercase"
SecRule MULTIPART_PART_HEADERS "@rx ^content-transfer-encoding:(?!\s*(?:7bit|8bit|binary)\s*$)" \
    "id:440003,phase:2,t:none,t:lowercase,log,deny,status:400,severity:2,logdata:'%{MATCHED_VAR}',\
    msg:'A part has a transfer encoding, which some parsers decode.'"

# Parsers that take a form for what does not begin with its type; some leave out controls and spaces before it.
SecRule REQUEST_HEADERS:Content-Type "@rx ^[^\x21-\x7e]" \
    "id:440009,phase:1,t:none,log,deny,status:400,severity:2,logdata:'%{MATCHED_VAR}',\
    msg:'Content-Type begins with a control character or a byte beyond ASCII.'"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/x-url-encoded" \
    "id:440004,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=URLENCODED"
SecRule REQUEST_HEADERS:Content-Type "@contains multipart" \
    "id:440005,phase:1,t:none,t:lowercase,pass,nolog,chain"
    SecRule REQUEST_HEADERS:Content-Type "!@beginsWith multipart/form-data" \
        "t:none,t:lowercase,ctl:forceRequestBodyVariable=On"
SecRule REQUEST_HEADERS:Content-Type "@contains multipart" \
    "id:440006,phase:2,t:none,t:lowercase,log,deny,status:400,severity:2,logdata:'%{MATCHED_VAR}',\
    msg:'A multipart body of another type holds parts of a form.',chain"
    SecRule REQUEST_HEADERS:Content-Type "!@beginsWith multipart/form-data" "t:none,t:lowercase,chain"
        SecRule REQUEST_BODY "@contains content-disposition" "t:none,t:lowercase"

# Servers differ in which of two types counts, and body-parser (Express) unpacks what rules see packed.
SecRule &REQUEST_HEADERS:Content-Type "@gt 1" \
    "id:440007,phase:1,t:none,log,deny,status:400,severity:2,msg:'Content-Type stands there more than once.'"
SecRule REQUEST_HEADERS:Content-Encoding "!@streq identity" \
    "id:440008,phase:1,t:none,t:lowercase,log,deny,status:415,severity:2,logdata:'%{MATCHED_VAR}',\
    msg:'A packed body, which rules cannot read.',chain"
    SecRule REQBODY_PROCESSOR "@rx ^[A-Z]" "t:none"

# XML that declares entities, or names a DTD elsewhere but the well-known ones of the W3C and Apple, makes many parsers read files
# and addresses (XXE). It scores as the Core Rule Set's attacks do (3.x and 4.x); without the Core Rule Set it is denied. The TX
# variables are monban's: ModSecurity loads these rules, and they never match there. Ids 440000 to 440999 are monban's own.
SecRule TX:MONBAN_XML_ENTITIES "@ge 1" \
    "id:440010,phase:2,t:none,pass,log,auditlog,severity:2,tag:'application-multi',tag:'attack-xxe',\
    msg:'XML body declares entities',logdata:'%{tx.monban_xml_entities} entities',\
    setvar:'tx.monban_xxe=1',\
    setvar:'tx.anomaly_score_pl1=+%{tx.critical_anomaly_score}',\
    setvar:'tx.inbound_anomaly_score_pl1=+%{tx.critical_anomaly_score}'"
SecRule TX:MONBAN_XML_EXTERNAL_SUBSET "!@rx ^https?://www\.(?:w3\.org|apple\.com)/" \
    "id:440011,phase:2,t:none,pass,log,auditlog,severity:2,tag:'application-multi',tag:'attack-xxe',\
    msg:'XML body names a DTD elsewhere',logdata:'%{MATCHED_VAR}',\
    setvar:'tx.monban_xxe=1',\
    setvar:'tx.anomaly_score_pl1=+%{tx.critical_anomaly_score}',\
    setvar:'tx.inbound_anomaly_score_pl1=+%{tx.critical_anomaly_score}'"
SecRule TX:MONBAN_XXE "@eq 1" \
    "id:440012,phase:2,t:none,deny,status:403,log,auditlog,severity:2,tag:'application-multi',tag:'attack-xxe',\
    msg:'XML body may make its reader open files',chain"
    SecRule &TX:CRITICAL_ANOMALY_SCORE "@eq 0" "t:none"
"#;

/// The last rule file that `monban init` and the demonstration write: it acts on what the rules before it left.
pub const LIMIT_RULES: &str = r#"# Loaded after all other rules, so that it sees what became of them in phase 2.
# A rule that reached a limit of the engine was not evaluated to its end: the request cannot be judged. The event names
# the rule and the limit; docs/user/faults.md tells what to do.
SecRule TX:/^MSC_/ "!@streq 0" \
    "id:200005,phase:2,t:none,log,deny,msg:'ModSecurity internal error flagged: %{MATCHED_VAR_NAME}',severity:2"
"#;

/// Where Debian's package modsecurity-crs puts the rules.
pub const CRS: [&str; 2] = ["/etc/modsecurity/crs/crs-setup.conf", "/usr/share/modsecurity-crs/rules/*.conf"];

/// Writes the demonstration's configuration to `folder`, which is to hold its data, too.
///
/// # Errors
/// Those of writing.
pub fn write_config(folder: &Path, upstream: SocketAddr) -> std::io::Result<std::path::PathBuf> {
    std::fs::write(folder.join("engine.conf"), ENGINE_SETTINGS)?;
    std::fs::write(folder.join("limits.conf"), LIMIT_RULES)?;
    let [setup, rules] = CRS;
    let text = format!(
        "data_dir = \"data\"\n\n[[listen]]\naddress = \"{GATE}\"\n\n[[site]]\nname = \"demo\"\nhosts = [\"*\"]\n\
         upstream = \"http://{upstream}\"\nwaf = \"block\"\n\n[waf]\nrules = [\"engine.conf\", \"{setup}\", \"{rules}\", \"limits.conf\"]\n\
         error_log = \"error.log\"\naudit_log = \"audit.log\"\n\n[console]\naddress = \"{CONSOLE}\"\n"
    );
    let path = folder.join("monban.toml");
    std::fs::write(&path, text)?;
    Ok(path)
}

/// Starts the site on a free loopback port, on the runtime that this is called on.
///
/// # Errors
/// Those of the socket.
pub fn start_site(listener: std::net::TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("demo-site".into()).spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(async {
                        // a client that has gone away is none of the site's concern
                        let _ = answer(stream).await;
                    });
                }
            }
        });
    })?;
    Ok(())
}

/// Bytes of a request to the site; more is not read.
const REQUEST_BYTES: usize = 64 * 1024;

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let head_end = loop {
        if let Some(at) = request.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        let length = stream.read(&mut buffer).await?;
        if length == 0 || request.len() > REQUEST_BYTES {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..length]);
    };
    let head = String::from_utf8_lossy(&request[..head_end]).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0)
        .min(REQUEST_BYTES);
    while request.len() < head_end + length {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            break;
        }
        request.extend_from_slice(&buffer[..length]);
    }
    let page = page(head.split(' ').nth(1).unwrap_or("/"), &request[head_end..]);
    let mut response = String::new();
    // writing to a String cannot fail
    let _ = write!(
        response,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    stream.write_all(response.as_bytes()).await?;
    stream.shutdown().await
}

/// A form, and what was entered last: as it came, which is the hole.
fn page(target: &str, body: &[u8]) -> String {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let body = String::from_utf8_lossy(body);
    let name =
        [query, &body].iter().flat_map(|form| form.split('&')).find_map(|pair| pair.strip_prefix("name="));
    let greeting = match name {
        Some(name) => format!("<p>Hello, {}!</p>", decoded(name)),
        None => "<p>What is your name?</p>".to_owned(),
    };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><title>monban demo</title></head><body><h1>A careless site</h1>{greeting}\
         <form><input name=\"name\" autofocus> <button>Greet me</button> <button formmethod=\"post\">by POST</button></form>\
         <p>It repeats whatever it is told. The gate in front of it looks first.</p></body></html>\n"
    )
}

/// Percent-decoding, with + as space.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let hex = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match (first, hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_repeats_what_it_is_told() {
        assert!(page("/", b"").contains("What is your name?"));
        assert!(page("/?a=b&name=%3Cb%3E+x", b"").contains("<p>Hello, <b> x!</p>"));
        assert!(page("/", b"name=y%").contains("<p>Hello, y%!</p>"));
    }
}

#[cfg(test)]
mod entity_tests {
    use std::sync::Arc;

    use testkit::apache::{self, Apache};
    use waf::{Collections, Connection, Decision, RuleSet, Timestamp, Transaction};

    use super::*;

    fn rules(folder: &Path, extra: &[&str]) -> Arc<RuleSet> {
        let path = folder.join("engine.conf");
        std::fs::write(&path, ENGINE_SETTINGS).unwrap();
        let files = [path.to_str().unwrap()].into_iter().chain(extra.iter().copied());
        let rules = crate::rules::load(&files.map(str::to_owned).collect::<Vec<_>>());
        let rules = rules.unwrap_or_else(|errors| panic!("{errors:#?}"));
        assert_eq!(crate::rules::warnings(&rules), [""; 0]);
        Arc::new(rules)
    }

    /// The ids of the matches on an XML body, the status, and the transaction.
    fn judge(rules: &Arc<RuleSet>, body: &[u8]) -> (Vec<u64>, Option<u16>, Transaction) {
        let address = "192.0.2.1:1".parse().unwrap();
        let connection = Connection { client: address, server: address };
        let now = Timestamp::from_micros(1);
        let mut tx =
            Transaction::new(Arc::clone(rules), connection, now, "id", Arc::new(Collections::default()));
        tx.request_line(b"POST", b"/", b"HTTP/1.1");
        for (name, value) in [("Host", "www.example.org"), ("User-Agent", "Mozilla/5.0"), ("Accept", "*/*")] {
            tx.request_header(name.as_bytes(), value.as_bytes());
        }
        tx.request_header(b"Content-Type", b"application/xml");
        tx.request_header(b"Content-Length", body.len().to_string().as_bytes());
        let mut decision = tx.request_headers_done(now);
        if decision == Decision::Continue {
            let _progress = tx.request_body(body);
            decision = tx.request_body_done(now);
        }
        let status = match decision {
            Decision::Continue => None,
            Decision::Intervene(intervention) => Some(intervention.status),
        };
        let ids = tx.matches().iter().map(|found| found.rule.id).collect();
        (ids, status, tx)
    }

    const ATTACKS: [(&str, u64); 6] = [
        ("<!DOCTYPE a [<!ENTITY q SYSTEM \"file:///etc/passwd\">]><a>&q;</a>", 440_010),
        ("<!DOCTYPE a [<!ENTITY q PUBLIC \"x\" \"http://192.0.2.9/\">]><a/>", 440_010),
        ("<!DOCTYPE a [<!ENTITY % q SYSTEM \"http://192.0.2.9/x.dtd\">%q;]><a/>", 440_010),
        ("<!DOCTYPE a [<!ENTITY lol \"lol\"><!ENTITY m \"&lol;&lol;\">]><a>&m;</a>", 440_010),
        ("<!DOCTYPE a SYSTEM \"http://192.0.2.9/x.dtd\"><a>&q;</a>", 440_011),
        ("<!DOCTYPE a PUBLIC \"x\" \"file:///usr/share/x.dtd\"><a/>", 440_011),
    ];

    const HARMLESS: [&str; 5] = [
        "<a>text</a>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ELEMENT a ANY><!ATTLIST a b CDATA 'x'>]><a/>",
        "<!DOCTYPE svg PUBLIC \"-//W3C//DTD SVG 1.1//EN\" \"http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd\"><svg/>",
        "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\"><plist/>",
    ];

    fn utf_16(text: &str) -> Vec<u8> {
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
    }

    #[test]
    fn a9_external_entities_are_denied_without_the_core_rule_set() {
        let folder = testkit::process::folder("monban-xxe-");
        let bare = rules(folder.path(), &[]);
        for (attack, id) in ATTACKS {
            for body in [attack.as_bytes().to_vec(), utf_16(attack)] {
                let (ids, status, _) = judge(&bare, &body);
                assert_eq!((ids.as_slice(), status), (&[id, 440_012][..], Some(403)), "{attack}");
            }
        }
        for body in HARMLESS {
            let (ids, status, _) = judge(&bare, body.as_bytes());
            assert_eq!((ids, status), (vec![], None), "{body}");
        }
    }

    #[test]
    fn a9_external_entities_score_in_the_core_rule_set() {
        let folder = testkit::process::folder("monban-xxe-");
        let installed = rules(folder.path(), &CRS);
        for (attack, id) in ATTACKS {
            let (ids, status, tx) = judge(&installed, attack.as_bytes());
            assert!(
                ids.contains(&id) && ids.contains(&949_110) && !ids.contains(&440_012),
                "{attack}: {ids:?}"
            );
            assert_eq!((status, tx.tx_number("anomaly_score") >= 5), (Some(403), true), "{attack}");
        }
        for body in HARMLESS {
            let (ids, ..) = judge(&installed, body.as_bytes());
            assert!(!ids.iter().any(|id| (440_010..=440_012).contains(id)), "{body}: {ids:?}");
        }
        // What version 4 sets up and adds together.
        let four = folder.path().join("four.conf");
        let text = "SecAction \"id:901100,phase:1,pass,nolog,setvar:tx.critical_anomaly_score=5,setvar:tx.inbound_anomaly_score_pl1=0\"\n";
        std::fs::write(&four, text).unwrap();
        let four = rules(folder.path(), &[four.to_str().unwrap()]);
        let (_, status, tx) = judge(&four, ATTACKS[0].0.as_bytes());
        assert_eq!((status, tx.tx_number("inbound_anomaly_score_pl1")), (None, 5));
    }

    #[test]
    fn a9_modsecurity_loads_the_settings() {
        let folder = testkit::process::folder("monban-xxe-");
        let path = folder.path().join("engine.conf");
        std::fs::write(&path, ENGINE_SETTINGS).unwrap();
        let apache =
            Apache::start(&apache::Config { rules: Some(path), ..apache::Config::with_page("hello") });
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        assert_eq!(testkit::client::exchange(apache.address(), request).unwrap().status, 200);
    }
}
