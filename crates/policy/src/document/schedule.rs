//! Schedules and calendars of the organization's document: who is on by turns, and when an office is open.
//!
//! Everything here is written in local wall time. What instants it comes to is up to whoever asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::Place;
use super::field::{Fields, Reader};
use crate::yaml::Node;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Longest turn, in days.
const LONGEST_TURN: u32 = 366;
/// Most layers of a schedule, people of a layer, and hours that restrict one.
const MOST: usize = 100;

/// Who is on, by turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Its name.
    pub name: Arc<str>,
    /// The zone of every time in it.
    pub zone: TimeZone,
    /// At least one; a later one wins over an earlier one where it applies.
    pub layers: Vec<Layer>,
    pub(crate) place: Place,
}

/// One rotation of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// In the order of their turns; at least one.
    pub people: Vec<String>,
    /// Local wall time at which the first turn begins; later ones begin at the same time of the day.
    pub starts: DateTime,
    /// How many days a turn takes; at least one.
    pub every_days: u32,
    /// It applies within these hours alone; empty: always.
    pub only: Vec<Hours>,
    /// Local wall time at which it ends.
    pub ends: Option<DateTime>,
}

/// Hours of some days of the week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    /// Days on which they begin: Monday is the first.
    pub days: [bool; 7],
    /// Minute of the day at which they begin.
    pub from: u16,
    /// Minute of the day before which they end, up to 1440; not after `from`: on the day after.
    pub to: u16,
}

/// When an office is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Its name.
    pub name: Arc<str>,
    /// The zone of its hours.
    pub zone: TimeZone,
    /// When it is open.
    pub hours: Hours,
    /// Days on which no hours begin.
    pub holidays: BTreeSet<Date>,
}

impl Hours {
    /// Whether a clock on the wall shows one of these hours, which do not begin on a holiday.
    pub fn hold(&self, wall: DateTime, holiday: impl Fn(Date) -> bool) -> bool {
        let minute = u16::from(wall.hour().unsigned_abs()) * 60 + u16::from(wall.minute().unsigned_abs());
        let begins = |date: Date| {
            let weekday = usize::from(date.weekday().to_monday_zero_offset().unsigned_abs());
            self.days.get(weekday) == Some(&true) && !holiday(date)
        };
        let today = begins(wall.date());
        if !self.over_midnight() {
            return today && (self.from..self.to).contains(&minute);
        }
        (today && minute >= self.from) || (minute < self.to && wall.date().yesterday().is_ok_and(begins))
    }

    /// Whether they run over midnight.
    pub fn over_midnight(&self) -> bool {
        self.to <= self.from
    }
}

impl Calendar {
    /// Whether the office is open, at so many microseconds since 1970.
    pub fn is_open(&self, at: i64) -> bool {
        let edge = if at < 0 { Timestamp::MIN } else { Timestamp::MAX };
        let wall = self.zone.to_datetime(Timestamp::from_microsecond(at).unwrap_or(edge));
        self.hours.hold(wall, |date| self.holidays.contains(&date))
    }
}

/// A time zone by its IANA name, from the database that is compiled in: the same on every machine.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Whether `name` is the IANA name of a time zone that this version knows.
pub fn is_time_zone(name: &str) -> bool {
    time_zone(name).is_some()
}

pub(crate) fn zone(reader: &mut Reader<'_>, node: &Node) -> Option<TimeZone> {
    let name = reader.name(node)?;
    let zone = time_zone(&name);
    if zone.is_none() {
        let message = format!("`{name}` is no time zone");
        let help = "write an IANA name such as `Europe/Berlin`";
        reader.error("invalid_value", node.span.clone(), message, help);
    }
    zone
}

/// The schedule called `name`.
pub(crate) fn read(reader: &mut Reader<'_>, name: &str, key: &Node, node: &Node) -> Option<Schedule> {
    let mut fields = reader.fields(node, "a schedule")?;
    let zone = fields.need(reader, "zone").and_then(|node| zone(reader, node));
    let mut layers = Vec::new();
    if let Some(node) = fields.need(reader, "layers") {
        let items = reader.list(node).unwrap_or_default();
        if !(1..=MOST).contains(&items.len()) {
            let message = format!("a schedule has from 1 to {MOST} layers");
            let help = "add `- { people: [ada, ben], starts: 2026-01-05T09:00, every: 1w }`";
            reader.error("empty", node.span.clone(), message, help);
        }
        layers.extend(items.iter().map(|item| layer(reader, item)));
    }
    fields.finish(reader);
    Some(Schedule {
        name: Arc::from(name),
        zone: zone?,
        layers: layers.into_iter().collect::<Option<_>>()?,
        place: reader.place(key.span.clone()),
    })
}

fn layer(reader: &mut Reader<'_>, node: &Node) -> Option<Layer> {
    let mut fields = reader.fields(node, "a layer")?;
    let people = fields.need(reader, "people").and_then(|node| {
        let people = reader.names(node)?;
        if !(1..=MOST).contains(&people.len()) {
            let message = format!("a layer has from 1 to {MOST} people");
            reader.error("empty", node.span.clone(), message, "name somebody");
        }
        let people = people.iter().map(|name| name.strip_prefix("user:").unwrap_or(name));
        Some(people.map(str::to_owned).collect())
    });
    let starts = fields
        .need(reader, "starts")
        .map(|node| (node, wall_time(reader, node)));
    let every_days = fields.need(reader, "every").and_then(|node| turn(reader, node));
    let mut only = Vec::new();
    if let Some(node) = fields.get("only") {
        let items = reader.list(node).unwrap_or_default();
        if !(1..=MOST).contains(&items.len()) {
            let help = "remove `only`: then the layer always applies";
            reader.error("empty", node.span.clone(), "no hours are written", help);
        }
        for item in items {
            let mut fields = reader.fields(item, "hours")?;
            only.push(hours(reader, &mut fields));
            fields.finish(reader);
        }
    }
    let ends = fields.get("ends").map(|node| (node, wall_time(reader, node)));
    if let (Some((_, Some(starts))), Some((node, Some(ends)))) = (&starts, &ends)
        && ends <= starts
    {
        let help = "the layer would never apply";
        reader.error("contradiction", node.span.clone(), "`ends` is not after `starts`", help);
    }
    fields.finish(reader);
    Some(Layer {
        people: people?,
        starts: starts?.1?,
        every_days: every_days?,
        only: only.into_iter().collect::<Option<_>>()?,
        ends: match ends {
            Some((_, ends)) => Some(ends?),
            None => None,
        },
    })
}

/// The calendar called `name`.
pub(crate) fn calendar(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<Calendar> {
    let mut fields = reader.fields(node, "business hours")?;
    let zone = fields.need(reader, "zone").and_then(|node| zone(reader, node));
    let hours = hours(reader, &mut fields);
    let mut holidays = Some(BTreeSet::new());
    if let Some(node) = fields.get("holidays") {
        let days = reader.list_or_one(node).unwrap_or_default();
        let days: Vec<_> = days.iter().map(|day| date(reader, day)).collect();
        holidays = days.into_iter().collect();
    }
    fields.finish(reader);
    Some(Calendar {
        name: Arc::from(name),
        zone: zone?,
        hours: hours?,
        holidays: holidays?,
    })
}

/// `days`, `from` and `to`; left out: every day, from midnight to midnight.
fn hours(reader: &mut Reader<'_>, fields: &mut Fields<'_>) -> Option<Hours> {
    let days = match fields.get("days") {
        Some(node) => days(reader, node),
        None => Some([true; 7]),
    };
    let (from, to) = (fields.get("from"), fields.get("to"));
    let mut minute = |node: Option<&Node>, default| match node {
        Some(node) => minute_of_day(reader, node),
        None => Some(default),
    };
    let (start, end) = (minute(from, 0), minute(to, DAY));
    let (days, start, end) = (days?, start?, end?);
    if start == end || start == DAY {
        let span = to
            .or(from)
            .map_or_else(|| fields.span.clone(), |node| node.span.clone());
        let help = "for the whole day, leave out `from` and `to`";
        reader.error("contradiction", span, "these hours are empty", help);
        return None;
    }
    Some(Hours {
        days,
        from: start,
        to: end,
    })
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// `mon-fri`, `sat`, or a list of such; a range may run over Sunday.
fn days(reader: &mut Reader<'_>, node: &Node) -> Option<[bool; 7]> {
    let mut all = [false; 7];
    for item in reader.list_or_one(node)? {
        let text = item.text().unwrap_or_default();
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let at = |day: &str| DAYS.iter().position(|known| *known == day.trim());
        let (Some(first), Some(last)) = (at(first), at(last)) else {
            let message = format!("`{}` is no day of the week", text.escape_debug());
            let help = "write `mon`, `mon-fri` or `[tue, thu]`";
            reader.error("unknown_value", item.span.clone(), message, help);
            return None;
        };
        let length = (last + 7 - first) % 7;
        for (day, on) in all.iter_mut().enumerate() {
            *on |= (day + 7 - first) % 7 <= length;
        }
    }
    if all == [false; 7] {
        reader.error(
            "empty",
            node.span.clone(),
            "no day is named",
            "leave it out for every day",
        );
        return None;
    }
    Some(all)
}

/// `09:00`, up to `24:00`.
fn minute_of_day(reader: &mut Reader<'_>, node: &Node) -> Option<u16> {
    let part = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let minute = node
        .text()
        .and_then(|text| text.split_once(':'))
        .and_then(|(hour, minute)| Some((part(hour)?, part(minute)?)))
        .filter(|(_, minute)| *minute < 60)
        .map(|(hour, minute)| hour * 60 + minute)
        .filter(|minute| *minute <= DAY);
    if minute.is_none() {
        let help = "write it as in `\"09:00\"`, at most `\"24:00\"`";
        reader.error("invalid_value", node.span.clone(), "this is no time of the day", help);
    }
    minute
}

fn wall_time(reader: &mut Reader<'_>, node: &Node) -> Option<DateTime> {
    let time = node.text().filter(|text| text.len() == 16 && text.contains('T'));
    let time = time.and_then(|text| text.parse::<DateTime>().ok()).filter(in_range);
    if time.is_none() {
        let message = "this is no local date and time";
        let help = "write it as in `2026-01-05T09:00`; the zone is the schedule's";
        reader.error("invalid_value", node.span.clone(), message, help);
    }
    time
}

/// Years that clocks can show and counting of days cannot leave.
fn in_range(time: &DateTime) -> bool {
    (1970..=9000).contains(&time.year())
}

fn date(reader: &mut Reader<'_>, node: &Node) -> Option<Date> {
    let date = node.text().filter(|text| text.len() == 10);
    let date = date.and_then(|text| text.parse::<Date>().ok());
    if date.is_none() {
        let help = "write it as in `2026-12-25`";
        reader.error("invalid_value", node.span.clone(), "this is no date", help);
    }
    date
}

/// `1d`, `2w`, in days.
fn turn(reader: &mut Reader<'_>, node: &Node) -> Option<u32> {
    let turn = node.text().and_then(|text| {
        let (number, days) = match text.strip_suffix('w') {
            Some(number) => (number, 7),
            None => (text.strip_suffix('d')?, 1),
        };
        number.parse::<u32>().ok()?.checked_mul(days)
    });
    let turn = turn.filter(|days| (1..=LONGEST_TURN).contains(days));
    if turn.is_none() {
        let help = "write days or weeks, as in `1d` or `2w`; for parts of a day, use layers with `only`";
        reader.error(
            "invalid_value",
            node.span.clone(),
            "this is no turn of whole days",
            help,
        );
    }
    turn
}
