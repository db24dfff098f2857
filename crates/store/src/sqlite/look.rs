//! Searches events: page by page, in the order of their identifiers, within a bounded time.
//!
//! A search steps through the rows of an index in the order of the identifiers, and counts them. If it has examined
//! [`QUERY_BUDGET`](crate::limits::QUERY_BUDGET) rows without filling its page, it stops and reports how far it got;
//! the next page continues there.

use std::cmp::Reverse;

use event::{Event, EventId};
use memchr::memmem::Finder;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params, params_from_iter};

use super::facts::{self, Indexed};
use super::payload::Unpacker;
use super::read_event;
use super::select::{self, Plan, Span, successor};
use super::text_index::{self, Group};
use crate::event_store::{Counted, Order, Query};
use crate::filter::{Condition, Filter, Pattern, Test, ValuePattern, text_needle};
use crate::limits::{
    COUNT_PAGE, MAX_PAGE_BYTES, MAX_TEXT_BYTES, QUERY_CANDIDATES, QUERY_JSON_COST, QUERY_LOOKUP_COST,
};
use crate::newest::Newest;

/// The result of a search, in the query's order.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub events: Vec<Event>,
    /// Events after this one in the order have not been examined, because the budget was spent.
    pub unseen_before: Option<[u8; 16]>,
    /// The remaining budget.
    pub left: u64,
    /// Bytes of the events' JSON.
    bytes: usize,
    /// Whether the search stopped because it reached the requested number of events or the byte limit of a page.
    pub full: bool,
}

/// Passes all matching events to `take`, newest first, within the budget; each costs `cost` in addition to its search.
/// Returns the event before which nothing was examined; none if the walk reached the end.
pub(super) fn walk(
    connection: &Connection,
    filter: &Filter,
    before: Option<EventId>,
    mut budget: u64,
    cost: u64,
    take: &mut dyn FnMut(Event),
) -> rusqlite::Result<Option<[u8; 16]>> {
    let mut query = Query { before, ..Query::newest(filter.clone(), COUNT_PAGE) };
    loop {
        let found = Look::new(connection, &query, COUNT_PAGE, budget)?.find()?;
        let full = found.full;
        budget = found.left.saturating_sub(cost * found.events.len() as u64);
        let last = found.events.last().map(|event| event.id);
        found.events.into_iter().for_each(&mut *take);
        if !full {
            return Ok(found.unseen_before);
        }
        query.before = last;
        if budget == 0 {
            return Ok(last.map(EventId::to_bytes));
        }
    }
}

/// One search.
pub(super) struct Look<'a> {
    connection: &'a Connection,
    filter: &'a Filter,
    before: Option<EventId>,
    order: Order,
    /// Number of events after which the search stops.
    limit: usize,
    budget: u64,
    /// The form of each condition in the index of facts; none if the index cannot evaluate it.
    facts: Vec<Option<Indexed>>,
    texts: Texts<'a>,
    unpacker: Unpacker,
}

impl<'a> Look<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        query: &'a Query,
        limit: usize,
        budget: u64,
    ) -> rusqlite::Result<Self> {
        let facts = facts::resolve(connection, &query.filter)?;
        let texts = Texts::of(&query.filter, &facts);
        Ok(Self {
            connection,
            filter: &query.filter,
            before: query.before,
            order: query.order,
            limit,
            budget,
            facts,
            texts,
            unpacker: Unpacker::default(),
        })
    }

    /// Returns the first events that pass, in the query's order.
    pub(super) fn find(mut self) -> rusqlite::Result<Found> {
        let found = self.found()?;
        Ok(Found { left: self.budget, ..found })
    }

    fn found(&mut self) -> rusqlite::Result<Found> {
        if self.texts.impossible {
            return Ok(Found::default());
        }
        if let Some((groups, end)) = self.candidates(QUERY_CANDIDATES)? {
            return self.in_groups(&groups, end);
        }
        let plan = Plan::new(self.filter, self.before, self.order, self.facts.clone());
        match self.listed(&plan)? {
            Some(ids) => self.in_list(&plan, &ids),
            None => self.along(&plan),
        }
    }

    /// Counts the events that pass, within the budget.
    pub(super) fn count_some(mut self) -> rusqlite::Result<Counted> {
        let mut count = 0;
        if self.texts.impossible {
            return Ok(Counted::default());
        }
        if !self.texts.is_empty() {
            let take = &mut |_: Event| count += 1;
            let next = walk(self.connection, self.filter, self.before, self.budget, 0, take)?;
            return Ok(Counted { count, next: next.map(EventId::from_bytes) });
        }
        let plan = Plan::new(self.filter, self.before, self.order, self.facts.clone());
        if let Some(ids) = self.listed(&plan)? {
            let mut statement = self.connection.prepare_cached(&plan.passing_row())?;
            for id in ids {
                self.spend(QUERY_LOOKUP_COST);
                count += u64::from(statement.exists(params_from_iter(plan.values_of_row(id)))?);
                if self.budget == 0 {
                    return Ok(Counted { count, next: Some(EventId::from_bytes(id)) });
                }
            }
            return Ok(Counted { count, next: None });
        }
        let cost = plan.cost();
        let mut statement = self.connection.prepare_cached(&plan.passing_rows())?;
        let mut rows = statement.query(params_from_iter(plan.values()))?;
        while let Some(row) = rows.next()? {
            self.spend(cost);
            count += row.get::<_, u64>(1)?;
            if self.budget == 0 {
                return Ok(Counted { count, next: Some(EventId::from_bytes(row.get(0)?)) });
            }
        }
        Ok(Counted { count, next: None })
    }

    /// Counts all events that pass, without a time limit.
    pub(super) fn count(mut self) -> rusqlite::Result<u64> {
        if self.texts.impossible {
            return Ok(0);
        }
        if self.texts.is_empty() {
            let plan = Plan::new(self.filter, self.before, self.order, self.facts.clone());
            let mut statement = self.connection.prepare_cached(&plan.count())?;
            return statement.query_row(params_from_iter(plan.values()), |row| row.get(0));
        }
        let mut count = 0;
        // reading a whole event costs more than examining ten
        if let Some((groups, end)) = self.candidates(QUERY_CANDIDATES / 10)? {
            let mut ranges = vec![(end + 1, i64::MAX)];
            ranges.extend(groups.iter().map(|group| (group.first, group.last)));
            for (first, last) in ranges {
                self.in_range(first, last, &mut |_, _| count += 1)?;
            }
            return Ok(count);
        }
        let plan = Plan::new(self.filter, self.before, self.order, self.facts.clone());
        let mut statement = self.connection.prepare_cached(&plan.rows())?;
        let mut rows = statement.query(params_from_iter(plan.values()))?;
        while let Some(row) = rows.next()? {
            let payload = row.get_ref(1)?;
            if payload != ValueRef::Null {
                let passes = match self.texts.of_events.is_empty() {
                    true => self.texts.fit(self.unpacker.json(payload)?),
                    false => self.read(payload)?.is_some(),
                };
                count += u64::from(passes);
            }
        }
        Ok(count)
    }

    fn spend(&mut self, cost: u64) {
        self.budget = self.budget.saturating_sub(cost);
    }

    /// Adds the event of a payload to the found ones, if it passes the conditions on its JSON.
    fn take(&mut self, payload: ValueRef<'_>, found: &mut Found) -> rusqlite::Result<()> {
        if let Some((event, bytes)) = self.read(payload)? {
            found.events.push(event);
            found.bytes += bytes;
            found.full = found.events.len() >= self.limit || found.bytes > MAX_PAGE_BYTES;
        }
        Ok(())
    }

    /// Returns the event and the bytes of its JSON, if it passes the conditions on the JSON.
    fn read(&mut self, payload: ValueRef<'_>) -> rusqlite::Result<Option<(Event, usize)>> {
        self.spend(QUERY_JSON_COST);
        let json = self.unpacker.json(payload)?;
        if !self.texts.fit(json) {
            return Ok(None);
        }
        let event = read_event(json)?;
        let passes = Condition::all_hold(self.texts.of_events.iter().copied(), &event);
        Ok(passes.then_some((event, json.len())))
    }

    /// Steps through the plan's index.
    fn along(&mut self, plan: &Plan) -> rusqlite::Result<Found> {
        let cost = plan.cost();
        let mut statement = self.connection.prepare_cached(&plan.rows())?;
        let mut rows = statement.query(params_from_iter(plan.values()))?;
        let mut found = Found::default();
        while let Some(row) = rows.next()? {
            self.spend(cost);
            let payload = row.get_ref(1)?;
            if payload != ValueRef::Null {
                self.take(payload, &mut found)?;
            }
            if found.full {
                break;
            }
            if self.budget == 0 {
                found.unseen_before = Some(row.get(0)?);
                break;
            }
        }
        Ok(found)
    }

    /// Examines only the events with these identifiers, in this order.
    fn in_list(&mut self, plan: &Plan, ids: &[[u8; 16]]) -> rusqlite::Result<Found> {
        let mut statement = self.connection.prepare_cached(&plan.row())?;
        let mut found = Found::default();
        for id in ids {
            self.spend(QUERY_LOOKUP_COST);
            let values = plan.values_of_row(*id);
            let mut rows = statement.query(params_from_iter(values))?;
            if let Some(row) = rows.next()?
                && let payload = row.get_ref(0)?
                && payload != ValueRef::Null
            {
                self.take(payload, &mut found)?;
            }
            if found.full {
                break;
            }
            if self.budget == 0 {
                found.unseen_before = Some(*id);
                break;
            }
        }
        Ok(found)
    }

    /// Returns the events of a network or of several rules, if an index has them in another order than that of the
    /// identifiers and they are few.
    fn listed(&self, plan: &Plan) -> rusqlite::Result<Option<Vec<[u8; 16]>>> {
        let Some((sql, values)) = plan.list(self.filter, self.before, QUERY_CANDIDATES + 1) else {
            return Ok(None);
        };
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(values), |row| row.get(0))?;
        let mut ids: Vec<[u8; 16]> = rows.collect::<rusqlite::Result<_>>()?;
        if ids.len() > QUERY_CANDIDATES {
            return Ok(None);
        }
        ids.sort_unstable_by_key(|id| Reverse(self.order.rank(EventId::from_bytes(*id))));
        ids.dedup();
        Ok(Some(ids))
    }

    /// Returns the groups that may contain the texts, and the end of the index; none if there are too many groups, or
    /// too many events outside the index.
    fn candidates(&self, most: usize) -> rusqlite::Result<Option<(Vec<Group>, i64)>> {
        // a group spans events of many times, so those that begin the order may be in any
        if self.texts.indexed.is_empty() || self.order == Order::OldestFirst {
            return Ok(None);
        }
        let end = text_index::end(self.connection)?;
        let beyond = "SELECT 1 FROM payloads WHERE seq > ? LIMIT 1 OFFSET ?";
        if self.connection.prepare_cached(beyond)?.exists(params![end, QUERY_CANDIDATES / 10])? {
            return Ok(None);
        }
        let span = Span::of(self.filter, self.before, self.order);
        let groups = text_index::candidates(self.connection, &self.texts.indexed, &span, most)?;
        Ok(groups.map(|groups| (groups, end)))
    }

    /// Examines the events outside the index and then the groups, the one with the newest event first, until no
    /// remaining group can have a newer event than those found.
    fn in_groups(&mut self, groups: &[Group], end: i64) -> rusqlite::Result<Found> {
        let mut newest = Newest::new(Order::NewestFirst, self.limit);
        self.in_range(end + 1, i64::MAX, &mut |event, bytes| newest.add(event, bytes))?;
        let mut unseen_before = None;
        for group in groups {
            if newest.full_above().is_some_and(|oldest| oldest.to_bytes() > group.newest) {
                break;
            }
            // Events newer than all remaining ones are final. Each search must get further than the previous one, even
            // if the groups overlap.
            let bound = successor(group.newest);
            if self.budget == 0 && self.before.is_none_or(|before| bound < before.to_bytes()) {
                unseen_before = Some(bound);
                break;
            }
            self.in_range(group.first, group.last, &mut |event, bytes| newest.add(event, bytes))?;
        }
        // if some events had no room, the page ends with the last one that had
        let unseen_before =
            unseen_before.filter(|bound| newest.left_out().is_none_or(|newest| newest.to_bytes() < *bound));
        let certain = |id: &EventId| unseen_before.is_none_or(|bound| id.to_bytes() >= bound);
        let left_out = newest.left_out().is_some() && unseen_before.is_none();
        let events: Vec<Event> = newest.in_order().filter(|event| certain(&event.id)).collect();
        let full = left_out || events.len() >= self.limit;
        Ok(Found { events, unseen_before, full, ..Found::default() })
    }

    /// Passes the events in a range of `seq` that pass the filter to `take`.
    fn in_range(
        &mut self,
        first: i64,
        last: i64,
        take: &mut dyn FnMut(Event, usize),
    ) -> rusqlite::Result<()> {
        let sql = "SELECT json FROM payloads WHERE seq BETWEEN ? AND ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([first, last])?;
        while let Some(row) = rows.next()? {
            let Some((event, bytes)) = self.read(row.get_ref(0)?)? else { continue };
            if self.before.is_none_or(|before| event.id < before) && self.filter.matches(&event) {
                take(event, bytes);
            }
        }
        Ok(())
    }
}

/// The conditions of a filter that are searched for in the JSON of events.
struct Texts<'a> {
    wanted: Vec<Finder<'static>>,
    unwanted: Vec<Finder<'static>>,
    /// The wanted texts that the index can find.
    indexed: Vec<String>,
    /// Whether no event can pass.
    impossible: bool,
    /// The conditions that need the event's JSON; their texts are also among the wanted ones.
    of_events: Vec<&'a Condition>,
    lower: Vec<u8>,
}

impl<'a> Texts<'a> {
    fn of(filter: &'a Filter, facts: &[Option<Indexed>]) -> Self {
        let mut texts = Self {
            wanted: Vec::new(),
            unwanted: Vec::new(),
            indexed: Vec::new(),
            impossible: false,
            of_events: Vec::new(),
            lower: Vec::new(),
        };
        for (condition, fact) in filter.conditions.iter().zip(facts) {
            // no event has a matching value
            let empty = fact.as_ref().is_some_and(|fact| fact.values.is_empty());
            texts.impossible |= empty && !condition.inverted;
            match &condition.test {
                Test::Text(text) if text.len() > MAX_TEXT_BYTES => texts.impossible |= !condition.inverted,
                Test::Text(text) if condition.inverted => {
                    texts.unwanted.push(Finder::new(&needle(text)).into_owned());
                }
                Test::Text(text) => texts.want(text),
                test if select::is_in_json(test, fact.as_ref()) => {
                    texts.of_events.push(condition);
                    texts.want(in_json(condition));
                }
                _ => {}
            }
        }
        texts
    }

    fn want(&mut self, text: &str) {
        let needle = needle(text);
        self.wanted.push(Finder::new(&needle).into_owned());
        if needle.len() >= 3 {
            self.indexed.push(needle);
        }
    }

    fn is_empty(&self) -> bool {
        self.wanted.is_empty() && self.unwanted.is_empty() && self.of_events.is_empty()
    }

    fn fit(&mut self, json: &[u8]) -> bool {
        if self.is_empty() {
            return true;
        }
        self.lower.clear();
        self.lower.extend(json.iter().map(u8::to_ascii_lowercase));
        let holds = |finder: &Finder<'_>| finder.find(&self.lower).is_some();
        self.wanted.iter().all(holds) && !self.unwanted.iter().any(holds)
    }
}

fn needle(text: &str) -> String {
    text_needle(text).to_ascii_lowercase()
}

/// Returns a text that the JSON of every event contains for which the condition holds; may be empty.
fn in_json(condition: &Condition) -> &str {
    let text = match &condition.test {
        _ if condition.inverted => "",
        Test::Fact(name, values) => {
            let text = single(values).and_then(ValuePattern::text).map_or("", Pattern::text);
            // the event does not contain the text `protocol` or `other`
            if name == "category" { "" } else { text }
        }
        _ => "",
    };
    // a backslash may be escaped by a second one in the JSON
    text.split('\\').next().unwrap_or_default()
}

fn single<T>(values: &[T]) -> Option<&T> {
    if let [value] = values { Some(value) } else { None }
}
