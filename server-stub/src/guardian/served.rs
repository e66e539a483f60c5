//! A node and its session API.

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

/// A node whose API is served.
pub struct ServedNode {
    handle: NodeHandle,
    stop: Option<oneshot::Sender<()>>,
    /// Until its end was told.
    task: Option<JoinHandle<Result<(), NodeError>>>,
}

impl ServedNode {
    /// Serves a node's API. If the node fails, the API ends with it.
    pub fn start(mut node: RunningNode, server: api::Server, listener: TcpListener, router: Router) -> Self {
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
            server.serve(listener, router, end).await;
            result.and(node.stop().await)
        });
        Self { handle, stop: Some(stop), task: Some(task) }
    }

    /// The node.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Waits until the node ends by itself, which it does only upon an error, and its API with it. Returns at once if
    /// that was told already.
    ///
    /// # Errors
    /// What the node failed with.
    pub async fn ended(&mut self) -> Result<(), NodeError> {
        let Some(task) = &mut self.task else { return Ok(()) };
        // It does not panic and nobody cancels it.
        let result = task.await.unwrap_or(Ok(()));
        self.task = None;
        result
    }

    /// Stops the API and the node and waits until its database is closed.
    ///
    /// # Errors
    /// What the node failed with, unless that was told already.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        let database: Weak<Db> = std::sync::Arc::downgrade(self.handle.db());
        // Dropped is told.
        self.stop.take();
        let result = self.ended().await;
        drop(self);
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
