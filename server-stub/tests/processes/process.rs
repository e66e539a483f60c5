//! A guardian in a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use rekindle_guardian::{
    api,
    guardian::{self, RunOptions},
    node::{RULES_VERSION, Settings},
    secrets::Password,
};
use tokio::{task::spawn_blocking, time::timeout};

/// What no guardian needs so long for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The password of all guardians here.
pub const PASSWORD: &str = "secret";

/// The token of all their operators.
pub const TOKEN: &str = "a-token-that-nobody-guesses";

/// A data directory, and the process that runs on it, if one does. It is killed when this is dropped.
pub struct Process {
    home: PathBuf,
    program: Program,
    child: Option<Child>,
}

/// What runs.
#[derive(Clone, Copy, Debug)]
pub enum Program {
    /// The binary.
    Guardian,
    /// A program of the same library that follows newer rules: this very test, see [`newer_program`].
    Newer,
}

/// Tells [`newer_program`] that it is run as one, and its data directory.
const NEWER_HOME: &str = "REKINDLE_TEST_NEWER_HOME";

/// Not a test but what [`Program::Newer`] runs.
#[tokio::test]
#[ignore = "it is run by another test"]
async fn newer_program() {
    let Some(data) = std::env::var_os(NEWER_HOME) else { return };
    let options = RunOptions {
        data: data.into(),
        password: Password::new(PASSWORD.to_owned().into()).unwrap(),
        settings: Settings {
            session_time: Duration::from_millis(100),
            rules_version: RULES_VERSION + 1,
            ..Settings::default()
        },
        limits: api::Limits::default(),
        backup_bytes: 0,
        server: api::Server::default(),
        admin: None,
    };
    guardian::run(options, std::future::pending(), |line| println!("{line}")).await.unwrap();
}

impl Process {
    /// A guardian that does not run yet.
    pub fn new(home: &Path) -> Self {
        Self { home: home.into(), program: Program::Guardian, child: None }
    }

    /// Replaces the program from the next start on.
    pub fn install(&mut self, program: Program) {
        self.program = program;
    }

    fn command(&self) -> Command {
        match self.program {
            Program::Guardian => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_guardian"));
                command.args(["run", "--session-ms=100", "--data"]).arg(&self.home);
                command.arg("--admin-token-file").arg(self.home.with_extension("token"));
                command
            }
            Program::Newer => {
                let mut command = Command::new(std::env::current_exe().unwrap());
                command.args(["--exact", "process::newer_program", "--ignored", "--nocapture"]);
                command.env(NEWER_HOME, &self.home);
                command
            }
        }
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it and waits until it says that it is ready: what it says of itself.
    pub async fn start(&mut self) -> serde_json::Value {
        std::fs::write(self.home.with_extension("token"), TOKEN).unwrap();
        let log =
            std::fs::File::options().create(true).append(true).open(self.home.with_extension("log")).unwrap();
        let mut child = self
            .command()
            .env("GUARDIAN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        let is_ready =
            |line: &std::io::Result<String>| line.as_ref().is_ok_and(|it| it.starts_with("ready "));
        let first = spawn_blocking(move || lines.find(is_ready));
        let ready = timeout(PATIENCE, first).await.expect("not ready in time").unwrap();
        let Some(ready) = ready else {
            let status = self.child.take().unwrap().wait().unwrap();
            panic!("it ended instead of getting ready, {status}:\n{}", self.log());
        };
        let ready = ready.unwrap();
        serde_json::from_str(ready.strip_prefix("ready ").unwrap()).unwrap()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Asks it to end, as an operating system does that shuts down.
    pub async fn terminate(&mut self, patience: Duration) -> ExitStatus {
        let id = self.child.as_ref().unwrap().id();
        assert!(Command::new("kill").args(["-TERM", &id.to_string()]).status().unwrap().success());
        self.ended(patience).await
    }

    /// Waits until it ends.
    pub async fn ended(&mut self, patience: Duration) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        timeout(patience, spawn_blocking(move || child.wait()))
            .await
            .expect("it does not end")
            .unwrap()
            .unwrap()
    }

    /// The last lines that it has logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.home.with_extension("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
