//! Schedules on the controlled clock: turns, layers, overrides, absences, business hours; and against a minute-by-minute
//! oracle that walks the wall clock, over two years in six zones with changes of the clock.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use countersign_core::policy::{Calendar, Hours, Layer, Schedule, Snapshot};
use countersign_core::schedule::{
    Absence, Changes, LONGEST_WAIT, Override, add_business, fairness, gaps, is_open, shifts, who_is_on,
};
use countersign_core::{Span, Time};
use jiff::Timestamp;
use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use proptest::prelude::*;

fn snapshot(document: &str) -> Snapshot {
    let text = format!("organization: o\n{document}\n");
    match Snapshot::load(&[("o.yaml".to_owned(), text.into_bytes())]) {
        Ok((snapshot, _)) => snapshot,
        Err(problems) => panic!("{problems:?}"),
    }
}

fn schedule(zone: &str, layers: &str) -> Schedule {
    let snapshot = snapshot(&format!("schedules: {{ s: {{ zone: {zone}, layers: [{layers}] }} }}"));
    snapshot.organization().unwrap().schedule("s").unwrap().clone()
}

fn calendar(fields: &str) -> Calendar {
    let snapshot = snapshot(&format!("calendars: {{ c: {{ {fields} }} }}"));
    snapshot.organization().unwrap().calendar("c").unwrap().clone()
}

/// An RFC 3339 instant.
fn at(text: &str) -> Time {
    text.parse().unwrap()
}

fn person(schedule: &Schedule, changes: &Changes<'_>, time: &str) -> String {
    who_is_on(schedule, changes, at(time))
        .person
        .unwrap_or_else(|| "nobody".to_owned())
}

fn absent(user: &str, delegate: Option<&str>, from: &str, to: &str) -> Absence {
    Absence {
        delegate: delegate.map(str::to_owned),
        from: at(from),
        to: at(to),
        user: user.to_owned(),
    }
}

fn put_on(user: &str, replaces: Option<&str>, from: &str, to: &str) -> Override {
    Override {
        from: at(from),
        replaces: replaces.map(str::to_owned),
        schedule: "s".to_owned(),
        to: at(to),
        user: user.to_owned(),
    }
}

const NONE: Changes<'static> = Changes {
    overrides: Vec::new(),
    absences: Vec::new(),
};

const WEEKLY: &str = "{ people: [ada, ben, cleo], starts: 2026-01-05T09:00, every: 1w }";

#[test]
fn turns_are_handed_over_at_the_same_wall_time_in_winter_and_summer() {
    let schedule = schedule("Europe/Berlin", WEEKLY);
    let on = |time| person(&schedule, &NONE, time);
    assert_eq!(on("2026-01-05T07:59:59Z"), "nobody");
    assert_eq!(on("2026-01-05T08:00:00Z"), "ada");
    assert_eq!(on("2026-01-12T07:59:59Z"), "ada");
    assert_eq!(on("2026-01-12T08:00:00Z"), "ben");
    // After the clock goes forward, nine o'clock is an hour earlier.
    assert_eq!(on("2026-03-30T06:59:59Z"), "cleo");
    assert_eq!(on("2026-03-30T07:00:00Z"), "ada");
}

#[test]
fn a_hand_over_that_does_not_exist_is_moved_and_one_that_occurs_twice_is_the_first() {
    let daily = "{ people: [ada, ben], starts: 2026-03-28T02:30, every: 1d }";
    let spring = schedule("Europe/Berlin", daily);
    // 02:30 does not exist on the 29th: it is 03:30 there, an hour later.
    assert_eq!(person(&spring, &NONE, "2026-03-29T01:29:59Z"), "ada");
    assert_eq!(person(&spring, &NONE, "2026-03-29T01:30:00Z"), "ben");
    let autumn = schedule("Europe/Berlin", &daily.replace("03-28", "10-24"));
    assert_eq!(person(&autumn, &NONE, "2026-10-25T00:29:59Z"), "ada");
    assert_eq!(person(&autumn, &NONE, "2026-10-25T00:30:00Z"), "ben");
    assert_eq!(person(&autumn, &NONE, "2026-10-25T01:30:00Z"), "ben");
}

#[test]
fn a_later_layer_wins_where_it_applies() {
    let nights = "{ people: [dan], starts: 2026-01-01T00:00, every: 1d, ends: 2026-02-01T00:00,
                    only: [{ days: mon-fri, from: \"22:00\", to: \"06:00\" }] }";
    let schedule = schedule("Asia/Kolkata", &format!("{WEEKLY}, {nights}"));
    let on = |time| person(&schedule, &NONE, time);
    // Friday night runs into Saturday; Sunday night does not begin.
    assert_eq!(on("2026-01-09T16:29:00Z"), "ada");
    assert_eq!(on("2026-01-09T16:30:00Z"), "dan");
    assert_eq!(on("2026-01-10T00:29:00Z"), "dan");
    assert_eq!(on("2026-01-10T00:30:00Z"), "ada");
    assert_eq!(on("2026-01-11T17:00:00Z"), "ada");
    assert_eq!(on("2026-02-02T17:00:00Z"), "ben");
}

#[test]
fn an_override_comes_before_every_layer_and_the_later_one_wins() {
    let schedule = schedule("UTC", WEEKLY);
    let first = put_on("dan", None, "2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z");
    let second = put_on("eve", None, "2026-01-06T12:00:00Z", "2026-01-06T13:00:00Z");
    let swap = put_on("cleo", Some("ben"), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    let mut elsewhere = put_on("fay", None, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
    elsewhere.schedule = "t".to_owned();
    let changes = Changes {
        overrides: vec![&first, &second, &swap, &elsewhere],
        absences: Vec::new(),
    };
    let on = |time| person(&schedule, &changes, time);
    assert_eq!(on("2026-01-06T11:59:00Z"), "dan");
    assert_eq!(on("2026-01-06T12:30:00Z"), "eve");
    assert_eq!(on("2026-01-06T13:00:00Z"), "dan");
    assert_eq!(on("2026-01-07T00:00:00Z"), "ada");
    assert_eq!(on("2026-01-13T00:00:00Z"), "cleo");
    let because = who_is_on(&schedule, &changes, at("2026-01-13T00:00:00Z")).because;
    assert_eq!(because, "`cleo` takes the turn of `ben` in `s`");
}

#[test]
fn a_delegate_stands_in_and_without_one_whoever_is_below() {
    let top = "{ people: [dan], starts: 2026-01-05T09:00, every: 1w }";
    let schedule = schedule("UTC", &format!("{WEEKLY}, {top}"));
    let (from, to) = ("2026-01-06T00:00:00Z", "2026-01-07T00:00:00Z");
    let on = |absences: &[Absence]| {
        let changes = Changes {
            overrides: Vec::new(),
            absences: absences.iter().collect(),
        };
        let on = who_is_on(&schedule, &changes, at("2026-01-06T12:00:00Z"));
        (on.person.unwrap_or_else(|| "nobody".to_owned()), on.because)
    };
    let (person, because) = on(&[absent("dan", Some("eve"), from, to)]);
    assert_eq!(person, "eve");
    assert_eq!(
        because,
        "`dan` has the turn in layer 2 of `s`, is absent, and `eve` stands in"
    );
    let (person, because) = on(&[absent("dan", None, from, to)]);
    assert_eq!(person, "ada");
    assert_eq!(
        because,
        "`dan` has the turn in layer 2 of `s`, and is absent without a delegate; `ada` has the turn in layer 1 of `s`"
    );
    // The delegate's own delegate is not asked.
    let chain = [
        absent("dan", Some("eve"), from, to),
        absent("eve", Some("fay"), from, to),
    ];
    assert_eq!(on(&chain).0, "ada");
    let all = [absent("dan", None, from, to), absent("ada", None, from, to)];
    assert_eq!(on(&all).0, "nobody");
    assert_eq!(on(&[absent("dan", None, to, "2026-01-08T00:00:00Z")]).0, "dan");
}

#[test]
fn a_forecast_has_the_shifts_the_gaps_and_the_shares() {
    let days = "{ people: [ada, ben], starts: 2026-01-05T09:00, every: 1d,
                  only: [{ days: mon-fri, from: \"09:00\", to: \"18:00\" }] }";
    let schedule = schedule("Europe/Berlin", days);
    let (from, to) = (at("2026-01-05T00:00:00Z"), at("2026-01-07T00:00:00Z"));
    let all: Vec<_> = shifts(&schedule, &NONE, from, to)
        .into_iter()
        .map(|shift| (shift.from.to_string(), shift.person.unwrap_or_default()))
        .collect();
    let wanted = [
        ("2026-01-05T00:00:00.000000Z", ""),
        ("2026-01-05T08:00:00.000000Z", "ada"),
        ("2026-01-05T17:00:00.000000Z", ""),
        ("2026-01-06T08:00:00.000000Z", "ben"),
        ("2026-01-06T17:00:00.000000Z", ""),
    ];
    assert_eq!(all, wanted.map(|(at, who)| (at.to_owned(), who.to_owned())));
    let gaps = gaps(&schedule, &NONE, from, to);
    assert_eq!(gaps.len(), 3);
    assert_eq!(gaps[2], (at("2026-01-06T17:00:00Z"), to));
    let shares = fairness(&schedule, &NONE, from, to);
    assert_eq!(
        Vec::from_iter(shares.values().copied()),
        [Span::hours(9), Span::hours(9)]
    );
}

#[test]
fn business_hours_skip_nights_weekends_and_holidays() {
    let office = calendar("zone: Europe/Berlin, days: mon-fri, from: \"09:00\", to: \"18:00\", holidays: [2026-12-25]");
    // Thursday, 17:30; Friday is a holiday: the rest is on Monday from nine.
    let due = add_business(&office, at("2026-12-24T16:30:00Z"), Span::hours(1));
    assert_eq!(due, at("2026-12-28T08:30:00Z"));
    assert_eq!(
        add_business(&office, at("2026-12-26T12:00:00Z"), Span::minutes(1)),
        at("2026-12-28T08:01:00Z")
    );
    assert_eq!(
        add_business(&office, at("2026-12-24T09:00:00Z"), Span::hours(1)),
        at("2026-12-24T10:00:00Z")
    );
    assert!(is_open(&office, at("2026-12-24T16:59:59Z")) && !is_open(&office, at("2026-12-24T17:00:00Z")));
}

#[test]
fn a_span_of_business_hours_always_ends() {
    let mut closed = calendar("zone: UTC, days: mon");
    closed.hours.days = [false; 7];
    let from = at("2026-01-01T00:00:00Z");
    assert_eq!(add_business(&closed, from, Span::hours(1)), from + LONGEST_WAIT);
    for edge in [Time(i64::MIN), Time(i64::MAX)] {
        let due = add_business(&calendar("zone: Europe/Berlin, days: mon"), edge, Span::hours(1));
        assert!(due >= edge);
        let schedule = schedule("Europe/Berlin", WEEKLY);
        let _ = (
            who_is_on(&schedule, &NONE, edge),
            shifts(&schedule, &NONE, edge, edge + Span::days(2)),
        );
    }
}

/// Walks the wall clock of a zone, minute by minute, and hands over when it shows the time.
struct Walker<'a> {
    layer: &'a Layer,
    /// The wall time of the next hand-over, moved where the clock left it out.
    next: DateTime,
    turns: usize,
    ended: bool,
}

impl Walker<'_> {
    fn step(&mut self, before: DateTime, now: DateTime) {
        // A hand-over that the clock left out comes as much later as was left out.
        let skipped = now.since((jiff::Unit::Minute, before)).unwrap().get_minutes() - 1;
        if skipped > 0 && before < self.next && self.next < now {
            self.next = self.next.checked_add(jiff::Span::new().minutes(skipped)).unwrap();
        }
        while now >= self.next {
            self.turns += 1;
            let scheduled = i64::try_from(self.turns).unwrap() * i64::from(self.layer.every_days);
            self.next = self
                .layer
                .starts
                .checked_add(jiff::Span::new().days(scheduled))
                .unwrap();
        }
        self.ended |= self.layer.ends.is_some_and(|ends| now >= ends);
    }

    fn person(&self, now: DateTime) -> Option<&str> {
        let open = self.layer.only.is_empty() || self.layer.only.iter().any(|hours| shows(hours, now));
        let turn = self.turns.checked_sub(1).filter(|_| open && !self.ended)?;
        Some(&self.layer.people[turn % self.layer.people.len()])
    }
}

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// Whether the wall clock shows one of the hours: looks for a day on which they begin and that they reach from.
fn shows(hours: &Hours, now: DateTime) -> bool {
    let until = if hours.to > hours.from {
        i64::from(hours.to)
    } else {
        i64::from(hours.to) + 1440
    };
    [0, 1].into_iter().any(|ago| {
        let day = now.date().checked_sub(jiff::Span::new().days(ago)).unwrap();
        let minute = i64::from(now.hour()) * 60 + i64::from(now.minute()) + ago * 1440;
        let on = WEEK
            .iter()
            .zip(hours.days)
            .any(|(weekday, on)| on && day.weekday() == *weekday);
        on && (i64::from(hours.from)..until).contains(&minute)
    })
}

fn oracle_agrees(zone: &str, layers: &str, from: Time, to: Time) {
    let schedule = schedule(zone, layers);
    let time_zone = TimeZone::get(zone).unwrap();
    let mut walkers: Vec<_> = (schedule.layers.iter())
        .map(|layer| Walker {
            layer,
            next: layer.starts,
            turns: 0,
            ended: false,
        })
        .collect();
    let forecast = shifts(&schedule, &NONE, from, to);
    let mut shift = forecast.iter();
    let mut current = shift.next().unwrap();
    let wall = |time: Time| time_zone.to_datetime(Timestamp::from_microsecond(time.0).unwrap());
    let (mut now, mut before) = (from, wall(from - Span::minutes(1)));
    let mut minute: u32 = 0;
    while now < to {
        if now == current.to {
            current = shift.next().unwrap();
        }
        assert!(
            current.from <= now && now < current.to,
            "{zone}: shifts begin and end on whole minutes"
        );
        let shown = wall(now);
        walkers.iter_mut().for_each(|walker| walker.step(before, shown));
        let wanted = walkers.iter().rev().find_map(|walker| walker.person(shown));
        assert_eq!(
            current.person.as_deref(),
            wanted,
            "{zone} at {now}, {shown} on the wall"
        );
        // At every hand-over, and now and then between, the single question gets the same answer.
        if minute.is_multiple_of(17) || current.from == now {
            let on = who_is_on(&schedule, &NONE, now);
            assert_eq!(on.person.as_deref(), wanted, "{zone} at {now}");
        }
        (now, before) = (now + Span::minutes(1), shown);
        minute += 1;
    }
}

/// Hand-overs and hours that lie within the changes of the clock of each zone.
#[test]
fn schedules_equal_a_minute_by_minute_oracle_over_two_years_in_six_zones() {
    let layers = [
        "{ people: [ada, ben, cleo], starts: 2017-07-05T02:30, every: 1d }",
        "{ people: [dan, eve], starts: 2017-09-01T02:10, every: 2w, ends: 2019-06-01T02:15,
           only: [{ days: mon-fri, from: \"22:00\", to: \"02:20\" }, { days: [sat, sun], from: \"01:45\", to: \"03:00\" }] }",
        "{ people: [fay, gus], starts: 2018-01-01T00:00, every: 1w,
           only: [{ days: sun, from: \"00:30\", to: \"02:15\" }, { days: thu-fri, from: \"09:00\", to: \"18:00\" }] }",
    ];
    let (from, to) = (at("2017-07-01T00:00:00Z"), at("2019-07-01T00:00:00Z"));
    for zone in ZONES {
        oracle_agrees(zone, &layers.join(", "), from, to);
    }
}

const ZONES: [&str; 6] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Pacific/Auckland",
];

/// A layer of a few people whose hand-over and hours are anywhere in the night, where clocks change.
fn layer() -> impl Strategy<Value = String> {
    let minute = || (0..4_u8, 0..60_u8).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let hours = (0..7_usize, 0..7_usize, minute(), minute()).prop_map(|(first, last, from, to)| {
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let hours = if from == to {
            String::new()
        } else {
            format!(", from: \"{from}\", to: \"{to}\"")
        };
        format!("{{ days: {}-{}{hours} }}", days[first], days[last])
    });
    let only = proptest::collection::vec(hours, 0..3);
    (1..5_usize, 1..29_u8, minute(), 1..10_u8, only).prop_map(|(people, day, time, every, only)| {
        let people = ["ada", "ben", "cleo", "dan", "eve"][..people].join(", ");
        let only = if only.is_empty() {
            String::new()
        } else {
            format!(", only: [{}]", only.join(", "))
        };
        format!("{{ people: [{people}], starts: 2018-02-{day:02}T{time}, every: {every}d{only} }}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_layers_equal_the_oracle_around_a_change_of_the_clock(
        layers in proptest::collection::vec(layer(), 1..4),
        zone in 0..ZONES.len(),
        autumn in any::<bool>(),
    ) {
        let from = at(if autumn { "2018-10-15T00:00:00Z" } else { "2018-03-05T00:00:00Z" });
        oracle_agrees(ZONES[zone], &layers.join(", "), from, from + Span::days(30));
    }

    #[test]
    fn business_hours_equal_minutes_counted_on_the_wall_around_a_change_of_the_clock(
        (first, last) in (0..7_usize, 0..7_usize),
        (from, to) in (0..1440_u16, 0..=1440_u16),
        (start, span) in (0..30_000_i64, 1..4000_i64),
        zone in 0..ZONES.len(),
    ) {
        prop_assume!(from != to);
        let mut office = calendar(&format!("zone: {}, holidays: [2018-11-01, 2018-10-22]", ZONES[zone]));
        office.hours = Hours { days: std::array::from_fn(|day| day == first || day == last), from, to };
        let start = at("2018-10-12T00:00:00Z") + Span::minutes(start);
        let (mut now, mut left) = (start, span);
        while left > 0 && now < start + LONGEST_WAIT {
            let wall = office.zone.to_datetime(Timestamp::from_microsecond(now.0).unwrap());
            let holiday = |wall: DateTime| ["2018-11-01", "2018-10-22"].contains(&wall.date().to_string().as_str());
            // Hours that run over midnight belong to the day on which they began.
            let late = from >= to && u32::try_from(wall.hour()).unwrap() * 60 + u32::try_from(wall.minute()).unwrap() < u32::from(to);
            let begun = if late { wall.checked_sub(jiff::Span::new().days(1)).unwrap() } else { wall };
            left -= i64::from(shows(&office.hours, wall) && !holiday(begun));
            now = now + Span::minutes(1);
        }
        prop_assert_eq!(add_business(&office, start, Span::minutes(span)), now);
    }
}
