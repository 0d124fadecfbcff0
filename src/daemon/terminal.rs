//! Terminals of this machine.

use super::Daemon;
use crate::api::Caller;
use crate::api::terminal::{
    Terminal, TerminalCreate, TerminalEnd, TerminalEnded, TerminalGet, TerminalList, TerminalResize, TerminalSocket, Terminals,
};
use crate::base::Result;
use crate::http::websocket::Socket;
use crate::http::{Serve, ServeSocket};

impl Serve<TerminalCreate> for Daemon {
    async fn serve(&self, caller: &Caller, op: TerminalCreate) -> Result<Terminal> {
        self.terminals.create(caller, op).await
    }
}

impl Serve<TerminalList> for Daemon {
    async fn serve(&self, caller: &Caller, _: TerminalList) -> Result<Terminals> {
        Ok(Terminals { terminals: self.terminals.list(caller) })
    }
}

impl Serve<TerminalGet> for Daemon {
    async fn serve(&self, caller: &Caller, op: TerminalGet) -> Result<Terminal> {
        self.terminals.get(caller, &op.terminal_id)
    }
}

impl Serve<TerminalEnd> for Daemon {
    async fn serve(&self, caller: &Caller, op: TerminalEnd) -> Result<TerminalEnded> {
        self.terminals.end(caller, &op.terminal_id).await?;
        Ok(TerminalEnded { success: true, terminal_id: op.terminal_id })
    }
}

impl Serve<TerminalResize> for Daemon {
    async fn serve(&self, caller: &Caller, op: TerminalResize) -> Result<Terminal> {
        self.terminals.resize(caller, &op.terminal_id, op.cols, op.rows).await
    }
}

impl ServeSocket<TerminalSocket> for Daemon {
    async fn serve_socket(&self, caller: Caller, op: TerminalSocket, socket: Socket) {
        super::terminal_socket::serve(&self.terminals, &caller, &op, socket).await;
    }
}
