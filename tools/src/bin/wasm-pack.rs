//! `wasm-pack`, without the upstream binary's self-installer and its background check for updates:
//! the version is pinned here, and a build should not talk to the network.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    let cli = wasm_pack::Cli::parse();
    wasm_pack::PBAR.set_log_level(cli.log_level);
    wasm_pack::PBAR.set_quiet(cli.quiet);
    wasm_pack::command::run_wasm_pack(cli.cmd)
}
