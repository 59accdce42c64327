//! stub
use std::path::PathBuf; use std::process::ExitCode;
use crate::console::Console; use crate::failure::Result;
pub(crate) struct Options { pub(crate) interactive: bool, pub(crate) keep: bool, pub(crate) data: Option<PathBuf> }
pub(crate) async fn run(_o: Options, _c: &Console) -> Result<ExitCode> { Ok(ExitCode::SUCCESS) }
