//! Quiet hours: a period of the day in the owner's time zone in which a channel stays silent.

use event::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer};

/// A period from one time of day to another, across midnight if the second is earlier: `"22:00-07:00"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    from: Time,
    to: Time,
}

impl Quiet {
    /// Returns the end of the quiet hours at `now`; none outside them. On days when the clocks change, a time of day that does
    /// not exist becomes the next existing one.
    pub fn until(&self, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(now.to_jiff());
        let (date, time) = (local.date(), local.time());
        let day = if self.from < self.to {
            (self.from <= time && time < self.to).then_some(date)?
        } else if time >= self.from {
            date.tomorrow().ok()?
        } else {
            (time < self.to).then_some(date)?
        };
        let end = zone.to_timestamp(day.to_datetime(self.to)).ok()?;
        // Clocks that go back repeat an hour: the end may seem to be over.
        Some(Timestamp::from(end)).filter(|end| *end > now)
    }
}

impl std::str::FromStr for Quiet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{}` is not a period of the day such as \"22:00-07:00\"", crate::text::cut(text, 40));
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let (from, to) = (time_of_day(from).ok_or_else(wrong)?, time_of_day(to).ok_or_else(wrong)?);
        if from == to {
            return Err(format!(
                "`{text}` starts and ends at the same time: remove it, or remove the channel"
            ));
        }
        Ok(Self { from, to })
    }
}

impl<'de> Deserialize<'de> for Quiet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Parses `HH:MM`.
pub fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str| {
        (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse().ok())?
    };
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// Returns the next time after `now` at which the zone's clocks show `time`.
pub fn next(time: Time, now: Timestamp, zone: &TimeZone) -> Timestamp {
    let today = zone.to_datetime(now.to_jiff()).date();
    let days = [Some(today), today.tomorrow().ok(), today.tomorrow().and_then(|day| day.tomorrow()).ok()];
    days.into_iter()
        .flatten()
        .filter_map(|day| zone.to_timestamp(day.to_datetime(time)).ok())
        .map(Timestamp::from)
        .find(|moment| *moment > now)
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn nights_days_and_changed_clocks() {
        for (quiet, zone, now, until) in [
            // across midnight, nine hours east
            ("22:00-07:00", "Asia/Tokyo", "2026-11-24T12:59:59Z", None),
            ("22:00-07:00", "Asia/Tokyo", "2026-11-24T13:00:00Z", Some("2026-11-24T22:00:00Z")),
            ("22:00-07:00", "Asia/Tokyo", "2026-11-24T21:59:59Z", Some("2026-11-24T22:00:00Z")),
            ("22:00-07:00", "Asia/Tokyo", "2026-11-24T22:00:00Z", None),
            // within a day
            ("12:00-13:30", "UTC", "2026-11-24T11:59:59Z", None),
            ("12:00-13:30", "UTC", "2026-11-24T12:30:00Z", Some("2026-11-24T13:30:00Z")),
            ("12:00-13:30", "UTC", "2026-11-24T13:30:00Z", None),
            // until midnight
            ("18:00-00:00", "UTC", "2026-11-24T23:59:59Z", Some("2026-11-25T00:00:00Z")),
            // Berlin's clocks skip 02:00 to 03:00 on 2026-03-29 and repeat it on 2026-10-25
            ("22:00-02:30", "Europe/Berlin", "2026-03-29T00:30:00Z", Some("2026-03-29T01:30:00Z")),
            ("22:00-07:00", "Europe/Berlin", "2026-03-28T22:00:00Z", Some("2026-03-29T05:00:00Z")),
            ("22:00-07:00", "Europe/Berlin", "2026-10-24T21:00:00Z", Some("2026-10-25T06:00:00Z")),
            ("22:00-02:30", "Europe/Berlin", "2026-10-25T01:10:00Z", None),
        ] {
            let parsed: Quiet = quiet.parse().unwrap();
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(parsed.until(at(now), &zone), until.map(at), "{quiet} at {now}");
        }
    }

    #[test]
    fn what_is_no_span() {
        for text in
            ["", "22:00", "22-07", "24:00-07:00", "22:00-07:60", "2:00-07:00", "22:00-22:00", "+2:00-07:00"]
        {
            assert!(text.parse::<Quiet>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_next_time_of_day() {
        let tokyo = TimeZone::get("Asia/Tokyo").unwrap();
        let eight = time_of_day("08:00").unwrap();
        for (now, expected) in [
            ("2026-11-23T22:59:59Z", "2026-11-23T23:00:00Z"),
            ("2026-11-23T23:00:00Z", "2026-11-24T23:00:00Z"),
        ] {
            assert_eq!(next(eight, at(now), &tokyo), at(expected));
        }
    }
}
