//! `monban up --demo`: a configuration in a temporary folder, and a site that is vulnerable without the gate.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::settings::{CRS, ENGINE, LIMITS};

/// The address of the demonstration.
pub const GATE: &str = "127.0.0.1:8080";
/// The address of its console.
pub const CONSOLE: &str = "127.0.0.1:8600";

/// Writes the demonstration's configuration to `folder`, which also becomes its data folder.
///
/// # Errors
/// If a file cannot be written.
pub fn write_config(folder: &Path, upstream: SocketAddr) -> std::io::Result<std::path::PathBuf> {
    std::fs::write(folder.join("engine.conf"), ENGINE)?;
    std::fs::write(folder.join("limits.conf"), LIMITS)?;
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

/// Starts the site on a free loopback port, on the current runtime.
///
/// # Errors
/// If the socket fails.
pub fn start_site(listener: std::net::TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("demo-site".into()).spawn(move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            loop {
                if let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(async {
                        // ignore a client that disconnected
                        let _ = answer(stream).await;
                    });
                }
            }
        });
    })?;
    Ok(())
}

/// Bytes of a request to the site; the site reads no more.
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

/// Returns a form and the last input unescaped, which is the vulnerability.
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
         <p>It repeats all input. The gate in front of it looks first.</p></body></html>\n"
    )
}

/// Decodes percent-encoding, and + as space.
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
