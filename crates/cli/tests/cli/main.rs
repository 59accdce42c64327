//! The real binary, driven as people drive it. Each test has a folder and ports of its own.

mod approvals;
mod backup;
mod callbacks;
mod channels;
mod credentials;
mod database;
mod documents;
mod export;
mod figures;
mod folder;
mod hooks;
mod install;
mod life;
mod mcp;
mod newer;
mod packages;
mod replay;
mod retention;
mod scene;
mod secrets;
mod server;
mod show;
mod tampered;
mod whole;
mod witness;
