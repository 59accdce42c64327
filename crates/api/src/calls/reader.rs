//! Calls about the programs that a ledger is for.

use Method::{Get, Post};
use Permission::LocalOperator;

use super::params::{id, path, with_slashes};
use super::{Call, Method, Param, Permission};
use crate::audit::ReaderAnswer;

const ORGANIZATION: Param = with_slashes(path("name", "The organization.", id));

pub(super) static CALLS: &[Call] = &[
    Call::new("least_reader", Get, "/v1/readers/{name}", LocalOperator)
        .about("Which programs the records of an organization are for, and which one this is.")
        .with(&[ORGANIZATION])
        .answers::<ReaderAnswer>(),
    Call::new("raise_min_reader", Post, "/v1/readers/{name}", LocalOperator)
        .about(
            "Lets records be of every type that this program knows. Programs of before stop serving the organization.",
        )
        .with(&[ORGANIZATION])
        .answers::<ReaderAnswer>()
        .problems(&[(409, "already_upgraded")]),
];
