//! The body of an answer that ends with the login it is for.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::logins::Login;
use crate::http::Body;
use crate::http::body::Broken;

/// Breaks off when the login ends. While it is sent, the login is in use.
pub fn cuttable(body: Body, login: &Arc<Login>) -> Body {
    let ended = Box::pin(login.workers().stopping().cancelled_owned());
    Cuttable { body, ended, login: login.clone() }.boxed_unsync()
}

struct Cuttable {
    body: Body,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
    login: Arc<Login>,
}

impl hyper::body::Body for Cuttable {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the login has ended".into())));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }
    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Cuttable {
    fn drop(&mut self) {
        self.login.touch();
    }
}
