//! A guardian in a process of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::timeout};

/// What no guardian needs so long for.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The password of all guardians here.
pub const PASSWORD: &str = "secret";

/// A data directory, and the process that runs on it, if one does. It is killed when this is dropped.
pub struct Process {
    home: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// A guardian that does not run yet.
    pub fn new(home: &Path) -> Self {
        Self { home: home.into(), child: None }
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Starts it and waits until it says that it is ready: what it says of itself.
    pub async fn start(&mut self) -> serde_json::Value {
        let log =
            std::fs::File::options().create(true).append(true).open(self.home.with_extension("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_guardian"))
            .arg("run")
            .arg("--session-ms=100")
            .arg("--data")
            .arg(&self.home)
            .env("GUARDIAN_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        let first = spawn_blocking(move || lines.next());
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
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
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
