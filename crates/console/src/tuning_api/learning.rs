//! `/api/learning`

use axum::extract::{Path, State};
use axum::response::Json;
use event::{ByteString, Event, EventId, Timestamp};
use serde::{Deserialize, Serialize};
use store::Condition;
use tuning::{Exclusion, Learned, SiteMode, SiteState};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{asked, not_found, refused};
use crate::access::{Analyst, Viewer};
use crate::{Console, Input, Problem};
use finding::{AuditAction, table};

table! {
    /// The actions of learning.
    pub(crate) ACTIONS: AuditAction {
        /// Site mode changed.
        pub(crate) SITE_MODE = AuditAction::new("tuning.site_mode_changed", "site mode changed", "サイトのモードを変更");
    }
}

/// Newest events of a site that are read.
pub const EVENTS: usize = 50_000;
/// Events that are read from the store at a time.
const PAGE: usize = 500;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(set)).routes(routes!(proposals))
}

/// The sites.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LearningSites)]
pub struct Sites {
    /// The sites, in the order of the configuration.
    pub sites: Vec<SiteState>,
}

/// The new mode of a site's rules.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMode {
    /// `learning`, `block` or `detect`.
    pub mode: SiteMode,
}

/// The results of learning for a site.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LearnedProposals)]
pub struct Proposals {
    /// Version of the file of exclusions for which they were found.
    pub version: String,
    /// The proposals, the likeliest first.
    pub proposals: Vec<Proposal>,
}

/// A likely false positive.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LearnedProposal)]
pub struct Proposal {
    /// The exclusion that would avoid it.
    #[serde(flatten)]
    pub exclusion: Exclusion,
    /// The rule's message.
    pub message: ByteString,
    /// The variable that the rule matched on.
    pub variable: ByteString,
    /// Number of affected clients.
    pub clients: usize,
    /// Number of events that it caused.
    pub events: u64,
    /// Its rule text.
    pub seclang: String,
    /// Likelihood of a false positive, from 0 to 1.
    pub likely: f64,
    /// Number of clients that match in at most three places and kinds, unlike scanners.
    pub honest: usize,
    /// Whether as many rules match at once as on an attack.
    pub many_rules: bool,
    /// Some of the events, from different clients.
    pub samples: Vec<EventId>,
}

/// The events of a site since it learns, newest first. Ends at the first event that cannot be read.
struct Events<'a> {
    console: &'a Console,
    query: Option<store::Query>,
    page: std::vec::IntoIter<Event>,
    left: usize,
    failure: Option<store::StoreError>,
}

impl<'a> Events<'a> {
    fn new(console: &'a Console, site: &str, since: Option<Timestamp>) -> Result<Self, Problem> {
        let condition = |name: &str, value: &str| {
            Condition::parse(&console.properties, name, value).map_err(|error| refused(error.to_string()))
        };
        let mut conditions = vec![condition("subject", site)?, condition("outcome", "detected")?];
        if let Some(since) = since {
            conditions.push(condition("since", &since.to_string())?);
        }
        let filter = conditions.into_iter().collect();
        let query = Some(store::Query::newest(filter, PAGE));
        Ok(Self { console, query, page: Vec::new().into_iter(), left: EVENTS, failure: None })
    }
}

impl Iterator for Events<'_> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.page.next() {
                self.left = self.left.checked_sub(1)?;
                return Some(event);
            }
            let query = self.query.as_mut()?;
            match self.console.events.query(query) {
                Ok(page) => {
                    match page.next {
                        Some(next) => query.before = Some(next),
                        None => self.query = None,
                    }
                    self.page = page.events.into_iter();
                }
                Err(failure) => {
                    self.failure = Some(failure);
                    return None;
                }
            }
        }
    }
}

fn learned(console: &Console, site: &SiteState) -> Result<Vec<Learned>, Problem> {
    let mut events = Events::new(console, &site.site, site.since)?;
    let learned = console.tuning.learned(&mut events)?;
    match events.failure {
        Some(failure) => Err(failure.into()),
        None => Ok(learned),
    }
}

fn find(console: &Console, name: &str) -> Result<SiteState, Problem> {
    let site = console.tuning.sites()?.into_iter().find(|site| site.site == name);
    site.ok_or_else(|| not_found(format!("site `{name}` does not exist")))
}

/// List the sites and their modes
#[utoipa::path(
    get,
    path = "/api/learning",
    operation_id = "learning",
    tag = "tuning",
    responses((status = 200, body = Sites))
)]
pub(crate) async fn list(_: Viewer, State(console): State<Console>) -> Result<Json<Sites>, Problem> {
    asked(console, |console| {
        let mut sites = console.tuning.sites()?;
        for site in sites.iter_mut().filter(|site| site.mode == SiteMode::Learning) {
            site.proposals = learned(console, site)?.len();
        }
        Ok(Sites { sites })
    })
    .await
    .map(Json)
}

/// Set a site's mode: learning, detecting or blocking
#[utoipa::path(
    post,
    path = "/api/learning/{site}",
    security(("session" = ["analyst"]), ("token" = ["tune"])),
    operation_id = "set_site_mode",
    tag = "tuning",
    params(("site" = String, Path, description = "The site's name")),
    request_body = NewMode,
    responses((status = 200, body = SiteState), (status = 404, body = crate::openapi::Failure))
)]
pub(crate) async fn set(
    who: Analyst,
    State(console): State<Console>,
    Path(site): Path<String>,
    Input(new): Input<NewMode>,
) -> Result<Json<SiteState>, Problem> {
    if new.mode == SiteMode::Off {
        return Err(refused("rules are switched off in the configuration file".to_owned()));
    }
    asked(console, move |console| {
        let state = console.tuning.set_mode(&who.user, &site, new.mode)?;
        console.audit_blocking(&who, SITE_MODE, &format!("{site}: {}", new.mode.as_str()));
        Ok(state)
    })
    .await
    .map(Json)
}

/// List the likely false positives that a site has learned
#[utoipa::path(
    get,
    path = "/api/learning/{site}/proposals",
    operation_id = "learned",
    tag = "tuning",
    params(("site" = String, Path, description = "The site's name")),
    responses((status = 200, body = Proposals), (status = 404, body = crate::openapi::Failure))
)]
pub(crate) async fn proposals(
    _: Viewer,
    State(console): State<Console>,
    Path(site): Path<String>,
) -> Result<Json<Proposals>, Problem> {
    asked(console, move |console| {
        // read before the proposals, so that a change in between makes the version out of date
        let version = console.tuning.exclusions()?.0.version();
        let found = learned(console, &find(console, &site)?)?;
        let proposals = found.into_iter().map(|learned| {
            let Learned { exclusion, message, variable, seclang, clients, events, .. } = learned;
            let Learned { honest, is_telling: many_rules, samples, likely, .. } = learned;
            Proposal {
                exclusion,
                message,
                variable,
                clients,
                events,
                seclang,
                likely,
                honest,
                many_rules,
                samples,
            }
        });
        Ok(Proposals { version, proposals: proposals.collect() })
    })
    .await
    .map(Json)
}
