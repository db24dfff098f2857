//! `monban rules replay`

use std::io::Write;

use clap::Args;
use store::{EventQuery, EventReader, Filter, Query};
use tuner::Sample;
use tuner::change::{self, Proposed};
use tuning::Replay;
use tuning::replay::{Changed, Report};

use super::exclude::failure;
use crate::events;
use crate::filter::FilterOptions;
use tuner::ExclusionStore;

use crate::config::Config;
use crate::failure::Failure;
use crate::part::Context;
use crate::parts::gate::GateConfig;
use crate::rules;
use crate::terminal::{Progress, Safe, Style, cut};

/// Run other rules on stored events and on the sample of passed requests, and show the differences
///
/// monban rules replay --rules /etc/modsecurity/modsecurity.conf /opt/crs-next/crs-setup.conf '/opt/crs-next/rules/*.conf'
///
/// The exclusions run before the other rules. A request that would pass counts as an attack if other rules still match, if it
/// matched several kinds of attack, three rules for attacks or had a score of 15, or if the rules still block other attacks of
/// its client.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Rule files or quoted patterns that replace those of the configuration
    #[arg(long = "rules", value_name = "FILE", num_args = 1..)]
    rules: Vec<String>,
    /// Leave out this exclusion
    #[arg(long, value_name = "ID")]
    without: Vec<u64>,
    /// Maximum number of events, newest first
    #[arg(long, value_name = "NUMBER", default_value = "10000", value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// Changed requests to show of each kind
    #[arg(long, value_name = "NUMBER", default_value = "20", conflicts_with = "json")]
    show: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterOptions,
}

/// Events that are read from the store at once.
const PAGE: usize = 200;

pub fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let files = absolute(&arguments.rules)?;
    let proposed = Proposed { add: &[], remove: &arguments.without, files: &files, source: &rules::disk() };
    let (store, rule_config) =
        (ExclusionStore::new(&config.host.data_dir), config.section::<GateConfig>().rules());
    let replay = change::replay(&store, &rule_config, None, &proposed).map_err(failure)?;
    let reader = events::open(&config)?;
    let filter = arguments.filter.filter();
    let (report, done) = replayed(&config, &reader, replay, &filter, arguments.limit)?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string(&report).unwrap_or_default())?;
        return Ok(());
    }
    summary(&report, done, arguments.show, &mut out)?;
    Ok(())
}

fn absolute(files: &[String]) -> Result<Vec<String>, Failure> {
    files.iter().map(|file| Ok(std::path::absolute(file)?.display().to_string())).collect()
}

/// Replays stored events and the sample of passed requests. Also returns the number of replayed requests.
pub fn replayed(
    config: &Config,
    reader: &EventReader,
    mut replay: Replay,
    filter: &Filter,
    limit: u64,
) -> Result<(Report, u64), Failure> {
    let passed = Sample::open(&config.host.data_dir, u16::MAX).requests();
    let total = || Some(reader.count(filter).ok()?.min(limit) + passed.len() as u64);
    let mut progress = Progress::start(total);
    let (mut done, mut left) = (0, limit);
    let mut query = Query::newest(filter.clone(), PAGE);
    while left > 0 {
        query.limit = PAGE.min(usize::try_from(left).unwrap_or(PAGE));
        let page = reader.query(&query).map_err(events::failure)?;
        for event in &page.events {
            replay.event(event);
            done += 1;
            progress.show(done, "requests");
        }
        left -= (page.events.len() as u64).min(left);
        match page.next {
            Some(next) => query.before = Some(next),
            None => break,
        }
    }
    for event in &passed {
        replay.passed(event);
        done += 1;
        progress.show(done, "requests");
    }
    Ok((replay.finish(), done))
}

/// Writes the result of a replay, with at most `shown` requests of each kind.
pub fn summary(report: &Report, done: u64, shown: usize, out: &mut impl Write) -> std::io::Result<()> {
    let style = Style::of_stdout();
    let not = report.not_replayed;
    writeln!(out, "{done} requests, {} of them from the sample of passed requests", report.sample_of_passed)?;
    for (count, what) in [
        (report.now_pass_count, "would now pass"),
        (report.now_pass_detected, "of these were only detected"),
        (report.slips_through_count, "of these look like attacks"),
        (report.newly_blocked_count, "would now be blocked"),
        (report.changed, "of these are from the sample"),
        (report.still_blocked, "stay blocked"),
        (report.still_detected, "stay detected: their site does not block"),
        (report.still_pass, "pass as before"),
        (not.truncated, "not evaluated: monban stored only the beginning of the body"),
        (not.without_rules, "not evaluated: the gate refused them before the rules"),
        (
            not.not_reproduced,
            "were blocked and now pass: the rules have changed, or the kept evidence does not show why",
        ),
    ] {
        writeln!(out, "{count:8} {what}")?;
    }
    for (title, list) in
        [("would now pass", &report.now_pass), ("would now be blocked", &report.newly_blocked)]
    {
        if list.is_empty() || shown == 0 {
            continue;
        }
        writeln!(out, "\n{}", style.strong(title))?;
        for changed in list.iter().take(shown) {
            line(changed, out)?;
        }
        if list.len() > shown {
            writeln!(out, "… --show N shows more")?;
        }
    }
    Ok(())
}

fn line(changed: &Changed, out: &mut impl Write) -> std::io::Result<()> {
    let rules: Vec<String> = changed.rules.iter().map(u64::to_string).collect();
    let request = cut(&Safe(changed.request.as_bytes()).to_string(), 80);
    let signs: Vec<String> = changed.signs.iter().map(ToString::to_string).collect();
    let attack = if changed.attack { format!(" attack? {}", signs.join("; ")) } else { String::new() };
    let (before, after) = (changed.score_before, changed.score_after);
    writeln!(out, "{} {before}→{after} {} {request}{attack}", changed.event, rules.join(","))
}
