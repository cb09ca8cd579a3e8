//! `heirloom serve`

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;

use super::Failure;
use super::base::BaseArgs;
use super::output::Output;
use crate::rest;

/// How long requests under way may take once the server has been asked to stop.
const DRAIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct ServeArgs {
    /// The address to listen on; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:7878", value_name = "ADDRESS")]
    listen: SocketAddr,
}

pub(super) fn run(base: &BaseArgs, args: &ServeArgs, out: &Output) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        // First, so that no base is made where nothing can be served.
        let listener = tokio::net::TcpListener::bind(args.listen).await;
        let listener = listener.with_context(|| format!("cannot listen on {}", args.listen))?;
        let store = base.open()?;
        let address = listener.local_addr()?;
        if out.is_json() {
            out.line(&serde_json::json!({ "listening": format!("http://{address}") }).to_string())?;
        } else {
            out.line(&format!("listening on http://{address} (routes: /openapi.json); stop with Ctrl-C"))?;
        }
        let (asked, told) = tokio::sync::oneshot::channel();
        let serving = axum::serve(listener, rest::app(store)).with_graceful_shutdown(async move {
            stopped().await;
            // Whoever listens has gone only if the server has.
            let _ = asked.send(());
        });
        tokio::select! {
            served = serving.into_future() => served?,
            () = drained(told) => tracing::warn!("requests that had not ended {} s after the stop were broken off", DRAIN.as_secs()),
        }
        Ok::<(), anyhow::Error>(())
    })?;
    runtime.shutdown_timeout(DRAIN);
    Ok(())
}

/// Ends some time after the stop: a client that never ends its request must not keep the server up.
async fn drained(told: tokio::sync::oneshot::Receiver<()>) {
    match told.await {
        Ok(()) => tokio::time::sleep(DRAIN).await,
        Err(_) => std::future::pending().await,
    }
}

/// Ends when the process is asked to stop; what is acknowledged is on the disk at any time.
async fn stopped() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
