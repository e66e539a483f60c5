//! Every endpoint in both encodings, and what hostile requests get, without sockets.

mod backups;
mod caching;
mod endpoints;
mod faucet;
mod fixture;
mod hostile;
mod openapi;
mod operators;
mod serving;
