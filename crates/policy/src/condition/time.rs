//! Instants and spans: RFC 3339 text, CEL's duration text, and the calendar in UTC.

use std::fmt::Write as _;

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 0001-01-01T00:00:00Z, the first instant of CEL.
const FIRST: i64 = -62_135_596_800 * SECOND;
/// The last microsecond of the year 9999.
const LAST: i64 = 253_402_300_799 * SECOND + 999_999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    FullYear,
    Month,
    Date,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
}

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar.
/// <https://howardhinnant.github.io/date_algorithms.html#days_from_civil>
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month from 1, day from 1. The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

/// One number out of an instant, in UTC.
pub(super) fn part(at: i64, part: Part) -> i64 {
    let days = at.div_euclid(DAY);
    let second = at.rem_euclid(DAY) / SECOND;
    let (year, month, day) = civil_from_days(days);
    match part {
        Part::FullYear => year,
        Part::Month => month - 1,
        Part::Date => day,
        Part::DayOfMonth => day - 1,
        // 1970-01-01 was a Thursday; Sunday is 0.
        Part::DayOfWeek => (days + 4).rem_euclid(7),
        Part::DayOfYear => days - days_from_civil(year, 1, 1),
        Part::Hours => second / 3600,
        Part::Minutes => second / 60 % 60,
        Part::Seconds => second % 60,
    }
}

/// An instant within the years 1 to 9999, or nothing.
pub(super) fn in_range(at: i64) -> Option<i64> {
    (FIRST..=LAST).contains(&at).then_some(at)
}

/// Reads digits from the front.
fn digits(rest: &mut &str, count: usize) -> Option<i64> {
    let text = rest
        .get(..count)
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    *rest = rest.get(count..)?;
    text.parse().ok()
}

fn literal(rest: &mut &str, wanted: &[char]) -> Option<()> {
    *rest = rest.strip_prefix(wanted)?;
    Some(())
}

/// Microseconds since 1970 of an RFC 3339 text; finer digits are an error, not rounded.
pub(crate) fn parse_timestamp(text: &str) -> Option<i64> {
    let rest = &mut &*text;
    let year = digits(rest, 4)?;
    literal(rest, &['-'])?;
    let month = digits(rest, 2).filter(|month| (1..=12).contains(month))?;
    literal(rest, &['-'])?;
    let day = digits(rest, 2)?;
    let days = days_from_civil(year, month, day);
    if civil_from_days(days) != (year, month, day) {
        return None;
    }
    literal(rest, &['T', 't'])?;
    let hour = digits(rest, 2).filter(|hour| *hour < 24)?;
    literal(rest, &[':'])?;
    let minute = digits(rest, 2).filter(|minute| *minute < 60)?;
    literal(rest, &[':'])?;
    let second = digits(rest, 2).filter(|second| *second < 60)?;
    let mut micros = 0;
    if literal(rest, &['.']).is_some() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let fraction = rest.get(..length)?.trim_end_matches('0');
        if length == 0 || fraction.len() > 6 {
            return None;
        }
        micros = format!("{fraction:0<6}").parse().ok()?;
        *rest = rest.get(length..)?;
    }
    let offset = if literal(rest, &['Z', 'z']).is_some() {
        0
    } else {
        let sign = if rest.starts_with('-') { -1 } else { 1 };
        literal(rest, &['+', '-'])?;
        let hours = digits(rest, 2).filter(|hours| *hours < 24)?;
        literal(rest, &[':'])?;
        let minutes = digits(rest, 2).filter(|minutes| *minutes < 60)?;
        sign * (hours * 60 + minutes)
    };
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset * 60;
    in_range(seconds * SECOND + micros).filter(|_| rest.is_empty())
}

/// Microseconds of a duration such as `1h30m`, `-1.5s` or `300ms`; finer than a microsecond is an error.
pub(super) fn parse_duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total = 0i64;
    let mut first = true;
    while first || !rest.is_empty() {
        first = false;
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = rest
            .get(..length)
            .filter(|text| text.bytes().any(|byte| byte.is_ascii_digit()))?;
        rest = rest.get(length..)?;
        let length = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let unit = match rest.get(..length)? {
            "h" => 3600 * SECOND,
            "m" => 60 * SECOND,
            "s" => SECOND,
            "ms" => 1000,
            "us" | "µs" => 1,
            _ => return None,
        };
        rest = rest.get(length..)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > 9 || fraction.contains('.') {
            return None;
        }
        let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        let mut part = whole.checked_mul(unit)?;
        if !fraction.is_empty() {
            let scaled = fraction.parse::<i64>().ok()?.checked_mul(unit)?;
            let scale = 10i64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            if scaled % scale != 0 {
                return None;
            }
            part = part.checked_add(scaled / scale)?;
        }
        total = total.checked_add(part)?;
    }
    total.checked_mul(sign)
}

/// RFC 3339 in UTC, with as many digits of the second as it takes.
pub(crate) fn timestamp_text(at: i64) -> String {
    let (year, month, day) = civil_from_days(at.div_euclid(DAY));
    let number = |wanted| part(at, wanted);
    let (hour, minute, second) = (number(Part::Hours), number(Part::Minutes), number(Part::Seconds));
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    fraction(at.rem_euclid(SECOND), &mut text);
    text.push('Z');
    text
}

/// Seconds with as many decimals as it takes, such as `300s` or `-0.5s`.
pub(crate) fn duration_text(span: i64) -> String {
    let size = span.unsigned_abs();
    let mut text = String::from(if span < 0 { "-" } else { "" });
    let _ = write!(text, "{}", size / SECOND.unsigned_abs());
    fraction(
        i64::try_from(size % SECOND.unsigned_abs()).unwrap_or_default(),
        &mut text,
    );
    text.push('s');
    text
}

fn fraction(micros: i64, text: &mut String) {
    if micros > 0 {
        text.push_str(format!(".{micros:06}").trim_end_matches('0'));
    }
}
