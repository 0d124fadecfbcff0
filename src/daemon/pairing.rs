//! Pairing with machines that this one never met.

use super::Daemon;
use crate::api::Caller;
use crate::api::pairing::{
    PairCancel, PairCancelled, PairConfirm, PairConnect, PairExchange, PairExchanged, PairFinish, PairFinished, PairInitiate,
    PairInitiated, PairStart, PairStarted, PairState, PairStatus,
};
use crate::base::Result;
use crate::http::Serve;

impl Serve<PairStart> for Daemon {
    async fn serve(&self, _: &Caller, op: PairStart) -> Result<PairStarted> {
        self.pairing.begin(op).await
    }
}

impl Serve<PairInitiate> for Daemon {
    async fn serve(&self, caller: &Caller, op: PairInitiate) -> Result<PairInitiated> {
        self.pairing.initiate(caller, &op)
    }
}

impl Serve<PairExchange> for Daemon {
    async fn serve(&self, caller: &Caller, op: PairExchange) -> Result<PairExchanged> {
        self.pairing.exchange(caller, &op)
    }
}

impl Serve<PairConfirm> for Daemon {
    async fn serve(&self, _: &Caller, op: PairConfirm) -> Result<PairState> {
        self.pairing.confirm(op).await
    }
}

impl Serve<PairFinish> for Daemon {
    async fn serve(&self, caller: &Caller, op: PairFinish) -> Result<PairFinished> {
        self.pairing.finish(caller, &op).await
    }
}

impl Serve<PairCancel> for Daemon {
    async fn serve(&self, caller: &Caller, op: PairCancel) -> Result<PairCancelled> {
        self.pairing.cancel(caller, &op).await
    }
}

impl Serve<PairStatus> for Daemon {
    async fn serve(&self, _: &Caller, op: PairStatus) -> Result<PairState> {
        Ok(self.pairing.status(&op).await)
    }
}

impl Serve<PairConnect> for Daemon {
    async fn serve(&self, _: &Caller, op: PairConnect) -> Result<PairState> {
        self.pairing.connect(op).await
    }
}
