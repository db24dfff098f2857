//! `monban up`

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use console::access::Access;

use crate::failure::Failure;
use crate::part::Spine;
use crate::{checks, daemon, demo, log, parts};

/// Start the gate, the event store and the console
///
/// Runs in the foreground until TERM or INT; running requests may then finish. HUP reloads the configuration, as `monban
/// reload` does. The log goes to standard error; MONBAN_LOG=debug logs more.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Protect a built-in demo site on 127.0.0.1:8080, with the console on 127.0.0.1:8600 and data in a temporary
    /// folder; monban reads no configuration file
    #[arg(long)]
    pub demo: bool,
}

pub fn run(arguments: &Arguments, config_file: &Path) -> Result<(), Failure> {
    log::start();
    if arguments.demo {
        return run_demo();
    }
    // A log must not contain a link; `monban console link` prints one.
    let shows_link = std::io::stdout().is_terminal();
    daemon::run(config_file, &checks::load(config_file)?, PARTS, |spine| {
        if let Some(link) = first_link(spine, shows_link) {
            println!(
                "The console has no account yet. This link creates the first one; it works once, within a day:\n\n  {link}\n"
            );
        }
    })
}

/// The parts that the daemon runs.
const PARTS: daemon::Parts = daemon::Parts { all: parts::ALL, load: checks::load };

/// Returns a new one-time link to the console's first account. Returns none if an account exists, or if nobody would
/// see the link: then a link from `monban console link` stays valid.
fn first_link(spine: &Spine, is_shown: bool) -> Option<String> {
    let access = spine.find::<Access>()?;
    let first = || match access.has_owner()? {
        false if is_shown => access.first_link(),
        false => {
            tracing::info!(
                "the console has no account yet: `monban console link` prints a link to the first"
            );
            Ok(None)
        }
        true => Ok(None),
    };
    tokio::task::block_in_place(first).unwrap_or_else(|problem| {
        tracing::error!("{}", problem.error());
        None
    })
}

fn run_demo() -> Result<(), Failure> {
    let [setup, _] = crate::settings::CRS;
    if !Path::new(setup).exists() {
        return Err(Failure::environment(
            format!("{setup} is missing: the demonstration runs the Core Rule Set of Debian's package"),
            "apt-get install --no-install-recommends modsecurity-crs",
        ));
    }
    let folder = tempfile::Builder::new().prefix("monban-demo-").tempdir()?;
    let site = std::net::TcpListener::bind("127.0.0.1:0")?;
    let upstream = site.local_addr()?;
    demo::start_site(site)?;
    let config_file = demo::write_config(folder.path(), upstream)?;
    let config = checks::load(&config_file)?;
    let monban = std::env::current_exe()?;
    let monban = monban.display();
    let shown = config_file.display();
    daemon::run(&config_file, &config, PARTS, |spine| {
        let link = first_link(spine, true);
        println!(
            "\nThe gate is up on http://{gate}/ in front of a careless site. The console shows its events; this link\n\
             creates your account there, once: {console}\n\
             Three things to try in another terminal:\n\n  \
             curl -i 'http://localhost:8080/?name=\"><script>alert(document.cookie)</script><!--'\n  \
             {monban} events list --config {shown}\n  \
             {monban} events show last --config {shown}\n\nCtrl-C ends it and removes {folder}.\n",
            gate = demo::GATE,
            // a new folder has no accounts, so the link exists
            console = link.as_deref().unwrap_or(demo::CONSOLE),
            folder = folder.path().display(),
        );
    })
}
