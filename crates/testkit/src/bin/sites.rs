//! Measures monban's memory for several numbers of sites that share the Core Rule Set: `sites N...` prints
//! `N<TAB>resident KiB` after each site has started and served a request. Every number of sites gets the same number of
//! requests, because events need memory too. See bench/growth.

use std::process::ExitCode;

use testkit::monban::Config;
use testkit::{Monban, Reflector, apache, client};

/// Minimum number of requests, sent to each site in turn.
const REQUESTS: usize = 100;

fn main() -> ExitCode {
    match std::env::args().skip(1).try_for_each(|word| print(&word)) {
        Ok(()) if std::env::args().len() > 1 => ExitCode::SUCCESS,
        Ok(()) => {
            eprintln!("usage: sites N...");
            ExitCode::from(2)
        }
        Err(message) => {
            eprintln!("sites: {message}");
            ExitCode::from(2)
        }
    }
}

fn print(count: &str) -> Result<(), String> {
    let number = count.parse().map_err(|_| format!("{count:?} is no number"))?;
    println!("{count}\t{}", resident_kib(number)?);
    Ok(())
}

fn resident_kib(count: usize) -> Result<u64, String> {
    let upstream = Reflector::start();
    let mut config = Config::new(upstream.address());
    config.after_rules = "SecAuditEngine Off\n".into();
    // the existing site gets requests for all other names
    config.extra = (1..count)
        .map(|number| {
            format!(
                "[[site]]\nhosts = [\"site{number}.example.com\"]\nupstream = \"http://{}\"\nwaf = \"block\"\n\n",
                upstream.address()
            )
        })
        .collect();
    let monban = Monban::start(&config);
    for number in (0..count.max(REQUESTS)).map(|request| request % count) {
        let request = format!(
            "GET /?name=%3Cscript%3E HTTP/1.1\r\nHost: site{number}.example.com\r\nUser-Agent: test\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        let answer = client::exchange(monban.address(), request.as_bytes())
            .map_err(|error| format!("site {number}: {error}"))?;
        if answer.status != 403 {
            return Err(format!("site {number} answers {} to an attack", answer.status));
        }
    }
    Ok(apache::resident_kib(monban.pid()))
}
