//! `guardian setup`.

use std::{
    io::BufRead,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use rekindle_guardian::{
    guardian::{Home, Profile},
    secrets::{KeyDerivation, PasswordSource},
    setup::{self, ConnectionInfo, Found, SetupError, Terms},
};
use rekindle_protocol::{
    amount::Amount,
    config::Fees,
    modules::{deposit::Issuer, mint::MintConfig},
};

use super::{Failure, block_on};

#[derive(Args)]
pub struct Setup {
    #[command(subcommand)]
    step: Step,
}

#[derive(Subcommand)]
enum Step {
    /// Make a guardian's data directory and print its connection info, for the operators of all others.
    Init(Init),
    /// Print the connection info again.
    Info(Existing),
    /// Found a federation with all others, who do the same at the same time.
    Join(Join),
}

#[derive(Args)]
struct Existing {
    /// The guardian's data directory.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A file whose first line is the password of the guardian's secrets; else GUARDIAN_PASSWORD, else it is asked for.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args)]
struct Init {
    #[command(flatten)]
    existing: Existing,
    /// The guardian's name, for people.
    #[arg(long)]
    name: String,
    /// Host and port to listen on for other guardians.
    #[arg(long, value_name = "ADDRESS")]
    listen: String,
    /// Host and port at which other guardians reach it, if that is not where it listens.
    #[arg(long, value_name = "ADDRESS")]
    address: Option<String>,
    /// Host and port to listen on for wallets.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:28170")]
    api_listen: String,
    /// Base URL at which wallets reach it.
    #[arg(long, value_name = "URL")]
    public_url: String,
}

#[derive(Args)]
struct Join {
    #[command(flatten)]
    existing: Existing,
    /// The connection infos of all guardians, separated by commas. Without it they are read from standard input, one a
    /// line, up to an empty line.
    #[arg(long, value_name = "INFOS", value_delimiter = ',')]
    peers: Vec<String>,
    /// The federation's name. One guardian must say it; who else does must say the same, and the same issuers and fees.
    #[arg(long, value_name = "NAME")]
    federation_name: Option<String>,
    /// Who may credit deposits and pays withdrawals: a name, `=`, its key in hex and, after a comma, where it is
    /// reached; once per issuer.
    #[arg(long, value_name = "NAME=KEY[,URL]", value_parser = issuer, requires = "federation_name")]
    issuer: Vec<Issuer>,
    /// What the federation keeps of each input of a transaction, in sats.
    #[arg(long, value_name = "SATS", default_value_t = 0, requires = "federation_name")]
    input_fee: u64,
    /// What it keeps of each output.
    #[arg(long, value_name = "SATS", default_value_t = 0, requires = "federation_name")]
    output_fee: u64,
    /// How many denominations of notes.
    #[arg(long, value_name = "N", default_value_t = MintConfig::MAX_DENOMINATIONS as u8, hide = true)]
    denominations: u8,
    /// How long to wait for the others to connect, and then for each step, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
}

impl Setup {
    pub fn run(self) -> Result<(), Failure> {
        match self.step {
            Step::Init(init) => init.run(),
            Step::Info(existing) => existing.run(),
            Step::Join(join) => join.run(),
        }
    }
}

impl Existing {
    fn password(&self) -> PasswordSource {
        PasswordSource { file: self.password_file.clone() }
    }

    fn run(self) -> Result<(), Failure> {
        println!("{}", setup::connection_info(&Home::at(&self.data), &self.password().get()?)?);
        Ok(())
    }
}

impl Init {
    fn run(self) -> Result<(), Failure> {
        let password = self.existing.password().choose()?;
        let profile = Profile {
            name: self.name,
            address: self.address.unwrap_or_else(|| self.listen.clone()),
            listen: self.listen,
            api_listen: self.api_listen,
            public_url: self.public_url.trim_end_matches('/').to_owned(),
        };
        let info = setup::begin(&self.existing.data, &profile, &password, KeyDerivation::default())?;
        println!("{info}");
        Ok(())
    }
}

impl Join {
    fn run(self) -> Result<(), Failure> {
        let texts = if self.peers.is_empty() { infos_from_stdin()? } else { self.peers };
        let guardians = (1..)
            .zip(&texts)
            .map(|(number, text)| {
                ConnectionInfo::parse(text).map_err(|error| SetupError::Info { number, error })
            })
            .collect::<Result<_, _>>()?;
        let terms = self.federation_name.map(|name| Terms {
            name,
            denominations: self.denominations,
            issuers: self.issuer,
            fees: Fees { input: Amount(self.input_fee), output: Amount(self.output_fee) },
        });
        let found = Found {
            home: Home::at(&self.existing.data),
            password: self.existing.password().get()?,
            derivation: KeyDerivation::default(),
            guardians,
            terms,
            patience: Duration::from_secs(self.timeout),
            now: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        };
        block_on(async {
            let federation = found.run().await?;
            println!("guardian {}", federation.guardian);
            println!("federation {}", federation.id);
            println!("invite {}", federation.invite);
            if let Some(why) = federation.unconfirmed {
                eprintln!(
                    "guardian: this guardian's keys are stored, but not all others have said so of theirs: {why}. \
                     Whoever has not stored its keys can never take part in this federation."
                );
            }
            Ok(())
        })
    }
}

fn infos_from_stdin() -> Result<Vec<String>, Failure> {
    eprintln!("The connection infos of all guardians, one a line, then an empty line:");
    let lines = std::io::stdin().lock().lines();
    Ok(lines
        .take_while(|line| !matches!(line, Ok(line) if line.trim().is_empty()))
        .collect::<Result<_, _>>()?)
}

fn issuer(text: &str) -> Result<Issuer, &'static str> {
    const EXPECTED: &str = "expected a name, `=`, a key of 64 hex digits and perhaps a comma and a URL";
    let (name, rest) = text.split_once('=').ok_or(EXPECTED)?;
    let (key, url) = rest.split_once(',').unwrap_or((rest, ""));
    let key = key.parse().map_err(|_| EXPECTED)?;
    Ok(Issuer { name: name.into(), key, faucet: false, url: url.into() })
}
