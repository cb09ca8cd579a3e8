//! `heirloom serve`

use std::net::SocketAddr;

use anyhow::Context;

use super::Failure;
use super::base::BaseArgs;
use super::output::Output;
use crate::rest;

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
        axum::serve(listener, rest::app(store)).with_graceful_shutdown(stopped()).await?;
        Ok::<(), anyhow::Error>(())
    })?;
    Ok(())
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
