//! `/api/filters`: saved filters, private or shared.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::{Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::identity;
use crate::access::{Identity, Role, Viewer};
use crate::events::Parameters;
use crate::openapi::Failure;
use crate::{Console, Input, Problem};
use event::Properties;
use finding::{ProblemCode, table};

table! {
    /// The error responses about saved filters.
    pub(crate) PROBLEMS: ProblemCode {
        /// The name of a filter has 1 to {max} characters.
        pub(crate) BAD_NAME = ProblemCode::new(
            "filters.bad_name",
            422,
            "The name of a filter has 1 to {max} characters.",
            "フィルターの名前は 1〜{max} 文字で入力してください。",
        );
        /// The query of a filter has at most {max} bytes.
        pub(crate) TOO_LONG = ProblemCode::new(
            "filters.too_long",
            422,
            "The query of a filter has at most {max} bytes.",
            "フィルターは {max} バイトまでです。",
        );
        /// A user can save {max} filters, and all users together {all}.
        pub(crate) TOO_MANY = ProblemCode::new(
            "filters.too_many",
            422,
            "A user can save {max} filters, and all users together {all}.",
            "フィルターはユーザーごとに {max} 個、全体で {all} 個までです。",
        );
        /// Filter {id} does not exist.
        pub(crate) NO_SUCH_FILTER = ProblemCode::new(
            "filters.no_such_filter",
            404,
            "Filter {id} does not exist.",
            "フィルター {id} は存在しません。",
        );
        /// This filter belongs to {user}.
        pub(crate) OF_OTHER_USER = ProblemCode::new(
            "filters.of_other_user",
            403,
            "This filter belongs to {user}.",
            "このフィルターは {user} のものです。",
        );
    }
}

/// Filters of one user; more are refused.
const MAX_FILTERS: usize = 200;
/// Filters of all users; more are refused.
const MAX_ALL: usize = 2000;
/// Characters of a name; a longer one is refused.
const MAX_NAME: usize = 100;
/// Bytes of a query string; a longer one is refused.
const MAX_QUERY: usize = 4096;
/// Bytes of the file; a larger one is not read.
const MAX_FILE: u64 = 16 * 1024 * 1024;

pub(crate) fn routes() -> OpenApiRouter<Console> {
    OpenApiRouter::new().routes(routes!(list, save)).routes(routes!(delete))
}

/// A saved filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedFilter {
    /// Id of the filter.
    pub id: u64,
    /// Name of the filter.
    pub name: String,
    /// The query string of `/api/events`, without `before` and `limit`.
    pub query: String,
    /// Whether it is shared with all users.
    pub shared: bool,
    /// Name of the user who saved it.
    pub owner: String,
}

/// A filter to save.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFilter {
    /// Name, up to 100 characters.
    pub name: String,
    /// The query string of `/api/events`, without `before` and `limit`; up to 4,096 bytes. `since` and `until` may also be
    /// durations before now: `2h`, `7d` (s, m, h or d).
    pub query: String,
    /// Whether to share it with all users; only analysts and owners may.
    #[serde(default)]
    pub shared: bool,
}

/// The filters of a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct Filters {
    /// The filters, by name.
    pub filters: Vec<SavedFilter>,
}

/// All saved filters. Each change replaces their JSON file (mode 0600) as a whole.
#[derive(Debug, Default)]
pub struct Saved {
    /// Path of the file; none for filters in memory only.
    path: Option<PathBuf>,
    list: Mutex<List>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct List {
    /// Id of the next filter. Ids are not reused.
    next: u64,
    filters: Vec<SavedFilter>,
}

impl Saved {
    /// Reads the file, if it exists.
    ///
    /// # Errors
    /// The reason why the file cannot be read, with its path.
    pub fn open(path: &Path) -> Result<Self, String> {
        use std::io::Read;
        let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let list = match std::fs::File::open(path) {
            Ok(file) => {
                let mut text = Vec::new();
                file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(|error| failed(&error))?;
                if text.len() as u64 > MAX_FILE {
                    return Err(failed(&format_args!("longer than {MAX_FILE} bytes")));
                }
                serde_json::from_slice(&text).map_err(|error| failed(&error))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => List::default(),
            Err(error) => return Err(failed(&error)),
        };
        Ok(Self { path: Some(path.to_path_buf()), list: Mutex::new(list) })
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the filters that a user can see.
    fn of(&self, user: &str) -> Vec<SavedFilter> {
        let mut filters = self.list().filters.clone();
        filters.retain(|filter| filter.shared || filter.owner == user);
        filters.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        filters
    }

    fn add(&self, new: NewFilter, owner: &str) -> Result<SavedFilter, Problem> {
        let mut list = self.list();
        let own = list.filters.iter().filter(|filter| filter.owner == owner).count();
        if own >= MAX_FILTERS || list.filters.len() >= MAX_ALL {
            return Err(Problem::of(TOO_MANY).value("max", MAX_FILTERS).value("all", MAX_ALL));
        }
        let mut changed = list.clone();
        changed.next += 1;
        let NewFilter { name, query, shared } = new;
        let filter = SavedFilter { id: changed.next, name, query, shared, owner: owner.to_owned() };
        changed.filters.push(filter.clone());
        self.write(&changed)?;
        *list = changed;
        Ok(filter)
    }

    /// Deletes a filter of the user; owners can also delete shared ones.
    fn remove(&self, id: u64, identity: &Identity) -> Result<(), Problem> {
        let mut list = self.list();
        let may = |filter: &SavedFilter| {
            filter.owner == identity.user || filter.shared && identity.role == Role::Owner
        };
        let seen =
            |filter: &&SavedFilter| filter.id == id && (filter.shared || filter.owner == identity.user);
        match list.filters.iter().find(seen) {
            None => {
                return Err(Problem::of(NO_SUCH_FILTER).value("id", id));
            }
            Some(filter) if !may(filter) => {
                return Err(Problem::of(OF_OTHER_USER).value("user", filter.owner.as_str()));
            }
            Some(_) => {}
        }
        let mut changed = list.clone();
        changed.filters.retain(|filter| filter.id != id);
        self.write(&changed)?;
        *list = changed;
        Ok(())
    }

    fn write(&self, list: &List) -> Result<(), Problem> {
        let Some(path) = &self.path else { return Ok(()) };
        store::replace_file(path, |out| serde_json::to_writer(out, list).map_err(Into::into)).map_err(
            |error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{}: {error}", path.display())),
        )
    }
}

/// List the caller's and the shared filters
#[utoipa::path(
    get,
    path = "/api/filters",
    operation_id = "filters",
    tag = "events",
    responses((status = 200, body = Filters))
)]
async fn list(viewer: Viewer, State(console): State<Console>) -> Json<Filters> {
    Json(Filters { filters: console.filters.of(&viewer.user) })
}

/// Save a filter
#[utoipa::path(
    post,
    path = "/api/filters",
    operation_id = "save_filter",
    tag = "events",
    request_body = NewFilter,
    responses(
        (status = 201, body = SavedFilter),
        (status = 400, body = Failure, description = "The query is not a filter"),
        (status = 403, body = Failure, description = "Only analysts and owners can share filters"),
        (status = 422, body = Failure, description = "Too many filters, or a name that is empty or too long")
    )
)]
async fn save(
    viewer: Viewer,
    State(console): State<Console>,
    Input(new): Input<NewFilter>,
) -> Result<(StatusCode, Json<SavedFilter>), Problem> {
    if new.shared && viewer.role < Role::Analyst {
        return Err(identity::role_needed(Role::Analyst));
    }
    let new = checked(&console.properties, new)?;
    let user = viewer.user.clone();
    let saving = tokio::task::spawn_blocking(move || console.filters.add(new, &user)).await;
    let ended =
        |error: tokio::task::JoinError| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    Ok((StatusCode::CREATED, Json(saving.map_err(ended)??)))
}

/// Delete a saved filter
///
/// Users delete their own filters; owners can also delete shared ones.
#[utoipa::path(
    delete,
    path = "/api/filters/{id}",
    operation_id = "delete_filter",
    tag = "events",
    params(("id" = u64, Path)),
    responses(
        (status = 204),
        (status = 403, body = Failure, description = "The filter belongs to another user"),
        (status = 404, body = Failure, description = "The id does not exist")
    )
)]
async fn delete(
    viewer: Viewer,
    State(console): State<Console>,
    axum::extract::Path(id): axum::extract::Path<u64>,
) -> Result<StatusCode, Problem> {
    let deleting = tokio::task::spawn_blocking(move || console.filters.remove(id, &viewer.0)).await;
    let ended =
        |error: tokio::task::JoinError| Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string());
    deleting.map_err(ended)??;
    Ok(StatusCode::NO_CONTENT)
}

fn checked(properties: &Properties, mut new: NewFilter) -> Result<NewFilter, Problem> {
    new.name = new.name.trim().to_owned();
    if new.name.is_empty() || new.name.chars().count() > MAX_NAME {
        return Err(Problem::of(BAD_NAME).value("max", MAX_NAME));
    }
    new.query = new.query.trim_start_matches('?').to_owned();
    if new.query.len() > MAX_QUERY {
        return Err(Problem::of(TOO_LONG).value("max", MAX_QUERY));
    }
    let bad = |what: String| Problem::new(StatusCode::BAD_REQUEST, format!("query: {what}"));
    let uri: Uri = format!("/?{}", new.query).parse().map_err(|_| bad("not a query string".to_owned()))?;
    let Query(parameters) =
        Query::<Parameters>::try_from_uri(&uri).map_err(|rejection| bad(rejection.body_text()))?;
    let paging = |(name, _): &&(String, String)| matches!(name.as_str(), "before" | "limit");
    if let Some((name, _)) = parameters.iter().find(paging) {
        return Err(bad(format!("`{name}` is not a property of a filter")));
    }
    let spans =
        |(name, value): &(String, String)| matches!(name.as_str(), "since" | "until") && is_span(value);
    let parameters = parameters.into_iter().filter(|parameter| !spans(parameter)).collect();
    crate::events::query(properties, parameters).map_err(bad)?;
    Ok(new)
}

/// Returns whether a time is relative to now, such as `2h` or `!7d`. Clients convert it to a time when they apply the
/// filter, so that a saved filter stays current.
fn is_span(value: &str) -> bool {
    let span = value.strip_prefix('!').unwrap_or(value);
    let digits = span.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or_default();
    (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::access::Via;

    fn identity(user: &str, role: Role) -> Identity {
        Identity {
            user: user.into(),
            role,
            via: Via::Session,
            address: Ipv4Addr::LOCALHOST.into(),
            user_id: None,
            session: None,
        }
    }

    fn new(name: &str, query: &str, shared: bool) -> NewFilter {
        NewFilter { name: name.into(), query: query.into(), shared }
    }

    #[test]
    fn filters_outlive_the_process_and_each_user_sees_his_own_and_the_shared_ones() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filters.json");
        let saved = Saved::open(&path).unwrap();
        let names = |saved: &Saved, user: &str| {
            saved.of(user).into_iter().map(|filter| filter.name).collect::<Vec<_>>()
        };
        saved.add(new("b", "subject=shop", true), "anna").unwrap();
        let own = saved.add(new("a", "subject=blog", false), "anna").unwrap();
        saved.add(new("c", "", false), "bert").unwrap();
        let saved = Saved::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            (names(&saved, "anna"), names(&saved, "bert")),
            (vec!["a".into(), "b".into()], vec!["b".into(), "c".into()])
        );
        let status = |result: Result<(), Problem>| result.unwrap_err().status();
        let (bert, owner) = (identity("bert", Role::Analyst), identity("olga", Role::Owner));
        assert_eq!(status(saved.remove(1, &bert)), StatusCode::FORBIDDEN);
        assert_eq!(status(saved.remove(own.id, &bert)), StatusCode::NOT_FOUND);
        assert_eq!(status(saved.remove(own.id, &owner)), StatusCode::NOT_FOUND);
        saved.remove(1, &owner).unwrap();
        saved.remove(own.id, &identity("anna", Role::Viewer)).unwrap();
        let saved = Saved::open(&path).unwrap();
        assert_eq!((names(&saved, "anna").len(), names(&saved, "bert").len()), (0, 1));
        assert_eq!(saved.add(new("d", "", false), "anna").unwrap().id, 4);
    }

    #[test]
    fn a_file_that_cannot_be_written_or_read_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("filters.json");
        let saved = Saved::open(&path).unwrap();
        std::fs::create_dir(folder.path().join("filters.json.new")).unwrap();
        assert_eq!(
            saved.add(new("a", "", false), "anna").unwrap_err().status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert!(saved.of("anna").is_empty());
        std::fs::write(&path, "{").unwrap();
        assert!(Saved::open(&path).unwrap_err().contains("filters.json: EOF"));
    }

    #[test]
    fn what_is_saved_is_checked() {
        let long = "x".repeat(MAX_NAME + 1);
        let site = format!("subject={}", "x".repeat(MAX_QUERY));
        for (name, query, status) in [
            (" ", "", 422),
            (&*long, "", 422),
            ("a", &*site, 422),
            ("a", "colour=red", 400),
            ("a", "status=x", 400),
            ("a", "limit=3", 400),
            ("a", "subject=a b", 400),
            ("a", "since=2w", 400),
            ("a", "since=h", 400),
            ("a", "subject=2h&status=2h", 400),
        ] {
            assert_eq!(
                checked(&Properties::default(), new(name, query, false)).unwrap_err().status().as_u16(),
                status,
                "{name} {query}"
            );
        }
        let fine =
            checked(&Properties::default(), new(" a ", "?subject=shop&outcome=!passed&text=%22%3E", false))
                .unwrap();
        assert_eq!(
            (fine.name.as_str(), fine.query.as_str()),
            ("a", "subject=shop&outcome=!passed&text=%22%3E")
        );
        let spans =
            checked(&Properties::default(), new("a", "since=2h&until=!30m&outcome=blocked", false)).unwrap();
        assert_eq!(spans.query, "since=2h&until=!30m&outcome=blocked");
        let saved = Saved::default();
        for _ in 0..MAX_FILTERS {
            saved.add(new("a", "", false), "anna").unwrap();
        }
        assert_eq!(saved.add(new("a", "", false), "anna").unwrap_err().status().as_u16(), 422);
        assert!(saved.add(new("a", "", false), "bert").is_ok());
    }
}
