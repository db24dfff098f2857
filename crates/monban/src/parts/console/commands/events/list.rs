//! `monban events list`

use std::io::Write;

use clap::Args;
use event::Event;
use store::{EventQuery, Query};

use crate::config::Config;
use crate::events::{self, outcome, what};
use crate::failure::Failure;
use crate::filter::{FilterOptions, at_least_one};
use crate::terminal::{Safe, Style, cut, fit, safe_json, width};

/// List events, newest first
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of events
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    limit: usize,
    /// Print one JSON object per line, without bodies and with long texts cut; `events export` writes everything
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: FilterOptions,
}

pub fn run(arguments: &Arguments, config: &Config) -> Result<(), Failure> {
    let reader = events::open(config)?;
    let mut query = Query::newest(arguments.filter.filter(), 0);
    let mut left = arguments.limit;
    let mut out = std::io::stdout().lock();
    let style = Style::of_stdout();
    let layout = Layout::of(width());
    if !arguments.json {
        writeln!(out, "{}", style.strong(&layout.heading()))?;
    }
    while left > 0 {
        query.limit = left;
        let mut page = reader.query(&query).map_err(events::failure)?;
        page.events.iter_mut().for_each(Event::summarize);
        left -= page.events.len().min(left);
        for event in &page.events {
            let line = if arguments.json { safe_json(event.to_json()) } else { layout.row(event, style) };
            writeln!(out, "{line}")?;
        }
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    Ok(())
}

/// The columns of a table of events, and their widths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    subject: bool,
    actor: bool,
    /// Width of the time: with the date, without it, or 0 for no time.
    time: usize,
    /// Width of the request; none if it is not cut.
    what: Option<usize>,
}

/// Width of the identifier and the outcome, which every table has: 26 and 8 columns, each with a space after it.
const FIXED: usize = 26 + 1 + 8 + 1;
const TIME: usize = 20;
const HOUR: usize = 8;
const ACTOR: usize = 15;
const SUBJECT: usize = 12;
/// Least width of the request, as long as another column can be removed.
const WHAT: usize = 32;

impl Layout {
    /// Returns the layout for a terminal of this width. Without a terminal, another program reads the table, and
    /// nothing is cut.
    pub fn of(width: Option<usize>) -> Self {
        let whole = Self { subject: true, actor: true, time: TIME, what: None };
        let Some(width) = width else { return whole };
        let narrower = [
            whole,
            Self { subject: false, ..whole },
            Self { subject: false, time: HOUR, ..whole },
            Self { subject: false, time: HOUR, actor: false, ..whole },
            Self { subject: false, time: 0, actor: false, ..whole },
        ];
        let room = |layout: &Self| width.saturating_sub(layout.before_what());
        let chosen = narrower.into_iter().find(|layout| room(layout) >= WHAT).unwrap_or(narrower[4]);
        Self { what: Some(room(&chosen)), ..chosen }
    }

    fn before_what(&self) -> usize {
        let column = |wanted: bool, width: usize| if wanted { width + 1 } else { 0 };
        FIXED + column(self.time > 0, self.time) + column(self.actor, ACTOR) + column(self.subject, SUBJECT)
    }

    /// Returns the heading of the table.
    pub fn heading(&self) -> String {
        self.line("ID", "TIME", &format!("{:8}", "OUTCOME"), "FROM", "SUBJECT", "WHAT")
    }

    /// Returns one line of the table.
    pub fn row(&self, event: &Event, style: Style) -> String {
        // in seconds: 2026-11-23T09:04:46
        let time = event.time.to_string();
        let time = time.get(..19).map_or(time.clone(), |second| format!("{second}Z"));
        let time = if self.time == HOUR { time.get(11..19).unwrap_or_default() } else { &time };
        let actor = event.actor.as_ref().map(event::Actor::name).unwrap_or_default();
        let actor = Safe(actor.as_bytes()).to_string();
        let subject = Safe(event.subject.as_deref().unwrap_or_default().as_bytes()).to_string();
        self.line(&event.id.to_string(), time, &outcome(event, style), &actor, &subject, &what(event))
    }

    fn line(&self, id: &str, time: &str, outcome: &str, actor: &str, subject: &str, what: &str) -> String {
        let column = |text: &str, width: usize| match self.what {
            Some(_) => fit(text, width),
            None => format!("{text:width$}"),
        };
        let mut line = format!("{id:26} ");
        if self.time > 0 {
            line += &format!("{} ", column(time, self.time));
        }
        line += &format!("{outcome} ");
        if self.actor {
            line += &format!("{} ", column(actor, ACTOR));
        }
        if self.subject {
            line += &format!("{} ", column(subject, SUBJECT));
        }
        line += &self.what.map_or_else(|| what.to_owned(), |width| cut(what, width));
        line
    }
}

#[cfg(test)]
mod tests {
    use event::{Actor, EventId, Outcome, RequestEvidence, Timestamp};
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn the_table_fits_the_terminal_and_is_not_cut_without_one() {
        let time = Timestamp::from_micros(1_795_424_686_123_456);
        let line = format!("GET /{} HTTP/1.1", "門番".repeat(100));
        let evidence = RequestEvidence { line: line.clone().into_bytes().into(), ..Default::default() };
        let id = EventId::derived(time, "n", "1");
        let mut event = Event::of_request(id, time, "n", Outcome::Passed, evidence);
        event.actor = Some(Actor::at("2001:db8:1111:2222:3333::1".parse().unwrap(), None));
        event.subject = Some("a-site-with-a-long-name".to_owned());
        let plain = Style::of_stdout();
        for (width, holds) in [
            (300, &["2026-11-23T09:04:46Z", "2001:db8:1111:", "a-site-with…", "passed"][..]),
            (118, &["2026-11-23T09:04:46Z", "2001:db8:1111:", "a-site-with…"]),
            (105, &["2026-11-23T09:04:46Z", "2001:db8:1111:", "GET /門"]),
            (93, &[" 09:04:46 passed", "2001:db8:1111:", "GET /門"]),
            (77, &[" 09:04:46 passed   GET /門"]),
            (76, &[" passed   GET /門"]),
            (40, &["passed   GET…"]),
        ] {
            let layout = Layout::of(Some(width));
            let row = layout.row(&event, plain);
            assert!(row.width() <= width && row.width() + 1 >= width.min(260), "{width}: {row}");
            assert!(layout.heading().width() <= width.max(40), "{width}");
            for text in holds {
                assert!(row.contains(text), "{width}: {row}");
            }
        }
        let row = Layout::of(None).row(&event, plain);
        assert!(
            row.ends_with(&line) && row.contains(" 2001:db8:1111:2222:3333::1 a-site-with-a-long-name "),
            "{row}"
        );
    }
}
