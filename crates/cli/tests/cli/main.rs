//! The real binary, driven as people drive it. Each test has a folder and ports of its own.

mod documents;
mod export;
mod folder;
mod life;
mod scene;
mod server;
mod show;
