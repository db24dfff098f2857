//! `monban rules install`

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use clap::Args;
use event::Timestamp;
use serde::Serialize;
use store::Filter;
use tuner::change::{self, Proposed};
use tuning::Release;
use tuning::replay::Report;

use super::replay::{replayed, summary};
use crate::events;
use tuner::ExclusionStore;

use crate::config::Config;
use crate::control::{self, Request};
use crate::crs::{self, Entries, Releases, State, Switch, signature};
use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::GateConfig;
use crate::rules;
use crate::terminal::Safe;

/// Install a release of the Core Rule Set and use it instead of the current one
///
/// monban rules install coreruleset-4.28.0.tar.gz --signature coreruleset-4.28.0.tar.gz.asc --key crs-key.asc
///
/// Checks the signature, loads the rules, and runs the old and the new rules on stored events and on the sample of passed
/// requests. If the new rules would let attacks pass or block requests of the sample, it changes nothing without --accept. It
/// then points `crs/current` in data_dir at the release, names it in `[waf] rules`, and reloads a running daemon. Your
/// crs-setup.conf and exclusions stay. `--undo` returns to the previous rules.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Archive of a release: coreruleset-VERSION.tar.gz, or its -minimal form
    #[arg(required_unless_present = "undo", value_name = "ARCHIVE")]
    archive: Option<PathBuf>,
    /// Detached OpenPGP signature of the archive [default: ARCHIVE.asc]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Public key of the project, as `gpg --export` writes it
    #[arg(long, value_name = "FILE", required_unless_present_any = ["unsigned", "undo"])]
    key: Option<PathBuf>,
    /// Accept the archive without a signature
    #[arg(long, conflicts_with_all = ["signature", "key"])]
    unsigned: bool,
    /// Check, load and replay without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Use the release even if the replay lets attacks pass or blocks harmless requests
    #[arg(long)]
    accept: bool,
    /// Return to the rules before the last installation
    #[arg(long, conflicts_with_all = ["archive", "signature", "key", "unsigned", "accept"])]
    undo: bool,
    /// Maximum number of events to replay, newest first
    #[arg(long, value_name = "NUMBER", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The result of the command.
#[derive(Debug, Serialize)]
struct Outcome {
    version: Option<String>,
    /// The previous version.
    from: Option<String>,
    /// Fingerprint of the signing key; none for an unsigned archive.
    signed_by: Option<String>,
    warnings: Vec<String>,
    /// Requests that both rule sets judged.
    replayed: u64,
    report: Report,
    /// The reason why the release is not used although it loads.
    not_switched: Option<String>,
    switched: bool,
    /// Whether the running daemon already uses it.
    reloaded: bool,
}

/// The places that name the rules.
struct Place {
    releases: Releases,
    entries: Entries,
    number: usize,
    /// Version of the present rules, as they state it.
    version: Option<String>,
}

impl Place {
    fn find(config: &Config, config_file: &Path) -> Result<Self, Failure> {
        let entries = Entries::read(config_file)?;
        let releases = Releases::new(&config.host.data_dir);
        let Some((number, file)) = entries.core_rules() else {
            return Err(Failure::Configuration(vec![format!(
                "{}: no entry of [waf] rules loads the Core Rule Set ({}); name its rules there, such as \
                 \"/usr/share/modsecurity-crs/rules/*.conf\"",
                config_file.display(),
                tuning::release::FIRST_RULES
            )]));
        };
        let text =
            store::regular_file::read(&file, tuning::limits::RELEASE_FILE_BYTES as u64).unwrap_or_default();
        Ok(Self { releases, entries, number, version: tuning::release::version(&text) })
    }

    fn state(&self) -> State {
        State { link: self.releases.current(), entry: self.entries.get(self.number).to_owned() }
    }

    /// Sets the link and the entry. Sets the link first, so that the entry never points to a missing target.
    fn set(&self, state: &State) -> Result<(), Failure> {
        if let Some(version) =
            state.link.as_ref().filter(|link| self.releases.current().as_ref() != Some(link))
        {
            self.releases.point_at(version)?;
        }
        self.entries.replace(self.number, &state.entry)
    }
}

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config_file = context.config_file.clone();
    let config = context.config()?;
    crate::data_folder::create(&config.host.data_dir)?;
    let releases = Releases::new(&config.host.data_dir);
    let _lock = releases.lock()?;
    let place = Place::find(&config, &config_file)?;
    let outcome = match &arguments.archive {
        Some(archive) => install(arguments, archive, &config, &place)?,
        None => undo(arguments, &config, &config_file, &place)?,
    };
    print(&outcome, arguments)?;
    match &outcome.not_switched {
        Some(why) if !arguments.dry_run => Err(Failure::Refused {
            message: format!("the release is not used: {why}"),
            hint: Some("`monban rules replay` shows the requests; --accept uses it nevertheless".to_owned()),
        }),
        _ => Ok(()),
    }
}

fn install(
    arguments: &Arguments,
    archive: &Path,
    config: &Config,
    place: &Place,
) -> Result<Outcome, Failure> {
    let mut warnings = Vec::new();
    let bytes = read(archive, tuning::limits::RELEASE_BYTES as u64)?;
    let signed_by = match &arguments.key {
        Some(key) => {
            let beside = || PathBuf::from(format!("{}.asc", archive.display()));
            let file = arguments.signature.clone().unwrap_or_else(beside);
            let signature = read(&file, signature::MAX_BYTES)?;
            let fingerprint = signature::check(&bytes, &signature, &read(key, signature::MAX_BYTES)?, key)?;
            if fingerprint != signature::PROJECT_KEY {
                warnings.push(format!(
                    "the archive is signed by {fingerprint}; the project's key is {}",
                    signature::PROJECT_KEY
                ));
            }
            Some(fingerprint)
        }
        None => {
            warnings.push("the archive is not signed: nobody vouches for its rules".to_owned());
            None
        }
    };
    let release = Release::read(&bytes).map_err(|error| Failure::Refused {
        message: format!("{}: {error}", archive.display()),
        hint: Some(
            "download coreruleset-VERSION.tar.gz from github.com/coreruleset/coreruleset/releases".to_owned(),
        ),
    })?;
    warnings.extend(about_setup(config, place, &release)?);
    let unpacked = place.releases.unpack(&release)?;
    let (report, replayed) = compare(config, place, &unpacked.path().join("rules/*.conf"), arguments.limit)?;
    let not_switched = refusal(&report).filter(|_| !arguments.accept);
    let mut outcome = Outcome {
        version: Some(release.version.clone()),
        from: place.version.clone(),
        signed_by: signed_by.clone(),
        warnings,
        replayed,
        report,
        switched: false,
        reloaded: false,
        not_switched,
    };
    if arguments.dry_run || outcome.not_switched.is_some() {
        return Ok(outcome);
    }
    place.releases.keep(unpacked, &release)?;
    let after = State { link: Some(release.version.clone()), entry: place.releases.pattern() };
    switch(config, place, Some(release.version), signed_by, after, None, &mut outcome)?;
    Ok(outcome)
}

fn undo(
    arguments: &Arguments,
    config: &Config,
    config_file: &Path,
    place: &Place,
) -> Result<Outcome, Failure> {
    let history = place.releases.history()?;
    let nothing = || Failure::NotFound("no installation to undo".to_owned());
    let last = crs::last(&history).ok_or_else(nothing)?;
    if place.state() != last.after {
        return Err(Failure::Refused {
            message: "the rules were changed by hand since the last install".to_owned(),
            hint: Some(format!(
                "it had replaced {:?} in [waf] rules of {}",
                last.before.entry,
                config_file.display()
            )),
        });
    }
    // The entry below the link names the release to which the link will point again.
    let link = last.before.link.as_deref();
    let rules = match link.filter(|_| last.before.entry == place.releases.pattern()) {
        Some(version) => place.releases.of(version).join("rules/*.conf"),
        None => config_file.parent().unwrap_or(Path::new("")).join(&last.before.entry),
    };
    let (report, replayed) = compare(config, place, &std::path::absolute(rules)?, arguments.limit)?;
    let before = history.iter().rev().find(|switch| switch.number < last.number && switch.undoes.is_none());
    let mut outcome = Outcome {
        version: before.and_then(|switch| switch.version.clone()),
        from: place.version.clone(),
        signed_by: None,
        warnings: Vec::new(),
        replayed,
        report,
        not_switched: None,
        switched: false,
        reloaded: false,
    };
    if !arguments.dry_run {
        let version = outcome.version.clone();
        switch(config, place, version, None, last.before.clone(), Some(last.number), &mut outcome)?;
    }
    Ok(outcome)
}

/// Loads the present rules, and those of a pattern in their place, and judges the stored requests with both.
fn compare(config: &Config, place: &Place, rules: &Path, limit: u64) -> Result<(Report, u64), Failure> {
    let mut files = config.section::<GateConfig>().waf.rules.clone();
    if let Some(entry) = files.get_mut(place.number) {
        *entry = rules.display().to_string();
    }
    let proposed = Proposed { add: &[], remove: &[], files: &files, source: &rules::disk() };
    let replay = change::replay(
        &ExclusionStore::new(&config.host.data_dir),
        &config.section::<GateConfig>().rules(),
        None,
        &proposed,
    )
    .map_err(|error| Failure::Configuration(error.to_string().lines().map(str::to_owned).collect()))?;
    let reader = events::open(config)?;
    replayed(config, &reader, replay, &Filter::default(), limit)
}

/// Returns the reasons why a release is not used without `--accept`.
fn refusal(report: &Report) -> Option<String> {
    let mut why = Vec::new();
    if report.slips_through_count > 0 {
        why.push(format!(
            "{} blocked requests that look like attacks would pass",
            report.slips_through_count
        ));
    }
    if report.changed > 0 {
        why.push(format!("{} requests that passed would be blocked", report.changed));
    }
    (!why.is_empty()).then(|| why.join(", "))
}

/// Sets the link and the entry, records the switch, and reloads a running daemon. Reverts the switch if the daemon
/// refuses it.
fn switch(
    config: &Config,
    place: &Place,
    version: Option<String>,
    signed_by: Option<String>,
    after: State,
    undoes: Option<u64>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let before = place.state();
    let history = place.releases.history()?;
    let number = history.last().map_or(0, |switch| switch.number) + 1;
    place.set(&after)?;
    if control::socket_path(&config.host.data_dir).exists() {
        match control::ask(
            &config.host.data_dir,
            &Request::daemon("reload"),
            Some("the former rules stay in force"),
        ) {
            Ok(_) => outcome.reloaded = true,
            // The socket has no daemon: no reload is needed.
            Err(Failure::Environment { .. }) => {}
            Err(refused) => {
                // The text of the configuration has changed by now.
                let entries = Entries::read(place.entries.path())?;
                let now = Place {
                    releases: Releases::new(&config.host.data_dir),
                    entries,
                    number: place.number,
                    version: None,
                };
                now.set(&before)?;
                return Err(refused);
            }
        }
    }
    let time = Timestamp::from(SystemTime::now());
    place.releases.note(&Switch { number, time, version, signed_by, before, after, undoes })?;
    outcome.switched = true;
    Ok(())
}

/// Returns warnings about settings in the user's set-up that this release does not know.
fn about_setup(config: &Config, place: &Place, release: &Release) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    let mut found = false;
    for entry in config.section::<GateConfig>().waf.rules.iter().take(place.number) {
        for path in glob::glob(entry).into_iter().flatten().flatten() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.starts_with("crs-setup") {
                continue;
            }
            found = true;
            let text = read(&path, tuning::limits::RELEASE_FILE_BYTES as u64)?;
            let unknown = release.unknown_settings(&text);
            if !unknown.is_empty() {
                warnings.push(format!(
                    "{}: release {} does not know these settings: {}",
                    path.display(),
                    release.version,
                    unknown.join(", ")
                ));
            }
        }
    }
    if !found {
        warnings.push(
            "[waf] rules names no crs-setup.conf before the rules; the release contains an example"
                .to_owned(),
        );
    }
    Ok(warnings)
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let cannot = |what: String| {
        Failure::environment(format!("cannot read {}: {what}", path.display()), "check the path")
    };
    let bytes = store::regular_file::read(path, limit + 1).map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(cannot(format!("longer than {limit} bytes")));
    }
    Ok(bytes)
}

fn print(outcome: &Outcome, arguments: &Arguments) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(outcome).unwrap_or_default())?;
        return Ok(());
    }
    let named = |version: &Option<String>| version.clone().unwrap_or_else(|| "the former rules".to_owned());
    let (from, to) = (named(&outcome.from), named(&outcome.version));
    writeln!(out, "Core Rule Set {} -> {}", Safe(from.as_bytes()), Safe(to.as_bytes()))?;
    if let Some(fingerprint) = &outcome.signed_by {
        writeln!(out, "signed by {fingerprint}")?;
    }
    for warning in &outcome.warnings {
        writeln!(out, "warning: {}", Safe(warning.as_bytes()))?;
    }
    summary(&outcome.report, outcome.replayed, 5, &mut out)?;
    let next = match outcome {
        Outcome { reloaded: true, .. } => "the running daemon uses it",
        Outcome { switched: true, .. } => "it takes effect at the next start or `monban reload`",
        Outcome { not_switched: Some(_), .. } => "nothing was changed",
        _ => "nothing was changed (--dry-run)",
    };
    writeln!(out, "{next}")?;
    if outcome.switched {
        writeln!(out, "`monban rules install --undo` returns to the former rules")?;
    }
    Ok(())
}
