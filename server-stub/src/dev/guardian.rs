//! One guardian of a development federation: a node and its session API.

use std::{sync::Weak, time::Duration};

use axum::Router;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use tracing::error;

use crate::{
    api,
    db::Db,
    node::{NodeError, NodeHandle, RunningNode},
};

/// How long a database may take to close after its guardian has stopped.
const CLOSING: Duration = Duration::from_secs(5);

/// A guardian that runs.
pub struct DevGuardian {
    handle: NodeHandle,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), NodeError>>,
}

impl DevGuardian {
    /// Serves a node's API. If the node fails, the API ends with it.
    pub fn start(mut node: RunningNode, listener: TcpListener, router: Router) -> Self {
        let handle = node.handle().clone();
        let id = handle.id();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut result = Ok(());
            let end = async {
                tokio::select! {
                    _ = stopped => {}
                    ended = node.ended() => {
                        error!(guardian = id, "the guardian has stopped by itself; its API stops too");
                        result = ended;
                    }
                }
            };
            api::serve(listener, router, end).await;
            result.and(node.stop().await)
        });
        Self { handle, stop, task }
    }

    /// The node.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Stops the API and the node and waits until its database is closed.
    ///
    /// # Errors
    /// What the node failed with.
    pub async fn stop(self) -> Result<(), NodeError> {
        let database: Weak<Db> = std::sync::Arc::downgrade(self.handle.db());
        drop(self.handle);
        // The task may have ended by itself.
        let _ = self.stop.send(());
        // It does not panic and nobody cancels it.
        let result = self.task.await.unwrap_or(Ok(()));
        // Requests that were cut off may still hold the database for as long as they compute.
        let closed = async {
            while database.strong_count() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(CLOSING, closed).await.is_err() {
            error!("the guardian's database is still in use");
        }
        result
    }
}
