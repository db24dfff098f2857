//! Returns the values of variables.

#![expect(
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "sizes of a request are below 2^63, and an age is not negative"
)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use event::Timestamp;
use seclang::variable::Variable;

use super::values::{Single, ValueId};
use super::{Noted, Transaction, is_single};
use crate::body::escape_for_log;
use crate::collections::{Record, deprecate};
use crate::memory::Slice;
use crate::plan::source::{self, Source};
use crate::rule::Rule;
use crate::ruleset::RuleSet;
use crate::target::{Exclusion, Selector};

/// One value that a rule reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) variable: Variable,
    pub(super) name: ItemName,
    pub(super) value: Slice,
    /// Number of the value; [`NO_ID`] for values that may change.
    pub(super) id: ValueId,
}

/// The part of a name in logs that follows the variable.
#[derive(Debug, Clone, Copy)]
pub(super) enum ItemName {
    /// No further part.
    Bare,
    /// `:key`
    Key(Slice),
    /// `:name` of a TX variable.
    Tx(u32),
    /// The name of the rule's target as written, used for counts.
    Target(u32),
}

pub(super) const NO_ID: ValueId = u32::MAX;

/// The data that ModSecurity stores with each record in addition to the rules' own variables.
const OWN: [&str; 5] = ["KEY", "IS_NEW", "CREATE_TIME", "UPDATE_COUNTER", "UPDATE_RATE"];

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

impl Transaction {
    /// Adds the values of `variable` that `selector` selects to `items`.
    pub(super) fn collect(
        &mut self,
        variable: Variable,
        selector: &Selector,
        rules: &RuleSet,
        items: &mut Vec<Item>,
    ) {
        use Variable as V;
        let sources = source::of(variable);
        if !sources.is_empty() {
            return sources.iter().for_each(|&source| self.values(variable, source, selector, items));
        }
        if is_single(variable) {
            let value = self.single_value(variable, rules);
            items.extend(value.map(|s| Item { variable, name: ItemName::Bare, value: s.value, id: s.id }));
            return;
        }
        match variable {
            V::FilesSizes => self.file_sizes(selector, items),
            V::Tx => self.tx_values(selector, rules, items),
            V::Ip | V::Global | V::Session | V::User | V::Resource => {
                self.persistent_values(variable, selector, items);
            }
            V::MatchedVars | V::MatchedVarsNames => self.matched_values(variable, selector, items),
            V::Env => {
                for (name, value) in
                    self.environment.iter().filter(|(name, _)| selector.selects(name, &self.key_faults))
                {
                    let name = ItemName::Key(self.memory.scratch(name));
                    let value = self.memory.scratch(value);
                    items.push(Item { variable, name, value, id: NO_ID });
                }
            }
            V::Geo => {
                for (key, value) in
                    self.geo.iter().filter(|(key, _)| selector.selects(key.as_bytes(), &self.key_faults))
                {
                    let name = ItemName::Key(self.memory.scratch(key.as_bytes()));
                    let value = self.memory.scratch(value.as_bytes());
                    items.push(Item { variable, name, value, id: NO_ID });
                }
            }
            V::Xml => {
                if let Selector::XPath(path) = selector {
                    self.values(variable, Source::Xml(*path), &Selector::All, items);
                }
            }
            // RULE is read from the rule; FILES_TMPNAMES has no values here.
            _ => {}
        }
    }

    /// Adds `RULE:id` and similar values: attributes of the running rule, with macros unexpanded.
    pub(super) fn rule_value(&mut self, rule: &Rule, selector: &Selector, items: &mut Vec<Item>) {
        let Selector::Key(key) = selector else { return };
        if let Some(value) = rule.says(key) {
            let value = self.memory.scratch(&value);
            items.push(Item { variable: Variable::Rule, name: ItemName::Bare, value, id: NO_ID });
        }
    }

    fn values(&self, variable: Variable, source: Source, selector: &Selector, items: &mut Vec<Item>) {
        for (key, value, id) in self.inputs(source).iter() {
            let name = match key {
                Some(key)
                    if !matches!(selector, Selector::All)
                        && !selector.selects(self.memory.get(key), &self.key_faults) =>
                {
                    continue;
                }
                key => key.map_or(ItemName::Bare, ItemName::Key),
            };
            items.push(Item { variable, name, value, id });
        }
    }

    fn file_sizes(&mut self, selector: &Selector, items: &mut Vec<Item>) {
        let Some(multipart) = &self.input.multipart else { return };
        for (file, &size) in multipart.contents.iter().zip(&multipart.sizes) {
            if selector.selects(self.memory.get(file.name), &self.key_faults) {
                let value = size as i64;
                let item = Item {
                    variable: Variable::FilesSizes,
                    name: ItemName::Key(file.name),
                    value: self.memory.scratch_number(value),
                    id: NO_ID,
                };
                items.push(item);
            }
        }
    }

    fn tx_values(&mut self, selector: &Selector, rules: &RuleSet, items: &mut Vec<Item>) {
        let memory = &mut self.memory;
        let mut push = |number: u32, value: &crate::tx::Value| {
            let value = memory.scratch(value.bytes(&mut [0; 20]));
            items.push(Item { variable: Variable::Tx, name: ItemName::Tx(number), value, id: NO_ID });
        };
        match selector {
            Selector::Slot(number) => {
                if let Some(value) = self.tx.get(*number) {
                    push(*number, value);
                }
            }
            Selector::Regex(keys) if keys.matches_made_only() => {
                for (number, value) in self.tx.iter_made() {
                    if keys.matches_tx(number, self.tx.name(number, &rules.names), &self.key_faults) {
                        push(number, value);
                    }
                }
            }
            _ => {
                for (number, value) in self.tx.iter() {
                    let name = self.tx.name(number, &rules.names);
                    let selected = match selector {
                        Selector::Regex(keys) => keys.matches_tx(number, name, &self.key_faults),
                        selector => selector.selects(name, &self.key_faults),
                    };
                    if selected {
                        push(number, value);
                    }
                }
            }
        }
    }

    /// Returns the record of an opened collection, after deprecation and expiry.
    pub(super) fn record(&self, variable: Variable) -> Option<Record> {
        let name = self.opened.iter().find(|name| name.collection == variable)?;
        Some(self.collections.read(name, self.now.as_micros()).unwrap_or_default())
    }

    fn persistent_values(&mut self, variable: Variable, selector: &Selector, items: &mut Vec<Item>) {
        if let Selector::Key(key) = selector
            && !OWN.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(key))
        {
            let Some(opened) = self.opened.iter().find(|name| name.collection == variable) else { return };
            let key = key.to_ascii_lowercase();
            if let Some(value) = self.collections.value(opened, &key, self.now.as_micros()) {
                let name = ItemName::Key(self.memory.scratch(&key));
                items.push(Item { variable, name, value: self.memory.scratch(&value), id: NO_ID });
            }
            return;
        }
        let Some(record) = self.record(variable) else { return };
        let key =
            self.opened.iter().find(|n| n.collection == variable).map(|n| n.key.clone()).unwrap_or_default();
        let age = (self.now.as_micros() - record.created) / (60 * SECOND);
        let rate = if age > 0 { record.updates / age as u64 } else { record.updates };
        let own = [
            key,
            if record.updates == 0 { b"1" } else { b"0" }.to_vec(),
            (record.created / SECOND).to_string().into_bytes(),
            record.updates.to_string().into_bytes(),
            rate.to_string().into_bytes(),
        ];
        let entries = record.entries.iter().map(|(name, entry)| (name.as_slice(), entry.value.as_slice()));
        let own = OWN.iter().zip(&own).map(|(name, value)| (name.as_bytes(), value.as_slice()));
        for (name, value) in own.chain(entries).filter(|(name, _)| selector.selects(name, &self.key_faults)) {
            let name = ItemName::Key(self.memory.scratch(name));
            let value = self.memory.scratch(value);
            items.push(Item { variable, name, value, id: NO_ID });
        }
    }

    /// Applies `deprecatevar` to a variable of an opened collection.
    pub(super) fn deprecate(&mut self, collection: Variable, key: &[u8], amount: i64, period: i64) {
        let Some(name) = self.opened.iter().find(|name| name.collection == collection) else { return };
        let now = self.now.as_micros();
        let updated = self.collections.read(name, now).map_or(now, |record| record.updated);
        let timeout = self.rules.settings.collection_timeout;
        self.collections.change(name, key, timeout, now, |entry| {
            entry.map(|entry| deprecate(entry, updated, amount, period, now))
        });
    }

    /// Returns the chain's matches so far: each name once, at the position of its first match, with the value of its last.
    fn matched_values(&mut self, variable: Variable, selector: &Selector, items: &mut Vec<Item>) {
        let mut places = HashMap::new();
        for matched in &self.matched_in_chain {
            let name = self.memory.get(matched.name);
            if !selector.selects(name, &self.key_faults) {
                continue;
            }
            let value = if variable == Variable::MatchedVars { matched.value } else { matched.name };
            let item = Item { variable, name: ItemName::Key(matched.name), value, id: NO_ID };
            match places.entry(name.to_ascii_lowercase()) {
                Entry::Occupied(place) => items[*place.get()] = item,
                Entry::Vacant(place) => {
                    place.insert(items.len());
                    items.push(item);
                }
            }
        }
    }

    /// Returns the value of a variable that is not a collection; none if it has no value now.
    fn single_value(&mut self, variable: Variable, rules: &RuleSet) -> Option<Single> {
        use Variable as V;
        let uncached = |value: Slice| Some(Single { value, id: NO_ID });
        let flag = |value: bool| if value { 1 } else { 0 };
        let number: i64 = match variable {
            V::RemoteAddr | V::RemoteHost => {
                let text = self.connection.client.ip().to_canonical().to_string();
                return uncached(self.memory.scratch(text.as_bytes()));
            }
            V::ServerAddr => {
                let text = self.connection.server.ip().to_canonical().to_string();
                return uncached(self.memory.scratch(text.as_bytes()));
            }
            V::ServerName => {
                let host = self.host().to_vec();
                return uncached(self.memory.scratch(&host));
            }
            V::UniqueId => return uncached(self.memory.scratch(self.unique_id.as_bytes())),
            V::SessionId => return uncached(self.memory.scratch(&self.session_id)),
            V::UserId => return uncached(self.memory.scratch(&self.user_id)),
            V::WebappId => return uncached(self.memory.scratch(&rules.settings.web_app_id)),
            V::MatchedVar => match (self.noted, &self.matched) {
                (Some(Noted::Tx { number, .. } | Noted::Count { count: number, .. }), _) => number,
                (None, matched) => return matched.as_ref().and_then(|m| uncached(m.value)),
            },
            V::MatchedVarName => match (self.noted, &self.matched) {
                (Some(Noted::Tx { slot, .. }), _) => {
                    let name = [b"TX:", self.tx.name(slot, &rules.names)].concat();
                    return uncached(self.memory.scratch(&name));
                }
                (Some(Noted::Count { rule, .. }), _) => {
                    let target = rules.rules[rule as usize].links.first().and_then(|l| l.targets.first());
                    let name = target.map_or("", |target| &target.name);
                    return uncached(self.memory.scratch(name.as_bytes()));
                }
                (None, matched) => return matched.as_ref().and_then(|m| uncached(m.name)),
            },
            V::ReqbodyProcessor => {
                let name = self.options.body_processor.map_or("", |p| p.name());
                return uncached(self.memory.scratch(name.as_bytes()));
            }
            V::ReqbodyErrorMsg => {
                let message = self.input.body_error.as_deref().unwrap_or("");
                return uncached(self.memory.scratch(message.as_bytes()));
            }
            V::MultipartName => return self.input.multipart.as_ref().and_then(|m| uncached(m.last_name)),
            V::MultipartFilename => {
                return self.input.multipart.as_ref().and_then(|m| uncached(m.last_filename));
            }
            V::FullRequest => {
                let text = self.full_request();
                return uncached(self.memory.scratch(&text));
            }
            V::ModsecBuild => return uncached(self.memory.scratch(MODSEC_BUILD)),
            V::Time => {
                let text = clock(self.now).time();
                return uncached(self.memory.scratch(text.as_bytes()));
            }
            // Variables of Apache that do not exist in a proxy.
            V::RemoteUser | V::AuthType | V::PathInfo | V::WebserverErrorLog => return None,
            V::ArgsCombinedSize => {
                let fields = self.input.get.iter().chain(&self.input.post).chain(&self.input.json);
                fields.map(|f| (f.name.len() + f.value.len()) as i64).sum()
            }
            V::FilesCombinedSize => {
                let sizes = self.input.multipart.as_ref().map_or(&[][..], |m| &m.sizes);
                sizes.iter().map(|&size| size as i64).sum()
            }
            V::FullRequestLength => {
                // A body that its processor read on arrival is not stored.
                let missing = self.input.body_length - self.input.body.len();
                (self.full_request().len() + missing) as i64
            }
            V::RequestBodyLength => self.input.body_length as i64,
            V::ResponseContentLength => self.response.body_length as i64,
            V::ResponseStatus => i64::from(self.response.status),
            V::RemotePort => i64::from(self.connection.client.port()),
            V::ServerPort => i64::from(self.connection.server.port()),
            V::HighestSeverity => i64::from(self.highest_severity),
            V::InboundDataError => flag(self.input.body_truncated),
            V::OutboundDataError => flag(self.response.body_truncated),
            V::ReqbodyError => flag(self.input.body_error.is_some()),
            V::UrlencodedError => flag(self.input.urlencoded_error),
            V::Duration => self.now.as_micros() - self.started.as_micros(),
            V::TimeEpoch => self.now.as_micros().div_euclid(SECOND),
            V::TimeDay => clock(self.now).day,
            V::TimeHour => clock(self.now).hour,
            V::TimeMin => clock(self.now).minute,
            V::TimeMon => clock(self.now).month - 1,
            V::TimeSec => clock(self.now).second,
            V::TimeWday => clock(self.now).weekday,
            V::TimeYear => clock(self.now).year,
            _ => self.multipart_flag(variable)?,
        };
        uncached(self.memory.scratch_number(number))
    }

    /// Returns request line, headers and body as one text.
    fn full_request(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Some(line) = self.input.line {
            text.extend_from_slice(self.memory.get(line.value));
        }
        text.push(b'\n');
        for field in &self.input.headers {
            text.extend_from_slice(self.memory.get(field.name));
            text.extend_from_slice(b": ");
            text.extend_from_slice(self.memory.get(field.value));
            text.push(b'\n');
        }
        text.push(b'\n');
        text.extend_from_slice(self.memory.get(self.input.body));
        text
    }

    /// Whether an exclusion removes this value.
    pub(super) fn is_excluded(&self, item: &Item, exclusion: &Exclusion, rules: &RuleSet) -> bool {
        if exclusion.variable != item.variable {
            return false;
        }
        match (&exclusion.selector, item.name) {
            (Selector::All, _) => true,
            (Selector::Slot(wanted), ItemName::Tx(number)) => *wanted == number,
            (selector, ItemName::Tx(number)) => {
                selector.selects(self.tx.name(number, &rules.names), &self.key_faults)
            }
            (selector, ItemName::Key(key)) => selector.selects(self.memory.get(key), &self.key_faults),
            (Selector::XPath(_), _) => true,
            _ => false,
        }
    }

    /// Writes the name of a value as in logs: `ARGS:name`.
    pub(super) fn write_name(&self, item: &Item, rules: &RuleSet, target: &str, out: &mut Vec<u8>) {
        if let ItemName::Target(_) = item.name {
            out.extend_from_slice(target.as_bytes());
            return;
        }
        out.extend_from_slice(item.variable.name().as_bytes());
        let key = match item.name {
            ItemName::Key(key) => self.memory.get(key),
            ItemName::Tx(number) => self.tx.name(number, &rules.names),
            ItemName::Bare | ItemName::Target(_) => return,
        };
        if matches!(item.variable, Variable::MatchedVars | Variable::MatchedVarsNames) {
            // The name of such a value is complete.
            out.clear();
        } else {
            out.push(b':');
        }
        // As in ModSecurity, unprintable bytes are escaped, so that a log entry stays on one line.
        if key.iter().all(|b| matches!(b, b' '..=b'~') && *b != b'\\') {
            out.extend_from_slice(key);
        } else {
            out.extend_from_slice(escape_for_log(key).as_bytes());
        }
    }
}

/// Version 2.9.7 in ModSecurity's form: two digits each for major, minor and patch, then release (9) and build.
const MODSEC_BUILD: &[u8] = b"020907900";

/// The fields of a time in UTC.
struct Clock {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    /// Day of the week; 0 is Sunday.
    weekday: i64,
}

impl Clock {
    fn time(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

/// Returns the fields of `now`. The TIME variables are in UTC, so that rules have the same meaning on every machine.
fn clock(now: Timestamp) -> Clock {
    let time = jiff::tz::Offset::UTC.to_datetime(now.to_jiff());
    Clock {
        year: time.year().into(),
        month: time.month().into(),
        day: time.day().into(),
        hour: time.hour().into(),
        minute: time.minute().into(),
        second: time.second().into(),
        weekday: time.weekday().to_sunday_zero_offset().into(),
    }
}
