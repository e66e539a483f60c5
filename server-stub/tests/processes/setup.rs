//! The ceremony between real processes, with the commands that operators type.

use std::process::{Command, Stdio};

use rekindle_guardian::{
    dev::Credits,
    guardian::{Home, deal::free_addresses},
    secrets::Password,
};
use rekindle_protocol::schnorr;
use tokio::task::{JoinSet, spawn_blocking};

use crate::{
    client::Client,
    process::{PASSWORD, PATIENCE, Process},
};

/// Runs `guardian` with arguments to its end and gives what it wrote.
fn guardian(args: &[&str]) -> Result<String, String> {
    let output = Command::new(env!("CARGO_BIN_EXE_guardian"))
        .args(args)
        .env("GUARDIAN_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guardians_found_a_federation_and_run_it() {
    let dir = tempfile::tempdir().unwrap();
    let homes: Vec<_> = (0..4).map(|number| dir.path().join(format!("{number}"))).collect();
    let data: Vec<_> = homes.iter().map(|home| home.to_str().unwrap().to_owned()).collect();
    let addresses = free_addresses(8).unwrap();
    let (for_peers, for_wallets) = addresses.split_at(4);
    let mut infos = Vec::new();
    for number in 0..4 {
        let (listen, api) = (&for_peers[number], &for_wallets[number]);
        let (name, url) = (format!("Guardian {number}"), format!("http://{api}"));
        let args = [
            "setup",
            "init",
            "--data",
            &data[number],
            "--name",
            &name,
            "--listen",
            listen,
            "--api-listen",
            api,
            "--public-url",
            &url,
        ];
        infos.push(guardian(&args).unwrap().trim().to_owned());
        assert_eq!(guardian(&["setup", "info", "--data", &data[number]]).unwrap().trim(), infos[number]);
        assert!(guardian(&args).unwrap_err().contains("holds a guardian already"));
    }
    let error = guardian(&["run", "--data", &data[0]]).unwrap_err();
    assert!(error.contains("guardian setup join"), "{error}");

    let key = schnorr::SecretKey::from_bytes(&[7; 32]).unwrap();
    let issuer = format!("Bank={},https://bank.example", key.public_key());
    let peers = infos.join(",");
    let mut joining = JoinSet::new();
    for (number, data) in data.iter().cloned().enumerate() {
        let (peers, issuer) = (peers.clone(), issuer.clone());
        joining.spawn(async move {
            let join = spawn_blocking(move || {
                let mut args = vec!["setup", "join", "--data", &data, "--peers", &peers];
                if number == 2 {
                    args.extend(["--federation-name", "Town", "--issuer", &issuer, "--denominations", "1"]);
                }
                guardian(&args)
            });
            tokio::time::timeout(2 * PATIENCE, join).await.expect("too slow").unwrap().unwrap()
        });
    }
    let founded = joining.join_all().await;
    let line = |text: &str, name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned()
    };
    for said in &founded {
        assert_eq!(line(said, "federation"), line(&founded[0], "federation"));
        assert_eq!(line(said, "invite"), line(&founded[0], "invite"));
    }
    let mut numbers: Vec<_> = founded.iter().map(|said| line(said, "guardian")).collect();
    numbers.sort();
    assert_eq!(numbers, ["0", "1", "2", "3"]);

    let mut guardians: Vec<_> = homes.iter().map(|home| Process::new(home)).collect();
    let mut addresses = Vec::new();
    for guardian in &mut guardians {
        let ready = guardian.start().await;
        assert_eq!(ready["federation"], line(&founded[0], "federation"));
        assert_eq!(ready["invite"], line(&founded[0], "invite"));
        addresses.push(ready["api"].as_str().unwrap().to_owned());
    }
    let client = Client::new();
    let password = Password::new(PASSWORD.to_owned().into()).unwrap();
    let config = Home::at(&homes[0]).member(&password).unwrap().config;
    let credit = Credits::new(&config, key).unwrap().credit(1);
    client.submit(&addresses[0], &credit).await.expect("taken up");
    for address in &addresses {
        let session = crate::accepted(&client, address, &credit).await;
        assert!(matches!(client.session(address, session).await.first(), Some(2)), "complete");
    }
}
