//! Calls of people who follow a link of one use: pages, for whoever holds the link.

use Method::{Get, Post};

use super::params::{id, path, word};
use super::{Call, Method, Param, Permission};
use crate::links::DecideForm;

const PARAMS: &[Param] = &[
    path("link", "The request and the link's secret.", word),
    path("organization", "The organization.", id),
];

const PAGE: &str = "text/html; charset=utf-8";

pub(super) static CALLS: &[Call] = &[
    Call::new("link", Get, "/v1/links/{link}/{organization}", Permission::Link)
        .about("Shows a person which request a link is for. Nothing comes of it, however often it is followed.")
        .with(PARAMS)
        .answers_as(PAGE),
    Call::new(
        "decide_by_link",
        Post,
        "/v1/links/{link}/{organization}",
        Permission::Link,
    )
    .about("Opens the request of a link, or decides on it, once.")
    .with(PARAMS)
    .takes_form::<DecideForm>(r#"{"what": "read"}"#)
    .answers_as(PAGE)
    .problems(&[(409, "link_over"), (422, "invalid_parameter")]),
];
