//! How long laws and standards want records kept: floors as data, each with where it says so and when that was read.

/// A set of rules that an organization lives by, as far as it says how long records have to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pack {
    /// Its name in `compliance:`.
    pub name: &'static str,
    /// Nothing is destroyed before so many days. A month counts 31 days, a year 366.
    pub floor_days: u32,
    /// Where it says so.
    pub source: &'static str,
    /// When that was looked up.
    pub as_of: &'static str,
}

/// Nothing is destroyed before so many days, whoever chose what.
pub const FLOOR_DAYS: u32 = 90;

/// Every pack, by name.
pub const PACKS: [Pack; 4] = [
    Pack {
        name: "eu_ai_act",
        floor_days: 6 * 31,
        source: "Regulation (EU) 2024/1689, Article 26(6): logs of high-risk systems, at least six months",
        as_of: "2026-11-26",
    },
    Pack {
        name: "hipaa",
        floor_days: 6 * 366,
        source: "45 CFR 164.316(b)(2)(i): documentation, six years",
        as_of: "2026-11-26",
    },
    Pack {
        name: "pci_dss",
        floor_days: 12 * 31,
        source: "PCI DSS v4.0.1, 10.5.1: audit logs, at least twelve months",
        as_of: "2026-11-26",
    },
    Pack {
        name: "sox",
        floor_days: 7 * 366,
        source: "17 CFR 210.2-06: records of audits and reviews, seven years",
        as_of: "2026-11-26",
    },
];

/// The days of a time such as `90_days`, `12_months`, `7_years`; `None` if the text is not one.
pub fn retention_days(text: &str) -> Option<u32> {
    let (count, unit) = text.split_once('_')?;
    let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
    let days = match unit {
        "day" | "days" => 1,
        "month" | "months" => 31,
        "year" | "years" => 366,
        _ => return None,
    };
    Some(count.saturating_mul(days))
}
