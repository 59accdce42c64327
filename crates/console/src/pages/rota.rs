//! The next days of a schedule: who is on when, drawn and in words, when nobody is, and how the time is shared.

use std::fmt::Write as _;

use countersign_api::organization::ForecastAnswer;
use jiff::Timestamp;

use super::schedules::DAYS;
use crate::chart::meter;
use crate::said::{Html, said};
use crate::visit::Visit;
use crate::when::{Lasting, Zone};

/// Gaps and shifts that are told one by one.
const TOLD_AT_MOST: usize = 60;
/// People who have a row of their own in the picture.
const ROWS_AT_MOST: usize = 14;

/// What a schedule comes to.
pub(super) struct Rota {
    pub name: Html,
    pub picture: Html,
    pub shifts: Vec<Shift>,
    pub more_shifts: usize,
    pub gaps: Vec<String>,
    pub more_gaps: usize,
    pub load: Vec<Load>,
}

pub(super) struct Shift {
    pub when: String,
    pub person: Html,
    pub because: Html,
}

pub(super) struct Load {
    pub person: Html,
    pub hours: Lasting,
    pub share: String,
    pub meter: Html,
}

pub(super) fn rota(visit: &Visit, forecast: &ForecastAnswer) -> Rota {
    let zone = &visit.zone;
    let span = |from: &str, to: &str| format!("{} to {}", zone.words(from), zone.words(to));
    let all: i64 = forecast.shares.iter().map(|share| share.seconds).sum();
    Rota {
        name: said(&forecast.schedule),
        picture: picture(zone, forecast),
        shifts: (forecast.shifts.iter().take(TOLD_AT_MOST))
            .map(|shift| Shift {
                when: span(&shift.from, &shift.to),
                person: said(&shift.person),
                because: said(&shift.because),
            })
            .collect(),
        more_shifts: forecast.shifts.len().saturating_sub(TOLD_AT_MOST),
        gaps: (forecast.gaps.iter().take(TOLD_AT_MOST))
            .map(|gap| span(&gap.from, &gap.to))
            .collect(),
        more_gaps: forecast.gaps.len().saturating_sub(TOLD_AT_MOST),
        load: (forecast.shares.iter())
            .map(|share| {
                let permille = permille(share.seconds, all);
                let told = format!("{}%", (permille + 5) / 10);
                Load {
                    person: said(&share.person),
                    hours: Lasting(share.seconds),
                    meter: meter(&format!("{} has {told} of the time", share.person), permille.min(799)),
                    share: told,
                }
            })
            .collect(),
    }
}

fn permille(part: i64, all: i64) -> u64 {
    let (part, all) = (u64::try_from(part).unwrap_or(0), u64::try_from(all).unwrap_or(0));
    part.saturating_mul(1000).checked_div(all).unwrap_or(0)
}

const WIDTH: i64 = 980;
const LEFT: i64 = 120;
const HEAD: i64 = 22;
const ROW: i64 = 26;

/// A row for each person and one for nobody, a column for each day.
fn picture(zone: &Zone, forecast: &ForecastAnswer) -> Html {
    let Some((days, end)) = zone.days(&forecast.from, DAYS + 1) else {
        return Html::default();
    };
    let Some(begin) = days.first().map(|(_, at)| *at) else {
        return Html::default();
    };
    let mut people: Vec<&str> = forecast.shares.iter().map(|share| share.person.as_str()).collect();
    people.truncate(ROWS_AT_MOST);
    let rows = people.len() + usize::from(!forecast.gaps.is_empty());
    let height = HEAD + ROW * i64::try_from(rows).unwrap_or(0) + 4;
    let x = |at: Timestamp| {
        let (past, all) = (
            at.as_second() - begin.as_second(),
            (end.as_second() - begin.as_second()).max(1),
        );
        LEFT + (WIDTH - LEFT) * past.clamp(0, all) / all
    };
    let mut svg = format!(
        "<svg class=\"chart rota\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Who is on in {} over the next {DAYS} days\">",
        said(&forecast.schedule)
    );
    for (name, at) in &days {
        let left = x(*at);
        let _ = write!(
            svg,
            "<line class=\"s-line\" x1=\"{left}\" x2=\"{left}\" y1=\"4\" y2=\"{height}\"/><text x=\"{}\" y=\"14\">{name}</text>",
            left + 3
        );
    }
    let mut bars = |row: usize, label: &str, class: &str, spans: &mut dyn Iterator<Item = (&str, &str)>| {
        let top = HEAD + ROW * i64::try_from(row).unwrap_or(0);
        let _ = write!(svg, "<text x=\"0\" y=\"{}\">{}</text>", top + 16, said(&short(label)));
        for (from, to) in spans {
            let (Ok(begins), Ok(ends)) = (from.parse(), to.parse()) else {
                continue;
            };
            let (left, right) = (x(begins), x(ends));
            let _ = write!(
                svg,
                "<rect class=\"{class}\" x=\"{left}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"><title>{}: {} to {}</title></rect>",
                top + 4,
                (right - left).max(1),
                ROW - 8,
                said(label),
                said(&zone.words(from)),
                said(&zone.words(to))
            );
        }
    };
    for (row, person) in people.iter().enumerate() {
        let theirs = forecast.shifts.iter().filter(|shift| shift.person == *person);
        bars(
            row,
            person,
            "c-accent",
            &mut theirs.map(|shift| (shift.from.as_str(), shift.to.as_str())),
        );
    }
    if !forecast.gaps.is_empty() {
        let gaps = forecast.gaps.iter();
        bars(
            people.len(),
            "nobody",
            "c-bad",
            &mut gaps.map(|gap| (gap.from.as_str(), gap.to.as_str())),
        );
    }
    Html::of_ours(svg + "</svg>")
}

/// A name that fits before its row.
fn short(name: &str) -> String {
    const FITS: usize = 16;
    if name.chars().count() <= FITS {
        return name.to_owned();
    }
    let head: String = name.chars().take(FITS - 1).collect();
    format!("{head}…")
}

#[cfg(test)]
mod tests {
    use countersign_api::organization::{ShareAnswer, ShiftAnswer, SpanAnswer};

    use super::*;

    #[test]
    fn the_picture_has_a_row_for_each_person_and_one_for_gaps_with_words() {
        let forecast = ForecastAnswer {
            schedule: "on<call".into(),
            from: "2026-07-01T10:00:00Z".into(),
            to: "2026-07-15T10:00:00Z".into(),
            gaps: vec![SpanAnswer {
                from: "2026-07-02T10:00:00Z".into(),
                to: "2026-07-03T10:00:00Z".into(),
            }],
            shares: vec![ShareAnswer {
                person: "ada".into(),
                seconds: 86_400,
            }],
            shifts: vec![ShiftAnswer {
                from: "2026-07-01T10:00:00Z".into(),
                to: "2026-07-02T10:00:00Z".into(),
                person: "ada".into(),
                because: "her turn".into(),
            }],
        };
        let svg = picture(&Zone::named(None), &forecast).to_string();
        assert!(svg.contains("Who is on in on&lt;call over the next 14 days"), "{svg}");
        assert!(
            svg.contains("<title>ada: Wed 1 Jul, 10:00 to Thu 2 Jul, 10:00</title>"),
            "{svg}"
        );
        assert!(
            svg.contains("class=\"c-bad\"") && svg.contains("<title>nobody:"),
            "{svg}"
        );
    }

    #[test]
    fn a_share_of_nothing_is_nothing() {
        assert_eq!((permille(5, 0), permille(1, 3)), (0, 333));
    }
}
