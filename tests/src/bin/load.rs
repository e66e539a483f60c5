//! `load DATA CLIENTS PAYMENTS SECONDS`: measures the running development federation in DATA, idle and with payments
//! of many wallets at once, and prints the results as JSON.

use std::{path::PathBuf, time::Duration};

use rekindle_tests::load::{Federation, payments};
use serde_json::json;

/// What an idle federation is watched for.
const IDLE: Duration = Duration::from_secs(5);
const WARM_UP: Duration = Duration::from_secs(2);
const ENGINE: &str = "guardian_cpu_engine_seconds_total";
const SIGNATURES: &str = "guardian_cpu_signatures_seconds_total";
const PROCESS: &str = "guardian_cpu_seconds_total";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("expected DATA CLIENTS PAYMENTS SECONDS");
    let data = PathBuf::from(next()?);
    let (clients, count, seconds) = (next()?.parse()?, next()?.parse()?, next()?.parse()?);
    let description = serde_json::from_slice::<serde_json::Value>(&std::fs::read(data.join("dev.json"))?)?;
    let federation = Federation::new(serde_json::from_value(description["guardians"].clone())?);

    let idle = federation.read().await?;
    tokio::time::sleep(IDLE).await;
    let idle_cpu = federation.read().await?.since(&idle, PROCESS) / IDLE.as_secs_f64();

    let payments = tokio::task::spawn_blocking(move || payments(&data, count)).await??;
    let took = federation.run(payments, clients, WARM_UP, Duration::from_secs(seconds)).await?;
    let grown = |name| took.after.since(&took.before, name);
    let accepted = took.latencies.len() as f64;
    let (cpu, engine, signatures) = (grown(PROCESS), grown(ENGINE), grown(SIGNATURES));
    let results = json!({
        "accepted_tx_per_s": accepted / took.time.as_secs_f64(),
        "latency_ms.p50": took.latency_ms(0.5),
        "latency_ms.p99": took.latency_ms(0.99),
        "cpu_ms_per_tx": cpu * 1e3 / accepted,
        "cpu_ms_per_epoch": cpu * 1e3 / grown("guardian_epoch"),
        "tx_per_epoch": accepted / grown("guardian_epoch"),
        "cpu_share_of_cores": cpu / took.time.as_secs_f64(),
        "engine_share": (engine + signatures) / cpu,
        "engine_share.engine": engine / cpu,
        "engine_share.signatures": signatures / cpu,
        "idle_cpu_share": idle_cpu,
    });
    println!("{}", serde_json::to_string_pretty(&results)?);
    Ok(())
}
