//! Transfers that the owner has with a peer: they go through this daemon, which counts what passes.

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::BodyExt;
use percent_encoding::percent_decode_str;

use crate::api::transfer::{Direction, FILE_SIZE, TransferPull, TransferPush, TransferPut, TreePull, TreePut};
use crate::api::{BASE, Operation, Spec};
use crate::http::Body;
use crate::http::body::Broken;
use crate::service::transfer::running::{Passage, Running};

/// Operations whose request has the content, and those whose answer has it.
const UPLOADS: [&Spec; 3] = [&TransferPut::SPEC, &TransferPush::SPEC, &TreePut::SPEC];
const DOWNLOADS: [&Spec; 2] = [&TransferPull::SPEC, &TreePull::SPEC];

/// Where the content of a request that goes on to a peer is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::daemon) enum Content {
    /// In the request.
    Asked,
    /// In the answer.
    Answered,
    /// Nowhere: it moves no file.
    None,
}

impl Content {
    pub(in crate::daemon) fn of<B>(request: &Request<B>) -> Self {
        let path = request.uri().path().strip_prefix(BASE);
        let is_one_of = |specs: &[&Spec]| specs.iter().any(|spec| spec.method == *request.method() && Some(spec.path) == path);
        match () {
            () if is_one_of(&UPLOADS) => Self::Asked,
            () if is_one_of(&DOWNLOADS) => Self::Answered,
            () => Self::None,
        }
    }
}

/// The request, its content counted if that is where it is.
pub(in crate::daemon) fn asked<B>(running: &Running, peer: &str, content: Content, request: Request<B>) -> Request<Body>
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Broken>,
{
    let passage = (content == Content::Asked).then(|| {
        let fields: Vec<(String, String)> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
        let field = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
        let done = number(request.headers(), header::CONTENT_RANGE.as_str(), |range| range.strip_prefix("bytes ")?.split('-').next());
        let total = field("size").and_then(|size| size.parse().ok());
        running.begin(Direction::Out, field("path").unwrap_or_default(), Some(peer), done.unwrap_or(0), total)
    });
    request.map(|body| counted(body, passage))
}

/// The answer, its content counted if that is where it is.
pub(in crate::daemon) fn answered(running: &Running, peer: &str, content: Content, response: Response<Body>) -> Response<Body> {
    let is_content = content == Content::Answered && response.status().is_success();
    let passage = is_content.then(|| {
        let headers = response.headers();
        let done = number(headers, header::CONTENT_RANGE.as_str(), |range| range.strip_prefix("bytes ")?.split('-').next());
        let name = headers.get(header::CONTENT_DISPOSITION).and_then(|value| value.to_str().ok()).map(file_name);
        running.begin(Direction::In, &name.unwrap_or_default(), Some(peer), done.unwrap_or(0), number(headers, FILE_SIZE, Some))
    });
    if passage.is_none() { response } else { response.map(|body| counted(body, passage)) }
}

fn counted<B>(body: B, passage: Option<Passage>) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Broken>,
{
    let body = body.map_frame(move |frame| {
        if let (Some(passage), Some(bytes)) = (&passage, frame.data_ref()) {
            passage.add(bytes.len());
        }
        frame
    });
    body.map_err(Into::into).boxed_unsync()
}

fn number<'a>(headers: &'a HeaderMap, name: &str, part: impl Fn(&'a str) -> Option<&'a str>) -> Option<u64> {
    part(headers.get(name)?.to_str().ok()?)?.parse().ok()
}

/// The name in a `Content-Disposition` as daemons write it.
fn file_name(disposition: &str) -> String {
    if let Some((_, encoded)) = disposition.split_once("filename*=UTF-8''") {
        return percent_decode_str(encoded.trim()).decode_utf8_lossy().into_owned();
    }
    let quoted = disposition.split_once("filename=\"").map(|(_, rest)| rest.strip_suffix('"').unwrap_or(rest));
    quoted.unwrap_or_default().replace("\\\"", "\"").replace("\\\\", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_is_where_the_operation_has_it() {
        let content = |method: &str, path: &str| Content::of(&Request::builder().method(method).uri(path).body(()).unwrap());
        assert_eq!(content("PUT", "/api/v1/transfer/file?path=a"), Content::Asked);
        assert_eq!(content("POST", "/api/v1/transfer/pull"), Content::Answered);
        for (method, path) in [("HEAD", "/api/v1/transfer/file?path=a"), ("POST", "/transfer/pull"), ("GET", "/api/v1/context/transfer")] {
            assert_eq!(content(method, path), Content::None, "{path}");
        }
    }
    #[test]
    fn names_are_read_as_they_are_written_and_odd_ones_do_no_harm() {
        assert_eq!(file_name("attachment; filename=\"a \\\"b\\\".txt\""), "a \"b\".txt");
        assert_eq!(file_name("attachment; filename=\"__.txt\"; filename*=UTF-8''%D1%8F%0A.txt"), "я\n.txt");
        for odd in ["", "filename", "filename=\"", "filename*=UTF-8''%F", "filename*=UTF-8''%ff%fe"] {
            assert!(file_name(odd).len() < 10, "{odd}");
        }
    }
}
